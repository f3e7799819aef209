"""Which of the environment's tokens goes to which host, by the command itself."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from git_remotes import FILES, TOKEN, foreign, git, hermetic

from bumper_sandbox.git.server import GitServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    with GitServer(token=TOKEN, environ=hermetic(tmp_path)) as server:
        server.create("platform.git", FILES)
        yield server


def bump(home: Path, *arguments: str, **environ: str) -> tuple[int, str]:
    """Exit code, and everything that was printed."""
    ran = subprocess.run(
        [sys.executable, "-m", "bumper", *arguments],
        env={**hermetic(home), "COLUMNS": "400", **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert TOKEN not in ran.stdout + ran.stderr
    return ran.returncode, ran.stdout + ran.stderr


def test_the_jobs_token_opens_the_server_that_gave_it(server: GitServer, tmp_path: Path) -> None:
    url = f"{server.url}/platform.git"
    code, printed = bump(tmp_path, "history", "--repo", url, GITHUB_TOKEN=TOKEN, GITHUB_SERVER_URL=server.url)
    assert code == 0, printed


@pytest.mark.parametrize("named_by", ["--repo", "origin"])
@pytest.mark.slow
def test_and_goes_to_no_other_host_that_is_named(tmp_path: Path, named_by: str) -> None:
    with foreign() as elsewhere:
        url = f"{elsewhere.url}/platform.git"
        if named_by == "origin":
            git(tmp_path, "init", "--quiet", str(tmp_path / "checkout"))
            git(tmp_path / "checkout", "remote", "add", "origin", url)
            url = str(tmp_path / "checkout")
        bump(tmp_path, "history", "--repo", url, GITHUB_TOKEN=TOKEN)
        assert elsewhere.seen, "git asked"
        assert {header for _, header in elsewhere.seen} == {""}
        bump(tmp_path, "history", "--repo", url, GITHUB_TOKEN=TOKEN, BUMP_TOKEN=TOKEN)
        assert elsewhere.seen[-1][1].startswith("Basic "), (
            "BUMP_TOKEN is for the platform repository, wherever it is"
        )


@pytest.mark.slow
def test_where_that_is_why_there_is_no_access_it_is_said(server: GitServer, tmp_path: Path) -> None:
    url = f"{server.url}/platform.git"
    code, printed = bump(tmp_path, "history", "--repo", url, GITHUB_TOKEN=TOKEN)
    assert code == 6
    assert "GITHUB_TOKEN is for https://github.com alone and was not sent; pass a token" in printed
    code, printed = bump(tmp_path, "history", "--repo", url, GITHUB_TOKEN=TOKEN, BUMP_TOKEN="wrong")
    assert code == 6
    assert "GITHUB_TOKEN" not in printed, "it was not asked for"


@pytest.mark.parametrize(
    "environ",
    [
        {"BUMP_TOKEN": TOKEN},
        {"GITHUB_TOKEN": TOKEN, "GITHUB_SERVER_URL": "https://git.example"},
        {"GITHUB_TOKEN": TOKEN, "GITHUB_SERVER_URL": "http://git.example"},
    ],
)
def test_a_token_and_an_http_address_are_refused(tmp_path: Path, environ: dict[str, str]) -> None:
    with foreign() as proxy:
        code, printed = bump(
            tmp_path, "history", "--repo", "http://git.example/platform.git", **environ, http_proxy=proxy.url
        )
        assert proxy.seen == []
    assert code == 2
    assert (
        "http://git.example/platform.git: a token would go there in clear text: found http, expected https"
        in printed
    )


@pytest.mark.slow
def test_an_api_without_tls_is_refused(server: GitServer, tmp_path: Path) -> None:
    with foreign() as proxy:
        code, printed = bump(
            tmp_path,
            *(
                "notifications",
                "--dry-run",
                "--commit-via",
                "api",
                "--repo",
                f"{server.url}/octo/platform.git",
            ),
            BUMP_TOKEN=TOKEN,
            GITHUB_SERVER_URL=server.url,
            GITHUB_API_URL="http://api.example",
            http_proxy=proxy.url,
        )
        assert proxy.seen == []
    assert code == 2
    assert "http://api.example: no token is sent there, expected an https address" in printed


@pytest.mark.slow
def test_the_api_of_another_github_does_not_get_the_jobs_token(tmp_path: Path) -> None:
    """The server that gave it is an Enterprise Server, and the platform repository is on github.com."""
    code, printed = bump(
        tmp_path,
        *(
            "notifications",
            "--dry-run",
            "--commit-via",
            "api",
            "--repo",
            "https://github.com/octo/platform.git",
        ),
        GITHUB_TOKEN=TOKEN,
        GITHUB_SERVER_URL="https://github.example",
        GITHUB_API_URL="https://github.example/api/v3",
        https_proxy="http://127.0.0.1:9",
    )
    assert code == 6
    assert "GITHUB_TOKEN is for https://github.example alone and was not sent" in printed
