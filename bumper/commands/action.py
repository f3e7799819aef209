"""The main job as a step of a workflow: the inputs of action.yml in, its outputs and annotations out.

Inputs come by the environment only (`BUMP_INPUT_SITE`, …): no text of an event ever reaches a shell. The job itself is `bump` with the
same options, and its JSON is where outputs and annotations come from.
"""

import argparse

from bumper.app.context import Context
from bumper.app.surroundings import Surroundings
from bumper.commands import deploy
from bumper.commands.parser import MAIN_COMMAND, parser_of
from bumper.errors import UsageError

SUMMARY = "The main job as a step of a workflow. Inputs: BUMP_INPUT_SITE, BUMP_INPUT_SHA, … as action.yml sets them."
# Input → option. A list has one entry on each line.
_TEXTS = {
    "site": "--site",
    "sha": "--sha",
    "tag": "--tag",
    "branch": "--branch",
    "commit-via": "--commit-via",
    "merge-timeout": "--merge-timeout",
    "message": "--message",
    "image": "--image",
    "follow": "--follow",
    "timeout": "--timeout",
    "reason": "--reason",
    "expect-plan": "--expect-plan",
    "serves": "--serves",
}
_FLAGS = {
    "dry-run": "--dry-run",
    "auto-rollback": "--auto-rollback",
    "force": "--force",
    "signoff": "--signoff",
    "skip-ci": "--skip-ci",
}
_LISTS = {"set": "--set", "context": "--context", "resolve": "--resolve", "trailer": "--trailer"}
# Those that need no permission which the job has not had before are on.
_CHANNELS = {"comment": True, "summary": True, "deployment": False, "status": False}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No option: everything comes by the environment."""


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Runs the job, writes outputs and annotations, and returns the job's exit code."""
    from bumper.app.action import run_step

    return run_step(_deploy, context)


def command_line(surroundings: Surroundings) -> list[str]:
    """The command line that the inputs stand for; UsageError for a flag that is neither true nor false."""
    inputs = surroundings.inputs
    options = ["--output=json"]
    for name, option in _TEXTS.items():
        if text := inputs.get(name, "").strip():
            options.append(f"{option}={text}")
    for name, option in _LISTS.items():
        lines = [line.strip() for line in inputs.get(name, "").splitlines()]
        options += [f"{option}={line}" for line in lines if line]
    options.append(f"--repo={_repository(surroundings)}")
    options += [option for name, option in _FLAGS.items() if _is_true(surroundings, name, default=False)]
    options += [] if _is_true(surroundings, "wait", default=True) else ["--no-wait"]
    channels = [name for name, is_on in _CHANNELS.items() if _is_true(surroundings, name, default=is_on)]
    return options + [f"--publish={name}" for name in channels]


def _deploy(context: Context) -> int:
    arguments = parser_of(MAIN_COMMAND).parse_args(command_line(context.surroundings))
    return deploy.run(arguments, context)


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
