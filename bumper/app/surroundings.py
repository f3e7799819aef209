"""What the environment says of the workflow that runs us, read here and nowhere else; by hand nearly all of it is empty.

The tokens for repositories are not here: `identity` reads them. Those by which Flux is poked are shown by no `repr`.
Source: GitHub's documentation, "Store information in variables", default environment variables, and "OpenID Connect reference".
"""

from collections.abc import Mapping, Sequence
from typing import Self

from bumper.address import repository_name
from bumper.dataclasses import dataclass, field
from bumper.request import Origin, Wanted

PUBLIC_SERVER, PUBLIC_API = "https://github.com", "https://api.github.com"
FULL_SHA_DIGITS = 40
_INPUT = "BUMP_INPUT_"


@dataclass(frozen=True)
class Surroundings:
    """The job of a workflow: its `repository` (`owner/name`), the commit `sha` that it runs for, by which `event`, and who set it off.

    `source_repository` is the one that somebody named as the image's own; `person` is the user of this machine. `workspace` is the
    folder that the workflow checks out into. `inputs` are those of the action, by their names there.
    """

    is_workflow: bool = False
    server_url: str = PUBLIC_SERVER
    api_url: str = PUBLIC_API
    repository: str = ""
    sha: str = ""
    event: str = ""
    run_id: str = ""
    actor: str = ""
    person: str = ""
    source_repository: str = ""
    action_repository: str = ""
    receiver_url: str = ""
    receiver_token: str = field(default="", repr=False)
    job_token_url: str = field(default="", repr=False)
    job_token_bearer: str = field(default="", repr=False)
    summary_path: str = ""
    outputs_path: str = ""
    temporary_folder: str = ""
    workspace: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self:
        """The surroundings that these environment variables describe."""

        def read(name: str) -> str:
            return environ.get(name, "")

        return cls(
            is_workflow=read("GITHUB_ACTIONS") == "true",
            server_url=(read("GITHUB_SERVER_URL") or PUBLIC_SERVER).rstrip("/"),
            api_url=read("GITHUB_API_URL") or PUBLIC_API,
            repository=read("GITHUB_REPOSITORY"),
            sha=read("GITHUB_SHA"),
            event=read("GITHUB_EVENT_NAME"),
            run_id=read("GITHUB_RUN_ID"),
            actor=read("GITHUB_ACTOR"),
            person=read("USER") or read("LOGNAME"),
            source_repository=read("BUMP_SOURCE_REPOSITORY"),
            action_repository=read("BUMP_ACTION_REPOSITORY"),
            receiver_url=read("BUMP_RECEIVER_URL"),
            receiver_token=read("BUMP_RECEIVER_TOKEN"),
            job_token_url=read("ACTIONS_ID_TOKEN_REQUEST_URL"),
            job_token_bearer=read("ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
            summary_path=read("GITHUB_STEP_SUMMARY"),
            outputs_path=read("GITHUB_OUTPUT"),
            temporary_folder=read("RUNNER_TEMP"),
            workspace=read("GITHUB_WORKSPACE"),
            inputs={_input_name(name): text for name, text in environ.items() if name.startswith(_INPUT)},
        )

    @property
    def is_action(self) -> bool:
        """Whether we run as a step that has inputs, where a person has no options."""
        return bool(self.inputs)

    @property
    def repository_url(self) -> str:
        """The page of the repository whose workflow runs; empty by hand."""
        return f"{self.server_url}/{self.repository}" if self.repository else ""

    @property
    def run_url(self) -> str:
        """The page of this run; empty by hand."""
        return f"{self.repository_url}/actions/runs/{self.run_id}" if self.repository and self.run_id else ""

    @property
    def requested_by(self) -> str:
        """Who asks: whoever set the workflow off, or by hand the user's name."""
        return self.actor or self.person

    def origin(self, wanted: Sequence[Wanted] = ()) -> Origin:
        """Who asks, and for which commit: the only full SHA that is wanted, or else the one that the workflow runs for."""
        commits = [site.version for site in wanted if site.is_commit and len(site.version) == FULL_SHA_DIGITS]
        return Origin(
            source_repository=self.repository_url,
            source_commit=commits[0] if len(commits) == 1 else self.sha,
            workflow_run=self.run_url,
            requested_by=self.requested_by,
        )

    def built_from(self, wanted: Sequence[Wanted], platform_url: str) -> str:
        """The one commit, as a SHA short or full, that all the images are built from; empty where that is not known.

        It is the only one that is wanted, or else the one that a workflow of the source repository runs for.
        """
        commits = {site.version for site in wanted if site.is_commit}
        if len(commits) == 1:
            return commits.pop()
        return "" if commits or not self.source_url(platform_url) else self.sha

    def source_url(self, platform_url: str) -> str:
        """The URL of the repository that the images are built from: where the workflow runs that deploys them.

        Empty by hand, and in a workflow of the platform repository itself, which says nothing of where images come from.
        """
        here = self.repository_url
        return here if here and repository_name(here) != repository_name(platform_url) else ""

    def source_name(self, platform_url: str) -> str:
        """`owner/name` of that repository: the one that was named, or the workflow's, by the rule of `source_url`."""
        return self.source_repository or (self.repository if self.source_url(platform_url) else "")

    def pushed_to(self, platform_url: str) -> str:
        """The commit whose push to the platform's own repository started this run; empty for any other run."""
        is_there = bool(self.repository) and repository_name(self.repository_url) == repository_name(
            platform_url
        )
        return self.sha if is_there and self.event == "push" else ""

    @property
    def told_repository(self) -> str:
        """`owner/name` of the repository where a run is told of: the one that was named, or the one whose workflow runs."""
        return self.source_repository or self.repository


def _input_name(variable: str) -> str:
    return variable.removeprefix(_INPUT).lower().replace("_", "-")
