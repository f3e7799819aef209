"""Going back to what worked: where to, what is asked for and committed with it, and what may refuse it.

Law: by itself a rollback goes to a version that is known to have been Ready, and says so where nothing is known. The tag and a hold
that keeps the rejected version off go into one commit, so that no automatic bump comes in between. A version that was rejected before
stays rejected: taking back a rollback leaves its hold as it is.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from bumper.build_order import commit_in, commit_of
from bumper.dataclasses import dataclass, replace
from bumper.deploy.hold import annotations
from bumper.deploy.hold.annotations import Hold
from bumper.deploy.hold.change import whose
from bumper.deploy.hold_guard import HELD
from bumper.deploy.pipeline import Admission, Change, Guard, GuardedRequest, Plan
from bumper.errors import BumpError, Outcome, Refused
from bumper.fluxtree.layers import Reading
from bumper.fluxtree.sites.choose import find_targets
from bumper.fluxtree.sites.deploys import of_target
from bumper.fluxtree.sites.find import Target
from bumper.history.past import last_ready
from bumper.history.trailers import one_line
from bumper.image import ImageManifest, ImageReference, is_tag
from bumper.ports.deadline import until
from bumper.ports.git import History, Repository, Tree
from bumper.ports.registry import Registry
from bumper.ports.run import Clock, Progress
from bumper.record import Recorded
from bumper.request import Choice, Request, site_options
from bumper.retry import answered
from bumper.rollout.verdict import Verdict

_TAKEN_BACK = "taken back"
_BAD = (Outcome.FAILED.value, _TAKEN_BACK)
# An annotation must not grow with what a person pastes.
_LONGEST = 500
# A cause may quote a pod's last words; the commit and the hold need no more of it.
_LONGEST_CAUSE = 300
# How many earlier deploys a refusal lists.
_LISTED = 5


@dataclass(frozen=True)
class Rollback:
    """A site's way back from the image `left` to `tag`; `site` is its label.

    `deploy` is the record of `left`, `earlier` that of `tag`; None where the history holds none. `notice` is what should be known of
    the choice, empty for a version that was Ready. `label` is what the image `left` says of its commit, where its tag does not.
    """

    site: str
    left: ImageReference
    tag: str
    deploy: Recorded | None = None
    earlier: Recorded | None = None
    notice: str = ""
    label: str = ""

    def taken_back(self, tip: str) -> str:
        """The commit that deployed what is left; the tip where nothing recorded it."""
        return self.deploy.record.commit if self.deploy else tip

    @property
    def is_of_a_rollback(self) -> bool:
        return bool(self.deploy and self.deploy.record.rollback_of)

    @property
    def rejected(self) -> str:
        """The commit of what is left, as long as it is known, or else its tag."""
        commit = commit_of(self.left.tag, self.label)
        source = self.deploy.record.origin.source_commit if self.deploy else ""
        if commit and source.startswith(commit):
            return source
        return commit or self.left.tag or self.left.digest


def way_back(
    site: str,
    place: str,
    left: ImageReference,
    deploys: Sequence[Recorded],
    to: str = "",
    *,
    only_ready: bool = False,
    ran: str = "",
    command: str = "",
) -> Rollback:
    """Where the site goes back to: `to`, or its last deploy that was Ready, or the version before where nobody looked how that ended.

    `deploys` are the site's own, newest first. With `only_ready` it must have been Ready, or have been found running: `ran`, before
    this deploy, or as one of `deploys` says that replaced it. Refused names what there is, and the `command` that goes there.
    """
    deploy = _deploy_of(left.tag, deploys)
    if to:
        if to == left.tag:
            raise Refused(f"{place}: {site} is at {to} already", hint="name an earlier tag")
        earlier = _deploy_of(to, deploys)
        return Rollback(site, left, to, deploy, earlier, _how_it_ended(to, earlier))
    ready = last_ready(deploys, left.tag)
    if ready:
        return Rollback(site, left, ready.record.tag, deploy, ready)
    before = deploy.record.previous if deploy and is_tag(deploy.record.previous) else ""
    running = ran if before == ran else _found_running(left.tag, deploys)
    if only_ready or running:
        before = running
    earlier = _deploy_of(before, deploys)
    if before and _ended(before, deploys) not in _BAD:
        notice = "" if before == running else _how_it_ended(before, earlier)
        return Rollback(site, left, before, deploy, earlier, notice)
    ends = {tag: _ended(tag, deploys) for tag in _tags(deploys, left.tag)}
    listed = ", ".join(f"{tag} ({end})" for tag, end in list(ends.items())[:_LISTED])
    best = next((tag for tag, end in ends.items() if end not in _BAD), "TAG")
    raise Refused(
        f"{place}: no earlier deploy of {site} is known to have been Ready"
        + (f"; before {left.tag} there were {listed}" if listed else "; no earlier deploy is recorded"),
        hint=f"name one: {command or f'bump rollback --site {site}'} --to {best}",
    )


@dataclass(frozen=True)
class Rollbacks:
    """What a rollback asks for: of `bump rollback`, and of a deploy that failed with `--auto-rollback`. `now` is in UTC."""

    repository: Repository
    history: History
    registry: Registry
    clock: Clock
    progress: Progress
    now: Callable[[], datetime]

    def named(self, asked: Request, to: str) -> GuardedRequest:
        """The rollback of the sites of `asked` to the tag `to`, empty for what worked last of each; Refused where nothing has."""

        def look() -> tuple[str, dict[str, tuple[Target, Sequence[Recorded]]]]:
            tip = self.repository.fetch(asked.branch)
            tree = self.repository.tree(tip)
            targets = find_targets(asked, Reading(tree))
            return tip, {
                key: (target, of_target(self.history.all(), target, tree)) for key, target in targets.items()
            }

        tip, known = answered(look, self.clock, asked.deadlines.push_s)
        ways = {
            key: way_back(
                target.site.label,
                target.place,
                target.image,
                deploys,
                to,
                command=_command(target, asked.choice),
            )
            for key, (target, deploys) in known.items()
        }
        return self._guarded(asked, {key: self._labelled(way) for key, way in ways.items()}, tip)

    def after_failure(
        self, asked: Request, failed: Sequence[tuple[Change, Verdict]], running: Mapping[str, str]
    ) -> GuardedRequest:
        """The rollback of everything that failed and has been Ready before, in one commit; Refused where nothing has.

        `running` are the tags that were found running before the push, by site: of a first deploy nothing else is recorded.
        """
        with until(self.clock, self.clock.now() + asked.deadlines.push_s):
            tip = self.repository.fetch(asked.branch)
            tree = self.repository.tree(tip)
            ways = self._ways_to_ready([change for change, _ in failed], tree, running, asked.choice)
        causes = [(change.site, verdict.message) for change, verdict in failed if change.key in ways]
        several = len(causes) > 1
        cause = "; ".join(f"{site}: {message}" if several else message for site, message in causes)
        labelled = {key: self._labelled(way) for key, way in ways.items()}
        # What was agreed to was the deploy.
        automatic = replace(asked, reason=_shortened(f"automatic: {cause}"), expected_plan="")
        return self._guarded(automatic, labelled, tip)

    def _ways_to_ready(
        self, changes: Sequence[Change], tree: Tree, running: Mapping[str, str], choice: Choice
    ) -> dict[str, Rollback]:
        ways: dict[str, Rollback] = {}
        refusals: list[Refused] = []
        for change in changes:
            try:
                deploys = of_target(self.history.all(), change.target, tree)
                ways[change.key] = way_back(
                    change.site,
                    change.place,
                    change.image,
                    deploys,
                    only_ready=True,
                    ran=running.get(change.site, ""),
                    command=_command(change.target, choice),
                )
            except Refused as refusal:
                refusals.append(refusal)
                self.progress.notice(f"{change.site}: not rolled back: {refusal.message}")
        if not ways:
            raise refusals[0]
        return ways

    def _guarded(self, asked: Request, ways: Mapping[str, Rollback], tip: str) -> GuardedRequest:
        for way in ways.values():
            if way.notice:
                self.progress.notice(f"{way.site}: {way.notice}")
        wanted = [
            replace(site, version=way.tag, is_commit=False, rollback_of=way.taken_back(tip))
            for site in asked.wanted
            if site.key in ways
            for way in (ways[site.key],)
        ]
        request = replace(
            asked,
            wanted=tuple(wanted),
            origin=replace(asked.origin, source_commit=_source_commit(ways)),
            platforms=(),
            pin=False,
        )
        guard = RollbackGuard(ways, self.progress, self.now, asked.force)
        return GuardedRequest(
            request, [guard], Rejection(ways, asked.origin.requested_by, asked.reason, self.now)
        )

    def _labelled(self, way: Rollback) -> Rollback:
        """With what the image that is left says of its commit, where its tag says nothing."""
        if commit_in(way.left.tag):
            return way
        try:
            return replace(way, label=self.registry.resolve(way.left).revision)
        except BumpError:  # it may be gone: then its tag is what is rejected
            return way


@dataclass(frozen=True)
class Rejection:
    """The hold that a rollback leaves, `reason` being that of its commit: a `pipeline.Amend`."""

    ways: Mapping[str, Rollback]
    by: str
    reason: str
    now: Callable[[], datetime]

    def __call__(self, planned: Plan, tree: Tree) -> Plan:
        """The plan with the hold of each site that it changes and a file of the repository holds, on the tree it was made on."""
        files = dict(planned.files)
        for change in planned.changes:
            site = change.target.site
            path = site.document.path
            hold = self._hold(change) if change.edits and not site.known_by else None
            if hold is None:
                continue
            before = files.get(path) or (tree.read([path])[path],) * 2
            after = annotations.apply(
                before[1] or b"", site.document, hold, whose(tree, site, change.target.repository)
            )
            files[path] = before[0], after
        return replace(planned, files=files)

    def _hold(self, change: Change) -> Hold | None:
        """None where the hold that stands there must stay."""
        way, standing = self.ways[change.key], annotations.counting(change.target.site, self.now())
        if _is_kept(standing, way, self.now()):
            return None
        change_made = f"{way.left.tag} was rolled back to {way.tag}"
        return Hold(
            reason=_harmless(f"{self.reason[:_LONGEST]} ({change_made})" if self.reason else change_made),
            by=_harmless(self.by),
            since=self.now(),
            rejected=way.rejected,
        )


@dataclass
class RollbackGuard(Guard):
    """Refuses a rollback of a site that somebody holds, unless by `force`. A version that was rejected holds nobody back here.

    It does not ask for the order: to go to an older version is what a rollback is for.
    """

    ways: Mapping[str, Rollback]
    progress: Progress
    now: Callable[[], datetime]
    force: bool = False

    def admit(self, change: Change, held: ImageManifest, tip: str) -> Admission | None:
        way = self.ways.get(change.key)
        return self._admit(change, way, held) if way else self._admit_bystander(change)

    def _admit_bystander(self, change: Change) -> Admission | None:
        """Of a site that nobody named, and that the rollback changes all the same: whoever holds it is asked."""
        hold = annotations.counting(change.target.site, self.now())
        if hold is None or not hold.holds_at(self.now()):
            return None
        if not self.force:
            raise _held(change, hold)
        return Admission(HELD, "held, forced")

    def _admit(self, change: Change, way: Rollback, held: ImageManifest) -> Admission | None:
        left = way.left.tag
        if change.target.image.tag != left:
            raise Refused(
                f"{change.place}: another push set {change.site} to {change.target.image.tag} while {left} was being rolled back",
                hint="look whether it is better; if not, run the command again",
            )
        self._tell_moved(change, held)
        hold = annotations.counting(change.target.site, self.now())
        if hold is None or not _is_kept(hold, way, self.now()):
            return Admission(note=f"{left} is rejected")
        if hold.rejected:
            return Admission(note=f"{_short(hold.rejected)} stays rejected")
        if not self.force:
            raise _held(change, hold)
        self.progress.notice(f"{change.site}: {hold.place}: this hold stays: {hold}")
        return Admission(HELD, "held, forced")

    def _tell_moved(self, change: Change, held: ImageManifest) -> None:
        earlier = self.ways[change.key].earlier
        digest = earlier.record.digest if earlier else ""
        if digest and held.image.digest and digest != held.image.digest:
            self.progress.notice(
                f"{change.site}: the tag {change.image.tag} was moved since it was deployed: it was {digest}, the registry has "
                f"{held.image.digest}"
            )


def _held(change: Change, hold: Hold) -> Refused:
    site = change.target.site
    return Refused(
        f"{hold.place}: {change.site} is not to be changed: {hold}",
        hint=f"bump release {site_options(site.name, site.named)}; or to roll back all the same: --force --reason TEXT",
    )


def _command(target: Target, choice: Choice) -> str:
    """The command that rolls a site back, as the user named it."""
    return f"bump rollback {choice.site_options(target.site.name, target.site.named)}"


def _source_commit(ways: Mapping[str, Rollback]) -> str:
    """The commit that the sites go back to: not the one whose workflow runs."""
    commits = {way.earlier.record.origin.source_commit if way.earlier else "" for way in ways.values()}
    return commits.pop() if len(commits) == 1 else ""


def _shortened(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= _LONGEST_CAUSE else f"{line[: _LONGEST_CAUSE - 1]}…"


def _is_kept(hold: Hold | None, way: Rollback, now: datetime) -> bool:
    """Whether the hold that stands there stays: a person's own, and the first one's where a rollback is taken back."""
    return hold is not None and hold.holds_at(now) and (not hold.rejected or way.is_of_a_rollback)


def _deploy_of(tag: str, deploys: Sequence[Recorded]) -> Recorded | None:
    """The newest deploy of the tag; None where none is recorded."""
    return next((deploy for deploy in deploys if deploy.record.tag == tag), None)


def _found_running(left: str, deploys: Sequence[Recorded]) -> str:
    """The newest tag that a deploy found running when it replaced it, and that did not end badly; empty where none did."""
    start = next((number for number, deploy in enumerate(deploys) if deploy.record.tag == left), len(deploys))
    tags = [deploy.record.previous for deploy in deploys[start:] if deploy.found_running]
    return next((tag for tag in tags if tag != left and _ended(tag, deploys) not in _BAD), "")


def _tags(deploys: Sequence[Recorded], left: str) -> Iterator[str]:
    """The earlier tags, newest first, and at the end what was there before the first deploy that is recorded."""
    yield from (deploy.record.tag for deploy in deploys if deploy.record.tag != left)
    if deploys and deploys[-1].record.previous not in ("", left):
        yield deploys[-1].record.previous


def _short(version: str) -> str:
    return version[:7] if commit_in(version) == version else version


def _harmless(text: str) -> str:
    # Flux takes it for a variable where postBuild names any.
    return text.replace("${", "$ {")


def _ended(tag: str, deploys: Sequence[Recorded]) -> str:
    """How the tag's last deploy ended, in a word or two."""
    deploy = _deploy_of(tag, deploys)
    if deploy and any(later.record.rollback_of == deploy.record.commit for later in deploys):
        return _TAKEN_BACK
    return deploy.ending.outcome if deploy and deploy.ending else "not known"


def _how_it_ended(tag: str, deploy: Recorded | None) -> str:
    if deploy is None:
        return f"no deploy of {tag} is recorded, so that it is not known whether it was Ready"
    if deploy.is_ready:
        return ""
    if deploy.ending is None:
        return f"nobody followed the deploy of {tag}, so that it is not known whether it was Ready"
    return f"the deploy of {tag} was not Ready: {deploy.ending.outcome}"
