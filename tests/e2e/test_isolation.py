"""`bump isolate` on a real Flux with the real source-watcher: a bump reconciles its own site and no other.

One stack of its own: it starts as a cluster that is not ready for artifacts, and gets one after the other what it lacks.
"""

import json
import time
from collections.abc import Callable, Iterator

import pytest

from . import crds
from .access import FOLLOWER
from .api import Object, path_of
from .fleet import Site, fleet
from .isolation import ARTIFACTS, GATE, bumped, kustomization, origin, ready, reason, runs
from .looks import eventually, running_images
from .program import Ground
from .repository import Repository
from .stack import FLUX_NAMESPACE, Options, Stack

pytestmark = pytest.mark.slow

SITES = ("isle-a", "isle-b", "isle-c", "isle-d")
ISOLATED = SITES[:3]
GENERATORS = "artifactgenerators.source.extensions.fluxcd.io"
_WITHOUT_GATE = ("--requeue-dependency=2s",)
# `bump doctor` reads the settings of Flux's controllers from their Deployments.
_CONTROLLERS: Object = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["list"]}
TOGETHER = "eee0005"
_QUIET_S = 8.0


@pytest.fixture(scope="module")
def flux(controllers: Callable[..., tuple[str, ...]]) -> Iterator[Stack]:
    """A cluster without source-watcher and its definition, whose kustomize-controller does not know artifacts either."""
    options = Options(
        played_node=True, kustomize_controller=_WITHOUT_GATE, more=controllers("source-watcher")
    )
    with Stack(options) as running:
        running.halt("source-watcher")
        running.api.request("DELETE", path_of("CustomResourceDefinition", name=GENERATORS)).raise_for_status()
        yield running


@pytest.fixture(scope="module")
def ground(flux: Stack) -> Ground:
    rules = (*FOLLOWER, ARTIFACTS, _CONTROLLERS)
    return Ground(flux, {"KUBECONFIG": str(flux.account("isolation", rules))})


@pytest.fixture(scope="module")
def repository(flux: Stack) -> Repository:
    made = fleet(flux, "isle", [Site(name) for name in SITES])
    eventually(lambda: all(running_images(flux, name) for name in SITES), "all sites run")
    _show_controller(flux, "source-controller", ())
    _show_controller(flux, "kustomize-controller", _WITHOUT_GATE)
    return made


def test_without_source_watcher_the_sites_stay_as_they_are(
    flux: Stack, ground: Ground, repository: Repository
) -> None:
    """What lists the sites can't be applied then; a deploy goes the old way, and says so."""
    proposed = ground.start(repository.url, "isolate", *ISOLATED).result()
    assert (proposed.exit_code, proposed.answer["outcome"]) == (0, "pushed"), proposed
    assert proposed.answer["sites"] == list(ISOLATED)
    repository.request_fetch("isle")
    eventually(lambda: reason(flux, "fleet-isle") == "ReconciliationFailed", "the kind is not known")
    assert _missing(ground, repository) == [
        "runs without the feature gate ExternalArtifact",
        "none found beside the sources",
    ]
    ended = bumped(flux, ground, repository, "isle-a", "aaa0000")
    assert (*ended.verdict, ended.exit_code) == ("ready", "Ready", 0), ended
    assert "takes another source in the cluster" in json.dumps(ended.answer)


def test_without_the_gate_nothing_is_applied_and_both_say_so(
    flux: Stack, ground: Ground, repository: Repository
) -> None:
    (definition,) = [text for text in crds.definitions() if f"name: {GENERATORS}" in text]
    flux.api.create_yaml("CustomResourceDefinition", definition)
    eventually(lambda: flux.api.healthy("/apis/source.extensions.fluxcd.io/v1beta1"), "the kind is served")
    flux.resume("source-watcher")
    _show_controller(flux, "source-watcher", ())
    before = _objects(flux)
    repository.request_reconciliation("Kustomization", "fleet-isle")
    eventually(lambda: reason(flux, "isle-a") == "AccessDenied", "kustomize-controller refuses the source")
    eventually(lambda: ready(flux, "ArtifactGenerator", "sites"), "the artifacts are made")
    assert _missing(ground, repository) == ["runs without the feature gate ExternalArtifact"]

    flux.images.push("isle-a", "aaa0001")
    ended = ground.start(repository.url, "--site", "isle-a", "--sha", "aaa0001", "--timeout", "60s").result()
    assert (*ended.verdict, ended.exit_code) == ("blocked", "AccessDenied", 6), ended
    assert "--feature-gates=ExternalArtifact=true" in json.dumps(ended.answer)
    assert _objects(flux) == before, "what runs stays as it is"


def test_with_the_gate_each_site_is_built_from_its_own_artifact(
    flux: Stack, ground: Ground, repository: Repository
) -> None:
    flux.restart_kustomize_controller(*_WITHOUT_GATE, GATE)
    _show_controller(flux, "kustomize-controller", (*_WITHOUT_GATE, GATE))
    eventually(lambda: all(ready(flux, "Kustomization", name) for name in SITES), "all are Ready")
    for name in ISOLATED:
        revisions = kustomization(flux, name).get("status") or {}
        assert revisions["lastAppliedRevision"].startswith("latest@sha256:"), revisions
        assert revisions["lastAppliedOriginRevision"].startswith("main@sha1:"), revisions
    assert _missing(ground, repository) == []


def test_a_bump_reconciles_its_own_site_alone(flux: Stack, ground: Ground, repository: Repository) -> None:
    eventually(lambda: _is_quiet(flux), "nothing is left to reconcile")
    before = {name: kustomization(flux, name) for name in SITES}
    finished = {name: runs(flux, name) for name in SITES}
    ended = bumped(flux, ground, repository, "isle-b", "bbb0002")
    assert (*ended.verdict, ended.exit_code) == ("ready", "Ready", 0), ended
    tip = repository.tip
    eventually(
        lambda: origin(flux, "isle-d").endswith(tip),
        "the site without an artifact has gone through the commit",
    )
    time.sleep(_QUIET_S)
    after = {name: kustomization(flux, name) for name in SITES}
    assert origin(flux, "isle-b") == f"main@sha1:{tip}"
    for name in ("isle-a", "isle-c"):
        assert after[name]["metadata"]["resourceVersion"] == before[name]["metadata"]["resourceVersion"], name
    assert {name: runs(flux, name) - finished[name] for name in SITES} == {
        "isle-a": 0,
        "isle-b": 1,
        "isle-c": 0,
        "isle-d": 1,
    }


def test_a_site_whose_artifact_stays_is_followed_by_its_content(
    flux: Stack, ground: Ground, repository: Repository
) -> None:
    """Its artifact names an older commit than the branch's: that of the last change of its own files."""
    tag = "bbb0002"
    commit = repository.tip
    bumped(flux, ground, repository, "isle-c", "ccc0003")
    unchanged = ground.start(repository.url, "--site", "isle-b", "--sha", tag).result()
    assert (unchanged.exit_code, unchanged.verdict) == (0, ("unchanged", "Ready")), unchanged
    tracked = ground.start(repository.url, "track", "--site", "isle-b", "--commit", commit).result()
    assert (*tracked.verdict, tracked.exit_code) == ("ready", "Ready", 0), tracked


def test_several_sites_in_one_commit(flux: Stack, ground: Ground, repository: Repository) -> None:
    for name in SITES:
        flux.images.push(name, TOGETHER)
    pairs = [argument for name in SITES for argument in ("--set", f"{name}={TOGETHER}")]
    ended = ground.start(repository.url, *pairs).result()
    assert [site["outcome"] for site in ended.answer["sites"]] == ["ready"] * len(SITES), ended


def test_a_bad_version_fails_and_goes_back(flux: Stack, ground: Ground, repository: Repository) -> None:
    flux.images.push("isle-c", "bad0004", behaviour="crash", log="no such table: pages")
    run = ground.start(repository.url, "--site", "isle-c", "--sha", "bad0004", "--auto-rollback")
    ended = run.result()
    assert (*ended.verdict, ended.exit_code) == ("failed", "CrashLoop", 11), ended
    eventually(
        lambda: (
            {image for image, _ in running_images(flux, "isle-c")} == {f"{flux.registry}/isle-c:{TOGETHER}"}
        ),
        "the version before runs again",
    )
    assert origin(flux, "isle-c").endswith(repository.tip)


def _missing(ground: Ground, repository: Repository) -> list[str]:
    """What `bump doctor` finds missing; its exit code says the same."""
    examined = ground.start(repository.url, "doctor", "isle-a").result()
    missing = [str(each["found"]) for each in examined.answer["findings"] if each["result"] == "missing"]
    assert examined.exit_code == (6 if missing else 0), examined
    return missing


def _objects(flux: Stack) -> dict[str, str]:
    """Site → uid of its Deployment, and the image that it has."""
    deployments = {name: flux.api.find("Deployment", name, name) or {} for name in SITES}
    return {
        name: f"{each['metadata']['uid']} {each['spec']['template']['spec']['containers'][0]['image']}"
        for name, each in deployments.items()
    }


def _is_quiet(flux: Stack) -> bool:
    before = {name: kustomization(flux, name)["metadata"]["resourceVersion"] for name in SITES}
    time.sleep(_QUIET_S)
    return before == {name: kustomization(flux, name)["metadata"]["resourceVersion"] for name in SITES}


def _show_controller(flux: Stack, name: str, arguments: tuple[str, ...]) -> None:
    """The Deployment that Flux's installation has for a controller; the program itself is a part of the stack."""
    flux.images.push(name, "v1.0.0")
    labels = {"app": name, "app.kubernetes.io/part-of": "flux"}
    container = {"name": "manager", "image": f"{flux.registry}/{name}:v1.0.0", "args": list(arguments)}
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": FLUX_NAMESPACE, "labels": labels},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}},
        },
    }
    flux.api.apply("Deployment", FLUX_NAMESPACE, name, body)
    eventually(
        lambda: ((flux.api.find("Deployment", FLUX_NAMESPACE, name) or {}).get("status") or {}).get(
            "availableReplicas"
        ),
        f"{name} is there",
    )
