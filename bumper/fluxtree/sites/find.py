"""The Flux tree of a repository: its Kustomizations, and where the image of each site stands.

Law: the Flux Kustomization that is named after the site (or by the caller) says what is built; the image is the one whose
repository ends with the site's name (or which the caller names); the field is the one that decides its tag, after all overlays.
One candidate too many or too few is refused, with file and line of what is there: nothing is guessed, no configuration is read.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from posixpath import dirname

from bumper.errors import FieldAmbiguous, FieldMissing
from bumper.fluxtree.build import Build, build
from bumper.fluxtree.discovery import Site
from bumper.fluxtree.images import Image, images
from bumper.fluxtree.layers import Reading
from bumper.fluxtree.sites import routes
from bumper.fluxtree.sites.selection import ambiguous, listed, select
from bumper.fluxtree.sources import GIT
from bumper.fluxtree.substitution import unfilled
from bumper.fluxtree.walk import Walk
from bumper.image import ImageReference
from bumper.manifest import Field
from bumper.objects import ObjectKey
from bumper.observation import Desired
from bumper.ports import Tree
from bumper.revision import Revision

__all__ = ["Site", "Target", "find", "find_site", "sites"]

# Those that roll out come before those that run once, where one field decides the image of both.
# apps/v1: an absent spec.replicas means 1.
_WITH_REPLICAS = ("Deployment", "StatefulSet")
_ROLLS_OUT = ("Deployment", "StatefulSet", "DaemonSet", "HelmRelease")


@dataclass(frozen=True)
class Target:
    """Where the image of a site stands, and what runs it.

    `workload` is empty for an image that only a remote base names. `url` is where visitors find the site, empty if no route beside the
    workload tells.
    """

    site: Site
    field: Field
    repository: str
    workload: ObjectKey
    container: str
    url: str = ""
    replicas: int | None = None

    @property
    def image(self) -> ImageReference:
        """The image that reaches the cluster: its repository may be another one than that in the field (`newName`)."""
        return replace(self.field.image, repository=self.repository)

    def desired(
        self,
        revision: Revision | None,
        *,
        image: ImageReference | None = None,
        previous: ImageReference | None = None,
    ) -> Desired:
        """What must become true for this site; without `image` that it runs what git holds."""
        return Desired(
            site=self.site.name,
            image=image or self.image,
            previous=previous,
            revision=revision,
            kustomization=self.site.kustomization,
            source=self.site.source,
            workload=self.workload,
            container=self.container,
            replicas=self.replicas,
        )


def sites(tree: Tree) -> tuple[Site, ...]:
    """Every Flux Kustomization of the tree, roots first; none where the tree holds no Flux."""
    return tuple(site for level in Walk(Reading(tree)).levels() for site in level if not site.is_assumed)


@dataclass(frozen=True)
class _Wish:
    """What the caller looks for."""

    name: str
    repository: str
    container: str

    def __str__(self) -> str:
        return f"the image {self.repository}" if self.repository else f"an image named {self.name}"

    def names(self, image: Image) -> bool:
        known = (image.repository, image.written)
        return self.repository in known if self.repository else self.name in map(_last, known)


def find(tree: Tree, name: str, *, kustomization: str = "", image: str = "", container: str = "") -> Target:
    """Where the image of the site `name` stands; FieldMissing or FieldAmbiguous, with what is there, where that is not one place.

    `kustomization` names another Kustomization than the site does (`selection`); `image` a repository.
    """
    reading = Reading(tree)
    sites = select(Walk(reading), name, kustomization)
    targets = [_target(reading, replace(site, name=name), _Wish(name, image, container)) for site in sites]
    if len({(target.field.path, target.field.span) for target in targets}) > 1:
        raise ambiguous(kustomization or name, sites)
    return targets[0]


def _target(reading: Reading, site: Site, wish: _Wish) -> Target:
    built = _build(reading, site)
    chosen = _choose(site, images(reading, built), wish)
    return Target(
        site,
        chosen.field,
        chosen.repository,
        chosen.workload,
        chosen.container,
        _address(reading, built, chosen),
        _replicas(built, chosen.workload),
    )


def _replicas(built: Build, workload: ObjectKey) -> int | None:
    """How many pods the build asks for; None where the kind has no such field, or a variable stands there."""
    if workload.kind not in _WITH_REPLICAS:
        return None
    written = next((each.at("spec", "replicas") for each in built.resources if each.key == workload), "")
    if written in (None, ""):
        return 1
    return int(written) if str(written).isascii() and str(written).isdigit() else None


def _address(reading: Reading, built: Build, chosen: Image) -> str:
    """Where visitors find the workload, as the routes beside its manifest say."""
    directory = dirname(chosen.path or chosen.field.path)
    beside = [path for path in built.files if dirname(path) == directory]
    documents = (
        document
        for path in beside
        if any(kind.encode() in reading.content(path) for kind in routes.KINDS)
        for document in reading.documents(path)
    )
    return routes.address(documents, chosen.name)


def find_site(tree: Tree, name: str, *, kustomization: str = "") -> Site:
    """The site `name`, whatever it builds; FieldMissing or FieldAmbiguous as `find`, which also looks for its image."""
    return replace(select(Walk(Reading(tree)), name, kustomization)[0], name=name)


def _build(reading: Reading, site: Site) -> Build:
    """What Flux builds for the site."""
    at = f"{site.document.path}:{site.document.line('spec', 'path')}: Kustomization {site.kustomization.name}"
    if not site.is_ours:
        raise _foreign(site, at)
    if why := unfilled(site.path, site.filled_with):
        raise FieldMissing(
            f"{at} has path {site.path}: {why}", hint="give it a value in spec.postBuild.substitute there"
        )
    artifact = reading.of(site.exclusions)
    if not artifact.is_directory(site.path):
        rule = artifact.left_out(site.path)
        why = f"Flux leaves out: {rule}" if rule else "is no directory of this commit"
        raise FieldMissing(
            f"{at} has path {site.path}, which {why}",
            hint="correct spec.path" if not rule else "correct that rule",
        )
    built = build(reading, site, site.owner)
    if problems := (*built.gaps, *(() if built.is_open else built.refusals)):
        raise FieldMissing("; ".join(map(str, problems)), hint="Flux cannot build this: correct it first")
    return built


def _foreign(site: Site, at: str) -> FieldMissing:
    """Why a Kustomization is none of this repository's."""
    if site.origin:
        return FieldMissing(
            f"{at} is built from {site.source}, which is not this repository ({site.origin.place}: {site.origin.url})",
            hint=f"run bump on the repository that it is built from: --repo {site.origin.url}",
        )
    if not site.is_source_known and site.source.kind == GIT:
        return FieldMissing(
            f"{at} is built from {site.source}, which this repository does not define: whether it is this one is not known",
            hint="add the GitRepository to the tree, or run bump on the repository that it names: --repo URL",
        )
    return FieldMissing(
        f"{at} is built from {site.source}, which is not this repository",
        hint="run bump on the repository that it is built from: --repo URL",
    )


def _last(repository: str) -> str:
    return repository.rpartition("/")[2]


def _choose(site: Site, known: Iterable[Image], wish: _Wish) -> Image:
    where = f"{site.path or '.'} (Kustomization {site.kustomization.name})"
    named = [image for image in known if wish.names(image)]
    if not named:
        raise FieldMissing(
            f"{where}: {wish} is not there (found: {_places(known) or 'no image at all'})",
            hint="name the repository with --image, or where it is built with --kustomization",
        )
    matching = [image for image in named if wish.container in ("", image.container)]
    if not matching:
        raise FieldMissing(
            f"{where}: no container {wish.container} has {wish} (found: {_places(named)})",
            hint="pass --container with one of the names found",
        )
    if len({(image.field.path, image.field.span) for image in matching}) > 1:
        raise FieldAmbiguous(
            f"{where}: {wish} stands in more than one place: {_places(matching)}",
            hint=_how_to_choose(matching),
        )
    return min(matching, key=lambda image: _rank(image, wish.name))


def _rank(image: Image, name: str) -> tuple[bool, bool, bool]:
    return (image.workload.kind not in _ROLLS_OUT, image.workload.name != name, image.is_init)


def _places(known: Iterable[Image]) -> str:
    return listed([_place(image) for image in known])


def _place(image: Image) -> str:
    container = f", container {image.container}" if image.container else ""
    workload = f" ({image.workload}{container})" if image.workload.name else ""
    return f"{image.field.path}:{image.field.span.line} {image.field.image}{workload}"


def _how_to_choose(matching: list[Image]) -> str:
    if len({image.repository for image in matching}) > 1:
        return "choose one with --image REPOSITORY"
    if len({image.container for image in matching}) == len(matching):
        return "choose one with --container NAME, or give the image one images: entry in a kustomization.yaml"
    return (
        "give the image one images: entry with newTag in a kustomization.yaml, which decides for all of them"
    )
