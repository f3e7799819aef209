"""Who may speak to a stack's API server: its certificate authority, and kubeconfig files for certificates and for tokens."""

import base64
import json
from collections.abc import Iterable
from pathlib import Path

from .api import Api, Object, tls_context
from .certificates import Authority, KeyPair, service_account_key

ADMINISTRATORS = "system:masters"


# What following a deploy takes, in every namespace that has a site: read the objects and logs, ask the source for a fetch.
FOLLOWER: tuple[Object, ...] = (
    {
        "apiGroups": ["source.toolkit.fluxcd.io"],
        "resources": ["gitrepositories"],
        "verbs": ["get", "list", "watch", "patch"],
    },
    {
        "apiGroups": ["kustomize.toolkit.fluxcd.io", "helm.toolkit.fluxcd.io"],
        "resources": ["kustomizations", "helmreleases"],
        "verbs": ["get", "list", "watch"],
    },
    {
        "apiGroups": ["apps", "batch"],
        "resources": ["deployments", "statefulsets", "daemonsets", "replicasets", "jobs", "cronjobs"],
        "verbs": ["get", "list", "watch"],
    },
    {"apiGroups": [""], "resources": ["pods", "events"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
)


class Access:
    """The identities of one cluster. Certificates and kubeconfig files lie in `folder`."""

    def __init__(self, folder: Path, server: str) -> None:
        folder.mkdir()
        self._folder = folder
        self._authority = Authority(folder)
        self.server = server
        self.authority = self._authority.certificate
        self.service_account_key = service_account_key(folder)

    def issue(self, name: str, *groups: str, address: str = "127.0.0.1") -> KeyPair:
        """A certificate and its key, for a server at the address and for a client of that name."""
        return self._authority.issue(name, groups=groups, address=address)

    def api(self, identity: KeyPair) -> Api:
        """A client with that certificate."""
        return Api(self.server, tls_context(self.authority, identity.certificate, identity.key))

    def kubeconfig(self, name: str, *groups: str) -> Path:
        """A kubeconfig file for a new certificate of that name."""
        pair = self.issue(name, *groups)
        user = {"client-certificate-data": _encoded(pair.certificate), "client-key-data": _encoded(pair.key)}
        return self._write(name, user)

    def account(self, api: Api, namespace: str, name: str, rules: Iterable[Object]) -> Path:
        """The kubeconfig file of a new service account that may do this and nothing else, in every namespace."""
        return self._write(name, {"token": create_account(api, namespace, name, rules)})

    def _write(self, name: str, user: Object) -> Path:
        return write_kubeconfig(self._folder, name, self.server, self.authority.read_bytes(), user)


def create_account(api: Api, namespace: str, name: str, rules: Iterable[Object]) -> str:
    """The token, good for an hour, of a new service account that may do this and nothing else, in every namespace."""
    api.create("ServiceAccount", namespace, {"metadata": {"name": name}})
    api.create("ClusterRole", "", {"metadata": {"name": name}, "rules": list(rules)})
    binding = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "namespace": namespace, "name": name}],
    }
    api.create("ClusterRoleBinding", "", binding)
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
    answer = api.request("POST", path, json={"spec": {"expirationSeconds": 3600}}).raise_for_status()
    token: str = answer.json()["status"]["token"]
    return token


def delete_account(api: Api, namespace: str, name: str) -> None:
    """Takes back what `create_account` made; absent parts are no error."""
    for kind, where in (("ClusterRoleBinding", ""), ("ClusterRole", ""), ("ServiceAccount", namespace)):
        api.delete(kind, where, name)


def write_kubeconfig(folder: Path, name: str, server: str, authority: bytes, user: Object) -> Path:
    """A kubeconfig file of one context; `authority` is PEM, empty for the system's authorities."""
    cluster = {"server": server}
    if authority:
        cluster["certificate-authority-data"] = base64.b64encode(authority).decode()
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    path = folder / f"{name.replace(':', '-')}.kubeconfig"
    path.touch(mode=0o600)
    path.write_text(json.dumps(content))
    return path


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
