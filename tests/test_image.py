import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import each_row

from bumper.image import ImageReference, is_digest, is_tag

HEX = "c0ffee00" * 8
DIGEST = f"sha256:{HEX}"

REFERENCES = [
    ("nginx", "nginx", "", ""),
    ("nginx:1.25", "nginx", "1.25", ""),
    (f"nginx@{DIGEST}", "nginx", "", DIGEST),
    (f"reg.io/team/web:1.0@{DIGEST}", "reg.io/team/web", "1.0", DIGEST),
    ("localhost:5000/web", "localhost:5000/web", "", ""),
    ("localhost:5000/web:1", "localhost:5000/web", "1", ""),
    ("[::1]:5000/web:1", "[::1]:5000/web", "1", ""),
    ("a__b/c.d-e---f:_x", "a__b/c.d-e---f", "_x", ""),
    ("Reg.IO/web:V1", "Reg.IO/web", "V1", ""),
]


@each_row(("text", "repository", "tag", "digest"), REFERENCES)
def test_the_parts_of_a_reference(text: str, repository: str, tag: str, digest: str) -> None:
    assert ImageReference.parse(text) == ImageReference.split(text) == ImageReference(repository, tag, digest)
    assert str(ImageReference.parse(text)) == text


@each_row(
    "text",
    [
        "",
        "Web",
        "web:",
        "web:.1",
        "web@",
        "web@sha256:12",
        f"web@sha256:{HEX[:-1]}g",
        "a//b",
        "/web",
        "web/",
        "a b",
        "web\n",
        "${A}",
    ],
)
def test_what_no_registry_can_be_asked_for(text: str) -> None:
    assert ImageReference.parse(text) is None
    assert str(ImageReference.split(text)) == text


@each_row(
    ("text", "repository", "tag", "digest"),
    [
        ("ko://example.com/cmd/Web", "ko://example.com/cmd/Web", "", ""),
        ("REGION-docker.pkg.dev/PROJECT/web:latest", "REGION-docker.pkg.dev/PROJECT/web", "latest", ""),
        ("/proxyv2:", "/proxyv2:", "", ""),
        ("web:<tag>", "web:<tag>", "", ""),
        ("web:1@sha256:cut", "web", "1", "sha256:cut"),
        ("web:@x", "web:@x", "", ""),
        ("${REGISTRY:-a.io:5000}/web:1", "${REGISTRY:-a.io:5000}/web", "1", ""),
        ("web:${TAG:-1:2}", "web", "${TAG:-1:2}", ""),
        ("web:v$(VERSION)-x", "web", "v$(VERSION)-x", ""),
        ("{{ .Values.a:b }}:{{ .Values.tag }}", "{{ .Values.a:b }}", "{{ .Values.tag }}", ""),
        ("web:1@${DIGEST}", "web", "1", "${DIGEST}"),
        ("web:1\n", "web:1\n", "", ""),
    ],
)
def test_the_parts_of_what_stands_in_manifests(text: str, repository: str, tag: str, digest: str) -> None:
    assert ImageReference.split(text) == ImageReference(repository, tag, digest)


@settings(derandomize=True)
@given(st.text("ab1:/@.-_${}() \n", max_size=30) | st.text())
def test_any_text_is_the_sum_of_its_parts(text: str) -> None:
    assert str(ImageReference.split(text)) == text
    parsed = ImageReference.parse(text)
    assert parsed is None or parsed == ImageReference.split(text)


@pytest.mark.parametrize(
    "text", ["$aaaa" * 5000, "${a}" * 5000, ":a" * 5000, "$(" * 2000], ids=["$a", "${a}", ":a", "$("]
)
def test_a_long_text_does_not_take_long(text: str) -> None:
    # An ambiguous pattern would try every way to divide these, and never come back.
    assert str(ImageReference.split(f"web:{text}!")) == f"web:{text}!"


@each_row(
    ("text", "expected"),
    [
        ("web:${TAG}", True),
        ("web:v$TAG", True),
        ("web@${DIGEST}", True),
        ("${IMAGE}", True),
        ("reg.io/$(IMAGE)", True),
        ("{{ .Values.image }}", True),
        ("${REGISTRY}/web:1", False),
        ("${REGISTRY}/web", False),
        ("web:1", False),
        ("<<PROJECT>>/web:1", False),
    ],
)
def test_whether_a_substitution_decides_the_tag(text: str, expected: bool) -> None:
    assert ImageReference.split(text).tag_is_variable is expected


def test_a_new_tag_never_keeps_the_old_digest() -> None:
    assert str(ImageReference("web", "1", DIGEST).with_tag("2")) == "web:2"
    assert str(ImageReference("web", "1").with_tag("2", DIGEST)) == f"web:2@{DIGEST}"


@each_row(
    ("text", "registry", "path"),
    [
        ("nginx", "docker.io", "library/nginx"),
        ("team/web", "docker.io", "team/web"),
        ("docker.io/nginx", "docker.io", "library/nginx"),
        ("docker.io/team/web", "docker.io", "team/web"),
        ("localhost/web", "localhost", "web"),
        ("localhost:5000/team/web", "localhost:5000", "team/web"),
        ("acr.azurecr.io/web", "acr.azurecr.io", "web"),
    ],
)
def test_what_a_registry_is_asked_for(text: str, registry: str, path: str) -> None:
    reference = ImageReference.parse(text)
    assert reference
    assert (reference.registry, reference.path) == (registry, path)


@pytest.mark.parametrize(
    ("text", "expected"), [("a" * 128, True), ("a" * 129, False), ("", False), ("-a", False), ("a+b", False)]
)
def test_tags(text: str, expected: bool) -> None:
    assert is_tag(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (DIGEST, True),
        (f"sha512:{HEX}{HEX}", True),
        (f"sha512:{HEX}", False),
        (DIGEST.upper(), False),
        (HEX, False),
    ],
)
def test_digests(text: str, expected: bool) -> None:
    assert is_digest(text) is expected
