"""Questions to whoever sits at the terminal.

Law: only a person is asked. Where nobody is, the option is named that answers; nothing has a default that was not shown.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from bumper.app.context import Context
from bumper.errors import UsageError
from bumper.safe_text import visible

T = TypeVar("T")
_MOST_TRIES = 3


class Questions:
    """Asks on standard error, and reads a line for each answer."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @property
    def can_ask(self) -> bool:
        """Whether somebody is there."""
        stdin = self._context.stdin
        return stdin is not None and stdin.isatty()

    def tell(self, text: str) -> None:
        """A line before questions."""
        self._context.stderr.write(f"{visible(text)}\n")

    def ask(self, question: str, read: Callable[[str], T], option: str) -> T:
        """What `read` makes of the answer; it raises ValueError for what is none. UsageError where nobody answers, with the option."""
        for _ in range(_MOST_TRIES):
            answer = self._line(f"{question}: ", option)
            try:
                return read(answer)
            except ValueError as error:
                self.tell(f"  {error}")
        raise UsageError(f"no answer that can be used: {question}", hint=f"give it: {option}")

    def choose(self, question: str, choices: Sequence[tuple[str, str]], option: str) -> str:
        """One of the choices, each a word and what it means; by its number or its word."""
        if self.can_ask:
            self.tell(question)
            for at, (name, meaning) in enumerate(choices, 1):
                self.tell(f"  {at}  {name:<12}{meaning}")
        names = [name for name, _ in choices]
        known = {str(at): name for at, name in enumerate(names, 1)} | {name: name for name in names}

        def read(answer: str) -> str:
            if answer not in known:
                raise ValueError(f"{answer!r}: expected 1 to {len(names)}, or one of {', '.join(names)}")
            return known[answer]

        return self.ask("Which one" if self.can_ask else question, read, option)

    def _line(self, text: str, option: str) -> str:
        stdin = self._context.stdin
        if stdin is None or not self.can_ask:
            raise UsageError(
                f"not given: {text.strip(': ')}", hint=f"give it: {option}; on a terminal it is asked"
            )
        self._context.stderr.write(visible(text))
        self._context.stderr.flush()
        answer = stdin.readline()
        if not answer:
            raise UsageError(f"no answer: {text.strip(': ')}", hint=f"give it: {option}")
        return answer.strip()
