"""Lines fitted to a window."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import each_row

from bumper.style import Line, Span, plain, prose, wrapped

LINE: Line = (
    Span("  seen         ", "quiet"),
    Span("Back-off restarting failed container web in pod web-6f4dd5df7c-56fkg_web"),
)


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_a_line_breaks_between_words_and_goes_on_below_its_text(width: int) -> None:
    lines = ["".join(span.text for span in line) for line in wrapped(LINE, width)]
    assert lines[0].startswith("  seen         Back-off restarting")
    assert all(len(line.rstrip()) <= width for line in lines)
    assert all(line.startswith(" " * 15) and line[15] != " " for line in lines[1:])
    assert len(lines) == (1 if width >= 100 else 2)


@each_row(
    ("line", "rows"),
    [
        ((Span("  "), Span("shop-example: ", "strong"), Span("hold: the queue is full")),
         ["  shop-example: hold:", "    the queue is full"]),
        ((Span("  ! the queue is full, and nobody looks", "warn"),), ["  ! the queue is full,", "    and nobody looks"]),
        ((Span("  ✗ ", "bad"), Span("east:", "strong"), Span(" no answer from there")), ["  ✗ east: no answer", "    from there"]),
        ((Span("Failed", "bad"), Span(": the queue is full")), ["Failed: the queue is", "  full"]),
    ],
)  # fmt: skip
def test_what_has_no_label_goes_on_two_columns_further_in(line: Line, rows: list[str]) -> None:
    assert [plain(row).rstrip() for row in wrapped(line, 22)] == rows


def test_a_word_that_is_too_long_stays_whole() -> None:
    long = "x" * 50
    lines = wrapped((Span("Failed", "bad"), Span(f": {long} is there")), 40)
    assert [[span.text for span in line] for line in lines] == [
        [
            "Failed",
            ":",
        ],
        ["  ", long],
        ["  ", "is", " there"],
    ]


@given(
    st.lists(st.tuples(st.text("ab é", max_size=30), st.sampled_from(["", "bad"])), min_size=1, max_size=5),
    st.integers(1, 60),
)
def test_nothing_but_spaces_is_added_or_lost(pieces: list[tuple[str, str]], width: int) -> None:
    line = tuple(Span(text, style) for text, style in pieces)
    again = wrapped(line, width)

    def letters(lines: list[Line]) -> list[tuple[str, str]]:
        return [(char, span.style) for each in lines for span in each for char in span.text if char != " "]

    assert letters(again) == letters([line])


def test_prose_keeps_its_lines_its_labels_and_its_commands() -> None:
    text = "Starting it here.\n  git         http://127.0.0.1:1/x.git   from here\n\n$ bump --site shop --sha abc1234 --dry-run"
    assert [plain(line) for line in prose(text, 40)] == [
        "Starting it here.",
        "  git         http://127.0.0.1:1/x.git",
        "              from here",
        "",
        "$ bump --site shop --sha abc1234 --dry-run",
    ]
    assert "\n".join(plain(line) for line in prose(text, 0)) == text
