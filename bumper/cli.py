"""argv and environment in, text and exit code out.

The main job needs no verb: `bump --site …`. Everything else is a verb with a file of its own in `commands/`, which is imported only
when it is asked for, so that `--help` and a refused request stay fast.
"""

import argparse
import importlib
import io
import json
import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NoReturn, Protocol, cast

from bumper.app.context import Context
from bumper.errors import EXIT_BUG, EXIT_INTERRUPTED, EXIT_MEANINGS, BumpError, UsageError
from bumper.publish import report
from bumper.style import plain

# Verb → module and summary: the summaries stand here so that `bump --help` imports no command.
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


class Parser(argparse.ArgumentParser):
    """argparse that reports a wrong argument as every other error is reported."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"see {self.prog} --help")

    def print_help(self, file: object = None) -> None:
        raise _HelpWanted(self.format_help())


class _HelpWanted(Exception):
    """`--help` was among the arguments; holds the text to show."""


def parser_of(verb: str) -> Parser:
    """The parser of one command; `deploy` is the main job, which is called without a verb."""
    command = _command(verb)
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


def main(argv: Sequence[str] | None = None, context: Context | None = None) -> int:
    """Runs one command line and returns its exit code.

    Without a `context` it runs as the program: with the arguments, surroundings and signals of this process. With one, it touches
    nothing of the process.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if context is None:
        context = _of_this_process()
        _let_signals_interrupt()
    wants_json = "--output=json" in words or ("--output", "json") in pairwise(words)
    try:
        return _run(words, context)
    except BumpError as error:
        _print_error(error, context, wants_json=wants_json)
        return error.exit_code
    except KeyboardInterrupt:
        if wants_json:
            interrupted = report.interrupted_as_data(["nothing was written"])
            context.stdout.write(json.dumps(interrupted, indent=2) + "\n")
        context.stderr.write("interrupted\n")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; the interpreter must not complain about it on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), context.stdout.fileno())
        return EXIT_BUG
    except Exception:
        traceback.print_exc(file=context.stderr)
        context.stderr.write("This is a bug in bump: please report it with the lines above.\n")
        return EXIT_BUG
    finally:
        _finish(context)


def _of_this_process() -> Context:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Nothing may fail for want of a letter after a file was changed.
            stream.reconfigure(errors="backslashreplace")
    return Context(dict(os.environ), Path.cwd(), stdout=sys.stdout, stderr=sys.stderr, stdin=sys.stdin)


def _let_signals_interrupt() -> None:
    # A workflow that is cancelled, a pod that is stopped, a terminal that is closed: they too are told where things stand, and nothing
    # is left behind. Who ignores a signal (nohup) goes on ignoring it.
    for stop in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(stop) is not signal.SIG_IGN:
            signal.signal(stop, signal.default_int_handler)


def _run(words: list[str], context: Context) -> int:
    verb = words.pop(0) if words and words[0] in COMMANDS else MAIN_COMMAND
    parser = parser_of(verb)
    if not words and verb == MAIN_COMMAND:
        context.stdout.write(parser.format_help())
        return UsageError.exit_code
    try:
        arguments = parser.parse_args(words)
    except _HelpWanted as help_text:
        context.stdout.write(str(help_text))
        return 0
    return _command(verb).run(arguments, context)


def _command(verb: str) -> Command:
    return cast(Command, importlib.import_module(f"bumper.commands.{verb.replace('-', '_')}"))


def _finish(context: Context) -> None:
    """What may take some more time, after everything has been printed; a second Ctrl-C ends it."""
    try:
        context.stdout.flush()
        context.afterwards.close()
    except (KeyboardInterrupt, BrokenPipeError):
        return


def _epilog() -> str:
    width = max(map(len, COMMANDS)) + 2
    verbs = [f"  bump {verb:<{width}}{summary}" for verb, summary in COMMANDS.items()]
    codes = [f"  {code:<13}{meaning}" for code, meaning in EXIT_MEANINGS.items()]
    return "\n".join(["other commands:", *verbs, "", "exit codes:", *codes])


def _print_error(error: BumpError, context: Context, *, wants_json: bool) -> None:
    if wants_json:
        context.stdout.write(json.dumps(report.error_as_data(error), indent=2) + "\n")
    for line in report.error(error):
        context.stderr.write(plain(line) + "\n")


if __name__ == "__main__":
    sys.exit(main())
