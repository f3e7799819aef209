"""The sandbox's registry, held to what the distribution project's own answers to the same requests."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from registries import docker_registry, push_over_http

from bumper_sandbox.registry.content import INDEX, MANIFEST, RegistryContent, digest_of
from bumper_sandbox.registry.server import Fault, RegistryServer
from bumper_sandbox.registry.tokens import AUDIENCE

ACCEPT = {"Accept": f"{MANIFEST}, {INDEX}"}


def codes(answer: httpx.Response) -> tuple[int, list[str]]:
    return answer.status_code, [error["code"] for error in answer.json()["errors"]]


class TestAsTheRealOne:
    @pytest.fixture(params=["sandbox", "docker-registry"])
    def client(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[httpx.Client]:
        with ExitStack() as stack:
            if request.param == "sandbox":
                host = stack.enter_context(RegistryServer(authentication="none")).host
            else:
                host = stack.enter_context(docker_registry(tmp_path))
            yield stack.enter_context(httpx.Client(base_url=f"http://{host}"))

    def test_it_says_which_api_it_speaks(self, client: httpx.Client) -> None:
        answer = client.get("/v2/")
        assert (answer.status_code, answer.json()) == (200, {})
        assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"

    @pytest.mark.parametrize("index", [False, True])
    def test_what_is_pushed_comes_back_byte_by_byte(self, client: httpx.Client, index: bool) -> None:
        digest = push_over_http(client, "team/web", "1", index=index)
        by_tag = client.get("/v2/team/web/manifests/1", headers=ACCEPT)
        by_digest = client.get(f"/v2/team/web/manifests/{digest}", headers=ACCEPT)
        assert by_tag.content == by_digest.content
        assert digest_of(by_tag.content) == digest
        for answer in (by_tag, by_digest, client.head("/v2/team/web/manifests/1", headers=ACCEPT)):
            assert answer.status_code == 200
            assert answer.headers["Docker-Content-Digest"] == digest
            assert answer.headers["Content-Type"] == (INDEX if index else MANIFEST)
            assert answer.headers["Content-Length"] == str(len(by_tag.content))

    def test_a_blob_comes_whole_and_in_part(self, client: httpx.Client) -> None:
        push_over_http(client, "web", "1")
        manifest = client.get("/v2/web/manifests/1", headers=ACCEPT).json()
        url = f"/v2/web/blobs/{manifest['config']['digest']}"
        whole = client.get(url)
        assert digest_of(whole.content) == manifest["config"]["digest"]
        assert whole.headers["Docker-Content-Digest"] == manifest["config"]["digest"]
        part = client.get(url, headers={"Range": "bytes=2-5"})
        assert (part.status_code, part.content) == (206, whole.content[2:6])
        assert part.headers["Content-Range"] == f"bytes 2-5/{len(whole.content)}"

    def test_a_media_type_that_is_not_accepted_is_not_there(self, client: httpx.Client) -> None:
        push_over_http(client, "web", "1", index=True)
        answer = client.get("/v2/web/manifests/1", headers={"Accept": MANIFEST})
        assert codes(answer) == (404, ["MANIFEST_UNKNOWN"])

    def test_all_tags_are_listed(self, client: httpx.Client) -> None:
        for tag in ("b", "c", "a"):
            push_over_http(client, "web", tag)
        listed = client.get("/v2/web/tags/list").json()
        assert (listed["name"], sorted(listed["tags"])) == ("web", ["a", "b", "c"])

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("/v2/web/manifests/absent", (404, ["MANIFEST_UNKNOWN"])),
            (f"/v2/web/manifests/sha256:{'0' * 64}", (404, ["MANIFEST_UNKNOWN"])),
            (f"/v2/web/blobs/sha256:{'0' * 64}", (404, ["BLOB_UNKNOWN"])),
            ("/v2/absent/tags/list", (404, ["NAME_UNKNOWN"])),
        ],
    )
    def test_what_is_not_there(
        self, client: httpx.Client, path: str, expected: tuple[int, list[str]]
    ) -> None:
        push_over_http(client, "web", "1")
        assert codes(client.get(path, headers=ACCEPT)) == expected

    def test_a_manifest_whose_blobs_are_missing_is_refused(self, client: httpx.Client) -> None:
        built = RegistryContent()
        stored = built.manifest("web", built.push("web", "1"))
        assert stored
        answer = client.put("/v2/web/manifests/1", content=stored.content, headers={"Content-Type": MANIFEST})
        status, reasons = codes(answer)
        assert (status, set(reasons)) == (400, {"MANIFEST_BLOB_UNKNOWN"})

    def test_a_blob_that_is_not_what_its_digest_says_is_refused(self, client: httpx.Client) -> None:
        begun = client.post("/v2/web/blobs/uploads/")
        assert begun.status_code == 202
        closing = httpx.URL(begun.headers["Location"]).copy_merge_params({"digest": digest_of(b"other")})
        assert codes(client.put(closing, content=b"content")) == (400, ["DIGEST_INVALID"])


def test_pages_of_tags() -> None:
    # docker-registry 2.8.2 neither sorts tags nor gives them in pages, as the specification wants.
    with RegistryServer(authentication="none") as server, httpx.Client(base_url=server.origin) as client:
        for tag in ("b", "c", "a"):
            server.push("web", tag)
        first = client.get("/v2/web/tags/list?n=2")
        assert first.json()["tags"] == ["a", "b"]
        assert first.headers["Link"] == '</v2/web/tags/list?n=2&last=b>; rel="next"'
        last = client.get("/v2/web/tags/list?n=2&last=b")
        assert last.json()["tags"] == ["c"]
        assert "Link" not in last.headers


class TestAzure:
    @pytest.fixture
    def server(self) -> Iterator[RegistryServer]:
        with RegistryServer(users={"admin": "s3cret"}) as server:
            server.push("web", "1")
            yield server

    @pytest.fixture
    def client(self, server: RegistryServer) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=server.origin, headers=ACCEPT) as client:
            yield client

    def identity(self, server: RegistryServer, client: httpx.Client, resource: str) -> httpx.Response:
        environ = server.environ()
        return client.get(
            environ["IDENTITY_ENDPOINT"],
            params={"api-version": "2019-08-01", "resource": resource},
            headers={"X-IDENTITY-HEADER": environ["IDENTITY_HEADER"]},
        )

    def test_the_exchange_that_azure_documents(self, server: RegistryServer, client: httpx.Client) -> None:
        asked = client.get("/v2/web/manifests/1")
        assert codes(asked) == (401, ["UNAUTHORIZED"])
        assert asked.headers["WWW-Authenticate"] == (
            f'Bearer realm="{server.origin}/oauth2/token",service="{server.host}",scope="repository:web:pull"'
        )
        entra = self.identity(server, client, AUDIENCE).json()["access_token"]
        form = {"grant_type": "access_token", "service": server.host, "access_token": entra}
        refresh = client.post("/oauth2/exchange", data=form).json()["refresh_token"]
        form = {"grant_type": "refresh_token", "service": server.host, "refresh_token": refresh}
        access = client.post("/oauth2/token", data=form | {"scope": "repository:web:pull"}).json()[
            "access_token"
        ]
        let_in = {"Authorization": f"Bearer {access}"}
        assert client.get("/v2/web/manifests/1", headers=let_in).status_code == 200
        # For another repository, or to push, the token is not enough.
        for refused in (
            client.get("/v2/api/manifests/1", headers=let_in),
            client.post("/v2/web/blobs/uploads/", headers=let_in),
        ):
            assert codes(refused) == (401, ["UNAUTHORIZED"])
            assert refused.headers["WWW-Authenticate"].endswith(',error="insufficient_scope"')

    def test_no_token_stands_for_another(self, server: RegistryServer, client: httpx.Client) -> None:
        entra = self.identity(server, client, AUDIENCE).json()["access_token"]
        elsewhere = self.identity(server, client, "https://management.azure.com").json()["access_token"]
        for token in ("", "a.b.c", elsewhere, entra[:-1], server.tokens.granted("repository:web:pull")):
            form = {"grant_type": "access_token", "service": server.host, "access_token": token}
            assert codes(client.post("/oauth2/exchange", data=form)) == (401, ["UNAUTHORIZED"])
        form = {"grant_type": "refresh_token", "refresh_token": entra, "scope": "repository:web:pull"}
        assert codes(client.post("/oauth2/token", data=form)) == (401, ["UNAUTHORIZED"])
        for token in (entra, "nonsense"):
            assert (
                client.get("/v2/web/manifests/1", headers={"Authorization": f"Bearer {token}"}).status_code
                == 401
            )

    def test_the_identity_is_for_those_who_know_its_header(
        self, server: RegistryServer, client: httpx.Client
    ) -> None:
        assert client.get("/msi/token", params={"resource": AUDIENCE}).status_code == 401
        assert self.identity(server, client, AUDIENCE).json()["resource"] == AUDIENCE

    def test_an_admin_user_gets_a_token_by_password(self, client: httpx.Client) -> None:
        scope = {"scope": "repository:web:pull"}
        assert client.get("/oauth2/token", params=scope, auth=("admin", "wrong")).status_code == 401
        assert client.get("/oauth2/token", params=scope).status_code == 401
        access = client.get("/oauth2/token", params=scope, auth=("admin", "s3cret")).json()["access_token"]
        assert (
            client.get("/v2/web/manifests/1", headers={"Authorization": f"Bearer {access}"}).status_code
            == 200
        )


def test_basic_authentication() -> None:
    with RegistryServer(authentication="basic", users={"me": "s3cret"}) as server:
        url = f"{server.origin}/v2/"
        assert httpx.get(url).headers["WWW-Authenticate"] == 'Basic realm="sandbox"'
        assert httpx.get(url, auth=("me", "wrong")).status_code == 401
        assert httpx.get(url, auth=("me", "s3cret")).status_code == 200


def test_the_same_push_has_the_same_digest_and_another_one_another() -> None:
    first, second = RegistryContent(), RegistryContent()
    assert first.push("web", "1") == second.push("web", "1") == first.push("web", "1")
    assert first.push("web", "2") != first.push("web", "1")
    assert first.push("web", "1", labels={"a": "b"}) != second.push("web", "1")


def test_an_image_is_complete() -> None:
    content = RegistryContent()
    content.push("web", "1", platform="linux/amd64,linux/arm/v7")
    index = content.manifest("web", "1")
    assert index
    entries = json.loads(index.content)["manifests"]
    assert [entry["platform"]["architecture"] for entry in entries] == ["amd64", "arm", "unknown"]
    for entry in entries:
        child = content.manifest("web", entry["digest"])
        assert child
        assert len(child.content) == entry["size"]
        assert content.lacks("web", json.loads(child.content)) == []
    content.delete_tag("web", "1")
    assert content.manifest("web", "1") is None
    assert content.manifest("web", index.digest) == index


def test_faults_come_as_often_as_they_are_asked_for() -> None:
    with (
        RegistryServer(authentication="none") as server,
        httpx.Client(base_url=server.origin, headers=ACCEPT) as client,
    ):
        server.push("web", "1")
        server.faults.append(Fault("/v2/web/manifests/.*", 429, {"Retry-After": "3"}, b"slow", times=2))
        server.faults.append(Fault("/v2/web/manifests/1", headers={"Docker-Content-Digest": "wrong"}))
        seen = [client.get("/v2/web/manifests/1") for _ in range(4)]
        assert [answer.status_code for answer in seen] == [429, 429, 200, 200]
        assert seen[0].headers["Retry-After"] == "3"
        assert seen[2].headers["Docker-Content-Digest"] == "wrong" != seen[3].headers["Docker-Content-Digest"]
        server.faults.append(Fault("/v2/web/manifests/1", cut=True))
        with pytest.raises(httpx.RemoteProtocolError):
            client.get("/v2/web/manifests/1")
        assert [each.status for each in server.asked] == [429, 429, 200, 200, 200]


def test_it_stops_with_connections_open_and_can_be_stopped_twice() -> None:
    server = RegistryServer().start()
    with httpx.Client(base_url=server.origin) as client:
        assert client.get("/v2/").status_code == 401
        server.stop()
        server.stop()
        with pytest.raises(httpx.TransportError):
            client.get("/v2/")
