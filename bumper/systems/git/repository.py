"""A bare repository in a temporary folder, the git program that works in it, and the two ways to its remote.

Law: what a push needs is asked by smart HTTP where that is spoken (`SmartHttp`), and else by git, which alone knows every other way:
both bring the same objects and end a push alike. Git gets to the network by `call` alone, under a time limit and with the credential
in its environment; every other command is cut off from it (`GIT_ALLOW_PROTOCOL`), so that a partial repository never fetches an object
by itself that nobody asked for. No hook or filter of this machine runs.
"""

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property
from io import BytesIO
from pathlib import Path
from secrets import token_hex
from typing import TypeVar

from bumper.errors import BumpError, NoAccess, Unreachable, UsageError
from bumper.ports.deadline import left_s
from bumper.ports.git import MOST_FILE_BYTES
from bumper.safe_text import printable
from bumper.systems.folder import ROOM, Folder, room
from bumper.systems.git.address import Address, environment
from bumper.systems.git.objects import parse_commit, parse_tree
from bumper.systems.git.packs import Object
from bumper.systems.git.program import Output, Program, command_of, ended, pairs, program, run, start
from bumper.systems.git.rejections import (
    ASKS_FOR_TOKEN,
    MissingRef,
    NotSent,
    PerhapsSent,
    failure,
    not_git,
    rejection,
)
from bumper.systems.git.smart_http import NotSpoken, SmartHttp, speaks
from bumper.systems.git.transport import Transport
from bumper.systems.process import end

_T = TypeVar("_T")
# Of contents that are read in one go.
MOST_AT_ONCE = 64_000_000
# Nobody's own configuration speaks of a remote of this name.
REMOTE = f"bump-{token_hex(8)}"
_TIP = "refs/bump/tip"
_PUSH = ("push", "--porcelain", "--no-verify")
_SHA = re.compile(r"[0-9a-f]{40}")
_SIZED = "%(objectname) %(objectsize)"
_LOOK_S = 5.0
_ROOM = f"{ROOM}, and look whether git works there"
_SHOWN = 100
# As git traces an answer (http.c), and what it has (gitprotocol-http(5)), the first one above all.
_CONTENT_TYPE = re.compile(r"<= Recv header(?:, [^:]*)?: content-type: *([^;\s]*)", re.IGNORECASE)
_OF_GIT, _ADVERTISEMENT = "application/x-git-", "application/x-git-upload-pack-advertisement"
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


class Repository:
    """Objects in and out, and git's commands. Knows one remote, `REMOTE`, at `address`."""

    def __init__(
        self,
        address: Address,
        environ: Mapping[str, str],
        settings: list[tuple[str, str]],
        timeout_s: float,
        renewed: Callable[[], Address] | None = None,
        now: Callable[[], float] | None = None,
        *,
        is_to_push: bool = False,
    ) -> None:
        """`settings` are git's configuration for the way to the remote, less the credential, which is the address's.

        `renewed` is asked before each call for the same address with the credential of the moment. Without the monotonic seconds of
        `now` git alone speaks to the remote.
        """
        from gitdb import LooseObjectDB

        self._address = address
        self._environ = environ
        self._timeout_s = timeout_s
        self._renewed = renewed
        self._now = now
        self._is_to_push = is_to_push
        # What came by smart HTTP, and what was made here to be pushed.
        self._received: dict[str, Object] = {}
        self._made: dict[str, Object] = {}
        # Whose trees the server need not send again.
        self._latest: tuple[str, ...] = ()
        self._folder = Folder.new()
        self._directory = self._folder.path
        try:
            base = {**environ, **_surroundings(self._directory)}
            both = [*_SETTINGS, (f"remote.{REMOTE}.url", address.url)]
            alone = {**base, **environment(both, environ), "GIT_ALLOW_PROTOCOL": "none"}
            self._git = program(self._directory, alone)
            self._way = [*both, *settings]
            self._connected = self._with_credential()
            with room():
                _lay_out(self._directory)
            # Git as the user has set it up, for what `configured` tells.
            self._as_set_up = program(self._directory, {**base, **environment(settings, environ)})
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
        """Ends git's processes and connections, and removes the folder."""
        if "reader" in vars(self._git):
            self._git.reader.clear_cache()
        if wire := vars(self).get("_wire"):
            wire.close()
        self._folder.remove()

    def __str__(self) -> str:
        return str(self._address)

    @cached_property
    def configured(self) -> list[tuple[str, str]] | None:
        """Git's own configuration with that for the way to the remote, less what we set; None where git cannot read it."""
        output = run(self._as_set_up, "config", "-z", "--list", place=self._address)
        return None if output.status else pairs(output.stdout)

    @cached_property
    def _wire(self) -> SmartHttp | None:
        """None where git alone speaks to the remote."""
        # A token that expires is asked for before the first call. Without one, nobody need ask git what it is set to.
        if not (
            self._now
            and self._renew().authorization
            and self.configured is not None
            and speaks(self._address, self.configured, self._environ)
        ):
            return None
        return SmartHttp.at(
            self._renew,
            now=self._now,
            environ=self._environ,
            timeout_s=self._timeout_s,
            is_to_push=self._is_to_push,
        )

    def _either(self, by_wire: Callable[[SmartHttp], _T], by_git: Callable[[], _T]) -> _T:
        """By smart HTTP, or by git where that is not spoken; then by git from here on."""
        if self._wire:
            try:
                return by_wire(self._wire)
            except NotSpoken:
                self._wire.close()
                self._wire = None
        return by_git()

    def fetch_tip(self, ref: str, *, is_to_push: bool = False) -> str:
        """The sha of the commit that the ref is at, with its trees and no blob. `MissingRef` where there is none.

        `is_to_push` says that something is to be pushed on it.
        """
        return self._either(
            lambda wire: self._receive_commit(wire, wire.tip(ref, is_to_push=is_to_push)),
            lambda: self._fetch_tip(ref),
        )

    def fetch_commit(self, sha: str) -> None:
        """The same for a commit. Its parents stay away: the repository is shallow."""
        self._either(lambda wire: self._receive_commit(wire, sha), lambda: self._bring(sha))

    def fetch_objects(self, shas: Collection[str]) -> None:
        """Fetches these objects and nothing else, in one request."""
        self._either(
            lambda wire: self._received.update(wire.objects(shas)),
            # Nothing is said of what is here, since the server would take its blobs for known.
            lambda: self._fetch(
                "blob:none", "--stdin", REMOTE, stdin="\n".join(shas).encode(), negotiation="noop"
            ),
        )

    def push(self, commit: str, ref: str, expected: str) -> BumpError | None:
        """Moves the ref from one commit to another, compare and swap; `expected` is empty for a ref that is to be made.

        None where it has moved, else why not. Some of the time is left to look what became of it: a server may have taken the push
        and not say so.
        """
        spare_s = _to_look_s(left_s(self._timeout_s))
        may_be_there = bool(self._wire)
        return self._either(
            lambda wire: wire.push(ref, expected, commit, self._new(commit), spare_s),
            lambda: self._push(commit, ref, expected, spare_s, may_be_there=may_be_there),
        )

    def ask_to_push(self, commit: str, ref: str) -> BumpError | None:
        """What a push would be refused with at the door; nothing is sent and nothing moves."""
        return self._either(lambda wire: wire.ask_to_push(), lambda: self._ask_to_push(commit, ref))

    def _receive_commit(self, wire: SmartHttp, sha: str) -> str:
        # Loose are those that were received, and those that were made here on top of them.
        if not self._is_loose(sha):
            received = wire.commit(sha, self._latest, self._received)
            if sha not in received:
                raise NotSpoken
            self._received.update(received)
            self._latest = (sha,)
            # For `git commit-tree`, which looks whether the parent is there.
            self.store(*received[sha])
        return sha

    def _fetch_tip(self, ref: str) -> str:
        self.fetch(f"+{ref}:{_TIP}", depth=1)
        return self.run("rev-parse", "--verify", _TIP).stdout.strip()

    def _bring(self, sha: str) -> None:
        self.fetch(f"+{sha}:refs/bump/{sha}", depth=1)

    def _push(
        self, commit: str, ref: str, expected: str, spare_s: float, *, may_be_there: bool
    ) -> BumpError | None:
        """`may_be_there` says that the commit may have been sent already, and that nobody believed the answer."""
        if expected in self._received:
            self._bring(expected)
        lease = f"--force-with-lease={ref}:{expected}"
        output = self.call(*_PUSH, lease, REMOTE, f"{commit}:{ref}", spare_s=spare_s)
        error = self._rejection(ref, output) if output.status else None
        return PerhapsSent(error.message) if may_be_there and isinstance(error, NotSent) else error

    def _ask_to_push(self, commit: str, ref: str) -> BumpError | None:
        if commit in self._received:
            self._bring(commit)
        output = self.call(*_PUSH, "--dry-run", REMOTE, f"{commit}:{ref}")
        return self._rejection(ref, output) if output.status else None

    def _new(self, commit: str) -> list[Object]:
        """The commit with what was made for it: what the server lacks."""
        content = self.parsed(commit, bytes)[1]
        objects = {commit: Object("commit", content)}
        waiting = [parse_commit(content).tree]
        while waiting:
            sha = waiting.pop()
            if sha in self._made and sha not in objects:
                objects[sha] = made = self._made[sha]
                if made.kind == "tree":
                    waiting += [entry.sha for entry in parse_tree(made.content).values()]
        return list(objects.values())

    def fetch(self, refspec: str, *, depth: int | None = None, keep: str = "blob:none") -> None:
        """Fetches a ref by git. `keep` is a filter of git; a server that knows no filters sends everything, which does no harm."""
        self._fetch(keep, *([f"--depth={depth}"] if depth else []), REMOTE, refspec)

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

    def _rejection(self, ref: str, output: Output) -> BumpError:
        """Why a push did not land."""
        branch = ref.removeprefix("refs/heads/")
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
            self._address,
            REMOTE,
            lambda: self.configured,
            lambda *asked: run(self._connected, *asked).stdout,
            self._environ,
        )
        detour = way.require_encrypted(carries=bool(self._address.authorization or self._renewed))
        return "; ".join(filter(None, (self._address.remark, detour)))

    def call(self, *arguments: str, stdin: bytes = b"", spare_s: float = 0.0) -> Output:
        """Runs a command that talks to the remote; ends `spare_s` before its limit."""
        self._renew()
        return self._bounded(self._connected, arguments, stdin, spare_s=spare_s)

    def _renew(self) -> Address:
        """The address with the credential of the moment."""
        if self._renewed and (address := self._renewed()) != self._address:
            self._address = address
            self._connected = self._with_credential()
        return self._address

    def _with_credential(self) -> Program:
        surroundings = {**self._environ, **_surroundings(self._directory)}
        return program(self._directory, {**surroundings, **self._credential()})

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
            raise UsageError(f"git {command_of(arguments)}: {reason}", hint=_ROOM)
        return output

    def _bounded(
        self,
        git: Program,
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
        if held := self._received.get(name):
            self._require_readable(name, held.kind, len(held.content))
            return name, held.content[: MOST_FILE_BYTES + 1]
        if self._is_loose(name):
            stream = self._loose.stream(bytes.fromhex(name))
            if stream.size <= MOST_FILE_BYTES:
                return name, stream.read()
        return self._read(name)

    def _is_loose(self, name: str) -> bool:
        return bool(_SHA.fullmatch(name) and self._loose.has_object(bytes.fromhex(name)))

    def _read(self, name: str) -> tuple[str, bytes] | None:
        """The same of what git has packed, of a ref, and of a long file."""
        from git.compat import safe_decode

        reader = self._git.reader
        try:
            sha, kind, size = reader.get_object_header(name)
            if size <= MOST_FILE_BYTES:
                # Bytes, whatever GitPython 3.2 declares.
                return safe_decode(sha), reader.get_object_data(name)[-1]
        except ValueError:
            reader.clear_cache()  # git may have ended over a missing object of a partial repository
            return None
        self._require_readable(safe_decode(sha), safe_decode(kind), size)
        return safe_decode(sha), self._beginning(safe_decode(sha))

    def _require_readable(self, sha: str, kind: str, size: int) -> None:
        if kind != "blob" and size > MOST_FILE_BYTES:
            raise Unreachable(
                f"{self}: the {kind} {sha} has {size:,} bytes, expected at most {MOST_FILE_BYTES:,}"
            )

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

    def contents(self, shas: Collection[str]) -> dict[str, bytes]:
        """The contents of many files, by their shas, read by two processes; what is not here, or is long, is left to `read`."""
        contents = {
            sha: held.content
            for sha in shas
            if (held := self._received.get(sha)) and len(held.content) <= MOST_FILE_BYTES
        }
        named = "\n".join(sha for sha in shas if sha not in contents).encode()
        if not named:
            return contents
        listed = self.run("cat-file", f"--batch-check={_SIZED}", "--buffer", stdin=named).stdout
        answers = [line.split(" ") for line in listed.splitlines()]
        sizes = {sha: int(size) for sha, size in answers if size.isdigit() and int(size) <= MOST_FILE_BYTES}
        for together in in_turns(sizes):
            command = ("cat-file", f"--batch={_SIZED}", "--buffer")
            stdin = "\n".join(together).encode()
            status, output, _ = ended(self._git, command, stdin, None, left_s(self._timeout_s), self._address)
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
        with start(self._git, ["cat-file", "blob", sha]) as process:
            try:
                assert process.stdout, "a pipe"
                return process.stdout.read(MOST_FILE_BYTES + 1)
            finally:
                end(process)

    def store(self, kind: str, content: bytes) -> str:
        """Writes an object, byte for byte; returns its sha."""
        from gitdb import IStream

        with room():
            stream = self._loose.store(IStream(kind.encode(), len(content), BytesIO(content)))
        sha: str = stream.hexsha.decode()
        self._made[sha] = Object(kind, content)
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
        "GIT_TERMINAL_PROMPT": "0",
        # Never a helper program, whatever the user's settings (`insteadOf`) make of the address.
        "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
        "GCM_INTERACTIVE": "never",
        "SSH_ASKPASS_REQUIRE": "never",
    }
