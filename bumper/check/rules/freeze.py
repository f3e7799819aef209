"""Rules about the file of freeze windows: what can't be read of it, and what it freezes by mistake, or not at all."""

from collections.abc import Iterator

from bumper.check.cluster import Cluster
from bumper.check.finding import ERROR, WARNING, rule
from bumper.fluxtree.resource import Fault
from bumper.fluxtree.sites import traits
from bumper.freeze.place import PATH, calendar_of
from bumper.freeze.windows import Calendar, Selection


@rule(
    "freeze-unreadable",
    ERROR,
    why="A calendar that can't be read is closed: every deploy of every site is refused.",
    fix="Correct the line; `bump freeze --schema` prints what may stand there.",
)
def unreadable(cluster: Cluster) -> Iterator[Fault]:
    for fault in _calendar(cluster).faults:
        yield Fault(PATH, fault.line, fault.message)


@rule(
    "freeze-nobody",
    WARNING,
    why="What names no site of the tree has no effect, and nobody notices.",
    fix="Name a site, a label of its Flux Kustomization, or an environment; `bump adopt SITE --environment NAME` says where it is.",
)
def names_nobody(cluster: Cluster) -> Iterator[Fault]:
    calendar = _calendar(cluster)
    selections = [] if calendar.faults else list(_selections(calendar))
    if not selections:
        return
    known = cluster.reading.once("traits of sites", lambda: traits.of_reading(cluster.reading))
    for selection in selections:
        if idle := selection.idle_among(known):
            yield Fault(PATH, selection.line, f"no site of the tree is meant by {idle}")


@rule(
    "freeze-built",
    ERROR,
    why="Flux reads every YAML file of such a directory as a manifest: this one is none, and nothing is applied any more.",
    fix="Leave it out by a line `/.bump` in the .sourceignore, or list what is built in a kustomization.yaml.",
)
def is_built(cluster: Cluster) -> Iterator[Fault]:
    for built in cluster.builds:
        if any(PATH in layer.files for layer in built.layers):
            yield Fault(PATH, 1, f"{built.owner} builds this file, too")


def _calendar(cluster: Cluster) -> Calendar:
    return calendar_of(cluster.reading.tree) or Calendar()


def _selections(calendar: Calendar) -> Iterator[Selection]:
    for window in calendar.windows:
        yield from (window.selection, *(each.selection for each in window.allowances), *window.excluded)
