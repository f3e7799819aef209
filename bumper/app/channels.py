"""Who hears of a run besides the terminal: opens what `--publish` asks for, in a workflow."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bumper.app.identity import Identity
from bumper.app.settings import ChannelName, PublishSettings
from bumper.app.surroundings import Surroundings
from bumper.errors import BumpError, UsageError
from bumper.ports.run import Step
from bumper.publish import comment
from bumper.publish.publisher import Channel, Comments, Deployments, Publisher, Source, Statuses
from bumper.publish.report import Report
from bumper.publish.story import Landing, Pages, SiteStory, Story

if TYPE_CHECKING:
    from bumper.systems.github import GitHub
    from bumper.systems.github.api import Token

# What a token of an App is asked for. Commits are looked up for each of them.
_PERMISSIONS = {
    ChannelName.COMMENT: ("pull_requests", "write"),
    ChannelName.DEPLOYMENT: ("deployments", "write"),
    ChannelName.STATUS: ("statuses", "write"),
}


class Channels:
    """A display (`ports.Display`) that is told how the run ended too.

    What ends a run returns what could not be published, as lines for people. Nothing here raises: whoever deploys must not fail
    because nobody could be told.
    """

    def __init__(
        self,
        settings: PublishSettings,
        surroundings: Surroundings,
        now: Callable[[], float],
        identity: Identity,
        *,
        platform_url: str,
        sites: tuple[SiteStory, ...] = (),
    ) -> None:
        """`sites` are those that the story begins with: of a run that tells of nothing but its end."""
        self._settings = settings
        self._surroundings = surroundings
        self._now = now
        self._identity = identity
        self._problems: list[str] = []
        beginning = Story(
            sites=sites,
            pages=pages(surroundings, platform_url),
            clusters=settings.clusters,
            asked=settings.asked,
        )
        self._publisher = Publisher(self._open(), now, beginning)

    @property
    def resumes(self) -> bool:
        """Whether an earlier run may have begun what is told."""
        return self._settings.resumes

    def begin(self, site: str, previous: str, wanted: str) -> None:
        self._publisher.begin(site, previous, wanted)

    def show(self, step: Step) -> None:
        self._publisher.show(step)

    def notice(self, text: str) -> None:
        self._publisher.notice(text)

    def landed(self, landings: Mapping[str, Landing]) -> None:
        """What is on the platform's branch for each site, and is followed from now on."""
        self._publisher.landed(landings)

    def finish(self, outcome: Report, *, actions_page: str = "") -> list[str]:
        return self._ended(self._publisher.finish(outcome, actions_page=actions_page))

    def fail(self, error: BumpError) -> list[str]:
        return self._ended(self._publisher.fail(error))

    def interrupt(self, standing: Sequence[str]) -> list[str]:
        return self._ended(self._publisher.interrupt(standing))

    def _ended(self, problems: list[str]) -> list[str]:
        if ChannelName.SUMMARY in self._settings.channels:
            problems = [*problems, *self._append_summary()]
        return [*self._problems, *problems]

    def _append_summary(self) -> list[str]:
        path = self._surroundings.summary_path
        if not path:
            return ["summary: GITHUB_STEP_SUMMARY is not set: only a job of a workflow has one"]
        from bumper.systems.file import append

        try:
            append(Path(path), comment.summary(self._publisher.story))
        except OSError as error:
            return [f"summary: {path}: {error.strerror}"]
        return []

    def _open(self) -> list[Channel]:
        """Each channel that is asked for; why another one could not be opened is told at the end."""
        channels = []
        for name in self._asked:
            try:
                channels.append(_OPENERS[name](self))
            except UsageError as error:
                self._problems.append(f"{name}: {error.message}")
        return channels

    @cached_property
    def _asked(self) -> list[ChannelName]:
        asked = [name for name in _OPENERS if name in self._settings.channels]
        refusals = {name: why for name in asked if (why := self._settings.refuses(name))}
        self._problems += [f"{name}: {why}" for name, why in refusals.items()]
        return [name for name in asked if name not in refusals]

    def on_github(self, make: Callable[["GitHub", Source, Callable[[], None]], Channel]) -> Channel:
        """A channel in the site's own repository, with a conversation of its own: it is told from a thread of its own."""
        from bumper.systems.github import GitHub

        repository, identity = self._surroundings.told_repository, self._identity
        hub = GitHub(
            repository,
            token=self._github_token,
            now=self._now,
            api_url=identity.api_url,
            environ=identity.environ,
        )
        head = self._surroundings.sha if repository == self._surroundings.repository else ""
        return make(hub, Source(hub, head, repository), hub.close)

    @cached_property
    def _github_token(self) -> "str | Token":
        """One token for all channels on GitHub."""
        repository = self._surroundings.told_repository
        asked = [_PERMISSIONS[name] for name in self._asked if name in _PERMISSIONS]
        is_elsewhere = self.resumes and repository != self._surroundings.repository
        token = self._identity.source(
            repository, {"contents": "read", **dict(asked)}, prefers_app=is_elsewhere
        )
        if not token or not repository:
            raise UsageError(f"{'GITHUB_TOKEN' if repository else 'GITHUB_REPOSITORY'} is not set")
        return token


# How each channel is opened, in the order in which they are told. The summary is no channel: it is written once, at the end.
_OPENERS: Mapping[ChannelName, Callable[[Channels], Channel]] = {
    ChannelName.COMMENT: lambda channels: channels.on_github(Comments),
    ChannelName.DEPLOYMENT: lambda channels: channels.on_github(
        partial(Deployments, resumes=channels.resumes)
    ),
    ChannelName.STATUS: lambda channels: channels.on_github(Statuses),
}


def pages(surroundings: Surroundings, platform_url: str) -> Pages:
    """The web addresses that a report links to; none of them holds a credential."""
    source = surroundings.told_repository
    return Pages(
        source=f"{surroundings.server_url}/{source}" if source else "",
        run=surroundings.run_url,
        platform=platform_page(platform_url),
    )


def platform_page(url: str) -> str:
    """The page of the platform repository, without a credential; empty where its address is none of the web."""
    try:
        address = urlsplit(url)
    except ValueError:  # whoever asks git for it says what is wrong
        return ""
    if address.scheme not in ("http", "https") or not address.hostname:
        return ""
    host = address.netloc.rpartition("@")[2]
    return f"{address.scheme}://{host}{address.path.rstrip('/').removesuffix('.git')}"
