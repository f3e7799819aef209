"""Tells GitHub of a run while it goes on, from a thread of its own.

Law: publishing never decides. It delays no stage and changes no exit code; a verdict is printed before anybody waits for GitHub, and
then for at most `GRACE_S`. What could not be published is said in one line. Edits are as seldom as a person reads them, and a wait
that GitHub asks for is kept: if it is longer than the grace, the last word is not published, and that is said.
"""

import threading
from collections.abc import Callable, Mapping, Sequence

from bumper.dataclasses import replace
from bumper.errors import BumpError
from bumper.ports.run import Display, Step
from bumper.publish.channel import GRACE_S, Channel, Teller
from bumper.publish.comments import Comments
from bumper.publish.deployments import Deployments
from bumper.publish.report import Report
from bumper.publish.source import Source
from bumper.publish.statuses import Statuses
from bumper.publish.story import Landing, SiteStory, Story

__all__ = ["GRACE_S", "Channel", "Comments", "Deployments", "Publisher", "Several", "Source", "Statuses"]


class Publisher:
    """A display (`ports.Display`) that keeps the story of a run, and tells it to each channel while it goes on."""

    def __init__(self, channels: Sequence[Channel], now: Callable[[], float], beginning: Story) -> None:
        self.story = beginning
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

    def landed(self, landings: Mapping[str, Landing]) -> None:
        """What stands on the platform's branch for each site, and is followed from now on."""
        with self._lock:
            sites = tuple(replace(site, landing=landings.get(site.site)) for site in self.story.sites)
            self._tell(replace(self.story, sites=sites))

    def notice(self, text: str) -> None:
        with self._lock:
            self._tell(replace(self.story, notices=(*self.story.notices, text)), is_news=False)

    def finish(self, outcome: Report, *, actions_page: str = "") -> list[str]:
        """Tells the end; returns what could not be published. `actions_page` is where a failure is taken back by hand, if anywhere."""
        sites = tuple(
            replace(
                site,
                reports=tuple(
                    site_report for site_report in outcome.sites if _belongs(site_report.site, site.site)
                ),
            )
            for site in self.story.sites
        )
        return self._end(
            replace(
                self.story,
                sites=sites,
                seconds=outcome.seconds,
                diff=outcome.diff,
                plan=outcome.plan,
                pages=replace(self.story.pages, actions=actions_page),
            )
        )

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
    steps = {earlier.stage: earlier for earlier in site.stages.get(name, ())} | {step.stage: step}
    return replace(site, stages={**site.stages, name: tuple(steps.values())})


def _belongs(label: str, site: str) -> bool:
    """Progress names a site, or with several clusters `SITE in CONTEXT`."""
    return label == site or label.startswith(f"{site} in ")


def _outline(site: SiteStory) -> list[tuple[str, str, str]]:
    return [(name, step.stage, step.state) for name, steps in site.stages.items() for step in steps]
