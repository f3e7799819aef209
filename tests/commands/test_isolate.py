"""`bump isolate`: real git over real HTTP, and what the branch holds afterwards."""

import json
import os
from collections.abc import Iterator

import commandline
import pytest
from commandline import Ran
from git_remotes import content, git
from platforms import TOKEN, files, kustomization, server

from bumper_sandbox.git.server import GitServer

SYNC = "k8s/flux-system/web-sync.yaml"


@pytest.fixture
def platform() -> Iterator[GitServer]:
    with server() as running:
        running.create("platform.git", files("reg.io", "web", "blog"))
        yield running


def bump(platform: GitServer, *arguments: str) -> Ran:
    environ = {**os.environ, "BUMP_TOKEN": TOKEN, "USER": "ann", "LOGNAME": "ann", "COLUMNS": "100"}
    return commandline.bump(*arguments, "--repo", f"{platform.url}/platform.git", environ=environ)


def tip(platform: GitServer) -> str:
    return git(platform.path("platform.git"), "rev-parse", "main")


def test_a_dry_run_shows_the_diff_and_writes_nothing(platform: GitServer) -> None:
    before = tip(platform)
    done = bump(platform, "isolate", "web", "--dry-run")
    assert (done.code, tip(platform)) == (0, before), done.stderr
    assert (
        "+spec: {interval: 10m0s, path: ./k8s/web, prune: true, sourceRef: {kind: ExternalArtifact, name: web}}"
        in done.stdout
    )
    assert "isolate   would be isolated\n  site    web\n" in done.stdout
    assert "--feature-gates=ExternalArtifact=true" in done.stdout


@pytest.mark.slow
def test_what_is_isolated_is_deployed_as_before(platform: GitServer) -> None:
    done = bump(platform, "isolate", "--all", "--output", "json")
    answer = json.loads(done.stdout)
    assert (done.code, answer["sites"]) == (0, ["web", "blog"]), done.stderr
    assert [left["site"] for left in answer["left"]] == ["flux-system"]
    written = content(platform.path("platform.git"), SYNC, "main").decode()
    assert written == kustomization("web", "./k8s/web").replace(
        "kind: GitRepository, name: flux-system", "kind: ExternalArtifact, name: web"
    )
    message = git(platform.path("platform.git"), "show", "--no-patch", "--format=%B", "main")
    assert message.startswith("Isolate 2 sites\n\nA commit reconciles each of these only where it changes")
    adopted = json.loads(bump(platform, "adopt", "web", "--image", "reg.io/web", "--output", "json").stdout)
    assert (adopted["outcome"], adopted["kustomization"]) == ("pushed", f"{SYNC}#flux-system/web")
    again = json.loads(bump(platform, "isolate", "web", "--output", "json").stdout)
    assert (again["outcome"], again["commit"]) == ("unchanged", None)


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["isolate"], 2, "neither a site nor --all, expected one of them"),
        (["isolate", "web", "--all"], 2, "web and --all, expected one of them"),
        (["isolate", "shop"], 4, "shop: no Flux Kustomization has this name"),
        (["isolate", "flux-system"], 4, "would wait for its artifact"),
    ],
)
def test_what_can_not_be_isolated_is_refused(
    platform: GitServer, arguments: list[str], code: int, text: str
) -> None:
    before = tip(platform)
    done = bump(platform, *arguments)
    assert (done.code, tip(platform)) == (code, before)
    assert text in done.stderr
