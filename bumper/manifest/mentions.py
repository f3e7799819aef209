"""What names an image in a file and is none of its image fields: an argument, a variable, a field that no table knows.

Law: nothing here is edited. It is told, with its line, to whoever moves the tag beside it.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence

from bumper.dataclasses import dataclass
from bumper.image import references_in
from bumper.manifest.image_fields import Field
from bumper.manifest.yamltext import Scalar, Source, opened


@dataclass(frozen=True)
class Mention:
    """A place that names an image."""

    path: str
    line: int
    image: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}  {self.image}"


def mentions(content: bytes, path: str, repository: str, fields: Collection[Field]) -> tuple[Mention, ...]:
    """Every place of the file, outside of these fields, that names the repository with a tag or a digest."""
    return tuple(dict.fromkeys(_mentions(opened(content, path), repository, fields)))


def _mentions(source: Source, repository: str, fields: Collection[Field]) -> Iterator[Mention]:
    lines = {field.span.line for field in fields}
    starts = sorted(field.span.start for field in fields)
    for scalar in (scalar for piece in source.having(repository) for scalar in piece.scalars):
        matches = list(references_in(scalar.value, repository))
        is_block = scalar.style in ("|", ">")
        if not matches or (not is_block and _is_field(source, scalar, starts)):
            continue
        for match in matches:
            line = source.line(scalar.start) + is_block + scalar.value.count("\n", 0, match.start())
            if not (is_block and line in lines):
                yield Mention(source.path, line, match[0])


def _is_field(source: Source, scalar: Scalar, starts: Sequence[int]) -> bool:
    """Whether a field begins in the scalar; `starts` is where all of them begin, in order."""
    start, end = source.byte(scalar.start), source.byte(scalar.end)
    following = bisect_left(starts, start)
    return following < len(starts) and starts[following] <= end
