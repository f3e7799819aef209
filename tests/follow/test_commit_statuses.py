"""Following by commit statuses: how often GitHub is asked, and what is made of its answers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import trees
from platforms import HandClock, Quiet
from rollout.test_statuses import (
    BEFORE,
    DESIRED,
    LATER,
    NEW,
    NEWER,
    OTHER_CLUSTER,
    OURS,
    WEB,
    failure,
    success,
)

from bumper.errors import BumpError, NoAccess, Outcome, Transient
from bumper.fluxtree.sites import find
from bumper.follow.commit_statuses import Awaited, listen
from bumper.follow.loop import Followed
from bumper.observation import Desired, RevisionFacts
from bumper.ports.github import Announced, CommitStatus
from bumper.rollout.statuses import Proof


@dataclass
class Scripted:
    """A branch whose answers come in this order, the last one for ever (`ports.StatusBranch`)."""

    answers: list[Sequence[Announced] | BumpError]
    asked: list[frozenset[str]] = field(default_factory=list)

    def announced(self, down_to: frozenset[str]) -> Sequence[Announced]:
        self.asked.append(down_to)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BumpError):
            raise answer
        return answer


@dataclass
class Known:
    """What git knows (`ports.Facts`): OURS and LATER contain our commit, LATER holds `later`."""

    later: object = NEW
    asked: list[str] = field(default_factory=list)

    def facts(self, desired: Desired, shas: Iterable[str]) -> dict[str, RevisionFacts]:
        wanted = list(shas)
        self.asked += wanted
        known = {
            OURS: RevisionFacts(True, NEW),
            LATER: RevisionFacts(True, self.later, "Deploy web 3.0", "Eve"),  # type: ignore[arg-type]
            BEFORE: RevisionFacts(False, None),
        }
        return {sha: known[sha] for sha in wanted}


def commit(sha: str, *statuses: CommitStatus) -> Announced:
    return Announced(sha, statuses)


def run(
    branch: Scripted,
    *,
    awaited: Awaited = Awaited(DESIRED, Proof()),  # noqa: B008 (frozen)
    known: Known | None = None,
    timeout_s: float = 60.0,
    poke: str = "",
) -> tuple[Followed, Quiet, HandClock]:
    progress, clock = Quiet(), HandClock()
    (followed,) = listen([awaited], branch, known or Known(), clock, timeout_s, progress, lambda: poke)
    return followed, progress, clock


def test_it_listens_until_flux_has_spoken() -> None:
    branch = Scripted([[commit(OURS)], [commit(OURS)], [commit(OURS, success())]])
    followed, progress, clock = run(branch)
    assert followed.verdict.outcome is Outcome.READY
    assert clock.time == 10.0
    assert ("done", "web", "reported") in [heard[:3] for heard in progress.heard]
    assert branch.asked == [frozenset({OURS})] * 3


def test_silence_ends_at_the_deadline_as_timed_out() -> None:
    followed, _, clock = run(Scripted([[commit(OURS), commit(BEFORE, success())]]), timeout_s=30.0)
    assert (followed.verdict.outcome, followed.verdict.reason) == (Outcome.TIMED_OUT, "NoStatus")
    assert clock.time == 30.0


def test_after_some_minutes_it_asks_less_often() -> None:
    branch = Scripted([[commit(OURS)]])
    run(branch, timeout_s=300.0)
    assert len(branch.asked) == 120 / 5 + 180 / 15 + 1


def test_a_grace_ends_between_two_looks() -> None:
    branch = Scripted([[commit(OURS, failure("reconciliation failed"))]])
    followed, _, clock = run(branch, timeout_s=300.0)
    assert followed.verdict.outcome is Outcome.FAILED
    assert clock.time == 45.0


def test_weather_costs_time_and_nothing_else() -> None:
    branch = Scripted([Transient("502"), Transient("429", retry_after_s=20.0), [commit(OURS, success())]])
    followed, progress, clock = run(branch)
    assert followed.verdict.outcome is Outcome.READY
    assert clock.time == 5.0 + 20.0
    assert ("notice", "502; trying again until the deadline") in progress.heard


def test_a_github_that_stays_away_is_unknown_never_failed() -> None:
    followed, _, _ = run(Scripted([Transient("502")]), timeout_s=20.0)
    assert (followed.verdict.outcome, followed.verdict.reason) == (Outcome.UNKNOWN, "GitHubUnreachable")
    assert "bump track --site web --follow github" in followed.verdict.hint


def test_who_may_not_read_is_told_at_once() -> None:
    followed, _, clock = run(Scripted([NoAccess("403", hint="needs statuses: read")]))
    assert (followed.verdict.outcome, followed.verdict.hint) == (Outcome.UNKNOWN, "needs statuses: read")
    assert clock.time == 0.0


def test_a_site_that_git_suspends_is_not_waited_for() -> None:
    followed, _, clock = run(
        Scripted([[commit(OURS)]]), awaited=Awaited(DESIRED, Proof(), suspended="k8s/web.yaml:3")
    )
    assert followed.verdict.outcome is Outcome.SUSPENDED
    assert followed.verdict.message.startswith("k8s/web.yaml:3: ")
    assert clock.time == 0.0


def test_a_cluster_that_spoke_on_the_commit_before_must_speak_now() -> None:
    before = commit(BEFORE, success(), success(OTHER_CLUSTER))
    branch = Scripted(
        [
            [commit(OURS, success()), before],
            [commit(LATER), commit(OURS, success(), success(OTHER_CLUSTER)), before],
        ]
    )
    followed, _, clock = run(branch)
    assert followed.verdict.outcome is Outcome.READY
    assert clock.time == 5.0


def test_git_is_asked_only_of_commits_that_can_say_something() -> None:
    known = Known(later=NEWER)
    quiet = [commit(f"{number:040x}") for number in range(200)]
    branch = Scripted([[*quiet, commit(LATER, success()), *quiet, commit(OURS), commit(BEFORE, success())]])
    followed, _, _ = run(branch, known=known)
    assert followed.verdict.outcome is Outcome.SUPERSEDED
    assert known.asked == [LATER, OURS]


def test_what_is_already_on_the_branch_is_judged_by_content() -> None:
    unchanged = Awaited(replace(DESIRED, revision=None), Proof())
    followed, _, _ = run(Scripted([[commit(LATER, success()), commit(OURS)]]), awaited=unchanged)
    assert followed.verdict.outcome is Outcome.READY


def test_flux_is_poked_once_and_what_keeps_it_is_told() -> None:
    _, progress, _ = run(Scripted([[commit(OURS)], [commit(OURS, success())]]), poke="no route")
    assert [heard[1] for heard in progress.heard if heard[0] == "notice"] == ["no route"]


def test_nothing_is_poked_for_what_is_already_on_the_branch() -> None:
    unchanged = Awaited(replace(DESIRED, revision=None), Proof())
    _, progress, _ = run(Scripted([[commit(LATER, success())]]), awaited=unchanged, poke="no route")
    assert not [heard for heard in progress.heard if heard[0] == "notice"]


def test_several_sites_have_a_verdict_each() -> None:
    api = replace(DESIRED, site="api", kustomization=DESIRED.kustomization._replace(name="api"))
    status = replace(
        success(), context="kustomization/api/1a2b3c4d", state="failure", description="build failed"
    )
    branch = Scripted([[commit(OURS, success(WEB), status)]])
    followed = listen(
        [Awaited(DESIRED, Proof()), Awaited(api, Proof())], branch, Known(), HandClock(), 60.0, Quiet()
    )
    assert [(each.site, each.verdict.outcome) for each in followed] == [
        ("web", Outcome.READY),
        ("api", Outcome.FAILED),
    ]


def test_a_success_proves_what_flux_waited_for_of_all_workloads() -> None:
    files = {
        "k8s/flux-system/gotk-sync.yaml": trees.sync("./k8s/flux-system"),
        "k8s/web/web.yaml": trees.deployment("web", "reg.io/web:1", namespace="web"),
        "k8s/web/worker.yaml": trees.deployment("worker", "reg.io/web:1", namespace="web"),
    }
    check = "{kind: Deployment, name: NAME, namespace: web}"

    def why(*spec: str) -> str:
        site = {"k8s/flux-system/web.yaml": trees.flux("web", "./k8s/web", *spec)}
        target = find.find(trees.MemoryTree({**files, **site}), "web")
        return Awaited.of(DESIRED, target).proof.why

    assert why("wait: true") == ""
    both = [check.replace("NAME", name) for name in ("web", "worker")]
    assert why(f"healthChecks: [{', '.join(both)}]") == ""
    assert "Deployment web/worker" in why(f"healthChecks: [{both[0]}]")
