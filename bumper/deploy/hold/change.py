"""Holding and releasing sites: what is committed for it on a tip.

Law: all or nothing. A site that is as it shall be is left as it is; a hold that somebody else set, and that has not ended, is replaced
only by force.
"""

from collections.abc import Sequence
from datetime import datetime

from bumper.dataclasses import dataclass
from bumper.deploy.commit.push import Proposal
from bumper.deploy.hold import annotations
from bumper.deploy.hold.annotations import Hold
from bumper.errors import Refused
from bumper.fluxtree.sites import find
from bumper.fluxtree.sites.find import Site
from bumper.ports.git import Tree
from bumper.request import Origin


@dataclass(frozen=True)
class Held:
    """One site's hold before and after; None where there is none. `place` is the file and line of its Kustomization."""

    site: str
    place: str
    before: Hold | None
    after: Hold | None
    is_written: bool


@dataclass(frozen=True)
class Holding(Proposal):
    """The holds of some sites on one tip."""

    sites: tuple[Held, ...] = ()


@dataclass(frozen=True)
class HoldChange:
    """What shall be: this hold on the sites, or none. `kustomizations` are those of the only site, where its name is not enough.

    The hold's `by` is the person who asks: a hold that the same person set is replaced without force. `reason` goes into the commit.
    """

    sites: tuple[str, ...]
    hold: Hold | None
    reason: str
    origin: Origin
    now: datetime
    kustomizations: tuple[str, ...] = ()
    force: bool = False


def propose(wanted: HoldChange, tip: str, tree: Tree) -> Holding:
    """What would be committed on the tip, whose files are `tree`; Refused where somebody else holds a site."""
    sites = _sites(wanted, tree)
    before = dict(tree.read({site.document.path for site in sites}))
    after = dict(before)
    changed = []
    for site in sites:
        path, standing = site.document.path, annotations.counting(site, wanted.now)
        hold = _hold_after(wanted, site.name, standing)
        if hold is not standing:
            after[path] = (
                annotations.apply(after[path], site.document, hold, whose(tree, site))
                if hold
                else annotations.lift(after[path], site.document, site.name)
            )
        changed.append(Held(site.label, site.place, standing, hold, is_written=hold is not standing))
    files = {path: (before[path], content) for path, content in after.items() if content != before[path]}
    return Holding(tip, files, _message(wanted, changed) if files else "", tuple(changed))


def _sites(wanted: HoldChange, tree: Tree) -> list[Site]:
    """The sites, each once."""
    sites = [
        find.find_site(tree, name, kustomization=kustomization)
        for name in wanted.sites
        for kustomization in wanted.kustomizations or ("",)
    ]
    return list({(site.name, site.identity): site for site in sites}.values())


def whose(tree: Tree, site: Site, repository: str = "") -> str:
    """The site that a new hold on it names, empty where its Kustomization is meant as a whole. `repository` is its image, if known."""
    return annotations.whose(site, is_shared=find.is_one_of_several(tree, site, repository))


def _hold_after(wanted: HoldChange, site: str, standing: Hold | None) -> Hold | None:
    """What shall stand there: `standing` itself where nothing is to be done."""
    if not (wanted.hold and standing):
        return wanted.hold
    has_ended = not standing.holds_at(wanted.now)
    if standing.says_the_same(wanted.hold) and not has_ended:
        return standing
    if not (has_ended or wanted.force or (standing.by and standing.by == wanted.hold.by)):
        raise Refused(
            f"{standing.place}: {site} has a hold already: {standing}",
            hint="leave it, or replace it with --force",
        )
    return wanted.hold


def _message(wanted: HoldChange, changed: Sequence[Held]) -> str:
    written = [held for held in changed if held.is_written]
    sites = [held.site for held in written]
    places = [held.place.rpartition(":")[0] for held in written]
    return annotations.message(sites, places, wanted.hold, wanted.reason, wanted.origin)
