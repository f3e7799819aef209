"""The Kubernetes API as the tests and the kubelet use it: plain paths, plain objects, a watch that is a loop over lines."""

import json
import ssl
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

Object = dict[str, Any]
_WATCH_S = 3600.0
_RETRY_S = 0.2

# Where the kinds that the tests speak of live: kind → (API path, plural).
KINDS = {
    "Namespace": ("/api/v1", "namespaces"),
    "Node": ("/api/v1", "nodes"),
    "Pod": ("/api/v1", "pods"),
    "Event": ("/api/v1", "events"),
    "Service": ("/api/v1", "services"),
    "Secret": ("/api/v1", "secrets"),
    "ConfigMap": ("/api/v1", "configmaps"),
    "ServiceAccount": ("/api/v1", "serviceaccounts"),
    "ResourceQuota": ("/api/v1", "resourcequotas"),
    "Deployment": ("/apis/apps/v1", "deployments"),
    "ReplicaSet": ("/apis/apps/v1", "replicasets"),
    "StatefulSet": ("/apis/apps/v1", "statefulsets"),
    "DaemonSet": ("/apis/apps/v1", "daemonsets"),
    "Job": ("/apis/batch/v1", "jobs"),
    "CronJob": ("/apis/batch/v1", "cronjobs"),
    "ClusterRole": ("/apis/rbac.authorization.k8s.io/v1", "clusterroles"),
    "ClusterRoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "clusterrolebindings"),
    "CustomResourceDefinition": ("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions"),
    "GitRepository": ("/apis/source.toolkit.fluxcd.io/v1", "gitrepositories"),
    "ExternalArtifact": ("/apis/source.toolkit.fluxcd.io/v1", "externalartifacts"),
    "ArtifactGenerator": ("/apis/source.extensions.fluxcd.io/v1beta1", "artifactgenerators"),
    "HelmChart": ("/apis/source.toolkit.fluxcd.io/v1", "helmcharts"),
    "OCIRepository": ("/apis/source.toolkit.fluxcd.io/v1", "ocirepositories"),
    "HelmRepository": ("/apis/source.toolkit.fluxcd.io/v1", "helmrepositories"),
    "Kustomization": ("/apis/kustomize.toolkit.fluxcd.io/v1", "kustomizations"),
    "HelmRelease": ("/apis/helm.toolkit.fluxcd.io/v2", "helmreleases"),
    "Provider": ("/apis/notification.toolkit.fluxcd.io/v1beta3", "providers"),
    "Alert": ("/apis/notification.toolkit.fluxcd.io/v1beta3", "alerts"),
    "Receiver": ("/apis/notification.toolkit.fluxcd.io/v1", "receivers"),
    "ExternalSecret": ("/apis/external-secrets.io/v1", "externalsecrets"),
    "ClusterSecretStore": ("/apis/external-secrets.io/v1", "clustersecretstores"),
    "Canary": ("/apis/flagger.app/v1beta1", "canaries"),
    "Rollout": ("/apis/argoproj.io/v1alpha1", "rollouts"),
    "Ingress": ("/apis/networking.k8s.io/v1", "ingresses"),
    "IngressRoute": ("/apis/traefik.io/v1alpha1", "ingressroutes"),
}


def path_of(kind: str, namespace: str = "", name: str = "") -> str:
    """The path of one object, of all objects in a namespace, or of all objects of the kind."""
    group, plural = KINDS[kind]
    path = f"{group}/namespaces/{namespace}/{plural}" if namespace else f"{group}/{plural}"
    return f"{path}/{name}" if name else path


def tls_context(authority: Path, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """Trusts this authority alone; presents the client's certificate if there is one."""
    context = ssl.create_default_context(cafile=authority)
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


class _Patient(httpx.BaseTransport):
    """Asks again while the server is away, overloaded or not ready for us, for at most `patience_s`."""

    def __init__(self, transport: httpx.HTTPTransport, patience_s: float) -> None:
        self._transport = transport
        self._patience_s = patience_s

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        deadline = time.monotonic() + self._patience_s
        while True:
            try:
                answer = self._transport.handle_request(request)
            except httpx.TransportError:
                if time.monotonic() >= deadline:
                    raise
            else:
                if time.monotonic() >= deadline or not _may_pass(answer):
                    return answer
                answer.close()
            time.sleep(_RETRY_S)

    def close(self) -> None:
        self._transport.close()


def _may_pass(answer: httpx.Response) -> bool:
    """Overloaded, or not aware of our rights yet: a server that has just started refuses what it will allow in a moment."""
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return b"NamespaceTerminating" not in answer.read()
    return answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error


class Api:
    """A client of one API server for one identity. Answers that are not 2xx raise httpx.HTTPStatusError.

    With `patience_s` it outlives a restart of the server: requests are made again until then.
    """

    def __init__(
        self, server: str, context: ssl.SSLContext, *, token: str = "", patience_s: float = 0.0
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        transport = _Patient(httpx.HTTPTransport(verify=context), patience_s)
        self._http = httpx.Client(base_url=server, transport=transport, headers=headers, timeout=10.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """The answer as it came, whatever its status."""
        return self._http.request(method, path, **arguments)

    def healthy(self, path: str = "/readyz") -> bool:
        """Whether the server answers 200 there; no answer is a no."""
        try:
            return self._http.get(path, timeout=2.0).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def find(self, kind: str, namespace: str, name: str) -> Object | None:
        """The object, or None where there is none."""
        answer = self._http.get(path_of(kind, namespace, name))
        return None if answer.status_code == httpx.codes.NOT_FOUND else _object(answer)

    def list(self, kind: str, namespace: str = "", **query: str) -> list[Object]:
        """All objects of the kind."""
        items: list[Object] = _object(self._http.get(path_of(kind, namespace), params=query))["items"]
        return items

    def create(self, kind: str, namespace: str, body: Mapping[str, Any]) -> Object:
        return _object(self._http.post(path_of(kind, namespace), json=body))

    def create_yaml(self, kind: str, text: str) -> Object:
        """Creates a cluster-scoped object from its manifest, read by the API server itself."""
        return _object(
            self._http.post(
                path_of(kind), content=text.encode(), headers={"Content-Type": "application/yaml"}
            )
        )

    def apply(self, kind: str, namespace: str, name: str, body: Mapping[str, Any]) -> Object:
        """Server-side apply."""
        return _object(
            self._http.patch(
                path_of(kind, namespace, name),
                params={"fieldManager": "bump-e2e", "force": "true"},
                content=json.dumps(body).encode(),
                headers={"Content-Type": "application/apply-patch+yaml"},
            )
        )

    def merge(
        self, kind: str, namespace: str, name: str, patch: Mapping[str, Any], subresource: str = ""
    ) -> Object:
        """Merge patch: null removes a field."""
        path = path_of(kind, namespace, name) + (f"/{subresource}" if subresource else "")
        return _object(
            self._http.patch(
                path,
                content=json.dumps(patch).encode(),
                headers={"Content-Type": "application/merge-patch+json"},
            )
        )

    def delete(self, kind: str, namespace: str, name: str) -> None:
        answer = self._http.delete(path_of(kind, namespace, name))
        if answer.status_code != httpx.codes.NOT_FOUND:
            answer.raise_for_status()

    def watch(self, path: str, resource_version: str, **query: str) -> Iterator[Object]:
        """The watch events as the server sends them, until it ends the stream."""
        params = {"watch": "1", "resourceVersion": resource_version, "allowWatchBookmarks": "true", **query}
        timeout = httpx.Timeout(10.0, read=_WATCH_S)
        with self._http.stream("GET", path, params=params, timeout=timeout) as answer:
            answer.raise_for_status()
            for line in answer.iter_lines():
                yield json.loads(line)


def _object(answer: httpx.Response) -> Object:
    if answer.is_error:
        raise httpx.HTTPStatusError(
            f"{answer.status_code} {answer.request.method} {answer.request.url}: {answer.text[:500]}",
            request=answer.request,
            response=answer,
        )
    content: Object = answer.json()
    return content
