"""Commits as streams for `git fast-import`, which needs no working copy."""

from collections.abc import Mapping


def commit(
    files: Mapping[str, bytes], modes: Mapping[str, str], subject: str, *, on_tip: bool = False
) -> bytes:
    """A commit on `main` that adds `files`: the first one, or `on_tip` of what is there. Wants `--date-format=now`."""
    person, message = b"Sandbox <sandbox@localhost> now", f"{subject}\n".encode()
    lines = [b"commit refs/heads/main\nauthor %b\ncommitter %b\n" % (person, person)]
    lines.append(b"data %d\n%b" % (len(message), message))
    if on_tip:
        lines.append(b"from refs/heads/main^0\n")
    for path, content in files.items():
        mode = modes.get(path, "100644").encode()
        lines.append(b"M %b inline %b\ndata %d\n%b\n" % (mode, _quoted(path), len(content), content))
    return b"".join(lines)


def _quoted(path: str) -> bytes:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'.encode("utf-8", "surrogateescape")
