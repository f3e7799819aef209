"""Races, rules and lost answers: real pushes over HTTP to a real receive-pack."""

import random
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from git_remotes import WEB, commit_directly, content, git, hook, remote

from bumper.errors import BumpError, Denied, LostRace, Transient, Unanswered, Unreachable, UsageError
from bumper.systems.git.remote import Remote
from bumper_sandbox.git.server import GitServer

pytestmark = pytest.mark.usefixtures("way")


@pytest.fixture
def platform(server: GitServer) -> Path:
    return server.path("platform.git")


def deploy(ours: Remote, content: bytes = b"new\n") -> str:
    return ours.commit(ours.fetch("main"), {WEB: content}, "Deploy")


def subjects(platform: Path) -> list[str]:
    return git(platform, "log", "--format=%s", "main").splitlines()


class TestRaces:
    def test_another_push_came_first(self, server: GitServer, platform: Path) -> None:
        with remote(server) as ours, remote(server) as other:
            mine, theirs = deploy(ours, b"mine\n"), deploy(other, b"theirs\n")
            other.push(theirs, "main")
            with pytest.raises(LostRace, match="another push to main came first"):
                ours.push(mine, "main")
            assert content(platform, WEB) == b"theirs\n"
            ours.push(deploy(ours, b"mine\n"), "main")
        assert content(platform, WEB) == b"mine\n"
        assert subjects(platform) == ["Deploy", "Deploy", "Seed"]

    def test_another_push_comes_while_ours_is_received(self, server: GitServer, platform: Path) -> None:
        """The server itself finds the branch moved: receive-pack's own compare and swap."""
        with remote(server) as ours:
            commit = deploy(ours)
            theirs = commit_directly(platform, "main", message="Theirs")
            hook(platform, "update", f'git update-ref "$1" {theirs}')
            with pytest.raises(LostRace):
                ours.push(commit, "main")
        assert subjects(platform) == ["Theirs", "Seed"]

    def test_the_branch_was_wound_back(self, server: GitServer, platform: Path) -> None:
        first = git(platform, "rev-parse", "main")
        commit_directly(platform, "main", branch="main", message="Withdrawn")
        with remote(server) as ours:
            commit = deploy(ours)
            git(platform, "update-ref", "refs/heads/main", first)
            with pytest.raises(LostRace):
                ours.push(commit, "main")
        assert subjects(platform) == ["Seed"]

    def test_the_branch_was_deleted(self, server: GitServer, platform: Path) -> None:
        git(platform, "branch", "next", "main")
        with remote(server) as ours:
            commit = ours.commit(ours.fetch("next"), {WEB: b"new\n"}, "Deploy")
            git(platform, "branch", "-D", "next")
            with pytest.raises(LostRace):
                ours.push(commit, "next")
            with pytest.raises(UsageError, match="no branch 'next'"):
                ours.fetch("next")

    def test_pushing_twice_is_harmless(self, server: GitServer, platform: Path) -> None:
        with remote(server) as ours:
            commit = deploy(ours)
            assert ours.push(commit, "main") == ours.push(commit, "main")
        assert subjects(platform) == ["Deploy", "Seed"]

    @pytest.mark.slow
    @pytest.mark.parametrize("writers", [4, 16])
    def test_many_writers_at_once_all_land_and_none_is_lost(self, server: GitServer, writers: int) -> None:
        files = {f"k8s/site-{n}/deployment.yaml": b"image: old\n" for n in range(writers)}
        server.create("busy.git", files)
        start = threading.Barrier(writers)
        attempts: Counter[str] = Counter()
        errors: list[BaseException] = []

        def write(path: str) -> None:
            try:
                with remote(server, "busy.git") as ours:
                    start.wait()
                    land(ours, path)
            except BaseException as error:
                errors.append(error)
                raise

        def land(ours: Remote, path: str) -> None:
            """The shape of the pipe's loop: plan again on each new tip, with full jitter."""
            while True:
                attempts[path] += 1
                tip = ours.fetch("main")
                before = ours.tree(tip).read([path])[path]
                try:
                    ours.push(ours.commit(tip, {path: before + b"image: new\n"}, path), "main")
                except LostRace:
                    time.sleep(random.uniform(0, min(0.1 * 2 ** attempts[path], 1.0)))
                else:
                    return

        threads = [threading.Thread(target=write, args=(path,)) for path in files]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        busy = server.path("busy.git")
        assert sorted(subjects(busy)) == sorted([*files, "Seed"])
        assert {path: content(busy, path) for path in files} == dict.fromkeys(
            files, b"image: old\nimage: new\n"
        )
        assert sum(attempts.values()) > writers, "nobody raced, so nothing was proved"
        # One line of history: no merge was made, and each commit changes its own file alone.
        assert git(busy, "log", "--merges", "--format=%H", "main") == ""
        for line in git(busy, "log", "--format=%H %s", "main").splitlines()[:-1]:
            commit, _, path = line.partition(" ")
            assert git(busy, "diff-tree", "-r", "--no-commit-id", "--name-only", commit) == path


class TestRules:
    def push(self, server: GitServer) -> BumpError:
        with remote(server) as ours, pytest.raises(BumpError) as caught:
            ours.push(deploy(ours), "main")
        return caught.value

    @pytest.mark.parametrize(
        ("name", "reason"), [("pre-receive", "pre-receive hook declined"), ("update", "hook declined")]
    )
    def test_a_hook_declines_and_explains(
        self, server: GitServer, platform: Path, name: str, reason: str
    ) -> None:
        hook(
            platform,
            name,
            "echo 'No deploys on Fridays.' >&2\necho 'Ask \033[31mops\033[0m (fetch first).' >&2\nexit 1",
        )
        error = self.push(server)
        assert type(error) is Denied
        assert error.message.startswith(
            f"{server.url}/platform.git: main refuses the push: {reason}: No deploys on Fridays. Ask ops (fetch first)."
        )
        assert "--branch" in error.hint
        assert subjects(platform) == ["Seed"]

    def test_the_checked_out_branch_of_a_repository_with_files(
        self, server: GitServer, tmp_path: Path
    ) -> None:
        repository = tmp_path / "work"
        git(tmp_path, "init", "--quiet", "--initial-branch=main", str(repository))
        git(repository, "commit", "--quiet", "--allow-empty", "-m", "First")
        with Remote(f"file://{repository}", environ=server.environ) as ours:
            commit = ours.commit(ours.fetch("main"), {"a.yaml": b"new\n"}, "Deploy")
            with pytest.raises(Denied, match="branch is currently checked out"):
                ours.push(commit, "main")

    def test_a_server_that_takes_no_pushes(self, server: GitServer, platform: Path) -> None:
        server.settings["http.receivepack"] = "false"
        error = self.push(server)
        assert type(error) is Denied
        assert error.message.startswith(f"{server.url}/platform.git: no permission to push: ")
        assert "403" in error.message


class TestLostAnswers:
    def test_the_push_had_landed(self, server: GitServer, platform: Path) -> None:
        server.faults.lost_push_answers = 1
        with remote(server) as ours:
            commit = deploy(ours)
            assert ours.push(commit, "main").sha == commit
        assert subjects(platform) == ["Deploy", "Seed"]
        assert server.faults.lost_push_answers == 0

    def test_the_push_had_landed_and_others_came_after_it(self, server: GitServer, platform: Path) -> None:
        identity = "GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x"
        later = f'{identity} git commit-tree "$new^{{tree}}" -p "$new" -m Later'
        hook(platform, "post-receive", f'read old new ref\ngit update-ref "$ref" $({later})')
        server.faults.lost_push_answers = 1
        with remote(server) as ours:
            commit = deploy(ours)
            assert ours.push(commit, "main").sha == commit
        assert subjects(platform) == ["Later", "Deploy", "Seed"]

    def test_the_push_had_not_landed(self, server: GitServer, platform: Path) -> None:
        with remote(server) as ours:
            commit = deploy(ours)
            server.faults.outage = True
            with pytest.raises(Transient, match="503"):
                ours.push(commit, "main")
            server.faults.outage = False
            assert subjects(platform) == ["Seed"]
            ours.push(commit, "main")
        assert subjects(platform) == ["Deploy", "Seed"]

    def test_nobody_can_tell_and_the_next_try_finds_it(self, server: GitServer, platform: Path) -> None:
        """The answer is lost and so is the look after it; when the server is back, others have pushed on top."""
        away = platform.with_name("away.git")
        hook(platform, "post-receive", f"mv '{platform}' '{away}'")
        server.faults.lost_push_answers = 1
        with remote(server) as ours:
            commit = deploy(ours)
            with pytest.raises(Unreachable):
                ours.push(commit, "main")
            away.rename(platform)
            for message in ("Later", "Last"):
                commit_directly(platform, "main", branch="main", message=message)
            assert ours.push(commit, "main").sha == commit
        assert subjects(platform) == ["Last", "Later", "Deploy", "Seed"]

    def test_a_server_that_is_away_leaves_the_question_open(self, server: GitServer) -> None:
        with remote(server) as ours:
            commit = deploy(ours)
            server.faults.outage = True
            with pytest.raises(Unanswered) as caught:
                ours.push(commit, "main")
            with pytest.raises(Transient):
                caught.value.landed()
            server.faults.outage = False
            assert caught.value.landed() == ""
            ours.push(commit, "main")
            assert caught.value.landed() == commit

    @pytest.mark.slow
    def test_a_hook_that_hangs_after_the_push_landed(self, server: GitServer, platform: Path) -> None:
        hook(platform, "post-receive", "sleep 6")
        with remote(server, timeout_s=3.0) as ours:
            commit = deploy(ours)
            assert ours.push(commit, "main").sha == commit

    @pytest.mark.slow
    def test_a_server_that_hangs(self, server: GitServer) -> None:
        with remote(server, timeout_s=1.0) as ours:
            commit = deploy(ours)
            server.faults.delay_s = 60
            with pytest.raises(Transient, match=r"(not complete|not ended) after 0\.8 s"):
                ours.push(commit, "main")
