"""What the main job asks of an image, against the sandbox."""

import json

import commandline
import pytest
from commandline import Ran

from bumper_sandbox.stack import Stack

from . import branch

SITE = "kevinryan-io"
REVISION, SOURCE = "org.opencontainers.image.revision", "org.opencontainers.image.source"


def bump(stack: Stack, *arguments: str, **environ: str) -> Ran:
    job = ("--repo", stack.url, "--site", SITE, *arguments)
    return commandline.bump(*job, environ={**stack.child_environ(), **environ})


def file(stack: Stack) -> str:
    return branch.read(stack, f"k8s/{SITE}/deployment.yaml").decode()


@pytest.mark.slow
def test_an_image_that_the_nodes_cannot_run_is_refused_before_anything_is_written(stack: Stack) -> None:
    stack.registry.push(SITE, "abc0001", platform="linux/arm64")
    before = file(stack)
    code, _, stderr = bump(stack, "--sha", "abc0001")
    assert code == 4, stderr
    assert "is there for linux/arm64, but the nodes of sandbox are linux/amd64" in stderr
    assert "--platform" in stderr
    assert file(stack) == before


@pytest.mark.slow
def test_a_platform_that_was_asked_for_must_be_there(stack: Stack) -> None:
    stack.registry.push(SITE, "abc0002", platform="linux/amd64,linux/arm64")
    code, _, stderr = bump(stack, "--sha", "abc0002", "--dry-run", "--platform", "linux/arm64,linux/s390x")
    assert code == 4
    assert "is there for linux/amd64, linux/arm64, expected linux/s390x" in stderr
    code, _, stderr = bump(stack, "--sha", "abc0002", "--dry-run", "--platform", "linux/arm64")
    assert code == 0, stderr
    code, _, stderr = bump(stack, "--sha", "abc0002", "--platform", "arm64")
    assert code == 2
    assert "'arm64' is no platform; expected for example linux/amd64" in stderr


@pytest.mark.slow
def test_nodes_that_may_not_be_read_are_told_and_nothing_more(stack: Stack) -> None:
    stack.registry.push(SITE, "abc0003")
    stack.cluster.api.forbid("list", "nodes")
    code, stdout, stderr = bump(stack, "--sha", "abc0003", "--output", "json")
    stack.cluster.api.allow("list", "nodes")
    answer = json.loads(stdout)
    assert (code, answer["outcome"]) == (0, "ready"), stderr
    assert [notice for notice in answer["notices"] if "the nodes can't be read" in notice]


@pytest.mark.slow
def test_pinned_by_its_digest_it_becomes_ready_all_the_same(stack: Stack) -> None:
    digest = stack.registry.push(SITE, "abc0004")
    code, stdout, stderr = bump(stack, "--sha", "abc0004", "--pin", "--output", "json")
    answer = json.loads(stdout)
    assert (code, answer["outcome"]) == (0, "ready"), stderr
    assert f"{SITE}:abc0004@{digest}" in file(stack)
    assert answer["sites"][0]["warnings"] == []


@pytest.mark.parametrize("wanted", ["abc0005", "abc0005" + "0" * 33])
def test_an_image_of_another_repository_is_refused(stack: Stack, wanted: str) -> None:
    labels = {REVISION: "abc0005" + "0" * 33, SOURCE: "https://github.com/acme/other"}
    stack.registry.push(SITE, "abc0005", labels=labels)
    code, _, stderr = bump(stack, "--sha", wanted, "--dry-run", GITHUB_REPOSITORY="acme/web")
    assert code == 4
    assert "org.opencontainers.image.source says https://github.com/acme/other" in stderr
    # Neither by hand nor in a workflow of the platform repository is it known which repository it should be.
    assert bump(stack, "--sha", wanted, "--dry-run")[0] == 0


@pytest.mark.slow
def test_an_image_of_another_commit_is_refused(stack: Stack) -> None:
    stack.registry.push(SITE, "abc0006", labels={REVISION: "f" * 40})
    code, stdout, _ = bump(stack, "--sha", "abc0006", "--output", "json")
    answer = json.loads(stdout)
    assert (code, answer["error"]["reason"]) == (4, "ProvenanceMismatch")
    assert bump(stack, "--tag", "abc0006", "--dry-run")[0] == 0
