"""Where credentials for a registry are found: Docker's configuration with its helpers, and GITHUB_TOKEN for ghcr.io."""

import os
from collections.abc import Mapping
from pathlib import Path

from bumper.address import origin, token_of
from bumper.errors import NoAccess
from bumper.ports.deadline import left_s
from bumper.systems.file import content
from bumper.systems.process import TooMuch, finished, shown, started
from bumper.systems.registry.docker_config import Credential, DockerConfig, parse_helper_answer, server_name

_HELPER_TIMEOUT_S = 20.0
# A credential is some kilobytes.
_MOST_BYTES = 1_000_000
_GITHUB = "https://github.com"
# What a helper prints where it keeps nothing for the server, by the protocol of helpers: `credentials/error.go` of
# https://github.com/docker/docker-credential-helpers.
_NOTHING_KEPT = "credentials not found in native keychain"


def from_docker(registry: str, environ: Mapping[str, str]) -> Credential | None:
    """The credential that `docker login` left for this registry. Raises NoAccess where one is configured but cannot be had."""
    folder = environ.get("DOCKER_CONFIG") or (f"{environ['HOME']}/.docker" if environ.get("HOME") else "")
    path = Path(folder) / "config.json"
    # False, too, for what no path can be.
    if not folder or not os.path.isfile(path):  # noqa: PTH113
        return None
    try:
        config = DockerConfig.parse(str(path), content(path, _MOST_BYTES).decode())
        helper = config.helper(registry)
        kept = _ask_helper(helper, registry, environ) if helper else None
        return kept or config.entry(registry)
    except (OSError, ValueError) as error:
        raise NoAccess(
            f"{path}: cannot be used for {registry}: {error}",
            hint=f"log in again: docker login {registry}",
        ) from None


def from_github(registry: str, environ: Mapping[str, str]) -> Credential | None:
    """GITHUB_TOKEN as a credential for GitHub's own registry; its user name is not looked at there. NoAccess where it is no token."""
    # The token of an Enterprise Server is nothing to github.com's registry.
    is_public = origin(environ.get("GITHUB_SERVER_URL") or _GITHUB) == _GITHUB
    if registry != "ghcr.io" or not is_public:
        return None
    try:
        token = token_of(environ, "GITHUB_TOKEN")
    except ValueError as error:
        raise NoAccess(str(error), hint="copy the token anew, alone and as a whole") from None
    return (
        Credential("GITHUB_TOKEN", environ.get("GITHUB_ACTOR") or "x-access-token", token) if token else None
    )


def _ask_helper(helper: str, registry: str, environ: Mapping[str, str]) -> Credential | None:
    program = f"docker-credential-{helper}"
    limit_s = left_s(_HELPER_TIMEOUT_S)
    try:
        process = started([program, "get"], environ)
        asked = server_name(registry).encode()
        ended = finished(process, asked, limit_s=limit_s, most_bytes=_MOST_BYTES, what=program)
    except TimeoutError:
        raise ValueError(f"{program} gave no answer within {round(limit_s, 1):g} s") from None
    except TooMuch:
        raise ValueError(f"{program} printed more than {_MOST_BYTES} bytes") from None
    except FileNotFoundError:
        raise ValueError(f"{program} is not installed") from None
    answer = ended.stdout.decode(errors="replace")
    if ended.status == 0:
        return parse_helper_answer(program, answer)
    if answer.strip() == _NOTHING_KEPT:
        return None
    # By the protocol it says on stdout what is wrong. Nothing is shown of what looks like an answer all the same.
    complaint = ended.stderr if b"{" in ended.stdout else ended.stdout + b"\n" + ended.stderr
    raise ValueError(f"{program} ended with exit code {ended.status}: {shown(complaint)}")
