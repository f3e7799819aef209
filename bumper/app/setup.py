"""What a platform needs before its first deploy: read from its repository, asked where nothing says it, printed, and looked at.
`bump setup`."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bumper.address import name_on, repository_name, service_of
from bumper.app import examine
from bumper.app.context import Context
from bumper.app.questions import Questions
from bumper.app.settings import (
    CommitSettings,
    CommitVia,
    DoctorSettings,
    FollowSettings,
    FollowVia,
    RepositorySettings,
    RunSettings,
    SetupSettings,
    TokenServiceSettings,
)
from bumper.app.version import installed_from
from bumper.app.wiring import Systems
from bumper.dataclasses import replace
from bumper.doctor import access
from bumper.errors import BumpError, FieldAmbiguous, FieldMissing, UsageError, did_you_mean
from bumper.fluxtree.sites.selection import listed
from bumper.onboarding import notifications
from bumper.onboarding.notifications import NotificationsRequest
from bumper.ports.git import Tree
from bumper.safe_text import visible
from bumper.setup import page
from bumper.setup.request import (
    ActionRelease,
    ClusterWay,
    Setup,
    SiteRepository,
    TokenService,
    TokenWay,
    cluster_of,
    plain_name_of,
    repository_of,
    runner_of,
)
from bumper.status.sites import Entry
from bumper.style import Span
from bumper.systems.terminal import Log, width_of

_TIMEOUT_S = 10.0
_WIDEST = 120
_CLUSTERS = (
    (ClusterWay.KUBECONFIG, "a kubeconfig of a service account, stored as a secret"),
    (ClusterWay.AKS, "AKS with Entra ID: the job's OIDC token and kubelogin, nothing is stored"),
    (ClusterWay.RUNNER, "a self-hosted runner that is a pod of the cluster"),
    (ClusterWay.NONE, "no access: what Flux posts on GitHub (--follow github, Flux 2.9)"),
)
_TOKENS = (
    (TokenWay.SECRET, "a fine-grained token or an App's key, stored for the sites"),
    (TokenWay.SERVICE, "none is stored: a token service exchanges the job's own OIDC token"),
)
# What the repository of the action holds, by which it is known.
_ACTION_FILES = ("action.yml", ".github/workflows/deploy-site.yml")


def set_up(settings: SetupSettings, context: Context) -> int:
    """Prints it, writes it where that is asked for, and looks at it; returns the exit code of that look."""
    questions = Questions(context)
    settings = replace(settings, repository=_repository(settings.repository, questions, context))
    with Systems(context, _by_hand(settings), settings.permissions) as systems:
        repository = systems.open_repository(_TIMEOUT_S)
        tip, entries = examine.read(repository, _looked_at(settings, ()))
        tree = repository.tree(tip.sha)
        setup = _Interview(settings, questions, systems, entries).setup(tree, tip.sha)
        named = [entry for entry in entries if entry.desired.site in {site.site for site in setup.sites}]
        shown = page.sections(setup, _manifests(setup, named, tree, tip.sha, context))
    _show(setup, shown, settings.write, context)
    follow = FollowVia.GITHUB if setup.follows_on_github else FollowVia.KUBERNETES
    looked_at = _looked_at(settings, [site.site for site in setup.sites], follow)
    return examine.examine(looked_at, context)


def _looked_at(
    settings: SetupSettings, sites: Sequence[str], follow: FollowVia = FollowVia.KUBERNETES
) -> DoctorSettings:
    return DoctorSettings(
        _by_hand(settings),
        tuple(sites),
        settings.commit_via,
        settings.contexts,
        _TIMEOUT_S,
        looks_at_cluster=follow is FollowVia.KUBERNETES,
    )


def _by_hand(settings: SetupSettings) -> RepositorySettings:
    """The repository as it is read now: the token service is one for jobs."""
    return replace(settings.repository, token_service=None)


def _repository(settings: RepositorySettings, questions: Questions, context: Context) -> RepositorySettings:
    """What was named, or the checkout that we stand in; else a person is asked."""
    from bumper.systems.git.checkout import checkout_root

    if settings.repo or not questions.can_ask or checkout_root(context.cwd, context.environ):
        return settings
    server_url = context.surroundings.server_url
    name = questions.ask(
        "The platform repository, OWNER/NAME or its URL",
        lambda text: repository_of(text, server_url),
        "--repo URL",
    )
    return replace(settings, repo=f"{server_url}/{name}.git")


class _Interview:
    """What is given, else what the repository says, else what a person says."""

    def __init__(
        self, settings: SetupSettings, questions: Questions, systems: Systems, entries: Sequence[Entry]
    ) -> None:
        self._settings = settings
        self._questions = questions
        self._systems = systems
        self._entries = entries

    def setup(self, tree: Tree, tip: str) -> Setup:
        settings = self._settings
        server_url = self._systems.context.surroundings.server_url
        url = self._systems.repository.url
        platform = _name_at(server_url, url)
        sites = tuple(self._sites())
        cluster = settings.cluster or ClusterWay(
            self._questions.choose("How does a job see the rollout?", _CLUSTERS, "--cluster WAY")
        )
        return Setup(
            platform=platform,
            url=f"{server_url}/{platform}.git",
            sites=sites,
            cluster=cluster,
            aks=self._aks(cluster),
            runs_on=self._runs_on(cluster),
            service=self._service(),
            action=self._action(platform, tree, tip),
            permissions=_permissions(settings, cluster),
            branch=settings.repository.branch,
            site_branch=settings.site_branch,
            account=access.ACCOUNT,
            namespace=_plain(self._entries[0].desired.source.namespace, self._entries[0].place),
            receiver_host=settings.receiver_host,
            commit_via=settings.commit_via.value,
            is_private=self._is_private(url),
            server_url=server_url,
        )

    def _sites(self) -> Iterator[SiteRepository]:
        for name, repository in self._settings.sites or self._asked_sites():
            entry = self._entry(name)
            if entry.image is None:
                raise FieldMissing(
                    f"{entry.place}: {name}: {entry.not_followed}", hint="bump adopt says which image it is"
                )
            image = entry.image
            yield SiteRepository(
                _plain(name, entry.place),
                repository,
                _plain(image.registry, entry.place),
                _plain(image.path, entry.place),
            )

    def _entry(self, name: str) -> Entry:
        """The only one of that name."""
        named = [entry for entry in self._entries if entry.desired.site == name]
        if not named:
            known = dict.fromkeys(entry.desired.site for entry in self._entries)
            near = did_you_mean(name, known)
            raise FieldMissing(
                f"{name}: the tree has no such site, expected one of {', '.join(known)}{near}",
                hint="a new one is written by bump new-site",
            )
        if len(named) > 1:
            raise FieldAmbiguous(
                f"{name}: {listed([entry.site.identity for entry in named])} are called so",
                hint="leave that site out: its workflow is to be written by hand, with the input kustomization",
            )
        return named[0]

    def _asked_sites(self) -> list[tuple[str, str]]:
        images = {entry.desired.site: entry.image.repository for entry in self._entries if entry.image}
        option = f"--site SITE=OWNER/NAME (here are: {', '.join(images)})"
        if not self._questions.can_ask:
            raise UsageError(
                "not given: the sites, and the repository that builds each", hint=f"give them: {option}"
            )
        self._questions.tell(
            Span("Which repository builds each site? OWNER/NAME, its URL, or nothing to leave it out.")
        )
        answers = [
            (name, self._questions.ask(f"  {name} ({image})", self._or_none, option))
            for name, image in images.items()
        ]
        if not (given := [(name, repository) for name, repository in answers if repository]):
            raise UsageError("no site has a repository", hint=f"give them: {option}")
        return given

    def _or_none(self, text: str) -> str:
        return repository_of(text, self._systems.context.surroundings.server_url) if text else ""

    def _aks(self, cluster: ClusterWay) -> tuple[str, str]:
        if cluster is not ClusterWay.AKS:
            return "", ""
        question = "The cluster in Azure, RESOURCE-GROUP/NAME"
        return self._settings.aks or self._questions.ask(question, cluster_of, "--aks GROUP/NAME")

    def _runs_on(self, cluster: ClusterWay) -> str:
        if cluster is not ClusterWay.RUNNER:
            return ""
        return self._settings.runs_on or self._questions.ask(
            "The runner's label", runner_of, "--runs-on LABEL"
        )

    def _service(self) -> TokenService | None:
        question = f"Where does the token for {self._systems.repository.url} come from?"
        way = self._settings.token or TokenWay(self._questions.choose(question, _TOKENS, "--token WAY"))
        if way is TokenWay.SECRET:
            return None
        if named := self._settings.repository.token_service:
            return TokenService(named.url.removeprefix("https://"), named.identity)
        url = self._questions.ask("The token service's host", service_of, "--token-service HOST")
        return TokenService(url.removeprefix("https://"), TokenServiceSettings.identity)

    def _action(self, platform: str, tree: Tree, tip: str) -> ActionRelease:
        if self._settings.action:
            return self._settings.action
        url, sha = installed_from()
        if name := repository_name(url).partition("/")[2]:
            return ActionRelease(name, sha)
        if len(tree.read(_ACTION_FILES)) == len(_ACTION_FILES):
            return ActionRelease(platform, tip)
        question = "The action's repository, and the full SHA of the commit to use, OWNER/NAME@SHA"
        return self._questions.ask(question, ActionRelease.parse, "--action OWNER/NAME@SHA")

    def _is_private(self, url: str) -> bool | None:
        try:
            hosted = self._systems.hosting(url, _TIMEOUT_S)
        except BumpError:
            return None
        return hosted.is_private if hosted else None


def _permissions(settings: SetupSettings, cluster: ClusterWay) -> Mapping[str, str]:
    """Those that a deploy asks for which goes this way."""
    follow = FollowVia.GITHUB if cluster is ClusterWay.NONE else FollowVia.KUBERNETES
    return RunSettings(
        commit=CommitSettings(CommitVia(settings.commit_via)), follow=FollowSettings(via=follow)
    ).permissions.asked()


def _name_at(server_url: str, url: str) -> str:
    """`owner/name`, in the letters of the URL; UsageError for a repository that is not on this GitHub."""
    name = name_on(server_url, url)
    if not name:
        raise UsageError(
            f"{url} is not at home on {server_url}: a set-up is for workflows of GitHub",
            hint="for an Enterprise Server set GITHUB_SERVER_URL; elsewhere see docs/setup.md for the parts that hold everywhere",
        )
    return name


def _plain(text: str, place: str) -> str:
    """The same, where it can stand in a script; UsageError where the tree names things otherwise."""
    try:
        return plain_name_of(text)
    except ValueError as error:
        raise UsageError(
            f"{place}: {error}", hint="leave that site out: its files are to be written by hand"
        ) from None


def _manifests(
    setup: Setup, entries: Sequence[Entry], tree: Tree, tip: str, context: Context
) -> page.Manifests:
    names = ", ".join(site.site for site in setup.sites)
    rights = "" if setup.follows_on_github else examine.rbac(entries, names)
    if not (setup.follows_on_github or setup.receiver_host):
        return page.Manifests(rights)
    owners = tuple(dict.fromkeys(name.partition("/")[0] for name in setup.repositories))
    wanted = NotificationsRequest(setup.receiver_host, owners if setup.receiver_host else ())
    try:
        plan = notifications.plan(tip, tree, wanted, context.surroundings.origin())
    except BumpError as refusal:
        return page.Manifests(rights, steps=(refusal.message, *filter(None, [refusal.hint])))
    written = tuple((path, (after or b"").decode()) for path, (_, after) in plan.files.items())
    return page.Manifests(rights, written, plan.steps)


def _show(setup: Setup, shown: Sequence[page.Section], folder: str, context: Context) -> None:
    title = page.title(setup)
    width = min(width_of(context.stdout, context.environ) or _WIDEST, _WIDEST)
    if folder:
        root = context.cwd / folder
        for file in [
            page.File("README.md", title + page.text(shown, _WIDEST, shows_files=False)),
            *page.files(shown),
        ]:
            _write(root, file)
    lines = (title + page.text(shown, width, shows_files=not folder)).splitlines()
    if folder:
        lines += [f"Written below {root}, README.md first.", ""]
    else:
        lines += ["The same as files, in a new folder:", "", f"    {setup.command} --write DIR", ""]
    # As a log: what is to be copied is never broken at the window.
    log = Log(context.stdout, context.clock.now, name_sites=False)
    log.write((Span(visible(line)),) for line in lines)


def _write(root: Path, file: page.File) -> None:
    path = root / file.path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # What somebody changed by hand is not ours to replace.
        with path.open("x", encoding="utf-8") as stream:
            stream.write(file.content)
        if file.language == "sh":
            path.chmod(0o755)
    except FileExistsError:
        raise UsageError(
            f"{path} is there already", hint="--write wants a new folder, or an empty one"
        ) from None
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}", hint="--write DIR names a folder that can be written"
        ) from None
