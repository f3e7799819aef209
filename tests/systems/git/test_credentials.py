"""Where a token goes, and where it never does."""

import base64
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from git_remotes import FILES, TOKEN, WEB, content, foreign, git, hook, remote
from tables import each_row

from bumper.errors import BumpError, Denied, NoAccess, UsageError
from bumper.systems.git.address import Address, environment, is_url
from bumper.systems.git.checkout import origin_of
from bumper.systems.git.remote import Remote
from bumper_sandbox.git.server import GitServer

# In every form that it has on its way.
SECRETS = [
    TOKEN,
    base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode(),
    base64.b64encode(f"ci:{TOKEN}".encode()).decode(),
]

pytestmark = pytest.mark.usefixtures("way")


def assert_no_secret(text: str) -> None:
    for secret in SECRETS:
        assert secret not in text


def failure(action: Callable[[], object]) -> BumpError:
    """The error of an action, searched for the token in all its parts and in its trace."""
    with pytest.raises(BumpError) as caught:
        action()
    assert_no_secret(caught.value.message + caught.value.hint + repr(caught.value))
    assert_no_secret("".join(traceback.format_exception(caught.value)))
    return caught.value


def deploy(ours: Remote) -> None:
    ours.push(ours.commit(ours.fetch("main"), {WEB: b"new\n"}, "Deploy"), "main")


class TestIdentities:
    @pytest.mark.parametrize("token", ["", "wrong"])
    def test_no_token_or_a_wrong_one_is_no_access(self, server: GitServer, token: str) -> None:
        with remote(server, token=token) as ours:
            error = failure(lambda: ours.fetch("main"))
        assert type(error) is NoAccess
        assert error.message.startswith(f"{server.url}/platform.git: no access: ")
        assert "BUMP_TOKEN" in error.hint

    def test_a_wrong_token_asks_nobody_else(self, server: GitServer, tmp_path: Path) -> None:
        """A helper that was asked is told afterwards that its password is wrong, and forgets it."""
        called = tmp_path / "called"
        self.helper(tmp_path, server.url, f"echo helper >>{called}")
        askpass = tmp_path / "askpass"
        askpass.write_text(f"#!/bin/sh\necho askpass >>{called}\necho {TOKEN}\n")
        askpass.chmod(0o755)
        environ = {**server.environ, "GIT_ASKPASS": str(askpass)}
        with remote(server, token="", environ=environ) as ours:
            ours.fetch("main")
        assert called.read_text().split() == ["helper", "askpass", "askpass", "helper"]
        called.unlink()
        with remote(server, token="wrong", environ=environ) as ours:
            assert type(failure(lambda: ours.fetch("main"))) is NoAccess
        assert not called.exists()

    def test_without_a_token_the_users_own_helper_is_asked(self, server: GitServer, tmp_path: Path) -> None:
        self.helper(tmp_path, server.url)
        with remote(server, token="") as ours:
            deploy(ours)
        assert content(server.path("platform.git"), WEB) == b"new\n"

    def test_the_name_in_the_url_reaches_the_helper(self, server: GitServer, tmp_path: Path) -> None:
        self.helper(tmp_path, server.url, f"read line; grep -q username=kim && echo password={TOKEN}")
        with Remote(server.url.replace("//", "//kim@") + "/platform.git", environ=server.environ) as ours:
            ours.fetch("main")
            assert "kim" not in repr(ours)

    def test_a_password_in_the_url_is_used_and_hidden(self, server: GitServer) -> None:
        with Remote(
            server.url.replace("//", f"//ci:{TOKEN}@") + "/platform.git", environ=server.environ
        ) as ours:
            deploy(ours)
            assert repr(ours) == f"Remote('{server.url}/platform.git')"
            assert "no branch 'x'" in failure(lambda: ours.fetch("x")).message

    def test_our_token_replaces_the_header_of_the_users_configuration(
        self, server: GitServer, tmp_path: Path
    ) -> None:
        """Two Authorization headers would be refused; a more specific one of the user would win over ours."""
        (tmp_path / ".gitconfig").write_text(
            f'[http "{server.url}/platform.git"]\n extraHeader = Authorization: Basic d3Jvbmc6d3Jvbmc=\n'
            "[http]\n extraHeader = X-Trace: kept\n"
        )
        with remote(server) as ours:
            deploy(ours)

    def test_a_token_that_may_read_and_not_write(self, server: GitServer) -> None:
        server.settings["http.receivepack"] = "false"
        with remote(server) as ours:
            assert type(failure(lambda: deploy(ours))) is Denied

    def helper(self, home: Path, url: str, script: str = f"echo username=ci; echo password={TOKEN}") -> None:
        (home / ".gitconfig").write_text(f'[credential "{url}"]\n helper = "!f() {{ {script}; }}; f"\n')


class TestSecrecy:
    @pytest.mark.parametrize("form", ["token", "url"])
    def test_it_stands_in_no_argument_file_or_trace(
        self, server: GitServer, tmp_path: Path, form: str
    ) -> None:
        traces = {
            name: tmp_path / name
            for name in ("GIT_TRACE", "GIT_TRACE2_EVENT", "GIT_TRACE_CURL", "GIT_TRACE_PACKET")
        }
        environ = {**server.environ, **{name: str(path) for name, path in traces.items()}}
        url, token = f"{server.url}/platform.git", TOKEN
        if form == "url":
            url, token = url.replace("//", f"//ci:{TOKEN}@"), ""
        with Remote(url, token=token, environ=environ) as ours:
            tip = ours.fetch("main")
            ours.tree(tip).read([WEB])
            commit = ours.commit(tip, {WEB: b"new\n"}, "Deploy")
            ours.push(commit, "main")
            ours.contains(commit, tip)
            folders = [
                ours._repository._directory,
                *(history._directory for history in ours._histories.values()),
            ]
            files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
            assert len(folders) == 2
            assert any(path.name == "shallow" for path in files)
            for path in files:
                assert_no_secret(path.read_bytes().decode("latin-1"))
            assert_no_secret(repr(ours) + repr(ours._address) + repr(vars(ours)))
        for name, path in traces.items():
            text = path.read_text(errors="replace")
            assert_no_secret(text)
            if name in ("GIT_TRACE", "GIT_TRACE2_EVENT"):
                # Every process of git is in there with its arguments.
                assert "git-remote-http" in text
                assert "git push" in text or '"push"' in text
            if name == "GIT_TRACE_CURL":
                assert "<redacted>" in text, "the header was sent, and curl's log hides it"

    def test_a_trace_that_hides_nothing_does_not_reach_our_errors(self, server: GitServer) -> None:
        server.faults.outage = True
        environ = {**server.environ, "GIT_TRACE_CURL": "1", "GIT_TRACE_REDACT": "0"}
        with remote(server, environ=environ) as ours:
            assert "503" in failure(lambda: ours.fetch("main")).message

    def test_a_hook_that_repeats_the_token(self, server: GitServer) -> None:
        hook(server.path("platform.git"), "pre-receive", f"echo token {TOKEN} may not >&2; exit 1")
        with remote(server) as ours:
            assert "token *** may not" in failure(lambda: deploy(ours)).message

    def test_local_commands_do_not_have_it(self, server: GitServer) -> None:
        with remote(server) as ours:
            ours.fetch("main")
            assert_no_secret(ours._repository.run("config", "--list").stdout)

    def test_the_origin_of_a_checkout_is_not_shown_with_its_token(
        self, server: GitServer, tmp_path: Path
    ) -> None:
        checkout = tmp_path / "checkout"
        git(tmp_path, "init", "--quiet", str(checkout))
        origin = server.url.replace("//", f"//ci:{TOKEN}@") + "/platform.git"
        git(checkout, "remote", "add", "origin", origin)
        assert origin_of(checkout, server.environ) == origin
        with Remote(str(checkout), environ=server.environ) as ours:
            deploy(ours)
            assert_no_secret(repr(ours))
            failure(lambda: ours.fetch("nothing"))


class TestRedirects:
    def test_another_origin_never_sees_it(self, server: GitServer) -> None:
        with foreign() as elsewhere, foreign(elsewhere.url) as front:
            with Remote(f"{front.url}/platform.git", token=TOKEN, environ=server.environ) as ours:
                error = failure(lambda: ours.fetch("main"))
            assert type(error) is UsageError
            assert error.message == (
                f"{front.url}/platform.git: the server redirects to another address (302), where no credential is sent to"
            )
            assert "--repo" in error.hint
            assert [secret for _, secret in front.seen] == [
                f"Authorization: Basic {SECRETS[1]}".partition(": ")[2]
            ]
            assert elsewhere.seen == []

    def test_a_push_is_not_redirected_either(self, server: GitServer) -> None:
        with foreign() as elsewhere, foreign(elsewhere.url) as front:
            rule = (f"url.{front.url}/.pushInsteadOf", f"{server.url}/")
            rewritten = dict(zip(("GIT_CONFIG_KEY_0", "GIT_CONFIG_VALUE_0"), rule, strict=True))
            with remote(server, environ={**server.environ, **rewritten, "GIT_CONFIG_COUNT": "1"}) as ours:
                failure(lambda: deploy(ours))
            # The user's own configuration leads to another origin: the token stays behind, even on the first request there.
            assert front.seen
            assert {secret for _, secret in front.seen + elsewhere.seen} == {""}

    def test_without_a_token_git_follows_as_it_always_does(self, server: GitServer, tmp_path: Path) -> None:
        helper = f"echo username=ci; echo password={TOKEN}"
        (tmp_path / ".gitconfig").write_text(
            f'[credential "{server.url}"]\n helper = "!f() {{ {helper}; }}; f"\n'
        )
        with (
            foreign(server.url) as front,
            Remote(f"{front.url}/platform.git", environ=server.environ) as ours,
        ):
            assert ours.tree(ours.fetch("main")).read([WEB]) == {WEB: FILES[WEB]}
            assert {secret for _, secret in front.seen} == {""}


class TestAddress:
    @each_row(
        ("text", "shown"),
        [
            ("https://git.example/o/r.git", "https://git.example/o/r.git"),
            ("https://kim@git.example:8443/o/r", "https://git.example:8443/o/r"),
            ("https://kim:p%40ss@[::1]:8443/o/r", "https://[::1]:8443/o/r"),
            ("HTTP://kim:pass@127.0.0.1/", "http://127.0.0.1/"),
            ("ssh://git@git.example/o/r.git", "ssh://git@git.example/o/r.git"),
            ("ssh://git:pass@git.example/o/r.git", "ssh://git@git.example/o/r.git"),
            ("git@git.example:o/r.git", "git@git.example:o/r.git"),
            ("/srv/git/r.git", "/srv/git/r.git"),
        ],
    )
    def test_shown_without_what_is_nobodys_business(self, text: str, shown: str) -> None:
        address = Address.parse(text, TOKEN)
        assert address.url == str(address) == shown
        assert_no_secret(repr(address))
        assert "p@ss" not in repr(address)
        assert "p%40ss" not in repr(address)

    def test_a_token_goes_to_http_alone(self) -> None:
        assert Address.parse("git@git.example:o/r.git", TOKEN).settings() == []
        assert Address.parse("ssh://git.example/o/r.git", TOKEN).settings() == []
        assert Address.parse("/srv/git/r.git", TOKEN).settings() == []
        assert Address.parse("https://git.example/o/r.git", TOKEN).settings() == [
            ("http.https://git.example/o/r.git.extraHeader", ""),
            ("http.https://git.example/o/r.git.extraHeader", f"Authorization: Basic {SECRETS[1]}"),
            ("http.https://git.example/o/r.git.followRedirects", "false"),
            ("credential.helper", ""),
        ]

    def test_a_password_of_a_url_is_unquoted(self) -> None:
        header = Address.parse("https://k%20m:p%40ss@git.example/").authorization
        assert base64.b64decode(header.rpartition(" ")[2]) == b"k m:p@ss"

    def test_scrubbing_leaves_no_form(self) -> None:
        address = Address.parse("https://kim:p%40ss@git.example/")
        basic = base64.b64encode(b"kim:p@ss").decode()
        assert address.scrub(f"a p@ss b p%40ss c {basic} d") == "a *** b *** c *** d"
        assert Address.parse("https://git.example/").scrub("as it is") == "as it is"

    @each_row(
        ("text", "expected"),
        [
            ("https://git.example/x", True),
            ("git@git.example:o/r", True),
            ("git.example:o/r", True),
            ("file:///srv/x", True),
            ("/srv/x", False),
            ("./a:b", False),
            ("platform", False),
            (".", False),
            ("../x", False),
        ],
    )
    def test_what_git_takes_for_a_url(self, text: str, expected: bool) -> None:
        assert is_url(text) is expected

    def test_settings_come_after_those_that_are_there(self) -> None:
        assert environment([("a.b", "1"), ("c.d", "2")], {"GIT_CONFIG_COUNT": "3"}) == {
            "GIT_CONFIG_KEY_3": "a.b",
            "GIT_CONFIG_VALUE_3": "1",
            "GIT_CONFIG_KEY_4": "c.d",
            "GIT_CONFIG_VALUE_4": "2",
            "GIT_CONFIG_COUNT": "5",
        }
        assert environment([], {}) == {"GIT_CONFIG_COUNT": "0"}
