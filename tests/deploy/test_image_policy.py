"""Which images are let through: by the platforms they are there for, and by what their labels say."""

import pytest
from tables import each_row

from bumper.deploy import image_policy
from bumper.deploy.image_policy import Nodes
from bumper.errors import PlatformMissing, ProvenanceMismatch
from bumper.image import ImageManifest, ImageReference

SHA = "abc1234def5678abc1234def5678abc1234def56"
SOURCE = "https://github.com/acme/web"


def image(*platforms: str, revision: str = "", source: str = "") -> ImageManifest:
    return ImageManifest(ImageReference("r.example/web", "1"), "", platforms, revision, source)


@each_row(
    ("node", "offered", "expected"),
    [
        ("linux/amd64", "linux/amd64", True),
        ("linux/amd64", "linux/arm64", False),
        ("linux/amd64", "windows/amd64", False),
        ("linux/arm64", "linux/arm64/v8", True),
        ("linux/arm64/v8", "linux/arm64", True),
        ("linux/arm64/v8", "linux/arm64/v8.5", False),
        ("linux/arm64/v9", "linux/arm64/v8.5", True),
        ("linux/arm/v7", "linux/arm/v6", True),
        ("linux/arm/v6", "linux/arm/v7", False),
        ("linux/arm", "linux/arm/v7", True),
        ("linux/amd64", "linux/386", True),
        ("linux/386", "linux/amd64", False),
        ("linux/arm64", "linux/arm/v7", True),
        ("linux/amd64", "linux", False),
        ("Linux/AMD64", "linux/amd64", True),
    ],
)
def test_a_node_takes_what_containerd_would_take(node: str, offered: str, expected: bool) -> None:
    assert image_policy.runs(node, offered) is expected


@pytest.mark.parametrize("text", ["linux/amd64", "linux/arm/v7", "linux/arm64/v8.5", "windows/amd64"])
def test_a_platform(text: str) -> None:
    assert image_policy.is_platform(text)


@each_row("text", ["", "linux", "amd64", "linux/", "linux/arm/7", "linux/amd64 ", "Linux/amd64"])
def test_no_platform(text: str) -> None:
    assert not image_policy.is_platform(text)


class TestPlatforms:
    def test_each_one_that_is_wanted_must_be_there(self) -> None:
        image_policy.require_platforms(image("linux/amd64", "linux/arm64"), ["linux/arm64", "linux/amd64"])
        with pytest.raises(PlatformMissing) as caught:
            image_policy.require_platforms(image("linux/arm64"), ["linux/arm64", "linux/amd64"])
        assert caught.value.message == "r.example/web:1: is there for linux/arm64, expected linux/amd64"
        assert caught.value.hint.endswith("--platform linux/amd64")

    def test_an_image_that_does_not_say_is_accepted(self) -> None:
        image_policy.require_platforms(image(), ["linux/amd64"])

    def test_an_image_that_no_node_can_run_is_refused(self) -> None:
        clusters = [Nodes("east", frozenset({"linux/amd64"})), Nodes("west", frozenset({"linux/arm64"}))]
        with pytest.raises(PlatformMissing) as caught:
            image_policy.compare_nodes(image("linux/amd64"), clusters)
        assert caught.value.message == (
            "r.example/web:1: is there for linux/amd64, but the nodes of west are linux/arm64"
        )

    def test_an_image_that_some_nodes_can_run_is_told(self) -> None:
        mixed = Nodes("east", frozenset({"linux/amd64", "linux/arm64"}))
        assert image_policy.compare_nodes(image("linux/amd64"), [mixed]) == [
            "r.example/web:1: cannot run on the nodes of east that are linux/arm64: it is there for linux/amd64 alone"
        ]

    def test_nodes_that_are_not_known_and_images_that_do_not_say_are_let_through(self) -> None:
        assert image_policy.compare_nodes(image("linux/amd64"), [Nodes("east", frozenset())]) == []
        assert image_policy.compare_nodes(image("linux/amd64"), []) == []
        assert image_policy.compare_nodes(image(), []) == []
        assert image_policy.compare_nodes(image(), [Nodes("east", frozenset({"linux/amd64"}))]) == [
            "r.example/web:1: does not say which platform it is for"
        ]


class TestProvenance:
    @pytest.mark.parametrize("label", [SHA, SHA.upper(), SHA[:12], SHA[:7], "", "v1.2.3", "main", "abc"])
    @pytest.mark.parametrize("commit", [SHA, SHA[:7], ""])
    def test_a_label_that_names_this_commit_or_none_is_accepted(self, label: str, commit: str) -> None:
        image_policy.require_provenance(image(revision=label), commit, "")

    @pytest.mark.parametrize("commit", [SHA, SHA[:7]])
    def test_a_label_that_names_another_commit(self, commit: str) -> None:
        with pytest.raises(ProvenanceMismatch) as caught:
            image_policy.require_provenance(image(revision="f" * 40), commit, "")
        assert caught.value.message == (
            f"r.example/web:1: its label org.opencontainers.image.revision says {'f' * 40}, expected {commit}"
        )
        assert "--tag" in caught.value.hint

    def test_without_a_commit_asked_for_any_label_is_accepted(self) -> None:
        image_policy.require_provenance(image(revision="f" * 40), "", "")

    @each_row(
        "label",
        [
            SOURCE,
            f"{SOURCE}.git",
            f"{SOURCE}/",
            f"{SOURCE}/tree/main/site",
            f"{SOURCE}#main",
            "https://GitHub.com/Acme/Web",
            "git@github.com:acme/web.git",
            "ssh://git@github.com:22/acme/web",
            "git+https://user@github.com/acme/web",
            "github.com/acme/web",
            "",
            "our web site",
            "acme/web",
        ],
    )
    def test_a_label_that_names_this_repository_or_none_is_accepted(self, label: str) -> None:
        image_policy.require_provenance(image(source=label), SHA, SOURCE)

    @pytest.mark.parametrize(
        "label",
        ["https://github.com/acme/web2", "https://github.com/nginx/web", "https://gitlab.com/acme/web"],
    )
    def test_a_label_that_names_another_repository(self, label: str) -> None:
        with pytest.raises(ProvenanceMismatch) as caught:
            image_policy.require_provenance(image(source=label), SHA, SOURCE)
        assert caught.value.message == (
            f"r.example/web:1: its label org.opencontainers.image.source says {label}, expected {SOURCE}"
        )

    def test_without_a_repository_that_is_known_any_label_is_accepted(self) -> None:
        image_policy.require_provenance(image(source="https://github.com/nginx/web"), SHA, "")
