"""The Flux tree of a repository: its Kustomizations, and where the image of each site stands.

Law: the Flux Kustomization that is named after the site says what is built, or the one that the caller names, or whose annotation
names the site (`adoption`); the image is the one that the caller names, or the annotation, or else whose repository ends with the
site's name; the field is the one that decides its tag, after all overlays. One candidate too many or too few is refused, with file and
line of what is there: nothing is guessed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from posixpath import dirname

from bumper.errors import FieldAmbiguous, FieldMissing, SiteMissing, TreeMissing, did_you_mean
from bumper.fluxtree.artifacts import EXTERNAL, KIND
from bumper.fluxtree.build import Build, build, resource_of
from bumper.fluxtree.discovery import Site, Walk
from bumper.fluxtree.images import Image, images
from bumper.fluxtree.layers import Reading
from bumper.fluxtree.sites import adoption, routes
from bumper.image import ImageReference
from bumper.manifest import Field
from bumper.objects import ObjectKey
from bumper.observation import Desired
from bumper.ports import Tree
from bumper.revision import Revision

__all__ = ["Site", "Target", "find", "find_site", "named_sites", "sites"]

_MOST_LISTED = 8
# Those that roll out come before those that run once, where one field decides the image of both.
# apps/v1: an absent spec.replicas means 1.
_WITH_REPLICAS = ("Deployment", "StatefulSet")
_ROLLS_OUT = ("Deployment", "StatefulSet", "DaemonSet", "HelmRelease")


@dataclass(frozen=True)
class Target:
    """Where the image of a site stands, and what runs it: every use of it in the build that goes to a new tag together.

    The first of `images` leads: its field names the place, its workload the site. `url` is where visitors find the site, empty if no
    route beside the workload tells.
    """

    site: Site
    images: tuple[Image, ...]
    url: str = ""

    @property
    def field(self) -> Field:
        """The field that decides the leading image."""
        return self.images[0].field

    @property
    def repository(self) -> str:
        """What is pulled, whatever the field calls it (`newName`)."""
        return self.images[0].repository

    @property
    def workload(self) -> ObjectKey:
        """What runs the leading image; empty for an image that only a remote base names."""
        return self.images[0].workload

    @property
    def container(self) -> str:
        """The container of the leading image."""
        return self.images[0].container

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
            replicas=self.images[0].replicas,
        )


def sites(tree: Tree) -> tuple[Site, ...]:
    """Every Flux Kustomization of the tree, roots first; none where the tree holds no Flux."""
    return tuple(site for level in Walk(Reading(tree)).levels() for site in level)


def named_sites(tree: Tree) -> tuple[Site, ...]:
    """The same by every name that they are called by: a Kustomization stands here once for each site that its annotations name."""
    return tuple(
        replace(site, name=name)
        for site in sites(tree)
        for name in dict.fromkeys((site.name, *adoption.site_names(site.document)))
    )


@dataclass(frozen=True)
class _Wish:
    """What the caller looks for. `adopted` is the file and line where git says so, empty for the caller's own words."""

    name: str
    repository: str
    container: str
    adopted: str = ""

    def __str__(self) -> str:
        by_whom = f" that {self.adopted} names" if self.adopted else ""
        return f"the image {self.repository}{by_whom}" if self.repository else f"an image named {self.name}"

    def named(self, known: Iterable[Image]) -> list[Image]:
        """Those of the repository as it is written, or else those whose repository ends with it."""
        known, wanted = list(known), self.repository or self.name
        exact = [image for image in known if wanted in (image.repository, image.written)]
        if exact and self.repository:
            return exact
        ending = f"/{wanted}"
        return [
            image
            for image in known
            if any(f"/{each}".endswith(ending) for each in (image.repository, image.written))
        ]

    @property
    def hint(self) -> str:
        """What to do where no image is the one."""
        if self.adopted:
            return f"correct it: bump adopt {self.name} --image REPOSITORY"
        return "name the repository with --image, or where it is built with --kustomization; bump adopt writes it into git once"


def find(tree: Tree, name: str, *, kustomization: str = "", image: str = "", container: str = "") -> Target:
    """Where the image of the site `name` stands; FieldMissing or FieldAmbiguous, with what is there, where that is not one place.

    `kustomization` is another Kustomization's name than the site's, or the file that defines it; `image` a repository.
    """
    reading = Reading(tree)
    site = _site(reading, name, kustomization)
    wish = _wish(site, image, container)
    built = _build(reading, site)
    chosen = _choose(site, images(reading, built), wish)
    scaled = tuple(replace(use, replicas=_replicas(built, use.workload)) for use in chosen)
    return Target(site, scaled, _address(reading, built, chosen[0]))


def _wish(site: Site, image: str, container: str) -> _Wish:
    """What is looked for: an option counts for more than the annotation, which counts for more than convention."""
    adopted = None if image else adoption.of_site(site.document, site.name)
    if adopted is None:
        return _Wish(site.name, image, container)
    return _Wish(site.name, adopted.repository, container or adopted.container, adopted.place)


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
    return _site(Reading(tree), name, kustomization)


def _site(reading: Reading, name: str, kustomization: str) -> Site:
    """The site of this name: of the Kustomization that is named, else of the one with its name or an annotation that names it."""
    wanted = kustomization or name
    walk = Walk(reading)
    known: list[Site] = []
    for level in walk.levels():
        known += level
        matching = [
            site
            for site in level
            if wanted in (site.name, site.document.path, _qualified(site), site.identity)
            or (not kustomization and name in adoption.site_names(site.document))
        ]
        # The same Kustomization for two clusters is one place to edit.
        distinct = {(site.kustomization, site.path): site for site in matching}
        if len(distinct) > 1:
            raise FieldAmbiguous(
                f"{wanted}: {len(distinct)} Flux Kustomizations have this name: "
                + ", ".join(f"{site.place} (path {site.path or '.'})" for site in distinct.values()),
                hint="name the file of one of them: --kustomization FILE",
            )
        if matching:
            return replace(matching[0], name=name)
    if not known and walk.broken:
        raise walk.broken[0]
    if not known:
        raise TreeMissing(
            f"{wanted}: no Flux tree in this repository, expected a gotk-sync.yaml or a Flux Kustomization",
            hint="name the platform repository with --repo",
        )
    problems = [*map(str, walk.gaps), *(error.message for error in walk.broken)]
    raise (FieldMissing if problems else SiteMissing)(
        f"{wanted}: no Flux Kustomization has this name (found: {_listed(_nearest(wanted, known))})"
        + did_you_mean(wanted, _names(known))
        + "".join(f"; {problem}" for problem in problems),
        hint="name one of those found with --kustomization"
        if not problems
        else "correct the Flux tree first",
    )


def _qualified(site: Site) -> str:
    return f"{site.kustomization.namespace}/{site.kustomization.name}"


def _nearest(wanted: str, known: Iterable[Site]) -> list[str]:
    return sorted(_names(known), key=lambda name: SequenceMatcher(None, wanted, name).ratio(), reverse=True)


def _names(known: Iterable[Site]) -> list[str]:
    """Every name that a site may be called by, each once."""
    return list(
        dict.fromkeys(name for site in known for name in (site.name, *adoption.site_names(site.document)))
    )


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_LISTED
    return ", ".join(names[:_MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


def _build(reading: Reading, site: Site) -> Build:
    """What Flux builds for the site."""
    at = f"{site.document.path}:{site.document.line('spec', 'path')}: Kustomization {site.kustomization.name}"
    if not site.is_ours:
        raise _foreign(site, at)
    if site.leads_outside or not reading.is_directory(site.path):
        why = "leads out of the repository" if site.leads_outside else "is no directory of this commit"
        raise FieldMissing(f"{at} has path {site.path}, which {why}", hint="correct spec.path first")
    owner = resource_of(reading, site.document)
    if owner is None:
        raise FieldMissing(f"{at} has no apiVersion", hint="correct the Kustomization first")
    built = build(reading, site, owner)
    if built.unmapped:
        raise FieldMissing(
            "; ".join(
                f"{gap.path}:{gap.line}: {gap.message} brings files from elsewhere" for gap in built.unmapped
            )
            + f": what {site.source} has in {site.path or '.'} can't be told",
            hint="copy whole directories of the repository to the same places relative to each other",
        )
    if problems := (*built.gaps, *(() if built.is_open else built.refusals)):
        raise FieldMissing("; ".join(map(str, problems)), hint="Flux cannot build this: correct it first")
    return built


def _foreign(site: Site, at: str) -> FieldMissing:
    """Why nothing is known of what a Kustomization is built from."""
    if site.unmapped:
        hint = "copy the directory of spec.path as it is: from @ALIAS/DIRECTORY/** to @artifact/DIRECTORY/"
        return FieldMissing(f"{at} can't be followed into {site.source}: {site.unmapped}", hint=hint)
    if site.source.kind == EXTERNAL:
        return FieldMissing(
            f"{at} is built from {site.source}, which no {KIND} of this repository makes",
            hint=f"name the repository that holds its {KIND}: --repo URL",
        )
    return FieldMissing(
        f"{at} is built from {site.source}, which is not this repository",
        hint="run bump on the repository that it is built from: --repo URL",
    )


def _choose(site: Site, known: Iterable[Image], wish: _Wish) -> list[Image]:
    """The uses of the image that one field decides, the leading one first."""
    where = f"{site.path or '.'} (Kustomization {site.kustomization.name})"
    known = list(known)
    named = wish.named(known)
    if not named:
        raise FieldMissing(
            f"{where}: {wish} is not there (found: {_places(known) or 'no image at all'})", hint=wish.hint
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
    return sorted(matching, key=lambda image: _rank(image, wish.name))


def _rank(image: Image, name: str) -> tuple[bool, bool, bool]:
    return (image.workload.kind not in _ROLLS_OUT, image.workload.name != name, image.is_init)


def _places(known: Iterable[Image]) -> str:
    return _listed([_place(image) for image in known])


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
