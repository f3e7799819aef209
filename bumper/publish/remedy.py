"""What helps, taken apart: commands that can be copied, and what is said in words.

Law: a text is only ever a command if it has the form of one from its first word to its last; a doubt is prose.
"""

import re
import shlex
from collections.abc import Iterable, Iterator
from itertools import pairwise

from bumper.dataclasses import dataclass
from bumper.style import COMMAND, Line, Span, margin

_VALUE = r"(?:'[^']*'|[^\s;,()']+)"
_ARGUMENTS = rf"(?: {_VALUE})*"
# Those that our hints name, with the verbs that they name.
_VERBS = "rollback|track|release|hold|status|history|adopt|doctor|check"
_BUMP = rf"bump (?:{_VERBS})(?: --[a-z][a-z-]*(?: {_VALUE})?| [a-z0-9][a-z0-9.-]*)*"
_FORM = re.compile(
    rf"(?:(?P<label>[^:;]{{1,80}}): )?(?P<command>{_BUMP}|kubectl (?:logs|get|describe|events|top) {_VALUE}{_ARGUMENTS}"
    rf"|flux (?:events|get|logs|reconcile|resume|trace){_ARGUMENTS})"
)
_BOUNDARY = re.compile(r"; or: |, or: |; and |; ")
# A command of ours that names a site: what it leaves out is taken from where it is pasted.
_OF_A_SITE = re.compile(
    rf"\bbump (?:rollback|track|release|hold|status|history) --site {_VALUE}(?: --[a-z][a-z-]* {_VALUE})*"
)


@dataclass(frozen=True)
class Remedy:
    """One thing to do: a command with what it is for, or prose without one."""

    text: str = ""
    command: str = ""


def remedies(hint: str) -> list[Remedy]:
    """What the hint names, in its order; prose that stands together stays together."""
    steps: list[Remedy] = []
    for step in _steps(piece.strip() for piece in _BOUNDARY.split(hint)):
        if steps and not (step.command or steps[-1].command):
            step = Remedy(f"{steps.pop().text}; {step.text}")
        steps.append(step)
    return steps


def _steps(pieces: Iterable[str]) -> Iterator[Remedy]:
    for piece in filter(None, pieces):
        form = _FORM.fullmatch(piece)
        yield Remedy(form["label"] or "", form["command"]) if form else Remedy(piece)


_NEXT, _OR = margin("next"), margin("or")
# What is to be typed, in a form that `_FORM` does not know: alone, or behind a colon. In a sentence these words are names.
_CALL = re.compile(r"(?:^|: )(?:bump|kubectl|flux|git|az|export) \S")


def lines(hint: str, first: Span = _NEXT, other: Span = _OR) -> list[Line]:
    """What helps: each command on a line that can be copied from its label on. `first` and `other` are labels of one width."""
    shown: list[Line] = []
    for step in remedies(hint):
        label = other if shown else first
        if step.text:
            text = step.text.removeprefix("or ") if shown else step.text
            # A command is left to the terminal to break, which copies it as one line.
            style = COMMAND if _CALL.search(text) else ""
            shown.append((label, Span(f"{text}:") if step.command else Span(text, style)))
            label = Span(" " * len(label.text))
        shown += [(label, Span(step.command, COMMAND))] if step.command else []
    return shown


def pasted(text: str, place: str) -> str:
    """The text with commands of ours that can be pasted anywhere: `place` holds the options that say where, with a space before."""
    return _OF_A_SITE.sub(lambda command: command[0] + place, text) if place else text


def options_of(command: str) -> list[tuple[str, str]]:
    """The options of a command of ours, by their names without dashes; a flag has an empty value."""
    arguments = shlex.split(command)
    pairs = pairwise([*arguments, ""])
    return [
        (option[2:], "" if value.startswith("--") else value)
        for option, value in pairs
        if option.startswith("--")
    ]
