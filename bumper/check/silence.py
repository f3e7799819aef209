"""Which findings a comment silences: `# bump-check: ignore=ID[,ID]` on the line of the finding or on the one above it.

Law: a comment silences what it names, there, and nothing else.
"""

import re
from collections.abc import Iterable

from bumper.check.finding import Finding
from bumper.fluxtree.layers import Reading

_COMMENT = re.compile(rb"#.*?\bbump-check:[ \t]*ignore=(?P<ids>[a-z0-9-]+(?:[ \t]*,[ \t]*[a-z0-9-]+)*)")
_LINE_BREAK = re.compile(rb"\r\n?|\n")


def named(content: bytes) -> dict[int, frozenset[str]]:
    """The ids that each line names, by its number from 1; only of lines with such a comment."""
    if b"bump-check" not in content:
        return {}
    return {
        number: frozenset(identifier.strip() for identifier in match["ids"].decode().split(","))
        for number, line in enumerate(_LINE_BREAK.split(content), start=1)
        if (match := _COMMENT.search(line))
    }


def divided(reading: Reading, findings: Iterable[Finding]) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """The findings that stand, and those that a comment silences."""
    lines: dict[str, dict[int, frozenset[str]]] = {}
    loud: list[Finding] = []
    silenced: list[Finding] = []
    for finding in findings:
        if finding.path not in lines:
            lines[finding.path] = (
                named(reading.content(finding.path)) if reading.is_file(finding.path) else {}
            )
        ids = lines[finding.path].get(finding.line, frozenset()) | lines[finding.path].get(
            finding.line - 1, frozenset()
        )
        (silenced if finding.id in ids else loud).append(finding)
    return tuple(loud), tuple(silenced)
