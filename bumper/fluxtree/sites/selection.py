"""Which Flux Kustomization a name means: of all clusters of the repository, and never the first of several.

Law: a Kustomization is named by its own name, by NAMESPACE/NAME, by the file that defines it, or by FILE:LINE where a file defines
several; a site also by its annotation (`adoption`). Each cluster is searched until it has one of that name. The same Kustomization for
two clusters is one, as long as both build the same directory; of several others the one that the
followed clusters have is meant, by its live spec.path and source; else each is listed, and nothing is chosen. A name that the
repository does not have may be one that only the clusters know (`unwritten`).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache, partial
from posixpath import normpath
from typing import NamedTuple

from bumper.dataclasses import replace
from bumper.errors import FieldAmbiguous, FieldMissing, SiteMissing, TreeMissing, did_you_mean, nearest
from bumper.fluxtree.discovery import Site, artifact_path
from bumper.fluxtree.sites import adoption, unwritten
from bumper.fluxtree.walk import Walk
from bumper.manifest.document import text
from bumper.objects import Object, ObjectKey, at
from bumper.record import told_apart
from bumper.request import Live, LiveBuild

MOST_LISTED = 8
# What a file has in its name, or a line of it behind.
_PLACE = re.compile(r"[./:#]")


class Asked(NamedTuple):
    """A site, and the Kustomization that the caller names for it.

    `live` tells which of several namesakes the clusters have, `path` is the directory of one that no file holds.
    """

    name: str
    kustomization: str = ""
    live: Live | None = None
    path: str = ""

    @property
    def wanted(self) -> str:
        return self.kustomization or self.name


def select(
    walk: Walk, name: str, kustomization: str = "", live: Live | None = None, path: str = ""
) -> tuple[Site, ...]:
    """The Kustomizations of one name and path, one for each cluster, for the site `name` or the Kustomization that is asked for.

    One that no file of the repository holds is taken from the clusters, or is what builds the directory `path` (`unwritten`).
    FieldAmbiguous where several are meant, SiteMissing or FieldMissing where there is none, TreeMissing without a tree.
    """
    return select_each(walk, [Asked(name, kustomization, live, path)])[0]()


def select_each(walk: Walk, asked: Iterable[Asked]) -> list[Callable[[], tuple[Site, ...]]]:
    """The same for several, whose tree is walked once: for each what gives its Kustomizations, or raises."""
    searches = [_Search(each) for each in asked]
    levels: list[_Level] = []
    for sites in walk.levels():
        levels.append(_Level(sites))
        for search in searches:
            search.look(walk, levels)
        clusters = {site.cluster for site in sites}
        walk.leave(cluster for cluster in clusters if all(cluster in each.left for each in searches))
    return [partial(search.chosen, walk, levels) for search in searches]


class _Level:
    """The Kustomizations of one level by what they are called, each with its place in the level."""

    def __init__(self, sites: Sequence[Site]) -> None:
        self.sites = [site for site in sites if not site.is_assumed]
        self._own = _by_text(self.sites, lambda site: [site.kustomization.name])
        self._adopted = _by_text(self.sites, lambda site: adoption.site_names(site.document))
        self._named = _by_text(self.sites, lambda site: [site.name, _qualified(site), site.identity])

    def named(self, asked: Asked) -> list[Site]:
        """Those that are asked for."""
        hits = dict(self._named.get(asked.wanted, {}))
        if _PLACE.search(asked.wanted):
            hits |= self._placed.get(normpath(asked.wanted), {})
        if not asked.kustomization:
            hits |= self._adopted.get(asked.name, {})
        return [hits[number] for number in sorted(hits)]

    def beside(self, name: str, site: Site) -> list[Site]:
        """Those that a site's name may mean, and those that are called as the site's Kustomization."""
        hits = {
            **self._own.get(name, {}),
            **self._adopted.get(name, {}),
            **self._own.get(site.kustomization.name, {}),
        }
        return [hits[number] for number in sorted(hits)]

    @cached_property
    def _placed(self) -> "_ByText":
        return _by_text(self.sites, _places)


_ByText = Mapping[str, Mapping[int, Site]]


def _by_text(sites: Sequence[Site], texts: Callable[[Site], Iterable[str]]) -> _ByText:
    """The sites by each of their texts, and by their place among all."""
    by_text: dict[str, dict[int, Site]] = {}
    for number, site in enumerate(sites):
        for each in texts(site):
            by_text.setdefault(each, {})[number] = site
    return by_text


class _Search:
    """One of those that are asked for, on the way through the levels. `left` are the clusters that have it, by the level."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._matching: list[Site] = []
        self.left: dict[str, int] = {}

    def look(self, walk: Walk, levels: Sequence[_Level]) -> None:
        """Looks at the last level."""
        there = [site for site in levels[-1].named(self._asked) if site.cluster not in self.left]
        self._matching += map(walk.with_variables, there)
        self.left |= {site.cluster: len(levels) for site in there}

    def chosen(self, walk: Walk, levels: Sequence[_Level]) -> tuple[Site, ...]:
        """The Kustomizations that are meant."""
        name, kustomization, live, path = self._asked
        wanted = self._asked.wanted
        if self._matching:
            chosen = same(_running(_preferred(self._matching, name, wanted), live), wanted)
        else:
            known = [site for level in levels for site in level.sites]
            beyond = unwritten.sites(walk, wanted, known, live, path)
            if not beyond:
                raise _missing(walk, wanted, known)
            chosen = same(beyond, wanted)
        return tuple(_called(site, name, kustomization, self._beside(name, site, levels)) for site in chosen)

    def _beside(self, name: str, site: Site, levels: Sequence[_Level]) -> Iterator[Site]:
        """Those of the levels that were looked at: below the one where a cluster has it, nothing of the cluster was."""
        for deep, level in enumerate(levels, start=1):
            yield from (
                each for each in level.beside(name, site) if deep <= self.left.get(each.cluster, deep)
            )


def where(site: Site, name: str, namesakes: Iterable[Site]) -> str:
    """What tells the site `name` from the namesakes of its Kustomization: empty for the only one that this name leads to."""
    if _leads_to(name, site):
        return _apart_from(site, [other for other in namesakes if _leads_to(name, other)])
    # The name is the caller's own: only the Kustomization tells which site it stands for.
    called = site.kustomization.name
    return f"{called} {_apart_from(site, [each for each in namesakes if _leads_to(called, each)])}".rstrip()


def _apart_from(site: Site, others: Sequence[Site]) -> str:
    """The steps of its place that the others do not have, empty without others; one document may stand for two clusters."""
    if not others:
        return ""
    places = frozenset([site.identity, *(other.identity for other in others)])
    if len(places) > len(others):
        return _steps_apart(places)[site.identity]
    return _steps_apart(frozenset([site.path, *(other.path for other in others)]))[site.path]


@lru_cache(maxsize=256)
def _steps_apart(places: frozenset[str]) -> Mapping[str, str]:
    # A fleet has the same few names in each of its clusters, and the question comes once for every site.
    return told_apart(places)


def is_of_namesake(site: Site, build: LiveBuild | None) -> bool:
    """Whether a cluster that builds this under the name of the site's Kustomization has another one of the repository there."""
    rivals = [other for other in site.namesakes if other.kustomization == site.kustomization]
    return build is not None and not _is_that(site, build) and any(_is_that(other, build) for other in rivals)


def live_build(kustomization: Object | None, namespace: str) -> LiveBuild | None:
    """What a Kustomization of a cluster, which is in this namespace, builds; None where there is none."""
    if not kustomization:
        return None
    path = str(at(kustomization, "spec", "path") or "")
    return LiveBuild(path, str(source_of(kustomization, namespace)), kustomization=kustomization)


def source_of(kustomization: Object, namespace: str) -> ObjectKey:
    """The source of a Kustomization of a cluster, which is in this namespace."""
    source = at(kustomization, "spec", "sourceRef") or {}
    return ObjectKey(
        str(source.get("kind", "")), str(source.get("namespace") or namespace), str(source.get("name", ""))
    )


def _called(site: Site, name: str, kustomization: str, beside: Iterable[Site]) -> Site:
    """The site as the caller named it, and `beside` it its namesakes."""
    rivals = {
        (other.identity, other.path): other
        for other in beside
        if (other.identity, other.path) != (site.identity, site.path)
    }
    namesakes = tuple(rivals.values())
    # Where no file holds it, its whole name leads to it again, whether a cluster is asked or not.
    named = site.identity if site.known_by else kustomization
    return replace(site, named=named, namesakes=namesakes, where=where(site, name, namesakes))


def _leads_to(name: str, site: Site) -> bool:
    """Whether a site's name alone may mean this Kustomization."""
    return name == site.kustomization.name or name in adoption.site_names(site.document)


def every(walk: Walk) -> dict[str, list[Site]]:
    """Every Kustomization by its identity, with what it fills in, once for each cluster that has it."""
    by_identity: dict[str, list[Site]] = {}
    for level in walk.levels():
        above = {(identity, site.cluster) for identity, several in by_identity.items() for site in several}
        for site in level:
            if not site.is_assumed and (site.identity, site.cluster) not in above:
                by_identity.setdefault(site.identity, []).append(walk.with_variables(site))
    return by_identity


def listed(names: list[str], most: int = MOST_LISTED) -> str:
    """The first few of many."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def no_tree(wanted: str = "") -> TreeMissing:
    """There is nothing of Flux in the repository, where `wanted` was looked for."""
    subject = f"{wanted}: " if wanted else ""
    return TreeMissing(
        f"{subject}no Flux tree in this repository, expected a gotk-sync.yaml or a Flux Kustomization",
        hint="name the platform repository with --repo",
    )


def ambiguous(wanted: str, sites: Sequence[Site]) -> FieldAmbiguous:
    """Several Kustomizations are meant, which are not the same."""
    places = [f"{site.place} (path {site.path or '.'})" for site in sites]
    is_file = any(normpath(wanted) == site.document.path for site in sites)
    what = "are defined there" if is_file else "have this name"
    files = {site.document.path for site in sites}
    how = "FILE:LINE" if len(files) < len(places) else "FILE"
    return FieldAmbiguous(
        f"{wanted}: {len(places)} Flux Kustomizations {what}: {listed(places)}",
        hint=f"name one of them, or several: --kustomization {how}; what is followed in a cluster (--context) is the one that it has",
    )


def _places(site: Site) -> tuple[str, ...]:
    file = site.document.path
    return file, site.place, f"{file}:{site.document.line('metadata', 'name')}", site.identity


def _qualified(site: Site) -> str:
    return f"{site.kustomization.namespace}/{site.kustomization.name}"


def _preferred(matching: list[Site], name: str, wanted: str) -> list[Site]:
    """Those of a file that are named after the site, if any are; otherwise all."""
    is_file = all(site.document.path == normpath(wanted) for site in matching)
    named = [site for site in matching if site.name == name]
    return named if is_file and named else matching


def _running(sites: list[Site], live: Live | None) -> list[Site]:
    """Those that the followed clusters have, where namesakes of several clusters are left; all where that does not tell."""
    names = {site.kustomization for site in sites}
    paths = {site.path for site in sites}
    if live is None or len(names) > 1 or len(paths) == 1:
        return sites
    builds = {
        build for site in sites for build in live(site.kustomization.namespace, site.kustomization.name)
    }
    return [site for site in sites if any(_is_that(site, build) for build in builds)] or sites


def _is_that(site: Site, build: LiveBuild) -> bool:
    written = artifact_path(text(site.spec.get("path")))
    return (artifact_path(build.path), build.source) == (written, str(site.source))


def same(sites: Sequence[Site], wanted: str) -> tuple[Site, ...]:
    """The one Kustomization that these are, for each cluster; FieldAmbiguous where they build several directories."""
    distinct = {(site.kustomization, site.path): site for site in reversed(sites)}
    if len(distinct) > 1:
        raise ambiguous(wanted, list(reversed(distinct.values())))
    return tuple({(site.place, site.cluster): site for site in sites}.values())


def _missing(walk: Walk, wanted: str, known: list[Site]) -> Exception:
    if not known and walk.broken:
        return walk.broken[0]
    if not known:
        return no_tree(wanted)
    from difflib import SequenceMatcher

    names = list(
        dict.fromkeys(name for site in known for name in (site.name, *adoption.site_names(site.document)))
    )
    ranked = sorted(names, key=lambda name: SequenceMatcher(None, wanted, name).ratio(), reverse=True)
    message = f"{wanted}: no Flux Kustomization has this name (found: {listed(ranked)}){did_you_mean(wanted, names)}"
    problems = [*map(str, walk.gaps), *(error.message for error in walk.broken)]
    # Of what is wrong in the tree only that is named which speaks of it.
    if related := [problem for problem in problems if wanted in problem]:
        return FieldMissing("; ".join([message, *related]), hint="correct the Flux tree first")
    hint = "name one of those found with --kustomization"
    if near := nearest(wanted, names):
        hint = f"--site {near}, or where the site is called otherwise than its Kustomization: --kustomization NAME"
    if walk.unexpanded:
        # Only the cluster may know what else there is.
        sets = listed([f"{gap}, and may make it" for gap in walk.unexpanded])
        how = "write the inputs into git, follow the cluster that has it (--context), or name what it builds: --path DIR"
        return FieldMissing(f"{message}; {sets}", hint=f"{hint}, or {how}")
    if problems:
        # Not read as a whole, so that nobody may take the site for gone.
        return FieldMissing(message, hint=f"{hint}; bump check tells {len(problems)} faults of the tree")
    return SiteMissing(message, hint=hint)
