"""Who hears of a run besides the terminal: opens what `--publish` asks for, in a workflow."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bumper.app.identity import Identity
from bumper.app.settings import ChannelName, PublishSettings
from bumper.app.surroundings import Surroundings
from bumper.errors import BumpError, UsageError
from bumper.ports import Step
from bumper.publish import comment
from bumper.publish.publisher import Channel, Comments, Deployments, Publisher, Source, Statuses
from bumper.publish.report import Report
from bumper.publish.story import Landing, Pages, Story

if TYPE_CHECKING:
    from bumper.systems.github import GitHub
    from bumper.systems.github.api import Token

_OPENED: Mapping[str, Callable[["GitHub", Source], Channel]] = {
    ChannelName.COMMENT: lambda hub, source: Comments(hub, source, hub.close),
    ChannelName.DEPLOYMENT: lambda hub, source: Deployments(hub, source, hub.close),
    ChannelName.STATUS: lambda hub, source: Statuses(hub, source, hub.close),
}
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
    ) -> None:
        self._settings = settings
        self._surroundings = surroundings
        self._now = now
        self._identity = identity
        self._problems: list[str] = []
        beginning = Story(
            pages=pages(surroundings, platform_url), clusters=settings.clusters, asked=settings.asked
        )
        self._publisher = Publisher(self._open(), now, beginning)

    def begin(self, site: str, previous: str, wanted: str) -> None:
        self._publisher.begin(site, previous, wanted)

    def show(self, step: Step) -> None:
        self._publisher.show(step)

    def notice(self, text: str) -> None:
        self._publisher.notice(text)

    def landed(self, landings: Mapping[str, Landing]) -> None:
        """What is on the platform's branch for each site, and is followed from now on."""
        self._publisher.landed(landings)

    def finish(self, outcome: Report) -> list[str]:
        return self._ended(self._publisher.finish(outcome))

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
        try:
            with Path(path).open("a", encoding="utf-8") as stream:
                stream.write(comment.summary(self._publisher.story))
        except OSError as error:
            return [f"summary: {path}: {error.strerror}"]
        return []

    def _open(self) -> list[Channel]:
        asked = [name for name in _OPENED if name in self._settings.channels]
        refusals = {name: why for name in asked if (why := self._settings.refuses(name))}
        self._problems += [f"{name}: {why}" for name, why in refusals.items()]
        names = [name for name in asked if name not in refusals]
        return self._opened(names) if names else []

    def _opened(self, names: Sequence[str]) -> list[Channel]:
        """Each with a conversation of its own: they are told from threads of their own."""
        from bumper.systems.github import GitHub

        repository = self._surroundings.told_repository
        try:
            token = self._token(repository, names)
            identity, now = self._identity, self._now
            hubs = [
                GitHub(repository, token=token, now=now, api_url=identity.api_url, environ=identity.environ)
                for _ in names
            ]
        except UsageError as error:
            self._problems += [f"{name}: {error.message}" for name in names]
            return []
        head = self._surroundings.sha if repository == self._surroundings.repository else ""
        return [
            _OPENED[name](hub, Source(hub, head, repository)) for name, hub in zip(names, hubs, strict=True)
        ]

    def _token(self, repository: str, names: Sequence[str]) -> "str | Token":
        permissions = {"contents": "read", **dict(_PERMISSIONS[ChannelName(name)] for name in names)}
        token = self._identity.source(repository, permissions)
        if not token or not repository:
            raise UsageError(f"{'GITHUB_TOKEN' if repository else 'GITHUB_REPOSITORY'} is not set")
        return token


def pages(surroundings: Surroundings, platform_url: str) -> Pages:
    """The web addresses that a report links to; none of them holds a credential."""
    source = surroundings.told_repository
    return Pages(
        source=f"{surroundings.server_url}/{source}" if source else "",
        run=surroundings.run_url,
        platform=_page(platform_url),
    )


def _page(url: str) -> str:
    try:
        address = urlsplit(url)
    except ValueError:  # whoever asks git for it says what is wrong
        return ""
    if address.scheme not in ("http", "https") or not address.hostname:
        return ""
    host = address.netloc.rpartition("@")[2]
    return f"{address.scheme}://{host}{address.path.rstrip('/').removesuffix('.git')}"
