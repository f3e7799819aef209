"""Where a repository keeps its Flux Kustomizations.

Law: found from `gotk-sync.yaml`, which `flux bootstrap` commits, or else from any Flux Kustomization; then by following
`spec.path`, level by level, only as deep as the caller asks. Likely places come first and the search is bounded, so that a
repository of 20,000 files costs no more than a small one. Of several clusters in one repository those at the shallowest level are
found, all of them.

The path of a Kustomization that is built from another repository leads nowhere here. Ours are those whose source is that of a
root in gotk-sync.yaml, or a GitRepository with the same URL.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from posixpath import dirname, join

from bumper.errors import NotYaml
from bumper.fluxtree.artifacts import EXTERNAL, KIND, Generators, Mapped, Slice
from bumper.fluxtree.layers import GENERATED, Gap, Reading, expand, within
from bumper.manifest.document import Document, is_true, items, mapping, text
from bumper.objects import Object, ObjectKey

GROUP = "kustomize.toolkit.fluxcd.io"
_SYNC = "gotk-sync.yaml"
_FLUX_SYSTEM = "flux-system"
_LIKELY = (
    "clusters",
    "cluster",
    "k8s",
    "kubernetes",
    "flux",
    "fleet",
    "gitops",
    "deploy",
    "infrastructure",
    "platform",
)
_DEEPEST = 4
_MOST_DIRECTORIES = 2000
_MOST_FILES = 1000


@dataclass(frozen=True)
class Site:
    """A Flux Kustomization. `path` is where its build begins, from the root of the repository; `place` is its file and line.

    `name` is what the user calls it: the Kustomization's own name unless another one was asked for. `spec` is as it stands in
    the file, all scalars as text. `artifact` is what is built instead of the whole repository, for a Kustomization whose source is
    made of it by `makers`, its ArtifactGenerator and that one's source; `unmapped` why it can't be told what such a source has there.
    """

    name: str
    kustomization: ObjectKey
    source: ObjectKey
    path: str
    depends_on: tuple[ObjectKey, ...]
    suspended: bool
    target_namespace: str
    place: str
    spec: Object = field(repr=False, compare=False)
    document: Document = field(repr=False, compare=False)
    is_ours: bool = True
    artifact: Slice | None = field(default=None, repr=False, compare=False)
    unmapped: Gap | None = field(default=None, repr=False, compare=False)
    makers: tuple[ObjectKey, ...] = field(default=(), repr=False, compare=False)

    @property
    def identity(self) -> str:
        """What tells it from every other one of the tree: the file that defines it, its namespace and its name."""
        namespace = f"{self.kustomization.namespace}/" if self.kustomization.namespace else ""
        return f"{self.document.path}#{namespace}{self.kustomization.name}"

    @property
    def leads_outside(self) -> bool:
        """Whether `path` leaves the repository."""
        return self.path.startswith("..")


class Walk:
    """The way through the Flux tree. `gaps`, `broken` and `files` grow with each level: what is missing, what is no YAML, and the
    files that were read for it.
    """

    def __init__(self, reading: Reading) -> None:
        self.gaps: list[Gap] = []
        self.broken: list[NotYaml] = []
        self.files: list[str] = []
        self._reading = reading
        self._root_sources: set[ObjectKey] = set()
        self._urls: dict[ObjectKey, str] = {}
        self._generators = Generators(reading)
        self._waiting: list[Site] = []

    def levels(self) -> Iterator[tuple[Site, ...]]:
        """The Kustomizations of each level: those of gotk-sync.yaml, those in the directories that they build, and so on."""
        files = _roots(self._reading)
        has_sync = any(path.endswith(_SYNC) for path in files)
        seen_files: set[str] = set()
        seen_directories: set[str] = set()
        while files:
            seen_files.update(files)
            self.files += files
            objects = [document for path in files for document in self._flux_objects(path)]
            if has_sync and not self._root_sources:
                self._root_sources = {_source(each) for each in objects if each.key.kind == "Kustomization"}
            self._urls |= {
                each.key: text(mapping(each.value.get("spec")).get("url"))
                for each in objects
                if each.key.kind == "GitRepository"
            }
            for each in objects:
                if each.key.kind == KIND:
                    self._generators.add(each)
            level = self._level(self._site(each) for each in objects if each.group == GROUP)
            yield level
            built = [site for site in level if site.is_ours and not site.leads_outside]
            below = {site.path for site in built if not site.artifact} - seen_directories
            seen_directories |= below
            layers = [
                *expand(self._reading, filter(self._reading.is_directory, sorted(below))).values(),
                *(expand(site.artifact, [site.path])[site.path] for site in built if site.artifact),
            ]
            self.gaps += [gap for layer in layers for gap in layer.all_gaps]
            reached = dict.fromkeys(path for layer in layers for path in layer.all_files)
            files = [path for path in reached if path not in seen_files]
        if self._waiting:
            yield tuple(replace(site, is_ours=False) for site in self._waiting)

    def _level(self, sites: Iterable[Site]) -> tuple[Site, ...]:
        """The sites whose source is known; those built from an artifact wait for the level that has its generator."""
        known: list[Site] = []
        waiting: list[Site] = []
        for site in (*self._waiting, *sites):
            is_known = site.source.kind != EXTERNAL or self._generators.named(site.source)
            (known if is_known else waiting).append(site)
        self._waiting = waiting
        return tuple(self._derived(site) if site.source.kind == EXTERNAL else site for site in known)

    def _derived(self, site: Site) -> Site:
        """A site that is built from an artifact: where it lies in the repository."""
        artifact = self._generators.named(site.source)
        assert artifact, "a site waits for its artifact"
        answer = self._generators.map(artifact, text(site.spec.get("path")), self._is_ours)
        if isinstance(answer, Mapped):
            # A generator makes artifacts in its own namespace alone.
            generator = replace(artifact.generator, namespace=site.source.namespace)
            source = replace(answer.source, namespace=answer.source.namespace or generator.namespace)
            makers = (generator, source)
            return replace(site, path=answer.path, artifact=answer.slice, makers=makers, is_ours=True)
        return replace(site, unmapped=answer, is_ours=False)

    def _flux_objects(self, path: str) -> tuple[Document, ...]:
        content = self._reading.content(path)
        if not any(word in content for word in (GROUP.encode(), b"GitRepository", KIND.encode())):
            return ()
        try:
            return tuple(
                document
                for document in self._reading.documents(path)
                if document.key.kind in ("Kustomization", "GitRepository", KIND)
            )
        except NotYaml as error:
            self.broken.append(error)
            return ()

    def _site(self, document: Document) -> Site:
        site = _read(document)
        return site if self._is_ours(site.source) else replace(site, is_ours=False)

    def _is_ours(self, source: ObjectKey) -> bool:
        if source.kind == EXTERNAL:
            return False
        if not self._root_sources or source in self._root_sources:
            return True
        url = self._urls.get(source)
        return bool(url) and url in {self._urls.get(root) for root in self._root_sources}


@lru_cache(maxsize=2048)  # as `documents`, whose objects these are read from
def _read(document: Document) -> Site:
    spec = mapping(document.value.get("spec"))
    key = document.key
    written = text(spec.get("path"))
    path = within("", written.lstrip("/"))
    return Site(
        name=key.name,
        kustomization=key,
        source=_source(document),
        path=written if path is None else path,
        depends_on=tuple(
            _key("Kustomization", entry, key.namespace) for entry in items(spec.get("dependsOn"))
        ),
        suspended=is_true(spec.get("suspend")),
        target_namespace=text(spec.get("targetNamespace")),
        place=f"{document.path}:{document.line()}",
        spec=spec,
        document=document,
    )


def _source(document: Document) -> ObjectKey:
    reference = mapping(mapping(document.value.get("spec")).get("sourceRef"))
    return _key(text(reference.get("kind")), reference, document.key.namespace)


def _key(kind: str, reference: object, namespace: str) -> ObjectKey:
    named = mapping(reference)
    return ObjectKey(kind, text(named.get("namespace")) or namespace, text(named.get("name")))


def _roots(reading: Reading) -> list[str]:
    """The files that the walk begins with, read together with what stands beside them."""
    top = sorted(name for name, is_directory in reading.entries("").items() if is_directory)
    likely = [name for name in _LIKELY if name in top]
    others = [name for name in top if name not in likely]
    for start, depth in (([""], 1), (likely, _DEEPEST), (others, _DEEPEST)):
        for directories in _breadth_first(reading, start, depth):
            if files := [path for directory in directories for path in _sync_files(reading, directory)]:
                reading.fetch(path for file in files for path in _manifests(reading, dirname(file)))
                return files
    for start, depth in (([""], 1), (likely, _DEEPEST), (others, _DEEPEST)):
        for directories in _breadth_first(reading, start, depth):
            paths = [path for directory in directories for path in _manifests(reading, directory)][
                :_MOST_FILES
            ]
            reading.fetch(paths)
            if files := [path for path in paths if f"{GROUP}/".encode() in reading.content(path)]:
                return files
    return []


def _sync_files(reading: Reading, directory: str) -> Iterator[str]:
    for place in (directory, join(directory, _FLUX_SYSTEM)):
        if reading.is_directory(place) and reading.is_file(join(place, _SYNC)):
            yield join(place, _SYNC)


def _manifests(reading: Reading, directory: str) -> list[str]:
    names = [name for name, is_directory in reading.entries(directory).items() if not is_directory]
    return [join(directory, name) for name in names if name.endswith((".yaml", ".yml")) and name != GENERATED]


def _breadth_first(reading: Reading, start: Iterable[str], depth: int) -> Iterator[list[str]]:
    level, budget = list(start), _MOST_DIRECTORIES
    for _ in range(depth):
        level, budget = level[:budget], budget - len(level)
        if not level:
            return
        yield level
        level = [
            join(directory, name)
            for directory in level
            for name, is_directory in reading.entries(directory).items()
            if is_directory and not name.startswith(".")
        ]
