"""What is there before the day a deploy needs it: findings, as lines for people and as data for programs. Pure.

Law: a finding says what was seen, why it matters and what to do. What could not be looked at is a finding of its own: never a failure
that nobody saw, and never silence. No secret stands in any text.
"""

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


def lines(findings: Sequence[Finding]) -> list[Line]:
    """Each area under its name; why and what to do only where something is to be done."""
    shown_lines: list[Line] = []
    for area in AREAS:
        ours = [finding for finding in findings if finding.area == area]
        if ours:
            shown_lines.append((Span(area, "strong"),))
        for finding in ours:
            shown_lines += _finding(finding)
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


def _finding(finding: Finding) -> list[Line]:
    sign, style = _SIGNS[finding.mark]
    head: Line = (
        Span(f"  {sign} ", style),
        Span(f"{finding.subject}:", "strong"),
        Span(f" {finding.observed}"),
    )
    if finding.mark is Mark.GOOD:
        return [head]
    rows = (("why", finding.why), ("do", finding.advice))
    return [head, *((Span(f"      {label:<5}", "quiet"), Span(text)) for label, text in rows if text)]


def _sum(findings: Sequence[Finding]) -> Line:
    missing = sum(finding.mark is Mark.MISSING for finding in findings)
    warnings = sum(finding.mark is Mark.WARNING for finding in findings)
    warned = f", {amount(warnings, 'warning')}" if warnings else ""
    if missing:
        return Span("Not ready", "bad"), Span(f": {missing} of {len(findings)} checks failed{warned}")
    return Span("Ready to deploy", "good"), Span(f": {len(findings)} checks{warned}")
