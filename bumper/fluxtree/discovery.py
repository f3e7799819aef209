"""A Flux Kustomization of a repository, as the cluster gets it.

Law: what its parents make of it counts (names, patches, variables), and its file and line are where it is written. `spec.path` is
joined as Flux does: below the root of the artifact, and never out of it.

Source: kustomize-controller, internal/controller/kustomization_controller.go (`securejoin.SecureJoin(tmpDir, obj.Spec.Path)`).
"""

from functools import cached_property
from posixpath import basename, dirname, normpath

from bumper.dataclasses import dataclass, field, replace
from bumper.fluxtree.artifacts import Slice
from bumper.fluxtree.layers import Gap, Reading
from bumper.fluxtree.resource import Resource, is_variable
from bumper.fluxtree.sites import annotations
from bumper.fluxtree.sourceignore import Exclusions
from bumper.fluxtree.sources import FLUX_SYSTEM, Source
from bumper.fluxtree.substitution import Variables
from bumper.image import ImageReference
from bumper.manifest.document import Document, documents, is_true, items, mapping, text
from bumper.objects import NO_OBJECT, Object, ObjectKey
from bumper.observation import Desired
from bumper.record import KustomizationName
from bumper.request import label
from bumper.revision import Revision

GROUP = "kustomize.toolkit.fluxcd.io"
# Who knows of a Kustomization that no file holds, where no cluster was asked.
BY_PATH = "--path"


def definition(content: bytes, name: KustomizationName) -> Document | None:
    """The Kustomization of this name in its file; None where the file has none, NotYaml where it can't be read."""
    of_flux = (document for document in documents(content, name.file) if document.group == GROUP)
    return next(
        (
            each
            for each in of_flux
            if name.has_name_of(KustomizationName(name.file, each.key.namespace, each.key.name))
        ),
        None,
    )


@dataclass(frozen=True)
class Site:
    """A Flux Kustomization. `path` is where its build begins, from the root of the repository; `place` is its file and line.

    `name` is what the user calls it: the Kustomization's own name unless another one was asked for. `spec` is as its parents build it,
    all scalars as text, `owner` the whole object, `built_by` its parent and `filled_with` what that fills in; `variables` is what it
    fills in itself, as far as that was asked for. `cluster` is the directory of the root that it comes from. `origin` is its source,
    where the tree defines it; `is_likely` says that nothing but its likeness makes it this repository. `is_assumed` says that no file
    holds it: that it is what `flux bootstrap` or a FluxInstance makes.

    `artifact` is what is built instead of the whole repository, for a Kustomization whose source is made of it by `makers`, its
    ArtifactGenerator and that one's source; `unmapped` why it can't be told what such a source has there.

    `known_by` says who knows of it where no file of the repository holds it, nor its document: `cluster prod`, `BY_PATH`.

    `named` is how the user named the Kustomization, empty where the site's name led to it; `namesakes` are the others of the
    repository that have its name, or that the site's name may mean; `where` tells it from them, empty for the only one.
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
    owner: Resource = field(repr=False, compare=False)
    cluster: str = ""
    is_ours: bool = True
    is_assumed: bool = False
    is_source_known: bool = field(default=True, compare=False)
    is_likely: bool = field(default=False, compare=False)
    origin: Source | None = field(default=None, repr=False, compare=False)
    filled_with: Variables = field(default=Variables(), repr=False, compare=False)
    variables: Variables = field(default=Variables(), repr=False, compare=False)
    built_by: "Site | None" = field(default=None, repr=False, compare=False)
    artifact: Slice | None = field(default=None, repr=False, compare=False)
    unmapped: Gap | None = field(default=None, repr=False, compare=False)
    makers: tuple[ObjectKey, ...] = field(default=(), repr=False, compare=False)
    known_by: str = field(default="", compare=False)
    where: str = field(default="", compare=False)
    named: str = field(default="", compare=False)
    namesakes: "tuple[Site, ...]" = field(default=(), repr=False, compare=False)

    @property
    def label(self) -> str:
        """The site as people read it, and as no other site of the repository is called."""
        return label(self.name, self.where)

    @property
    def has_rivals(self) -> bool:
        """Whether a cluster may have another one of the repository under the very name of this Kustomization."""
        return any(other.kustomization == self.kustomization for other in self.namesakes)

    @cached_property
    def identity(self) -> str:
        """What tells it from every other one of the tree: the file that defines it, its namespace and its name."""
        namespace = f"{self.kustomization.namespace}/" if self.kustomization.namespace else ""
        return f"{self.document.path}#{namespace}{self.kustomization.name}"

    @property
    def lineage(self) -> "tuple[Site, ...]":
        """It, its parent, and on to the root."""
        return (self, *(self.built_by.lineage if self.built_by else ()))

    @property
    def root(self) -> "Site":
        """What its cluster begins with."""
        return self.built_by.root if self.built_by else self

    @property
    def is_elsewhere(self) -> bool:
        """Whether Flux applies what it builds to another cluster than the one that it is in."""
        return bool(self.spec.get("kubeConfig"))

    @property
    def follows_root(self) -> bool:
        """Whether its source gives the same commits as that of the root, as far as the tree tells."""
        root = self.root.origin
        return not (self.origin and root) or self.origin.ref == root.ref

    @property
    def exclusions(self) -> Exclusions:
        """What its source leaves out."""
        return self.origin.exclusions if self.origin else Exclusions()

    def desired(self, revision: Revision | None) -> Desired:
        """What must become true for the Kustomization alone, of which no workload is followed."""
        return Desired(
            site=self.name,
            image=ImageReference(""),
            previous=None,
            revision=revision,
            kustomization=self.kustomization,
            source=self.source,
            workload=NO_OBJECT,
            container="",
            identity=self.identity,
            makers=self.makers,
            where=self.where,
            named=self.named,
        )

    def view(self, reading: Reading) -> Reading:
        """What of the repository its source has."""
        return self.artifact or reading.of(self.exclusions)

    def is_built(self, reading: Reading) -> bool:
        """Whether there is something to build, as far as the repository tells."""
        return self.is_ours and not is_variable(self.path) and self.view(reading).is_directory(self.path)


def site_of(owner: Resource, cluster: str) -> Site:
    """The Kustomization that an object is."""
    spec = mapping(owner.at("spec"))
    key = ObjectKey("Kustomization", owner.namespace, owner.name)
    return Site(
        name=key.name,
        kustomization=key,
        source=source_key(owner),
        path=artifact_path(text(spec.get("path"))),
        depends_on=tuple(
            _key("Kustomization", entry, key.namespace) for entry in items(spec.get("dependsOn"))
        ),
        suspended=is_true(spec.get("suspend")),
        target_namespace=text(spec.get("targetNamespace")),
        place=f"{owner.path}:{owner.line()}",
        spec=spec,
        document=owner.document,
        owner=owner,
        cluster=cluster,
    )


def pushed_path(document: Document) -> str | None:
    """The directory of this repository that a Kustomization says it is built from, where its source is pushed from here."""
    return annotations.read(document).get(annotations.key("path"))


def pushed(site: Site, path: str) -> Site:
    """A site whose source is pushed from this repository, built from its directory `path`."""
    return replace(site, path=artifact_path(path), is_ours=True, unmapped=None)


def source_key(owner: Resource) -> ObjectKey:
    """The source that a Kustomization is built from."""
    reference = mapping(owner.at("spec", "sourceRef"))
    return _key(text(reference.get("kind")), reference, owner.namespace)


def artifact_path(written: str) -> str:
    """`spec.path` from the root of the artifact, which it never leaves; empty for the root itself."""
    return normpath(f"/{written}").strip("/")


def cluster_of(path: str) -> str:
    """The directory of the cluster that a root's file is for: that of the file, less `flux-system`."""
    directory = dirname(path)
    return dirname(directory) if basename(directory) == FLUX_SYSTEM else directory


def _key(kind: str, reference: object, namespace: str) -> ObjectKey:
    named = mapping(reference)
    return ObjectKey(kind, text(named.get("namespace")) or namespace, text(named.get("name")))
