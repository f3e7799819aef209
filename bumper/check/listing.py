"""Findings as people and programs read them. Pure: values in, lines of styled text or plain data out.

Law: what is wrong comes before what may hurt; why and what to do are said once for each rule, every place has a line of its own that
begins with file and line.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from bumper.check import Checked
from bumper.check.finding import ERROR, Finding, Rule, Severity
from bumper.check.rules import RULES
from bumper.safe_text import printable
from bumper.style import Line, Span, amount

_STYLES = {Severity.ERROR: ("✗", "bad"), Severity.WARNING: ("!", "warn")}
_SILENCE = "  meant to be so?  # bump-check: ignore={id}   on its line or the one above it, or --ignore {id}"


def lines(checked: Checked) -> list[Line]:
    """The findings, rule by rule, then what cannot be known, then the sum."""
    shown_lines: list[Line] = []
    for rule in sorted(RULES.values(), key=lambda rule: rule.severity is not ERROR):
        if ours := [finding for finding in checked.findings if finding.id == rule.id]:
            shown_lines += [*_rule(rule, ours), (Span(""),)]
    shown_lines += [(Span("  note  ", "quiet"), Span(printable(note))) for note in checked.notes]
    return [*shown_lines, _sum(checked)]


def as_data(checked: Checked, exit_code: int) -> dict[str, Any]:
    """The one object that `--output json` prints."""
    return {
        "exitCode": exit_code,
        "files": checked.files,
        "findings": [_data(finding) for finding in checked.findings],
        "silenced": [
            {"id": finding.id, "file": finding.path, "line": finding.line} for finding in checked.silenced
        ],
        "notes": list(checked.notes),
    }


def table() -> list[Line]:
    """Every rule, for `--list`."""
    table_lines: list[Line] = []
    for rule in RULES.values():
        sign, style = _STYLES[rule.severity]
        table_lines.append(
            (Span(f"{sign} ", style), Span(f"{rule.id:<24}", "strong"), Span(rule.severity.value, style))
        )
        table_lines += _advice(rule)
    return table_lines


def table_as_data() -> dict[str, Any]:
    """Every rule, for `--list --output json`."""
    rules = RULES.values()
    return {
        "rules": [
            {"id": rule.id, "severity": rule.severity.value, "why": rule.why, "fix": rule.fix}
            for rule in rules
        ]
    }


def markdown() -> str:
    """The table of docs/checks.md."""
    rows = [f"| `{rule.id}` | {rule.severity} | {rule.why} | {rule.fix} |" for rule in RULES.values()]
    return "\n".join(["| id | severity | why | what to do |", "|---|---|---|---|", *rows, ""])


def counted(findings: Iterable[Finding], severity: Severity) -> int:
    """How many of the findings are of that severity."""
    return sum(finding.severity is severity for finding in findings)


def _rule(rule: Rule, findings: Sequence[Finding]) -> list[Line]:
    sign, style = _STYLES[rule.severity]
    return [
        (Span(f"{sign} {rule.id}", style), Span(f"   {rule.severity}", "quiet")),
        *(
            (Span("  "), Span(printable(finding.place), "strong"), Span(f"  {printable(finding.message)}"))
            for finding in findings
        ),
        *_advice(rule),
        (Span(_SILENCE.format(id=rule.id), "quiet"),),
    ]


def _advice(rule: Rule) -> list[Line]:
    return [
        (Span(f"  {label:<3}  ", "quiet"), Span(text))
        for label, text in (("why", rule.why), ("do", rule.fix))
    ]


def _sum(checked: Checked) -> Line:
    errors, warnings = (counted(checked.findings, severity) for severity in Severity)
    files = amount(checked.files, "file")
    silenced = f", {len(checked.silenced)} silenced" if checked.silenced else ""
    if not checked.findings:
        return Span("✓ ", "good"), Span(f"{files}: nothing found{silenced}", "strong")
    counts = ", ".join(
        amount(number, noun) for number, noun in ((errors, "error"), (warnings, "warning")) if number
    )
    return Span("✗ " if errors else "! ", "bad" if errors else "warn"), Span(
        f"{files}: {counts}{silenced}", "strong"
    )


def _data(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id,
        "severity": finding.severity.value,
        "file": finding.path,
        "line": finding.line,
        "message": finding.message,
        "why": finding.why,
        "fix": finding.fix,
    }
