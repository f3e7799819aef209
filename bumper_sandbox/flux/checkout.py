"""Reads a git repository over smart HTTP with plain git, as source-controller does with go-git.

Nothing is shared with the rest of `bump`: the sandbox's Flux must see what any git client sees. The credentials stand in git's
environment as a header for the one origin, never in a URL, an argument or a file.
Error texts are those of source-controller v1.9.3 with fluxcd/pkg git v0.52.0 and go-git v5 (plumbing/transport/http/common.go), as far
as git tells what happened: the body of a refusal, which go-git appends, is not known here.
"""

import base64
import hashlib
import io
import re
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

_HTTP_STATUS = re.compile(r"The requested URL returned error: (\d{3})")
_REFUSALS = {401: "authentication required", 403: "authorization failed", 404: "repository not found"}
# git's own words where the server answers 401 and 404 (git 2.39 remote-curl.c, http.c).
_REFUSED_BY_TEXT = (
    ("Authentication failed", 401),
    ("could not read Username", 401),
    ("could not read Password", 401),
    ("not found", 404),
)


class GitError(Exception):
    """The text is what stands in the FetchFailed condition behind `failed to checkout and determine revision: `."""


@dataclass(frozen=True)
class Credentials:
    """What `flux bootstrap` puts into the secret of a GitRepository."""

    username: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials(username={self.username!r})"


@dataclass(frozen=True)
class Commit:
    """A commit with its files. `digest` and `size` are those of the archive that Flux would keep."""

    sha: str
    subject: str
    files: Mapping[str, bytes]
    digest: str
    size: int


class Checkout:
    """The bare copy of one remote repository. `environ` supplies PATH and nothing else."""

    def __init__(self, folder: Path, environ: Mapping[str, str], timeout_s: float = 10.0) -> None:
        self._folder = folder
        self._path = environ.get("PATH", "")
        self._timeout_s = timeout_s
        folder.mkdir(parents=True)
        self._git("", None, "init", "--quiet", "--bare", ".")

    def head(self, url: str, branch: str, credentials: Credentials | None) -> str:
        """The commit at the branch's tip, empty if there is no such branch."""
        try:
            listed = self._git(url, credentials, "ls-remote", "--", url, f"refs/heads/{branch}")
        except GitError as error:
            raise GitError(f"unable to list remote for '{url}': {error}") from None
        return listed.decode().partition("\t")[0]

    def fetch(self, url: str, branch: str, credentials: Credentials | None) -> Commit:
        """The branch's tip with all its files."""
        ref = f"refs/heads/{branch}"
        try:
            self._git(
                url,
                credentials,
                "fetch",
                "--quiet",
                "--depth=1",
                "--no-tags",
                "--",
                url,
                f"+{ref}:refs/flux/tip",
            )
        except GitError as error:
            text = str(error)
            if "couldn't find remote ref" in text:
                text = f'couldn\'t find remote ref "{ref}"'
            raise GitError(f"unable to clone '{url}': {text}") from None
        sha, _, subject = (
            self._git("", None, "log", "-1", "--format=%H%x00%s", "refs/flux/tip").decode().partition("\0")
        )
        archive = self._git("", None, "archive", "--format=tar", sha)
        return Commit(
            sha,
            subject.strip(),
            _files(archive),
            f"sha256:{hashlib.sha256(archive).hexdigest()}",
            len(archive),
        )

    def _git(self, url: str, credentials: Credentials | None, *arguments: str) -> bytes:
        try:
            done = subprocess.run(
                ["git", *arguments],
                cwd=self._folder,
                env=self._environment(url, credentials),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self._timeout_s,
            )
        except subprocess.TimeoutExpired:
            raise GitError("context deadline exceeded") from None
        if done.returncode:
            raise GitError(_go_git_text(url, done.stderr.decode(errors="replace")))
        return done.stdout

    def _environment(self, url: str, credentials: Credentials | None) -> dict[str, str]:
        environment = {
            "PATH": self._path,
            "HOME": str(self._folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C",
        }
        if url and credentials:
            origin = urlsplit(url)
            token = base64.b64encode(f"{credentials.username}:{credentials.password}".encode()).decode()
            environment |= {
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": f"http.{origin.scheme}://{origin.netloc}/.extraHeader",
                "GIT_CONFIG_VALUE_0": f"Authorization: Basic {token}",
            }
        return environment


def _go_git_text(url: str, stderr: str) -> str:
    match = _HTTP_STATUS.search(stderr)
    status = (
        int(match[1]) if match else next((code for refusal, code in _REFUSED_BY_TEXT if refusal in stderr), 0)
    )
    if status in _REFUSALS:
        return _REFUSALS[status]
    if status:
        asked = f"{url}/info/refs?service=git-upload-pack"
        return f'unexpected client error: unexpected requesting "{asked}" status code: {status}'
    return stderr.strip().removeprefix("fatal: ")


def _files(archive: bytes) -> dict[str, bytes]:
    files = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isfile() else None
            if content:
                files[member.name] = content.read()
    return files
