"""Which plan may be pushed: one whose edits change the wanted images in what Flux builds, and nothing else but what follows from them.

Law: it is asked of each plan anew, on the tip that the push compares with. A wanted image that does not arrive is overridden, whatever
by. A Kustomization that is changed without having been named is somebody else's site: it takes `force`. With an expected hash nothing
but the plan that somebody has seen is pushed.
"""

from collections.abc import Mapping, Sequence
from shlex import quote

from bumper.dataclasses import dataclass
from bumper.errors import Refused
from bumper.fluxtree.discovery import GROUP, Site
from bumper.fluxtree.proof import Arrival, BuiltChange, Proof, decided_by
from bumper.fluxtree.resource import Resource
from bumper.fluxtree.resource_sets import is_resource_set
from bumper.fluxtree.substitution import references
from bumper.image import ImageReference
from bumper.manifest import Edit
from bumper.objects import ObjectKey

SHARED = "shared"
IMMUTABLE = "immutable"
_FORCED = "--force --reason TEXT"
_MOST_LISTED = 8


@dataclass(frozen=True)
class Aim:
    """What one site of a plan is about: its Kustomization, the image that it shall get, and the edits for it at `place`.

    `name` is its label, `key` that of its change.
    """

    name: str
    site: Site
    place: str
    image: ImageReference
    edits: tuple[Edit, ...]
    key: str = ""


@dataclass(frozen=True)
class Bystander:
    """A Kustomization that was not named and changes all the same, by the edits of `aim`."""

    site: Site
    aim: Aim
    changes: tuple[BuiltChange, ...]

    def __str__(self) -> str:
        more = f" and {len(self.changes) - 1} more" if len(self.changes) > 1 else ""
        return (
            f"{self.site.place}: Kustomization {self.site.kustomization.name} is built from {self.aim.place}, too: "
            f"{self.changes[0]}{more}"
        )


def require_references(places: Mapping[str, ImageReference]) -> None:
    """Refused where what is built is no reference to an image, whatever its tag: nothing could pull it. A variable is no such text."""
    for place, image in places.items():
        if "$" not in image.repository and ImageReference.parse(str(image.with_tag("latest"))) is None:
            raise Refused(
                f"{place}: what is built here is the image {image}, and {image.repository} is no repository",
                hint="look at what goes over this field: a replacement that takes a registry's port for the tag, say",
            )


def forced_by(proof: Proof, aims: Sequence[Aim], *, force: bool) -> tuple[str, ...]:
    """The rules that the plan goes over by `force`; Refused where it breaks one that nobody may go over, or there is no force."""
    edited = [aim for aim in aims if aim.edits]
    arrivals: dict[tuple[ObjectKey, str], list[Arrival]] = {}
    for arrival in proof.arrivals:
        arrivals.setdefault(_build(arrival.site), []).append(arrival)
    for aim in edited:
        own = arrivals.get(_build(aim.site), [])
        _require_arrival(aim, [each for each in own if decided_by(each.before, aim.edits)])
    _require_build(proof, edited)
    _require_nothing_else(proof, edited)
    rules = ((SHARED, _shared(proof, aims)), (IMMUTABLE, _immutable(proof)))
    broken = {rule: refusal for rule, refusal in rules if refusal}
    if broken and not force:
        raise next(iter(broken.values()))
    return tuple(broken)


def bystanders(proof: Proof, aims: Sequence[Aim]) -> tuple[Bystander, ...]:
    """The Kustomizations that change without having been named."""
    by_site: dict[tuple[str, ObjectKey], list[BuiltChange]] = {}
    named = {_build(aim.site) for aim in aims}
    own = {_object(each) for each in proof.changes if _build(each.site) in named}
    for change in proof.changes:
        if _build(change.site) in named:
            continue
        # A parent that builds the same objects is no other site: it is in the same cluster.
        is_parent = any((change.site.identity, aim.site.identity) in proof.parents for aim in aims)
        is_same = is_parent and _object(change) in own
        if not (is_same or _is_own_object(change, aims)):
            by_site.setdefault((change.site.place, change.site.kustomization), []).append(change)
    return tuple(
        Bystander(changes[0].site, _cause(changes[0], aims), tuple(changes)) for changes in by_site.values()
    )


def require_expected(proof: Proof, expected: str, place: str, seen: Proof | None = None) -> None:
    """Refused where this is not the plan with the hash that somebody agreed to. `seen` is the plan before the branch moved."""
    if not expected or not proof.edits or proof.meets(expected):
        return
    now, before = lines(proof), lines(seen) if seen and seen.meets(expected) else []
    new = [line for line in now if line not in before]
    gone = [line for line in before if line not in now]
    difference = [
        f"{label}: {'; '.join(_listed(some))}" for label, some in (("no longer", gone), ("now", new)) if some
    ]
    raise Refused(
        f"{place}: this is not the plan that was agreed to: found plan {proof.hash}, expected {expected}; "
        + "; ".join(difference),
        hint="look at the plan as it is now with --dry-run, and agree to its hash",
    )


def lines(proof: Proof) -> list[str]:
    """A plan in full: each edit, each value that differs in what is built, and what is not proved."""
    edits = [
        f"{edit.path}: {edit.old.decode(errors='replace')} → {edit.new.decode(errors='replace')}"
        for edit in proof.edits
    ]
    return [*edits, *proof.built, *(f"not proved: {gap}" for gap in proof.unproved)]


def _object(change: BuiltChange) -> tuple[ObjectKey, str]:
    return change.resource.key, change.route


def _build(site: Site) -> tuple[ObjectKey, str]:
    """What tells a Kustomization from others; the same one for a second cluster has its name and its path."""
    return site.kustomization, site.path


def _is_own_object(change: BuiltChange, aims: Sequence[Aim]) -> bool:
    """Whether it is what brings the value to the Kustomization of an aim: what that does to others is seen in what they build."""
    return any(
        _is_defined_by(change, site) or _is_filled_in_from(change.resource, site)
        for aim in aims
        for site in aim.site.lineage
    )


def _is_defined_by(change: BuiltChange, site: Site) -> bool:
    """Whether it is the Kustomization itself, or the ResourceSet that makes it."""
    document = change.resource.document
    is_definition = change.is_of_flux or is_resource_set(change.resource)
    return is_definition and (document.path, document.route) == (site.document.path, site.document.route)


def _is_filled_in_from(resource: Resource, site: Site) -> bool:
    return resource.namespace == site.kustomization.namespace and (
        (resource.kind, resource.name) in references(site.owner)
    )


def _cause(change: BuiltChange, aims: Sequence[Aim]) -> Aim:
    """The aim whose edit it comes from."""
    edited = [aim for aim in aims if aim.edits]
    matching = [aim for aim in edited if change.image and decided_by(change.image, aim.edits)]
    return next(iter([*matching, *edited]))


def _require_arrival(aim: Aim, arrivals: Sequence[Arrival]) -> None:
    name = aim.site.kustomization.name
    if not arrivals:
        raise Refused(
            f"{aim.place}: {aim.image.tag} changes no image in what Kustomization {name} builds",
            hint="find the field that decides with --image, or build it yourself: kustomize build",
        )
    for arrival in arrivals:
        if arrival.before.route and (arrival.after is None or _tag(arrival.after.value) != aim.image.tag):
            there = arrival.after.value if arrival.after else "no such image"
            field = (arrival.after or arrival.before).field
            raise Refused(
                f"{field.path}:{field.span.line}: {arrival.before.workload} of Kustomization {name} would have {there} after "
                f"{aim.place} is edited, expected {aim.image.tag}",
                hint="set the tag where it is decided, or take away what goes over it",
            )


def _tag(value: str) -> str:
    return ImageReference.split(value).tag


def _require_build(proof: Proof, edited: Sequence[Aim]) -> None:
    if proof.broken:
        places = ", ".join(dict.fromkeys(aim.place for aim in edited))
        raise Refused(
            f"{proof.broken[0]}: kustomize would refuse the build after {places} is edited, and Flux would apply nothing of it",
            hint="change it in the same commit by hand: a test for the old tag, say",
        )


def _require_nothing_else(proof: Proof, edited: Sequence[Aim]) -> None:
    for change in proof.changes:
        if not (change.is_wanted or change.is_traced):
            resource = change.resource
            raise Refused(
                f"{resource.path}:{resource.line(*change.difference.route)}: {_cause(change, edited).place} would change something "
                f"else in what Kustomization {change.site.kustomization.name} builds: {change}",
                hint="change this field by hand, and look at what kustomize build makes of it",
            )


def _shared(proof: Proof, aims: Sequence[Aim]) -> Refused | None:
    others = bystanders(proof, aims)
    if not others:
        return None
    named = _naming([*(aim.site for aim in aims), *(each.site for each in others)])
    return Refused(
        "; ".join(_listed(list(map(str, others)))),
        hint=f"name all of them in one run: {named}; or to change them unnamed: {_FORCED}; "
        "or give each its own tag by an images: entry in its own kustomization.yaml",
    )


def _naming(sites: Sequence[Site]) -> str:
    """The options that name all of them: of one name by their Kustomizations."""
    names = dict.fromkeys(site.name for site in sites)
    if len(names) == 1:
        return " ".join(
            [f"--site {sites[0].name}", *(f"--kustomization {quote(each.identity)}" for each in sites)]
        )
    return " ".join(f"--set {name}=SHA" for name in names)


def _immutable(proof: Proof) -> Refused | None:
    return next((_not_changed(change) for change in proof.changes if change.is_refused_by_api), None)


def _not_changed(change: BuiltChange) -> Refused:
    resource = change.resource
    return Refused(
        f"{resource.path}:{resource.line(*change.difference.route)}: {resource}: Kubernetes lets nobody change {change.fixed} once "
        f"the object is there ({change.values})",
        hint=f"let Flux make it anew: the annotation {GROUP}/force: enabled on it, or spec.force on Kustomization "
        f"{change.site.kustomization.name}; where the object is gone by then: {_FORCED}",
    )


def _listed(texts: list[str]) -> list[str]:
    more = len(texts) - _MOST_LISTED
    return [*texts[:_MOST_LISTED], *([f"and {more} more"] if more > 0 else [])]
