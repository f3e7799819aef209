"""What each command was asked for, typed and frozen: made from the command line by `commands/`, read by everything below.

Law: nothing here knows argparse. Each command states which permissions it needs in the platform repository.
"""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from bumper.app.permissions import READ, READ_ONLY, WRITE, Permissions
from bumper.dataclasses import dataclass, field, replace
from bumper.history.wording import Wording
from bumper.ports.site import Expectation, Resolution
from bumper.request import Choice, Deadlines, FieldPath, Request, Wanted

if TYPE_CHECKING:
    from bumper.onboarding.addition import SiteRequest
    from bumper.onboarding.notifications import NotificationsRequest
    from bumper.setup.request import ActionRelease, ClusterWay, TokenWay


class CommitVia(StrEnum):
    """How a commit comes on the branch."""

    GIT = "git"
    API = "api"
    PULL_REQUEST = "pr"


class FollowVia(StrEnum):
    """Who is asked how a rollout goes."""

    KUBERNETES = "kubernetes"
    GITHUB = "github"


class ChannelName(StrEnum):
    """Who may be told of a run besides the terminal."""

    COMMENT = "comment"
    SUMMARY = "summary"
    DEPLOYMENT = "deployment"
    STATUS = "status"


@dataclass(frozen=True)
class TokenServiceSettings:
    """The service, `https://HOST`, that exchanges the job's OIDC token, and the identity that it is asked for."""

    url: str
    identity: str = "bump"


@dataclass(frozen=True)
class RepositorySettings:
    """The platform repository: a URL or a directory, or where empty the checkout that we stand in.

    A directory stands for its origin; with `reads_directory` its own branch is read, and nothing is asked of the origin.
    `token_service` gives the token for it, None where nothing is exchanged.
    """

    repo: str = ""
    branch: str = "main"
    reads_directory: bool = False
    token_service: TokenServiceSettings | None = None


@dataclass(frozen=True)
class CommitSettings:
    """The way of the commit, how many seconds it may take there, and the words of its message."""

    via: CommitVia = CommitVia.GIT
    push_timeout_s: float = Deadlines.push_s
    merge_timeout_s: float = 30 * 60.0
    wording: Wording = field(default_factory=Wording)

    @property
    def waits_s(self) -> float:
        """How long people may take to agree: with a pull request as long as its merge may take."""
        return self.merge_timeout_s if self.via is CommitVia.PULL_REQUEST else 0.0

    @property
    def push_s(self) -> float:
        """How long the commit may take to come on the branch."""
        return self.push_timeout_s + self.waits_s


@dataclass(frozen=True)
class FollowSettings:
    """Who is asked how it goes after the push, and for how long; `is_wanted` unless the run ends before that.

    `record` is the file that everything seen is written to, empty for none. `serves` is what each site must answer after that, None
    for what git says of it; `resolve` where its host is asked instead of where DNS says. `can_stop_early`: it has `--no-wait`.
    """

    is_wanted: bool = True
    via: FollowVia = FollowVia.KUBERNETES
    contexts: tuple[str, ...] = ()
    timeout_s: float = Deadlines.rollout_s
    record: str = ""
    serves: Expectation | None = None
    resolve: tuple[Resolution, ...] = ()
    can_stop_early: bool = True


@dataclass(frozen=True)
class PublishSettings:
    """Which channels hear of the run, and what it is about to do.

    `asked` are the sites and versions that were asked for; `clusters` are named where several are followed. `resumes`: an earlier run
    may have begun what is told.
    """

    channels: tuple[str, ...] = ()
    asked: tuple[tuple[str, str], ...] = ()
    clusters: tuple[str, ...] = ()
    writes: bool = True
    follows: bool = True
    resumes: bool = False

    def refuses(self, channel: str) -> str:
        """Why there is nothing to tell such a channel; empty where there is."""
        if channel in (ChannelName.DEPLOYMENT, ChannelName.STATUS) and not self.writes:
            return "nothing is deployed by a dry run"
        if channel == ChannelName.DEPLOYMENT and not self.follows:
            return "nobody sees what becomes of it: bump track --publish deployment follows and tells"
        return ""


@dataclass(frozen=True)
class OutputSettings:
    """Where a run is told. `keeps_notes`: how it ended is noted for `bump history`. `place` holds the options that say where a command
    of ours is to be carried out, with a space before; empty where everything is the default."""

    is_json: bool = False
    publish: PublishSettings = field(default_factory=PublishSettings)
    keeps_notes: bool = False
    place: str = ""


@dataclass(frozen=True)
class RunSettings:
    """What every command that writes is asked besides its own."""

    repository: RepositorySettings = field(default_factory=RepositorySettings)
    commit: CommitSettings = field(default_factory=CommitSettings)
    follow: FollowSettings = field(default_factory=FollowSettings)
    output: OutputSettings = field(default_factory=OutputSettings)
    dry_run: bool = False

    @property
    def permissions(self) -> Permissions:
        """Those of a commit that is put on the branch this way and followed this way; of a dry run those of a reader."""
        if self.dry_run:
            return READ_ONLY
        opens_pull = self.commit.via is CommitVia.PULL_REQUEST
        return Permissions(WRITE, WRITE if opens_pull else "", _statuses(self.follow))


@dataclass(frozen=True)
class DeploySettings:
    """Of the main job. `source_checkout` is the directory where the order of two commits is looked up, empty for where we stand."""

    run: RunSettings
    request: Request
    source_checkout: str = ""
    auto_rollback: bool = False


@dataclass(frozen=True)
class PromoteSettings:
    """Of `bump promote`: the sites, from which environment to which, and what the build must have shown in the first.

    Environments are empty where the repositories or branches differ alone. `origin` is where the first one is, and `contexts` its
    clusters.
    """

    deploy: DeploySettings
    sites: tuple[str, ...]
    from_environment: str
    to_environment: str
    origin: RepositorySettings
    contexts: tuple[str, ...] = ()
    soak_s: float = 0.0
    requires_serving: bool = False
    most_behind: int | None = None

    @property
    def is_one_branch(self) -> bool:
        """Whether both environments are on one branch of one repository."""
        return self.origin == self.deploy.run.repository


@dataclass(frozen=True)
class RollbackSettings:
    """Of `bump rollback`; `to` is a tag, empty for the last version that was Ready."""

    run: RunSettings
    request: Request
    to: str = ""


@dataclass(frozen=True)
class HoldSettings:
    """Of `bump hold` and of `bump release`, which `releases`. `until` is None for a hold without an end.

    `kustomizations` are those of the only site.
    """

    run: RunSettings
    sites: tuple[str, ...]
    now: datetime
    reason: str = ""
    until: datetime | None = None
    kustomizations: tuple[str, ...] = ()
    releases: bool = False
    force: bool = False


@dataclass(frozen=True)
class FreezeSettings:
    """Of `bump freeze`, which with `lifts` takes a window away. `until` is None for one with no known end; `name` is empty for what
    the window names."""

    run: RunSettings
    now: datetime
    sites: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    environments: tuple[str, ...] = ()
    reason: str = ""
    until: datetime | None = None
    name: str = ""
    lifts: bool = False
    force: bool = False


@dataclass(frozen=True)
class AdoptSettings:
    """Of `bump adopt`: the site, and what is written down of it. `only_proposes`: a pull request is opened, and that is all.

    `kustomizations` are several in which the same is written down; none where it is one.
    """

    run: RunSettings
    site: str
    choice: Choice
    serves: Expectation | None = None
    only_proposes: bool = False
    kustomizations: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()


@dataclass(frozen=True)
class IsolateSettings:
    """Of `bump isolate`: the sites, none for all of them. `only_proposes`: a pull request is opened, and that is all."""

    run: RunSettings
    sites: tuple[str, ...] = ()
    only_proposes: bool = False


@dataclass(frozen=True)
class NewSiteSettings:
    """Of `bump new-site`. `wanted` is None where the only tag of the registry will do; `platforms` must be in the image.

    `only_proposes`: a pull request is opened, which is then the way of the commit, and that is all.
    """

    run: RunSettings
    site: "SiteRequest"
    wanted: Wanted | None = None
    image_timeout_s: float = Deadlines.image_s
    platforms: tuple[str, ...] = ()
    only_proposes: bool = False


@dataclass(frozen=True)
class RemoveSiteSettings:
    """Of `bump remove-site`; `is_agreed` where nobody needs to be asked."""

    run: RunSettings
    name: str
    is_agreed: bool = False


@dataclass(frozen=True)
class NotificationsSettings:
    """Of `bump notifications`."""

    run: RunSettings
    wanted: "NotificationsRequest"


@dataclass(frozen=True)
class TrackSettings:
    """Of `bump track`. `commit` is a full SHA, empty for what the branch wants now; `replay` is a recording, empty for none.

    `kustomizations` are all that the site is followed in, where there are several.
    """

    repository: RepositorySettings
    follow: FollowSettings
    output: OutputSettings
    choice: Choice = field(default_factory=Choice)
    site: str = ""
    commit: str = ""
    replay: str = ""
    kustomizations: tuple[str, ...] = ()

    @property
    def choices(self) -> tuple[Choice, ...]:
        """What the user said of the site in each Kustomization."""
        return _choices(self.choice, self.kustomizations)

    @property
    def permissions(self) -> Permissions:
        """Nothing is written but the note on how it ended."""
        return Permissions(WRITE if self.output.keeps_notes else READ, statuses=_statuses(self.follow))


@dataclass(frozen=True)
class StatusSettings:
    """Of `bump status`; `site` is empty for all. With `exits_by_verdict` the exit code is that of the worst verdict.
    `is_offline` asks no cluster and no origin: what git wants is all that is shown. `kustomizations` are all that the
    site is shown in, where there are several. `way_back` is the command that takes the site back, where there is one site."""

    repository: RepositorySettings
    choice: Choice = field(default_factory=Choice)
    site: str = ""
    contexts: tuple[str, ...] = ()
    exits_by_verdict: bool = False
    watches: bool = False
    is_json: bool = False
    is_offline: bool = False
    kustomizations: tuple[str, ...] = ()
    way_back: str = ""

    @property
    def choices(self) -> tuple[Choice, ...]:
        """What the user said of the site in each Kustomization."""
        return _choices(self.choice, self.kustomizations)

    @property
    def permissions(self) -> Permissions:
        """Only looks."""
        return READ_ONLY


@dataclass(frozen=True)
class HistorySettings:
    """Of `bump history`; a `limit` of 0 is none. `is_offline` reads a clone as it was last fetched. `format` is text, json or csv,
    or with `asks_metrics`, which shows figures in place of deploys, text, json or openmetrics.

    `kustomizations` are named as a commit names them, in full or in part; none for all.
    """

    repository: RepositorySettings
    site: str = ""
    limit: int = 0
    since: datetime | None = None
    only_failed: bool = False
    format: str = "text"
    is_offline: bool = False
    kustomizations: tuple[str, ...] = ()
    asks_metrics: bool = False

    @property
    def permissions(self) -> Permissions:
        """Only reads."""
        return READ_ONLY

    @property
    def narrowing(self) -> list[str]:
        """The options that leave deploys of a site out."""
        given = {
            "--kustomization": bool(self.kustomizations),
            "--since": self.since is not None,
            "--failed": self.only_failed,
        }
        return [option for option, is_given in given.items() if is_given]


@dataclass(frozen=True)
class ReportSettings:
    """Of `bump report`: what `bump status` of all sites and `bump history` of all deploys show, as one page in the file `html`.

    `is_offline` asks no cluster and no origin.
    """

    repository: RepositorySettings
    html: str
    contexts: tuple[str, ...] = ()
    is_offline: bool = False

    @property
    def status(self) -> StatusSettings:
        """The look at the sites. Without a network the directory is read as it is."""
        repository = replace(self.repository, reads_directory=self.is_offline)
        return StatusSettings(repository, contexts=self.contexts, is_offline=self.is_offline)

    @property
    def permissions(self) -> Permissions:
        """Only reads."""
        return READ_ONLY


@dataclass(frozen=True)
class SweepSettings:
    """Of `bump sweep`: deploys that are at least `least_age_s` and at most `most_age_s` old; no `sites` are all of them.

    With `exits_by_verdict` the exit code is that of the worst verdict. `writes`: what is found is noted and told.
    """

    repository: RepositorySettings
    follow: FollowSettings
    output: OutputSettings
    publish: PublishSettings = field(default_factory=PublishSettings)
    sites: tuple[str, ...] = ()
    least_age_s: float = 15 * 60.0
    most_age_s: float = 7 * 86_400.0
    exits_by_verdict: bool = False
    writes: bool = True

    @property
    def permissions(self) -> Permissions:
        """Nothing is written but notes."""
        return Permissions(WRITE) if self.writes else READ_ONLY


@dataclass(frozen=True)
class DoctorSettings:
    """Of `bump doctor`; no `sites` are all of them. `only_rbac` prints the manifest of the rights that following needs, bound to
    `user` where one is named. `looks_at_cluster` unless rollouts are followed on GitHub."""

    repository: RepositorySettings
    sites: tuple[str, ...] = ()
    commit_via: CommitVia = CommitVia.GIT
    contexts: tuple[str, ...] = ()
    timeout_s: float = 10.0
    only_rbac: bool = False
    user: str = ""
    looks_at_cluster: bool = True
    is_json: bool = False

    @property
    def permissions(self) -> Permissions:
        """Those of the deploy that it looks ahead to: whether we may push, only a token that may can tell."""
        if self.only_rbac:
            return READ_ONLY
        return Permissions(WRITE, WRITE if self.commit_via is CommitVia.PULL_REQUEST else "")


@dataclass(frozen=True)
class SetupSettings:
    """Of `bump setup`: what is known already; the rest is asked.

    Of the `repository` the token service is that of the jobs. `sites` are pairs of a site and its repository. `write` is the folder
    that the files go to, empty for none; `contexts` are those that are looked at in the end.
    """

    repository: RepositorySettings
    sites: tuple[tuple[str, str], ...] = ()
    cluster: "ClusterWay | None" = None
    aks: tuple[str, str] | None = None
    runs_on: str = ""
    receiver_host: str = ""
    token: "TokenWay | None" = None
    action: "ActionRelease | None" = None
    commit_via: CommitVia = CommitVia.GIT
    site_branch: str = "main"
    contexts: tuple[str, ...] = ()
    write: str = ""

    @property
    def permissions(self) -> Permissions:
        """Nothing is written."""
        return READ_ONLY


@dataclass(frozen=True)
class CheckSettings:
    """Of `bump check`: a directory of the tree, and the rules to leave out. `is_strict`: a warning is an error."""

    directory: str = "."
    ignored: tuple[str, ...] = ()
    is_strict: bool = False
    only_lists: bool = False
    is_json: bool = False


@dataclass(frozen=True)
class FreezeQuestion:
    """Of `bump check --at`: whether these sites, or all, are frozen then, for a deploy that may take so long."""

    directory: str
    at: datetime
    sites: tuple[str, ...] = ()
    timeout_s: float = Deadlines.rollout_s
    is_json: bool = False


class EditOutput(StrEnum):
    """What becomes of an edit: written to the files, or only shown."""

    FILES = "files"
    DIFF = "diff"
    CHECK = "check"
    STDOUT = "stdout"
    PLAN = "plan"


@dataclass(frozen=True)
class EditSettings:
    """Of `bump edit`: every field of the repository `image` in these files gets the tag, and where it is pinned the digest.

    With `containers` only those in containers of these names. `field` is one that no table knows, too.
    """

    files: tuple[str, ...]
    image: str
    tag: str
    digest: str = ""
    containers: tuple[str, ...] = ()
    output: EditOutput = EditOutput.FILES
    field: FieldPath | None = None


def _choices(choice: Choice, kustomizations: tuple[str, ...]) -> tuple[Choice, ...]:
    return tuple(map(choice.named, kustomizations)) or (choice,)


def _statuses(follow: FollowSettings) -> str:
    return READ if follow.is_wanted and follow.via is FollowVia.GITHUB else ""
