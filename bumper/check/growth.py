"""How the clusters of a repository grow from their roots: each build brings the Kustomizations that it contains.

Law: roots are those that `discovery.Walk` finds first. Roots in one directory, or in `flux-system` right below it, are one cluster.
What is built from elsewhere, or applied to another cluster (`spec.kubeConfig`), is kept apart and told of, never guessed at.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from posixpath import basename, dirname

from bumper.check.cluster import Cluster
from bumper.fluxtree.build import Build, Forgiving, build, resource_of
from bumper.fluxtree.discovery import GROUP, Site, Walk
from bumper.fluxtree.layers import Reading
from bumper.fluxtree.resource import Resource
from bumper.objects import ObjectKey

_SYNC = "gotk-sync.yaml"
_NAMESPACE = "flux-system"


def clusters(reading: Forgiving) -> tuple[Cluster, ...]:
    """Every cluster of the repository; none where it holds no Flux."""
    levels = list(Walk(reading).levels())
    known = {site.place: site for level in levels for site in level}
    has_sync = any(basename(site.document.path) == _SYNC for site in (levels or [()])[0])
    by_directory: dict[str, Cluster] = {}
    roots = levels[0] if levels else ()
    sources = {site.source for site in roots} if has_sync else _sources_with_paths(reading, known.values())
    for site in roots:
        directory = _directory(site)
        cluster = by_directory.setdefault(directory, Cluster(directory, has_sync, reading))
        owner = resource_of(reading, site.document)
        if owner:
            _Growth(cluster, known, sources).grow(site, owner)
    for directory, cluster in by_directory.items():
        _add_loose(cluster, [site for site in roots if _directory(site) == directory])
    return tuple(apart for cluster in by_directory.values() for apart in _apart(cluster))


def _directory(site: Site) -> str:
    """The directory of a root's cluster: that of its file, less `flux-system`."""
    directory = dirname(site.document.path)
    return dirname(directory) if basename(directory) == _NAMESPACE else directory


class _Growth:
    """How a cluster grows from its roots: each build brings the Kustomizations that it contains."""

    def __init__(self, cluster: Cluster, known: dict[str, Site], sources: set[ObjectKey]) -> None:
        self._cluster = cluster
        self._known = known
        self._sources = sources
        self._seen = {
            (built.owner.path, built.owner.line(), built.owner.namespace, built.owner.name)
            for built in cluster.builds
        }

    def grow(self, site: Site, owner: Resource, parent: Build | None = None) -> None:
        identity = (owner.path, owner.line(), owner.namespace, owner.name)
        if identity in self._seen:
            return
        self._seen.add(identity)
        # A second source with the same URL may be another branch, where the directory is.
        if site.source not in self._sources and not self._cluster.reading.is_directory(site.path):
            site = replace(site, is_ours=False)
        built = build(self._cluster.reading, site, owner)
        self._cluster.builds.append(built)
        if parent:
            self._cluster.parents[id(built)] = parent
        for resource in built.resources:
            below = self._known.get(f"{resource.path}:{resource.line()}")
            if below and resource.group == GROUP:
                self.grow(below, resource, built)


def _sources_with_paths(reading: Reading, sites: Iterable[Site]) -> set[ObjectKey]:
    """The sources that can be this repository: some path of theirs is here."""
    return {
        site.source
        for site in sites
        if site.path and not site.leads_outside and reading.is_directory(site.path)
    }


def _add_loose(cluster: Cluster, roots: Iterable[Site]) -> None:
    held = {(resource.path, resource.line()) for built in cluster.builds for resource in built.resources}
    for path in dict.fromkeys(site.document.path for site in roots):
        resources = filter(
            None, (resource_of(cluster.reading, document) for document in cluster.reading.documents(path))
        )
        cluster.loose += [resource for resource in resources if (resource.path, resource.line()) not in held]


def _apart(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster without what its Kustomizations apply to others (`spec.kubeConfig`), and those clusters, little known."""
    others: dict[str, Cluster] = {}
    targets = [(built, _kubeconfig(cluster, built)) for built in cluster.builds]
    for built, target in targets:
        if target:
            other = others.setdefault(
                target, Cluster(cluster.directory, False, cluster.reading, is_elsewhere=True)
            )
            other.builds.append(built)
            cluster.builds.remove(built)
            parent = cluster.parents.pop(id(built), None)
            if parent:
                other.parents[id(built)] = parent
    yield cluster
    yield from others.values()


def _kubeconfig(cluster: Cluster, built: Build | None) -> str:
    while built:
        if config := built.owner.at("spec", "kubeConfig"):
            return repr(config)
        built = cluster.parents.get(id(built))
    return ""
