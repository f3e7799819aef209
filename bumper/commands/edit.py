"""The editor alone: every image field of one repository, in files, without git and without a network."""

import argparse
import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from bumper import manifest
from bumper.app.context import Context
from bumper.errors import EXIT_CODES, FieldMissing, Outcome, UsageError
from bumper.image import ImageReference, is_digest, is_tag
from bumper.manifest import Edit, Field

SUMMARY = "Changes the tag of an image in files, byte for byte: no git, no network."
_LISTED = 8  # images named in an error before the rest is counted


@dataclass(frozen=True)
class Planned:
    """One file: all its image fields, those of the repository asked for with their edits, its bytes before and after.

    `name` is the file as the caller wrote it, `path` where it is after all links.
    """

    name: str
    path: Path
    content: bytes
    found: tuple[Field, ...]
    fields: tuple[tuple[Field, tuple[Edit, ...]], ...]
    edited: bytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The fixed command line of `bump edit`."""
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="manifests, kustomization.yaml, HelmReleases or Helm values"
    )
    parser.add_argument(
        "--image", required=True, metavar="REPOSITORY", help="as it is written there, without a tag"
    )
    parser.add_argument("--tag", required=True, help="the new tag")
    parser.add_argument(
        "--digest",
        default="",
        metavar="SHA256",
        help="digest of the new tag, for fields that are pinned by one",
    )
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--diff", action="store_true", help="print a unified diff, write nothing")
    output.add_argument("--check", action="store_true", help="write nothing, exit 11 if a field would change")
    output.add_argument(
        "--stdout", action="store_true", help="print the bytes of the one edited file, write nothing"
    )


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Edits the files, all or none of them, and says which fields changed."""
    _refuse_unusable(arguments)
    paths: dict[Path, str] = {}
    for name in arguments.files:
        try:
            paths.setdefault((context.cwd / name).resolve(), name)
        except (OSError, RuntimeError) as error:  # a symbolic link that leads to itself
            raise UsageError(f"{name}: cannot be read: {error}") from None
    files = [_planned(name, path, arguments) for path, name in paths.items()]
    if not any(file.fields for file in files):
        raise _missing(arguments.image, files)
    if arguments.stdout:
        _write_bytes(context.stdout, files[0].edited)
    elif arguments.diff:
        for file in files:
            _write_bytes(
                context.stdout,
                manifest.diff(file.name, file.content, file.edited).encode(errors="surrogateescape"),
            )
    else:
        if not arguments.check:
            _replace([file for file in files if file.edited != file.content])
        context.stdout.write(_summary(files, "would change" if arguments.check else "changed"))
    differs = any(file.edited != file.content for file in files)
    if arguments.diff and not differs:
        context.stderr.write("unchanged\n")
    return EXIT_CODES[Outcome.FAILED] if arguments.check and differs else EXIT_CODES[Outcome.UNCHANGED]


def _refuse_unusable(arguments: argparse.Namespace) -> None:
    if not is_tag(arguments.tag):
        raise UsageError(
            f"--tag {arguments.tag!r} is no tag, expected letters, digits, '_', '.' and '-', at most 128 of them",
            hint="give the tag alone, without the repository and without a digest",
        )
    if arguments.digest and not is_digest(arguments.digest):
        raise UsageError(
            f"--digest {arguments.digest!r} is no digest, expected sha256: and 64 hexadecimal digits"
        )
    if arguments.stdout and len(set(arguments.files)) > 1:
        raise UsageError("--stdout prints one file, found several", hint="name one FILE, or use --diff")


def _planned(name: str, path: Path, arguments: argparse.Namespace) -> Planned:
    """The file and what it would become, nothing written."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}, expected a file that can be read") from None
    found = manifest.fields(content, name)
    fields = tuple(
        (field, manifest.plan(content, field, arguments.tag, arguments.digest))
        for field in manifest.select(found, arguments.image)
    )
    edited = manifest.apply(content, [edit for _, edits in fields for edit in edits])
    return Planned(name, path, content, found, fields, edited)


def _missing(image: str, files: Sequence[Planned]) -> FieldMissing | UsageError:
    """Nothing names this image: an error that says what does."""
    if not image or any(character.isspace() for character in image):
        return UsageError(
            f"--image {image!r} is no repository, expected for example registry.example/team/web"
        )
    found = [field for file in files for field in file.found]
    listed = [f"{field.image.repository} ({field.path}:{field.span.line})" for field in found[:_LISTED]]
    if len(found) > _LISTED:
        listed.append(f"{len(found) - _LISTED} more")
    names = ", ".join(file.name for file in files)
    return FieldMissing(
        f"{names}: no image field of {image}, found {', '.join(listed) or 'no image field at all'}",
        hint=_hint(image, found),
    )


def _hint(image: str, found: Sequence[Field]) -> str:
    asked = ImageReference.parse(image)
    if asked and (asked.tag or asked.digest):
        return f"leave out the tag: --image {asked.repository}"
    for field in found:
        reference = ImageReference.parse(field.image.repository)
        if asked and reference and (asked.registry, asked.path) == (reference.registry, reference.path):
            return f"the same image is written {field.image.repository} there: pass --image {field.image.repository}"
    if found:
        return "pass --image with one of the repositories found, as it is written there"
    return "edited are containers of any kind, images of a kustomization, and image or repository with tag in Helm values"


def _summary(files: Iterable[Planned], done: str) -> str:
    """A line for each value, and what it comes to. A value that several aliases share is one."""
    lines: dict[tuple[str, int], str] = {}
    changes = 0
    for file in files:
        for field, edits in file.fields:
            if not edits:
                lines.setdefault(
                    (file.name, field.span.start), f"{file.name}:{field.span.line}  {field.image}  unchanged"
                )
            for edit in edits:
                changes += (file.name, edit.start) not in lines
                lines[file.name, edit.start] = (
                    f"{file.name}:{edit.line}  {edit.old.decode()} → {edit.new.decode()}"
                )
    touched = sum(file.edited != file.content for file in files)
    total = f"{_count(changes, 'value')} {done} in {_count(touched, 'file')}" if changes else "unchanged"
    return "".join(f"{line}\n" for line in [*lines.values(), total])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _replace(files: Sequence[Planned]) -> None:
    """Every new file is written in full beside the old one before the first takes its place; a link stays a link."""
    with ExitStack() as unfinished:
        written = [(_write_beside(file, unfinished), file.path.resolve()) for file in files]
        for beside, path in written:
            beside.replace(path)


def _write_beside(file: Planned, unfinished: ExitStack) -> Path:
    """The new content in a file of the same folder, with the old one's mode and owner; it goes away unless it is moved."""
    path = file.path.resolve()
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        before = path.stat()
        with beside.open("xb") as stream:
            unfinished.callback(beside.unlink, missing_ok=True)
            stream.write(file.edited)
            with suppress(PermissionError):
                os.fchown(stream.fileno(), before.st_uid, before.st_gid)
            os.fchmod(stream.fileno(), stat.S_IMODE(before.st_mode))
    except OSError as error:
        raise UsageError(
            f"{file.name}: cannot be written: {error.strerror}, expected a folder that can be written to",
            hint="no file was changed; --diff and --stdout show the result without writing",
        ) from None
    return beside


def _write_bytes(stream: TextIO, content: bytes) -> None:
    """The bytes as they are, past the encoding and the line ends of a text stream."""
    binary = getattr(stream, "buffer", None)
    if binary is None:
        stream.write(content.decode())
    else:
        stream.flush()
        binary.write(content)
        binary.flush()
