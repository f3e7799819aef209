"""Who hears of a run besides the terminal: opens what `--publish` asks for, from the environment of a workflow."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from bumper import comment
from bumper.comment import Pages
from bumper.errors import BumpError, UsageError
from bumper.journal import Step
from bumper.publishing import Channel, Comments, Publisher
from bumper.report import Report

COMMENT, SUMMARY = "comment", "summary"


class Audience:
    """A display (`journal.Display`) that is told how the run ended too.

    What ends a run returns what could not be published, as lines for people. Nothing here raises: whoever deploys must not fail
    because nobody could be told.
    """

    def __init__(
        self, asked: Sequence[str], environ: Mapping[str, str], now: Callable[[], float], *, platform_url: str
    ) -> None:
        self._environ = environ
        self._now = now
        self._wants_summary = SUMMARY in asked
        self._problems: list[str] = []
        channels = self._open_comments() if COMMENT in asked else []
        self._publisher = Publisher(channels, now, pages=pages(environ, platform_url))

    def begin(self, site: str, previous: str, wanted: str) -> None:
        self._publisher.begin(site, previous, wanted)

    def show(self, step: Step) -> None:
        self._publisher.show(step)

    def notice(self, text: str) -> None:
        self._publisher.notice(text)

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

    def _open_comments(self) -> list[Channel]:
        from bumper.github import PUBLIC_API, GitHub

        token, repository = self._environ.get("GITHUB_TOKEN", ""), source_repository(self._environ)
        if not token or not repository:
            missing = "GITHUB_TOKEN" if repository else "GITHUB_REPOSITORY"
            self._problems.append(f"comment: {missing} is not set")
            return []
        api_url = self._environ.get("GITHUB_API_URL") or PUBLIC_API
        try:
            hub = GitHub(repository, token=token, now=self._now, api_url=api_url)
        except UsageError as error:
            self._problems.append(f"comment: {error.message}")
            return []
        return [Comments(hub, self._environ.get("GITHUB_SHA", ""), hub.close)]


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
