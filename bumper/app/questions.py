"""Questions to whoever sits at the terminal.

Law: only a person is asked. Where nobody is, the option is named that answers; nothing has a default that was not shown.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from bumper.app.context import Context
from bumper.errors import UsageError
from bumper.safe_text import visible
from bumper.style import Span, margin, plain, wrapped
from bumper.systems.terminal import width_of

T = TypeVar("T")
# The number of a choice and its word.
_LABEL_WIDTH = 15


class Questions:
    """Asks on standard error, and reads a line for each answer."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @property
    def can_ask(self) -> bool:
        """Whether somebody is there."""
        stdin = self._context.stdin
        return stdin is not None and stdin.isatty()

    def tell(self, *line: Span) -> None:
        """A line before questions, broken between words where the window ends."""
        width = width_of(self._context.stderr, self._context.environ)
        for row in wrapped(line, width) if width else [line]:
            self._context.stderr.write(f"{plain(row)}\n")

    def ask(self, question: str, read: Callable[[str], T], option: str) -> T:
        """What `read` makes of the answer; where that is none, which it says by a ValueError, the question comes again: what was
        answered before is not lost. UsageError where nobody answers, with the option."""
        while True:
            answer = self._line(f"{question}: ", option)
            try:
                return read(answer)
            except ValueError as error:
                self.tell(Span(f"  {error}"))

    def choose(self, question: str, choices: Sequence[tuple[str, str]], option: str) -> str:
        """One of the choices, each a word and what it means; by its number or its word."""
        if self.can_ask:
            self.tell(Span(question))
            for at, (name, meaning) in enumerate(choices, 1):
                self.tell(margin(f"{at}  {name}", _LABEL_WIDTH), Span(meaning))
        names = [name for name, _ in choices]
        known = {str(at): name for at, name in enumerate(names, 1)} | {name: name for name in names}

        def read(answer: str) -> str:
            if answer not in known:
                raise ValueError(f"{answer!r}: expected 1 to {len(names)}, or one of {', '.join(names)}")
            return known[answer]

        if not self.can_ask:
            option = f"{option}: {', '.join(names[:-1])} or {names[-1]}"
        return self.ask("Which one" if self.can_ask else question, read, option)

    def _line(self, text: str, option: str) -> str:
        stdin = self._context.stdin
        if stdin is None or not self.can_ask:
            raise UsageError(
                f"not given: {text.strip(': ')}", hint=f"give it: {option}; on a terminal it is asked"
            )
        self._context.stderr.write(visible(text))
        self._context.stderr.flush()
        answer = ""
        try:
            answer = stdin.readline()
        finally:
            # Nobody pressed Enter: what is said next begins a line of its own.
            if not answer:
                self._context.stderr.write("\n")
        if not answer:
            raise UsageError(f"no answer: {text.strip(': ')}", hint=f"give it: {option}")
        return answer.strip()
