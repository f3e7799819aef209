"""Small platforms made for one scenario, laid out as our own tree is, each beside the others in one stack."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.compat import StringIO

from .platforms import Platform
from .repository import Repository
from .stack import FLUX_NAMESPACE

# A chart with a Deployment and, where its values ask for it, a hook before each upgrade that runs the same image to an end.
CHART = {
    "charts/web/Chart.yaml": b"apiVersion: v2\nname: web\nversion: 0.1.0\n",
    "charts/web/values.yaml": b"image: {repository: '', tag: ''}\nreplicas: 1\nmigrates: false\n",
    "charts/web/templates/deployment.yaml": b"""apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  replicas: {{ .Values.replicas }}
  selector:
    matchLabels: {app: {{ .Release.Name }}}
  template:
    metadata:
      labels: {app: {{ .Release.Name }}}
    spec:
      containers:
        - name: web
          image: "{{ .Values.image.repository }}:{{ .Values.image.tag }}"
          readinessProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 5}
""",
    "charts/web/templates/migration.yaml": b"""{{- if .Values.migrates }}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-migrate
  annotations:
    helm.sh/hook: pre-upgrade
    helm.sh/hook-delete-policy: before-hook-creation
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: migrate
          image: "{{ .Values.image.repository }}:{{ .Values.image.tag }}"
          env: [{name: E2E_JOB, value: "1"}]
{{- end }}
""",
}


@dataclass(frozen=True)
class Site:
    """A site of the fleet: what its Kustomization, its Deployment (None leaves a field out) and the container in it have beyond the
    minimum. `workload`, apiVersion and kind, may be another one with a Deployment's fields.

    With `release` it is a HelmRelease of our own chart instead, and this is what its spec has beyond the minimum.
    """

    name: str
    tag: str = "1.0.0"
    kustomization: Mapping[str, Any] = field(default_factory=dict)
    deployment: Mapping[str, Any] = field(default_factory=dict)
    container: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)  # further manifests of the site, by file name
    release: Mapping[str, Any] | None = None
    workload: tuple[str, str] = ("apps/v1", "Deployment")
    image: Mapping[str, Any] = field(default_factory=dict)  # how its first image behaves


def fleet(
    stack: Platform,
    name: str,
    sites: Iterable[Site],
    *,
    source: Mapping[str, Any] | None = None,
    owner: str = "",
) -> Repository:
    """The repository `name`, or `owner/name`, bootstrapped: its GitRepository is `name`, its root Kustomization `fleet-name`."""
    place = f"{owner}/{name}" if owner else name
    fleet_sites = list(sites)
    flux = "k8s/flux-system"
    files = {
        f"{flux}/kustomization.yaml": _yaml(
            {"resources": ["gotk-sync.yaml", *(f"{site.name}-sync.yaml" for site in fleet_sites)]}
        ),
        f"{flux}/gotk-sync.yaml": _yaml(
            _source(stack, name, place, source or {}), _kustomization(f"fleet-{name}", name, flux, {})
        ),
    }
    for site in fleet_sites:
        stack.images.push(site.name, site.tag, **site.image)
        folder = f"k8s/{site.name}"
        files[f"{flux}/{site.name}-sync.yaml"] = _yaml(
            _kustomization(site.name, name, folder, site.kustomization)
        )
        files[f"{folder}/namespace.yaml"] = _yaml(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": site.name}}
        )
        if site.release is None:
            files[f"{folder}/deployment.yaml"] = _yaml(_deployment(stack, site))
        else:
            files[f"{folder}/release.yaml"] = _yaml(_release(stack, name, site, site.release))
            files |= CHART
        files |= {f"{folder}/{file}": text.encode() for file, text in site.files.items()}
    repository = Repository(stack, place, files)
    repository.bootstrap(secret=name)  # a cluster may have a Secret `flux-system` that is not ours
    return repository


def _source(stack: Platform, name: str, place: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": {"name": name, "namespace": FLUX_NAMESPACE},
        "spec": {
            "interval": "1m0s",
            "ref": {"branch": "main"},
            "secretRef": {"name": name},
            "url": f"{stack.git.url}/{place}.git",
            **spec,
        },
    }


def _kustomization(name: str, source: str, path: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": name, "namespace": FLUX_NAMESPACE},
        "spec": {
            "interval": "10m0s",
            "path": f"./{path}",
            "prune": True,
            "sourceRef": {"kind": "GitRepository", "name": source},
            **spec,
        },
    }


def _deployment(stack: Platform, site: Site) -> dict[str, Any]:
    labels = {"app": site.name}
    container = {
        "name": site.name,
        "image": f"{stack.registry}/{site.name}:{site.tag}",
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 5},
        **site.container,
    }
    spec = {
        "replicas": 1,
        "selector": {"matchLabels": dict(labels)},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        **site.deployment,
    }
    return {
        "apiVersion": site.workload[0],
        "kind": site.workload[1],
        "metadata": {"name": site.name, "namespace": site.name},
        "spec": {key: value for key, value in spec.items() if value is not None},
    }


def _release(stack: Platform, source: str, site: Site, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Image and tag stand in its values, in two fields, as in most charts."""
    chart = {"chart": "./charts/web", "sourceRef": _reference(source)}
    return {
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "metadata": {"name": site.name, "namespace": site.name},
        "spec": {
            "interval": "10m0s",
            "chart": {"spec": {**chart, "interval": "10m0s"}},
            **spec,
            "values": {
                "image": {"repository": f"{stack.registry}/{site.name}", "tag": site.tag},
                **(spec.get("values") or {}),
            },
        },
    }


def _reference(source: str) -> dict[str, str]:
    return {"kind": "GitRepository", "name": source, "namespace": FLUX_NAMESPACE}


def _yaml(*objects: Mapping[str, Any]) -> bytes:
    writer = YAML(typ="rt")
    stream = StringIO()
    writer.dump_all(objects, stream)
    return str(stream.getvalue()).encode()
