"""Kubeconfig files as kubectl reads them. What they lead to is tried against servers in `test_connection`."""

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bumper.errors import UsageError
from bumper.systems.kube import config

SERVER = "https://10.0.0.1:6443"


def entry(kind: str, name: str, **value: Any) -> dict[str, Any]:
    return {"name": name, kind: value}


def write(path: Path, **sections: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **sections}))
    return path


def whole(path: Path, user: Mapping[str, Any], **cluster: Any) -> dict[str, str]:
    """The environment with one complete kubeconfig."""
    write(
        path,
        **{"current-context": "main"},
        contexts=[entry("context", "main", cluster="c", user="u")],
        clusters=[entry("cluster", "c", **{"server": SERVER, **cluster})],
        users=[{"name": "u", "user": user}],
    )
    return {"KUBECONFIG": str(path)}


def test_the_first_file_that_names_something_wins(tmp_path: Path) -> None:
    first = write(
        tmp_path / "x" / "config",
        users=[entry("user", "u", token="first")],
        contexts=[entry("context", "main", cluster="c", user="u")],
    )
    second = write(
        tmp_path / "y" / "config",
        **{"current-context": "main"},
        users=[entry("user", "u", token="second")],
        clusters=[entry("cluster", "c", server=SERVER, **{"certificate-authority": "ca.crt"})],
    )
    third = write(tmp_path / "z" / "config", **{"current-context": "other"})
    (second.parent / "ca.crt").write_bytes(b"the authority beside the second file")
    files = [str(tmp_path / "missing"), "", str(first), str(second), str(third)]
    access = config.load(None, {"KUBECONFIG": os.pathsep.join(files)})
    assert access.name == "main"
    assert access.user.token == "first"
    assert access.endpoint.server == SERVER
    assert access.endpoint.authority == b"the authority beside the second file"


def test_contents_written_inline_win_over_files(tmp_path: Path) -> None:
    encoded = {name: base64.b64encode(name.encode()).decode() for name in ("ca", "cert", "key")}
    environ = whole(
        tmp_path / "config",
        {
            "client-certificate": "missing",
            "client-certificate-data": encoded["cert"],
            "client-key": "missing",
            "client-key-data": encoded["key"],
        },
        **{"certificate-authority": "missing", "certificate-authority-data": encoded["ca"]},
    )
    access = config.load(None, environ)
    assert access.endpoint.authority == b"ca"
    assert access.user.certificate == b"cert\nkey"


def test_paths_count_from_the_file_that_holds_them(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "a.crt").write_bytes(b"cert")
    (tmp_path / "keys" / "a.key").write_bytes(b"key")
    user = {
        "client-certificate": "keys/a.crt",
        "client-key": str(tmp_path / "keys" / "a.key"),
        "tokenFile": "token",
        "exec": {"command": "./bin/plugin", "apiVersion": "client.authentication.k8s.io/v1"},
    }
    loaded = config.load(None, whole(tmp_path / "config", user)).user
    assert loaded.certificate == b"cert\nkey"
    assert loaded.token_file == tmp_path / "token"
    assert loaded.plugin
    assert loaded.plugin.command == str(tmp_path / "bin" / "plugin")
    user = {"exec": {"command": "kubelogin", "apiVersion": "client.authentication.k8s.io/v1"}}
    loaded = config.load(None, whole(tmp_path / "config", user)).user
    assert loaded.plugin
    assert loaded.plugin.command == "kubelogin"


def test_home_is_read_where_kubeconfig_is_not_set(tmp_path: Path) -> None:
    whole(tmp_path / ".kube" / "config", {"token": "t"})
    assert config.load(None, {"HOME": str(tmp_path), "KUBECONFIG": ""}).user.token == "t"


def test_a_named_context_wins_over_the_current_one(tmp_path: Path) -> None:
    path = write(
        tmp_path / "config",
        **{"current-context": "main"},
        contexts=[entry("context", name, cluster="c", user=name) for name in ("main", "other")],
        clusters=[entry("cluster", "c", server=SERVER)],
        users=[entry("user", name, token=f"of {name}") for name in ("main", "other")],
    )
    access = config.load("other", {"KUBECONFIG": str(path)})
    assert (access.name, access.user.token) == ("other", "of other")


def test_the_context_stays_when_another_one_becomes_current(tmp_path: Path) -> None:
    environ = whole(tmp_path / "config", {"token": "old"})
    access = config.load(None, environ)
    text = (tmp_path / "config").read_text()
    rewritten = text.replace('"current-context": "main"', '"current-context": "elsewhere"')
    (tmp_path / "config").write_text(rewritten.replace("old", "new"))
    again = config.reload(access, environ)
    assert (again.name, again.user.token) == ("main", "new")


def test_credentials_never_go_over_plain_http(tmp_path: Path) -> None:
    environ = whole(tmp_path / "config", {"token": "secret"}, server="http://10.0.0.1:8001/")
    access = config.load(None, environ)
    assert access.endpoint.server == "http://10.0.0.1:8001"
    assert access.user == config.User()
    assert "expected https" in access.remark
    assert config.load(None, whole(tmp_path / "config", {"token": "secret"})).remark == ""


def test_the_cluster_entry_is_read_whole(tmp_path: Path) -> None:
    environ = whole(
        tmp_path / "config",
        {"token": "t"},
        **{
            "insecure-skip-tls-verify": True,
            "tls-server-name": "api.internal",
            "proxy-url": "http://proxy:1",
            "extensions": [
                {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "prod"}},
                {"name": "other", "extension": {}},
            ],
        },
    )
    endpoint = config.load(None, {**environ, "HTTPS_PROXY": "http://other:1"}).endpoint
    assert endpoint == config.Endpoint(
        SERVER,
        is_insecure=True,
        tls_server_name="api.internal",
        proxy="http://proxy:1",
        plugin_config={"audience": "prod"},
    )


def test_the_environment_names_the_proxy_where_the_cluster_entry_does_not(tmp_path: Path) -> None:
    environ = whole(tmp_path / "config", {"token": "t"})
    assert config.load(None, {**environ, "HTTPS_PROXY": "proxy:3128"}).endpoint.proxy == "http://proxy:3128"
    excluded = {**environ, "HTTPS_PROXY": "proxy:3128", "NO_PROXY": "10.0.0.0/8"}
    assert config.load(None, excluded).endpoint.proxy == ""


def test_what_kubectl_reads_is_read(tmp_path: Path) -> None:
    """Base64 in lines, as !!binary, and a key that is there twice, of which the last one counts: kubectl 1.32."""
    encoded = base64.b64encode(b"-----BEGIN CERTIFICATE-----" * 9).decode()
    lines = "".join(f"      {encoded[at : at + 64]}\r\n" for at in range(0, len(encoded), 64))
    binary = base64.b64encode(encoded.encode()).decode()
    for authority in (f"|\n{lines}", f"!!binary {binary}\n", f"{encoded}\n"):
        text = (
            "current-context: main\ncontexts: [{name: main, context: {cluster: c, user: u}}]\n"
            f"clusters:\n- name: c\n  cluster:\n    server: https://first\n    server: {SERVER}\n"
            f"    certificate-authority-data: {authority}users: [{{name: u, user: {{token: a, token: b}}}}]\n"
        )
        (tmp_path / "config").write_text(text, newline="")
        access = config.load(None, {"KUBECONFIG": str(tmp_path / "config")})
        assert access.endpoint.authority == b"-----BEGIN CERTIFICATE-----" * 9
        assert (access.endpoint.server, access.user.token) == (SERVER, "b")


def test_impersonation_becomes_headers(tmp_path: Path) -> None:
    user = {
        "token": "t",
        "as": "deployer",
        "as-uid": "7",
        "as-groups": ["a", "b"],
        "as-user-extra": {"reason": ["deploy"]},
    }
    assert config.load(None, whole(tmp_path / "config", user)).user.impersonation == (
        ("Impersonate-User", "deployer"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Group", "a"),
        ("Impersonate-Group", "b"),
        ("Impersonate-Extra-reason", "deploy"),
    )


def pod(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "token").write_text("t")
    (tmp_path / "ca.crt").write_bytes(b"ca")
    return {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443", "HOME": str(tmp_path)}


def test_a_pod_reaches_its_own_cluster(tmp_path: Path) -> None:
    access = config.load(None, pod(tmp_path), tmp_path)
    assert access.name == "in-cluster"
    assert access.endpoint == config.Endpoint("https://10.96.0.1:443", b"ca")
    assert access.user == config.User(token_file=tmp_path / "token")
    six = {**pod(tmp_path), "KUBERNETES_SERVICE_HOST": "fd00::1"}
    assert config.load(None, six, tmp_path).endpoint.server == "https://[fd00::1]:443"


def test_a_kubeconfig_wins_over_the_pod_unless_it_comes_later(tmp_path: Path) -> None:
    environ = pod(tmp_path)
    access = config.load(None, environ, tmp_path)
    whole(tmp_path / ".kube" / "config", {"token": "t"})
    assert config.load(None, environ, tmp_path).name == "main"
    assert config.reload(access, environ, tmp_path).name == "in-cluster"


def refusal(context: str | None, environ: Mapping[str, str], tmp_path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        config.load(context, environ, tmp_path / "nowhere")
    return caught.value.message


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    assert refusal(None, {"KUBECONFIG": str(gone)}, tmp_path) == f"KUBECONFIG: there is no file {gone}"
    assert refusal(None, {"HOME": str(tmp_path)}, tmp_path) == (
        "no Kubernetes cluster: there is no kubeconfig, and this is not a pod"
    )
    assert refusal("main", {}, tmp_path) == "context 'main': there is no kubeconfig to find it in"
    assert refusal("main", pod(tmp_path), tmp_path) == "context 'main': there is no kubeconfig to find it in"
    environ = whole(tmp_path / "config", {"token": "t"})
    assert refusal("other", environ, tmp_path) == f"{tmp_path}/config: no context 'other' (found: main)"
    write(tmp_path / "config")
    assert refusal(None, environ, tmp_path) == (
        f"{tmp_path}/config: no current-context, and --context was not given (found: none)"
    )


@pytest.mark.parametrize(
    ("user", "cluster", "message"),
    [
        ({}, {"server": ""}, "the cluster of context 'main' has no server, expected https://…"),
        ({}, {"server": "10.0.0.1:6443"}, "the cluster of context 'main' has no server, expected https://…"),
        ({"auth-provider": {"name": "gcp"}}, {}, "auth-provider was removed from Kubernetes 1.26"),
        ({"exec": {"args": ["x"]}}, {}, "exec has no command"),
        (
            {"client-key-data": "a2V5"},
            {},
            "a user has only one of client-certificate and client-key, expected both",
        ),
        (
            {"client-key-data": "secret!"},
            {},
            "client-key cannot be read: not base64 (inline)",
        ),
        ({"token": {"secret": 1}}, {}, "token is a mapping, expected a text"),
        ({"username": ["secret"]}, {}, "username is a list, expected a text"),
        (
            {"exec": {"command": "x", "env": [{"name": "A", "value": ["secret"]}]}},
            {},
            "value is a list, expected a text",
        ),
        (
            {},
            {"certificate-authority": "gone.crt"},
            "certificate-authority cannot be read: No such file or directory (gone.crt)",
        ),
    ],
)
def test_what_is_broken_is_named(
    tmp_path: Path, user: dict[str, Any], cluster: dict[str, Any], message: str
) -> None:
    environ = whole(tmp_path / "config", user, **cluster)
    assert refusal(None, environ, tmp_path) == f"{tmp_path}/config: {message}"


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ("2026-01-01", "a value of type date"),
        ("!!binary c2VjcmV0", "a value of type bytes"),
        ("!!set {a}", "a value of type set"),
        ("{[a]: b}", "a mapping"),
        ("&a [*a]", "a list"),
        (".nan", "a value of type float"),
    ],
)
def test_settings_of_a_plugin_that_no_json_can_hold(tmp_path: Path, settings: str, kind: str) -> None:
    environ = whole(
        tmp_path / "config",
        {"token": "t"},
        extensions=[{"name": "client.authentication.k8s.io/exec", "extension": "SETTINGS"}],
    )
    content = (tmp_path / "config").read_text().replace('"SETTINGS"', settings)
    (tmp_path / "config").write_text(content)
    expected = f"{tmp_path}/config: extension is {kind}, expected what JSON can hold"
    assert refusal(None, environ, tmp_path) == expected


@pytest.mark.parametrize("part", ["cluster", "user"])
def test_a_context_that_names_nothing_is_refused(tmp_path: Path, part: str) -> None:
    environ = whole(tmp_path / "config", {"token": "t"})
    parsed = json.loads((tmp_path / "config").read_text())
    parsed["contexts"][0]["context"][part] = "gone"
    (tmp_path / "config").write_text(json.dumps(parsed))
    known_name = part[0]
    assert refusal(None, environ, tmp_path) == (
        f"{tmp_path}/config: context 'main' names the {part} 'gone' (found: {known_name})"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("users: [", "not YAML, expected a kubeconfig"),
        ("users:\n- name: u\n  user: {token: secret\n", "not YAML, expected a kubeconfig"),
        ("- a list\n", "not a mapping, expected a kubeconfig"),
        ("users: 7\n", "users is no list of entries with `name` and `user`"),
        ("users: [7]\n", "users is no list of entries with `name` and `user`"),
        ("users: [{name: u, user: secret}]\n", "users is no list of entries with `name` and `user`"),
    ],
)
def test_a_file_that_is_no_kubeconfig_is_named_and_not_quoted(
    tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "config"
    path.write_text(content)
    assert refusal(None, {"KUBECONFIG": str(path)}, tmp_path) == f"{path}: {message}"


def test_no_secret_is_printed(tmp_path: Path) -> None:
    user = {
        "token": "secret-1",
        "username": "secret-2",
        "password": "secret-3",
        "client-certificate-data": base64.b64encode(b"secret-4").decode(),
        "client-key-data": base64.b64encode(b"secret-5").decode(),
        "exec": {
            "command": "plugin",
            "args": ["secret-6"],
            "env": [{"name": "KEY", "value": "secret-7"}],
        },
    }
    environ = whole(tmp_path / "config", user, **{"proxy-url": "http://me:secret-8@proxy:1"})
    access = config.load(None, environ)
    assert access.user.basic == "secret-2:secret-3"
    assert access.user.plugin
    assert access.user.plugin.environ == {"KEY": "secret-7"}
    assert "secret" not in repr(access)
