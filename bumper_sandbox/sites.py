"""The sites of a seeded platform tree, as the sandbox's own Flux will build them. Pure.

Law: what is no site that the sandbox can play is named with the reason, before anything waits for it.
"""

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bumper.errors import UsageError
from bumper.image import ImageReference
from bumper.objects import ObjectKey
from bumper_sandbox.flux import health
from bumper_sandbox.flux.build import BuildError, build, has_directory
from bumper_sandbox.kubernetes.kinds import Kinds

Manifest = Mapping[str, Any]
_HINT = "choose a site with --site or a tree with --tree, or leave both out"
_FLUX = "kustomize.toolkit.fluxcd.io/"


@dataclass(frozen=True)
class Site:
    """A Deployment that one Flux Kustomization applies; `path` is the Kustomization's directory."""

    name: str
    path: str
    kustomization: ObjectKey
    workload: ObjectKey
    image: ImageReference


class _Unplayable(Exception):
    """The text says which object, and why."""


def choose(files: Mapping[str, bytes], root: str, registry: str, name: str = "") -> Site:
    """The site of that name, or the first one of the tree; `root` is the directory that holds Flux's own Kustomization."""
    kustomizations = _kustomizations(files, root)
    reasons = []
    for kustomization in sorted(kustomizations, key=lambda manifest: bool(_spec(manifest).get("dependsOn"))):
        if name in ("", kustomization["metadata"]["name"]):
            try:
                return _site(files, kustomization, registry)
            except _Unplayable as reason:
                reasons.append(str(reason))
    if not reasons:
        names = ", ".join(manifest["metadata"]["name"] for manifest in kustomizations)
        reasons = [
            f"{root}: no Kustomization '{name}' (found: {names})" if name else f"{root}: no Kustomization"
        ]
    raise UsageError(
        "no site that the sandbox can play:\n" + "\n".join(f"  {reason}" for reason in reasons), hint=_HINT
    )


def _kustomizations(files: Mapping[str, bytes], root: str) -> list[Manifest]:
    """Every Flux Kustomization below Flux's own, which is none of them."""
    try:
        manifests = build(files, root, {}, "")
    except BuildError as error:
        raise UsageError(f"{root}: {error}", hint=_HINT) from None
    return [
        manifest
        for manifest in manifests
        if str(manifest.get("apiVersion")).startswith(_FLUX) and _path(manifest) != posixpath.normpath(root)
    ]


def _site(files: Mapping[str, bytes], kustomization: Manifest, registry: str) -> Site:
    key, path = ObjectKey.of(kustomization), _path(kustomization)
    if not has_directory(files, path):
        raise _Unplayable(f"{key}: spec.path {path}: no such directory")
    try:
        manifests = build(files, path, _spec(kustomization), "")
    except BuildError as error:
        raise _Unplayable(f"{key}: {error}") from None
    _check_kinds(key, manifests, waits=bool(_spec(kustomization).get("wait")))
    for manifest in manifests:
        for image in _deployed_images(manifest):
            if image.registry == registry and image.path.rpartition("/")[2] == key.name:
                return Site(key.name, path, key, ObjectKey.of(manifest), image)
    raise _Unplayable(
        f"{key}: no Deployment in {path} whose image is called {key.name} and comes from a named registry"
    )


def _check_kinds(key: ObjectKey, manifests: list[dict[str, Any]], *, waits: bool) -> None:
    kinds = Kinds()
    for manifest in manifests:
        version, name = str(manifest.get("apiVersion")), manifest["kind"]
        kind = kinds.admit(version, name, namespaced="namespace" in manifest["metadata"])
        if kind is None:
            raise _Unplayable(
                f"{key}: {ObjectKey.of(manifest)}: the sandbox knows no kind {name} in {version}"
            )
        if waits and not health.settles(kind):
            raise _Unplayable(
                f"{key}: waits for {ObjectKey.of(manifest)}, and no controller of the sandbox makes a {name} ready"
            )


def _deployed_images(manifest: Manifest) -> Iterator[ImageReference]:
    if manifest["kind"] == "Deployment":
        for container in manifest["spec"]["template"]["spec"]["containers"]:
            image = ImageReference.parse(str(container.get("image")))
            if image and image.tag:
                yield image


def _spec(manifest: Manifest) -> Mapping[str, Any]:
    return manifest.get("spec") or {}


def _path(kustomization: Manifest) -> str:
    return posixpath.normpath(str(_spec(kustomization).get("path") or ".")).lstrip("/")
