"""What others publish of their API by npm: one file of one package, pinned and kept outside the checkout.

The package is fetched once by `npm pack`. Without npm the tests that need it are left out, and say so; with BUMP_REQUIRE_OPENAPI set
(as .ci/run does) they fail.
"""

import base64
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest

_ROOT = Path(__file__).parent.parent
_REQUIRED = "BUMP_REQUIRE_OPENAPI"


def version(package: str) -> str:
    """The one that package.json pins."""
    return str(json.loads((_ROOT / "package.json").read_text())["devDependencies"][package])


def member(package: str, integrity: str, name: str) -> Path:
    """One file of the package, by its name in there; skips the test where it cannot be had. `integrity` is its sha512 in base64."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gitops-bump-tests"
    stem, dot, suffix = name.rpartition("/")[2].rpartition(".")
    path = folder / f"{stem}-{version(package)}{dot}{suffix}"
    if not path.exists():
        _install(path, package, integrity, name)
    return path


def _install(path: Path, package: str, integrity: str, name: str) -> None:
    npm = shutil.which("npm")
    if npm is None:
        _leave_out(package, "npm is not installed (apt-get install npm)")
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / "lock").open("w") as lock, tempfile.TemporaryDirectory(dir=path.parent) as folder:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return
        command = [
            str(npm),
            "pack",
            f"{package}@{version(package)}",
            "--pack-destination",
            folder,
            "--silent",
        ]
        packed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if packed.returncode != 0:
            _leave_out(package, f"npm could not fetch it: {packed.stderr[-500:]}")
        archive = Path(folder) / packed.stdout.split()[-1]
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        assert digest == integrity, f"{archive.name} is not the package that was pinned"
        with tarfile.open(archive) as members:
            content = members.extractfile(name)
            assert content
            partial = Path(folder) / "partial"
            partial.write_bytes(content.read())
            partial.replace(path)


def _leave_out(package: str, reason: str) -> None:
    if os.environ.get(_REQUIRED):
        pytest.fail(f"{_REQUIRED} is set, but {package}: {reason}")
    pytest.skip(f"NOT TESTED against {package}: {reason}")
