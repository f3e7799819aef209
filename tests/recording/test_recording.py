"""Recordings: what gets into the file and what does not, and that replaying gives the same verdicts."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import replays
import situations
from follow.test_cluster import (
    BEFORE,
    DESIRED,
    NEW,
    OLD,
    OURS,
    WORKER,
    History,
    Pair,
    Scripted,
    Telling,
    look,
    of_worker,
    sites,
)
from platforms import HandClock, Quiet
from tables import each_row

from bumper.errors import NoAccess, Outcome, Transient, UsageError
from bumper.follow.cluster import follow
from bumper.follow.loop import Followed
from bumper.follow.revisions import Revisions
from bumper.objects import ObjectKey
from bumper.recording.encoding import Subject, decode_desired, encode_desired, read
from bumper.recording.player import NoFacts, Player
from bumper.recording.recorder import Recorder
from bumper.recording.strip import strip
from bumper.request import Choice
from bumper.rollout.rules import judge


class Ticking(Scripted):
    """A cluster for which every answer takes time."""

    def observe(self, desired: Sequence[Any]) -> list[Any]:
        self.clock.sleep(0.1234567)
        return super().observe(desired)


def subject() -> Subject:
    return Subject((DESIRED,), OLD, "k8s/web/deployment.yaml:9", DESIRED.revision, "", ("1.0", "2.0"))


def recorded(*clusters: Scripted, timeout_s: float = 60.0) -> tuple[list[Followed], Quiet, list[str]]:
    lines: list[str] = []
    clock = clusters[0].clock
    recorder = Recorder(lines.append, clock)
    progress = Quiet()
    recorder.begin([cluster.name for cluster in clusters], timeout_s, [subject()], started_s=0.0)
    revisions = Revisions(History(), Choice(), recorder.clock)
    followed = follow([DESIRED], clusters, revisions, recorder.clock, timeout_s, progress, recorder)
    recorder.end()
    return followed, progress, lines


def replayed(lines: list[str]) -> tuple[list[Followed], Quiet, Player]:
    head, entries = read(lines)
    player = Player(head, entries)
    progress = Quiet()
    player.begin()
    desired = [desired for subject in head.subjects for desired in subject.followed]
    followed = follow(desired, player.clusters, NoFacts(), player.clock, head.timeout_s, progress, player)
    player.end()
    return followed, progress, player


WEATHER = [Transient("connection refused"), Transient("429", retry_after_s=7.0)]


@pytest.mark.parametrize(
    ("looks", "outcome"),
    [
        ([look(BEFORE, OLD), look(BEFORE, OLD), look(OURS, NEW)], Outcome.READY),
        ([look(BEFORE, OLD), *WEATHER, look(OURS, NEW)], Outcome.READY),
        ([look(BEFORE, OLD)], Outcome.TIMED_OUT),
        ([Transient("connection refused")], Outcome.UNKNOWN),
        ([look(BEFORE, OLD), NoAccess("east: 401", hint="log in")], Outcome.UNKNOWN),
    ],
)
def test_replaying_gives_the_same_verdict_timeline_and_progress(looks: list[Any], outcome: Outcome) -> None:
    followed, progress, lines = recorded(
        Ticking(list(looks), HandClock(), refusal="forbidden", polled=("polling",))
    )
    assert followed[0].verdict.outcome is outcome
    again, heard, player = replayed(lines)
    assert again == followed
    assert heard.heard == progress.heard
    assert player.clock.now() == json.loads(lines[-1])["end_s"]


def test_each_of_several_workloads_is_replayed() -> None:
    lines: list[str] = []
    clock = HandClock()
    recorder = Recorder(lines.append, clock)
    both = replace(subject(), followed=(DESIRED, WORKER), places=("a:1", "b:2"), stays=("c:3 web:1",))
    recorder.begin(["east"], 60.0, [both], started_s=0.0)
    cluster = Pair([look(OURS, NEW), of_worker(OLD), look(OURS, NEW), of_worker(NEW)], clock)
    revisions = Revisions(History(), Choice(), recorder.clock)
    followed = follow(both.followed, [cluster], revisions, recorder.clock, 60.0, Quiet(), recorder)
    recorder.end()
    again, _, player = replayed(lines)
    assert again == followed
    assert [end.workload.name for end in again[0].workloads] == ["web", "worker"]
    assert player.head.subjects == (both,)


def test_looks_at_some_of_the_sites_are_replayed() -> None:
    lines: list[str] = []
    clock = HandClock()
    recorder = Recorder(lines.append, clock)
    subjects = [
        Subject((each,), OLD, "k8s/web/deployment.yaml:9", each.revision, "", ("1.0", "2.0"))
        for each in sites(3)
    ]
    looks = [look(BEFORE, OLD), look(OURS, NEW), look(BEFORE, OLD), look(OURS, NEW)]
    cluster = Telling([*looks], clock, news=["", "site-001", "", "site-002"])
    progress = Quiet()
    recorder.begin(["east"], 60.0, subjects, started_s=0.0)
    revisions = Revisions(History(), Choice(), recorder.clock)
    followed = follow(sites(3), [cluster], revisions, recorder.clock, 60.0, progress, recorder)
    recorder.end()
    looked = [[site["site"] for site in entry["look"]] for entry in map(json.loads, lines) if "look" in entry]
    assert looked[:3] == [["site-000", "site-001", "site-002"], ["site-001"], []]
    again, heard, _ = replayed(lines)
    assert again == followed
    assert heard.heard == progress.heard


def test_a_recording_from_before_there_were_several_is_read() -> None:
    _, _, lines = recorded(Ticking([look(OURS, NEW)], HandClock()))
    old = [json.loads(line) for line in lines]
    for key in ("others", "places", "stays"):
        del old[0]["sites"][0][key]
    del old[0]["sites"][0]["desired"]["beside"]
    for entry in old:
        for site in entry.get("look", ()):
            del site["follows"]
    again, _, _ = replayed([json.dumps(entry) + "\n" for entry in old])
    assert again[0].verdict.outcome is Outcome.READY


def test_several_contexts_are_replayed_one_after_the_other() -> None:
    clocks = [HandClock(), HandClock()]
    east = Ticking([look(BEFORE, OLD), look(OURS, NEW)], clocks[0], name="east")
    west = Ticking([NoAccess("west: 401 Unauthorized")], clocks[1], name="west")
    followed, _, lines = recorded(east, west)
    again, _, _ = replayed(lines)
    assert [(report.label, report.verdict) for report in again] == [
        (report.label, report.verdict) for report in followed
    ]


class Polling(Ticking):
    """A cluster of which it is known only after a while that it can't be watched."""

    def wait(self, timeout_s: float) -> bool:
        super().wait(timeout_s)
        if self.clock.time > 3.0:
            self.polled = ("polling",)
        return False


def test_what_was_noticed_while_waiting_in_steps_is_replayed() -> None:
    east = Polling([look(BEFORE, OLD), look(OURS, NEW)], HandClock(), name="east")
    west = Ticking([NoAccess("west: 401 Unauthorized")], HandClock(), name="west")
    followed, progress, lines = recorded(east, west)
    assert followed[0].verdict.outcome is Outcome.READY
    assert ("notice", "polling") in progress.heard
    again, heard, _ = replayed(lines)
    assert [each.verdict for each in again] == [each.verdict for each in followed]
    assert ("notice", "polling") in heard.heard


def test_a_recording_that_was_cut_off_says_so_instead_of_a_verdict() -> None:
    _, _, lines = recorded(Ticking([look(BEFORE, OLD), look(BEFORE, OLD), look(OURS, NEW)], HandClock()))
    third = [number for number, line in enumerate(lines) if '"look"' in line][2]
    (cut,), _, _ = replayed([*lines[:third], lines[third].rstrip()[:-20]])
    assert (cut.verdict.outcome, cut.verdict.reason) == (Outcome.UNKNOWN, "RecordingEnded")


def test_a_site_that_no_look_shows_has_no_verdict() -> None:
    _, _, lines = recorded(Ticking([look(BEFORE, OLD), look(OURS, NEW)], HandClock()))
    without = [
        json.dumps({**entry, "look": []}) if "look" in (entry := json.loads(line)) else line for line in lines
    ]
    (missed,), _, _ = replayed(without)
    assert missed.verdict.outcome == Outcome.UNKNOWN
    assert "nothing more was recorded of web" in missed.verdict.message


def test_an_object_is_written_once_for_each_of_its_versions() -> None:
    _, _, lines = recorded(Ticking([look(BEFORE, OLD)], HandClock()))
    objects = [line for line in lines if line.startswith('{"object"')]
    looks = [line for line in lines if '"look"' in line]
    assert (len(objects), len(looks)) == (3, 13)


@pytest.mark.parametrize("text", ["", "{}\n", "[]\n", '{"recording":2}\n', "no json\n"])
def test_what_is_no_recording_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        read(text.splitlines(keepends=True))


# --- what is given away ---

SECRETS = ("hunter2", "s3cr3t-value", "c2VjcmV0")
OBJECT = {
    "kind": "Deployment",
    "metadata": {
        "name": "web",
        "managedFields": [{"manager": "kubectl"}],
        "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": '{"env":[{"value":"hunter2"}]}',
            "deployment.kubernetes.io/revision": "3",
            "tool/applied": "c2VjcmV0" * 100,
        },
    },
    "spec": {
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "web",
                        "image": "reg.io/web:1.0",
                        "args": ["--password", "hunter2"],
                        "env": [
                            {"name": "PASSWORD", "value": "hunter2"},
                            {"name": "HARMLESS", "value": "s3cr3t-value"},
                            {"name": "REF", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
                        ],
                        "readinessProbe": {
                            "httpGet": {
                                "path": "/",
                                "httpHeaders": [{"name": "X-Key", "value": "s3cr3t-value"}],
                            }
                        },
                    }
                ]
            }
        },
        "values": {
            "image": {"repository": "reg.io/web", "tag": "1.0"},
            "auth": {"user": "s3cr3t-value"},
            "on": True,
        },
        "postBuild": {"substitute": {"domain": "s3cr3t-value"}},
        "url": "https://user:hunter2@git.example/x.git",
    },
}


def test_no_secret_gets_into_the_file_and_no_name_is_lost() -> None:
    stripped = strip(OBJECT)
    text = json.dumps(stripped)
    assert not [secret for secret in SECRETS if secret in text]
    container = stripped["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "reg.io/web:1.0"
    assert [entry["name"] for entry in container["env"]] == ["PASSWORD", "HARMLESS", "REF"]
    assert container["env"][2] == OBJECT["spec"]["template"]["spec"]["containers"][0]["env"][2]  # type: ignore[index]
    assert stripped["spec"]["values"] == {
        "image": {"repository": "reg.io/web", "tag": "1.0"},
        "auth": {"user": "***"},
        "on": True,
    }
    assert stripped["metadata"]["annotations"] == {
        "deployment.kubernetes.io/revision": "3",
        "tool/applied": "***",
    }
    assert "managedFields" not in stripped["metadata"]


def test_a_secret_object_is_never_recorded() -> None:
    with pytest.raises(ValueError, match="never recorded"):
        strip({"kind": "Secret", "data": {"password": "aHVudGVyMg=="}})


@pytest.mark.slow
def test_what_is_left_is_judged_as_the_whole() -> None:
    assert situations.breaking(situations.names(), judged_as_the_whole) == []


def judged_as_the_whole(situation: situations.Situation) -> None:
    seen = situation.observation
    left = replace(
        seen,
        source=seen.source and strip(seen.source),
        kustomization=seen.kustomization and strip(seen.kustomization),
        workload=seen.workload and strip(seen.workload),
        replica_sets=tuple(map(strip, seen.replica_sets)),
        pods=tuple(map(strip, seen.pods)),
        events=tuple(map(strip, seen.events)),
        dependencies=tuple(map(strip, seen.dependencies)),
    )
    sightings = judge(situation.desired, replace(seen, at_s=0.0), {}).sightings
    for at_s in (0.0, 600.0):
        whole = judge(situation.desired, replace(seen, at_s=at_s), sightings)
        assert judge(situation.desired, replace(left, at_s=at_s), sightings) == whole


def test_what_was_wanted_survives_the_file() -> None:
    everything = replace(
        DESIRED,
        image=NEW.with_tag("2.0", "sha256:" + "a" * 64),
        previous=None,
        workload=ObjectKey("", "", ""),
    )
    for desired in (DESIRED, everything, replace(everything, revision=None)):
        assert decode_desired(json.loads(json.dumps(encode_desired(desired)))) == desired


# --- files that were sent ---

VERDICTS = {
    "flagger-failed-before": ("failed", "CanaryFailed"),
    "flagger-failed-checks": ("failed", "CanaryFailed"),
    "flagger-promoted": ("ready", "Ready"),
    "flagger-suspended": ("suspended", "CanarySuspended"),
    "helm-dependency": ("blocked", "DependencyNotReady"),
    "helm-failed-hook": ("failed", "RetriesExceeded"),
    "helm-never-ready": ("failed", "RetriesExceeded"),
    # A real kubelet, containerd and runc, as `make e2e-all` plays them (tests/e2e/deploys.py says what each is).
    "node-bad-command": ("failed", "ContainerStartFailed"),
    "node-crash-loop": ("failed", "CrashLoop"),
    "node-ends-well": ("failed", "CrashLoop"),
    "node-exec-probe": ("failed", "NotReady"),
    "node-foreign-program": ("failed", "WrongArchitecture"),
    "node-immutable": ("failed", "ReconciliationFailed"),
    "node-init-crash": ("failed", "CrashLoop"),
    "node-init-waits": ("timed-out", "NotRolledOut"),
    "node-invalid-name": ("failed", "InvalidImageName"),
    "node-late-crash": ("failed", "CrashLoop"),
    "node-liveness": ("failed", "KilledByProbe"),
    "node-login-wanted": ("failed", "PullDenied"),
    "node-missing-config-map": ("failed", "MissingConfig"),
    "node-missing-digest": ("failed", "NoSuchTag"),
    "node-missing-key": ("failed", "MissingConfig"),
    "node-missing-secret": ("failed", "MissingConfig"),
    "node-missing-tag": ("failed", "NoSuchTag"),
    "node-never-pulled": ("failed", "ImageNeverPulled"),
    "node-no-probe": ("ready", "Ready"),
    "node-no-token": ("failed", "PullDenied"),
    "node-other-unhealthy": ("blocked", "HealthCheckFailed"),
    "node-out-of-memory": ("failed", "OOMKilled"),
    "node-post-start-fails": ("failed", "ContainerStartFailed"),
    "node-pull-forbidden": ("failed", "PullDenied"),
    "node-quota": ("failed", "QuotaExceeded"),
    "node-read-only": ("failed", "CrashLoop"),
    "node-startup": ("failed", "KilledByProbe"),
    "node-stubborn": ("ready", "Ready"),
    "node-unreachable-registry": ("failed", "RegistryUnreachable"),
    "node-wrong-platform": ("failed", "WrongArchitecture"),
    "node-wrong-type": ("failed", "ReconciliationFailed"),
    "sandbox-crash": ("failed", "CrashLoop"),
    "sandbox-ready": ("ready", "Ready"),
}


@each_row("name", replays.names())
def test_a_file_that_was_sent_is_judged_as_it_was(name: str) -> None:
    head, entries = replays.load(name)
    player = Player(head, entries)
    player.begin()
    desired = [subject.desired for subject in head.subjects]
    (report,) = follow(desired, player.clusters, NoFacts(), player.clock, head.timeout_s, Quiet(), player)
    assert (report.verdict.outcome.value, report.verdict.reason) == VERDICTS[name]
