"""Who hears of a run besides the terminal: opens what `--publish` asks for, from the environment of a workflow."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bumper.app.identity import Identity
from bumper.commands import options
from bumper.errors import BumpError, UsageError
from bumper.ports import Step
from bumper.publish import comment
from bumper.publish.publisher import Channel, Comments, Deployments, Publisher, Source, Statuses
from bumper.publish.report import Report
from bumper.publish.story import Landing, Pages, Story

if TYPE_CHECKING:
    from bumper.systems.github import GitHub

COMMENT, SUMMARY, DEPLOYMENT, STATUS = options.CHANNELS
_OPENED: Mapping[str, Callable[["GitHub", Source], Channel]] = {
    COMMENT: lambda hub, source: Comments(hub, source, hub.close),
    DEPLOYMENT: lambda hub, source: Deployments(hub, source, hub.close),
    STATUS: lambda hub, source: Statuses(hub, source, hub.close),
}
# What a token of an App is asked for. Commits are looked up for each of them.
_PERMISSIONS = {
    COMMENT: ("pull_requests", "write"),
    DEPLOYMENT: ("deployments", "write"),
    STATUS: ("statuses", "write"),
}


@dataclass(frozen=True)
class Plans:
    """What the run is about to do: the sites and versions that were asked for, and the clusters, where several are followed."""

    asked: tuple[tuple[str, str], ...] = ()
    clusters: tuple[str, ...] = ()
    writes: bool = True
    follows: bool = True

    def refuses(self, channel: str) -> str:
        """Why there is nothing to tell such a channel; empty where there is."""
        if channel in (DEPLOYMENT, STATUS) and not self.writes:
            return "nothing is deployed by a dry run"
        if channel == DEPLOYMENT and not self.follows:
            return "nobody sees what becomes of it: bump track --publish deployment follows and tells"
        return ""


class Audience:
    """A display (`ports.Display`) that is told how the run ended too.

    What ends a run returns what could not be published, as lines for people. Nothing here raises: whoever deploys must not fail
    because nobody could be told.
    """

    def __init__(
        self,
        asked: Sequence[str],
        environ: Mapping[str, str],
        now: Callable[[], float],
        identity: Identity,
        *,
        platform_url: str,
        plans: Plans | None = None,
    ) -> None:
        plans = plans or Plans()
        self._environ = environ
        self._now = now
        self._identity = identity
        self._wants_summary = SUMMARY in asked
        self._problems: list[str] = []
        beginning = Story(pages=pages(environ, platform_url), clusters=plans.clusters, asked=plans.asked)
        self._publisher = Publisher(self._open(asked, plans), now, beginning)

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
        if self._wants_summary:
            problems = [*problems, *self._append_summary()]
        return [*self._problems, *problems]

    def _append_summary(self) -> list[str]:
        path = self._environ.get("GITHUB_STEP_SUMMARY")
        if not path:
            return ["summary: GITHUB_STEP_SUMMARY is not set: only a job of a workflow has one"]
        try:
            with Path(path).open("a", encoding="utf-8") as stream:
                stream.write(comment.summary(self._publisher.story))
        except OSError as error:
            return [f"summary: {path}: {error.strerror}"]
        return []

    def _open(self, asked: Sequence[str], plans: Plans) -> list[Channel]:
        names = []
        for name in _OPENED:
            if name in asked and (why := plans.refuses(name)):
                self._problems.append(f"{name}: {why}")
            elif name in asked:
                names.append(name)
        return self._opened(names) if names else []

    def _opened(self, names: Sequence[str]) -> list[Channel]:
        """Each with a conversation of its own: they are told from threads of their own."""
        from bumper.systems.github import GitHub

        repository = source_repository(self._environ)
        try:
            permissions = {"contents": "read", **dict(_PERMISSIONS[name] for name in names)}
            token = self._identity.source(repository, permissions)
            if not token or not repository:
                raise UsageError(f"{'GITHUB_TOKEN' if repository else 'GITHUB_REPOSITORY'} is not set")
            hubs = [
                GitHub(repository, token=token, now=self._now, api_url=self._identity.api_url) for _ in names
            ]
        except UsageError as error:
            self._problems += [f"{name}: {error.message}" for name in names]
            return []
        head = (
            self._environ.get("GITHUB_SHA", "")
            if repository == self._environ.get("GITHUB_REPOSITORY")
            else ""
        )
        return [
            _OPENED[name](hub, Source(hub, head, repository)) for name, hub in zip(names, hubs, strict=True)
        ]


def source_repository(environ: Mapping[str, str]) -> str:
    """`owner/name` of the site's own repository: named, or the one whose workflow runs."""
    return environ.get("BUMP_SOURCE_REPOSITORY") or environ.get("GITHUB_REPOSITORY") or ""


def pages(environ: Mapping[str, str], platform_url: str) -> Pages:
    """The web addresses that a report links to; none of them holds a credential."""
    server = (environ.get("GITHUB_SERVER_URL") or "https://github.com").rstrip("/")
    source, run = source_repository(environ), environ.get("GITHUB_RUN_ID")
    here = environ.get("GITHUB_REPOSITORY")
    return Pages(
        source=f"{server}/{source}" if source else "",
        run=f"{server}/{here}/actions/runs/{run}" if here and run else "",
        platform=_page(platform_url),
    )


def _page(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return ""
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path.rstrip('/').removesuffix('.git')}"
