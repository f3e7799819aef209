"""Stops deploys by a window in the platform's calendar, and lifts that again, by a commit."""

import argparse
import json
from collections.abc import Sequence

from bumper.app.context import Context
from bumper.app.settings import FreezeSettings
from bumper.commands import hold, options
from bumper.commands.times import moment
from bumper.errors import UsageError
from bumper.history.trailers import one_line

SUMMARY = "Stops the deploys of sites until a time or until it is lifted, in one commit: a window in .bump/freeze.yaml."
_WHICH = "name them: --all, --site SITE, --label KEY=VALUE or --environment NAME"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which sites, why, and for how long."""
    what = parser.add_argument_group("which sites")
    options.add_sites(what, "a site, as a pattern of a shell, repeatable")
    what.add_argument("--all", action="store_true", help="every site: stop the line")
    what.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="sites whose Flux Kustomization has the label, repeatable: all of them",
    )
    what.add_argument(
        "--environment",
        action="append",
        default=[],
        metavar="NAME",
        help="sites of an environment, repeatable: a step of its path or file, its namespace, the start or end of its name",
    )
    window = parser.add_argument_group("the window")
    options.add_reason(window, "why, for whoever is refused; required")
    window.add_argument(
        "--until",
        metavar="TIME",
        default="",
        help="when it ends: 3d, 12h, 2026-12-01 (the beginning of that day) or 2026-12-01T08:00Z, in UTC; default: when lifted",
    )
    window.add_argument(
        "--name",
        metavar="NAME",
        default="",
        help="what it is called; default: stop-the-line with --all, else what it names",
    )
    window.add_argument(
        "--lift", action="store_true", help="take the window of these sites, or of that --name, away"
    )
    window.add_argument("--force", action="store_true", help="replace a window that somebody else set")
    parser.add_argument(
        "--schema",
        action="store_true",
        help="print the JSON schema of the file, for editors, and do nothing else",
    )
    hold.add_how(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Freezes in one commit, and says where it stands; or prints the schema."""
    if arguments.schema:
        from bumper.freeze.schema import schema

        context.stdout.write(json.dumps(schema(), indent=2) + "\n")
        return 0
    settings = settings_of(arguments, context)
    from bumper.app.jobs.freeze import freeze_or_lift

    return freeze_or_lift(settings, context)


def settings_of(arguments: argparse.Namespace, context: Context) -> FreezeSettings:
    """What was asked for; UsageError for sites, a reason or a time that cannot be."""
    sites, name = options.sites(arguments), one_line(arguments.name)
    chosen = bool(sites or arguments.label or arguments.environment)
    if arguments.all and chosen:
        raise UsageError("--all is every site, and others are named as well", hint="leave one out")
    if not (arguments.all or chosen or (arguments.lift and name)):
        raise UsageError("no sites given", hint=f"{_WHICH}{'; or --name NAME' if arguments.lift else ''}")
    if arguments.lift and (arguments.until or arguments.force):
        raise UsageError(
            "--until and --force speak of a window that is made", hint="leave them out with --lift"
        )
    now = context.clock.wall().replace(microsecond=0)
    return FreezeSettings(
        options.plain_commit(arguments),
        now,
        ("*",) if arguments.all else sites,
        _labels(arguments.label),
        tuple(arguments.environment),
        one_line(arguments.reason) if arguments.lift else hold.require_reason(arguments.reason),
        moment(arguments.until, now) if arguments.until else None,
        name,
        arguments.lift,
        arguments.force,
    )


def _labels(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    labels = dict(map(_label, texts))
    if len(labels) != len(set(texts)):
        raise UsageError(
            "--label: one key has two values, and a site must have all labels",
            hint="a window for each: give each command its own --label",
        )
    return tuple(labels.items())


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise UsageError(f"--label {text}: expected KEY=VALUE", hint="for any value: --label KEY=*")
    return key, value
