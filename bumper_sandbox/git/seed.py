"""The first commit of a repository, as a stream for `git fast-import`."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path


def read_directory(directory: Path) -> tuple[dict[str, bytes], dict[str, str]]:
    """The files below `directory` (less `.git`) by their relative path, and git's mode of those that are no plain files."""
    files: dict[str, bytes] = {}
    modes: dict[str, str] = {}
    for path in sorted(directory.rglob("*")):
        relative = path.relative_to(directory)
        name = relative.as_posix()
        if ".git" in relative.parts:
            continue
        if path.is_symlink():
            files[name] = os.fsencode(path.readlink())
            modes[name] = "120000"
        elif path.is_file():
            files[name] = path.read_bytes()
            if path.stat().st_mode & stat.S_IXUSR:
                modes[name] = "100755"
    return files, modes


def first_commit(files: Mapping[str, bytes], modes: Mapping[str, str]) -> bytes:
    """One commit on `main` that holds `files`; wants `--date-format=now`."""
    who = b"Sandbox <sandbox@localhost> now"
    parts = [b"commit refs/heads/main\nauthor %b\ncommitter %b\ndata 4\nSeed\n" % (who, who)]
    for path, content in files.items():
        mode = modes.get(path, "100644").encode()
        parts.append(b"M %b inline %b\ndata %d\n%b\n" % (mode, _quoted(path), len(content), content))
    return b"".join(parts)


def _quoted(path: str) -> bytes:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'.encode("utf-8", "surrogateescape")
