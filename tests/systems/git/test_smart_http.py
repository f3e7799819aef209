"""When we speak smart HTTP ourselves, and what becomes of a host that answers otherwise: git is asked, and the change lands once."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from git_remotes import FILES, TOKEN, WEB, commit_directly, content, git, hook, remote

from bumper.dataclasses import replace
from bumper.errors import BumpError, Denied, LostRace, NoAccess, NotConnected, Transient, UsageError
from bumper.systems.git.address import Address
from bumper.systems.git.packet_lines import FLUSH, line
from bumper.systems.git.packs import written
from bumper.systems.git.remote import Remote
from bumper.systems.git.smart_http import speaks
from bumper.systems.http.client import Answer, Client, Garbled, Question
from bumper_sandbox.git.server import GitServer

Tampered = Callable[[Question, Callable[[], Answer]], Answer]


@pytest.fixture
def platform(server: GitServer) -> Path:
    return server.path("platform.git")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where our own client asked."""
    urls: list[str] = []

    def noting(question: Question, ask: Callable[[], Answer]) -> Answer:
        urls.append(f"{question.method} {question.url.rpartition('.git/')[2]}")
        return ask()

    _tamper(monkeypatch, noting)
    return urls


def deploy(ours: Remote) -> None:
    ours.push(ours.commit(ours.fetch("main"), {WEB: b"new\n", "k8s/new/file": b"x"}, "Deploy"), "main")


def assert_landed_once(platform: Path) -> None:
    assert content(platform, WEB) == b"new\n"
    assert git(platform, "log", "--format=%s", "main").splitlines() == ["Deploy", "Seed"]
    assert git(platform, "fsck", "--full", "--strict", "--no-dangling") == ""
    assert git(platform, "diff", "--name-only", "main~1", "main").splitlines() == ["k8s/new/file", WEB]


@pytest.mark.parametrize("is_to_push", [True, False])
def test_a_push_takes_five_or_six_questions_and_no_gitpython(
    server: GitServer, platform: Path, asked: list[str], is_to_push: bool
) -> None:
    with remote(server, is_to_push=is_to_push) as ours:
        tip = ours.fetch("main")
        assert ours.tree(tip).read([WEB]) == {WEB: FILES[WEB]}
        ours.push(ours.commit(tip, {WEB: b"new\n", "k8s/new/file": b"x"}, "Deploy"), "main")
        assert "reader" not in vars(ours._repository._git)
    before, push = "GET info/refs?service=git-receive-pack", "POST git-receive-pack"
    first = before if is_to_push else "POST git-upload-pack"
    assert sorted(asked[:2]) == sorted(["GET info/refs?service=git-upload-pack", first])
    # The commit with its trees, the files, the push.
    assert asked[2:] == ["POST git-upload-pack"] * 2 + ([] if is_to_push else [before]) + [push]
    assert len(server.requests) == len(asked)
    assert server.accepted == 2
    assert_landed_once(platform)


def test_who_looks_again_asks_for_the_one_branch(server: GitServer, platform: Path, asked: list[str]) -> None:
    """What the server said before a push names all refs, and is out of date once the branch was looked at anew."""
    with remote(server, is_to_push=True) as ours:
        ours.fetch("main")
        commit_directly(platform, "main", branch="main", message="Other")
        asked.clear()
        tip = ours.fetch("main")
        assert asked == ["POST git-upload-pack"] * 2
        ours.push(ours.commit(tip, {WEB: b"new\n"}, "Deploy"), "main")
    assert git(platform, "log", "--format=%s", "main").splitlines() == ["Deploy", "Other", "Seed"]


def test_a_note_is_read_to_be_written(server: GitServer, platform: Path, asked: list[str]) -> None:
    with remote(server) as ours:
        tip = ours.fetch("main")
        before, fetch, push = (
            "GET info/refs?service=git-receive-pack",
            "POST git-upload-pack",
            "POST git-receive-pack",
        )
        asked.clear()
        ours.note("web", tip, ["line"])
        assert asked == [before, push]
        asked.clear()
        ours.note("web", tip, ["another"])
        # What was made here is not asked for.
        assert asked == [before, fetch, push]


def test_a_lost_race_asks_for_the_new_trees_alone_and_three_times(
    server: GitServer, asked: list[str]
) -> None:
    many = {f"many/{number}/deployment.yaml": b"%d" % number for number in range(200)}
    server.create("many.git", {**FILES, **many})
    with remote(server, "many.git") as ours:
        lost = ours.commit(ours.fetch("main"), {WEB: b"new\n"}, "Deploy")
        server.commit("many.git", {"many/7/deployment.yaml": b"other"}, "Other")
        with pytest.raises(LostRace, match="stale info"):
            ours.push(lost, "main")
        asked.clear()
        server.requests.clear()
        known = len(ours._repository._received)
        assert known > 200
        deploy(ours)
        # The commit, and the trees on the way to the file that changed.
        assert len(ours._repository._received) - known == 4
    assert asked == [
        "GET info/refs?service=git-receive-pack",
        "POST git-upload-pack",
        "POST git-receive-pack",
    ]
    assert sum(request.sent for request in server.requests) < 2_000
    assert content(server.path("many.git"), "many/7/deployment.yaml") == b"other"


@pytest.mark.parametrize(
    ("address", "configured", "environ", "is_spoken"),
    [
        ("https://git.example/x.git", [], {}, True),
        ("http://127.0.0.1:8080/x.git", [], {"HTTP_PROXY": "http://proxy.example"}, True),
        ("http://git.example/x.git", [], {}, False),
        ("ssh://git.example/x.git", [], {}, False),
        ("git@git.example:x.git", [], {}, False),
        ("/srv/x.git", [], {}, False),
        *(
            ("https://git.example/x.git", [(key, "x")], {}, is_spoken)
            for key, is_spoken in {
                "user.name": True,
                "commit.gpgsign": True,
                "credential.helper": True,
                # As actions/checkout leaves it; ours takes its place.
                "http.https://git.example/.extraheader": True,
                "http.proxy": False,
                "http.https://git.example/.sslcainfo": False,
                "http.cookiefile": False,
                "url.git@git.example:.insteadof": False,
                "protocol.https.allow": False,
                "transfer.fsckobjects": False,
                "fetch.fsckobjects": False,
                "fetch.prune": True,
            }.items()
        ),
        *(
            ("https://git.example/x.git", [], {name: "x"}, is_spoken)
            for name, is_spoken in {
                "GIT_AUTHOR_NAME": True,
                "GIT_TRACE": True,
                "GIT_SSL_CAINFO": True,
                "GIT_SSL_NO_VERIFY": False,
                "GIT_SSL_CERT": False,
                "GIT_CURL_VERBOSE": False,
                "GIT_ALLOW_PROTOCOL": False,
                "https_proxy": False,
                "ALL_PROXY": False,
                "no_proxy": True,
            }.items()
        ),
    ],
)
def test_who_says_how_the_host_is_reached(
    address: str, configured: list[tuple[str, str]], environ: dict[str, str], is_spoken: bool
) -> None:
    token = TOKEN if address.startswith(("https:", "http://127")) else ""
    assert speaks(Address.parse(address, token), configured, environ) is is_spoken


def test_without_a_credential_of_our_own_git_asks_for_one() -> None:
    assert not speaks(Address.parse("https://git.example/x.git"), [], {})


def test_a_setting_of_the_way_leaves_all_to_git(
    server: GitServer, platform: Path, tmp_path: Path, asked: list[str]
) -> None:
    (tmp_path / ".gitconfig").write_text("[http]\n lowSpeedLimit = 1\n lowSpeedTime = 60\n")
    with remote(server) as ours:
        deploy(ours)
    assert asked == []
    assert_landed_once(platform)


def answers(service: str, method: str, **changes: Any) -> Tampered:
    """Answers of this kind, changed."""

    def tamper(question: Question, ask: Callable[[], Answer]) -> Answer:
        answer = ask()
        return replace(answer, **changes) if _is(question, service, method) else answer

    return tamper


def rewritten(service: str, method: str, rewrite: Callable[[bytes], bytes]) -> Tampered:
    def tamper(question: Question, ask: Callable[[], Answer]) -> Answer:
        answer = ask()
        return replace(answer, content=rewrite(answer.content)) if _is(question, service, method) else answer

    return tamper


def raising(service: str, method: str, error: Exception) -> Tampered:
    """The request gets nowhere."""

    def tamper(question: Question, ask: Callable[[], Answer]) -> Answer:
        if _is(question, service, method):
            raise error
        return ask()

    return tamper


def unheard(service: str, status: int) -> Tampered:
    """Somebody before the host answers in its place."""

    def tamper(question: Question, ask: Callable[[], Answer]) -> Answer:
        return Answer(status, {}, b"") if _is(question, service, "POST") else ask()

    return tamper


def _tamper(monkeypatch: pytest.MonkeyPatch, tampered: Tampered) -> None:
    """Stands between our client and the real server, which answers rightly and as often as it is asked."""
    ask = Client.ask
    monkeypatch.setattr(
        Client,
        "ask",
        lambda client, subject, question: tampered(question, lambda: ask(client, subject, question)),
    )


def _is(question: Question, service: str, method: str) -> bool:
    return question.method == method and question.url.endswith(service)


FETCH, PUSH = "git-upload-pack", "git-receive-pack"
_NO_OBJECTS = line("packfile\n") + line(b"\1" + written([])) + FLUSH
_OTHERWISE: dict[str, Tampered] = {
    "a page": answers(FETCH, "GET", headers={"content-type": "text/html"}, content=b"<html>"),
    **{f"greeted by {status}": answers(FETCH, "GET", status=status) for status in (302, 401, 403, 404)},
    "protocol version 0": rewritten(FETCH, "GET", lambda _: line("# service=git-upload-pack\n") + FLUSH),
    "no filters": rewritten(FETCH, "GET", lambda content: content.replace(b"filter", b"filtre")),
    "sha256": rewritten(FETCH, "GET", lambda content: content.replace(b"=sha1", b"=shaX")),
    "no packet lines": rewritten(FETCH, "GET", lambda _: b"hello"),
    "an empty greeting": rewritten(FETCH, "GET", lambda _: b""),
    "a tip that is no name": rewritten(FETCH, "POST", lambda content: _with_tip(content, b"x" * 40)),
    "an error in the place of a pack": rewritten(FETCH, "POST", lambda _: line("ERR no\n")),
    "half of a pack": rewritten(FETCH, "POST", lambda content: content[: len(content) // 2]),
    "a pack of nothing": rewritten(FETCH, "POST", lambda content: _without_objects(content)),
    "a certificate that we don't trust": raising(FETCH, "GET", NoAccess("not trusted")),
    "authorities that cannot be read": raising(FETCH, "GET", UsageError("no certificates")),
    "nobody there": raising(FETCH, "GET", NotConnected("refused")),
    "no report of a push": rewritten(
        PUSH, "GET", lambda content: content.replace(b"report-status", b"report-nothing")
    ),
    "another greeting before a push": answers(PUSH, "GET", status=403),
    "refs of another kind": rewritten(PUSH, "GET", lambda _: line("version 1\n") + FLUSH),
    "a firewall before the push": unheard(PUSH, 403),
    "a connection that is refused at the push": raising(PUSH, "POST", NotConnected("refused")),
    "a pack without the files": lambda question, ask: (
        Answer(200, {"content-type": f"application/x-{FETCH}-result"}, _NO_OBJECTS)
        if b"command=fetch" in (question.content or b"") and b"filter" not in (question.content or b"")
        else ask()
    ),
    # It has landed, and nobody believes it.
    "an answer of another type to the push": answers(PUSH, "POST", headers={"content-type": "text/html"}),
}


def _with_tip(content: bytes, name: bytes) -> bytes:
    """In the place of the commit that a ref is at."""
    return content[:4] + name + content[44:] if content[44:55] == b" refs/heads" else content


def _without_objects(content: bytes) -> bytes:
    """In the place of each pack one without objects."""
    return _NO_OBJECTS if b"packfile\n" in content else content


@pytest.mark.slow
@pytest.mark.parametrize("tampered", _OTHERWISE.values(), ids=_OTHERWISE)
def test_a_host_that_answers_otherwise_is_asked_by_git(
    server: GitServer, platform: Path, monkeypatch: pytest.MonkeyPatch, tampered: Tampered
) -> None:
    _tamper(monkeypatch, tampered)
    with remote(server) as ours:
        tip = ours.fetch("main")
        assert ours.tree(tip).read([WEB]) == {WEB: FILES[WEB]}
        deploy(ours)
        assert ours._repository._wire is None
    assert_landed_once(platform)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_heals_is_not_asked_again_at_once(
    server: GitServer, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """The server's own wish for a pause is known, which git does not tell."""
    _tamper(monkeypatch, lambda question, ask: Answer(status, {"retry-after": "7"}, b""))
    with remote(server) as ours, pytest.raises(Transient, match=f"answers with {status}") as caught:
        ours.fetch("main")
    assert caught.value.retry_after_s == 7
    assert server.requests == []


@pytest.mark.parametrize(
    "report",
    [
        b"",
        b"hello",
        FLUSH,
        line(b"\1" + line("unpack ok\n") + FLUSH) + FLUSH,
        line(b"\3gone\n"),
        line(b"\1000"),
    ],
)
def test_a_report_that_says_nothing_is_looked_after(
    server: GitServer, platform: Path, monkeypatch: pytest.MonkeyPatch, report: bytes
) -> None:
    _tamper(monkeypatch, rewritten(PUSH, "POST", lambda _: report))
    with remote(server) as ours:
        deploy(ours)
    assert_landed_once(platform)


def test_the_server_s_words_without_what_a_terminal_obeys_and_without_the_token(
    server: GitServer, platform: Path, asked: list[str]
) -> None:
    hook(platform, "pre-receive", f"printf 'no: \\033[31m{TOKEN}\\n' >&2; exit 1")
    with remote(server) as ours, pytest.raises(Denied, match=r"pre-receive hook declined: no: \*\*\*"):
        deploy(ours)
    # A rule has nothing to do with where the branch is.
    assert asked[-1] == "POST git-receive-pack"


def test_a_tip_that_was_seen_long_ago_loses(server: GitServer, platform: Path) -> None:
    """After the first push the server is not asked again where the branch is: it compares itself."""
    with remote(server) as ours:
        deploy(ours)
        late = ours.commit(ours.fetch("main"), {WEB: b"late\n"}, "Late")
        commit_directly(platform, "main", branch="main", message="Other")
        with pytest.raises(LostRace):
            ours.push(late, "main")
    assert git(platform, "log", "--format=%s", "main").splitlines() == ["Other", "Deploy", "Seed"]


def report(*states: str) -> bytes:
    """What a server says of a push."""
    return line(b"\1" + b"".join(line(f"{state}\n") for state in states) + FLUSH) + FLUSH


@pytest.mark.parametrize(("has_moved", "expected"), [(True, LostRace), (False, Denied)])
def test_a_race_is_lost_in_whatever_words_the_server_says_so(
    server: GitServer,
    platform: Path,
    monkeypatch: pytest.MonkeyPatch,
    has_moved: bool,
    expected: type[Exception],
) -> None:
    """The server that we asked long ago compares itself, and each kind of server has its own words for what it sees."""
    with remote(server, is_to_push=True) as ours:
        late = ours.commit(ours.fetch("main"), {WEB: b"late\n"}, "Late")
        if has_moved:
            commit_directly(platform, "main", branch="main", message="Other")
        else:
            hook(platform, "pre-receive", "exit 1")
        moved = report("unpack ok", "ng refs/heads/main reference has changed concurrently")
        _tamper(monkeypatch, rewritten(PUSH, "POST", lambda _: moved))
        with pytest.raises(expected, match="reference has changed concurrently"):
            ours.push(late, "main")


@pytest.mark.parametrize("others", [1, 2, 3])
def test_a_push_that_nobody_believed_and_that_somebody_built_on_is_found(
    server: GitServer, platform: Path, monkeypatch: pytest.MonkeyPatch, others: int
) -> None:
    def tamper(question: Question, ask: Callable[[], Answer]) -> Answer:
        answer = ask()
        if not _is(question, PUSH, "POST"):
            return answer
        for _ in range(others):
            commit_directly(platform, "main", branch="main", message="Other")
        return Answer(403, {}, b"")

    _tamper(monkeypatch, tamper)
    with remote(server) as ours:
        deploy(ours)
    subjects = git(platform, "log", "--format=%s", "main").splitlines()
    assert subjects == ["Other"] * others + ["Deploy", "Seed"]


@pytest.mark.parametrize(
    "answer",
    [
        report("unpack ok", f"ng refs/heads/main {TOKEN}"),
        report(f"unpack {TOKEN}"),
        line(f"ERR {TOKEN}"),
        line(b"\3" + TOKEN.encode()),
        line(b"\2" + TOKEN.encode()) + report("unpack ok", "ng refs/heads/main no"),
        TOKEN.encode(),
    ],
)
def test_a_server_that_repeats_the_token_after_it_was_renewed(
    server: GitServer, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    server.admit(lambda password: password == "renewed")
    tokens = [TOKEN]

    def tamper(question: Question, ask: Callable[[], Answer]) -> Answer:
        if not _is(question, PUSH, "POST"):
            return ask()
        tokens[:] = ["renewed"]
        return Answer(200, {"content-type": f"application/x-{PUSH}-result"}, answer)

    _tamper(monkeypatch, tamper)
    with remote(server, token=lambda: tokens[0]) as ours:
        with pytest.raises(BumpError) as caught:
            deploy(ours)
        assert ours._repository._wire
    assert TOKEN not in f"{caught.value.message} {caught.value.hint}"


def test_what_is_no_http_is_quoted_without_the_token(
    server: GitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    _tamper(monkeypatch, raising(FETCH, "GET", Garbled(f"it: found {TOKEN}")))
    with remote(server) as ours, pytest.raises(Transient) as caught:
        ours.fetch("main")
    assert caught.value.message == "it: found ***"


@pytest.mark.parametrize("is_to_push", [True, False])
def test_a_branch_whose_name_is_no_utf_8(server: GitServer, platform: Path, is_to_push: bool) -> None:
    branch = os.fsdecode(b"caf\xe9")
    git(platform, "update-ref", f"refs/heads/{branch}", "main")
    with remote(server, is_to_push=is_to_push) as ours:
        assert ours.fetch(branch) == git(platform, "rev-parse", "main")
        assert ours._repository._wire


def test_without_a_clock_git_speaks_alone(server: GitServer, asked: list[str]) -> None:
    with remote(server, now=None) as ours:
        ours.fetch("main")
    assert asked == []
    with remote(server, now=time.monotonic) as ours:
        ours.fetch("main")
    assert asked
