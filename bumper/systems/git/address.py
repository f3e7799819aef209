"""Where the platform repository is, and the credential for it, kept apart.

Law: `url` and `str()` hold no secret, whatever was given; a credential reaches git only through `settings`, which stand in the
environment of git's process. The header is bound to the repository's own URL, so that no longer URL of the user's configuration
outranks it, and redirects are not followed with it: git sends an extra header to wherever it was redirected (http.c,
`http_copy_default_headers`).
"""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import SplitResult, unquote, urlsplit

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
# git's short form for ssh; a colon behind a slash belongs to a path (`url_is_local_not_ssh` in git's connect.c).
_SHORT_SSH = re.compile(r"[^/:]+:(?!//).*", re.DOTALL)
_TOKEN_USER = "x-access-token"  # noqa: S105 - the name that GitHub documents for tokens of any kind; other hosts ignore it


def is_url(text: str) -> bool:
    """Whether git takes `text` for a URL; everything else is a directory."""
    return bool(_SCHEME.match(text) or _SHORT_SSH.fullmatch(text))


@dataclass(frozen=True)
class Address:
    """`user` is the name that the URL gave without a password: git's credential helpers are asked for that one."""

    url: str
    user: str = field(default="", repr=False)
    authorization: str = field(default="", repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        return self.url

    @classmethod
    def parse(cls, url: str, token: str = "") -> Self:
        """The address at `url`; a token goes before a password in the URL, and only to http and https."""
        if not _SCHEME.match(url):
            return cls(url)
        parts = urlsplit(url)
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        if parts.scheme not in ("http", "https"):
            return cls(_with_userinfo(parts, user), secrets=_all(password))
        credentials = f"{_TOKEN_USER}:{token}" if token else f"{user}:{password}" if password else ""
        basic = base64.b64encode(credentials.encode()).decode() if credentials else ""
        return cls(
            _with_userinfo(parts, ""),
            user="" if credentials else user,
            authorization=f"Authorization: Basic {basic}" if basic else "",
            secrets=_all(basic, token, password, parts.password or ""),
        )

    def settings(self) -> list[tuple[str, str]]:
        """Git's configuration for this address. Holds the credential: for the environment of a process only."""
        if self.user:
            return [(f"credential.{self.url}.username", self.user)]
        if not self.authorization:
            return []
        return [
            # An empty value first clears what the user's configuration added: a host refuses two credentials.
            (f"http.{self.url}.extraHeader", ""),
            (f"http.{self.url}.extraHeader", self.authorization),
            (f"http.{self.url}.followRedirects", "false"),
            # A wrong token is an error, never a reason to try somebody else's identity.
            ("credential.helper", ""),
        ]

    def scrub(self, text: str) -> str:
        """The text without any form of the credential."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def environment(settings: Iterable[tuple[str, str]], environ: Mapping[str, str]) -> dict[str, str]:
    """Variables that add `settings` to git's configuration, behind those that `environ` adds already (git 2.31, `git help config`)."""
    first = int(environ.get("GIT_CONFIG_COUNT") or 0)
    variables = {}
    count = first
    for key, value in settings:
        variables[f"GIT_CONFIG_KEY_{count}"] = key
        variables[f"GIT_CONFIG_VALUE_{count}"] = value
        count += 1
    return {**variables, "GIT_CONFIG_COUNT": str(count)}


def _with_userinfo(parts: SplitResult, user: str) -> str:
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{user}@{host}" if user else host).geturl()


def _all(*secrets: str) -> tuple[str, ...]:
    # Longest first: a secret that is part of another one must not tear it apart.
    return tuple(sorted({secret for secret in secrets if secret}, key=len, reverse=True))
