"""Which Flux Kustomization a name means: of all clusters of the repository, and never the first of several.

Law: a Kustomization is named by its own name, by NAMESPACE/NAME, by the file that defines it, or by FILE:LINE where a file defines
several; a site also by its annotation (`adoption`). Each cluster is searched until it has one of that name. The same Kustomization for
two clusters is one, as long as both build the same directory; of several others the one that the
followed clusters have is meant, by its live spec.path and source; else each is listed, and nothing is chosen.
"""

from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from posixpath import normpath

from bumper.dataclasses import replace
from bumper.errors import FieldAmbiguous, FieldMissing, SiteMissing, TreeMissing, did_you_mean, nearest
from bumper.fluxtree.discovery import Site, artifact_path
from bumper.fluxtree.sites import adoption
from bumper.fluxtree.walk import Walk
from bumper.manifest.document import text
from bumper.objects import Object, ObjectKey, at
from bumper.record import told_apart
from bumper.request import Live, LiveBuild

MOST_LISTED = 8


def select(walk: Walk, name: str, kustomization: str = "", live: Live | None = None) -> tuple[Site, ...]:
    """The Kustomizations of one name and path, one for each cluster, for the site `name` or the Kustomization that is asked for.

    FieldAmbiguous where several are meant, SiteMissing or FieldMissing where there is none, TreeMissing without a tree.
    """
    wanted = kustomization or name
    known: list[Site] = []
    matching: list[Site] = []
    for level in walk.levels():
        known += level
        there = [
            site
            for site in level
            if not site.is_assumed
            and (
                _is_named(site, wanted) or (not kustomization and name in adoption.site_names(site.document))
            )
        ]
        matching += map(walk.with_variables, there)
        walk.leave(site.cluster for site in matching)
    if not matching:
        raise _missing(walk, wanted, [site for site in known if not site.is_assumed])
    chosen = same(_running(_preferred(matching, name, wanted), live), wanted)
    return tuple(_called(site, name, kustomization, known) for site in chosen)


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
    source = at(kustomization, "spec", "sourceRef") or {}
    key = ObjectKey(
        str(source.get("kind", "")), str(source.get("namespace") or namespace), str(source.get("name", ""))
    )
    return LiveBuild(str(at(kustomization, "spec", "path") or ""), str(key))


def _called(site: Site, name: str, kustomization: str, known: Iterable[Site]) -> Site:
    """The site as the caller named it, beside its namesakes."""
    rivals = {
        (other.identity, other.path): other
        for other in known
        if not other.is_assumed
        and (_leads_to(name, other) or other.kustomization.name == site.kustomization.name)
        and (other.identity, other.path) != (site.identity, site.path)
    }
    namesakes = tuple(rivals.values())
    return replace(site, named=kustomization, namesakes=namesakes, where=where(site, name, namesakes))


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


def _is_named(site: Site, wanted: str) -> bool:
    file = site.document.path
    places = (file, site.place, f"{file}:{site.document.line('metadata', 'name')}", site.identity)
    return wanted in (site.name, _qualified(site), site.identity) or normpath(wanted) in places


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
        return FieldMissing(f"{message}; {sets}", hint=f"{hint}, or write the inputs into git")
    if problems:
        # Not read as a whole, so that nobody may take the site for gone.
        return FieldMissing(message, hint=f"{hint}; bump check tells {len(problems)} faults of the tree")
    return SiteMissing(message, hint=hint)
