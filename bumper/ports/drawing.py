"""What draws plots and lays out graphs; `systems.drawing.Library` is the real one."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol


class Position(NamedTuple):
    """Where a node stands: `x` in widths of a node from the left edge, `rank` its row from the top."""

    x: float
    rank: int


class Drawing(Protocol):
    """Draws for a page that will be looked at without any library."""

    def plot(self, specification: Mapping[str, Any]) -> str:
        """The SVG of a Vega-Lite specification."""
        ...

    def layers(self, edges: Sequence[tuple[int, int]]) -> dict[int, Position]:
        """The nodes of a directed graph in rows, so that edges lead downwards and cross little; circles are broken somewhere."""
        ...
