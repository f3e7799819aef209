"""The straight pipe up to the revision: request → edit → commit → revision. `follow` goes on from there.

Git and the registry are the Protocols of `systems`, which `cli` fills: nothing here knows a system. Both loops (waiting for an image
in `gate`, winning the race for the branch here) end at a deadline of their own on the clock handed in.

The laws of the race: a lost push is neither merged nor rebased, the edit is planned again on the new tip. If the winner already
wrote our image there is nothing left to write; if it wrote another one into our field, we stop and name both. About one writer in
each round wins, so the number of tries must grow with the writers: the loop ends at a deadline, never at a count.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bumper import gate, history, manifest, platform
from bumper.admission import Nodes
from bumper.attempts import attempts
from bumper.errors import Contention, FieldAmbiguous, LostRace, Refused, Transient
from bumper.image import ImageReference, Manifest
from bumper.request import Choice, Request
from bumper.revision import Revision
from bumper.systems import Clock, Progress, Registry, Repository
from bumper.tree import Tree


@dataclass(frozen=True)
class Change:
    """One site's part of a commit. `edits` is empty where the branch already holds the image."""

    site: str
    target: platform.Target
    image: ImageReference
    edits: tuple[manifest.Edit, ...]

    @property
    def place(self) -> str:
        """`k8s/web/deployment.yaml:21`."""
        return f"{self.target.field.path}:{self.target.field.span.line}"


@dataclass(frozen=True)
class Plan:
    """All edits on one tip. `files` holds the bytes before and after of each file that changes."""

    tip: str
    changes: tuple[Change, ...]
    files: Mapping[str, tuple[bytes, bytes]]

    def diff(self) -> str:
        """The unified diff of all files, as `git diff` would show it but for the index lines."""
        return "".join(
            manifest.splice.diff(path, before, after) for path, (before, after) in self.files.items()
        )


@dataclass(frozen=True)
class Landed:
    """The plan as it stands on the branch. `revision` is our commit, or the tip where nothing had to be written."""

    plan: Plan
    revision: Revision
    attempts: int


def prepare(
    request: Request,
    repository: Repository,
    registry: Registry,
    clock: Clock,
    progress: Progress,
    nodes: Callable[[], Sequence[Nodes]] = tuple,
) -> tuple[Plan, dict[str, Manifest]]:
    """What would be committed on the branch as it stands, and the manifests that the registry holds. Writes nothing.

    `nodes` tells what the clusters run on, where no platform was asked for; it is called when the first image is there.
    """
    deadline_s = clock.now() + request.deadlines.push_s
    for attempt in attempts(clock, deadline_s, (Transient,), max_wait_s=3.0):
        with attempt:
            tip = repository.fetch(request.branch)
            tree = repository.tree(tip)
            targets = find_targets(request, tree)
    for wanted in request.wanted:
        progress.begin(wanted.site, targets[wanted.site].image.tag, wanted.version)
    manifests = gate.resolve(request, targets, registry, clock, progress, nodes)
    gate.tell_moved_tags(tip, targets, manifests, repository, progress)
    return plan(tip, tree, targets, manifests, pin=request.pin), manifests


def find_targets(request: Request, tree: Tree) -> dict[str, platform.Target]:
    """Where each site's image stands in `tree`, in the order asked for."""
    return {wanted.site: find_target(wanted.site, request.choice, tree) for wanted in request.wanted}


def find_target(site: str, choice: Choice, tree: Tree) -> platform.Target:
    """Where one site's image stands in `tree`."""
    return platform.find(
        tree, site, kustomization=choice.kustomization, image=choice.image, container=choice.container
    )


def plan(
    tip: str,
    tree: Tree,
    targets: Mapping[str, platform.Target],
    manifests: Mapping[str, Manifest],
    *,
    pin: bool = False,
) -> Plan:
    """The edits that bring every site to its image, each proved on the bytes of `tree`; with `pin` also to its digest."""
    contents = tree.read({target.field.path for target in targets.values()})
    changes = []
    edits: dict[str, list[manifest.Edit]] = {}
    for site, target in targets.items():
        image = manifests[site].image
        path = target.field.path
        change = Change(
            site,
            target,
            image,
            manifest.plan(contents[path], target.field, image.tag, image.digest, pin=pin),
        )
        changes.append(change)
        edits.setdefault(path, []).extend(change.edits)
    _refuse_overlaps(changes)
    files = {
        path: (contents[path], manifest.apply(contents[path], found))
        for path, found in edits.items()
        if found
    }
    return Plan(tip, tuple(changes), files)


def land(
    request: Request,
    first: Plan,
    manifests: Mapping[str, Manifest],
    repository: Repository,
    clock: Clock,
    progress: Progress,
) -> Landed:
    """Puts the plan on the branch, planning again after each lost race, up to the push deadline."""
    deadline_s = clock.now() + request.deadlines.push_s
    current = first
    tries = 0
    try:
        for attempt in attempts(clock, deadline_s, (LostRace, Transient), max_wait_s=3.0):
            with attempt:
                tries += 1
                if tries > 1:
                    current = _replan(request, first, manifests, repository)
                for change in current.changes:
                    progress.moving(change.site, "commit", _pushing(request.branch, tries))
                landed = Landed(current, _push(request, current, repository), tries)
    except LostRace as error:
        raise Contention(
            f"{request.branch}: lost {tries} races in {request.deadlines.push_s:.0f} s against other pushes; nothing was written",
            hint="start it again, or allow more time with --push-timeout",
        ) from error
    for change in current.changes:
        progress.done(change.site, "commit", _landed(change, landed))
    return landed


def _push(request: Request, current: Plan, repository: Repository) -> Revision:
    if not current.files:
        return Revision(request.branch, current.tip)
    after = {path: content for path, (_, content) in current.files.items()}
    return repository.push(repository.commit(current.tip, after, _message(current, request)), request.branch)


def _replan(request: Request, first: Plan, manifests: Mapping[str, Manifest], repository: Repository) -> Plan:
    tip = repository.fetch(request.branch)
    tree = repository.tree(tip)
    targets = find_targets(request, tree)
    for before in first.changes:
        now = targets[before.site]
        here = now.image
        if here.tag not in (before.target.image.tag, before.image.tag):
            raise Refused(
                f"{now.field.path}:{now.field.span.line}: another push set {before.site} to {here.tag} while "
                f"{before.image.tag} was being committed over {before.target.image.tag}",
                hint=f"look which of the two is newer; to deploy {before.image.tag} all the same, run the command again",
            )
    return plan(tip, tree, targets, manifests, pin=request.pin)


def _refuse_overlaps(changes: list[Change]) -> None:
    seen: dict[tuple[str, int], Change] = {}
    for change in changes:
        for edit in change.edits:
            other = seen.setdefault((edit.path, edit.start), change)
            if other.site != change.site:
                raise FieldAmbiguous(
                    f"{change.place}: {other.site} and {change.site} would both change this field",
                    hint="name one of the two, or set --container",
                )


def _message(plan: Plan, request: Request) -> str:
    deploys = [
        history.Deploy(change.site, change.target.field.path, change.target.image, change.image)
        for change in plan.changes
        if change.edits
    ]
    return history.compose(deploys, request.origin, request.reason)


def _pushing(branch: str, tries: int) -> str:
    return f"pushing to {branch}" + (f", try {tries}: other pushes came first" if tries > 1 else "")


def _landed(change: Change, landed: Landed) -> str:
    if not change.edits:
        return f"nothing to write: {change.place} already holds {change.image.tag}"
    tries = f"   {landed.attempts} tries" if landed.attempts > 1 else ""
    return f"{landed.revision.short}   {change.place}{tries}"
