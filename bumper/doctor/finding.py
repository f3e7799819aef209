"""What is there before the day a deploy needs it: findings, as lines for people and as data for programs. Pure.

Law: a finding says what was seen, why it matters and what to do. What could not be looked at is a finding of its own: never a failure
that nobody saw, and never silence. No secret stands in any text.
"""

import textwrap
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from bumper.dataclasses import dataclass
from bumper.errors import EXIT_CODES, BumpError, Outcome
from bumper.safe_text import printable
from bumper.style import Line, Span, amount


class Mark(StrEnum):
    """How a finding weighs: only what is missing makes a deploy impossible, or its outcome unknowable."""

    GOOD = "good"
    WARNING = "warning"
    MISSING = "missing"


# In the order of a deploy.
AREAS = ("git", "registry", "cluster", "flux", "clock")
_INDENT, _DEEP_INDENT, _NARROWEST = 4, 11, 30
_SIGNS = {Mark.GOOD: ("✓", "good"), Mark.WARNING: ("!", "warn"), Mark.MISSING: ("✗", "bad")}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `area` is one of `AREAS`, `subject` what of it."""

    area: str
    subject: str
    mark: Mark
    observed: str
    why: str = ""
    advice: str = ""

    def __post_init__(self) -> None:
        for name in ("subject", "observed", "why", "advice"):
            object.__setattr__(self, name, printable(getattr(self, name)))


def of_error(area: str, subject: str, error: BumpError, why: str, mark: Mark = Mark.MISSING) -> Finding:
    """The finding that something did not answer, or said no."""
    return Finding(area, subject, mark, error.message.removeprefix(f"{subject}: "), why, error.hint)


def exit_code(findings: Sequence[Finding]) -> int:
    """0, also with warnings; that of an unknown outcome where something is missing."""
    is_missing = any(finding.mark is Mark.MISSING for finding in findings)
    return EXIT_CODES[Outcome.UNKNOWN] if is_missing else 0


def lines(findings: Sequence[Finding], width: int = 0) -> list[Line]:
    """Each area under its name; why and what to do only where something is to be done. 0 is a width that needs no breaks."""
    shown_lines: list[Line] = []
    for area in AREAS:
        ours = [finding for finding in findings if finding.area == area]
        if ours:
            shown_lines.append((Span(area, "strong"),))
        for finding in ours:
            shown_lines += _finding(finding, width)
    return [*shown_lines, _sum(findings)]


def as_data(findings: Sequence[Finding]) -> dict[str, Any]:
    """The one object that `--output json` prints."""
    return {
        "exitCode": exit_code(findings),
        "findings": [
            {
                "area": finding.area,
                "subject": finding.subject,
                "result": finding.mark.value,
                "found": finding.observed,
                "why": finding.why or None,
                "advice": finding.advice or None,
            }
            for finding in findings
        ],
    }


def _finding(finding: Finding, width: int) -> list[Line]:
    sign, style = _SIGNS[finding.mark]
    first, *rest = _broken(f"{finding.subject}: {finding.observed}", width, _INDENT)
    # A subject that is longer than the line is broken with it, and then not set apart.
    subject, observed = first[: len(finding.subject) + 1], first[len(finding.subject) + 1 :]
    head: list[Line] = [(Span("  "), Span(sign, style), Span(f" {subject}", "strong"), Span(observed))]
    head += [(Span(" " * _INDENT + text),) for text in rest]
    if finding.mark is Mark.GOOD:
        return head
    for label, text in (("why", finding.why), ("do", finding.advice)):
        for number, part in enumerate(_broken(text, width, _DEEP_INDENT) if text else ()):
            start = f"      {label:<5}" if number == 0 else " " * _DEEP_INDENT
            head.append((Span(start, "quiet"), Span(part)))
    return head


def _broken(text: str, width: int, indent: int) -> list[str]:
    """The text in lines that fit beside the indent; names and addresses are kept whole, so that they can be copied."""
    if not width:
        return [text]
    room = max(width - indent, _NARROWEST)
    return textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)


def _sum(findings: Sequence[Finding]) -> Line:
    missing = sum(finding.mark is Mark.MISSING for finding in findings)
    warnings = sum(finding.mark is Mark.WARNING for finding in findings)
    warned = f", {amount(warnings, 'warning')}" if warnings else ""
    if missing:
        return Span("Not ready", "bad"), Span(f": {missing} of {len(findings)} checks failed{warned}")
    return Span("Ready to deploy", "good"), Span(f": {len(findings)} checks{warned}")
