"""A pull request that carries a change to the branch, and what is to be done about it.

Law: `judge` is an ordered list of rules, the first that fits wins. Nothing is merged before GitHub says that every rule of the branch
is fulfilled (`CLEAN`): neither past a review nor past a check, whatever the token may do.
Source: GitHub's GraphQL schema, `PullRequest`, `MergeStateStatus`, `PullRequestReviewDecision`, `StatusState`.
"""

from enum import Enum, auto

from bumper.ports.github import Pull

_CHECKS = {
    "PENDING": "checks are running",
    "EXPECTED": "checks have not begun",
    "FAILURE": "a check failed",
    "ERROR": "a check failed",
}
_REVIEWS = {"REVIEW_REQUIRED": "a review is required", "CHANGES_REQUESTED": "a review asks for changes"}
_MERGEABLE = {"CLEAN", "HAS_HOOKS"}


class Step(Enum):
    """What to do next."""

    FOLLOW = auto()  # it is merged: go on with its commit
    GIVE_UP = auto()  # somebody closed it
    YIELD = auto()  # another run or person writes to its branch
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
    explanation = ", ".join(filter(None, reasons))
    if pull.merge_state == "UNKNOWN":
        return explanation or "GitHub is finding out whether it can be merged"
    if pull.merge_state == "UNSTABLE":
        return f"{explanation or 'a check failed'}, though no rule asks for it"
    return explanation or "blocked by a rule of the branch"
