"""The manifests by which Flux tells GitHub how each Kustomization stands, and by which it can be poked.

Law: nothing is written that the tree has already, and nothing is guessed: the repository's address comes from its own source, the
route is made like the tree's other routes. No secret is written: what a person has to make is named.

Sources: notification-controller 1.9.3, api/v1beta3 (Provider `github`, Alert: failures are posted only with `eventSeverity: info` or
`error`, successes only with `info`), api/v1 (Receiver); the CRDs' own validation is held against the result in the end-to-end tests.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from posixpath import dirname, join
from typing import Any

from bumper.address import repository_name
from bumper.dataclasses import dataclass
from bumper.deploy.commit.push import Proposal
from bumper.errors import EXIT_CODES, FieldMissing, Outcome, Refused, UsageError
from bumper.fluxtree.discovery import GROUP, Site
from bumper.fluxtree.layers import FILE_NAMES, Reading
from bumper.fluxtree.sites import routes
from bumper.fluxtree.sites.receivers import GROUP as NOTIFICATION
from bumper.fluxtree.sites.receivers import HMAC, OIDC, SERVICE
from bumper.fluxtree.sites.selection import no_tree
from bumper.fluxtree.walk import Walk
from bumper.history.message import worded
from bumper.manifest import insertion, spelling
from bumper.manifest.document import Document, mapping, text
from bumper.manifest.spelling import Hand, Literal, Value
from bumper.manifest.yamltext import reads_otherwise
from bumper.objects import ObjectKey
from bumper.ports.git import Tree
from bumper.ports.github import JOB_ISSUER
from bumper.request import Origin
from bumper.revision import Revision
from bumper.style import STYLES, Line, Span

FILE = "notifications.yaml"
_PORT = Literal("80")  # of the Service
NAME = "bump"
_GROUPS = {
    "IngressRoute": "traefik.io/v1alpha1",
    "Ingress": "networking.k8s.io/v1",
    "HTTPRoute": "gateway.networking.k8s.io/v1",
}
# What a route says besides its hosts and services, and all routes of a tree say alike.
_SHELL = {
    "IngressRoute": ("entryPoints", "tls"),
    "Ingress": ("ingressClassName",),
    "HTTPRoute": ("parentRefs",),
}


@dataclass(frozen=True)
class NotificationsRequest:
    """What is asked for. `host` is empty where Flux shall not be poked; `owners` may poke it from their workflows.

    `secret` names the Secret that holds the token for GitHub; `receiver_secret` the Secret of a Receiver that takes signatures instead
    of OIDC tokens, empty for OIDC.
    """

    host: str = ""
    owners: tuple[str, ...] = ()
    secret: str = "github-status"  # noqa: S105 (the name of an object)
    receiver_secret: str = ""


@dataclass(frozen=True)
class NotificationsAddition(Proposal):
    """The files that are added on a tip, and what a person has to do beside them."""

    steps: tuple[str, ...] = ()


def plan(tip: str, tree: Tree, wanted: NotificationsRequest, origin: Origin) -> NotificationsAddition:
    """The file with the manifests beside gotk-sync.yaml, and its entry in the kustomization there."""
    reading = Reading(tree)
    root, documents = _documents(reading)
    _refuse_second(documents)
    address = _address(documents, root)
    namespace = root.kustomization.namespace
    objects = list(_notifying(wanted, namespace, address))
    if wanted.host:
        objects += _poking(wanted, namespace, root.source, address, documents)
    directory = dirname(root.document.path)
    path = join(directory, FILE)
    if reading.is_file(path):
        raise Refused(f"{path} is there already", hint="change it by hand, or take it away first")
    files: dict[str, tuple[bytes | None, bytes | None]] = {path: (None, _written(objects))}
    listing = next(
        (join(directory, name) for name in FILE_NAMES if reading.is_file(join(directory, name))), ""
    )
    if listing:
        before = reading.content(listing)
        files[listing] = (before, insertion.insert_item(before, listing, (0, "resources"), FILE))
    return NotificationsAddition(tip, files, _message(path, origin), tuple(_steps(wanted, namespace)))


def provider(tree: Tree) -> str:
    """Where the tree has the Provider by which Flux posts on GitHub, `k8s/flux-system/notifications.yaml:1`; empty for none."""
    _, documents = _documents(Reading(tree))
    return next((f"{document.path}:{document.line()}" for document in documents if _posts(document)), "")


def _documents(reading: Reading) -> tuple[Site, list[Document]]:
    """Where the tree begins, and what it has that tells, is told or leads to it."""
    walk = Walk(reading)
    sites = [site for level in walk.levels() for site in level]
    if not sites:
        raise no_tree()
    paths = _yaml(walk.files, reading)
    return sites[0], [document for path in paths for document in reading.documents(path)]


def outcome(revision: Revision | None) -> Outcome:
    """Pushed at a revision, or with none planned."""
    return Outcome.PUSHED if revision else Outcome.PLANNED


def lines(plan: NotificationsAddition, revision: Revision | None) -> list[Line]:
    """What was pushed, and what is left to do by hand; without a revision the diff and what would be."""
    title = f"pushed as {revision.short}" if revision else "would be written"
    shown: list[Line] = [] if revision else [(Span(line),) for line in plan.diff().splitlines()]
    shown.append((Span("notifications", "strong"), Span("   "), Span(title, STYLES[outcome(revision)])))
    shown += [(Span("  file    ", "quiet"), Span(path)) for path in plan.files]
    return shown + [(Span("  to do   ", "quiet"), Span(step)) for step in plan.steps]


def as_data(plan: NotificationsAddition, revision: Revision | None) -> dict[str, Any]:
    """The same as one object."""
    return {
        "outcome": outcome(revision).value,
        "exitCode": EXIT_CODES[outcome(revision)],
        "commit": revision.sha if revision else None,
        "files": list(plan.files),
        "toDo": list(plan.steps),
        **({} if revision else {"diff": plan.diff()}),
    }


def _yaml(paths: Iterable[str], reading: Reading) -> list[str]:
    return [path for path in dict.fromkeys(paths) if _is_telling(reading.content(path))]


def _is_telling(content: bytes) -> bool:
    return any(word.encode() in content for word in (GROUP, NOTIFICATION, "GitRepository", *routes.KINDS))


def _posts(document: Document) -> bool:
    kind = text(mapping(document.value.get("spec")).get("type"))
    return document.group == NOTIFICATION and document.key.kind == "Provider" and kind == "github"


def _refuse_second(documents: Sequence[Document]) -> None:
    for document in filter(_posts, documents):
        raise Refused(
            f"{document.path}:{document.line()}: {document.key} posts to GitHub already, expected none",
            hint="an Alert for it with eventSeverity: info and the event source Kustomization '*' is all that is needed",
        )


def _address(documents: Sequence[Document], root: Site) -> str:
    """`https://github.com/acme/platform`, from the source's own URL."""
    for document in documents:
        if document.key == root.source:
            url = text(mapping(document.value.get("spec")).get("url"))
            host, _, name = repository_name(url).partition("/")
            if host and name.count("/") == 1:
                # As it is written: GitHub shows names in their own case.
                written = url.strip().rstrip("/").removesuffix(".git")
                return f"https://{host}/{written[-len(name) :]}"
            raise UsageError(
                f"{document.path}:{document.line('spec', 'url')}: {url} is no repository on GitHub, expected https://HOST/OWNER/NAME"
            )
    raise FieldMissing(f"{root.place}: {root.source} is not in this tree, so that its address is not known")


def _notifying(wanted: NotificationsRequest, namespace: str, address: str) -> Iterator[Value]:
    yield _object(
        f"{NOTIFICATION}/v1beta3",
        "Provider",
        namespace,
        {"type": "github", "address": address, "secretRef": {"name": wanted.secret}},
    )
    yield _object(
        f"{NOTIFICATION}/v1beta3",
        "Alert",
        namespace,
        {
            "providerRef": {"name": NAME},
            "eventSeverity": "info",
            "eventSources": [{"kind": "Kustomization", "name": "*"}],
        },
    )


def _poking(
    wanted: NotificationsRequest,
    namespace: str,
    source: ObjectKey,
    address: str,
    documents: Sequence[Document],
) -> list[Value]:
    owners = wanted.owners or (address.split("/")[3],)
    # GitHub's names are the same in any case; the claim has the owner's own.
    allowed = " || ".join(f"claims.repository_owner.lowerAscii() == '{owner.lower()}'" for owner in owners)
    proof: dict[str, Value] = (
        {"secretRef": {"name": wanted.receiver_secret}}
        if wanted.receiver_secret
        else {
            "oidcProviders": [
                {
                    "issuerURL": JOB_ISSUER,
                    "validations": [
                        {"expression": allowed, "message": f"only workflows of {', '.join(owners)}"}
                    ],
                }
            ]
        }
    )
    resource = {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": source.kind, "name": source.name}
    if source.namespace != namespace:
        resource["namespace"] = source.namespace
    kind = HMAC if wanted.receiver_secret else OIDC
    receiver = _object(
        f"{NOTIFICATION}/v1", "Receiver", namespace, {"type": kind, **proof, "resources": [resource]}
    )
    return [receiver, _route(wanted.host, namespace, documents)]


def _route(host: str, namespace: str, documents: Sequence[Document]) -> Value:
    """A route to Flux's webhook, like the first of the tree's own; a plain Ingress where the tree has none."""
    model = next((document for document in documents if document.key.kind in routes.KINDS), None)
    kind = model.key.kind if model else "Ingress"
    shell = {
        key: _as_written(value)
        for key in _SHELL[kind]
        if model and (value := mapping(model.value.get("spec")).get(key)) is not None
    }
    tls = mapping(model.value.get("spec")).get("tls") if model else None
    version = text(model.value.get("apiVersion")) if model else _GROUPS[kind]
    spec = _SPECS[kind](host, shell, tls)
    annotations = (
        mapping(mapping(model.value.get("metadata")).get("annotations"))
        if model and kind == "Ingress"
        else {}
    )
    return _object(version, kind, namespace, spec, annotations)


def _ingress_route(host: str, shell: dict[str, Any], tls: Any) -> dict[str, Value]:
    rule = {
        "match": f"Host(`{host}`) && PathPrefix(`/hook/`)",
        "kind": "Rule",
        "services": [{"name": SERVICE, "port": _PORT}],
    }
    last = {"tls": shell.pop("tls")} if "tls" in shell else {}
    return {**shell, "routes": [rule], **last}


def _ingress(host: str, shell: dict[str, Any], tls: Any) -> dict[str, Value]:
    service = {"service": {"name": SERVICE, "port": {"number": _PORT}}}
    path = {"path": "/hook/", "pathType": "Prefix", "backend": service}
    secure = {"tls": [{"hosts": [host], "secretName": f"{SERVICE}-tls"}]} if tls else {}
    return {**shell, **secure, "rules": [{"host": host, "http": {"paths": [path]}}]}


def _http_route(host: str, shell: dict[str, Any], tls: Any) -> dict[str, Value]:
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": "/hook/"}}],
        "backendRefs": [{"name": SERVICE, "port": _PORT}],
    }
    return {**shell, "hostnames": [host], "rules": [rule]}


_SPECS = {"IngressRoute": _ingress_route, "Ingress": _ingress, "HTTPRoute": _http_route}


def _as_written(value: Any) -> Value:
    """A value of a document, where numbers and booleans are texts, as it stood in the file."""
    if isinstance(value, dict):
        return {key: _as_written(below) for key, below in value.items()}
    if isinstance(value, list):
        return [_as_written(entry) for entry in value]
    return Literal(value) if reads_otherwise(value) else str(value)


def _object(
    version: str,
    kind: str,
    namespace: str,
    spec: Mapping[str, Value],
    annotations: Mapping[str, Value] | None = None,
) -> dict[str, Value]:
    metadata: dict[str, Value] = {"name": NAME, "namespace": namespace}
    if annotations:
        metadata["annotations"] = annotations
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


def _written(objects: Sequence[Value]) -> bytes:
    hand = Hand(list_step=2)
    texts = ["".join(f"{line}\n" for line in spelling.block(manifest, hand)) for manifest in objects]
    return "---\n".join(texts).encode()


def _message(path: str, origin: Origin) -> str:
    sentence = f"{path}: Flux posts how each Kustomization stands as commit statuses."
    return worded("Let Flux tell GitHub", [sentence], origin.trailers())


def _steps(wanted: NotificationsRequest, namespace: str) -> Iterator[str]:
    create = f"kubectl -n {namespace} create secret generic"
    yield "notification-controller must run in the cluster: among the --components of flux install or flux bootstrap"
    yield (
        f"a token for this repository with the permission commit statuses: write, as the Secret {wanted.secret}: "
        f"{create} {wanted.secret} --from-literal=token=…"
    )
    if wanted.receiver_secret:
        yield (
            f"any long secret, as the Secret {wanted.receiver_secret} and as BUMP_RECEIVER_TOKEN of whoever pushes: "
            f"{create} {wanted.receiver_secret} --from-literal=token=…"
        )
    elif wanted.host:
        yield "the workflows that poke need permissions: id-token: write, and Flux 2.9 (notification-controller 1.9) in the cluster"
    if wanted.host:
        yield f"{wanted.host} must lead to the cluster's ingress"
