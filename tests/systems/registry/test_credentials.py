import json
import os
from pathlib import Path

import pytest

from bumper.errors import NoAccess
from bumper.systems.registry.credentials import from_docker, from_github
from bumper.systems.registry.docker_config import Credential

# A helper as https://github.com/docker/docker-credential-helpers wants it: the server on stdin, one JSON object on stdout.
HELPER = """#!/bin/sh
read -r server
case "$1 $server" in
  "get r.example") echo '{"ServerURL": "r.example", "Username": "me", "Secret": "from the helper"}' ;;
  "get token.example") echo '{"ServerURL": "token.example", "Username": "<token>", "Secret": "refresh"}' ;;
  "get locked.example") echo 'gpg: decryption failed: No secret key'; exit 1 ;;
  "get leaky.example") echo '{"Secret": "s3cret"}'; echo 'password=s3cret is wrong' >&2; exit 1 ;;
  "get odd.example") echo 'no json' ;;
  *) echo 'credentials not found in native keychain'; exit 1 ;;
esac
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A home with `docker-credential-test` on its PATH."""
    (tmp_path / "bin").mkdir()
    helper = tmp_path / "bin" / "docker-credential-test"
    helper.write_text(HELPER)
    helper.chmod(0o755)
    return {"HOME": str(tmp_path), "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}


def configure(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(text)
    return folder / "config.json"


def test_no_configuration_is_no_credential(tmp_path: Path) -> None:
    assert from_docker("r.example", {"HOME": str(tmp_path)}) is None
    assert from_docker("r.example", {}) is None


def test_docker_config_goes_before_home(tmp_path: Path) -> None:
    configure(tmp_path / ".docker", '{"auths": {"r.example": {"registrytoken": "of home"}}}')
    asked = configure(tmp_path / "elsewhere", '{"auths": {"r.example": {"registrytoken": "asked for"}}}')
    environ = {"HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path / "elsewhere")}
    assert from_docker("r.example", environ) == Credential(str(asked), bearer_token="asked for")


def test_a_helper_is_asked(tmp_path: Path, environ: dict[str, str]) -> None:
    configure(tmp_path / ".docker", '{"credsStore": "test"}')
    assert from_docker("r.example", environ) == Credential("docker-credential-test", "me", "from the helper")
    assert from_docker("token.example", environ) == Credential(
        "docker-credential-test", refresh_token="refresh"
    )


def test_a_helper_that_keeps_nothing_leaves_what_stands_in_the_file(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    entry = {"credsStore": "test", "auths": {"other.example": {"registrytoken": "of the file"}}}
    path = configure(tmp_path / ".docker", json.dumps(entry))
    assert from_docker("other.example", environ) == Credential(str(path), bearer_token="of the file")
    assert from_docker("unknown.example", environ) is None


@pytest.mark.parametrize(
    ("registry", "helper", "problem"),
    [
        (
            "locked.example",
            "test",
            "docker-credential-test ended with exit code 1: gpg: decryption failed: No secret key",
        ),
        ("leaky.example", "test", "docker-credential-test ended with exit code 1: password="),
        ("odd.example", "test", "Expecting value"),
        ("r.example", "absent", "docker-credential-absent is not installed"),
    ],
)
def test_a_helper_that_fails_is_named(
    tmp_path: Path, environ: dict[str, str], registry: str, helper: str, problem: str
) -> None:
    path = configure(tmp_path / ".docker", json.dumps({"credsStore": helper}))
    with pytest.raises(NoAccess) as caught:
        from_docker(registry, environ)
    assert caught.value.message.startswith(f"{path}: cannot be used for {registry}: ")
    assert problem in caught.value.message
    assert "s3cret" not in caught.value.message


@pytest.mark.parametrize("text", ["{", "[]", '{"auths": {"r.example": {"auth": "?"}}}'])
def test_a_broken_configuration_is_named(tmp_path: Path, text: str) -> None:
    path = configure(tmp_path / ".docker", text)
    with pytest.raises(NoAccess) as caught:
        from_docker("r.example", {"HOME": str(tmp_path)})
    assert caught.value.message.startswith(f"{path}: cannot be used for r.example: ")
    assert caught.value.hint == "log in again: docker login r.example"


def test_github_s_token_is_for_github_s_registry_alone() -> None:
    environ = {"GITHUB_TOKEN": "t", "GITHUB_ACTOR": "octocat"}
    assert from_github("ghcr.io", environ) == Credential("GITHUB_TOKEN", "octocat", "t")
    assert from_github("ghcr.io", {}) is None
    assert from_github("r.example", environ) is None
    assert from_github("ghcr.io.evil.example", environ) is None
    assert from_github("ghcr.io", {**environ, "GITHUB_SERVER_URL": "https://GitHub.com/"})
    assert from_github("ghcr.io", {**environ, "GITHUB_SERVER_URL": "https://github.example"}) is None
