"""Changing an image's tag in files, all or none of them, without git and without a network: `bump edit`."""

import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TextIO

from bumper import manifest
from bumper.app.context import Context
from bumper.app.settings import EditOutput, EditSettings
from bumper.dataclasses import dataclass
from bumper.errors import EXIT_CODES, FieldMissing, Outcome, UsageError
from bumper.image import ImageReference
from bumper.manifest import Edit, Field, Mention
from bumper.manifest.named_field import named_fields
from bumper.ports.git import MOST_FILE_BYTES
from bumper.style import amount
from bumper.systems.file import content as content_of
from bumper.systems.file import nearest_with

_LISTED = 8  # images named in an error before the rest is counted


@dataclass(frozen=True)
class Planned:
    """One file: all its image fields, those of the repository asked for with their edits, its bytes before and after.

    `stays` is what names the repository there and is no field, `others` the fields of it in containers that were not named.
    `name` is the file as the caller wrote it, `path` where it is after all links.
    """

    name: str
    path: Path
    content: bytes
    present: tuple[Field, ...]
    fields: tuple[tuple[Field, tuple[Edit, ...]], ...]
    edited: bytes
    stays: tuple[Mention, ...] = ()
    others: tuple[Field, ...] = ()


def edit(settings: EditSettings, context: Context) -> int:
    """Edits the files and says which fields changed; returns 11 where a check has found that one would.

    FieldMissing where no file names the image, UsageError for a file that cannot be read or written.
    """
    paths = _paths(settings, context)
    tree = None
    if settings.output is EditOutput.PLAN:
        # Slow to import, and of no use for what only changes bytes.
        from bumper.app import edit_plan

        tree = edit_plan.work_tree(paths, context)
        paths = {path: path.relative_to(tree.root).as_posix() for path in paths}
    files = [_planned(name, path, settings) for path, name in paths.items()]
    if not any(file.fields or file.others for file in files):
        raise _missing(settings.image, files)
    _require_containers(settings, files)
    differs = any(file.edited != file.content for file in files)
    match settings.output:
        case EditOutput.STDOUT:
            _write_bytes(context.stdout, files[0].edited)
        case EditOutput.DIFF:
            _print_diffs(files, context)
        case EditOutput.CHECK:
            context.stdout.write(_summary(files, "would change"))
        case EditOutput.PLAN if tree:
            changed = {file.name: file.edited for file in files if file.edited != file.content}
            diff = "".join(manifest.diff(file.name, file.content, file.edited) for file in files)
            planned = [each for file in files for each in file.fields]
            edits = list(dict.fromkeys(edit for _, several in planned for edit in several))
            edit_plan.show(tree, diff, changed, edits, [field for field, _ in planned], context)
            if not changed:
                context.stderr.write("unchanged\n")
        case EditOutput.FILES:
            _replace([file for file in files if file.edited != file.content])
            context.stdout.write(_summary(files, "changed"))
    _tell_what_stays(files, context)
    is_finding = settings.output is EditOutput.CHECK and differs
    return EXIT_CODES[Outcome.FAILED if is_finding else Outcome.UNCHANGED]


def _tell_what_stays(files: Sequence[Planned], context: Context) -> None:
    """On stderr, since no field is among it: an argument, a variable, a field of a kind that is not known."""
    for mention in (mention for file in files for mention in file.stays):
        context.stderr.write(f"{mention}  stays: no image field that is known\n")
    for field in (field for file in files for field in file.others):
        context.stderr.write(f"{_shown(field)}  stays: another container\n")


def _shown(field: Field) -> str:
    owner = f" (container {field.container})" if field.container else ""
    return f"{field.path}:{field.span.line} {field.image}{owner}"


def _require_containers(settings: EditSettings, files: Sequence[Planned]) -> None:
    """FieldMissing where a container that was named has no field of the image."""
    edited = [field for file in files for field, _ in file.fields]
    there = [*edited, *(field for file in files for field in file.others)]
    for name in settings.containers:
        if not any(field.container == name for field in edited):
            raise FieldMissing(
                f"{there[0].path}:{there[0].span.line}: no container {name} has {settings.image} "
                f"(found: {', '.join(map(_shown, there[:_LISTED]))})",
                hint="pass --container with one of the names found",
            )


def _paths(settings: EditSettings, context: Context) -> dict[Path, str]:
    """Each file once, by where it is after all links, with its first name.

    UsageError for a link that leads out of the checkout: who has its files edited means no others.
    """
    paths: dict[Path, str] = {}
    checkouts: dict[Path, Path | None] = {}
    for name in settings.files:
        given = context.cwd / name
        try:
            path = given.resolve()
        except (OSError, RuntimeError, ValueError) as error:  # a symbolic link that leads to itself; a NUL
            raise UsageError(f"{name}: cannot be read: {error}") from None
        folder = Path(os.path.abspath(given)).parent  # noqa: PTH100 (links are not followed)
        if folder not in checkouts:
            # No git is asked for the checkout, since there need be none.
            checkouts[folder] = nearest_with(".git", folder)
        root = checkouts[folder]
        if root and not path.is_relative_to(root.resolve()):
            raise UsageError(
                f"{name}: is a symbolic link, or below one, that leads out of its checkout {root}",
                hint=f"name the file itself: {path}",
            )
        paths.setdefault(path, name)
    return paths


def _print_diffs(files: Sequence[Planned], context: Context) -> None:
    for file in files:
        diff = manifest.diff(file.name, file.content, file.edited)
        _write_bytes(context.stdout, diff.encode(errors="surrogateescape"))
    if all(file.edited == file.content for file in files):
        context.stderr.write("unchanged\n")


def _planned(name: str, path: Path, settings: EditSettings) -> Planned:
    """The file and what it would become, nothing written."""
    try:
        content = content_of(path, MOST_FILE_BYTES)
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}, expected a file that can be read") from None
    present = _present(content, name, settings)
    named = manifest.select(present, settings.image)
    others = tuple(
        field for field in named if settings.containers and field.container not in settings.containers
    )
    fields = tuple(
        (field, manifest.plan(content, field, settings.tag, settings.digest))
        for field in named
        if field not in others
    )
    edited = manifest.apply(content, [edit for _, edits in fields for edit in edits])
    stays = manifest.mentions(content, name, settings.image, present)
    return Planned(name, path, content, present, fields, edited, stays, others)


def _present(content: bytes, name: str, settings: EditSettings) -> tuple[Field, ...]:
    """The image fields of a file, with the one that was named."""
    present = manifest.fields(content, name)
    chosen = named_fields(content, name, settings.field, settings.image) if settings.field else ()
    known = {field.span for field in present}
    return (*present, *(field for field in chosen if field.span not in known))


def _missing(image: str, files: Sequence[Planned]) -> FieldMissing | UsageError:
    """Nothing names this image: an error that says what does."""
    if not image or any(character.isspace() for character in image):
        return UsageError(
            f"--image {image!r} is no repository, expected for example registry.example/team/web"
        )
    present = [field for file in files for field in file.present]
    listed = [f"{field.image.repository} ({field.path}:{field.span.line})" for field in present[:_LISTED]]
    if len(present) > _LISTED:
        listed.append(f"{len(present) - _LISTED} more")
    names = ", ".join(file.name for file in files)
    stays = [f"{each.path}:{each.line} names {each.image}" for file in files for each in file.stays][:_LISTED]
    return FieldMissing(
        f"{names}: no image field of {image}, found {', '.join([*listed, *stays]) or 'no image field at all'}",
        hint=_hint(image, present),
    )


def _hint(image: str, present: Sequence[Field]) -> str:
    asked = ImageReference.parse(image)
    if asked and (asked.tag or asked.digest):
        return f"leave out the tag: --image {asked.repository}"
    for field in present:
        reference = ImageReference.parse(field.image.repository)
        if asked and reference and (asked.registry, asked.path) == (reference.registry, reference.path):
            return f"the same image is written {field.image.repository} there: pass --image {field.image.repository}"
    if present:
        return "pass --image with one of the repositories found, as it is written there"
    return (
        "edited are containers and image volumes of any kind, custom resources that are known, images of a kustomization, "
        "and image or repository with tag in Helm values"
    )


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
    total = f"{amount(changes, 'value')} {done} in {amount(touched, 'file')}" if changes else "unchanged"
    return "".join(f"{line}\n" for line in [*lines.values(), total])


def _replace(files: Sequence[Planned]) -> None:
    """Every new file is written in full beside the old one before the first takes its place; a link stays a link."""
    with ExitStack() as unfinished:
        written = [(_write_beside(file, unfinished), file.path) for file in files]
        for beside, path in written:
            beside.replace(path)


def _write_beside(file: Planned, unfinished: ExitStack) -> Path:
    """The new content in a file of the same folder, with the old one's mode and owner; it goes away unless it is moved."""
    path = file.path
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
