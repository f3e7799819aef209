"""What a push needs of a git host, asked by smart HTTP: the tip of a branch, commits with their trees, files, and the push itself.

Law: everything goes over the connections of one client, and the branch only ever moves from the commit that is named (compare and swap
by the server). Whatever is not as gitprotocol-http(5), gitprotocol-v2(5) and gitprotocol-pack(5) have it is `NotSpoken`: git itself is
asked then, and says in its own words what is wrong. So nothing here asks for a credential, follows a redirect or knows a proxy, and
where git's settings speak of the way to the host it is git that knows what they mean (`speaks`).
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from bumper.address import is_loopback, may_carry_credentials
from bumper.dataclasses import dataclass
from bumper.errors import BumpError, Denied, NotConnected, Transient, Unreachable, UsageError
from bumper.ports.threads import side_by_side
from bumper.safe_text import printable
from bumper.systems.git.address import Address
from bumper.systems.git.packet_lines import FLUSH, bands, command, line, packets, texts
from bumper.systems.git.packs import Object, read, written
from bumper.systems.git.rejections import MissingRef, passing, refusal
from bumper.systems.http.client import Client, Limits, Question
from bumper.systems.http.headers import retry_after_s

_Parsed = TypeVar("_Parsed")

_SHA = re.compile(r"[0-9a-f]{40}")
_ZERO = "0" * 40
_FETCH, _PUSH = "git-upload-pack", "git-receive-pack"
# Of what is kept in memory: trees of a hundred thousand files, or some thousand manifests. Git keeps more on the disk.
_MOST_BYTES = 64_000_000
# Some hosts answer git alone (GitHub looks for the first letters).
_USER_AGENT = "git/bump"
_FORMAT = "object-format=sha1"
_FILTER = "blob:none"
_BANDS = "side-band-64k"
# As git says it.
_NO_REPORT, _STALE = "remote failed to report status", "stale info"
# The end of a reason that has nothing to do with where the ref is (receive-pack.c, GitHub, GitLab).
_BY_RULE = "hook declined"
# Settings of git that say how a host is reached, or what is accepted of it.
_OF_THE_WAY = ("http.", "url.", "protocol.", "transfer.", "fetch.fsckobjects")
_OF_THE_CREDENTIAL = ".extraheader"
_VARIABLES = (
    "GIT_SSL_",
    "GIT_HTTP_",
    "GIT_PROXY_",
    "GIT_CURL_",
    "GIT_TRACE_CURL",
    "GIT_TRACE_PACKET",
    "GIT_ALLOW_PROTOCOL",
)
# Whom git trusts, by our own client's names for it.
_AUTHORITIES = {"GIT_SSL_CAINFO": "SSL_CERT_FILE", "GIT_SSL_CAPATH": "SSL_CERT_DIR"}
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")


class NotSpoken(Exception):
    """The host, or somebody on the way, answers otherwise than is described; nothing has changed there."""


def speaks(address: Address, configured: Iterable[tuple[str, str]], environ: Mapping[str, str]) -> bool:
    """Whether nothing but the address and our own credential says how the host is reached: no setting of git, no proxy."""
    if not address.authorization or not may_carry_credentials(address.url):
        return False
    # The header of the credential alone is replaced by ours (`Address.settings`).
    is_set = any(
        key.startswith(_OF_THE_WAY) and not key.endswith(_OF_THE_CREDENTIAL) for key, _ in configured
    )
    named = any(name.startswith(_VARIABLES) and name not in _AUTHORITIES for name in environ)
    has_proxy = not is_loopback(address.url) and any(
        value and name.lower() in _PROXIES for name, value in environ.items()
    )
    return not (is_set or named or has_proxy)


class _Advertisement(NamedTuple):
    """What a server says before a push: the commits of its refs, and what it can do."""

    refs: Mapping[str, str]
    capabilities: Sequence[str]


@dataclass
class SmartHttp:
    """One repository. `address` is asked before each request, since its credential may have been renewed.

    `is_to_push` says that what is read first is read to be written, as it is after a push that was refused.
    """

    client: Client
    address: Callable[[], Address]
    is_to_push: bool = False
    _knows_version_2: bool = False
    _was_refused: bool = False
    # What the server said before a push that has not been made yet.
    _advertisement: _Advertisement | None = None

    @classmethod
    def at(
        cls,
        address: Callable[[], Address],
        *,
        now: Callable[[], float],
        environ: Mapping[str, str],
        timeout_s: float,
        is_to_push: bool = False,
    ) -> "SmartHttp":
        """`now` is monotonic seconds, `timeout_s` bounds each answer. Does not use the network."""
        trusted = {ours: environ[name] for name, ours in _AUTHORITIES.items() if environ.get(name)}
        # What bounds the answer is to end it, not what bounds each wait for a piece of it.
        return cls(
            Client(Limits(_MOST_BYTES, timeout_s, 2 * timeout_s), now=now, environ=trusted or environ),
            address,
            is_to_push,
        )

    def close(self) -> None:
        """Closes all connections."""
        self.client.close()

    def tip(self, ref: str, *, is_to_push: bool = False) -> str:
        """The commit that the ref is at. `MissingRef` where there is none.

        Where a push is to come it is taken from what the server says before one, so that the fewest requests lie between them.
        Whoever looks again and again asks for the one ref.
        """
        is_to_push = is_to_push or self.is_to_push or self._was_refused
        self.is_to_push, self._advertisement = False, None
        seen = self._seen_before_a_push if is_to_push else partial(self._listed, ref)
        # Who speaks version 2 answers the second question as well: it need not wait for the first.
        asked: list[Callable[[], Mapping[str, str]]] = [seen]
        if not self._knows_version_2:
            asked.insert(0, self._require_version_2)
        *_, refs = side_by_side(asked)
        if ref not in refs:
            raise MissingRef(f"{self.address()}: no such ref")
        if not _SHA.fullmatch(refs[ref]):
            raise NotSpoken
        return refs[ref]

    def commit(self, sha: str, latest: Iterable[str], known: Mapping[str, Object]) -> dict[str, Object]:
        """The commit with its trees and no file, but for what the commits of `latest` hold, whose trees are `known`."""
        self._require_version_2()
        seen = [argument for each in latest for argument in (f"shallow {each}", f"have {each}")]
        # A thin pack: without, git 2.39 leaves nothing out for a commit that is cut off from its parents.
        return self._fetched([f"want {sha}", *seen, "thin-pack", "deepen 1", f"filter {_FILTER}"], known)

    def objects(self, shas: Collection[str]) -> dict[str, Object]:
        """These objects. `NotSpoken` where the answer lacks one."""
        self._require_version_2()
        # Nothing is said of what is here, since the server would take its files for known.
        fetched = self._fetched([f"want {sha}" for sha in shas])
        if not fetched.keys() >= {*shas}:
            raise NotSpoken
        return fetched

    def ask_to_push(self) -> None:
        """Returns where the server lets us in to push; nothing is sent and nothing moves."""
        self._advertised()

    def push(
        self, ref: str, expected: str, commit: str, objects: Iterable[Object], spare_s: float
    ) -> BumpError | None:
        """Moves the ref from one commit to another, which is in `objects` with all that the server lacks; `expected` is empty for a
        ref that is to be made. None where it has moved, else why not: `LostRace` where it is elsewhere.

        Ends `spare_s` before its limit, so that somebody can look what became of it.
        """
        error = self._pushed(ref, expected, commit, objects, spare_s)
        self._was_refused = error is not None
        return error

    def _pushed(
        self, ref: str, expected: str, commit: str, objects: Iterable[Object], spare_s: float
    ) -> BumpError | None:
        there, capabilities = self._advertisement or self._advertised(spare_s)
        self._advertisement = None
        # What the server repeats is the credential that it was sent, not one that took its place meanwhile.
        address = self.address()
        place, branch = str(address), ref.removeprefix("refs/heads/")
        if there.get(ref, "") == commit:
            return None
        if there.get(ref, "") != expected:
            return refusal(place, branch, _STALE, "", is_sent=False)
        asked = ["report-status", *(each for each in (_BANDS, _FORMAT) if each in capabilities)]
        update = line(f"{expected or _ZERO} {commit} {ref}\0 {' '.join(asked)}")
        content = self._service(_PUSH, update + FLUSH + written(objects), spare_s, address)
        try:
            report, remarks = bands(packets(content)) if _BANDS in asked else (content, "")
            states = [text for text in texts(report) if text]
        except ValueError as error:
            reason = printable(address.scrub(str(error)))
            return Transient(f"{place}: the server did not say what became of the push ({reason})")
        if states[:1] == ["unpack ok"] and f"ok {ref}" in states:
            return None
        reason = next(
            (text.removeprefix(f"ng {ref} ") for text in states if text.startswith("ng ")), _NO_REPORT
        )
        refused = refusal(
            place, branch, printable(address.scrub(reason)), address.scrub(remarks), is_sent=True
        )
        is_clear = not isinstance(refused, Denied) or reason.endswith(_BY_RULE)
        if not is_clear and self._is_elsewhere(ref, expected, spare_s):
            answer = f"remote: {reason}\n{remarks}"
            return refusal(place, branch, _STALE, address.scrub(answer), is_sent=True)
        return refused

    def _is_elsewhere(self, ref: str, expected: str, spare_s: float) -> bool:
        """Whether the ref has moved, which each server says in words of its own; no where it cannot be asked."""
        try:
            return self._advertised(spare_s).refs.get(ref, "") != expected
        except (NotSpoken, Unreachable):
            return False

    def _seen_before_a_push(self) -> Mapping[str, str]:
        """The commits of all refs; what else the server said is kept for the push."""
        self._advertisement = self._advertised()
        return self._advertisement.refs

    def _listed(self, ref: str) -> dict[str, str]:
        """The commits of all refs whose names begin like this."""
        body = command("ls-refs", [f"ref-prefix {ref}"])
        listed = [(text or "").partition(" ") for text in self._parsed(self._service(_FETCH, body), texts)]
        return {name: sha for sha, _, name in listed}

    def _require_version_2(self) -> dict[str, str]:
        """`NotSpoken` unless the host speaks version 2 of the protocol, of SHA-1, and lets files be left out."""
        if self._knows_version_2:
            return {}
        version, *capabilities = [text for text in self._greeting(_FETCH) if text] or [""]
        offered = dict(text.partition("=")[::2] for text in capabilities)
        is_of_sha_1 = offered.get("object-format", "sha1") == "sha1"
        if (
            version != "version 2"
            or not is_of_sha_1
            or not {"shallow", "filter"} <= {*offered.get("fetch", "").split()}
        ):
            raise NotSpoken
        self._knows_version_2 = True
        return offered

    def _advertised(self, spare_s: float = 0.0) -> _Advertisement:
        """The refs, and what the server can do, as it says before a push."""
        refs: dict[str, str] = {}
        capabilities: list[str] = []
        for text in filter(None, self._greeting(_PUSH, spare_s)):
            named, _, offered = text.partition("\0")
            sha, _, name = named.partition(" ")
            if len(sha) != len(_ZERO):
                raise NotSpoken
            capabilities = capabilities or offered.split()
            if sha != _ZERO:
                refs[name] = sha
        formats = [each for each in capabilities if each.startswith("object-format=")]
        if "report-status" not in capabilities or formats not in ([], [_FORMAT]):
            raise NotSpoken
        return _Advertisement(refs, capabilities)

    def _greeting(self, service: str, spare_s: float = 0.0) -> list[str | None]:
        """What the host says of one of its services."""
        headers = {"Git-Protocol": "version=2"} if service == _FETCH else {}
        content = self._asked(
            self.address(),
            "GET",
            f"info/refs?service={service}",
            f"{service}-advertisement",
            headers,
            spare_s=spare_s,
        )
        lines = self._parsed(content, texts)
        return lines[1:] if lines[:1] == [f"# service={service}"] else lines

    def _fetched(
        self, arguments: Iterable[str], known: Mapping[str, Object] = MappingProxyType({})
    ) -> dict[str, Object]:
        body = command("fetch", ["no-progress", "ofs-delta", *arguments, "done"])
        return self._parsed(self._service(_FETCH, body), partial(_unpacked, known=known))

    def _service(
        self, service: str, body: bytes, spare_s: float = 0.0, address: Address | None = None
    ) -> bytes:
        """What a service answers to its request."""
        headers = {
            "Content-Type": f"application/x-{service}-request",
            "Accept": f"application/x-{service}-result",
        }
        if service == _FETCH:
            headers["Git-Protocol"] = "version=2"
        return self._asked(
            address or self.address(), "POST", service, f"{service}-result", headers, body, spare_s
        )

    def _asked(
        self,
        address: Address,
        method: str,
        path: str,
        content_type: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        spare_s: float = 0.0,
    ) -> bytes:
        """The content of an answer of this type. Transient where that heals; `NotSpoken` for any other answer."""
        key, _, credential = address.authorization.partition(": ")
        question = Question(
            method,
            f"{address.url.rstrip('/')}/{path}",
            {"User-Agent": _USER_AGENT, key: credential, **headers},
            content=body,
            spare_s=spare_s,
        )
        try:
            answer = self.client.ask(str(address), question)
        except (Unreachable, UsageError) as error:
            if isinstance(error, Transient) and not isinstance(error, NotConnected):
                # It quotes what came.
                error.reword(address.scrub)
                raise
            # Git may trust whom we don't, and know another way.
            raise NotSpoken from None
        text = f"the server answers with {answer.status}"
        if passed := passing(answer.status, str(address), text, retry_after_s(answer.headers)):
            raise passed
        if answer.status != 200 or answer.headers.get("content-type") != f"application/x-{content_type}":
            raise NotSpoken
        return answer.content

    @staticmethod
    def _parsed(content: bytes, parse: Callable[[bytes], _Parsed]) -> _Parsed:
        try:
            return parse(content)
        except ValueError:
            raise NotSpoken from None


def _unpacked(content: bytes, known: Mapping[str, Object]) -> dict[str, Object]:
    """The objects of the answer to a fetch, in which what was cut off stands before the pack."""
    sections = packets(content)
    for packet in sections:
        if packet == b"packfile\n":
            return read(bands(sections)[0], _MOST_BYTES, known)
    raise ValueError("found no pack")
