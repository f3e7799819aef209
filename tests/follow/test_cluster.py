"""The loop after the push: news, weather, deadlines, several clusters. What one look means is tested with `rollout`."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import trees
from clusters import Untold
from platforms import HandClock, Quiet
from trees import MemoryTree

from bumper.errors import NoAccess, Outcome, Transient, Unreachable
from bumper.follow.cluster import follow
from bumper.follow.loop import Followed
from bumper.follow.revisions import Revisions
from bumper.image import ImageReference
from bumper.objects import ObjectKey
from bumper.observation import Desired, Observation
from bumper.ports.git import Tree
from bumper.request import Choice
from bumper.revision import Revision
from bumper.rollout import rules
from bumper.rollout.verdict import Judgement

OURS = "a" * 40
BEFORE = "b" * 40
LATER = "c" * 40
OLD, NEW = ImageReference("reg.io/web", "1.0"), ImageReference("reg.io/web", "2.0")
DESIRED = Desired(
    site="web",
    image=NEW,
    previous=OLD,
    revision=Revision("main", OURS),
    kustomization=ObjectKey("Kustomization", "flux-system", "web"),
    source=ObjectKey("GitRepository", "flux-system", "flux-system"),
    workload=ObjectKey("Deployment", "web", "web"),
    container="web",
)


def flux(kind: str, name: str, **status: Any) -> dict[str, Any]:
    ready = {"type": "Ready", "status": "True", "reason": "Succeeded", "message": "", "observedGeneration": 1}
    return {
        "kind": kind,
        "metadata": {"name": name, "namespace": "flux-system", "generation": 1},
        "spec": {"ref": {"branch": "main"}} if kind == "GitRepository" else {},
        "status": {"observedGeneration": 1, "conditions": [ready], **status},
    }


def look(sha: str, image: ImageReference) -> Observation:
    """A cluster at rest at `sha`, running `image`."""
    revision = f"main@sha1:{sha}"
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": str(image)}]},
    }
    conditions = [
        {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
        {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
    ]
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 1)
    return Observation(
        at_s=0.0,
        source=flux("GitRepository", "flux-system", artifact={"revision": revision}),
        kustomization=flux(
            "Kustomization", "web", lastAppliedRevision=revision, lastAttemptedRevision=revision
        ),
        workload={
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "web", "generation": 2, "uid": "d"},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template},
            "status": {"observedGeneration": 2, "conditions": conditions, **counts},
        },
    )


@dataclass
class Scripted(Untold):
    """A cluster that shows one look after the other, the last one for ever (`ports.Cluster`). An exception is raised instead."""

    looks: list[Observation | Exception]
    clock: HandClock
    name: str = "east"
    asked: list[ObjectKey] = field(default_factory=list)
    refusal: str = ""
    polled: tuple[str, ...] = ()

    def observe(self, desired: Sequence[Desired]) -> list[Observation]:
        shown = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(shown, Exception):
            raise shown
        return [replace(shown, at_s=self.clock.now()) for _ in desired]

    def wait(self, timeout_s: float) -> bool:
        self.clock.sleep(timeout_s)
        return False

    def request_fetch(self, source: ObjectKey) -> str:
        self.asked.append(source)
        return self.refusal

    def notices(self) -> tuple[str, ...]:
        return self.polled


@dataclass
class History:
    """A repository in which LATER contains OURS and BEFORE does not (`ports.Repository`, as far as following goes)."""

    known: Mapping[str, bool | None] = field(default_factory=lambda: {BEFORE: False, LATER: True})
    questions: list[str] = field(default_factory=list)
    trees: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    tip: str = OURS
    fetches: int = 0

    def fetch(self, branch: str) -> str:
        self.fetches += 1
        return self.tip

    def tree(self, commit: str) -> Tree:
        return MemoryTree(self.trees[commit])

    def contains(self, descendant: str, ancestor: str) -> bool | None:
        self.questions.append(descendant)
        return self.known[descendant]

    def message(self, commit: str) -> str:
        return self.subject(commit)

    def subject(self, commit: str) -> str:
        return "Deploy web 3.0"

    def author(self, commit: str) -> str:
        return "Eve"


def run(
    cluster: Scripted, *, timeout_s: float = 60.0, repository: History | None = None
) -> tuple[Followed, Quiet]:
    progress = Quiet()
    revisions = Revisions(repository or History(), Choice(), cluster.clock)
    (followed,) = follow([DESIRED], [cluster], revisions, cluster.clock, timeout_s, progress)
    return followed, progress


def stages(progress: Quiet) -> list[str]:
    return [heard[2] for heard in progress.heard if heard[0] == "done"]


def test_it_goes_on_until_the_site_is_ready_and_names_each_stage_once() -> None:
    clock = HandClock()
    followed, progress = run(Scripted([look(BEFORE, OLD), look(BEFORE, OLD), look(OURS, NEW)], clock))
    assert followed.verdict.outcome is Outcome.READY
    assert stages(progress) == ["fetched", "applied", "rolled out"]
    assert clock.time == 10.0, "without news it looks every five seconds"


def test_a_commit_that_was_taken_off_the_branch_is_not_waited_for() -> None:
    clock, repository = HandClock(), History(tip=BEFORE)
    followed, _ = run(Scripted([look(BEFORE, OLD)], clock), repository=repository, timeout_s=600.0)
    assert (followed.verdict.outcome, followed.verdict.reason) == (Outcome.BLOCKED, "NotOnBranch")
    assert clock.time <= 25.0


def test_the_branch_is_fetched_seldom_and_never_once_flux_has_the_commit() -> None:
    clock, repository = HandClock(), History()
    followed, _ = run(Scripted([look(BEFORE, OLD)], clock), repository=repository, timeout_s=100.0)
    assert followed.verdict.outcome is Outcome.TIMED_OUT
    assert repository.fetches == 3
    late = History()
    run(Scripted([look(OURS, OLD)], HandClock()), repository=late, timeout_s=100.0)
    assert late.fetches == 0


def test_the_source_is_asked_to_fetch_once_and_nothing_else() -> None:
    cluster = Scripted([look(BEFORE, OLD), look(OURS, NEW)], HandClock())
    run(cluster)
    assert cluster.asked == [DESIRED.source]


def test_whatever_the_branch_wants_is_asked_for_too() -> None:
    """Somebody has just pushed it: without that Flux comes at the end of its interval."""
    cluster = Scripted([look(OURS, NEW)], HandClock())
    revisions = Revisions(History(trees={OURS: {}}), Choice(), cluster.clock)
    follow([replace(DESIRED, revision=None)], [cluster], revisions, cluster.clock, 0.0, Quiet())
    assert cluster.asked == [DESIRED.source]


def test_a_missing_permission_to_ask_is_said_once_and_waited_out() -> None:
    cluster = Scripted(
        [look(BEFORE, OLD), look(OURS, NEW)], HandClock(), refusal="forbidden", polled=("polling",)
    )
    followed, progress = run(cluster)
    assert followed.verdict.outcome is Outcome.READY
    assert list(dict.fromkeys(heard[1] for heard in progress.heard if heard[0] == "notice")) == [
        "east: GitRepository flux-system/flux-system could not be asked to fetch now (forbidden): waiting for its interval",
        "polling",
    ]


def test_weather_costs_time_and_nothing_else() -> None:
    clock = HandClock()
    weather = [Transient("east: connection refused"), Transient("429", retry_after_s=7.0), Transient("503")]
    followed, progress = run(Scripted([look(BEFORE, OLD), *weather, look(OURS, NEW)], clock))
    assert followed.verdict.outcome is Outcome.READY
    assert clock.time == 5.0 + 1.0 + 7.0 + 1.0
    assert ("notice", "east: connection refused; trying again until the deadline") in progress.heard


def test_an_api_that_stays_away_is_unknown_never_failed() -> None:
    clock = HandClock()
    followed, _ = run(Scripted([Transient("connection refused")], clock), timeout_s=30.0)
    assert followed.verdict.outcome is Outcome.UNKNOWN
    assert "connection refused" in followed.verdict.message
    assert "bump track --site web" in followed.verdict.hint
    assert clock.time == 30.0


def test_who_is_not_let_in_is_told_at_once() -> None:
    clock = HandClock()
    followed, _ = run(Scripted([NoAccess("east: 401 Unauthorized", hint="log in")], clock))
    assert (followed.verdict.outcome, followed.verdict.reason, clock.time) == (
        Outcome.UNKNOWN,
        "NoAccess",
        0.0,
    )


def test_at_the_deadline_the_stage_is_named() -> None:
    clock = HandClock()
    followed, _ = run(Scripted([look(BEFORE, OLD)], clock), timeout_s=12.0)
    assert (followed.verdict.outcome, followed.verdict.stage) == (Outcome.TIMED_OUT, "fetched")
    assert clock.time == 12.0


def test_ready_of_an_older_revision_never_counts_whatever_runs() -> None:
    followed, _ = run(Scripted([look(BEFORE, NEW)], HandClock()), timeout_s=30.0)
    assert followed.verdict.outcome is Outcome.TIMED_OUT


def tree(tag: str) -> dict[str, str]:
    from platforms import SOURCE, deployment, kustomization

    return {
        "k8s/flux-system/gotk-sync.yaml": SOURCE + "---\n" + kustomization("web", "./k8s/web"),
        "k8s/web/deployment.yaml": deployment("web", f"reg.io/web:{tag}"),
    }


def test_a_later_commit_that_keeps_our_tag_is_ours_too() -> None:
    followed, _ = run(
        Scripted([look(LATER, NEW)], HandClock()), repository=History(trees={LATER: tree("2.0")})
    )
    assert followed.verdict.outcome is Outcome.READY


def test_a_later_commit_that_takes_the_site_away_ends_it() -> None:
    without = {"k8s/flux-system/gotk-sync.yaml": trees.flux("flux-system", "./k8s/flux-system")}
    gone = replace(look(LATER, NEW), kustomization=None, workload=None)
    followed, _ = run(Scripted([gone], HandClock()), repository=History(trees={LATER: without}))
    assert (followed.verdict.outcome, followed.verdict.reason) == (Outcome.SUPERSEDED, "Removed")
    assert "takes the site away, and Flux has fetched it" in followed.verdict.message


def test_a_later_bump_supersedes_and_is_named() -> None:
    later = look(LATER, ImageReference("reg.io/web", "3.0"))
    followed, _ = run(Scripted([later], HandClock()), repository=History(trees={LATER: tree("3.0")}))
    assert followed.verdict.outcome is Outcome.SUPERSEDED
    assert "3.0" in followed.verdict.message
    assert LATER[:7] in followed.verdict.message


def test_a_later_commit_that_cannot_be_read_blocks_us_and_is_not_waited_out() -> None:
    broken = look(BEFORE, OLD)
    revision = f"main@sha1:{LATER}"
    failed = {
        "type": "Ready",
        "status": "False",
        "reason": "BuildFailed",
        "message": "kustomize build failed: yaml: line 5",
    }
    status = {
        "observedGeneration": 1,
        "lastAppliedRevision": f"main@sha1:{BEFORE}",
        "lastAttemptedRevision": revision,
        "conditions": [failed],
    }
    assert broken.kustomization is not None
    broken = replace(
        broken,
        source=flux("GitRepository", "flux-system", artifact={"revision": revision}),
        kustomization={**broken.kustomization, "status": status},
    )
    clock = HandClock()
    unreadable = {**tree("2.0"), "k8s/web/deployment.yaml": "containers: ["}
    followed, _ = run(Scripted([broken], clock), repository=History(trees={LATER: unreadable}))
    assert (followed.verdict.outcome, followed.verdict.reason) == (Outcome.BLOCKED, "BuildFailed")
    assert clock.time < 10.0


def test_what_git_answered_is_not_asked_again_and_what_it_could_not_is() -> None:
    history = History(known={BEFORE: False})
    run(Scripted([look(BEFORE, OLD)], HandClock()), timeout_s=30.0, repository=history)
    assert history.questions == [BEFORE]
    unsure = History(known={BEFORE: None}, trees={BEFORE: tree("1.0")})
    followed, _ = run(Scripted([look(BEFORE, OLD)], HandClock()), timeout_s=30.0, repository=unsure)
    assert followed.verdict.outcome is not Outcome.READY
    assert 2 <= len(unsure.questions) <= 7


def test_several_clusters_are_followed_at_once_each_with_its_own_verdict() -> None:
    east = Scripted([look(OURS, NEW)], HandClock(), name="east")
    west = Scripted([NoAccess("west: 401 Unauthorized")], HandClock(), name="west")
    progress = Quiet()
    revisions = Revisions(History(), Choice(), east.clock)
    followed = follow([DESIRED], [east, west], revisions, east.clock, 60.0, progress)
    assert [(each.label, each.verdict.outcome) for each in followed] == [
        ("web in east", Outcome.READY),
        ("web in west", Outcome.UNKNOWN),
    ]


def test_a_site_that_a_cluster_does_not_have_is_not_followed_there() -> None:
    east = Scripted([look(OURS, NEW)], HandClock(), name="east")
    west = Scripted([look(OURS, NEW)], HandClock(), name="west")
    sites = [replace(DESIRED, where="east"), replace(DESIRED, where="west")]
    revisions = Revisions(History(), Choice(), east.clock)
    absent = {"east": {"web (west)"}, "west": {"web (east)"}}
    followed = follow(
        sites, [east, west], revisions, east.clock, 60.0, Quiet(), baselines=None, elsewhere=absent
    )
    assert [each.label for each in followed] == ["web (east) in east", "web (west) in west"]


def test_revisions_may_be_asked_from_several_threads() -> None:
    history = History()
    revisions = Revisions(history, Choice(), HandClock())
    threads = [threading.Thread(target=revisions.facts, args=(DESIRED, [BEFORE])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert history.questions == [BEFORE]


def failing_build() -> Observation:
    """The Kustomization cannot build our commit."""
    seen = look(OURS, NEW)
    assert seen.kustomization
    failed = {**seen.kustomization["status"]["conditions"][0], "status": "False", "reason": "BuildFailed"}
    status = {
        **seen.kustomization["status"],
        "conditions": [failed],
        "lastAppliedRevision": f"main@sha1:{BEFORE}",
    }
    return replace(seen, kustomization={**seen.kustomization, "status": status})


def test_a_failure_is_told_as_soon_as_its_grace_is_over() -> None:
    clock = HandClock()
    followed, _ = run(Scripted([failing_build()], clock))
    assert (followed.verdict.outcome, followed.verdict.reason) == (Outcome.FAILED, "BuildFailed")
    assert clock.time == 3.0, "no event marks the end of a grace: the loop looks by itself"


def test_a_look_without_news_is_told_again_and_judged_once() -> None:
    cluster = Scripted([look(BEFORE, OLD)], HandClock())
    _, progress = run(cluster, timeout_s=30.0)
    moving = [heard for heard in progress.heard if heard[0] == "moving"]
    assert len(moving) == 8, "a log says from time to time that it is still waiting"
    assert len(set(moving[1:])) == 1


@dataclass
class Telling(Scripted):
    """A cluster that has news of one site in each of its first waits, of the next one each time."""

    news: list[str] = field(default_factory=list)
    due: list[set[str]] = field(default_factory=list)

    def observe_changed(self, desired: Sequence[Desired], is_due: Sequence[bool]) -> list[Observation | None]:
        due = {each.site for each, is_waited_for in zip(desired, is_due, strict=True) if is_waited_for}
        self.due.append(due)
        chosen = due | {self.news.pop(0)} if self.news else {each.site for each in desired}
        looks = iter(self.observe([each for each in desired if each.site in chosen]))
        return [next(looks) if each.site in chosen else None for each in desired]


def sites(count: int) -> list[Desired]:
    return [replace(DESIRED, site=f"site-{number:03}") for number in range(count)]


def follow_all(cluster: Telling, count: int, timeout_s: float = 60.0) -> tuple[list[Followed], Quiet]:
    progress = Quiet()
    revisions = Revisions(History(), Choice(), cluster.clock)
    return follow(sites(count), [cluster], revisions, cluster.clock, timeout_s, progress), progress


@pytest.mark.parametrize("count", [3, 100])
def test_a_change_of_one_site_has_that_one_judged(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[str] = []

    def judge(desired: Desired, *others: Any) -> Judgement:
        judged.append(desired.site)
        return rules.judge(desired, *others)

    monkeypatch.setattr("bumper.follow.cluster.judge", judge)
    before, ours = look(BEFORE, OLD), look(OURS, NEW)
    cluster = Telling([before, ours, before, ours], HandClock(), news=["site-001", "site-002", "site-000"])
    followed, progress = follow_all(cluster, count)
    # The first look is at everybody: none was judged before.
    assert cluster.due[:3] == [{each.site for each in sites(count)}, set(), set()]
    assert judged[count:][:2] == ["site-002", "site-000"]
    assert next(heard for heard in progress.heard if heard[0] == "done")[1] == "site-002"
    assert {each.verdict.outcome for each in followed} == {Outcome.READY}


def test_who_is_in_a_grace_is_due_at_its_end_alone() -> None:
    cluster = Telling(
        [look(BEFORE, OLD), failing_build(), failing_build(), look(OURS, NEW)],
        HandClock(),
        news=["", "site-001", ""],
    )
    followed, _ = follow_all(cluster, 3)
    assert cluster.due[1:3] == [set(), {"site-001"}]
    assert [each.verdict.outcome for each in followed] == [Outcome.READY, Outcome.FAILED, Outcome.READY]


def test_towards_the_deadline_everybody_is_looked_at() -> None:
    cluster = Telling([look(BEFORE, OLD)], HandClock(), news=["site-001"] * 10)
    followed, _ = follow_all(cluster, 3, timeout_s=20.0)
    everybody = {each.site for each in sites(3)}
    # Twice: the last look of all may be cut off.
    assert cluster.due == [everybody, set(), set(), everybody, everybody]
    assert {each.verdict.outcome for each in followed} == {Outcome.TIMED_OUT}


def test_hundreds_of_sites_ask_git_once_for_the_same_two_commits() -> None:
    history = History()
    cluster = Scripted([look(BEFORE, OLD)], HandClock())
    desired = [replace(DESIRED, site=f"site-{number}") for number in range(200)]
    revisions = Revisions(history, Choice(), cluster.clock)
    follow(desired, [cluster], revisions, cluster.clock, 0.0, Quiet())
    assert history.questions == [BEFORE]


@dataclass
class Gone(History):
    """A repository that does not have the commits it is asked for."""

    known: Mapping[str, bool | None] = field(default_factory=lambda: {BEFORE: None})
    fetched: list[str] = field(default_factory=list)

    def tree(self, commit: str) -> Tree:
        self.fetched.append(commit)
        raise Unreachable(f"{commit}: not there")


def test_hundreds_of_sites_ask_git_as_often_as_one_for_a_commit_that_it_does_not_have() -> None:
    def asked(sites: int) -> tuple[int, int]:
        history, cluster = Gone(), Scripted([look(BEFORE, OLD)], HandClock())
        desired = [replace(DESIRED, site=f"site-{number}") for number in range(sites)]
        follow(desired, [cluster], Revisions(history, Choice(), cluster.clock), cluster.clock, 20.0, Quiet())
        return len(history.questions), len(history.fetched)

    assert asked(sites=200) == asked(sites=1) == (5, 5), "once at each look, five seconds apart"


def test_what_git_did_not_answer_is_known_once_it_does() -> None:
    history, clock = Gone(), HandClock()
    revisions = Revisions(history, Choice(), clock)
    assert revisions.facts(DESIRED, [BEFORE])[BEFORE].includes_commit is None
    history.known = {BEFORE: False}
    other = replace(DESIRED, site="other")
    assert revisions.facts(other, [BEFORE])[BEFORE].includes_commit is None
    clock.sleep(5.0)
    assert revisions.facts(other, [BEFORE])[BEFORE].includes_commit is False
    assert revisions.facts(DESIRED, [BEFORE])[BEFORE].includes_commit is False


def test_the_timeline_goes_with_the_verdict_and_says_what_hung() -> None:
    ready, _ = run(Scripted([look(BEFORE, OLD), look(OURS, NEW)], HandClock()))
    assert [(moment.name, moment.seconds) for moment in ready.timeline] == [
        ("fetched", 5.0),
        ("applied", 0.0),
        ("ready", 0.0),
    ]
    late, _ = run(Scripted([look(BEFORE, OLD)], HandClock()), timeout_s=12.0)
    assert [(moment.name, moment.seconds, moment.is_open) for moment in late.timeline] == [
        ("fetched", 12.0, True)
    ]


# --- several workloads of one site ---

WORKER = replace(DESIRED, workload=ObjectKey("Deployment", "web", "worker"), container="worker")


@dataclass
class Pair(Scripted):
    """A cluster with the workloads web and worker; `looks` holds what is shown of the two in turn, the last two for ever."""

    def observe(self, desired: Sequence[Desired]) -> list[Observation]:
        assert [each.workload.name for each in desired] == ["web", "worker"]
        shown = self.looks[:2]
        self.looks = self.looks[2:] or shown
        return [replace(each, at_s=self.clock.now()) for each in shown if isinstance(each, Observation)]


def of_worker(image: ImageReference, **status: Any) -> Observation:
    """The Deployment `worker` at OURS, with this status where it differs from a rollout that is over."""
    shown = look(OURS, image)
    assert shown.workload
    template = {"spec": {"containers": [{"name": "worker", "image": str(image)}]}}
    return replace(
        shown,
        workload={
            **shown.workload,
            "metadata": {**shown.workload["metadata"], "name": "worker"},
            "spec": {**shown.workload["spec"], "template": template},
            "status": {**shown.workload["status"], **status},
        },
    )


def run_pair(*looks: Observation, timeout_s: float = 60.0) -> tuple[Followed, Quiet]:
    clock, progress = HandClock(), Quiet()
    revisions = Revisions(History(), Choice(), clock)
    (followed,) = follow([DESIRED, WORKER], [Pair(list(looks), clock)], revisions, clock, timeout_s, progress)
    return followed, progress


def test_a_site_is_ready_once_all_of_its_workloads_are() -> None:
    followed, progress = run_pair(
        look(OURS, NEW), of_worker(NEW, availableReplicas=0, readyReplicas=0), look(OURS, NEW), of_worker(NEW)
    )
    assert followed.verdict.outcome is Outcome.READY
    assert [end.workload.name for end in followed.workloads] == ["web", "worker"]
    assert stages(progress) == ["fetched", "applied", "rolled out"]
    moving = [heard[3] for heard in progress.heard if heard[0] == "moving" and heard[2] == "rolled out"]
    assert moving == ["worker: 1/1 updated, 0/1 available, waiting for them to be available"]
    assert ("done", "web", "rolled out", "1/1 updated, 1/1 available") in progress.heard


def test_a_stage_that_is_over_names_the_workloads_that_say_different_things() -> None:
    both = of_worker(NEW)
    assert both.workload
    spec = {**both.workload["spec"], "replicas": 2}
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 2)
    status = {**both.workload["status"], **counts}
    larger = replace(both, workload={**both.workload, "spec": spec, "status": status})
    _, progress = run_pair(look(OURS, NEW), larger)
    assert ("done", "web", "rolled out", "web, worker") in progress.heard


def test_a_workload_that_is_left_behind_keeps_the_site_from_being_ready() -> None:
    followed, _ = run_pair(look(OURS, NEW), of_worker(OLD), timeout_s=20.0)
    assert followed.verdict.outcome is not Outcome.READY
    assert followed.verdict.message.startswith("Deployment web/worker runs reg.io/web:1.0, not 2.0")
    assert [end.is_rolled_out for end in followed.workloads] == [True, False]


def test_a_workload_that_was_ready_and_is_not_any_more_has_no_such_moment() -> None:
    broken = of_worker(NEW, availableReplicas=0, readyReplicas=0)
    waiting = replace(look(OURS, NEW), workload=None)
    followed, _ = run_pair(waiting, of_worker(NEW), waiting, broken, timeout_s=20.0)
    assert [moment.is_open for moment in followed.workloads[1].timeline][-1]


def test_a_site_of_one_workload_lists_none() -> None:
    followed, _ = run(Scripted([look(OURS, NEW)], HandClock()))
    assert followed.workloads == ()
