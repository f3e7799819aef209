"""Who deployed what, when, from which commit, and how it ended: read from git alone."""

import argparse
import re
from datetime import UTC, datetime, timedelta

from bumper.app.context import Context
from bumper.app.settings import HistorySettings
from bumper.commands import options
from bumper.dataclasses import dataclass
from bumper.errors import UsageError

SUMMARY = "Shows who deployed what, when, from which commit, and how it ended: from the platform repository's own commits and notes."
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}
_NEWEST = 20
_AGO = re.compile(r"(\d{1,6})([dhm])")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The fixed command line of `bump history`."""
    what = parser.add_argument_group("which site")
    options.add_site(what, site="one site; default: all of them")
    options.add_kustomizations(
        what,
        "of this Flux Kustomization alone, where several have a site of this name: name, namespace/name, FILE or FILE#namespace/name, "
        "repeatable",
    )
    options.add_repository(parser)
    parser.add_argument(
        "--offline",
        action="store_true",
        help="read the clone we stand in (or --repo DIR) as it was last fetched, without the network",
    )
    which = parser.add_argument_group("which deploys")
    which.add_argument(
        "--limit", type=options.count, metavar="N", help=f"the newest N, 0 for all (default: {_NEWEST})"
    )
    which.add_argument(
        "--since",
        type=Since,
        metavar="DATE",
        help="not before: 2026-03-04, 2026-03-04T05:06, or 30d, 12h, 90m ago",
    )
    which.add_argument(
        "--failed",
        action="store_true",
        help="only those that ended otherwise than well: failed, timed out, suspended, blocked, unknown",
    )
    parser.add_argument(
        "--metrics",
        action="store_true",
        help="DORA's four figures in place of the deploys: how often, lead time, failure rate, time to restore; of all, by "
        "environment and by site",
    )
    parser.add_argument(
        "--output",
        choices=("text", "json", "csv", "openmetrics"),
        default="text",
        help="json and csv hold everything, with times in UTC; openmetrics is for --metrics (default: text)",
    )


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Prints the deploys; returns 0, also where there are none."""
    settings = settings_of(arguments, context.clock.wall())
    from bumper.app.history import show

    return show(settings, context)


def settings_of(arguments: argparse.Namespace, now: datetime) -> HistorySettings:
    """What was asked for."""
    if arguments.metrics and (arguments.limit is not None or arguments.failed or arguments.output == "csv"):
        raise UsageError(
            "--metrics counts all deploys of the period, and cannot be combined with --limit, --failed or --output csv",
            hint="--since says where the period begins",
        )
    since = arguments.since.at(now) if arguments.since else None
    if since and since > now and arguments.metrics:
        raise UsageError(f"--since {arguments.since.text}: is still to come, and figures are of what was")
    if arguments.output == "openmetrics" and not arguments.metrics:
        raise UsageError("--output openmetrics holds figures", hint="ask for them with --metrics")
    return HistorySettings(
        repository=options.repository(arguments),
        site=options.site(arguments),
        limit=_NEWEST if arguments.limit is None else arguments.limit,
        since=since,
        only_failed=arguments.failed,
        format=arguments.output,
        is_offline=arguments.offline,
        kustomizations=options.kustomizations(arguments),
        asks_metrics=arguments.metrics,
    )


@dataclass(frozen=True)
class Since:
    """A moment, as it was written: `2026-03-04`, `2026-03-04T05:06+01:00`, without an offset in the time of this machine, or `30d`."""

    text: str

    def at(self, now: datetime) -> datetime:
        """The moment itself; UsageError for a text that is none."""
        ago = _AGO.fullmatch(self.text)
        try:
            if ago:
                return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
            return datetime.fromisoformat(self.text).astimezone(UTC)
        except (ValueError, OverflowError):
            raise UsageError(
                f"argument --since: {self.text!r} is no date; expected for example 2026-03-04, 2026-03-04T05:06 or 30d",
                hint="see bump history --help",
            ) from None
