"""Deploys with how they ended, and what can be asked of them.

Law: in the order in which the branch got them, newest first. Nothing is guessed: a deploy that nobody followed has no outcome.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from bumper.dataclasses import replace
from bumper.errors import Outcome
from bumper.record import Ending, Record, Recorded


class Logged(NamedTuple):
    """A commit of the branch as far as history asks: the deploys it records, and the endings noted on it."""

    sha: str
    records: tuple[Record, ...]
    endings: tuple[Ending, ...]


def past(commits: Iterable[Logged]) -> Iterator[Recorded]:
    """The deploys of a branch's commits, given newest first: as they come, so that a caller that wants a few reads no more.

    A note on a commit that does not deploy the site (it was followed when the branch had moved on) belongs to the deploy before it, if
    the note names the tag of that deploy. A note of another Kustomization than the deploy's, whose site has the same name, waits on.
    """
    awaiting: dict[str, list[Ending]] = {}
    for commit in commits:
        for ending in commit.endings:
            awaiting.setdefault(ending.site, []).append(ending)
        for record in commit.records:
            waiting = awaiting.pop(record.site, [])
            endings = [ending for ending in waiting if ending.is_of(record)]
            if others := [ending for ending in waiting if _is_of_another(ending, record)]:
                awaiting[record.site] = others
            if len(endings) > 1:
                endings.sort(key=lambda ending: ending.at)
            was_running = any(ending.is_found_before(record) for ending in waiting)
            yield Recorded(record, tuple(endings), was_running)


def _is_of_another(ending: Ending, record: Record) -> bool:
    """Whether both name a Kustomization, and not the same one."""
    return bool(ending.kustomization and record.kustomization) and not ending.is_of(
        replace(record, tag=ending.tag)
    )


def of_site(deploys: Iterable[Recorded], site: str) -> Iterator[Recorded]:
    """The deploys of one site, in the same order."""
    return (deploy for deploy in deploys if deploy.record.site == site)


def last_ready(deploys: Sequence[Recorded], tag: str) -> Recorded | None:
    """Where one site can go back to from `tag`: its newest deploy that was Ready with another tag.

    `deploys` are the site's own, newest first; those after the deploy of `tag` don't count, nor does a tag whose last deploy was taken
    back or failed.
    """
    taken_back = {deploy.record.rollback_of for deploy in deploys if deploy.record.rollback_of}
    start = next((number for number, deploy in enumerate(deploys) if deploy.record.tag == tag), -1) + 1
    bad = {tag}
    for deploy in deploys[start:]:
        if deploy.record.commit in taken_back or (deploy.ending and deploy.ending.outcome == Outcome.FAILED):
            bad.add(deploy.record.tag)
        if deploy.is_ready and deploy.record.tag not in bad:
            return deploy
    return None
