"""`bump new-site`, against the sandbox: from nothing to Ready."""

import json
from typing import Any

import commandline
import pytest
from commandline import Ran

from bumper.history import record
from bumper.objects import ObjectKey
from bumper_sandbox.stack import Stack

from .branch import includes, message, read, tip


def bump(stack: Stack, *arguments: str, **environ: str) -> Ran:
    surroundings = {**stack.child_environ(), **environ}
    return commandline.bump(*arguments, "--repo", stack.url, environ=surroundings)


def bump_json(stack: Stack, *arguments: str, **environ: str) -> dict[str, Any]:
    code, stdout, stderr = bump(stack, *arguments, "--output", "json", **environ)
    answer: dict[str, Any] = json.loads(stdout)
    assert answer["exitCode"] == code, stderr
    return answer


@pytest.mark.slow
def test_a_new_site_becomes_ready_and_is_a_site_like_any_other(stack: Stack) -> None:
    stack.registry.push("example-org", "abc2001")
    before = tip(stack)
    arguments = ("new-site", "example-org", "--host", "example.org", "--host", "www.example.org")
    answer = bump_json(stack, *arguments, "--sha", "abc2001", GITHUB_ACTOR="ada", GITHUB_REPOSITORY="")
    assert (answer["outcome"], answer["sites"][0]["url"]) == ("ready", "https://example.org"), answer
    assert answer["sites"][0]["tag"] == "abc2001"
    deployment = stack.cluster.find(ObjectKey("Deployment", "example-org", "example-org"))
    assert deployment is not None
    image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == f"{stack.registry.host}/example-org:abc2001"
    listed = read(stack, "k8s/flux-system/kustomization.yaml")
    assert includes(stack, before)
    was = read(stack, "k8s/flux-system/kustomization.yaml", before)
    assert listed == was + b"  - example-org-sync.yaml\n"
    commit_message = message(stack)
    assert commit_message.startswith(
        "Add site example-org\n\nk8s/example-org: example.org, www.example.org, modelled on kevinryan-io.\n\n"
    )
    assert "Bump-New-Site: example-org\n" in commit_message
    assert "Requested-By: ada\n" in commit_message
    recorded = record.recorded(commit_message, "example-org")
    assert recorded is not None
    assert recorded.tag == "abc2001"
    assert recorded.digest.startswith("sha256:")
    stack.registry.push("example-org", "abc2002")
    assert bump_json(stack, "--site", "example-org", "--sha", "abc2002")["outcome"] == "ready"
    again, _, stderr = bump(stack, *arguments, "--sha", "abc2001")
    assert again == 4
    assert (
        "k8s/flux-system/example-org-sync.yaml:1: a Flux Kustomization named example-org is there already"
        in stderr
    )


@pytest.mark.slow
def test_a_dry_run_shows_every_file_and_writes_nothing(stack: Stack) -> None:
    stack.registry.push("dry-org", "abc2003")
    before = tip(stack)
    code, stdout, stderr = bump(stack, "new-site", "dry-org", "--host", "dry.example", "--dry-run")
    assert code == 0, stderr
    assert f"+          image: {stack.registry.host}/dry-org:abc2003" in stdout, "the only tag that there is"
    for path in ("namespace", "deployment", "service", "ingress"):
        assert f"+++ b/k8s/dry-org/{path}.yaml" in stdout
    assert "--- /dev/null" in stdout
    assert "+  - dry-org-sync.yaml" in stdout
    assert "+    - match: Host(`dry.example`)" in stdout
    assert tip(stack) == before


@pytest.mark.slow
def test_without_an_image_the_site_waits_for_its_first_deploy(stack: Stack) -> None:
    answer = bump_json(stack, "new-site", "early-org", "--host", "early.example")
    assert (answer["outcome"], answer["sites"][0]["reason"]) == ("pushed", "NoImageYet")
    assert "no image yet" in answer["notices"][0]
    assert "bump --site early-org --sha SHA" in answer["sites"][0]["hint"]
    assert record.recorded(message(stack), "early-org") is None
    stack.registry.push("early-org", "abc2004")
    assert bump_json(stack, "--site", "early-org", "--sha", "abc2004")["outcome"] == "ready"


def test_of_several_tags_one_must_be_named(stack: Stack) -> None:
    for tag in ("abc2005", "abc2006"):
        stack.registry.push("many-org", tag)
    before = tip(stack)
    code, _, stderr = bump(stack, "new-site", "many-org", "--host", "many.example")
    assert code == 4
    assert f"{stack.registry.host}/many-org: 2 tags, expected one to begin with" in stderr
    assert "abc2005" in stderr
    assert "abc2006" in stderr
    assert "--tag" in stderr
    assert tip(stack) == before


def test_an_image_that_was_asked_for_must_be_there(stack: Stack) -> None:
    before = tip(stack)
    arguments = ("--host", "lost.example", "--sha", "abc2007", "--wait-for-image", "0")
    code, _, stderr = bump(stack, "new-site", "lost-org", *arguments)
    assert code == 4, stderr
    assert tip(stack) == before


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["Example.org", "--host", "a.example"], 2, "for example example-org"),
        (["kube-web", "--host", "a.example"], 2, "belong to the cluster itself"),
        (["web", "--host", "a_b.example"], 2, "no DNS label"),
        (["web", "--host", "a.example", "--like", "umami", "--plain"], 2, "exclude each other"),
        (["web", "--host", "a.example", "--image", "Reg/web:1"], 2, "no image repository"),
        (["web"], 2, "--host"),
        (
            ["web", "--host", "kevinryan.io"],
            4,
            "k8s/kevinryan-io/ingress.yaml:10: kevinryan.io is routed already",
        ),
        (["web", "--host", "monitoring.kevinryan.io"], 4, "monitoring.kevinryan.io is routed already"),
        (["umami", "--host", "a.example"], 4, "a Flux Kustomization named umami is there already"),
        (
            ["web", "--host", "a.example", "--like", "umami"],
            4,
            "k8s/umami/deployment.yaml:24: reads the Secret umami-db",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    stack: Stack, arguments: list[str], code: int, problem: str
) -> None:
    before = tip(stack)
    ended, _, stderr = bump(stack, "new-site", *arguments)
    assert (ended, problem in stderr) == (code, True), stderr
    assert tip(stack) == before


@pytest.mark.slow
def test_sites_that_are_added_at_the_same_time_all_land(stack: Stack) -> None:
    names = ("race-one", "race-two", "race-three")
    running = []
    for name in names:
        stack.registry.push(name, "abc2010")
        arguments = ("new-site", name, "--host", f"{name}.example", "--no-wait", "--repo", stack.url)
        running.append(commandline.begin(*arguments, environ=stack.child_environ()))
    for ran in [future.result() for future in running]:
        assert ran.code == 0, ran.stdout + ran.stderr
    listed = read(stack, "k8s/flux-system/kustomization.yaml")
    lines = listed.decode().splitlines()
    assert {f"  - {name}-sync.yaml" for name in names} <= set(lines)
    assert len(lines) == len(set(lines))


@pytest.mark.slow
def test_a_pull_request_needs_github(stack: Stack) -> None:
    stack.registry.push("pull-org", "abc2008")
    before = tip(stack)
    code, _, stderr = bump(stack, "new-site", "pull-org", "--host", "pull.example", "--pull-request")
    assert code == 2
    assert "github.com" in stderr
    assert tip(stack) == before
