"""The Kustomizations and what they wait for, as a drawing: one for each cluster. Pure but for the layout, which a library makes.

Law: a Kustomization stands below whatever it waits for (`dependsOn`), else below the one that applies it. Those that wait for the
same, and that nothing waits for, stand in one box, so that a thousand sites are a handful of boxes with a cell for each. None is left
out.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import NamedTuple
from urllib.parse import quote

from bumper.dataclasses import dataclass
from bumper.fluxtree.discovery import Site
from bumper.ports.drawing import Drawing, Position
from bumper.safe_text import printable
from bumper.status.report.snapshot import Snapshot
from bumper.status.report.standing import STATE_NAMES, Standing, State, address

# In pixels.
_WIDTH, _GAP, _LEVEL, _HEAD, _PAD = 236, 28, 52, 30, 10
_CELL, _STEP = 13, 16
_LEAST_COLUMNS, _MOST_COLUMNS = 14, 40
_LONGEST = 30
_LEAST_GROUP = 3


@dataclass(frozen=True)
class Box:
    """One Kustomization, or several that wait for the same. `rows` are the numbers of their sites on the page.

    `address` opens them: a group is known by what it waits for, which the next page knows as well.
    """

    name: str
    address: str
    sites: tuple[Site, ...]
    rows: tuple[int, ...]
    states: tuple[State, ...]

    @property
    def is_group(self) -> bool:
        return len(self.sites) > 1

    @property
    def columns(self) -> int:
        """Cells in a line: a box is about half as high as it is wide."""
        return min(max(round(math.sqrt(2 * len(self.rows))), _LEAST_COLUMNS), _MOST_COLUMNS)

    @property
    def width(self) -> int:
        return max(_WIDTH, self.columns * _STEP + 2 * _PAD) if self.is_group else _WIDTH

    @property
    def height(self) -> int:
        lines = -(-len(self.rows) // self.columns) if self.is_group else 0
        return _HEAD + (lines * _STEP + _PAD if lines else 0)

    @property
    def state(self) -> State:
        """The most urgent of its sites."""
        return next((state for state in State if state in self.states), State.UNKNOWN)


class Picture(NamedTuple):
    """Of one cluster: its name, an SVG, and how many Kustomizations are in it."""

    cluster: str
    svg: str
    size: int


class _Known:
    """The Kustomizations of the tree by their keys. One that is built alike for several clusters stands in the tree once."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.sites = {entry.site.identity: entry.site for entry in snapshot.entries}
        self._keys = {_key(site): site for site in self.sites.values()}
        self._shared = {_key(site)[1:]: site for site in self.sites.values()}

    def waits_for(self, site: Site) -> list[Site]:
        """What it waits for, as far as the tree has it: in its own cluster, else what several share."""
        keys = [(site.cluster, key.namespace, key.name) for key in site.depends_on]
        wanted = (self._keys.get(key) or self._shared.get(key[1:]) for key in keys)
        return [other for other in dict.fromkeys(wanted) if other and other != site]

    def of_cluster(self, cluster: str) -> list[Site]:
        """Those of one cluster, with what they wait for."""
        own = [site for site in self.sites.values() if site.cluster == cluster]
        known = {site.identity: site for site in own}
        for site in own:  # grows while it is gone through
            for other in self.waits_for(site):
                if other.identity not in known:
                    known[other.identity] = other
                    own.append(other)
        return own


def needs(snapshot: Snapshot) -> dict[int, list[int]]:
    """By the number of each row those that it waits for."""
    rows, known = _rows(snapshot), _Known(snapshot)
    waiting: dict[int, list[int]] = {}
    for identity, site in known.sites.items():
        wanted = [other.identity for other in known.waits_for(site)]
        for number in rows.get(identity, ()):
            if numbers := [rows[other][0] for other in wanted if rows.get(other)]:
                waiting[number] = list(dict.fromkeys(numbers))
    return waiting


def pictures(snapshot: Snapshot, several: Sequence[Standing], drawing: Drawing) -> list[Picture]:
    """One for each cluster that the tree has, in its order."""
    known, page = _Known(snapshot), _Page(_rows(snapshot), several)
    clusters = dict.fromkeys(site.cluster for site in known.sites.values())
    return [_picture(cluster, known, page, drawing) for cluster in clusters]


class _Page:
    """What the page has of a Kustomization, by its identity: the numbers of its rows, its most urgent state, and its address."""

    def __init__(self, rows: Mapping[str, Sequence[int]], several: Sequence[Standing]) -> None:
        self._rows = rows
        self._several = several

    def row(self, identity: str) -> int:
        """The number of the first, -1 for one that has none."""
        return next(iter(self._rows.get(identity, ())), -1)

    def state(self, identity: str) -> State:
        states = [self._several[number].state for number in self._rows.get(identity, ())]
        return min(states, key=list(State).index, default=State.UNKNOWN)

    def address(self, identity: str) -> str:
        number = self.row(identity)
        return address(self._several[number].row) if number >= 0 else "#sites"


def _rows(snapshot: Snapshot) -> dict[str, list[int]]:
    """The numbers of the rows by identity."""
    rows: dict[str, list[int]] = {}
    for number, row in enumerate(snapshot.overview.rows):
        rows.setdefault(row.identity, []).append(number)
    return rows


def _key(site: Site) -> tuple[str, str, str]:
    return site.cluster, site.kustomization.namespace, site.kustomization.name


def _picture(cluster: str, known: _Known, page: _Page, drawing: Drawing) -> Picture:
    sites = known.of_cluster(cluster)
    above = {site.identity: [other.identity for other in known.waits_for(site)] for site in sites}
    parents = {
        site.identity: site.built_by.identity
        for site in sites
        if site.built_by and site.built_by.identity in above and not above[site.identity]
    }
    boxes = _boxes(cluster, sites, above, parents, page)
    of_identity = {site.identity: number for number, box in enumerate(boxes) for site in box.sites}
    waits = {
        (of_identity[upper], number): "waits"
        for number, box in enumerate(boxes)
        for upper in above[box.sites[0].identity]
    }
    applied = {
        (of_identity[upper], number): "applied"
        for number, box in enumerate(boxes)
        if (upper := parents.get(box.sites[0].identity, ""))
    }
    edges = {edge: kind for edge, kind in {**applied, **waits}.items() if edge[0] != edge[1]}
    places = _placed(boxes, edges, drawing)
    return Picture(printable(cluster) or ".", _svg(boxes, edges, places, printable(cluster)), len(sites))


def _boxes(
    cluster: str,
    sites: Sequence[Site],
    above: Mapping[str, Sequence[str]],
    parents: Mapping[str, str],
    page: _Page,
) -> list[Box]:
    used = {upper for uppers in above.values() for upper in uppers} | set(parents.values())
    alike: dict[tuple[object, ...], list[Site]] = {}
    for site in sites:
        identity = site.identity
        alone = (identity,) if identity in used else ()
        alike.setdefault((frozenset(above[identity]), parents.get(identity, ""), *alone), []).append(site)
    boxes: list[Box] = []
    for several in alike.values():
        if len(several) >= _LEAST_GROUP:
            upper = above[several[0].identity] or [parents.get(several[0].identity, "")]
            boxes.append(_group(several, page, f"{cluster}: {', '.join(sorted(upper))}"))
        else:
            boxes += [_alone(site, page) for site in several]
    return boxes


def _alone(site: Site, page: _Page) -> Box:
    identity = site.identity
    name = printable(site.kustomization.name)
    return Box(name, page.address(identity), (site,), (page.row(identity),), (page.state(identity),))


def _group(sites: Sequence[Site], page: _Page, key: str) -> Box:
    """`key` is what they have in common: their cluster, and what they wait for or are applied by."""
    identities = [site.identity for site in sites]
    rows, states = map(page.row, identities), map(page.state, identities)
    name = f"{len(sites)} Kustomizations"
    return Box(name, f"#sites?box={quote(printable(key), safe='')}", tuple(sites), tuple(rows), tuple(states))


def _placed(boxes: Sequence[Box], edges: Iterable[tuple[int, int]], drawing: Drawing) -> dict[int, Position]:
    placed = drawing.layers(list(edges))
    left = max((place.x for place in placed.values()), default=-1.0) + 1.0
    alone = [number for number in range(len(boxes)) if number not in placed]
    # What is connected with nothing stands beside it, four in a row.
    return placed | {number: Position(left + at % 4, at // 4) for at, number in enumerate(alone)}


def _svg(
    boxes: Sequence[Box], edges: Mapping[tuple[int, int], str], places: Mapping[int, Position], cluster: str
) -> str:
    heights: dict[int, int] = {}
    for number, place in places.items():
        heights[place.rank] = max(heights.get(place.rank, 0), boxes[number].height)
    tops: dict[int, int] = {}
    top = 2
    for rank in sorted(heights):
        tops[rank] = top
        top += heights[rank] + _LEVEL
    slot = max((box.width for box in boxes), default=_WIDTH)
    middle = {number: round(place.x * (slot + _GAP)) + slot // 2 + 2 for number, place in places.items()}
    width = max(middle.values(), default=0) + slot // 2 + 2
    lines = [
        _edge(
            middle[upper],
            tops[places[upper].rank] + boxes[upper].height,
            middle[lower],
            tops[places[lower].rank],
            kind,
        )
        for (upper, lower), kind in edges.items()
    ]
    drawn = [
        _drawn(box, middle[number] - box.width // 2, tops[places[number].rank])
        for number, box in enumerate(boxes)
    ]
    title = escape(f"Kustomizations of {cluster or 'the repository'}, and what they wait for")
    height = max(top - _LEVEL, 0) + 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="group" aria-label="{title}">{"".join(lines)}{"".join(drawn)}</svg>'
    )


def _edge(x: int, y: int, to_x: int, to_y: int, kind: str) -> str:
    bend = max((to_y - y) // 2, 20)
    return f'<path class="edge {kind}" d="M{x} {y}C{x} {y + bend} {to_x} {to_y - bend} {to_x} {to_y}"/>'


def _drawn(box: Box, x: int, y: int) -> str:
    name = box.name if len(box.name) <= _LONGEST else f"{box.name[: _LONGEST - 1]}…"
    label = f"{box.name}: {_summary(box)}"
    cells = "".join(
        f'<rect class="cell {state}" data-row="{row}" x="{x + _PAD + at % box.columns * _STEP}" '
        f'y="{y + _HEAD + at // box.columns * _STEP}" width="{_CELL}" height="{_CELL}" rx="3"/>'
        for at, (row, state) in enumerate(zip(box.rows, box.states, strict=True))
        if box.is_group
    )
    return (
        f'<a class="box {box.state}" href="{escape(box.address)}" aria-label="{escape(label)}">'
        f'<rect class="frame" x="{x}" y="{y}" width="{box.width}" height="{box.height}" rx="8"/>'
        f'<circle class="dot {box.state}" cx="{x + 16}" cy="{y + 15}" r="5"/>'
        f'<text x="{x + 28}" y="{y + 20}">{escape(name)}</text>{cells}</a>'
    )


def _summary(box: Box) -> str:
    counts = [(box.states.count(state), STATE_NAMES[state]) for state in State]
    return ", ".join(f"{count} {name}" if box.is_group else name for count, name in counts if count)
