"""What keeps a site from being the model of another one.

Law: whatever a site does not own alone, or owns for good, rules it out: secrets, volumes, files that a kustomization generates from,
rules that find hosts by a pattern. A copy would share it, or lack it, and neither would be seen before it does harm.
"""

from collections.abc import Collection, Iterator
from typing import Any

from bumper.fluxtree.sites.find import Site
from bumper.manifest.document import Document, items, mapping, text
from bumper.onboarding.hosts import unread
from bumper.onboarding.landscape import Built, Landscape
from bumper.onboarding.renaming import Path, Uncarried

OTHER = "name another site with --like SITE, or take the plain form: --plain"
_SECRETS = frozenset(
    {
        "Secret",
        "SealedSecret",
        "ExternalSecret",
        "SecretProviderClass",
        "SopsSecret",
        "VaultStaticSecret",
        "PushSecret",
    }
)
_SECRET_REFERENCES = ("secretRef", "secretKeyRef", "secretName")
# What a kustomization may hold for a copy of it to be one.
_CARRIED = frozenset(
    {
        *(
            "apiVersion",
            "kind",
            "metadata",
            "namespace",
            "namePrefix",
            "nameSuffix",
            "labels",
            "commonLabels",
        ),
        *(
            "commonAnnotations",
            "resources",
            "bases",
            "components",
            "patches",
            "patchesStrategicMerge",
            "patchesJson6902",
        ),
        *("images", "replicas"),
    }
)


def require_fit(landscape: Landscape, site: Site, built: tuple[Built, ...], own: Collection[str]) -> None:
    """Raises Uncarried, with file and line, for what a copy of the site, of its `own` files, would share or not have."""
    if site.suspended:
        raise Uncarried(
            f"{site.place}: Kustomization {site.name} is suspended, and so would be its copy", hint=OTHER
        )
    for built_object in built:
        if built_object.document.path in own:
            _refuse_object(site, built_object)
    for path in sorted(landscape.read_by(site)):
        if path.rpartition("/")[2].partition(".")[0].lower() == "kustomization":
            for document in landscape.reading.documents(path)[:1]:
                if strange := [key for key in document.value if key not in _CARRIED]:
                    at = f"{path}:{document.line(strange[0])}"
                    raise Uncarried(
                        f"{at}: {strange[0]} may read files that a copy would not have", hint=OTHER
                    )


def _refuse_object(site: Site, built: Built) -> None:
    document = built.document
    if built.key.kind in _SECRETS or "sops" in document.value:
        raise Uncarried(f"{built.place}: {built.key} holds secrets of {site.name}", hint=OTHER)
    if built.key.kind == "PersistentVolume":
        raise Uncarried(f"{built.place}: {built.key} is one volume, which a copy would share", hint=OTHER)
    if rule := unread(document):
        raise Uncarried(f"{built.place}: the rule {rule} finds hosts by a pattern", hint=OTHER)
    for route, name in _secrets_read(document):
        at = f"{document.path}:{document.line(*route)}"
        raise Uncarried(f"{at}: reads the Secret {name}, which a copy would share or not have", hint=OTHER)


def _secrets_read(document: Document) -> Iterator[tuple[Path, str]]:
    """References to Secrets, but for the certificate of a route and what images are pulled with."""
    waiting: list[tuple[Path, Any]] = [((), document.value)]
    while waiting:
        route, value = waiting.pop(0)
        for step, below in value.items() if isinstance(value, dict) else enumerate(items(value)):
            here = (*route, step)
            if step in _SECRET_REFERENCES and "tls" not in route:
                name = text(below) or text(mapping(below).get("name")) or "without a name"
                if document.key.kind != "Certificate":
                    yield here, name
            elif isinstance(below, (dict, list)):
                waiting.append((here, below))
