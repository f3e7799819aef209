"""Credentials of git over TLS or to this machine alone, whatever the user's own settings say: real git, real HTTP, real TLS.

A host of the outside is `git.example`, reached through a proxy on loopback that keeps what it is sent.
"""

import base64
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from git_remotes import FILES, TOKEN, WEB, Foreign, content, foreign, git, hermetic, remote

from bumper.errors import BumpError, NoAccess, Unreachable, UsageError
from bumper.systems.git.address import Address
from bumper.systems.git.remote import Remote
from bumper_sandbox.git.server import GitServer
from systems.kube.certificates import authority

OUTSIDE = "http://git.example/platform.git"
OURS = f"Basic {base64.b64encode(f'x-access-token:{TOKEN}'.encode()).decode()}"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def server(home: Path) -> Iterator[GitServer]:
    with GitServer(token=TOKEN, environ=hermetic(home)) as server:
        server.create("platform.git", FILES)
        yield server


@contextmanager
def behind_proxy(home: Path, target: str = "") -> Iterator[tuple[Foreign, dict[str, str]]]:
    """A proxy before everything, and the environment that names it."""
    with foreign(target) as proxy:
        environ = {**hermetic(home), "http_proxy": proxy.url, "no_proxy": "", "NO_PROXY": ""}
        yield proxy, environ


@contextmanager
def encrypted(home: Path, host: str = "127.0.0.1") -> Iterator[tuple[Foreign, dict[str, str]]]:
    """A server that speaks TLS, and an environment whose git trusts its authority."""
    certificate, key = authority().issue("git server", host)
    (home / "server.pem").write_bytes(certificate + key)
    (home / "authority.pem").write_bytes(authority().pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(home / "server.pem")
    with foreign(context=context) as server:
        yield server, {**hermetic(home), "GIT_SSL_CAINFO": str(home / "authority.pem")}


def configure(home: Path, text: str) -> None:
    (home / ".gitconfig").write_text(text)


def refusal(url: str, environ: dict[str, str], token: str = TOKEN) -> UsageError:
    """The error with which a remote is refused before anything is asked."""
    with pytest.raises(UsageError) as caught:
        Remote(url, token=token, environ=environ).close()
    assert TOKEN not in caught.value.message + caught.value.hint
    assert "s3cret" not in caught.value.message + caught.value.hint
    return caught.value


def fetch(url: str, environ: dict[str, str], token: str = "") -> BumpError:
    """Asks for the branch; the servers of these tests go on for long enough to see what git sends."""
    with Remote(url, token=token, environ=environ) as ours, pytest.raises(BumpError) as caught:
        ours.fetch("main")
    return caught.value


class TestClearText:
    def test_a_token_is_refused_before_anything_is_sent(self, home: Path) -> None:
        with behind_proxy(home) as (proxy, environ):
            error = refusal(OUTSIDE, environ)
        assert error.message == (
            f"{OUTSIDE}: a token would go there in clear text: found http, expected https://HOST/… (http only to this machine)"
        )
        assert "--repo" in error.hint
        assert error.exit_code == 2
        assert proxy.seen == []

    def test_so_is_one_that_is_asked_for_later(self, home: Path) -> None:
        asked: list[str] = []

        def mint() -> str:
            asked.append(TOKEN)
            return TOKEN

        with behind_proxy(home) as (proxy, environ), pytest.raises(UsageError, match="in clear text"):
            Remote(OUTSIDE, token=mint, environ=environ).close()
        assert (proxy.seen, asked) == ([], [])

    def test_and_a_password_of_the_url(self, home: Path) -> None:
        with behind_proxy(home) as (proxy, environ):
            error = refusal("http://kim:s3cret@git.example/platform.git", environ, token="")
        assert error.message.startswith(f"{OUTSIDE}: a password would go there in clear text")
        assert proxy.seen == []

    @pytest.mark.parametrize("host", ["localhost.evil.com", "127.0.0.1.nip.io", "127.0.0.1@evil.example"])
    def test_a_name_that_only_looks_like_this_machine(self, home: Path, host: str) -> None:
        assert "in clear text" in refusal(f"http://{host}/platform.git", hermetic(home)).message

    def test_an_address_that_programs_read_in_two_ways(self, home: Path) -> None:
        error = refusal("https://git.example?@evil.example/platform.git", hermetic(home))
        assert "programs read this address in different ways" in error.message

    def test_a_public_repository_is_read_without_any_credential(self, home: Path) -> None:
        configure(home, "[http]\n extraHeader = Authorization: Basic s3cret\n")
        with behind_proxy(home) as (proxy, environ):
            fetch(OUTSIDE, environ)
        assert len(proxy.seen) == 2, "git went on to ask for the branch"
        assert {header for _, header in proxy.seen} == {""}

    @pytest.mark.parametrize("kept_by", ["helper", "askpass", "nobody"])
    def test_whoever_keeps_a_password_for_that_host_is_not_asked(
        self, server: GitServer, home: Path, kept_by: str
    ) -> None:
        called, askpass = home / "called", home / "askpass"
        askpass.write_text(f"#!/bin/sh\necho >>{called}\necho {TOKEN}\n")
        askpass.chmod(0o755)
        environ = {**hermetic(home), "http_proxy": server.url}
        if kept_by == "helper":
            configure(
                home,
                f'[credential]\n helper = "!f() {{ echo >>{called}; echo username=x; echo password={TOKEN}; }}; f"\n',
            )
        if kept_by == "askpass":
            environ["GIT_ASKPASS"] = str(askpass)
        error = fetch(OUTSIDE, environ)
        assert type(error) is NoAccess
        assert error.hint.startswith("no credential is sent to an http address")
        assert not called.exists()
        assert [request.status for request in server.requests] == [401]

    def test_a_password_that_curl_would_find(self, home: Path) -> None:
        (home / ".netrc").write_text("machine git.example login kim password s3cret\n")
        with behind_proxy(home) as (proxy, environ):
            error = refusal(OUTSIDE, environ, token="")
            assert str(home / ".netrc") in error.message
            assert proxy.seen == []
            fetch("http://another.example/platform.git", environ)
            assert {header for _, header in proxy.seen} == {""}

    def test_no_proxy_stands_before_this_machine(self, server: GitServer, home: Path) -> None:
        with behind_proxy(home) as (proxy, environ):
            for token in (TOKEN, ""):
                configure(
                    home, f'[credential]\n helper = "!f() {{ echo username=x; echo password={TOKEN}; }}; f"\n'
                )
                with remote(server, token=token, environ=environ) as ours:
                    ours.push(
                        ours.commit(ours.fetch("main"), {WEB: token.encode() + b"\n"}, "Deploy"), "main"
                    )
        assert proxy.seen == []
        assert content(server.path("platform.git"), WEB) == b"\n"


class TestRewriting:
    @pytest.mark.parametrize("setting", ["insteadOf", "pushInsteadOf"])
    @pytest.mark.parametrize("token", [TOKEN, ""])
    def test_from_tls_to_clear_text_is_refused(self, home: Path, setting: str, token: str) -> None:
        configure(home, f'[url "http://kim:s3cret@mirror.example/"]\n {setting} = https://git.example/\n')
        with behind_proxy(home) as (proxy, environ):
            error = refusal("https://git.example/platform.git", environ, token)
        assert error.message == (
            "https://git.example/platform.git: git's settings lead to http://mirror.example, in clear text: "
            "expected https (http only to this machine)"
        )
        assert "insteadof" in error.hint
        assert proxy.seen == []

    def test_and_so_is_a_password_that_the_settings_add(self, home: Path) -> None:
        configure(home, '[url "http://kim:s3cret@git.example/"]\n insteadOf = http://git.example/\n')
        with behind_proxy(home) as (proxy, environ):
            refusal(OUTSIDE, environ, token="")
        assert proxy.seen == []

    def test_by_the_checkouts_own_settings_too(self, home: Path) -> None:
        checkout = home / "checkout"
        git(home, "init", "--quiet", str(checkout))
        git(checkout, "remote", "add", "origin", "https://git.example/platform.git")
        git(checkout, "config", "url.http://git.example/.insteadOf", "https://git.example/")
        assert "lead to http://git.example" in refusal(str(checkout), hermetic(home)).message

    def test_another_host_does_not_get_the_token_and_that_is_said(
        self, server: GitServer, home: Path
    ) -> None:
        configure(home, f'[url "{server.url}/"]\n insteadOf = https://git.example/\n')
        error = fetch("https://git.example/platform.git", hermetic(home), TOKEN)
        assert type(error) is NoAccess
        assert error.hint.startswith(
            f"git's settings (insteadOf) lead to {server.url}, where the token is not sent"
        )

    def test_ssh_is_gits_own_business(self, server: GitServer, home: Path) -> None:
        """Many have `url.git@github.com:.insteadOf https://github.com/`: the token stays behind, and the key opens."""
        ssh = home / "ssh"
        ssh.write_text('#!/bin/sh\nfor last; do :; done\nexec sh -c "$last"\n')
        ssh.chmod(0o755)
        configure(
            home,
            f'[url "fake.example:{server.path("platform.git").parent}/"]\n insteadOf = https://git.example/\n',
        )
        environ = {**hermetic(home), "GIT_SSH_COMMAND": str(ssh), "GIT_SSH_VARIANT": "ssh"}
        with Remote("https://git.example/platform.git", token=TOKEN, environ=environ) as ours:
            assert ours.tree(ours.fetch("main")).read([WEB]) == {WEB: FILES[WEB]}


class TestVerification:
    def test_a_token_goes_to_a_server_that_an_authority_vouches_for(self, home: Path) -> None:
        with encrypted(home) as (server, environ):
            fetch(f"{server.url}/platform.git", environ, TOKEN)
        assert {header for _, header in server.seen} == {OURS}

    def test_and_to_no_other(self, home: Path) -> None:
        with encrypted(home, host="git.example") as (server, environ):
            error = fetch(f"{server.url}/platform.git", environ, TOKEN)
        assert "certificate" in error.message
        assert server.seen == []

    @pytest.mark.parametrize(
        "settings",
        [
            "[http]\n sslVerify = false\n",
            "[http]\n sslVerify = off\n",
            '[http "{url}"]\n sslVerify = 0\n',
            '[http "{url}/platform.git"]\n sslVerify = no\n[http]\n sslVerify = true\n',
            '[http "https://*.0.0.1:{port}/"]\n sslVerify = false\n',
        ],
    )
    @pytest.mark.parametrize("form", ["token", "renewed", "url"])
    def test_a_check_that_is_switched_off_is_refused(self, home: Path, settings: str, form: str) -> None:
        with encrypted(home) as (server, environ):
            configure(home, settings.format(url=server.url, port=server.url.rpartition(":")[2]))
            url = server.url.replace("//", "//kim:s3cret@") if form == "url" else server.url
            tokens: dict[str, str | Callable[[], str]] = {"token": TOKEN, "renewed": lambda: TOKEN, "url": ""}
            token = tokens[form]
            with pytest.raises(UsageError) as caught:
                Remote(f"{url}/platform.git", token=token, environ=environ).close()
        assert caught.value.message == (
            f"{server.url}/platform.git: http.sslVerify is false, so that git would send a credential to a server that nobody "
            "vouches for: expected that its certificate is checked"
        )
        assert "http.sslCAInfo" in caught.value.hint
        assert server.seen == []

    @pytest.mark.parametrize("value", ["1", "true", "0", "false", ""])
    def test_whatever_the_variable_holds(self, home: Path, value: str) -> None:
        with encrypted(home) as (server, environ):
            error = refusal(f"{server.url}/platform.git", {**environ, "GIT_SSL_NO_VERIFY": value})
        assert "GIT_SSL_NO_VERIFY is set" in error.message
        assert server.seen == []

    def test_of_another_host_it_does_not_count(self, home: Path) -> None:
        configure(home, '[http "https://lab.example/"]\n sslVerify = false\n')
        with encrypted(home) as (server, environ):
            fetch(f"{server.url}/platform.git", environ, TOKEN)
        assert {header for _, header in server.seen} == {OURS}

    def test_a_credential_of_the_checkout_counts_as_well(self, home: Path) -> None:
        """As actions/checkout leaves it."""
        checkout = home / "checkout"
        with encrypted(home) as (server, environ):
            git(home, "init", "--quiet", str(checkout))
            git(checkout, "remote", "add", "origin", f"{server.url}/platform.git")
            git(checkout, "config", f"http.{server.url}/.extraheader", "AUTHORIZATION: basic s3cret")
            git(checkout, "config", "http.sslVerify", "false")
            assert "http.sslVerify is false" in refusal(str(checkout), environ, token="").message
        assert server.seen == []

    def test_without_a_credential_the_users_choice_stands(self, home: Path) -> None:
        configure(home, "[http]\n sslVerify = false\n")
        with encrypted(home, host="git.example") as (server, environ):
            fetch(f"{server.url}/platform.git", environ)
        assert {header for _, header in server.seen} == {""}


def test_an_address_without_tls_has_no_credential_in_its_settings() -> None:
    assert Address.parse("http://kim@git.example/").settings() == [
        ("http.http://git.example/.extraHeader", ""),
        ("credential.helper", ""),
    ]


def test_a_page_is_no_repository_without_branches(home: Path, subtests: pytest.Subtests) -> None:
    """A captive portal or a login page in a git host's place, whatever git makes of it; a repository without a branch is one."""
    empty = (
        b"001e# service=git-upload-pack\n00000050" + b"0" * 40 + b" capabilities^{}\0object-format=sha1\n0000"
    )
    advertisement = "application/x-git-upload-pack-advertisement"
    with foreign() as host:
        for content_type, page, message in (
            (
                "text/html; charset=utf-8",
                b"<!DOCTYPE html><title>Sign in</title>",
                "it sent text/html, expected",
            ),
            ("text/html", b"<!DOCTYPE html>\n<a>\tSign in</a>\n", "it sent text/html, expected"),
            ("application/json", b'{"message": "moved"}', "it sent application/json, expected"),
            ("text/plain", b"", "it sent text/plain, expected"),
            ("text/plain", b"a" * 40 + b"\trefs/heads/other\n", "it sent text/plain, expected"),
            ("te\x1b[2Jxt/html", b"", "it sent text/html, expected"),
            (advertisement, b"<!DOCTYPE html>\n", "bad line length character: <!DO"),
            (advertisement, empty, ""),
        ):
            host.page = (content_type, page)
            with (
                subtests.test(content_type, page=page),
                Remote(f"{host.url}/o/p.git", environ=hermetic(home)) as ours,
            ):
                with pytest.raises(BumpError) as caught:
                    ours.fetch("main")
                if message:
                    assert isinstance(caught.value, Unreachable)
                    assert message in caught.value.message
                    assert "captive portal" in caught.value.hint
                else:
                    assert caught.value.message.endswith("no branch 'main'")
