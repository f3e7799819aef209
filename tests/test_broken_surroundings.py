"""What bump is handed and cannot be used, on its real command line: an error with a way out, never a traceback."""

import errno
import io
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from ssl import PROTOCOL_TLS_CLIENT, SSLContext

import commandline
import pytest
from commandline import Ran

from bumper import cli
from bumper.address import token_of
from bumper.app.clock import SystemClock
from bumper.app.context import Context
from bumper.errors import UsageError
from bumper.ports.deadline import until
from bumper.systems.git.remote import Remote
from bumper.systems.git.worktree import WorkTree
from bumper.systems.http.certificates import Authorities
from bumper.systems.kube.config import load

_DEPLOY = ("--site", "web", "--tag", "2", "--no-wait")


def _bump(directory: Path, *arguments: str, **environ: str) -> Ran:
    surroundings = {"PATH": os.environ["PATH"], "HOME": str(directory), **environ}
    return commandline.bump(*arguments, environ=surroundings, cwd=directory)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://[::1/x", "http://[::1/x: is no address (Invalid IPv6 URL)"),
        ("https://me:hunter2@[x]/y", "https://[x]/y: is no address ("),
        ("https://a:99999999/x", "https://a:99999999/x: is no address (Port out of range 0-65535)"),
        ("https://a:b/x", "https://a:b/x: is no address ("),
        ("https:///x", "https:///x: names no host"),
        ("[::1/x", "[::1/x: is no address ([ without ])"),
        ("me@[::1/x:y", "[::1/x:y: is no address ([ without ])"),
    ],
)
@pytest.mark.parametrize(
    "verb", [["--site", "web", "--tag", "2", "--dry-run", "--no-wait"], ["history"], ["doctor"]]
)
def test_an_address_that_is_none(tmp_path: Path, verb: list[str], url: str, message: str) -> None:
    run = _bump(tmp_path, *verb, "--repo", url)
    assert run.code == 2
    assert f"error: {message}" in run.stderr
    assert "hunter2" not in run.stdout + run.stderr
    assert "Traceback" not in run.stderr


def test_a_configuration_that_git_cannot_read(tmp_path: Path) -> None:
    (tmp_path / ".gitconfig").write_text("[user\nname = x")
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    # GitPython asks git when it is imported, which happens once in a process.
    started = commandline.process("history", "--repo", str(tmp_path), environ=environ)
    _, stderr = started.communicate(timeout=60)
    assert started.returncode == 2
    assert f"bad config line 1 in file {tmp_path}/.gitconfig" in stderr
    assert "help:  correct git's configuration" in stderr


def in_a_process(script: str, home: Path) -> "subprocess.CompletedProcess[str]":
    """What sets limits does so to a process of its own."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parent.parent,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_folder_for_temporary_files_that_takes_nothing(tmp_path: Path) -> None:
    script = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); from bumper.cli import main; "
        "sys.exit(main(['history', '--repo', 'https://127.0.0.1:1/x']))"
    )
    run = in_a_process(script, tmp_path)
    assert run.returncode == 2
    assert run.stderr.startswith("error: TMPDIR: No usable temporary directory")
    assert run.stderr.endswith("help:  set TMPDIR to a folder with some free megabytes\n")


def test_what_the_machine_has_run_out_of(tmp_path: Path, subtests: pytest.Subtests) -> None:
    """Whichever call meets it: an error in words, in JSON too; anything else stays a bug."""

    class Short(io.StringIO):
        def write(self, text: str) -> int:
            if "{" in text:
                return super().write(text)
            raise error

    for error, code, message in (
        (OSError(errno.EMFILE, "Too many open files"), 2, "out of something: Too many open files"),
        (OSError(errno.ENOSPC, "No space left", "/x/y"), 2, "out of something: /x/y: No space left"),
        (MemoryError(), 2, "out of something: no memory is left"),
        (RuntimeError("can't start new thread"), 2, "out of something: no thread can be started"),
        (ImportError("x.so: failed to map segment from shared object"), 2, "out of something: x.so: failed"),
        (ImportError("No module named x"), 1, "This is a bug in bump"),
        (RuntimeError("x"), 1, "This is a bug in bump"),
        (OSError(errno.ENOENT, "No such file"), 1, "This is a bug in bump"),
    ):
        with subtests.test(error=repr(error)):
            stdout, stderr = Short(), io.StringIO()
            context = Context({}, tmp_path, stdout=stdout, stderr=stderr)
            assert cli.main(["--version", "--output=json"], context) == code
            assert message in stderr.getvalue()
            assert ("Traceback" in stderr.getvalue()) == (code == 1)
            assert bool(stdout.getvalue()) == (code == 2)


def test_what_is_told_at_the_end_changes_no_exit_code(tmp_path: Path) -> None:
    """As where the disk is full once a note of the outcome is written."""

    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    stderr = io.StringIO()
    context = Context({}, tmp_path, stdout=io.StringIO(), stderr=stderr)
    context.afterwards.callback(full)
    assert cli.main(["--version"], context) == 0
    assert stderr.getvalue().startswith("  ! not everything was told: this machine has run out")


def test_a_git_that_gets_no_descriptors(tmp_path: Path) -> None:
    script = (
        "import resource, sys; from bumper.cli import main; "
        "resource.setrlimit(resource.RLIMIT_NOFILE, (6, 6)); sys.exit(main(['history', '--repo', 'https://127.0.0.1:1/x']))"
    )
    ran = in_a_process(script, tmp_path)
    assert ran.returncode == 2
    assert "Too many open files\nhelp:  see `ulimit -a`" in ran.stderr


def test_a_folder_that_is_gone_while_we_stand_in_it(tmp_path: Path) -> None:
    for arguments, stdout in (("history",), ""), (("history", "--output", "json"), '"UsageError"'):
        (tmp_path / "gone").mkdir()
        command = shlex.join([sys.executable, "-m", "bumper", *arguments])
        ran = subprocess.run(
            ["sh", "-c", f"rmdir ../gone; exec {command}"],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
            cwd=tmp_path / "gone",
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 2
        assert ran.stderr.endswith(
            "error: the folder that bump was started in is gone\nhelp:  start it in another one: cd /\n"
        )
        assert stdout in ran.stdout


def test_a_signal_after_the_end_changes_no_exit_code(tmp_path: Path) -> None:
    """As a second one does that comes a moment after the first."""
    script = (
        "import os, signal, sys; from bumper import cli; code = cli.main(['--version']); "
        "[os.kill(os.getpid(), sent) for sent in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]; sys.exit(code)"
    )
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    assert subprocess.run([sys.executable, "-c", script], env=environ, check=False).returncode == 0


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_while_we_are_still_being_loaded(name: str, tmp_path: Path) -> None:
    """As Ctrl-C right after Enter, and a job that is cancelled as it begins."""
    script = (
        "import os, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == 'bumper.publish.problem': os.kill(os.getpid(), signal.{name})\n"
        "from bumper.__main__ import main\n"
        "sys.meta_path.insert(0, Finder())\n"
        "sys.exit(main(['--version']))\n"
    )
    ran = in_a_process(script, tmp_path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "interrupted\n")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "5",
        "null",
        "[]",
        "{}",
        '"x"',
        '{"recording":1}',
        '{"recording":1,"sites":[],"started_s":1,"began_s":1,"timeout_s":1,"contexts":["a"],"notices":[]}',
        '{"recording":1,"sites":5,"started_s":1,"began_s":1,"timeout_s":1,"contexts":["a"],"notices":[]}',
        "[" * 100_000,
    ],
)
def test_a_recording_that_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "recording").write_text(content)
    run = _bump(tmp_path, "track", "--replay", str(tmp_path / "recording"))
    assert run.code == 2
    assert run.stderr.endswith("help:  expected what --record wrote\n")
    assert run.stderr.startswith("error: ")


@pytest.mark.parametrize(
    ("user", "cluster", "message"),
    [
        ({"exec": "hunter2"}, {}, "exec is a text, expected a mapping"),
        ({"exec": ["hunter2"]}, {}, "exec is a list, expected a mapping"),
        ({"exec": {"command": "x", "args": 5}}, {}, "args is a value of type int, expected a list of texts"),
        ({"exec": {"command": "x", "args": [{"a": 1}]}}, {}, "args is a list, expected a list of texts"),
        ({"exec": {"command": "x", "env": "hunter2"}}, {}, "env is a text, expected a list of mappings"),
        ({"exec": {"command": "x", "env": ["A=hunter2"]}}, {}, "env is a list, expected a list of mappings"),
        ({"as": "me", "as-groups": "hunter2"}, {}, "as-groups is a text, expected a list of texts"),
        ({"as": "me", "as-user-extra": ["hunter2"]}, {}, "as-user-extra is a list, expected a mapping"),
        ({"as": "me", "as-user-extra": {"a": "hunter2"}}, {}, "a is a text, expected a list of texts"),
        (
            {},
            {"certificate-authority-data": "hunter2\u202e"},
            "certificate-authority cannot be read: not base64 (inline)",
        ),
        ({"client-key-data": "hunter2é"}, {}, "client-key cannot be read: not base64 (inline)"),
        ({}, {"extensions": "hunter2"}, "extensions is a text, expected a list of mappings"),
        ({}, {"extensions": ["hunter2"]}, "extensions is a list, expected a list of mappings"),
    ],
)
def test_a_kubeconfig_of_another_shape(
    tmp_path: Path, user: dict[str, object], cluster: dict[str, object], message: str
) -> None:
    config = {
        "current-context": "main",
        "contexts": [{"name": "main", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1", **cluster}}],
        "users": [{"name": "u", "user": user}],
    }
    (tmp_path / "config").write_text(json.dumps(config))
    run = _bump(tmp_path, "status", "--repo", str(tmp_path), KUBECONFIG=str(tmp_path / "config"))
    assert run.code == 2
    assert f"error: {tmp_path}/config: {message}" in run.stderr
    assert "hunter2" not in run.stdout + run.stderr


@pytest.mark.parametrize(
    "content", ['a: "\\UFFFFFFFF"', "[" * 5000, "a: !!int x", "? [a]\n: b", "a: !!timestamp x"]
)
def test_a_kubeconfig_that_no_reader_survives(tmp_path: Path, content: str) -> None:
    (tmp_path / "config").write_text(content)
    run = _bump(tmp_path, "status", "--repo", str(tmp_path), KUBECONFIG=str(tmp_path / "config"))
    assert run.code == 2
    assert run.stderr.startswith(f"error: {tmp_path}/config: ")
    assert "Traceback" not in run.stderr


def test_a_token_that_no_header_can_carry(tmp_path: Path, subtests: pytest.Subtests) -> None:
    """Pasted with its line end it is a token all the same; nothing of one that is none is shown, or handed to git."""
    for variable in ("BUMP_TOKEN", "GITHUB_TOKEN"):
        assert token_of({variable: " hunter2\r\n"}, variable) == "hunter2"
        assert token_of({variable: " \n"}, variable) == ""
        for token, message in (
            ("hunter2" * 15_000, "found 105,000 characters, expected a token, which has at most 16,000"),
            ("hunter2\nhunter2", "character 8 of 15 is a blank, a line end or not ASCII"),
            ("hunter2\udcff", "character 8 of 8 is a blank, a line end or not ASCII"),
            ("hunter2\x1b[2J", "character 8 of 11 is a blank, a line end or not ASCII"),
            ("hunter2é", "character 8 of 8 is a blank, a line end or not ASCII"),
        ):
            with subtests.test(variable, token=token[:16]):
                run = _bump(tmp_path, "history", "--repo", "https://github.com/x/y", **{variable: token})
                assert run.code == 2
                assert run.stderr.startswith(f"error: {variable}: {message}")
                assert "hunter2" not in run.stdout + run.stderr


def test_what_is_longer_than_the_system_hands_on(tmp_path: Path, subtests: pytest.Subtests) -> None:
    long = "x" * 140_000
    url = f"https://me:{long}@127.0.0.1:1/x"
    for name, arguments, environ in (
        ("a directory", ["history", "--repo", long], {}),
        ("a directory that is to be read offline", ["history", "--offline", "--repo", long], {}),
        ("a password", ["history", "--repo", url], {}),
        ("a tree", ["check", long], {}),
        ("a checkout", [*_DEPLOY, "--repo", str(tmp_path), "--source", long], {}),
        ("an author", ["history", "--repo", "https://127.0.0.1:1/x"], {"GIT_AUTHOR_NAME": long}),
    ):
        with subtests.test(name):
            run = _bump(tmp_path, *arguments, **environ)
            assert run.code == 2
            assert "Traceback" not in run.stderr
    assert "git history: cannot be started" not in run.stderr
    assert "its longest variable (GIT_AUTHOR_NAME) 140,000" in run.stderr


def test_a_file_that_has_no_end_or_is_none(tmp_path: Path, subtests: pytest.Subtests) -> None:
    """Whoever names a pipe that nobody writes to waits no longer than the deadline in force, and is told."""
    pipe, loop = tmp_path / "pipe", tmp_path / "loop"
    os.mkfifo(pipe)
    loop.symlink_to(loop.name)
    (tmp_path / "git").mkdir()
    (tmp_path / "git" / "config").symlink_to(pipe)
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    kubeconfig = {
        "current-context": "main",
        "contexts": [{"name": "main", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {}}],
    }

    def edit(path: Path) -> None:
        run = _bump(tmp_path, "edit", str(path), "--image", "reg.io/web", "--tag", "2")
        raise UsageError(run.stderr) if run.code == 2 else AssertionError(run)

    def opened(**more: str) -> None:
        Remote("https://127.0.0.1:1/x", environ={**environ, **more}).close()

    def load_authority(path: Path) -> None:
        cluster = {"server": "https://127.0.0.1:1", "certificate-authority": str(path)}
        file = tmp_path / "config"
        file.write_text(json.dumps({**kubeconfig, "clusters": [{"name": "c", "cluster": cluster}]}))
        load(None, {"KUBECONFIG": str(file)})

    clock = SystemClock()
    with (
        until(clock, clock.now() + 0.1),
        pytest.raises(UsageError, match="`git version` had not ended after"),
    ):
        opened(GIT_CONFIG_GLOBAL=str(pipe))
    everything = (pipe, loop, tmp_path, Path("/dev/zero"), tmp_path / "a\0b", Path("/" + "x" * 5000))
    reads: Sequence[tuple[str, Callable[[Path], object], Sequence[Path]]] = (
        ("the other one", lambda path: opened(XDG_CONFIG_HOME=str(path)), [tmp_path]),
        ("a kubeconfig", lambda path: load(None, {"KUBECONFIG": str(path)}), everything),
        ("a cluster's authority", load_authority, everything),
        (
            "authorities",
            lambda path: Authorities(str(path), "").load(SSLContext(PROTOCOL_TLS_CLIENT)),
            everything[:4],
        ),
        ("a manifest", edit, everything),
    )
    for name, read, paths in reads:
        for path in paths:
            with (
                subtests.test(name, path=str(path)[:20]),
                until(clock, clock.now() + 0.1),
                pytest.raises(UsageError),
            ):
                read(path)


def test_what_we_may_not_look_at(tmp_path: Path) -> None:
    """A home of somebody else's, as in a container that does not run as root: what may lie there is not there, unless it was named."""
    home, tree = tmp_path / "home", tmp_path / "tree"
    tree.mkdir()
    (tree / "secret").touch(0o000)
    (home / ".kube").mkdir(parents=True)
    home.chmod(0o000)
    # Who runs them owns the folders of the tests alone.
    for parent in (tmp_path, *tmp_path.parents):
        if not parent.stat().st_mode & 0o001:
            parent.chmod(0o755)
    reads: Sequence[Callable[[], object]] = (
        lambda: load(None, {"HOME": str(home)}),
        lambda: load(None, {"KUBECONFIG": str(home / "x")}),
        lambda: WorkTree(home / "x", {}),
        lambda: WorkTree(tree, {"HOME": "/"}).read(["secret"]),
    )
    WorkTree(tree, {"HOME": "/"})
    messages = []
    try:
        if os.getuid() == 0:
            os.seteuid(65534)
        for read in reads:
            with pytest.raises(UsageError) as caught:
                read()
            messages.append(caught.value.message)
    finally:
        os.seteuid(os.getuid())
        home.chmod(0o755)
    assert messages == [
        "no Kubernetes cluster: there is no kubeconfig, and this is not a pod",
        f"{home}/x: Permission denied, expected a kubeconfig",
        f"{home}/x: no such directory",
        f"{tree}/secret: Permission denied, expected a file that can be read",
    ]
