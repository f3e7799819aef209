"""As whom an API server is asked: tokens, files, plugins, and what happens when they are refused."""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bumper.errors import NoAccess, Transient, UsageError
from systems.kube.caller import PATH, V1, V1BETA1, Ask, Caller, encoded, exec_user, trust
from systems.kube.certificates import authority
from systems.kube.clock import Clock
from systems.kube.kubeconfigs import runs, write_config, write_plugin
from systems.kube.server import TOKEN, Answer, Server, accepting, recorded


def test_a_token(caller: Ask, server: Server) -> None:
    assert caller({"token": TOKEN}).ask()["kind"] == "Pod"
    assert [request.path for request in server.requests] == [PATH]


def test_basic_and_impersonation(caller: Ask, server: Server) -> None:
    server.answer = lambda request: Answer(body={})
    caller({"username": "me", "password": "pass", "as": "bob", "as-groups": ["a", "b"]}).ask()
    headers = server.requests[0].headers
    assert headers["authorization"] == f"Basic {encoded(b'me:pass')}"
    assert headers["impersonate-user"] == "bob"
    # The server of the test keeps the last of several headers of one name.
    assert headers["impersonate-group"] == "b"


def test_a_token_file_is_read_anew(caller: Ask, server: Server, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    asking = caller({"tokenFile": "token"})
    asking.ask()
    server.answer = accepting("rotated")
    (tmp_path / "token").write_text("rotated")
    asking.ask()
    assert [request.token for request in server.requests] == [TOKEN, "rotated"]
    # In the middle of a rotation the file may be empty or away.
    (tmp_path / "token").write_text("")
    asking.ask()
    (tmp_path / "token").unlink()
    asking.ask()
    assert server.requests[-1].token == "rotated"


def test_a_token_file_wins_over_the_token_beside_it(caller: Ask, server: Server, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    assert caller({"token": "old", "tokenFile": "token"}).ask()["kind"] == "Pod"


def test_a_token_file_that_is_missing(caller: Ask, tmp_path: Path) -> None:
    error = caller({"tokenFile": "token"}).refusal()
    assert isinstance(error, NoAccess)
    assert error.message == f"{tmp_path}/token: No such file or directory, expected a token"


def test_in_a_pod(server: Server, tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "ca.crt").write_bytes(authority().pem)
    environ = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(server.port)}
    asking = Caller(environ, clock, tmp_path)
    assert asking.ask()["kind"] == "Pod"
    server.answer = accepting("rotated")
    (tmp_path / "token").write_text("rotated")
    assert asking.ask()["kind"] == "Pod"
    asking.close()


@pytest.mark.parametrize("api_version", [V1, V1BETA1])
def test_a_plugin(caller: Ask, tmp_path: Path, api_version: str) -> None:
    plugin = write_plugin(tmp_path / "bin" / "plugin", {"token": TOKEN}, api_version)
    asking = caller(exec_user("./bin/plugin", api_version))
    asking.ask()
    asking.ask()
    exec_info = {"apiVersion": api_version, "kind": "ExecCredential", "spec": {"interactive": False}}
    assert runs(plugin) == [exec_info]


def test_a_plugin_that_is_found_in_the_path_and_reads_the_environment(
    caller: Ask, server: Server, tmp_path: Path
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    plugin = folder / "from-path"
    plugin.write_text(
        "#!/bin/sh\n"
        f'echo \'{{"apiVersion": "{V1}", "kind": "ExecCredential", "status": {{"token": "\'"$1-$KEY-$OURS"\'"}}}}\'\n'
    )
    plugin.chmod(0o755)
    user = exec_user("from-path", args=["a"], env=[{"name": "KEY", "value": "b"}])
    server.answer = accepting("a-b-c")
    assert caller(user, PATH=f"{folder}:{os.defpath}", OURS="c").ask()["kind"] == "Pod"


def test_a_plugin_is_told_of_the_cluster_if_it_wants_so(caller: Ask, server: Server, tmp_path: Path) -> None:
    plugin = write_plugin(tmp_path / "plugin", {"token": TOKEN})
    extension = {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "prod"}}
    asking = caller(exec_user(plugin, provideClusterInfo=True), {**trust(), "extensions": [extension]})
    asking.ask()
    assert runs(plugin)[0]["spec"]["cluster"] == {
        "server": server.url,
        "certificate-authority-data": encoded(authority().pem),
        "config": {"audience": "prod"},
    }


def test_a_plugin_that_gives_a_certificate(caller: Ask, server: Server, tmp_path: Path) -> None:
    certificate, key = authority().issue("alice")
    status = {"clientCertificateData": certificate.decode(), "clientKeyData": key.decode()}
    assert caller(exec_user(write_plugin(tmp_path / "plugin", status))).ask()["kind"] == "Pod"
    assert server.requests[0].subject == "alice"


def test_a_certificate_that_a_plugin_replaced_is_shown(caller: Ask, tmp_path: Path, clock: Clock) -> None:
    certificate, key = authority().issue("mallory")
    status = {"clientCertificateData": certificate.decode(), "clientKeyData": key.decode()}
    asking = caller(exec_user(write_plugin(tmp_path / "plugin", status)))
    assert isinstance(asking.refusal(), NoAccess)
    certificate, key = authority().issue("alice")
    status = {"clientCertificateData": certificate.decode(), "clientKeyData": key.decode()}
    plugin = write_plugin(tmp_path / "plugin", status)
    # The plugin is not run for each of many refused requests in a row.
    assert isinstance(asking.refusal(), NoAccess)
    assert len(runs(plugin)) == 2
    clock.now_s += 1.5
    assert asking.ask()["kind"] == "Pod"


def test_what_a_plugin_gave_is_renewed_when_it_expires(
    caller: Ask, server: Server, tmp_path: Path, clock: Clock
) -> None:
    end = (datetime.now(UTC) + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    plugin = write_plugin(tmp_path / "plugin", {"token": TOKEN, "expirationTimestamp": end})
    asking = caller(exec_user(plugin))
    asking.ask()
    clock.now_s += 3500
    asking.ask()
    assert len(runs(plugin)) == 1
    clock.now_s += 100
    asking.ask()
    assert len(runs(plugin)) == 2


def test_a_clock_ahead_of_the_issuers_does_not_ask_the_plugin_for_each_request(
    caller: Ask, tmp_path: Path
) -> None:
    plugin = write_plugin(
        tmp_path / "plugin", {"token": TOKEN, "expirationTimestamp": "2020-01-01T00:00:00Z"}
    )
    asking = caller(exec_user(plugin))
    asking.ask()
    asking.ask()
    assert len(runs(plugin)) == 1


def test_a_refused_token_is_renewed_at_once(caller: Ask, server: Server, tmp_path: Path) -> None:
    plugin = write_plugin(tmp_path / "plugin", {"token": TOKEN})
    asking = caller(exec_user(plugin))
    asking.ask()
    server.answer = accepting("second")
    write_plugin(plugin, {"token": "second"})
    asking.ask()
    assert [request.token for request in server.requests] == [TOKEN, TOKEN, "second"]
    assert len(runs(plugin)) == 2


def test_a_kubeconfig_that_was_rewritten_is_read_again(caller: Ask, server: Server, tmp_path: Path) -> None:
    asking = caller({"token": TOKEN})
    asking.ask()
    server.answer = accepting("second")
    write_config(tmp_path / "config", server.url, {"token": "second"})
    assert asking.ask()["kind"] == "Pod"


def test_a_certificate_that_was_replaced_on_disk_is_shown(
    caller: Ask, server: Server, tmp_path: Path
) -> None:
    certificate, key = authority().issue("bob")
    (tmp_path / "me.crt").write_bytes(certificate)
    (tmp_path / "me.key").write_bytes(key)
    asking = caller({"client-certificate": "me.crt", "client-key": "me.key"})
    server.answer = lambda request: Answer(body={"kind": "Pod"})
    asking.ask()
    server.answer = accepting()
    certificate, key = authority().issue("alice")
    (tmp_path / "me.crt").write_bytes(certificate)
    (tmp_path / "me.key").write_bytes(key)
    asking.ask()
    assert [request.subject for request in server.requests] == ["bob", "bob", "alice"]


def test_many_refused_at_once_renew_once(caller: Ask, server: Server, tmp_path: Path) -> None:
    plugin = write_plugin(tmp_path / "plugin", {"token": TOKEN})
    asking = caller(exec_user(plugin))
    asking.ask()
    server.answer = accepting("second")
    write_plugin(plugin, {"token": "second"})

    async def together() -> None:
        await asyncio.gather(*(asking.answer() for _ in range(8)))

    asking.run(together())
    assert len(runs(plugin)) == 2


def test_never_let_in_is_told_at_once(caller: Ask, server: Server) -> None:
    error = caller({"token": "wrong"}).refusal()
    assert isinstance(error, NoAccess)
    assert error.message == "test: the API server does not accept our credentials (401 Unauthorized)"
    assert len(server.requests) == 2


def test_a_refusal_after_we_were_let_in_passes_or_stays(caller: Ask, server: Server, clock: Clock) -> None:
    asking = caller({"token": TOKEN})
    asking.ask()
    server.answer = accepting()
    assert isinstance(asking.refusal(), Transient)
    clock.now_s += 20
    assert isinstance(asking.refusal(), Transient)
    server.answer = accepting(TOKEN)
    asking.ask()
    server.answer = accepting()
    clock.now_s += 20
    assert isinstance(asking.refusal(), Transient)
    clock.now_s += 31
    assert isinstance(asking.refusal(), NoAccess)


def test_another_answer_than_401_asks_no_plugin_again(caller: Ask, server: Server, tmp_path: Path) -> None:
    plugin = write_plugin(tmp_path / "plugin", {"token": TOKEN})
    server.answer = lambda request: recorded("403-list")
    assert isinstance(caller(exec_user(plugin)).refusal(), NoAccess)
    assert len(runs(plugin)) == len(server.requests) == 1


def test_a_plugin_that_hangs_is_ended(caller: Ask, tmp_path: Path) -> None:
    plugin = tmp_path / "plugin"
    plugin.write_text("#!/bin/sh\nexec sleep 600\n")
    plugin.chmod(0o755)
    error = caller(exec_user(plugin), plugin_s=0.1).refusal()
    assert isinstance(error, NoAccess)
    assert error.message == f"credential plugin '{plugin}' gave no answer within 0.1 s"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo >&2 first; echo >&2 'AADSTS700024: expired'; exit 3", "ended with 3: first / AADSTS700024: expired"),
        ("echo >&2 token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.c2ln; exit 1", "ended with 1: token ***"),
        ("echo >&2 DB_PASS=hunter2 --password x1; exit 1", "ended with 1: DB_PASS=*** --password ***"),
        ("echo >&2 'Cookie: sid=4711'; printf '\\033[31mred' >&2; exit 1", "ended with 1: Cookie: *** / red"),
        ("exit 1", "ended with 1: it said nothing"),
        ("echo secret", "printed no JSON, expected an ExecCredential"),
        ("echo '[]'", f"answered in no apiVersion of an ExecCredential, expected '{V1}'"),
        ("""echo '{"apiVersion": "hunter2"}'""", f"answered in no apiVersion of an ExecCredential, expected '{V1}'"),
        (f"echo '{{\"apiVersion\": \"{V1BETA1}\"}}'", f"answered in apiVersion '{V1BETA1}', expected '{V1}'"),
        (f"echo '{{\"apiVersion\": \"{V1}\"}}'", ": status: found nothing, expected a JSON object"),
        (
            f"echo '{{\"apiVersion\": \"{V1}\", \"status\": {{\"token\": {{\"s3cret\": 1}}}}}}'",
            ": status: token: found an object, expected a text",
        ),
        (
            f"echo '{{\"apiVersion\": \"{V1}\", \"status\": {{\"clientKeyData\": \"secret\"}}}}'",
            "gave neither a token nor a certificate with its key",
        ),
        (
            f"echo '{{\"apiVersion\": \"{V1}\", \"status\": {{\"token\": \"secret\", \"expirationTimestamp\": \"soon\"}}}}'",
            ": expirationTimestamp is not an RFC 3339 time",
        ),
    ],
)  # fmt: skip
def test_a_plugin_that_fails(caller: Ask, tmp_path: Path, script: str, message: str) -> None:
    plugin = tmp_path / "plugin"
    plugin.write_text(f"#!/bin/sh\n{script}\n")
    plugin.chmod(0o755)
    error = caller(exec_user(plugin)).refusal()
    assert isinstance(error, NoAccess)
    assert error.message.removeprefix(f"credential plugin '{plugin}'").strip() == message
    assert "secret" not in error.message


def test_a_plugin_that_cannot_run(caller: Ask, tmp_path: Path) -> None:
    error = caller(exec_user("no-such-plugin", installHint="install it so")).refusal()
    assert isinstance(error, NoAccess)
    assert error.message == "credential plugin 'no-such-plugin' cannot be run: No such file or directory"
    assert error.hint == "install it so"
    assert caller(exec_user("no-such-plugin")).refusal().hint == "install no-such-plugin"
    assert isinstance(caller(exec_user("x", f"{V1}alpha1")).refusal(), UsageError)
    always = caller({"exec": {"apiVersion": V1, "command": "x", "interactiveMode": "Always"}}).refusal()
    assert isinstance(always, NoAccess)
    assert always.message == "credential plugin 'x' must ask a person"
