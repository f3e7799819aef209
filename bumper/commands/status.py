"""How every site stands, without a deploy: what git wants, what Flux applied, what runs, and the judgement of that."""

import argparse
import json
from collections.abc import Sequence
from datetime import UTC, datetime

from bumper.app.context import Context
from bumper.app.wiring import Assembly
from bumper.commands import options
from bumper.errors import EXIT_INTERRUPTED, UsageError
from bumper.follow.revisions import Revisions
from bumper.ports import Cluster
from bumper.request import Choice
from bumper.revision import Revision
from bumper.status import look, sites, table
from bumper.status.table import Overview
from bumper.status.watch import Picture, Watcher
from bumper.systems.terminal import open_board

SUMMARY = "Shows for every site what git wants, what Flux applied, what runs, and how that is to be judged."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The fixed command line of `bump status`."""
    parser.add_argument("site", nargs="?", metavar="SITE", help="one site in full; default: a table of all")
    options.add_repository(parser)
    options.add_choice(parser)
    options.add_contexts(parser, "look at")
    parser.add_argument(
        "--exit-code",
        action="store_true",
        help="exit with the code of the worst verdict (3 for a site that is moving) instead of 0",
    )
    parser.add_argument(
        "--watch",
        action="store_true",
        help="keep the table up to date until Ctrl-C; without a terminal one line for each change",
    )
    options.add_output(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Looks at each cluster and prints what is there. Returns 0, or with `--exit-code` that of the worst verdict."""
    choice = options.choice(arguments)
    if not arguments.site and choice != Choice():
        raise UsageError(
            "--image, --kustomization and --container speak of one site", hint="name it: bump status SITE"
        )
    if arguments.watch and (arguments.output == "json" or arguments.exit_code):
        other = "--exit-code" if arguments.exit_code else "--output json"
        raise UsageError(
            f"--watch cannot be combined with {other}: it has no end", hint=f"look once: bump status {other}"
        )
    with Assembly(arguments, context) as parts:
        clusters = parts.clusters()
        if arguments.watch:
            return _watch(arguments, choice, clusters, parts, context)
        terminal = parts.terminal(name_sites=False)
        repository = parts.repository()
        tip = Revision(arguments.branch, repository.fetch(arguments.branch))
        entries = sites.read(repository.tree(tip.sha), tip, arguments.site or "", choice)
        revisions = Revisions(repository, choice, parts.clock)
        rows = look.look(clusters, entries, revisions, parts.clock)
        shown = Overview(tip, tuple(rows), datetime.now(UTC), _notices(clusters))
        terminal.close()
        if arguments.output == "json":
            context.stdout.write(json.dumps(table.as_data(shown), indent=2) + "\n")
        else:
            terminal.write(table.details(shown) if arguments.site else table.lines(shown))
        return shown.exit_code if arguments.exit_code else 0


def _watch(
    arguments: argparse.Namespace,
    choice: Choice,
    clusters: Sequence[Cluster],
    parts: Assembly,
    context: Context,
) -> int:
    """Shows every picture until Ctrl-C, the only end there is: hence the exit code of an interruption."""
    render = table.details if arguments.site else table.lines
    board = open_board(context.stdout, context.environ)
    shown: Overview | None = None
    try:
        with Watcher(
            clusters,
            parts.repository(),
            parts.clock,
            arguments.branch,
            site=arguments.site or "",
            choice=choice,
        ) as watcher:
            for picture in watcher.pictures():
                before, shown = shown, _overview(picture, shown, clusters)
                if shown is None:
                    continue
                if board.is_live:
                    board.show([*render(shown), *table.notices(shown)])
                elif picture:
                    board.add(table.changes(before, shown))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    finally:
        board.close()
    raise AssertionError("a watch has no end of its own")


def _overview(
    picture: Picture | None, before: Overview | None, clusters: Sequence[Cluster]
) -> Overview | None:
    """What is to be shown now; without a new picture the last one, as old as it is by now."""
    now = datetime.now(UTC)
    if picture:
        return Overview(picture.tip, picture.rows, now, (*picture.problems, *_polled(clusters)))
    return Overview(before.tip, before.rows, now, before.notices) if before else None


def _polled(clusters: Sequence[Cluster]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for cluster in clusters for text in cluster.notices()))


def _notices(clusters: Sequence[Cluster]) -> tuple[str, ...]:
    # That a watch is not allowed is no matter of a single look.
    return tuple(text for text in _polled(clusters) if "watch" not in text)
