"""The first process of a real node's namespaces: hides the machine's own state from it, starts containerd, and takes orphans in.

    python node_init.py FOLDER COMMAND...

Runs by itself, in namespaces of its own: nothing that it mounts is seen outside. Standard library only.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def main(folder: Path, command: list[str]) -> int:
    names = Path("/etc/resolv.conf").resolve()
    # Volumes that a pod shares with the node are to be seen in it; nothing goes out of these namespaces.
    _mount("--make-rshared", "/")
    for place in ("/run", "/var/lib", "/var/log", str(folder / "containerd")):
        _mount("-t", "tmpfs", "-o", "mode=755", "bump-e2e", place)
    names.parent.mkdir(parents=True, exist_ok=True)
    names.touch()
    _mount("--bind", str(folder / "resolv.conf"), str(names))
    child = subprocess.Popen(command)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    while True:
        ended, status = os.wait()
        if ended == child.pid:
            return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
