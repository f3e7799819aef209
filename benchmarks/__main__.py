"""`python -m benchmarks [start|edit|land|contention …]`: all where none is named; `--growth [status …]` is the series of sizes.

A name with a number behind it (`contention-64`) is that benchmark at that size alone.
"""

import importlib
import os
import sys
from io import TextIOWrapper
from typing import cast

NAMES = (
    "start",
    "edit",
    "land",
    "contention",
    "several",
    "registry",
    "following",
    "check",
    "status",
    "history",
)
# Asked for by name alone: they take minutes, and report needs a browser, action a package index.
LARGE = ("report", "action", "land-20000", "contention-64", "following-1000")


def main(names: list[str]) -> int:
    # An installed program has its modules compiled; where this variable is set they would be compiled anew at each start.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # In a log, too, what was measured stands below what it was measured on.
    cast(TextIOWrapper, sys.stdout).reconfigure(line_buffering=True)
    if names[:1] == ["--growth"]:
        from benchmarks import growth

        return growth.main(names[1:])
    for name in names or NAMES:
        if name not in (*NAMES, *LARGE):
            print(f"no benchmark {name!r}: there are {', '.join((*NAMES, *LARGE))}", file=sys.stderr)
            return 2
        module, _, size = name.partition("-")
        importlib.import_module(f"benchmarks.{module}").main(*map(int, filter(None, [size])))
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
