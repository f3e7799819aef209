"""The site that a new one is modelled on: the hand of the team is in what they wrote before.

Law: a site is a model only if it can be copied as a whole (`fitness`, `copying`), in every cluster that has it: the base that the
clusters share is copied once, and only if its copy is the same for all of them. Of several sites, the model is the one whose shape
most share (`shape`).
"""

import re
from collections.abc import Iterable, Mapping

from bumper.dataclasses import dataclass, replace
from bumper.errors import FieldAmbiguous, FieldMissing, Refused
from bumper.fluxtree.layers import FILE_NAMES
from bumper.fluxtree.sites import annotations, find
from bumper.fluxtree.sites.find import Site, Target
from bumper.image import ImageReference
from bumper.manifest import Field, FieldKind, fields
from bumper.onboarding.copying import copy
from bumper.onboarding.fitness import OTHER as _OTHER
from bumper.onboarding.fitness import require_fit
from bumper.onboarding.hosts import Routed, routed
from bumper.onboarding.landscape import Landscape, Listing
from bumper.onboarding.renaming import Path, Renaming, Uncarried
from bumper.onboarding.shape import shapes

# For a trial: nothing in a repository is called so.
_ANY_NAME, _ANY_HOST = "any-site-0", "any-site.invalid"


@dataclass(frozen=True)
class Placement:
    """The site in one cluster: `files` are its own, that of its Kustomization included, `replaced` the hosts that an overlay replaces.

    `cluster` is what tells its cluster from the others; empty where the repository has one alone.
    """

    site: Site
    target: Target
    hosts: tuple[Routed, ...]
    replaced: tuple[str, ...]
    files: frozenset[str]
    listing: Listing
    cluster: str = ""

    def renaming(self, name: str, hosts: tuple[str, ...], foreign: frozenset[str]) -> Renaming:
        """From this site to another with these hosts; a host with a variable keeps it where that gives the new one."""
        names = Renaming(self.site.name, name, (), (), foreign)
        written = [_written(names, old, new) for old, new in zip(self.hosts, hosts, strict=False)]
        old = tuple(host.written.lower() for host in self.hosts)
        new = (*written, *hosts[len(written) :])
        return replace(names, old_hosts=old, new_hosts=new, replaced=self.replaced)


def _written(names: Renaming, old: Routed, new: str) -> str:
    return names.host(old.written) if old.has_variable and names.host(old.host) == new else new


@dataclass(frozen=True)
class Model:
    """A site that can be copied, in each cluster that has it; `contents` are its own files in all of them."""

    placements: tuple[Placement, ...]
    contents: Mapping[str, bytes]
    foreign: frozenset[str]

    @property
    def name(self) -> str:
        return self.placements[0].site.name

    @property
    def repository(self) -> str:
        """What is pulled."""
        return self.placements[0].target.repository

    @property
    def pins(self) -> bool:
        """Whether its image has a digest."""
        return bool(self.placements[0].target.field.image.digest)

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields that decide its image, of all clusters."""
        return tuple(field for placement in self.placements for field in placement.target.fields)

    @property
    def _is_written_whole(self) -> bool:
        """Whether tag and repository stand together wherever the image is decided."""
        return all(field.kind is FieldKind.IMAGE for field in self.fields)

    def copied(
        self, name: str, hosts: Mapping[str, tuple[str, ...]], image: ImageReference
    ) -> dict[str, bytes]:
        """The files of the new site, under its paths; `hosts` by the cluster, the image as it is given."""
        copies: dict[str, dict[bytes, str]] = {}
        for placement in self.placements:
            renaming = placement.renaming(name, hosts[placement.cluster], self.foreign)
            for path in sorted(placement.files):
                content = self.contents[path]
                images = self._images(path, content, image, name)
                copied = copy(content, path, replace(renaming, images=images))
                copies.setdefault(path, {}).setdefault(copied, placement.cluster)
        for path, versions in copies.items():
            if len(versions) > 1:
                raise Uncarried(
                    f"{path}: its copy would differ for the clusters that share it ({', '.join(versions.values())})",
                    hint="put into the overlays what differs, its hosts say; or name another site with --like SITE",
                )
        paths = Renaming(self.name, name, (), (), self.foreign)
        return {renamed(path, paths): content for path, (content, *_) in copies.items()}

    def require_copy(self) -> None:
        """Raises Uncarried, with file and line, unless everything of it can be copied."""
        names = Renaming(self.name, _ANY_NAME, (), (), self.foreign)
        known = {
            host.host: names.host(host.host) if host.has_variable else f"{at}.{_ANY_HOST}"
            for at, host in enumerate(self._all_hosts())
        }
        hosts = {
            placement.cluster: tuple(known[host.host] for host in placement.hosts)
            for placement in self.placements
        }
        self.copied(_ANY_NAME, hosts, ImageReference(beside(self.repository, _ANY_NAME), "any"))

    def _all_hosts(self) -> Iterable[Routed]:
        hosts = {host.host: host for placement in self.placements for host in placement.hosts}
        return hosts.values()

    def _images(self, path: str, content: bytes, image: ImageReference, name: str) -> dict[Path, str]:
        """What is written for each image of the site in a file, by its place."""
        repositories = {placement.target.field.image.repository for placement in self.placements}
        return {
            field.route: self._written(field, image, name)
            for field in fields(content, path)
            if field.image.repository in repositories
        }

    def _written(self, field: Field, image: ImageReference, name: str) -> str:
        if field.kind is not FieldKind.IMAGE:
            return image.tag
        deciding = [(each.path, each.span) for each in self.fields]
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
        _refuse_built_with_others(landscape, like)
        candidate = model(landscape, landscape.namesakes(like) or (landscape.named(like),))
        candidate.require_copy()
        return candidate
    problems: dict[str, str] = {}
    tried: set[str] = set()
    for sites in shapes(landscape):
        # What keeps one site of a shape from being copied keeps the others, too; a second is tried for reasons beside its shape.
        for site in [site for site in sites[:2] if site.name not in tried]:
            tried.add(site.name)
            try:
                candidate = model(landscape, landscape.namesakes(site.name))
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


def without_route(landscape: Landscape) -> list[str]:
    """The Kustomizations with an image of their name that no route leads to, each with its place."""
    unrouted = []
    for site in landscape.sites:
        try:
            _target(landscape, site)
        except Refused:
            continue
        if not landscape.hosts_of(site):
            unrouted.append(f"{site.name} ({site.place})")
    return unrouted


class _NoSite(Refused):
    """A Kustomization that makes no site: no image at all, or no route."""


def model(landscape: Landscape, sites: tuple[Site, ...]) -> Model:
    """The site as a model, in the clusters that have it; Uncarried, with file and line, where it cannot be one."""
    _refuse_one_cluster_twice(sites)
    targets = [_target(landscape, site) for site in sites]
    if not any(landscape.hosts_of(site) for site in sites):
        raise _NoSite(f"{sites[0].place}: Kustomization {sites[0].name} routes no host", hint=_OTHER)
    placements = tuple(
        _placement(landscape, site, target) for site, target in zip(sites, targets, strict=True)
    )
    names = {built.key.name for site in sites for built in landscape.built(site)} | {sites[0].name}
    others = {built.key.name for other, built in landscape.objects if other not in sites} | {
        known.name for known in landscape.sites
    }
    own = {path for placement in placements for path in placement.files}
    contents = {path: landscape.reading.content(path) for path in sorted(own)}
    documents = {site.document.path: _without_words(landscape, site) for site in sites}
    return Model(placements, contents | documents, frozenset(others - names))


def _refuse_built_with_others(landscape: Landscape, name: str) -> None:
    """Refused for what has no Kustomization of its own, with what a copy by hand takes: its files, and the lines that name them."""
    if landscape.namesakes(name):
        return
    own: set[str] = set()
    builders: dict[str, None] = {}
    naming: set[str] = set()
    for site in landscape.sites:
        paths = landscape.read_by(site)
        if its_own := {path for path in paths if _is_called(path, name)}:
            own |= its_own
            builders[f"{site.name} ({site.place})"] = None
            naming |= {path for path in paths - its_own if path.rpartition("/")[2] in FILE_NAMES}
    if own:
        lines = ", ".join(place for path in sorted(naming) for place in _lines_with(landscape, path, name))
        raise Uncarried(
            f"{name}: no Flux Kustomization has this name; it is built with others by {', '.join(builders)}, and only a site with a"
            " Kustomization of its own is copied",
            hint=f"copy these by hand under the new name: {', '.join(sorted(own))}; "
            f"and name them where they are named: {lines}",
        )


def _is_called(path: str, name: str) -> bool:
    """Whether a directory or the file itself has the name, or begins with it: `podinfo-values.yaml`."""
    *directories, file = path.split("/")
    return name in directories or bool(re.match(rf"{re.escape(name)}(?![A-Za-z0-9])", file))


def _lines_with(landscape: Landscape, path: str, name: str) -> list[str]:
    word = re.compile(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])")
    written = landscape.reading.content(path).decode(errors="replace").splitlines()
    return [f"{path}:{number}" for number, line in enumerate(written, 1) if word.search(line)]


def _target(landscape: Landscape, site: Site) -> Target:
    try:
        return find.find_in(landscape.reading, site)
    except (FieldMissing, FieldAmbiguous) as error:
        read = landscape.read_by(site)
        has_image = any(fields(landscape.reading.content(path), path) for path in sorted(read))
        kind = Uncarried if has_image else _NoSite
        raise kind(f"{site.place}: {error.message}", hint=_OTHER) from None


def _placement(landscape: Landscape, site: Site, target: Target) -> Placement:
    built = landscape.built(site)
    hosts = {host.host: host for host in landscape.hosts_of(site)}
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
    first = {host.host for each in built for host in routed(each.document)}
    reaching = {host.written.lower() for host in hosts.values()}
    return Placement(
        site,
        target,
        tuple(hosts.values()),
        tuple(sorted(first - reaching)),
        frozenset(own),
        _listing(landscape, site),
        landscape.cluster_name(site),
    )


def _without_words(landscape: Landscape, site: Site) -> bytes:
    """The file of the model's Kustomization without what is said there of the model alone: a hold, the choice of its image."""
    document = site.document
    ours = {key: "" for key in annotations.read(document) if key.startswith(annotations.PREFIX)}
    return annotations.write(landscape.reading.content(document.path), document, ours)


def _refuse_one_cluster_twice(sites: tuple[Site, ...]) -> None:
    """Which of two Kustomizations of one name in one cluster a new site is like can't be told."""
    clusters = [site.cluster for site in sites]
    if len(set(clusters)) < len(sites):
        places = ", ".join(site.place for site in sites)
        raise Uncarried(
            f"{sites[0].name}: {len(sites)} Flux Kustomizations of one cluster have this name ({places})",
            hint=_OTHER,
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
    apart = [field for field in model.fields if field.kind is not FieldKind.IMAGE]
    if asked and apart:
        field = apart[0]
        raise Uncarried(
            f"{field.path}:{field.span.line}: {model.name} names its image apart from its tag, so --image can't be carried over",
            hint="leave out --image, or take the plain form: --plain",
        )
    return asked or beside(model.repository, name)
