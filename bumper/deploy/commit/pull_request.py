"""Putting a commit on a branch that takes no pushes: by a pull request, followed until it is merged.

Laws: the branch moves only by GitHub's own merge, and only once every rule of the branch is fulfilled. Each time the branch moves the
change is planned again, so that what must not be written any more is withdrawn; the pull request's own branch is written anew only
where it must be, since that dismisses reviews. What waits for a person stays open when we stop waiting.
"""

from collections.abc import Callable, Mapping

from bumper.deploy.commit.pull_state import Step, judge
from bumper.errors import BumpError, Denied, LostRace, Refused, Unmerged
from bumper.ports.github import Pull, PullRequests
from bumper.ports.run import Clock
from bumper.revision import Revision

POLL_S = 5.0
# GitHub says at once that it has merged, and a moment later with which commit.
_SOON_S = 1.0


class Merging:
    """Writes a commit (`ports.Writer`) by a pull request. One change: what is written again is the same change, planned anew.

    `tell` hears each new state in words. At the end of the run `end` is called, or `interrupted`.
    """

    def __init__(
        self, hub: PullRequests, clock: Clock, timeout_s: float, tell: Callable[[str], None]
    ) -> None:
        self._hub = hub
        self._clock = clock
        self._timeout_s = timeout_s
        self._tell = tell
        self._deadline_s: float | None = None
        self._pull: Pull | None = None
        self._ours = ""
        self._must_renew = False
        self._must_arm = False
        self._told_state = ""

    def interrupted(self) -> list[str]:
        """Where the change stands, for the person who interrupted, a line each; empty where nothing is open. It is left as it is."""
        pull, self._pull = self._pull, None
        if not pull:
            return []
        return [
            f"{pull} stays open: {pull.url}",
            "GitHub merges it once the rules allow it, where auto-merge is on; the same command goes on with it",
        ]

    def end(self, error: BaseException | None) -> None:
        """Withdraws what is open and not wanted any more. What only waits stays open."""
        pull, self._pull = self._pull, None
        if not pull or not (error is None or isinstance(error, Refused)):
            return
        try:
            self._hub.withdraw(pull, error.message if error else "the branch holds it already")
        except BumpError as problem:
            self._tell(f"{pull} could not be closed: {problem.message}")

    def write(self, parent: str, changes: Mapping[str, bytes | None], message: str, branch: str) -> Revision:
        """The revision that the merge made. `LostRace` where the branch moved: plan again, and call again.

        `Denied` where the pull request was closed, `Refused` where another run goes on with it, `Unmerged` at the deadline.
        """
        if self._deadline_s is None:
            self._deadline_s = self._clock.now() + self._timeout_s
        if self._pull is None:
            self._pull = self._hub.propose(parent, changes, message, branch)
            self._take(self._pull)
        elif self._must_renew:
            self._pull = self._hub.renew(self._pull, parent, changes, message, branch)
            self._take(self._pull)
        if self._must_arm:
            self._arm(self._pull, message)
        return self._follow(self._pull, parent, message, branch, self._deadline_s)

    def _take(self, pull: Pull) -> None:
        self._ours, self._must_renew, self._must_arm = pull.head, False, not pull.merges_itself
        self._say(pull, "open")

    def _arm(self, pull: Pull, message: str) -> None:
        problem = self._hub.merge_when_ready(pull, message)
        self._must_arm = False
        if problem:
            self._say(pull, f"auto-merge is not to be had: {problem}")

    def _follow(self, pull: Pull, parent: str, message: str, branch: str, deadline_s: float) -> Revision:
        while True:
            self._pull = pull = self._hub.look(pull, branch)
            step, state = judge(pull, self._ours, parent)
            wait_s = POLL_S
            match step:
                case Step.FOLLOW:
                    self._hub.tidy(pull)
                    self._pull = self._deadline_s = None
                    return Revision(branch, pull.merge_commit)
                case Step.GIVE_UP:
                    self._pull = None
                    raise Denied(f"{pull}: {state}", hint=f"why, {pull.url} may tell")
                case Step.YIELD:
                    self._pull = None
                    raise Refused(f"{pull}: {state}", hint=f"another run goes on with {pull.url}")
                case Step.PLAN | Step.RENEW:
                    self._must_renew = self._must_renew or step is Step.RENEW
                    raise LostRace(f"{pull}: {state}")
                case Step.MERGE:
                    problem = self._hub.merge(pull, message)
                    state, wait_s = (problem, POLL_S) if problem else ("merging", _SOON_S)
            self._say(pull, state)
            if self._clock.now() >= deadline_s:
                raise Unmerged(
                    f"{pull} was not merged in {self._timeout_s:.0f} s: {state}",
                    hint=f"it stays open: {pull.url}; the same command goes on with it; --merge-timeout allows more time",
                )
            self._clock.sleep(wait_s)

    def _say(self, pull: Pull, state: str) -> None:
        if state != self._told_state:
            self._told_state = state
            self._tell(f"{pull}: {state}   {pull.url}")
