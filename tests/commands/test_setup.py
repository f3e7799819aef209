"""`bump setup`, against the sandbox: what it asks, prints and writes, and that what it writes is what the other commands say."""

import io
import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import commandline
import pytest
from commandline import Ran
from ruamel.yaml import YAML
from sandbox_github.content import User
from sandbox_github.server import GitHubServer, Token

from bumper_sandbox.stack import REPOSITORY, Stack

from .branch import read

NAME = "octo/platform"
ACTION = "octo/gitops-bump@" + "a" * 40
SITE = "kevinryan-io"


class Typed(io.StringIO):
    """What somebody types at a terminal."""

    def isatty(self) -> bool:
        return True


@dataclass
class Platform:
    """The sandbox, its repository under the name that it has on GitHub."""

    stack: Stack
    hub: GitHubServer

    @property
    def url(self) -> str:
        return f"{self.stack.git.url}/{NAME}.git"

    def bump(self, *arguments: str, stdin: TextIO | None = None, cwd: Path | None = None) -> Ran:
        github = {"GITHUB_SERVER_URL": self.stack.git.url, "GITHUB_API_URL": self.hub.url}
        environ = {**self.stack.child_environ(), **github}
        return commandline.bump(*arguments, environ=environ, stdin=stdin, cwd=cwd)

    def setup(self, *arguments: str, stdin: TextIO | None = None, cwd: Path | None = None) -> Ran:
        return self.bump("setup", "--repo", self.url, *arguments, stdin=stdin, cwd=cwd)


@pytest.fixture(scope="module")
def platform(stack: Stack) -> Iterator[Platform]:
    with GitHubServer() as hub:
        path = stack.git.path(REPOSITORY)
        (path.parent / NAME).parent.mkdir(exist_ok=True)
        link = path.parent / f"{NAME}.git"
        if not link.exists():
            link.symlink_to(path)
        hub.tokens[stack.token] = Token(User("deployer[bot]"), (NAME,))
        hub.host(NAME, path, os.environ)
        yield Platform(stack, hub)


def test_it_writes_what_doctor_prints_and_a_workflow_for_each_site_and_then_looks(
    platform: Platform, tmp_path: Path
) -> None:
    given = (
        f"{SITE}=octo/site",
        "docs-kevinryan-io=octo/docs",
        "--cluster",
        "kubeconfig",
        "--token",
        "secret",
    )
    ran = platform.setup(*given, "--action", ACTION, "--write", "out", cwd=tmp_path)
    assert ran.code in (0, 6), ran.stderr
    out = tmp_path / "out"
    written = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert written == {
        "README.md",
        "rbac.yaml",
        "kubeconfig.sh",
        "sites/octo/site/.github/workflows/deploy.yml",
        "sites/octo/docs/.github/workflows/deploy.yml",
    } | ({"azure.sh"} if "azure.sh" in written else set())
    # One manifest, whoever prints it.
    rbac = platform.bump("doctor", "--rbac", SITE, "docs-kevinryan-io", "--repo", platform.url).stdout
    assert (out / "rbac.yaml").read_text() == rbac
    assert os.access(out / "kubeconfig.sh", os.X_OK)
    assert "→ rbac.yaml" in ran.stdout
    assert f"Written below {out}, README.md first." in ran.stdout
    # Then the look at it: what bump doctor says of these sites.
    looked = platform.bump("doctor", SITE, "docs-kevinryan-io", "--repo", platform.url)
    assert ran.stdout.splitlines()[-1] == looked.stdout.splitlines()[-1]
    again = platform.setup(*given, "--action", ACTION, "--write", "out", cwd=tmp_path)
    assert again.code == 2
    assert "README.md is there already" in again.stderr


def test_a_person_is_asked_what_nothing_says(platform: Platform) -> None:
    sites = "".join("octo/site\n" if "kevinryan" in name else "\n" for name in names(platform))
    typed = Typed(sites + "nothing\n4\n2\nhttp://x\nocto-sts.dev\n" + ACTION + "\n")
    ran = platform.setup(stdin=typed)
    assert (
        "Which repository builds each site? OWNER/NAME, its URL, or nothing to leave it out.\n" in ran.stderr
    )
    assert "'nothing': expected 1 to 4, or one of kubeconfig, aks, runner, none" in ran.stderr
    assert "'http://x' is no service; expected its host, such as octo-sts.dev" in ran.stderr
    assert "follow: github" in ran.stdout
    assert "token-service: octo-sts.dev" in ran.stdout
    assert "platform/.github/chainguard/bump.sts.yaml" in ran.stdout
    (command,) = (line.strip() for line in ran.stdout.splitlines() if line.endswith(" --write DIR"))
    again = platform.bump(*shlex.split(command.removeprefix("bump ").removesuffix(" --write DIR")))
    assert again.stdout.partition("\ngit\n")[0] == ran.stdout.partition("\ngit\n")[0], (
        "and nothing is asked of whoever gives what was answered"
    )
    assert not {"BUMP_TOKEN", "KUBECONFIG"} & set(ran.stdout.replace(".", " ").split()), "no secret is stored"
    assert "\ncluster" not in ran.stdout, "and the cluster is not looked at"


def names(platform: Platform) -> list[str]:
    """The sites with an image, in the order in which they are asked for."""
    refused = platform.setup().stderr
    return refused[refused.index("here are: ") + len("here are: ") : refused.index(")")].split(", ")


REFUSALS = {
    "no site": ((), "not given: the sites, and the repository that builds each"),
    "a site that is none": (("nobody=octo/web", "--cluster", "none"), "nobody: the tree has no such site"),
    "a site by a near name": (
        (f"{SITE}x=octo/web", "--cluster", "none"),
        f"; did you mean '{SITE}'?",
    ),
    "no way to the cluster": ((f"{SITE}=octo/web",), "--cluster WAY"),
    "no token": ((f"{SITE}=octo/web", "--cluster", "none"), "--token WAY"),
    "no service": ((f"{SITE}=octo/web", "--cluster", "none", "--token", "service"), "--token-service HOST"),
    "no action": ((f"{SITE}=octo/web", "--cluster", "none", "--token", "secret"), "--action OWNER/NAME@SHA"),
    "no repository": (
        ("web=octo", "--cluster", "none"),
        "web: 'octo': expected a repository, OWNER/NAME or its URL on http://127.",
    ),
    "no shell": (("web=octo/$(id)", "--cluster", "none"), "expected a repository, OWNER/NAME"),
    "a branch of an action": (("--action", "octo/bump@main"), "the full SHA of its commit"),
    "a cluster beside it": (("--cluster", "none", "--aks", "a/b"), "--aks belongs to --cluster aks"),
    "a runner with a command": (("--cluster", "runner", "--runs-on", "x; id"), "the label of a runner"),
    "two tokens": (("--token", "secret", "--token-service", "octo-sts.dev"), "leave one out"),
}


def test_what_is_missing_or_wrong_is_named(platform: Platform) -> None:
    for case, (arguments, message) in REFUSALS.items():
        ran = platform.setup(*arguments)
        assert ran.code in (2, 4), (case, ran.stderr)
        assert message in ran.stderr, (case, ran.stderr)
        assert ran.stdout == ""
    elsewhere = platform.bump("setup", "--repo", platform.stack.url, f"{SITE}=octo/web")
    assert "is not at home on" in elsewhere.stderr


def test_rights_are_bound_to_the_user_that_is_named(platform: Platform) -> None:
    user = "0f3d9c1e-0000-4000-8000-000000000000"
    ran = platform.bump("doctor", "--rbac", SITE, "--user", user, "--repo", platform.url)
    objects = list(YAML(typ="safe").load_all(ran.stdout))
    assert {manifest["kind"] for manifest in objects} == {
        "Role",
        "RoleBinding",
        "ClusterRole",
        "ClusterRoleBinding",
    }
    subjects = [subject for manifest in objects for subject in manifest.get("subjects", [])]
    assert {(subject["kind"], subject["name"]) for subject in subjects} == {("User", user)}
    refused = platform.bump("doctor", SITE, "--user", user, "--repo", platform.url)
    assert "--user says whom the rights of --rbac are for" in refused.stderr


def test_a_name_that_two_sites_bear_is_refused(platform: Platform) -> None:
    ours = {
        name: read(platform.stack, f"k8s/flux-system/{name}")
        for name in (f"{SITE}-sync.yaml", "gotk-sync.yaml")
    }
    files = {
        f"clusters/two/flux-system/{name}": content.replace(
            b"./k8s/flux-system", b"./clusters/two/flux-system"
        ).replace(b"./k8s/kevinryan-io", b"./k8s/umami")
        for name, content in ours.items()
    }
    platform.stack.commit(files, "Add a cluster")
    ran = platform.setup(f"{SITE}=octo/site", "--cluster", "none")
    assert (ran.code, ran.stdout) == (4, ""), ran.stderr
    assert f"clusters/two/flux-system/{SITE}-sync.yaml#flux-system/{SITE} are called so" in ran.stderr
