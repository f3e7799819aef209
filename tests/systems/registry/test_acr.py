"""Azure Container Registry, as the sandbox emulates it, through the real Azure SDK."""

import base64
import json
import subprocess
import sys
import threading
import time
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from registries import Opener, Serve, login, paths, reference, self_signed

from bumper.dataclasses import replace
from bumper.errors import NoAccess, Unreachable
from bumper.image import ImageManifest
from bumper.systems.registry.acr import AcrRegistry
from bumper.systems.registry.identity import Identity, authority_of, open_identity
from bumper_sandbox.registry.server import Fault, RegistryServer
from bumper_sandbox.registry.tokens import APPLICATION, OBJECT, TENANT
from systems.peers import Peer, answer

pytest_plugins = ["registry_fixtures"]

SHA = "abc1234def5678abc1234def5678abc1234def56"
REVISION = "org.opencontainers.image.revision"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class TestAzure:
    def test_an_image_is_described_from_its_index_and_its_configuration(
        self, opened: Opener, serve: Serve
    ) -> None:
        server = serve()
        labels = {REVISION: SHA, "org.opencontainers.image.source": "https://github.com/o/web"}
        digest = server.push("team/web", "abc1234", platform="linux/amd64,linux/arm/v7", labels=labels)
        image = reference(f"{server.host}/team/web:abc1234")
        described = opened().resolve(image)
        assert len(set(described.children)) == 2
        assert replace(described, children=()) == ImageManifest(
            image.with_tag("abc1234", digest),
            "application/vnd.oci.image.index.v1+json",
            ("linux/amd64", "linux/arm/v7"),
            SHA,
            "https://github.com/o/web",
            "2024-01-01T00:00:00Z",
        )

    def test_an_image_without_an_index_tells_its_platform_itself(self, opened: Opener, serve: Serve) -> None:
        server = serve()
        digest = server.push("web", "1", platform="linux/arm64")
        image = reference(f"{server.host}/web:1")
        assert opened().resolve(image) == ImageManifest(
            image.with_tag("1", digest), MANIFEST, ("linux/arm64",), created="2024-01-01T00:00:00Z"
        )

    def test_the_exchange_happens_once(self, opened: Opener, serve: Serve) -> None:
        server = serve()
        server.push("web", "1")
        server.push("api", "1")
        registry = opened()
        registry.resolve(reference(f"{server.host}/web:1"))
        config = server.asked[-1].path
        assert config.startswith("/v2/web/blobs/sha256:")
        assert paths(server) == [
            "GET /v2/ 401",
            "GET /v2/web/manifests/1 401",
            "GET /msi/token 200",
            "POST /oauth2/exchange 200",
            "POST /oauth2/token 200",
            "GET /v2/web/manifests/1 200",
            f"GET {config} 206",
        ]
        registry.resolve(reference(f"{server.host}/web:1"))
        assert paths(server) == ["GET /v2/web/manifests/1 200", f"GET {config} 206"]
        registry.resolve(reference(f"{server.host}/api:1"))
        assert paths(server)[:4] == [
            "GET /v2/api/manifests/1 401",
            "POST /oauth2/exchange 200",
            "POST /oauth2/token 200",
            "GET /v2/api/manifests/1 200",
        ]

    def test_an_access_token_that_has_expired_is_replaced(self, opened: Opener, serve: Serve) -> None:
        server = serve()
        digest = server.push("web", "1")
        registry = opened()
        image = reference(f"{server.host}/web:1")
        registry.resolve(image)
        challenge = (
            f'Bearer realm="{server.origin}/oauth2/token",service="{server.host}",scope="repository:web:pull"'
        )
        server.faults.append(
            Fault("/v2/web/manifests/1", 401, {"WWW-Authenticate": challenge, "Content-Length": "0"})
        )
        assert registry.resolve(image).image.digest == digest

    def test_a_missing_role_is_named_with_the_identity_that_lacks_it(
        self, opened: Opener, serve: Serve
    ) -> None:
        server = serve(actions=frozenset())
        server.push("web", "1")
        with pytest.raises(NoAccess) as caught:
            opened().resolve(reference(f"{server.host}/web:1"))
        assert caught.value.message == (
            f"{server.host}/web:1: no access with DefaultAzureCredential (application {APPLICATION}, object {OBJECT}): "
            "the registry answered 401 UNAUTHORIZED: authentication required; "
            f"token server {server.host}: no access with no credential: "
            "the registry answered 401 UNAUTHORIZED: authentication required"
        )
        assert "AcrPull" in caught.value.hint

    def test_an_identity_that_cannot_be_had_names_what_was_tried(
        self, opened: Opener, serve: Serve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server = serve()
        server.push("web", "1")
        monkeypatch.setenv("IDENTITY_HEADER", "wr0ng")
        with pytest.raises(NoAccess) as caught:
            opened().resolve(reference(f"{server.host}/web:1"))
        assert "DefaultAzureCredential: ManagedIdentityCredential: " in caught.value.message
        assert "az login" in caught.value.hint
        assert "wr0ng" not in caught.value.message

    def test_settings_that_azure_identity_refuses(
        self, opened: Opener, serve: Serve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server = serve()
        monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "nonsense")
        with pytest.raises(NoAccess, match="AZURE_TOKEN_CREDENTIALS"):
            opened().resolve(reference(f"{server.host}/web:1"))

    def test_an_exchange_that_is_refused_is_not_a_missing_image(self, opened: Opener, serve: Serve) -> None:
        server = serve()
        server.push("web", "1")
        server.faults.append(Fault("/oauth2/exchange", 404, {"Content-Length": "0"}))
        with pytest.raises(NoAccess, match="the exchange answered 404"):
            opened().resolve(reference(f"{server.host}/web:1"))

    def test_anybody_may_pull_where_the_registry_lets_them(
        self, opened: Opener, serve: Serve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server = serve(anonymous_pull=True)
        digest = server.push("web", "1")
        monkeypatch.delenv("IDENTITY_HEADER")
        monkeypatch.delenv("IDENTITY_ENDPOINT")
        monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
        assert opened().resolve(reference(f"{server.host}/web:1")).image.digest == digest

    def test_what_docker_login_left_is_used_first(self, tmp_path: Path, opened: Opener, serve: Serve) -> None:
        server = serve(users={"admin": "s3cret"})
        digest = server.push("web", "1")
        login(tmp_path, server.host, "admin", "s3cret")
        assert opened().resolve(reference(f"{server.host}/web:1")).image.digest == digest
        assert "POST /oauth2/exchange 200" not in paths(server)

    def test_a_login_that_is_refused_leaves_the_identity(
        self, tmp_path: Path, opened: Opener, serve: Serve
    ) -> None:
        server = serve(users={"admin": "s3cret"})
        digest = server.push("web", "1")
        login(tmp_path, server.host, "admin", "0ld")
        registry = opened()
        assert registry.resolve(reference(f"{server.host}/web:1")).image.digest == digest
        asked = paths(server)
        assert "GET /oauth2/token 401" in asked
        assert "POST /oauth2/exchange 200" in asked
        registry.resolve(reference(f"{server.host}/web:1"))
        assert "GET /oauth2/token 401" not in paths(server), "what has been refused is not tried again"

    @pytest.mark.parametrize(
        ("registry", "environ", "expected"),
        [
            ("r.azurecr.io", {}, ""),
            ("r.azurecr.cn", {}, "login.chinacloudapi.cn"),
            ("r.azurecr.us", {}, "login.microsoftonline.us"),
            ("r.azurecr.us", {"AZURE_AUTHORITY_HOST": "login.example"}, ""),
        ],
    )
    def test_sovereign_clouds_sign_in_elsewhere(
        self, registry: str, environ: dict[str, str], expected: str
    ) -> None:
        assert authority_of(registry, environ) == expected

    @pytest.mark.parametrize(
        ("registry", "expected"),
        [
            ("r.azurecr.io", "https://containerregistry.azure.net/.default"),
            ("r.azurecr.cn", "https://management.chinacloudapi.cn/.default"),
            ("r.azurecr.us", "https://management.usgovcloudapi.net/.default"),
        ],
    )
    def test_the_token_of_a_sovereign_cloud_is_asked_for_its_own_resource_manager(
        self, serve: Serve, registry: str, expected: str
    ) -> None:
        server = serve()
        server.push("web", "1")
        asked: list[str] = []

        class Credential:
            """Writes down what it is asked for, and is nobody."""

            def get_token(self, *scopes: str, **_: object) -> None:
                asked.extend(scopes)
                raise NoAccess("nobody", hint="")

        class Asking(AcrRegistry):
            """Asks as `Credential`."""

            def _open(self) -> Any:
                return self._client or self._stack.enter_context(self._connect(Identity(Credential())))

        acr = Asking(registry, lambda: f"http://{server.host}", environ={}, timeout_s=5.0)
        with pytest.raises(NoAccess, match="nobody"):
            acr.manifest(reference(f"{registry}/web:1"))
        acr.close()
        assert asked == [expected]


@pytest.mark.parametrize(
    ("registry", "sign_in"),
    [
        ("acme.azurecr.io", "login.microsoftonline.com"),
        ("acme.azurecr.cn", "login.chinacloudapi.cn"),
        ("acme.azurecr.us", "login.microsoftonline.us"),
    ],
)
@pytest.mark.slow
def test_the_sign_in_goes_to_the_cloud_of_the_registry(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, registry: str, sign_in: str
) -> None:
    serve()
    secret = {"AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": APPLICATION, "AZURE_CLIENT_SECRET": "s3cret"}
    asked: set[str] = set()

    class Proxy(BaseHTTPRequestHandler):
        """Writes down where it should have led, and leads nowhere."""

        def do_CONNECT(self) -> None:
            asked.add(self.path)
            self.send_response(502)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """Says nothing."""

    with HTTPServer(("127.0.0.1", 0), Proxy) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        for name, value in {
            **secret,
            "AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential",
            "HTTPS_PROXY": address,
        }.items():
            monkeypatch.setenv(name, value)
        try:
            with open_identity(registry, {}, 5.0) as identity, pytest.raises(NoAccess) as caught:
                identity.get_token("https://containerregistry.azure.net/.default")
        finally:
            server.shutdown()
            thread.join()
    assert asked == {f"{sign_in}:443"}
    assert "EnvironmentCredential" in caught.value.message
    assert "s3cret" not in caught.value.message


def test_https_on_loopback_goes_before_http_for_acr_too(tmp_path: Path, opened: Opener, serve: Serve) -> None:
    signed = self_signed(tmp_path)
    server = serve(tls=signed.context())
    digest = server.push("web", "1")
    # The identity's endpoint speaks plain HTTP, as App Service's does.
    serve().tokens = server.tokens
    registry = opened(SSL_CERT_FILE=str(signed.certificate_file))
    assert registry.resolve(reference(f"{server.host}/web:1")).image.digest == digest
    assert server.origin.startswith("https://")


@pytest.mark.parametrize("name", ["IDENTITY_ENDPOINT", "MSI_ENDPOINT"])
def test_a_managed_identity_is_not_asked_in_clear_text(name: str) -> None:
    for url in ("http://identity.example/token", "http://10.0.0.4/token", "http://localhost.evil.com/"):
        with (
            pytest.raises(
                NoAccess, match=f"{name} is neither https nor an address of this machine"
            ) as caught,
            open_identity("r.azurecr.io", {name: url}, 5.0),
        ):
            pass
        assert name in caught.value.hint
    for url in (
        "https://identity.example/token",
        "http://127.0.0.1:41741/MSI/token/",
        "http://169.254.129.3:8081/msi/token",
    ):
        with open_identity("r.azurecr.io", {name: url}, 5.0):
            pass


def test_an_azure_registry_with_a_certificate_that_nobody_vouches_for(tmp_path: Path, serve: Serve) -> None:
    server = serve(tls=self_signed(tmp_path).context())
    serve().tokens = server.tokens
    acr = AcrRegistry(server.host, lambda: server.origin, environ={}, timeout_s=5.0)
    with pytest.raises(NoAccess, match="is not trusted") as caught:
        acr.manifest(reference(f"{server.host}/web:1"))
    acr.close()
    assert "SSL_CERT_FILE" in caught.value.hint


def asked_by_a_program(server: RegistryServer, then: str) -> tuple[str, str]:
    """What a process of its own writes to stdout and stderr that resolves web:1 and goes on with `then`."""
    program = (
        "import sys, time\n"
        "from bumper.errors import NoAccess\n"
        "from bumper.image import ImageReference\n"
        "from bumper.systems.registry import Registry\n"
        "registry = Registry(environ={}, clock=type('C', (), {'now': staticmethod(time.monotonic)}))\n"
        "try:\n"
        f"    registry.resolve(ImageReference({server.host + '/web'!r}, '1'))\n"
        f"{then}\n"
        "finally:\n"
        "    registry.close()\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    return ran.stdout, ran.stderr


@pytest.mark.slow
def test_the_libraries_print_nothing(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve()
    monkeypatch.setenv("IDENTITY_HEADER", "wr0ng")
    assert asked_by_a_program(server, "except NoAccess: print('no access')") == ("no access\n", "")


def test_azure_s_libraries_load_only_for_an_azure_registry(serve: Serve) -> None:
    server = serve(authentication="none")
    server.push("web", "1")
    loaded = (
        "    print(sorted({'azure', 'msal', 'requests'} & {name.partition('.')[0] for name in sys.modules}))"
    )
    assert asked_by_a_program(server, loaded) == ("[]\n", "")


@pytest.mark.parametrize("step", ["exchange", "token"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_what_is_posted_in_the_exchange_follows_no_redirect(
    monkeypatch: pytest.MonkeyPatch, step: str, status: int
) -> None:
    in_an_hour = int(time.time()) + 3600
    entra = json.dumps({"access_token": "entra-token", "expires_on": str(in_an_hour), "token_type": "Bearer"})
    claims = base64.urlsafe_b64encode(json.dumps({"exp": in_an_hour}).encode()).decode()

    def exchange(line: str) -> list[bytes]:
        if f"/oauth2/{step}" in line:
            return answer(b"", status, location=f"{elsewhere.url}/oauth2/{step}")
        if "/oauth2/exchange" in line:
            refresh = json.dumps({"refresh_token": f"x.{claims}.x"}).encode()
            return answer(refresh, content_type="application/json")
        challenge = f'Bearer realm="{registry.url}/oauth2/token",service="x",scope="repository:web:pull"'
        return answer(b"{}", 401, www_authenticate=challenge)

    with (
        Peer(lambda line: answer(entra.encode(), content_type="application/json")) as identity,
        Peer(lambda line: answer(b"{}", content_type="application/json")) as elsewhere,
        Peer(exchange) as registry,
    ):
        monkeypatch.setenv("IDENTITY_ENDPOINT", identity.url)
        monkeypatch.setenv("IDENTITY_HEADER", "x")
        asked = AcrRegistry(registry.host, lambda: registry.url, environ={}, timeout_s=5.0)
        with closing(asked), pytest.raises(Unreachable, match=str(status)):
            asked.manifest(reference(f"{registry.host}/web:1"))
        assert any(f"/oauth2/{step}" in request for request in registry.requests)
        assert elsewhere.requests == []
