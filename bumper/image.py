"""References to images, by the grammar of the OCI distribution specification and of `docker pull`.

Law: `str(parse(text)) == text`. A reference is kept as it is written (`nginx`, not `docker.io/library/nginx`), because manifests are
searched for what stands in them; `registry` and `path` give the normal form where a registry must be asked.
Source: https://github.com/distribution/reference (`reference.go` states the grammar). What stands in manifests is wider than that
grammar (`ko://…`, upper-case placeholders, `${REGISTRY}/web:1.0`): `split` takes any text apart, `parse` only what can be pulled.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Self

from bumper.dataclasses import dataclass, replace

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_DOMAIN = rf"(?:{_HOST_LABEL}(?:\.{_HOST_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_REPOSITORY = rf"(?:{_DOMAIN}/)?{_COMPONENT}(?:/{_COMPONENT})*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
_DIGEST = r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}"
# The parts of any text. A substitution (of Flux, a shell or a template) is never looked into; without an end it goes on to the
# end of the text, so that no text is gone through twice. A digest that is cut short is still one.
_SUBSTITUTION = r"(?>\$\{[^}]*+(?:\}|\Z)|\$\([^)]*+(?:\)|\Z)|\{\{(?>.*?(?:\}\}|\Z))|\$[A-Za-z_]\w*+)"
_WRITTEN = (
    rf"(?s)(?P<repository>(?:{_SUBSTITUTION}|.)*?)"
    rf"(?::(?P<tag>(?:{_SUBSTITUTION}|[A-Za-z0-9_.-])++))?"
    rf"(?:@(?P<digest>[A-Za-z0-9+._-]+:[A-Za-z0-9=_-]+|{_SUBSTITUTION}))?"
)


def is_tag(text: str) -> bool:
    """Whether the distribution specification allows `text` as a tag."""
    return _pattern(_TAG).fullmatch(text) is not None


def is_digest(text: str) -> bool:
    """Whether `text` is `sha256:<64 hex>` or `sha512:<128 hex>`."""
    return _pattern(_DIGEST).fullmatch(text) is not None


@cache
def _pattern(text: str) -> re.Pattern[str]:
    # Compiled where somebody asks, as `re` does itself, which takes twice as long as the match to find it again.
    return re.compile(text)


@dataclass(frozen=True)
class ImageReference:
    """`repository` as written, registry host included where one is written; `tag` and `digest` are empty where absent."""

    repository: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.repository}{tag}{digest}"

    @classmethod
    def split(cls, text: str) -> Self:
        """The parts of any text, valid or not: what cannot be a tag or a digest belongs to the repository."""
        match = re.fullmatch(_WRITTEN, text)
        assert match, "the repository takes whatever is left"
        return cls(match["repository"], match["tag"] or "", match["digest"] or "")

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The parts of `text`, or None where it is no image reference."""
        name, at, digest = text.partition("@")
        head, colon, tail = name.rpartition(":")
        # A colon before the last slash belongs to the registry's port.
        repository, tag = (head, tail) if colon and "/" not in tail else (name, "")
        valid = (
            re.fullmatch(_REPOSITORY, repository)
            and (is_tag(tag) if tag or repository != name else True)
            and (is_digest(digest) if at else True)
        )
        return cls(repository, tag, digest) if valid else None

    def with_tag(self, tag: str, digest: str = "") -> Self:
        """The same repository under another tag; the old digest never survives."""
        return replace(self, tag=tag, digest=digest)

    @property
    def tag_is_variable(self) -> bool:
        """Whether a substitution decides the tag: one in the tag or digest, or at the end of what stands without a tag."""
        at_the_end = "" if self.tag else self.repository
        substitution = re.search(_SUBSTITUTION, self.tag + self.digest, re.DOTALL) or re.search(
            rf"{_SUBSTITUTION}\Z", at_the_end, re.DOTALL
        )
        return substitution is not None

    @property
    def is_malformed(self) -> bool:
        """Whether the repository has the rest of a tag or a digest in it that is none: a tag behind it would make no image."""
        last = re.sub(_SUBSTITUTION, "", self.repository, flags=re.DOTALL).rpartition("/")[2]
        return "@" in last or ":" in last.rstrip(":")

    @property
    def registry(self) -> str:
        """Host and port to ask; `docker.io` where none is written."""
        host, slash, _ = self.repository.partition("/")
        is_host = slash and ("." in host or ":" in host or host == "localhost")
        return host if is_host else "docker.io"

    @property
    def path(self) -> str:
        """The repository's name inside its registry; `library/nginx` for `nginx`."""
        if self.registry == "docker.io":
            bare = self.repository.removeprefix("docker.io/")
            return bare if "/" in bare else f"library/{bare}"
        return self.repository.partition("/")[2]


def references_in(text: str, repository: str) -> Iterator[re.Match[str]]:
    """Where a text, of whatever kind, names the repository with a tag or a digest: `--image=reg.io/web:1.0`."""
    if repository and repository in text:
        yield from re.finditer(rf"(?<![\w./-]){re.escape(repository)}[:@][\w.:@-]*\w", text)


@dataclass(frozen=True)
class ImageManifest:
    """What a registry holds under a tag.

    `image` has tag and digest. `platforms` are `os/architecture[/variant]`, empty where the image does not say. `revision` and
    `source` are its labels `org.opencontainers.image.*`, which an image may have inherited from its base image; `created` is when it
    was built, as RFC 3339. All three are empty where absent. `children` are the digests of the images of an index: some runtimes
    report that of their platform as what they run.
    """

    image: ImageReference
    media_type: str
    platforms: tuple[str, ...] = ()
    revision: str = ""
    source: str = ""
    created: str = ""
    children: tuple[str, ...] = ()
