"""Keeps automation off a site, by a commit."""

import argparse
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from bumper.app.context import Context
from bumper.app.wiring import Assembly
from bumper.commands import options
from bumper.deploy.commit.push import Landed, land
from bumper.deploy.hold import annotations
from bumper.deploy.hold import change as holding
from bumper.deploy.hold.annotations import Hold
from bumper.deploy.hold.change import Held, Holding, Wish
from bumper.errors import EXIT_CODES, Outcome, UsageError
from bumper.history.trailers import one_line
from bumper.retry import answered
from bumper.style import STYLES, Line, Span

SUMMARY = "Keeps automation off a site: says so in git on its Flux Kustomization, until a time or until it is released."

# An annotation is applied together with all the other objects of its directory: one that is too large would stop them all.
_MOST_CHARACTERS = 1000
_DAYS = re.compile(r"(\d{1,4})([dw])")
_DAYS_IN = {"d": 1, "w": 7}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which sites, why, and for how long."""
    what = add_sites(parser)
    what.add_argument("--reason", metavar="TEXT", default="", help="why, for whoever is refused; required")
    what.add_argument(
        "--until",
        metavar="TIME",
        default="",
        help="when it ends: 3d, 12h, 2026-12-01 (the beginning of that day) or 2026-12-01T08:00Z, in UTC; default: when released",
    )
    what.add_argument("--force", action="store_true", help="replace a hold that somebody else set")
    add_how(parser)


def add_sites(parser: argparse.ArgumentParser) -> "argparse._ArgumentGroup":
    """Which sites."""
    group = parser.add_argument_group("which sites")
    group.add_argument(
        "--site",
        action="append",
        default=[],
        metavar="SITE",
        help="named like its Flux Kustomization, repeatable",
    )
    group.add_argument(
        "--kustomization",
        metavar="NAME",
        default="",
        help="Flux Kustomization of the site, if named otherwise",
    )
    return group


def add_how(parser: argparse.ArgumentParser) -> None:
    """Where it is written, and how."""
    options.add_repository(parser)
    options.add_commit(parser)
    parser.add_argument("--dry-run", action="store_true", help="print the diff, write nothing")
    options.add_output(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Holds the sites in one commit, and says where it stands."""
    now = datetime.now(UTC).replace(microsecond=0)
    reason = one_line(arguments.reason)
    if not reason:
        raise UsageError("no reason given", hint="say why for whoever is refused: --reason TEXT")
    if "${" in reason:
        # Flux puts variables in wherever postBuild names any, into annotations too.
        raise UsageError("--reason: found '${', which Flux takes for a variable", hint="say it without")
    if len(reason) > _MOST_CHARACTERS:
        raise UsageError(f"--reason: {len(reason)} characters, expected at most {_MOST_CHARACTERS}")
    by = options.origin(context.environ, ()).requested_by
    until = moment(arguments.until, now) if arguments.until else None
    return change(arguments, context, Hold(reason, by, now, until), reason, now)


def change(
    arguments: argparse.Namespace, context: Context, hold: Hold | None, reason: str, now: datetime
) -> int:
    """Puts the hold on the sites, or takes theirs away; returns the exit code."""
    wish = _wish(arguments, context, hold, reason, now)
    with Assembly(arguments, context) as parts:
        terminal = parts.terminal(name_sites=len(wish.sites) > 1)
        branch = arguments.branch
        try:
            repository = parts.repository()
            writer = parts.writer(repository, lambda words: terminal.write([(Span(f"  {words}", "quiet"),)]))
            timeout_s = options.push_s(arguments)

            def propose() -> Holding:
                return holding.propose(wish, repository, branch)

            first = answered(propose, parts.clock, timeout_s)
            if arguments.dry_run:
                return _tell(first, None, arguments, context, terminal.write)
            landed = land(first, propose, writer, branch, parts.clock, timeout_s)
        except KeyboardInterrupt:
            return parts.interrupt(
                ["a push may have arrived: running the same command again is harmless"], terminal
            )
        return _tell(landed.plan, landed, arguments, context, terminal.write)


def moment(text: str, now: datetime) -> datetime:
    """The time, in UTC, that `--until` names: `3d`, `12h`, `2026-12-01`, `2026-12-01T08:00Z`; UsageError for one that is past."""
    try:
        found = _named(text, now)
    except OverflowError:
        raise UsageError(f"--until {text}: no calendar goes as far", hint="leave it out") from None
    if found <= now:
        raise UsageError(
            f"--until {text}: {annotations.shown(found)} has passed", hint="name a time that is still to come"
        )
    return found


def _named(text: str, now: datetime) -> datetime:
    if days := _DAYS.fullmatch(text):
        return now + timedelta(days=int(days[1]) * _DAYS_IN[days[2]])
    try:
        found = datetime.fromisoformat(text).replace(microsecond=0)
    except ValueError:
        return now + timedelta(seconds=_seconds(text))
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def _seconds(text: str) -> float:
    try:
        return options.duration(text)
    except argparse.ArgumentTypeError:
        raise UsageError(
            f"--until {text}: expected for example 3d, 12h, 2026-12-01 or 2026-12-01T08:00Z"
        ) from None


def _wish(
    arguments: argparse.Namespace, context: Context, hold: Hold | None, reason: str, now: datetime
) -> Wish:
    sites = tuple(dict.fromkeys(arguments.site))
    if not sites:
        raise UsageError("no site given", hint="name it: --site SITE, or several of them")
    if arguments.kustomization and len(sites) > 1:
        raise UsageError("--kustomization speaks of one site", hint="name the sites one by one")
    origin = options.origin(context.environ, ())
    force = getattr(arguments, "force", False)
    return Wish(sites, hold, reason, origin, now, arguments.kustomization, force)


def _tell(
    plan: Holding,
    landed: Landed[Holding] | None,
    arguments: argparse.Namespace,
    context: Context,
    write: Callable[[list[Line]], None],
) -> int:
    outcomes = [_outcome(one, is_landed=landed is not None) for one in plan.sites]
    diff = "" if landed else plan.diff()
    commit = landed.revision if landed else None
    write([(Span(line),) for line in diff.splitlines()])
    for one, outcome in zip(plan.sites, outcomes, strict=True):
        write(_lines(one, outcome, commit.short if commit and one.is_written else ""))
    worst = next((one for one in outcomes if one is not Outcome.UNCHANGED), Outcome.UNCHANGED)
    if arguments.output == "json":
        sites = [
            _as_data(one, outcome, commit.sha if commit else None)
            for one, outcome in zip(plan.sites, outcomes, strict=True)
        ]
        data = {"outcome": worst.value, "exitCode": EXIT_CODES[worst], "sites": sites}
        context.stdout.write(json.dumps(data | ({"diff": diff} if diff else {}), indent=2) + "\n")
    return EXIT_CODES[worst]


def _outcome(one: Held, *, is_landed: bool) -> Outcome:
    if not one.is_written:
        return Outcome.UNCHANGED
    return Outcome.PUSHED if is_landed else Outcome.PLANNED


def _lines(one: Held, outcome: Outcome, commit: str) -> list[Line]:
    """What became of one site: a line that says it, and below it what it rests on."""
    done = {
        Outcome.UNCHANGED: "unchanged",
        Outcome.PLANNED: "would be " + ("held" if one.after else "released"),
    }
    title = done.get(outcome, "held" if one.after else "released")
    rows = [("now", str(one.after or "not held")), ("was", str(one.before or "") if one.is_written else "")]
    rows += [("place", one.place), ("commit", commit)]
    head = (Span(one.site, "strong"), Span("   "), Span(title, STYLES[outcome]))
    return [head, *((Span(f"  {label:<8}", "quiet"), Span(text)) for label, text in rows if text)]


def _as_data(one: Held, outcome: Outcome, commit: str | None) -> dict[str, Any]:
    return {
        "site": one.site,
        "outcome": outcome.value,
        "place": one.place,
        "commit": commit,
        "hold": _hold_data(one.after),
        "before": _hold_data(one.before),
    }


def _hold_data(hold: Hold | None) -> dict[str, Any] | None:
    if hold is None:
        return None
    return {
        "reason": hold.reason,
        "by": hold.by,
        "since": annotations.written(hold.since) or None,
        "until": annotations.written(hold.until) or None,
        "rejected": hold.rejected or None,
    }
