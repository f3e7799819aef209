"""Whether one commit is in another's history, told without having the history."""

from pathlib import Path

import pytest
from git_remotes import WEB, commit_directly, git, objects, remote

from bumper.systems.git.remote import Remote
from bumper_sandbox.git.server import GitServer


@pytest.fixture
def platform(server: GitServer) -> Path:
    return server.path("platform.git")


def deploy(ours: Remote) -> str:
    commit = ours.commit(ours.fetch("main"), {WEB: b"new\n"}, "Deploy")
    ours.push(commit, "main")
    return commit


def extend(platform: Path, commits: int) -> None:
    """That many commits more on main."""
    stream = b"".join(
        b"commit refs/heads/main\ncommitter A <a@b> %d +0000\ndata 1\nx\n%s\n"
        % (1_700_000_000 + number, b"from refs/heads/main^0\n" if number == 0 else b"")
        for number in range(commits)
    )
    git(platform, "fast-import", "--quiet", stdin=stream)


def test_a_commit_contains_itself_without_a_request(server: GitServer) -> None:
    with remote(server) as ours:
        commit = deploy(ours)
        server.requests.clear()
        assert ours.contains(commit, commit) is True
        assert server.requests == []


def test_the_parent_does_not_contain_the_commit_and_the_commit_contains_the_parent(server: GitServer) -> None:
    with remote(server) as ours:
        parent = ours.fetch("main")
        commit = deploy(ours)
        assert ours.contains(parent, commit) is False
        assert ours.contains(commit, parent) is True


def test_later_commits_contain_it(server: GitServer, platform: Path) -> None:
    with remote(server) as ours:
        commit = deploy(ours)
        for _ in range(3):
            later = commit_directly(platform, "main", branch="main")
        assert ours.contains(later, commit) is True


def test_a_tip_that_was_fetched_without_its_history_contains_it_all_the_same(
    server: GitServer, platform: Path
) -> None:
    with remote(server) as ours:
        commit = deploy(ours)
        commit_directly(platform, "main", branch="main")
        commit_directly(platform, "main", branch="main")
        tip = ours.fetch("main")
        assert ours.contains(tip, commit) is True


def test_what_was_asked_once_is_known(server: GitServer, platform: Path) -> None:
    with remote(server) as ours:
        commit = deploy(ours)
        middle = commit_directly(platform, "main", branch="main")
        tip = commit_directly(platform, "main", branch="main")
        assert ours.contains(tip, commit) is True
        server.requests.clear()
        assert ours.contains(tip, commit) is True
        assert ours.contains(middle, commit) is True
        assert server.requests == []


def test_merges(server: GitServer, platform: Path) -> None:
    first = git(platform, "rev-parse", "main")
    with remote(server) as ours:
        commit = deploy(ours)
        side = commit_directly(platform, first)
        merged = commit_directly(platform, side, commit)  # ours is the second parent
        also = commit_directly(platform, commit_directly(platform, merged), side)
        others = commit_directly(platform, side, first)
        git(platform, "update-ref", "refs/heads/all", commit_directly(platform, also, others))
        assert ours.contains(merged, commit) is True
        assert ours.contains(also, commit) is True
        assert ours.contains(side, commit) is False
        assert ours.contains(others, commit) is False


@pytest.mark.parametrize("behind", [40, 150])
def test_an_older_revision_does_not_contain_it(server: GitServer, platform: Path, behind: int) -> None:
    """Flux may lag behind; both near enough to be known at once, and further back than that."""
    old = git(platform, "rev-parse", "main")
    extend(platform, behind)
    with remote(server) as ours:
        commit = deploy(ours)
        assert ours.contains(old, commit) is False
        assert ours.contains(commit, old) is True


def test_a_long_history_is_not_fetched_for_it(server: GitServer, platform: Path) -> None:
    extend(platform, 150)
    with remote(server) as ours:
        commit = deploy(ours)
        later = commit_directly(platform, "main", branch="main")
        assert ours.contains(later, commit) is True
        (history,) = ours._histories.values()
        assert history.run("rev-list", "--count", later).stdout == "101\n"


def test_a_commit_that_somebody_else_made(server: GitServer, platform: Path) -> None:
    commit = commit_directly(platform, "main", branch="main")
    tip = commit_directly(platform, "main", branch="main")
    with remote(server) as ours:
        assert ours.contains(tip, commit) is True
        assert ours.contains(git(platform, "rev-parse", "main~2"), commit) is False


def test_a_branch_that_was_rewritten_does_not_contain_it(server: GitServer, platform: Path) -> None:
    first = git(platform, "rev-parse", "main")
    with remote(server) as ours:
        commit = deploy(ours)
        rewritten = commit_directly(platform, first)
        git(platform, "update-ref", "refs/heads/main", rewritten)
        assert ours.contains(rewritten, commit) is False


def test_gone_is_unknown(server: GitServer, platform: Path) -> None:
    first = git(platform, "rev-parse", "main")
    with remote(server) as ours:
        commit = deploy(ours)
        assert ours.contains("1" * 40, commit) is None
        assert ours.contains(first, "1" * 40) is None
    # Withdrawn and collected: who has not seen the commit before cannot tell.
    git(platform, "update-ref", "refs/heads/main", first)
    git(platform, "reflog", "expire", "--expire=now", "--all")
    git(platform, "gc", "--quiet", "--prune=now")
    later = commit_directly(platform, first, branch="main")
    with remote(server) as another:
        assert another.contains(later, commit) is None


def test_out_of_reach_is_unknown_and_asked_again(server: GitServer, platform: Path) -> None:
    with remote(server) as ours:
        commit = deploy(ours)
        later = commit_directly(platform, "main", branch="main")
        server.faults.outage = True
        assert ours.contains(later, commit) is None
        server.faults.outage = False
        assert ours.contains(later, commit) is True
        server.faults.outage = True
        assert ours.contains(later, commit) is True
        assert ours.contains(commit_directly(platform, "main", branch="main"), commit) is None


def test_no_tree_and_no_blob_is_fetched_for_it(server: GitServer, platform: Path) -> None:
    with remote(server) as ours:
        commit = deploy(ours)
        before = {kind: objects(ours, kind) for kind in ("tree", "blob")}
        later = commit_directly(platform, "main", branch="main")
        assert ours.contains(later, commit) is True
        assert {kind: objects(ours, kind) for kind in ("tree", "blob")} == before
        (history,) = ours._histories.values()
        listing = history.run("cat-file", "--batch-all-objects", "--batch-check=%(objecttype)").stdout
        assert set(listing.split()) == {"commit"}
