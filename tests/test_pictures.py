"""The pictures of the README are what the demo shows today, and hold nothing that a reader's browser would fetch."""

import re
from pathlib import Path

import pytest
from pictures import FOLDER, draw, essence

NAMES = ["comment.svg", "terminal.svg"]


@pytest.mark.slow
def test_they_are_what_the_demo_shows_today(tmp_path: Path) -> None:
    for name, picture in draw(tmp_path).items():
        assert essence((FOLDER / name).read_text(encoding="utf-8")) == essence(picture), (
            "make pictures draws it anew"
        )


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_loaded_from_elsewhere(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert essence(text)
    assert not re.search(r"<(?:script|image|img|link)|@import|url\(", text)
    assert sorted(path.name for path in FOLDER.iterdir()) == NAMES
