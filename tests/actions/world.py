"""A machine for the shipped action and workflows: a bare repository of a site, and a platform repository of its own.

The machine is act in its host mode; git, registry, cluster and GitHub are the sandbox's, on loopback. Left out by condition, since
they need Docker or the network: building and pushing the image, and the login to Azure. A stand-in replaces the checkout of another
repository (see standins/README.md, also for what else act does otherwise than GitHub). act 0.2.89 knows neither `queue: max` nor
`job.workflow_repository`: the one line is taken out of the copy that it reads, and the caller names the platform.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from openapi import problems
from sandbox_github.content import Pull, User
from sandbox_github.server import GitHubServer, Token

from actions.act import ROOT, Run, Runner, git, pinned
from bumper.systems.git.remote import Remote
from bumper_sandbox.stack import REPOSITORY, Stack

SITE_REPOSITORY, PLATFORM = "octo/site", "octo/platform"
SITE, OTHER_SITE = "kevinryan-io", "sddbook-com"
RELEASE = "0123456789abcdef0123456789abcdef01234567"
BOT = User("github-actions[bot]", 41898282)
SOURCE_TOKEN, READ_ONLY_TOKEN = "token-of-the-source", "token-of-a-fork"


@dataclass
class World:
    """The sandbox, and the repository of a site whose pull request 7 was merged as its newest commit."""

    stack: Stack
    github: GitHubServer
    folder: Path
    platform_commit: str
    runs: int = 0

    def site(self, workflow: str, files: Mapping[str, str] = MappingProxyType({})) -> tuple[Path, str]:
        """A fresh checkout with one workflow and these files, and its commit, whose image is in the registry."""
        self.runs += 1
        bare, checkout = self.folder / f"site-{self.runs}.git", self.folder / f"site-{self.runs}"
        git(self.folder, "init", "--quiet", "--bare", "--initial-branch=main", bare)
        git(self.folder, "clone", "--quiet", bare, checkout)
        (checkout / ".github" / "workflows").mkdir(parents=True)
        (checkout / ".github" / "workflows" / "deploy.yml").write_text(workflow)
        (checkout / "index.html").write_text(f"<h1>{self.runs}</h1>\n")
        for name, text in files.items():
            write(checkout / name, text)
        git(checkout, "checkout", "--quiet", "-B", "main")
        git(checkout, "add", "--force", ".")
        git(checkout, "commit", "--quiet", "--message", f"Say {self.runs}")
        git(checkout, "push", "--quiet", "origin", "main")
        sha = git(checkout, "rev-parse", "HEAD")
        for site in (SITE, OTHER_SITE):
            self.stack.registry.push(site, sha[:7])
        repository = self.github.repositories[SITE_REPOSITORY]
        repository.pulls = {7: Pull(7, ("c" * 40,), merge=sha)}
        repository.comments.clear()
        return checkout, sha

    def run(
        self,
        checkout: Path,
        event: str = "push",
        *,
        token: str = SOURCE_TOKEN,
        programs: Path | None = None,
        **secrets: str,
    ) -> Run:
        """Runs the site's workflow. `programs` is a folder that stands first on the machine's PATH."""
        runner = Runner(
            site=checkout,
            home=self.home,
            environ={
                **self.stack.registry.environ(),
                "GITHUB_API_URL": self.github.url,
                "GITHUB_SERVER_URL": self.stack.git.url,
                "GITHUB_REPOSITORY": SITE_REPOSITORY,
                "STANDIN_SITE": str(checkout.with_suffix(".git")),
            },
            secrets={
                "GITHUB_TOKEN": token,
                "BUMP_TOKEN": self.stack.token,
                "KUBECONFIG": self.stack.cluster.kubeconfig.read_text(),
                **secrets,
            },
            replaced={f"{PLATFORM}@{RELEASE}": self.folder / "platform"},
            programs=programs,
        )
        return runner.run(event, {"ref": "refs/heads/main", "repository": {"full_name": SITE_REPOSITORY}})

    @property
    def home(self) -> Path:
        """What is the runner's own."""
        return self.folder / "runner"

    @property
    def wheels(self) -> Path:
        """Where the runner's machine keeps wheels for the next job."""
        return self.home / "actions" / "tool_cache" / "gitops-bump-wheels"

    def comments(self) -> list[str]:
        return [comment.body for comment in self.github.repositories[SITE_REPOSITORY].comments_of(7)]

    def wanted(self, site: str) -> str:
        """The tag that stands in the platform repository now."""
        with Remote(self.stack.url, token=self.stack.token, environ=os.environ) as remote:
            path = f"k8s/{site}/deployment.yaml"
            content = remote.tree(remote.fetch("main")).read({path})[path].decode()
        (line,) = [line for line in content.splitlines() if f"/{site}:" in line]
        return line.rpartition(":")[2]

    def is_clean(self, run: Run) -> None:
        """Whatever happened: nothing was asked that GitHub does not describe, and no secret was told."""
        assert [problem for exchange in self.github.exchanges for problem in problems(exchange)] == []
        output = "".join([run.summary, *self.comments(), json.dumps(run.outputs("bump"))])
        secrets = (SOURCE_TOKEN, READ_ONLY_TOKEN, self.stack.token, self.stack.registry.identity_header)
        assert [secret for secret in secrets if secret in output] == []
        self.github.exchanges.clear()


def write(path: Path, text: str) -> None:
    """Writes a file with its folders; a script can be run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    if text.startswith("#!"):
        path.chmod(0o755)


@contextmanager
def opened(folder: Path) -> Iterator[World]:
    """The world, in an empty folder."""
    with Stack(ROOT / "k8s", os.environ, speed=20.0) as stack, GitHubServer(site=stack.git.url) as github:
        commit = _publish_bump(stack)
        stack.bootstrap()
        github.add(SITE_REPOSITORY)
        github.tokens[SOURCE_TOKEN] = Token(BOT, (SITE_REPOSITORY,))
        github.tokens[READ_ONLY_TOKEN] = Token(BOT, (SITE_REPOSITORY,), writes=False)
        _copy_for_act(folder / "platform")
        yield World(stack, github, folder, commit)


_SHIPPED = ("bumper", "action", "action.yml", "requirements.txt", ".github")


def _shipped() -> dict[str, bytes]:
    """What a release of this repository holds, less tests and manifests: the latter are the sandbox's."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", *_SHIPPED],
        cwd=ROOT, capture_output=True, check=True, text=True,
    )  # fmt: skip
    paths = [path for path in listed.stdout.split("\0") if path and (ROOT / path).is_file()]
    return {path: (ROOT / path).read_bytes() for path in paths}


def _publish_bump(stack: Stack) -> str:
    """The platform repository holds bump too; it is reached as OWNER/NAME, as on GitHub."""
    with Remote(stack.url, token=stack.token, environ=os.environ) as remote:
        revision = remote.push(remote.commit(remote.fetch("main"), _shipped(), "Add bump\n"), "main")
    named = stack.git.path(PLATFORM)
    named.parent.mkdir()
    named.symlink_to(stack.git.path(REPOSITORY))
    return revision.sha


def _copy_for_act(folder: Path) -> None:
    for path, content in _shipped().items():
        copy = folder / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(content)
    workflow = folder / ".github" / "workflows" / "deploy-site.yml"
    text = workflow.read_text()
    assert text.count("\n  queue: max\n") == 1
    workflow.write_text(text.replace("\n  queue: max\n", "\n"))


def documented(number: int, **inputs: str) -> str:
    """One of the two examples of docs/action.md, with further inputs; only names that the sandbox has not got are replaced."""
    blocks: list[str] = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "action.md").read_text(), re.DOTALL)
    text = [block for block in blocks if f"@{RELEASE}" in block][number]
    (shipped,) = set(re.findall(rf"uses: ([\w.-]+/[\w.-]+)(?:/[^@]*)?@{RELEASE}", text))
    text = text.replace(shipped, PLATFORM)
    with_ = re.search(r"^( *)with:\n", text, re.MULTILINE)
    assert with_
    more = "".join(f"{with_[1]}  {name}: {value}\n" for name, value in inputs.items())
    return text[: with_.end()] + more + text[with_.end() :]


def caller(world: World, **inputs: str) -> str:
    """The whole workflow that docs/action.md shows. Building needs Docker, and act does not tell which workflow runs."""
    named = {"build": "false", "platform": PLATFORM, "platform-ref": world.platform_commit}
    return documented(0, **{**named, **inputs})


def _checkout() -> str:
    """What deploy-site.yml checks out with. act copies the site's folder to the workspace where a step says so, and only then."""
    (name,) = (name for name in pinned() if name.startswith("actions/checkout@"))
    return name


def steps(trigger: str, text: str) -> str:
    """A workflow around the one step of docs/action.md, in a checkout of the site; a later step proves that the outputs arrive."""
    indented = "".join(
        f"      {line}\n" for line in text.replace("- uses", "- id: deploy\n  uses", 1).splitlines()
    )
    return f"""
name: Deploy
on: {trigger}
permissions: {{}}
jobs:
  deploy:
    runs-on: ubuntu-24.04
    permissions:
      pull-requests: write
    steps:
      - uses: {_checkout()}
{indented}
      - if: always()
        env:
          OUTCOME: ${{{{ steps.deploy.outputs.outcome }}}}
        run: echo "the outcome was $OUTCOME"
"""
