"""Which of two builds is the newer one, and what says so.

Law: only what proves an order is taken for one; everything else is UNKNOWN, with the reason. A commit is older than another if it is
its ancestor. Creation times decide only where nothing knows the commits, and only if they lie so far apart that the two builds cannot
have run side by side: builds that do finish in any order, and a later finish is no later commit.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum

from bumper.dataclasses import dataclass

# A build takes minutes; two that were made closer together than this may have run side by side.
SIDE_BY_SIDE_S = 3600.0
# Builds that can be reproduced are given a time of their own: often none at all.
_NO_TIME_BEFORE = datetime(1990, 1, 1, tzinfo=UTC)
# docker/metadata-action writes `sha-` before the commit unless it is told otherwise.
SHA_PREFIX = "sha-"
TAG_PREFIXES = ("", SHA_PREFIX)
_COMMIT_TAG = re.compile(rf"(?:{SHA_PREFIX})?([0-9a-f]{{7,40}})")
_COMMIT = re.compile(r"[0-9a-f]{7,40}")
# RFC 3339, of which Python reads no more than six digits of a second.
_FRACTION = re.compile(r"(\.\d{1,6})\d*")


class Order(StrEnum):
    """How a build stands to another one."""

    NEWER = "newer"
    OLDER = "older"
    SAME = "same"
    DIVERGED = "diverged"
    UNKNOWN = "unknown"


class Witness(StrEnum):
    """What can tell the order of two builds, the surest first."""

    CHECKOUT = "checkout"
    GITHUB = "GitHub"
    BUILD_TIME = "build time"


@dataclass(frozen=True)
class Decision:
    """`evidence` is what says so, as a phrase; for UNKNOWN why nothing does, and there is no witness."""

    order: Order
    evidence: str
    witness: Witness | None = None


def commit_in(tag: str) -> str:
    """The commit, short or full, that a tag names (`abc1234`, `sha-abc1234`); empty for `v1.2.3`."""
    match = _COMMIT_TAG.fullmatch(tag)
    return match[1] if match else ""


def tag_prefix(tag: str) -> str:
    """What stands before the digits of a commit in such a tag: `sha-` or nothing."""
    return SHA_PREFIX if tag.startswith(SHA_PREFIX) else ""


def commit_of(tag: str, label: str) -> str:
    """The commit that an image was built from, by its tag or else its label `revision`; empty where neither names one.

    A label that does not begin as the tag does was inherited from the base image, and says nothing.
    """
    tagged, labelled = commit_in(tag), commit_in_label(label)
    return labelled if not tagged or labelled.startswith(tagged) else tagged


def commit_in_label(label: str) -> str:
    """The commit that a label `org.opencontainers.image.revision` names; empty for anything else, such as a branch."""
    commit = label.strip().lower()
    return commit if _COMMIT.fullmatch(commit) else ""


def is_same_commit(sha: str, other: str) -> bool:
    """Whether one SHA is the beginning of the other."""
    return bool(sha and other) and (sha.startswith(other) or other.startswith(sha))


def by_common_ancestor(before: str, after: str, common: str, *, is_whole: bool) -> Order:
    """How `after` stands to `before`, from their best common ancestor (empty where there is none); all three are full SHAs.

    Of a history that is not whole, as a shallow clone's, a way from one to the other is a proof, and no way is none.
    """
    if before == after:
        return Order.SAME
    if common in (before, after):
        return Order.NEWER if common == before else Order.OLDER
    return Order.DIVERGED if is_whole else Order.UNKNOWN


def by_creation(before: str, after: str) -> Decision:
    """How a build that was made at `after` stands to one made at `before`; RFC 3339, empty where not known."""
    times = _time(before), _time(after)
    if times[0] is None or times[1] is None:
        which = "neither image says" if times == (None, None) else "one image does not say"
        return Decision(Order.UNKNOWN, f"{which} when it was built")
    apart_s = (times[1] - times[0]).total_seconds()
    build_times = f"the images were built at {_shown(times[0])} and {_shown(times[1])}"
    if abs(apart_s) < SIDE_BY_SIDE_S:
        return Decision(Order.UNKNOWN, f"{build_times}, too close to tell the commits apart")
    return Decision(Order.NEWER if apart_s > 0 else Order.OLDER, build_times, Witness.BUILD_TIME)


def unknown(reasons: Iterable[str]) -> Decision:
    """Nothing tells, for all of these reasons."""
    return Decision(Order.UNKNOWN, "; ".join(dict.fromkeys(filter(None, reasons))))


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(_FRACTION.sub(r"\1", text.strip()))
    except ValueError:
        return None
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    return time if time >= _NO_TIME_BEFORE else None


def _shown(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
