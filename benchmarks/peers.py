"""The programs that we are compared with.

mikefarah's yq is built from its Go module, once, into the user's cache, since the `yq` of a distribution may be another program. Flux
takes long to build, and is the one of the end-to-end tests.
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


def flux() -> Path | None:
    """The path of the command `flux` that the end-to-end tests built, or None (said aloud) where they have not."""
    builder = Path(__file__).parents[1] / "tests" / "e2e" / "build.py"
    asked = [sys.executable, str(builder), "--peers", "--where"]
    places = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split()
    program = next(place for place in map(Path, places) if place.name == "flux")
    if program.is_file():
        return program
    print("LEFT OUT: flux is not built: python tests/e2e/build.py --peers", file=sys.stderr)
    return None
