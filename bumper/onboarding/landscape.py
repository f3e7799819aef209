"""What stands in a platform's repository already: its sites, what each builds, and the hosts that are taken.

Law: everything that Flux builds of this repository is read, once. What a directory holds that nothing builds does not exist here.
"""

from collections.abc import Iterator
from functools import cached_property

from bumper.dataclasses import dataclass, field
from bumper.errors import FieldMissing, did_you_mean
from bumper.fluxtree.build import Build, build
from bumper.fluxtree.discovery import Site
from bumper.fluxtree.images import filled_in
from bumper.fluxtree.layers import Layer, Reading, expand, within
from bumper.fluxtree.sites.selection import no_tree
from bumper.fluxtree.substitution import Variables
from bumper.fluxtree.walk import Walk
from bumper.manifest.document import Document, is_true, items, text
from bumper.objects import Object, ObjectKey
from bumper.onboarding.hosts import Routed, routed
from bumper.ports.git import Tree
from bumper.record import told_apart


@dataclass(frozen=True)
class Built:
    """One object of a site's build, under the name that reaches the cluster; `value` as it is built, `variables` what is filled in."""

    key: ObjectKey
    document: Document
    value: Object = field(repr=False, compare=False)
    variables: Variables = field(repr=False, compare=False)

    @property
    def place(self) -> str:
        """`k8s/web/deployment.yaml:1`."""
        return f"{self.document.path}:{self.document.line()}"


@dataclass(frozen=True)
class Listing:
    """Where a sync file is listed: `written` is entry `at` of the resources in the kustomization at `path`.

    `path` is empty where Flux lists whatever the directory holds.
    """

    directory: str
    path: str = ""
    at: int = 0
    written: str = ""


@dataclass(frozen=True)
class Landscape:
    """The Flux tree of one commit. TreeMissing where there is none, NotYaml where a file of it cannot be read."""

    tree: Tree
    reading: Reading = field(init=False)
    sites: tuple[Site, ...] = field(init=False)
    layers: dict[str, Layer] = field(init=False)
    _builds: dict[tuple[str, int], Build] = field(init=False, default_factory=dict)
    _built: dict[tuple[str, int], tuple[Built, ...]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        reading = Reading(self.tree)
        walk = Walk(reading)
        sites = tuple(walk.with_variables(site) for level in walk.levels() for site in level)
        if walk.broken:
            raise walk.broken[0]
        if not sites:
            raise no_tree()
        object.__setattr__(self, "reading", reading)
        object.__setattr__(self, "sites", sites)
        places = [place for site in sites for place in self._directories(site)]
        object.__setattr__(self, "layers", expand(reading, places))

    def named(self, name: str) -> Site:
        """The only site of that name; FieldMissing."""
        matching = [site for site in self.sites if site.name == name]
        if len(matching) == 1:
            return matching[0]
        if matching:
            places = ", ".join(site.place for site in matching)
            raise FieldMissing(
                f"{name}: {len(matching)} Flux Kustomizations have this name ({places}), expected one"
            )
        names = [site.name for site in self.sites]
        raise FieldMissing(
            f"{name}: no Flux Kustomization has this name (found: {', '.join(names)}){did_you_mean(name, names)}"
        )

    def built(self, site: Site) -> tuple[Built, ...]:
        """The objects that Flux makes of a site's directory, less what a kustomization generates."""
        key = site.cluster, id(site.owner)
        if key not in self._built:
            whole = self.build(site)
            self._built[key] = tuple(
                Built(each.key, each.document, each.value, filled_in(each, whole))
                for each in whole.resources
                if not each.root
            )
        return self._built[key]

    def build(self, site: Site) -> Build:
        """What Flux makes of a site's directory."""
        key = site.cluster, id(site.owner)
        if key not in self._builds:
            self._builds[key] = build(self.reading, site, site.owner)
        return self._builds[key]

    def read_by(self, site: Site) -> frozenset[str]:
        """Every file that a site's build reads: manifests, patches and kustomizations."""
        return frozenset(path for place in self._directories(site) for path in _paths(self.layers[place]))

    @cached_property
    def objects(self) -> tuple[tuple[Site, Built], ...]:
        """All objects of all sites."""
        return tuple((site, built) for site in self.sites for built in self.built(site))

    def hosts_of(self, site: Site) -> tuple[Routed, ...]:
        """The hosts that a site's routes take, in order."""
        return tuple(
            route
            for built in self.built(site)
            for route in routed(built.document, built.value, built.variables)
        )

    def namesakes(self, name: str) -> tuple[Site, ...]:
        """The Kustomizations of that name, those of several clusters."""
        return tuple(site for site in self.sites if site.name == name)

    def cluster_name(self, site: Site) -> str:
        """What tells its cluster from the others of the repository; empty where there is no other."""
        clusters = {other.cluster for other in self.sites}
        return told_apart(clusters)[site.cluster] if len(clusters) > 1 else ""

    def listings(self, path: str) -> tuple[Listing, ...]:
        """Every place where a file is listed, or built without being listed."""
        listings = [listing for layer in self.layers.values() for listing in self._listings(layer, path)]
        return tuple(dict.fromkeys(listings))

    def parents(self, site: Site) -> tuple[Site, ...]:
        """The Flux Kustomizations whose build makes that of a site."""
        return tuple(
            parent
            for parent in self.sites
            if any(built.document.path == site.document.path for built in self.built(parent))
        )

    def _directories(self, site: Site) -> list[str]:
        if not site.is_ours or not self.reading.is_directory(site.path):
            return []
        written = [within(site.path, text(place)) for place in items(site.spec.get("components"))]
        return [
            site.path,
            *(place for place in written if place is not None and self.reading.is_directory(place)),
        ]

    def _listings(self, layer: Layer, path: str) -> Iterator[Listing]:
        if path in layer.files and not layer.path:
            yield Listing(layer.directory)
        elif path in layer.files:
            document = self.reading.documents(layer.path)[0]
            for at, written in enumerate(map(text, items(document.value.get("resources")))):
                if within(layer.directory, written) == path:
                    yield Listing(layer.directory, layer.path, at, written)
        for inner in (*layer.inner, *layer.components):
            yield from self._listings(inner, path)


def prunes(site: Site) -> bool:
    """Whether Flux deletes what a Kustomization made once it is deleted itself.

    Source: kustomize-controller v1.9.4, `finalizerShouldDeleteResources`.
    """
    if site.suspended:
        return False
    policy = text(site.spec.get("deletionPolicy")) or "MirrorPrune"
    return (
        is_true(site.spec.get("prune"))
        if policy == "MirrorPrune"
        else policy in ("Delete", "WaitForTermination")
    )


def _paths(layer: Layer) -> Iterator[str]:
    yield from filter(None, (layer.path, *layer.files, *layer.used))
    for inner in (*layer.inner, *layer.components):
        yield from _paths(inner)


def below(reading: Reading, directory: str) -> Iterator[str]:
    """Every file below a directory."""
    for name, is_directory in sorted(reading.entries(directory).items()):
        path = f"{directory}/{name}" if directory else name
        if is_directory:
            yield from below(reading, path)
        else:
            yield path
