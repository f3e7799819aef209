"""The choice of a site's image, written into git once: what the branch holds then, and who knows it from then on."""

import json
import os
from collections.abc import Iterator
from typing import Any

import commandline
import pytest
from commandline import Ran
from git_remotes import content, git
from platforms import TOKEN, deployment, files, kustomization, server

from bumper_sandbox.git.server import GitServer

SYNC = "k8s/flux-system/apps-sync.yaml"
BEFORE = kustomization("apps", "./k8s/apps")
TWO = deployment("front", "reg.io/acme/storefront:1.0") + "---\n" + deployment("blog", "reg.io/acme/blog:2.0")


@pytest.fixture
def platform() -> Iterator[GitServer]:
    whole = files("reg.io", "apps", "web") | {"k8s/apps/deployment.yaml": TWO.encode()}
    with server() as running:
        running.create("platform.git", whole)
        yield running


def bump(platform: GitServer, *arguments: str) -> Ran:
    environ = {**os.environ, "BUMP_TOKEN": TOKEN, "USER": "ann", "LOGNAME": "ann", "COLUMNS": "100"}
    return commandline.bump(*arguments, "--repo", f"{platform.url}/platform.git", environ=environ)


def bump_json(platform: GitServer, *arguments: str) -> dict[str, Any]:
    done = bump(platform, *arguments, "--output", "json")
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer["exitCode"] == done.code, done.stderr
    return answer


def sync(platform: GitServer) -> str:
    return content(platform.path("platform.git"), SYNC, "main").decode()


def tip(platform: GitServer) -> str:
    return git(platform.path("platform.git"), "rev-parse", "main")


def test_what_is_adopted_is_known_by_name_alone(platform: GitServer) -> None:
    asked = ("adopt", "shop", "--kustomization", "apps", "--image", "acme/storefront")
    planned = bump(platform, *asked, "--dry-run")
    assert planned.code == 0, planned.stderr
    assert planned.stdout.endswith(
        "shop   would be adopted\n"
        "  image   reg.io/acme/storefront\n"
        "  field   k8s/apps/deployment.yaml:9   1.0\n"
        f"  place   {SYNC}:1\n"
    )
    assert sync(platform) == BEFORE
    done = bump(platform, *asked)
    assert (done.code, done.stdout.splitlines()[0]) == (0, "shop   adopted"), done.stderr
    assert sync(platform) == BEFORE.replace(
        "namespace: flux-system}",
        "namespace: flux-system, annotations: {bump/image.shop: reg.io/acme/storefront}}",
    )
    message = git(platform.path("platform.git"), "show", "--no-patch", "--format=%B", "main")
    assert message.strip() == (
        f"Adopt shop\n\n{SYNC}: shop is reg.io/acme/storefront of Kustomization apps.\n\n"
        "Bump-Adopt: shop\nRequested-By: ann"
    )
    held = bump_json(platform, "hold", "shop", "--reason", "freeze", "--dry-run")
    assert held["sites"][0]["place"] == f"{SYNC}:1"
    again = bump_json(platform, "adopt", "shop")
    assert (again["outcome"], again["image"], again["commit"]) == (
        "unchanged",
        "reg.io/acme/storefront",
        None,
    )


@pytest.mark.slow
def test_each_site_of_a_kustomization_has_its_own_and_each_is_replaced_alone(platform: GitServer) -> None:
    for site, image in {"shop": "acme/storefront", "apps": "acme/blog", "news": "acme/blog"}.items():
        adopted = bump_json(platform, "adopt", site, "--kustomization", "apps", "--image", image)
        assert (adopted["outcome"], adopted["kustomization"]) == ("pushed", f"{SYNC}#flux-system/apps")
    changed = bump_json(platform, "adopt", "shop", "--image", "acme/blog", "--container", "blog")
    assert (changed["outcome"], changed["container"]) == ("pushed", "blog")
    assert "bump/image.shop: reg.io/acme/blog container=blog" in sync(platform)
    assert "bump/image: reg.io/acme/blog" in sync(platform)
    assert "bump/image.news: reg.io/acme/blog" in sync(platform)


def test_a_name_that_tells_its_image_needs_no_annotation(platform: GitServer) -> None:
    before = tip(platform)
    done = bump(platform, "adopt", "web")
    assert done.code == 0
    assert "nothing needs to be written" in done.stdout
    assert tip(platform) == before


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["adopt"], 2, "no site given"),
        (["adopt", "shop", "--image", "acme/storefront"], 4, "shop: no Flux Kustomization has this name"),
        (["adopt", "apps", "--image", "acme/none"], 4, "the image acme/none is not there"),
        (["adopt", "apps", "--image", "acme/blog", "--container", "x"], 4, "no container x"),
        (
            ["adopt", "web", "--kustomization", "apps", "--image", "blog"],
            4,
            "this Kustomization is called web already",
        ),
        (["adopt", "a" * 60, "--kustomization", "apps", "--image", "blog"], 4, "can't be an annotation"),
    ],
)
def test_what_can_not_be_adopted_is_refused_and_nothing_is_written(
    platform: GitServer, arguments: list[str], code: int, text: str
) -> None:
    before = tip(platform)
    done = bump(platform, *arguments)
    assert (done.code, tip(platform)) == (code, before)
    assert text in done.stderr
