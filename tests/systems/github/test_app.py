"""An App's tokens: asserted by its own key, least in what they may, renewed in time, given back, and shown to nobody."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from git_remotes import FILES, TOKEN, WEB, hermetic
from openapi import problems
from sandbox_github.apps import Installation, RegisteredApp
from sandbox_github.server import GitHubServer, Refusal

from bumper.app.identity import Identity
from bumper.errors import NoAccess, Transient, Unreachable, UsageError
from bumper.systems.git.remote import Remote
from bumper.systems.github import GitHub
from bumper.systems.github.app import App
from bumper_sandbox.git.server import GitServer

PLATFORM, SOURCE = "octo/platform", "octo/web"
PUSH = {"contents": "write"}
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
HEAD = "a" * 40
OPENED: list[App] = []


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = KEY) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


@dataclass
class Time:
    """Two clocks that go alike; `ahead_s` is how much this machine's is ahead of GitHub's."""

    seconds: float = 1_800_000_000.0
    ahead_s: float = 0.0

    def now(self) -> float:
        return self.seconds - 1_799_999_000.0

    def wall(self) -> float:
        return self.seconds + self.ahead_s

    def githubs(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def server(clock: Time) -> Iterator[GitHubServer]:
    with GitHubServer(wall=clock.githubs) as running:
        for name in (PLATFORM, SOURCE):
            running.add(name, commits=(HEAD,))
        granted = {"contents": "write", "deployments": "write", "statuses": "write", "metadata": "read"}
        app = RegisteredApp(4711, "Iv23liABC", "bump-app", KEY.public_key())
        app.installations.append(Installation(99, (PLATFORM, SOURCE), granted))
        running.apps.registered.append(app)
        yield running
        while OPENED:
            OPENED.pop().close()
        assert [problem for exchange in running.exchanges for problem in problems(exchange)] == []


def opened(server: GitHubServer, clock: Time, issuer: str = "4711", key: str | None = None) -> App:
    """Closed with the server."""
    OPENED.append(App(issuer, key or pem(), now=clock.now, wall=clock.wall, api_url=server.url))
    return OPENED[-1]


def asked(server: GitHubServer) -> list[str]:
    return [f"{exchange.method} {exchange.path} {exchange.answer.status}" for exchange in server.exchanges]


@pytest.mark.parametrize("issuer", ["4711", "Iv23liABC"])
def test_a_token_is_minted_when_it_is_needed_and_may_do_no_more_than_asked(
    server: GitHubServer, clock: Time, issuer: str
) -> None:
    app = opened(server, clock, issuer)
    token = app.token(SOURCE, {"statuses": "write"})
    assert server.exchanges == []
    hub = GitHub(SOURCE, token=token, now=clock.now, api_url=server.url)
    hub.tell(HEAD, "bump/web", "pending", "begun", "")
    with pytest.raises(NoAccess) as refused:
        hub.deploy(HEAD, "web", "", {})
    assert "deployments: write" in refused.value.hint
    assert server.ledgers[SOURCE].statuses[0].creator.login == "bump-app[bot]"
    assert server.exchanges[1].body == {"repositories": ["web"], "permissions": {"statuses": "write"}}
    assert asked(server)[:3] == [
        "GET /repos/octo/web/installation 200",
        "POST /app/installations/99/access_tokens 201",
        f"POST /repos/octo/web/statuses/{HEAD} 201",
    ]
    stranger = GitHub(PLATFORM, token=token, now=clock.now, api_url=server.url)
    with pytest.raises(NoAccess):
        stranger.tell(HEAD, "bump/web", "pending", "begun", "")
    for client in (hub, stranger, app):
        client.close()


def test_each_repository_has_a_token_of_its_own_and_all_are_given_back(
    server: GitHubServer, clock: Time
) -> None:
    app = opened(server, clock)
    platform, source = app.token(PLATFORM, PUSH, "99"), app.token(SOURCE, {"deployments": "write"})
    tokens = {platform(), source(), platform()}
    assert len(tokens) == 2
    assert set(server.tokens) == tokens
    assert {server.tokens[minted].reads for minted in tokens} == {(PLATFORM,), (SOURCE,)}
    app.close()
    assert server.tokens == {}
    assert asked(server)[-2:] == ["DELETE /installation/token 204"] * 2
    assert asked(server).count("GET /repos/octo/platform/installation 200") == 0, "the number was known"


def test_a_long_watch_outlives_a_token(server: GitHubServer, clock: Time) -> None:
    app = opened(server, clock)
    token = app.token(SOURCE, {"statuses": "write"})
    hub = GitHub(SOURCE, token=token, now=clock.now, api_url=server.url)
    seen = []
    for minutes in (0, 30, 54, 56, 100, 112):
        clock.seconds = 1_800_000_000.0 + minutes * 60
        hub.tell(HEAD, "bump/web", "pending", f"{minutes} min", "")
        seen.append(token())
    assert [seen.index(minted) for minted in seen] == [0, 0, 0, 3, 3, 5], (
        "renewed five minutes before the end"
    )
    assert len(server.ledgers[SOURCE].statuses) == 6
    clock.seconds += 3600
    app.close()
    assert not [request for request in asked(server) if request.startswith("DELETE")], (
        "what has ended needs no goodbye"
    )
    hub.close()


@pytest.mark.parametrize("ahead_s", [-86_400.0, -400.0, 45.0, 400.0, 86_400.0])
def test_a_clock_that_is_wrong_is_set_by_githubs(server: GitHubServer, clock: Time, ahead_s: float) -> None:
    clock.ahead_s = ahead_s
    token = opened(server, clock).token(SOURCE, PUSH)
    first = token()
    clock.seconds += 3600 - 301
    assert token() == first, "and its end is counted by GitHub's clock all the same"
    clock.seconds += 2
    assert token() != first


def test_many_threads_share_one_token(server: GitHubServer, clock: Time) -> None:
    token = opened(server, clock).token(SOURCE, PUSH)
    seen: list[str] = []
    threads = [threading.Thread(target=lambda: seen.append(token())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(seen)) == 1
    assert len(server.exchanges) == 2


@pytest.mark.slow
def test_refusals_say_what_to_do(server: GitHubServer, clock: Time) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    cases = [
        (
            opened(server, clock, key=pem(other)).token(SOURCE, PUSH),
            "is not known by this key",
            "BUMP_APP_PRIVATE_KEY",
        ),
        (opened(server, clock, "12").token(SOURCE, PUSH), "the App 12 is not known", "BUMP_APP_ID"),
        (
            opened(server, clock).token("octo/other", PUSH),
            "is not installed on octo/other",
            "install it for octo",
        ),
        (opened(server, clock).token(SOURCE, PUSH, "5"), "no installation 5", "BUMP_APP_INSTALLATION_ID"),
        (
            opened(server, clock).token(SOURCE, {"pull_requests": "write"}),
            "not granted to this installation. (pull_requests: write on octo/web)",
            "grant these permissions to the App",
        ),
        (
            opened(server, clock).token("octo/else", PUSH, "99"),
            "does not exist or is not accessible",
            "let it have octo/else",
        ),
    ]
    for token, message, hint in cases:
        with pytest.raises(NoAccess) as refused:
            token()
        assert message in refused.value.message
        assert hint in refused.value.hint
        assert "PRIVATE KEY-----" not in refused.value.message + refused.value.hint
    server.apps.registered[0].installations[0].is_suspended = True
    with pytest.raises(NoAccess, match="has been suspended"):
        opened(server, clock).token(SOURCE, PUSH)()


def test_an_outage_is_transient_and_the_next_call_tries_again(server: GitHubServer, clock: Time) -> None:
    token = opened(server, clock).token(SOURCE, PUSH)
    server.faults.append(Refusal(503, "Service Unavailable").answer)
    with pytest.raises(Transient):
        token()
    assert token().startswith("ghs_4711_")


def test_an_answer_without_a_token_is_told(clock: Time) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(201, json={"token": "x"}))
    app = App(
        "1", pem(), now=clock.now, wall=clock.wall, api_url="https://api.github.com", transport=transport
    )
    with pytest.raises(Unreachable, match="holds no token with an end"):
        app.token(SOURCE, PUSH, "1")()


@pytest.mark.parametrize(
    "key", ["", "no key", "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----"]
)
def test_a_key_that_is_none_is_told_without_showing_it(key: str, clock: Time) -> None:
    with pytest.raises(UsageError, match="found no readable PEM text") as refused:
        App("1", key, now=clock.now, wall=clock.wall, api_url="https://api.github.com")
    assert "AAAA" not in refused.value.message + refused.value.hint


def test_another_kind_of_key_is_told(clock: Time) -> None:
    with pytest.raises(UsageError, match="another kind of key"):
        App(
            "1",
            pem(ec.generate_private_key(ec.SECP256R1())),
            now=clock.now,
            wall=clock.wall,
            api_url="https://x",
        )


def test_a_key_on_one_line_is_read(server: GitHubServer, clock: Time) -> None:
    assert opened(server, clock, key=pem().replace("\n", "\\n")).token(SOURCE, PUSH)().startswith("ghs_")


def test_no_text_shows_key_or_token(server: GitHubServer, clock: Time) -> None:
    app = opened(server, clock)
    token = app.token(SOURCE, PUSH)
    secret = token()
    identity = Identity({"BUMP_APP_PRIVATE_KEY": pem()}, clock.now, clock.wall)
    shown = f"{app!r} {app._tokens._minted!r} {app._api!r} {token!r} {identity!r}"
    assert secret not in shown
    assert "KEY-----" not in shown


# Whose token is it?


def identity(server: GitHubServer, clock: Time, **more: str) -> Identity:
    environ = {
        "BUMP_APP_ID": "4711",
        "BUMP_APP_PRIVATE_KEY": pem(),
        "GITHUB_API_URL": server.url,
        "GITHUB_SERVER_URL": "https://github.example",
        **more,
    }
    return Identity(environ, clock.now, clock.wall)


def said(token: object) -> str:
    return token if isinstance(token, str) else "of the App"


@pytest.mark.parametrize(
    ("more", "url", "platform", "source"),
    [
        ({}, "https://github.example/octo/platform.git", "of the App", "of the App"),
        ({"GITHUB_TOKEN": "job"}, "https://github.example/octo/platform.git", "of the App", "job"),
        ({"BUMP_TOKEN": "mine"}, "https://github.example/octo/platform.git", "mine", "of the App"),
        ({"GITHUB_TOKEN": "job"}, "git@github.example:octo/platform.git", "of the App", "job"),
        # The job's token is one of that server alone, and neither of another host nor of a port beside it.
        ({"GITHUB_TOKEN": "job"}, "https://gitlab.example/octo/platform.git", "", "job"),
        ({"GITHUB_TOKEN": "job"}, "https://github.com/octo/platform.git", "", "job"),
        ({"GITHUB_TOKEN": "job"}, "https://github.example:8443/octo/platform.git", "", "job"),
        ({"GITHUB_TOKEN": "job"}, "https://github.example@evil.example/octo/platform.git", "", "job"),
        ({"GITHUB_TOKEN": "job"}, "https://github.example.evil.example/octo/platform.git", "", "job"),
        ({"GITHUB_TOKEN": "job"}, "https://evil.example/github.example/platform.git", "", "job"),
        ({"GITHUB_TOKEN": "job"}, "git@evil.example:github.example/platform.git", "", "job"),
        ({"BUMP_TOKEN": "mine", "GITHUB_TOKEN": "job"}, "https://gitlab.example/octo/p", "mine", "job"),
        ({}, "https://gitlab.example/octo/platform.git", "", "of the App"),
        # The App is one of the Enterprise Server: github.com knows nothing of it.
        ({}, "https://github.com/octo/platform.git", "", "of the App"),
        ({"BUMP_APP_ID": "", "BUMP_APP_PRIVATE_KEY": ""}, "https://github.example/octo/platform.git", "", ""),
        (
            {"BUMP_APP_ID": "", "BUMP_APP_PRIVATE_KEY": "", "GITHUB_TOKEN": "job"},
            "https://github.example/octo/platform.git",
            "job",
            "job",
        ),
    ],
)
def test_whose_token_goes_where(
    server: GitHubServer, clock: Time, more: dict[str, str], url: str, platform: str, source: str
) -> None:
    who = identity(server, clock, **more)
    assert said(who.platform(lambda: url, PUSH)) == platform
    assert said(who.source(SOURCE, {"statuses": "write"})) == source


def test_one_purpose_one_token(server: GitHubServer, clock: Time) -> None:
    who = identity(server, clock)
    urls = ("https://github.example/octo/platform.git", "https://github.example/Octo/Platform")
    first, again = (who.platform(lambda url=url: url, PUSH) for url in urls)  # type: ignore[misc]
    assert first is again
    assert who.source(SOURCE, {"contents": "read"}) is not who.source(SOURCE, {"statuses": "write"})


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"BUMP_APP_ID": "1"}, "the App's private key is not"),
        ({"BUMP_APP_PRIVATE_KEY": "x"}, "BUMP_APP_ID is not"),
        ({"BUMP_APP_ID": "1", "BUMP_APP_PRIVATE_KEY": "x"}, "no readable PEM text"),
        (
            {"BUMP_APP_ID": "1", "BUMP_APP_PRIVATE_KEY_FILE": "/nowhere/key.pem"},
            "/nowhere/key.pem: No such file",
        ),
    ],
)
def test_half_an_app_is_a_wrong_configuration(environ: dict[str, str], message: str, clock: Time) -> None:
    with pytest.raises(UsageError, match=message):
        Identity(environ, clock.now, clock.wall).source(SOURCE, PUSH)


def test_a_key_may_lie_in_a_file(server: GitHubServer, clock: Time, tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text(pem())
    who = identity(server, clock, BUMP_APP_PRIVATE_KEY="", BUMP_APP_PRIVATE_KEY_FILE=str(path))
    token = who.source(SOURCE, PUSH)
    assert callable(token)
    assert token().startswith("ghs_")
    who.close()
    assert server.tokens == {}


# Git


@pytest.mark.slow
def test_git_shows_the_token_of_the_moment(server: GitHubServer, clock: Time, tmp_path: Path) -> None:
    environ = hermetic(tmp_path)
    with GitServer(token=TOKEN, environ=environ) as git:
        git.admit(lambda secret: secret in server.tokens and server.tokens[secret].ends_s > clock.githubs())
        url = git.create("octo/platform.git", FILES)
        app = opened(server, clock)
        with Remote(url, token=app.token(PLATFORM, PUSH), environ=environ) as remote:
            assert server.exchanges == [], "a token is minted when git first goes to the network"
            for _ in range(3):
                tip = remote.fetch("main")
                remote.write(
                    tip,
                    {WEB: f"image: registry.example/web:{clock.seconds:.0f}\n".encode()},
                    "Deploy",
                    "main",
                )
                clock.seconds += 3590
            assert asked(server).count("POST /app/installations/99/access_tokens 201") == 3
            # What has ended opens nothing any more: it was really the new one each time.
            assert len([minted for minted in server.tokens.values() if minted.ends_s > clock.githubs()]) == 1
            server.apps.registered[0].installations.clear()
            clock.seconds += 3590
            with pytest.raises(NoAccess, match="is not installed on octo/platform"):
                remote.fetch("main")
        app.close()
