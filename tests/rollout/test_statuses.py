"""What GitHub's commit statuses say of a deploy, and what their absence does not."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from tables import each_row

from bumper.errors import Outcome
from bumper.image import ImageReference
from bumper.objects import ObjectKey
from bumper.observation import Desired, RevisionFacts
from bumper.ports.github import Announced, CommitStatus
from bumper.revision import Revision
from bumper.rollout.statuses import Proof, Telling, expected_contexts, is_about, judge, timed_out

OURS, LATER, BEFORE = "a" * 40, "b" * 40, "c" * 40
WEB, OTHER_CLUSTER, API = (
    "kustomization/web/1a2b3c4d",
    "kustomization/web/99998888",
    "kustomization/api/1a2b3c4d",
)
NEW, NEWER = ImageReference("reg.io/web", "2.0"), ImageReference("reg.io/web", "3.0")
DESIRED = Desired(
    site="web",
    image=NEW,
    previous=ImageReference("reg.io/web", "1.0"),
    revision=Revision("main", OURS),
    kustomization=ObjectKey("Kustomization", "flux-system", "web"),
    source=ObjectKey("GitRepository", "flux-system", "flux-system"),
    workload=ObjectKey("Deployment", "web", "web"),
    container="web",
)
WELL = "reconciliation succeeded"


def commit(
    sha: str, *statuses: CommitStatus, image: ImageReference | None = NEW, includes: bool | None = True
) -> Announced:
    return Announced(sha, statuses, RevisionFacts(includes, image, "Deploy web", "Eve"))


def success(context: str = WEB) -> CommitStatus:
    return CommitStatus(context, "success", WELL, "2026-01-02T03:04:05Z")


def failure(description: str, context: str = WEB) -> CommitStatus:
    return CommitStatus(context, "failure", description, "2026-01-02T03:04:05Z")


def told(
    *commits: Announced,
    proof: Proof = Proof(),  # noqa: B008 (frozen)
    expected: Sequence[str] = (),
    at_s: float = 0.0,
    before: Telling | None = None,
    desired: Desired = DESIRED,
) -> Telling:
    sightings = before.sightings if before else {}
    return judge(desired, proof, commits, frozenset(expected), sightings, at_s)


def outcome(telling: Telling) -> tuple[str, str]:
    assert telling.verdict, telling.detail
    return telling.verdict.outcome.value, telling.verdict.reason


def test_a_success_on_our_commit_is_ready_where_flux_waited() -> None:
    telling = told(commit(OURS, success()))
    assert outcome(telling) == ("ready", "Ready")
    assert telling.verdict
    assert telling.verdict.message == (
        "Flux applied Kustomization flux-system/web on main@sha1:aaaaaaa and found its objects healthy"
    )
    assert telling.verdict.warnings == (
        "known by commit statuses alone: pods, digests and causes were not looked at",
    )


def test_a_success_proves_no_more_than_what_flux_waited_for() -> None:
    telling = told(commit(OURS, success()), proof=Proof.of({"wait": "false"}, DESIRED.workload))
    assert outcome(telling) == ("applied", "Applied")
    assert telling.verdict
    assert "Flux does not wait for Deployment web/web" in telling.verdict.message


@each_row(
    ("spec", "proves"),
    [
        ({"wait": "true"}, True),
        ({"wait": "false"}, False),
        ({}, False),
        ({"healthChecks": [{"kind": "Deployment", "name": "web", "namespace": "web"}]}, True),
        ({"healthChecks": [{"kind": "Deployment", "name": "web", "namespace": "other"}]}, False),
        ({"healthChecks": [{"kind": "Deployment", "name": "api", "namespace": "web"}]}, False),
        ({"healthChecks": "odd"}, False),
    ],
)
def test_what_a_success_proves_stands_in_git(spec: dict[str, object], proves: bool) -> None:
    assert (Proof.of(spec, DESIRED.workload).why == "") is proves


def test_a_kustomization_without_a_workload_is_applied_and_no_more() -> None:
    assert Proof.of({"wait": "true"}, ObjectKey("", "", "")).why


def test_silence_is_neither_success_nor_failure() -> None:
    telling = told(commit(OURS), expected=(WEB,))
    assert telling.verdict is None
    assert telling.detail == "no status of Kustomization flux-system/web yet"


def test_where_nobody_posts_that_is_said() -> None:
    telling = told(commit(OURS))
    assert telling.verdict is None
    assert "nothing may post them" in telling.detail


def test_others_that_speak_of_our_commit_show_that_flux_has_it() -> None:
    telling = told(commit(OURS, success(API)))
    assert telling.verdict is None
    assert "while kustomization/api/1a2b3c4d has one" in telling.detail


def test_a_success_before_our_commit_is_not_ours() -> None:
    assert told(commit(OURS), commit(BEFORE, success(), includes=False)).verdict is None
    assert told(commit(BEFORE, success(), includes=None)).verdict is None, "unknown is never yes"


def test_a_later_commit_that_keeps_our_tag_speaks_for_us() -> None:
    telling = told(commit(LATER, success()), commit(OURS))
    assert outcome(telling) == ("ready", "Ready")
    assert telling.verdict
    assert "main@sha1:bbbbbbb" in telling.verdict.message


def test_a_later_commit_with_another_tag_supersedes_ours() -> None:
    telling = told(commit(LATER, success(), image=NEWER), commit(OURS))
    assert outcome(telling) == ("superseded", "Superseded")
    failed = told(commit(LATER, failure("health check failed"), image=NEWER), commit(OURS, success()))
    assert outcome(failed) == ("superseded", "Superseded")


def test_a_build_that_a_later_commit_broke_is_not_ours() -> None:
    broken = commit(LATER, failure("build failed"))
    assert outcome(told(broken, commit(OURS, success()))) == ("ready", "Ready")
    telling = told(broken, commit(OURS))
    assert outcome(telling) == ("blocked", "BuildFailed")
    assert outcome(told(commit(OURS, failure("build failed")))) == ("failed", "BuildFailed")


def test_no_status_proves_a_failure_to_be_the_images_own() -> None:
    telling = told(commit(OURS, failure("health check failed")))
    assert outcome(telling) == ("failed", "HealthCheckFailed")
    assert telling.verdict
    assert not telling.verdict.helps_to_go_back


def test_a_later_commit_that_takes_the_site_away_supersedes_ours() -> None:
    gone = Announced(LATER, (success(),), RevisionFacts(True, None, "Remove web", "Eve", is_removed=True))
    telling = told(gone, commit(OURS))
    assert outcome(telling) == ("superseded", "Removed")
    assert telling.verdict
    assert "commit bbbbbbb (Remove web, Eve) takes the site away" in telling.verdict.message


def test_what_git_cannot_tell_is_waited_for() -> None:
    telling = told(commit(LATER, success(), image=None), commit(OURS))
    assert telling.verdict is None
    assert "git could not tell which image commit bbbbbbb holds" in telling.detail


def test_the_last_word_counts() -> None:
    assert outcome(told(commit(LATER, success()), commit(OURS, failure("build failed")))) == (
        "ready",
        "Ready",
    )
    assert outcome(told(commit(LATER, failure("health check failed")), commit(OURS, success()))) == (
        "failed",
        "HealthCheckFailed",
    )


@pytest.mark.parametrize(
    ("description", "reason"),
    [("build failed", "BuildFailed"), ("health check failed", "HealthCheckFailed")],
)
def test_a_failure_that_waiting_does_not_change_is_told_at_once(description: str, reason: str) -> None:
    telling = told(commit(OURS, failure(description)))
    assert outcome(telling) == ("failed", reason)
    assert telling.verdict
    assert "another object of this Kustomization may be what failed" in telling.verdict.warnings[0]


def test_a_failure_that_may_be_weather_has_a_grace() -> None:
    first = told(commit(OURS, failure("reconciliation failed")))
    assert first.verdict is None
    assert first.due_s == 45.0
    healed = told(commit(OURS, success()), at_s=20.0, before=first)
    assert outcome(healed) == ("ready", "Ready")
    between = told(commit(OURS, failure("reconciliation failed")), at_s=20.0, before=first)
    assert between.verdict is None
    stood = told(commit(OURS, failure("reconciliation failed")), at_s=46.0, before=between)
    assert outcome(stood) == ("failed", "ReconciliationFailed")


def test_a_pending_status_of_somebody_else_is_no_word() -> None:
    assert told(commit(OURS, replace(success(), state="pending"))).verdict is None


def test_every_cluster_that_spoke_before_must_speak_now() -> None:
    before = [commit(BEFORE, success(), success(OTHER_CLUSTER), success(API), includes=False)]
    expected = expected_contexts(before, DESIRED.kustomization)
    assert expected == {WEB, OTHER_CLUSTER}
    telling = told(commit(OURS, success()), expected=tuple(expected))
    assert telling.verdict is None
    assert telling.detail == "no word yet from kustomization/web/99998888"
    assert outcome(told(commit(OURS, success(), success(OTHER_CLUSTER)), expected=tuple(expected))) == (
        "ready",
        "Ready",
    )


def test_a_provider_that_was_made_anew_is_not_waited_for_in_vain() -> None:
    older = [commit("d" * 40, success(OTHER_CLUSTER)), commit("e" * 40, success(WEB))]
    assert expected_contexts(older, DESIRED.kustomization) == {OTHER_CLUSTER}
    assert expected_contexts([], DESIRED.kustomization) == frozenset()


def test_one_cluster_that_fails_is_a_failure() -> None:
    both = commit(OURS, success(), failure("build failed", OTHER_CLUSTER))
    assert outcome(told(both)) == ("failed", "BuildFailed")


def test_without_a_commit_of_ours_the_newest_word_counts() -> None:
    unchanged = replace(DESIRED, revision=None)
    telling = told(commit(LATER, success(), includes=None), desired=unchanged)
    assert outcome(telling) == ("ready", "Ready")


@pytest.mark.parametrize(
    ("context", "is_ours"),
    [
        (WEB, True),
        ("kustomization/web/1a2b3c4d5", False),
        ("kustomization/web-api/1a2b3c4d", False),
        ("helmrelease/web/1a2b3c4d", False),
        ("ci/web", False),
    ],
)
def test_whose_context_it_is(context: str, is_ours: bool) -> None:
    assert is_about(context, DESIRED.kustomization) is is_ours


def test_the_deadline_says_what_was_missing_and_what_to_do() -> None:
    verdict = timed_out(DESIRED, told(commit(OURS)))
    assert (verdict.outcome, verdict.reason) == (Outcome.TIMED_OUT, "NoStatus")
    assert "at the deadline" in verdict.message
    assert "Flux 2.9" in verdict.hint


def test_a_hostile_description_is_printable() -> None:
    telling = told(commit(OURS, failure("build failed\x1b[2J")), commit(BEFORE))
    later = told(commit(OURS, failure("build failed\x1b[2J")), at_s=60.0, before=telling)
    for verdict in (telling.verdict, later.verdict):
        assert verdict is None or "\x1b" not in verdict.message + verdict.reason + "".join(verdict.evidence)
