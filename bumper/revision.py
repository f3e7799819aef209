"""A revision as Flux writes it.

Law: `parse(text).sha` is the commit a Flux object speaks of, in every form that source-controller has written:
`main@sha1:<40>`, `v1.0.0@sha1:<40>`, `refs/heads/main@sha1:<40>`, `sha1:<40>`, and the older `main/<40>`, `HEAD/<40>`, `<40>`.
Branch names may hold `/` and `@`, so only the last separator counts. What is not a git commit (an OCI artifact's
`latest@sha256:<64>`) is no `Revision`: `parse` returns None, which callers must treat as "unknown", never as "not ours".
"""

import re
from typing import Self

from bumper.dataclasses import dataclass

_NAMED = re.compile(r"(?:(?P<name>.+)@)?sha1:(?P<sha>[0-9a-f]{40})")
_LEGACY = re.compile(r"(?:(?P<name>.+)/)?(?P<sha>[0-9a-f]{40})")


@dataclass(frozen=True)
class Revision:
    """`name` is the branch, tag or ref that led to the commit, empty where Flux gave none; `sha` has 40 hex digits."""

    name: str
    sha: str

    def __str__(self) -> str:
        return f"{self.name}@sha1:{self.sha}" if self.name else f"sha1:{self.sha}"

    @property
    def short(self) -> str:
        """`main@sha1:3f9d2ab`: for people."""
        return str(self)[: len(str(self)) - 33]

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The revision that Flux wrote as `text`, or None where it names no git commit."""
        match = _NAMED.fullmatch(text) or _LEGACY.fullmatch(text)
        return cls(match["name"] or "", match["sha"]) if match else None
