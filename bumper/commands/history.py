"""Who deployed what, when, from which commit, and how it ended: read from git alone."""

import argparse
import gc
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice

from bumper.app.context import Context
from bumper.app.wiring import Assembly
from bumper.commands import options
from bumper.errors import EXIT_CODES, Outcome
from bumper.history import of_site
from bumper.history.table import Page, as_csv, as_json, lines
from bumper.record import Recorded

SUMMARY = "Shows who deployed what, when, from which commit, and how it ended: from the platform repository's own commits and notes."
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}
_AGO = re.compile(r"(\d{1,6})([dhm])")
_GOOD = {outcome.value for outcome in Outcome if EXIT_CODES[outcome] == 0}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The fixed command line of `bump history`."""
    parser.add_argument("site", nargs="?", default="", metavar="SITE", help="one site; default: all of them")
    options.add_repository(parser)
    parser.add_argument(
        "--offline",
        action="store_true",
        help="read the clone we stand in (or --repo DIR) as it was last fetched, without the network",
    )
    which = parser.add_argument_group("which deploys")
    which.add_argument(
        "--limit", type=_limit, default=20, metavar="N", help="the newest N, 0 for all (default: %(default)s)"
    )
    which.add_argument(
        "--since",
        type=since,
        metavar="DATE",
        help="not before: 2026-03-04, 2026-03-04T05:06, or 30d, 12h, 90m ago",
    )
    which.add_argument(
        "--failed", action="store_true", help="only those that were followed and did not become Ready"
    )
    parser.add_argument(
        "--output",
        choices=("text", "json", "csv"),
        default="text",
        help="json and csv hold everything, with times in UTC (default: text)",
    )


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Prints the deploys; returns 0, also where there are none."""
    # Ten thousand records live until the end: looking for garbage among them, again and again and once more at the exit, takes a
    # quarter of the time.
    gc.disable()
    with Assembly(arguments, context) as parts:
        history = parts.history()
        wanted = _wanted(history.all(), arguments)
        # One more than is shown tells whether there are more.
        found = list(islice(wanted, arguments.limit + 1 if arguments.limit else None))
        shown = found[: arguments.limit] if arguments.limit else found
        page = Page(
            arguments.branch, arguments.site, tuple(shown), len(shown) < len(found), tuple(history.notices())
        )
        if arguments.output == "json":
            context.stdout.write(as_json(page))
        elif arguments.output == "csv":
            context.stdout.write(as_csv(page))
        else:
            terminal = parts.terminal(name_sites=False)
            terminal.close()
            terminal.write(lines(page, datetime.now(UTC), width=_width(context)))
    gc.freeze()
    return 0


def since(text: str) -> datetime:
    """The moment that `2026-03-04`, `2026-03-04T05:06+01:00` or `30d` means; without an offset in the time of this machine."""
    ago = _AGO.fullmatch(text)
    try:
        if ago:
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no date; expected for example 2026-03-04, 2026-03-04T05:06 or 30d"
        ) from None


def _limit(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number; expected 0 or more")
    return int(text)


def _wanted(deploys: Iterator[Recorded], arguments: argparse.Namespace) -> Iterator[Recorded]:
    found = of_site(deploys, arguments.site) if arguments.site else deploys
    if arguments.since:
        # Not cut off at the first that is older: commits may claim any time.
        found = (one for one in found if one.record.at >= arguments.since)
    if arguments.failed:
        found = (one for one in found if one.ending and one.ending.outcome not in _GOOD)
    return found


def _width(context: Context) -> int | None:
    """The columns of the terminal; None where the text goes to a file or a program, for which nothing is cut."""
    asked = context.environ.get("COLUMNS", "")
    if asked.isdecimal() and int(asked):
        return int(asked)
    with suppress(OSError, ValueError):
        return os.get_terminal_size(context.stdout.fileno()).columns or None
    return None
