"""One page of HTML from all that is known: what is seen first is written as HTML, the rest is packed beside it. Pure.

Law: every text goes through `_text`. The policy of the page allows one script and one style, by their digests, and nothing else: no
request, no frame, no form, no other place for its links to count from; and no text becomes HTML (Trusted Types).
Sources: https://www.w3.org/TR/CSP3/, https://www.w3.org/TR/trusted-types/
"""

import gzip
import json
from base64 import b64encode
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import Any

from bumper.dataclasses import replace
from bumper.ports.drawing import Drawing
from bumper.safe_text import printable, visible
from bumper.status.report import calendar, deploys, graph, standing, trends
from bumper.status.report.calendar import Day, Item, Mark
from bumper.status.report.snapshot import Snapshot
from bumper.status.report.standing import STATE_NAMES, Standing, State, address
from bumper.status.report.trends import Plot, Trend
from bumper.style import shown_time

_MARKS = {State.GOOD: "✓", State.BAD: "✕", State.OPEN: "…", State.UNKNOWN: "?"}
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def html(snapshot: Snapshot, drawing: Drawing) -> str:
    """The whole page."""
    several = standing.standings(snapshot)
    order = sorted(range(len(several)), key=lambda number: (several[number].urgency, number))
    ordered = [several[number] for number in order]
    # What lies in a page knows a row by its number there; addresses, which are sent to somebody, by its name.
    snapshot = _with_rows(snapshot, ordered)
    style, script = _asset("page.css"), _asset("page.js")
    environments = sorted({name for names in snapshot.environments.values() for name in names})
    body = "".join(
        (
            _top(snapshot),
            _notices(snapshot),
            _tiles(standing.headline(ordered, snapshot.overview.now)),
            _bar(snapshot, environments),
            '<main id="main">',
            _sites(ordered, snapshot),
            _deploys(snapshot),
            _graph(snapshot, ordered, drawing),
            _calendar(snapshot),
            _trends(snapshot, drawing),
            "</main>",
            _footer(snapshot),
        )
    )
    packed = _packed(_data(snapshot, ordered))
    title = _text(f"{snapshot.name or 'platform'}: sites and deploys")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(style, script)}">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n{body}\n"
        '<dialog aria-label="Details"></dialog><div class="tip" role="presentation" hidden></div>\n'
        f'<script type="application/gzip" id="data">{packed}</script>\n<script>{script}</script>\n</body>\n</html>\n'
    )


def _with_rows(snapshot: Snapshot, ordered: Sequence[Standing]) -> Snapshot:
    rows = tuple(each.row for each in ordered)
    return replace(snapshot, overview=replace(snapshot.overview, rows=rows))


@cache
def _asset(name: str) -> str:
    text = files(__package__).joinpath(name).read_text(encoding="utf-8")
    if "</s" in text.lower():
        raise AssertionError(f"{name} would end its own element")
    return text


def _policy(style: str, script: str) -> str:
    digests = [b64encode(sha256(text.encode()).digest()).decode() for text in (style, script)]
    return (
        f"default-src 'none'; style-src 'sha256-{digests[0]}'; script-src 'sha256-{digests[1]}'; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _text(text: str) -> str:
    """Text of anybody as HTML shows it."""
    return escape(printable(text))


def _data(snapshot: Snapshot, several: Sequence[Standing]) -> dict[str, Any]:
    return {
        "now": int(snapshot.overview.now.timestamp()),
        "web": snapshot.web,
        "sites": standing.as_data(list(several), snapshot),
        "needs": graph.needs(snapshot),
        "deploys": deploys.as_data(snapshot),
    }


def _packed(data: dict[str, Any]) -> str:
    """Without a time in it: the same data are the same bytes."""
    content = json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()
    return b64encode(gzip.compress(content, compresslevel=9, mtime=0)).decode()


def _top(snapshot: Snapshot) -> str:
    overview = snapshot.overview
    state = "live" if overview.seen_contexts else "not seen" if overview.is_looked else "recorded"
    badge = f'<span class="badge{" live" if overview.seen_contexts else ""}">{state}</span>'
    source = _source(snapshot)
    web = f'<a href="{escape(snapshot.web)}" rel="noreferrer noopener">{_text(snapshot.name)}</a>'
    title = web if snapshot.web else _text(snapshot.name or "platform")
    return (
        '<a class="skip" href="#main">Skip to the content</a>'
        f'<header class="top"><h1>{title}</h1>'
        f'<p class="source">{badge} <span>{_text(source)}</span> <span><code>{_text(overview.tip.short)}</code></span> '
        f'<time datetime="{overview.now.isoformat(timespec="seconds")}">{_text(shown_time(overview.now))}</time></p></header>'
    )


def _source(snapshot: Snapshot) -> str:
    """Whose word the page is."""
    overview = snapshot.overview
    if not overview.is_looked:
        return f"as git and its record say; no cluster was asked ({snapshot.why_not_looked})"
    seen, unread = overview.seen_contexts, overview.unread_contexts
    shown = f"as the cluster{'s' if len(seen) > 1 else ''} showed it{_in(seen)}" if seen else ""
    return "; ".join(filter(None, (shown, f"the cluster{_in(unread)} could not be read" if unread else "")))


def _in(contexts: Sequence[str]) -> str:
    names = list(filter(None, contexts))
    return f" in {', '.join(names)}" if names else ""


def _notices(snapshot: Snapshot) -> str:
    texts = dict.fromkeys((*snapshot.notices, *snapshot.overview.notices))
    hidden = '<p class="notice" id="broken" hidden>This browser cannot unpack the details of this page; what stands here is whole.</p>'
    without = '<noscript><p class="notice">Deploys, details and searches need JavaScript.</p></noscript>'
    return "".join(f'<p class="notice">{_text(text)}</p>' for text in texts) + hidden + without


def _tiles(numbers: dict[str, int]) -> str:
    names = {**{state.value: name for state, name in STATE_NAMES.items()}, "held": "held", "frozen": "frozen"}
    return (
        '<div class="tiles" role="group" aria-label="How the sites stand">'
        + "".join(
            f'<button type="button" class="tile {state}{"" if numbers[state] else " zero"}" data-state="{state}" aria-pressed="false">'
            f"<b>{numbers[state]:,}</b><span>{name}</span></button>"
            for state, name in names.items()
        )
        + "</div>"
    )


def _bar(snapshot: Snapshot, environments: Sequence[str]) -> str:
    options = "".join(f'<option value="{_text(name)}">{_text(name)}</option>' for name in environments)
    tabs = (
        ("sites", "Sites", f'<small id="site-count">{len(snapshot.overview.rows):,}</small>'),
        ("deploys", "Deploys", f'<small id="deploy-count">{len(snapshot.deploys):,}</small>'),
        ("graph", "Graph", ""),
        ("calendar", "Calendar", ""),
        ("trends", "Trends", ""),
    )
    shown = "".join(f'<li><a href="#{name}">{title} {count}</a></li>' for name, title, count in tabs)
    return (
        f'<nav class="bar" aria-label="Views"><ul>{shown}</ul><div class="find">'
        '<input type="search" id="search" placeholder="Search sites and deploys" aria-label="Search sites and deploys" '
        'aria-keyshortcuts="/" autocomplete="off" spellcheck="false">'
        f'<select id="environment" aria-label="Environment"><option value="">all environments</option>{options}</select></div>'
        '<p id="only" hidden>Only <span></span> <button type="button" class="more">Show all</button></p></nav>'
    )


def _sites(several: Sequence[Standing], snapshot: Snapshot) -> str:
    rows = "".join(_site(each, snapshot) for each in several)
    return (
        '<section class="view" id="view-sites"><h2>Sites</h2>'
        '<div class="legend" aria-hidden="true"><span></span><span>Site</span><span>State</span><span class="tag">Version</span>'
        "<span>Why</span><span>Deployed</span></div>"
        f'<ul class="list">{rows}</ul><p class="empty" id="no-site" {"" if not rows else "hidden"}>No site is called so.</p></section>'
    )


def _site(each: Standing, snapshot: Snapshot) -> str:
    row, now, title = each.row, snapshot.overview.now, snapshot.title(each.row)
    closure = row.freeze.closure(now) if row.freeze else None
    names = snapshot.environments.get(row.identity, ())
    wanted = (row.image.tag or row.image.digest) if row.image else ""
    running = "+".join(row.state.running)
    version = f"{running} → {wanted}" if running and running != wanted else wanted
    marks = [
        '<span class="pill hold">held</span>' if row.is_held(now) else "",
        '<span class="pill freeze">frozen</span>' if closure else "",
    ]
    searched = " ".join((title, wanted, running, each.word, each.cause, *names, row.place)).lower()
    flags = f"{' data-held' if row.is_held(now) else ''}{' data-frozen' if closure else ''}"
    cause = "" if each.state is State.GOOD else each.cause
    return (
        f'<li><a class="site {each.state}" href="{escape(address(title))}" data-state="{each.state}" '
        f'data-in="{_text(" ".join(names))}" data-words="{_text(searched)}"{flags}>'
        f'<span class="mark {each.state}" aria-hidden="true">{_MARKS[each.state]}</span>'
        f'<span class="name">{_text(title)} {"".join(marks)}</span>'
        f'<span class="pill {each.state}">{_text(each.word)}</span>'
        f'<span class="tag mono">{_text(version)}</span>'
        f'<span class="cause">{_text(cause)}</span>'
        f'<span class="when">{_ago(each.last.record.at, now) if each.last else ""}</span></a></li>'
    )


def _ago(at: datetime, now: datetime) -> str:
    seconds = max(int((now - at).total_seconds()), 0)
    return next(
        (
            f"{seconds // size} {unit}"
            for size, unit in ((86400, "d"), (3600, "h"), (60, "min"))
            if seconds >= size
        ),
        "now",
    )


def _deploys(snapshot: Snapshot) -> str:
    is_empty = "" if not snapshot.deploys else "hidden"
    return (
        '<section class="view" id="view-deploys"><h2>Deploys</h2>'
        f'<p class="empty" id="no-deploy" {is_empty}>No deploy is recorded of that.</p>'
        '<p id="printed" hidden>The newest 100 are printed.</p>'
        '<div class="scroller" role="list" tabindex="0" aria-label="Deploys, newest first"><div class="space"></div></div></section>'
    )


def _graph(snapshot: Snapshot, several: Sequence[Standing], drawing: Drawing) -> str:
    keys = "".join(f'<span class="{state}"><i></i>{name}</span>' for state, name in STATE_NAMES.items())
    pictures = "".join(
        f'<figure class="cluster"><h3>{_text(picture.cluster)} <span class="quiet">{picture.size:,} Kustomizations</span></h3>'
        f'<div class="pan" tabindex="0">{picture.svg}</div></figure>'
        for picture in graph.pictures(snapshot, several, drawing)
    )
    return (
        '<section class="view" id="view-graph"><h2>Graph</h2>'
        f'<p class="keys">{keys}<span>a line: what is below waits for it; dashed: is applied by it; a cell: one site</span></p>'
        f'<div class="clusters">{pictures}</div></section>'
    )


def _calendar(snapshot: Snapshot) -> str:
    days = calendar.days(snapshot)
    weeks = "".join(
        f"<tr>{''.join(map(_day, days[start : start + 7]))}</tr>" for start in range(0, len(days), 7)
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in _WEEKDAYS)
    items = "".join(map(_item, calendar.items(snapshot)))
    nothing = '<p class="empty">Nothing is held, and no freeze window is ahead.</p>'
    return (
        '<section class="view" id="view-calendar"><h2>Calendar</h2>'
        '<p class="keys"><span class="freeze"><i></i>freeze window</span><span class="hold"><i></i>hold</span>'
        "<span>days and times in UTC</span></p>"
        f'<table class="month"><thead><tr>{head}</tr></thead><tbody>{weeks}</tbody></table>'
        f'{f"""<div class="items">{items}</div>""" if items else nothing}</section>'
    )


def _day(day: Day) -> str:
    classes = " ".join(filter(None, ("over" if day.is_over else "", "today" if day.is_today else "")))
    date = f"{day.at.day} {day.at:%b}" if day.at.day == 1 or day.at.weekday() == 0 else str(day.at.day)
    return f'<td class="{classes}"><span class="date">{date}</span>{"".join(map(_chip, day.marks))}</td>'


def _chip(mark: Mark) -> str:
    when = f" <small>{_text(mark.when)}</small>" if mark.when else ""
    title = _text(f"{mark.name} {mark.when}".strip())
    return f'<span class="chip {mark.kind}" title="{title}">{_text(mark.name)}{when}</span>'


def _item(item: Item) -> str:
    rows = "".join(f"<dt>{_text(label)}</dt><dd>{_text(text)}</dd>" for label, text in item.about if text)
    state = f'<span class="pill {item.kind}">{_text(item.when)}</span>'
    return (
        f'<article class="item {item.kind}"><h3>{_text(item.name)} {state}</h3><p>{_text(item.reason)}</p>'
        f'<dl class="facts">{rows}</dl></article>'
    )


def _trends(snapshot: Snapshot, drawing: Drawing) -> str:
    known = trends.trends(snapshot, drawing)
    buttons = "".join(
        f'<button type="button" data-name="{_text(trend.name)}" aria-pressed="{str(number == 0).lower()}">{_text(trend.name)}</button>'
        for number, trend in enumerate(known)
    )
    shown = "".join(_trend(trend, is_first=number == 0) for number, trend in enumerate(known))
    period = f"{snapshot.metrics.since:%Y-%m-%d} to {snapshot.metrics.now:%Y-%m-%d}"
    return (
        '<section class="view" id="view-trends"><h2>Trends</h2>'
        f'<p class="keys"><span>DORA\'s four figures, {period}, as bump history --metrics counts them</span></p>'
        f'<div class="tabs" role="group" aria-label="Of which sites">{buttons if len(known) > 1 else ""}</div>{shown}</section>'
    )


def _trend(trend: Trend, *, is_first: bool) -> str:
    plots = "".join(_plot(plot) for plot in trend.plots)
    return f'<div class="trend" data-name="{_text(trend.name)}"{"" if is_first else " hidden"}><div class="plots">{plots}</div></div>'


def _plot(plot: Plot) -> str:
    return (
        f'<figure class="plot"><h3>{_text(plot.title)}</h3><p class="value">{_text(plot.value)}</p>'
        f'<p class="quiet">{_text(plot.sample)}</p>{plot.svg}'
        f"<details><summary>What it means</summary>{_text(plot.definition)}</details></figure>"
    )


def _footer(snapshot: Snapshot) -> str:
    keys = (
        ("/", "searches"),
        ("↑", ""),
        ("↓", "move"),
        ("Enter", "opens"),
        ("Esc", "closes"),
        ("1", "to"),
        ("5", "views"),
    )
    help_text = " ".join(f"<kbd>{key}</kbd> {what}".strip() for key, what in keys)
    return (
        f'<footer><p class="help">{help_text}</p>'
        f"<p>Made by bump report on {_text(shown_time(snapshot.overview.now))}. It loads nothing, and does not change.</p></footer>"
    )


def lines(snapshot: Snapshot, name: str, size: int) -> Iterator[str]:
    """What is said on the terminal of the page that was written to this file, of so many bytes."""
    numbers = standing.headline(standing.standings(snapshot), snapshot.overview.now)
    states = ", ".join(f"{numbers[state.value]:,} {state_name}" for state, state_name in STATE_NAMES.items())
    sites = sum(numbers[state.value] for state in STATE_NAMES)
    yield visible(f"{sites:,} sites, {_source(snapshot)}: {states}")
    yield visible(f"{len(snapshot.deploys):,} deploys; {size / 1e6:.1f} MB written to {name}")
