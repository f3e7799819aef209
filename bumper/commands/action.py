"""`bump` as a step of a workflow: the inputs of action.yml in, its outputs and annotations out.

Inputs come by the environment only (`BUMP_INPUT_SITE`, …): no text of an event ever reaches a shell. Which inputs there are says the
parser of the command: each of its options is an input of the same name, but for `publish.inputs.EXCEPTIONS`.
"""

import argparse
from collections.abc import Iterator
from enum import Enum

from bumper.app.context import Context
from bumper.app.surroundings import Surroundings
from bumper.commands.parser import MAIN_COMMAND, Parser, command_of, parser_of
from bumper.errors import UsageError, did_you_mean
from bumper.publish import inputs

SUMMARY = "A command as a step of a workflow. Inputs: BUMP_INPUT_SITE, BUMP_INPUT_SHA, … as action.yml."
# What the input `command` may name.
STEPS = (MAIN_COMMAND, "promote", "rollback", "hold", "release", "freeze", "sweep", "status")
_LOOKS = {"status": False, "sweep": True}  # what only prints, by whether it writes the job's summary itself
# Those that need no permission which the job has not had before are on.
_CHANNELS = {"comment": True, "summary": True, "deployment": False, "status": False}
# What is no option of any command: whom it is told, and what gets in by files and variables of its own.
_OTHERS = {"command", "repo", "wait", "kubeconfig", *_CHANNELS}


class Takes(Enum):
    """What stands behind an option."""

    NOTHING = "nothing"
    ONE = "a value"
    SEVERAL = "a value, and it may be repeated"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No option: everything comes by the environment."""


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Runs the command, writes outputs and annotations, and returns its exit code."""
    from bumper.app.action import run_look, run_step

    command = context.surroundings.inputs.get("command", "").strip()
    if command in _LOOKS:
        return run_look(_run, context, in_summary=not _LOOKS[command])
    return run_step(_run, context)


def options_of(parser: Parser) -> dict[str, Takes]:
    """What stands behind each option that begins with two dashes, in the order of the help."""
    actions = (action for action in parser._actions if action.option_strings)
    return {action.option_strings[-1].removeprefix("--"): _takes(action) for action in actions}


def _takes(action: argparse.Action) -> Takes:
    repeats = isinstance(action, argparse._AppendAction)
    return Takes.NOTHING if action.nargs == 0 else Takes.SEVERAL if repeats else Takes.ONE


def command_line(surroundings: Surroundings) -> tuple[str, list[str]]:
    """The command and the options that the inputs stand for; UsageError for an input that the command has not, or can't read."""
    command = _command(surroundings)
    options = options_of(parser_of(command))
    line = [] if command in _LOOKS else ["--output=json"]
    for name, text in surroundings.inputs.items():
        if name not in _OTHERS and text.strip():
            line += _of_input(surroundings, command, name, options.get(name))
    line.append(f"--repo={_repository(surroundings)}")
    if not _is_true(surroundings, "wait", default=True):
        _require(options.get("no-wait"), "wait", command)
        line.append("--no-wait")
    channels = [name for name, is_on in _CHANNELS.items() if _is_true(surroundings, name, default=is_on)]
    return command, line + [f"--publish={name}" for name in channels if "publish" in options]


def _run(context: Context) -> int:
    command, line = command_line(context.surroundings)
    return command_of(command).run(parser_of(command).parse(line, context.environ), context)


def _command(surroundings: Surroundings) -> str:
    command = surroundings.inputs.get("command", "").strip() or MAIN_COMMAND
    if command not in STEPS:
        nearest = did_you_mean(command, STEPS)
        raise UsageError(f"command: {command!r}, expected one of {', '.join(STEPS)}{nearest}")
    return command


def _of_input(surroundings: Surroundings, command: str, name: str, takes: Takes | None) -> Iterator[str]:
    text = surroundings.inputs[name].strip()
    if takes is None and text == "false":
        return
    _require(takes, name, command)
    if takes is Takes.NOTHING:
        yield from [f"--{name}"] if _is_true(surroundings, name, default=False) else []
    elif takes is Takes.SEVERAL:
        yield from (f"--{name}={value}" for value in inputs.values(name, text))
    else:
        yield f"--{name}={text}"


def _require(takes: Takes | None, name: str, command: str) -> None:
    if takes is None or (name in inputs.EXCEPTIONS and name != "no-wait"):
        raise UsageError(f"{name}: {command} has no such input", hint="leave it out")


def _is_true(surroundings: Surroundings, name: str, *, default: bool) -> bool:
    text = surroundings.inputs.get(name, "").strip().lower()
    if text not in ("true", "false", ""):
        raise UsageError(f"{name}: {text!r}, expected true or false")
    return text == "true" if text else default


def _repository(surroundings: Surroundings) -> str:
    """The URL of the platform repository: an input, `owner/name` on this GitHub, or where this action comes from."""
    asked = surroundings.inputs.get("repo", "").strip() or surroundings.action_repository
    if not asked:
        raise UsageError("repo: no platform repository", hint="name it with the input repo: OWNER/NAME")
    return asked if "://" in asked else f"{surroundings.server_url}/{asked}"
