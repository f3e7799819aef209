"""A pull request that carries a change to the branch, and what is to be done about it.

Law: `judge` is an ordered list of rules, the first that fits wins. Nothing is merged before GitHub says that every rule of the branch
is fulfilled (`CLEAN`): neither past a review nor past a check, whatever the token may do.
Source: GitHub's GraphQL schema, `PullRequest`, `MergeStateStatus`, `PullRequestReviewDecision`, `StatusState`.
"""

import re
from collections.abc import Set
from dataclasses import dataclass
from enum import Enum, auto

PREFIX = "bump/"
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._-]+|\.{2,}")
_LONGEST_NAME = 100
_CHECKS = {
    "PENDING": "checks are running",
    "EXPECTED": "checks have not begun",
    "FAILURE": "a check failed",
    "ERROR": "a check failed",
}
_REVIEWS = {"REVIEW_REQUIRED": "a review is required", "CHANGES_REQUESTED": "a review asks for changes"}
_MERGEABLE = {"CLEAN", "HAS_HOOKS"}


@dataclass(frozen=True)
class Pull:
    """One look at a pull request. Words in capitals are GitHub's own; what GitHub does not say is empty.

    `head` is the commit on its branch, `base_tip` that of the branch it shall go to, `merge_commit` what its merge made. `files` and
    `commits` count what it would bring.
    """

    number: int
    url: str
    node: str
    branch: str
    head: str
    base_tip: str
    state: str
    merge_state: str = ""
    review: str = ""
    checks: str = ""
    merge_commit: str = ""
    closed_by: str = ""
    merges_itself: bool = False
    is_queued: bool = False
    has_queue: bool = False
    files: int = 0
    commits: int = 0

    def __str__(self) -> str:
        return f"pull request #{self.number}"


class Step(Enum):
    """What to do next."""

    FOLLOW = auto()  # it is merged: go on with its commit
    GIVE_UP = auto()  # somebody closed it
    YIELD = auto()  # somebody else writes to its branch
    RENEW = auto()  # it conflicts with the branch, or the branch wants it on its tip
    PLAN = auto()  # the branch moved: is the change still wanted?
    MERGE = auto()
    WAIT = auto()


def judge(pull: Pull, ours: str, known_tip: str) -> tuple[Step, str]:
    """The next step, and the state in words. `ours` is our commit on its branch, `known_tip` the tip that was planned on."""
    if pull.state == "MERGED":
        return Step.FOLLOW, "merged"
    if pull.state == "CLOSED":
        return Step.GIVE_UP, f"closed by {pull.closed_by or 'somebody'} without a merge"
    if pull.head != ours:
        return Step.YIELD, f"its branch {pull.branch} holds another commit by now, {pull.head[:7]}"
    if pull.base_tip != known_tip:
        return Step.PLAN, "the branch moved"
    if pull.merge_state == "DIRTY":
        return Step.RENEW, "it conflicts with newer commits"
    if pull.merge_state == "BEHIND":
        return Step.RENEW, "it must be on the newest commit"
    if pull.is_queued:
        return Step.WAIT, "in the merge queue"
    if pull.merge_state in _MERGEABLE:
        return Step.MERGE, "every rule is fulfilled"
    return Step.WAIT, _waiting(pull)


def _waiting(pull: Pull) -> str:
    reasons = [_REVIEWS.get(pull.review, ""), _CHECKS.get(pull.checks, "")]
    told = ", ".join(filter(None, reasons))
    if pull.merge_state == "UNKNOWN":
        return told or "GitHub is finding out whether it can be merged"
    if pull.merge_state == "UNSTABLE":
        return f"{told or 'a check failed'}, though no rule asks for it"
    return told or "blocked by a rule of the branch"


def branch_of(message: str) -> str:
    """The name of the branch for a commit: `bump/web-abc1234` for `Deploy web abc1234`, `bump/hold-web` for `Hold web`."""
    subject = message.strip().partition("\n")[0].removeprefix("Deploy ")
    name = _NOT_IN_A_NAME.sub("-", subject)[:_LONGEST_NAME].strip("-.").removesuffix(".lock")
    return PREFIX + (name or "change")


def sites_of(text: str) -> Set[str]:
    """The sites that a message, or the body of a pull request made from it, says it deploys."""
    found = re.findall(r"^Bump-Site: (\S+)\s*$", text, re.MULTILINE)
    return frozenset(found)
