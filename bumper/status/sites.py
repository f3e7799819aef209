"""Every site of a tree as it can be looked at without a deploy.

Law: no Flux Kustomization of the tree is left out. One without a workload that can be followed stands here with the reason why.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeAlias, cast

from bumper.dataclasses import dataclass, field, replace
from bumper.fluxtree.sites import adoption, find
from bumper.fluxtree.sites.selection import no_tree, where
from bumper.fluxtree.sites.traits import Traits, traits
from bumper.freeze.place import calendar_of
from bumper.freeze.windows import Calendar, Closure
from bumper.image import ImageReference
from bumper.manifest.document import documents, mapping, text
from bumper.objects import ObjectKey
from bumper.observation import Desired, Observation
from bumper.ports.git import Tree
from bumper.ports.kubernetes import Cluster
from bumper.request import Choice, Inventory, Live
from bumper.revision import Revision

# What a cluster showed of the workloads of an entry, and by what the entry is found again.
Seen: TypeAlias = tuple[Observation, ...]
Place: TypeAlias = tuple[object, ...]


@dataclass(frozen=True)
class SiteCalendar:
    """The tree's freeze windows as one site meets them."""

    calendar: Calendar
    traits: Traits

    def closure(self, now: datetime) -> Closure | None:
        """What keeps deploys off the site now, whoever asks; None where nothing does."""
        return self.calendar.closure(self.traits, now, timedelta())


@dataclass(frozen=True)
class Entry:
    """One site. `image` is what git wants, None for a site without a workload that can be followed (`not_followed` says why).

    `followed` is what must become true for all of its workloads, the leading one first. `pods_namespaces` are where the pods of each
    are, in the same order: a HelmRelease may install into another namespace than its own. `is_ours` is False for a Kustomization that
    another repository feeds. `stays` is what names the image and does not move. `freeze` is there where the tree has freeze windows.
    """

    followed: tuple[Desired, ...]
    image: ImageReference | None
    place: str
    site: find.Site = field(repr=False, compare=False)
    pods_namespaces: tuple[str, ...] = ("",)
    not_followed: str = ""
    is_ours: bool = True
    stays: tuple[str, ...] = ()
    freeze: SiteCalendar | None = field(default=None, repr=False, compare=False)

    @property
    def desired(self) -> Desired:
        """What must become true for the workload that leads."""
        return self.followed[0]


def observe(cluster: Cluster, entries: Sequence[Entry]) -> list[Seen]:
    """What the cluster shows of each entry: a look at each of its workloads."""
    looks = iter(cluster.observe([desired for entry in entries for desired in entry.followed]))
    return [tuple(next(looks) for _ in entry.followed) for entry in entries]


def place(entry: Entry) -> Place:
    """What of a cluster an entry is, whichever commit it was read of."""
    desired = entry.desired
    workloads = tuple((each.workload, each.container, each.beside) for each in entry.followed)
    return (desired.site, desired.kustomization, desired.source, desired.identity, workloads)


def observe_changed(
    cluster: Cluster, entries: Sequence[Entry], last: Mapping[Place, Seen]
) -> dict[Place, Seen]:
    """The same by place, for a cluster that is looked at again and again: what has not changed is that of `last`."""
    places = [place(entry) for entry in entries]
    followed = [
        (where, each) for where, entry in zip(places, entries, strict=True) for each in entry.followed
    ]
    looks = iter(
        cluster.observe_changed([each for _, each in followed], [where not in last for where, _ in followed])
    )
    fresh = [tuple(islice(looks, len(entry.followed))) for entry in entries]
    return {
        where: cast(Seen, seen) if all(seen) else last[where]
        for where, seen in zip(places, fresh, strict=True)
    }


def read(
    tree: Tree,
    tip: Revision,
    name: str = "",
    choices: Sequence[Choice] = (Choice(),),
    inventory: Inventory | None = None,
) -> list[Entry]:
    """The site `name`, by each of the choices, or every Kustomization of the tree, and of the clusters with an `inventory`.

    A site that is named and not there raises as `fluxtree.sites.find` does; TreeMissing where there is no Kustomization at all.
    """
    if not name:
        return _all(tree, tip, inventory)
    entries = [_named(name, choice, tree) for choice in choices]
    return _with_calendar(list({entry.site.identity: entry for entry in entries}.values()), tree)


def several(
    tree: Tree,
    tip: Revision,
    names: Sequence[str],
    live: Live | None = None,
    inventory: Inventory | None = None,
) -> list[Entry]:
    """The sites named, every Kustomization of the tree for none. TreeMissing where there is none at all.

    What git does not have is asked of the clusters by `live`, and by `inventory` where all are meant.
    """
    if names:
        return _with_calendar([_named(name, Choice(live=live), tree) for name in names], tree)
    return _all(tree, tip, inventory)


def _named(name: str, choice: Choice, tree: Tree) -> Entry:
    return _of_target(find.find(tree, name, choice), tree)


def _all(tree: Tree, tip: Revision, inventory: Inventory | None) -> list[Entry]:
    entries = []
    for site, answer in find.find_all(tree, inventory):
        if isinstance(answer, find.Target):
            entries.append(_of_target(answer, tree))
        elif not _is_named_otherwise(site):
            entries.append(_without_image(site, tip, answer.message))
    # The same Kustomization for two clusters is one place to edit, and stands here once.
    distinct = {(entry.site.name, entry.site.kustomization, entry.site.path): entry for entry in entries}
    if not distinct:
        raise no_tree(tip.short)
    return _with_calendar(_told_apart(list(distinct.values())), tree)


def _with_calendar(entries: list[Entry], tree: Tree) -> list[Entry]:
    calendar = calendar_of(tree)
    if calendar is None:
        return entries
    return [replace(entry, freeze=SiteCalendar(calendar, traits(entry.site))) for entry in entries]


def _without_image(site: find.Site, tip: Revision, reason: str) -> Entry:
    return Entry((site.desired(tip),), None, site.place, site, ("",), reason, site.is_ours)


def _told_apart(entries: Sequence[Entry]) -> list[Entry]:
    """The entries, those of one name with what tells them apart."""
    namesakes: dict[str, list[find.Site]] = {}
    for entry in entries:
        namesakes.setdefault(entry.site.name, []).append(entry.site)
    return [_among(entry, namesakes[entry.site.name]) for entry in entries]


def _among(entry: Entry, namesakes: Sequence[find.Site]) -> Entry:
    others = tuple(site for site in namesakes if site is not entry.site)
    site = replace(entry.site, namesakes=others, where=where(entry.site, entry.site.name, others))
    followed = tuple(replace(desired, where=site.where) for desired in entry.followed)
    return replace(entry, site=site, followed=followed)


def _is_named_otherwise(site: find.Site) -> bool:
    """Whether a Kustomization that has no image of its own name stands here by the sites that its annotations name."""
    names = adoption.site_names(site.document)
    return bool(names) and site.name == site.kustomization.name and site.name not in names


def _of_target(target: find.Target, tree: Tree) -> Entry:
    places = tuple(_pods_namespace(target, workload, tree) for workload in target.followed)
    stays = tuple(map(str, target.stays))
    return Entry(target.desired(None), target.image, target.place, target.site, places, stays=stays)


def _pods_namespace(target: find.Target, workload: ObjectKey, tree: Tree) -> str:
    if workload.kind == "HelmRelease":
        path = next(use.field.path for use in target.images if use.workload == workload)
        for document in documents(tree.read([path])[path], path):
            elsewhere = text(mapping(document.value.get("spec")).get("targetNamespace"))
            if document.key.name == workload.name and elsewhere:
                return elsewhere
    return workload.namespace
