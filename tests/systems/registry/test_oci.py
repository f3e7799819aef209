"""Registries other than Azure's: the real one behind TLS, and scripted answers of hosts that cannot be had here."""

import base64
import hashlib
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx
import pytest
from registries import (
    REAL,
    Opener,
    StillClock,
    docker_registry,
    login,
    push_over_http,
    reference,
    self_signed,
    token_server,
)

from bumper.errors import ImageMissing, NoAccess, Transient, Unreachable
from bumper.ports.threads import outcome, side_by_side
from bumper.systems.registry import Registry
from bumper.systems.registry.acr import is_azure_name
from bumper.systems.registry.distribution import INDEX_TYPES

pytest_plugins = ["registry_fixtures"]

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
# bcrypt, as docker-registry wants it: the password is "s3cret".
HTPASSWD = "me:$2b$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK"


class TestTheRealRegistryBehindTls:
    @pytest.mark.parametrize("name", REAL)
    @pytest.mark.parametrize("guard", ["htpasswd", "token"])
    def test_a_password_and_a_token(self, tmp_path: Path, opened: Opener, guard: str, name: str) -> None:
        signed = self_signed(tmp_path)
        (tmp_path / "htpasswd").write_text(HTPASSWD)
        trusted = {"SSL_CERT_FILE": str(signed.certificate_file)}
        with ExitStack() as stack:
            realm = stack.enter_context(token_server(signed, "me", "s3cret"))
            guards = {
                "htpasswd": f"htpasswd: {{realm: r, path: {tmp_path / 'htpasswd'}}}",
                "token": f"token: {{realm: '{realm}', service: s, issuer: i, rootcertbundle: {signed.certificate_file}}}",
            }
            settings = (
                f"http: {{addr: 127.0.0.1:0, tls: {{certificate: {signed.certificate_file}, key: {signed.key_file}}}}}\n"
                f"auth: {{{guards[guard]}}}"
            )
            host = stack.enter_context(docker_registry(tmp_path, settings, name))
            client = stack.enter_context(
                httpx.Client(
                    base_url=f"https://{host}",
                    verify=ssl.create_default_context(cafile=str(signed.certificate_file)),
                    auth=("me", "s3cret") if guard == "htpasswd" else None,
                )
            )
            if guard == "token":
                scope = {"service": "s", "scope": "repository:web:pull,push"}
                token = httpx.get(realm, params=scope, auth=("me", "s3cret")).json()["token"]
                client.headers["Authorization"] = f"Bearer {token}"
            digest = push_over_http(client, "web", "1", index=True)
            image = reference(f"{host}/web:1")

            with pytest.raises(NoAccess, match="is not trusted") as untrusted:
                opened().resolve(image)
            assert "SSL_CERT_FILE" in untrusted.value.hint
            with pytest.raises(NoAccess, match="no credential") as refused:
                opened(**trusted).resolve(image)
            assert refused.value.hint.startswith(f"log in with an account that may pull: docker login {host}")
            login(tmp_path, host, "me", "wr0ng")
            with pytest.raises(NoAccess, match=r"config\.json") as wrong:
                opened(**trusted).resolve(image)
            assert "wr0ng" not in wrong.value.message
            login(tmp_path, host, "me", "s3cret")
            assert opened(**trusted).resolve(image).image.digest == digest
            with pytest.raises(ImageMissing, match="MANIFEST_UNKNOWN"):
                opened(**trusted).resolve(image.with_tag("absent"))


class Script:
    """A registry on another host, as a script of answers by URL, of several one after the other; keeps what it was asked."""

    def __init__(self, answers: dict[str, httpx.Response | Exception | list[httpx.Response]]) -> None:
        self.answers = answers
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        bare = str(request.url.copy_with(query=None))
        answer = self.answers.get(bare, httpx.Response(404, json={"errors": [{"code": "MANIFEST_UNKNOWN"}]}))
        if isinstance(answer, Exception):
            raise answer
        return answer.pop(0) if isinstance(answer, list) else answer


def artifact(**fields: object) -> httpx.Response:
    """A manifest without a configuration, and its digest in the header."""
    content = json.dumps({"mediaType": MANIFEST, **fields}).encode()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return httpx.Response(200, content=content, headers={"Docker-Content-Digest": digest})


def ask_for(realm: str) -> httpx.Response:
    return httpx.Response(401, headers={"WWW-Authenticate": f'Bearer realm="{realm}",service="s"'})


class TestOtherHosts:
    def test_ghcr_gets_github_s_token_at_its_token_server(self, opened: Opener) -> None:
        script = Script(
            {
                "https://ghcr.io/token": httpx.Response(200, json={"token": "t"}),
                "https://ghcr.io/v2/o/web/manifests/1": [ask_for("https://ghcr.io/token"), artifact()],
            }
        )
        registry = opened(httpx.MockTransport(script), GITHUB_TOKEN="ghs_s3cret")
        assert registry.resolve(reference("ghcr.io/o/web:1")).image.digest.startswith("sha256:")
        shown = [(str(request.url), request.headers.get("Authorization", "")) for request in script.asked]
        password = base64.b64encode(b"x-access-token:ghs_s3cret").decode()
        assert shown == [
            ("https://ghcr.io/v2/o/web/manifests/1", ""),
            ("https://ghcr.io/token?service=s&scope=repository%3Ao%2Fweb%3Apull", f"Basic {password}"),
            ("https://ghcr.io/v2/o/web/manifests/1", "Bearer t"),
        ]

    def test_a_challenge_is_met_at_once_in_the_next_repository_by_a_token_of_its_own(
        self, opened: Opener
    ) -> None:
        realm = "https://ghcr.io/token"
        challenge = ask_for(realm)
        challenge.headers["WWW-Authenticate"] += ',scope="repository:o/web:pull"'
        script = Script(
            {
                realm: [httpx.Response(200, json={"token": token}) for token in ("t", "u")],
                "https://ghcr.io/v2/o/web/manifests/1": [challenge, artifact()],
                "https://ghcr.io/v2/o/api/manifests/1": [artifact()],
            }
        )
        registry = opened(httpx.MockTransport(script), GITHUB_TOKEN="ghs_s3cret")
        for site in ("web", "api"):
            registry.resolve(reference(f"ghcr.io/o/{site}:1"))
        asked = [
            (request.url.path, request.url.params.get("scope"), request.headers.get("Authorization", "")[:8])
            for request in script.asked
        ]
        assert asked == [
            ("/v2/o/web/manifests/1", None, ""),
            ("/token", "repository:o/web:pull", "Basic eC"),
            ("/v2/o/web/manifests/1", None, "Bearer t"),
            ("/token", "repository:o/api:pull", "Basic eC"),
            ("/v2/o/api/manifests/1", None, "Bearer u"),
        ]

    @pytest.mark.parametrize(
        "known",
        [
            [httpx.Response(403), httpx.Response(200, json={"token": "own"})],
            [httpx.Response(200, json={"token": "other"}), httpx.Response(200, json={"token": "own"})],
        ],
        ids=["the token server refuses", "the token opens nothing"],
    )
    @pytest.mark.parametrize("is_open", [True, False])
    def test_a_challenge_that_does_not_fit_is_as_if_it_was_never_known(
        self, opened: Opener, known: list[httpx.Response], is_open: bool
    ) -> None:
        realm, own_realm = "https://r.example/token", "https://r.example/api/token"
        refused = [] if known[0].status_code == 403 else [httpx.Response(404)]
        own = [artifact()] if is_open else [ask_for(own_realm), artifact()]
        script = Script(
            {
                realm: [httpx.Response(200, json={"token": "web"}), known[0]],
                own_realm: [known[1]],
                "https://r.example/v2/web/manifests/1": [ask_for(realm), artifact()],
                "https://r.example/v2/api/manifests/1": [*refused, *own],
            }
        )
        registry = opened(httpx.MockTransport(script))
        for site in ("web", "api"):
            registry.resolve(reference(f"r.example/{site}:1"))
        assert script.asked[-1].headers.get("Authorization", "") == ("" if is_open else "Bearer own")
        # Nothing of the script is left, but for what a repository that is open needs not.
        left = {bare for bare, answers in script.answers.items() if isinstance(answers, list) and answers}
        assert left == ({own_realm} if is_open else set())

    @pytest.mark.parametrize("is_late", ["the token server", "the registry"])
    def test_what_heals_in_the_next_repository_is_said_and_not_asked_again_at_once(
        self, opened: Opener, is_late: str
    ) -> None:
        realm = "https://r.example/token"
        late = httpx.Response(429, headers={"Retry-After": "7"})
        second = late if is_late == "the token server" else httpx.Response(200, json={"token": "api"})
        script = Script(
            {
                realm: [httpx.Response(200, json={"token": "web"}), second],
                "https://r.example/v2/web/manifests/1": [ask_for(realm), artifact()],
                "https://r.example/v2/api/manifests/1": [late],
            }
        )
        registry = opened(httpx.MockTransport(script))
        registry.resolve(reference("r.example/web:1"))
        before = len(script.asked)
        with pytest.raises(Transient) as caught:
            registry.resolve(reference("r.example/api:1"))
        assert caught.value.retry_after_s == 7
        assert len(script.asked) - before == (1 if is_late == "the token server" else 2)

    def test_a_token_that_opens_nothing_does_not_shut_out_who_asks_at_the_same_time(
        self, opened: Opener
    ) -> None:
        """The second one is refused with the first one's token when the first one has forgotten it already."""
        first, second, forgotten, goes_on = (threading.Event() for _ in range(4))
        tokens: list[str] = []

        def respond(request: httpx.Request) -> httpx.Response:
            authorization = request.headers.get("Authorization", "")
            if request.url.path == "/token":
                tokens.append("t")
                if forgotten.is_set():
                    goes_on.set()
                return httpx.Response(200, json={"token": f"t{len(tokens)}"})
            if "/web/" in request.url.path and authorization:
                return artifact()
            if authorization == "Bearer t2" and not first.is_set():
                first.set()
                second.wait(10.0)
            elif authorization == "Bearer t2":
                second.set()
                forgotten.wait(10.0)
            elif authorization:
                return artifact()
            elif "/api/" in request.url.path and not forgotten.is_set():
                forgotten.set()
                goes_on.wait(10.0)
            elif "/api/" in request.url.path:
                goes_on.set()
            return ask_for("https://r.example/token")

        registry = opened(httpx.MockTransport(respond))
        registry.resolve(reference("r.example/web:1"))
        outcomes: list[Callable[[], object]] = []
        asking = threading.Thread(
            target=lambda: outcomes.append(outcome(partial(registry.resolve, reference("r.example/api:1"))))
        )
        asking.start()
        assert first.wait(10.0)
        registry.resolve(reference("r.example/api:2"))
        asking.join()
        assert outcomes[0]()

    def test_several_questions_at_once_are_sent_back_once_and_share_one_token(self, opened: Opener) -> None:
        """The first goes alone until the token is there; then the others are asked side by side."""
        together = threading.Barrier(3)
        asked: list[tuple[str, str]] = []

        def respond(request: httpx.Request) -> httpx.Response:
            authorization = request.headers.get("Authorization", "")
            asked.append((request.url.path, authorization))
            if request.url.path == "/token":
                return httpx.Response(200, json={"token": "t"})
            if not authorization:
                return ask_for("https://r.example/token")
            together.wait(10.0)
            return artifact()

        registry = opened(httpx.MockTransport(respond))
        images = [reference(f"r.example/web:{number}") for number in range(3)]
        side_by_side([partial(registry.resolve, image) for image in images])
        assert [authorization for _, authorization in asked] == ["", "", *["Bearer t"] * 3]
        assert len({path for path, _ in asked}) == 4

    def test_docker_hub_is_asked_at_its_registry(self, opened: Opener) -> None:
        script = Script({"https://registry-1.docker.io/v2/library/nginx/manifests/latest": artifact()})
        opened(httpx.MockTransport(script)).resolve(reference("nginx"))
        accept = script.asked[-1].headers["Accept"].split(", ")
        assert sorted(accept) == [
            "application/vnd.docker.distribution.manifest.list.v2+json",
            "application/vnd.docker.distribution.manifest.v2+json",
            "application/vnd.oci.image.index.v1+json",
            "application/vnd.oci.image.manifest.v1+json",
        ]

    def test_a_refresh_token_is_posted(self, opened: Opener, tmp_path: Path) -> None:
        (tmp_path / ".docker").mkdir()
        entry = {"auths": {"r.example": {"identitytoken": "refresh"}}}
        (tmp_path / ".docker" / "config.json").write_text(json.dumps(entry))
        script = Script(
            {
                "https://auth.example/token": httpx.Response(200, json={"access_token": "t"}),
                "https://r.example/v2/web/manifests/1": [ask_for("https://auth.example/token"), artifact()],
            }
        )
        opened(httpx.MockTransport(script)).resolve(reference("r.example/web:1"))
        posted = script.asked[1]
        assert (posted.method, posted.url.query) == ("POST", b"")
        assert posted.content.decode() == (
            "service=s&scope=repository%3Aweb%3Apull&grant_type=refresh_token&client_id=bump&refresh_token=refresh"
        )

    def test_a_refresh_token_does_not_follow_a_redirect(self, opened: Opener, tmp_path: Path) -> None:
        (tmp_path / ".docker").mkdir()
        entry = {"auths": {"r.example": {"identitytoken": "refresh"}}}
        (tmp_path / ".docker" / "config.json").write_text(json.dumps(entry))
        script = Script(
            {
                "https://r.example/v2/web/manifests/1": ask_for("https://auth.example/token"),
                "https://auth.example/token": httpx.Response(
                    307, headers={"Location": "https://thief.example/"}
                ),
            }
        )
        with pytest.raises(Unreachable, match="307"):
            opened(httpx.MockTransport(script)).resolve(reference("r.example/web:1"))
        assert [request.url.host for request in script.asked] == ["r.example", "auth.example"]

    @pytest.mark.parametrize(
        ("realm", "problem"),
        [
            ("http://auth.example/token", "leads to http://auth.example, expected https"),
            ("http://127.0.0.1:1/token", "leads to http://127.0.0.1, expected https"),
            ("ftp://auth.example/token", "leads to ftp://auth.example, expected https"),
            ("no url", "leads to ://, expected https"),
            ("https://auth.example:port/", "leads nowhere"),
            ("", "asks for"),
        ],
    )
    def test_a_realm_that_no_password_may_go_to(self, opened: Opener, realm: str, problem: str) -> None:
        script = Script({"https://r.example/v2/web/manifests/1": ask_for(realm)})
        with pytest.raises(Unreachable) as caught:
            opened(httpx.MockTransport(script)).resolve(reference("r.example/web:1"))
        assert problem in caught.value.message
        assert not isinstance(caught.value, Transient)
        assert {request.url.host for request in script.asked} == {"r.example"}

    @pytest.mark.parametrize("host", ["r.example", "r.azurecr.io.example", "azurecr.io"])
    def test_no_entra_token_goes_to_a_host_that_is_not_azure_s(self, opened: Opener, host: str) -> None:
        url = f"https://{host}/oauth2/token"
        script = Script({f"https://{host}/v2/web/manifests/1": ask_for(url), url: httpx.Response(401)})
        with pytest.raises(NoAccess) as caught:
            opened(httpx.MockTransport(script)).resolve(reference(f"{host}/web:1"))
        assert "DefaultAzureCredential" not in caught.value.message
        assert not is_azure_name(host)
        assert all(is_azure_name(f"r.azurecr.{ending}") for ending in ("io", "cn", "us"))

    def test_a_refusal_without_a_challenge(self, opened: Opener) -> None:
        for status in (401, 403):
            script = Script({"https://r.example/v2/web/manifests/1": httpx.Response(status)})
            with pytest.raises(NoAccess, match=str(status)):
                opened(httpx.MockTransport(script)).resolve(reference("r.example/web:1"))

    def test_a_redirect_to_plain_http_is_not_followed(self, opened: Opener) -> None:
        moved = httpx.Response(307, headers={"Location": "http://r.example/v2/web/manifests/1"})
        script = Script({"https://r.example/v2/web/manifests/1": moved})
        with pytest.raises(NoAccess, match=r"leads to http://r\.example, expected https"):
            opened(httpx.MockTransport(script)).resolve(reference("r.example/web:1"))

    def test_plain_http_is_never_tried_on_another_host(self, opened: Opener) -> None:
        script = Script({"https://r.example/v2/web/manifests/1": httpx.ConnectError("refused")})
        with pytest.raises(Transient, match=r"r\.example cannot be reached: refused"):
            opened(httpx.MockTransport(script)).resolve(reference("r.example/web:1"))
        assert [str(request.url) for request in script.asked] == ["https://r.example/v2/web/manifests/1"]

    @pytest.mark.parametrize(
        ("answer", "problem"),
        [
            (httpx.Response(200, text="no json"), "answered 200 without a token"),
            (httpx.Response(200, json={"token": 7}), "answered 200 without a token"),
            (httpx.Response(200, json=[]), "answered 200 without a token"),
            (httpx.Response(400, json={"error": "invalid_grant"}), "400 invalid_grant"),
            (httpx.Response(403, json={"errors": [{"code": "DENIED"}]}), "403 DENIED"),
        ],
    )
    def test_a_token_server_that_gives_no_token(
        self, opened: Opener, answer: httpx.Response, problem: str
    ) -> None:
        script = Script(
            {
                "https://auth.example/token": answer,
                "https://r.example/v2/web/manifests/1": ask_for("https://auth.example/token"),
            }
        )
        with pytest.raises(NoAccess) as caught:
            opened(httpx.MockTransport(script)).resolve(reference("r.example/web:1"))
        assert problem in caught.value.message

    def test_a_manifest_without_its_digest_in_a_header_is_hashed(self, opened: Opener) -> None:
        answer = artifact()
        digest = answer.headers.pop("Docker-Content-Digest")
        script = Script({"https://r.example/v2/web/manifests/1": answer})
        assert (
            opened(httpx.MockTransport(script)).resolve(reference("r.example/web:1")).image.digest == digest
        )

    def test_what_is_no_image_is_refused(self, opened: Opener) -> None:
        schema_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"
        script = Script(
            {
                "https://r.example/v2/web/manifests/1": httpx.Response(
                    200, json={}, headers={"Content-Type": schema_1}
                )
            }
        )
        with pytest.raises(ImageMissing, match=r"manifest\.v1") as caught:
            opened(httpx.MockTransport(script)).resolve(reference("r.example/web:1"))
        assert "schema 2" in caught.value.hint

    def test_an_index_without_an_image_is_none(self, opened: Opener) -> None:
        attestation = {"mediaType": MANIFEST, "digest": "sha256:" + "a" * 64}
        unknown = {"platform": {"os": "unknown", "architecture": "unknown"}}
        for manifests in ([], [attestation | unknown], [attestation | {"mediaType": "application/x"}]):
            answer = artifact(mediaType=INDEX_TYPES[0], manifests=manifests)
            script = Script({"https://r.example/v2/web/manifests/1": answer})
            with pytest.raises(ImageMissing, match="an index there that names no image"):
                opened(httpx.MockTransport(script)).resolve(reference("r.example/web:1"))

    def test_an_answer_that_is_too_long(self, opened: Opener) -> None:
        content = b'{"padding": "' + b" " * 2**22 + b'"}'
        script = Script({"https://r.example/v2/web/manifests/1": httpx.Response(200, content=content)})
        with pytest.raises(Unreachable, match="longer than 4194304 bytes"):
            opened(httpx.MockTransport(script)).resolve(reference("r.example/web:1"))

    def test_an_answer_that_trickles(self, tmp_path: Path) -> None:
        clock = StillClock()

        def pieces() -> Iterator[bytes]:
            while True:
                clock.now_s += 5.0
                yield b" "

        script = Script({"https://r.example/v2/web/manifests/1": httpx.Response(200, content=pieces())})
        registry = Registry(environ={}, clock=clock, transport=httpx.MockTransport(script))
        with pytest.raises(Transient, match="not complete after 60 s"):
            registry.resolve(reference("r.example/web:1"))
        registry.close()
