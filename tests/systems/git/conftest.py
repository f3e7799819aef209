"""The two ways of `Remote` to a server: smart HTTP of our own, and git."""

import time

import git_remotes
import pytest


@pytest.fixture(params=["smart-http", "git"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each test that asks for it runs once by each way."""
    monkeypatch.setattr(git_remotes, "NOW", time.monotonic if request.param == "smart-http" else None)
    return str(request.param)
