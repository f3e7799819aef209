"""Our program as a person installs it: what the checkout's own environment adds to each start is no part of it."""

import shutil
import subprocess
import sys
import sysconfig
import tempfile
from functools import cache
from pathlib import Path

_CHECKOUT = Path(__file__).parents[1]
_FOLDER = tempfile.TemporaryDirectory(prefix="bump-bench-")


@cache
def bump() -> str:
    """The path of `bump` of this checkout, installed once for the run; the libraries are those of this environment."""
    source, environment = Path(_FOLDER.name, "source"), Path(_FOLDER.name, "environment")
    print("installing bump of this checkout", file=sys.stderr)
    for package in ("bumper", "bumper_sandbox"):
        shutil.copytree(_CHECKOUT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(_CHECKOUT / name, source)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    python = environment / "bin" / "python"
    purelib = subprocess.run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        capture_output=True,
        text=True,
    )
    # A path alone: what an editable installation starts Python with is not run from there.
    Path(purelib.stdout.strip(), "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--no-deps", "--no-build-isolation", str(source)], check=True)
    return str(python.with_name("bump"))
