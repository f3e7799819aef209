"""The sandbox's Kubernetes API over real HTTPS: recorded answers, the clients that are used, and the faults that tests need."""

import base64
import json
import os
import shutil
import ssl
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

import kr8s
import pytest
from kr8s.objects import new_class

from bumper_sandbox.kubernetes.api import ApiServer
from bumper_sandbox.kubernetes.kinds import DEPLOYMENT, EVENT, KUSTOMIZATION, NAMESPACE, POD, Kinds
from bumper_sandbox.kubernetes.store import Manifest, Store

RECORDED = Path(__file__).parent.parent / "data" / "api"
FLUX = "flux-system"
DEMO = f"/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/{FLUX}/kustomizations/demo"
ALL = f"/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/{FLUX}/kustomizations"
MERGE = "application/merge-patch+json"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class Caller:
    """Asks the API with nothing but the standard library."""

    api: ApiServer
    trust: ssl.SSLContext

    def open(
        self, path: str, method: str = "GET", body: Any = None, *, token: str | None = None, **headers: str
    ) -> Any:
        content = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.api.url + path, content, method=method)
        request.add_header("Authorization", f"Bearer {self.api.token if token is None else token}")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        return urllib.request.urlopen(request, context=self.trust, timeout=20)

    def __call__(self, path: str, method: str = "GET", body: Any = None, **options: str) -> Answer:
        try:
            with self.open(path, method, body, **options) as response:
                return Answer(response.status, dict(response.headers), response.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, dict(error.headers), error.read().decode())

    def patch(self, path: str, body: Any) -> Answer:
        return self(path, "PATCH", body, Content_Type=MERGE)


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiServer]:
    store = Store(Kinds(), lambda: "2026-11-22T12:53:00Z")
    server = ApiServer(
        store,
        tmp_path,
        lambda pod, container, previous: "one\ntwo\nthree\n",
        user="system:serviceaccount:flux-system:ro",
    )
    store.create(NAMESPACE, {"metadata": {"name": FLUX}})
    store.create(KUSTOMIZATION, kustomization("demo", team="web"))
    server.start()
    yield server
    server.stop()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("sandbox")]


@pytest.fixture
def call(api: ApiServer, tmp_path: Path) -> Caller:
    config = json.loads(api.write_kubeconfig(tmp_path / "kubeconfig").read_text())
    authority = base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
    return Caller(api, ssl.create_default_context(cadata=authority))


def kustomization(name: str, **labels: str) -> Manifest:
    spec = {"interval": "1m", "path": "./x", "sourceRef": {"kind": "GitRepository", "name": "fleet"}}
    return {"metadata": {"name": name, "namespace": FLUX, "labels": labels}, "spec": spec}


def recorded(name: str) -> Answer:
    """What the real API server answered: status, headers, body."""
    head, _, text = (RECORDED / f"api.{name}.txt").read_text(encoding="utf-8").partition("\n\n")
    lines = head.splitlines()
    headers = dict(line.split(": ", 1) for line in lines[2:])
    return Answer(int(lines[1].removeprefix("HTTP ")), headers, text.strip())


BOGUS = {"spec": {"interval": "bogus"}}
ASKED: dict[str, Callable[[Caller], Answer]] = {
    "401": lambda call: call(ALL, token="wrong"),
    "404": lambda call: call(f"{ALL}/nope"),
    "404-crd": lambda call: call("/apis/nope.fluxcd.io/v1/foos"),
    "409": lambda call: call(
        DEMO, "PUT", {**call(DEMO).json, "metadata": {**call(DEMO).json["metadata"], "resourceVersion": "1"}}
    ),
    "415": lambda call: call(DEMO, "PATCH", {}, Content_Type="application/x-unknown"),
    "422": lambda call: call.patch(DEMO, BOGUS),
    "list-continue-bad": lambda call: call("/api/v1/namespaces/apps/events?limit=1&continue=abc"),
}


@pytest.mark.parametrize("name", ASKED)
def test_refusals_are_byte_for_byte_those_of_a_real_api_server(call: Caller, name: str) -> None:
    expected, got = recorded(name), ASKED[name](call)
    assert (got.status, got.text.strip()) == (expected.status, expected.text)
    kept = ("Content-Type", "Cache-Control", "X-Content-Type-Options")
    assert {key: got.headers.get(key) for key in kept} == {key: expected.headers.get(key) for key in kept}


@pytest.mark.parametrize(
    ("name", "verb", "resource", "ask"),
    [
        ("403-patch", "patch", "kustomizations", lambda call: call.patch(DEMO, {})),
        (
            "403-list",
            "list",
            "gitrepositories",
            lambda call: call(f"/apis/source.toolkit.fluxcd.io/v1/namespaces/{FLUX}/gitrepositories"),
        ),
    ],
)
def test_a_forbidden_verb_is_refused_as_by_rbac(
    call: Caller, name: str, verb: str, resource: str, ask: Callable[[Caller], Answer]
) -> None:
    call.api.forbid(verb, resource)
    got = ask(call)
    assert (got.status, got.text.strip()) == (403, recorded(name).text)
    call.api.allow(verb, resource)
    assert ask(call).status == 200


def test_version_is_the_recorded_one_but_for_the_commit(call: Caller) -> None:
    expected = json.loads(recorded("version").text)
    assert call("/version").json == {**expected, "gitCommit": "sandbox"}


def test_lists_hold_kinds_for_custom_resources_alone(call: Caller) -> None:
    custom = call(ALL).json
    assert (custom["kind"], custom["items"][0]["kind"]) == ("KustomizationList", "Kustomization")
    built_in = call("/api/v1/namespaces").json
    assert (built_in["kind"], "kind" in built_in["items"][0]) == ("NamespaceList", False)


def test_selectors(call: Caller) -> None:
    call.api.store.create(KUSTOMIZATION, kustomization("other", team="db"))

    def names(query: str) -> list[str]:
        return [item["metadata"]["name"] for item in call(f"{ALL}?{query}").json["items"]]

    assert names("") == ["demo", "other"]
    assert names("labelSelector=team%3Dweb") == ["demo"]
    assert names("labelSelector=team+in+(db,x),!old") == ["other"]
    assert names("labelSelector=team!=web") == ["other"]
    assert names("fieldSelector=metadata.name%3Dother") == ["other"]
    assert call(f"{ALL}?labelSelector=a==b==c").status == 400


def test_events_are_found_by_the_object_that_they_concern(call: Caller) -> None:
    for name in ("a", "b"):
        involved = {"kind": "Pod", "name": name, "namespace": FLUX}
        call.api.store.create(
            EVENT, {"metadata": {"name": name, "namespace": FLUX}, "involvedObject": involved}
        )
    query = "fieldSelector=involvedObject.name%3Db,involvedObject.kind%3DPod"
    events = call(f"/api/v1/namespaces/{FLUX}/events?{query}").json["items"]
    assert [event["metadata"]["name"] for event in events] == ["b"]


def test_a_merge_patch_raises_the_generation_with_the_spec_alone(call: Caller) -> None:
    before = call(DEMO).json["metadata"]
    annotated = call.patch(DEMO, {"metadata": {"annotations": {"a": "b"}}}).json["metadata"]
    assert annotated["generation"] == before["generation"]
    assert int(annotated["resourceVersion"]) > int(before["resourceVersion"])
    suspended = call.patch(DEMO, {"spec": {"suspend": True}}).json["metadata"]
    assert suspended["generation"] == before["generation"] + 1
    again = call.patch(DEMO, {"spec": {"suspend": True}}).json["metadata"]
    assert again["resourceVersion"] == suspended["resourceVersion"], "nothing changed"
    gone = call.patch(DEMO, {"spec": {"suspend": None}}).json
    assert "suspend" not in gone["spec"]


def test_status_is_written_by_its_subresource_alone(call: Caller) -> None:
    wanted = {"status": {"observedGeneration": 7}, "spec": {"path": "./y"}}
    assert call.patch(DEMO, {"status": wanted["status"]}).json["status"] == {"observedGeneration": -1}
    changed = call.patch(f"{DEMO}/status", wanted).json
    assert (changed["status"], changed["spec"]["path"]) == ({"observedGeneration": 7}, "./x")


def test_an_object_is_created_replaced_and_deleted(call: Caller) -> None:
    path = f"/api/v1/namespaces/{FLUX}/configmaps"
    made = call(path, "POST", {"metadata": {"name": "one"}, "data": {"a": "b"}})
    assert (made.status, made.json["apiVersion"], made.json["kind"]) == (201, "v1", "ConfigMap")
    assert call(path, "POST", {"metadata": {"name": "one"}}).json["reason"] == "AlreadyExists"
    assert call(f"{path}/one", "PUT", {**made.json, "data": {"a": "c"}}).json["data"] == {"a": "c"}
    assert call(f"{path}/one", "DELETE").status == 200
    assert call(f"{path}/one").status == 404
    missing = call("/api/v1/namespaces/nope/configmaps", "POST", {"metadata": {"name": "one"}})
    assert missing.json["message"] == 'namespaces "nope" not found'
    assert call(path, "DELETE").status == 405


def test_a_watch_without_a_version_begins_with_what_is_there(call: Caller) -> None:
    with call.open(
        f"{ALL}?watch=1&sendInitialEvents=true&allowWatchBookmarks=true&timeoutSeconds=0"
    ) as stream:
        events = [json.loads(line) for line in stream]
    assert [event["type"] for event in events] == ["ADDED", "BOOKMARK", "BOOKMARK"]
    assert events[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert events[1]["object"]["metadata"]["resourceVersion"] == str(call.api.store.newest)


def test_a_watch_tells_every_change_after_its_version(call: Caller) -> None:
    since = call(ALL).json["metadata"]["resourceVersion"]
    with call.open(f"{ALL}?watch=1&resourceVersion={since}&labelSelector=team%3Dweb") as stream:
        call.patch(DEMO, {"metadata": {"annotations": {"a": "b"}}})
        call.api.store.create(KUSTOMIZATION, kustomization("other", team="db"))
        call.patch(DEMO, {"metadata": {"labels": {"team": "db"}}})
        call.patch(DEMO, {"metadata": {"labels": {"team": "web"}}})
        call.api.store.delete(KUSTOMIZATION, FLUX, "demo")
        events = [json.loads(stream.readline()) for _ in range(4)]
    # Who leaves the selection is deleted, who enters it is added.
    assert [event["type"] for event in events] == ["MODIFIED", "DELETED", "ADDED", "DELETED"]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(versions)
    assert versions[0] > int(since)


def test_an_expired_watch_says_410_inside_a_200(call: Caller) -> None:
    call.api.expire_watches()
    call.patch(DEMO, {"metadata": {"annotations": {"a": "b"}}})
    newest = call.api.store.newest
    got = call(f"{ALL}?watch=1&resourceVersion=1&timeoutSeconds=2")
    expected = recorded("watch-410")
    assert (got.status, got.text.strip()) == (200, expected.text.replace("1416", str(newest)))


def test_running_watches_expire_too(call: Caller) -> None:
    since = call(ALL).json["metadata"]["resourceVersion"]
    with call.open(f"{ALL}?watch=1&resourceVersion={since}") as stream:
        call.api.expire_watches()
        lines = [json.loads(line) for line in stream]
    assert [(event["type"], event["object"]["code"]) for event in lines] == [("ERROR", 410)]
    assert call(f"{ALL}?watch=1&resourceVersion={since}").json["object"]["reason"] == "Expired"


def test_a_restart_breaks_watches_and_keeps_the_objects(call: Caller) -> None:
    with call.open(f"{ALL}?watch=1") as stream:
        assert json.loads(stream.readline())["type"] == "ADDED"
        call.api.restart()
        with pytest.raises((HTTPException, OSError)):
            stream.read()
    assert call(DEMO).status == 200


@pytest.mark.parametrize(
    ("code", "text"),
    [(429, "Too many requests, please try again later."), (503, "apiserver is shutting down")],
)
def test_an_injected_failure_comes_once(call: Caller, code: int, text: str) -> None:
    call.api.fail_next(code)
    got = call(DEMO)
    assert got.status == code
    assert text in got.text
    assert got.headers.get("Retry-After") == ("1" if code == 429 else None)
    assert call(DEMO).status == 200


def test_requests_are_counted_by_verb(call: Caller) -> None:
    call(DEMO)
    call(ALL)
    call.patch(DEMO, {})
    counted = call.api.requests()
    assert (counted["get", "kustomizations"], counted["list", "kustomizations"]) == (1, 1)
    assert counted["patch", "kustomizations"] == 1


def test_logs_are_text_and_can_be_cut(call: Caller) -> None:
    pod = {
        "metadata": {"name": "web", "namespace": FLUX},
        "spec": {"containers": [{"name": "web", "image": "web:1"}]},
    }
    call.api.store.create(POD, pod)
    path = f"/api/v1/namespaces/{FLUX}/pods/web/log"
    assert call(path).text == "one\ntwo\nthree\n"
    assert call(f"{path}?tailLines=2").text == "two\nthree\n"
    call.api.forbid("get", "pods/log")
    assert 'cannot get resource "pods/log" in API group ""' in call(path).json["message"]


def test_kr8s_lists_gets_watches_and_patches(call: Caller, tmp_path: Path) -> None:
    client = kr8s.api(kubeconfig=str(tmp_path / "kubeconfig"))
    assert [namespace["metadata"]["name"] for namespace in client.get("namespaces")] == [FLUX]
    resource = new_class("Kustomization", "kustomize.toolkit.fluxcd.io/v1", namespaced=True)
    kustomization = resource.get("demo", namespace=FLUX, api=client)
    kustomization.patch({"metadata": {"annotations": {"a": "b"}}})
    assert call(DEMO).json["metadata"]["annotations"] == {"a": "b"}
    seen = client.watch("kustomizations.kustomize.toolkit.fluxcd.io", namespace=FLUX)
    assert next(iter(seen))[0] == "ADDED"


KUBECTL = shutil.which("kubectl")


@pytest.mark.skipif(
    KUBECTL is None, reason="kubectl IS NOT ON THIS MACHINE: that it can use the sandbox was not tried"
)
def test_kubectl_uses_the_kubeconfig(call: Caller, tmp_path: Path) -> None:
    environ = {**os.environ, "KUBECONFIG": str(tmp_path / "kubeconfig"), "HOME": str(tmp_path)}

    def kubectl(*arguments: str) -> str:
        done = subprocess.run(
            ["kubectl", *arguments], env=environ, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert kubectl("get", "kustomizations", "-A").split()[-3:-1] == [FLUX, "demo"]
    kubectl("annotate", "ks", "demo", "-n", FLUX, "a=b")
    assert "a: b" in kubectl("get", "ks", "demo", "-n", FLUX, "-o", "yaml")


def test_the_kubeconfig_is_private(call: Caller, tmp_path: Path) -> None:
    assert (tmp_path / "kubeconfig").stat().st_mode & 0o077 == 0
    assert not list(tmp_path.glob("*.pem")), "the key is gone from the disk"


def test_a_stopped_server_is_gone_at_once_with_its_watches(tmp_path: Path) -> None:
    store = Store(Kinds(), lambda: "2026-11-22T12:53:00Z")
    server = ApiServer(store, tmp_path, lambda *_: "")
    server.start()
    store.create(NAMESPACE, {"metadata": {"name": FLUX}})
    store.create(
        DEPLOYMENT, {"metadata": {"name": "web", "namespace": FLUX}, "spec": {"template": {}, "selector": {}}}
    )
    config = json.loads(server.write_kubeconfig(tmp_path / "kubeconfig").read_text())
    authority = base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
    caller = Caller(server, ssl.create_default_context(cadata=authority))
    with caller.open("/apis/apps/v1/deployments?watch=1") as stream:
        assert stream.readline()
        server.stop()
    with pytest.raises(OSError, match="refused"):
        caller.open("/version")
