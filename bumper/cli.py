"""argv and environment in, text and exit code out.

The main job needs no verb: `bump --site …`. Everything else is a verb with a file of its own in `commands/`.
"""

import gc
import os
import signal
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from bumper.app.context import Context
from bumper.app.stream import lasting, occupy
from bumper.commands.parser import COMMANDS, MAIN_COMMAND, TextWanted, command_of, parser_of, verb_of
from bumper.errors import EXIT_BUG, EXIT_INTERRUPTED, BumpError, UsageError
from bumper.ports.deadline import told_to
from bumper.publish import problem
from bumper.safe_text import visible
from bumper.style import COMMAND, plain, wrapped

__all__ = ["COMMANDS", "MAIN_COMMAND", "main", "parser_of"]


def main(argv: Sequence[str] | None = None, context: Context | None = None) -> int:
    """Runs one command line and returns its exit code.

    Without a `context` it runs as the program: with the arguments and surroundings of this process. With one, it touches
    nothing of the process.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if context is None:
        here = _here()
        ours = _of_this_process(here or Path("/"))
        code = main(arguments, ours) if here else _refuse_to_stand_nowhere(arguments, ours)
        _let_nothing_interrupt()
        return code
    wants_json = _wants_json(arguments)
    try:
        with told_to(lambda text: _say(text, context)):
            return _run(arguments, context)
    except BumpError as error:
        _print_error(error, context, wants_json=wants_json)
        return error.exit_code
    except KeyboardInterrupt:
        if wants_json:
            _print_json(problem.interruption_as_data(["nothing was written"]), context)
        context.stderr.write("interrupted\n")
        return EXIT_INTERRUPTED
    except Exception as error:
        from bumper.app.shortage import shortage

        if short := shortage(error):
            _print_error(short, context, wants_json=wants_json)
            return short.exit_code
        import traceback

        traceback.print_exc(file=context.stderr)
        context.stderr.write("This is a bug in bump: please report it with the lines above.\n")
        return EXIT_BUG
    finally:
        _finish(context)


def _wants_json(arguments: Sequence[str]) -> bool:
    return "--output=json" in arguments or ("--output", "json") in pairwise(arguments)


def _here() -> Path | None:
    """Where we stand; None where that folder is gone, or may not be looked at."""
    try:
        return Path.cwd()
    except OSError:
        return None


def _refuse_to_stand_nowhere(arguments: Sequence[str], context: Context) -> int:
    # Every path that is named counts from where we stand, and so do those of git and of plugins.
    error = UsageError("the folder that bump was started in is gone", hint="start it in another one: cd /")
    _print_error(error, context, wants_json=_wants_json(arguments))
    context.stdout.flush()
    return error.exit_code


def _of_this_process(here: Path) -> Context:
    occupy()
    # The interpreter flushes them once more at its end.
    sys.stdout, sys.stderr = lasting(sys.stdout, 1), lasting(sys.stderr, 2)
    # Set in the hooks of a server, where git moves no ref; ours are another repository's.
    os.environ.pop("GIT_QUARANTINE_PATH", None)
    return Context(dict(os.environ), here, stdout=sys.stdout, stderr=sys.stderr, stdin=sys.stdin)


def _let_nothing_interrupt() -> None:
    # Nor is there any use in looking for garbage once more: the memory goes back as a whole.
    gc.freeze()
    # It has been said how it ended: another signal, while Python clears up, would end us with a code of its own.
    for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, signal.SIG_IGN)


def _run(arguments: list[str], context: Context) -> int:
    verb = verb_of(arguments)
    parser = parser_of(verb)
    if not arguments and verb == MAIN_COMMAND:
        context.stdout.write(parser.overview())
        return UsageError.exit_code
    try:
        parsed = parser.parse(arguments if verb == MAIN_COMMAND else arguments[1:], context.environ)
    except TextWanted as wanted:
        context.stdout.write(str(wanted))
        return 0
    return command_of(verb).run(parsed, context)


def _finish(context: Context) -> None:
    """What may take some more time, after everything has been printed; a second Ctrl-C ends it."""
    try:
        context.tell_the_rest()
    except KeyboardInterrupt:
        return


def _say(text: str, context: Context) -> None:
    context.stderr.write(f"  {visible(text)}\n")
    context.stderr.flush()


def _print_error(error: BumpError, context: Context, *, wants_json: bool) -> None:
    if wants_json:
        _print_json(problem.as_data(error), context)
    width = _columns(context)
    for line in problem.lines(error):
        is_whole = not width or line[-1].style == COMMAND
        for shown in [line] if is_whole else wrapped(line, width):
            context.stderr.write(plain(shown) + "\n")


def _columns(context: Context) -> int:
    """The width of the window that errors appear in; 0 where there is none. Without the library that draws: an error loads nothing."""
    if not context.stderr.isatty():
        return 0
    try:
        return int(context.environ.get("COLUMNS") or os.get_terminal_size(context.stderr.fileno()).columns)
    except (ValueError, OSError):
        return 0


def _print_json(value: object, context: Context) -> None:
    import json

    context.stdout.write(json.dumps(value, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
