"""Runs of `bump edit` inside the test's own process, and documents to edit."""

import argparse
import csv
import io
from dataclasses import dataclass
from pathlib import Path

from bumper import manifest
from bumper.app.context import Context
from bumper.commands import edit
from bumper.manifest import Field

DIGEST = f"sha256:{'c0ffee00' * 8}"
OLD_DIGEST = f"sha256:{'ab12' * 16}"


@dataclass(frozen=True)
class Ran:
    """What a run left behind."""

    code: int
    out: bytes
    err: str


def bump_edit(cwd: Path, *arguments: str) -> Ran:
    """`bump edit ARGUMENTS` in that folder; its errors are raised as they reach `cli`."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    edit.add_arguments(parser)
    out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline=""), io.StringIO()
    code = edit.run(parser.parse_args(arguments), Context({}, cwd, out, err))
    out.flush()
    written = out.detach().getvalue()
    assert isinstance(written, bytes)
    return Ran(code, written, err.getvalue())


def edited(content: bytes, repository: str, tag: str, digest: str = "") -> bytes:
    """The bytes after the edit of every field of that repository, of which there must be one."""
    fields = fields_of(content, repository)
    assert fields
    edits = [planned for field in fields for planned in manifest.plan(content, field, tag, digest)]
    return manifest.apply(content, edits)


def fields_of(content: bytes, repository: str) -> tuple[Field, ...]:
    return manifest.select(manifest.fields(content, "f.yaml"), repository)


def container(line: str) -> bytes:
    """A Deployment whose container has this line of its own."""
    head = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec:\n  template:\n    spec:\n"
    return f"{head}      containers:\n        - name: main\n          {line}\n          tty: true\n".encode()


def kustomization(*lines: str) -> bytes:
    """A kustomization with one entry of these lines."""
    entry = "\n".join(f"    {line}" for line in lines).replace("    ", "  - ", 1)
    return f"kind: Kustomization\nimages:\n{entry}\n".encode()


def release(values: str) -> bytes:
    """A HelmRelease with these values, written in flow style."""
    head = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: web}\nspec:\n"
    return f"{head}  values: {values}\n".encode()


def rows(index: Path) -> list[dict[str, str]]:
    """The rows of a corpus index; no cell is quoted there."""
    with index.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
