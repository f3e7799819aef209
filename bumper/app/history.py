"""Who deployed what and how it ended, as one page or as figures: `bump history`."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice

from bumper.app.context import Context
from bumper.app.output import Output
from bumper.app.settings import HistorySettings, OutputSettings
from bumper.app.wiring import Systems
from bumper.dataclasses import replace
from bumper.errors import EXIT_CODES, Outcome, did_you_mean
from bumper.history.past import of_site
from bumper.history.table import Page, as_csv, as_json, lines
from bumper.ports.git import History
from bumper.ports.shape import whole_number
from bumper.record import KustomizationName, Recorded, SiteKey
from bumper.style import Line

_ENDED_WELL = {outcome.value for outcome in Outcome if EXIT_CODES[outcome] == 0}


def show(settings: HistorySettings, context: Context) -> int:
    """Prints the deploys, or their figures; returns 0, also where there are none."""
    with Systems(context, settings.repository, settings.permissions) as systems:
        history = history_of(systems, is_offline=settings.is_offline)
        if settings.asks_metrics:
            _show_metrics(settings, history, systems, context)
        else:
            _show_deploys(settings, history, systems, context)
    return 0


def _show_deploys(settings: HistorySettings, history: History, systems: Systems, context: Context) -> None:
    page = _page(settings, history)
    if not (page.deploys or settings.repository.repo or settings.is_offline):
        # Whoever stands in a site's checkout has its origin read.
        asked = f"read of {systems.repository.url}, the origin of this checkout; another one: --repo URL"
        page = replace(page, notices=(*page.notices, asked))
    if settings.format == "json":
        context.stdout.write(as_json(page))
    elif settings.format == "csv":
        context.stdout.write(as_csv(page))
    else:
        _print(lines(page, context.clock.wall(), width=_width(context)), systems)


def _show_metrics(settings: HistorySettings, history: History, systems: Systems, context: Context) -> None:
    from bumper.history import metrics_table, openmetrics
    from bumper.history.metrics import measure

    # What came before the period is needed, too: a site may have failed then.
    deploys = list(_of_sites(history.all(), settings))
    annotated = (
        {} if settings.is_offline else annotated_environments(deploys, settings.repository.branch, systems)
    )
    metrics = measure(deploys, settings.repository.branch, context.clock.wall(), settings.since, annotated)
    notices = history.notices()
    if settings.site and not deploys:
        notices.append(_none(settings, history))
    if settings.format == "json":
        context.stdout.write(metrics_table.as_json(metrics, notices))
    elif settings.format == "openmetrics":
        context.stdout.write(openmetrics.as_openmetrics(metrics))
        context.stderr.writelines(f"! {notice}\n" for notice in notices)
    else:
        _print(metrics_table.lines(metrics, notices, width=_width(context)), systems)


def annotated_environments(
    deploys: Sequence[Recorded], branch: str, systems: Systems
) -> dict[SiteKey, frozenset[str]]:
    """The environments that the branch as it stands names, by site."""
    from bumper.fluxtree.sites import traits

    sites = {(deploy.record.site, deploy.record.kustomization) for deploy in deploys}
    repository = systems.repository
    return traits.annotated(repository.tree(repository.fetch(branch)), sites) if sites else {}


def history_of(systems: Systems, *, is_offline: bool) -> History:
    """The deploys of the branch: those that the clone we stand in holds, or those that its origin has."""
    return systems.clone() if is_offline else systems.repository.history(systems.settings.branch)


def _page(settings: HistorySettings, history: History) -> Page:
    wanted, limit = _wanted(history.all(), settings), settings.limit
    # One more than is shown tells whether there are more.
    deploys = list(islice(wanted, limit + 1 if limit else None))
    shown = deploys[:limit] if limit else deploys
    is_cut = len(shown) < len(deploys)
    none = "" if shown else _none(settings, history)
    return Page(
        settings.repository.branch, settings.site, tuple(shown), is_cut, tuple(history.notices()), none
    )


def _none(settings: HistorySettings, history: History) -> str:
    """Why nothing is shown: a name that no deploy has, or what was asked for beside it."""
    site, asked = settings.site, settings.narrowing
    known = {deploy.record.site for deploy in history.all()} if site or asked else set()
    what = f"no deploy of {site}" if site else "no deploy"
    text = f"{what} is recorded on {settings.repository.branch}"
    if site and site not in known:
        return text + did_you_mean(site, known)
    return f"{text} that fits {', '.join(asked)}" if asked and known else text


def _print(text: Sequence[Line], systems: Systems) -> None:
    with Output(systems, OutputSettings()) as output:
        output.begin(name_sites=False)
        output.terminal.close()
        output.terminal.write(text)


def _of_sites(deploys: Iterator[Recorded], settings: HistorySettings) -> Iterator[Recorded]:
    wanted = of_site(deploys, settings.site) if settings.site else deploys
    if settings.kustomizations:
        wanted = (deploy for deploy in wanted if _is_called(deploy, settings.kustomizations))
    return wanted


def _wanted(deploys: Iterator[Recorded], settings: HistorySettings) -> Iterator[Recorded]:
    wanted = _of_sites(deploys, settings)
    if since := settings.since:
        # Not cut off at the first that is older: commits may claim any time.
        wanted = (deploy for deploy in wanted if deploy.record.at >= since)
    if settings.only_failed:
        wanted = (deploy for deploy in wanted if deploy.ending and deploy.ending.outcome not in _ENDED_WELL)
    return wanted


def _is_called(deploy: Recorded, kustomizations: Sequence[str]) -> bool:
    known = KustomizationName.parse(deploy.record.kustomization)
    return any(map(known.is_called, kustomizations))


def _width(context: Context) -> int | None:
    """The columns of the terminal; None where the text goes to a file or a program, for which nothing is cut."""
    asked = whole_number(context.environ.get("COLUMNS", "")) or 0
    if asked > 0:
        return asked
    with suppress(OSError, ValueError):
        return os.get_terminal_size(context.stdout.fileno()).columns or None
    return None
