"""The straight pipe up to the revision: request → edit → commit → revision. `follow` goes on from there.

Git and the registry are the Protocols below, which `cli` fills: nothing here knows a system. Both loops (waiting for an image,
winning the race for the branch) end at a deadline of their own on the clock handed in.

The laws of the race: a lost push is neither merged nor rebased, the edit is planned again on the new tip. If the winner already
wrote our image there is nothing left to write; if it wrote another one into our field, we stop and name both. About one writer in
each round wins, so the number of tries must grow with the writers: the loop ends at a deadline, never at a count.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from bumper import history, manifest, platform
from bumper.errors import Contention, FieldAmbiguous, ImageMissing, LostRace, Refused, Transient
from bumper.image import ImageReference, Manifest
from bumper.revision import Revision
from bumper.tree import Tree


class Clock(Protocol):
    """Monotonic seconds, and waiting."""

    def now(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


class Repository(Protocol):
    """The platform repository; `git.Remote` is the real one."""

    def fetch(self, branch: str) -> str: ...
    def tree(self, commit: str) -> Tree: ...
    def commit(self, parent: str, changes: Mapping[str, bytes], message: str) -> str: ...
    def push(self, commit: str, branch: str) -> Revision: ...
    def contains(self, descendant: str, ancestor: str) -> bool | None: ...
    def subject(self, commit: str) -> str: ...
    def author(self, commit: str) -> str: ...


class Registry(Protocol):
    """Where the images are; `registry.Registry` is the real one."""

    def resolve(self, image: ImageReference) -> Manifest: ...
    def tag_for(self, repository: ImageReference, sha: str) -> Manifest: ...


class Progress(Protocol):
    """Hears of each stage of each site while it happens; `terminal.Terminal` is the real one."""

    def begin(self, site: str, previous: str, wanted: str) -> None: ...
    def moving(self, site: str, stage: str, detail: str) -> None: ...
    def done(self, site: str, stage: str, detail: str) -> None: ...
    def failed(self, site: str, stage: str, detail: str) -> None: ...
    def notice(self, text: str) -> None: ...


@dataclass(frozen=True)
class Wanted:
    """What one site shall run. `version` is a tag, or with `is_commit` 40 hex digits whose tag the registry must tell."""

    site: str
    version: str
    is_commit: bool = False


@dataclass(frozen=True)
class Choice:
    """The user's own words where convention leaves a choice; empty means convention."""

    image: str = ""
    kustomization: str = ""
    container: str = ""


@dataclass(frozen=True)
class Deadlines:
    """Seconds for each of the three waits; they do not share a budget."""

    image_s: float = 20.0
    push_s: float = 120.0
    rollout_s: float = 600.0


@dataclass(frozen=True)
class Request:
    """Everything a run was asked for."""

    wanted: tuple[Wanted, ...]
    branch: str
    choice: Choice = field(default_factory=Choice)
    deadlines: Deadlines = field(default_factory=Deadlines)
    origin: history.Origin = field(default_factory=history.Origin)
    reason: str = ""


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
        return "".join(manifest.splice.diff(path, before, after) for path, (before, after) in self.files.items())


@dataclass(frozen=True)
class Landed:
    """The plan as it stands on the branch. `revision` is our commit, or the tip where nothing had to be written."""

    plan: Plan
    revision: Revision
    attempts: int


def prepare(
    request: Request, repository: Repository, registry: Registry, clock: Clock, progress: Progress
) -> tuple[Plan, dict[str, Manifest]]:
    """What would be committed on the branch as it stands, and the manifests that the registry holds. Writes nothing."""
    tip = repository.fetch(request.branch)
    tree = repository.tree(tip)
    targets = find_targets(request, tree)
    for wanted in request.wanted:
        progress.begin(wanted.site, targets[wanted.site].image.tag, wanted.version)
    manifests = resolve_images(request, targets, registry, clock, progress)
    return plan(tip, tree, targets, manifests), manifests


def find_targets(request: Request, tree: Tree) -> dict[str, platform.Target]:
    """Where each site's image stands in `tree`, in the order asked for."""
    return {wanted.site: find_target(wanted.site, request.choice, tree) for wanted in request.wanted}


def find_target(site: str, choice: Choice, tree: Tree) -> platform.Target:
    """Where one site's image stands in `tree`."""
    return platform.find(
        tree, site, kustomization=choice.kustomization, image=choice.image, container=choice.container
    )


def resolve_images(
    request: Request,
    targets: Mapping[str, platform.Target],
    registry: Registry,
    clock: Clock,
    progress: Progress,
) -> dict[str, Manifest]:
    """The manifest that the registry holds for each site, waiting up to the deadline for one that is still being pushed."""
    deadline_s = clock.now() + request.deadlines.image_s
    manifests = {}
    for wanted in request.wanted:
        repository = targets[wanted.site].image
        progress.moving(wanted.site, "image", f"asking {repository.registry}")
        for attempt in _attempts(clock, deadline_s, (ImageMissing, Transient), max_wait_s=3.0):
            with attempt, _telling(progress, wanted.site, "image"):
                manifests[wanted.site] = (
                    registry.tag_for(repository, wanted.version)
                    if wanted.is_commit
                    else registry.resolve(repository.with_tag(wanted.version))
                )
        progress.done(wanted.site, "image", _found(manifests[wanted.site]))
    return manifests


def plan(
    tip: str, tree: Tree, targets: Mapping[str, platform.Target], manifests: Mapping[str, Manifest]
) -> Plan:
    """The edits that bring every site to its image, each proved on the bytes of `tree`."""
    contents = tree.read({target.field.path for target in targets.values()})
    changes = []
    edits: dict[str, list[manifest.Edit]] = {}
    for site, target in targets.items():
        image = manifests[site].image
        path = target.field.path
        change = Change(
            site, target, image, manifest.plan(contents[path], target.field, image.tag, image.digest)
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
    attempts = 0
    try:
        for attempt in _attempts(clock, deadline_s, (LostRace, Transient), max_wait_s=3.0):
            with attempt:
                attempts += 1
                if attempts > 1:
                    current = _replan(request, first, manifests, repository)
                for change in current.changes:
                    progress.moving(change.site, "commit", _pushing(request.branch, attempts))
                landed = Landed(current, _push(request, current, repository), attempts)
    except LostRace as error:
        raise Contention(
            f"{request.branch}: lost {attempts} races in {request.deadlines.push_s:.0f} s against other pushes; nothing was written",
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
    return plan(tip, tree, targets, manifests)


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


def _found(found: Manifest) -> str:
    digest = f"{found.image.digest[:14]}…" if found.image.digest else ""
    return "   ".join(
        filter(None, [str(found.image.with_tag(found.image.tag)), digest, " ".join(found.platforms[:3])])
    )


def _pushing(branch: str, attempts: int) -> str:
    return f"pushing to {branch}" + (f", try {attempts}: other pushes came first" if attempts > 1 else "")


def _landed(change: Change, landed: Landed) -> str:
    if not change.edits:
        return f"nothing to write: {change.place} already holds {change.image.tag}"
    tries = f"   {landed.attempts} tries" if landed.attempts > 1 else ""
    return f"{landed.revision.short}   {change.place}{tries}"


def _attempts(
    clock: Clock, deadline_s: float, retried: tuple[type[Exception], ...], max_wait_s: float
) -> Retrying:
    """Tries with full jitter up to the deadline; a server's own Retry-After is respected."""
    jitter = wait_random_exponential(multiplier=0.1, max=max_wait_s)

    def wait_s(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked_s = error.retry_after_s if isinstance(error, Transient) else None
        return max(jitter(state), asked_s or 0.0)

    return Retrying(
        retry=retry_if_exception_type(retried),
        wait=wait_s,
        stop=lambda state: clock.now() + state.upcoming_sleep >= deadline_s,
        sleep=clock.sleep,
        reraise=True,
    )


@contextmanager
def _telling(progress: Progress, site: str, stage: str) -> Iterator[None]:
    try:
        yield
    except (ImageMissing, Transient) as error:
        progress.moving(site, stage, f"{error.message}; looking again")
        raise
