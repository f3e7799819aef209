import io
import re

import pytest

from bumper.ports.run import State, Step
from bumper.progress import Journal
from bumper.style import Line, Span
from bumper.systems.terminal import Live, Log, open_board, open_terminal


class Hand:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


LONG = "kevinryanacr.azurecr.io/kevinryan-io:abc1234 " + "x" * 150


def test_a_log_says_each_step_once_and_repeats_only_after_a_while() -> None:
    clock, stream = Hand(), io.StringIO()
    log = Log(stream, clock.now, name_sites=False)
    log.begin("web", "1.0", "2.0")
    for second in range(0, 125, 5):
        clock.time = float(second)
        log.show(Step("web", "fetched", State.MOVING, "waiting", float(second)))
    log.show(Step("web", "fetched", State.DONE, "main@sha1:3f9d2ab", 125.0))
    assert stream.getvalue().splitlines() == [
        "web   1.0 → 2.0",
        "  · fetched    waiting   0.0 s",
        "  · fetched    waiting   15.0 s",
        "  · fetched    waiting   45.0 s",
        "  · fetched    waiting   1 min 45 s",
        "  ✓ fetched    main@sha1:3f9d2ab   2 min 5 s",
    ]


def test_a_log_never_cuts_a_line() -> None:
    stream = io.StringIO()
    Log(stream, Hand().now, name_sites=False).show(Step("web", "image", State.DONE, LONG, 0.1))
    assert LONG in stream.getvalue()


def test_with_several_sites_each_line_names_its_own() -> None:
    stream = io.StringIO()
    log = Log(stream, Hand().now, name_sites=True)
    log.show(Step("web", "image", State.DONE, "a", 0.1))
    log.show(Step("api", "image", State.FAILED, "b", 0.1))
    assert stream.getvalue().splitlines() == [
        "  web  ✓ image      a   0.1 s",
        "  api  ✗ image      b   0.1 s",
    ]


@pytest.mark.parametrize("width", [80, 140])
def test_a_terminal_line_ends_with_its_seconds_at_the_right_edge(width: int) -> None:
    stream = Screen()
    live = Live(
        stream, {"TERM": "xterm", "COLUMNS": str(width), "NO_COLOR": "1"}, Hand().now, name_sites=False
    )
    live.show(Step("web", "image", State.DONE, LONG, 0.3))
    live.close()
    line = next(line for line in without_escapes(stream.getvalue()).splitlines() if "✓ image" in line)
    assert len(line) == width
    assert line.endswith("…  0.3 s")


def test_no_color_is_respected_and_colour_is_there_otherwise() -> None:
    assert "\x1b[32m" not in shown({"TERM": "xterm", "COLUMNS": "80", "NO_COLOR": "1"})
    assert "\x1b[32m" in shown({"TERM": "xterm", "COLUMNS": "80"})


def shown(environ: dict[str, str]) -> str:
    stream = Screen()
    live = Live(stream, environ, Hand().now, name_sites=False)
    live.write([(Span("Ready", "good"),)])
    live.close()
    return stream.getvalue()


def without_escapes(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", text)


def test_a_stream_that_cannot_say_it_gets_plain_letters() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    Log(stream, Hand().now, name_sites=False).show(Step("web", "image", State.DONE, "a → b…", 0.1))
    assert raw.getvalue() == b"  + image      a > b~   0.1 s\n"
    stream.close()


@pytest.mark.parametrize(
    ("stream", "environ", "kind"),
    [
        (io.StringIO(), {"TERM": "xterm"}, Log),
        (Screen(), {"TERM": "dumb"}, Log),
        (Screen(), {}, Log),
        (Screen(), {"TERM": "xterm"}, Live),
    ],
)
def test_only_a_terminal_that_can_move_its_cursor_is_live(
    stream: io.StringIO, environ: dict[str, str], kind: type
) -> None:
    terminal = open_terminal(stream, environ, Hand().now, name_sites=False)
    terminal.close()
    assert type(terminal) is kind


def test_the_seconds_of_all_stages_add_up_to_the_whole() -> None:
    clock, stream = Hand(), io.StringIO()
    journal = Journal(clock.now, Log(stream, clock.now, name_sites=False))
    for stage, at in (("image", 0.5), ("commit", 2.0), ("fetched", 7.0)):
        journal.moving("web", stage, "")
        clock.time = at
        journal.done("web", stage, "")
    assert [step.seconds for step in journal.steps("web")] == [0.5, 1.5, 5.0]
    assert journal.seconds == 7.0


def test_a_notice_is_said_once() -> None:
    stream = io.StringIO()
    journal = Journal(Hand().now, Log(stream, Hand().now, name_sites=False))
    journal.notice("polling")
    journal.notice("polling")
    assert stream.getvalue() == "  ! polling\n"


class TestBoards:
    def picture(self, *texts: str) -> list[Line]:
        return [(Span(text),) for text in texts]

    def test_a_log_gets_lines_that_only_grow(self) -> None:
        stream = io.StringIO()
        board = open_board(stream, {})
        board.add(self.picture("web: ready"))
        board.add(self.picture("web: moving"))
        board.close()
        assert (board.is_live, stream.getvalue()) == (False, "web: ready\nweb: moving\n")

    def test_a_dumb_terminal_is_a_log(self) -> None:
        assert not open_board(Screen(), {"TERM": "dumb"}).is_live

    def test_a_picture_that_did_not_change_is_not_drawn_again(self) -> None:
        stream = Screen()
        board = open_board(stream, {"TERM": "xterm", "COLUMNS": "80", "LINES": "10"})
        board.show(self.picture("web   ready"))
        drawn = len(stream.getvalue())
        board.show(self.picture("web   ready"))
        assert len(stream.getvalue()) == drawn
        board.show(self.picture("web   moving"))
        assert len(stream.getvalue()) > drawn
        board.close()

    def test_a_low_window_says_how_much_it_hides(self) -> None:
        stream = Screen()
        board = open_board(stream, {"TERM": "xterm", "COLUMNS": "40", "LINES": "4", "NO_COLOR": ""})
        board.show(self.picture(*(f"line {number}" for number in range(8)), "w" * 100))
        shown = stream.getvalue().split("\x1b[H")[-1]
        assert [line.strip() for line in re.sub(r"\x1b\[[0-9;]*m", "", shown).split("\n")] == [
            "line 0",
            "line 1",
            "line 2",
            "8 more lines: make the window higher",
        ]
        board.close()
        assert "line 7" in stream.getvalue(), "the whole of it stays behind"


def test_a_log_does_not_say_that_it_was_tried_once_more() -> None:
    stream = io.StringIO()
    log = Log(stream, lambda: 0.0, name_sites=False)
    for tries in ("1 try", "2 tries", "3 tries"):
        log.show(Step("web", "rolled out", State.MOVING, f"probe failed ({tries})", 1.0))
    log.show(Step("web", "rolled out", State.MOVING, "1/1 available", 1.0))
    assert stream.getvalue().splitlines() == [
        "  · rolled out probe failed (1 try)   1.0 s",
        "  · rolled out 1/1 available   1.0 s",
    ]


def test_a_deploy_that_changes_no_tag_names_it_once() -> None:
    stream = io.StringIO()
    log = Log(stream, Hand().now, name_sites=False)
    log.begin("web", "2.0", "2.0")
    assert stream.getvalue() == "web   2.0\n"
