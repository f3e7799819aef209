"""The Flux tree of a repository: its Kustomizations, and where the image of each site stands.

Law: the Flux Kustomization that is named after the site says what is built, or the one that the caller names, or whose annotation
names the site (`adoption`); the image is the one that the caller names, or the annotation, or else whose repository ends with the
site's name; the fields are those that decide its tag, after all overlays. Every use of the image that has the tag of the leading one
moves with it; what stays is listed. An image or a Kustomization too many or too few is refused, with file and line of what is there:
nothing is guessed.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from posixpath import dirname

from bumper.dataclasses import dataclass, replace
from bumper.errors import BumpError, FieldAmbiguous, FieldMissing, SiteMissing
from bumper.fluxtree import chosen_field, sourceignore
from bumper.fluxtree.artifacts import EXTERNAL, KIND
from bumper.fluxtree.build import Build, build, openings, sources
from bumper.fluxtree.discovery import BY_PATH, Site, artifact_path, pushed, pushed_path
from bumper.fluxtree.images import Image, images
from bumper.fluxtree.layers import Gap, Reading, expand, why_missing
from bumper.fluxtree.resource_sets import KIND as RESOURCE_SET
from bumper.fluxtree.roots import manifests
from bumper.fluxtree.sites import adoption, annotations, mentions, routes, unwritten
from bumper.fluxtree.sites.mentions import Mention
from bumper.fluxtree.sites.selection import (
    MOST_LISTED,
    Asked,
    ambiguous,
    every,
    listed,
    same,
    select,
    select_each,
)
from bumper.fluxtree.sources import GIT
from bumper.fluxtree.substitution import unfilled
from bumper.fluxtree.walk import Walk
from bumper.image import ImageReference
from bumper.manifest import Field, Span
from bumper.manifest.document import text
from bumper.objects import ObjectKey
from bumper.observation import Desired
from bumper.ports.git import Tree
from bumper.ports.shape import whole_number
from bumper.request import Choice, FieldPath, Inventory
from bumper.revision import Revision
from bumper.rollout.workload import FOLLOWED_KINDS

__all__ = [
    "Site",
    "Target",
    "find",
    "find_all",
    "find_each",
    "find_in",
    "find_site",
    "is_one_of_several",
    "names",
    "require_written",
    "sites",
]

# Those that roll out come before those that run once, where one field decides the image of both.
# apps/v1: an absent spec.replicas means 1.
_WITH_REPLICAS = ("Deployment", "StatefulSet")
_CONVENTION = Choice()
_ROLLS_OUT = ("Deployment", "StatefulSet", "DaemonSet", "HelmRelease")


@dataclass(frozen=True)
class Target:
    """Where the image of a site stands, and what runs it: every use of it in the build that goes to a new tag together.

    The first of `images` leads: its field names the place, its workload the site. `addresses` are where visitors find the site, the
    first alone is told; none if no route beside the workload tells. `stays` is what names the image and does not move.
    """

    site: Site
    images: tuple[Image, ...]
    addresses: tuple[str, ...] = ()
    stays: tuple[Mention, ...] = ()

    @property
    def url(self) -> str:
        """Where visitors find the site; empty if no route tells."""
        return next(iter(self.addresses), "")

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

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields that decide the images, each once: an `images:` entry may decide all of them, and one may forbid its edit."""
        fields: dict[tuple[str, Span], Field] = {}
        for use in self.images:
            if use.field.unsafe or _span(use) not in fields:
                fields[_span(use)] = use.field
        return tuple(fields.values())

    @property
    def place(self) -> str:
        """The leading field: `k8s/web/deployment.yaml:21`."""
        return self.all_places[0]

    @property
    def all_places(self) -> tuple[str, ...]:
        """File and line of each field."""
        return tuple(f"{field.path}:{field.span.line}" for field in self.fields)

    @property
    def places(self) -> str:
        """The same for people, who read how many fields there are: `k8s/web/deployment.yaml:21 and 2 more`."""
        more = len(self.fields) - 1
        return f"{self.place} and {more} more" if more else self.place

    @property
    def workloads(self) -> tuple[ObjectKey, ...]:
        """What runs the image, the leading one first; one that is empty where only a remote base names it."""
        keys = tuple(dict.fromkeys(use.workload for use in self.images))
        return tuple(key for key in keys if key.name) or keys[:1]

    @property
    def followed(self) -> tuple[ObjectKey, ...]:
        """The workloads that a verdict is made of: what can't be followed counts only where nothing else runs the image."""
        return tuple(key for key in self.workloads if key.kind in FOLLOWED_KINDS) or self.workloads[:1]

    @property
    def not_followed(self) -> tuple[ObjectKey, ...]:
        """The workloads whose image moves as well, and of which nothing is known afterwards."""
        return tuple(key for key in self.workloads if key not in self.followed)

    def with_label_of(self, other: "Target") -> "Target":
        """The same, called as it was called before."""
        return replace(self, site=replace(self.site, where=other.site.where))

    def desired(
        self,
        revision: Revision | None,
        *,
        image: ImageReference | None = None,
        previous: ImageReference | None = None,
    ) -> tuple[Desired, ...]:
        """What must become true for each workload of this site.

        `image` is one that the registry was asked for, with its digest where it answered; without it what git holds counts.
        """
        was_in_registry = image is not None and bool(image.digest)
        return tuple(
            self._desired(workload, revision, image or self.image, previous, was_in_registry=was_in_registry)
            for workload in self.followed
        )

    def _desired(
        self,
        workload: ObjectKey,
        revision: Revision | None,
        image: ImageReference,
        previous: ImageReference | None,
        *,
        was_in_registry: bool,
    ) -> Desired:
        uses = [use for use in self.images if use.workload == workload]
        first, *beside = dict.fromkeys(use.container for use in uses)
        return Desired(
            site=self.site.name,
            image=image,
            previous=previous,
            revision=revision,
            kustomization=self.site.kustomization,
            source=self.site.source,
            workload=workload,
            container=first,
            beside=tuple(beside),
            replicas=uses[0].replicas,
            identity=self.site.identity,
            makers=self.site.makers,
            where=self.site.where,
            named=self.site.named,
            was_in_registry=was_in_registry,
            is_elsewhere=self.site.is_elsewhere or any(use.is_elsewhere for use in uses),
        )


def sites(tree: Tree) -> tuple[Site, ...]:
    """Every Flux Kustomization of the tree, roots first; none where the tree holds no Flux."""
    return tuple(site for level in Walk(Reading(tree)).levels() for site in level if not site.is_assumed)


def names(site: Site) -> Iterable[str]:
    """What the site is called: its Kustomization's own name, and those that its annotations give it."""
    return dict.fromkeys((site.name, *adoption.site_names(site.document)))


@dataclass(frozen=True)
class _Wish:
    """What the caller looks for. `adopted` is the file and line where git says so, empty for the caller's own words."""

    name: str
    repository: str
    containers: Collection[str]
    adopted: str = ""
    field: FieldPath | None = None

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


def find(tree: Tree, name: str, choice: Choice = _CONVENTION) -> Target:
    """Where the image of the site `name` stands; FieldMissing or FieldAmbiguous, with what is there, where that is not one image.

    The choice is the caller's: it names another Kustomization than the site does (`selection`), a repository, a field that is an image
    or the tag of one though no table knows it, or the directory that is built of a source pushed from here. With containers only they
    move, whatever their tag; without, every use that has the tag of the leading one.
    """
    return find_each(Reading(tree), [(name, choice)])[0]


def find_each(
    reading: Reading, asked: Sequence[tuple[str, Choice]], *, is_planned: bool = False
) -> list[Target]:
    """The same for several sites: the tree is walked once, and what they build is read in a few batches. All that is wrong is said.

    Where a change of theirs is planned, it is proved of all Kustomizations: `is_planned` reads in the same batch what these build.
    """
    known = list(answers(reading, asked, is_planned=is_planned))
    if errors := [answer for answer in known if isinstance(answer, BumpError)]:
        raise _together(errors)
    return [answer for answer in known if isinstance(answer, Target)]


def _together(errors: Sequence[BumpError]) -> BumpError:
    """What is wrong with several sites, as one error; what is wrong with the whole tree is said once."""
    first, kinds = errors[0], {type(error) for error in errors}
    if len(errors) == 1 or not kinds <= {FieldMissing, SiteMissing, FieldAmbiguous}:
        return first
    hints = dict.fromkeys(error.hint for error in errors if error.hint)
    joined = type(first) if len(kinds) == 1 else FieldMissing
    return joined("; ".join(dict.fromkeys(error.message for error in errors)), hint="; ".join(hints))


def answers(
    reading: Reading, asked: Sequence[tuple[str, Choice]], *, is_planned: bool = False
) -> Iterator[Target | BumpError]:
    """Where the image of each stands, or why that can't be told, in order and as they are asked for."""
    walk = Walk(reading)
    selecting = select_each(
        walk, [Asked(name, choice.kustomization, choice.live, choice.path) for name, choice in asked]
    )
    selected = [_site_or_error(select_one) for select_one in selecting]
    if is_planned:
        directories = dict.fromkeys(site.path for site in walk.met if site.is_built(reading))
        reading.fetch(path for directory in directories for path in manifests(reading, directory))
    if len(asked) > 1:
        chosen_sites = [site for each in selected if not isinstance(each, BumpError) for site in each]
        _read_ahead(reading.forgiving(), chosen_sites)
    for (name, choice), chosen in zip(asked, selected, strict=True):
        if isinstance(chosen, BumpError):
            yield chosen
            continue
        try:
            yield _chosen(reading, name, choice, chosen)
        except BumpError as error:
            yield error


def _chosen(reading: Reading, name: str, choice: Choice, chosen: Sequence[Site]) -> Target:
    several = [
        _target(
            reading,
            replace(_at(site, choice.path), name=name),
            image=choice.image,
            containers=choice.containers,
            field=choice.field,
        )
        for site in chosen
    ]
    return _agreed(several, chosen, choice.kustomization or name)


def _site_or_error(select_one: Callable[[], tuple[Site, ...]]) -> tuple[Site, ...] | BumpError:
    try:
        return select_one()
    except BumpError as error:
        return error


def _read_ahead(reading: Reading, several: Iterable[Site]) -> None:
    """Reads what several build, as far as they are there: all of a level in one batch."""
    views: dict[int, tuple[Reading, list[str]]] = {}
    for site in several:
        if site.is_built(reading):
            view = site.view(reading)
            views.setdefault(id(view), (view, []))[1].extend(sources(view, site, site.owner))
    for view, directories in views.values():
        expand(view, directories)


def find_all(tree: Tree, inventory: Inventory | None = None) -> Iterator[tuple[Site, Target | BumpError]]:
    """Every Kustomization by each of its names, with where its image stands or why that can't be told: the tree is walked once.

    With an `inventory` of clusters those come last that they alone have, and that are built from this repository.
    """
    reading = Reading(tree)
    walk = Walk(reading)
    written = list(every(walk).values())
    known = [site for several in written for site in several]
    beyond = unwritten.beside(walk, known, inventory) if inventory and known else ()
    for several in (*written, *([site] for site in beyond)):
        for site in several:
            for name in names(site):
                yield replace(site, name=name), _answer(reading, name, several)


def _answer(reading: Reading, name: str, several: Sequence[Site]) -> Target | BumpError:
    try:
        chosen = same(several, several[0].identity)
        targets = [find_in(reading, replace(site, name=name)) for site in chosen]
        return _agreed(targets, chosen, several[0].identity)
    except BumpError as error:
        return error


def _agreed(targets: Sequence[Target], chosen: Sequence[Site], wanted: str) -> Target:
    """The one place that a Kustomization of several clusters leads to; FieldAmbiguous where there are more."""
    if len({target.all_places for target in targets}) > 1:
        raise ambiguous(wanted, chosen)
    return targets[0]


def find_in(reading: Reading, site: Site, *, image: str = "") -> Target:
    """As `find`, for a site whose tree has been read already: of many sites each file is read, and each level built, once."""
    return _target(reading, site, image=image, containers=(), field=None)


def _target(
    reading: Reading, site: Site, *, image: str, containers: Collection[str], field: FieldPath | None
) -> Target:
    wish = _wish(site, image, containers, field)
    built = _build(reading, site)
    known = images(reading, built)
    if wish.field:
        named = chosen_field.image(reading, built, wish.field, wish.repository)
        beside = (each for each in known if (each.workload, each.route) != (named.workload, named.route))
        known, wish = (named, *beside), replace(wish, repository=named.repository)
    moving, staying = _choose(reading, built, known, wish)
    # A number in the place of a text is gone once the field is edited.
    healed = {(use.field.path, use.field.span.line) for use in moving}
    _require_built([gap for gap in built.mistyped if (gap.path, gap.line) not in healed])
    scaled = tuple(replace(use, replicas=_replicas(built, use.workload)) for use in moving)
    stays = [*map(mentions.of_use, staying), *mentions.in_texts(built, moving[0].repository, known)]
    return Target(site, scaled, _addresses(reading, built, moving[0]), tuple(dict.fromkeys(stays)))


def _at(site: Site, path: str) -> Site:
    """The site, built from this directory of the repository; FieldMissing where its own source says what it is built from."""
    if not path or (site.known_by and site.is_ours):
        return site
    if site.is_ours and pushed_path(site.document) is None:
        raise FieldMissing(
            f"{site.place}: Kustomization {site.kustomization.name} is built from {site.source}, which is known here: --path is for a "
            "source that is pushed from this repository",
            hint="leave --path out",
        )
    return pushed(site, path)


def is_one_of_several(tree: Tree, site: Site, repository: str = "") -> bool:
    """Whether the site, known by its image, is one of several that its Kustomization builds or that its annotations name.

    Those that a ResourceSet makes share its annotations. `repository` is its image where that is known. A name of which no image is
    found stands for all that the Kustomization builds.
    """
    if site.document.key.kind == RESOURCE_SET:
        return True
    reading = Reading(tree)
    try:
        known = images(reading, _build(reading, site))
        own = [image.repository for image in _wish(site, repository, (), None).named(known)]
    except BumpError:
        return False
    is_named_beside = set(adoption.site_names(site.document)) - {site.name}
    repositories = {image.repository for image in known if not image.is_init}
    return bool(own) and (bool(is_named_beside) or len(repositories) > 1)


def _wish(site: Site, image: str, containers: Collection[str], field: FieldPath | None) -> _Wish:
    """What is looked for: an option counts for more than the annotation, which counts for more than convention."""
    adopted = None if image else adoption.of_site(site.document, site.name)
    if adopted is None:
        return _Wish(site.name, image, containers, field=field)
    return _Wish(
        site.name, adopted.repository, containers or adopted.containers, adopted.place, field or adopted.field
    )


def _replicas(built: Build, workload: ObjectKey) -> int | None:
    """How many pods the build asks for; None where the kind has no such field, or a variable stands there."""
    if workload.kind not in _WITH_REPLICAS:
        return None
    written = next((each.at("spec", "replicas") for each in built.resources if each.key == workload), "")
    if written in (None, ""):
        return 1
    return None if str(written).startswith("-") else whole_number(str(written))


def _addresses(reading: Reading, built: Build, chosen: Image) -> tuple[str, ...]:
    """Where visitors find the workload, as the routes beside its manifest say."""
    directory = dirname(chosen.path or chosen.field.path)
    beside = [path for path in built.files if dirname(path) == directory]
    documents = (
        document
        for path in beside
        if any(kind.encode() in reading.content(path) for kind in routes.KINDS)
        for document in reading.documents(path)
    )
    return routes.addresses(documents, chosen.name)


def find_site(tree: Tree, name: str, *, kustomization: str = "") -> Site:
    """The site `name`, whatever it builds; FieldMissing or FieldAmbiguous as `find`, and for one that no file of the tree holds."""
    site = replace(select(Walk(Reading(tree)), name, kustomization)[0], name=name)
    require_written(site)
    return site


def require_written(site: Site) -> None:
    """FieldMissing for a Kustomization that no file of the repository holds: nothing can be written on it."""
    if site.known_by:
        raise FieldMissing(
            f"{site.place}: no file of this repository holds Kustomization {site.kustomization.name}, where an annotation could stand",
            hint="write it where the Kustomization is made: into the template of its ResourceSet, or of its chart",
        )


def _build(reading: Reading, site: Site) -> Build:
    """What Flux builds for the site."""
    at = f"{site.document.path}:{site.document.line('spec', 'path')}: Kustomization {site.kustomization.name}"
    if not site.is_ours:
        raise _foreign(site, at)
    if why := unfilled(site.path, site.filled_with):
        raise FieldMissing(
            f"{at} has path {site.path}: {why}", hint="give it a value in spec.postBuild.substitute there"
        )
    view = site.view(reading)
    if not view.is_directory(site.path):
        raise _pathless(site, at, view)
    built = build(reading, site, site.owner)
    if site.origin and (theirs := site.origin.brought(built.files)):
        raise FieldMissing(
            f"{theirs[0]}: what Kustomization {site.kustomization.name} builds there can't be told",
            hint="run bump on the repository that it comes from: --repo URL",
        )
    if broken := [path for path in built.files if view.is_broken(path)]:
        raise view.broken[broken[0]]
    if built.unmapped:
        raise FieldMissing(
            "; ".join(
                f"{gap.path}:{gap.line}: {gap.message} brings files from elsewhere" for gap in built.unmapped
            )
            + f": what {site.source} has in {site.path or '.'} can't be told",
            hint="copy whole directories of the repository to the same places relative to each other",
        )
    _require_built([*built.gaps, *(() if built.is_open else built.refusals)])
    return built


def _require_built(problems: Sequence[Gap]) -> None:
    """FieldMissing where Flux can't build what the image stands in."""
    if problems:
        raise FieldMissing("; ".join(map(str, problems)), hint="Flux cannot build this: correct it first")


def _pathless(site: Site, at: str, view: Reading) -> FieldMissing:
    """Why there is nothing to build at `spec.path` of what its source gives, or where somebody says that it is pushed from."""
    annotated = pushed_path(site.document)
    if annotated is not None and artifact_path(annotated) == site.path:
        place = annotations.place(site.document, annotations.key("path"))
        message = (
            f"{place}: {annotations.key('path')} names {annotated}, which is no directory of this commit"
        )
        return FieldMissing(message, hint="correct the annotation, or pass --path DIR")
    if not site.artifact and artifact_path(text(site.spec.get("path"))) != site.path:
        message = f"--path {site.path}: is no directory of this commit that Kustomization {site.kustomization.name} could be"
        return FieldMissing(
            f"{site.place}: {message}", hint="name a directory from the root of the repository: --path DIR"
        )
    if site.known_by == BY_PATH:
        return FieldMissing(
            f"{site.place}: is no directory of this commit",
            hint="name a directory from the root of the repository: --path DIR",
        )
    message = f"{at} has path {site.path or '.'}, "
    if view.left_out(site.path):
        return FieldMissing(message + why_missing(view, site.path), hint="bring it back there")
    if link := view.link_on(site.path):
        why = f"which leads over {link}, a symbolic link, which Flux leaves out"
        return FieldMissing(message + why, hint="correct spec.path first")
    return FieldMissing(message + "which is no directory of this commit", hint="correct spec.path first")


def _foreign(site: Site, at: str) -> FieldMissing:
    """Why nothing is known of what a Kustomization is built from."""
    if not (site.source.kind and site.source.name):
        return FieldMissing(
            f"{at} has no spec.sourceRef with a kind and a name: nothing says what it is built from",
            hint="name its source there: {kind: GitRepository, name: flux-system}",
        )
    if site.unmapped:
        hint = "copy the directory of spec.path as it is: from @ALIAS/DIRECTORY/** to @artifact/DIRECTORY/"
        return FieldMissing(f"{at} can't be followed into {site.source}: {site.unmapped}", hint=hint)
    if site.source.kind == EXTERNAL:
        return FieldMissing(
            f"{at} is built from {site.source}, which no {KIND} of this repository makes",
            hint=f"name the repository that holds its {KIND}: --repo URL",
        )
    if site.origin and not site.is_source_known:
        return FieldMissing(
            f"{at} is built from {site.source} ({site.origin.place}: {site.origin.url}), and whether that is this repository is not "
            "known: its Kustomizations begin with several addresses, and none is the one that it is read from",
            hint="name the repository as Flux does: --repo URL; or commit the gotk-sync.yaml of the cluster",
        )
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
        hint="run bump on the repository that it is built from: --repo URL; where it is pushed from this one: --path DIR",
    )


def _choose(
    reading: Reading, built: Build, known: Iterable[Image], wish: _Wish
) -> tuple[list[Image], list[Image]]:
    """The uses of the image that move together, the leading one first, and those that stay."""
    document, name = built.site.document, built.site.kustomization.name
    place = f"{document.path}:{document.line('spec', 'path')}"
    where = f"{place}: {built.site.path or '.'} (Kustomization {name})"
    known = list(known)
    named = wish.named(known)
    if not named:
        near, options = chosen_field.advice(built, wish.name, wish.repository)
        raise FieldMissing(
            f"{where}: {wish} is not there (found: {_places(known) or 'no image at all'}{near and '; ' + near})"
            + "".join(f"; {gap}" for gap in _unseen(reading, built)),
            hint=f"if that is it, pass {options}; bump adopt with the same writes it into git once"
            if near
            else wish.hint,
        )
    matching = _in_containers(where, named, wish)
    if len({image.repository for image in matching}) > 1 and len(set(map(_span, matching))) > 1:
        raise FieldAmbiguous(
            f"{where}: {wish} is not one image: {_places(matching)}",
            hint="choose one with --image REPOSITORY",
        )
    leading = min(matching, key=lambda image: _rank(image, wish.name))
    return _moving(leading, matching, named, wish)


def _unseen(reading: Reading, built: Build) -> tuple[Gap, ...]:
    """Where else an image may stand: in what a rule of this repository leaves out, and in what the build does not show."""
    gaps = (*_left_out(built), *built.unexpanded, *openings(reading, built))
    return tuple(dict.fromkeys(gaps))


def _left_out(built: Build) -> list[Gap]:
    """What lies in the directories that are built, and is not built by a rule of this repository."""
    gaps = [gap for layer in built.layers for gap in layer.left_out if sourceignore.FLUX not in gap.message]
    return gaps[:MOST_LISTED]


def _in_containers(where: str, named: list[Image], wish: _Wish) -> list[Image]:
    """The images in the containers that were asked for, or all of them."""
    there = {image.container for image in named}
    if missing := [container for container in wish.containers if container not in there]:
        raise FieldMissing(
            f"{where}: no container {missing[0]} has {wish} (found: {_places(named)})",
            hint="pass --container with one of the names found",
        )
    return [image for image in named if not wish.containers or image.container in wish.containers]


def _moving(
    leading: Image, matching: list[Image], named: list[Image], wish: _Wish
) -> tuple[list[Image], list[Image]]:
    """The images that move with the leading one, and those of its repository that don't."""
    tag = leading.field.image.tag
    asked = [image for image in matching if wish.containers or image.field.image.tag == tag]
    # Whoever else reads a field that is changed moves as well, asked for or not.
    fields = set(map(_span, asked))
    same = [image for image in named if image.repository == leading.repository or image in asked]
    moving = [image for image in same if _span(image) in fields]
    return (
        sorted(moving, key=lambda image: (image is not leading, *_rank(image, wish.name))),
        [image for image in same if image not in moving],
    )


def _span(image: Image) -> tuple[str, Span]:
    return image.field.path, image.field.span


def _rank(image: Image, name: str) -> tuple[bool, bool, bool]:
    return (image.workload.kind not in _ROLLS_OUT, image.workload.name != name, image.is_init)


def _places(known: Iterable[Image]) -> str:
    return listed([str(mentions.of_use(image)) for image in known])
