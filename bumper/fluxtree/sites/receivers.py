"""The webhooks that make Flux fetch at once, as the repository itself describes them: a Receiver, and the route that leads to it.

Law: only what the tree states is used. Of a Receiver that takes neither our signature nor our token, or that no route leads to,
nothing is known here. Searched are the files that the tree's roots build, which finding a site has read anyhow. Whoever may write the
tree does not choose who else takes the job's token: its audience is the Receiver's own address, or Flux's default.

Source: notification-controller 1.9.3 (api/v1/receiver_types.go: the path is /hook/ and the SHA-256 of token, name and namespace, where
a `generic-oidc` Receiver has no token; internal/server/receiver_handlers.go and receiver_oidc.go: what each type checks).
"""

from collections.abc import Iterator
from hashlib import sha256
from itertools import islice

from bumper.address import origin
from bumper.dataclasses import dataclass
from bumper.errors import NotYaml
from bumper.fluxtree.layers import Reading
from bumper.fluxtree.sites import routes
from bumper.fluxtree.walk import Walk
from bumper.manifest.document import Document, is_true, items, mapping, text
from bumper.objects import ObjectKey
from bumper.ports.git import Tree

HMAC, OIDC = "generic-hmac", "generic-oidc"
GROUP = "notification.toolkit.fluxcd.io"
# The Service before notification-controller's receiver, as `flux install` makes it.
SERVICE = "webhook-receiver"
# Of every Receiver that names none. It opens nothing but Receivers.
_AUDIENCE = "notification-controller"
_GITHUB = "https://token.actions.githubusercontent.com"
# The roots, and what the roots build: a site's own directory holds no Receiver.
_LEVELS = 2
_KINDS = tuple(kind.encode() for kind in ("Receiver", *routes.KINDS))


@dataclass(frozen=True)
class Receiver:
    """One webhook for a source. `base` is the address of the route that leads to it, `place` its file and line.

    `kind` is HMAC or OIDC; `audience` is what a token of the second must be for, `place` where it stands then.
    """

    key: ObjectKey
    kind: str
    base: str
    place: str
    audience: str = ""

    def url(self, token: str = "") -> str:
        """The address to post to; `token` is that of the Receiver's Secret, which an OIDC one has not."""
        digest = sha256(f"{token}{self.key.name}{self.key.namespace}".encode()).hexdigest()
        return f"{self.base}/hook/{digest}"

    @property
    def own_audiences(self) -> tuple[str, ...]:
        """Those of which a token may be asked for: whoever else takes one for an address would have to get it at that address."""
        address = origin(self.base)
        return (_AUDIENCE, address, f"{address}/", self.url()) if address else (_AUDIENCE,)


def find(tree: Tree, source: ObjectKey, base: str = "") -> tuple[Receiver, ...]:
    """The Receivers that make Flux fetch `source`, secret-less ones first. `base` is their address where no route in git says it."""
    documents = list(_documents(tree))
    bases = (base.rstrip("/"),) if base else routes.leading_to(documents, SERVICE)
    receivers = [
        receiver
        for document in documents
        if document.key.kind == "Receiver" and document.group == GROUP and _pokes(document, source)
        for base in bases[:1]
        if (receiver := _receiver(document, base))
    ]
    return tuple(sorted(receivers, key=lambda receiver: receiver.kind != OIDC))


def _documents(tree: Tree) -> Iterator[Document]:
    reading = Reading(tree)
    walk = Walk(reading)
    for _ in islice(walk.levels(), _LEVELS):
        pass
    for path in dict.fromkeys(walk.files):
        if any(kind in reading.content(path) for kind in _KINDS):
            try:
                yield from reading.documents(path)
            except NotYaml:
                continue


def _pokes(document: Document, source: ObjectKey) -> bool:
    spec = mapping(document.value.get("spec"))
    wanted = [
        (
            text(resource.get("kind")),
            text(resource.get("namespace")) or document.key.namespace,
            text(resource.get("name")),
        )
        for resource in map(mapping, items(spec.get("resources")))
    ]
    return not is_true(spec.get("suspend")) and (source.kind, source.namespace, source.name) in wanted


def _receiver(document: Document, base: str) -> Receiver | None:
    spec = mapping(document.value.get("spec"))
    kind = text(spec.get("type"))
    place = f"{document.path}:{document.line()}"
    if kind == HMAC:
        return Receiver(document.key, HMAC, base, place)
    for at, provider in enumerate(map(mapping, items(spec.get("oidcProviders")))):
        if kind == OIDC and provider.get("issuerURL") == _GITHUB:
            audience = text(provider.get("audience"))
            line = document.line("spec", "oidcProviders", at, "audience") if audience else document.line()
            return Receiver(document.key, OIDC, base, f"{document.path}:{line}", audience or _AUDIENCE)
    return None
