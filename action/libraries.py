"""Installs the libraries of `bump` into a new folder: wheels that have the hashes of requirements.txt, and nothing else.

Law: no code of a library runs here (wheels are unpacked, source archives are never built) and no environment is taken over ready made.
Wheels that an earlier job left on this machine are data: they save the download where pip finds their hashes right, else they are
downloaded anew, and that is said.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from action import environment

_REQUIREMENTS = Path(__file__).parents[1] / "requirements.txt"
_QUIET = ("--quiet", "--disable-pip-version-check", "--no-input", "--no-cache-dir")
_PINNED = ("--require-hashes", "--only-binary", ":all:", "--no-deps", "--requirement", str(_REQUIREMENTS))
_LOCAL_TIMEOUT_S = 120.0
_DOWNLOAD_TIMEOUT_S = 600.0


class Failure(Exception):
    """What pip said."""


class Pip:
    """The pip of this Python, or the one that comes with it as `ensurepip`; started apart from everything that a person configured."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        empty = folder / "empty"
        empty.mkdir()
        self._folder, self._empty = folder, empty
        self._environ = environment.for_pip(environ, empty=empty)
        self._python = self._with_pip()

    def download(self, wheels: Path) -> None:
        """Brings the wheels from the index."""
        self._run("download", *_QUIET, *_PINNED, "--dest", str(wheels), timeout_s=_DOWNLOAD_TIMEOUT_S)

    def install(self, wheels: Path, target: Path) -> None:
        """Unpacks the wheels, without the network; `Failure` where one is missing or not what is pinned."""
        local = ("--no-index", "--find-links", str(wheels), "--no-compile", "--target", str(target))
        self._run("install", *_QUIET, *_PINNED, *local, timeout_s=_LOCAL_TIMEOUT_S)

    def _with_pip(self) -> str:
        try:
            self._pip(sys.executable, "--version", timeout_s=_LOCAL_TIMEOUT_S)
        except Failure:
            return self._ensured()
        return sys.executable

    def _ensured(self) -> str:
        made = self._folder / "pip"
        self._start(sys.executable, "-I", "-m", "venv", str(made), timeout_s=_LOCAL_TIMEOUT_S)
        return str(made / "bin" / "python")

    def _run(self, *arguments: str, timeout_s: float) -> None:
        self._pip(self._python, *arguments, timeout_s=timeout_s)

    def _pip(self, python: str, *arguments: str, timeout_s: float) -> None:
        self._start(python, "-I", "-m", "pip", *arguments, timeout_s=timeout_s)

    def _start(self, *command: str, timeout_s: float) -> None:
        try:
            ended = subprocess.run(
                command,
                cwd=self._empty,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Failure(f"pip did not end in {timeout_s:.0f} s") from None
        if ended.returncode:
            raise Failure(ended.stdout.decode("utf-8", "backslashreplace").strip())


def install(environ: Mapping[str, str]) -> Path:
    """A new folder of ours alone that holds the libraries in `libraries`, and `empty`, an empty folder. `Failure` with pip's words."""
    folder = Path(tempfile.mkdtemp(prefix="bump-", dir=environ.get("RUNNER_TEMP") or None))
    try:
        pip = Pip(folder, environ)
        place = kept(environ)
        if not _from_kept(pip, place, folder):
            _from_index(pip, place, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def _from_kept(pip: Pip, place: Path, folder: Path) -> bool:
    if not os.path.lexists(place):
        return False
    try:
        pip.install(place, folder / "libraries")
    except Failure as failure:
        _say(failure)
        print(
            f"bump: the wheels in {place} are not those of requirements.txt and are not used: downloading them anew"
        )
        shutil.rmtree(folder / "libraries", ignore_errors=True)
        return False
    print("bump: libraries from the wheels that this machine kept")
    return True


def _from_index(pip: Pip, place: Path, folder: Path) -> None:
    started = time.monotonic()
    wheels = folder / "wheels"
    pip.download(wheels)
    pip.install(wheels, folder / "libraries")
    print(f"bump: libraries downloaded and installed in {time.monotonic() - started:.1f} s")
    try:
        _keep(wheels, place)
    except OSError as error:  # only the next job would have had something of it
        print(f"bump: the wheels are not kept for the next job: {error}")


def _keep(wheels: Path, place: Path) -> None:
    """Puts the folder in the place of whatever is there: other jobs of this machine see the old one or the new one."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".bump-", dir=place.parent, ignore_cleanup_errors=True) as aside:
        shutil.copytree(wheels, f"{aside}/new")
        if os.path.lexists(place):
            place.rename(f"{aside}/old")
        Path(f"{aside}/new").rename(place)


def kept(environ: Mapping[str, str]) -> Path:
    """Where this machine keeps the wheels; a hosted runner is a new machine for each job."""
    import hashlib

    place = environ.get("RUNNER_TOOL_CACHE") or environ.get("RUNNER_TEMP") or tempfile.gettempdir()
    system = f"{sys.version_info[:2]} {sys.platform} {os.uname().machine}"
    digest = hashlib.sha256(_REQUIREMENTS.read_bytes() + system.encode()).hexdigest()[:16]
    return Path(place, "gitops-bump-wheels", digest)


def _say(failure: Failure) -> None:
    """Pip's words, each line with a beginning that no runner takes for a command."""
    print("".join(f"pip: {line}\n" for line in str(failure).splitlines()[-20:]), end="")


def main(environ: Mapping[str, str]) -> int:
    """Installs, names the folder as the step's output, and returns the exit code."""
    try:
        folder = install(environ)
    except Failure as failure:
        _say(failure)
        print("::error title=bump::its libraries could not be installed: pip's reason stands above")
        return 1
    with Path(environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as outputs:
        outputs.write(f"folder={folder}\n")
    return 0
