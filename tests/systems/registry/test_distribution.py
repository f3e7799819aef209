import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import each_row

from bumper.errors import BumpError, ImageMissing, NoAccess, RepositoryMissing, Transient, Unreachable
from bumper.systems.http.client import Answer
from bumper.systems.registry.distribution import (
    CONFIG_TYPES,
    INDEX_TYPES,
    MANIFEST_TYPES,
    Challenge,
    Document,
    described,
    failure,
    parse_challenges,
)


def errors(code: str, message: str = "said so") -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()


@each_row(
    ("header", "expected"),
    [
        ("", ()),
        (
            'Bearer realm="https://auth.example/token",service="r",scope="repository:a/b:pull,push"',
            (
                Challenge(
                    "bearer",
                    {
                        "realm": "https://auth.example/token",
                        "service": "r",
                        "scope": "repository:a/b:pull,push",
                    },
                ),
            ),
        ),
        ('Basic realm="a \\"b\\""', (Challenge("basic", {"realm": 'a "b"'}),)),
        ("BEARER Realm=plain", (Challenge("bearer", {"realm": "plain"}),)),
        (
            'Bearer realm="https://r/t" , Basic realm="x"',
            (Challenge("bearer", {"realm": "https://r/t"}), Challenge("basic", {"realm": "x"})),
        ),
        ("Negotiate", (Challenge("negotiate", {}),)),
        ("Negotiate YIIJ==", (Challenge("negotiate", {}),)),
        ('realm="without a scheme"', ()),
        ('Bearer realm="never closed', (Challenge("bearer", {}),)),
    ],
)
def test_challenges(header: str, expected: tuple[Challenge, ...]) -> None:
    assert parse_challenges(header) == expected


@given(st.text())
def test_no_header_breaks_the_parser(header: str) -> None:
    assert all(isinstance(challenge, Challenge) for challenge in parse_challenges(header))


@each_row(
    ("status", "content", "expected", "problem"),
    [
        (401, errors("UNAUTHORIZED"), NoAccess, "401 UNAUTHORIZED: said so"),
        (403, errors("DENIED"), NoAccess, "403 DENIED: said so"),
        (404, errors("MANIFEST_UNKNOWN"), ImageMissing, "404 MANIFEST_UNKNOWN: said so"),
        (404, errors("NAME_UNKNOWN"), RepositoryMissing, "404 NAME_UNKNOWN: said so"),
        (404, b"<html>", ImageMissing, "answered 404 and gave no reason"),
        (429, errors("TOOMANYREQUESTS"), Transient, "429 TOOMANYREQUESTS"),
        (408, b"", Transient, "408"),
        (500, b"", Transient, "500"),
        (503, b"[1]", Transient, "503"),
        (400, b'{"error": "invalid_grant", "error_description": "no"}', Unreachable, "400 invalid_grant: no"),
        (302, b"", Unreachable, "302"),
    ],
)
def test_a_failure_is_told_by_status_and_code(
    status: int, content: bytes, expected: type[BumpError], problem: str
) -> None:
    error = failure("r/web:1", Answer(status, {}, content), tried="nothing", hint="help")
    assert type(error) is expected
    assert error.message.startswith("r/web:1: ")
    assert problem in error.message


def test_an_answer_is_never_more_than_one_short_line() -> None:
    long = Answer(500, {}, errors("UNKNOWN", "a\nb\x1b[31m" + "x" * 5000))
    assert len(described(long)) <= 300
    assert described(long).isprintable()


class TestDocument:
    content = b'{"mediaType": "application/vnd.oci.image.manifest.v1+json"}'

    @pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
    def test_content_is_proved_by_the_digest_that_was_expected(self, algorithm: str) -> None:
        digest = f"{algorithm}:{hashlib.new(algorithm, self.content).hexdigest()}"
        assert Document.proved("r/web:1", Answer(200, {}, self.content), digest).digest == digest

    def test_without_an_expected_digest_the_content_says_it(self) -> None:
        document = Document.proved("r/web:1", Answer(200, {}, self.content), "")
        assert document.digest == f"sha256:{hashlib.sha256(self.content).hexdigest()}"

    @pytest.mark.parametrize("digest", ["sha256:" + "0" * 64, "md5:0", "nonsense"])
    def test_another_digest_is_an_error(self, digest: str) -> None:
        with pytest.raises(Unreachable, match="does not match its digest") as caught:
            Document.proved("r/web:1", Answer(200, {}, self.content), digest)
        assert not isinstance(caught.value, Transient)

    @pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'"text"'])
    def test_what_is_no_object_proves_nothing(self, content: bytes) -> None:
        with pytest.raises(Unreachable, match="JSON object"):
            Document.proved("r/web:1", Answer(200, {}, content), "")

    def test_a_media_type_may_stand_in_the_header_alone(self) -> None:
        answer = Answer(200, {"content-type": "application/x; charset=utf-8"}, b"{}")
        assert Document.proved("r/web:1", answer, "").media_type == "application/x"

    def test_an_attestation_is_no_child(self) -> None:
        image = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:" + "a" * 64}
        entries = [
            image | {"platform": {"os": "linux", "architecture": "arm", "variant": "v7"}},
            image | {"platform": {"os": "unknown", "architecture": "unknown"}},
            image,
        ]
        fields = {"mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries}
        document = Document.proved("r/web:1", Answer(200, {}, json.dumps(fields).encode()), "")
        assert [child.platform for child in document.children] == ["linux/arm/v7", ""]

    def test_what_the_specification_does_not_allow_is_no_image_for_any_platform(
        self, subtests: pytest.Subtests
    ) -> None:
        image = {"mediaType": MANIFEST_TYPES[0], "digest": "sha256:" + "a" * 64}
        manifest = {"mediaType": MANIFEST_TYPES[0]}
        index = {"mediaType": INDEX_TYPES[0]}
        for fields, message in (
            (index, "manifests: found nothing, expected a list"),
            (index | {"manifests": {}}, "manifests: found an object, expected a list"),
            (index | {"manifests": 5}, "manifests: found a number, expected a list"),
            (
                index | {"manifests": [image, "nonsense"]},
                "manifests[1]: found a text, expected a JSON object",
            ),
            (index | {"manifests": [None]}, "manifests[0]: found nothing, expected a JSON object"),
            (
                index | {"manifests": [{"mediaType": MANIFEST_TYPES[0]}]},
                "digest: found nothing, expected a text",
            ),
            (
                index | {"manifests": [image | {"digest": "sha256:\x1b[2J"}]},
                "found 'sha256:', expected the digest",
            ),
            (index | {"manifests": [image | {"platform": "linux/amd64"}]}, "platform: found a text"),
            (index | {"manifests": [image | {"platform": {"os": "linux"}}]}, "architecture: found nothing"),
            (
                index | {"manifests": [image | {"platform": {"os": ["linux"], "architecture": "arm"}}]},
                "os: found a list",
            ),
            (index | {"manifests": [image], "annotations": ["x"]}, "annotations: found a list"),
            (manifest | {"config": "sha256:x"}, "config: found a text"),
            (manifest | {"config": {"mediaType": CONFIG_TYPES[0], "digest": 5}}, "digest: found a number"),
        ):
            with subtests.test(message), pytest.raises(Unreachable) as caught:
                Document.proved("r/web:1", Answer(200, {}, json.dumps(fields).encode()), "")
            assert message in caught.value.message
            assert caught.value.message.startswith("r/web:1: ")
