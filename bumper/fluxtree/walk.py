"""The way through a Flux tree: from its roots, level by level, as the clusters get it.

Law: each Kustomization is read as its parent builds it, with patches, names and variables, and is found at the file and line where it
is written. Several clusters in one repository are walked side by side, each by itself: nothing of one fills in or replaces what
another has. No level is read that nobody asks for.
"""

from collections.abc import Iterable, Iterator, Sequence

from bumper.address import repository_key
from bumper.dataclasses import dataclass, field, replace
from bumper.errors import NotYaml
from bumper.fluxtree.artifacts import EXTERNAL, KIND, Generators, Mapped
from bumper.fluxtree.build import build, kustomization, resource_of
from bumper.fluxtree.discovery import GROUP, Site, artifact_path, pushed, pushed_path, site_of
from bumper.fluxtree.layers import Gap, Layer, Reading, expand
from bumper.fluxtree.resource import Resource, is_variable
from bumper.fluxtree.resource_sets import KIND as RESOURCE_SET
from bumper.fluxtree.roots import Root, is_kustomization, roots
from bumper.fluxtree.sourceignore import Exclusions
from bumper.fluxtree.sources import FLUX_SYSTEM, GIT, Ownership, Source, source_of
from bumper.fluxtree.substitution import REFERRED, Variables, filled, references, variables_of
from bumper.manifest.document import Document, mapping, text
from bumper.objects import Object, ObjectKey

# What a kustomization may say and still leave every object as it is written.
_PLAIN = frozenset({"apiVersion", "kind", "metadata", "resources", "bases"})
_CHANGES = (
    "targetNamespace",
    "namePrefix",
    "nameSuffix",
    "components",
    "patches",
    "patchesStrategicMerge",
    "patchesJson6902",
)
# What the files hold that a walk reads.
_TELLING = tuple(kind.encode() for kind in (GROUP, GIT, KIND))
_RESOURCE_SET = RESOURCE_SET.encode()
# A tree whose Kustomizations build themselves anew under another name has no end.
_DEEPEST = 32


@dataclass
class _Cluster:
    """What is known of one cluster so far."""

    ownership: Ownership
    generators: Generators
    referred: dict[tuple[str, str, str], Object] = field(default_factory=dict)
    wanted: set[tuple[str, str]] = field(default_factory=set)
    built: list[Site] = field(default_factory=list)
    seen: set[tuple[object, ...]] = field(default_factory=set)
    met: set[ObjectKey] = field(default_factory=set)

    def data(self, kind: str, namespace: str, name: str) -> Object | None:
        """What a ConfigMap or Secret of the cluster holds; one without a namespace may be in any."""
        own = self.referred.get((kind, namespace, name))
        return self.referred.get((kind, "", name)) if own is None else own

    def is_new(self, site: Site) -> bool:
        """Whether a Kustomization was not met before: that of a document may be built under several names and paths."""
        identity = (site.document.path, site.document.route, site.owner.root, site.kustomization, site.path)
        is_new = identity not in self.seen
        self.seen.add(identity)
        self.met.add(site.kustomization)
        return is_new


class Walk:
    """The way through the Flux tree. `gaps`, `broken`, `unexpanded` and `files` grow with each level: what is missing, what is no
    YAML, what ResourceSets may make besides, the files that were read for it, and in `met` the Kustomizations. `url` is the
    repository's own address, where the caller knows it.
    """

    def __init__(self, reading: Reading, url: str = "") -> None:
        self._gaps: dict[Gap, None] = {}
        self._files: dict[str, None] = {}
        self.unexpanded: dict[Gap, None] = {}
        self._reading = reading.forgiving()
        self._own = repository_key(url or reading.url)
        self._clusters: dict[str, _Cluster] = {}
        self.met: list[Site] = []
        self._level: list[Site] = []
        self._left: set[str] = set()
        self._waiting: list[Site] = []

    @property
    def gaps(self) -> list[Gap]:
        return list(self._gaps)

    @property
    def files(self) -> list[str]:
        return list(self._files)

    @property
    def broken(self) -> list[NotYaml]:
        """The files that are no YAML, of those that hold something of Flux or of kustomize."""
        return list(self._reading.broken.values())

    def levels(self) -> Iterator[tuple[Site, ...]]:
        """The Kustomizations of each level: the roots, those in the directories that they build, and so on."""
        known: tuple[tuple[Root, ...], tuple[str, ...]] = self._reading.once(
            "roots", lambda: roots(self._reading)
        )
        begun, files = known
        self._files |= dict.fromkeys(files)
        # Whose a source is, the roots of a cluster tell together.
        level = [self._built_by_itself(self._judged(site)) for site in [*map(self._site_of_root, begun)]]
        for _ in range(_DEEPEST):
            if not level:
                break
            self._level = level
            self.met += level
            yield tuple(level)
            level = self._below([site for site in level if site.cluster not in self._left])
        if self._waiting:
            yield tuple(map(self._judged, self._waiting))

    def beside(self, site: Site, address: str = "") -> Site:
        """A Kustomization that no file holds, of the cluster whose source it is built from; `address` is its source's, if known.

        To be asked after the levels, whose sources tell which is this repository.
        """
        answers = []
        for name in self._clusters or {"": self._clusters.setdefault("", self._cluster())}:
            sources = self._clusters[name].ownership.sources
            if address and site.source not in sources:
                sources[site.source] = Source(site.source, address, f"{site.document.path}:1")
            judged = self._judged(replace(site, cluster=name))
            answers.append(judged)
        return self.with_variables(next((each for each in answers if each.is_ours), answers[0]))

    @property
    def first_source(self) -> ObjectKey:
        """What the first cluster begins with; as bootstrap calls it where nothing is known."""
        roots = [root for cluster in self._clusters.values() for root in cluster.ownership.roots]
        return roots[0] if roots else ObjectKey(GIT, FLUX_SYSTEM, FLUX_SYSTEM)

    @property
    def kustomizations(self) -> frozenset[ObjectKey]:
        """Those that were met on the way, in any cluster."""
        return frozenset(key for cluster in self._clusters.values() for key in cluster.met)

    def leave(self, clusters: Iterable[str]) -> None:
        """Goes no further in these."""
        self._left.update(clusters)

    def with_variables(self, site: Site) -> Site:
        """The site of the last level with what it fills into what it builds."""
        cluster = self._clusters[site.cluster]
        names = references(site.owner)
        self._want(cluster, names)
        if any(cluster.data(kind, site.kustomization.namespace, name) is None for kind, name in names):
            known = set(map(id, cluster.built))
            self._build(
                beside for beside in self._level if beside.cluster == site.cluster and id(beside) not in known
            )
        return replace(site, variables=self._variables(site))

    def _variables(self, site: Site) -> Variables:
        return variables_of(site.owner, self._clusters[site.cluster].data)

    def _site_of_root(self, root: Root) -> Site:
        cluster = self._clusters.setdefault(root.cluster, self._cluster())
        ownership = cluster.ownership
        ownership.sources |= {source.key: source for source in root.sources}
        ownership.is_certain = ownership.is_certain or root.is_certain
        site = replace(site_of(root.owner, root.cluster), is_assumed=root.is_assumed)
        ownership.roots.append(site.source)
        return site

    def _cluster(self) -> _Cluster:
        return _Cluster(Ownership(self._own), Generators(self._reading.of(Exclusions())))

    def _built_by_itself(self, site: Site) -> Site:
        """The root as it is once it has built itself: bootstrap lets it, and a kustomization.yaml beside it may patch it.

        What nobody wrote down, but builds a Kustomization of the very same directory, is that one.
        """
        cluster = self._clusters[site.cluster]
        is_inside = f"/{site.document.path}".startswith(f"/{site.path}/".replace("//", "/"))
        if is_inside and site.is_built(self._reading):
            objects = self._objects(site, self._expanded([site])[0])
            owner = next((each for each in objects if _is_same(each, site)), None)
            if owner:
                site = site_of(owner, site.cluster)
                cluster.ownership.roots.append(site.source)
                site = self._judged(site)
        cluster.is_new(site)
        return site

    def _judged(self, site: Site) -> Site:
        """The site with what is known of its source."""
        if site.source.kind == EXTERNAL:
            site = self._derived(site)
        else:
            ownership = self._clusters[site.cluster].ownership
            site = replace(
                site,
                is_ours=ownership.is_ours(site.source)
                and (not ownership.is_guessed(site.source) or self._is_here(site.path)),
                is_source_known=ownership.is_known(site.source),
                origin=ownership.sources.get(site.source),
                is_likely=ownership.is_likely(site.source),
            )
        path = None if site.is_ours else pushed_path(site.document)
        return site if path is None else pushed(site, path)

    def _is_here(self, path: str) -> bool:
        """Whether what is built tells that it is of this repository: every source has a root, which tells nothing."""
        return bool(path) and (is_variable(path) or self._reading.is_directory(path))

    def _derived(self, site: Site) -> Site:
        """A site that is built from an artifact: where it lies in the repository."""
        cluster = self._clusters[site.cluster]
        artifact = cluster.generators.named(site.source)
        if artifact is None:
            return replace(site, is_ours=False)
        answer = cluster.generators.map(artifact, text(site.spec.get("path")), cluster.ownership.is_ours)
        if isinstance(answer, Mapped):
            # A generator makes artifacts in its own namespace alone.
            generator = artifact.generator._replace(namespace=site.source.namespace)
            source = answer.source._replace(namespace=answer.source.namespace or generator.namespace)
            return replace(site, path=answer.path, artifact=answer.slice, makers=(generator, source))
        return replace(site, unmapped=answer, is_ours=False)

    def _is_waiting(self, site: Site) -> bool:
        """Whether it is built from an artifact whose generator is still to come."""
        generators = self._clusters[site.cluster].generators
        return site.source.kind == EXTERNAL and generators.named(site.source) is None

    def _below(self, level: Iterable[Site]) -> list[Site]:
        """The Kustomizations that those of a level build."""
        for site in level:
            self._want(self._clusters[site.cluster], references(site.owner))
        objects = self._build(level)
        children = [child for site, built in objects for child in self._children(site, built)]
        for child in children:
            ownership = self._clusters[child.cluster].ownership
            is_root = child.source.kind == GIT and child.source in ownership.roots
            ownership.is_certain = ownership.is_certain or is_root
        children = [*self._waiting, *children]
        self._waiting = [child for child in children if self._is_waiting(child)]
        known = [self._judged(child) for child in children if not self._is_waiting(child)]
        return [site for site in known if self._clusters[site.cluster].is_new(site)]

    def _build(self, level: Iterable[Site]) -> list[tuple[Site, list[Resource]]]:
        """What of Flux those of a level build; their clusters know of it afterwards."""
        building = [site for site in level if site.is_built(self._reading)]
        layers = self._expanded(building)
        objects = [(site, self._objects(site, layer)) for site, layer in zip(building, layers, strict=True)]
        for site, built in objects:
            self._clusters[site.cluster].built.append(site)
            self._learn(self._clusters[site.cluster], built)
        return objects

    def _want(self, cluster: _Cluster, names: Iterable[tuple[str, str]]) -> None:
        """Looks for ConfigMaps and Secrets in what was built before anybody asked for them."""
        new = set(names) - cluster.wanted
        cluster.wanted |= new
        for site in cluster.built if new else ():
            (layer,) = self._expanded([site])
            self._learn(cluster, self._objects(site, layer))

    def _expanded(self, sites: Sequence[Site]) -> list[Layer]:
        """What each builds, in their order, read in as few batches as there are views of the repository."""
        views = [site.view(self._reading) for site in sites]
        paths: dict[int, tuple[Reading, set[str]]] = {}
        for site, view in zip(sites, views, strict=True):
            paths.setdefault(id(view), (view, set()))[1].add(site.path)
        known = {number: expand(view, sorted(places)) for number, (view, places) in paths.items()}
        layers = [known[id(view)][site.path] for site, view in zip(sites, views, strict=True)]
        for layer in layers:
            self._files |= dict.fromkeys(layer.all_files)
            self._gaps |= dict.fromkeys(layer.all_gaps)
        return layers

    def _objects(self, site: Site, layer: Layer) -> list[Resource]:
        """What of Flux a Kustomization builds: Kustomizations, sources, and what variables come from."""
        reading = site.view(self._reading)
        telling = [path for path in layer.all_files if self._is_telling(site, path)]
        if self._is_plain(layer, site) and not any(
            _RESOURCE_SET in self._reading.content(path) for path in telling
        ):
            documents = (document for path in telling for document in reading.documents(path))
            objects = [each for document in documents if (each := resource_of(reading, document))]
        elif telling or self._generates(layer, site):
            built = build(self._reading, site, site.owner)
            self.unexpanded |= dict.fromkeys(built.unexpanded)
            objects = list(built.resources)
        else:
            objects = []
        return [each for each in objects if is_kustomization(each) or each.kind in (GIT, KIND, *REFERRED)]

    def _is_telling(self, site: Site, path: str) -> bool:
        content = self._reading.content(path)
        wanted = self._clusters[site.cluster].wanted
        return any(kind in content for kind in _TELLING) or any(
            kind.encode() in content and name.encode() in content for kind, name in wanted
        )

    def _is_plain(self, layer: Layer, site: Site) -> bool:
        """Whether every object of a build is as it is written."""
        return not any(mapping(site.spec).get(key) for key in _CHANGES) and all(
            set(document.value) <= _PLAIN for document in self._kustomizations(layer)
        )

    def _generates(self, layer: Layer, site: Site) -> bool:
        """Whether the ConfigMaps and Secrets that variables come from may be generated here."""
        return bool(self._clusters[site.cluster].wanted) and any(
            document.value.get(key)
            for document in self._kustomizations(layer)
            for key in ("configMapGenerator", "secretGenerator")
        )

    def _kustomizations(self, layer: Layer) -> Iterator[Document]:
        if document := kustomization(self._reading, layer):
            yield document
        for inner in (*layer.inner, *layer.components):
            yield from self._kustomizations(inner)

    def _learn(self, cluster: _Cluster, objects: Iterable[Resource]) -> None:
        for each in objects:
            if each.kind in REFERRED:
                key = (each.kind, each.namespace, each.name)
                data = {**mapping(each.value.get("data")), **mapping(each.value.get("stringData"))}
                cluster.referred.setdefault(key, data)
            elif each.kind == KIND:
                cluster.generators.add(each.document)
            elif source := source_of(each):
                cluster.ownership.sources.setdefault(source.key, source)

    def _children(self, parent: Site, objects: Iterable[Resource]) -> Iterator[Site]:
        variables = self._variables(parent)
        for each in objects:
            if is_kustomization(each):
                child = site_of(filled(each, variables), parent.cluster)
                yield replace(child, built_by=parent, filled_with=variables)


def _is_same(built: Resource, root: Site) -> bool:
    """Whether an object that the root builds is the root itself."""
    if root.is_assumed:
        return is_kustomization(built) and artifact_path(text(built.at("spec", "path"))) == root.path
    return (built.document.path, built.document.route) == (root.document.path, root.document.route)
