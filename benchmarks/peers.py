"""The programs that we are compared with, built where they are not on the machine.

mikefarah's yq is built from its Go module, since the `yq` of a distribution may be another program. Built once, into the user's cache.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

YQ = "github.com/mikefarah/yq/v4@v4.47.2"


def yq() -> Path | None:
    """The path of mikefarah's yq, or None (said aloud) where Go is missing."""
    go = shutil.which("go")
    cache = (
        Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        / "bump-bench"
        / YQ.rpartition("@")[2]
    )
    program = cache / "yq"
    if program.exists():
        return program
    if go is None:
        print("LEFT OUT: mikefarah's yq, because Go is not installed", file=sys.stderr)
        return None
    print(f"building {YQ} into the cache (once)", file=sys.stderr)
    subprocess.run(
        [go, "install", YQ], check=True, env={**os.environ, "GOBIN": str(cache), "GOFLAGS": "-trimpath"}
    )
    return program
