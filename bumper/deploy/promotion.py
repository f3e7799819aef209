"""Bringing to one environment exactly what another one is known to run well.

Law: promoted is the digest that the record says was Ready there, and nothing else: what git wants there now, whose newest verdict that
is, that was not rejected, for long enough, and that still runs. What is missing is said, all of it. The registry must still hold that
digest under the tag. All of it is asked again on each tip that the push compares with.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain, takewhile

from bumper.build_order import commit_in, is_same_commit
from bumper.dataclasses import dataclass, field, replace
from bumper.deploy.hold import annotations
from bumper.deploy.pipeline import Admission, Change, Guard
from bumper.errors import (
    BumpError,
    FieldAmbiguous,
    FieldMissing,
    Outcome,
    Refused,
    SiteMissing,
    did_you_mean,
)
from bumper.fluxtree.discovery import Site
from bumper.fluxtree.sites import adoption, find
from bumper.fluxtree.sites.deploys import of_target
from bumper.fluxtree.sites.find import Target
from bumper.fluxtree.sites.selection import listed
from bumper.fluxtree.sites.traits import environments
from bumper.image import ImageManifest
from bumper.ports.git import CommitRange, Tree
from bumper.record import GOOD, Recorded
from bumper.request import Choice, Wanted
from bumper.style import shown_time

# So many of the commits that come along are named.
MOST_COMMITS = 20


@dataclass(frozen=True)
class Criteria:
    """What a build must have shown: Ready for `soak`, and with `serves` that visitors got it.

    `most_behind` is how many commits may come at once; None for any number.
    """

    soak: timedelta = timedelta()
    serves: bool = False
    most_behind: int | None = None


@dataclass(frozen=True)
class Candidate:
    """What a site runs in the environment that it comes from: where it stands there, and its deploys, the newest first.

    `why_not_running` is what a cluster says against it; empty where it runs, or where none was asked. `running` are the digests that
    the nodes report there, as far as they do.
    """

    environment: str
    target: Target
    deploys: Sequence[Recorded]
    why_not_running: str = ""
    running: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        """`web in staging`."""
        return (
            f"{self.target.site.name} in {self.environment}" if self.environment else self.target.site.label
        )

    def promoted(self, criteria: Criteria, now: datetime) -> Recorded:
        """The deploy whose image is promoted; Refused with all that is missing."""
        problems = list(self._problems(criteria, now))
        if problems:
            tag = self.target.image.tag or "what is there"
            raise Refused(
                f"{self.target.place}: {self.label}: {tag} is not promoted: {'; '.join(problems)}",
                hint="wait until it is there and run it again; or deploy it by hand: bump --site SITE --tag TAG",
            )
        return self.deploys[0]

    def _problems(self, criteria: Criteria, now: datetime) -> Iterator[str]:
        tag = self.target.image.tag
        newest = next(iter(self.deploys), None)
        if newest is None:
            yield "no deploy of it is recorded there"
            return
        record = newest.record
        if record.tag != tag:
            yield (
                f"git wants {tag or 'no tag'} there, and the newest deploy that is recorded is of {record.tag} "
                f"({record.commit[:7]})"
            )
            return
        pinned = self.target.image.digest
        if not record.digest:
            yield f"its record ({record.commit[:7]}) names no digest"
        elif pinned not in ("", record.digest):
            yield f"git wants {pinned} there, and its record ({record.commit[:7]}) names {record.digest}"
        yield from _verdict_problems(newest, criteria, now)
        for hold in annotations.of_site(self.target.site):
            if hold.rejected and _is_of(hold.rejected, newest):
                yield f"{hold.place}: it was rejected there ({hold})"
        if self.why_not_running:
            yield self.why_not_running


def _verdict_problems(deploy: Recorded, criteria: Criteria, now: datetime) -> Iterator[str]:
    ending = deploy.ending
    if ending is None:
        yield f"nobody noted how its deploy ended ({deploy.record.commit[:7]})"
        return
    if ending.outcome not in GOOD:
        yield f"its newest verdict is {ending.outcome} ({ending.reason}) of {shown_time(ending.at)}"
        return
    if criteria.serves and not _was_served(deploy):
        yield f"it is noted as {ending.outcome}, not as serving: nobody asked whether visitors get it"
    since = deploy.ready_at
    if since and now - since < criteria.soak:
        yield (
            f"Ready there since {shown_time(since)}, for {_length(now - since)} of {_length(criteria.soak)}: "
            f"old enough at {shown_time(since + criteria.soak)}"
        )


def _was_served(deploy: Recorded) -> bool:
    """Whether visitors got it, since it failed last."""
    since_failure = takewhile(lambda ending: ending.outcome in GOOD, reversed(deploy.endings))
    return any(ending.outcome == Outcome.SERVING for ending in since_failure)


def _is_of(rejected: str, deploy: Recorded) -> bool:
    record = deploy.record
    known = (commit_in(record.tag), record.origin.source_commit)
    return rejected == record.tag or any(
        is_same_commit(commit_in(rejected), commit) for commit in known if commit
    )


def _length(time: timedelta) -> str:
    minutes = int(time.total_seconds() // 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"


def site_in(tree: Tree, name: str, environment: str) -> Site:
    """The Kustomization of the site `name` in an environment, by `traits.environments`; with none the one that the name leads to.

    SiteMissing where there is none, FieldAmbiguous where there are several.
    """
    if not environment:
        try:
            return find.find_site(tree, name)
        except (SiteMissing, FieldAmbiguous) as error:
            error.hint = "say in which environment it is meant: --from ENV, --to ENV"
            raise
    known = [(site, environments(site)) for site in find.sites(tree)]
    called = [(site, where) for site, where in known if _is_called(site, name, [environment])]
    there = {site.identity: site for site, where in called if environment in where}
    if len(there) > 1:
        raise FieldAmbiguous(
            f"{name} in {environment}: {listed(sorted(there))} may be meant",
            hint="say which is where: bump adopt SITE --kustomization FILE --environment NAME",
        )
    if not there:
        elsewhere = [(site, where) for site, where in known if _is_called(site, name, where)]
        raise SiteMissing(
            f"{name} in {environment}: no Flux Kustomization of that name is in that environment"
            + (_seen(environment, elsewhere) if elsewhere else _not_called(name, known)),
            hint="environments are steps of its path or file, its namespace, or the start or end of its name; "
            "bump adopt SITE --environment NAME says it",
        )
    return next(iter(there.values()))


def _is_called(site: Site, name: str, in_environments: Iterable[str]) -> bool:
    """Whether it is the site of this name in one of the environments: `web`, or `web-staging` in `staging`."""
    names = {*find.names(site), site.name}
    called = {name, *chain.from_iterable((f"{name}-{each}", f"{each}-{name}") for each in in_environments)}
    return not names.isdisjoint(called)


def _seen(environment: str, called: Sequence[tuple[Site, frozenset[str]]]) -> str:
    shown = [f"{site.identity} ({', '.join(sorted(where))})" for site, where in called]
    near = did_you_mean(environment, sorted({name for _, where in called for name in where}))
    return f"; found: {listed(list(dict.fromkeys(shown)))}{near}"


def _not_called(name: str, known: Sequence[tuple[Site, frozenset[str]]]) -> str:
    names = {called for site, _ in known for called in (*find.names(site), site.name)}
    return f"; no Flux Kustomization is called so{did_you_mean(name, sorted(names))}"


def target_in(tree: Tree, name: str, environment: str, choice: Choice) -> Target:
    """Where the image of the site stands in an environment."""
    site = site_in(tree, name, environment)
    own_name = site.kustomization.name
    called = own_name if adoption.of_site(site.document, own_name) else name
    return find.find(tree, called, choice.named(site.identity))


def wanted_in(target: Target, version: str) -> Wanted:
    """The version for the site that stands there, named so that no other one is meant."""
    return Wanted(target.site.name, version, kustomization=target.site.identity)


@dataclass(frozen=True)
class Promotion:
    """One site's promotion: the deploy that it comes from, and in which environment."""

    candidate: Candidate
    deploy: Recorded

    @property
    def tag(self) -> str:
        return self.deploy.record.tag

    @property
    def evidence(self) -> str:
        """`staging: abc1234 is Ready since 2026-11-29 01:00 UTC by 3f9d2ab`."""
        since = self.deploy.ready_at
        when = f" since {shown_time(since)}" if since else ""
        outcome = self.deploy.ending.outcome if self.deploy.ending else "not followed"
        return f"{self.candidate.label}: {self.tag} is {outcome}{when}, by {self.deploy.record.commit[:7]}"


@dataclass
class PromotionGuard(Guard):
    """`again` finds the promotions by `Change.key`; `known` are those that were found on a tip already.

    `running` are the digests that clusters showed to run in the first environment, by `Change.key`.
    """

    again: Callable[[], dict[str, Promotion]]
    known: dict[str, dict[str, Promotion]] = field(default_factory=dict)
    ranges: Sequence[CommitRange] = ()
    criteria: Criteria = field(default_factory=Criteria)
    running: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def admit(self, change: Change, held: ImageManifest, tip: str) -> Admission | None:
        """Refused where the tag is another image by now, where what was known does not hold any more, or too much comes at once."""
        if not change.key:  # a site that nobody named, which a file of another one moves too
            return None
        if tip not in self.known:
            self.known[tip] = self.again()
        promotion = self.known[tip][change.key]
        digest = promotion.deploy.record.digest
        if promotion.tag != change.image.tag:
            raise Refused(
                f"{change.place}: {promotion.candidate.label} went to {promotion.tag} while {change.image.tag} was being promoted",
                hint="run it again",
            )
        if held.image.digest != digest:
            raise Refused(
                f"{held.image.repository}:{change.image.tag} is {held.image.digest} now, and {promotion.candidate.label} was "
                f"Ready with {digest}: the tag was moved, or another image was pushed under it",
                hint="deploy it to the first environment again, and promote what is Ready then",
            )
        if others := sorted(self.running.get(change.key, frozenset()) - {digest, *held.children}):
            raise Refused(
                f"{promotion.candidate.label} runs {', '.join(others)}, and its record ({promotion.deploy.record.commit[:7]}) names "
                f"{digest}: the tag was another image when its pods started",
                hint="deploy it to the first environment again, and promote what is Ready then",
            )
        self._require_near(change, promotion)
        return Admission(note=f"from {promotion.candidate.label}")

    def _require_near(self, change: Change, promotion: Promotion) -> None:
        most = self.criteria.most_behind
        if most is None:
            return
        number, _ = commits_between(self.ranges, *ends(change.target, promotion))
        if number is None or number > most:
            how_many = "nobody can tell how many" if number is None else str(number)
            raise Refused(
                f"{change.place}: {how_many} commits would come at once, expected at most {most} (--at-most-behind)",
                hint="look at them with --dry-run; a checkout (--source), or GITHUB_TOKEN and BUMP_SOURCE_REPOSITORY, tell how many",
            )


def ends(target: Target, promotion: Promotion) -> tuple[str, str]:
    """The commits that a site has and gets, as far as tags and records name them."""
    return commit_in(target.image.tag), commit_in(
        promotion.tag
    ) or promotion.deploy.record.origin.source_commit


def commits_between(
    ranges: Sequence[CommitRange], before: str, after: str
) -> tuple[int | None, tuple[str, ...]]:
    """How many commits lie between, and the first of them, as the first witness tells that knows; None where none does."""
    if not (before and after):
        return None, ()
    for each in ranges:
        try:
            known = each.between(before, after, MOST_COMMITS)
        except BumpError:
            continue
        if known is not None:
            return known
    return None, ()


def candidate_in(
    tree: Tree, deploys: Sequence[Recorded], name: str, environment: str, choice: Choice
) -> Candidate:
    """What the site runs in the environment that it comes from, among the `deploys` of all; no cluster is asked."""
    target = target_in(tree, name, environment, choice)
    return Candidate(environment, target, of_target(deploys, target, tree))


def require_other(candidate: Candidate, target: Target) -> None:
    """FieldMissing where both environments are one and the same place."""
    if candidate.target.site.identity == target.site.identity and candidate.target.place == target.place:
        raise FieldMissing(
            f"{target.place}: {target.site.name} is one and the same in both environments",
            hint="name two: --from staging --to production",
        )


def seen(candidate: Candidate, why_not_running: str, running: Iterable[str]) -> Candidate:
    """The same with what clusters say: what is against it, and the digests that run there, empty text where a node reports none."""
    return replace(candidate, why_not_running=why_not_running, running=frozenset(filter(None, running)))
