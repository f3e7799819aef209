"""When a channel publishes, and in which thread: each channel has a thread of its own.

Law: a channel that hangs, fails or must wait holds up nobody. It hears the newest story and never an older one after it.
"""

import threading
from collections.abc import Callable
from typing import Protocol

from bumper.errors import BumpError, Transient
from bumper.publish.story import Story

# A person reads no faster; GitHub allows 80 writes a minute and 500 an hour (its documentation, "secondary rate limits").
PERIOD_S = 8.0
# After some minutes nobody looks every second any more: 500 an hour are for all runs of a repository together.
_SLOWER_AFTER, SLOW_PERIOD_S = 15, 30.0
GRACE_S = 12.0
_FIRST_BACKOFF_S, _LONGEST_BACKOFF_S = 2.0, 120.0


class Channel(Protocol):
    """One place where people read of a run. `publish` may take its time and may raise a BumpError; `is_last`: nothing follows."""

    name: str

    def publish(self, story: Story, *, is_last: bool) -> None: ...
    def close(self) -> None: ...


class Pace:
    """When a channel may publish again. Seconds are those of the clock that the caller reads."""

    def __init__(self) -> None:
        self.due_s = float("-inf")
        self._publications = 0
        self._failures = 0

    def told(self, now_s: float) -> None:
        """Counts a story that was published; the next is due a period later."""
        self._failures = 0
        self._publications += 1
        self.due_s = now_s + (PERIOD_S if self._publications < _SLOWER_AFTER else SLOW_PERIOD_S)

    def failed(self, now_s: float, asked_s: float | None) -> None:
        """Waits `asked_s` seconds where GitHub asked for them, else longer after each failure."""
        backoff_s = min(_LONGEST_BACKOFF_S, _FIRST_BACKOFF_S * 2**self._failures)
        self._failures += 1
        self.due_s = now_s + (asked_s if asked_s is not None else backoff_s)

    @property
    def must_wait(self) -> bool:
        """Whether it is GitHub that must be waited for, and not only a reader."""
        return self._failures > 0


class Teller:
    """Tells one channel the newest story from a thread of its own."""

    def __init__(self, channel: Channel, now: Callable[[], float]) -> None:
        self._channel = channel
        self._now = now
        self._pace = Pace()
        self._wake = threading.Condition()
        self._story: Story | None = None
        self._ends_s: float | None = None
        self._problem = ""
        self._done = threading.Event()
        # A thread that hangs in a dying network must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name=f"publish-{channel.name}", daemon=True)
        self._thread.start()

    def tell(self, story: Story) -> None:
        """Leaves the story for the thread; a story that was not published yet is forgotten."""
        with self._wake:
            self._story = story
            self._wake.notify()

    def end(self, story: Story) -> None:
        """Leaves the last story, which is waited for no longer than the grace."""
        with self._wake:
            self._ends_s = self._now() + GRACE_S
        self.tell(story)

    def problem(self) -> str:
        """What could not be published, once the last story has been told or the grace is over; empty if all was."""
        is_done = self._done.wait(GRACE_S)
        problem = self._problem or ("" if is_done else "GitHub did not answer in time")
        return f"{self._channel.name}: {problem}" if problem else ""

    def _run(self) -> None:
        try:
            while self._tell_next():
                pass
        except Exception as error:
            self._problem = f"a bug of ours: {type(error).__name__}"
            raise
        finally:
            self._channel.close()
            self._done.set()

    def _tell_next(self) -> bool:
        """Waits until there is something to tell, and tells it. Whether anything may follow."""
        with self._wake:
            while self._story is None or self._now() < self._due_s():
                if self._story and self._ends_s is not None and self._due_s() > self._ends_s:
                    return False
                self._wake.wait(max(0.0, self._due_s() - self._now()) if self._story else None)
            story, is_last, self._story = self._story, self._ends_s is not None, None
        try:
            self._channel.publish(story, is_last=is_last)
        except Transient as error:
            self._problem = error.message
            self._pace.failed(self._now(), error.retry_after_s)
            with self._wake:
                # Unless a newer story has come by now, which may even be the last.
                self._story = self._story or story
            return True
        except BumpError as error:
            self._problem = ": ".join(filter(None, (error.message, error.hint)))
            return False
        self._problem = ""
        self._pace.told(self._now())
        return not is_last

    def _due_s(self) -> float:
        # The last word waits for nobody's eyes.
        is_held = self._ends_s is None or self._pace.must_wait
        return self._pace.due_s if is_held else float("-inf")
