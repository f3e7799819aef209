"""Where credentials for a registry are found: Docker's configuration with its helpers, and GITHUB_TOKEN for ghcr.io."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from bumper.address import origin
from bumper.errors import NoAccess
from bumper.systems.registry.docker_config import Credential, DockerConfig, parse_helper_answer, server_name

_HELPER_TIMEOUT_S = 20.0
_GITHUB = "https://github.com"
# What a helper prints where it keeps nothing for the server, by the protocol of helpers: `credentials/error.go` of
# https://github.com/docker/docker-credential-helpers.
_NOTHING_KEPT = "credentials not found in native keychain"


def from_docker(registry: str, environ: Mapping[str, str]) -> Credential | None:
    """The credential that `docker login` left for this registry. Raises NoAccess where one is configured but cannot be had."""
    folder = environ.get("DOCKER_CONFIG") or (f"{environ['HOME']}/.docker" if environ.get("HOME") else "")
    path = Path(folder) / "config.json"
    if not folder or not path.is_file():
        return None
    try:
        config = DockerConfig.parse(str(path), path.read_text(encoding="utf-8"))
        helper = config.helper(registry)
        kept = _ask_helper(helper, registry, environ) if helper else None
        return kept or config.entry(registry)
    except (OSError, ValueError) as error:
        raise NoAccess(
            f"{path}: cannot be used for {registry}: {error}",
            hint=f"log in again: docker login {registry}",
        ) from None


def from_github(registry: str, environ: Mapping[str, str]) -> Credential | None:
    """GITHUB_TOKEN as a credential for GitHub's own registry; its user name is not looked at there."""
    token = environ.get("GITHUB_TOKEN")
    # The token of an Enterprise Server is nothing to github.com's registry.
    is_public = origin(environ.get("GITHUB_SERVER_URL") or _GITHUB) == _GITHUB
    if registry != "ghcr.io" or not token or not is_public:
        return None
    return Credential("GITHUB_TOKEN", environ.get("GITHUB_ACTOR") or "x-access-token", token)


def _ask_helper(helper: str, registry: str, environ: Mapping[str, str]) -> Credential | None:
    program = f"docker-credential-{helper}"
    try:
        answer = subprocess.run(
            [program, "get"],
            input=server_name(registry),
            env=dict(environ),
            capture_output=True,
            text=True,
            timeout=_HELPER_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"{program} gave no answer within {_HELPER_TIMEOUT_S:.0f} s") from None
    except FileNotFoundError:
        raise ValueError(f"{program} is not installed") from None
    if answer.returncode == 0:
        return parse_helper_answer(program, answer.stdout)
    if answer.stdout.strip() == _NOTHING_KEPT:
        return None
    # Nothing of what it printed: a helper may print what it should keep.
    raise ValueError(f"{program} ended with exit code {answer.returncode}")
