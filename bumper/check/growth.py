"""How the clusters of a repository grow from their roots: each build brings the Kustomizations that it contains.

Law: roots are those that `Walk` begins with. Roots in one directory, or in `flux-system` right below it, are one cluster.
What is built from elsewhere, or applied to another cluster (`spec.kubeConfig`), is kept apart and told of, never guessed at.
"""

from collections.abc import Iterable, Iterator

from bumper.check.cluster import Cluster, key_of
from bumper.dataclasses import replace
from bumper.fluxtree.build import Build, build, resource_of
from bumper.fluxtree.discovery import Site
from bumper.fluxtree.layers import Reading
from bumper.fluxtree.roots import SYNC
from bumper.fluxtree.walk import Walk


def clusters(reading: Reading) -> tuple[Cluster, ...]:
    """Every cluster of the repository; none where it holds no Flux."""
    levels = list(Walk(reading).levels())
    roots = levels[0] if levels else ()
    by_directory: dict[str, Cluster] = {}
    for root in roots:
        by_directory.setdefault(root.cluster, Cluster(root.cluster, _is_bootstrapped(root), reading))
    for directory, cluster in by_directory.items():
        _grow(cluster, [site for level in levels for site in level if site.cluster == directory])
        _add_loose(cluster, [site for site in roots if site.cluster == directory])
    return tuple(apart for cluster in by_directory.values() for apart in _apart(cluster))


def _is_bootstrapped(root: Site) -> bool:
    """Whether all of the cluster comes after Flux: whoever installs the chart of a FluxInstance may have installed more before."""
    is_of_chart = root.document.key.kind not in ("Kustomization", "FluxInstance")
    return root.document.path.endswith(SYNC) or (root.is_assumed and not is_of_chart)


def _grow(cluster: Cluster, sites: Iterable[Site]) -> None:
    """Adds the builds of a cluster, each after its parent."""
    builds: dict[int, Build] = {}
    for site in _depth_first(list(sites)):
        # Another branch or tag of the same repository has the directory, perhaps.
        if not site.follows_root and not cluster.reading.is_directory(site.path):
            site = replace(site, is_ours=False)
        built = build(cluster.reading, site, site.owner)
        cluster.builds.append(built)
        builds[id(site.owner)] = built
        parent = site.built_by and builds.get(id(site.built_by.owner))
        if parent:
            cluster.parents[id(built)] = parent


def _depth_first(sites: list[Site]) -> Iterator[Site]:
    below: dict[int, list[Site]] = {}
    for site in sites:
        below.setdefault(id(site.built_by), []).append(site)
    waiting = [site for site in reversed(sites) if site.built_by is None]
    while waiting:
        site = waiting.pop()
        yield site
        waiting += reversed(below.get(id(site), []))


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
    cluster.owners = frozenset(key_of(built) for built in cluster.builds)
    targets = [(built, _kubeconfig(cluster, built)) for built in cluster.builds]
    for built, target in targets:
        if target:
            other = others.setdefault(
                target,
                Cluster(cluster.directory, False, cluster.reading, is_elsewhere=True, owners=cluster.owners),
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
            # The Secret is looked for beside the Kustomization: one name is another cluster in each namespace.
            return f"{built.owner.namespace} {config!r}"
        built = cluster.parents.get(id(built))
    return ""
