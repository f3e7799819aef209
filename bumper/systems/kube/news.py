"""Which sites may not be as they were when they were last read.

Law: a watch only says whom to read anew, never what is there. In doubt everybody is read: before all watches stand, after one of them
may have missed something, after a look that failed, when the time has come without a word, and from time to time whatever is told: a
watch may be silent beside others that are not. For one event loop.
"""

from collections.abc import Callable, Collection, Sequence
from typing import TypeAlias

from bumper.objects import ObjectKey
from bumper.observation import Desired

# A site as watches tell it from the others; all of its workloads are read together.
SiteKey: TypeAlias = tuple[str, str, ObjectKey]
# However much is told, reading everybody takes no more than one part in so many of the time, and is done after so many seconds.
_SHARE = 20
_LONGEST_S = 30.0


def site_key(desired: Desired) -> SiteKey:
    """The site that this workload belongs to."""
    return desired.site, desired.where, desired.kustomization


class News:
    """What was heard since the last look. Everybody is read `every_s` seconds after the last time, later where that takes long."""

    def __init__(self, now: Callable[[], float], every_s: float) -> None:
        self._now = now
        self._every_s = every_s
        self._heard: set[SiteKey] = set()
        self._has_heard = False
        self._is_in_doubt = True
        self._began_s = 0.0
        self._took_s = 0.0

    def hear(self, sites: Collection[SiteKey]) -> None:
        """These may have changed."""
        self._heard.update(sites)
        self._has_heard = True

    def doubt(self) -> None:
        """Any may have changed."""
        self._is_in_doubt = True

    def choose(self, sites: Sequence[SiteKey], is_due: Sequence[bool], *, is_told: bool) -> list[bool]:
        """Which of these to read: those that are due or may have changed. `is_told` where every change would have been heard of."""
        everybody = [True] * len(sites)
        if not is_told or self._is_in_doubt or self._now() - self._began_s >= self._period_s():
            return everybody
        chosen = {site for site, due in zip(sites, is_due, strict=True) if due or site in self._heard}
        is_unasked = not chosen and not self._has_heard
        return everybody if is_unasked else [site in chosen for site in sites]

    def begin(self, chosen: Collection[SiteKey], *, is_whole: bool) -> None:
        """These are read from now on: what is heard while they are is news again."""
        self._heard.difference_update(chosen)
        self._has_heard = False
        if is_whole:
            self._is_in_doubt = False
            self._began_s = self._now()

    def end(self, sites: Collection[SiteKey], *, is_whole: bool) -> None:
        """What was begun is read, and these are followed."""
        self._heard.intersection_update(sites)
        if is_whole:
            self._took_s = self._now() - self._began_s

    def _period_s(self) -> float:
        return max(self._every_s, min(_SHARE * self._took_s, _LONGEST_S))
