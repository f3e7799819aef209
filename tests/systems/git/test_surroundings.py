"""What surrounds git (hooks, settings, the program itself), and the ways to name a repository."""

import base64
import subprocess
import sys
from pathlib import Path

import pytest
from git_remotes import FILES, TOKEN, WEB, content, git, hermetic, left_running, remote

from bumper.errors import NoAccess, UsageError
from bumper.systems.git.checkout import checkout_root, origin_of
from bumper.systems.git.remote import Remote
from bumper_sandbox.git.server import GitServer

pytestmark = pytest.mark.usefixtures("way")


@pytest.fixture
def platform(server: GitServer) -> Path:
    return server.path("platform.git")


class TestSurroundings:
    def test_inside_a_hook_of_another_repository(
        self, server: GitServer, platform: Path, tmp_path: Path
    ) -> None:
        """Git exports these to hooks and aliases; they must not lead us there."""
        names = [
            "GIT_DIR",
            "GIT_WORK_TREE",
            "GIT_INDEX_FILE",
            "GIT_OBJECT_DIRECTORY",
            "GIT_COMMON_DIR",
            "GIT_PREFIX",
            "GIT_QUARANTINE_PATH",
        ]
        elsewhere = {name: str(tmp_path / "elsewhere") for name in names}
        with remote(server, environ={**server.environ, **elsewhere}) as ours:
            ours.push(ours.commit(ours.fetch("main"), {WEB: b"new\n"}, "Deploy"), "main")
        assert content(platform, WEB) == b"new\n"
        assert not (tmp_path / "elsewhere").exists()

    def test_hooks_and_templates_of_this_machine_do_not_run(
        self, server: GitServer, platform: Path, tmp_path: Path
    ) -> None:
        hooks = tmp_path / "template" / "hooks"
        hooks.mkdir(parents=True)
        for name in ("pre-push", "reference-transaction"):
            (hooks / name).write_text("#!/bin/sh\nexit 1\n")
            (hooks / name).chmod(0o755)
        (tmp_path / ".gitconfig").write_text(
            f"[init]\n templateDir = {hooks.parent}\n[core]\n hooksPath = {hooks}\n"
        )
        with remote(server) as ours:
            ours.push(ours.commit(ours.fetch("main"), {WEB: b"new\n"}, "Deploy"), "main")
        assert content(platform, WEB) == b"new\n"

    def test_settings_that_arrive_by_the_environment_stay(self, server: GitServer, platform: Path) -> None:
        named = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "user.name", "GIT_CONFIG_VALUE_0": "Robin"}
        with remote(server, environ={**server.environ, **named}) as ours:
            ours.push(ours.commit(ours.fetch("main"), {WEB: b"new\n"}, "Deploy"), "main")
        assert git(platform, "log", "-1", "--format=%an") == "Robin"

    def test_nothing_is_left(self, server: GitServer) -> None:
        with remote(server) as ours:
            tip = ours.fetch("main")
            ours.contains(tip, ours.commit(tip, {WEB: b""}, "Deploy"))
            folder = str(ours._repository._directory)
            assert Path(folder).exists()
        assert not Path(folder).exists()
        assert left_running(folder) == []

    def test_git_is_too_old(self, server: GitServer, tmp_path: Path) -> None:
        program = tmp_path / "old" / "git"
        program.parent.mkdir()
        program.write_text("#!/bin/sh\necho git version 2.25.1\n")
        program.chmod(0o755)
        with pytest.raises(UsageError) as caught:
            remote(server, environ={**server.environ, "PATH": str(program.parent)})
        assert caught.value.message == "git: found version 2.25.1, expected 2.31 or newer"
        assert "apt-get install git" in caught.value.hint

    def test_git_is_absent(self, server: GitServer, tmp_path: Path) -> None:
        with pytest.raises(UsageError) as caught:
            remote(server, environ={**server.environ, "PATH": str(tmp_path)})
        assert caught.value.message == "git: not found; bump needs the git program"

    def test_git_is_absent_when_gitpython_looks_for_it(self, tmp_path: Path) -> None:
        script = (
            "from pathlib import Path\n"
            "from bumper.errors import UsageError\nfrom bumper.systems.git.program import Program\n"
            "try: Program(Path('.'), {}).reader\n"
            "except UsageError as error: print(error.message, '|', error.hint)\n"
        )
        ran = subprocess.run(
            [sys.executable, "-c", script],
            env={"PATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert ran.stdout.startswith(
            "git: not found; bump needs the git program | install it: apt-get install git"
        )


class TestDirectories:
    def clone(self, server: GitServer, directory: Path, url: str = "") -> Path:
        git(directory.parent, "init", "--quiet", str(directory))
        git(directory, "remote", "add", "origin", url or f"{server.url}/platform.git")
        return directory

    def test_a_checkout_stands_for_its_origin(self, server: GitServer, tmp_path: Path) -> None:
        checkout = self.clone(server, tmp_path / "checkout")
        (checkout / "k8s").mkdir()
        assert checkout_root(checkout / "k8s", server.environ) == checkout
        assert origin_of(checkout / "k8s", server.environ) == f"{server.url}/platform.git"
        with Remote(str(checkout / "k8s"), token=TOKEN, environ=server.environ) as ours:
            assert ours.tree(ours.fetch("main")).read([WEB]) == {WEB: FILES[WEB]}

    def test_the_checkouts_own_settings_hold_for_the_way_there(
        self, server: GitServer, tmp_path: Path
    ) -> None:
        """As actions/checkout leaves its credential: in the configuration of the checkout."""
        checkout = self.clone(server, tmp_path / "checkout")
        basic = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
        git(checkout, "config", "--local", f"http.{server.url}/.extraheader", f"AUTHORIZATION: basic {basic}")
        with Remote(str(checkout), environ=server.environ) as ours:
            ours.push(ours.commit(ours.fetch("main"), {WEB: b"new\n"}, "Deploy"), "main")
        assert content(server.path("platform.git"), WEB) == b"new\n"
        with Remote(str(checkout), token="wrong", environ=server.environ) as ours, pytest.raises(NoAccess):
            ours.fetch("main")  # the token is used, not what stands in the checkout

    def test_a_relative_origin_counts_from_the_top(self, server: GitServer, tmp_path: Path) -> None:
        checkout = self.clone(server, tmp_path / "checkout", "../platform.git")
        (checkout / "k8s").mkdir()
        assert origin_of(checkout / "k8s", server.environ) == str(checkout / "../platform.git")

    def test_no_origin(self, server: GitServer, tmp_path: Path) -> None:
        git(tmp_path, "init", "--quiet", str(tmp_path / "checkout"))
        assert origin_of(tmp_path / "checkout", server.environ) is None
        with pytest.raises(UsageError, match="has no remote called origin"):
            Remote(str(tmp_path / "checkout"), environ=server.environ)

    def test_no_repository(self, server: GitServer, tmp_path: Path) -> None:
        assert (
            checkout_root(tmp_path, {**hermetic(tmp_path), "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)})
            is None
        )
        with pytest.raises(UsageError, match="not a git repository"):
            Remote(str(tmp_path), environ={**server.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)})
        with pytest.raises(UsageError, match="neither a URL nor a directory"):
            Remote(str(tmp_path / "nothing"), environ=server.environ)

    @pytest.mark.parametrize(
        "form", ["{path}", "file://{path}", "fake.example:{path}", "ssh://git@fake.example{path}"]
    )
    def test_a_bare_repository_by_path_and_by_ssh(
        self, server: GitServer, platform: Path, tmp_path: Path, form: str
    ) -> None:
        """ssh is git's own business; here a script stands for it that runs the command on this machine."""
        ssh = tmp_path / "ssh"
        ssh.write_text('#!/bin/sh\nfor last; do :; done\nexec sh -c "$last"\n')
        ssh.chmod(0o755)
        environ = {**server.environ, "GIT_SSH_COMMAND": str(ssh), "GIT_SSH_VARIANT": "ssh"}
        with Remote(form.format(path=platform), token=TOKEN, environ=environ) as ours:
            tip = ours.fetch("main")
            assert ours.tree(tip).read([WEB]) == {WEB: FILES[WEB]}
            commit = ours.commit(tip, {WEB: b"new\n"}, "Deploy")
            ours.push(commit, "main")
            assert ours.contains(commit, tip) is True
        assert content(platform, WEB) == b"new\n"
