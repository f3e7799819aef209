"""The program whose words nobody reads: it ends as it would have ended, without a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ENVIRON = {"PATH": os.environ["PATH"], "PYTHONWARNINGS": "error"}
NEEDS_DEV_FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a full disk at hand")


def shell(line: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Runs a line of shell in which `$BUMP` is the program, with the environment's warnings as errors."""
    environ = {**ENVIRON, "HOME": str(tmp_path), "BUMP": f"{sys.executable} -m bumper"}
    command = ["sh", "-c", line]
    return subprocess.run(
        command, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize(
    ("line", "code"),
    [
        pytest.param("$BUMP --help > /dev/full", 0, marks=NEEDS_DEV_FULL),
        ("$BUMP history <&- >&- 2>&-", 2),
        pytest.param("$BUMP --help >&-", 0, marks=pytest.mark.slow),
        pytest.param("$BUMP history --output json > /dev/full", 2, marks=[NEEDS_DEV_FULL, pytest.mark.slow]),
        pytest.param("$BUMP history 2> /dev/full", 2, marks=[NEEDS_DEV_FULL, pytest.mark.slow]),
    ],
)
def test_the_exit_code_stays_and_nothing_is_said_of_it(line: str, code: int, tmp_path: Path) -> None:
    run = shell(line, tmp_path)
    assert run.returncode == code
    assert "Traceback" not in run.stderr
    assert "Exception ignored" not in run.stderr


def test_a_reader_that_has_read_enough(tmp_path: Path) -> None:
    run = shell("($BUMP --help; echo $? > code) | head -1", tmp_path)
    assert run.stdout.startswith("usage: bump")
    assert run.stderr == ""
    assert (tmp_path / "code").read_text() == "0\n"
