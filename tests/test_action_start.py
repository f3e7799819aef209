"""What action.yml runs before bump: which variables go on, and wheels that are installed only with the pinned hashes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from action import environment, libraries

START = Path(__file__).parents[1] / "action" / "start.py"


def test_variables_that_load_run_or_redirect_something_end_here(tmp_path: Path) -> None:
    environ = {
        "BASH_FUNC_echo%%": "() { :; }",
        "GIT_SSH_COMMAND": "x",
        "LD_PRELOAD": "",
        "PYTHONPATH": "x",
        "SSLKEYLOGFILE": "x",
        "GIT_AUTHOR_NAME": "Octo",
        "BUMP_TOKEN": "t",
    }
    kept = environment.for_bump({**environ, "GITHUB_WORKSPACE": str(tmp_path)}, empty=tmp_path)
    assert kept.keys() & environ.keys() == {"GIT_AUTHOR_NAME", "BUMP_TOKEN"}
    assert environment.dropped(environ) == [
        "BASH_FUNC_echo%%", "GIT_SSH_COMMAND", "PYTHONPATH", "SSLKEYLOGFILE",
    ]  # fmt: skip
    assert kept["GIT_CONFIG_KEY_0"] == "safe.bareRepository"


def test_no_path_counts_from_the_workspace_and_no_home_is_in_it(tmp_path: Path) -> None:
    workspace, empty = tmp_path / "work", tmp_path / "empty"
    environ = {
        "GITHUB_WORKSPACE": str(workspace),
        "HOME": str(workspace / "home"),
        "XDG_CONFIG_HOME": "config",
        "KUBECONFIG": os.pathsep.join(("a/kubeconfig", "/etc/kubeconfig")),
        "PATH": os.pathsep.join((".", "/usr/bin", "", "bin", "/bin")),
    }
    kept = environment.for_bump(environ, empty=empty)
    assert (kept["HOME"], kept["XDG_CONFIG_HOME"]) == (str(empty), str(empty))
    assert kept["KUBECONFIG"] == os.pathsep.join((f"{workspace}/a/kubeconfig", "/etc/kubeconfig"))
    assert kept["PATH"] == os.pathsep.join(("/usr/bin", "/bin"))
    assert environment.for_bump({**environ, "HOME": "/home/runner"}, empty=empty)["HOME"] == "/home/runner"


def test_pip_knows_the_way_to_an_index_and_nothing_else(tmp_path: Path) -> None:
    environ = {
        "PIP_INDEX_URL": "https://mirror.example/simple",
        "PIP_NO_BINARY": ":all:",
        "HOME": "/home/runner",
    }
    kept = environment.for_pip({**environ, "BUMP_TOKEN": "t"}, empty=tmp_path)
    assert kept["PIP_INDEX_URL"] == environ["PIP_INDEX_URL"]
    assert kept["HOME"] == str(tmp_path)
    assert kept.keys() & {"PIP_NO_BINARY", "BUMP_TOKEN"} == set()


@pytest.mark.parametrize("kept", ["nothing", "file", "link", "another wheel"])
@pytest.mark.slow
def test_without_the_pinned_wheels_nothing_is_installed_and_that_is_said(kept: str, tmp_path: Path) -> None:
    """No index is within reach, so that what the machine kept is all there is."""
    place = _kept(tmp_path)
    if kept == "file":
        place.write_text('<a href="https://host.example/httpx-0.28.1-py3-none-any.whl">')
    elif kept == "link":
        place.symlink_to("/nowhere")
    elif kept == "another wheel":
        place.mkdir()
        (place / "anyio-4.16.0-py3-none-any.whl").write_bytes(b"PK\5\6" + 18 * b"\0")
    environ = {
        "PATH": os.environ["PATH"],
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_RETRIES": "0",
        "PIP_CERT": os.environ.get("PIP_CERT", ""),
        "GITHUB_OUTPUT": str(tmp_path / "outputs"),
        "RUNNER_TEMP": str(tmp_path / "temp"),
        "RUNNER_TOOL_CACHE": str(tmp_path / "tools"),
    }
    (tmp_path / "temp").mkdir()
    ended = subprocess.run(
        [sys.executable, "-I", "-S", START, "install"],
        env={name: value for name, value in environ.items() if value},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert ended.stderr == ""
    assert "::error title=bump::its libraries could not be installed" in ended.stdout
    assert ("downloading them anew" in ended.stdout) == (kept != "nothing")
    assert not (tmp_path / "outputs").exists()
    assert list((tmp_path / "temp").iterdir()) == []


def _kept(tmp_path: Path) -> Path:
    place = libraries.kept({"RUNNER_TOOL_CACHE": str(tmp_path / "tools")})
    place.parent.mkdir(parents=True)
    return place
