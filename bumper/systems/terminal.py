"""The two ways in which a run is shown while it happens: a terminal where the current line moves, and a log that only grows.
And the two of a picture that is watched: in place, and line by line.

Law: both show the same steps and the same words. A terminal cuts a line at its width, a log never does; a log says after
`LOG_PERIOD_S` seconds that it is still waiting, after twice as long again, and so on, and nothing twice in between.
"""

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from bumper.ports.run import Board, State, Step, Terminal
from bumper.progress import header, step_line
from bumper.safe_text import visible
from bumper.style import COMMAND, Line, Span, duration, plain, wrapped

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

LOG_PERIOD_S = 15.0
STYLES = {"good": "green", "bad": "bold red", "warn": "yellow", "quiet": "dim", "strong": "bold"}
_TRIES = re.compile(r"\b(?:\d+ (?:tries|times|try)|once)\b")
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
ASCII = str.maketrans({"✓": "+", "✗": "x", "·": ".", "→": ">", "…": "~"} | dict.fromkeys(SPINNER, "*"))


def open_terminal(
    stream: TextIO, environ: Mapping[str, str], now: Callable[[], float], *, name_sites: bool
) -> Terminal:
    """The display that fits `stream`: live if it is a terminal that can move its cursor. `name_sites`: each line says its site."""
    if stream.isatty() and environ.get("TERM", "dumb") != "dumb":
        return Live(stream, environ, now, name_sites=name_sites)
    return Log(stream, now, name_sites=name_sites)


class Log:
    """Plain lines, for CI logs and files."""

    def __init__(self, stream: TextIO, now: Callable[[], float], *, name_sites: bool) -> None:
        self._stream = stream
        self._now = now
        self._name_sites = name_sites
        # What was said of a site last, when, and after how long it is said again.
        self._last: dict[str, tuple[str, float, float]] = {}
        self._lock = threading.Lock()

    def begin(self, site: str, previous: str, wanted: str) -> None:
        self.write([header(site, previous, wanted)])

    def show(self, step: Step) -> None:
        if step.state is State.MOVING and not self._is_news(step):
            return
        name = f"  {step.site}" if self._name_sites else ""
        self.write([(Span(name), *step_line(step), Span(f"   {duration(step.seconds)}"))])

    def notice(self, text: str) -> None:
        self.write([(Span(f"  ! {text}", "warn"),)])

    def write(self, lines: Iterable[Line]) -> None:
        with self._lock:
            for line in lines:
                self._stream.write(_encodable(plain(line).rstrip(), self._stream) + "\n")
            self._stream.flush()

    def close(self) -> None:
        self._last.clear()

    def _is_news(self, step: Step) -> bool:
        text, said_s, period_s = self._last.get(step.site, ("", 0.0, 0.0))
        # That it was tried once more says nothing new.
        news = _TRIES.sub("", f"{step.stage} {step.detail}")
        if news != text:
            period_s = LOG_PERIOD_S / 2
        elif self._now() - said_s < period_s:
            return False
        self._last[step.site] = (news, self._now(), period_s * 2)
        return True


class Live:
    """A terminal: finished stages stay, what is moving stands below them with a spinner and its seconds."""

    def __init__(
        self, stream: TextIO, environ: Mapping[str, str], now: Callable[[], float], *, name_sites: bool
    ) -> None:
        from rich.live import Live as Region

        self._console = _console(stream, environ)
        self._now = now
        self._name_sites = name_sites
        self._moving: dict[str, tuple[Step, float]] = {}
        self._lock = threading.Lock()
        self._region = Region(
            console=self._console, get_renderable=self._render, refresh_per_second=10, transient=True
        )
        self._region.start()

    def begin(self, site: str, previous: str, wanted: str) -> None:
        self.write([header(site, previous, wanted)])

    def show(self, step: Step) -> None:
        with self._lock:
            self._moving.pop(step.site, None)
            if step.state is State.MOVING:
                self._moving[step.site] = (step, self._now() - step.seconds)
        if step.state is not State.MOVING:
            self._console.print(self._fitted(step, step.seconds), no_wrap=True, crop=True)

    def notice(self, text: str) -> None:
        self.write([(Span(f"  ! {text}", "warn"),)])

    def write(self, lines: Iterable[Line]) -> None:
        for line in _broken(lines, self._console.width):
            self._console.print(self._text(line), soft_wrap=True)

    def close(self) -> None:
        with self._lock:
            self._moving.clear()
        self._region.stop()

    def _render(self) -> "Text":
        from rich.text import Text

        with self._lock:
            moving = list(self._moving.values())
        lines = [
            self._fitted(step, self._now() - since_s) for step, since_s in moving[: self._console.height - 2]
        ]
        return Text("\n").join(lines)

    def _fitted(self, step: Step, seconds: float) -> "Text":
        """The step's line at exactly the width of the terminal: detail cut if need be, seconds at the right."""
        indent, mark, *rest = step_line(step)
        if step.state is State.MOVING:
            mark = Span(SPINNER[int(self._now() * 10) % len(SPINNER)], "quiet")
        name = (Span(f"  {step.site}"),) if self._name_sites else ()
        taken = duration(seconds)
        text = self._text((*name, indent, mark, *rest))
        text.truncate(self._console.width - len(taken) - 2, overflow="ellipsis", pad=True)
        text.append(f"  {taken}", style=STYLES["quiet"])
        return text

    def _text(self, line: Line) -> "Text":
        return _text(line, self._console.file)


def _broken(lines: Iterable[Line], width: int) -> Iterator[Line]:
    for line in lines:
        yield from [line] if _is_whole(line) else wrapped(line, width)


def _is_whole(line: Line) -> bool:
    """Whether it is left to the terminal to break the line, which it copies as one: a line of a diff, and a command."""
    return (len(line) == 1 and line[0].style != "warn") or line[-1].style == COMMAND


def width_of(stream: TextIO, environ: Mapping[str, str]) -> int:
    """The columns of the terminal, 0 for a stream without any: what a log holds is not broken."""
    return _console(stream, environ).width if stream.isatty() else 0


def open_board(stream: TextIO, environ: Mapping[str, str]) -> Board:
    """The board that fits `stream`."""
    if stream.isatty() and environ.get("TERM", "dumb") != "dumb":
        return LiveBoard(stream, environ)
    return PlainBoard(stream)


class PlainBoard:
    """Lines that only grow, for logs and files."""

    is_live = False

    def __init__(self, stream: TextIO) -> None:
        self._log = Log(stream, lambda: 0.0, name_sites=False)

    def show(self, lines: Sequence[Line]) -> None:
        self.add(lines)

    def add(self, lines: Iterable[Line]) -> None:
        self._log.write(lines)

    def close(self) -> None:
        return


class LiveBoard:
    """A terminal's second screen, which is written over in place; what stood there last stays behind on the first one.

    The second screen has no lines that scroll away, so that a window of another size spoils nothing: the next picture fits it.
    """

    is_live = True

    def __init__(self, stream: TextIO, environ: Mapping[str, str]) -> None:
        from rich.live import Live as Region

        self._console = _console(stream, environ)
        self._region = Region(console=self._console, screen=True, auto_refresh=False)
        self._shown: tuple[Sequence[Line], object] = ((), None)
        self._region.start()

    def show(self, lines: Sequence[Line]) -> None:
        """Draws the picture, unless the same one stands there already."""
        picture = (list(lines), self._console.size)
        if picture != self._shown:
            self._shown = picture
            self._region.update(self._cropped(lines), refresh=True)

    def add(self, lines: Iterable[Line]) -> None:
        self.show([*self._shown[0], *lines])

    def close(self) -> None:
        self._region.stop()
        for line in _broken(self._shown[0], self._console.width):
            self._console.print(_text(line, self._console.file), soft_wrap=True)
        self._shown = ((), None)

    def _cropped(self, lines: Sequence[Line]) -> "Text":
        """As much as the window holds; its last line says how much is missing."""
        from rich.text import Text

        wrapped = (
            Text("\n")
            .join(_text(line, self._console.file) for line in _broken(lines, self._console.width))
            .wrap(self._console, self._console.width)
        )
        height = self._console.height
        if len(wrapped) <= height:
            return Text("\n").join(wrapped)
        hidden = len(wrapped) - height + 1
        more = Text(f"{hidden} more lines: make the window higher", style=STYLES["quiet"])
        return Text("\n").join([*wrapped[: height - 1], more])


def _console(stream: TextIO, environ: Mapping[str, str]) -> "Console":
    from rich.console import Console

    return Console(
        file=stream,
        force_terminal=True,
        no_color="NO_COLOR" in environ,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=False,
        _environ=environ,
    )


def _text(line: Line, stream: object) -> "Text":
    from rich.text import Text

    text = Text(no_wrap=False)
    for span in line:
        text.append(_encodable(visible(span.text), stream), style=STYLES.get(span.style, ""))
    return text


def _encodable(text: str, stream: object) -> str:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(ASCII).encode(encoding, errors="replace").decode(encoding)
    return text
