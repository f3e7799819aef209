"""The sandbox's Flux against recordings of the real one: the same states in the same order, with the same words."""

import base64
import difflib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bumper_sandbox.flux import conditions
from bumper_sandbox.git.server import GitServer
from bumper_sandbox.kubernetes.kinds import DEPLOYMENT, EVENT, GIT_REPOSITORY, KUSTOMIZATION, NAMESPACE
from bumper_sandbox.kubernetes.kubelet import Timing
from bumper_sandbox.kubernetes.store import Manifest
from sandbox.states import Names, deployment_states, flux_states, recorded
from sandbox.virtual import PlainGit, VirtualCluster

FLUX = "flux-system"
DEMO = "apps/demo/deployment.yaml"
BROKEN = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: demo\nspec:\n  replicas: [2\n"

# What a state that the two do not share begins or ends with, and why they do not share it.
DIFFERENCES = {
    "dep is looked at before demo's run begins": (
        "Ready=False DependencyNotReady @1: dependency 'flux-system/demo' revision is not up to date",
        "the real controller starts both in two threads, here the dependency goes first",
    ),
    "one of two pods is ready": (
        "generation 1 observed 1 revision 1, replicas 2 updatedReplicas 2 readyReplicas 1 availableReplicas 1 unavailableReplicas 1",
        "the recorded pods became ready one after the other, here together",
    ),
    "a new ReplicaSet has no pod yet": (
        "generation 3 observed 3 revision 3, replicas 2 readyReplicas 2 availableReplicas 2 unavailableReplicas 1",
        "in the third rollout the real controller saw the pod already when it first counted; in the others it did not",
    ),
    "the first count of the third rollout": (
        "generation 3 observed 3 revision 3, replicas 3 updatedReplicas 1 readyReplicas 2 availableReplicas 2 unavailableReplicas 1",
        "the other side of the same",
    ),
}


def deployment(tag: str, *, replicas: str = "2", deadline: str = "") -> str:
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: demo, labels: {{app: demo}}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: demo}}}}{deadline}
  template:
    metadata: {{labels: {{app: demo}}}}
    spec:
      containers:
      - name: demo
        image: 127.0.0.1:25000/team/app:{tag}
        readinessProbe: {{httpGet: {{path: /, port: 8080}}}}
"""


FILES = {
    DEMO: deployment("1.0.0").encode(),
    "apps/demo/kustomization.yaml": b"resources: [deployment.yaml]\n",
    "apps/dep/settings.yaml": b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: dep}\ndata: {a: b}\n",
}


@dataclass
class Fleet:
    """A repository `fleet`, a GitRepository of that name, and a cluster that follows it."""

    server: GitServer
    git: PlainGit
    virtual: VirtualCluster
    url: str

    def add(
        self, kind_name: str, api_version: str, name: str, namespace: str = FLUX, **fields: object
    ) -> None:
        metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
        self.virtual.cluster.add(
            {"apiVersion": api_version, "kind": kind_name, "metadata": metadata, **fields}
        )

    def add_kustomization(self, name: str, path: str, **spec: object) -> None:
        base = {
            "interval": "1m",
            "retryInterval": "30s",
            "path": path,
            "prune": True,
            "targetNamespace": "apps",
        }
        reference = {"sourceRef": {"kind": "GitRepository", "name": "fleet"}}
        self.add("Kustomization", KUSTOMIZATION.api_version, name, spec={**base, **reference, **spec})

    def push(self, text: str, subject: str = "change") -> str:
        """Pushes the Deployment with plain git and asks the source to look."""
        sha = self.git.push({DEMO: text}, subject)
        self.virtual.request(GIT_REPOSITORY, FLUX, "fleet")
        return sha

    def kustomization(self, name: str = "demo") -> Manifest:
        return self.virtual.store.get(KUSTOMIZATION, FLUX, name)

    def source(self) -> Manifest:
        return self.virtual.store.get(GIT_REPOSITORY, FLUX, "fleet")

    def until_reason(self, reason: str, name: str = "demo", limit_s: float = 120.0) -> None:
        self.virtual.until(
            lambda: (conditions.get(self.kustomization(name), "Ready") or {}).get("reason") == reason, limit_s
        )

    def until_applied(self, sha: str) -> None:
        self.virtual.until(
            lambda: self.kustomization()["status"].get("lastAppliedRevision", "").endswith(sha)
        )

    def suspend(self, what: str, *, suspend: bool) -> None:
        kind, name = (KUSTOMIZATION, "demo") if what == "demo" else (GIT_REPOSITORY, "fleet")
        self.virtual.edit(kind, FLUX, name, lambda obj: obj["spec"].update(suspend=suspend))

    def events(self, name: str = "demo") -> list[tuple[str, str, str]]:
        """Type, reason and message of what was recorded for the Kustomization."""
        events = [
            event for event in self.virtual.store.select(EVENT)[0] if _concerns(event, "Kustomization", name)
        ]
        return [(event["type"], event["reason"], event["message"]) for event in events]


def _concerns(event: Manifest, kind: str, name: str) -> bool:
    return (event["involvedObject"]["kind"], event["involvedObject"]["name"]) == (kind, name)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with GitServer("token-of-the-test", os.environ) as server:
        url = server.create("fleet", FILES)
        virtual = VirtualCluster(timing=Timing(pull_s=0.1, ready_s=0.1, slow_s=8.0))
        made = Fleet(server, PlainGit(tmp_path / "copy", url, "token-of-the-test"), virtual, url)
        for namespace in (FLUX, "apps"):
            made.add("Namespace", NAMESPACE.api_version, namespace, "")
        login = {"username": "git", "password": "token-of-the-test"}
        data = {key: base64.b64encode(word.encode()).decode() for key, word in login.items()}
        made.add("Secret", "v1", "fleet", data=data)
        spec = {
            "interval": "1m",
            "ref": {"branch": "main"},
            "timeout": "20s",
            "url": url,
            "secretRef": {"name": "fleet"},
        }
        made.add("GitRepository", GIT_REPOSITORY.api_version, "fleet", spec=spec)
        try:
            yield made
        finally:
            virtual.close()


@pytest.fixture
def healthy(fleet: Fleet) -> Fleet:
    """The fleet with `demo`, waited for, and Ready."""
    fleet.add_kustomization("demo", "./apps/demo", timeout="20s", wait=True)
    fleet.until_reason("ReconciliationSucceeded")
    fleet.virtual.pass_s(0.2)
    return fleet


def play_the_recording(fleet: Fleet) -> None:
    """Does what was done while the recording ran, in the same order, with plain git."""
    virtual = fleet.virtual
    fleet.add_kustomization("demo", "./apps/demo", timeout="20s", wait=True)
    fleet.until_reason("ReconciliationSucceeded")
    virtual.pass_s(0.2)
    for tag in ("1.1.1", "1.1.2", "1.1.3", "1.2.0-slow"):
        fleet.until_applied(fleet.push(deployment(tag)))
        virtual.pass_s(0.2)
    fleet.push(deployment("2.0.0-missing"))
    fleet.until_reason("HealthCheckFailed")
    virtual.pass_s(0.05)
    fleet.add_kustomization("dep", "./apps/dep", dependsOn=[{"name": "demo"}])
    fleet.until_reason("DependencyNotReady", "dep")
    fleet.push(deployment("2.0.1-crash", deadline="\n  progressDeadlineSeconds: 5"))
    fleet.until_reason("Progressing")
    fleet.until_reason("HealthCheckFailed")
    virtual.pass_s(0.3)
    fleet.until_applied(fleet.push(deployment("2.0.2")))
    fleet.until_reason("ReconciliationSucceeded", "dep")
    virtual.pass_s(0.5)
    fleet.push(BROKEN)
    fleet.until_reason("BuildFailed")
    virtual.pass_s(0.3)
    fleet.push(deployment("2.0.2", replicas="two"))
    fleet.until_reason("ReconciliationFailed")
    virtual.pass_s(0.3)
    fleet.until_applied(fleet.push(deployment("2.1.0")))
    virtual.pass_s(0.02)
    fleet.suspend("demo", suspend=True)
    virtual.pass_s(0.2)
    sha = fleet.push(deployment("2.1.1"))
    virtual.request(KUSTOMIZATION, FLUX, "demo")
    virtual.pass_s(4)
    fleet.suspend("demo", suspend=False)
    fleet.until_applied(sha)
    virtual.pass_s(0.1)
    fleet.suspend("fleet", suspend=True)
    virtual.pass_s(2)
    fleet.server.faults.outage = True
    fleet.suspend("fleet", suspend=False)
    virtual.until(lambda: conditions.get(fleet.source(), "Reconciling"))
    virtual.request(GIT_REPOSITORY, FLUX, "fleet")
    virtual.pass_s(0.1)
    fleet.server.faults.outage = False
    virtual.request(GIT_REPOSITORY, FLUX, "fleet")
    virtual.until(lambda: fleet.source()["status"]["observedGeneration"] == 3)


@pytest.mark.slow
def test_every_recorded_state_comes_in_the_same_order(fleet: Fleet) -> None:
    play_the_recording(fleet)
    compared = [
        (KUSTOMIZATION, "demo", flux_states),
        (KUSTOMIZATION, "dep", flux_states),
        (GIT_REPOSITORY, "fleet", flux_states),
        (DEPLOYMENT, "demo", deployment_states),
    ]
    explained = set()
    for kind, name, states in compared:
        real = states(recorded(kind.plural, name), Names())
        ours = states(fleet.virtual.states(kind, name), Names())
        if (kind, name) == (KUSTOMIZATION, "dep"):
            # The recording of dependents ends earlier than the one of demo.
            ours = ours[: len(real)]
        for state in unshared(real, ours):
            why = next((label for label, (text, _) in DIFFERENCES.items() if text in state), None)
            assert why, f"{kind.name} {name}: not in both, and not in the list of differences:\n{state}"
            explained.add(why)
        assert len(real) > 10
    assert explained == set(DIFFERENCES), "a difference that is no longer there must leave the list"


def unshared(real: list[str], ours: list[str]) -> list[str]:
    """The states that stand in one sequence and not, at that place, in the other."""
    matcher = difflib.SequenceMatcher(None, real, ours, autojunk=False)
    return [
        state
        for tag, start, end, our_start, our_end in matcher.get_opcodes()
        if tag != "equal"
        for state in [*real[start:end], *ours[our_start:our_end]]
    ]


def test_ready_comes_one_write_before_the_applied_revision(healthy: Fleet) -> None:
    sha = healthy.push(deployment("1.1.1"))
    healthy.until_applied(sha)
    versions = healthy.virtual.states(KUSTOMIZATION, "demo")
    before, last = versions[-2], versions[-1]
    assert conditions.get(before, "Ready") == conditions.get(last, "Ready")
    assert (conditions.get(before, "Ready") or {})["message"] == f"Applied revision: main@sha1:{sha}"
    assert before["status"]["lastAppliedRevision"] != last["status"]["lastAppliedRevision"]


def test_a_push_without_a_request_is_seen_at_the_interval(healthy: Fleet) -> None:
    start_s = healthy.virtual.time.now_s
    sha = healthy.git.push({DEMO: deployment("1.1.1")})
    healthy.until_applied(sha)
    assert 50 < healthy.virtual.time.now_s - start_s < 70


@pytest.mark.slow
def test_of_two_pushes_before_a_look_only_the_last_is_attempted(healthy: Fleet) -> None:
    first = healthy.git.push({DEMO: deployment("1.1.1")})
    second = healthy.push(deployment("1.1.2"))
    healthy.until_applied(second)
    attempted = {
        version["status"].get("lastAttemptedRevision")
        for version in healthy.virtual.states(KUSTOMIZATION, "demo")
    }
    assert f"main@sha1:{first}" not in attempted


@pytest.mark.slow
def test_a_fix_waits_until_the_health_check_of_the_bad_revision_has_ended(healthy: Fleet) -> None:
    healthy.push(deployment("2.0.0-missing"))
    healthy.virtual.pass_s(3)
    start_s = healthy.virtual.time.now_s
    healthy.until_applied(healthy.push(deployment("2.0.1")))
    assert 27 < healthy.virtual.time.now_s - start_s < 40


def test_a_request_to_the_kustomization_alone_fetches_nothing(healthy: Fleet) -> None:
    sha = healthy.git.push({DEMO: deployment("1.1.1")})
    healthy.virtual.request(KUSTOMIZATION, FLUX, "demo")
    healthy.virtual.pass_s(10)
    status = healthy.kustomization()["status"]
    assert status["lastHandledReconcileAt"]
    assert sha not in status["lastAttemptedRevision"]


def test_without_wait_it_is_ready_before_the_pods_are(fleet: Fleet) -> None:
    fleet.add_kustomization("demo", "./apps/demo")
    fleet.until_reason("ReconciliationSucceeded")
    deployment = fleet.virtual.store.get(DEPLOYMENT, "apps", "demo")
    assert deployment["status"].get("availableReplicas", 0) == 0
    assert conditions.get(fleet.kustomization(), "Healthy") is None


@pytest.mark.slow
def test_what_leaves_git_leaves_the_cluster(fleet: Fleet) -> None:
    fleet.git.push(
        {
            "apps/demo/kustomization.yaml": "resources: [deployment.yaml, extra.yaml]\n",
            "apps/demo/extra.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\n",
        }
    )
    fleet.add_kustomization("demo", "./apps/demo")
    fleet.until_reason("ReconciliationSucceeded")
    config_map = fleet.virtual.store.kinds.find("v1", "ConfigMap")
    assert config_map
    assert fleet.virtual.store.find(config_map, "apps", "extra")
    fleet.git.push({"apps/demo/kustomization.yaml": "resources: [deployment.yaml]\n"})
    fleet.virtual.request(GIT_REPOSITORY, FLUX, "fleet")
    fleet.virtual.until(lambda: fleet.virtual.store.find(config_map, "apps", "extra") is None)
    fleet.virtual.pass_s(1)
    assert len(fleet.kustomization()["status"]["inventory"]["entries"]) == 1
    assert any(message == "ConfigMap/apps/extra deleted" for _, _, message in fleet.events())


def test_a_deleted_kustomization_takes_its_objects_along(fleet: Fleet) -> None:
    fleet.add_kustomization("demo", "./apps/demo")
    fleet.until_reason("ReconciliationSucceeded")
    fleet.virtual.store.delete(KUSTOMIZATION, FLUX, "demo")
    fleet.virtual.until(lambda: fleet.virtual.store.find(DEPLOYMENT, "apps", "demo") is None)
    assert fleet.virtual.store.find(KUSTOMIZATION, FLUX, "demo") is None


@pytest.mark.parametrize(
    ("spec", "reason", "message"),
    [
        (
            {"path": "./nope"},
            "ArtifactFailed",
            "kustomization path not found: stat /tmp/kustomization-1662135871/nope: no such file or directory",
        ),
        (
            {"sourceRef": {"kind": "GitRepository", "name": "nope"}},
            "ArtifactFailed",
            'GitRepository.source.toolkit.fluxcd.io "nope" not found',
        ),
        (
            {"targetNamespace": "nope"},
            "ReconciliationFailed",
            'Deployment/nope/demo not found: namespaces "nope" not found\n',
        ),
        (
            {"patches": [{"patch": "x"}]},
            "BuildFailed",
            "the sandbox's Flux does not understand spec.patches of a Kustomization",
        ),
    ],
)
def test_what_cannot_be_applied_is_said_in_flux_words(
    fleet: Fleet, spec: dict[str, object], reason: str, message: str
) -> None:
    path = str(spec.pop("path", "./apps/demo"))
    fleet.add_kustomization("demo", path, **spec)
    fleet.until_reason("Progressing" if "sourceRef" not in spec else reason)
    fleet.until_reason(reason)
    assert (conditions.get(fleet.kustomization(), "Ready") or {})["message"] == message


def test_a_missing_branch_and_a_wrong_token_are_told_apart(fleet: Fleet) -> None:
    spec = {"interval": "1m", "url": fleet.url, "secretRef": {"name": "fleet"}}
    fleet.add(
        "GitRepository", GIT_REPOSITORY.api_version, "nobranch", spec={**spec, "ref": {"branch": "nope"}}
    )
    fleet.add("Secret", "v1", "wrong", data={"username": "Z2l0", "password": "eA=="})
    fleet.add(
        "GitRepository",
        GIT_REPOSITORY.api_version,
        "denied",
        spec={**spec, "ref": {"branch": "main"}, "secretRef": {"name": "wrong"}},
    )

    def message(name: str) -> str:
        source = fleet.virtual.store.get(GIT_REPOSITORY, FLUX, name)
        return str((conditions.get(source, "FetchFailed") or {}).get("message", ""))

    fleet.virtual.until(lambda: message("nobranch") and message("denied"))
    start = f"failed to checkout and determine revision: unable to clone '{fleet.url}': "
    assert message("nobranch") == start + 'couldn\'t find remote ref "refs/heads/nope"'
    assert message("denied") == start + "authentication required"


@pytest.mark.slow
def test_events_name_the_revision_and_repeat_by_count(healthy: Fleet) -> None:
    for tag in ("1.1.1", "1.1.2"):
        healthy.until_applied(healthy.push(deployment(tag)))
    assert healthy.events()[:2] == [
        ("Normal", "Progressing", "Deployment/apps/demo created"),
        ("Normal", "Progressing", "Health check passed in 5.03s"),
    ]
    events = [
        event for event in healthy.virtual.store.select(EVENT)[0] if _concerns(event, "Kustomization", "demo")
    ]
    again = next(event for event in events if event["message"] == "Deployment/apps/demo configured")
    first = healthy.virtual.states(GIT_REPOSITORY, "fleet")[-1]
    assert again["count"] == 2
    # As recorded: the annotation keeps the revision of the first time, so it tells nothing of the last.
    noted = again["metadata"]["annotations"]["kustomize.toolkit.fluxcd.io/revision"]
    assert noted.startswith("main@sha1:")
    assert noted != first["status"]["artifact"]["revision"]


def test_the_token_stands_nowhere_in_the_cluster_but_in_its_secret(healthy: Fleet) -> None:
    store = healthy.virtual.store
    texts = [str(obj) for kind in store.kinds for obj in store.select(kind)[0] if kind.name != "Secret"]
    assert len(texts) > 10
    assert not [text for text in texts if "token-of-the-test" in text]
