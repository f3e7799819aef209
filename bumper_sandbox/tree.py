"""Which part of somebody's directory is a platform repository, and where Flux begins in it.

Law: the sync file that bootstrap wrote says where Flux's own Kustomization begins; the directory from which that path leads back to
the file is the root of the repository. Where there is none, whoever reads Flux trees says where Flux begins (`Beginning`). What is
not clear is refused with what was found.
"""

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bumper.errors import UsageError
from bumper_sandbox.images import values

_SYNC = "gotk-sync.yaml"
# Larger files, and more of them, are no manifests.
_LARGEST, _MOST = 1_000_000, 5_000
_MANIFESTS = (".yaml", ".yml")


@dataclass(frozen=True)
class Beginning:
    """Where Flux begins: the directory `path` that the first Kustomization builds, that Kustomization's name, and its source's.

    `cluster` is the directory that tells the cluster from others.
    """

    path: str
    cluster: str
    name: str = "flux-system"
    source: str = "flux-system"


# The root of a repository, and where Flux begins in it.
Beginnings = tuple[Path, Sequence[Beginning]]


@dataclass(frozen=True)
class PlatformTree:
    """`folder` is what is copied, under `prefix` in the repository; `root` is the directory that Flux's own Kustomization builds.

    `name` is that of this Kustomization, `source` that of its GitRepository.
    """

    folder: Path
    prefix: str
    root: str
    name: str = "flux-system"
    source: str = "flux-system"

    @property
    def components(self) -> str:
        """Where bootstrap commits Flux's own manifests."""
        inner = "" if posixpath.basename(self.root) == "flux-system" else "flux-system"
        return posixpath.normpath(posixpath.join(self.root, inner))

    def files(self) -> Mapping[str, bytes]:
        """What the repository holds: of a directory of manifests these, of a whole repository all that may be a source of one."""
        return {posixpath.join(self.prefix, name): path.read_bytes() for name, path in self._paths()}

    def _paths(self) -> Iterator[tuple[str, Path]]:
        count = 0
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder).as_posix()
            is_wanted = path.suffix in _MANIFESTS if self.prefix else not name.startswith(".git/")
            if not is_wanted or path.is_symlink() or not path.is_file() or path.stat().st_size > _LARGEST:
                continue
            count += 1
            if count > _MOST:
                raise UsageError(
                    f"{self.folder}: more than {_MOST} files",
                    hint="name the platform's own directory with --tree",
                )
            yield name, path


def whole(directory: Path) -> PlatformTree:
    """The manifests of a directory under its own name, wherever Flux begins in it; the cluster begins in its `flux-system`."""
    return PlatformTree(directory, directory.name, f"./{directory.name}/flux-system")


def of(directory: Path, beginnings: Callable[[], Beginnings] | None = None) -> PlatformTree:
    """The tree in this directory; UsageError where Flux begins nowhere in it, or in several places.

    `beginnings` is asked where no sync file says it.
    """
    sync: Path | None = directory / "flux-system" / _SYNC
    if sync and not sync.is_file():
        sync = _only_sync(directory)
    if sync is None:
        return _begun(directory, *(beginnings() if beginnings else (directory, ())))
    path = _path_of(sync)
    if not path and beginnings:
        # Still to be written: whoever runs bootstrap says where.
        folder, begun = beginnings()
        if folder != directory or not sync.is_relative_to(directory / "flux-system"):
            return _begun(directory, folder, begun)
    if not path or (path.split("/")[0] == directory.name and sync.is_relative_to(directory / "flux-system")):
        # Its own directory is all there is of the platform.
        return whole(directory)
    for parent in sync.parents:
        if sync.is_relative_to(parent / path):
            return PlatformTree(parent, "", f"./{path}")
    raise UsageError(
        f"{sync}: its Kustomization builds {path}, which does not hold this file", hint="correct spec.path"
    )


def _begun(directory: Path, folder: Path, beginnings: Sequence[Beginning]) -> PlatformTree:
    asked = PurePosixPath(directory.resolve().relative_to(folder.resolve()).as_posix())
    clusters: dict[str, list[Beginning]] = {}
    for beginning in beginnings:
        if PurePosixPath(beginning.cluster).is_relative_to(asked) or PurePosixPath(
            beginning.path
        ).is_relative_to(asked):
            clusters.setdefault(beginning.cluster, []).append(beginning)
    if not clusters:
        raise UsageError(
            f"{directory}: no platform tree, expected a directory flux-system in it, a {_SYNC} below it, or Flux Kustomizations",
            hint="name one with --tree DIR",
        )
    if len(clusters) > 1:
        raise _several(directory, sorted(clusters))
    ((cluster, begun),) = clusters.items()
    # Several Kustomizations that none builds lie in the directory that bootstrap was told.
    path = begun[0].path if len(begun) == 1 else cluster
    return PlatformTree(
        folder,
        "",
        f"./{posixpath.normpath(path)}",
        begun[0].name if len(begun) == 1 else "flux-system",
        begun[0].source,
    )


def _several(directory: Path, places: Sequence[str]) -> UsageError:
    return UsageError(
        f"{directory}: Flux begins in several places: {', '.join(places)}",
        hint="name one of them with --tree DIR",
    )


def _only_sync(directory: Path) -> Path | None:
    """The sync file below the directory, None where there is none; UsageError for several."""
    syncs = sorted(path for path in directory.rglob(_SYNC) if ".git" not in path.parts)
    if len(syncs) > 1:
        raise _several(directory, [str(path.parent.parent.relative_to(directory)) for path in syncs])
    if not syncs and (directory / "flux-system").is_dir() and directory.name != "flux-system":
        return directory / "flux-system" / _SYNC
    return syncs[0] if syncs else None


def _path_of(sync: Path) -> str:
    """What Flux's own Kustomization builds, empty where the file does not say."""
    if not sync.is_file():
        return ""
    for document in values(sync.read_bytes()):
        if (
            isinstance(document, dict)
            and document.get("kind") == "Kustomization"
            and isinstance(document.get("spec"), dict)
        ):
            path = str(document["spec"].get("path") or "")
            return "" if not path else posixpath.normpath(path).lstrip("/")
    return ""
