"""A run so far, as everybody outside the terminal hears of it.

Law: a story is a value. The channel that publishes it sees one moment of the run and nothing of what will be; `comment` writes it as
Markdown, `states` says what it means for Deployments and commit statuses.
"""

from collections.abc import Mapping

from bumper.dataclasses import dataclass, field
from bumper.errors import BumpError
from bumper.fluxtree.proof import Proof
from bumper.ports.run import Step
from bumper.publish.report import SiteReport
from bumper.revision import Revision


@dataclass(frozen=True)
class Pages:
    """Web addresses, empty where unknown: of the site's own repository, of this run, of the platform repository, and of the workflow
    there that rolls back by hand."""

    source: str = ""
    run: str = ""
    platform: str = ""
    actions: str = ""


@dataclass(frozen=True)
class Landing:
    """What is on the platform's branch for one site: its tag, the revision that holds it, and the site's web address, if any.

    `clusters` are those that it is followed in, of several; empty for all of them. `kustomization` is what the history tells it by,
    and `site` its name alone where others of the repository have it, too; empty for the only one.
    """

    tag: str
    revision: Revision
    url: str = ""
    clusters: tuple[str, ...] = ()
    kustomization: str = ""
    site: str = ""


@dataclass(frozen=True)
class SiteStory:
    """One site so far. `wanted` is the tag or SHA asked for; `reports` holds its end in each cluster once it is known.

    `stages` are named by the cluster where there are several, else by the site.
    """

    site: str
    previous: str
    wanted: str
    stages: Mapping[str, tuple[Step, ...]] = field(default_factory=dict)
    reports: tuple[SiteReport, ...] = ()
    landing: Landing | None = None


@dataclass(frozen=True)
class Story:
    """A whole run so far. `error` ended it; `standing` says where things stand if it was interrupted.

    `clusters` are named where there are several; `asked` are the sites and versions of the command line, found or not.
    """

    sites: tuple[SiteStory, ...] = ()
    seconds: float = 0.0
    pages: Pages = field(default_factory=Pages)
    clusters: tuple[str, ...] = ()
    asked: tuple[tuple[str, str], ...] = ()
    notices: tuple[str, ...] = ()
    diff: str = ""
    plan: Proof = field(default_factory=Proof)
    error: BumpError | None = None
    standing: tuple[str, ...] = ()

    @property
    def has_ended(self) -> bool:
        return bool(self.error or self.standing or any(site.reports for site in self.sites))
