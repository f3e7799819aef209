"""What bump is handed and cannot be used, on its real command line: an error with a way out, never a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import commandline
import pytest
from commandline import Ran


def _bump(directory: Path, *arguments: str, **environ: str) -> Ran:
    surroundings = {"PATH": os.environ["PATH"], "HOME": str(directory), **environ}
    return commandline.bump(*arguments, environ=surroundings, cwd=directory)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://[::1/x", "http://[::1/x: is no address (Invalid IPv6 URL)"),
        ("https://me:hunter2@[x]/y", "https://[x]/y: is no address ("),
        ("https://a:99999999/x", "https://a:99999999/x: is no address (Port out of range 0-65535)"),
        ("https://a:b/x", "https://a:b/x: is no address ("),
        ("https:///x", "https:///x: names no host"),
    ],
)
@pytest.mark.parametrize(
    "verb", [["--site", "web", "--tag", "2", "--dry-run", "--no-wait"], ["history"], ["doctor"]]
)
def test_an_address_that_is_none(tmp_path: Path, verb: list[str], url: str, message: str) -> None:
    run = _bump(tmp_path, *verb, "--repo", url)
    assert run.code == 2
    assert f"error: {message}" in run.stderr
    assert "hunter2" not in run.stdout + run.stderr
    assert "Traceback" not in run.stderr


def test_a_configuration_that_git_cannot_read(tmp_path: Path) -> None:
    (tmp_path / ".gitconfig").write_text("[user\nname = x")
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    # GitPython asks git when it is imported, which happens once in a process.
    started = commandline.process("history", "--repo", str(tmp_path), environ=environ)
    _, stderr = started.communicate(timeout=60)
    assert started.returncode == 2
    assert f"bad config line 1 in file {tmp_path}/.gitconfig" in stderr
    assert "help:  correct git's configuration" in stderr


def test_a_folder_for_temporary_files_that_takes_nothing(tmp_path: Path) -> None:
    script = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); from bumper.cli import main; "
        "sys.exit(main(['history', '--repo', 'https://127.0.0.1:1/x']))"
    )
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parent.parent,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 2
    assert run.stderr.startswith("error: TMPDIR: No usable temporary directory")
    assert run.stderr.endswith("help:  set TMPDIR to a folder with some free megabytes\n")


def test_a_signal_after_the_end_changes_no_exit_code(tmp_path: Path) -> None:
    """As a second one does that comes a moment after the first."""
    script = (
        "import os, signal, sys; from bumper import cli; code = cli.main(['--version']); "
        "[os.kill(os.getpid(), sent) for sent in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]; sys.exit(code)"
    )
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    assert subprocess.run([sys.executable, "-c", script], env=environ, check=False).returncode == 0


@pytest.mark.parametrize(
    "content",
    [
        "",
        "5",
        "null",
        "[]",
        "{}",
        '"x"',
        '{"recording":1}',
        '{"recording":1,"sites":[],"started_s":1,"began_s":1,"timeout_s":1,"contexts":["a"],"notices":[]}',
        '{"recording":1,"sites":5,"started_s":1,"began_s":1,"timeout_s":1,"contexts":["a"],"notices":[]}',
        "[" * 100_000,
    ],
)
def test_a_recording_that_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "recording").write_text(content)
    run = _bump(tmp_path, "track", "--replay", str(tmp_path / "recording"))
    assert run.code == 2
    assert run.stderr.endswith("help:  expected what --record wrote\n")
    assert run.stderr.startswith("error: ")


@pytest.mark.parametrize(
    ("user", "cluster", "message"),
    [
        ({"exec": "hunter2"}, {}, "exec is a text, expected a mapping"),
        ({"exec": ["hunter2"]}, {}, "exec is a list, expected a mapping"),
        ({"exec": {"command": "x", "args": 5}}, {}, "args is a value of type int, expected a list of texts"),
        ({"exec": {"command": "x", "args": [{"a": 1}]}}, {}, "args is a list, expected a list of texts"),
        ({"exec": {"command": "x", "env": "hunter2"}}, {}, "env is a text, expected a list of mappings"),
        ({"exec": {"command": "x", "env": ["A=hunter2"]}}, {}, "env is a list, expected a list of mappings"),
        ({"as": "me", "as-groups": "hunter2"}, {}, "as-groups is a text, expected a list of texts"),
        ({"as": "me", "as-user-extra": ["hunter2"]}, {}, "as-user-extra is a list, expected a mapping"),
        ({"as": "me", "as-user-extra": {"a": "hunter2"}}, {}, "a is a text, expected a list of texts"),
        ({}, {"extensions": "hunter2"}, "extensions is a text, expected a list of mappings"),
        ({}, {"extensions": ["hunter2"]}, "extensions is a list, expected a list of mappings"),
    ],
)
def test_a_kubeconfig_of_another_shape(
    tmp_path: Path, user: dict[str, object], cluster: dict[str, object], message: str
) -> None:
    config = {
        "current-context": "main",
        "contexts": [{"name": "main", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1", **cluster}}],
        "users": [{"name": "u", "user": user}],
    }
    (tmp_path / "config").write_text(json.dumps(config))
    run = _bump(tmp_path, "status", "--repo", str(tmp_path), KUBECONFIG=str(tmp_path / "config"))
    assert run.code == 2
    assert f"error: {tmp_path}/config: {message}" in run.stderr
    assert "hunter2" not in run.stdout + run.stderr


@pytest.mark.parametrize(
    "content", ['a: "\\UFFFFFFFF"', "[" * 5000, "a: !!int x", "? [a]\n: b", "a: !!timestamp x"]
)
def test_a_kubeconfig_that_no_reader_survives(tmp_path: Path, content: str) -> None:
    (tmp_path / "config").write_text(content)
    run = _bump(tmp_path, "status", "--repo", str(tmp_path), KUBECONFIG=str(tmp_path / "config"))
    assert run.code == 2
    assert run.stderr.startswith(f"error: {tmp_path}/config: ")
    assert "Traceback" not in run.stderr
