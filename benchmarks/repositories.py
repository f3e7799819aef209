"""Platform repositories of a given size, made on the spot by `git fast-import`, served over smart HTTP."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

SITE = "web"
OLD = "0000000"


def write_repository(
    directory: Path, *, files: int, commits: int, registry: str, sites: Sequence[str] = (SITE,)
) -> None:
    """A bare repository at `directory` with a Flux tree for `sites`, `files` further manifests and `commits` commits on main.

    Each site runs the image of its name at `OLD`.
    """
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(directory)], check=True)
    stream = _stream(files, commits, registry, sites)
    subprocess.run(["git", "-C", str(directory), "fast-import", "--quiet"], input=stream, check=True)


def _stream(files: int, commits: int, registry: str, sites: Sequence[str]) -> bytes:
    commands: list[bytes] = []
    tree = {path: content.encode() for path, content in _platform(registry, sites).items()}
    tree |= {
        f"apps/team-{number // 100}/app-{number}/values.yaml": f"replicas: {number}\n".encode()
        for number in range(files)
    }
    changes = list(tree.items())
    for number in range(commits):
        # The first commit brings all files; each later one changes a single file, as deploys do.
        written = (
            changes
            if number == 0
            else [(f"apps/team-0/app-{number % 100}/values.yaml", f"replicas: {number}\n".encode())]
        )
        message = f"Commit {number}\n".encode()
        commands.append(b"commit refs/heads/main\n")
        commands.append(f"committer bench <bench@localhost> {1_700_000_000 + number} +0000\n".encode())
        commands.append(b"data %d\n%s" % (len(message), message))
        commands += [
            b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(content), content)
            for path, content in written
        ]
        commands.append(b"\n")
    return b"".join(commands)


def _platform(registry: str, sites: Sequence[str]) -> dict[str, str]:
    listed = "".join(f"- {site}-sync.yaml\n" for site in sites)
    files = {
        "k8s/flux-system/gotk-sync.yaml": _source()
        + "---\n"
        + _kustomization("flux-system", "./k8s/flux-system"),
        "k8s/flux-system/kustomization.yaml": (
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
            f"resources:\n- gotk-sync.yaml\n{listed}"
        ),
    }
    for site in sites:
        files[f"k8s/flux-system/{site}-sync.yaml"] = _kustomization(site, f"./k8s/{site}")
        files[manifest(site)] = (
            f"apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {site}\n  namespace: {site}\nspec:\n  template:\n"
            f"    spec:\n      containers:\n        - name: {site}\n          image: {registry}/{site}:{OLD}\n"
        )
    return files


def manifest(site: str) -> str:
    """The path of the file that holds the site's tag."""
    return f"k8s/{site}/deployment.yaml"


def _source() -> str:
    return (
        "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata:\n  name: flux-system\n  namespace: flux-system\n"
        "spec:\n  interval: 1m0s\n  ref:\n    branch: main\n  url: https://git.example/platform.git\n"
    )


def _kustomization(name: str, path: str) -> str:
    return (
        f"apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata:\n  name: {name}\n  namespace: flux-system\n"
        f"spec:\n  interval: 10m0s\n  path: {path}\n  prune: true\n  sourceRef:\n    kind: GitRepository\n    name: flux-system\n"
    )
