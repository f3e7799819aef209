"""The sites of a seeded platform tree, as the sandbox's own Flux will build them. Pure.

Law: what is no site that the sandbox can play is named with the reason, before anything waits for it.
"""

import posixpath
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from bumper.errors import UsageError
from bumper.image import ImageReference
from bumper.objects import ObjectKey
from bumper_sandbox.flux import health
from bumper_sandbox.flux.build import BuildError, build, has_directory
from bumper_sandbox.kubernetes.kinds import Kinds

Manifest = Mapping[str, Any]
_HINT = "choose a site with --site or a tree with --tree, or leave both out"
# Of a tree whose sites are all of another kind one reason is enough, and many are unreadable.
_MOST_REASONS = 6
_FLUX = "kustomize.toolkit.fluxcd.io/"


@dataclass(frozen=True)
class Site:
    """A Deployment that one Flux Kustomization applies; `path` is the Kustomization's directory, `parents` apply that itself."""

    name: str
    path: str
    kustomization: ObjectKey
    workload: ObjectKey
    image: ImageReference
    parents: tuple[ObjectKey, ...] = ()


class _Unplayable(Exception):
    """The text says which object, and why."""


def choose(files: Mapping[str, bytes], root: str, registry: str, name: str = "") -> Site:
    """The site of that name, or the first one of the tree; `root` is the directory that holds Flux's own Kustomization."""
    kustomizations = _kustomizations(files, root)
    known = {ObjectKey.of(manifest): manifest for manifest, _ in kustomizations}
    reasons: list[str] = []
    for kustomization, parents in sorted(
        kustomizations, key=lambda entry: bool(_spec(entry[0]).get("dependsOn"))
    ):
        if name in ("", kustomization["metadata"]["name"]):
            try:
                _require_dependencies(files, kustomization, known)
                return replace(_site(files, kustomization, registry), parents=parents)
            except _Unplayable as reason:
                reasons.append(str(reason))
    if not reasons:
        names = ", ".join(manifest["metadata"]["name"] for manifest, _ in kustomizations)
        reasons = [
            f"{root}: no Kustomization '{name}' (found: {names})" if name else f"{root}: no Kustomization"
        ]
    left = len(reasons) - _MOST_REASONS
    shown = [*reasons[:_MOST_REASONS], *([f"and {left} more"] if left > 0 else [])]
    raise UsageError(f"no site that the sandbox can play: {'; '.join(shown)}", hint=_HINT)


def _kustomizations(files: Mapping[str, bytes], root: str) -> list[tuple[Manifest, tuple[ObjectKey, ...]]]:
    """Every Flux Kustomization below Flux's own, which is none of them, with those that apply it, the first one first."""
    try:
        below = _built(files, root, {})
    except BuildError as error:
        raise UsageError(f"{root}: {error}", hint=_HINT) from None
    reached = [(manifest, ()) for manifest in below if _path(manifest) != posixpath.normpath(root)]
    seen = {posixpath.normpath(root)} | {_path(manifest) for manifest, _ in reached}
    queue: list[tuple[Manifest, tuple[ObjectKey, ...]]] = list(reached)
    for manifest, parents in queue:
        with suppress(BuildError):
            children = (
                _built(files, _path(manifest), _spec(manifest))
                if has_directory(files, _path(manifest))
                else []
            )
            new = [child for child in children if _path(child) not in seen]
            seen |= {_path(child) for child in new}
            queue += [(child, (*parents, ObjectKey.of(manifest))) for child in new]
    return queue


def _built(files: Mapping[str, bytes], path: str, spec: Manifest) -> list[Manifest]:
    """The Flux Kustomizations that one builds."""
    manifests = build(files, path, spec, "")
    return [manifest for manifest in manifests if str(manifest.get("apiVersion")).startswith(_FLUX)]


def _require_dependencies(
    files: Mapping[str, bytes], kustomization: Manifest, known: Mapping[ObjectKey, Manifest]
) -> None:
    """Raises `_Unplayable` where something that it waits for, however far, will never be Ready here."""
    waiting = [ObjectKey.of(kustomization)]
    for key in waiting:
        for entry in _spec(known[key]).get("dependsOn") or ():
            dependency = ObjectKey("Kustomization", entry.get("namespace") or key.namespace, entry["name"])
            if dependency not in known:
                raise _Unplayable(f"{key}: depends on {dependency}, which is not in the tree")
            if dependency not in waiting:
                _objects(files, known[dependency])
                waiting.append(dependency)


def _objects(files: Mapping[str, bytes], kustomization: Manifest) -> list[dict[str, Any]]:
    """What a Kustomization builds, all of it known here, and able to become ready where that is waited for."""
    key, path = ObjectKey.of(kustomization), _path(kustomization)
    if not has_directory(files, path):
        raise _Unplayable(f"{key}: spec.path {path}: no such directory")
    try:
        manifests = build(files, path, _spec(kustomization), "")
    except BuildError as error:
        raise _Unplayable(f"{key}: {error}") from None
    _check_kinds(key, manifests, waits=bool(_spec(kustomization).get("wait")))
    return manifests


def _site(files: Mapping[str, bytes], kustomization: Manifest, registry: str) -> Site:
    key, path = ObjectKey.of(kustomization), _path(kustomization)
    manifests = _objects(files, kustomization)
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
