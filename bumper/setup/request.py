"""What a set-up is for: the platform and its sites, how the cluster and the registry are reached, and who may write."""

import re
from collections.abc import Mapping
from enum import StrEnum
from shlex import quote
from typing import Self

from bumper.address import is_github_name, name_on
from bumper.dataclasses import dataclass, field
from bumper.ports.registry import AZURE_CLOUDS, AzureCloud, azure_cloud_of

PUBLIC_SERVER = "https://github.com"
# The rules of GitHub for branches as far as shells and YAML are concerned, and of Azure for its names.
_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_AZURE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._()-]*")
_SHA = re.compile(r"[0-9a-f]{40}")
# Names of Kubernetes, hosts and paths of images: what is read from a tree stands in scripts and in workflows as it is.
_PLAIN = re.compile(r"[a-z0-9](?:[a-z0-9._:/-]*[a-z0-9])?")
# A label, or several as JSON.
_RUNNER = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]*|\["[A-Za-z0-9._-]+"(?:, ?"[A-Za-z0-9._-]+")*\]')


def repository_of(text: str, server_url: str = PUBLIC_SERVER) -> str:
    """`owner/name`, from that or from a URL of the repository on this GitHub, by https or ssh, as a browser or `git remote -v`
    has it; ValueError where it is none."""
    name = text.strip().removesuffix(".git")
    if not is_github_name(name):
        name = name_on(server_url, re.split(r"[?#]", text, maxsplit=1)[0])
    if not name:
        raise ValueError(f"{text.strip()!r}: expected a repository, OWNER/NAME or its URL on {server_url}")
    return name


def plain_name_of(text: str) -> str:
    """A name, a host or the path of an image; ValueError for what a shell, YAML or a path could take apart."""
    if ".." in text:
        raise ValueError(f"{text!r}: expected a name without '..'")
    return _held(text, _PLAIN, "small letters, digits, '.', '_', ':', '/' and '-'")


def branch_of(text: str) -> str:
    """The name of a branch; ValueError where it is none, or one that a shell would take apart."""
    return _held(text, _BRANCH, "a branch: letters, digits, '.', '_', '-' and '/'")


def runner_of(text: str) -> str:
    """The label of a runner, or several as JSON; ValueError where it is none."""
    return _held(text.strip(), _RUNNER, """the label of a runner, or several as ["self-hosted", "linux"]""")


def cluster_of(text: str) -> tuple[str, str]:
    """Resource group and name of a cluster in Azure, from `GROUP/NAME`; ValueError where it is none."""
    group, _, name = text.strip().partition("/")
    if not (_AZURE.fullmatch(group) and _AZURE.fullmatch(name)):
        raise ValueError(f"{text!r}: expected a cluster in Azure, RESOURCE-GROUP/NAME")
    return group, name


def site_of(text: str) -> tuple[str, str]:
    """A site and the repository that it is built from, which `repository_of` reads, from `SITE=REPOSITORY`; ValueError where
    one of them is missing."""
    site, _, repository = text.strip().partition("=")
    if not (site and repository):
        raise ValueError(f"{text!r}: expected a site and its repository, SITE=OWNER/NAME")
    return site, repository


def _held(text: str, pattern: re.Pattern[str], expected: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError(f"{text!r}: expected {expected}")
    return text


class ClusterWay(StrEnum):
    """How the job sees the rollout."""

    KUBECONFIG = "kubeconfig"
    AKS = "aks"
    RUNNER = "runner"
    NONE = "none"


class TokenWay(StrEnum):
    """Where the token for the platform repository comes from."""

    SECRET = "secret"  # noqa: S105 (the word for a way)
    SERVICE = "service"


@dataclass(frozen=True)
class SiteRepository:
    """A site, the repository `owner/name` that it is built from, and its image: the registry's host, and the path there."""

    site: str
    repository: str
    registry: str
    image: str

    @property
    def is_azure(self) -> bool:
        """Whether the image is in an Azure Container Registry."""
        return azure_cloud_of(self.registry) is not None


@dataclass(frozen=True)
class ActionRelease:
    """Where the action comes from: a repository `owner/name`, the full SHA of a commit of it, and what that is called."""

    repository: str
    sha: str
    name: str = "bump"

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `OWNER/NAME@SHA`; ValueError where it is none."""
        repository, _, sha = text.strip().partition("@")
        expected = "the action and the full SHA of its commit, OWNER/NAME@SHA"
        if not (is_github_name(repository) and _SHA.fullmatch(sha)):
            raise ValueError(f"{text!r}: expected {expected}")
        return cls(repository, sha)


@dataclass(frozen=True)
class TokenService:
    """A token service's host, and the name of the trust policy that it finds."""

    host: str
    identity: str


@dataclass(frozen=True)
class Setup:
    """A platform to be set up.

    `platform` is `owner/name`, `url` its git URL by https, `account` and `namespace` name the service account in the cluster.
    `is_private` is None where nobody said. `permissions` are those of the token for the platform repository, in GitHub's words.
    `receiver_host` is empty where Flux shall not be poked; `aks` is the resource group and the name.
    """

    platform: str
    url: str
    sites: tuple[SiteRepository, ...]
    action: ActionRelease
    cluster: ClusterWay
    service: TokenService | None = None
    permissions: Mapping[str, str] = field(default_factory=lambda: {"contents": "write"})
    branch: str = "main"
    site_branch: str = "main"
    account: str = "bump"
    namespace: str = "flux-system"
    aks: tuple[str, str] = ("", "")
    runs_on: str = ""
    receiver_host: str = ""
    commit_via: str = "git"
    is_private: bool | None = None
    server_url: str = PUBLIC_SERVER

    @property
    def follows_on_github(self) -> bool:
        """Whether nothing of the cluster is asked."""
        return self.cluster is ClusterWay.NONE

    @property
    def place(self) -> str:
        """The options that say where the platform is, with a space before."""
        return f" --repo {self.url}" + ("" if self.branch == "main" else f" --branch {quote(self.branch)}")

    @property
    def command(self) -> str:
        """The command that gives this set-up without a question."""
        options = [
            ("cluster", self.cluster.value),
            ("aks", "/".join(self.aks) if self.cluster is ClusterWay.AKS else ""),
            ("runs-on", self.runs_on),
            ("host", self.receiver_host),
            ("token", "" if self.service else TokenWay.SECRET.value),
            ("token-service", self.service.host if self.service else ""),
            ("token-identity", self.service.identity if self.service else ""),
            ("action", f"{self.action.repository}@{self.action.sha}"),
            ("site-branch", "" if self.site_branch == "main" else self.site_branch),
            ("commit-via", "" if self.commit_via == "git" else self.commit_via),
        ]
        sites = "".join(f" {site.site}={site.repository}" for site in self.sites)
        given = "".join(f" --{name} {quote(value)}" for name, value in options if value)
        return f"bump setup{sites}{self.place}{given}"

    @property
    def repositories(self) -> tuple[str, ...]:
        """The sites' repositories, each once."""
        return tuple(dict.fromkeys(site.repository for site in self.sites))

    @property
    def brings_workflows(self) -> bool:
        """Whether the platform repository is that of the action, whose workflows by hand and by the clock then run there."""
        return self.action.repository.lower() == self.platform.lower()

    @property
    def jobs(self) -> tuple[tuple[str, str], ...]:
        """The repositories whose jobs reach the cluster, each with the branch that they run on."""
        sites = [(repository, self.site_branch) for repository in self.repositories]
        own = [(self.platform, self.branch)] if self.brings_workflows else []
        return tuple(dict.fromkeys([*sites, *own]))

    @property
    def azure_cloud(self) -> AzureCloud:
        """The cloud of its registries in Azure; the public one where it has none."""
        clouds = (azure_cloud_of(host) for host in self.azure_registries)
        return next(filter(None, clouds), AZURE_CLOUDS[0])

    @property
    def azure_registries(self) -> tuple[str, ...]:
        """The hosts of the registries in Azure, each once."""
        return tuple(dict.fromkeys(site.registry for site in self.sites if site.is_azure))

    @property
    def has_azure_identity(self) -> bool:
        """Whether a job logs in to Azure."""
        return bool(self.azure_registries) or self.cluster is ClusterWay.AKS
