"""What must agree inside k8s/, one function each: a tree in, complaints out (none where all is well)."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
from ruamel.yaml import YAML

ROOT = "k8s/flux-system"
GENERATED = "gotk-components.yaml"
KUBERNETES = "1.35"
BUILT_IN = ("v1", "apps/v1")
CLUSTER_SCOPED = ("Namespace", "ClusterSecretStore")
NODE = {"role": "observability"}
# What Helm made of our values: each chart's version, its Services, where it takes the node selector of its pods (sub-charts included),
# and of which of them it runs one on every node.
CHARTS: list[dict[str, Any]] = YAML(typ="safe").load(
    (Path(__file__).parent / "data" / "charts.yaml").read_text(encoding="utf-8")
)
# What each controller writes once an object is as it should be, and once it is not (their sources, as of Flux 2.9.3).
DONE = (
    "Reconciliation finished in",
    "release in-sync with desired state",
    "artifact up-to-date with remote revision",
    "stored artifact",
)
FAILED = ("Reconciliation failed after", "Reconciler error")
_RANGE = re.compile(r">=(\d+)\.(\d+)\.(\d+) <(\d+)\.0\.0")

Files = Mapping[str, bytes]
Check = Callable[["Tree"], Iterator[str]]


@dataclass(frozen=True, eq=False)
class Document:
    """One YAML document and the file it stands in."""

    path: str
    body: dict[str, Any]

    @property
    def directory(self) -> str:
        return str(PurePosixPath(self.path).parent)

    @property
    def kind(self) -> str:
        return str(self.body["kind"])

    @property
    def name(self) -> str:
        return str(self.body.get("metadata", {}).get("name", ""))

    @property
    def namespace(self) -> str:
        return str(self.body.get("metadata", {}).get("namespace", ""))

    @property
    def spec(self) -> dict[str, Any]:
        spec: dict[str, Any] = self.body["spec"]
        return spec

    @property
    def is_flux(self) -> bool:
        return str(self.body["apiVersion"]).startswith("kustomize.toolkit.fluxcd.io/")


@dataclass(frozen=True)
class Tree:
    """All files below k8s/ by path, and their documents."""

    files: Files
    documents: tuple[Document, ...]

    def of(self, kind: str, directory: str = "") -> Iterator[Document]:
        """The documents of a kind, of one directory if it is named; a Flux Kustomization is not kustomize's."""
        for document in self.documents:
            if (
                document.kind == kind
                and directory in ("", document.directory)
                and (kind != "Kustomization" or document.is_flux)
            ):
                yield document

    def value(self, kind: str, name: str, path: str) -> Any:
        """What stands under a dotted path of a named object, None where nothing does; a key with a dot is not reached."""
        value: Any = next((document.body for document in self.of(kind) if document.name == name), None)
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return value


def parse(files: Files) -> Tree:
    """The tree of these files, keyed by their path from the repository's root."""
    return Tree(
        files,
        tuple(document for path, content in sorted(files.items()) for document in _documents(path, content)),
    )


@cache  # a broken copy differs from the tree in one file
def _documents(path: str, content: bytes) -> tuple[Document, ...]:
    return tuple(Document(path, body) for body in YAML(typ="safe").load_all(content) if body)


def paths_exist(tree: Tree) -> Iterator[str]:
    directories = {document.directory for document in tree.documents}
    reached = {_directory(kustomization) for kustomization in tree.of("Kustomization")}
    for kustomization in tree.of("Kustomization"):
        if _directory(kustomization) not in directories:
            yield f"{kustomization.path}: {kustomization.name} has path {kustomization.spec['path']}, which does not exist"
    for orphan in sorted(directories - reached):
        yield f"{orphan}: no Kustomization has this path"


def resources_are_listed(tree: Tree) -> Iterator[str]:
    listing = f"{ROOT}/kustomization.yaml"
    listed = next(document.body["resources"] for document in tree.documents if document.path == listing)
    there = {PurePosixPath(path).name for path in tree.files if path.startswith(f"{ROOT}/")}
    expected = there - {"kustomization.yaml"} | {GENERATED}
    for name, times in Counter(listed).items():
        if times > 1:
            yield f"{listing}: {name} is listed twice"
        if name not in expected:
            yield f"{listing}: {name} does not exist"
    yield from (f"{listing}: {name} is not listed" for name in sorted(expected - set(listed)))
    if GENERATED in there:
        yield f"{ROOT}/{GENERATED}: generated by Flux, must not be committed here"


def kustomizations_agree(tree: Tree) -> Iterator[str]:
    sources = {
        (repository.kind, repository.namespace, repository.name) for repository in tree.of("GitRepository")
    }
    for kustomization in tree.of("Kustomization"):
        source = kustomization.spec["sourceRef"]
        if (source["kind"], source.get("namespace", kustomization.namespace), source["name"]) not in sources:
            yield f"{kustomization.path}: {kustomization.name} names a source that does not exist: {source['name']}"
        if kustomization.namespace != "flux-system":
            yield f"{kustomization.path}: {kustomization.name} is in namespace {kustomization.namespace}, expected flux-system"
        if PurePosixPath(_directory(kustomization)).name != kustomization.name:
            path = kustomization.spec["path"]
            yield f"{kustomization.path}: {kustomization.name} has path {path}, expected ./k8s/{kustomization.name}"
        if not kustomization.path.endswith(("/gotk-sync.yaml", f"/{kustomization.name}-sync.yaml")):
            yield f"{kustomization.path}: holds {kustomization.name}, expected in {kustomization.name}-sync.yaml"
        if kustomization.spec.get("prune") is not True or kustomization.spec.get("interval") != "10m0s":
            yield f"{kustomization.path}: {kustomization.name} must prune and have interval 10m0s"


def dependencies_are_sound(tree: Tree) -> Iterator[str]:
    depends = {
        kustomization.name: [entry["name"] for entry in kustomization.spec.get("dependsOn", ())]
        for kustomization in tree.of("Kustomization")
    }
    for name, wanted in depends.items():
        yield from (
            f"{name} depends on {other}, which does not exist" for other in wanted if other not in depends
        )
    settled: set[str] = set()
    while ready := [
        name for name, wanted in depends.items() if name not in settled and not set(wanted) - settled
    ]:
        settled.update(ready)
    if waiting := sorted(set(depends) - settled):
        yield f"never ready, since they depend on each other or on nothing that exists: {', '.join(waiting)}"


def objects_are_unique(tree: Tree) -> Iterator[str]:
    first: dict[tuple[str, ...], str] = {}
    for document in tree.documents:
        key = (
            str(document.body["apiVersion"]).partition("/")[0],
            document.kind,
            document.namespace,
            document.name,
        )
        if document.name and key in first:
            yield f"{document.path}: {document.kind} {document.name} stands in {first[key]} too"
        first.setdefault(key, document.path)


def namespaces_agree(tree: Tree) -> Iterator[str]:
    for document in tree.documents:
        if document.directory == ROOT:
            continue
        names = [namespace.name for namespace in tree.of("Namespace", document.directory)]
        if document.kind in CLUSTER_SCOPED:
            if document.namespace:
                yield f"{document.path}: {document.kind} has no namespace, found {document.namespace}"
        elif document.namespace not in names:
            yield f"{document.path}: {document.kind} is in namespace {document.namespace}, but {document.directory} makes {names}"


def wiring_agrees(tree: Tree) -> Iterator[str]:
    for deployment in tree.of("Deployment"):
        pod = deployment.spec["template"]
        labels = pod["metadata"]["labels"]
        if deployment.spec["selector"]["matchLabels"] != labels:
            yield f"{deployment.path}: the selector is not the pod's labels {labels}"
        ports = [
            port["containerPort"] for container in pod["spec"]["containers"] for port in container["ports"]
        ]
        for container in pod["spec"]["containers"]:
            for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
                port = container.get(probe, {}).get("httpGet", {}).get("port", ports[0])
                if port not in ports:
                    yield f"{deployment.path}: {probe} asks port {port}, the container has {ports}"
        for service in tree.of("Service", deployment.directory):
            if not service.spec["selector"].items() <= labels.items():
                yield f"{service.path}: selects {service.spec['selector']}, the pods have {labels}"
            for port in service.spec["ports"]:
                if port["targetPort"] not in ports:
                    yield f"{service.path}: leads to port {port['targetPort']}, the container has {ports}"
    for route in tree.of("IngressRoute"):
        # Grafana's Service is the chart's.
        services = {
            service.name: [port["port"] for port in service.spec["ports"]]
            for service in tree.of("Service", route.directory)
        }
        releases = {release.name: [80] for release in tree.of("HelmRelease", route.directory)}
        for backend in (backend for rule in route.spec["routes"] for backend in rule["services"]):
            if backend["port"] not in (services | releases).get(backend["name"], []):
                yield f"{route.path}: no Service {backend['name']} with port {backend['port']} in {route.directory}"
        if route.spec["entryPoints"] != ["websecure"] or route.spec.get("tls") != {}:
            yield f"{route.path}: expected entry point websecure with the default TLS options"


def hosts(tree: Tree) -> dict[str, list[str]]:
    """The hosts of every directory that has a route."""
    return {
        route.directory: [
            host for rule in route.spec["routes"] for host in re.findall(r"Host\(`([^`]+)`\)", rule["match"])
        ]
        for route in tree.of("IngressRoute")
    }


def hosts_are_unique(tree: Tree) -> Iterator[str]:
    for host, times in Counter(host for routed in hosts(tree).values() for host in routed).items():
        if times > 1:
            yield f"{host} is routed {times} times"


def built_in_kinds_validate(tree: Tree) -> Iterator[str]:
    for document in tree.documents:
        if document.body["apiVersion"] in BUILT_IN:
            yield from _schema_problems(document)


@cache
def _schema_problems(document: Document) -> tuple[str, ...]:
    try:
        kubernetes_validate.validate(document.body, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        return (f"{document.path}: {'.'.join(map(str, error.path))}: {error.message}",)
    return ()


def releases_agree(tree: Tree) -> Iterator[str]:
    repositories = {
        (repository.namespace, repository.name): repository.spec["url"]
        for repository in tree.of("HelmRepository")
    }
    recorded = {chart["chart"]: chart for chart in CHARTS}
    for release in tree.of("HelmRelease"):
        chart = release.spec["chart"]["spec"]
        url = repositories.get((release.namespace, chart["sourceRef"]["name"]))
        if url is None:
            yield f"{release.path}: no HelmRepository {chart['sourceRef']['name']} in {release.namespace}"
        rendered = recorded[chart["chart"]]
        if url not in (None, rendered["repository"]):
            yield f"{release.path}: {chart['chart']} comes from {url}, what is known of it from {rendered['repository']}"
        # Charts below 1.0 have a minor release a week: a range up to the next one delivers nothing.
        match = _RANGE.fullmatch(chart["version"])
        if not match or int(match[4]) != int(match[1]) + 1:
            yield f"{release.path}: version {chart['version']!r} is no range up to the next major release"
        elif ".".join(match.groups()[:3]) != rendered["version"]:
            yield f"{release.path}: version {chart['version']!r} begins elsewhere than at {rendered['version']}, which was rendered"
        for action in ("install", "upgrade"):
            if release.spec.get(action, {}).get("remediation", {}).get("retries") != 3:
                yield f"{release.path}: {action} is not tried again"
        for path in rendered.get("node_selectors", ()):
            if tree.value("HelmRelease", release.name, f"spec.values.{path}") != NODE:
                yield f"{release.path}: values.{path} must be {NODE}"
        for path in rendered.get("everywhere", ()):
            if tree.value("HelmRelease", release.name, f"spec.values.{path}") is not None:
                yield f"{release.path}: values.{path} keeps it from the nodes that sites run on"


def secrets_agree(tree: Tree) -> Iterator[str]:
    stores = {store.name for store in tree.of("ClusterSecretStore")}
    made: dict[tuple[str, str], set[str]] = {}
    for secret in tree.of("ExternalSecret"):
        target = secret.spec["target"]
        texts = target["template"]["data"]
        made[secret.namespace, target["name"]] = set(texts)
        used = {name for text in texts.values() for name in re.findall(r"\{\{ \.(\w+) \}\}", text)}
        fetched = {entry["secretKey"] for entry in secret.spec["data"]}
        if used != fetched:
            yield f"{secret.path}: the template uses {sorted(used)}, fetched are {sorted(fetched)}"
        if secret.spec["secretStoreRef"]["name"] not in stores:
            yield f"{secret.path}: no ClusterSecretStore {secret.spec['secretStoreRef']['name']}"
    for deployment in tree.of("Deployment"):
        for container in deployment.spec["template"]["spec"]["containers"]:
            for source in container.get("envFrom", ()):
                if (deployment.namespace, source["secretRef"]["name"]) not in made:
                    yield f"{deployment.path}: no ExternalSecret makes {source['secretRef']['name']}"
    values = tree.value("HelmRelease", "grafana", "spec.values")
    grafana = made.get(("observability", values["envFromSecret"]), set())
    if (
        values["admin"]["existingSecret"] != values["envFromSecret"]
        or values["admin"]["passwordKey"] not in grafana
    ):
        yield f"grafana: the administrator's password is not in the Secret {values['envFromSecret']}"


def addresses_agree(tree: Tree) -> Iterator[str]:
    """The Services that the charts made are the ones that the others use."""
    services = {name: port for chart in CHARTS for name, port in chart["services"].items()}
    made = {f"http://{name}.observability.svc.cluster.local:{port}" for name, port in services.items()}
    stack = "victoria-metrics-k8s-stack"
    named = {
        tree.value("HelmRelease", "loki", "spec.values.fullnameOverride"): "loki",
        f"vmsingle-{tree.value('HelmRelease', stack, 'spec.values.fullnameOverride')}": "vmsingle-vm",
    }
    for name, expected in named.items():
        if name != expected:
            yield f"a release makes the Service {name}, the charts made {expected}"
    if str(services["vmsingle-vm"]) != tree.value("HelmRelease", stack, "spec.values.vmsingle.spec.port"):
        yield f"{stack}: another port than {services['vmsingle-vm']}"
    for source in datasources(tree):
        if source["url"] not in made:
            yield f"grafana: data source {source['uid']} is at {source['url']}, the charts make {sorted(made)}"
    loki = f"http://loki.observability.svc.cluster.local:{services['loki']}"
    clients = tree.value("HelmRelease", "promtail", "spec.values.config.clients")
    if clients != [{"url": f"{loki}/loki/api/v1/push"}]:
        yield f"promtail: pushes to {clients}, Loki is {loki}"


def logs_are_kept_31_days(tree: Tree) -> Iterator[str]:
    values = tree.value("HelmRelease", "loki", "spec.values.loki")
    if values["limits_config"]["retention_period"] != f"{31 * 24}h":
        yield f"loki: retention_period {values['limits_config']['retention_period']}, expected 31 days"
    compactor = values["compactor"]
    if (
        compactor.get("retention_enabled") is not True
        or compactor.get("delete_request_store") != "filesystem"
    ):
        yield "loki: the compactor deletes nothing"


def datasources(tree: Tree) -> list[dict[str, Any]]:
    """Grafana's data sources as the release provisions them."""
    release = next(release for release in tree.of("HelmRelease") if release.name == "grafana")
    sources: list[dict[str, Any]] = release.spec["values"]["datasources"]["datasources.yaml"]["datasources"]
    return sources


def dashboards(tree: Tree) -> Iterator[tuple[str, Any]]:
    """Path and text of every dashboard, parsed; None where it is no JSON."""
    for config_map in tree.of("ConfigMap"):
        if config_map.body["metadata"].get("labels") == {"grafana_dashboard": "1"}:
            for key, text in config_map.body["data"].items():
                try:
                    yield f"{config_map.path}:{key}", json.loads(text)
                except json.JSONDecodeError:
                    yield f"{config_map.path}:{key}", None


def dashboards_are_sound(tree: Tree) -> Iterator[str]:
    known = {(source["type"], source["uid"]) for source in datasources(tree)}
    for where, board in dashboards(tree):
        if board is None:
            yield f"{where}: not JSON"
            continue
        if not isinstance(board.get("schemaVersion"), int) or not where.endswith(f":{board.get('uid')}.json"):
            yield f"{where}: expected a schemaVersion and the file's name as uid"
        ids = [panel["id"] for panel in board["panels"]]
        if len(set(ids)) != len(ids):
            yield f"{where}: two panels have the same id"
        queried = [
            (f"panel {panel['id']}", target)
            for panel in board["panels"]
            for target in [panel, *panel["targets"]]
        ]
        queried += [(f"variable {variable['name']}", variable) for variable in board["templating"]["list"]]
        for what, query in queried:
            if (query["datasource"]["type"], query["datasource"]["uid"]) not in known:
                yield f"{where}: {what} asks data source {query['datasource']['uid']}, which does not exist"
        yield from (
            f"{where}: {problem}" for panel in board["panels"] for problem in _query_problems(panel, board)
        )


def reconciliations_of_all_controllers_are_counted(tree: Tree) -> Iterator[str]:
    queries = {
        panel["title"]: panel["targets"][0]["expr"]
        for where, board in dashboards(tree)
        if board and where.endswith("flux-cd.json")
        for panel in board["panels"]
    }
    for title, texts in (("Reconciliations finished", DONE), ("Reconciliations failed", FAILED)):
        for text in texts:
            if text not in queries.get(title, ""):
                yield f"the panel {title!r} does not count the lines with {text!r}"


def config_maps_are_dashboards(tree: Tree) -> Iterator[str]:
    labelled = {where.partition(":")[0] for where, _ in dashboards(tree)}
    for config_map in tree.of("ConfigMap"):
        if config_map.path not in labelled:
            yield f"{config_map.path}: Grafana's sidecar finds it only by the label grafana_dashboard: '1'"


def _query_problems(panel: dict[str, Any], board: dict[str, Any]) -> Iterator[str]:
    variables = {variable["name"] for variable in board["templating"]["list"]} | {"__auto", "__range"}
    for target in panel["targets"]:
        query = target["expr"]
        outside_texts = re.sub(r'"(?:\\.|[^"\\])*"', '""', query)
        for left, right in ("{}", "()", "[]"):
            if outside_texts.count(left) != outside_texts.count(right):
                yield f"panel {panel['id']}: {left} and {right} do not pair in {query}"
        if unknown := set(re.findall(r"\$(\w+)", query)) - variables:
            yield f"panel {panel['id']}: unknown variables {sorted(unknown)}"
        if "{" not in outside_texts or (panel["type"] == "stat") != (target["queryType"] == "instant"):
            yield f"panel {panel['id']}: a {panel['type']} panel cannot show {query}"


def _directory(kustomization: Document) -> str:
    return str(PurePosixPath(kustomization.spec["path"]))


CHECKS: tuple[Check, ...] = (
    paths_exist,
    resources_are_listed,
    kustomizations_agree,
    dependencies_are_sound,
    objects_are_unique,
    namespaces_agree,
    wiring_agrees,
    hosts_are_unique,
    built_in_kinds_validate,
    releases_agree,
    secrets_agree,
    addresses_agree,
    logs_are_kept_31_days,
    dashboards_are_sound,
    reconciliations_of_all_controllers_are_counted,
    config_maps_are_dashboards,
)
