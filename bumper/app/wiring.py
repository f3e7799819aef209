"""Opens the real systems that a command names, and closes them again.

The only place where git, registry, cluster and GitHub meet. Each is imported when it is opened: their libraries are slow to load.
What a token may do in the platform repository is stated by the command (`permissions`).
"""

import io
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from bumper.app.context import Context
from bumper.app.identity import Identity
from bumper.app.permissions import WRITE, Permissions
from bumper.app.settings import CommitSettings, CommitVia, RepositorySettings
from bumper.app.stream import LastingStream
from bumper.dataclasses import dataclass
from bumper.errors import NoAccess, TreeMissing, UsageError
from bumper.history.wording import Wording
from bumper.objects import ObjectKey
from bumper.ports.git import CommitDates, CommitMessages, Tree, Writer
from bumper.ports.github import Hosting, Pull
from bumper.ports.run import Clock
from bumper.ports.site import Resolution, SiteAccess

if TYPE_CHECKING:
    from bumper.deploy.commit.pull_request import Merging
    from bumper.deploy.commit.push import Proposal
    from bumper.ports.git import History
    from bumper.recording.recorder import Recorder
    from bumper.systems.git.ancestry import Checkout
    from bumper.systems.git.remote import Remote
    from bumper.systems.github.announced import AnnouncedBranch
    from bumper.systems.github.api import Token
    from bumper.systems.github.comparison import Comparison
    from bumper.systems.github.graphql import GraphQL
    from bumper.systems.github.pulls import PullRequests
    from bumper.systems.kube import Cluster, Timeouts
    from bumper.systems.registry import Registry


@dataclass
class Systems:
    """A context manager around everything that a run opens.

    `settings` say where the platform repository is, `permissions` what a token is asked for there.
    """

    context: Context
    settings: RepositorySettings
    permissions: Permissions

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        # The run's own: while it is recorded, that of the recording.
        self.clock: Clock = self.context.clock
        self.identity = Identity(
            self.context.environ,
            self.context.clock.now,
            lambda: self.context.clock.wall().timestamp(),
            service=self.settings.token_service,
            hide=self.context.hide,
        )
        # After everything that may still want to speak to GitHub.
        self.context.afterwards.callback(self.identity.close)
        self._merging: Merging | None = None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)
        if isinstance(error, TreeMissing) and not self.settings.repo:
            # Nobody named this repository: we only stand in it.
            raise UsageError(
                f"no platform repository: {self.context.cwd} is a checkout without a Flux tree",
                hint="name the platform repository with --repo URL",
            ) from error

    def close_at_end(self, close: Callable[[], object]) -> None:
        """Calls it when the run is over, before whatever was opened earlier is closed."""
        self._stack.callback(close)

    def enter_until_end(self, opened: AbstractContextManager[object]) -> None:
        """Enters it now, and leaves it when the run is over, as `close_at_end` closes."""
        self._stack.enter_context(opened)

    @cached_property
    def repository(self) -> "Remote":
        """The platform repository that `--repo` names, or the origin of the checkout we stand in."""
        return self.open_repository(60.0)

    def open_repository(self, timeout_s: float) -> "Remote":
        """The same once more, each call of git bounded by `timeout_s`; closed with the run."""
        return self._stack.enter_context(self.new_repository(timeout_s))

    def new_repository(self, timeout_s: float) -> "Remote":
        """The same, for whoever closes it himself."""
        from bumper.systems.git.remote import Remote

        return Remote(
            self._location(),
            token=self._platform_token(),
            environ=self.context.environ,
            timeout_s=timeout_s,
            remark=self.identity.withheld(self.platform_url),
            reads_directory=self.settings.reads_directory,
            now=self.context.clock.now,
            is_to_push=self.permissions.contents == WRITE,
        )

    @property
    def directory(self) -> str:
        """The directory that is read in place of its origin; empty where none is."""
        from bumper.systems.git.address import is_url

        settings = self.settings
        is_directory = settings.reads_directory and not is_url(settings.repo)
        return self._location() if is_directory else ""

    def clone(self) -> "History":
        """The deploys that the clone we stand in holds as it is, without the network."""
        from bumper.systems.git.log import Clone

        settings = self.settings
        reads_own = settings.reads_directory
        return Clone(Path(self._location()), settings.branch, self.context.environ, reads_own=reads_own)

    def writer(self, commit: CommitSettings, tell: Callable[[str], None]) -> Writer:
        """Puts commits on the branch: by a push, by GitHub's API or by a pull request, in the words that are asked for.

        `tell` hears what becomes of the pull request. One that is refused while it waits is withdrawn at the end of the run.
        UsageError where a sign-off is asked for and nobody is named as the author.
        """
        from bumper.deploy.commit.wording import WordedWriter

        author = self.repository.author_of_commits() if commit.wording.signs_off else ""
        return WordedWriter(self._writer(commit, tell), commit.wording, author)

    def _writer(self, commit: CommitSettings, tell: Callable[[str], None]) -> Writer:
        match commit.via:
            case CommitVia.GIT:
                return self.repository
            case CommitVia.API:
                from bumper.systems.github.commits import Commits

                return Commits(*self._graphql(), self.repository.tree)
            case CommitVia.PULL_REQUEST:
                return self._merging_writer(commit, tell)

    def _merging_writer(self, commit: CommitSettings, tell: Callable[[str], None]) -> Writer:
        from bumper.deploy.commit.pull_request import Merging

        merging = Merging(self.pull_requests(), self.clock, commit.merge_timeout_s, tell)
        self._merging = merging
        self._stack.push(lambda kind, error, trace: merging.end(error))
        return merging

    def left_open(self) -> list[str]:
        """What an interrupted run leaves open on GitHub, a line each; empty where there is nothing."""
        return self._merging.interrupted() if self._merging else []

    def pull_requests(self) -> "PullRequests":
        """The pull requests of the platform repository; UsageError where it is not at home on GitHub."""
        from bumper.systems.github.pulls import PullRequests

        return PullRequests(*self._graphql(), self.repository.tree)

    def propose(self, plan: "Proposal", branch: str, wording: Wording) -> Pull:
        """Opens a pull request of what a plan would commit, in these words."""
        changes = {path: after for path, (_, after) in plan.files.items()}
        return self.pull_requests().propose(plan.tip, changes, wording.of(plan.message), branch)

    def announced(self) -> "AnnouncedBranch":
        """The branch on GitHub, with the commit statuses that Flux posts there; UsageError where it is at home elsewhere."""
        from bumper.systems.github.announced import AnnouncedBranch

        return AnnouncedBranch(*self._graphql(), self.settings.branch)

    def _graphql(self) -> tuple["GraphQL", str]:
        """A conversation with GitHub about the platform repository, and its name there."""
        from bumper.systems.github.graphql import GraphQL, Home

        surroundings = self.context.surroundings
        home = Home.find(self.repository.url, surroundings.server_url, surroundings.api_url)
        token = self._platform_token()
        if not token:
            raise NoAccess(f"{self.repository.url}: no token for GitHub's API", hint=self._token_hint())
        graphql = GraphQL(
            home.graphql_url, token=token, now=self.context.clock.now, environ=self.context.environ
        )
        self._stack.callback(graphql.close)
        return graphql, home.name

    @cached_property
    def registry(self) -> "Registry":
        """The registries, reached with the credentials of the environment."""
        return self.open_registry(10.0)

    def open_registry(self, timeout_s: float) -> "Registry":
        """The same once more, each answer waited for up to `timeout_s`; closed with the run."""
        from bumper.systems.registry import Registry

        registry = Registry(environ=self.context.environ, clock=self.clock, timeout_s=timeout_s)
        self._stack.callback(registry.close)
        return registry

    def clusters(
        self, contexts: Sequence[str], timeouts: "Timeouts | None" = None, *, remedy: str = ""
    ) -> Sequence["Cluster"]:
        """One for each context; the current one, or the cluster we run in, where none is named.

        UsageError where there is no kubeconfig that names it; `remedy` is what else helps then.
        """
        from bumper.systems.kube import Cluster

        names: Sequence[str | None] = contexts or [None]
        environ, clock = self.context.environ, self.context.clock
        try:
            clusters = [
                Cluster(context=name, environ=environ, clock=clock, timeouts=timeouts) for name in names
            ]
        except UsageError as error:
            # Who has neither of the two is told of the repository first.
            self._location()
            error.hint = "; ".join(filter(None, (error.hint, remedy)))
            raise
        for cluster in clusters:
            self._stack.callback(cluster.close)
        return clusters

    def site(self, resolutions: Sequence[Resolution]) -> SiteAccess:
        """Asks sites as visitors do: without any credential."""
        from bumper.systems.site import Site

        return Site(resolutions, now=self.context.clock.now, environ=self.context.environ)

    def poke(self, tree: Tree, sources: Iterable[ObjectKey]) -> str:
        """Makes Flux fetch now by the Receivers that git names; why it could not, empty where it did or there is none."""
        from bumper.fluxtree.sites import receivers
        from bumper.systems.flux_receiver import Proof, Webhook

        surroundings, tokens = self.context.surroundings, self.identity.job_tokens()
        proof = Proof(surroundings.receiver_token, tokens.ask if tokens.are_given else None)
        base, now = surroundings.receiver_url, self.context.clock.now
        webhooks = [
            Webhook(receivers.find(tree, source, base), proof, now=now, environ=self.context.environ)
            for source in sources
        ]
        return "; ".join(filter(None, (webhook.poke() for webhook in webhooks)))

    def hosting(self, url: str, timeout_s: float) -> Hosting | None:
        """What GitHub says of the repository at this URL and of the branch; None where it is at home elsewhere.

        NoAccess where there is no token to ask it with.
        """
        from bumper.systems.github import branch
        from bumper.systems.github.graphql import Home

        try:
            surroundings = self.context.surroundings
            home = Home.find(url, surroundings.server_url, surroundings.api_url)
        except UsageError:
            return None
        token = self._platform_token()
        if not token:
            raise NoAccess(
                "no token for its API: the rules of the branch are not known", hint=self._token_hint()
            )
        return branch.hosting(
            home.name,
            self.settings.branch,
            token=token,
            now=self.context.clock.now,
            environ=self.context.environ,
            api_url=branch.rest_url(home),
            timeout_s=timeout_s,
        )

    def recorder(self, path: str) -> "Recorder":
        """Writes to `path`, readable by its owner alone; from now on the run goes by its clock. UsageError where it can't."""
        from bumper.recording.recorder import Recorder
        from bumper.systems.file import Impatient, writable

        try:
            descriptor = writable(path, 0o600)
        except OSError as error:
            raise UsageError(f"--record {path}: {error.strerror}") from None
        tape = io.BufferedWriter(Impatient(descriptor, self.context.clock.now))
        stream = LastingStream(tape, encoding="utf-8", line_buffering=True)
        self._stack.callback(self._end_recording, path, stream)
        recorder = Recorder(stream.write, self.context.clock)
        self.clock = recorder.clock
        return recorder

    def labels_of(self, commit: str) -> frozenset[str]:
        """The labels of the pull request that a commit of the source repository came from.

        NoAccess where nothing names the commit or the repository, where that has none such, or there is no token to ask with.
        """
        surroundings = self.context.surroundings
        name = surroundings.told_repository
        token = self.identity.source(name, {"contents": "read", "pull_requests": "read"})
        if not (commit and name and token):
            missing = "no commit" if not commit else "no source repository" if not name else "no token for it"
            raise NoAccess(
                f"{missing} is known", hint="BUMP_SOURCE_REPOSITORY and GITHUB_TOKEN say where to look"
            )
        from bumper.systems.github import GitHub

        hub = GitHub(
            name,
            token=token,
            now=self.context.clock.now,
            api_url=surroundings.api_url,
            environ=self.context.environ,
        )
        with closing(hub):
            # A tag has a short SHA, by which GitHub lists no pull request.
            if not (full_sha := hub.commit(commit)):
                raise NoAccess(
                    f"{name} has no commit {commit}", hint="BUMP_SOURCE_REPOSITORY says where to look"
                )
            return hub.labels_of(full_sha)

    def _end_recording(self, path: str, stream: LastingStream) -> None:
        stream.close()
        if stream.is_lost:
            self.context.stderr.write(f"  ! --record {path}: could not be written to its end\n")

    def ancestries(self, source_checkout: str) -> "list[Checkout | Comparison]":
        """Where the order of two commits of the sites' source can be looked up, and what lies between, the cheapest first.

        `source_checkout` is a checkout of it, empty for the one that we stand in. UsageError where it is none.
        """
        platform_url = self.repository.url
        near = [checkout for checkout in self._near if not checkout.is_of(platform_url)]
        return [*(self._named(source_checkout) or near), *self._comparisons(platform_url)]

    def checkouts(self, source_checkout: str) -> Sequence[CommitMessages]:
        """The checkout that was named, and the one that we stand in, whichever repository that is of."""
        return self._checkouts(source_checkout)

    def commit_dates(self, source_checkout: str) -> list[CommitDates]:
        """Where it can be looked up when a commit of the sites' source was made, the cheapest first."""
        return [*self._checkouts(source_checkout), *self._comparisons(self.repository.url)]

    def _checkouts(self, source_checkout: str) -> "list[Checkout]":
        return [*self._named(source_checkout), *self._near]

    def _named(self, source_checkout: str) -> "list[Checkout]":
        """The checkout that was named, if any; UsageError where it is none."""
        from bumper.systems.git.ancestry import Checkout

        context = self.context
        return [Checkout.at(context.cwd / source_checkout, context.environ)] if source_checkout else []

    @cached_property
    def _near(self) -> "list[Checkout]":
        """The checkout that we stand in, if any."""
        from bumper.systems.git.ancestry import Checkout

        near = Checkout.around(self.context.cwd, self.context.environ)
        return [near] if near else []

    def _comparisons(self, platform_url: str) -> "list[Comparison]":
        surroundings = self.context.surroundings
        name = surroundings.source_name(platform_url)
        token = self.identity.source(name, {"contents": "read"})
        if not (token and name):
            return []
        from bumper.systems.github.comparison import Comparison

        comparison = Comparison(
            name,
            token=token,
            now=self.context.clock.now,
            api_url=surroundings.api_url,
            environ=self.context.environ,
        )
        self._stack.callback(comparison.close)
        return [comparison]

    def _platform_token(self) -> "str | Token":
        """For the platform repository, with the permissions that the command has stated."""
        return self.identity.platform(self.platform_url, self.permissions.asked())

    def _token_hint(self) -> str:
        withheld = self.identity.withheld(self.platform_url)
        return "; ".join(filter(None, (withheld, "pass one in BUMP_TOKEN")))

    def platform_url(self) -> str:
        """Where the platform repository is: a directory stands for its origin."""
        from bumper.systems.file import is_directory
        from bumper.systems.git.address import is_url
        from bumper.systems.git.checkout import origin_of

        location = self._location()
        if is_url(location) or not is_directory(Path(location)):
            return location
        return origin_of(Path(location), self.context.environ) or location

    def _location(self) -> str:
        """A URL, or a directory: that of a checkout stands for its origin, with the credentials that its own settings name."""
        from bumper.systems.git.checkout import checkout_root

        if self.settings.repo:
            return self.settings.repo
        root = checkout_root(self.context.cwd, self.context.environ)
        if root is None:
            raise UsageError(
                "no platform repository: none is named, and this is no git checkout",
                hint="add --repo https://github.com/OWNER/NAME.git, or set BUMP_REPO",
            )
        return str(root)
