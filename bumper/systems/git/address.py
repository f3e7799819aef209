"""Where the platform repository is, and the credential for it, kept apart.

Law: `url` and `str()` hold no secret, whatever was given; a credential reaches git only through `settings`, which stand in the
environment of git's process. It goes over TLS or to this machine (`bumper.address`), there past every proxy. The header is bound to
the repository's own URL, so that no longer URL of the user's configuration outranks it, and redirects are not followed with it: git
sends an extra header to wherever it was redirected (http.c, `http_copy_default_headers`).
"""

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Self
from urllib.parse import SplitResult, unquote, urlsplit

from bumper.address import is_loopback, may_carry_credentials
from bumper.dataclasses import dataclass, field
from bumper.errors import UsageError
from bumper.safe_text import printable

_EXPECTED = "expected https://HOST/OWNER/NAME, ssh://HOST/PATH, HOST:PATH or a directory"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
# git's short form for ssh; a colon behind a slash belongs to a path (`url_is_local_not_ssh` in git's connect.c).
_SHORT_SSH = re.compile(r"[^/:]+:(?!//).*", re.DOTALL)
# The host of that form in brackets that do not close.
_OPEN_BRACKET = re.compile(r"(?:[^@/:]*@)?\[(?![^]/]*\])")
# `<transport>::<address>`, as in gitremote-helpers(7).
_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.-]*::")
_TRANSPORTS = ("http", "https", "ssh", "git+ssh", "ssh+git", "git", "file")
_TOKEN_USER = "x-access-token"  # noqa: S105 - the name that GitHub documents for tokens of any kind; other hosts ignore it

_NUMBER = re.compile(r"[0-9]{1,6}")
_WITHOUT_TLS = (
    "no credential is sent to an http address, neither ours nor one that git's helpers keep: expected https"
)


def require_known_transport(url: str) -> None:
    """`UsageError` where git would hand the address to a helper program, as it does with `ext::…`, or knows no such scheme."""
    helper = _HELPER.match(url)
    scheme = _SCHEME.match(url)
    if helper or (scheme and scheme[0].removesuffix("://").lower() not in _TRANSPORTS):
        raise UsageError(
            f"{printable(url.rpartition('@')[2])}: git has no transport of its own for it", hint=_EXPECTED
        )


def is_url(text: str) -> bool:
    """Whether git takes `text` for a URL; everything else is a directory."""
    return bool(_SCHEME.match(text) or _SHORT_SSH.fullmatch(text))


@dataclass(frozen=True)
class Address:
    """`user` is the name that the URL gave without a password: git's credential helpers are asked for that one.

    `remark` is what else to say to whoever has no access there.
    """

    url: str
    user: str = field(default="", repr=False)
    authorization: str = field(default="", repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    remark: str = ""

    def __str__(self) -> str:
        return self.url

    @classmethod
    def parse(cls, url: str, token: str = "", remark: str = "") -> Self:
        """The address at `url`; a token goes before a password in the URL, and only to http and https.

        `UsageError` where either would go in clear text.
        """
        if not _SCHEME.match(url):
            if is_url(url) and _OPEN_BRACKET.match(url):
                # Git would hand on `[` as the host, which no network ever finds.
                raise UsageError(
                    f"{printable(url.rpartition('@')[2])}: is no address ([ without ])", hint=_EXPECTED
                )
            return cls(url, remark=remark)
        split_url = _split(url)
        user, password = unquote(split_url.username or ""), unquote(split_url.password or "")
        if split_url.scheme not in ("http", "https"):
            return cls(_with_userinfo(split_url, user), secrets=_all(password), remark=remark)
        credentials = f"{_TOKEN_USER}:{token}" if token else f"{user}:{password}" if password else ""
        shown = _with_userinfo(split_url, "")
        require_safe(shown, what="a token" if token else "a password" if password else "")
        if split_url.scheme == "http" and not may_carry_credentials(shown):
            return cls(shown, remark=f"{_WITHOUT_TLS}; {remark}" if remark else _WITHOUT_TLS)
        basic = (
            base64.b64encode(credentials.encode("utf-8", "surrogateescape")).decode() if credentials else ""
        )
        return cls(
            shown,
            user="" if credentials else user,
            authorization=f"Authorization: Basic {basic}" if basic else "",
            secrets=_all(basic, token, password, split_url.password or ""),
            remark=remark,
        )

    @property
    def is_in_clear_text(self) -> bool:
        """Whether git talks http to another machine: then it is asked for nothing but what is public."""
        return self.url.startswith("http:") and not may_carry_credentials(self.url)

    def settings(self) -> list[tuple[str, str]]:
        """Git's configuration for this address. Holds the credential: for the environment of a process only."""
        # Without TLS a proxy would read what is sent, and none leads to this machine's own loopback.
        directly = [(f"http.{self.url}.proxy", "")] if is_loopback(self.url) else []
        if self.user:
            return [*directly, (f"credential.{self.url}.username", self.user)]
        if self.is_in_clear_text:
            # Neither a header of the user's configuration nor what a helper keeps for this host.
            return [(f"http.{self.url}.extraHeader", ""), ("credential.helper", "")]
        if not self.authorization:
            return directly
        return [
            *directly,
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


def _split(url: str) -> SplitResult:
    """What the URL consists of; UsageError, without what it may hold of a password, where it is none."""
    try:
        split_url = urlsplit(url)
        # Asked for, the port is checked: a number up to 65535.
        has_host = split_url.port is not None or bool(split_url.hostname)
    except ValueError as error:
        scheme, _, rest = url.partition("://")
        shown = printable(f"{scheme}://{rest.rpartition('@')[2]}")
        raise UsageError(f"{shown}: is no address ({error})", hint=_EXPECTED) from None
    if split_url.scheme in ("http", "https") and not has_host:
        raise UsageError(f"{printable(url)}: names no host", hint=_EXPECTED)
    return split_url


def require_safe(url: str, what: str) -> None:
    """`UsageError` where a credential, called `what`, would go to this URL in clear text; nothing where there is none."""
    if what and not may_carry_credentials(url):
        is_plain = url.startswith("http:")
        seen = (
            "in clear text: found http"
            if is_plain
            else "and programs read this address in different ways: found it"
        )
        raise UsageError(
            f"{url}: {what} would go there {seen}, expected https://HOST/… (http only to this machine)",
            hint="name the repository by its https address with --repo; one that is public is read over http without any credential",
        )


def environment(settings: Iterable[tuple[str, str]], environ: Mapping[str, str]) -> dict[str, str]:
    """Variables that add `settings` to git's configuration, behind those that `environ` adds already (git 2.31, `git help config`)."""
    first = _count(environ.get("GIT_CONFIG_COUNT") or "0")
    variables = {}
    count = first
    for key, value in settings:
        variables[f"GIT_CONFIG_KEY_{count}"] = key
        variables[f"GIT_CONFIG_VALUE_{count}"] = value
        count += 1
    return {**variables, "GIT_CONFIG_COUNT": str(count)}


def _count(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise UsageError(
            f"GIT_CONFIG_COUNT: found {printable(text)[:40]!r}, expected a number",
            hint="unset it, or correct it",
        )
    return int(text)


def _with_userinfo(split_url: SplitResult, user: str) -> str:
    host = split_url.netloc.rpartition("@")[2]
    return split_url._replace(netloc=f"{user}@{host}" if user else host).geturl()


def _all(*secrets: str) -> tuple[str, ...]:
    # Longest first: a secret that is part of another one must not tear it apart.
    return tuple(sorted({secret for secret in secrets if secret}, key=len, reverse=True))
