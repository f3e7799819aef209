"""Situations are data files; here are the one test over all of them and the laws that hold for any."""

import copy
from dataclasses import replace
from typing import Any

import pytest
import situations
from situations import LONG_AFTER, PUSHED, at_second
from tables import each_row

from bumper.errors import Outcome
from bumper.observation import Desired, Observation
from bumper.rollout.rules import judge, timed_out
from bumper.rollout.verdict import Sighting, Stage, Verdict

# A look just before a grace ends must be silent, one just after must not.
JUST_S = 0.001


def test_each_situation_is_judged_as_its_file_says(subtests: pytest.Subtests) -> None:
    for name in situations.names():
        with subtests.test(name):
            assert_judged_as_its_file_says(situations.load(name))


def assert_judged_as_its_file_says(situation: situations.Situation) -> None:
    expect = situation.expect
    after_s = float(expect.get("after_s", 0))
    if after_s:
        assert at_second(situation, after_s - JUST_S).verdict is None
    judged = at_second(situation, after_s)
    if expect["outcome"] is None:
        # No cause may come up later either: what stands here heals or waits.
        assert at_second(situation, 600.0).verdict is None
        assert judged.verdict is None
    else:
        assert judged.verdict is not None
        assert (judged.verdict.outcome.value, judged.verdict.reason) == (expect["outcome"], expect["reason"])
        assert_texts(judged.verdict, expect)
    if "reached" in expect:
        assert [stage.value for stage in judged.reached] == expect["reached"]
    if "notices" in expect:
        assert list(judged.notices) == expect["notices"]
    for stage, text in (expect.get("detail") or {}).items():
        assert judged.detail[Stage(stage)] == text
    if "timed_out" in expect:
        late = timed_out(situation.desired, situation.observation, judged)
        assert (late.outcome.value, late.reason) == (
            expect["timed_out"]["outcome"],
            expect["timed_out"]["reason"],
        )


def assert_texts(verdict: Verdict, expect: Any) -> None:
    assert expect.get("message", "") in verdict.message
    if expect.get("stage"):
        assert verdict.stage == Stage(expect["stage"])
    for field in ("serving", "hint"):
        if field in expect:
            assert getattr(verdict, field) == expect[field]
    for field in ("warnings", "evidence"):
        if field in expect:
            assert list(getattr(verdict, field)) == expect[field]


# --- from look to look ---


def test_a_cause_that_heals_inside_its_grace_is_no_failure() -> None:
    broken, healed = situations.load("pull-no-such-host"), situations.load("recorded-surge")
    sightings = judge(broken.desired, replace(broken.observation, at_s=0.0), {}).sightings
    judged = judge(broken.desired, replace(broken.observation, at_s=119.0), sightings)
    assert judged.verdict is None
    assert judged.due_s == 120.0
    healed_look = judge(healed.desired, replace(healed.observation, at_s=119.5), judged.sightings)
    assert healed_look.verdict is None
    assert healed_look.due_s is None


def test_a_cause_outlives_a_time_in_which_the_api_could_not_be_asked() -> None:
    broken = situations.load("pull-no-such-host")
    sightings = judge(broken.desired, replace(broken.observation, at_s=0.0), {}).sightings
    late = judge(broken.desired, replace(broken.observation, at_s=300.0), sightings).verdict
    assert late
    assert late.reason == "RegistryUnreachable"


def test_a_cause_that_comes_back_after_a_long_gap_begins_its_grace_anew() -> None:
    broken, fine = situations.load("pull-no-such-host"), situations.load("pull-old-pod")
    sightings = judge(broken.desired, replace(broken.observation, at_s=0.0), {}).sightings
    sightings = judge(fine.desired, replace(fine.observation, at_s=31.0), sightings).sightings
    assert not sightings
    assert judge(broken.desired, replace(broken.observation, at_s=130.0), sightings).verdict is None


def test_a_cause_between_two_crashes_is_not_forgotten() -> None:
    crashed, running = situations.load("crash-twice"), situations.load("not-ready-no-event")
    sightings = judge(crashed.desired, replace(crashed.observation, at_s=0.0), {}).sightings
    between = judge(running.desired, replace(running.observation, at_s=10.0), sightings)
    assert between.verdict is None
    again = judge(crashed.desired, replace(crashed.observation, at_s=20.0), between.sightings)
    assert again.verdict
    assert again.verdict.reason == "CrashLoop"


def test_a_container_that_ends_before_it_has_run_long_enough_was_never_ready() -> None:
    running, crashed = situations.load("running-three-seconds"), situations.load("running-a-second-time")
    first = judge(running.desired, replace(running.observation, at_s=0.0), {})
    assert first.verdict is None
    assert first.detail[Stage.ROLLED_OUT].endswith(
        "no readinessProbe asks demo: waiting until it has run for 10 s"
    )
    again = judge(crashed.desired, replace(crashed.observation, at_s=7.0), first.sightings)
    assert again.verdict is None
    assert again.due_s == 16.0


# --- the recorded watch, event by event ---


def sequence(revision: str) -> list[tuple[str, str]]:
    """The verdicts in the order of the recorded watch, each once, for one of the commits pushed then."""
    shas = list(PUSHED)
    position = shas.index(revision)
    previous = PUSHED[shas[position - 1]] if position else ""
    desired = situations.desired(revision, PUSHED[revision], previous)
    facts = situations.linear(desired)
    verdicts: list[tuple[str, str]] = []
    sightings: dict[str, Sighting] = {}
    for at_s, look in situations.replay():
        looked = replace(situations.observe(look, facts, at_s), cluster_time=LONG_AFTER)
        judged = judge(desired, looked, sightings)
        sightings = dict(judged.sightings)
        verdict = judged.verdict
        if verdict and (verdict.outcome.value, verdict.reason) not in verdicts[-1:]:
            verdicts.append((verdict.outcome.value, verdict.reason))
        if verdict and verdict.outcome is Outcome.SUPERSEDED:
            break
    return verdicts


def is_ready(desired: Desired, observation: Observation) -> bool:
    verdict = judge(desired, replace(observation, cluster_time=LONG_AFTER), {}).verdict
    return verdict is not None and verdict.outcome is Outcome.READY


NOT_BEGUN = (
    "kubectl describe Kustomization demo -n flux-system; kustomize-controller has not begun with the commit: "
    "kubectl logs -n flux-system deploy/kustomize-controller"
)
DONE, LATER = ("ready", "Ready"), ("superseded", "Superseded")


VERDICTS = {
    "96d6257": [DONE, LATER],
    "a96f738": [DONE, LATER],
    "1534277": [DONE, LATER],
    "702efb0": [DONE, LATER],
    "a107210": [DONE, LATER],
    # The kubelet that was played for the recording gives no cause for its failed pull.
    "5b70c7a": [("failed", "ImagePullFailed"), LATER],
    "955ea2f": [
        ("failed", "CrashLoop"),
        ("failed", "ProgressDeadlineExceeded"),
        ("failed", "CrashLoop"),
        LATER,
    ],
    "530fa03": [DONE, LATER],
    # The next commit came before the graces of these two were over.
    "90693b0": [LATER],
    "c4c2288": [LATER],
    "c18567a": [DONE, LATER],
    # Suspended before it was fetched; the recording ends before its rollout does.
    "7d74df0": [("suspended", "Suspended")],
}


@each_row("sha", PUSHED)
def test_the_recorded_watch_gives_these_verdicts_in_this_order(sha: str) -> None:
    assert sequence(sha) == VERDICTS[sha[:7]]


def test_ready_is_said_at_the_very_write_that_completes_it() -> None:
    desired = situations.desired("a96f738", "1.1.1", "1.0.0")
    facts = situations.linear(desired)
    first = next(
        at_s for at_s, look in situations.replay() if is_ready(desired, situations.observe(look, facts, at_s))
    )
    # 12.654 s: Ready turns True, lastAppliedRevision is still the old one; 12.674 s: it follows.
    assert first == pytest.approx(12.674, abs=0.001)


@pytest.mark.parametrize(
    ("name", "reason", "message", "hint"),
    [
        (
            "recorded-older-ready",
            "NotFetched",
            "Flux has main@sha1:96d6257, waiting for main@sha1:a96f738",
            "kubectl describe GitRepository fleet -n flux-system",
        ),
        (
            "recorded-fetched-only",
            "NotApplied",
            "waiting for Kustomization flux-system/demo",
            NOT_BEGUN,
        ),
        (
            "recorded-slow-rollout",
            "NotRolledOut",
            "waiting for pods to be replaced, pod demo-5c69b5f5c8-qr6g4 starting",
            "kubectl describe Deployment demo -n apps",
        ),
        (
            "pull-no-such-host",
            "NotRolledOut",
            "can't reach the registry of 127.0.0.1:25000/team/app:2.0.0-missing: dial tcp: lookup reg.example",
            (
                "check the node's DNS, proxy, firewall and certificates, and the registry itself; "
                "kubectl describe pod demo-5dc6d9dd67-mzw7n -n apps"
            ),
        ),
        (
            "recorded-rolled-flux-checks",
            "NotRolledOut",
            "2/2 updated, 2/2 available, waiting for Kustomization flux-system/demo to be Ready",
            "kubectl describe Kustomization demo -n flux-system",
        ),
    ],
)
def test_a_deadline_names_the_stage_and_the_last_fact(
    name: str, reason: str, message: str, hint: str
) -> None:
    situation = situations.load(name)
    judged = judge(situation.desired, situation.observation, {})
    late = timed_out(situation.desired, situation.observation, judged)
    assert (late.outcome, late.reason, late.hint) == (Outcome.TIMED_OUT, reason, hint)
    assert message in late.message
    assert "visitors see the" in late.serving


def test_a_deadline_quotes_what_no_cause_names() -> None:
    situation = situations.load("not-ready-no-event")
    pod: Any = situation.observation.pods[-1]
    pod["status"]["conditions"].append(
        {"type": "example.com/warm", "status": "Unknown", "reason": "Cold", "message": "no cache yet"}
    )
    observation = replace(situation.observation, logs={"demo-5dc6d9dd67-mzw7n/demo": "loading\n"})
    judged = judge(situation.desired, observation, {})
    late = timed_out(situation.desired, observation, judged)
    assert late.evidence == (
        "pod demo-5dc6d9dd67-mzw7n: Running",
        "pod demo-5dc6d9dd67-mzw7n: Ready is False: ContainersNotReady: containers with unready status",
        "pod demo-5dc6d9dd67-mzw7n: ContainersReady is False: ContainersNotReady: containers with unready status",
        "pod demo-5dc6d9dd67-mzw7n: example.com/warm is Unknown: Cold: no cache yet",
        "container demo: running, not ready, not started",
        "log: loading",
    )


def test_a_deadline_repeats_the_last_cause_and_when_it_was_seen() -> None:
    refused = situations.load("api-webhook-down")
    desired = refused.desired
    first = judge(desired, replace(refused.observation, at_s=100.0), {})
    during_a_try = replace(refused.observation, at_s=150.0, kustomization=_trying(refused.observation))
    judged = judge(desired, during_a_try, first.sightings)
    assert judged.verdict is None
    assert not judged.sightings
    late = timed_out(desired, replace(during_a_try, at_s=160.0), judged)
    assert late.outcome is Outcome.TIMED_OUT
    assert "; 60 s before the cause was ReconciliationFailed: " in late.message
    assert "failed calling webhook" in late.message
    assert late.hint == first_hint(refused)


def test_a_deadline_forgets_a_cause_of_a_stage_that_is_over() -> None:
    refused, rolling = situations.load("api-webhook-down"), situations.load("recorded-slow-rollout")
    first = judge(refused.desired, replace(refused.observation, at_s=100.0), {})
    later = replace(rolling.observation, at_s=150.0)
    judged = judge(rolling.desired, later, first.sightings)
    assert "the cause was" not in timed_out(rolling.desired, later, judged).message


def _trying(refused: Observation) -> Any:
    """The Kustomization of a refused revision, while Flux tries again."""
    kustomization: Any = copy.deepcopy(refused.kustomization)
    revision = kustomization["status"]["lastAttemptedRevision"]
    kustomization["status"]["conditions"] = [
        {
            "type": "Reconciling",
            "status": "True",
            "reason": "Progressing",
            "message": f"Detecting drift for revision {revision} with a timeout of 30s",
        },
        {
            "type": "Ready",
            "status": "Unknown",
            "reason": "Progressing",
            "message": "Reconciliation in progress",
        },
    ]
    return kustomization


def first_hint(situation: situations.Situation) -> str:
    judged = at_second(situation, 60.0).verdict
    assert judged is not None
    return judged.hint
