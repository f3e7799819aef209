"""Opens the real systems that a command line names, and closes them again.

The only place where git, registry, cluster and terminal meet. Each is imported when it is opened: their libraries are slow to load.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from bumper.app import outcome_notes
from bumper.app.channels import Audience, Plans
from bumper.app.context import Context
from bumper.app.identity import Identity
from bumper.commands import options
from bumper.deploy.commit.pull_request import Merging
from bumper.deploy.hold_guard import HoldGuard
from bumper.deploy.order_guard import OrderGuard
from bumper.deploy.pipeline import Guard
from bumper.errors import EXIT_INTERRUPTED, BumpError, NoAccess, TreeMissing, UsageError
from bumper.objects import ObjectKey
from bumper.platform import receivers
from bumper.ports import Ancestry, Clock, Hosting, Terminal, Tree, Writer
from bumper.progress import Journal
from bumper.publish import report
from bumper.publish.publisher import Several
from bumper.publish.report import Report
from bumper.publish.story import Landing
from bumper.record import Ending
from bumper.recording import Recorder
from bumper.request import Request
from bumper.style import Span
from bumper.systems.terminal import open_terminal

if TYPE_CHECKING:
    from bumper.systems.git import History, Remote
    from bumper.systems.github.announced import AnnouncedBranch
    from bumper.systems.github.api import Token
    from bumper.systems.github.graphql import GraphQL
    from bumper.systems.github.pulls import PullRequests
    from bumper.systems.kube import Cluster, Timeouts
    from bumper.systems.registry import Registry


class SystemClock:
    """The clock of this machine."""

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass
class Assembly:
    """A context manager around everything that a run opens."""

    arguments: argparse.Namespace
    context: Context

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        self._system_clock = SystemClock()
        self.clock: Clock = self._system_clock
        self._identity = Identity(self.context.environ, self._system_clock.now, time.time)
        # After everything that may still want to speak to GitHub.
        self.context.afterwards.callback(self._identity.close)
        self._audience = self._open_audience()
        self._merging: Merging | None = None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)
        if error:
            self._end_publishing(lambda audience: _told_of(audience, error))
        if isinstance(error, TreeMissing) and not self.arguments.repo:
            # Nobody named this repository: we only stand in it.
            raise UsageError(
                f"no platform repository: {self.context.cwd} is a checkout without a Flux tree",
                hint="name the platform repository with --repo URL",
            ) from error

    def terminal(self, *, name_sites: bool) -> Terminal:
        """Progress: on stdout for people, on stderr where stdout belongs to a program."""
        stream = self.context.stderr if self.arguments.output == "json" else self.context.stdout
        terminal = open_terminal(stream, self.context.environ, self.clock.now, name_sites=name_sites)
        self._stack.callback(terminal.close)
        return terminal

    def journal(self, terminal: Terminal) -> Journal:
        """Counts its seconds from now on."""
        return Journal(self.clock.now, Several(terminal, self._audience) if self._audience else terminal)

    def quiet_journal(self, terminal: Terminal) -> Journal:
        """One that only the terminal shows: those who are told elsewhere hear of the first one's errand alone."""
        return Journal(self.clock.now, terminal)

    def landed(self, landings: Mapping[str, Landing]) -> None:
        """Tells whoever is told besides the terminal what is on the branch for each site, and is followed from now on."""
        if self._audience:
            self._audience.landed(landings)

    def finish(self, outcome: Report, terminal: Terminal) -> int:
        """Prints the report as `--output` wants it; returns its exit code."""
        terminal.close()
        terminal.write(report.verdicts(outcome))
        if self.arguments.output == "json":
            self.context.stdout.write(json.dumps(report.as_data(outcome), indent=2) + "\n")
        self._note(outcome)
        if outcome.rollback and outcome.rollback.report:
            self._note(outcome.rollback.report)
        self._end_publishing(lambda audience: audience.finish(outcome))
        return outcome.exit_code

    def interrupt(self, standing: Sequence[str], terminal: Terminal) -> int:
        """Says where things stand after Ctrl-C; returns the exit code for it."""
        standing = (self._merging.interrupted() if self._merging else []) or standing
        terminal.close()
        terminal.write([(Span("Interrupted", "warn"), Span(f": {standing[0]}"))])
        terminal.write([(Span(f"  {line}"),) for line in standing[1:]])
        if self.arguments.output == "json":
            data = report.interrupted_as_data(standing)
            self.context.stdout.write(json.dumps(data, indent=2) + "\n")
        self._end_publishing(lambda audience: audience.interrupt(standing))
        return EXIT_INTERRUPTED

    def repository(self, timeout_s: float = 60.0) -> "Remote":
        """The platform repository that `--repo` names, or the origin of the checkout we stand in."""
        return self._stack.enter_context(self._open_remote(timeout_s))

    def _open_remote(self, timeout_s: float) -> "Remote":
        from bumper.systems.git import Remote

        return Remote(
            self._location(),
            token=self._platform_token(),
            environ=self.context.environ,
            timeout_s=timeout_s,
            remark=self._identity.withheld(self._platform_url),
        )

    def writer(self, repository: "Remote", tell: Callable[[str], None]) -> Writer:
        """Puts commits on the branch as `--commit-via` asks: by a push, by GitHub's API or by a pull request.

        `tell` hears what becomes of the pull request. One that is refused while it waits is withdrawn at the end of the run.
        """
        way = getattr(self.arguments, "commit_via", options.BY_GIT)
        if way == options.BY_GIT:
            return repository
        if way == options.BY_API:
            from bumper.systems.github.commits import Commits

            return Commits(*self._graphql(repository), repository.tree)
        hub = self.pull_requests(repository)
        self._merging = merging = Merging(hub, self.clock, self.arguments.merge_timeout, tell)
        self._stack.push(lambda kind, error, trace: merging.end(error))
        return merging

    def pull_requests(self, repository: "Remote") -> "PullRequests":
        """The pull requests of the platform repository; UsageError where it is not at home on GitHub."""
        from bumper.systems.github.pulls import PullRequests

        return PullRequests(*self._graphql(repository), repository.tree)

    def _graphql(self, repository: "Remote") -> tuple["GraphQL", str]:
        """A conversation with GitHub about the platform repository, and its name there."""
        from bumper.systems.github.graphql import GraphQL, Home

        home = Home.find(repository.url, self.context.environ)
        token = self._platform_token()
        if not token:
            raise NoAccess(f"{repository.url}: no token for GitHub's API", hint=self._token_hint())
        graphql = GraphQL(home.graphql_url, token=token, now=self._system_clock.now)
        self._stack.callback(graphql.close)
        return graphql, home.name

    def history(self) -> "History":
        """The deploys on the branch: of the platform repository, or with `--offline` of the clone we stand in as it is."""
        from bumper.systems.git import Clone

        if getattr(self.arguments, "offline", False):
            return Clone(Path(self._location()), self.arguments.branch, self.context.environ)
        return self.repository().history(self.arguments.branch)

    def _note(self, outcome: Report) -> None:
        """Writes down how the sites ended that were followed; see `noting`. A recording that is judged again is no deploy."""
        asked = vars(self.arguments)
        if asked.get("no_notes", True) or asked.get("no_wait") or asked.get("replay"):
            return
        run = options.origin(self.context.environ, ()).workflow_run
        found = outcome_notes.endings(outcome, datetime.now(UTC), run)
        if found:
            self.context.afterwards.callback(self._write_notes, found)

    def _write_notes(self, found: Mapping[str, Sequence[Ending]]) -> None:
        try:
            with self._open_remote(outcome_notes.TIMEOUT_S) as remote:
                outcome_notes.write(remote, found, self._system_clock)
        except BumpError as error:
            self.context.stderr.write(f"  ! the outcome was not noted for bump history: {error.message}\n")

    def registry(self, timeout_s: float = 10.0) -> "Registry":
        """The registries, reached with the credentials of the environment."""
        from bumper.systems.registry import Registry

        registry = Registry(environ=self.context.environ, clock=self.clock, timeout_s=timeout_s)
        self._stack.callback(registry.close)
        return registry

    def guards(
        self, request: Request, repository: "Remote", registry: "Registry", journal: Journal
    ) -> list[Guard]:
        """Whatever may refuse a change."""
        wanted = {one.site: one for one in request.wanted}
        ancestries = self._ancestries(repository.url)
        history = repository.history(request.branch)
        order = OrderGuard(wanted, ancestries, registry, journal, request.force, history.deploys)
        return [HoldGuard(order, journal, lambda: datetime.now(UTC), request.force), order]

    def clusters(self, timeouts: "Timeouts | None" = None) -> Sequence["Cluster"]:
        """One for each `--context`; the current context, or the cluster we run in, where none is named."""
        from bumper.systems.kube import Cluster

        clusters = [
            Cluster(context=name, environ=self.context.environ, clock=self._system_clock, timeouts=timeouts)
            for name in self.arguments.context or [None]
        ]
        for cluster in clusters:
            self._stack.callback(cluster.close)
        return clusters

    def announced(self, repository: "Remote") -> "AnnouncedBranch":
        """The branch on GitHub, with the commit statuses that Flux posts there."""
        from bumper.systems.github.announced import AnnouncedBranch

        return AnnouncedBranch(*self._graphql(repository), self.arguments.branch)

    def poke(self, tree: Tree, sources: Iterable[ObjectKey]) -> str:
        """Makes Flux fetch now by the Receivers that git names; why it could not, empty where it did or there is none."""
        from bumper.systems.webhook import Webhook

        environ = self.context.environ
        base = environ.get("BUMP_RECEIVER_URL", "")
        now = self._system_clock.now
        webhooks = [Webhook(receivers.find(tree, source, base), environ, now=now) for source in sources]
        return "; ".join(filter(None, (webhook.poke() for webhook in webhooks)))

    def hosting(self, url: str, timeout_s: float) -> Hosting | None:
        """What GitHub says of the repository at this URL and of the branch; None where it is at home elsewhere."""
        from bumper.systems.github import branch
        from bumper.systems.github.graphql import Home

        try:
            home = Home.find(url, self.context.environ)
        except UsageError:
            return None
        token = self._platform_token()
        if not token:
            raise NoAccess(
                "no token for its API: the rules of the branch are not known", hint=self._token_hint()
            )
        return branch.hosting(
            home.name,
            self.arguments.branch,
            token=token,
            now=self._system_clock.now,
            api_url=branch.rest_url(home),
            timeout_s=timeout_s,
        )

    def recorder(self) -> Recorder | None:
        """Writes what `--record` asks for, readable by its owner alone; from now on the run goes by its clock."""
        path = self.arguments.record
        if not path:
            return None
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
            stream = self._stack.enter_context(Path(path).open("w", encoding="utf-8", buffering=1))  # noqa: SIM115 (closed with the run)
        except OSError as error:
            raise UsageError(f"--record {path}: {error.strerror}") from None
        recorder = Recorder(stream.write, self._system_clock)
        self.clock = recorder.clock
        return recorder

    def _ancestries(self, platform_url: str) -> list[Ancestry]:
        """Where the order of two commits of the sites' source can be looked up, the cheapest first."""
        from bumper.systems.git import Checkout

        asked, found = getattr(self.arguments, "source", None), list[Ancestry]()
        if asked:
            found.append(Checkout.at(Path(asked), self.context.environ))
        elif near := Checkout.around(self.context.cwd, self.context.environ, other_than=platform_url):
            found.append(near)
        name = options.source_repository(self.context.environ, platform_url)
        token = self._identity.source(name, {"contents": "read"})
        if token and name:
            from bumper.systems.github.comparison import PUBLIC_API, Comparison

            api_url = self.context.environ.get("GITHUB_API_URL") or PUBLIC_API
            comparison = Comparison(name, token=token, now=self._system_clock.now, api_url=api_url)
            self._stack.callback(comparison.close)
            found.append(comparison)
        return found

    def _open_audience(self) -> Audience | None:
        asked = getattr(self.arguments, "publish", None)
        if not asked:
            return None
        given = vars(self.arguments)
        contexts = tuple(given.get("context") or ())
        plans = Plans(
            asked=options.asked(self.arguments),
            clusters=contexts if len(contexts) > 1 else (),
            writes=not given.get("dry_run"),
            follows=not given.get("no_wait"),
        )
        return Audience(
            asked,
            self.context.environ,
            self._system_clock.now,
            self._identity,
            platform_url=str(self.arguments.repo or ""),
            plans=plans,
        )

    def _end_publishing(self, end: Callable[[Audience], list[str]]) -> None:
        """Once everything has been printed: a GitHub that does not answer must not hold back what we know."""
        audience, self._audience = self._audience, None
        if audience:
            self.context.afterwards.callback(
                lambda: self.context.stderr.writelines(f"  ! {line}\n" for line in end(audience))
            )

    def _platform_token(self) -> "str | Token":
        """For the platform repository, with the permissions that this command needs there."""
        given = vars(self.arguments)
        # `bump doctor` asks whether we may push, which only a token that may can tell.
        asks = given.get("rbac") is False
        pushes = (
            ("push_timeout" in given and not given.get("dry_run")) or not given.get("no_notes", True) or asks
        )
        permissions = {"contents": "write" if pushes else "read"}
        if given.get("commit_via") == options.BY_PULL:
            permissions["pull_requests"] = "write"
        if given.get("follow") == options.GITHUB:
            permissions["statuses"] = "read"
        return self._identity.platform(self._platform_url, permissions)

    def _token_hint(self) -> str:
        withheld = self._identity.withheld(self._platform_url)
        return "; ".join(filter(None, (withheld, "pass one in BUMP_TOKEN")))

    def _platform_url(self) -> str:
        """Where the platform repository is: a directory stands for its origin."""
        from bumper.systems.git import is_url, origin_of

        location = self._location()
        if is_url(location) or not Path(location).is_dir():
            return location
        return origin_of(Path(location), self.context.environ) or location

    def _location(self) -> str:
        """A URL, or a directory: that of a checkout stands for its origin, with the credentials that its own settings name."""
        from bumper.systems.git import checkout_root

        asked = self.arguments.repo
        if asked:
            return str(asked)
        root = checkout_root(self.context.cwd, self.context.environ)
        if root is None:
            raise UsageError(
                "no platform repository: this is no git checkout", hint="name it with --repo URL"
            )
        return str(root)


def _told_of(audience: Audience, error: BaseException) -> list[str]:
    if isinstance(error, BumpError):
        return audience.fail(error)
    # Nobody shall read for ever that something is being deployed.
    return audience.interrupt(["bump ended before its time: see the log of the run"])
