"""What figures are of: everything, an environment, a site.

Law: told by the commits, so that old ones count as well. Sites of one name are told apart by their Kustomizations. What tells them
apart (`prod` of `clusters/prod/web.yaml`) is an environment, as are the words that people commonly use for one; a site is in the one
that its Kustomization's file, name or its own file names first, or in none. Where an annotation names environments, those count.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

from bumper.dataclasses import dataclass
from bumper.record import KustomizationName, Recorded, SiteKey, told_apart
from bumper.request import label, where_in

USUAL = frozenset(
    (
        *("prod", "production", "live", "staging", "stage", "preprod", "preview", "uat"),
        *("qa", "test", "testing", "integration", "dev", "development"),
    )
)
_STEPS = re.compile("[/#]")
_NAME_STEPS = re.compile("[-._]")


class Level(StrEnum):
    """What figures are of."""

    ALL = "all"
    ENVIRONMENT = "environment"
    SITE = "site"


@dataclass(frozen=True)
class Scope:
    """What the figures are of. `name` is the label of a site, or an environment; `site` and `kustomization` are a site's alone."""

    level: Level
    name: str = ""
    site: str = ""
    kustomization: str = ""


def in_order(deploys: Iterable[Recorded]) -> list[Recorded]:
    """Deploys that are given newest first, the oldest first by their time; those of one second as the branch got them."""
    ordered = list(deploys)
    ordered.reverse()
    ordered.sort(key=lambda deploy: deploy.record.at)
    return ordered


def by_site(deploys: Iterable[Recorded]) -> dict[SiteKey, list[Recorded]]:
    """By site and Kustomization. Commits that name no Kustomization go to the only one of the site's name, if there is one."""
    names: dict[str, set[str]] = {}
    by_key: dict[SiteKey, list[Recorded]] = {}
    for deploy in deploys:
        record = deploy.record
        by_key.setdefault((record.site, record.kustomization), []).append(deploy)
        if record.kustomization:
            names.setdefault(record.site, set()).add(record.kustomization)
    for site in [
        site for site, kustomization in by_key if not kustomization and len(names.get(site, ())) == 1
    ]:
        of_site = by_key.pop((site, "")) + by_key[site, next(iter(names[site]))]
        by_key[site, next(iter(names[site]))] = sorted(of_site, key=lambda deploy: deploy.record.at)
    return by_key


def scopes(of_sites: Mapping[SiteKey, Sequence[Recorded]]) -> dict[SiteKey, Scope]:
    """What the figures of each site are of, with its label."""
    names: dict[str, list[str]] = {}
    for site, kustomization in of_sites:
        if kustomization:
            names.setdefault(site, []).append(kustomization)
    where = {site: told_apart(of_name) if len(of_name) > 1 else {} for site, of_name in names.items()}
    return {
        (site, kustomization): Scope(
            Level.SITE, label(site, where.get(site, {}).get(kustomization, "")), site, kustomization
        )
        for site, kustomization in of_sites
    }


def environments(
    of_sites: Mapping[SiteKey, Sequence[Recorded]],
    scopes_of_sites: Mapping[SiteKey, Scope],
    annotated: Mapping[SiteKey, frozenset[str]],
) -> dict[SiteKey, frozenset[str]]:
    """By site its environments: those of its annotation, else the first step of its Kustomization's or file's name that is known
    to be one."""
    apart = {key: _environment_in(where_in(scope.name), key[1]) for key, scope in scopes_of_sites.items()}
    known = USUAL | set(filter(None, apart.values()))
    by_key = {
        key: next((step for step in _steps(key[1], deploys[-1].record.path) if step in known), apart[key])
        for key, deploys in of_sites.items()
    }
    return {key: annotated.get(key, frozenset({name} - {""})) for key, name in by_key.items()}


def _environment_in(apart: str, kustomization: str) -> str:
    """What tells a site from others of its name, as an environment: of a name such as `web-prod` the word that is one."""
    if apart != KustomizationName.parse(kustomization).name:
        return apart
    return next((step for step in _NAME_STEPS.split(apart) if step in USUAL), apart)


def _steps(kustomization: str, path: str) -> Iterator[str]:
    yield from _STEPS.split(f"{kustomization}/{path}")
    yield from _NAME_STEPS.split(KustomizationName.parse(kustomization).name)
