"""A bare repository in a temporary folder, and the git program that works in it, by GitPython.

Law: `call` is the only way to the network, under a time limit and with the credential in its environment; everything else is cut
off from it (`GIT_ALLOW_PROTOCOL`), so that a partial repository never fetches an object by itself that nobody asked for. Nothing
prompts, no hook or filter of this machine runs, and no process outlives its call.
"""

import errno
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from secrets import token_hex
from subprocess import PIPE
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from bumper.errors import BumpError, NoAccess, Transient, Unreachable, UsageError
from bumper.ports.deadline import left_s
from bumper.ports.git import MOST_FILE_BYTES
from bumper.safe_text import printable
from bumper.systems.folder import ROOM, Folder, room
from bumper.systems.git.address import Address, environment
from bumper.systems.git.rejections import ASKS_FOR_TOKEN, LIMITS, MissingRef, failure, not_git, rejection
from bumper.systems.git.transport import Transport
from bumper.systems.process import Ended, TooMuch, end, finished, started

if TYPE_CHECKING:
    from git import Git

_T = TypeVar("_T")
# Of contents that are read in one go.
MOST_AT_ONCE = 64_000_000
# Nobody's own configuration speaks of a remote of this name.
REMOTE = f"bump-{token_hex(8)}"
_CHUNK = 1 << 16
# Of a whole history with its notes; a tree of 100,000 files is a tenth of that.
_MOST_BYTES = 256_000_000
_SIZED = "%(objectname) %(objectsize)"
# A command that needs no network waits for nobody but a disk, a hook or a program that signs.
LOCAL_S = 60.0
_LOOK_S = 5.0
_ROOM = f"{ROOM}, and look whether git works there"
_QUARANTINE = "GIT_QUARANTINE_PATH"
_OLDEST = (2, 31)  # GIT_CONFIG_COUNT
_VERSION = re.compile(r"\b(\d{1,4})\.(\d{1,4})(?:\.\d{1,4})*")
_VERSION_S = 10.0
_SHOWN = 100
# What says which git that is, and where its configuration lies.
_PLACES = (
    "PATH",
    "HOME",
    "XDG_CONFIG_HOME",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
)
# As git traces an answer (http.c), and what it has (gitprotocol-http(5)), the first one above all.
_CONTENT_TYPE = re.compile(r"<= Recv header(?:, [^:]*)?: content-type: *([^;\s]*)", re.IGNORECASE)
_OF_GIT, _ADVERTISEMENT = "application/x-git-", "application/x-git-upload-pack-advertisement"
_USABLE: set[tuple[str, ...]] = set()
_SETTINGS = [
    ("protocol.version", "2"),
    ("core.hooksPath", os.devnull),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("fetch.writeCommitGraph", "false"),
    ("fetch.recurseSubmodules", "false"),
    ("push.recurseSubmodules", "no"),
    ("push.followTags", "false"),
    # What a person's own pushes are to carry: a server that does not know it refuses the push.
    ("push.pushOption", ""),
    ("push.gpgSign", "false"),
    ("push.negotiate", "false"),
    ("fetch.prune", "false"),
    ("fetch.bundleURI", ""),
    ("transfer.bundleURI", "false"),
    ("core.fsmonitor", "false"),
    # What is larger is neither read into memory nor compared with others.
    ("core.bigFileThreshold", str(MOST_FILE_BYTES)),
    ("i18n.commitEncoding", "utf-8"),
]


class Output(NamedTuple):
    """How git ended."""

    status: int
    stdout: str
    stderr: str


def program(directory: Path, environ: Mapping[str, str]) -> "Git":
    """The git program in `directory`; `UsageError` where there is none that can be used.

    GitPython lays `environ` over the variables of our own process.
    """
    _require_usable(environ)
    try:
        from git import Git
    except ModuleNotFoundError:
        raise
    except ImportError as error:  # GitPython runs git when it is imported
        raise _absent() from error
    git = Git(directory)
    git.update_environment(**environ)
    return git


def _require_usable(environ: Mapping[str, str]) -> None:
    """`UsageError` where the git program is absent, too old or never ends, as where its configuration is a pipe.

    Asked once for each place that git and its configuration may be in, before GitPython runs git without a limit.
    """
    place = tuple(environ.get(name, "") for name in _PLACES)
    if place in _USABLE:
        return
    limit_s = left_s(_VERSION_S)
    try:
        ended = finished(
            started(["git", "version"], environ),
            b"",
            limit_s=limit_s,
            most_bytes=_MOST_BYTES,
            what="git version",
        )
    except FileNotFoundError:
        raise _absent() from None
    except TimeoutError:
        raise _unusable(f"`git version` had not ended after {round(limit_s, 1):g} s") from None
    except OSError as error:  # which a TimeoutError is, too
        raise _not_started(error, ["version"], environ) from None
    except TooMuch:
        raise _unusable("`git version` has no end") from None
    if ended.status:
        raise _unusable(_text(ended.stderr))
    _require_version(_text(ended.stdout))
    _USABLE.add(place)


def _require_version(text: str) -> None:
    """`UsageError` unless this is the answer of a git that is new enough: `git version 2.39.5 (Apple Git-154)`."""
    match = _VERSION.search(text)
    if match is None:
        raise _unusable(f"`git version` says {printable(text)[:_SHOWN]!r}")
    if (int(match[1]), int(match[2])) < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        raise UsageError(f"git: found version {match[0]}, expected {oldest} or newer", hint=_install())


def run(
    git: "Git",
    *arguments: str,
    stdin: bytes = b"",
    environ: Mapping[str, str] | None = None,
    timeout_s: float = LOCAL_S,
    place: object = "",
    names_files: bool = False,
) -> Output:
    """Runs git to its end. `Transient` where that does not come in time; then its processes are gone. `place` is what it works on.

    What git says in names of files keeps its bytes, as this system's own functions want them (`os.fsdecode`).
    """
    ended = _ended(git, arguments, stdin, environ, timeout_s, place)
    stdout = os.fsdecode(ended.stdout) if names_files else _text(ended.stdout)
    return Output(ended.status, stdout, _text(ended.stderr))


def _ended(
    git: "Git",
    arguments: Sequence[str],
    stdin: bytes,
    environ: Mapping[str, str] | None,
    timeout_s: float,
    place: object,
) -> Ended:
    place = place or git.working_dir
    limit_s = left_s(timeout_s)
    # GitPython ends the process where nobody holds what it returned.
    started = _start(git, arguments, environ)
    try:
        return finished(
            started.proc,
            stdin,
            limit_s=limit_s,
            most_bytes=_MOST_BYTES,
            what=f"git {_command(arguments)} ({place})",
        )
    except TimeoutError:
        raise _late(place, arguments, limit_s) from None
    except TooMuch:
        raise Unreachable(
            f"{place}: git {_command(arguments)} wrote more than {_MOST_BYTES} bytes, expected less"
        ) from None


def _late(place: object, arguments: Sequence[str], limit_s: float) -> Transient:
    command = _command(arguments)
    hint = "is gpg, or whatever signs commits here, waiting for somebody?" if command == "commit-tree" else ""
    return Transient(f"{place}: git {command} had not ended after {round(limit_s, 1):g} s", hint=hint)


def _command(arguments: Sequence[str]) -> str:
    """`fetch` of `-c x=y fetch …`."""
    return next(
        (
            argument
            for before, argument in pairwise(("", *arguments))
            if before != "-c" and not argument.startswith("-")
        ),
        "",
    )


def stream(git: "Git", *arguments: str) -> Iterator[str]:
    """What git writes between two NULs, while it goes on; `Failure` with its words where it fails, or with ours where that has no end.

    Git ends when its reader does.
    """
    started = _start(git, arguments, None)
    process = started.proc
    rest = b""
    try:
        while chunk := process.stdout.read1(_CHUNK):
            *whole, rest = (rest + chunk).split(b"\0")
            yield from map(_text, whole)
            if len(rest) > MOST_FILE_BYTES:
                raise Failure(f"found a text of more than {MOST_FILE_BYTES:,} bytes, expected less")
        _, stderr = process.communicate()
    except BaseException:
        end(process)
        raise
    if process.returncode:
        raise Failure(_text(stderr))
    if rest:
        yield _text(rest)


class Failure(Exception):
    """What git said before it failed."""


def _out_of_quarantine(environ: Mapping[str, str]) -> list[str]:
    """What git is started by inside a hook that receives a push: as long as it knows of that, it moves no ref of any repository."""
    # GitPython adds variables and takes none away, and git asks only whether this one is there.
    return ["env", "-u", _QUARANTINE] if _QUARANTINE in environ else []


def _start(git: "Git", arguments: Sequence[str], environ: Mapping[str, str] | None) -> Any:
    from git.exc import GitCommandNotFound

    variables = {**git.environment(), **(environ or {})}
    try:
        return git.execute(
            [*_out_of_quarantine(variables), str(git.GIT_PYTHON_GIT_EXECUTABLE), *arguments],
            istream=PIPE,
            as_process=True,
            env=environ,
            # Of its own session, git has no terminal to ask on, and can be ended with all its children.
            start_new_session=True,
        )
    except GitCommandNotFound as error:
        raise _absent() from error
    except (OSError, ValueError) as error:
        raise _not_started(error, arguments, variables) from None


def _not_started(
    error: OSError | ValueError, arguments: Sequence[str], environ: Mapping[str, str]
) -> UsageError:
    """The error for a git that the system does not start: what it is handed is too long, or there is no room for a process."""
    if isinstance(error, OSError) and error.errno != errno.E2BIG:
        return UsageError(f"git {_command(arguments)}: cannot be started: {error.strerror}", hint=LIMITS)
    reason = error.strerror if isinstance(error, OSError) else str(error)
    longest = max(environ, key=lambda name: len(environ[name]), default="")
    argument = max(map(len, arguments), default=0)
    sizes = f"its longest argument has {argument:,} characters, its longest variable"
    # The name of a setting that we add says nothing to anybody, and its value may be a credential.
    name = "" if longest.startswith("GIT_CONFIG_VALUE_") else f" ({longest})"
    return UsageError(
        f"git {_command(arguments)}: cannot be started: {reason}; {sizes}{name} {len(environ.get(longest, '')):,}",
        hint="shorten what is that long: a system hands on some hundred kilobytes",
    )


class Repository:
    """Objects in and out, and git's commands. Knows one remote, `REMOTE`, at `address`."""

    def __init__(
        self,
        address: Address,
        environ: Mapping[str, str],
        settings: list[tuple[str, str]],
        timeout_s: float,
        renewed: Callable[[], Address] | None = None,
    ) -> None:
        """`settings` are git's configuration for the way to the remote, less the credential, which is the address's.

        `renewed` is asked before each call for the same address with the credential of the moment.
        """
        from gitdb import LooseObjectDB

        self._address = address
        self._environ = environ
        self._timeout_s = timeout_s
        self._renewed = renewed
        self._folder = Folder.new()
        self._directory = self._folder.path
        try:
            base = {**environ, **_surroundings(self._directory)}
            both = [*_SETTINGS, (f"remote.{REMOTE}.url", address.url)]
            alone = {**base, **environment(both, environ), "GIT_ALLOW_PROTOCOL": "none"}
            self._git = program(self._directory, alone)
            self._way = [*both, *settings]
            self._connected = program(self._directory, {**base, **self._credential()})
            with room():
                _lay_out(self._directory)
            self._remark = self._require_encrypted()
        except BaseException:
            self._folder.remove()
            raise
        self._loose = LooseObjectDB(str(self._directory / "objects"))

    def borrow(self, objects: Path) -> None:
        """Counts the objects of another repository of this machine as our own, so that they are not fetched; never writes there."""
        if "\n" in str(objects):  # gitrepository-layout(5) knows no way to write that
            return
        (self._directory / "objects" / "info").mkdir(exist_ok=True)
        with room():
            (self._directory / "objects" / "info" / "alternates").write_text(f"{objects}\n", encoding="utf-8")

    def close(self) -> None:
        """Ends git's processes and removes the folder."""
        self._git.clear_cache()
        self._folder.remove()

    def __str__(self) -> str:
        return str(self._address)

    def fetch(self, refspec: str, *, depth: int | None = None, keep: str = "blob:none") -> None:
        """Fetches a ref. `keep` is a filter of git; a server that knows no filters sends everything, which does no harm."""
        self._fetch(keep, *([f"--depth={depth}"] if depth else []), REMOTE, refspec)

    def fetch_objects(self, shas: Iterable[str]) -> None:
        """Fetches these objects and nothing else, in one request."""
        # Nothing is said of what is here, since the server would take its blobs for known.
        self._fetch("blob:none", "--stdin", REMOTE, stdin="\n".join(shas).encode(), negotiation="noop")

    def _fetch(self, keep: str, *arguments: str, stdin: bytes = b"", negotiation: str = "default") -> None:
        settings = {
            "fetch.negotiationAlgorithm": negotiation,
            # Missing objects are in order, but for the fetch alone. A push that knew it would fetch the old blob of each file
            # that it sends anew, as a base for a delta; without, it goes on without a base.
            f"remote.{REMOTE}.promisor": "true",
            f"remote.{REMOTE}.partialCloneFilter": keep,
        }
        first = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        options = ("--quiet", "--no-tags", "--no-write-fetch-head", f"--filter={keep}")
        output = self.call(*first, "fetch", *options, *arguments, stdin=stdin)
        if output.status and not output.stderr.strip():
            # All that git says where a pattern fits no ref (2.39, builtin/fetch.c).
            raise MissingRef(f"{self}: no such ref")
        if output.status:
            if "info/refs not valid" in output.stderr:  # remote-curl.c, which does not say what came instead
                self.branches()
            raise self._explained(failure(str(self), output.stderr))

    def branches(self) -> list[str]:
        """The names of all branches there.

        `Unreachable` where somebody else answers than a git host: git takes a web page for a repository without any branch, as old
        hosts serve one that is a folder of files.
        """
        arguments = ("ls-remote", "--heads", REMOTE)
        # Without the bodies, and by git's own default without credentials.
        traced = {"GIT_TRACE_CURL": "1", "GIT_TRACE_CURL_NO_DATA": "1", "GIT_TRACE_REDACT": "1"}
        output = self._bounded(self._connected, arguments, b"", traced)
        content_types = _CONTENT_TYPE.findall(output.stderr)
        if content_types and not content_types[-1].lower().startswith(_OF_GIT):
            raise not_git(
                str(self), f"it sent {printable(content_types[-1])[:_SHOWN]}, expected {_ADVERTISEMENT}"
            )
        return [line.partition("refs/heads/")[2] for line in output.stdout.splitlines()]

    def rejection(self, branch: str, output: Output) -> BumpError:
        """Why a push did not land."""
        return self._explained(rejection(str(self), branch, output.stdout, output.stderr))

    def _explained(self, error: BumpError) -> BumpError:
        """The same, told why no credential went along where that may be the cause, and whether one did."""
        if not isinstance(error, NoAccess):
            return error
        if self._remark:
            return NoAccess(error.message, hint=f"{self._remark}; {error.hint}")
        if self._address.authorization:
            message = f"{error.message} (a token was sent, and the server did not accept it)"
            hint = f"it has expired, was revoked or is for another repository: {error.hint}"
            return NoAccess(message, hint=hint)
        is_asked = error.message.endswith(ASKS_FOR_TOKEN)
        return NoAccess(f"{error.message}, and none was sent", hint=error.hint) if is_asked else error

    def _require_encrypted(self) -> str:
        way = Transport(
            self._address, REMOTE, lambda *asked: run(self._connected, *asked).stdout, self._environ
        )
        detour = way.require_encrypted(carries=bool(self._address.authorization or self._renewed))
        return "; ".join(filter(None, (self._address.remark, detour)))

    def push(self, *arguments: str) -> Output:
        """Pushes, and leaves some of the time to look what became of it: a server may have taken the push and not say so."""
        return self.call(
            "push", "--porcelain", "--no-verify", *arguments, spare_s=_to_look_s(left_s(self._timeout_s))
        )

    def call(self, *arguments: str, stdin: bytes = b"", spare_s: float = 0.0) -> Output:
        """Runs a command that talks to the remote; ends `spare_s` before its limit."""
        if self._renewed and (address := self._renewed()) != self._address:
            self._address = address
            self._connected.update_environment(**self._credential())
        return self._bounded(self._connected, arguments, stdin, spare_s=spare_s)

    def _credential(self) -> dict[str, str]:
        """Variables with the way to the remote and the credential for it."""
        variables = environment([*self._way, *self._address.settings()], self._environ)
        # A wrong token asks nobody.
        asks_nobody = self._address.authorization or self._address.is_in_clear_text
        return {**variables, "GIT_ASKPASS": ""} if asks_nobody else variables

    def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        environ: Mapping[str, str] | None = None,
        may_fail: bool = False,
    ) -> Output:
        """Runs a command that needs no network, with `environ` added to its environment; UsageError where it fails."""
        output = self._bounded(self._git, arguments, stdin, environ)
        if output.status and not may_fail:
            # A disk that is full, a file system that went read-only: nothing that a remote or a person did.
            reason = output.stderr.strip().removeprefix("fatal: ") or f"ended with {output.status}"
            raise UsageError(f"git {_command(arguments)}: {reason}", hint=_ROOM)
        return output

    def _bounded(
        self,
        git: "Git",
        arguments: tuple[str, ...],
        stdin: bytes,
        environ: Mapping[str, str] | None = None,
        spare_s: float = 0.0,
    ) -> Output:
        output = run(
            git,
            *arguments,
            stdin=stdin,
            environ=environ,
            timeout_s=left_s(self._timeout_s) - spare_s,
            place=self._address,
        )
        scrub = self._address.scrub
        return Output(output.status, scrub(output.stdout), scrub(output.stderr))

    def read(self, name: str) -> tuple[str, bytes] | None:
        """Sha and content of the object that `name` (a sha, a ref, `<sha>^{tree}`) stands for; None where it is not here.

        A file is cut off behind `MOST_FILE_BYTES`. Unreachable for a tree or a commit that is longer.
        """
        from git.compat import safe_decode

        try:
            sha, kind, size = self._git.get_object_header(name)
            if size <= MOST_FILE_BYTES:
                # Bytes, whatever GitPython 3.2 declares.
                return safe_decode(sha), self._git.get_object_data(name)[-1]
        except ValueError:
            self._git.clear_cache()  # git may have ended over a missing object of a partial repository
            return None
        if safe_decode(kind) != "blob":
            what = f"the {safe_decode(kind)} {safe_decode(sha)}"
            raise Unreachable(f"{self}: {what} has {size:,} bytes, expected at most {MOST_FILE_BYTES:,}")
        return safe_decode(sha), self._beginning(safe_decode(sha))

    def parsed(self, name: str, parse: Callable[[bytes], _T]) -> tuple[str, _T]:
        """Sha of such an object, and what `parse` makes of it. Unreachable where it is not here, or is no object of that kind."""
        named = self.read(name)
        if named is None:
            raise Unreachable(f"{self}: the server did not send {name}")
        try:
            return named[0], parse(named[1])
        except ValueError as error:
            raise Unreachable(
                f"{self}: {named[0]} is no object as git writes it: {error}",
                hint="git fsck in a clone shows what is wrong with it",
            ) from None

    def contents(self, shas: Iterable[str]) -> dict[str, bytes]:
        """The contents of many files, by their shas, read by two processes; what is not here, or is long, is left to `read`."""
        named = "\n".join(shas).encode()
        listed = self.run("cat-file", f"--batch-check={_SIZED}", "--buffer", stdin=named).stdout
        answers = [line.split(" ") for line in listed.splitlines()]
        sizes = {sha: int(size) for sha, size in answers if size.isdigit() and int(size) <= MOST_FILE_BYTES}
        contents: dict[str, bytes] = {}
        for together in in_turns(sizes):
            command = ("cat-file", f"--batch={_SIZED}", "--buffer")
            stdin = "\n".join(together).encode()
            status, output, _ = _ended(
                self._git, command, stdin, None, left_s(self._timeout_s), self._address
            )
            if status:
                break
            at = 0
            for sha in together:
                # The line that was asked for, the content, a line end.
                begun = output.index(b"\n", at) + 1
                at = begun + sizes[sha] + 1
                contents[sha] = output[begun : at - 1]
        return contents

    def _beginning(self, sha: str) -> bytes:
        started = _start(self._git, ["cat-file", "blob", sha], None)
        try:
            content: bytes = started.proc.stdout.read(MOST_FILE_BYTES + 1)
        finally:
            end(started.proc)
        return content

    def store(self, kind: str, content: bytes) -> str:
        """Writes an object, byte for byte; returns its sha."""
        from gitdb import IStream

        with room():
            stream = self._loose.store(IStream(kind.encode(), len(content), BytesIO(content)))
        sha: str = stream.hexsha.decode()
        return sha


def in_turns(sizes: Mapping[str, int]) -> Iterator[list[str]]:
    """The shas in lists that are read in one go each."""
    together: list[str] = []
    held = 0
    for sha, size in sizes.items():
        if together and held + size > MOST_AT_ONCE:
            yield together
            together, held = [], 0
        together.append(sha)
        held += size
    if together:
        yield together


def _to_look_s(left_s: float) -> float:
    return min(_LOOK_S, left_s / 4)


def _lay_out(directory: Path) -> None:
    """An empty bare repository, as in gitrepository-layout(5): `git init` would bring in templates and refuse GIT_WORK_TREE."""
    (directory / "objects").mkdir()
    (directory / "refs").mkdir()
    (directory / "HEAD").write_text("ref: refs/heads/main\n", encoding="ascii")
    settings = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"
    (directory / "config").write_text(settings, encoding="ascii")


def _surroundings(directory: Path) -> dict[str, str]:
    """What binds git to the folder, even inside a hook or an alias, where these variables name another repository."""
    return {
        "GIT_DIR": str(directory),
        "GIT_COMMON_DIR": str(directory),
        "GIT_OBJECT_DIRECTORY": str(directory / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": "",
        "LC_ALL": "C",
        "LANGUAGE": "C",
        "GIT_TERMINAL_PROMPT": "0",
        # Never a helper program, whatever the user's settings (`insteadOf`) make of the address.
        "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
        "GCM_INTERACTIVE": "never",
        "SSH_ASKPASS_REQUIRE": "never",
    }


def _text(output: bytes) -> str:
    return output.decode("utf-8", "replace")


def _absent() -> UsageError:
    return UsageError("git: not found; bump needs the git program", hint=_install())


def _unusable(complaint: str) -> UsageError:
    """Git cannot even tell its version: nearly always a configuration that it cannot read."""
    reason = complaint.strip().removeprefix("stderr:").strip(" '\n") or "ends before it says its version"
    return UsageError(
        f"git: {reason}, expected a git that runs",
        hint="correct git's configuration (~/.gitconfig, /etc/gitconfig, GIT_CONFIG_* variables) until `git version` works",
    )


def _install() -> str:
    return "install it: apt-get install git, apk add git, dnf install git or brew install git"
