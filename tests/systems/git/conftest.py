"""A git server with one repository, and the two ways of `Remote` to it: smart HTTP of our own, and git."""

import time
from collections.abc import Iterator
from pathlib import Path

import git_remotes
import pytest
from git_remotes import FILES, TOKEN, hermetic

from bumper_sandbox.git.server import GitServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    """Serves `platform.git` with one commit of `FILES` on main."""
    with GitServer(token=TOKEN, environ=hermetic(tmp_path)) as running:
        running.create("platform.git", FILES)
        yield running


@pytest.fixture(params=["smart-http", "git"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each test that asks for it runs once by each way."""
    # Read by `git_remotes.remote`, which tests call with what they want otherwise.
    monkeypatch.setattr(git_remotes, "NOW", time.monotonic if request.param == "smart-http" else None)
    return str(request.param)
