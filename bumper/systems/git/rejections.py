"""What git and the servers behind it answer, turned into our errors.

Law: a rejected push is told apart by the words in the parenthesis of its `--porcelain` line alone, since everything else may quote a
commit message or a hook. Without such a line git's last words decide; what no rule knows is not retried.
Texts of git 2.31 to 2.51 (http.c, remote-curl.c, connect.c, pkt-line.c, send-pack.c, transport.c, builtin/receive-pack.c), OpenSSH 9
(sshconnect.c, sshconnect2.c, packet.c, kex.c) and GitHub, as the comments say.
"""

import re
from collections.abc import Callable

from bumper.errors import (
    BumpError,
    Denied,
    LostRace,
    NoAccess,
    NotConnected,
    Transient,
    Unreachable,
    UsageError,
)
from bumper.history.wording import hint_on_rule
from bumper.safe_text import mask
from bumper.systems.folder import PREFIX, ROOM

_ANOTHER_PUSH = re.compile(
    r"fetch first|non-fast-forward|stale info"  # the client's own look (transport.c)
    r"|failed to update ref"  # the server's, up to git 2.49 (receive-pack.c)
    r"|missing necessary objects|shallow update not allowed"  # the commit that was planned on is gone: somebody forced the branch
    r"|cannot lock ref\b.*"  # GitHub
    r"|incorrect old value provided|reference already exists|reference does not exist"  # git 2.50, GitLab
)
# GitHub in its outages, and a server that died before its report (send-pack.c).
_NO_REPORT = re.compile(r"failure|Internal Server Error|remote failed to report status")

_HTTP_STATUS = re.compile(r"The requested URL returned error: (\d{3})|RPC failed; HTTP (\d{3})")
# How long a server that has too many requests (429) is left alone: git does not tell its Retry-After.
_LEFT_ALONE_S = 10.0
_REFUSED_IDENTITY = re.compile(
    r"Authentication failed for|could not read (?:Username|Password)"  # remote-curl.c, prompt.c
    r"|Permission denied \(|Host key verification failed"  # OpenSSH
)
_UNSEEN = re.compile(
    r"repository '.*' not found|Repository not found"
)  # remote-curl.c for 404; GitHub by ssh
_READ_ONLY = re.compile(
    r"Permission to \S+ denied to|marked as read only|not allowed to push"
)  # GitHub, GitLab by ssh
_MISSING_REF = re.compile(r"couldn't find remote ref|invalid refspec")  # builtin/fetch.c, refspec.c
_MISSING_COMMIT = re.compile(r"not our ref|unadvertised object")  # upload-pack.c, fetch-pack.c
_NO_REPOSITORY = re.compile(r"does not appear to be a git repository")  # connect.c, a path or ssh
_NOT_GIT = re.compile(
    r"info/refs not valid|bad line length character|invalid server response"
)  # remote-curl.c, pkt-line.c
_UNTRUSTED = re.compile(r"certificate", re.IGNORECASE)  # curl with any of its TLS libraries
_CONNECTION = re.compile(
    r"unable to access|RPC failed"  # remote-curl.c, each before curl's own words
    r"|the remote end hung up|unexpected disconnect|early EOF|expected flush after"  # pkt-line.c, connect.c, index-pack.c
    r"|ssh: connect to host|ssh: Could not resolve|Connection (?:closed|reset|timed out)|kex_exchange_identification"  # OpenSSH
    r"|Internal Server Error"  # GitHub
)
# curl and OpenSSH, where there is no such host or nobody listens there.
_NO_CONNECTION = re.compile(
    r"[Cc]ould not resolve host|Failed to connect to|Couldn't connect to|Connection refused"
)
# strerror(3), of this machine or of the server's; the second is git's own (csum-file.c).
_FULL = re.compile(
    r"No space left on device|Out of diskspace|Disk quota exceeded|Read-only file system|File too large|Too many open files"
    r"|Cannot allocate memory"
)
# A file in the folder that git works in.
_FULL_HERE = re.compile(rf"{PREFIX}.*(?:{_FULL.pattern})")
# Of git's own processes here (run-command.c, fetch-pack.c, index-pack.c, usage.c, wrapper.c).
_SHORT_HERE = re.compile(
    r"^(?!remote:).*(?:cannot fork\(\)|unable to create thread|Out of memory|died of signal (?:9|25)\b)",
    re.MULTILINE,
)
LIMITS = "see `ulimit -a` and `free -h`: descriptors, processes or memory may be at their end"
_ROOM = f"where that is this machine: {ROOM}"
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_MOST_LINES = 12

_ASKS = "terminal prompts disabled"  # credential.c
ASKS_FOR_TOKEN = "the server asks for a token"  # noqa: S105 (a sentence)
_TOKEN_HINT = "pass a token that may read and write this repository in BUMP_TOKEN"  # noqa: S105


class MissingRef(UsageError):
    """The server has no such branch."""


class NotSent(LostRace):
    """Git saw by itself that the branch had moved: the server never got the commit."""


class PerhapsSent(LostRace):
    """The branch has moved, and may hold the commit: it may have been sent before, and the answer was not believed."""


def rejection(place: str, branch: str, stdout: str, stderr: str) -> BumpError:
    """Why a push did not land, from the two outputs of `git push --porcelain`."""
    line = next((line for line in stdout.splitlines() if line.startswith("!\t")), None)
    if line is None:
        return failure(place, stderr, pushing=True)
    reason = _in_parenthesis(line.split("\t")[-1])
    return refusal(place, branch, reason, stderr, is_sent=not line.endswith(f"\t[rejected] ({reason})"))


def refusal(place: str, branch: str, reason: str, stderr: str, *, is_sent: bool) -> BumpError:
    """Why a push did not land, from the reason that the server gives for the ref (or the client, before anything `is_sent`)."""
    answer = " ".join(_said_by_server(stderr))
    if _ANOTHER_PUSH.fullmatch(reason):
        lost = LostRace if is_sent else NotSent
        return lost(f"{place}: another push to {branch} came first ({reason}{_after('; ', answer)})")
    if _NO_REPORT.fullmatch(reason):
        return Transient(
            f"{place}: the server did not say what became of the push ({reason}{_after('; ', answer)})"
        )
    return Denied(
        f"{place}: {branch} refuses the push: {reason}{_after(': ', answer)}",
        hint=hint_on_rule(f"{reason} {answer}")
        or f"the rules of this repository decide who may push to {branch}; --branch names another one",
    )


def failure(place: str, stderr: str, *, pushing: bool = False) -> BumpError:
    """Why git could not talk to the server."""
    answer = _last_words(stderr)
    status = _HTTP_STATUS.search(stderr)
    if status:
        return _by_status(int(status[1] or status[2]), place, answer, pushing)
    for pattern, error in _rules(pushing):
        if pattern.search(stderr):
            return error(place, answer)
    return Unreachable(f"{place}: git failed: {answer}", hint=_ROOM if _FULL.search(answer) else "")


def _rules(pushing: bool) -> list[tuple[re.Pattern[str], Callable[[str, str], BumpError]]]:
    return [
        (_SHORT_HERE, lambda place, answer: UsageError(f"{place}: git failed: {answer}", hint=LIMITS)),
        (_FULL_HERE, lambda place, answer: UsageError(f"{place}: git failed: {answer}", hint=ROOM)),
        (_READ_ONLY, _denied if pushing else _no_access),
        (_REFUSED_IDENTITY, _no_access),
        (_UNSEEN, _unseen),
        (_MISSING_REF, lambda place, answer: MissingRef(f"{place}: {answer}")),
        (_MISSING_COMMIT, lambda place, answer: Unreachable(f"{place}: the commit is not there: {answer}")),
        (_NO_REPOSITORY, lambda place, answer: UsageError(f"{place}: {answer}", hint="check --repo")),
        (_NOT_GIT, not_git),
        (_UNTRUSTED, _untrusted),
        (_NO_CONNECTION, lambda place, answer: NotConnected(f"{place}: {answer}")),
        (_CONNECTION, lambda place, answer: Transient(f"{place}: {answer}")),
    ]


def _by_status(status: int, place: str, answer: str, pushing: bool) -> BumpError:
    if 300 <= status < 400:
        return UsageError(
            f"{place}: the server redirects to another address ({status}), where no credential is sent to",
            hint="pass the present URL of the repository with --repo; some hosts want .git at its end",
        )
    if status == 401 or (status == 403 and not pushing):
        return _no_access(place, answer)
    if status == 403:
        return _denied(place, answer)
    if status == 404:
        return _unseen(place, answer)
    return passing(status, place, answer) or Unreachable(
        f"{place}: git failed: {answer}", hint=_ROOM if _FULL.search(answer) else ""
    )


def passing(status: int, place: str, answer: str, wish_s: float | None = None) -> Transient | None:
    """The error for an HTTP status that heals by itself, with the server's own wish for a pause; None for any other status."""
    if status == 429:
        return Transient(f"{place}: {answer}", retry_after_s=_LEFT_ALONE_S if wish_s is None else wish_s)
    if status == 408 or status >= 500:
        return Transient(f"{place}: {answer}", retry_after_s=wish_s)
    return None


def _no_access(place: str, answer: str) -> BumpError:
    if _ASKS in answer:
        # Git's own words are for whoever it might ask at a terminal.
        answer = ASKS_FOR_TOKEN
    return NoAccess(f"{place}: no access: {answer}", hint=_TOKEN_HINT)


def _denied(place: str, answer: str) -> BumpError:
    return Denied(f"{place}: no permission to push: {answer}", hint=_TOKEN_HINT)


def _unseen(place: str, answer: str) -> BumpError:
    return NoAccess(
        f"{place}: no such repository, or no access to it: {answer}",
        hint=f"check --repo; hosts answer so, too, where the token may not see the repository: {_TOKEN_HINT}",
    )


def not_git(place: str, answer: str) -> Unreachable:
    """The error where somebody answers that is no git host."""
    return Unreachable(
        f"{place}: what answers there is no git repository: {answer}",
        hint="a page to log in at, a captive portal or a proxy may stand between, or --repo names a web page: "
        "expected the address that git clone takes",
    )


def _untrusted(place: str, answer: str) -> BumpError:
    return Unreachable(
        f"{place}: {answer}", hint="git's http.sslCAInfo or GIT_SSL_CAINFO names further authorities"
    )


def _in_parenthesis(summary: str) -> str:
    """`fetch first` of `[rejected] (fetch first)`."""
    return summary.partition("(")[2].rpartition(")")[0] or summary


def _said_by_server(stderr: str) -> list[str]:
    lines = (line.removeprefix("remote:").strip() for line in _lines(stderr) if line.startswith("remote:"))
    return [line for line in lines if line][:_MOST_LINES]


def _last_words(stderr: str) -> str:
    """What the server said, then git's own `fatal:` line; the whole text where there is neither."""
    lines = _said_by_server(stderr)
    lines += [line.removeprefix("ERROR:").strip() for line in _lines(stderr) if line.startswith("ERROR:")]
    lines += [
        line.partition(":")[2].strip() for line in _lines(stderr) if line.startswith(("error:", "fatal:"))
    ]
    kept = lines or _lines(stderr)
    return "; ".join(dict.fromkeys(kept[:_MOST_LINES])) or "it said nothing"


def _lines(stderr: str) -> list[str]:
    """The lines without what a terminal would obey, and without secrets: a server chooses this text."""
    lines = (_CONTROL.sub("", line).strip() for line in mask(stderr).splitlines())
    return [line for line in lines if line]


def _after(separator: str, text: str) -> str:
    return separator + text if text else ""
