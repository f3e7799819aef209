"""What a page shows, as it was found: made by `app.report`, read by everything beside this."""

from collections.abc import Iterable, Mapping
from functools import cached_property

from bumper.dataclasses import dataclass
from bumper.fluxtree.sites.traits import environments
from bumper.freeze.windows import Calendar
from bumper.history.metrics import Figures, Metrics
from bumper.history.scopes import USUAL, by_site, in_order
from bumper.record import KustomizationName, Recorded, SiteKey
from bumper.status.sites import Entry
from bumper.status.table import Overview, Row


@dataclass(frozen=True)
class Snapshot:
    """`deploys` are all of the branch, newest first; `periods` the figures of equal times, the oldest first, `metrics` of all.

    `name` is that of the platform repository, `web` its page, `https://github.com/acme/platform`; empty where it has none.
    `entries` are what stands in git, `overview` how it stands in the clusters; `why_not_looked` says why none was asked.
    """

    name: str
    web: str
    overview: Overview
    entries: tuple[Entry, ...]
    deploys: tuple[Recorded, ...]
    metrics: Metrics
    periods: tuple[Metrics, ...]
    notices: tuple[str, ...] = ()
    why_not_looked: str = ""

    @property
    def calendar(self) -> Calendar | None:
        """The tree's freeze windows, None where it has none."""
        return next((entry.freeze.calendar for entry in self.entries if entry.freeze), None)

    def title(self, row: Row) -> str:
        """What a row is called on the page, with its cluster where there are several."""
        return row.title if self._has_several_clusters else row.label

    @cached_property
    def _has_several_clusters(self) -> bool:
        return len({row.context for row in self.overview.rows}) > 1

    @cached_property
    def keys(self) -> Mapping[tuple[str, str], SiteKey]:
        """By a row's site and identity what its deploys are filed under, for those that have any."""
        of_sites: dict[str, list[SiteKey]] = {}
        for key in self.by_site:
            of_sites.setdefault(key[0], []).append(key)
        identities = {(row.site, row.identity): None for row in self.overview.rows}
        names: dict[str, int] = {}
        for site, _identity in identities:
            names[site] = names.get(site, 0) + 1
        known = {
            (site, identity): _of_identity(identity, of_sites.get(site, ()), is_alone=names[site] == 1)
            for site, identity in identities
        }
        return {place: key for place, key in known.items() if key}

    @cached_property
    def by_site(self) -> Mapping[SiteKey, list[Recorded]]:
        """The deploys of each site, the oldest first."""
        return by_site(in_order(self.deploys))

    @cached_property
    def figures(self) -> Mapping[SiteKey, Figures]:
        """The figures of each site that has any."""
        return {(figures.scope.site, figures.scope.kustomization): figures for figures in self.metrics.sites}

    def deploys_of(self, row: Row) -> list[Recorded]:
        """Those of a site, the oldest first."""
        key = self.keys.get((row.site, row.identity))
        return self.by_site[key] if key else []

    @cached_property
    def environments(self) -> Mapping[str, tuple[str, ...]]:
        """By a site's identity its environments: usual ones, and those that figures know or windows name."""
        known = USUAL | {figures.scope.name for figures in self.metrics.environments}
        if self.calendar:
            known = known.union(*(window.selection.environments for window in self.calendar.windows))
        return {
            entry.site.identity: tuple(sorted(known & environments(entry.site))) for entry in self.entries
        }


def _of_identity(identity: str, keys: Iterable[SiteKey], *, is_alone: bool) -> SiteKey | None:
    """The key of a site's deploys: that of its Kustomization; one that names none goes to the only site of its name."""
    ours = KustomizationName.parse(identity)
    named = (key for key in keys if KustomizationName.parse(key[1]).is_same(ours))
    return next(named, next((key for key in keys if is_alone and not key[1]), None))
