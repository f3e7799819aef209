"""What Docker's config.json says about one registry, and what a credential helper answers.

Law: the same entry is found that `docker pull` would use: a helper for this registry, else the helper for all, else `auths`.
A secret stands in no text and no repr.
Source: https://github.com/docker/cli `cli/config/configfile/file.go` and `cli/config/credentials`, version 28;
https://github.com/docker/docker-credential-helpers for what a helper is asked and answers.
"""

import base64
import re
from collections.abc import Mapping
from typing import Any, Self

from bumper.dataclasses import dataclass, field
from bumper.ports.shape import Each, Maybe, Shape, held_to
from bumper.systems.http.document import parse

# The key under which Docker has kept Docker Hub's entry since before it had another API.
_DOCKER_HUB = "https://index.docker.io/v1/"
_HELPER = re.compile(r"[A-Za-z0-9._-]+")
_AUTH: Mapping[str, Shape] = {
    name: Maybe(str) for name in ("auth", "username", "password", "identitytoken", "registrytoken")
}
_CONFIG: Mapping[str, Shape] = {
    "auths": Maybe(Each(Maybe(_AUTH))),
    "credHelpers": Maybe(Each(Maybe(str))),
    "credsStore": Maybe(str),
}
_HELPER_ANSWER: Mapping[str, Shape] = {"Secret": str, "Username": Maybe(str)}
# A helper's user name for a secret that is an OAuth refresh token.
_TOKEN_USER = "<token>"  # noqa: S105 (the name of a kind, not a secret)


@dataclass(frozen=True)
class Credential:
    """`source` says where it was found. Either a user name with a password, or an OAuth refresh token, or a ready Bearer token."""

    source: str
    username: str = ""
    password: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    bearer_token: str = field(default="", repr=False)

    def __bool__(self) -> bool:
        return bool(self.password or self.refresh_token or self.bearer_token)


@dataclass(frozen=True)
class DockerConfig:
    """A parsed config.json. `source` is its path, for messages."""

    source: str
    fields: Mapping[str, Any] = field(repr=False)

    @classmethod
    def parse(cls, source: str, text: str) -> Self:
        """The configuration in `text`. Raises ValueError where Docker would not read it either."""
        return cls(source, held_to(_CONFIG, parse(text.encode()), "the file"))

    def helper(self, registry: str) -> str:
        """The `X` of the program `docker-credential-X` that keeps this registry's credential; empty where none does.

        Raises ValueError where the configured name could not be a program's name.
        """
        name: str = (self.fields["credHelpers"] or {}).get(registry) or self.fields["credsStore"] or ""
        if name and not _HELPER.fullmatch(name):
            raise ValueError("the name of the credential helper has letters that no program's name has")
        return name

    def entry(self, registry: str) -> Credential | None:
        """The credential that stands in `auths` itself. Raises ValueError where it cannot be decoded."""
        wanted = server_name(registry)
        for key, entry in (self.fields["auths"] or {}).items():
            if entry and _host(key) == _host(wanted) and (credential := self._decoded(entry)):
                return credential
        return None

    def _decoded(self, entry: Mapping[str, Any]) -> Credential:
        username, password = entry["username"] or "", entry["password"] or ""
        if entry["auth"]:
            try:
                decoded = base64.b64decode(entry["auth"], validate=True).decode()
            except ValueError:  # no base64, letters that are not ASCII, or bytes that are no text
                raise ValueError("`auth` is not the base64 of user:password") from None
            username, _, password = decoded.partition(":")
        return Credential(
            self.source,
            username,
            password.strip("\0"),
            entry["identitytoken"] or "",
            entry["registrytoken"] or "",
        )


def server_name(registry: str) -> str:
    """How Docker calls the registry when it asks a helper or looks in `auths`."""
    return _DOCKER_HUB if registry == "docker.io" else registry


def parse_helper_answer(source: str, text: str) -> Credential:
    """The credential that `docker-credential-X get` printed. Raises ValueError where that is no such answer."""
    fields = held_to(_HELPER_ANSWER, parse(text.encode()), source)
    if fields["Username"] == _TOKEN_USER:
        return Credential(source, refresh_token=fields["Secret"])
    return Credential(source, fields["Username"] or "", fields["Secret"])


def _host(key: str) -> str:
    return key.removeprefix("https://").removeprefix("http://").partition("/")[0]
