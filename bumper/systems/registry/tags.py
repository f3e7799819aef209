"""What a repository has instead of a tag that is not there: a help for the reader, never a proof.

Law: a list of tags may lag behind or be cut short, so that nothing is decided by it. It is read after the manifest itself was not
found.
"""

import re

from bumper.dataclasses import dataclass

# One page: the list of a repository that is built daily has thousands.
PAGE = 100
_SHOWN = 3
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_SHORT = 7


@dataclass(frozen=True)
class Tags:
    """The first page of a repository's tags; `newest_first` where the registry sorts them by time."""

    names: tuple[str, ...]
    newest_first: bool

    def described(self, wanted: str) -> str:
        """`near it: abc1235; newest: def5678`: the tags that look like `wanted`, and some that show how tags look here."""
        near = self._near(wanted)
        others = [name for name in self.names if name not in near][:_SHOWN]
        label = "newest" if self.newest_first else "also there" if near else "there are"
        phrases = [
            f"{name}: {', '.join(names)}" for name, names in (("near it", near), (label, others)) if names
        ]
        return "; ".join(phrases)

    def _near(self, wanted: str) -> list[str]:
        # A commit may stand inside a tag (`sha-abc1234`, `main-abc1234`) or be written with other digits of its SHA.
        start = wanted[:_SHORT] if _COMMIT.fullmatch(wanted) else wanted
        holding = [name for name in self.names if start in name]
        from difflib import get_close_matches  # only where a tag is missing

        return (holding or get_close_matches(wanted, self.names, n=_SHOWN, cutoff=0.6))[:_SHOWN]
