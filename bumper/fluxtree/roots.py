"""Where a Flux tree begins: what is applied to a cluster by hand, by `flux bootstrap` or by a FluxInstance.

Law: a root is a document, never a text that is mentioned: a Flux Kustomization in gotk-sync.yaml, `spec.sync` of a FluxInstance (or
`instance.sync` in the values of the chart that makes one), or else any Flux Kustomization that no other one builds. Where
gotk-sync.yaml is still to be written, the root is the directory that bootstrap is told (`--path`), which holds flux-system; where a
kustomization.yaml that nobody builds holds the Kustomizations, its own directory. What an instance syncs whose path is a variable
alone (`${FLUX_PATH}`) is found among these. Likely places come first, and the search is bounded
by directories and files. Beside and inside of these clusters another one begins where gotk-sync.yaml or an instance builds the very
directory that it lies in, from the same repository.

Source: fluxcd/flux2, pkg/manifestgen/sync; controlplaneio-fluxcd/flux-operator, api/v1/fluxinstance_types.go (`Sync`: the name is that
of the namespace unless another is given) and internal/builder/build.go (`spec.kustomize.patches` change what it makes);
controlplaneio-fluxcd/charts, charts/flux-instance/templates/instance.yaml (`instance` of its values is the spec).
"""

import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator
from functools import cached_property
from posixpath import basename, dirname, join
from typing import Any

from bumper.dataclasses import dataclass, replace
from bumper.fluxtree import patches
from bumper.fluxtree.build import resource_of
from bumper.fluxtree.discovery import GROUP, artifact_path, cluster_of, source_key
from bumper.fluxtree.globs import step_matches
from bumper.fluxtree.layers import FILE_NAMES, GENERATED, Gap, Layer, Reading, expand
from bumper.fluxtree.patches import Refusal
from bumper.fluxtree.resource import Resource
from bumper.fluxtree.sources import FLUX_SYSTEM, GIT, Source, source_of
from bumper.manifest.document import Document, below, documents, items, mapping, text
from bumper.objects import Object, ObjectKey

SYNC = "gotk-sync.yaml"
OPERATOR = "fluxcd.controlplane.io"
_INSTANCE = "FluxInstance"
_INSTANCE_FILE = re.compile(r".*instance.*|flux-?operator.*|flux\.ya?ml", re.IGNORECASE)
_INSTANCE_DIRECTORY = re.compile(r"flux-?(instance|operator)", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{[^}]*\}")
# Where the values of the chart hold its spec, by the kind of the document: a file of values has none.
_VALUES = {"HelmRelease": ("spec", "values", "instance"), "": ("instance",)}
# How far below the directory of an instance its values may lie: `flux-instance/app/helm/values.yaml`.
_INSTANCE_DEPTH = 3
_LIKELY = (
    *("clusters", "cluster", "k8s", "kubernetes", "flux", "fleet", "gitops", "deploy", "infrastructure"),
    "platform",
)
# A tree in one of these is shown, tested or put away, and runs nowhere, unless there is no other.
_UNLIKELY = frozenset(
    [
        *("test", "tests", "testdata", "example", "examples", "docs", "vendor", "node_modules", "templates"),
        *("archive", "archived", "deprecated"),
    ]
)
_DEEPEST = 8
_MOST_DIRECTORIES = 2000
_MOST_FILES = 3000


@dataclass(frozen=True)
class Root:
    """The Kustomization that a cluster begins with. `cluster` is the directory of its own, `sources` are those beside it.

    `is_assumed` says that no file holds it, `is_certain` that its source is written down, `is_open` that its path is a variable which
    may be any directory.
    """

    owner: Resource
    cluster: str
    sources: tuple[Source, ...] = ()
    is_assumed: bool = False
    is_certain: bool = True
    is_open: bool = False

    @property
    def address(self) -> str:
        """The address of its own source, as a key; empty where that is not written down."""
        own = source_key(self.owner)
        return next((source.repository for source in self.sources if source.key == own), "")


# The roots, and the files that were read for them.
_Roots = tuple[tuple[Root, ...], tuple[str, ...]]


def roots(reading: Reading) -> _Roots:
    """The roots of every cluster, and the files that were read for them."""
    entries = reading.entries("").items()
    top = sorted(name for name, is_directory in entries if is_directory and _is_searched(name))
    likely = [name for name in _LIKELY if name in top]
    others = [name for name in top if name not in likely and name not in _UNLIKELY]
    unlikely = [name for name in top if name in _UNLIKELY]
    for start, depth in (([""], 1), (likely, _DEEPEST), (others, _DEEPEST), (unlikely, _DEEPEST)):
        if (begun := _begun(reading, start, depth)) and (
            closed := _closed(reading, begun, [*likely, *others])
        ):
            return _with_further(reading, closed, [*likely, *others])
    for start in ([*likely, *others], unlikely):
        if loose := _Unbuilt(reading, _directories(reading, start)).roots():
            return loose
    return (), ()


def _closed(reading: Reading, begun: _Roots, start: list[str]) -> _Roots | None:
    """The roots with what no other builds in place of those whose path is open; None where neither leaves any."""
    roots, files = begun
    certain = tuple(root for root in roots if not root.is_open)
    if certain == roots:
        return begun
    beside = _Unbuilt(reading, _directories(reading, start)).beside(certain)
    if beside:
        return (*certain, *beside[0]), (*files, *beside[1])
    return (certain, files) if certain else None


def _with_further(reading: Reading, known: _Roots, start: list[str]) -> _Roots:
    """The roots with those of clusters that lie inside of another one, or where nothing was looked for."""
    roots, files = known
    seen = {dirname(path) for path in files}
    places = [
        directory
        for level in _levels(reading, start, _DEEPEST)
        for directory in level
        if directory not in seen and _UNLIKELY.isdisjoint(directory.split("/"))
    ]
    synced = [place for place in places if reading.is_file(join(place, SYNC))]
    named = [
        path
        for place in places
        if basename(place) == FLUX_SYSTEM
        for path in manifests(reading, place)
        if _INSTANCE_FILE.fullmatch(basename(path))
    ]
    beside = [path for place in synced for path in manifests(reading, place)]
    reading.fetch([*beside, *named[:_MOST_FILES]])
    candidates = [
        *_synced(reading, synced),
        *_instances(reading, dict.fromkeys([*beside, *named[:_MOST_FILES]])),
    ]
    paths = {_path(root.owner) for root in roots}
    further = [
        root for root in candidates if _path(root.owner) not in paths and _begins_a_cluster(root, roots)
    ]
    more = (path for root in further for path in manifests(reading, dirname(root.owner.path)))
    return (*roots, *further), (*files, *dict.fromkeys(more))


def _begins_a_cluster(root: Root, others: Iterable[Root]) -> bool:
    """Whether a root builds the directory that it lies in, from the repository that the other roots are built from."""
    path = _path(root.owner)
    addresses = {root.address for root in others} - {""}
    is_of_here = not (addresses and root.address) or root.address in addresses
    return bool(path) and not root.is_open and root.owner.path.startswith(f"{path}/") and is_of_here


def _directories(reading: Reading, start: Iterable[str]) -> list[str]:
    return ["", *(directory for level in _levels(reading, start, _DEEPEST) for directory in level)]


def manifests(reading: Reading, directory: str) -> list[str]:
    """The YAML files right inside a directory."""
    names = [name for name, is_directory in reading.entries(directory).items() if not is_directory]
    return [join(directory, name) for name in names if name.endswith((".yaml", ".yml")) and name != GENERATED]


def _levels(
    reading: Reading, start: Iterable[str], depth: int, closed: Container[str] = ()
) -> Iterator[list[str]]:
    """The directories below some, breadth first; of those that are `closed` by then, nothing below."""
    level, budget = list(start), _MOST_DIRECTORIES
    for _ in range(depth):
        level, budget = level[:budget], budget - len(level)
        if not level:
            return
        yield level
        level = [
            join(directory, name)
            for directory in level
            if directory not in closed
            for name, is_directory in reading.entries(directory).items()
            if is_directory and _is_searched(name)
        ]


def _begun(reading: Reading, start: list[str], depth: int) -> _Roots | None:
    """The roots that `flux bootstrap` and the Flux operator leave in git; no cluster is looked for inside of another."""
    begun: list[Root] = []
    files: list[str] = []
    closed: set[str] = set()
    for level in _levels(reading, start, depth, closed):
        inner = [join(directory, FLUX_SYSTEM) for directory in level]
        places = [*level, *filter(reading.is_directory, inner)]
        known = list(_begun_in(reading, places, closed))
        closed |= {root.cluster for root in known if not root.is_open}
        begun += known
        files += [
            path
            for place in dict.fromkeys(dirname(root.owner.path) for root in known)
            for path in manifests(reading, place)
        ]
    return (tuple(begun), tuple(files)) if begun else None


def _begun_in(reading: Reading, places: list[str], closed: Container[str]) -> Iterator[Root]:
    open_places = [place for place in dict.fromkeys(places) if cluster_of(join(place, SYNC)) not in closed]
    holding = [place for place in open_places if _is_bootstrapped(reading, place)]
    named = [path for place in open_places for path in manifests(reading, place) if _may_hold(path)]
    beside = [path for place in holding for path in manifests(reading, place)]
    reading.fetch([*beside, *named[:_MOST_FILES]])
    yield from _synced(reading, holding)
    yield from _instances(reading, dict.fromkeys([*beside, *named[:_MOST_FILES]]))


def _is_searched(directory: str) -> bool:
    return not directory.startswith(".") and "{{" not in directory


def _is_bootstrapped(reading: Reading, directory: str) -> bool:
    """Whether bootstrap wrote gotk-sync.yaml here, or will: a kustomization.yaml waits for it."""
    if reading.is_file(join(directory, SYNC)):
        return True
    listing = _listing(reading, directory) if basename(directory) == FLUX_SYSTEM else ""
    return bool(listing) and SYNC.encode() in reading.content(listing)


def _may_hold(path: str) -> bool:
    """Whether a file may hold a FluxInstance, by its name or its directories."""
    above = dirname(path).split("/")
    return (
        bool(_INSTANCE_FILE.fullmatch(basename(path)))
        or above[-1] == FLUX_SYSTEM
        or any(map(_INSTANCE_DIRECTORY.fullmatch, above[-_INSTANCE_DEPTH:]))
    )


def _listing(reading: Reading, directory: str) -> str:
    entries = reading.entries(directory)
    return next((join(directory, name) for name in FILE_NAMES if entries.get(name) is False), "")


def _synced(reading: Reading, directories: Iterable[str]) -> Iterator[Root]:
    for directory in directories:
        path = join(directory, SYNC)
        owners = kustomizations(reading, path) if reading.is_file(path) else []
        owners = [owner for owner in owners if source_key(owner).name]
        sources = tuple(_sources(reading, manifests(reading, directory)))
        for owner in owners:
            yield Root(owner, cluster_of(path), sources)
        if not owners:
            place = path if reading.is_file(path) else _listing(reading, directory)
            cluster = _cluster_above(reading, directory)
            yield Root(_bootstrapped(cluster, place), cluster, sources, True, False)


def _cluster_above(reading: Reading, directory: str) -> str:
    """The directory that bootstrap will name in an empty gotk-sync.yaml: the one above, where nothing but Flux itself is here.

    `flux bootstrap --namespace gitops` calls its own directory so.
    """
    own = {*FILE_NAMES, SYNC, GENERATED}
    is_of_flux = bool(directory) and set(reading.entries(directory)) <= own
    return dirname(directory) if is_of_flux else cluster_of(join(directory, SYNC))


def _instances(reading: Reading, paths: Iterable[str]) -> Iterator[Root]:
    for path in paths:
        content = reading.content(path)
        if _INSTANCE.encode() in content:
            for document in reading.documents(path):
                if document.key.kind == _INSTANCE and document.group == OPERATOR:
                    yield from _instance(reading, document)
        if b"instance:" in content and b"sync:" in content:
            for document in reading.documents(path):
                yield from _released(reading, document)


def _instance(reading: Reading, document: Document) -> Iterator[Root]:
    """What an instance syncs, with its own patches."""
    spec = mapping(reading.traced(document).get("spec"))
    path = text(mapping(spec.get("sync")).get("path"))
    if not path or _is_template(path):
        return
    namespace = document.key.namespace or FLUX_SYSTEM
    place = f"{document.path}:{document.line('spec', 'sync')}"
    if not _VARIABLE.search(path):
        yield _synced_by(reading, document, spec, path, namespace, place)
        return
    if _is_open(path):
        yield replace(_synced_by(reading, document, spec, path, namespace, place), is_open=True)
    for directory in _fitting(reading, artifact_path(path)):
        yield replace(_synced_by(reading, document, spec, directory, namespace, place), cluster=directory)


def _released(reading: Reading, document: Document) -> Iterator[Root]:
    """What an instance syncs that the values of its chart make, those of a HelmRelease or a file of their own.

    Where the path has a variable, each directory that it fits is a cluster. What is no directory here is synced from elsewhere.
    """
    if not (route := _VALUES.get(document.key.kind)):
        return
    spec = mapping(below(reading.traced(document), *route))
    sync = mapping(spec.get("sync"))
    if not text(sync.get("url")) or _is_template(text(sync.get("path"))):
        return
    place = f"{document.path}:{document.line(*route, 'sync')}"
    if _is_open(text(sync.get("path"))):
        root = _synced_by(reading, document, spec, sync["path"], FLUX_SYSTEM, place)
        yield replace(root, is_open=True)
    for directory in _fitting(reading, artifact_path(text(sync.get("path")))):
        path = sync["path"] if "${" not in sync["path"] else directory
        source = _source_beside(reading, directory, text(sync.get("kind")) or GIT)
        named = {**spec, "sync": {"name": source.name, **sync}}
        root = _synced_by(reading, document, named, path, document.key.namespace or source.namespace, place)
        yield replace(root, cluster=directory, is_certain=bool(document.key.namespace))


def _fitting(reading: Reading, path: str) -> Iterator[str]:
    """The directories that a path may mean, whose variables may be any name; none for the root, which tells no cluster."""
    if _is_open(path):
        return
    known = [""]
    for name in filter(None, path.split("/")):
        fits = _VARIABLE.sub("?*", re.sub(r"[*?\[\\]", r"\\\g<0>", name))
        known = [
            join(directory, entry)
            for directory in known
            for entry, is_directory in reading.entries(directory).items()
            if is_directory and step_matches(fits, entry)
        ]
    yield from filter(None, known)


def _is_open(path: str) -> bool:
    """Whether a path is told by a variable alone, which may hold several steps: `${FLUX_PATH}`."""
    return bool(_VARIABLE.match(artifact_path(path)))


def _source_beside(reading: Reading, directory: str, kind: str) -> ObjectKey:
    """The source that most Kustomizations of a directory name and it does not define; as the operator names it where none does."""
    paths = manifests(reading, directory)
    defined = {source.key for source in _sources(reading, paths)}
    owners = (owner for path in paths for owner in kustomizations(reading, path))
    keys = (key for owner in owners if (key := source_key(owner)).kind == kind and key.name)
    named = Counter(key for key in keys if key not in defined).most_common(1)
    return named[0][0] if named else ObjectKey(kind, FLUX_SYSTEM, FLUX_SYSTEM)


def _synced_by(
    reading: Reading, document: Document, spec: Object, path: str, namespace: str, place: str
) -> Root:
    sync = mapping(spec.get("sync"))
    name = text(sync.get("name")) or namespace
    kind = text(sync.get("kind")) or GIT
    value = _kustomization(name, namespace, path, kind)
    owner = _patched(reading, Resource(document, value, frozenset([name])), spec)
    ref = f"name {text(sync.get('ref'))}" if text(sync.get("ref")) else ""
    source = Source(ObjectKey(kind, namespace, name), text(sync.get("url")), place, ref)
    beside = _sources(reading, manifests(reading, dirname(document.path)))
    return Root(owner, cluster_of(document.path), (*beside, source), True)


def _patched(reading: Reading, owner: Resource, spec: Any) -> Resource:
    changed = [owner]
    place = Gap(owner.path, owner.line("spec", "kustomize"), "patches")
    for entry in items(mapping(spec.get("kustomize")).get("patches")):
        try:
            for patch in patches.listed(reading, place, entry):
                changed = patch.applied(changed, lambda _: True)
        except Refusal:
            continue
    return changed[0] if changed else owner


def _kustomization(name: str, namespace: str, path: str, kind: str) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Kustomization",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"path": path, "sourceRef": {"kind": kind, "name": name}},
    }


def _bootstrapped(path: str, place: str) -> Resource:
    """The Kustomization that bootstrap will write for a directory; `place` is the file that waits for it."""
    (document,) = documents(b"{kind: Kustomization}", place)
    value = _kustomization(FLUX_SYSTEM, FLUX_SYSTEM, f"./{path}", GIT)
    return Resource(document, value, frozenset([FLUX_SYSTEM]))


def kustomizations(reading: Reading, path: str) -> list[Resource]:
    """The Flux Kustomizations of a file, and the patches for such."""
    if f"{GROUP}/".encode() not in reading.content(path):
        return []
    owners = (resource_of(reading, document) for document in reading.documents(path))
    return [owner for owner in owners if owner and is_kustomization(owner)]


def is_kustomization(resource: Resource) -> bool:
    """Whether an object is a Flux Kustomization that may be applied: no template of one."""
    return (
        resource.kind == "Kustomization"
        and resource.group == GROUP
        and bool(resource.name)
        and not _is_template(resource.name + text(resource.at("spec", "path")))
    )


def _is_template(written: str) -> bool:
    return "{{" in written or "<<" in written


def _sources(reading: Reading, paths: Iterable[str]) -> Iterator[Source]:
    for path in paths:
        if GIT.encode() in reading.content(path):
            objects = (resource_of(reading, document) for document in reading.documents(path))
            yield from filter(None, map(source_of, filter(None, objects)))


class _Unbuilt:
    """The Kustomizations that no other one builds, where nothing tells with what a cluster begins."""

    def __init__(self, reading: Reading, directories: list[str]) -> None:
        self._reading = reading
        self._files = [path for directory in directories for path in manifests(reading, directory)][
            :_MOST_FILES
        ]
        reading.fetch(self._files)
        places = [directory for directory in directories if _listing(reading, directory)]
        self._listed = expand(reading, places, with_manifests=False)
        patching = {path for layer in self._listed.values() for path in layer.used}
        written = [owner for path in self._files for owner in kustomizations(reading, path)]
        self._holding = {owner.path for owner in written if owner.path not in patching}
        self._owners = [owner for owner in written if owner.path in self._holding and source_key(owner).name]

    def roots(self) -> _Roots | None:
        """What instances sync; where there are none, what no other builds. None where there is no Kustomization at all."""
        instances = tuple(root for root in _instances(self._reading, self._files) if not root.is_open)
        if instances:
            return instances, tuple(root.owner.path for root in instances)
        return self.beside(())

    def beside(self, known: Iterable[Root]) -> _Roots | None:
        """Those that are left once what is built is taken away, and no root that is known begins there."""
        directories = {_path(root.owner) for root in known}
        listings = [layer for layer in self._unlisted() if layer.directory not in directories]
        listed = {path for layer in listings for path in layer.all_files}
        begun = [*map(self._assumed, listings), *map(self._written, self._first(listed))]
        places = dict.fromkeys(dirname(root.owner.path) for root in begun)
        files = tuple(path for place in places for path in manifests(self._reading, place))
        return (tuple(begun), files) if begun else None

    def _assumed(self, layer: Layer) -> Root:
        sources = tuple(_sources(self._reading, layer.all_files))
        return Root(_bootstrapped(layer.directory, layer.path), layer.directory, sources, True, False)

    def _written(self, owner: Resource) -> Root:
        sources = tuple(_sources(self._reading, manifests(self._reading, dirname(owner.path))))
        return Root(owner, cluster_of(owner.path), sources, is_certain=False)

    def _unlisted(self) -> list[Layer]:
        """The kustomizations of Flux Kustomizations that nobody builds."""
        inner = {layer.directory for each in self._listed.values() for layer in _below(each)}
        return [
            layer
            for directory, layer in self._listed.items()
            if directory not in inner
            and layer.path not in self._builders
            and not self._is_component(layer)
            and not self._is_off(layer.directory)
            and not self._holding.isdisjoint(layer.all_files)
        ]

    def _is_component(self, layer: Layer) -> bool:
        return any(document.key.kind == "Component" for document in self._reading.documents(layer.path)[:1])

    def _first(self, listed: set[str]) -> list[Resource]:
        """Those that begin: the ones that no other builds, then of those that build each other the one that stands highest."""
        waiting = sorted(self._owners, key=lambda owner: len(list(filter(None, _path(owner).split("/")))))
        first = [owner for owner in waiting if owner.path not in listed and not self._others(owner)]
        first = [owner for owner in first if not self._is_left_off(owner)]
        reached = self._closure(first, listed)
        for owner in waiting:
            if owner.path not in reached and owner not in first and not self._is_left_off(owner):
                first.append(owner)
                reached = self._closure([owner], reached)
        return sorted(first, key=lambda owner: (owner.path, owner.line()))

    def _others(self, owner: Resource) -> list[Resource]:
        return [other for other in self._builders.get(owner.path, ()) if other is not owner]

    def _is_left_off(self, owner: Resource) -> bool:
        """Whether it lies deep in what another builds, and no list there names it: it was taken out of use."""
        return self._is_off(dirname(owner.path), owner)

    def _is_off(self, directory: str, owner: Resource | None = None) -> bool:
        above = dirname(directory)
        while above:
            if any(other is not owner for other in self._by_target.get(above, ())):
                return True
            above = dirname(above)
        return owner not in self._self_building and any(
            _is_apart(directory, root.path) for root in self._self_building
        )

    @cached_property
    def _self_building(self) -> list[Resource]:
        """Those that alone build the very file that they are in, as after `flux bootstrap`: a cluster begins there."""
        return [
            owner
            for owner in self._owners
            if {builder.path for builder in self._builders.get(owner.path, ())} == {owner.path}
        ]

    def _closure(self, first: Iterable[Resource], known: set[str]) -> set[str]:
        """The files that are built by some, and by what is in these."""
        reached, waiting = set(known), list(first)
        while waiting:
            new = self._reach[id(waiting.pop())] - reached
            reached |= new
            waiting += [owner for path in new for owner in self._by_path.get(path, ())]
        return reached

    @cached_property
    def _by_path(self) -> dict[str, list[Resource]]:
        by_path: dict[str, list[Resource]] = defaultdict(list)
        for owner in self._owners:
            by_path[owner.path].append(owner)
        return by_path

    @cached_property
    def _by_target(self) -> dict[str, list[Resource]]:
        by_target: dict[str, list[Resource]] = defaultdict(list)
        for owner in self._owners:
            if any(path != owner.path for path in self._reach[id(owner)]):
                by_target[_path(owner)].append(owner)
        return by_target

    @cached_property
    def _builders(self) -> dict[str, list[Resource]]:
        """Who builds each file."""
        builders: dict[str, list[Resource]] = defaultdict(list)
        for owner in self._owners:
            for path in self._reach[id(owner)]:
                builders[path].append(owner)
        return builders

    @cached_property
    def _reach(self) -> dict[int, set[str]]:
        """The files that each Kustomization builds, those of its kustomizations included."""
        places = [
            path
            for owner in self._owners
            if self._reading.is_directory(path := _path(owner)) and self._may_be_of_here(owner)
        ]
        files = {
            path: {*layer.all_files, *(each.path for each in (layer, *_below(layer)))}
            for path, layer in expand(self._reading, places, with_manifests=False).items()
        }
        return {
            id(owner): files.get(_path(owner), set()) if self._may_be_of_here(owner) else set()
            for owner in self._owners
        }

    def _may_be_of_here(self, owner: Resource) -> bool:
        """Whether its source may be this repository: every source has a root, which tells nothing where others name directories.

        Nor where several sources are named, and none of them is known to be this repository.
        """
        name = _source_name(owner)
        is_alone = name[1] == FLUX_SYSTEM or len({*map(_source_name, self._owners)}) == 1
        return bool(_path(owner)) or name in self._named_sources or (is_alone and not self._named_sources)

    @cached_property
    def _named_sources(self) -> set[tuple[str, str]]:
        """The sources of which a Kustomization builds a directory that is here."""
        owners = (
            owner for owner in self._owners if _path(owner) and self._reading.is_directory(_path(owner))
        )
        return set(map(_source_name, owners))


def _is_apart(directory: str, root: str) -> bool:
    """Whether a directory belongs to the cluster of that root, and is no sibling of it: what nobody builds there is out of use."""
    siblings = dirname(dirname(root))
    is_sibling = directory == siblings or directory.startswith(f"{siblings}/")
    return bool(siblings) and not is_sibling and directory.split("/")[0] == root.split("/")[0]


def _source_name(owner: Resource) -> tuple[str, str]:
    source = source_key(owner)
    return source.kind, source.name


def _path(owner: Resource) -> str:
    return artifact_path(text(owner.at("spec", "path")))


def _below(layer: Layer) -> Iterator[Layer]:
    for inner in (*layer.inner, *layer.components):
        yield inner
        yield from _below(inner)
