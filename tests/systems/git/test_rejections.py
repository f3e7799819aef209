"""What git printed, as it printed it, and the error that it is."""

import pytest
from tables import each_row

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
from bumper.systems.git.rejections import MissingRef, NotSent, failure, rejection

PLACE = "https://git.example/o/platform.git"


def porcelain(summary: str) -> str:
    return f"To {PLACE}\n!\trefs/heads/bump:refs/heads/main\t{summary}\nDone\n"


# Recorded: git 2.39 against git 2.39, unless the comment says otherwise.
LOST = [
    # The commit that was planned on is gone: somebody forced the branch.
    "[remote rejected] (missing necessary objects)",
    "[remote rejected] (shallow update not allowed)",
    "[rejected] (fetch first)",
    "[rejected] (non-fast-forward)",
    "[rejected] (stale info)",
    "[remote rejected] (failed to update ref)",
    # git 2.50 and later (refs.c, ref_transaction_error_msg), GitLab
    "[remote rejected] (incorrect old value provided)",
    "[remote rejected] (reference already exists)",
    "[remote rejected] (reference does not exist)",
    # GitHub
    f"[remote rejected] (cannot lock ref 'refs/heads/main': is at {'7d' * 20} but expected {'1b' * 20})",
]

# GitHub: a protected branch, and a ruleset. It fills its lines with spaces.
_GH006 = """\
remote: error: GH006: Protected branch update failed for refs/heads/main.\x20\x20\x20
remote: error: At least 1 approving review is required by reviewers with write access.\x20\x20\x20
"""
_GH013 = """\
remote: error: GH013: Repository rule violations found for refs/heads/main.\x20\x20\x20
remote:\x20
remote: - Changes must be made through a pull request.\x20\x20\x20
"""
_GH006_SAID = (
    "error: GH006: Protected branch update failed for refs/heads/main. "
    "error: At least 1 approving review is required by reviewers with write access."
)
DENIED = [
    ("pre-receive hook declined", "remote: No deploys on Fridays.\n", "No deploys on Fridays."),
    (
        "hook declined",
        "remote: error: hook declined to update refs/heads/main\n",
        "error: hook declined to update refs/heads/main",
    ),
    (
        "protected branch hook declined",
        _GH006,
        _GH006_SAID,
    ),
    (
        "push declined due to repository rule violations",
        _GH013,
        "error: GH013: Repository rule violations found for refs/heads/main. - Changes must be made through a pull request.",
    ),
    (
        "branch is currently checked out",
        "remote: error: refusing to update it\n",
        "error: refusing to update it",
    ),
    (
        "unpacker error",
        "remote: fatal: unable to create temporary object directory\n",
        "fatal: unable to create temporary object directory",
    ),
]

NO_REPORT = [
    # GitHub in its outages of 2020, 2023 and 2025
    ("[remote failure] (remote failed to report status)", "remote: Internal Server Error        \n"),
    ("[remote rejected] (failure)", "remote: fatal error in commit_refs        \n"),
    ("[remote rejected] (Internal Server Error)", ""),
]


@each_row("summary", LOST)
def test_lost_races(summary: str) -> None:
    error = rejection(PLACE, "main", porcelain(summary), f"error: failed to push some refs to '{PLACE}'\n")
    assert isinstance(error, LostRace)
    assert isinstance(error, NotSent) == summary.startswith("[rejected]")
    assert error.message.startswith(f"{PLACE}: another push to main came first (")


@each_row(("reason", "stderr", "explanation"), DENIED)
def test_rules_are_final_and_explained(reason: str, stderr: str, explanation: str) -> None:
    stderr += f"error: failed to push some refs to '{PLACE}'\n"
    error = rejection(PLACE, "main", porcelain(f"[remote rejected] ({reason})"), stderr)
    assert type(error) is Denied
    assert error.message == f"{PLACE}: main refuses the push: {reason}: {explanation}"


@pytest.mark.parametrize(("summary", "stderr"), NO_REPORT)
def test_a_server_that_did_not_say(summary: str, stderr: str) -> None:
    error = rejection(PLACE, "main", porcelain(summary), stderr)
    assert type(error) is Transient
    assert "did not say what became of the push" in error.message


def test_only_the_parenthesis_counts() -> None:
    """A hook may say anything, and a branch may be called anything."""
    stderr = "remote: [rejected] (fetch first) cannot lock ref non-fast-forward\n"
    assert type(rejection(PLACE, "main", porcelain("[remote rejected] (hook declined)"), stderr)) is Denied
    stdout = (
        f"To {PLACE}\n!\tHEAD:refs/heads/fetch-first\t[remote rejected] (hook declined (fetch first))\nDone\n"
    )
    assert type(rejection(PLACE, "main", stdout, "")) is Denied


_UNABLE = f"fatal: unable to access '{PLACE}/': "
_STATUS = _UNABLE + "The requested URL returned error: "
_RPC = "error: RPC failed; {}\nfatal: the remote end hung up unexpectedly\n"
_SSH = "{}\nfatal: Could not read from remote repository.\n"
_SHA = "1" * 40

# The error of a fetch and of a push, and what git wrote to stderr.
FAILURES: dict[tuple[type[BumpError], type[BumpError]], list[str]] = {
    (NotConnected, NotConnected): [
        _UNABLE + "Could not resolve host: git.example",
        _UNABLE + "Failed to connect to git.example port 443: Connection refused",
        _UNABLE + "Failed to connect to 192.0.2.1 port 443 after 3 ms: Couldn't connect to server",
        _SSH.format("ssh: connect to host git.example port 22: Connection refused"),
        _SSH.format("ssh: Could not resolve hostname git.example: Name or service not known"),
    ],
    (Transient, Transient): [
        _UNABLE + "Operation timed out after 300 milliseconds with 0 out of 0 bytes received",
        _STATUS + "500",
        _STATUS + "429",
        _RPC.format("HTTP 502 curl 22 The requested URL returned error: 502"),
        _RPC.format("curl 52 Empty reply from server"),
        "fatal: early EOF\nfatal: unpack-objects failed",
        _SSH.format("kex_exchange_identification: Connection closed by remote host"),
    ],
    (NoAccess, NoAccess): [
        _STATUS + "401",
        f"remote: Invalid username or token.\nfatal: Authentication failed for '{PLACE}/'",
        "fatal: could not read Username for 'https://git.example': terminal prompts disabled",
        f"remote: Repository not found.\nfatal: repository '{PLACE}/' not found",
        _SSH.format("git@git.example: Permission denied (publickey)."),
        _SSH.format("Host key verification failed."),
        _SSH.format("ERROR: Repository not found."),
    ],
    (NoAccess, Denied): [
        _STATUS + "403",
        _RPC.format("HTTP 403 curl 22 The requested URL returned error: 403"),
        f"remote: Permission to o/platform.git denied to kim.\n{_STATUS}403",
        _SSH.format("ERROR: Permission to o/platform.git denied to kim."),
        _SSH.format("ERROR: The key you are authenticating with has been marked as read only."),
    ],
    (UsageError, UsageError): [
        "fatal: sha1 file '/tmp/bump-run-bt0lhh6d/objects/pack/tmp_idx_on9LXz' write error. Out of diskspace\n",
        "fatal: cannot fork() for git-remote-http: Resource temporarily unavailable\n",
        "fatal: unable to create thread: Resource temporarily unavailable\nfatal: index-pack failed\n",
        "error: --shallow-file died of signal 25\nfatal: index-pack failed\n",
        _STATUS + "301",
        _SSH.format("fatal: '/srv/x' does not appear to be a git repository"),
    ],
    (MissingRef, MissingRef): ["fatal: couldn't find remote ref refs/heads/x"],
    (Unreachable, Unreachable): [
        _STATUS + "400",
        _UNABLE + "SSL certificate problem: self-signed certificate",
        _UNABLE + "server certificate verification failed. CAfile: none CRLfile: none",
        f"fatal: remote error: upload-pack: not our ref {_SHA}",
        f"error: Server does not allow request for unadvertised object {_SHA}",
        "fatal: something that nobody has seen yet",
        "",
    ],
}


@each_row(
    ("fetching", "pushing", "stderr"), [(*types, text) for types, texts in FAILURES.items() for text in texts]
)
def test_failures_on_the_way(fetching: type[BumpError], pushing: type[BumpError], stderr: str) -> None:
    assert type(failure(PLACE, stderr)) is fetching
    assert type(rejection(PLACE, "main", f"To {PLACE}\n", stderr)) is pushing
    assert failure(PLACE, stderr).message.startswith(f"{PLACE}: ")


def test_the_servers_words_come_before_gits() -> None:
    stderr = (
        "remote: Permission to o/platform.git denied to kim.\n"
        f"fatal: unable to access '{PLACE}/': The requested URL returned error: 403\n"
    )
    assert rejection(PLACE, "main", "", stderr).message == (
        f"{PLACE}: no permission to push: Permission to o/platform.git denied to kim.; "
        f"unable to access '{PLACE}/': The requested URL returned error: 403"
    )


def test_a_server_does_not_write_to_the_terminal() -> None:
    stderr = "remote: \x1b[2J\x1b]0;title\x07\x1b[31mred\x1b[0m \x9b1m\r\nremote: next\x00\n"
    message = rejection(PLACE, "main", porcelain("[remote rejected] (hook declined)"), stderr).message
    assert "red" in message
    assert message.isprintable()


def test_long_speeches_are_cut() -> None:
    stderr = "".join(f"remote: line {number}\n" for number in range(100))
    message = rejection(PLACE, "main", porcelain("[remote rejected] (hook declined)"), stderr).message
    assert "line 11" in message
    assert "line 12" not in message


def test_a_server_with_too_many_requests_is_left_alone_for_a_while() -> None:
    error = failure(PLACE, _STATUS + "429")
    assert isinstance(error, Transient)
    assert error.retry_after_s == 10.0
    unavailable = failure(PLACE, _STATUS + "503")
    assert isinstance(unavailable, Transient)
    assert unavailable.retry_after_s is None
