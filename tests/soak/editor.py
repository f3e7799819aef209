"""Mutated files through the edit: whatever a file holds, it is refused in words or exactly the image's scalars change.

By its number a case is made anew: `judged(mutated(n))`. With atheris, which is no part of the locked tools, coverage chooses bytes:
`PYTHONPATH=tests:. python -m soak.editor -runs=100000`, in an environment that has both.
"""

import os
import random
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

from bumper import manifest
from bumper.errors import BumpError

from .table import Tally

TARGET, SLICE, SHORT = 1_000_000, 10_000, 300
_TAG, _DIGEST = "abc1234", "sha256:" + "c0ffee00" * 8
_SLOW_S = 5.0
_LARGEST = 20_000
_SHARE = 100  # cases that a process takes at a time
# What YAML, kustomize and images give a meaning to.
_PIECES = (
    b"\n", b"\r\n", b"\r", b"\t", b"  ", b"- ", b": ", b"? ", b"#", b" #", b"---\n", b"...\n", b"&a ", b"*a",
    b"<<: ", b"!!str ", b"!!binary ", b"|\n", b">-\n", b"'", b'"', b"{", b"}", b"[", b"]", b",", b"%YAML 1.1\n",
    b"\xef\xbb\xbf", b"\xff\xfe", b"\x00", b"\x85", b"\xe2\x80\xa8", b"\\U0010FFFF", b'"\\x41"', b"image: ",
    b"newTag: ", b"newName: ", b"digest: ", b"images:\n", b"kind: Kustomization\n", b"kind: List\nitems:\n",
    b"@sha256:", b":latest", b"reg.io/web:1.0", b"1e5", b"0x1f", b"~", b"yes", b"${TAG}", b"{{ .Values.tag }}",
    b"mac: ENC[", b"repository: ", b"tag: ", b"containers:\n", b"\xf0\x9f\x98\x80",
)  # fmt: skip


def run(start: int, count: int) -> Tally:
    """The cases of these numbers, in order, on all processors."""
    _seeds()  # before there are processes, which inherit them
    numbers = range(start, start + count)
    with ProcessPoolExecutor() as processes:
        shares = processes.map(_share, (numbers[at : at + _SHARE] for at in range(0, count, _SHARE)))
        edited, tallies = zip(*shares, strict=True)
    return sum(tallies, start=Tally(measures={"edited per 1,000": round(1000 * sum(edited) / count)}))


def _share(numbers: range) -> tuple[int, Tally]:
    """How many of these cases changed their file, and what was wrong with them."""
    tally = Tally()
    edited = 0
    for number in numbers:
        begun = time.process_time()
        fault, changed = judged(mutated(number))
        taken_s = time.process_time() - begun
        edited += changed
        if taken_s > _SLOW_S:
            fault = fault or f"took {taken_s:.1f} s of CPU"
        tally += Tally((f"{number}: {fault}",) if fault else (), {"slowest CPU s": round(taken_s, 2)})
    return edited, tally


def mutated(number: int) -> bytes:
    """A file that people could have, with some of it cut, doubled, mixed with another or overwritten."""
    chance = random.Random(number)
    content = bytearray(chance.choice(_seeds()))
    for _ in range(chance.randrange(6)):
        at = chance.randrange(len(content) + 1)
        until = min(len(content), at + chance.randrange(1, 40))
        match chance.randrange(6):
            case 0:
                del content[at:until]
            case 1:
                content[at:at] = chance.choice(_PIECES) * chance.choice((1, 1, 1, 3, 300))
            case 2:
                content[at:at] = content[at:until]
            case 3:
                other = chance.choice(_seeds())
                cut = chance.randrange(len(other) + 1)
                content[at:at] = other[cut : cut + chance.randrange(200)]
            case 4:
                content[at : at + 1] = bytes([chance.randrange(256)])
            case 5:
                content += b"---\n" + chance.choice(_seeds())
    return bytes(content[:_LARGEST])


def judged(content: bytes) -> tuple[str, bool]:
    """What is wrong with the edit of a file, empty for nothing; and whether it changed the file."""
    try:
        return _laws(content)
    except BumpError:
        return "", False
    except Exception:
        return traceback.format_exc(limit=-3).replace("\n", " | "), False


def _laws(content: bytes) -> tuple[str, bool]:
    fields = manifest.fields(content, "f.yaml")
    changed = False
    for repository in dict.fromkeys(field.image.repository for field in fields):
        for digest in ("", _DIGEST):
            chosen = manifest.select(fields, repository)
            try:
                edits = [edit for field in chosen for edit in manifest.plan(content, field, _TAG, digest)]
                after = manifest.apply(content, edits)
            except BumpError:
                continue
            if fault := _broken_law(content, after, edits, repository, digest):
                return fault, True
            changed = changed or after != content
    return "", changed


def _broken_law(
    content: bytes, after: bytes, edits: list[manifest.Edit], repository: str, digest: str
) -> str:
    outside = content
    for edit in sorted(set(edits), key=lambda edit: -edit.start):
        outside = outside[: edit.start] + edit.new + outside[edit.start + len(edit.old) :]
    if outside != after:
        return f"{repository}: bytes outside of the edits changed"
    again = manifest.select(manifest.fields(after, "f.yaml"), repository)
    if edits and not again:
        return f"{repository}: its fields are gone after the edit"
    if edits and any(manifest.plan(after, field, _TAG, digest) for field in again):
        return f"{repository}: a second edit changes it again"
    return ""


@cache
def _seeds() -> tuple[bytes, ...]:
    folders = [Path(__file__).parents[1] / "data" / "hard"]
    folders += [Path(corpus)] if (corpus := os.environ.get("BUMP_CORPUS")) else []
    files = sorted(file for folder in folders for file in folder.rglob("*.y*ml") if file.is_file())
    contents = (file.read_bytes() for file in files)
    return tuple(content for content in contents if len(content) < _LARGEST // 2)


def _with_coverage() -> None:
    import importlib

    atheris = importlib.import_module("atheris")

    def one_input(content: bytes) -> None:
        fault, _ = judged(content)
        assert not fault, fault

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    _with_coverage()
