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
from bumper.objects import ObjectKey, at
from bumper_sandbox.flux import health
from bumper_sandbox.flux.bootstrap import NAMESPACE
from bumper_sandbox.flux.build import BuildError, Model, built, has_directory
from bumper_sandbox.kubernetes.kinds import Kinds

Manifest = dict[str, Any]
_HINT = "choose a site with --site or a tree with --tree, or leave both out"
# Of a tree whose sites are all of another kind one reason is enough, and many are unreadable.
_MOST_REASONS = 6
# Whatever else may bring what visitors see.
_OTHERS = ("HelmRelease", "StatefulSet", "DaemonSet", "CronJob", "Job", "Rollout", "Pod")
_FLUX = "kustomize.toolkit.fluxcd.io/"


@dataclass(frozen=True)
class Site:
    """A Deployment that one Flux Kustomization applies; `path` is the Kustomization's directory, `parents` apply that itself.

    `unlike` says that its image is not called like it.
    """

    name: str
    path: str
    kustomization: ObjectKey
    workload: ObjectKey
    image: ImageReference
    parents: tuple[ObjectKey, ...] = ()
    unlike: bool = False


class _Unplayable(Exception):
    """The text says which object, and why."""


@dataclass(frozen=True)
class Tree:
    """The files of a platform; `root` is the directory that holds Flux's own Kustomization, `name` what that is called.

    `registry` holds the images of its sites: any that is written out where that is empty. `model` builds what is not understood here.
    Unless it `waits_for_unplayed`, health checks take what no controller of the sandbox acts on for ready.
    """

    files: Mapping[str, bytes]
    root: str
    registry: str = ""
    name: str = "flux-system"
    model: Model | None = None
    waits_for_unplayed: bool = True

    def built(self, kustomization: Manifest) -> list[Manifest]:
        """The objects of a Flux Kustomization. Raises BuildError."""
        key = ObjectKey.of(kustomization)
        spec = {**_spec(kustomization), "path": _path(kustomization)}
        return built(self.files, (key.namespace, key.name), spec, "", self.model)

    def is_image(self, image: ImageReference) -> bool:
        """Whether it comes from the registry of the sites."""
        if self.registry:
            return image.registry == self.registry
        return image.repository.startswith(f"{image.registry}/")


def choose(tree: Tree, name: str = "") -> Site:
    """The site of that name, or the first one of the tree."""
    kustomizations = _kustomizations(tree)
    for kustomization, _ in kustomizations:
        _require_fields(kustomization)
    known = {ObjectKey.of(manifest): manifest for manifest, _ in kustomizations}
    reasons: dict[str, None] = {}
    unlike: list[Site] = []
    for kustomization, parents in sorted(
        kustomizations, key=lambda entry: bool(_spec(entry[0]).get("dependsOn"))
    ):
        if name in ("", kustomization["metadata"]["name"]):
            try:
                _require_dependencies(tree, kustomization, known)
                site = replace(_site(tree, kustomization), parents=parents)
            except _Unplayable as reason:
                reasons[str(reason)] = None
                continue
            if not site.unlike:
                return site
            unlike.append(site)
    if unlike:
        return unlike[0]
    raise _none(tree, name, list(reasons), [manifest["metadata"]["name"] for manifest, _ in kustomizations])


def _require_fields(kustomization: Manifest) -> None:
    """UsageError where the API would not take it, and so nothing that its parent brings."""
    for field in ("interval", "sourceRef"):
        if not _spec(kustomization).get(field):
            raise UsageError(
                f"{ObjectKey.of(kustomization)}: spec.{field} is missing, without which Flux's API takes no Kustomization",
                hint=_HINT,
            )


def _none(tree: Tree, name: str, reasons: list[str], known: list[str]) -> UsageError:
    if not reasons:
        names = ", ".join(known)
        reasons = [
            f"{tree.root}: no Kustomization '{name}' (found: {names})"
            if name
            else f"{tree.root}: no Kustomization"
        ]
    left = len(reasons) - _MOST_REASONS
    shown = [*reasons[:_MOST_REASONS], *([f"and {left} more"] if left > 0 else [])]
    return UsageError(f"no site that the sandbox can play: {'; '.join(shown)}", hint=_HINT)


def _kustomizations(tree: Tree) -> list[tuple[Manifest, tuple[ObjectKey, ...]]]:
    """Every Flux Kustomization below Flux's own, which is none of them, with those that apply it, the first one first."""
    root = posixpath.normpath(tree.root).lstrip("/")
    first: Manifest = {"kind": "Kustomization", "metadata": {"name": tree.name, "namespace": NAMESPACE}}
    try:
        below = _flux(tree, {**first, "spec": {"path": root}})
        # What it says of itself counts as soon as it has applied itself.
        if own := next((manifest for manifest in below if _path(manifest) == root), None):
            below = _flux(tree, own)
    except BuildError as error:
        raise UsageError(f"{tree.root}: {error}", hint=_HINT) from None
    reached = [(manifest, ()) for manifest in below if _path(manifest) != root]
    seen = {root} | {_path(manifest) for manifest, _ in reached}
    queue: list[tuple[Manifest, tuple[ObjectKey, ...]]] = list(reached)
    for manifest, parents in queue:
        with suppress(BuildError):
            children = _flux(tree, manifest) if has_directory(tree.files, _path(manifest)) else []
            new = [child for child in children if _path(child) not in seen]
            seen |= {_path(child) for child in new}
            queue += [(child, (*parents, ObjectKey.of(manifest))) for child in new]
    return queue


def _flux(tree: Tree, kustomization: Manifest) -> list[Manifest]:
    """The Flux Kustomizations that one builds."""
    manifests = tree.built(kustomization)
    return [manifest for manifest in manifests if str(manifest.get("apiVersion")).startswith(_FLUX)]


def _require_dependencies(tree: Tree, kustomization: Manifest, known: Mapping[ObjectKey, Manifest]) -> None:
    """Raises `_Unplayable` where something that it waits for, however far, will never be Ready here."""
    waiting = [ObjectKey.of(kustomization)]
    for key in waiting:
        for entry in _spec(known[key]).get("dependsOn") or ():
            dependency = ObjectKey("Kustomization", entry.get("namespace") or key.namespace, entry["name"])
            if dependency not in known:
                raise _Unplayable(f"{key}: depends on {dependency}, which is not in the tree")
            if dependency not in waiting:
                _objects(tree, known[dependency])
                waiting.append(dependency)


def _objects(tree: Tree, kustomization: Manifest) -> list[Manifest]:
    """What a Kustomization builds, all of it known here, and able to become ready where that is waited for."""
    key, path = ObjectKey.of(kustomization), _path(kustomization)
    source = _spec(kustomization).get("sourceRef") or {}
    if source.get("kind", "GitRepository") != "GitRepository":
        raise _Unplayable(
            f"{key}: its source is {source['kind']} {source.get('name')}: the sandbox plays GitRepositories alone"
        )
    if not has_directory(tree.files, path):
        raise _Unplayable(f"{key}: spec.path {path}: no such directory")
    try:
        manifests = tree.built(kustomization)
    except BuildError as error:
        raise _Unplayable(f"{key}: {error}") from None
    _check_kinds(key, manifests, waits=tree.waits_for_unplayed and bool(_spec(kustomization).get("wait")))
    return manifests


def _site(tree: Tree, kustomization: Manifest) -> Site:
    key, path = ObjectKey.of(kustomization), _path(kustomization)
    manifests = _objects(tree, kustomization)
    sites = [
        Site(
            key.name,
            path,
            key,
            ObjectKey.of(manifest),
            image,
            unlike=image.path.rpartition("/")[2] != key.name,
        )
        for manifest in manifests
        for image in _deployed_images(manifest)
        if tree.is_image(image)
    ]
    if not sites:
        raise _Unplayable(f"{key}: {_why_none(manifests) or f'{path} has no Deployment'}")
    return min(sites, key=lambda site: site.unlike)


def _why_none(manifests: list[Manifest]) -> str:
    """Why the objects are no site, by the first that might be one; empty where none might."""
    for manifest in manifests:
        if manifest["kind"] == "Deployment":
            images = [str(container.get("image")) for container in _containers(manifest)]
            return (
                f"{ObjectKey.of(manifest)}: no image of it names its registry and a tag ({', '.join(images)})"
            )
    for manifest in manifests:
        if manifest["kind"] in _OTHERS:
            return f"{ObjectKey.of(manifest)}: the sandbox plays no {manifest['kind']}, Deployments alone"
    return ""


def _check_kinds(key: ObjectKey, manifests: list[Manifest], *, waits: bool) -> None:
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


def _containers(deployment: Manifest) -> list[Manifest]:
    return list(at(deployment, "spec", "template", "spec", "containers") or ())


def _deployed_images(manifest: Manifest) -> Iterator[ImageReference]:
    if manifest["kind"] == "Deployment":
        for container in _containers(manifest):
            image = ImageReference.parse(str(container.get("image")))
            if image and image.tag:
                yield image


def _spec(manifest: Manifest) -> Mapping[str, Any]:
    return manifest.get("spec") or {}


def _path(kustomization: Manifest) -> str:
    return posixpath.normpath(str(_spec(kustomization).get("path") or ".")).lstrip("/")
