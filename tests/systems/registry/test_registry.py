"""The registry gate: one way in, whatever the registry."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from registries import REAL, Opener, Serve, docker_registry, login, paths, push_over_http, reference

from bumper.errors import ImageAmbiguous, ImageMissing, RepositoryMissing
from bumper.image import ImageReference
from bumper_sandbox.registry.server import Fault, RegistryServer

pytest_plugins = ["registry_fixtures"]

SHA = "abc1234def5678abc1234def5678abc1234def56"
REVISION = "org.opencontainers.image.revision"


class TestWhatEveryRegistryAnswers:
    """The same questions to ACR's emulation, to the sandbox without it, and to the distribution project's registry."""

    @pytest.fixture(params=["acr", "none", "basic", *REAL])
    def pushed(
        self, request: pytest.FixtureRequest, tmp_path: Path, serve: Serve
    ) -> Iterator[tuple[str, str, str]]:
        """A registry's host and the digests of web:one (an image) and web:many (an index), which were pushed over HTTP."""
        with ExitStack() as stack:
            user = None
            if request.param in REAL:
                host = stack.enter_context(docker_registry(tmp_path, name=request.param))
            else:
                server = serve(authentication=request.param, users={"me": "s3cret"})
                host = server.host
                if request.param == "basic":
                    user = ("me", "s3cret")
                    login(tmp_path, host, *user)
            client = stack.enter_context(httpx.Client(base_url=f"http://{host}", auth=user))
            if request.param == "acr":
                token = server.tokens.granted("repository:web:pull,push")
                client.headers["Authorization"] = f"Bearer {token}"
            single = push_over_http(client, "web", "one")
            many = push_over_http(client, "web", "many", platform="linux/amd64,linux/arm64/v8")
            yield host, single, many

    def test_a_tag(self, pushed: tuple[str, str, str], opened: Opener) -> None:
        host, single, many = pushed
        registry = opened()
        image = registry.resolve(reference(f"{host}/web:one"))
        assert (image.image.digest, image.platforms, image.revision) == (single, ("linux/amd64",), "a" * 40)
        index = registry.resolve(reference(f"{host}/web:many"))
        assert index.image == ImageReference(f"{host}/web", "many", many)
        assert index.platforms == ("linux/amd64", "linux/arm64/v8")
        assert len(set(index.children)) == 2

    def test_a_digest_goes_before_a_tag(self, pushed: tuple[str, str, str], opened: Opener) -> None:
        host, single, _ = pushed
        image = opened().resolve(reference(f"{host}/web:moved@{single}"))
        assert image.image == ImageReference(f"{host}/web", "moved", single)

    def test_what_is_not_there(self, pushed: tuple[str, str, str], opened: Opener) -> None:
        host, _, _ = pushed
        registry = opened()
        for absent in (f"{host}/web:absent", f"{host}/web", f"{host}/web@sha256:{'0' * 64}"):
            with pytest.raises(ImageMissing, match="MANIFEST_UNKNOWN") as caught:
                registry.resolve(reference(absent))
            assert type(caught.value) is ImageMissing

    def test_tags_that_are_near(self, pushed: tuple[str, str, str], opened: Opener) -> None:
        host, _, _ = pushed
        assert opened().near(reference(f"{host}/web:many1")).startswith("near it: many")

    def test_a_commit(self, pushed: tuple[str, str, str], opened: Opener) -> None:
        host, _, _ = pushed
        with pytest.raises(ImageMissing) as caught:
            opened().tag_for(reference(f"{host}/web:old"), SHA)
        assert caught.value.message == (
            f"{host}/web: the registry has no tag for commit {SHA}: tried abc1234 to abc1234def56 and all 40 digits, "
            "each also after sha-"
        )


@pytest.mark.parametrize("name", REAL)
def test_the_distribution_project_s_registry_knows_no_repository_without_a_push(
    tmp_path: Path, opened: Opener, name: str
) -> None:
    # It answers MANIFEST_UNKNOWN, since it looks for the tag alone; ACR answers NAME_UNKNOWN, as the sandbox does.
    with docker_registry(tmp_path, name=name) as host, pytest.raises(ImageMissing, match="MANIFEST_UNKNOWN"):
        opened().resolve(reference(f"{host}/absent:1"))


@pytest.mark.parametrize("authentication", ["acr", "none"])
def test_an_unknown_repository_is_told_apart(opened: Opener, serve: Serve, authentication: str) -> None:
    server = serve(authentication=authentication)
    with pytest.raises(RepositoryMissing, match="no such repository"):
        opened().resolve(reference(f"{server.host}/absent:1"))
    server.asked.clear()
    with pytest.raises(RepositoryMissing):
        opened().tag_for(reference(f"{server.host}/absent:1"), SHA)
    assert [each.path for each in server.asked if each.status == 404] == ["/v2/absent/manifests/abc1234"]


class TestTagFor:
    @pytest.fixture
    def server(self, serve: Serve) -> RegistryServer:
        return serve(authentication="none")

    @pytest.mark.parametrize("length", [7, 8, 10, 12, 40])
    def test_a_full_sha_finds_the_tag_that_is_its_beginning(
        self, server: RegistryServer, opened: Opener, length: int
    ) -> None:
        digest = server.push("web", SHA[:length])
        image = opened().tag_for(reference(f"{server.host}/web:old@sha256:{'0' * 64}"), SHA)
        assert image.image == ImageReference(f"{server.host}/web", SHA[:length], digest)

    def test_the_shortest_goes_first_and_is_the_only_one_asked_for_where_its_label_proves_it(
        self, server: RegistryServer, opened: Opener
    ) -> None:
        server.push("web", SHA[:7], labels={REVISION: SHA})
        server.push("web", SHA)
        assert opened().tag_for(reference(f"{server.host}/web"), SHA).image.tag == SHA[:7]
        assert [path for path in paths(server) if "/manifests/" in path] == [
            f"GET /v2/web/manifests/{SHA[:7]} 200"
        ]

    def test_a_short_sha_is_taken_as_given(self, server: RegistryServer, opened: Opener) -> None:
        server.push("web", SHA[:7])
        with pytest.raises(ImageMissing):
            opened().tag_for(reference(f"{server.host}/web"), SHA[:8])
        assert opened().tag_for(reference(f"{server.host}/web"), SHA[:7]).image.tag == SHA[:7]

    @pytest.mark.parametrize("asked", [SHA, SHA[:7]])
    @pytest.mark.parametrize("digits", [7, 40])
    def test_a_tag_of_metadata_action_is_found(
        self, server: RegistryServer, opened: Opener, asked: str, digits: int
    ) -> None:
        server.push("web", f"sha-{SHA[:digits]}")
        if len(asked) < digits:
            with pytest.raises(ImageMissing):
                opened().tag_for(reference(f"{server.host}/web"), asked)
        else:
            image = opened().tag_for(reference(f"{server.host}/web"), asked).image
            assert image.tag == f"sha-{SHA[:digits]}"

    def test_where_such_a_tag_is_deployed_it_is_asked_for_first(
        self, server: RegistryServer, opened: Opener
    ) -> None:
        server.push("web", f"sha-{SHA[:7]}", labels={REVISION: SHA})
        server.push("web", SHA[:7], labels={REVISION: SHA})
        assert (
            opened().tag_for(reference(f"{server.host}/web:sha-0000000"), SHA).image.tag == f"sha-{SHA[:7]}"
        )
        assert opened().tag_for(reference(f"{server.host}/web:v1"), SHA).image.tag == SHA[:7]

    def test_another_commit_s_tag_of_metadata_action_is_passed_over(
        self, server: RegistryServer, opened: Opener
    ) -> None:
        other = SHA[:7] + "0" * 33
        server.push("web", f"sha-{SHA[:7]}", labels={REVISION: other})
        with pytest.raises(ImageMissing, match=f"; sha-{SHA[:7]} is there, but was built from {other}"):
            opened().tag_for(reference(f"{server.host}/web"), SHA)

    def test_another_commit_with_the_same_first_digits_is_passed_over(
        self, server: RegistryServer, opened: Opener
    ) -> None:
        other = SHA[:7] + "0" * 33
        server.push("web", SHA[:7], labels={REVISION: other})
        with pytest.raises(ImageMissing) as caught:
            opened().tag_for(reference(f"{server.host}/web"), SHA)
        assert caught.value.message.endswith(f"; {SHA[:7]} is there, but was built from {other}")
        server.push("web", SHA[:8], labels={REVISION: SHA})
        assert opened().tag_for(reference(f"{server.host}/web"), SHA).image.tag == SHA[:8]

    @pytest.mark.parametrize("label", [SHA, SHA[:12], "f" * 40, "v1.2.3", ""])
    def test_a_label_of_this_commit_or_of_the_base_image_does_not_matter(
        self, server: RegistryServer, opened: Opener, label: str
    ) -> None:
        server.push("web", SHA[:7], labels={REVISION: label})
        assert opened().tag_for(reference(f"{server.host}/web"), SHA).image.tag == SHA[:7]

    def test_an_image_without_a_label_is_ambiguous_where_all_digits_name_another_one(
        self, server: RegistryServer, opened: Opener
    ) -> None:
        short = server.push("web", SHA[:7])
        whole = server.push("web", SHA)
        with pytest.raises(ImageAmbiguous) as caught:
            opened().tag_for(reference(f"{server.host}/web"), SHA)
        assert f"the tag abc1234 is {short}, the tag {SHA} is {whole}" in caught.value.message
        assert "--tag" in caught.value.hint

    def test_one_image_under_both_tags_is_not_ambiguous(self, server: RegistryServer, opened: Opener) -> None:
        server.push("web", SHA)
        stored = server.content.manifest("web", SHA)
        assert stored
        server.content.put_manifest("web", SHA[:7], stored)
        assert opened().tag_for(reference(f"{server.host}/web"), SHA).image.tag == SHA[:7]


class TestNear:
    """What is said of a tag that is not there, after the manifest itself was not found."""

    @pytest.fixture(params=["acr", "none"])
    def server(self, request: pytest.FixtureRequest, serve: Serve) -> RegistryServer:
        server = serve(authentication=request.param)
        for tag in ("v1.0.0", "abc1111", "main-abc1234", "fffffff", "0000000"):
            server.push("web", tag)
        return server

    def test_tags_that_hold_the_commit_are_near(self, server: RegistryServer, opened: Opener) -> None:
        near = opened().near(reference(f"{server.host}/web:{SHA}"))
        others = {
            "acr": "newest: 0000000, fffffff, abc1111",
            "none": "also there: 0000000, abc1111, fffffff",
        }
        assert near == f"near it: main-abc1234; {others[server.authentication]}"

    def test_tags_that_look_alike_are_near(self, server: RegistryServer, opened: Opener) -> None:
        assert opened().near(reference(f"{server.host}/web:v1.0.1")).startswith("near it: v1.0.0; ")

    def test_without_any_near_one_it_shows_how_tags_look_here(
        self, server: RegistryServer, opened: Opener
    ) -> None:
        label = {"acr": "newest", "none": "there are"}[server.authentication]
        assert opened().near(reference(f"{server.host}/web:xyz")).startswith(f"{label}: 0000000, ")

    def test_a_registry_that_does_not_list_its_tags_changes_nothing(
        self, server: RegistryServer, opened: Opener
    ) -> None:
        server.faults.append(Fault("/(v2|acr/v1)/web/_?tags.*", 403, {"Content-Length": "0"}, times=9))
        assert opened().near(reference(f"{server.host}/web:1")) == ""
        server.faults.append(Fault("/(v2|acr/v1)/web/_?tags.*", 200, {"Content-Length": "2"}, b"[]", times=9))
        assert opened().near(reference(f"{server.host}/web:1")) == ""
        assert opened().near(reference(f"{server.host}/absent:1")) == ""

    def test_one_page_is_all_that_is_read(self, server: RegistryServer, opened: Opener) -> None:
        for number in range(150):
            server.push("web", f"t{number:03}")
        server.asked.clear()
        opened().near(reference(f"{server.host}/web:t149"))
        assert len([each for each in server.asked if "tags" in each.path and each.status == 200]) == 1


def test_the_right_to_pull_alone_is_enough_to_be_told_that_an_image_is_missing(
    opened: Opener, serve: Serve
) -> None:
    server = serve(actions=frozenset({"pull"}))
    server.push("web", "1")
    registry = opened()
    with pytest.raises(ImageMissing):
        registry.resolve(reference(f"{server.host}/web:2"))
    assert registry.near(reference(f"{server.host}/web:2")) == ""
