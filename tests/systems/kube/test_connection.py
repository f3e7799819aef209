"""How an API server is reached, and as whom: each case over TLS against a server on loopback."""

import asyncio
import gc
import tempfile
from pathlib import Path

import pytest

from bumper.errors import NoAccess, Transient, Unreachable, UsageError
from bumper.systems.kube.refusals import Forbidden, Missing
from systems.kube.caller import Ask, encoded, exec_user, trust
from systems.kube.certificates import authority
from systems.kube.kubeconfigs import write_config
from systems.kube.server import TOKEN, Answer, Proxy, Request, Server, Stream, accepting, recorded


def test_a_client_certificate(caller: Ask, server: Server, tmp_path: Path) -> None:
    certificate, key = authority().issue("alice")
    inline = {"client-certificate-data": encoded(certificate), "client-key-data": encoded(key)}
    assert caller(inline).ask()["kind"] == "Pod"
    (tmp_path / "me.crt").write_bytes(certificate)
    (tmp_path / "me.key").write_bytes(key)
    assert caller({"client-certificate": "me.crt", "client-key": "me.key"}).ask()["kind"] == "Pod"
    assert [request.subject for request in server.requests] == ["alice", "alice"]


def test_no_key_is_left_in_a_file(caller: Ask) -> None:
    certificate, key = authority().issue("alice")
    caller({"client-certificate-data": encoded(certificate), "client-key-data": encoded(key)}).ask()
    left = Path(tempfile.gettempdir()).glob("bump-*/key.pem")
    assert not [path for path in left if key in path.read_bytes()]


def test_an_unusable_certificate_is_a_matter_of_configuration(caller: Ask) -> None:
    broken = {"client-certificate-data": encoded(b"no PEM"), "client-key-data": encoded(b"secret")}
    error = caller(broken).refusal()
    assert isinstance(error, UsageError)
    assert error.message.endswith("the client certificate and its key cannot be used")
    error = caller({"token": TOKEN}, {"certificate-authority-data": encoded(b"no PEM")}).refusal()
    assert isinstance(error, UsageError)
    assert error.message.endswith("certificate-authority holds no PEM certificate")


def test_a_key_with_a_password_is_refused_without_asking_for_it(caller: Ask) -> None:
    from cryptography.hazmat.primitives import serialization

    certificate, key = authority().issue("alice")
    loaded = serialization.load_pem_private_key(key, None)
    locked = loaded.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"password"),
    )
    user = {"client-certificate-data": encoded(certificate), "client-key-data": encoded(locked)}
    assert isinstance(caller(user).refusal(), UsageError)


def test_a_name_other_than_the_address(caller: Ask) -> None:
    with Server(accepting(TOKEN), "api.internal") as named:
        error = caller({"token": TOKEN}, url=named.url).refusal()
        assert isinstance(error, NoAccess)
        assert "IP address mismatch" in error.message
        cluster = {**trust(), "tls-server-name": "api.internal"}
        assert caller({"token": TOKEN}, cluster, url=named.url).ask()["kind"] == "Pod"
        with Proxy() as proxy:
            behind = {**cluster, "proxy-url": proxy.url}
            asking = caller({"token": TOKEN}, behind, url=named.url)
            assert asking.ask()["kind"] == "Pod"
            assert proxy.targets == [named.url.removeprefix("https://")]
            asking.close()


def test_a_certificate_is_checked_unless_told_otherwise(caller: Ask, server: Server) -> None:
    error = caller({"token": TOKEN}, {}).refusal()
    assert isinstance(error, NoAccess)
    assert error.message == (
        f"test: {server.url}: its certificate is not trusted: self-signed certificate in certificate chain"
    )
    assert caller({"token": TOKEN}, {"insecure-skip-tls-verify": True}).ask()["kind"] == "Pod"


@pytest.mark.parametrize("status", [401, 403])
def test_no_credential_goes_over_plain_http_and_that_is_said(
    caller: Ask, tmp_path: Path, status: int
) -> None:
    """As with kubectl, which leaves the user out there; a plugin is not even run."""
    ran = tmp_path / "ran"
    plugin = tmp_path / "plugin"
    plugin.write_text(f"#!/bin/sh\ntouch {ran}\n")
    plugin.chmod(0o755)
    certificate, key = authority().issue("alice")
    users = [
        {"token": TOKEN},
        {"username": "kim", "password": "s3cret"},
        {"client-certificate-data": encoded(certificate), "client-key-data": encoded(key)},
        exec_user(plugin),
        {"token": TOKEN, "as": "admin"},
    ]
    with Server(lambda request: Answer(status, b"no"), tls=False) as plain:
        for user in users:
            error = caller(user, url=plain.url).refusal()
            assert isinstance(error, NoAccess)
            assert error.hint.startswith("the server's address is http, where no credential is sent")
        assert len(plain.requests) >= len(users)
        for request in plain.requests:
            assert not {"authorization", "impersonate-user"} & set(map(str.lower, request.headers))
    assert not ran.exists()


def test_without_an_authority_those_of_the_environment_are_trusted(caller: Ask, tmp_path: Path) -> None:
    (tmp_path / "system.pem").write_bytes(authority().pem)
    assert caller({"token": TOKEN}, {}, SSL_CERT_FILE=str(tmp_path / "system.pem")).ask()["kind"] == "Pod"


def test_a_cluster_that_moved_is_followed(caller: Ask, server: Server, tmp_path: Path) -> None:
    asking = caller({"token": TOKEN})
    asking.ask()
    server.answer = accepting()
    with Server(accepting(TOKEN), "api.internal") as elsewhere:
        cluster = {**trust(), "tls-server-name": "api.internal"}
        write_config(tmp_path / "config", elsewhere.url, {"token": TOKEN}, cluster)
        assert asking.ask()["kind"] == "Pod"
        asking.close()


def test_a_proxy_of_an_unknown_kind(caller: Ask) -> None:
    error = caller({"token": TOKEN}, {**trust(), "proxy-url": "socks5://me:secret@127.0.0.1:1"}).refusal()
    assert isinstance(error, UsageError)
    assert error.message == "test: the proxy cannot be used, expected http://HOST:PORT"


def test_the_environment_of_this_process_is_not_read(caller: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    # httpx would take this proxy, for loopback too; a kubeconfig's server is reached as kubectl reaches it.
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert caller({"token": TOKEN}).ask()["kind"] == "Pod"


def test_nobody_there_is_transient(caller: Ask) -> None:
    with Server(accepting(TOKEN)) as gone:
        pass
    error = caller({"token": TOKEN}, url=gone.url).refusal()
    assert isinstance(error, Transient)
    assert error.message == f"test: {gone.url}: Connection refused"
    assert (
        error.hint
        == "see whether it is up and can be reached from here: kubectl get --raw /readyz --context test"
    )


def test_a_connection_that_breaks_is_transient(caller: Ask, server: Server) -> None:
    stream = Stream()
    stream.write(b'{"kind":')
    stream.cut()
    server.answer = lambda request: Answer(body=stream)
    error = caller({"token": TOKEN}).refusal()
    assert isinstance(error, Transient)


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (
            Answer(429, b"Too many requests, please try again later.\n", {"Retry-After": "3"}),
            Transient,
            "test: the API server answered 429: Too many requests, please try again later.",
        ),
        (Answer(503, b""), Transient, "test: the API server answered 503"),
        (
            Answer(500, {"kind": "Status", "message": "etcdserver: leader changed"}),
            Transient,
            "test: the API server answered 500: etcdserver: leader changed",
        ),
        (Answer(302, b"", {"Location": "https://login"}), NoAccess, "test: answered 302, a redirect"),
        (
            recorded("list-continue-bad"),
            NoAccess,
            "test: invalid continue token: continue key is not valid: invalid character 'i' looking for beginning of value (400)",
        ),
        (
            Answer(400, b"Client sent an HTTP request to an HTTPS server.\n"),
            NoAccess,
            "test: Client sent an HTTP request to an HTTPS server. (400)",
        ),
    ],
)
def test_a_refused_request(
    caller: Ask, server: Server, answer: Answer, kind: type[Unreachable], message: str
) -> None:
    server.answer = lambda request: answer
    error = caller({"token": TOKEN}).refusal()
    assert type(error) is kind
    assert error.message == message
    if isinstance(error, Transient):
        assert error.retry_after_s == (3.0 if answer.status == 429 else None)


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("403-list", Forbidden, "cannot list resource"),
        ("403-patch", Forbidden, "cannot patch resource"),
        ("404", Missing, 'kustomizations.kustomize.toolkit.fluxcd.io "nope" not found'),
        ("404-crd", Missing, "404 page not found"),
        ("409", NoAccess, "the object has been modified; please apply your changes to the latest version"),
        ("415", NoAccess, "the body of the request was in an unknown format"),
        ("422", NoAccess, 'Kustomization.kustomize.toolkit.fluxcd.io "demo" is invalid: spec.interval'),
        ("list-continue-bad", NoAccess, "invalid continue token"),
    ],
)
def test_what_a_real_server_refuses(
    caller: Ask, server: Server, name: str, kind: type[Unreachable], says: str
) -> None:
    server.answer = lambda request: recorded(name)
    error = caller({"token": TOKEN}).refusal()
    assert type(error) is kind
    assert error.message.startswith("test: ")
    assert says in error.message
    if isinstance(error, Missing):
        assert error.is_api is (name == "404-crd")


def test_a_request_says_who_asks(caller: Ask, server: Server) -> None:
    seen: list[Request] = server.requests
    caller({"token": TOKEN}).ask()
    assert seen[0].headers["user-agent"] == "bump"


@pytest.mark.slow
def test_a_request_that_is_given_up_leaves_nothing_behind(caller: Ask) -> None:
    asking = caller({"token": TOKEN})

    async def give_up() -> None:
        # At any moment of connecting, of the handshake and of the answer.
        for step in range(40):
            request = asyncio.ensure_future(asking.answer())
            await asyncio.sleep(step * 0.0003)
            request.cancel()
            await asyncio.wait([request])

    asking.run(give_up())
    asking.close()
    # A connection that is still open complains when it is collected, and a complaint fails the test.
    gc.collect()


@pytest.mark.parametrize(
    ("credential", "secret"),
    [({"token": TOKEN}, TOKEN), ({"username": "me", "password": "hunter22"}, "hunter22")],
)
def test_a_server_that_repeats_what_it_is_sent_is_not_quoted_with_it(
    caller: Ask, server: Server, credential: dict[str, str], secret: str
) -> None:
    def repeats(request: Request) -> Answer:
        return Answer(422, f"not for {request.headers['authorization']}, that is {secret}\x1b[2J".encode())

    server.answer = repeats
    scheme = "Bearer" if "token" in credential else "Basic"
    assert caller(credential).refusal().message.endswith(f": not for {scheme} ***, that is *** (422)")
