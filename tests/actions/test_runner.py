"""The shipped action and workflows, run by a runner: see world.py for the machine."""

import json
import os
import re
import shutil
import time

import pytest

from actions.world import (
    OTHER_SITE,
    READ_ONLY_TOKEN,
    SITE,
    SITE_REPOSITORY,
    SOURCE_TOKEN,
    World,
    caller,
    documented,
    steps,
)
from bumper.errors import NoAccess
from bumper.publish.comment import MARKER
from bumper.systems.git.remote import Remote
from bumper.systems.github import GitHub


def test_the_documented_workflow_deploys_and_tells_the_pull_request(world: World) -> None:
    shutil.rmtree(world.wheels, ignore_errors=True)
    checkout, sha = world.site(caller(world))
    run = world.run(checkout)
    assert run.code == 0, run.log
    assert "bump: libraries downloaded and installed in " in run.log
    assert world.wanted(SITE) == sha[:7]
    (comment,) = world.comments()
    assert comment.startswith(MARKER)
    assert re.search(rf"### ✅ \[{SITE}\]\(https://.*\) is Ready in .*: .* → <code>{sha[:7]}</code>", comment)
    assert f"### ✅ [{SITE}]" in run.summary
    outputs = run.outputs("bump")
    assert (outputs["outcome"], outputs["reason"], outputs["tag"]) == ("ready", "Ready", sha[:7])
    assert json.loads(outputs["verdict"])["sites"][0]["commit"] == outputs["commit"]
    assert set(json.loads(outputs["durations"])[SITE]) == {
        "image",
        "commit",
        "fetched",
        "applied",
        "rolled out",
    }
    assert outputs["digest"].startswith("sha256:")
    assert outputs["previous-tag"] not in ("", sha[:7])
    world.is_clean(run)

    again = world.run(checkout)
    assert again.code == 0, again.log
    assert "bump: libraries from the wheels that this machine kept" in again.log
    assert again.outputs("bump")["outcome"] == "unchanged"
    (comment,) = world.comments()
    assert "was already there and is Ready" in comment


def test_a_rollout_that_fails_is_told_with_its_cause_and_what_is_served(world: World) -> None:
    checkout, sha = world.site(caller(world))
    world.stack.not_replicated.add(sha[:7])
    run = world.run(checkout)
    assert run.code == 1, run.log
    outputs = run.outputs("bump")
    (comment,) = world.comments()
    for text in (comment, run.summary):
        assert re.search(rf"### ❌ \[{SITE}\]\(.*\) failed: ", text)
        assert f"**{outputs['reason']}**: " in text
        assert "visitors see the old version" in text
    assert outputs["outcome"] == "failed"
    titles = [entry["kvPairs"]["title"] for entry in run.entries if entry.get("command") == "error"]
    assert titles == [f"{SITE}: failed"], [entry for entry in run.entries if entry.get("command")]
    world.is_clean(run)


def test_the_documented_step_deploys_two_sites_in_one_commit(world: World) -> None:
    checkout, sha = world.site(steps("push", documented(1)))
    run = world.run(checkout)
    assert run.code == 0, run.log
    assert {world.wanted(SITE), world.wanted(OTHER_SITE)} == {sha[:7]}
    (comment,) = world.comments()
    assert [f"[{site}](" in comment for site in (SITE, OTHER_SITE)] == [True, True]
    assert comment.count(" | Ready, ") == 2
    outputs = run.outputs("bump")
    assert {site["commit"] for site in json.loads(outputs["verdict"])["sites"]} == {outputs["commit"]}
    assert "the outcome was ready" in run.log
    world.is_clean(run)


def test_the_token_of_a_fork_may_not_comment_and_the_deploy_goes_on(world: World) -> None:
    checkout, _ = world.site(steps("pull_request", documented(1)))
    run = world.run(checkout, "pull_request", token=READ_ONLY_TOKEN)
    assert run.code == 0, run.log
    assert world.comments() == []
    assert "Resource not accessible by integration" in run.log
    assert "pull-requests: write" in run.log
    assert run.outputs("bump")["outcome"] == "ready"
    assert "### ✅ 2 sites: 2 Ready" in run.summary
    world.is_clean(run)


def test_a_fork_without_secrets_gets_nowhere_and_says_why(world: World) -> None:
    checkout, _ = world.site(steps("pull_request", documented(1, **{"dry-run": "true"})))
    before = world.wanted(SITE)
    run = world.run(checkout, "pull_request", token=READ_ONLY_TOKEN, BUMP_TOKEN="")
    assert run.code == 1, run.log
    assert (world.wanted(SITE), world.comments()) == (before, [])
    assert run.outputs("bump")["outcome"] == "unknown"
    assert "the outcome was unknown" in run.log
    world.is_clean(run)


def test_each_token_is_refused_where_the_other_one_belongs(world: World) -> None:
    with Remote(world.stack.url, token=SOURCE_TOKEN, environ=os.environ) as remote, pytest.raises(NoAccess):
        remote.fetch("main")
    hub = GitHub(SITE_REPOSITORY, token=world.stack.token, now=time.monotonic, api_url=world.github.url)
    with pytest.raises(NoAccess):
        hub.create_comment(7, "x")
    hub.close()
