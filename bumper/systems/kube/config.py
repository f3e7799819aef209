"""Which cluster to talk to and who we are there: from kubeconfig files, or from the pod that we run in.

Law: whatever kubectl reaches, and as whom, is what we reach. The first file that names a cluster, user, context or current context
wins; relative paths count from the file that holds them; contents written inline win over files. Where kubectl would ask a person,
or fall back to localhost:8080, we refuse.
Source: client-go 0.35.3, tools/clientcmd (loader.go, client_config.go) and rest/config.go.
"""

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import YAMLError

from bumper.dataclasses import dataclass, field
from bumper.errors import ClusterMissing, NotYaml, UsageError
from bumper.manifest.yamltext import UNREADABLE, compose, require_few_values
from bumper.systems.file import content, is_missing, is_there
from bumper.systems.kube.proxy import proxy_for

IN_CLUSTER = "in-cluster"
# A kubeconfig of a hundred clusters is half of it; etcd keeps no larger Secret.
_MOST_BYTES = 1_000_000
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
# The extension of a cluster entry that a credential plugin may read its settings from.
_PLUGIN_EXTENSION = "client.authentication.k8s.io/exec"
_WITHOUT_TLS = (
    "the server's address is http, where no credential is sent (kubectl sends none either): expected https"
)
_HINT = "set KUBECONFIG, or name a context with --context"


@dataclass(frozen=True)
class Endpoint:
    """The API server. `authority` is PEM, empty for the system's authorities; `proxy` a URL, empty for none."""

    server: str
    authority: bytes = b""
    is_insecure: bool = False
    tls_server_name: str = ""
    proxy: str = field(default="", repr=False)
    plugin_config: Any = None


@dataclass(frozen=True)
class Plugin:
    """A program that prints credentials (`exec` in a kubeconfig)."""

    command: str
    arguments: tuple[str, ...] = field(default=(), repr=False)
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    api_version: str = ""
    install_hint: str = ""
    interactive_mode: str = ""
    wants_cluster: bool = False


@dataclass(frozen=True)
class User:
    """Who we are. `certificate` is PEM, the chain and then its key. Nothing of it is printed."""

    token: str = field(default="", repr=False)
    token_file: Path | None = None
    certificate: bytes = field(default=b"", repr=False)
    basic: str = field(default="", repr=False)
    plugin: Plugin | None = None
    impersonation: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Access:
    """One context. `name` is the context's; that of the pod we run in is `in-cluster`.

    `remark` is what to say to whoever has no access there.
    """

    name: str
    endpoint: Endpoint
    user: User
    is_pod: bool = False
    remark: str = ""


@dataclass(frozen=True)
class _Entry:
    """A cluster, user or context with the file that it stands in."""

    value: Mapping[str, Any]
    file: Path

    def text(self, key: str) -> str:
        setting = self.value.get(key)
        if isinstance(setting, bytes):  # !!binary, whose content is the text
            return setting.decode("utf-8", "replace")
        if isinstance(setting, Mapping | list | tuple | set):
            raise self._misshapen(key, "a text")
        return "" if setting is None else str(setting)

    def json(self, key: str) -> Any:
        """What stands under the key, which JSON must be able to hold."""
        try:
            # As client-go writes it for a plugin.
            json.dumps(self.value.get(key), allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            raise self._misshapen(key, "what JSON can hold") from None
        return self.value.get(key)

    def mapping(self, key: str) -> Mapping[Any, Any]:
        """What stands under the key, which must be a mapping; an empty one where nothing does."""
        value = self.value.get(key) or {}
        if not isinstance(value, Mapping):
            raise self._misshapen(key, "a mapping")
        return value

    def entries(self, key: str) -> list[Mapping[str, Any]]:
        """The mappings of the list under the key."""
        value = self.value.get(key) or []
        if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in value):
            raise self._misshapen(key, "a list of mappings")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """The texts of the list under the key; numbers and the like as they are written."""
        value = self.value.get(key) or []
        if not isinstance(value, list) or any(
            isinstance(entry, Mapping | list | tuple | set) for entry in value
        ):
            raise self._misshapen(key, "a list of texts")
        return tuple(map(str, value))

    def _misshapen(self, key: str, expected: str) -> UsageError:
        # What stands there instead may be a secret.
        kind = type(self.value[key]).__name__
        kind = {"str": "a text", "list": "a list", "dict": "a mapping"}.get(kind, f"a value of type {kind}")
        return UsageError(f"{self.file}: {key} is {kind}, expected {expected}")

    def path(self, key: str) -> Path | None:
        return self.file.parent / self.text(key) if self.text(key) else None

    def content(self, key: str) -> bytes:
        """What `<key>-data` holds in base64, or else the file that `<key>` names."""
        inline = self.text(f"{key}-data")
        try:
            if inline:
                # Go's decoder passes line breaks over, and nothing else.
                return base64.b64decode(inline.replace("\r", "").replace("\n", ""), validate=True)
            path = self.path(key)
            return content(path, _MOST_BYTES) if path else b""
        except (OSError, ValueError) as error:  # the second, too, for letters that are not ASCII
            reason = error.strerror if isinstance(error, OSError) else "not base64"
            raise UsageError(
                f"{self.file}: {key} cannot be read: {reason} ({self.text(key) or 'inline'})"
            ) from None


def load(context: str | None, environ: Mapping[str, str], service_account: Path = SERVICE_ACCOUNT) -> Access:
    """The access that `context` names, the current context for None, or the pod's own where there is no kubeconfig.

    Raises `UsageError` for files, contexts and entries that are missing or broken.
    """
    files = _files(environ)
    present = [path for path in files if _counts(path, environ)]
    if not present and environ.get("KUBECONFIG"):
        named = ", ".join(map(str, files))
        raise ClusterMissing(f"KUBECONFIG: there is no file {named}", hint=_HINT)
    if not present:
        return _without_kubeconfig(context, environ, service_account)
    merged = _Merged(present)
    name = context or merged.current
    if name not in merged.contexts:
        contexts = ", ".join(merged.contexts) or "none"
        what = f"no context '{name}'" if name else "no current-context, and --context was not given"
        raise UsageError(f"{', '.join(map(str, present))}: {what} (found: {contexts})", hint=_HINT)
    return merged.access(name, environ)


def reload(access: Access, environ: Mapping[str, str], service_account: Path = SERVICE_ACCOUNT) -> Access:
    """The same context as its files are now, though another one may have become the current context."""
    if access.is_pod:
        return _without_kubeconfig(None, environ, service_account)
    return load(access.name, environ, service_account)


def _files(environ: Mapping[str, str]) -> list[Path]:
    if environ.get("KUBECONFIG"):
        return [Path(part) for part in environ["KUBECONFIG"].split(os.pathsep) if part]
    return [Path(environ["HOME"]) / ".kube" / "config"] if environ.get("HOME") else []


def _counts(path: Path, environ: Mapping[str, str]) -> bool:
    """Whether there is a kubeconfig at the path: of one that somebody named it is an error that it can't be looked at."""
    return not is_missing(path) if environ.get("KUBECONFIG") else is_there(path)


def _without_kubeconfig(context: str | None, environ: Mapping[str, str], service_account: Path) -> Access:
    if context:
        raise UsageError(f"context '{context}': there is no kubeconfig to find it in", hint=_HINT)
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT")
    token_file = service_account / "token"
    if not (host and port and is_there(token_file)):
        raise ClusterMissing(
            "no Kubernetes cluster: there is no kubeconfig, and this is not a pod", hint=_HINT
        )
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    authority = service_account / "ca.crt"
    endpoint = Endpoint(
        server,
        content(authority, _MOST_BYTES) if is_there(authority) else b"",
        proxy=proxy_for(server, environ),
    )
    return Access(IN_CLUSTER, endpoint, User(token_file=token_file), is_pod=True)


class _Merged:
    """All files as one."""

    def __init__(self, files: list[Path]) -> None:
        self.current = ""
        self.contexts: dict[str, _Entry] = {}
        self._clusters: dict[str, _Entry] = {}
        self._users: dict[str, _Entry] = {}
        for file in files:
            config = _parse(file)
            self.current = self.current or str(config.get("current-context") or "")
            for kind, known in (
                ("context", self.contexts),
                ("cluster", self._clusters),
                ("user", self._users),
            ):
                for name, value in _named(config, kind, file):
                    known.setdefault(name, _Entry(value, file))

    def access(self, name: str, environ: Mapping[str, str]) -> Access:
        context = self.contexts[name]
        cluster = self._of(context, name, "cluster", self._clusters)
        if not cluster.text("server").startswith(("https://", "http://")):
            raise UsageError(
                f"{cluster.file}: the cluster of context '{name}' has no server, expected https://…"
            )
        endpoint = _endpoint(cluster, environ)
        # A token on plain http could be read on its way: client-go leaves the user out too.
        if not context.text("user"):
            return Access(name, endpoint, User())
        if not endpoint.server.startswith("https://"):
            return Access(name, endpoint, User(), remark=_WITHOUT_TLS)
        return Access(name, endpoint, _user(self._of(context, name, "user", self._users)))

    def _of(self, context: _Entry, name: str, kind: str, known: Mapping[str, _Entry]) -> _Entry:
        wanted = context.text(kind)
        if wanted not in known:
            names = ", ".join(known) or "none"
            raise UsageError(f"{context.file}: context '{name}' names the {kind} '{wanted}' (found: {names})")
        return known[wanted]


def _parse(file: Path) -> Mapping[str, Any]:
    try:
        read = content(file, _MOST_BYTES)
        source = compose(read, str(file))
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}, expected a kubeconfig") from None
    except NotYaml:
        raise _not_yaml(file) from None
    try:
        require_few_values(source)
        config = _reader().load(read)
    except NotYaml as error:
        raise UsageError(error.message, hint=error.hint) from None
    except (YAMLError, *UNREADABLE, TypeError, AttributeError, KeyError):
        raise _not_yaml(file) from None
    if config is not None and not isinstance(config, Mapping):
        raise UsageError(f"{file}: not a mapping, expected a kubeconfig")
    return config or {}


class _LastWins(SafeConstructor):
    """Of a key that is there twice the last one counts, as for kubectl."""

    def check_mapping_key(self, node: Any, key_node: Any, mapping: Any, key: Any, value: Any) -> bool:
        return True


def _reader() -> YAML:
    reader = YAML(typ="safe")
    reader.Constructor = _LastWins
    return reader


def _not_yaml(file: Path) -> UsageError:
    # The parser's own message would quote the line, and with it perhaps a token.
    return UsageError(
        f"{file}: not YAML, expected a kubeconfig",
        hint="correct it: kubectl config view says where it breaks",
    )


def _named(config: Mapping[str, Any], kind: str, file: Path) -> list[tuple[str, Mapping[str, Any]]]:
    entries = config.get(f"{kind}s") or []
    try:
        pairs = [(str(entry["name"]), entry.get(kind) or {}) for entry in entries]
    except (TypeError, KeyError, AttributeError):
        pairs = [("", None)]
    if not all(isinstance(value, Mapping) for _, value in pairs):
        raise UsageError(f"{file}: {kind}s is no list of entries with `name` and `{kind}`")
    return pairs


def _endpoint(cluster: _Entry, environ: Mapping[str, str]) -> Endpoint:
    server = cluster.text("server").rstrip("/")
    config = next(
        (
            _Entry(extension, cluster.file).json("extension")
            for extension in cluster.entries("extensions")
            if extension.get("name") == _PLUGIN_EXTENSION
        ),
        None,
    )
    return Endpoint(
        server=server,
        authority=cluster.content("certificate-authority"),
        is_insecure=cluster.value.get("insecure-skip-tls-verify") is True,
        tls_server_name=cluster.text("tls-server-name"),
        proxy=cluster.text("proxy-url") or proxy_for(server, environ),
        plugin_config=config,
    )


def _user(user: _Entry) -> User:
    if "auth-provider" in user.value:
        raise UsageError(
            f"{user.file}: auth-provider was removed from Kubernetes 1.26",
            hint="use a credential plugin (`exec`) or a token",
        )
    certificate, key = user.content("client-certificate"), user.content("client-key")
    if bool(certificate) != bool(key):
        raise UsageError(
            f"{user.file}: a user has only one of client-certificate and client-key, expected both"
        )
    name, password = user.text("username"), user.text("password")
    return User(
        token=user.text("token").strip(),
        token_file=user.path("tokenFile"),
        certificate=certificate.rstrip() + b"\n" + key if key else b"",
        basic=f"{name}:{password}" if name else "",
        plugin=_plugin(user) if user.value.get("exec") else None,
        impersonation=_impersonation(user),
    )


def _plugin(user: _Entry) -> Plugin:
    settings = _Entry(user.mapping("exec"), user.file)
    command = settings.text("command")
    if not command:
        raise UsageError(f"{user.file}: exec has no command")
    # A bare name is looked up in PATH; anything with a slash is a path.
    path = user.file.parent / command if os.sep in command else Path(command)
    return Plugin(
        command=str(path),
        arguments=settings.texts("args"),
        environ={
            variable.text("name"): variable.text("value")
            for variable in (_Entry(entry, user.file) for entry in settings.entries("env"))
        },
        api_version=settings.text("apiVersion"),
        install_hint=settings.text("installHint"),
        interactive_mode=settings.text("interactiveMode"),
        wants_cluster=settings.value.get("provideClusterInfo") is True,
    )


def _impersonation(user: _Entry) -> tuple[tuple[str, str], ...]:
    if not user.text("as"):
        return ()
    headers = [("Impersonate-User", user.text("as"))]
    if user.text("as-uid"):
        headers.append(("Impersonate-Uid", user.text("as-uid")))
    headers += [("Impersonate-Group", group) for group in user.texts("as-groups")]
    extra = _Entry(user.mapping("as-user-extra"), user.file)
    headers += [(f"Impersonate-Extra-{key}", value) for key in extra.value for value in extra.texts(key)]
    return tuple(headers)
