"""What goes wrong on the way to a registry, and what must not leak when it does."""

from pathlib import Path

import pytest
from registries import Opener, Serve, login, reference

from bumper.errors import ImageMissing, NoAccess, Transient, Unreachable
from bumper_sandbox.registry.server import Fault, RegistryServer

pytest_plugins = ["registry_fixtures"]


class TestFaults:
    """Each through the Azure SDK and through httpx: the caller must not see which."""

    @pytest.fixture(params=["acr", "none"])
    def server(self, request: pytest.FixtureRequest, serve: Serve) -> RegistryServer:
        server = serve(authentication=request.param)
        server.push("web", "1")
        return server

    @pytest.mark.parametrize("path", ["/v2/web/manifests/1", "/v2/web/blobs/.*"])
    def test_throttling_says_when_to_come_back(
        self, server: RegistryServer, opened: Opener, path: str
    ) -> None:
        body = b'{"errors": [{"code": "TOOMANYREQUESTS", "message": "slow down"}]}'
        server.faults.append(Fault(path, 429, {"Retry-After": "3"}, body, times=9))
        registry = opened()
        with pytest.raises(Transient, match="429 TOOMANYREQUESTS: slow down") as caught:
            registry.resolve(reference(f"{server.host}/web:1"))
        assert caught.value.retry_after_s == 3.0

    @pytest.mark.parametrize("status", [500, 502, 503, 504])
    def test_a_server_error_may_heal(self, server: RegistryServer, opened: Opener, status: int) -> None:
        server.faults.append(Fault("/v2/web/manifests/1", status, {"Content-Length": "0"}))
        registry, image = opened(), reference(f"{server.host}/web:1")
        with pytest.raises(Transient, match=str(status)):
            registry.resolve(image)
        assert len([each for each in server.asked if each.status == status]) == 1, (
            "the SDK must not try again by itself"
        )
        assert registry.resolve(image).platforms == ("linux/amd64",)

    @pytest.mark.parametrize("path", ["/v2/web/manifests/1", "/v2/web/blobs/.*"])
    def test_a_cut_answer_may_heal(self, server: RegistryServer, opened: Opener, path: str) -> None:
        registry, image = opened(), reference(f"{server.host}/web:1")
        registry.resolve(image)
        server.faults.append(Fault(path, cut=True))
        with pytest.raises(Transient, match="cannot be reached"):
            registry.resolve(image)
        assert registry.resolve(image).platforms == ("linux/amd64",)

    def test_a_registry_that_is_gone_may_come_back(self, server: RegistryServer, opened: Opener) -> None:
        registry, image = opened(), reference(f"{server.host}/web:1")
        registry.resolve(image)
        server.stop()
        with pytest.raises(Transient, match="cannot be reached"):
            registry.resolve(image)
        with pytest.raises(Transient, match="cannot be reached"):
            opened().resolve(image)

    def test_a_refusal_names_the_credential_the_answer_and_what_would_help(
        self, server: RegistryServer, opened: Opener
    ) -> None:
        body = b'{"errors": [{"code": "DENIED", "message": "requested access to the resource is denied"}]}'
        server.faults.append(Fault("/v2/web/.*", 403, {}, body, times=9))
        with pytest.raises(NoAccess) as caught:
            opened().resolve(reference(f"{server.host}/web:1"))
        refusal = "the registry answered 403 DENIED: requested access to the resource is denied"
        assert f"no access with no credential: {refusal}" in caught.value.message
        if server.authentication == "acr":
            assert f"DefaultAzureCredential: {refusal}" in caught.value.message
            assert "role AcrPull" in caught.value.hint
        else:
            assert f"docker login {server.host}" in caught.value.hint

    def test_a_replica_that_has_not_got_it_yet(self, server: RegistryServer, opened: Opener) -> None:
        body = b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}'
        server.faults.append(Fault("/v2/web/manifests/1", 404, {}, body))
        registry, image = opened(), reference(f"{server.host}/web:1")
        with pytest.raises(ImageMissing, match="404 MANIFEST_UNKNOWN: manifest unknown"):
            registry.resolve(image)
        assert registry.resolve(image).platforms == ("linux/amd64",)

    def test_an_image_that_is_still_being_pushed(self, server: RegistryServer, opened: Opener) -> None:
        registry, image = opened(), reference(f"{server.host}/web:2")
        with pytest.raises(ImageMissing):
            registry.resolve(image)
        digest = server.push("web", "2")
        assert registry.resolve(image).image.digest == digest

    def test_a_digest_that_does_not_match_is_final(self, server: RegistryServer, opened: Opener) -> None:
        registry, image = opened(), reference(f"{server.host}/web:1")
        registry.resolve(image)
        server.faults.append(
            Fault("/v2/web/manifests/1", headers={"Docker-Content-Digest": "sha256:" + "0" * 64})
        )
        with pytest.raises(Unreachable, match="digest") as caught:
            registry.resolve(image)
        assert type(caught.value) is Unreachable

    def test_a_challenge_that_nobody_knows(self, server: RegistryServer, opened: Opener) -> None:
        challenge = {"WWW-Authenticate": 'Negotiate, Digest realm="x"', "Content-Length": "0"}
        server.faults.append(Fault("/v2/.*", 401, challenge, times=9))
        with pytest.raises(NoAccess, match=r"asks for 'Negotiate, Digest realm=\"x\"'"):
            opened().resolve(reference(f"{server.host}/web:1"))

    def test_a_challenge_that_only_the_sdk_sees(self, opened: Opener, serve: Serve) -> None:
        server = serve()
        server.push("web", "1")
        server.faults.append(Fault("/v2/", times=1))
        challenge = {
            "WWW-Authenticate": f'Bearer realm="{server.origin}/oauth2/token"',
            "Content-Length": "0",
        }
        server.faults.append(Fault("/v2/web/.*", 401, challenge, times=9))
        with pytest.raises(NoAccess, match=r"asks for 'Bearer realm=\"http://127"):
            opened().resolve(reference(f"{server.host}/web:1"))

    def test_no_credential_goes_along_on_a_redirect_to_another_host(
        self, server: RegistryServer, opened: Opener, tmp_path: Path
    ) -> None:
        registry, image = opened(), reference(f"{server.host}/web:1")
        registry.resolve(image)
        with RegistryServer(authentication="none") as storage:
            storage.push("web", "1")
            server.faults.append(
                Fault(
                    "/v2/web/blobs/.*",
                    307,
                    {"Location": storage.origin + server.asked[-1].path, "Content-Length": "0"},
                )
            )
            assert registry.resolve(image).platforms == ("linux/amd64",)
            assert [each.authorization for each in storage.asked] == [""]


def test_a_password_stays_behind_on_a_redirect_and_another_host_s_challenge_is_not_answered(
    tmp_path: Path, opened: Opener
) -> None:
    with (
        RegistryServer(authentication="basic", users={"me": "s3cret"}) as server,
        RegistryServer(users={"me": "s3cret"}) as thief,
    ):
        server.push("web", "1")
        login(tmp_path, server.host, "me", "s3cret")
        server.faults.append(Fault("/v2/", times=1))
        where = {"Location": f"{thief.origin}/v2/web/manifests/1", "Content-Length": "0"}
        server.faults.append(Fault("/v2/web/manifests/1", 307, where, times=9))
        with pytest.raises(NoAccess, match="401"):
            opened().resolve(reference(f"{server.host}/web:1"))
        assert thief.asked
        assert {each.authorization for each in thief.asked} == {""}
