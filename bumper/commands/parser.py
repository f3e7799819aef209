"""The verbs, and the parser of each. A verb's own file is imported only when it is asked for, so that `--help` stays fast."""

import argparse
import importlib
from collections.abc import Mapping
from typing import NoReturn, Protocol, cast

from bumper.app.context import Context
from bumper.errors import EXIT_MEANINGS, UsageError

# Verb → summary: they stand here so that `bump --help` imports no command.
COMMANDS: Mapping[str, str] = {
    "track": "follow a commit that is already on the branch",
    "status": "what every site wants, runs and is worth",
    "history": "who deployed what, when, from which commit, with what outcome",
    "rollback": "back to the last version that was Ready, and keep the rejected one off",
    "hold": "keep automation off a site",
    "release": "let automation on a site again",
    "new-site": "add a site, written as those that are there",
    "remove-site": "take a site away, and say what that deletes",
    "check": "what is wrong in the Flux tree: no cluster, no network",
    "doctor": "access and settings, before the day you need them",
    "notifications": "let Flux tell GitHub how a deploy goes, for --follow github",
    "edit": "change the tag in files: no git, no network",
    "action": "the main job as a step of a workflow: inputs and outputs of action.yml",
    "demo": "the main job on a simulated platform, all on this machine",
}
MAIN_COMMAND = "deploy"


class Command(Protocol):
    """What each module in `commands/` offers."""

    SUMMARY: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...
    def run(self, arguments: argparse.Namespace, context: Context) -> int: ...


class HelpWanted(Exception):
    """`--help` was among the arguments; holds the text to show."""


class Parser(argparse.ArgumentParser):
    """argparse that reports a wrong argument as every other error is reported."""

    def print_help(self, file: object = None) -> None:
        raise HelpWanted(self.format_help())

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"see {self.prog} --help")


def command_of(verb: str) -> Command:
    """The module of one verb, imported now."""
    return cast(Command, importlib.import_module(f"bumper.commands.{verb.replace('-', '_')}"))


def parser_of(verb: str) -> Parser:
    """The parser of one command; `deploy` is the main job, which is called without a verb."""
    command = command_of(verb)
    is_main = verb == MAIN_COMMAND
    parser = Parser(
        prog="bump" if is_main else f"bump {verb}",
        description=command.SUMMARY,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_epilog() if is_main else None,
        allow_abbrev=False,
    )
    command.add_arguments(parser)
    return parser


def _epilog() -> str:
    width = max(map(len, COMMANDS)) + 2
    verbs = [f"  bump {verb:<{width}}{summary}" for verb, summary in COMMANDS.items()]
    codes = [f"  {code:<13}{meaning}" for code, meaning in EXIT_MEANINGS.items()]
    return "\n".join(["other commands:", *verbs, "", "exit codes:", *codes])
