"""A checkout of this machine whose configuration somebody else wrote: it is read, and nothing that it names is run."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from git_remotes import commit_directly, git, hermetic
from tables import each_row

from bumper.errors import UsageError
from bumper.systems.git.ancestry import Checkout
from bumper.systems.git.checkout import checkout_root, origin_of
from bumper.systems.git.log import Clone
from bumper.systems.git.remote import Remote
from bumper.systems.git.worktree import WorkTree

# What git runs by its configuration (git-config(1)), as far as one of the calls below could come to it.
SETTINGS = (
    "core.fsmonitor",
    "core.sshCommand",
    "core.gitProxy",
    "core.askPass",
    "core.pager",
    "core.editor",
    "core.alternateRefsCommand",
    "pager.log",
    "pager.show",
    "gpg.program",
    "gpg.ssh.program",
    "gpg.x509.program",
    "diff.external",
    "diff.trap.command",
    "diff.trap.textconv",
    "filter.trap.clean",
    "filter.trap.process",
    "uploadpack.packObjectsHook",
)
HOOKS = ("reference-transaction", "post-index-change", "fsmonitor-watchman", "post-checkout")
SIGNATURE = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n abc\n -----END PGP SIGNATURE-----"


class Trap:
    """A checkout with two commits, the last one with a signature, in which every setting names a program that leaves its trace."""

    def __init__(self, folder: Path) -> None:
        self.environ = hermetic(folder)
        self.trace = folder / "trace"
        self.checkout = folder / "checkout"
        program = folder / "program"
        program.write_text(f'#!/bin/sh\necho "$0 $*" >> "{self.trace}"\n')
        program.chmod(0o755)
        git(folder, "init", "--quiet", "--initial-branch=main", str(self.checkout))
        (self.checkout / ".gitattributes").write_text("* filter=trap diff=trap\n")
        (self.checkout / "file").write_text("text\n")
        git(self.checkout, "add", ".")
        git(self.checkout, "commit", "--quiet", "--message", "First")
        self.first = git(self.checkout, "rev-parse", "HEAD")
        second = git(self.checkout, "cat-file", "commit", commit_directly(self.checkout, self.first))
        head, _, message = second.partition("\n\n")
        signed = f"{head}\n{SIGNATURE}\n\n{message}\n".encode()
        self.second = git(self.checkout, "hash-object", "-t", "commit", "-w", "--stdin", stdin=signed)
        git(self.checkout, "update-ref", "refs/heads/main", self.second)
        (self.checkout / "new").write_text("text\n")
        hooks = folder / "hooks"
        hooks.mkdir()
        for name in HOOKS:
            (hooks / name).symlink_to(program)
        values = {
            **dict.fromkeys(SETTINGS, str(program)),
            "credential.helper": f"!{program}",
            "log.showSignature": "true",
            "core.hooksPath": str(hooks),
            "core.untrackedCache": "true",
            "remote.origin.url": str(folder / "origin.git"),
        }
        for name, value in values.items():
            git(self.checkout, "config", "--local", name, value)
        git(folder, "clone", "--quiet", "--bare", str(self.checkout), str(folder / "origin.git"))
        self.trace.unlink(missing_ok=True)

    @property
    def ran(self) -> str:
        """What was run, a line each."""
        return self.trace.read_text() if self.trace.exists() else ""


@pytest.fixture
def trap(tmp_path: Path) -> Trap:
    return Trap(tmp_path)


def order(trap: Trap) -> object:
    return _source(trap).order(trap.first, trap.second)


def order_around(trap: Trap) -> object:
    checkout = Checkout.around(trap.checkout, trap.environ)
    assert checkout
    return checkout.order(trap.first, trap.second)


def between(trap: Trap) -> object:
    return _source(trap).between(trap.first, trap.second, 3)


def message(trap: Trap) -> object:
    return _source(trap).message(trap.second)


def moment(trap: Trap) -> object:
    return _source(trap).committed_at(trap.second)


def files(trap: Trap) -> object:
    return WorkTree(trap.checkout, trap.environ).list("")


def log(trap: Trap) -> object:
    return list(Clone(trap.checkout, "main", trap.environ, reads_own=True).all()) or "no deploy"


def origin(trap: Trap) -> object:
    with Remote(str(trap.checkout), environ=trap.environ) as remote:
        remote.fetch("main")
        return list(remote.history("main").all()) or "no deploy"


QUESTIONS: tuple[Callable[[Trap], object], ...] = (
    order, order_around, between, message, moment, files, log, origin,
)  # fmt: skip


@each_row("question", QUESTIONS)
def test_it_is_read_and_nothing_that_its_configuration_names_is_run(
    trap: Trap, question: Callable[[Trap], object]
) -> None:
    trap.trace.unlink(missing_ok=True)
    assert question(trap)
    assert trap.ran == ""


def test_the_trap_sees_what_git_runs(trap: Trap) -> None:
    git(trap.checkout, "show", "--no-patch", trap.second)
    assert "--verify" in trap.ran
    git(trap.checkout, "ls-files", "--others")
    assert len(trap.ran.splitlines()) > 1


def _source(trap: Trap) -> Checkout:
    return Checkout.at(trap.checkout, trap.environ)


@pytest.fixture
def disguised(trap: Trap) -> Path:
    """A folder of the checkout that a commit may have brought: a bare repository with an origin and a work tree of its own choice."""
    folder = trap.checkout / "folder"
    git(trap.checkout, "clone", "--quiet", "--bare", str(trap.checkout), str(folder))
    elsewhere = "https://elsewhere.example/platform.git"
    for name, value in {"core.bare": "false", "core.worktree": "..", "remote.origin.url": elsewhere}.items():
        git(folder, "--git-dir=.", "config", name, value)
    trap.trace.unlink(missing_ok=True)
    return folder


def test_a_folder_of_a_checkout_is_no_bare_repository(trap: Trap, disguised: Path) -> None:
    assert Checkout.around(disguised, trap.environ) is None
    assert origin_of(disguised, trap.environ) is None
    for ask in (
        lambda: checkout_root(disguised, trap.environ),
        lambda: Checkout.at(disguised, trap.environ),
        lambda: WorkTree(disguised, trap.environ),
        lambda: Remote(str(disguised), token="t", environ=trap.environ),
        lambda: Clone(disguised, "main", trap.environ),
    ):
        with pytest.raises(UsageError, match=r"looks like a bare repository|cannot use bare repository"):
            ask()
    assert trap.ran == ""


def test_outside_of_any_checkout_it_is_one(trap: Trap, tmp_path: Path) -> None:
    with Remote(str(tmp_path / "origin.git"), environ=trap.environ) as remote:
        assert remote.fetch("main") == trap.second
    assert Checkout.at(tmp_path / "origin.git", trap.environ).message(trap.second)


@pytest.mark.slow
def test_a_checkout_that_gives_no_answer_is_gone_without(trap: Trap) -> None:
    """A pipe in place of its configuration: nobody asked for this checkout, so that it costs ten seconds at most."""
    config = trap.checkout / ".git" / "config"
    config.unlink()
    os.mkfifo(config)
    began_s = time.monotonic()
    assert Checkout.around(trap.checkout, trap.environ) is None
    assert time.monotonic() - began_s < 30
