"""Whether an image may be deployed: it can run where it must, and it is what was built from the commit that was asked for.

Law: an image is refused only for what it says of itself. An image that says nothing of its platform, its commit or its source is
let through, since unknown is never "no".
Source: https://github.com/opencontainers/image-spec 1.1, `annotations.md` for the labels and `image-index.md` for platforms;
https://github.com/containerd/platforms 1.0, `compare.go`, function `Only`, for which image a node takes.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from bumper.address import repository_name
from bumper.dataclasses import dataclass
from bumper.errors import PlatformMissing, ProvenanceMismatch
from bumper.image import ImageManifest

_PLATFORM = r"([a-z0-9]+)/([a-z0-9_]+)(?:/v([0-9]+)(?:\.([0-9]+))?)?"
# What else a node of an architecture runs.
_ALSO_RUNS = {"amd64": "386", "arm64": "arm"}
_COMMIT = r"[0-9a-f]{7,64}"


@dataclass(frozen=True)
class Nodes:
    """One cluster and the `os/architecture` pairs of its nodes; none where they are not known."""

    cluster: str
    platforms: frozenset[str]


class _Platform(NamedTuple):
    system: str
    architecture: str
    level: tuple[int, int] | None  # of the variant: (8, 5) for v8.5; None where none is written


def is_platform(text: str) -> bool:
    """Whether `text` is `os/architecture` or `os/architecture/variant`."""
    return re.fullmatch(_PLATFORM, text) is not None


def runs(node: str, image: str) -> bool:
    """Whether a node of one platform takes an image of the other. A variant that is not written fits any."""
    wants, has = _parsed(node), _parsed(image)
    if wants is None or has is None or wants.system != has.system:
        return False
    if wants.architecture != has.architecture:
        return _ALSO_RUNS.get(wants.architecture) == has.architecture
    return wants.level is None or has.level is None or has.level <= wants.level


def require_platforms(image_manifest: ImageManifest, wanted: Iterable[str]) -> None:
    """Raises PlatformMissing unless the image is there for each of the platforms, or does not say which it is for."""
    missing = [platform for platform in wanted if not _is_there(image_manifest, platform)]
    if image_manifest.platforms and missing:
        raise PlatformMissing(
            f"{image_manifest.image}: is there for {_listed(image_manifest.platforms)}, expected {_listed(missing)}",
            hint=f"build it for that platform, too: docker buildx build --platform {','.join(missing)}",
        )


def compare_nodes(image_manifest: ImageManifest, clusters: Sequence[Nodes]) -> list[str]:
    """What should be known of the clusters' nodes and the image; PlatformMissing where no node of a cluster can run it."""
    if not image_manifest.platforms:
        return [f"{image_manifest.image}: does not say which platform it is for"] if clusters else []
    notices = []
    for nodes in clusters:
        lacking = sorted(platform for platform in nodes.platforms if not _is_there(image_manifest, platform))
        if lacking and len(lacking) == len(nodes.platforms):
            raise PlatformMissing(
                f"{image_manifest.image}: is there for {_listed(image_manifest.platforms)}, but the nodes of {nodes.cluster} are "
                f"{_listed(lacking)}",
                hint=f"build it for them, too: docker buildx build --platform {','.join(lacking)}; "
                "or name the platform that must be there with --platform",
            )
        if lacking:
            notices.append(
                f"{image_manifest.image}: cannot run on the nodes of {nodes.cluster} that are {_listed(lacking)}: it is there for "
                f"{_listed(image_manifest.platforms)} alone"
            )
    return notices


def require_provenance(image_manifest: ImageManifest, commit: str, source: str) -> None:
    """Raises ProvenanceMismatch where a label of the image names another commit than `commit` or another repository than `source`.

    `commit` is a SHA, short or full, `source` the URL of a repository; either may be empty, which compares nothing.
    """
    revision = image_manifest.revision.lower()
    if commit and re.fullmatch(_COMMIT, revision) and not _is_same_commit(revision, commit):
        raise _mismatch(image_manifest, "revision", image_manifest.revision, commit)
    says, expected = repository_name(image_manifest.source), repository_name(source)
    if says and expected and not f"{says}/".startswith(f"{expected}/"):
        raise _mismatch(image_manifest, "source", image_manifest.source, source)


def _mismatch(image_manifest: ImageManifest, label: str, says: str, expected: str) -> ProvenanceMismatch:
    return ProvenanceMismatch(
        f"{image_manifest.image}: its label org.opencontainers.image.{label} says {says}, expected {expected}",
        hint="look what was pushed under this tag; a label that comes from the base image is set anew by "
        f"docker build --label org.opencontainers.image.{label}={expected}; with --tag instead of --sha the tag alone counts",
    )


def _is_same_commit(revision: str, commit: str) -> bool:
    return revision.startswith(commit) or commit.startswith(revision)


def _is_there(image_manifest: ImageManifest, platform: str) -> bool:
    return any(runs(platform, image_platform) for image_platform in image_manifest.platforms)


def _listed(platforms: Iterable[str]) -> str:
    return ", ".join(sorted(set(platforms)))


def _parsed(text: str) -> _Platform | None:
    match = re.fullmatch(_PLATFORM, text.lower())
    if not match:
        return None
    level = (int(match[3]), int(match[4] or 0)) if match[3] else None
    return _Platform(match[1], match[2], level)
