"""Plots by Vega-Lite (vl-convert), layouts of graphs by Sugiyama's method (fast-sugiyama): the extra `report`.

Both are loaded when a page is made and at no other time. Neither asks the network: vl-convert carries its own renderer, and is given
the data in the specification.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bumper.errors import UsageError
from bumper.ports.drawing import Position

if TYPE_CHECKING:
    from fast_sugiyama.layout import Layouts

# By their own names: this project publishes no package, so that somebody else's may have its name on an index.
LIBRARIES = ("fast-sugiyama", "vl-convert-python")
# Of Vega-Lite, so that a newer library goes on reading what is written for this one.
_VERSION = "5.20"


class Library:
    """A `ports.drawing.Drawing`. UsageError where the extra is not installed."""

    def __init__(self) -> None:
        try:
            import fast_sugiyama
            import vl_convert
        except ImportError as error:
            raise UsageError(
                f"a report is drawn by libraries that are not installed: {error.name} is missing",
                hint=f"install them where bump is: pip install {' '.join(LIBRARIES)}",
            ) from None
        self._from_edges = fast_sugiyama.from_edges
        self._convert = vl_convert

    def plot(self, specification: Mapping[str, Any]) -> str:
        """The SVG of a Vega-Lite specification."""
        return self._convert.vegalite_to_svg(
            dict(specification), vl_version=_VERSION, allowed_base_urls=[], show_warnings=False
        )

    def layers(self, edges: Sequence[tuple[int, int]]) -> dict[int, Position]:
        """The nodes in rows; what is connected by nothing stands side by side."""
        if not edges:
            return {}
        layouts: Layouts = self._from_edges(list(edges), vertex_spacing=1.0, dummy_vertices=True)
        known = {node for edge in edges for node in edge}
        placed: dict[int, Position] = {}
        left = 0.0
        for nodes, *_ in layouts:
            of_layout = {node: place for node, place in nodes if node in known}
            heights = sorted({y for _, y in of_layout.values()}, reverse=True)
            ranks = {y: rank for rank, y in enumerate(heights)}
            start = min(x for x, _ in of_layout.values())
            placed |= {node: Position(left + x - start, ranks[y]) for node, (x, y) in of_layout.items()}
            left = max(placed[node].x for node in of_layout) + 1.0
        return placed
