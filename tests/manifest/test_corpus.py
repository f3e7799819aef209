"""Every row of the corpus, through the command: the expected bytes exactly, or a refusal that names the line and writes nothing.

`data/hard` is always run. `BUMP_CORPUS` names a folder with `hard/`, `real/` and `real-expected/`, which is run as well.
"""

import os
import re
from pathlib import Path
from typing import NamedTuple

import pytest
from editing import DIGEST, bump_edit, rows

from bumper.errors import NotYaml, Refused

HARD = Path(__file__).parents[1] / "data" / "hard"
CORPUS = os.environ.get("BUMP_CORPUS", "")


class Row(NamedTuple):
    """`expected` is None for a file that must be refused."""

    file: Path
    image: str
    tag: str
    expected: Path | None
    is_template: bool


def _rows(folder: Path, expected_in: Path) -> list[Row]:
    return [
        Row(
            folder / row["file"],
            row["image"],
            row["tag"],
            None if row["expected"] in ("error", "not-yaml") else expected_in / row["expected"],
            row["expected"] == "not-yaml",
        )
        for row in rows(folder / "index.tsv")
    ]


def _all_rows() -> list[Row]:
    all_rows = _rows(HARD, HARD)
    if CORPUS:
        root = Path(CORPUS)
        all_rows += _rows(root / "hard", root / "hard") + _rows(root / "real", root)
    return all_rows


def _editable() -> list[Row]:
    return [row for row in _all_rows() if row.expected]


def _name(row: Row) -> str:
    return f"{row.file.parent.name}/{row.file.name}"


@pytest.mark.skipif(
    not CORPUS, reason="BUMP_CORPUS is not set: the real manifests were NOT run, only data/hard"
)
def test_the_corpus_is_whole() -> None:
    assert len(_rows(Path(CORPUS) / "real", Path(CORPUS))) > 100


@pytest.mark.parametrize("row", _editable(), ids=_name)
def test_the_bytes_are_the_expected_ones(row: Row, tmp_path: Path) -> None:
    assert row.expected
    file = tmp_path / row.file.name
    file.write_bytes(row.file.read_bytes())
    arguments = [file.name, "--image", row.image, "--tag", row.tag, "--digest", DIGEST]

    assert bump_edit(tmp_path, *arguments, "--check").code == 11
    assert bump_edit(tmp_path, *arguments, "--stdout").out == row.expected.read_bytes()
    assert file.read_bytes() == row.file.read_bytes()
    assert bump_edit(tmp_path, *arguments).code == 0
    assert file.read_bytes() == row.expected.read_bytes()


@pytest.mark.parametrize("row", _editable(), ids=_name)
def test_a_second_run_changes_nothing(row: Row, tmp_path: Path) -> None:
    assert row.expected
    file = tmp_path / row.file.name
    file.write_bytes(row.expected.read_bytes())
    arguments = [file.name, "--image", row.image, "--tag", row.tag, "--digest", DIGEST]

    assert bump_edit(tmp_path, *arguments, "--check").code == 0
    ran = bump_edit(tmp_path, *arguments)
    assert ran.out.endswith(b"unchanged\n")
    assert file.read_bytes() == row.expected.read_bytes()


@pytest.mark.parametrize("row", [row for row in _all_rows() if not row.expected], ids=_name)
def test_what_cannot_be_edited_is_refused_with_its_line(row: Row, tmp_path: Path) -> None:
    file = tmp_path / row.file.name
    file.write_bytes(row.file.read_bytes())

    with pytest.raises(NotYaml if row.is_template else Refused) as refusal:
        bump_edit(tmp_path, file.name, "--image", row.image, "--tag", row.tag)

    assert refusal.value.exit_code == 4
    line = re.match(rf"{re.escape(file.name)}:(\d+): \S", refusal.value.message)
    assert line
    assert 1 <= int(line[1]) <= len(row.file.read_bytes().splitlines())
    assert file.read_bytes() == row.file.read_bytes()
    assert list(tmp_path.iterdir()) == [file]
