"""The right to push, asked without a push: a real receive-pack is knocked at, and nothing is sent."""

import pytest
from git_remotes import TOKEN, commit_directly, git, remote

from bumper.errors import Denied, NoAccess, Transient
from bumper_sandbox.git.server import GitServer

pytestmark = pytest.mark.usefixtures("way")


def asked_of_receive_pack(server: GitServer) -> list[tuple[str, str, int]]:
    return [
        (request.method, request.target.rpartition("/")[2], request.status)
        for request in server.requests
        if "git-receive-pack" in request.target
    ]


def test_whoever_may_push_is_let_in_and_nothing_is_sent(server: GitServer) -> None:
    platform = server.path("platform.git")
    before = git(platform, "rev-parse", "main")
    with remote(server) as ours:
        ours.ask_to_push(ours.fetch("main"), "main")
    asked = asked_of_receive_pack(server)
    assert asked[-1] == ("GET", "refs?service=git-receive-pack", 200)
    assert {method for method, _, _ in asked} == {"GET"}, "a push posts"
    assert git(platform, "rev-parse", "main") == before


def test_a_branch_that_moved_on_meanwhile_is_no_refusal(server: GitServer) -> None:
    with remote(server) as ours:
        tip = ours.fetch("main")
        commit_directly(server.path("platform.git"), "main", branch="main")
        ours.ask_to_push(tip, "main")
    assert asked_of_receive_pack(server)[-1][2] == 200


def test_whoever_may_only_read_is_turned_away_at_the_door(server: GitServer) -> None:
    """403 to the first request, as GitHub answers a token that may only read."""
    git(server.path("platform.git"), "config", "http.receivepack", "false")
    server.settings.pop("http.receivepack")
    with remote(server) as ours, pytest.raises(Denied, match="no permission to push") as refused:
        ours.ask_to_push(ours.fetch("main"), "main")
    assert asked_of_receive_pack(server)[-1][2] == 403
    assert "BUMP_TOKEN" in refused.value.hint
    assert TOKEN not in refused.value.message


def test_a_wrong_token_is_no_access_and_an_outage_may_heal(server: GitServer) -> None:
    with remote(server) as ours:
        tip = ours.fetch("main")
        server.faults.outage = True
        with pytest.raises(Transient):
            ours.ask_to_push(tip, "main")
    server.faults.outage = False
    with remote(server, token="another") as stranger, pytest.raises(NoAccess):
        stranger.ask_to_push(tip, "main")
