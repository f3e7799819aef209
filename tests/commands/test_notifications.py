"""`bump notifications`: real git over real HTTP."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass

import commandline
import pytest
from commandline import Ran
from platforms import TOKEN, files, remote

from bumper_sandbox.git.server import GitServer

FILE = "k8s/flux-system/notifications.yaml"
LISTING = "k8s/flux-system/kustomization.yaml"


@dataclass
class Platform:
    url: str

    def bump(self, *arguments: str, verb: str = "notifications") -> Ran:
        environ = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "BUMP_TOKEN": TOKEN}
        return commandline.bump(verb, "--repo", self.url, *arguments, environ=environ)

    def read(self, *paths: str) -> dict[str, str]:
        with remote(self.url) as there:
            files = there.tree(there.fetch("main")).read(paths)
        return {path: content.decode() for path, content in files.items()}


@pytest.fixture
def platform() -> Iterator[Platform]:
    texts = files("reg.example", "web")
    sync = "k8s/flux-system/gotk-sync.yaml"
    texts[sync] = texts[sync].replace(b"https://git.example/platform.git", b"https://github.com/Acme/fleet")
    with GitServer(token=TOKEN, environ=os.environ) as git:
        yield Platform(git.create("platform.git", texts))


def test_a_dry_run_shows_the_diff_and_what_is_left_to_do(platform: Platform) -> None:
    code, stdout, stderr = platform.bump("--host", "flux.example.org", "--dry-run")
    assert code == 0, stderr
    assert "+  address: https://github.com/Acme/fleet\n" in stdout
    assert "+- notifications.yaml\n" in stdout
    assert "notifications   would be written\n" in stdout
    assert "  to do   a token for this repository" in stdout
    assert platform.read(FILE) == {}


@pytest.mark.slow
def test_both_files_land_in_one_commit(platform: Platform) -> None:
    before = platform.read(LISTING)[LISTING]
    code, stdout, stderr = platform.bump("--host", "flux.example.org", "--owner", "Acme", "--output", "json")
    assert code == 0, stderr
    answer = json.loads(stdout)
    assert (answer["outcome"], answer["files"]) == ("pushed", [FILE, LISTING])
    after = platform.read(FILE, LISTING)
    assert after[LISTING] == before + "- notifications.yaml\n"
    assert "kind: Receiver\n" in after[FILE]
    again, _, stderr = platform.bump("--host", "flux.example.org")
    assert again == 4
    assert f"{FILE}:1: Provider flux-system/bump posts to GitHub already" in stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--host", "https://flux.example.org"), "expected a host name alone"),
        (("--owner", "Acme"), "--host HOST"),
        (("--host", "flux.example.org", "--owner", "a' || true"), "name of a user or an organization"),
        (
            ("--host", "flux.example.org", "--owner", "Acme", "--receiver-secret", "poke"),
            "exclude each other",
        ),
        (("--secret", "Not A Name"), "--secret Not A Name"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(
    platform: Platform, arguments: tuple[str, ...], problem: str
) -> None:
    code, _, stderr = platform.bump(*arguments)
    assert code == 2
    assert problem in stderr


def test_doctor_says_whether_anything_posts_on_github(platform: Platform) -> None:
    looked = ("--follow", "github", "--timeout", "1s", "web")
    before = platform.bump(*looked, verb="doctor").stdout
    assert "  ! GitHub: the tree has no Provider of type github: Flux posts nothing there" in before
    assert platform.bump().code == 0
    after = platform.bump(*looked, verb="doctor").stdout
    assert f"  ✓ GitHub: Flux posts there ({FILE}:" in after
