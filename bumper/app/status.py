"""How every site stands, looked at once or for as long as somebody watches: `bump status`."""

import gc
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from bumper.app.context import Context
from bumper.app.namesakes import inventory, live_builds
from bumper.app.output import Output
from bumper.app.settings import OutputSettings, StatusSettings
from bumper.app.stream import is_lost
from bumper.app.wiring import Systems
from bumper.dataclasses import dataclass, replace
from bumper.errors import EXIT_INTERRUPTED, ClusterMissing, UsageError
from bumper.follow.revisions import Revisions
from bumper.ports.kubernetes import Cluster, Listed
from bumper.ports.run import Board
from bumper.request import Choice
from bumper.revision import Revision
from bumper.status import look, sites, table
from bumper.status.sites import Entry
from bumper.status.table import Overview
from bumper.status.watch import Picture, Watcher
from bumper.style import Line
from bumper.systems.terminal import open_board, width_of

# As Python itself does by default (3.11).
_FREQUENTLY = (700, 10, 10)


def show(settings: StatusSettings, context: Context) -> int:
    """Prints how it stands now; returns 0, or where that was asked for the exit code of the worst verdict."""
    with (
        Systems(context, settings.repository, settings.permissions) as systems,
        Output(systems, OutputSettings(settings.is_json)) as output,
    ):
        output.begin(name_sites=False)
        overview = look_at(settings, systems).overview
        output.terminal.close()
        if settings.is_json:
            context.stdout.write(json.dumps(table.as_data(overview), indent=2) + "\n")
        else:
            output.terminal.write(_lines(settings, overview, width_of(context.stdout, context.environ)))
        return overview.exit_code if settings.exits_by_verdict else 0


def watch(settings: StatusSettings, context: Context) -> int:
    """Shows every picture until Ctrl-C or until nobody reads any more: hence the exit code of an interruption."""
    with Systems(context, settings.repository, settings.permissions) as systems:
        clusters = systems.clusters(settings.contexts)
        board = open_board(context.stdout, context.environ)
        try:
            with _watcher(settings, systems, clusters) as watcher:
                _show_pictures(
                    watcher,
                    board,
                    clusters,
                    context.clock.wall,
                    lambda: is_lost(context.stdout),
                    partial(table.details, way_back=settings.way_back)
                    if settings.site
                    else partial(_drawn, context),
                )
        except KeyboardInterrupt:
            return EXIT_INTERRUPTED
        finally:
            board.close()
    return EXIT_INTERRUPTED


def _lines(settings: StatusSettings, overview: Overview, width: int) -> list[Line]:
    if settings.site:
        return table.details(overview, settings.way_back)
    return table.lines(overview, width) if overview.is_looked else table.wanted(overview)


@dataclass(frozen=True)
class Seen:
    """What git has and how it stands; `why_not_looked` says why no cluster was asked, empty where they were."""

    entries: Sequence[Entry]
    overview: Overview
    why_not_looked: str = ""


def look_at(settings: StatusSettings, systems: Systems) -> Seen:
    """What git wants and the clusters have; where nothing names a cluster, what git wants alone."""
    if settings.is_offline:
        _require_directory(settings.repository.repo)
        return _wanted(settings, systems, "--offline")
    try:
        clusters = systems.clusters(settings.contexts)
    except ClusterMissing as error:
        if settings.exits_by_verdict:
            raise
        return _wanted(settings, systems, error.message)
    return _looked(settings, systems, clusters)


def _require_directory(repo: str) -> None:
    from bumper.systems.git.address import is_url

    if is_url(repo):
        raise UsageError(
            f"{repo}: --offline reads a checkout on this machine", hint="leave it out, or name a directory"
        )


def _wanted(settings: StatusSettings, systems: Systems, why: str) -> Seen:
    tip, entries = _read(settings, systems)
    rows = tuple(look.unasked(entries, why))
    return Seen(entries, Overview(tip, rows, systems.context.clock.wall(), is_looked=False), why)


def _read(
    settings: StatusSettings, systems: Systems, clusters: Sequence[Listed] = ()
) -> tuple[Revision, list[Entry]]:
    repository, branch = systems.repository, settings.repository.branch
    tip = Revision(branch, repository.fetch(branch))
    tree, beyond = repository.tree(tip.sha), inventory(clusters) if clusters else None
    return tip, sites.read(tree, tip, settings.site, _chosen(settings, clusters), beyond)


def _chosen(settings: StatusSettings, clusters: Sequence[Cluster]) -> list[Choice]:
    """What the user chose; where that leaves namesakes, the clusters tell which of them they have."""
    live = live_builds(clusters) if clusters else None
    return [replace(choice, live=live) for choice in settings.choices]


def _looked(settings: StatusSettings, systems: Systems, clusters: Sequence[Listed]) -> Seen:
    tip, entries = _read(settings, systems, clusters)
    revisions = Revisions(systems.repository, _chosen(settings, clusters)[0], systems.clock)
    rows = look.look(clusters, entries, revisions, systems.clock)
    # That a watch is not allowed is no matter of a single look.
    notices = tuple(text for text in _polled(clusters) if "watch" not in text)
    return Seen(entries, Overview(tip, tuple(rows), systems.context.clock.wall(), notices))


def _watcher(settings: StatusSettings, systems: Systems, clusters: Sequence[Listed]) -> Watcher:
    # Made sparing for a start, whose objects stay to its end: each look of a watch leaves garbage, which took 30 MB more.
    gc.set_threshold(*_FREQUENTLY)
    return Watcher(
        clusters,
        systems.repository,
        systems.clock,
        settings.repository.branch,
        site=settings.site,
        choices=_chosen(settings, clusters),
        inventory=inventory(clusters),
    )


def _show_pictures(
    watcher: Watcher,
    board: Board,
    clusters: Sequence[Cluster],
    wall: Callable[[], datetime],
    is_over: Callable[[], bool],
    render: Callable[[Overview], list[Line]],
) -> None:
    """Shows them until nobody looks any more."""
    shown: Overview | None = None
    for picture in watcher.pictures():
        before, shown = shown, _overview(picture, shown, clusters, wall())
        if shown is None:
            continue
        if board.is_live:
            board.show([*render(shown), *table.notices(shown)])
        elif picture:
            board.add(table.changes(before, shown))
        if is_over():
            return


def _drawn(context: Context, overview: Overview) -> list[Line]:
    """The table for the window as wide as it is now."""
    return table.lines(overview, width_of(context.stdout, context.environ))


def _overview(
    picture: Picture | None, before: Overview | None, clusters: Sequence[Cluster], now: datetime
) -> Overview | None:
    """What is to be shown now; without a new picture the last one, as old as it is by now."""
    if picture:
        return Overview(picture.tip, picture.rows, now, (*picture.problems, *_polled(clusters)))
    return Overview(before.tip, before.rows, now, before.notices) if before else None


def _polled(clusters: Sequence[Cluster]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for cluster in clusters for text in cluster.notices()))
