"""Outcomes as git notes: read and written beside real git, by many at once, over real HTTP."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from git_remotes import git, hook, objects, remote

from bumper.app import outcome_notes
from bumper.errors import BumpError, Denied, LostRace, Outcome, Transient, Unreachable
from bumper.history import ending
from bumper.image import ImageReference
from bumper.publish.report import Report, SiteReport
from bumper.record import Ending
from bumper.revision import Revision
from bumper.rollout.verdict import Verdict
from bumper_sandbox.git.server import GitServer

REF = "refs/notes/bump-sites/web"
AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("way")


@dataclass
class SystemClock:
    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def tip(server: GitServer) -> str:
    return git(server.path("platform.git"), "rev-parse", "main")


def shown_by_git(server: GitServer, commit: str) -> list[str]:
    return git(
        server.path("platform.git"),
        f"--git-dir={server.path('platform.git')}",
        "notes",
        f"--ref={REF}",
        "show",
        commit,
    ).split("\n")


def noted_on(server: GitServer, commit: str) -> tuple[Ending, ...]:
    return ending.parse("\n".join(shown_by_git(server, commit)))


def test_a_ref_that_holds_no_commit_is_said(server: GitServer) -> None:
    """Whoever may push may put anything there."""
    platform = server.path("platform.git")
    git(platform, "update-ref", REF, git(platform, "rev-parse", "main:README.md"))
    with (
        remote(server) as ours,
        pytest.raises(
            Unreachable, match="is no object as git writes it: found '# Platform' at its beginning"
        ),
    ):
        ours.note("web", tip(server), ["x"])


def history_of(server: GitServer) -> list[str]:
    """The subjects of the ref's commits."""
    return git(server.path("platform.git"), "log", "--format=%s", REF).splitlines()


def grown(server: GitServer, count: int) -> list[str]:
    """So many commits more on main, the newest last."""
    repository = server.path("platform.git")
    commands = [b"feature done\n"]
    parent = b"refs/heads/main^0"
    for number in range(count):
        commands.append(
            b"commit refs/heads/main\nmark :%d\ncommitter a <a@b.example> %d +0000\ndata 4\nElse\nfrom %s\n\n"
            % (number + 1, 1_800_000_000 + number, parent)
        )
        parent = b":%d" % (number + 1)
    git(repository, "fast-import", "--quiet", stdin=b"".join([*commands, b"done\n"]))
    return git(repository, "rev-list", "--reverse", f"-{count}", "main").split()


def test_git_shows_the_lines_that_were_written(server: GitServer) -> None:
    commit = tip(server)
    with remote(server) as ours:
        ours.note("web", commit, ["one", "two"])
        ours.note("web", commit, ["two", "three"])
    assert shown_by_git(server, commit) == ["one", "two", "three"]
    assert len(history_of(server)) == 2


def test_what_is_there_is_not_written_again(server: GitServer) -> None:
    commit = tip(server)
    with remote(server) as ours:
        ours.note("web", commit, ["one"])
        ours.note("web", commit, ["one"])
    with remote(server) as another:
        another.note("web", commit, ["one"])
    assert len(history_of(server)) == 1


def test_a_note_made_by_hand_keeps_every_byte(server: GitServer) -> None:
    commit, repository = tip(server), server.path("platform.git")
    by_hand = b"seen by kevin\n\n\n  caf\xe9 \r\nno line end"
    blob = git(repository, "hash-object", "-w", "--stdin", stdin=by_hand)
    git(repository, "notes", f"--ref={REF}", "add", "-C", blob, commit)
    with remote(server) as ours:
        ours.note("web", commit, ["one"])
    import subprocess

    command = ["git", "-C", str(repository), "notes", f"--ref={REF}", "show", commit]
    assert subprocess.run(command, check=True, capture_output=True).stdout == by_hand + b"\none\n"


@pytest.mark.parametrize("count", [3, 300, 700])
@pytest.mark.slow
def test_notes_that_git_spread_over_directories_are_added_to_where_git_finds_them(
    server: GitServer, count: int
) -> None:
    commits, repository = grown(server, count), server.path("platform.git")
    notes = b"".join(b"N inline %s\ndata 8\nby hand\n\n" % commit.encode() for commit in commits[:-1])
    head = b"commit refs/notes/bump-sites/web\ncommitter a <a@b.example> 1800000000 +0000\ndata 5\nNotes\n"
    git(repository, "fast-import", "--quiet", stdin=head + notes)
    # A note that real git adds makes it choose the directories anew.
    git(repository, "notes", f"--ref={REF}", "append", "-m", "by git", commits[0])
    names = git(repository, "ls-tree", "-r", "--name-only", REF).splitlines()
    assert any("/" in name for name in names) == (count > 256)
    with remote(server) as ours:
        for commit in (commits[0], commits[1], commits[-1]):
            ours.note("web", commit, ["ours"])
    assert shown_by_git(server, commits[0])[-1] == "ours"
    assert "by git" in shown_by_git(server, commits[0])
    assert shown_by_git(server, commits[1]) == ["by hand", "ours"]
    assert shown_by_git(server, commits[-1]) == ["ours"]
    assert len(git(repository, "notes", f"--ref={REF}", "list").splitlines()) == count
    # And git goes on from what we wrote.
    git(repository, "notes", f"--ref={REF}", "append", "-m", "git again", commits[1])
    assert shown_by_git(server, commits[1])[0] == "by hand"
    assert len(git(repository, "notes", f"--ref={REF}", "list").splitlines()) == count


@pytest.mark.slow
def test_many_notes_of_ours_are_spread_and_git_reads_each(server: GitServer) -> None:
    commits, repository = grown(server, 300), server.path("platform.git")
    notes = b"".join(b"N inline %s\ndata 2\nx\n\n" % commit.encode() for commit in commits[:255])
    head = b"commit refs/notes/bump-sites/web\ncommitter a <a@b.example> 1800000000 +0000\ndata 5\nNotes\n"
    git(repository, "fast-import", "--quiet", stdin=head + notes)
    _flatten(repository)
    assert "/" not in git(repository, "ls-tree", "-r", "--name-only", REF)
    with remote(server) as ours:
        for commit in commits[253:260]:
            ours.note("web", commit, ["ours"])
    assert git(repository, "ls-tree", "--name-only", REF).splitlines() == sorted(
        {commit[:2] for commit in commits[:260]}
    )
    listed = git(repository, "notes", f"--ref={REF}", "list").splitlines()
    assert {line.split()[1] for line in listed} == set(commits[:260])
    assert shown_by_git(server, commits[0]) == ["x"]
    assert shown_by_git(server, commits[254]) == ["x", "ours"]
    assert shown_by_git(server, commits[259]) == ["ours"]


def _flatten(repository: Path) -> None:
    """The same notes in one directory, as few notes stand."""
    listed = [line.split() for line in git(repository, "notes", f"--ref={REF}", "list").splitlines()]
    lines = "".join(f"100644 blob {blob}\t{commit}\n" for blob, commit in listed)
    tree = git(repository, "mktree", stdin=lines.encode())
    git(repository, "update-ref", REF, git(repository, "commit-tree", tree, "-m", "Flat"))


def test_a_note_that_stands_in_two_places_is_put_together_as_git_reads_it(server: GitServer) -> None:
    commit, repository = tip(server), server.path("platform.git")
    blobs = [git(repository, "hash-object", "-w", "--stdin", stdin=text) for text in (b"flat\n", b"below\n")]
    below = git(repository, "mktree", stdin=f"100644 blob {blobs[1]}\t{commit[2:]}\n".encode())
    readme = git(repository, "hash-object", "-w", "--stdin", stdin=b"no note\n")
    lines = (
        f"100644 blob {blobs[0]}\t{commit}\n040000 tree {below}\t{commit[:2]}\n100644 blob {readme}\tREADME\n"
    )
    tree = git(repository, "mktree", stdin=lines.encode())
    git(repository, "update-ref", REF, git(repository, "commit-tree", tree, "-m", "Both"))
    with remote(server) as ours:
        ours.note("web", commit, ["ours"])
    assert sorted(shown_by_git(server, commit)) == ["below", "flat", "ours"]
    names = git(repository, "ls-tree", "-r", "--name-only", REF).splitlines()
    assert sorted(names) == sorted(["README", f"{commit[:2]}/{commit[2:]}"])


@pytest.mark.slow
@pytest.mark.parametrize("runs", [4, 16])
def test_runs_that_write_at_once_lose_nothing(server: GitServer, runs: int) -> None:
    first, *others = [tip(server), *grown(server, 3)]
    clock = SystemClock()
    barrier = threading.Barrier(runs)

    def run(number: int) -> None:
        endings = {
            commit: [Ending("web", "ready", "Ready", 1.0, AT, "1.0", run=f"run-{number}")]
            for commit in (first, others[number % 3])
        }
        with remote(server) as ours:
            barrier.wait()
            outcome_notes.write(ours, endings, clock, timeout_s=120)

    with ThreadPoolExecutor(runs) as pool:
        list(pool.map(run, range(runs)))
    everybody = {f"run-{number}" for number in range(runs)}
    assert {noted.run for noted in ending.parse("\n".join(shown_by_git(server, first)))} == everybody
    rest = [ending.parse("\n".join(shown_by_git(server, commit))) for commit in others]
    assert {noted.run for endings in rest for noted in endings} == everybody
    assert len(history_of(server)) == 2 * runs


@pytest.mark.parametrize("count", [4, pytest.param(64, marks=pytest.mark.slow)])
def test_sites_that_are_noted_at_once_race_for_nothing(server: GitServer, count: int) -> None:
    commit, clock = tip(server), SystemClock()
    barrier = threading.Barrier(count)

    def run(number: int) -> None:
        with remote(server) as ours:
            barrier.wait()
            noted = Ending(f"site-{number}", "ready", "Ready", 1.0, AT, "1.0")
            outcome_notes.write(ours, {commit: [noted]}, clock)

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(run, range(count)))
    listed = git(server.path("platform.git"), "for-each-ref", "--format=%(refname)", ending.SITES)
    assert set(listed.split()) == {ending.ref(f"site-{number}") for number in range(count)}


@pytest.mark.parametrize(
    "site_name", ["web", "east/web", "a..b", ".lock", "web.lock", "wéb web", "a@{b", "-"]
)
def test_any_name_of_a_site_makes_a_ref(server: GitServer, site_name: str) -> None:
    git(server.path("platform.git"), "check-ref-format", ending.ref(site_name))
    assert ending.ref(site_name).count("/") == 3


def test_a_lost_race_is_told_as_one_and_nothing_is_overwritten(server: GitServer) -> None:
    commit, repository = tip(server), server.path("platform.git")
    git(repository, "notes", f"--ref={REF}", "add", "-m", "by hand", commit)
    # Somebody writes between our look and our push.
    hook(
        repository,
        "pre-receive",
        f"[ -e {repository}/once ] && exit 0; touch {repository}/once; "
        f"env -u GIT_QUARANTINE_PATH -u GIT_OBJECT_DIRECTORY -u GIT_ALTERNATE_OBJECT_DIRECTORIES "
        f"git -c user.name=a -c user.email=a@b.example notes --ref={REF} append -m theirs {commit}",
    )
    with remote(server) as ours:
        with pytest.raises(LostRace):
            ours.note("web", commit, ["ours"])
        ours.note("web", commit, ["ours"])
    assert [line for line in shown_by_git(server, commit) if line] == ["by hand", "theirs", "ours"]


def test_a_host_that_refuses_the_ref_is_told_at_once(server: GitServer) -> None:
    hook(
        server.path("platform.git"),
        "update",
        'case "$1" in refs/notes/*) echo "no notes here" >&2; exit 1;; esac',
    )
    with (
        remote(server) as ours,
        pytest.raises(Denied, match=r"refs/notes/bump-sites/web refuses the push.*no notes here"),
    ):
        outcome_notes.write(
            ours, {tip(server): [Ending("web", "ready", "Ready", 1.0, AT, "1")]}, SystemClock()
        )


def test_what_was_found_running_is_noted_with_a_sites_first_deploy_alone(server: GitServer) -> None:
    first, second = grown(server, 2)
    ended = Ending("web", "ready", "Ready", 1.0, AT, "2")
    ran = replace(ended, reason="FoundRunning", tag="1")
    clock = SystemClock()
    with remote(server) as ours:
        outcome_notes.write(ours, {first: [ended, ran]}, clock)
        # Another cluster's run of the same deploy is the first one still.
        east = replace(ran, context="east")
        outcome_notes.write(ours, {first: [east]}, clock)
        outcome_notes.write(ours, {second: [replace(ended, tag="3"), replace(ran, tag="2")]}, clock)
        assert [end.reason for end in noted_on(server, first)] == ["Ready", "FoundRunning", "FoundRunning"]
        assert [end.reason for end in noted_on(server, second)] == ["Ready"]
        outcome_notes.write(ours, {second: [ran]}, clock, namesakes={"web"})
    assert [end.reason for end in noted_on(server, second)] == ["Ready", "FoundRunning"]


@pytest.mark.slow
def test_only_what_is_needed_is_fetched(server: GitServer) -> None:
    commits = grown(server, 5)
    with remote(server) as ours:
        for commit in commits:
            ours.note("web", commit, [f"note of {commit}"])
    with remote(server) as fresh:
        fresh.note("web", commits[0], ["ours"])
        kinds = {kind: len(objects(fresh, kind)) for kind in ("commit", "tree", "blob")}
    # The ref's tip and ours, their trees, the note before and after: no other note, and none of the branch.
    assert kinds == {"commit": 2, "tree": 2, "blob": 2}


@dataclass
class Stubborn:
    """Notes that answer as they were told to; in time that only sleeping moves."""

    answers: list[BumpError]
    written: list[tuple[str, str, Sequence[str]]] = field(default_factory=list)
    at_s: float = 0.0

    def note(
        self,
        site: str,
        commit: str,
        lines: Sequence[str],
        first: Sequence[str] = (),
        *,
        only_news: bool = False,
    ) -> None:
        if self.answers:
            raise self.answers.pop(0)
        self.written.append((site, commit, lines))

    def now(self) -> float:
        return self.at_s

    def sleep(self, seconds: float) -> None:
        self.at_s += seconds


def test_what_may_heal_is_tried_again_up_to_the_deadline() -> None:
    noted = Ending("web", "ready", "Ready", 1.0, AT, "1")
    healed = Stubborn([LostRace("lost"), Transient("cut off"), LostRace("lost")])
    outcome_notes.write(healed, {"c": [noted]}, healed)
    assert healed.written == [("web", "c", [ending.line(noted)])]
    never = Stubborn([LostRace("lost")] * 10_000)
    with pytest.raises(LostRace):
        outcome_notes.write(never, {"c": [noted]}, never, timeout_s=20)
    assert 10 < never.at_s < 20
    refused = Stubborn([Denied("no")])
    with pytest.raises(Denied):
        outcome_notes.write(refused, {"c": [noted]}, refused)
    assert refused.at_s == 0


def site(name: str, outcome: Outcome, revision: Revision | None, context: str = "") -> SiteReport:
    image = ImageReference("reg.io/web", "2.0")
    return SiteReport(
        name, image, image, "k8s/web.yaml:1", revision, Verdict(outcome, "Because", "m"), (), context=context
    )


def test_every_verdict_of_a_followed_site_is_noted_at_its_commit() -> None:
    here, there = Revision("main", "a" * 40), Revision("main", "b" * 40)
    report = Report(
        (
            site("web in east", Outcome.READY, here, "east"),
            site("web in west", Outcome.FAILED, here, "west"),
            site("api", Outcome.SUPERSEDED, there),
            site("planned", Outcome.PLANNED, None),
            site("pushed", Outcome.PUSHED, here),
        ),
        seconds=7.5,
    )
    assert outcome_notes.endings(report, AT, "https://ci.example/7") == {
        here.sha: [
            Ending("web", "ready", "Because", 7.5, AT, "2.0", "east", "https://ci.example/7"),
            Ending("web", "failed", "Because", 7.5, AT, "2.0", "west", "https://ci.example/7", message="m"),
        ],
        there.sha: [
            Ending("api", "superseded", "Because", 7.5, AT, "2.0", "", "https://ci.example/7", message="m")
        ],
    }
