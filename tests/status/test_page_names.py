"""What rows are called on the page of `bump report`, and the word for whose word it is."""

from dataclasses import replace
from datetime import UTC, datetime

from follow.test_cluster import NEW, OURS, look, of_worker

from bumper.errors import Unreachable
from bumper.history.metrics import measure
from bumper.recording.player import NoFacts
from bumper.status import sites
from bumper.status.look import rows
from bumper.status.report.page import lines
from bumper.status.report.snapshot import Snapshot
from bumper.status.report.standing import address
from bumper.status.table import Overview, Row

from .test_look import TIP, TREE, row

NOW = datetime(2026, 11, 28, tzinfo=UTC)
EAST = row(look(OURS, NEW), of_worker(NEW))


def snapshot(*shown: Row) -> Snapshot:
    overview = Overview(TIP, shown, NOW)
    return Snapshot("", "", overview, (), (), measure([], "main", NOW), ())


def unread(context: str) -> Row:
    """As a cluster that does not answer has it."""
    entries = sites.read(TREE, TIP, "web")
    (shown,) = rows(context, entries, Unreachable("no route to it"), NoFacts())
    return shown


def test_a_row_names_its_cluster_where_there_are_several() -> None:
    west = replace(EAST, context="west")
    assert snapshot(EAST).title(EAST) == "web"
    both = snapshot(EAST, west)
    assert [both.title(each) for each in (EAST, west)] == ["web in east", "web in west"]
    assert address("web (a/b) in west") == "#site=web%20%28a%2Fb%29%20in%20west"


def test_the_page_says_which_clusters_have_answered() -> None:
    def source(*shown: Row) -> str:
        first, _ = lines(snapshot(*shown), "x.html", 1)
        return first.partition(", ")[2].rpartition(": ")[0]

    west = unread("west")
    assert (west.is_unread, EAST.is_unread) == (True, False)
    assert source(EAST) == "as the cluster showed it in east"
    assert source(EAST, replace(EAST, context="north")) == "as the clusters showed it in east, north"
    assert source(EAST, west) == "as the cluster showed it in east; the cluster in west could not be read"
    assert source(west) == "the cluster in west could not be read"
