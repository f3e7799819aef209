"""Holding and releasing sites: what is committed for it on a tip.

Law: all or nothing. A site that is as it shall be is left as it is; a hold that somebody else set, and that has not ended, is replaced
only by force.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bumper.deploy.commit.push import Proposal
from bumper.deploy.hold import annotations
from bumper.deploy.hold.annotations import Hold
from bumper.errors import Refused
from bumper.fluxtree.sites import find
from bumper.ports import Repository
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
class Wish:
    """What shall be: this hold on the sites, or none. `kustomization` is another name than that of the only site.

    The hold's `by` is the person who asks: a hold that the same person set is replaced without force. `reason` goes into the commit.
    """

    sites: tuple[str, ...]
    hold: Hold | None
    reason: str
    origin: Origin
    now: datetime
    kustomization: str = ""
    force: bool = False


def propose(wish: Wish, repository: Repository, branch: str) -> Holding:
    """What would be committed on the branch as it stands; Refused where somebody else holds a site."""
    tip = repository.fetch(branch)
    tree = repository.tree(tip)
    sites = [find.find_site(tree, name, kustomization=wish.kustomization) for name in wish.sites]
    before = dict(tree.read({site.document.path for site in sites}))
    after = dict(before)
    changed = []
    for site in sites:
        path, now = site.document.path, annotations.read(site.document)
        wanted = _wanted(wish, site.name, now)
        if wanted is not now:
            content = after[path]
            after[path] = (
                annotations.apply(content, site.document, wanted)
                if wanted
                else annotations.lift(content, site.document)
            )
        changed.append(Held(site.name, site.place, now, wanted, is_written=wanted is not now))
    files = {path: (before[path], content) for path, content in after.items() if content != before[path]}
    return Holding(tip, files, _message(wish, changed) if files else "", tuple(changed))


def _wanted(wish: Wish, site: str, now: Hold | None) -> Hold | None:
    """What shall stand there: `now` itself where nothing is to be done."""
    if not (wish.hold and now):
        return wish.hold
    has_ended = not now.holds_at(wish.now)
    if now.says_the_same(wish.hold) and not has_ended:
        return now
    if not (has_ended or wish.force or (now.by and now.by == wish.hold.by)):
        raise Refused(
            f"{now.place}: {site} has a hold already: {now}",
            hint="leave it, or replace it with --force",
        )
    return wish.hold


def _message(wish: Wish, changed: Sequence[Held]) -> str:
    written = [held for held in changed if held.is_written]
    places = [held.place.rpartition(":")[0] for held in written]
    return annotations.message([held.site for held in written], places, wish.hold, wish.reason, wish.origin)
