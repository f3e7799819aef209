"""What a site's own answers prove of the build that visitors get. Pure: answers in, a verdict or the wish to ask again out.

Law: only the build that was deployed is a proof, N rounds in a row at every address. An answer that a cache gave, and an address that
gave none, are nobody's failure: they are waited for up to the deadline. A wrong build or an error fails after its grace. Going back
helps against an error that the new build gives itself, and against nothing else. Of a body nothing is quoted; what a text
says of the old build is the tag that git knows.

Sources: RFC 9111, 5.1 (`Age`); RFC 9211 (`Cache-Status`); the headers of the caches themselves as Varnish, Fastly, CloudFront,
Azure Front Door, Cloudflare, Vercel, Bunny and nginx's users document them.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum

from bumper.dataclasses import dataclass
from bumper.errors import Outcome
from bumper.ports.site import Expectation, Obstacle, Proof, SiteAnswer
from bumper.rollout.verdict import Verdict
from bumper.safe_text import printable

# Answers that are looked back at: the last rounds.
_WINDOW = 5
_SHORT = 7
_SHA = re.compile(r"[0-9a-f]{7,40}")
_SHA_IN_TEXT = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{7,40}(?![0-9A-Za-z])")
# `HIT`, `TCP_HIT`, `TCP_REMOTE_HIT`, `RefreshHit from cloudfront`; not `fwd=stale` (RFC 9211, 2.2), which went on to the origin.
_CACHED = re.compile(r"(?<![a-z=])(?:refresh)?(?:hit|stale|updating|revalidated)(?![a-z])", re.IGNORECASE)
_STATES = (
    "x-cache",
    "cf-cache-status",
    "cache-status",
    "x-cache-status",
    "x-proxy-cache",
    "x-vercel-cache",
    "cdn-cache",
)
_BEGINNING_S, _BRISK_S, _CALM_S = 30.0, 1.0, 5.0


class Kind(StrEnum):
    """What one answer shows."""

    RIGHT = "right"
    WRONG = "wrong"
    STALE = "stale"
    ERROR = "error"
    OWN_ERROR = "own error"
    NONE = "none"


_FAILING = (Kind.WRONG, Kind.ERROR, Kind.OWN_ERROR)


@dataclass(frozen=True)
class Asked:
    """What one site is asked. `previous` is the tag before, empty where there was none or it was the same.

    `runs_alone`: every pod is of the new build, as Ready says; an error that no proxy makes up is then its own.
    """

    expectation: Expectation
    tag: str
    url: str
    previous: str = ""
    runs_alone: bool = False


@dataclass(frozen=True)
class Reading:
    """One answer as it was read. `build` is the tag of the old build where the answer names that."""

    address: str
    kind: Kind
    status: int = 0
    build: str = ""
    obstacle: Obstacle | None = None
    detail: str = ""

    def __str__(self) -> str:
        """`203.0.113.7: 200, another build (08a2c8e)`."""
        if self.obstacle:
            return f"{self.address}: {self.detail}"
        named = f" ({self.build})" if self.build else ""
        texts = {
            Kind.RIGHT: "the new build",
            Kind.WRONG: f"another build{named}" if self.build else "nothing that proves the new build",
            Kind.STALE: f"a cached answer of another build{named}",
            Kind.ERROR: "an error",
            Kind.OWN_ERROR: "an error of the new build",
        }
        return f"{self.address}: {self.status}, {texts[self.kind]}"


@dataclass(frozen=True)
class Round:
    """The readings of all addresses at one time of our clock."""

    at_s: float
    readings: tuple[Reading, ...]

    @property
    def is_right(self) -> bool:
        return all(reading.kind is Kind.RIGHT for reading in self.readings)

    @property
    def fails(self) -> bool:
        return any(reading.kind in _FAILING for reading in self.readings)


def commit_in(tag: str) -> str:
    """The commit that a tag is or ends with: that of `abc1234` and of `main-abc1234`; empty where it holds none."""
    return next((word for word in reversed(re.split(r"[._-]", tag)) if _SHA.fullmatch(word)), "")


def read(asked: Asked, answer: SiteAnswer) -> Reading:
    """What an answer shows."""
    if answer.obstacle:
        detail = printable(answer.detail)
        return Reading(answer.address, Kind.NONE, answer.status, obstacle=answer.obstacle, detail=detail)
    is_new = _proves(asked.expectation, asked.tag, answer)
    is_old = not is_new and bool(asked.previous) and _proves(asked.expectation, asked.previous, answer)
    kind = _kind(asked, answer, is_new=is_new, is_old=is_old)
    return Reading(answer.address, kind, answer.status, asked.previous if is_old else "")


def judge(asked: Asked, rounds: Sequence[Round]) -> Verdict | None:
    """How it ended; None where the site is asked again. `rounds` are all so far, at least one."""
    last, expectation = rounds[-1], asked.expectation
    if _in_a_row(rounds) >= expectation.times:
        return _serving(asked, rounds)
    if forbidden := next((each for each in last.readings if each.obstacle is Obstacle.ADDRESS), None):
        return _forbidden(asked, forbidden)
    since_s = _failing_since(rounds)
    if last.fails and since_s is not None and last.at_s - since_s >= expectation.grace_s:
        return _failed(asked, rounds)
    return None


def timed_out(asked: Asked, rounds: Sequence[Round]) -> Verdict:
    """How it ended at the deadline."""
    if not rounds:
        return Verdict(
            Outcome.TIMED_OUT,
            "NotAsked",
            f"{asked.url}: the deadline came before the site could be asked; the rollout is Ready",
            hint="give it more time with --timeout",
            helps_to_go_back=False,
        )
    reading = next(
        (each for each in rounds[-1].readings if each.kind is not Kind.RIGHT), rounds[-1].readings[0]
    )
    reason, hint = _WAITED[reading.obstacle] if reading.obstacle else _unproved(reading)
    message = f"{asked.url}: {_count(rounds)} at the deadline; the rollout is Ready"
    return Verdict(
        Outcome.TIMED_OUT,
        reason,
        message,
        hint=hint,
        evidence=_evidence(asked, rounds),
        helps_to_go_back=False,
    )


def pause_s(rounds: Sequence[Round]) -> float:
    """How long to wait before the next round: a second at first and while answers are right, then five."""
    is_young = rounds[-1].at_s - rounds[0].at_s < _BEGINNING_S
    return _BRISK_S if is_young or rounds[-1].is_right else _CALM_S


def doing(asked: Asked, rounds: Sequence[Round]) -> str:
    """What is said while it goes on: `2 of 3 right answers in a row`, or what came instead."""
    if rounds[-1].is_right:
        return f"{_in_a_row(rounds)} of {asked.expectation.times} right answers in a row from {asked.url}"
    return str(next(each for each in rounds[-1].readings if each.kind is not Kind.RIGHT))


def _kind(asked: Asked, answer: SiteAnswer, *, is_new: bool, is_old: bool) -> Kind:
    if answer.status >= 400:
        is_own = asked.runs_alone and answer.status == 500 and not is_old and not _is_cached(answer.headers)
        return Kind.OWN_ERROR if is_new or is_own else Kind.ERROR
    if is_new:
        return Kind.RIGHT
    return Kind.STALE if _is_cached(answer.headers) else Kind.WRONG


def _proves(expectation: Expectation, tag: str, answer: SiteAnswer) -> bool:
    commit = commit_in(tag)
    if expectation.needs_commit and not commit:
        return False
    if expectation.proof is Proof.HEADER:
        return _equals(answer.headers.get(expectation.name.lower(), ""), _filled(expectation.value, tag))
    if expectation.proof is Proof.JSON:
        return _equals(_at(answer.content, expectation), _filled(expectation.value, tag))
    text = answer.content.decode("utf-8", "replace")
    if expectation.proof is Proof.TEXT:
        return _filled(expectation.name, tag) in text
    return any(_is_same_commit(each, commit) for each in _SHA_IN_TEXT.findall(text))


def _filled(template: str, tag: str) -> str:
    return template.replace("{sha}", commit_in(tag)).replace("{tag}", tag)


def _equals(value: str, expected: str) -> bool:
    return value.strip() == expected or _is_same_commit(value.strip(), expected)


def _is_same_commit(one_sha: str, other_sha: str) -> bool:
    """Whether both are SHAs, of which one may be shorter; a page may write them in capitals."""
    one_sha, other_sha = one_sha.lower(), other_sha.lower()
    are_shas = _SHA.fullmatch(one_sha) and _SHA.fullmatch(other_sha)
    return bool(are_shas) and (one_sha.startswith(other_sha) or other_sha.startswith(one_sha))


def _at(content: bytes, expectation: Expectation) -> str:
    """The value at the path in the JSON; empty where there is none."""
    try:
        value = json.loads(content)
        for step in expectation.path.steps:
            value = value[step]
    except (ValueError, RecursionError, KeyError, IndexError, TypeError):
        return ""
    return "" if isinstance(value, dict | list | bool | None) else str(value)


def _is_cached(headers: Mapping[str, str]) -> bool:
    age = headers.get("age", "").strip()
    states = " ".join(headers.get(name, "") for name in _STATES)
    return (age.isdecimal() and age.strip("0") != "") or bool(_CACHED.search(states))


def _in_a_row(rounds: Sequence[Round]) -> int:
    return next((count for count, each in enumerate(reversed(rounds)) if not each.is_right), len(rounds))


def _failing_since(rounds: Sequence[Round]) -> float | None:
    """Since when answers have failed, with no more than a few rounds between two of them."""
    since_s, quiet = None, 0
    for each in rounds:
        quiet = 0 if each.fails else quiet + 1
        if each.fails:
            since_s = each.at_s if since_s is None else since_s
        elif quiet >= _WINDOW:
            since_s = None
    return since_s


def _recent(rounds: Sequence[Round]) -> list[Reading]:
    """The last answers, at least those of the last round."""
    readings = [reading for each in rounds for reading in each.readings]
    return readings[-max(_WINDOW, len(rounds[-1].readings)) :]


def _count(rounds: Sequence[Round]) -> str:
    """`2 of 5 answers still come from 08a2c8e`."""
    recent = _recent(rounds)
    bad = [reading for reading in recent if reading.kind is not Kind.RIGHT]
    of = f"{len(bad)} of {len(recent)} answers"
    if not bad:
        return "the answers are right, too few of them in a row"
    kind, _ = Counter(reading.kind for reading in bad).most_common(1)[0]
    builds = {reading.build for reading in bad if reading.build}
    statuses = ", ".join(sorted({str(reading.status) for reading in bad if reading.status >= 400}))
    if kind in (Kind.WRONG, Kind.STALE):
        cached = ", out of a cache" if kind is Kind.STALE else ""
        return (
            f"{of} still come from {min(builds)}{cached}"
            if builds
            else f"{of} do not prove the new build{cached}"
        )
    if kind is Kind.NONE:
        return f"{of} did not come ({bad[-1].detail})"
    return f"{of} are errors ({statuses})"


def _evidence(asked: Asked, rounds: Sequence[Round]) -> tuple[str, ...]:
    counted = Counter(map(str, _recent(rounds)))
    expected = f"expected {_wish(asked)}"
    return (
        expected,
        *(f"{text}{f' ({count} times)' if count > 1 else ''}" for text, count in counted.items()),
    )


def _wish(asked: Asked) -> str:
    expectation = asked.expectation
    value = _filled(expectation.value, asked.tag)
    return {
        Proof.HEADER: f"header {expectation.name}: {value}",
        Proof.JSON: f"{value} at {expectation.name} in the JSON",
        Proof.TEXT: f"the text {_filled(expectation.name, asked.tag)!r}",
        Proof.SHA: f"{commit_in(asked.tag)[:_SHORT]} in the page",
    }[expectation.proof]


def _serving(asked: Asked, rounds: Sequence[Round]) -> Verdict:
    addresses = len(rounds[-1].readings)
    times = asked.expectation.times
    where = f"each of {addresses} addresses" if addresses > 1 else rounds[-1].readings[0].address
    count = f"{times} right answers in a row" if times > 1 else "a right answer"
    message = f"{asked.url} answers with {asked.tag}: {count} from {where}"
    return Verdict(Outcome.SERVING, "Serving", message)


def _forbidden(asked: Asked, reading: Reading) -> Verdict:
    return Verdict(
        Outcome.UNKNOWN,
        "AddressNotAsked",
        f"{asked.url}: {reading.detail}; the rollout is Ready",
        hint="name the address where it is meant: --resolve HOST:PORT:ADDRESS",
        helps_to_go_back=False,
    )


def _failed(asked: Asked, rounds: Sequence[Round]) -> Verdict:
    recent = _recent(rounds)
    is_own = any(reading.kind is Kind.OWN_ERROR for reading in rounds[-1].readings) and not any(
        reading.kind in (Kind.WRONG, Kind.STALE) for reading in recent
    )
    is_error = any(reading.kind in (Kind.ERROR, Kind.OWN_ERROR) for reading in rounds[-1].readings)
    return Verdict(
        Outcome.FAILED,
        "SiteAnswersWithError" if is_error else "SiteAnswersWithAnotherBuild",
        f"{asked.url}: {_count(rounds)}, longer than {asked.expectation.grace_s:g} s after Ready",
        hint=""
        if is_error
        else "see where the host leads: another Service, another cluster, or a cache that does not say so",
        evidence=_evidence(asked, rounds),
        helps_to_go_back=is_own,
    )


def _unproved(reading: Reading) -> tuple[str, str]:
    if reading.kind is Kind.STALE:
        return (
            "StaleAnswer",
            "the cache before the site keeps an old answer: purge it, or ask a path that it does not keep",
        )
    return "NotServingYet", "give it more time with --timeout"


_WAITED: Mapping[Obstacle, tuple[str, str]] = {
    Obstacle.DNS: ("HostNotFound", "the record of the host is missing or not there yet"),
    Obstacle.ADDRESS: ("AddressNotAsked", "name the address where it is meant: --resolve HOST:PORT:ADDRESS"),
    Obstacle.CONNECTION: (
        "SiteUnreachable",
        "nobody answers there from here; another address is asked by --resolve HOST:PORT:ADDRESS",
    ),
    Obstacle.TLS: (
        "SiteNotTrusted",
        "the certificate of the host, or SSL_CERT_FILE=FILE for an authority of your own",
    ),
    Obstacle.TIMEOUT: ("SiteTooSlow", "the site takes the connection and does not answer in time"),
    Obstacle.REDIRECT: (
        "SiteRedirects",
        "ask the page that it leads to, as far as a route of the site names that host",
    ),
    Obstacle.CONTENT: ("AnswerNotRead", "ask a smaller page, as /.well-known/build.json"),
}
