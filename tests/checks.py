"""The platform of `k8s/` with one thing changed, and what `check` says of it."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from textwrap import dedent

from trees import MemoryTree

from bumper import check
from bumper.check import Checked, Finding

ROOT = Path(__file__).parents[1]
FLUX = "k8s/flux-system"
SYNC = f"{FLUX}/kevinryan-io-sync.yaml"
LIST = f"{FLUX}/kustomization.yaml"
SITE = "k8s/kevinryan-io"
DEPLOYMENT, SERVICE, ROUTE = (f"{SITE}/{name}.yaml" for name in ("deployment", "service", "ingress"))


@cache
def platform() -> Mapping[str, bytes]:
    """The files of `k8s/` less the generated one, which may lie there."""
    files = {
        path.relative_to(ROOT).as_posix(): path.read_bytes()
        for path in sorted((ROOT / "k8s").rglob("*.yaml"))
        if path.name != "gotk-components.yaml"
    }
    assert len(files) > 50
    return files


def changed(path: str, old: str, new: str) -> dict[str, bytes]:
    """The platform after one replacement, which must be possible."""
    content = platform()[path].decode()
    assert old in content, f"{path} has no {old!r}"
    return {**platform(), path: content.replace(old, new, 1).encode()}


def added(files: Mapping[str, str], base: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """The platform with further files, or other ones in their place."""
    return {
        **(platform() if base is None else base),
        **{path: dedent(text).encode() for path, text in files.items()},
    }


def without(*paths: str) -> dict[str, bytes]:
    assert set(paths) <= platform().keys()
    return {path: content for path, content in platform().items() if path not in paths}


def checked(files: Mapping[str, bytes | str], *ignored: str) -> Checked:
    return check.check(MemoryTree(files), ignored)


def found(files: Mapping[str, bytes | str]) -> list[tuple[str, str]]:
    """Id and place of each finding."""
    return [(finding.id, finding.place) for finding in checked(files).findings]


def only(files: Mapping[str, bytes | str]) -> Finding:
    """The one finding that there must be."""
    findings = checked(files).findings
    assert len(findings) == 1, (
        "\n".join(f"{finding.place} {finding.id} {finding.message}" for finding in findings)
        or "nothing found"
    )
    return findings[0]
