"""What becomes of programs of others: what they wrote is read, and a run that is killed leaves none behind, nor its folder."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tables import each_row

from bumper.systems.process import _Exchange, shown, started

RUN = """
import os
from bumper.systems.process import finished, started
process = started(["sh", "-c", "sleep 600 & echo $$; wait"], os.environ)
print(process.pid, flush=True)
finished(process, b"", limit_s=600, most_bytes=1000)
"""


def is_alive(group: int) -> bool:
    """Whether any process of the group runs; a machine without an init leaves the dead ones in its list."""
    listing = subprocess.run(["ps", "-A", "-o", "pgid=,stat="], check=True, capture_output=True, text=True)
    states = [line.split() for line in listing.stdout.splitlines()]
    return any(int(pgid) == group and not state.startswith("Z") for pgid, state in states)


def gone_in_time(group: int) -> bool:
    for _ in range(200):
        if not is_alive(group):
            return True
        time.sleep(0.05)
    return False


class _Late(_Exchange):
    """On a machine that is so busy that what is read comes late."""

    def _keep(self, chunk: bytes) -> None:
        time.sleep(0.8)
        super()._keep(chunk)


def test_what_a_program_wrote_last_is_waited_for_on_a_busy_machine() -> None:
    process = started(["sh", "-c", "echo why it failed; exit 1"], {})
    exchange = _Late(process, b"", 100)
    exchange.go_on(20.0)
    assert (process.returncode, bytes(exchange.stdout)) == (1, b"why it failed\n")


def test_a_program_ends_with_us_where_we_are_killed() -> None:
    run = subprocess.Popen([sys.executable, "-c", RUN], stdout=subprocess.PIPE, text=True)
    assert run.stdout
    with run.stdout:
        group = int(run.stdout.readline())
    assert is_alive(group)
    time.sleep(0.2)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert gone_in_time(group)


MAKE = """
import sys, time
from pathlib import Path
from bumper.systems.folder import Folder
print(Folder.new(Path(sys.argv[1])).path, flush=True)
time.sleep(600)
"""
NEXT = """
import sys
from pathlib import Path
from bumper.systems.folder import Folder
Folder.new(Path(sys.argv[1])).remove()
"""


def test_the_next_run_removes_what_a_killed_run_left(tmp_path: Path) -> None:
    maker = subprocess.Popen([sys.executable, "-c", MAKE, tmp_path], stdout=subprocess.PIPE, text=True)
    assert maker.stdout
    with maker.stdout:
        left = Path(maker.stdout.readline().strip())
    (left / "objects").mkdir()
    for other in ("bump-of-somebody", "bump-new-young", "bump-new-old"):
        (tmp_path / other).mkdir()
    os.utime(tmp_path / "bump-new-old", (1, 1))
    next_run = [sys.executable, "-c", NEXT, str(tmp_path)]
    subprocess.run(next_run, check=True)
    # Its maker is still there.
    assert {path.name for path in tmp_path.iterdir()} == {left.name, "bump-of-somebody", "bump-new-young"}
    maker.kill()
    maker.wait()
    subprocess.run(next_run, check=True)
    assert {path.name for path in tmp_path.iterdir()} == {"bump-of-somebody", "bump-new-young"}


@each_row(
    ("complaint", "line"),
    [
        ("login failed: pN0lhpUyYA8IPQsx7zix", "login failed: ***"),
        ("token is\npN0lhpUy_A8I-Qsx7zix.", "token is / ***."),
        ("the pw hunter25c9b4b7454 was refused", "the pw *** was refused"),
        ("key=0a1b2c3d4e5f6a7b8c9d", "key=***"),
    ],
)
def test_what_is_long_and_opaque_is_not_quoted_of_who_keeps_secrets(complaint: str, line: str) -> None:
    assert shown(complaint.encode()) == line


@each_row(
    "complaint",
    [
        "AADSTS700016: Application with identifier '0f8fad5b-d9cb-469f-a165-70867728950e' was not found",
        "An error occurred (InvalidClientTokenId) when calling the GetCallerIdentity operation: 2 retries",
        "/opt/hosted/work/_temp/azure-2.60/bin/kubelogin: no such file; aks-default-12345678-vmss000001 at 2026-11-29T10:00:00Z",
        "getting credentials: exec: executable gke-gcloud-auth-plugin failed with exit code 1 (projects/my-project-123456)",
    ],
)
def test_and_what_it_says_of_a_request_is(complaint: str) -> None:
    assert shown(complaint.encode()) == complaint
