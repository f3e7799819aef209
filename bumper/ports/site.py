"""What a site answers to visitors: how an answer proves its build, where its host is asked, and what came back.

Law: an expectation names the build, so that no answer of another one can meet it. What a page holds is kept out of every `repr`.
"""

import re
import shlex
from collections.abc import Mapping
from enum import StrEnum
from ipaddress import ip_address
from shlex import quote
from typing import Protocol as Port
from typing import Self
from urllib.parse import urlsplit

from bumper.dataclasses import dataclass, field
from bumper.request import FieldPath, seconds_of

_VARIABLES = ("{tag}", "{sha}")
_HEADER = r"[A-Za-z0-9-]{1,100}"
_SCHEMES = ("http", "https")
_AUTHORITY = r"(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
# What a URL is made of (RFC 3986): nothing that two parsers read in two ways.
_URL_TEXT = r"[A-Za-z0-9\-._~:/?\[\]!$&'()*+,;=%]+"
_RESOLUTION = r"(?P<host>\[[^\]]+\]|[^:\[\]]+):(?P<port>\d{1,5}):(?P<addresses>.+)"
_MOST_TIMES = 100


class Proof(StrEnum):
    """Where an answer of a site says which build it comes from."""

    HEADER = "header"
    JSON = "json"
    TEXT = "text"
    SHA = "sha"


@dataclass(frozen=True)
class Expectation:
    """What a site answers once visitors get the new build; ValueError from `parse` says what is wrong with a text.

        [URL|/PATH] (header=NAME | json=PATH | text=TEXT | sha) [is=TEXT] [times=N] [grace=TIME]

    `name` is the header's name, the path in the JSON or the text. `value` is what header or JSON must hold; in it, and in the text,
    `{tag}` stands for the tag of the image and `{sha}` for the commit in it: without either an answer would prove no build.
    """

    proof: Proof
    name: str = ""
    address: str = "/"
    value: str = "{tag}"
    times: int = 3
    grace_s: float = 60.0

    @classmethod
    def parse(cls, text: str) -> Self:
        address, *rest = _split(text) or [""]
        if not _is_address(address):
            address, rest = "/", [address, *rest] if address else rest
        options = _options(rest)
        proofs = [Proof(name) for name in options if name in {proof.value for proof in Proof}]
        if len(proofs) != 1:
            raise ValueError("expected one of header=NAME, json=PATH, text=TEXT and sha")
        proof = proofs[0]
        name, value = options[proof], options.get("is", "{tag}")
        _require_proof(proof, name, value, has_value="is" in options)
        times = options.get("times", str(cls.times))
        grace_s = seconds_of(options.get("grace", f"{cls.grace_s:g}"))
        if not times.isdecimal() or not 1 <= int(times) <= _MOST_TIMES:
            raise ValueError(f"times={times}: expected a number from 1 to {_MOST_TIMES}")
        if grace_s is None:
            raise ValueError(f"grace={options['grace']}: expected for example 30s or 2m")
        return cls(proof, name, address, value, int(times), grace_s)

    @property
    def path(self) -> FieldPath:
        """The path in the JSON."""
        path = FieldPath.parse(self.name)
        assert path, "parsed before"
        return path

    @property
    def host(self) -> str:
        """The host that it names itself, in lower case; empty where it is the site's own."""
        return "" if self.address.startswith("/") else urlsplit(self.address).hostname or ""

    @property
    def needs_commit(self) -> bool:
        """Whether there must be a commit in the tag."""
        return self.proof is Proof.SHA or "{sha}" in self.name + self.value

    def __str__(self) -> str:
        proof = self.proof.value if self.proof is Proof.SHA else f"{self.proof}={self.name}"
        others = {"is": self.value, "times": str(self.times), "grace": f"{self.grace_s:g}s"}
        usual = {"is": "{tag}", "times": str(Expectation.times), "grace": f"{Expectation.grace_s:g}s"}
        texts = [f"{name}={value}" for name, value in others.items() if value != usual[name]]
        return " ".join(_quoted(text) for text in (self.address, proof, *texts))


@dataclass(frozen=True)
class Resolution:
    """Where a host is asked instead of where DNS says, as curl's `--resolve HOST:PORT:ADDRESS[,ADDRESS]…`."""

    host: str
    port: int
    addresses: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """ValueError says what is wrong with a text."""
        match = re.fullmatch(_RESOLUTION, text)
        if not match or not 0 < int(match["port"]) < 65536:
            raise ValueError("expected HOST:PORT:ADDRESS")
        addresses = [str(ip_address(each.strip("[]"))) for each in match["addresses"].split(",")]
        return cls(match["host"].strip("[]").lower(), int(match["port"]), tuple(addresses))


class Obstacle(StrEnum):
    """Why an address gave no answer that can be judged."""

    DNS = "dns"
    ADDRESS = "address"
    CONNECTION = "connection"
    TLS = "tls"
    TIMEOUT = "timeout"
    REDIRECT = "redirect"
    CONTENT = "content"


@dataclass(frozen=True)
class SiteAnswer:
    """What one address answered; names of headers are in lower case. With an `obstacle` there is `detail`, which quotes no body."""

    address: str
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: bytes = field(default=b"", repr=False)
    obstacle: Obstacle | None = None
    detail: str = ""


class SiteAccess(Port):
    """Asks a site as a visitor would; `systems.site.Site` is the real one."""

    def answers(self, url: str, timeout_s: float) -> tuple[SiteAnswer, ...]:
        """One answer for each address of the host, at least one. Never raises for what the site or DNS says."""
        ...


def _split(text: str) -> list[str]:
    if any(not letter.isprintable() for letter in text):
        raise ValueError("expected one line of printable text")
    return shlex.split(text)


def _is_address(word: str) -> bool:
    """Whether it is the address of a page. ValueError for one that can't be asked."""
    if not (word.startswith("/") or "://" in word.partition("=")[0]):
        return False
    url = urlsplit(word)
    is_whole = bool(url.scheme in _SCHEMES and re.fullmatch(_AUTHORITY, url.netloc) and url.port != 0)
    if word.startswith("//") or not re.fullmatch(_URL_TEXT, word) or not (is_whole or word.startswith("/")):
        raise ValueError(f"{word}: expected /PATH or http(s)://HOST/PATH, without a user and a fragment")
    return True


def _options(texts: list[str]) -> dict[str, str]:
    options: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        known = (*(proof.value for proof in Proof), "is", "times", "grace")
        if name not in known or bool(equals) == (name == Proof.SHA) or (equals and not value):
            raise ValueError(
                f"{text}: expected header=NAME, json=PATH, text=TEXT, sha, is=TEXT, times=N or grace=TIME"
            )
        if name in options:
            raise ValueError(f"{name} is there twice")
        options[name] = value
    return options


def _require_proof(proof: Proof, name: str, value: str, *, has_value: bool) -> None:
    if proof in (Proof.TEXT, Proof.SHA) and has_value:
        raise ValueError(f"is= goes with header= and json=, not with {proof}")
    if proof is Proof.HEADER and not re.fullmatch(_HEADER, name):
        raise ValueError(f"header={name}: expected the name of a header")
    if proof is Proof.JSON and ((path := FieldPath.parse(name)) is None or path.kind):
        raise ValueError(f"json={name}: expected keys and indexes, as build.sha or sites[0].tag")
    template = name if proof is Proof.TEXT else value
    if not any(variable in template for variable in _VARIABLES):
        raise ValueError(f"{template!r} proves no build: expected {{tag}} or {{sha}} in it")


def _quoted(text: str) -> str:
    return (
        text
        if re.fullmatch(r"[\w@%+=:,./{}\[\]?&~!*;$()-]+", text) and "'" not in text and "$" not in text
        else quote(text)
    )
