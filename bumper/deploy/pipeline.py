"""The straight pipe up to the revision: request → edit → commit → revision. `follow` goes on from there.

Git and the registry are the Protocols of `systems`, which `cli` fills: nothing here knows a system. Both loops (waiting for an image
in `gate`, winning the race for the branch in `landing`) end at a deadline of their own on the clock handed in.

A race for the branch is `landing`'s: the edit is planned again on the new tip. If the winner already wrote our image there is nothing
left to write; if it wrote another image into our field, we stop and name both, unless a guard knows that ours is newer.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeAlias

from bumper import manifest
from bumper.build_order import Decision
from bumper.dataclasses import dataclass, field, replace
from bumper.deploy import approval, image_gate
from bumper.deploy.approval import Aim, Bystander
from bumper.deploy.commit import push
from bumper.deploy.commit.push import Proposal
from bumper.deploy.image_policy import Nodes
from bumper.errors import FieldAmbiguous, FieldUnsafe, Refused, Unreachable
from bumper.fluxtree.discovery import Site
from bumper.fluxtree.layers import Reading
from bumper.fluxtree.proof import Proof, prove
from bumper.fluxtree.sites import adoption
from bumper.fluxtree.sites.choose import find_targets
from bumper.fluxtree.sites.find import Target
from bumper.fluxtree.sites.selection import listed
from bumper.history.message import Deploy, compose
from bumper.image import ImageManifest, ImageReference
from bumper.ports.deadline import until
from bumper.ports.git import Repository, Tree, Writer
from bumper.ports.registry import Registry
from bumper.ports.run import Clock, Progress
from bumper.request import Request
from bumper.retry import answered


@dataclass(frozen=True)
class Change:
    """One site's part of a commit. `edits` is empty where the branch already holds the image.

    `site` is its label, and `key` what tells it from every other site of the run (`Wanted.key`), empty for one that nobody named.
    `began` is what the field held when the run began; `order` is how the image stands to the deployed one, where a guard has
    asked, and `note` what the guards say of the change.
    """

    site: str
    target: Target
    image: ImageReference
    edits: tuple[manifest.Edit, ...]
    began: ImageReference
    order: Decision | None = None
    note: str = ""
    key: str = ""

    @property
    def place(self) -> str:
        """The field that leads, `k8s/web/deployment.yaml:21`; where people read, `target.places` says how many there are."""
        return self.target.place

    @property
    def is_contested(self) -> bool:
        """Whether another push set the field to another tag than it held when the run began."""
        return self.target.image.tag not in (self.began.tag, self.image.tag)


@dataclass(frozen=True)
class Plan(Proposal):
    """All edits on one tip, and what they change in what Flux builds; `bystanders` are the Kustomizations that nobody named."""

    changes: tuple[Change, ...] = ()
    proof: Proof = field(default_factory=Proof)
    bystanders: tuple[Bystander, ...] = ()


# More files than these make no sentence.
_MOST_NAMED = 3

Landed: TypeAlias = push.Landed[Plan]
# What else belongs into the same commit: a plan in, read on the tree that it was made on, and the plan with it out.
Amend: TypeAlias = Callable[[Plan, Tree], Plan]


@dataclass(frozen=True)
class Admission:
    """What a guard says of a change that it lets through.

    `forced` names the rule that was overridden, for the commit's message; `note` is shown beside the commit. Both may be empty.
    `order` is how the image stands to the deployed one. `settles_race`: the change may go over what another push set in the meantime.
    """

    forced: str = ""
    note: str = ""
    order: Decision | None = None
    settles_race: bool = False


class Guard(Protocol):
    """Refuses (`Refused`) a change that must not be made, or says what should be known of it. Asked again on each new tip.

    A change without edits is not asked about: nothing would be written.
    """

    def expect(self, targets: Mapping[str, Target]) -> None:
        """Hears what will be changed, by the keys of the sites, while the registry is asked for it: what `admit` is certain to need
        may be begun. Nothing is waited for here, and nobody is told."""
        return

    def foresee(self, changes: Sequence[tuple[Change, ImageManifest]]) -> None:
        """Hears of all changes that `admit` will be asked about, each with what the registry holds for it: what is asked for may be
        asked for them together."""
        return

    def admit(self, change: Change, held: ImageManifest, tip: str) -> Admission | None:
        """`held` is what the registry holds for the change, `tip` the commit that it was planned on; None: nothing to say."""


@dataclass(frozen=True)
class GuardedRequest:
    """A request with the guards that may refuse it; `amend` says what else belongs into the same commit."""

    request: Request
    guards: Sequence[Guard] = ()
    amend: Amend = lambda planned, tree: planned


def prepare(
    request: Request,
    repository: Repository,
    registry: Registry,
    clock: Clock,
    progress: Progress,
    nodes: Callable[[], Sequence[Nodes]] = tuple,
    guards: Sequence[Guard] = (),
    amend: Amend = lambda planned, tree: planned,
    tell_targets: Callable[[Iterable[Target]], None] = lambda targets: None,
    sketched: Callable[[Plan], None] | None = None,
) -> tuple[Plan, dict[str, ImageManifest]]:
    """What would be committed on the branch as it stands, and the manifests that the registry holds. Writes nothing.

    `nodes` tells what the clusters run on, where no platform was asked for; it is called when the first image is there. `amend` is
    asked after the guards, on each new tip. `tell_targets` hears what will be changed, before the registry is asked; `sketched` what
    would be planned where the registry does not answer: as far as git alone tells, without guards.
    """

    def look() -> tuple[str, Reading, dict[str, Target]]:
        tip = repository.fetch(request.branch)
        reading = Reading(repository.tree(tip))
        return tip, reading, find_targets(request, reading)

    tip, reading, targets = answered(look, clock, request.deadlines.push_s)
    approval.require_references({target.place: target.image for target in targets.values()})
    tell_targets(targets.values())
    for wanted in request.wanted:
        target = targets[wanted.key]
        progress.begin(target.site.label, target.image.tag, wanted.version)
    try:
        for guard in guards:
            guard.expect(targets)
        manifests = image_gate.resolve(request, targets, registry, clock, progress, nodes)
    except Unreachable:
        # A digest that a field is pinned by is the registry's to tell: there is nothing to show without it.
        pinned = [field for target in targets.values() for field in target.fields if field.image.digest]
        if sketched and not pinned:
            sketch = plan(request, tip, reading.tree, targets, image_gate.unasked(request, targets))
            sketched(_proved(sketch, reading))
        raise
    with until(clock, clock.now() + request.deadlines.push_s):
        image_gate.tell_moved_tags(tip, targets, manifests, repository, progress)
        planned = _proved(plan(request, tip, reading.tree, targets, manifests), reading)
        return amend(_admitted(planned, request, manifests, guards), reading.tree), manifests


def plan(
    request: Request,
    tip: str,
    tree: Tree,
    targets: Mapping[str, Target],
    manifests: Mapping[str, ImageManifest],
    began: Mapping[str, ImageReference] | None = None,
) -> Plan:
    """The edits that bring every site to its image, each proved on the bytes of `tree`; with `request.pin` also to its digest.

    `began` is what the fields held when the run began, if that was on an earlier tip.
    """
    contents = tree.read({field.path for target in targets.values() for field in target.fields})
    changes = []
    edits: dict[str, list[manifest.Edit]] = {}
    for key, target in targets.items():
        image = manifests[key].image
        # Aliases may give two fields one scalar: it is changed once.
        planned = dict.fromkeys(
            edit
            for field in target.fields
            for edit in _edits(contents[field.path], field, image, target, pin=request.pin)
        )
        change = Change(
            target.site.label, target, image, tuple(planned), began[key] if began else target.image, key=key
        )
        changes.append(change)
        for edit in change.edits:
            edits.setdefault(edit.path, []).append(edit)
    _refuse_overlaps(changes)
    files = {
        path: (contents[path], manifest.apply(contents[path], file_edits))
        for path, file_edits in edits.items()
    }
    return Plan(tip, files, _message(changes, request) if files else "", tuple(changes))


def _edits(
    content: bytes, field: manifest.Field, image: ImageReference, target: Target, *, pin: bool
) -> tuple[manifest.Edit, ...]:
    """The edits of one field; FieldUnsafe names the way to move the others without it, where there are others."""
    try:
        return manifest.plan(content, field, image.tag, image.digest, pin=pin)
    except FieldUnsafe as error:
        safe = [use.container for use in target.images if not use.field.unsafe and use.field != field]
        if not safe or not all(safe):
            raise
        named = " ".join(f"--container {container}" for container in dict.fromkeys(safe))
        raise FieldUnsafe(error.message, hint=f"{error.hint}; or leave it as it is: {named}") from None


def land(
    request: Request,
    first: Plan,
    manifests: Mapping[str, ImageManifest],
    repository: Repository,
    writer: Writer,
    clock: Clock,
    progress: Progress,
    guards: Sequence[Guard] = (),
    amend: Amend = lambda planned, tree: planned,
) -> Landed:
    """Puts the plan on the branch, planning again after each lost race, up to the push deadline."""

    def again() -> Plan:
        return _replan(request, first, manifests, repository, guards, amend)

    def tell(current: Plan, text: str) -> None:
        for change in current.changes:
            progress.moving(change.site, "commit", text)

    landed = push.land(first, again, writer, request.branch, clock, request.deadlines.push_s, tell)
    for change in landed.plan.changes:
        progress.done(change.site, "commit", _landed(change, landed))
    return landed


def _replan(
    request: Request,
    first: Plan,
    manifests: Mapping[str, ImageManifest],
    repository: Repository,
    guards: Sequence[Guard],
    amend: Amend,
) -> Plan:
    tip = repository.fetch(request.branch)
    reading = Reading(repository.tree(tip))
    targets = find_targets(request, reading)
    # What the sites are called stays, whatever else has come into the tree.
    targets = {change.key: targets[change.key].with_label_of(change.target) for change in first.changes}
    began = {change.key: change.began for change in first.changes}
    planned = _proved(plan(request, tip, reading.tree, targets, manifests, began), reading)
    return amend(_admitted(planned, request, manifests, guards, first.proof), reading.tree)


def _proved(planned: Plan, reading: Reading) -> Plan:
    """The plan with what it changes in what Flux builds."""
    edits = [edit for change in planned.changes for edit in change.edits]
    after = {path: content for path, (_, content) in planned.files.items() if content is not None}
    uses = [use for change in planned.changes for use in change.target.images]
    sites = [change.target.site for change in planned.changes]
    proof = prove(reading, after, list(dict.fromkeys(edits)), uses, sites)
    return replace(
        planned, proof=proof, bystanders=approval.bystanders(proof, _aims(planned)) if proof.edits else ()
    )


def _aims(planned: Plan) -> list[Aim]:
    return [
        Aim(change.site, change.target.site, change.place, change.image, change.edits, change.key)
        for change in planned.changes
    ]


def _bystanding(planned: Plan) -> list[tuple[Change, str]]:
    """A change for each site that nobody named, so that its guards are asked too, with the site that it comes from."""
    by_key = {change.key: change for change in planned.changes}
    return [
        (_of_bystander(by_key[each.aim.key], replace(each.site, name=name)), each.aim.key)
        for each in planned.bystanders
        for name in dict.fromkeys((each.site.name, *adoption.site_names(each.site.document)))
    ]


def _of_bystander(cause: Change, site: Site) -> Change:
    return replace(cause, site=site.label, target=replace(cause.target, site=site), key="")


def _admitted(
    planned: Plan,
    request: Request,
    manifests: Mapping[str, ImageManifest],
    guards: Sequence[Guard],
    seen: Proof | None = None,
) -> Plan:
    """The plan with what the guards say of it; raises what they refuse. `seen` is what the plan was proved to be at first."""
    changes: list[Change] = []
    forced = [*approval.forced_by(planned.proof, _aims(planned), force=request.force)]
    for bystander, cause in _bystanding(planned):
        asked = [guard.admit(bystander, manifests[cause], planned.tip) for guard in guards]
        forced += [admission.forced for admission in asked if admission and admission.forced]
    written = [(change, manifests[change.key]) for change in planned.changes if change.edits]
    for guard in guards:
        guard.foresee(written)
    for change in planned.changes:
        asked = [guard.admit(change, manifests[change.key], planned.tip) for guard in guards if change.edits]
        admissions = [admission for admission in asked if admission]
        if (
            change.is_contested
            and change.edits
            and not any(admission.settles_race for admission in admissions)
        ):
            raise _lost_field(change)
        forced += [admission.forced for admission in admissions if admission.forced]
        order = next((admission.order for admission in admissions if admission.order), None)
        changes.append(
            replace(
                change,
                order=order,
                note="   ".join(admission.note for admission in admissions if admission.note),
            )
        )
    approval.require_expected(planned.proof, request.expected_plan, changes[0].place, seen)
    overridden = ", ".join(dict.fromkeys(forced))
    message = _message(changes, request, overridden, planned.proof.hash) if planned.files else ""
    return replace(planned, changes=tuple(changes), message=message)


def _lost_field(change: Change) -> Refused:
    return Refused(
        f"{change.place}: another push set {change.site} to {change.target.image.tag} while {change.image.tag} was being "
        f"committed over {change.began.tag}",
        hint=f"look which of the two is newer; to deploy {change.image.tag} all the same, run the command again",
    )


def _refuse_overlaps(changes: list[Change]) -> None:
    """Several sites may share a field, as those of a base do, where all of them want the same there."""
    seen: dict[tuple[str, int], tuple[Change, manifest.Edit]] = {}
    for change in changes:
        for edit in change.edits:
            other, wanted = seen.setdefault((edit.path, edit.start), (change, edit))
            if wanted != edit:
                raise FieldAmbiguous(
                    f"{change.place}: {other.site} and {change.site} share this field, and are to get {other.image.tag} and "
                    f"{change.image.tag}",
                    hint="give both the same tag, or each its own by an images: entry in its own kustomization.yaml",
                )


def _message(changes: Sequence[Change], request: Request, forced: str = "", plan_hash: str = "") -> str:
    taken_back = {wanted.key: wanted.rollback_of for wanted in request.wanted}
    deploys = [
        Deploy(
            change.target.site.name,
            _files(change),
            _left(change),
            change.image,
            change.target.site.identity,
            taken_back[change.key],
        )
        for change in changes
        if change.edits
    ]
    return compose(
        deploys,
        request.origin,
        request.reason,
        forced=forced,
        plan=plan_hash,
    )


def _files(change: Change) -> str:
    """The files that change, as far as a sentence takes them."""
    return listed(list(dict.fromkeys(edit.path for edit in change.edits)), _MOST_NAMED)


def _left(change: Change) -> ImageReference:
    """The image that is left: the leading one may be there already, where containers were chosen that lag behind it."""
    images = [field.image for field in change.target.fields]
    left = next((image for image in images if image.tag != change.image.tag), change.target.image)
    return replace(left, repository=change.target.repository)


def _landed(change: Change, landed: Landed) -> str:
    if not change.edits:
        return f"nothing to write: {change.target.places} already holds {change.image.tag}"
    tries = f"   {landed.attempts} tries" if landed.attempts > 1 else ""
    note = f"   {change.note}" if change.note else ""
    return f"{landed.revision.short}   {change.target.places}{note}{tries}"
