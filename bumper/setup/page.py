"""What a person reads: for each thing that has to be there what it is for, the least that it may do, and how it comes to be.

The texts are those of docs/setup.md, too: `reference` shows every choice for an example.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from shlex import quote
from textwrap import fill
from typing import Self

from bumper.dataclasses import dataclass
from bumper.setup import azure, kubeconfig, trust_policy, workflow
from bumper.setup.request import ClusterWay, Setup, TokenService

_SHARING = "https://docs.github.com/actions/how-tos/sharing-automations/sharing-actions-and-workflows-from-your-private-repository"
# GitHub's words for the permissions of a token.
_PERMISSIONS = {"contents": "Contents", "pull_requests": "Pull requests", "statuses": "Commit statuses"}
_COMMAND, _POINT = "$ ", "- "
_TOGETHER = (_COMMAND, _POINT)
_LEVELS = {"read": "read-only", "write": "read and write"}


@dataclass(frozen=True)
class File:
    """A file that comes of it: where it is written to, and what it holds. `language` is that of its text."""

    path: str
    content: str
    language: str = "yaml"


@dataclass(frozen=True)
class Section:
    """A title, paragraphs, and the files that belong to it."""

    title: str
    paragraphs: tuple[str, ...]
    files: tuple[File, ...] = ()

    @classmethod
    def of(cls, title: str, prose: str, *files: File, more: Iterable[str] = ()) -> Self:
        """From prose whose paragraphs are apart by an empty line, however it is broken and indented, and from paragraphs.

        A paragraph that begins with `$ ` is a command, which stands on a line of its own.
        """
        paragraphs = (" ".join(paragraph.split()) for paragraph in prose.split("\n\n"))
        return cls(title, (*filter(None, paragraphs), *more), files)


@dataclass(frozen=True)
class Manifests:
    """What others write: the rights in the cluster, and what Flux needs to tell GitHub (empty where it is not wanted or there).

    `steps` are what a person has to do for the latter.
    """

    rbac: str = ""
    notifications: tuple[tuple[str, str], ...] = ()
    steps: tuple[str, ...] = ()


def sections(setup: Setup, manifests: Manifests) -> list[Section]:
    """All that this set-up takes, in the order in which it is done."""
    return [
        token(setup),
        cluster(setup, manifests),
        *([poke(setup, manifests)] if setup.receiver_host and not setup.follows_on_github else []),
        *([azure_identity(setup)] if setup.has_azure_identity else []),
        *registries(setup),
        site_workflow(setup),
        *([by_hand(setup)] if setup.brings_workflows else []),
        *([] if setup.is_private is False else [private(setup)]),
        looked_at(setup),
    ]


def token(setup: Setup) -> Section:
    """How a job gets to write to the platform repository."""
    return _by_service(setup, setup.service) if setup.service else _stored(setup)


def _stored(setup: Setup) -> Section:
    stored = "\n\n".join(f"$ gh secret set BUMP_TOKEN --repo {name}" for name in setup.repositories)
    return Section.of(
        "The token, stored",
        f"""
        Whoever deploys writes to {setup.platform}. The job's own `GITHUB_TOKEN` reaches its own repository only: it comments, and
        never pushes elsewhere. Create a fine-grained personal access token for {setup.platform} alone
        ({setup.server_url}/settings/personal-access-tokens/new) with {_permissions(setup)}, and nothing else.

        Store it for the sites, or once for the organization with `--org`:

        {stored}

        It ends with the person, and on the day that it was given. A GitHub App does not: install one on the platform repository with
        the same permissions, and hand the action `app-id` and `app-private-key` in place of `token`.
        """,
    )


def _by_service(setup: Setup, service: TokenService) -> Section:
    path = trust_policy.path(service)
    return Section.of(
        "The token, exchanged",
        f"""
        No token is stored. The job's own OIDC token (`permissions: id-token: write`) is exchanged at {service.host} for one of a
        GitHub App, for {setup.platform} alone and for an hour at most. Install the App of that service on {setup.platform}; a service
        that you run yourself needs an App with no more rights than those below.

        Commit this to {setup.platform} as `{path}`, on its default branch: it says whose jobs get the token, with
        {_permissions(setup)}. Whoever may change this file may give the platform away: let CODEOWNERS and a rule of the branch guard
        it.
        """,
        File(f"platform/{path}", trust_policy.written(setup)),
    )


def cluster(setup: Setup, manifests: Manifests) -> Section:
    """How a job sees the rollout."""
    return _CLUSTERS[setup.cluster](setup, manifests)


def _by_kubeconfig(setup: Setup, manifests: Manifests) -> Section:
    return Section.of(
        "The cluster, by a kubeconfig",
        f"""
        The account {setup.namespace}/{setup.account} may read what following takes, and ask Flux to fetch; no Secret, no wildcard.
        The script makes it, a token for it that lasts a year, and a kubeconfig, which it stores as the secret `KUBECONFIG` of each
        site's repository; it says on which day the token ends. Run it again before that.

        Where the server grants less than it is asked for (an hour, or a day), a Secret of the type
        `kubernetes.io/service-account-token` with the annotation `kubernetes.io/service-account.name` holds a token without an end.
        Deleting it ends that, too.

        `bump doctor --rbac` prints the manifest again when sites come and go.
        """,
        File("rbac.yaml", manifests.rbac),
        File("kubeconfig.sh", kubeconfig.script(setup), "sh"),
    )


def _by_entra(setup: Setup, manifests: Manifests) -> Section:
    group, name = setup.aks
    return Section.of(
        "The cluster, AKS with Entra ID",
        f"""
        No kubeconfig is stored. The job logs in to Azure with its OIDC token; `az aks get-credentials` and kubelogin make a kubeconfig
        of {group}/{name} that asks the Azure CLI for a token; kubelogin is installed where the runner has none. The identity below
        gets *Azure Kubernetes Service Cluster User Role*, to log in, and in the cluster the rights that following takes: an identity
        is called by its object ID there.

        It wants a cluster with Entra ID and Kubernetes RBAC, and an API server that the runner can reach.
        """,
    )


def _by_runner(setup: Setup, manifests: Manifests) -> Section:
    return Section.of(
        "The cluster, from a runner inside",
        f"""
        A runner in a pod ({setup.runs_on}) needs no kubeconfig: `bump` uses the service account of the pod. Give that the rights, by
        its name:

        $ bump doctor --rbac --user system:serviceaccount:NAMESPACE:NAME{setup.place} | kubectl apply -f -

        On a machine of yours that is no pod, store a kubeconfig as for a runner of GitHub's. Never let a public repository use a
        self-hosted runner: whoever opens a pull request may run code on it.
        """,
    )


def _without(setup: Setup, manifests: Manifests) -> Section:
    return Section.of(
        "The cluster, not at all",
        """
        Nothing of the cluster is asked: `follow: github` listens to what Flux posts on the platform repository as commit statuses.
        Pods, causes and digests are not seen that way. It wants Flux 2.9: 2.8.0 posts nothing, 2.8.1 and later 2.8 no failures.
        """,
        *_announced(manifests),
        more=_notifications(setup, manifests),
    )


_CLUSTERS = {
    ClusterWay.KUBECONFIG: _by_kubeconfig,
    ClusterWay.AKS: _by_entra,
    ClusterWay.RUNNER: _by_runner,
    ClusterWay.NONE: _without,
}


def poke(setup: Setup, manifests: Manifests) -> Section:
    """How Flux hears of a commit at once."""
    return Section.of(
        "Flux is poked",
        f"""
        A Receiver at {setup.receiver_host} lets Flux fetch right after the push, on the job's OIDC token. It wants Flux 2.9
        (notification-controller 1.9); before that `bump notifications --receiver-secret NAME` writes one that takes signatures.
        """,
        *_announced(manifests),
        more=_notifications(setup, manifests),
    )


def _announced(manifests: Manifests) -> Iterator[File]:
    yield from (File(f"platform/{path}", content) for path, content in manifests.notifications)


def _notifications(setup: Setup, manifests: Manifests) -> Iterator[str]:
    if not manifests.notifications:
        yield f"`bump notifications` has nothing to write for that: {'; '.join(manifests.steps)}."
        return
    owners = dict.fromkeys(name.partition("/")[0] for name in setup.repositories)
    host = f" --host {setup.receiver_host}" if setup.receiver_host else ""
    pokes = "".join(f" --owner {owner}" for owner in owners) if host else ""
    yield f"This commits the Provider, the Alert{' and the Receiver' if host else ''}:"
    yield f"$ bump notifications{host}{pokes}{setup.place}"
    yield "Then by hand:"
    yield from (f"- {step}" for step in manifests.steps)


def azure_identity(setup: Setup) -> Section:
    """Who a job is in Azure."""
    return Section.of(
        "The identity in Azure",
        """
        One identity for all sites, without a secret: a federated credential for each repository names the branch whose jobs may use
        it (20 at most for one identity). *AcrPush* builds, pushes and pulls, *AcrPull* is enough for a job that builds nothing; a
        registry in the mode with ABAC knows *Container Registry Repository Writer* and *Reader* in their place. The cluster pulls
        with an identity of its own: `az aks update --attach-acr NAME`.

        GitHub says how the subject of a repository begins: since summer 2026 new, renamed and transferred ones have numbers in it.
        The script asks.
        """,
        File("azure.sh", azure.script(setup), "sh"),
    )


_OWN_WAYS = {
    ClusterWay.KUBECONFIG: "the secret `KUBECONFIG` of that repository, which kubeconfig.sh stores there, too",
    ClusterWay.AKS: "the identity in Azure, whose script trusts that repository, too, and two variables that name the cluster",
    ClusterWay.RUNNER: "the same runner, which a variable names",
    ClusterWay.NONE: "what Flux posts, which a variable says. `status` and a sweep look at the cluster all the same: run "
    "`bump status` and `bump sweep` by hand where it can be reached, or give these two a `KUBECONFIG`",
}


def registries(setup: Setup) -> Iterator[Section]:
    """What the registries outside of Azure take."""
    for host in dict.fromkeys(site.registry for site in setup.sites if not site.is_azure):
        own = (
            "The job's own token pushes and pulls (`permissions: packages: write`): nothing is to be stored."
        )
        account = f"""
            The secrets `REGISTRY_USER` and `REGISTRY_PASSWORD` of each site's repository: an account of {host} that may push the
            site's image, and nothing else. `bump` finds them where `docker login` puts them.
            """
        yield Section.of(f"The registry {host}", own if host == "ghcr.io" else account)


def site_workflow(setup: Setup) -> Section:
    """What stands in each site's repository."""
    return Section.of(
        "The site's workflow",
        """
        Builds the image, pushes it under the short SHA, writes the tag to the platform repository and follows it to Ready. Copy it as
        it is; the first push shows the rest on the pull request.
        """,
        *(
            File(f"sites/{site.repository}/{workflow.path(site, setup)}", workflow.written(site, setup))
            for site in setup.sites
        ),
    )


def by_hand(setup: Setup) -> Section:
    """How the platform's own workflows reach the cluster."""
    variables = {
        ClusterWay.KUBECONFIG: (),
        ClusterWay.AKS: (("AKS_RESOURCE_GROUP", setup.aks[0]), ("AKS_CLUSTER", setup.aks[1])),
        ClusterWay.RUNNER: (("BUMP_RUNS_ON", setup.runs_on),),
        ClusterWay.NONE: (("BUMP_FOLLOW", "github"),),
    }[setup.cluster]
    commands = [
        f"$ gh variable set {name} --repo {setup.platform} --body {quote(value)}" for name, value in variables
    ]
    return Section.of(
        "By hand and by the clock",
        f"""
        `bump.yml` (the Actions page), `promote.yml` and `sweep.yml` run in {setup.platform} itself, and see the cluster by
        {_OWN_WAYS[setup.cluster]}.
        """,
        more=commands,
    )


def private(setup: Setup) -> Section:
    """What GitHub allows where the platform is private."""
    return Section.of(
        "A private platform repository",
        f"""
        Workflows and actions of a private repository can be used by private repositories of the same owner, once *Settings → Actions →
        General → Access* of {setup.action.repository} allows it; by a public repository [never]({_SHARING}). For public sites of a
        private platform publish the action in a repository of its own that is public: `bump setup --action OWNER/NAME@SHA` writes the
        workflows for that.

        The run of a public site is public: its log shows names, paths and tags of the platform.
        """,
    )


def looked_at(setup: Setup) -> Section:
    """What comes last."""
    sites = "".join(f" {site.site}" for site in setup.sites)
    follow = " --follow github" if setup.follows_on_github else ""
    return Section.of(
        "Look at it",
        f"""
        What is missing, and the remedy, at any time; and what a first deploy would do, on your own machine:

        $ bump doctor{sites}{setup.place}{follow}

        $ bump {setup.sites[0].site} --sha SHA{setup.place} --dry-run
        """,
    )


def _permissions(setup: Setup) -> str:
    return ", ".join(f"*{_PERMISSIONS[name]}: {_LEVELS[level]}*" for name, level in setup.permissions.items())


def title(setup: Setup) -> str:
    """What was asked for, on top."""
    service = f"exchanged at {setup.service.host}" if setup.service else "stored"
    rows = [
        ("platform", f"{setup.platform}, branch {setup.branch}"),
        *(
            (site.site, f"{site.repository}, branch {setup.site_branch} → {site.registry}/{site.image}")
            for site in setup.sites
        ),
        ("cluster", setup.cluster.value),
        ("token", service),
        ("action", f"{setup.action.repository}@{setup.action.sha}"),
    ]
    widest = max(len(name) for name, _ in rows)
    return (
        f"# Set-up of {setup.platform}\n\n"
        + "".join(f"    {name:<{widest}}   {value}\n" for name, value in rows)
        + "\n"
    )


def text(shown: Sequence[Section], width: int, *, shows_files: bool = True) -> str:
    """The sections as Markdown, prose broken at the width; of the files only where they are, unless they are shown."""
    return (
        "\n".join(line for section in shown for line in _lines(section, width, shows_files=shows_files))
        + "\n"
    )


def files(shown: Sequence[Section]) -> list[File]:
    """The files of these sections, in their order."""
    return [file for section in shown for file in section.files if file.content]


def _lines(section: Section, width: int, *, shows_files: bool) -> Iterator[str]:
    yield from (f"## {section.title}", "")
    for paragraph, following in zip_longest(section.paragraphs, section.paragraphs[1:], fillvalue=""):
        yield _broken(paragraph, width)
        # Commands and points of a list stand together.
        if paragraph[:2] not in _TOGETHER or paragraph[:2] != following[:2]:
            yield ""
    for file in files([section]):
        yield f"`{file.path}`:" if shows_files else f"→ {file.path}"
        yield from (
            ("", f"```{file.language}", *file.content.rstrip("\n").splitlines(), "```") if shows_files else ()
        )
        yield ""


def _broken(paragraph: str, width: int) -> str:
    if paragraph.startswith(_COMMAND):
        return f"    {paragraph.removeprefix(_COMMAND)}"
    hanging = "  " if paragraph.startswith(_POINT) else ""
    return fill(paragraph, width, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False)
