"""How an answer of a peer is judged, and which of its lines is shown. The measuring itself is `make e2e-peers`."""

import pytest

from .peers import SITUATIONS, Answer, judge, last_line


@pytest.mark.parametrize(
    ("situation", "answer", "expected"),
    [
        ("healthy", Answer(5.0, 0, "", ran=True), "right"),
        ("healthy", Answer(0.2, 0, "", ran=False), "**says Ready, and it is not**"),
        ("healthy", Answer(5.0, 1, "", ran=True), "**says that it failed, and it did not**"),
        ("crash", Answer(15.0, 11, "", ran=False), "right"),
        ("crash", Answer(60.1, 1, "", ran=False), "**nothing until it times out**"),
        ("crash", Answer(0.2, 0, "", ran=False), "**says Ready, and it is not**"),
    ],
)
def test_a_judgement(situation: str, answer: Answer, expected: str) -> None:
    assert judge(SITUATIONS[situation], answer) == expected


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("fetching\nFailed: no image\n  next  kubectl logs\n", "Failed: no image"),
        ("error: not YAML\nhelp: correct it\n", "error: not YAML"),
        ("waiting\ncondition met\n", "condition met"),
        ("a | b", "a \\| b"),
        ("", "(nothing)"),
        ("x" * 200, "x" * 107 + "..."),
    ],
)
def test_the_line_that_is_shown(output: str, expected: str) -> None:
    assert last_line(output) == expected
