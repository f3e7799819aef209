"""What a registry says, in the terms of the OCI distribution and image specifications.

Law: a `Document` holds content that was proved to have its digest. A failure is told apart by status code and error code only,
never by a message, and its text never holds more of an answer than one short line.
Source: https://github.com/opencontainers/distribution-spec and https://github.com/opencontainers/image-spec, both version 1.1;
RFC 9110 for challenges and Retry-After; Docker's image manifest version 2, schema 2.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Self

from bumper.dataclasses import dataclass
from bumper.errors import BumpError, ImageMissing, NoAccess, RepositoryMissing, Transient, Unreachable
from bumper.image import is_digest
from bumper.ports.shape import Each, Maybe, Misshapen, Shape, held_to
from bumper.safe_text import printable
from bumper.systems.http.client import Answer
from bumper.systems.http.document import parse_object
from bumper.systems.http.headers import retry_after_s

INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
CONFIG_TYPES = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)
# What is read of them, as the specification requires it; an image without a configuration says nothing of itself.
_DESCRIPTOR: Mapping[str, Shape] = {"mediaType": str, "digest": str}
_ANNOTATIONS = Maybe(Each(Maybe(str)))
_PLATFORM = Maybe({"os": str, "architecture": str, "variant": Maybe(str)})
_MANIFEST: Mapping[str, Shape] = {"config": Maybe(_DESCRIPTOR), "annotations": _ANNOTATIONS}
_INDEX: Mapping[str, Shape] = {
    "manifests": [{**_DESCRIPTOR, "platform": _PLATFORM}],
    "annotations": _ANNOTATIONS,
}
# The limit that the specification asks registries to accept, and the limit that containerd sets.
MAX_DOCUMENT_BYTES = 4 * 1024 * 1024


def described(answer: Answer) -> str:
    """`404 MANIFEST_UNKNOWN: manifest unknown`: what was answered, in one short line."""
    codes = "; ".join(
        f"{code}: {message}" if message else code for code, message in error_codes(answer.content)
    )
    return one_line(f"{answer.status} {codes}" if codes else f"{answer.status}")


def error_codes(content: bytes) -> list[tuple[str, str]]:
    """The (code, message) pairs of an error body; also of the OAuth errors that token endpoints answer with."""
    body = parse_object(content) or {}
    if isinstance(body.get("error"), str):
        return [(body["error"], str(body.get("error_description") or ""))]
    entries = body.get("errors")
    return [
        (str(entry.get("code") or ""), str(entry.get("message") or ""))
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict)
    ]


def one_line(text: str) -> str:
    """`text` as it may be printed: one line, no control characters, not too long."""
    return printable(text)[:300]


def failure(subject: str, answer: Answer, *, tried: str, hint: str) -> BumpError:
    """The error that stands for an answer other than success. `tried` names the credential, `hint` helps against 401 and 403."""
    codes = {code for code, _ in error_codes(answer.content)}
    description = described(answer)
    if answer.status in (401, 403):
        return NoAccess(f"{subject}: no access with {tried}: the registry answered {description}", hint=hint)
    if answer.status == 404:
        return _missing(subject, codes, description)
    if answer.status in (408, 429) or answer.status >= 500:
        return Transient(
            f"{subject}: the registry answered {description}", retry_after_s=retry_after_s(answer.headers)
        )
    return Unreachable(
        f"{subject}: the registry answered {description}, expected the content or a reason why not"
    )


def _missing(subject: str, codes: set[str], description: str) -> ImageMissing:
    if "NAME_UNKNOWN" in codes:
        return RepositoryMissing(
            f"{subject}: the registry has no such repository ({description})",
            hint="a repository comes to be with the first push; check its name in the manifest",
        )
    if codes & {"MANIFEST_UNKNOWN", "BLOB_UNKNOWN"}:
        # Not all registries tell a tag that is missing from a repository that is: the distribution project's own does not.
        return ImageMissing(
            f"{subject}: the registry has no such image ({description})",
            hint="push the image, or check the tag",
        )
    return ImageMissing(
        f"{subject}: the registry answered {description} and gave no reason that the specification knows"
    )


@dataclass(frozen=True)
class Challenge:
    """One entry of `WWW-Authenticate`. `scheme` and the names of `parameters` are in lower case."""

    scheme: str
    parameters: Mapping[str, str]


_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 (the grammar's word, not a secret)
_CHALLENGE_PART = re.compile(
    rf'[\s,]*(?:(?P<name>{_TOKEN})\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>{_TOKEN}))(?=[\s,]|$)'
    rf"|(?P<scheme>{_TOKEN})(?=[\s,]|$))"
)


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """The challenges of a `WWW-Authenticate` header, in order, up to the first part that is not in the grammar's auth-param form."""
    challenges: list[tuple[str, dict[str, str]]] = []
    position = 0
    while match := _CHALLENGE_PART.match(header, position):
        position = match.end()
        if match["scheme"]:
            challenges.append((match["scheme"].lower(), {}))
        elif not challenges:
            break
        else:
            quoted = match["quoted"]
            value = match["plain"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            challenges[-1][1][match["name"].lower()] = value
    return tuple(Challenge(scheme, parameters) for scheme, parameters in challenges)


@dataclass(frozen=True)
class Document:
    """A manifest, an index or an image's configuration, proved to have `digest`."""

    media_type: str
    digest: str
    fields: Mapping[str, Any]

    @classmethod
    def proved(cls, subject: str, answer: Answer, expected_digest: str) -> Self:
        """The answer's content, if it hashes to `expected_digest` (empty: take what the content hashes to).

        Raises Unreachable where it does not, or where it is no JSON object: such an answer proves nothing about the image.
        """
        algorithm = expected_digest.partition(":")[0] if is_digest(expected_digest) else "sha256"
        digest = f"{algorithm}:{hashlib.new(algorithm, answer.content).hexdigest()}"
        if expected_digest and digest != expected_digest:
            raise Unreachable(
                f"{subject}: the content does not match its digest: it hashes to {digest}, "
                f"expected {one_line(expected_digest)}",
                hint="a proxy or mirror on the way may have changed it",
            )
        fields = parse_object(answer.content)
        if fields is None:
            raise Unreachable(f"{subject}: the registry answered with something else than a JSON object")
        stated = answer.headers.get("content-type", "").partition(";")[0].strip()
        return cls.shaped(subject, str(fields.get("mediaType") or stated), digest, fields)

    @classmethod
    def shaped(cls, subject: str, media_type: str, digest: str, fields: Mapping[str, Any]) -> Self:
        """A document of the shape that its type has by the specification; Unreachable where it says something else.

        Otherwise an index that says nothing would be an image for any platform.
        """
        shape = _INDEX if media_type in INDEX_TYPES else _MANIFEST if media_type in MANIFEST_TYPES else {}
        try:
            held_to(shape, fields, f"{subject}: the registry answered with {media_type or 'no type'}")
            _require_digests(fields, shape, subject)
        except Misshapen as error:
            raise Unreachable(
                str(error), hint="push the image again; whoever pulls this can read it no better"
            ) from None
        return cls(media_type, digest, fields)

    @property
    def children(self) -> tuple["Child", ...]:
        """The images of an index; empty for anything else. What is no image (an attestation) is left out."""
        if self.media_type not in INDEX_TYPES:
            return ()
        entries = (Child.parse(entry) for entry in self.fields.get("manifests") or ())
        return tuple(entry for entry in entries if entry)

    @property
    def config_digest(self) -> str:
        """The digest of the image's configuration; empty where this is no image, or an image that says nothing about itself."""
        config = self.fields.get("config")
        if self.media_type not in MANIFEST_TYPES or not isinstance(config, dict):
            return ""
        digest = str(config.get("digest") or "")
        return digest if config.get("mediaType") in CONFIG_TYPES and is_digest(digest) else ""

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels of a configuration, or the annotations of a manifest or index."""
        config = self.fields.get("config")
        labels = config.get("Labels") if isinstance(config, dict) else None
        metadata = labels or self.fields.get("annotations") or {}
        return (
            {str(name): str(value or "") for name, value in metadata.items()}
            if isinstance(metadata, dict)
            else {}
        )


def _require_digests(fields: Mapping[str, Any], shape: Mapping[str, Shape], subject: str) -> None:
    """`Misshapen` where a descriptor of this shape names no digest."""
    descriptors = fields["manifests"] if "manifests" in shape else [fields.get("config")] if shape else []
    for descriptor in filter(None, descriptors):
        if not is_digest(descriptor["digest"]):
            raise Misshapen(
                f"{subject}: found {one_line(descriptor['digest'])[:80]!r}, expected the digest of what it names"
            )


@dataclass(frozen=True)
class Child:
    """One image of an index."""

    digest: str
    platform: str

    @classmethod
    def parse(cls, entry: Any) -> Self | None:
        """The child that an index's entry describes, or None where it describes no image."""
        if not isinstance(entry, dict) or entry.get("mediaType") not in (*MANIFEST_TYPES, *INDEX_TYPES):
            return None
        digest = str(entry.get("digest") or "")
        platform = platform_of(entry.get("platform") or {})
        # BuildKit stores an attestation as a manifest for the platform unknown/unknown.
        return cls(digest, platform) if is_digest(digest) and not platform.startswith("unknown/") else None


def platform_of(fields: Any) -> str:
    """`linux/amd64` or `linux/arm/v7`, from an index's `platform` or a configuration; empty where it does not say."""
    if not isinstance(fields, dict) or not fields.get("os") or not fields.get("architecture"):
        return ""
    segments = (fields["os"], fields["architecture"], fields.get("variant") or "")
    return "/".join(str(part) for part in segments if part)
