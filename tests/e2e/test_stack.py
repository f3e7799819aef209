"""The stack itself, without `bump`: if one of these fails, no other end-to-end test means anything."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from . import node, node_traces
from .api import Api, Object, path_of, tls_context
from .fleet import Site, fleet
from .looks import condition, eventually, running_images, waiting
from .repository import TREE, Repository, sites
from .stack import FLUX_NAMESPACE, Stack

# What cannot become Ready here, each with what the cluster says of it: no helm-controller runs on this stack,
# and charts and secrets come from the outside world, which a test run does not ask.
NEVER_READY = {
    "external-secrets": r"Running health checks|HelmRelease/external-secrets/external-secrets",
    "external-secrets-store": r"dependency 'flux-system/external-secrets' is not ready",
    "umami": r"dependency 'flux-system/external-secrets-store' is not ready",
    "observability": r"dependency 'flux-system/external-secrets-store' is not ready",
}


def ready(stack: Stack, kustomization: str) -> Object:
    return condition(stack.api.find("Kustomization", FLUX_NAMESPACE, kustomization), "Ready")


def test_flux_applies_our_tree(stack: Stack, tree: Repository) -> None:
    wanted = {site: f"{stack.registry}/{site}:{tag}" for site, tag in sites(tree).items()}
    assert len(wanted) == 7

    def unready() -> list[str]:
        return [site for site in wanted if ready(stack, site).get("status") != "True"]

    def down() -> list[str]:
        return [site for site, image in wanted.items() if image not in dict(running_images(stack, site))]

    eventually(lambda: not unready(), "every site's Kustomization Ready")
    eventually(lambda: not down(), "every site's image runs")
    assert ready(stack, "flux-system")["message"] == f"Applied revision: main@sha1:{tree.tip}"


def test_what_cannot_become_ready_says_why(stack: Stack, tree: Repository) -> None:
    for name, why in NEVER_READY.items():
        eventually(partial(_says, stack, name, why), f"Kustomization {name}: {why}")
    present = {entry["metadata"]["name"] for entry in stack.api.list("Kustomization", FLUX_NAMESPACE)}
    ours = {path.stem.removesuffix("-sync") for path in (TREE / "flux-system").glob("*-sync.yaml")} - {"gotk"}
    assert ours - set(sites(tree)) == set(NEVER_READY)
    assert ours <= present
    assert not [release for release in stack.api.list("HelmRelease") if condition(release, "Ready")]


def _says(stack: Stack, name: str, why: str) -> bool:
    kustomization = stack.api.find("Kustomization", FLUX_NAMESPACE, name)
    messages = " ".join(
        condition(kustomization, kind).get("message", "") for kind in ("Ready", "Reconciling")
    )
    return re.search(why, messages) is not None


MANIFESTS = sorted(path for path in TREE.rglob("*.yaml") if path.name != "kustomization.yaml")


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: str(path.relative_to(TREE)))
def test_every_manifest_is_valid(path: Path, stack: Stack, tree: Repository) -> None:
    """By the API server's own validation, unknown fields included; those that Flux does not get to among them."""
    api = stack.api
    for manifest in YAML(typ="safe").load_all(path.read_bytes()):
        metadata = manifest["metadata"]
        namespace = metadata.get("namespace", "")
        if namespace and api.find("Namespace", "", namespace) is None:
            api.create("Namespace", "", {"metadata": {"name": namespace}})
        answer = api.request(
            "PATCH",
            path_of(manifest["kind"], namespace, metadata["name"]),
            params={
                "dryRun": "All",
                "fieldValidation": "Strict",
                "fieldManager": "bump-e2e",
                "force": "true",
            },
            json=manifest,
            headers={"Content-Type": "application/apply-patch+yaml"},
        )
        assert answer.is_success, answer.text


def test_a_plain_push_rolls_the_deployment(stack: Stack, tree: Repository) -> None:
    digest = stack.images.push("kevinryan-io", "fed4321")
    commit = tree.set_tag("kevinryan-io", "fed4321")
    tree.request_fetch()
    image = f"{stack.registry}/kevinryan-io"
    wanted = {(f"{image}:fed4321", f"{image}@{digest}")}
    eventually(lambda: running_images(stack, "kevinryan-io") == wanted, "only the new image runs")
    eventually(lambda: commit in ready(stack, "kevinryan-io").get("message", ""), "the commit is applied")


def test_a_missing_image_is_backed_off(stack: Stack, tree: Repository) -> None:
    before = running_images(stack, "sddbook-com")
    tree.set_tag("sddbook-com", "0000000")
    tree.request_fetch()
    (container,) = eventually(lambda: waiting(stack, "sddbook-com", "ImagePullBackOff"), "ImagePullBackOff")
    image = f"{stack.registry}/sddbook-com:0000000"
    assert container["state"]["waiting"]["message"] == (
        f'Back-off pulling image "{image}": ErrImagePull: rpc error: code = NotFound desc = '
        f'failed to pull and unpack image "{image}": failed to resolve image: {image}: not found'
    )
    assert running_images(stack, "sddbook-com") == before


def test_logs_come_through_the_api_server(stack: Stack) -> None:
    repository = fleet(stack, "crashing", [Site("crashing")])
    stack.images.push("crashing", "2.0.0", behaviour="crash", log="starting\nno such table: pages")
    repository.set_tag("crashing", "2.0.0")
    repository.request_fetch("crashing")
    eventually(lambda: waiting(stack, "crashing", "CrashLoopBackOff"), "CrashLoopBackOff")
    (pod,) = [
        pod
        for pod in stack.api.list("Pod", "crashing")
        if pod["status"]["containerStatuses"][0]["restartCount"]
    ]
    log = f"{path_of('Pod', 'crashing', pod['metadata']['name'])}/log"
    assert stack.api.request("GET", log).text == "starting\nno such table: pages\n"
    assert (
        stack.api.request("GET", log, params={"previous": "true", "tailLines": "1"}).text
        == "no such table: pages\n"
    )
    last = pod["status"]["containerStatuses"][0]["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"]) == (1, "Error")


def test_an_account_may_do_what_its_rules_say_and_no_more(stack: Stack) -> None:
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]
    token = json.loads(stack.account("reader", rules).read_text())["users"][0]["user"]["token"]
    context = tls_context(stack.access.authority)
    with Api(stack.access.server, context, token=token) as reader:
        assert reader.request("GET", path_of("Pod")).status_code == 200
        assert reader.request("GET", path_of("Secret")).status_code == 403


@pytest.fixture(scope="module")
def own(programs: None) -> Iterator[Stack]:
    """A second stack beside the first one, for tests that break parts of it."""
    with Stack() as running:
        yield running


def test_two_stacks_side_by_side(stack: Stack, own: Stack) -> None:
    assert own.access.server != stack.access.server
    assert own.api.list("Node")[0]["metadata"]["uid"] != stack.api.list("Node")[0]["metadata"]["uid"]


@pytest.mark.parametrize(
    "part",
    [
        "kube-apiserver",
        "kubelet",
        # Each takes most of a minute.
        pytest.param("source-controller", marks=pytest.mark.slow),
        pytest.param("kustomize-controller", marks=pytest.mark.slow),
        pytest.param("kube-controller-manager", marks=pytest.mark.slow),
        pytest.param("kube-scheduler", marks=pytest.mark.slow),
    ],
)
def test_a_part_restarted_in_the_middle(part: str, own: Stack) -> None:
    name = f"restart-{part}"
    # What a controller tries while a part is away fails, and without this it would try again only after its interval of ten minutes.
    repository = fleet(own, name, [Site(name, kustomization={"retryInterval": "5s"})])
    eventually(lambda: running_images(own, name), f"{name} runs")
    own.images.push(name, "2.0.0")
    repository.set_tag(name, "2.0.0")
    repository.request_fetch(name)
    own.restart(part)
    image = f"{own.registry}/{name}:2.0.0"
    # After an outage each watch of a controller comes back in its own time: client-go waits up to 30 s, twice that with its jitter.
    eventually(
        lambda: [running for running, _ in running_images(own, name)] == [image],
        f"{image} alone runs",
        timeout_s=240,
    )


def test_nothing_is_left_when_a_stack_stops(programs: None) -> None:
    with Stack() as running:
        pids, folder = running.pids(), running.folder
        assert set(pids) == set(running.names)
    assert not [name for name, pid in pids.items() if _exists(pid)]
    assert not folder.exists()


def test_nothing_is_left_when_the_test_run_is_killed(programs: None) -> None:
    program = (
        "import time; from e2e.stack import Stack; from e2e.fleet import Site, fleet; from e2e.looks import *\n"
        "s = Stack().__enter__(); fleet(s, 'left', [Site('left')])\n"
        "eventually(lambda: running_images(s, 'left'), 'a container runs')\n"
        "print(s.folder, *s.pids().values(), flush=True); time.sleep(600)"
    )
    tests = Path(__file__).resolve().parents[1]
    environ = {**os.environ, "PYTHONPATH": f"{tests}{os.pathsep}{tests.parent}"}
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environ, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        folder, *pids = process.stdout.readline().split()
        assert len(pids) > 5
        process.send_signal(signal.SIGKILL)
    eventually(lambda: not [pid for pid in pids if _exists(int(pid))], "all parts are gone", timeout_s=10)
    eventually(lambda: not Path(folder).exists(), "their folder is gone", timeout_s=20)
    assert not _processes(folder), "no container and no shim is left"


def test_a_node_whose_warden_was_killed_too_is_cleared_away(programs: None) -> None:
    """The bridge and the control groups are all that the kernel keeps."""
    if node.obstacle():
        pytest.skip(f"no real node here: {node.obstacle()}")
    name = f"{node_traces.PREFIX}31960"  # a block of ports that no stack has
    node_traces.create_bridge(name, "198.19.255.1")
    node_traces.create_group(name)
    for group in Path("/sys/fs/cgroup").glob(f"**/{name}"):
        (group / "kubepods").mkdir(exist_ok=True)
    with Stack() as running:
        assert name not in node_traces.names()
        mine = {trace for trace in node_traces.names() if trace == running.node_name}
        assert mine
    assert not mine & node_traces.names()


def _processes(folder: str) -> list[str]:
    """The command lines that name the folder."""
    listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listing.splitlines() if folder in line]


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Whether only its parent's look is missing; where there is no /proc, no process counts as one."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False
