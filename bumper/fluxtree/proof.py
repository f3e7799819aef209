"""What an edit changes in what Flux builds: the Kustomizations that read the edited files, built before the edit and after it.

Law: every difference is listed, whatever it comes from; nothing is judged here. What this model cannot see (remote bases, generators,
charts that kustomize inflates, files that are no YAML, values that only the cluster has) is listed too: then nothing is proved. The
hash of a plan is that of its edits and differences alone, so that a commit which touches none of them keeps it.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from posixpath import dirname
from typing import Any

from bumper.dataclasses import dataclass
from bumper.errors import NotYaml
from bumper.fluxtree import immutable
from bumper.fluxtree.build import Build, build, openings, sources
from bumper.fluxtree.difference import Difference, Place, differences, pairs
from bumper.fluxtree.discovery import GROUP, Site, pushed
from bumper.fluxtree.images import Image, image_at, images, images_of, with_values
from bumper.fluxtree.layers import Gap, Layer, Reading, expand
from bumper.fluxtree.resource import Resource, is_variable, written
from bumper.fluxtree.substitution import not_read, references
from bumper.fluxtree.walk import Walk
from bumper.manifest import Edit, FieldKind
from bumper.manifest.document import text
from bumper.objects import ObjectKey
from bumper.ports.git import Entry, Tree
from bumper.style import amount

# A shorter beginning of a hash could be met by chance.
SHORTEST_HASH = 12


@dataclass(frozen=True)
class Overlay:
    """A tree in which some files have another content. No file comes or goes."""

    tree: Tree
    files: Mapping[str, bytes]

    def list(self, directory: str) -> Sequence[Entry]:
        return self.tree.list(directory)

    def read(self, paths: Iterable[str]) -> Mapping[str, bytes]:
        wanted = set(paths)
        changed = {path: self.files[path] for path in wanted & self.files.keys()}
        return {**self.tree.read(wanted - changed.keys()), **changed}


@dataclass(frozen=True, eq=False)
class BuiltChange:
    """One difference in the build of `site`, a Kustomization. `image` is the image before, where it is one.

    `is_wanted` says that an edited field decides it, and that it is an image of a wanted repository; `is_traced` that the value is
    made from an edited scalar; `fixed` the field that the API refuses to change.
    """

    site: Site
    difference: Difference
    image: Image | None = None
    is_wanted: bool = False
    is_traced: bool = False
    fixed: str = ""

    @property
    def resource(self) -> Resource:
        return self.difference.resource

    @property
    def route(self) -> str:
        """`spec.template.spec.containers[0].image`; empty where the whole object comes or goes."""
        return written(self.difference.route)

    @property
    def is_of_flux(self) -> bool:
        """Whether it is in a Flux Kustomization: an edited field that stands in one is built by its parent, too."""
        return self.resource.group == GROUP

    @property
    def is_another_image(self) -> bool:
        """Whether it is an image that nobody asked for: of a field that decides a wanted one, too."""
        return self.image is not None and not self.is_wanted

    @property
    def is_refused_by_api(self) -> bool:
        """Whether it is in a field that Kubernetes keeps as it is, of an object that is there before and after."""
        difference = self.difference
        return bool(self.fixed and difference.old and difference.new) and not difference.is_renamed

    @property
    def values(self) -> str:
        """`team/web:1.0 → team/web:2.0`."""
        before, after = self.difference.before, self.difference.after
        return " → ".join("nothing" if value is None else value for value in (before, after))

    def __str__(self) -> str:
        if not self.route:
            return f"{self.resource} {'comes' if self.difference.new else 'goes'}"
        return f"{self.resource} {self.route}: {self.values}"

    def as_data(self) -> dict[str, Any]:
        """The same for programs, and what the hash is made of."""
        return {
            "kustomization": str(self.site.kustomization),
            "file": self.site.document.path,
            "object": f"{self.resource.value.get('apiVersion')} {self.resource}",
            "route": self.route,
            "before": self.difference.before,
            "after": self.difference.after,
        }


@dataclass(frozen=True)
class Arrival:
    """An image that an edited field decides in the build of `site`: as it was, and as it is then.

    `before.route` is empty for an image that a remote base brings, of which nothing more is known.
    """

    site: Site
    before: Image
    after: Image | None = None


@dataclass(frozen=True)
class Proof:
    """What edits change in what is built, of the Kustomizations that read the edited files.

    `unproved` are the reasons why there may be more, with file and line, `broken` what kustomize refuses after
    the edits and not before. `reconciles` is how many Kustomizations Flux goes through for
    the commit. `parents` holds the identities of a Kustomization and of one that it builds.
    """

    edits: tuple[Edit, ...] = ()
    changes: tuple[BuiltChange, ...] = ()
    arrivals: tuple[Arrival, ...] = ()
    unproved: tuple[Gap, ...] = ()
    broken: tuple[Gap, ...] = ()
    reconciles: int = 0
    parents: frozenset[tuple[str, str]] = frozenset()

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the canonical form, in 64 hexadecimal digits; empty where nothing is edited."""
        if not self.edits:
            return ""
        canonical = json.dumps(self._canonical(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return sha256(canonical.encode(errors="surrogateescape")).hexdigest()

    def _canonical(self) -> dict[str, Any]:
        # Without lines: a comment above the field makes no other plan.
        return {
            "edits": sorted([edit.path, *_texts(edit)] for edit in self.edits),
            "changes": sorted((change.as_data() for change in self.changes), key=json.dumps),
            "notProved": sorted([gap.path, gap.message] for gap in self.unproved),
        }

    def meets(self, expected: str) -> bool:
        """Whether this is the plan with that hash, or with a hash that begins so."""
        return len(expected) >= SHORTEST_HASH and self.hash.startswith(expected)

    @property
    def built(self) -> tuple[str, ...]:
        """A line for each difference in what is built."""
        return tuple(f"Kustomization {change.site.kustomization.name}: {change}" for change in self.changes)

    @property
    def summary(self) -> str:
        """`1 field in each of 3 objects of 2 Kustomizations: image; nothing else; 12 Kustomizations reconcile`."""
        seen = [each for each in self.arrivals if each.before.route]
        others = sum(not change.is_wanted for change in self.changes)
        changed = f"{_extent(seen)}: image" if seen else "no image that is seen here"
        more = (
            f"{others} more that {'follow' if others > 1 else 'follows'} from it"
            if others
            else "nothing else"
        )
        reconciled = (
            f"{amount(self.reconciles, 'Kustomization')} reconcile{'s' if self.reconciles == 1 else ''}"
        )
        return f"{changed}; {more}; {reconciled}"

    def as_data(self) -> dict[str, Any]:
        """What every JSON answer says of a plan."""
        return {
            "hash": self.hash,
            "summary": self.summary,
            "proved": not self.unproved,
            "notProved": [str(gap) for gap in self.unproved],
            "reconciles": self.reconciles,
            "edits": [
                {
                    "path": edit.path,
                    "line": edit.line,
                    **dict(zip(("before", "after"), _texts(edit), strict=True)),
                }
                for edit in self.edits
            ],
            "changes": [{**change.as_data(), "isWanted": change.is_wanted} for change in self.changes],
        }


def decided_by(image: Image, edits: Iterable[Edit]) -> bool:
    """Whether one of the edits is in the field that decides the image."""
    return not _beginnings(image).isdisjoint((edit.path, edit.start) for edit in edits)


def _beginnings(image: Image) -> frozenset[tuple[str, int]]:
    """The file and the first byte of each scalar of the field that decides an image."""
    field = image.field
    spans = [field.span, *([field.digest.span] if field.digest else [])]
    return frozenset((field.path, span.start) for span in spans)


def _texts(edit: Edit) -> tuple[str, str]:
    return edit.old.decode(errors="replace"), edit.new.decode(errors="replace")


def _extent(arrivals: Sequence[Arrival]) -> str:
    """`1 field in each of 3 objects of 2 Kustomizations`."""
    fields = Counter((each.site.place, each.site.kustomization, each.before.workload) for each in arrivals)
    numbers = set(fields.values())
    each = f"{amount(numbers.pop(), 'field')} in each of" if len(numbers) == 1 and len(fields) > 1 else ""
    whole = each or f"{amount(len(arrivals), 'field')} in"
    kustomizations = len({key[:2] for key in fields})
    return f"{whole} {amount(len(fields), 'object')} of {amount(kustomizations, 'Kustomization')}"


def prove(
    reading: Reading,
    files: Mapping[str, bytes],
    edits: Sequence[Edit],
    uses: Sequence[Image],
    named: Sequence[Site] = (),
) -> Proof:
    """What `edits` change in what is built from the tree of `reading`; `files` are the edited files as they are afterwards.

    `uses` are the wanted images, as they were found before: an image of another repository follows from the edit. `named` are the
    sites that they are of: what one is built from, its caller may know alone (`--path`).
    """
    if not edits:
        return Proof()
    paths = {site.identity: site.path for site in named}
    beyond = [site for site in named if site.known_by]
    old = _Forest(reading, paths, beyond)
    new = _Forest(Reading(Overlay(reading.tree, files)), paths, beyond)
    sites = old.sites()
    readers = old.readers(sites, files)
    # Most edits change no Kustomization, nor what fills one in; then these are the same, and the way to them is not gone again.
    building = {site.built_by.identity for site in sites if site.built_by}
    is_same = not (
        any(site.artifact or site.identity in building for site in readers)
        or any(references(site.owner) for site in sites)
        or any(GROUP.encode() in content for content in files.values())
    )
    renewed = {site.identity: site for site in (sites if is_same else new.sites())}
    reads = {id(site) for site in readers}
    readers = [site for site in sites if id(site) in reads or old.is_filled_anew(site, renewed)]
    changes: list[BuiltChange] = []
    arrivals: list[Arrival] = []
    unproved = dict.fromkeys(old.hidden())
    broken: dict[Gap, None] = {}
    identities = {(site.document.path, site.document.route): site.identity for site in sites}
    parents: set[tuple[str, str]] = set()
    aim = _Aim(edits, uses)
    for site in readers:
        before, after = old.built(site, aim), new.built(renewed.get(site.identity, site), aim)
        of_site = list(_changes(site, before, after, aim))
        changes += of_site
        parents |= {
            (site.identity, identities[place])
            for each in before.build.resources
            if (place := (each.path, each.document.route)) in identities
        }
        arriving = list(_arrivals(site, before, after, aim))
        arrivals += arriving
        if not after.build.is_open:
            broken |= dict.fromkeys(gap for gap in after.build.refusals if gap not in before.build.refusals)
        unsure = (each.before.unsure for each in arriving if each.before.unsure)
        unproved |= dict.fromkeys([*before.openings, *broken, *_unfilled(of_site), *unsure])
    reconciled = {(site.cluster, site.kustomization) for site in sites if site.is_ours and not site.suspended}
    return Proof(
        tuple(edits),
        tuple(changes),
        tuple(arrivals),
        tuple(unproved),
        tuple(broken),
        len(reconciled),
        frozenset(parents),
    )


@dataclass(frozen=True)
class _Aim:
    """The edits, and the images that they are for."""

    edits: Sequence[Edit]
    uses: Sequence[Image]

    @cached_property
    def repositories(self) -> frozenset[str]:
        return frozenset(use.repository for use in self.uses)

    def uses_of(self, workload: ObjectKey) -> Sequence[Image]:
        return self._by_workload.get(workload, ())

    @cached_property
    def _by_workload(self) -> Mapping[ObjectKey, Sequence[Image]]:
        by_workload: dict[ObjectKey, list[Image]] = {}
        for use in self.uses:
            by_workload.setdefault(use.workload, []).append(use)
        return by_workload

    @cached_property
    def _begun(self) -> Mapping[str, set[int]]:
        """Where the edits of each file begin."""
        begun: dict[str, set[int]] = {}
        for edit in self.edits:
            begun.setdefault(edit.path, set()).add(edit.start)
        return begun

    def decides(self, image: Image) -> bool:
        """Whether it is a wanted image, and an edited field decides it."""
        is_wanted = not self.repositories.isdisjoint((image.repository, image.written))
        return is_wanted and any(start in self._begun.get(path, ()) for path, start in _beginnings(image))

    def edits_in(self, place: Place) -> bool:
        """Whether an edit is inside of the place, as it is before the edits."""
        path, span = place
        return any(span.start <= start <= span.end for start in self._begun.get(path, ()))


@dataclass(frozen=True, eq=False)
class _Built:
    """The build of a Kustomization in one of both trees."""

    reading: Reading
    build: Build
    aim: _Aim

    @cached_property
    def images(self) -> Mapping[int, Sequence[Image]]:
        """By the id of their object."""
        return {id(resource): self._images(seen) for resource, seen in with_values(self.build)}

    def _images(self, seen: Resource) -> Sequence[Image]:
        """What an object runs, a field that nobody but the caller takes for an image included."""
        known = list(images_of(self.reading, seen, self.build))
        # Of a use without a route no object holds the field.
        routes = {(), *(image.route for image in known)}
        own = [use for use in self.aim.uses_of(seen.key) if use.route not in routes]
        return [*known, *(self._named(seen, use) for use in own if text(seen.at(*use.route)))]

    def _named(self, seen: Resource, use: Image) -> Image:
        repository = "" if use.field.kind is FieldKind.IMAGE else use.repository
        return image_at(self.reading, self.build, seen, use.route, repository)

    @property
    def remote(self) -> tuple[Image, ...]:
        known = images(self.reading, self.build) if self.build.remote else ()
        return tuple(image for image in known if not image.route)

    @property
    def openings(self) -> tuple[Gap, ...]:
        build = self.build
        strange = (gap for each in build.resources for gap in not_read(each, build.site.variables))
        return tuple(dict.fromkeys([*openings(self.reading, build), *strange]))


class _Forest:
    """Every Kustomization of a tree and those that no file holds (`beyond`), and their builds where they are asked for."""

    def __init__(self, reading: Reading, paths: Mapping[str, str], beyond: Sequence[Site]) -> None:
        self._reading = reading.forgiving()
        self._walk = Walk(self._reading)
        self._paths = paths
        self._beyond = beyond

    def sites(self) -> tuple[Site, ...]:
        written = [
            self._walk.with_variables(self._pushed(site)) for level in self._walk.levels() for site in level
        ]
        return (*written, *(self._pushed(self._walk.beside(site)) for site in self._beyond))

    def _pushed(self, site: Site) -> Site:
        path = None if site.is_ours else self._paths.get(site.identity)
        return site if path is None else pushed(site, path)

    def hidden(self) -> Iterator[Gap]:
        """The files in which Kustomizations may stand that are not known."""
        yield from (_gap(error) for error in self._walk.broken)

    def readers(self, sites: Sequence[Site], files: Iterable[str]) -> list[Site]:
        """The sites whose build may read one of the files, or whose own object stands in one of them."""
        changed = _Changed(files)
        layers = {site.identity: self._layers(site) for site in sites if site.is_built(self._reading)}
        return [
            site
            for site in sites
            if site.identity in layers
            and (site.document.path in changed.files or any(map(changed.may_be_in, layers[site.identity])))
        ]

    def is_filled_anew(self, site: Site, renewed: Mapping[str, Site]) -> bool:
        """Whether other values are filled into the site or what it builds: those of a ConfigMap that another one builds, say."""
        later = renewed.get(site.identity, site)
        return site.is_built(self._reading) and (site.variables, site.owner.value) != (
            later.variables,
            later.owner.value,
        )

    def _layers(self, site: Site) -> Iterable[Layer]:
        view = site.view(self._reading)
        return expand(view, sources(view, site, site.owner)).values()

    def built(self, site: Site, aim: _Aim) -> _Built:
        return _Built(self._reading, build(self._reading, site, site.owner), aim)


def _gap(error: NotYaml) -> Gap:
    path, _, rest = error.message.partition(":")
    line, _, message = rest.partition(":")
    return Gap(path, int(line) if line.isdigit() else 1, message.strip() or "is no YAML")


class _Changed:
    """Files that change, with all directories that they lie in."""

    def __init__(self, files: Iterable[str]) -> None:
        self.files = frozenset(files)
        self._directories = {above for file in self.files for above in _directories_above(file)}

    def may_be_in(self, layer: Layer) -> bool:
        """Whether one may be a part of the layer: all that lies below it, since what its generators read is not listed."""
        return (
            layer.directory in self._directories
            or not self.files.isdisjoint((layer.path, *layer.files, *layer.used))
            or any(map(self.may_be_in, (*layer.inner, *layer.components)))
        )


def _directories_above(path: str) -> Iterator[str]:
    """Every directory that a path lies in, up to the root."""
    while path:
        path = dirname(path)
        yield path


def _changes(site: Site, before: _Built, after: _Built, aim: _Aim) -> Iterator[BuiltChange]:
    for each in differences(before.build, after.build):
        image = next(
            (image for image in before.images.get(id(each.old), ()) if image.route == each.route), None
        )
        yield BuiltChange(
            site,
            each,
            image,
            image is not None and aim.decides(image),
            any(map(aim.edits_in, each.sources)),
            immutable.fixed_field(each.resource, each.route, after.build.owner),
        )


def _arrivals(site: Site, before: _Built, after: _Built, aim: _Aim) -> Iterator[Arrival]:
    for old, new in pairs(before.build.resources, after.build.resources):
        later = after.images.get(id(new), ())
        for at, image in enumerate(before.images.get(id(old), ())):
            if aim.decides(image):
                same = later[at] if at < len(later) and later[at].route == image.route else None
                yield Arrival(site, image, same)
    yield from (Arrival(site, image) for image in before.remote if aim.decides(image))


def _unfilled(changes: Iterable[BuiltChange]) -> Iterator[Gap]:
    for change in changes:
        resource = change.resource
        if is_variable(change.difference.after) or is_variable(resource.name):
            line = resource.line(*change.difference.route)
            yield Gap(
                resource.path,
                line,
                f"{change.difference.after}: only the cluster knows what this variable is",
            )
