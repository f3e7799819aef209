"""The file by which a token service knows whom it may give a token for the platform repository.

Source: octo-sts/app, README.md "The Trust Policy" and `pkg/octosts/trust_policy.go`: a pattern holds for the whole value. GitHub's
documentation, "OpenID Connect reference" and "Immutable subject claims": the subject of a repository has numbers after its names or
not, by its age and its settings.
"""

import re

from bumper.ports.github import JOB_ISSUER
from bumper.setup.request import PUBLIC_SERVER, Setup, TokenService

_NUMBER = "(@[0-9]+)?"


def path(service: TokenService) -> str:
    """Where it stands in the platform repository."""
    return f".github/chainguard/{service.identity}.sts.yaml"


def written(setup: Setup) -> str:
    """The workflows of these repositories, on this branch, and these permissions; nothing else."""
    subjects = [f"repo:{_with_numbers(name)}:ref:{re.escape(_ref(setup))}" for name in setup.repositories]
    claims = [re.escape(name) for name in setup.repositories]
    permissions = "".join(f"  {name}: {level}\n" for name, level in setup.permissions.items())
    return (
        f"# Whose jobs get a token for {setup.platform}. GitHub writes the subject with or without the repository's numbers\n"
        "# (repo:OWNER@1/NAME@2:…): both are taken, and the claim below holds the name.\n"
        f"issuer: {issuer(setup)}\n"
        f"subject_pattern: '{_either(subjects)}'\n"
        "claim_pattern:\n"
        f"  repository: '{_either(claims)}'\n"
        "permissions:\n"
        f"{permissions}"
    )


def issuer(setup: Setup) -> str:
    """Who vouches for the jobs of this GitHub."""
    return JOB_ISSUER if setup.server_url == PUBLIC_SERVER else f"{setup.server_url}/_services/token"


def _ref(setup: Setup) -> str:
    return f"refs/heads/{setup.site_branch}"


def _with_numbers(repository: str) -> str:
    owner, _, name = repository.partition("/")
    return f"{re.escape(owner)}{_NUMBER}/{re.escape(name)}{_NUMBER}"


def _either(patterns: list[str]) -> str:
    return patterns[0] if len(patterns) == 1 else f"({'|'.join(patterns)})"
