"""What a real node leaves in the kernel beyond its processes: its bridge and its control groups, both named after the stack.

    python node_traces.py NAME       removes those of that name

Runs by itself, too, when the stack was killed. Standard library only.
"""

import fcntl
import socket
import struct
import sys
import time
from contextlib import suppress
from pathlib import Path

# linux/sockios.h and linux/if.h.
_ADD_BRIDGE, _REMOVE_BRIDGE = 0x89A0, 0x89A1
_GET_FLAGS, _SET_FLAGS, _SET_ADDRESS, _SET_MASK = 0x8913, 0x8914, 0x8916, 0x891C
_UP = 0x1
_GROUPS = Path("/sys/fs/cgroup")
PREFIX = "bump-e2e-"
_PATIENCE_S = 5.0


def create_bridge(name: str, address: str) -> None:
    """A bridge that is up and has the address, of a network of 24 bits. One of that name that was there is gone."""
    remove_bridge(name)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _ADD_BRIDGE, name.encode() + b"\0")
        for request, value in ((_SET_ADDRESS, address), (_SET_MASK, "255.255.255.0")):
            packed = struct.pack("16sHH4s16x", name.encode(), socket.AF_INET, 0, socket.inet_aton(value))
            fcntl.ioctl(control, request, packed)
        _set_up(control, name, up=True)


def remove_bridge(name: str) -> None:
    """Takes the bridge away, if it is there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control, suppress(OSError):
        _set_up(control, name, up=False)
        fcntl.ioctl(control, _REMOVE_BRIDGE, name.encode() + b"\0")


def _set_up(control: socket.socket, name: str, *, up: bool) -> None:
    answer = fcntl.ioctl(control, _GET_FLAGS, struct.pack("16sH22x", name.encode(), 0))
    flags = struct.unpack_from("H", answer, 16)[0]
    wanted = flags | _UP if up else flags & ~_UP
    fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sH22x", name.encode(), wanted))


def create_group(name: str) -> None:
    """The control group in each hierarchy: a kubelet asks for its root to be there."""
    for hierarchy in _hierarchies():
        (hierarchy / name).mkdir(exist_ok=True)


def remove_group(name: str) -> None:
    """Takes the control group away, with all below it; a process of it that still ends is waited for."""
    deadline = time.monotonic() + _PATIENCE_S
    for top in [hierarchy / name for hierarchy in _hierarchies()]:
        while top.is_dir():
            for folder in (*sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True), top):
                with suppress(OSError):
                    folder.rmdir()
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)


def _hierarchies() -> list[Path]:
    if (_GROUPS / "cgroup.controllers").exists():
        return [_GROUPS]
    # `unified` beside the others has no controllers; the kubelet leaves it alone, and so does runc.
    return [
        path
        for path in _GROUPS.iterdir()
        if path.is_dir() and not path.is_symlink() and path.name != "unified"
    ]


def names() -> set[str]:
    """The stacks that have left something."""
    groups = {path.name for hierarchy in _hierarchies() for path in hierarchy.glob(f"{PREFIX}*")}
    return groups | {path.name for path in Path("/sys/class/net").glob(f"{PREFIX}*")}


def remove(name: str) -> None:
    """Everything of that name."""
    remove_bridge(name)
    remove_group(name)


if __name__ == "__main__":
    remove(sys.argv[1])
