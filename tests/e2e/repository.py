"""A GitOps repository on the stack's git server, and what Flux needs to follow it: bootstrap without `flux bootstrap`."""

import base64
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from ruamel.yaml import YAML

from .api import Object
from .platforms import Platform
from .stack import FLUX_NAMESPACE

TREE = Path(__file__).resolve().parents[2] / "k8s"
_COMPONENTS = "k8s/flux-system/gotk-components.yaml"
# The definitions and controllers are there already; what `flux bootstrap` writes into this file would only be a second copy of them.
_STAND_IN = b"""apiVersion: v1
kind: Namespace
metadata:
  name: flux-system
"""
_IMAGE = re.compile(
    rb"image: (?P<host>[a-z0-9.-]+\.azurecr\.io)/(?P<repository>[a-z0-9/._-]+):(?P<tag>[\w.-]+)"
)


class Repository:
    """One repository with the branch main. Pushes are plain git's: a clone, a commit, a push."""

    def __init__(self, stack: Platform, name: str, files: Mapping[str, bytes]) -> None:
        self.stack = stack
        self.name = name
        self.url = f"{stack.git.url}/{name}.git"
        stack.git.create(f"{name}.git", files)

    @property
    def tip(self) -> str:
        """The commit that main points to."""
        return self._git("rev-parse", "main", cwd=self.stack.git.path(f"{self.name}.git"))

    def read(self, path: str) -> bytes:
        """A file as it stands on main."""
        folder = self.stack.git.path(f"{self.name}.git")
        return subprocess.run(
            ["git", "show", f"main:{path}"], cwd=folder, check=True, capture_output=True
        ).stdout

    def push(self, changes: Mapping[str, bytes | None], message: str) -> str:
        """Commits these files (None removes one) on the tip and pushes; the new commit."""
        with tempfile.TemporaryDirectory() as scratch:
            clone = Path(scratch) / "clone"
            self._git("clone", "--quiet", "--depth=1", self.url, str(clone))
            for path, content in changes.items():
                target = clone / path
                if content is None:
                    target.unlink()
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
            self._git("add", "--all", cwd=clone)
            self._git("commit", "--quiet", "--message", message, cwd=clone)
            self._git("push", "--quiet", "origin", "HEAD:main", cwd=clone)
            return self._git("rev-parse", "HEAD", cwd=clone)

    def replace(self, path: str, old: bytes, new: bytes, message: str) -> str:
        """Pushes the file with `old`, which must stand in it once, replaced."""
        content = self.read(path)
        if content.count(old) != 1:
            raise ValueError(f"{path}: {old!r} stands in it {content.count(old)} times, expected once")
        return self.push({path: content.replace(old, new)}, message)

    def set_tag(self, site: str, tag: str) -> str:
        """Pushes another tag in the site's Deployment, as a person with an editor would."""
        path = f"k8s/{site}/deployment.yaml"
        content, count = re.subn(
            rb"(?m)^(\s+(?:- )?image: \S+/[^\s:]+:)\S+", rb"\g<1>" + tag.encode(), self.read(path)
        )
        if count != 1:
            raise ValueError(f"{path}: {count} image fields, expected one")
        return self.push({path: content}, f"{site} {tag}")

    def set_release_tag(self, site: str, tag: str) -> str:
        """The same in the values of the site's HelmRelease."""
        path = f"k8s/{site}/release.yaml"
        content, count = re.subn(rb"(?m)^( +tag: )\S+", rb"\g<1>" + tag.encode(), self.read(path))
        if count != 1:
            raise ValueError(f"{path}: {count} tags in its values, expected one")
        return self.push({path: content}, f"{site} {tag}")

    def bootstrap(self, *, path: str = "k8s/flux-system/gotk-sync.yaml", secret: str = "flux-system") -> None:
        """The two steps of `flux bootstrap` that are left: the Secret with the token, and gotk-sync.yaml applied once."""
        api = self.stack.api
        token = {"username": "git", "password": self.stack.git_token}
        api.apply("Secret", FLUX_NAMESPACE, secret, _object("v1", "Secret", secret, {"stringData": token}))
        for manifest in YAML(typ="safe").load_all(self.read(path)):
            metadata = manifest["metadata"]
            api.apply(manifest["kind"], metadata["namespace"], metadata["name"], manifest)

    def request_fetch(self, source: str = "flux-system") -> None:
        """What a webhook or `flux reconcile source git` does."""
        self.request_reconciliation("GitRepository", source)

    def request_reconciliation(self, kind: str, name: str) -> None:
        """What `flux reconcile` does."""
        annotation = {"reconcile.fluxcd.io/requestedAt": str(time.time_ns())}
        self.stack.api.merge(kind, FLUX_NAMESPACE, name, {"metadata": {"annotations": annotation}})

    def _git(self, *arguments: str, cwd: Path | None = None) -> str:
        credentials = base64.b64encode(f"git:{self.stack.git_token}".encode()).decode()
        settings = [
            (f"http.{self.stack.git.url}/.extraHeader", f"Authorization: Basic {credentials}"),
            ("user.name", "e2e"),
            ("user.email", "e2e@localhost"),
            ("init.defaultBranch", "main"),
        ]
        environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        environ |= {
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_COUNT": str(len(settings)),
        }
        for number, (key, value) in enumerate(settings):
            environ |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        answer = subprocess.run(
            ["git", *arguments], cwd=cwd, env=environ, capture_output=True, text=True, check=False
        )
        if answer.returncode != 0:
            raise RuntimeError(f"git {arguments[0]} ended with {answer.returncode}: {answer.stderr.strip()}")
        return answer.stdout.strip()


def platform(stack: Platform) -> Repository:
    """Our own k8s/ tree in the stack: its registry's host is ours, and the images that it names are pushed there."""
    files = {
        f"k8s/{path.relative_to(TREE).as_posix()}": path.read_bytes()
        for path in sorted(TREE.rglob("*"))
        if path.is_file()
    }
    files[_COMPONENTS] = _STAND_IN
    url = f"{stack.git.url}/platform.git".encode()
    files = {
        path: re.sub(rb"(?m)^(  url: )https://github\.com/\S+", rb"\g<1>" + url, _localized(content, stack))
        for path, content in files.items()
    }
    return Repository(stack, "platform", files)


def _localized(content: bytes, stack: Platform) -> bytes:
    for image in _IMAGE.finditer(content):
        stack.images.push(image["repository"].decode(), image["tag"].decode())
    return _IMAGE.sub(
        lambda image: b"image: %b/%b:%b" % (stack.registry.encode(), image["repository"], image["tag"]),
        content,
    )


def sites(repository: Repository) -> dict[str, str]:
    """Site → tag, for every Deployment whose image lies in the stack's registry."""
    folder = repository.stack.git.path(f"{repository.name}.git")
    listing = subprocess.run(
        ["git", "ls-tree", "-r", "--name-only", "main"],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    tags = {}
    for path in listing.stdout.split():
        match = re.fullmatch(r"k8s/([^/]+)/deployment\.yaml", path)
        ours = (
            re.search(
                rf"image: {re.escape(repository.stack.registry)}/[^\s:]+:(\S+)",
                repository.read(path).decode(),
            )
            if match
            else None
        )
        if match and ours:
            tags[match[1]] = ours[1]
    return tags


def _object(version: str, kind: str, name: str, rest: Object) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **rest}
