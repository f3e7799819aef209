"""Tells GitHub of a run while it goes on, from a thread of its own.

Law: publishing never decides. It delays no stage and changes no exit code; a verdict is printed before anybody waits for GitHub, and
then for at most `GRACE_S`. What could not be published is said in one line. Edits are as seldom as a person reads them, and a wait
that GitHub asks for is kept: if it is longer than the grace, the last word is not published, and that is said.
"""

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from bumper.comment import Pages, SiteStory, Story
from bumper.errors import BumpError, Transient
from bumper.journal import Display, Step
from bumper.report import Report
from bumper.sticky import Hub, Sticky

# A person reads no faster; GitHub allows 80 writes a minute and 500 an hour (its documentation, "secondary rate limits").
PERIOD_S = 8.0
# After some minutes nobody looks every second any more: 500 an hour are for all runs of a repository together.
_SLOWER_AFTER, SLOW_PERIOD_S = 15, 30.0
GRACE_S = 12.0
_FIRST_BACKOFF_S, _LONGEST_BACKOFF_S = 2.0, 120.0
_COMMIT = re.compile(r"[0-9a-f]{7,40}")


class Channel(Protocol):
    """One place where people read of a run. `publish` may take its time and may raise a BumpError; `is_last`: nothing follows."""

    name: str

    def publish(self, story: Story, *, is_last: bool) -> None: ...
    def close(self) -> None: ...


@dataclass
class Comments:
    """The comment on each pull request that a deployed commit came from. `head` is the commit that the workflow runs for."""

    hub: Hub
    head: str
    close_hub: Callable[[], None]
    name: str = "comment"
    _pulls: dict[str, int | None] = field(default_factory=dict)
    _stickies: dict[int, Sticky] = field(default_factory=dict)

    def publish(self, story: Story, *, is_last: bool) -> None:
        for pull, part in self._by_pull(story).items():
            self._stickies.setdefault(pull, Sticky(self.hub, pull)).write(part, is_last=is_last)

    def close(self) -> None:
        self.close_hub()

    def _by_pull(self, story: Story) -> dict[int, Story]:
        """What each pull request is told: its own sites. A run that ended before it knew its sites speaks of the workflow's commit."""
        if not story.sites:
            pull = self._pull(self.head)
            return {pull: story} if pull and story.has_ended else {}
        sites: dict[int, list[SiteStory]] = {}
        for site in story.sites:
            pull = self._pull(site.wanted)
            if pull:
                sites.setdefault(pull, []).append(site)
        return {pull: replace(story, sites=tuple(some)) for pull, some in sites.items()}

    def _pull(self, version: str) -> int | None:
        if version not in self._pulls:
            is_head = self.head.startswith(version) or not _COMMIT.fullmatch(version)
            sha = self.head if is_head else self.hub.commit(version)
            self._pulls[version] = self.hub.pull_of(sha) if sha else None
        return self._pulls[version]


class Pace:
    """When a channel may be told again. Seconds are those of the clock that the caller reads."""

    def __init__(self) -> None:
        self.due_s = float("-inf")
        self._told = 0
        self._failures = 0

    def told(self, now_s: float) -> None:
        self._failures = 0
        self._told += 1
        self.due_s = now_s + (PERIOD_S if self._told < _SLOWER_AFTER else SLOW_PERIOD_S)

    def failed(self, now_s: float, asked_s: float | None) -> None:
        """Waits as long as was asked, or longer after each failure."""
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
        """Leaves the story for the thread; one that was not told yet is forgotten."""
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
        said = self._problem or ("" if is_done else "GitHub did not answer in time")
        return f"{self._channel.name}: {said}" if said else ""

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
                # Unless there is a newer one by now, in which case it may even be the last.
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


class Publisher:
    """A display (`journal.Display`) that keeps the story of a run, and tells it to each channel while it goes on."""

    def __init__(self, channels: Sequence[Channel], now: Callable[[], float], *, pages: Pages) -> None:
        self.story = Story(pages=pages)
        self._lock = threading.Lock()
        self._tellers = [Teller(channel, now) for channel in channels]

    def begin(self, site: str, previous: str, wanted: str) -> None:
        with self._lock:
            self._tell(replace(self.story, sites=(*self.story.sites, SiteStory(site, previous, wanted))))

    def show(self, step: Step) -> None:
        with self._lock:
            before = self.story.sites
            after = tuple(_with(site, step) for site in before)
            # What a stage is busy with is for the log; a new stage, or the end of one, is for everybody.
            is_news = [_outline(site) for site in before] != [_outline(site) for site in after]
            self._tell(replace(self.story, sites=after), is_news=is_news)

    def notice(self, text: str) -> None:
        with self._lock:
            self._tell(replace(self.story, notices=(*self.story.notices, text)), is_news=False)

    def finish(self, outcome: Report) -> list[str]:
        """Tells the end; returns what could not be published."""
        sites = tuple(
            replace(site, reports=tuple(one for one in outcome.sites if _belongs(one.site, site.site)))
            for site in self.story.sites
        )
        return self._end(replace(self.story, sites=sites, seconds=outcome.seconds, diff=outcome.diff))

    def fail(self, error: BumpError) -> list[str]:
        """The same for a run that ended in an error."""
        return self._end(replace(self.story, error=error))

    def interrupt(self, standing: Sequence[str]) -> list[str]:
        """The same for a run that was interrupted."""
        return self._end(replace(self.story, standing=tuple(standing)))

    def _tell(self, story: Story, *, is_news: bool = True) -> None:
        self.story = story
        if is_news:
            for teller in self._tellers:
                teller.tell(story)

    def _end(self, story: Story) -> list[str]:
        self.story = story
        for teller in self._tellers:
            teller.end(story)
        return [problem for teller in self._tellers if (problem := teller.problem())]


class Several:
    """One display that shows everything to each of several."""

    def __init__(self, *displays: Display) -> None:
        self._displays = displays

    def begin(self, site: str, previous: str, wanted: str) -> None:
        for display in self._displays:
            display.begin(site, previous, wanted)

    def show(self, step: Step) -> None:
        for display in self._displays:
            display.show(step)

    def notice(self, text: str) -> None:
        for display in self._displays:
            display.notice(text)


def _with(site: SiteStory, step: Step) -> SiteStory:
    if not _belongs(step.site, site.site):
        return site
    name = step.site.removeprefix(f"{site.site} in ")
    steps = {one.stage: one for one in site.stages.get(name, ())} | {step.stage: step}
    return replace(site, stages={**site.stages, name: tuple(steps.values())})


def _belongs(label: str, site: str) -> bool:
    """Progress names a site, or with several clusters `SITE in CONTEXT`."""
    return label == site or label.startswith(f"{site} in ")


def _outline(site: SiteStory) -> list[tuple[str, str, str]]:
    return [(name, step.stage, step.state) for name, steps in site.stages.items() for step in steps]
