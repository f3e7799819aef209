"""Edits of single values in a YAML file, proved.

Law: after `apply`, every byte outside of the edits is the old one, and a reader finds exactly the edited scalars changed: each by
exactly the edited text, each still a text, with nothing else different (values, styles, tags, anchors, aliases, structure, documents).
Anything else is refused with `FieldUnsafe`. The same holds inside a YAML text that stands in a literal block.
"""

from bisect import bisect_right
from collections.abc import Collection, Sequence
from itertools import groupby

from bumper.dataclasses import dataclass, replace
from bumper.errors import FieldUnsafe, NotYaml
from bumper.manifest.blocks import block, runs_of
from bumper.manifest.yamltext import Piece, Scalar, Source, Text, opened, refuse_large, reread

_BY_HAND = "change this field by hand"


def equal_start(old: str, new: str) -> int:
    """How many characters at the start are the same."""
    return next(
        (at for at, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new))
    )


@dataclass(frozen=True)
class Edit:
    """`old` stands at `start` to `end` (bytes) of the file; `new` takes its place."""

    path: str
    line: int
    start: int
    end: int
    old: bytes
    new: bytes


def apply(content: bytes, edits: Collection[Edit]) -> bytes:
    """The bytes after the edits, proved; FieldUnsafe where an edit does not fit these bytes or changes more than its value."""
    ordered = sorted(set(edits), key=lambda edit: (edit.start, edit.end))
    edited = _spliced(content, ordered)
    if ordered:
        _prove(content, edited, ordered)
    return edited


def _spliced(content: bytes, ordered: list[Edit]) -> bytes:
    pieces, end = [], 0
    for edit in ordered:
        if edit.start < end or content[edit.start : edit.end] != edit.old:
            raise FieldUnsafe(
                f"{edit.path}:{edit.line}: {edit.old.decode(errors='replace')!r} does not stand there any more",
                hint="the file has changed since the edit was planned: plan it again",
            )
        pieces += [content[end : edit.start], edit.new]
        end = edit.end
    return b"".join([*pieces, content[end:]])


def _prove(content: bytes, edited: bytes, ordered: list[Edit]) -> None:
    """Raises FieldUnsafe unless exactly the edited scalars differ between the two files, each as its edit says."""
    path, line = ordered[0].path, ordered[0].line
    before = opened(content, path)
    touched = before.around([edit.start for edit in ordered])
    try:
        refuse_large(edited, path)
        try:
            _prove_each(before, touched, edited, ordered)
        except NotYaml:
            # The reader that has the last word reads all of the file.
            _prove_each(before, [before.whole], edited, ordered)
    except NotYaml as error:
        raise FieldUnsafe(
            f"{path}:{line}: the edited file would not be YAML ({error.message})", hint=_BY_HAND
        ) from None


def _prove_each(before: Source, pieces: list[Piece], edited: bytes, ordered: list[Edit]) -> None:
    """The same, read in the pieces that the edits stand in; NotYaml where that cannot be read any more."""
    done = shift = 0
    for piece in pieces:
        start, end = before.byte(piece.start), before.byte(piece.end)
        following = bisect_right(ordered, end, key=lambda edit: edit.start)
        edits = ordered[done:following]
        grown = sum(len(edit.new) - len(edit.old) for edit in edits)
        _prove_piece(before, piece, edited[start + shift : end + shift + grown], edits)
        done, shift = following, shift + grown


def _prove_piece(before: Source, piece: Piece, edited: bytes, edits: list[Edit]) -> None:
    path, line = edits[0].path, edits[0].line
    scalars = piece.scalars
    by_index = {
        index: list(several) for index, several in groupby(edits, lambda edit: _index(before, scalars, edit))
    }
    if -1 in by_index:
        raise FieldUnsafe(f"{path}:{line}: no value begins before it", hint=_BY_HAND)
    changed = [scalars[index] for index in by_index]
    read = reread(edited, before, piece, changed)
    if not read:
        raise FieldUnsafe(f"{path}:{line}: the edit would change something else too", hint=_BY_HAND)
    after, now = read
    shift = -before.byte(piece.start)
    for old, several in zip(changed, by_index.values(), strict=True):
        new = now[old.ordinal]
        is_single = len(several) == 1 and _is_only_this(several[0], shift, before, after, old, new)
        if not (is_single or _is_inside(several, shift, before, after, old, new)):
            raise FieldUnsafe(
                f"{path}:{several[0].line}: the new value would not be read as it is written", hint=_BY_HAND
            )
        shift += sum(len(edit.new) - len(edit.old) for edit in several)


def _index(source: Source, scalars: Sequence[Scalar], edit: Edit) -> int:
    """Which of the scalars an edit begins in."""
    return bisect_right(scalars, edit.start, key=lambda scalar: source.byte(scalar.start)) - 1


def _is_inside(edits: list[Edit], shift: int, before: Source, after: Text, old: Scalar, new: Scalar) -> bool:
    """Whether the edits change values of a YAML text inside a literal block, proved there as in a file of its own."""
    was = block(before, old)
    if not was or not runs_of(after, new) or after.byte(new.start) != before.byte(old.start) + shift:
        return False
    inner = []
    for edit in edits:
        start, end = was.inward(edit.start), was.inward(edit.end)
        if start is None or end is None:
            return False
        inner.append(replace(edit, start=start, end=end))
    now = new.value.encode()
    return _spliced(was.content, inner) == now and _proves(was.content, now, inner)


def _proves(content: bytes, edited: bytes, ordered: list[Edit]) -> bool:
    try:
        _prove(content, edited, ordered)
    except (FieldUnsafe, NotYaml):
        return False
    return True


def _is_only_this(edit: Edit, shift: int, before: Source, after: Text, old: Scalar, new: Scalar) -> bool:
    """Whether the scalar took the edit and nothing beyond: in its place, changed by the edited text, still a text."""
    grown = len(edit.new) - len(edit.old)
    in_place = (
        before.byte(old.start) <= edit.start
        and edit.end <= before.byte(old.end)
        and after.byte(new.start) == before.byte(old.start) + shift
        and after.byte(new.end) == before.byte(old.end) + shift + grown
    )
    was, now = edit.old.decode(errors="replace"), edit.new.decode(errors="replace")
    if new.style != old.style:
        was, now = was.strip(old.style), now.strip(new.style)
    same = equal_start(was, now)
    was_value, now_value = old.value.rstrip("\n"), new.value.rstrip("\n")
    return (
        in_place
        and not old.is_key
        and was_value.endswith(was[same:])
        and now_value == was_value[: len(was_value) - len(was[same:])] + now[same:]
        and new.reads_as_text(new.value)
    )
