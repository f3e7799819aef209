"""The site that a new one is modelled on: the hand of the team is in what they wrote before.

Law: a site is a model only if it can be copied as a whole (`fitness`, `copying`). Of several, the model is the site whose shape most
sites share (`shape`).
"""

from collections.abc import Mapping

from bumper.dataclasses import dataclass, replace
from bumper.errors import FieldAmbiguous, FieldMissing, Refused
from bumper.fluxtree.sites import annotations, find
from bumper.fluxtree.sites.find import Site, Target
from bumper.image import ImageReference
from bumper.manifest import Field, FieldKind, fields
from bumper.onboarding.copying import copy
from bumper.onboarding.fitness import OTHER as _OTHER
from bumper.onboarding.fitness import require_fit
from bumper.onboarding.landscape import Landscape, Listing
from bumper.onboarding.renaming import Path, Renaming, Uncarried
from bumper.onboarding.shape import shapes

# For a trial: nothing in a repository is called so.
_ANY_NAME, _ANY_HOST = "any-site-0", "any-site.invalid"


@dataclass(frozen=True)
class Model:
    """A site that can be copied: `files` are its own, the sync file, its kustomization and the base that has its name included."""

    site: Site
    target: Target
    hosts: tuple[str, ...]
    files: Mapping[str, bytes]
    listing: Listing
    foreign: frozenset[str]

    @property
    def name(self) -> str:
        return self.site.name

    @property
    def _is_written_whole(self) -> bool:
        """Whether tag and repository stand together wherever the image is decided."""
        return all(field.kind is FieldKind.IMAGE for field in self.target.fields)

    def renaming(self, name: str, hosts: tuple[str, ...]) -> Renaming:
        """From this site to another."""
        return Renaming(self.name, name, self.hosts, hosts, self.foreign)

    def paths(self, renaming: Renaming) -> dict[str, str]:
        """The path of each file in the copy."""
        return {path: renamed(path, renaming) for path in self.files}

    def copied(self, renaming: Renaming, image: ImageReference) -> dict[str, bytes]:
        """The files of the new site, under its paths; the image as it is given."""
        paths, copies = self.paths(renaming), {}
        for path, content in self.files.items():
            images = self._images(path, content, image, renaming.new)
            copies[paths[path]] = copy(content, path, replace(renaming, images=images))
        return copies

    def require_copy(self) -> None:
        """Raises Uncarried, with file and line, unless everything of it can be copied."""
        hosts = tuple(f"{number}.{_ANY_HOST}" for number, _ in enumerate(self.hosts))
        image = ImageReference(beside(self.target.repository, _ANY_NAME), "any")
        self.copied(self.renaming(_ANY_NAME, hosts), image)

    def _images(self, path: str, content: bytes, image: ImageReference, name: str) -> dict[Path, str]:
        """What is written for each image of the site in a file, by its place."""
        return {
            field.route: self._written(field, image, name)
            for field in fields(content, path)
            if field.image.repository == self.target.field.image.repository
        }

    def _written(self, field: Field, image: ImageReference, name: str) -> str:
        if field.kind is not FieldKind.IMAGE:
            return image.tag
        deciding = [(each.path, each.span) for each in self.target.fields]
        if (field.path, field.span) in deciding or self._is_written_whole:
            return str(image)
        # An entry elsewhere decides: what stands here is the name by which it is found.
        return str(replace(field.image, repository=beside(field.image.repository, name)))


def renamed(path: str, renaming: Renaming) -> str:
    """A path with the site's name in it replaced."""
    return "/".join(renaming.words(part) for part in path.split("/"))


def chosen(landscape: Landscape, like: str) -> Model | None:
    """The model of that name, or without one the model whose shape most sites share; None where the tree has no site.

    `Refused` where there are sites, but none that can be copied.
    """
    if like:
        namesakes = [site for site in landscape.sites if site.name == like]
        candidate = model(landscape, namesakes[0] if namesakes else landscape.named(like))
        candidate.require_copy()
        return candidate
    problems: dict[str, str] = {}
    for sites in shapes(landscape):
        # What keeps one site of a shape from being copied keeps the others, too; a second is tried for reasons beside its shape.
        for site in sites[:2]:
            try:
                candidate = model(landscape, site)
                candidate.require_copy()
            except _NoSite:
                continue
            except Refused as error:
                problems[f"{site.name}: {error.message.removeprefix(f'{site.name}: ')}"] = error.hint
            else:
                return candidate
    if problems:
        raise Uncarried(
            f"no site here can be the model of a new one: {'; '.join(problems)}",
            hint=next(iter(problems.values())) if len(problems) == 1 else "take the plain form: --plain",
        )
    return None


class _NoSite(Refused):
    """A Kustomization that makes no site: no image at all, or no route."""


def model(landscape: Landscape, site: Site) -> Model:
    """The site as a model; Uncarried, with file and line, where it cannot be one."""
    _refuse_several_clusters(landscape, site)
    built = landscape.built(site)
    hosts = tuple(dict.fromkeys(routed_host.host for routed_host in landscape.hosts_of(site)))
    try:
        target = find.find(landscape.tree, site.name)
    except (FieldMissing, FieldAmbiguous) as error:
        read = landscape.read_by(site)
        has_image = any(fields(landscape.reading.content(path), path) for path in sorted(read))
        kind = Uncarried if has_image else _NoSite
        raise kind(f"{site.place}: {error.message}", hint=_OTHER) from None
    if not hosts:
        raise _NoSite(f"{site.place}: Kustomization {site.name} routes no host", hint=_OTHER)
    own = _own_files(landscape, site)
    require_fit(landscape, site, built, own)
    own |= {site.document.path}
    for field in target.fields:
        if field.path not in own:
            raise Uncarried(
                f"{field.path}: decides the image of {site.name}, and lies in no directory of that name",
                hint=_OTHER,
            )
        if field.digest:
            raise Uncarried(
                f"{field.path}:{field.span.line}: the image is pinned by a digest beside its tag",
                hint=_OTHER,
            )
    names = {built_object.key.name for built_object in built} | {site.name}
    others = {built_object.key.name for other, built_object in landscape.objects if other != site} | {
        known_site.name for known_site in landscape.sites
    }
    return Model(
        site,
        target,
        hosts,
        {path: landscape.reading.content(path) for path in sorted(own)}
        | {site.document.path: _without_words(landscape, site)},
        _listing(landscape, site),
        frozenset(others - names),
    )


def _without_words(landscape: Landscape, site: Site) -> bytes:
    """The file of the model's Kustomization without what is said there of the model alone: a hold, the choice of its image."""
    document = site.document
    ours = {key: "" for key in annotations.read(document) if key.startswith(annotations.PREFIX)}
    return annotations.write(landscape.reading.content(document.path), document, ours)


def _refuse_several_clusters(landscape: Landscape, site: Site) -> None:
    """A site of several clusters has an overlay for each, with hosts of its own: which of the new ones goes where is not known."""
    namesakes = [other for other in landscape.sites if other.name == site.name]
    if len(namesakes) > 1:
        directories = {directory for other in namesakes for directory in _own_directories(landscape, other)}
        by_hand = ", ".join([*sorted(directories), *sorted({other.document.path for other in namesakes})])
        raise Uncarried(
            f"{site.name}: a site of {len(namesakes)} clusters ({', '.join(other.place for other in namesakes)}); a new site is"
            " written for one cluster, and the others would lack it",
            hint=f"copy these by hand under the new name, and list them where they are listed: {by_hand}",
        )


def _own_files(landscape: Landscape, site: Site) -> set[str]:
    """What a site's build reads of the directories that have its name: of its path, and of the bases that it is made of."""
    if not any(_is_named(part, site) for part in site.path.split("/")):
        raise Uncarried(f"{site.place}: its path {site.path or '.'} does not hold its name", hint=_OTHER)
    directories = _own_directories(landscape, site)
    return {
        path for path in landscape.read_by(site) if any(path.startswith(f"{own}/") for own in directories)
    }


def _own_directories(landscape: Landscape, site: Site) -> set[str]:
    own = set()
    for path in landscape.read_by(site):
        segments = path.split("/")[:-1]
        named = [at for at, part in enumerate(segments) if _is_named(part, site)]
        if named:
            own.add("/".join(segments[: named[-1] + 1]))
    return own


def _is_named(part: str, site: Site) -> bool:
    return site.name in part.split(".")


def _listing(landscape: Landscape, site: Site) -> Listing:
    path = site.document.path
    listings = landscape.listings(path)
    if not listings:
        raise Uncarried(
            f"{path}: no kustomization lists this file, so where a new one belongs is not known",
            hint="list it first",
        )
    if len(listings) > 1:
        raise Uncarried(
            f"{path}: listed in more than one place ({', '.join(listing.path or listing.directory for listing in listings)})",
            hint=_OTHER,
        )
    if len(landscape.reading.documents(path)) > 1:
        raise Uncarried(f"{path}: holds other objects beside Kustomization {site.name}", hint=_OTHER)
    return listings[0]


def beside(repository: str, name: str) -> str:
    """The repository of that name beside another one."""
    above, slash, _ = repository.rpartition("/")
    return f"{above}{slash}{name}"


def repository_for(model: Model, name: str, asked: str) -> str:
    """The image repository of a new site: the one asked for, or the model's registry and path with the new name."""
    apart = [field for field in model.target.fields if field.kind is not FieldKind.IMAGE]
    if asked and apart:
        field = apart[0]
        raise Uncarried(
            f"{field.path}:{field.span.line}: {model.name} names its image apart from its tag, so --image can't be carried over",
            hint="leave out --image, or take the plain form: --plain",
        )
    return asked or beside(model.target.repository, name)
