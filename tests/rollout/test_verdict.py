from hypothesis import given
from hypothesis import strategies as st
from tables import each_row

from bumper.errors import Outcome
from bumper.rollout.verdict import Verdict
from bumper.safe_text import printable


@each_row(
    ("text", "shown"),
    [
        ("plain text: ünïcode ✓", "plain text: ünïcode ✓"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;a title\x07after", "after"),
        ("\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b[2J\x1b[1;1Hgone", "gone"),
        ("over\rwritten\b\x00", "over written"),
        ("two\n  lines\t", "two lines"),
        ("\x9b31mC1", "31mC1"),
        ("ltr \u202eltr", "ltr ltr"),
        ("x" * 2000, "x" * 999 + "…"),
    ],
)
def test_what_a_cluster_wrote_is_made_safe_to_print(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_no_text_keeps_anything_that_is_not_printable(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert "\x1b" not in shown
    assert printable(shown) == shown


def test_every_text_of_a_verdict_is_made_safe() -> None:
    bad = "\x1b[31mx"
    verdict = Verdict(Outcome.FAILED, bad, bad, bad, bad, (bad,), (bad,))
    assert "\x1b" not in repr(verdict.printable())
    assert verdict.printable().message == "x"
