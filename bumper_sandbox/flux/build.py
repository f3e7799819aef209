"""A small kustomize: from the files of a commit to the objects of one Flux Kustomization. Pure.

Law: builds exactly what kustomize would build from the same files, or refuses: a kustomization with a field that is not understood
here is an error that says so, never an object that differs. Understood: resources (files and directories), namespace, images; of the
Flux Kustomization targetNamespace and images. Error texts are kustomize's and Flux's: sigs.k8s.io/kustomize/api v0.21.1
(internal/target/kusttarget.go, filters/imagetag), fluxcd/pkg kustomize v1.35.4 (kustomize_generator.go).
"""

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from bumper_sandbox.flux import documents
from bumper_sandbox.flux.documents import DuplicateKey, Malformed

Manifest = dict[str, Any]
Files = Mapping[str, bytes]

KUSTOMIZATION_FILES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_UNDERSTOOD = {"apiVersion", "kind", "metadata", "resources", "namespace", "images"}
_NOT_UNDERSTOOD_IN_FLUX = (
    "patches",
    "patchesStrategicMerge",
    "patchesJson6902",
    "components",
    "namePrefix",
    "nameSuffix",
    "postBuild",
    "decryption",
    "commonMetadata",
)
# kustomize's list of kinds without a namespace, as far as such kinds occur here.
_CLUSTER_SCOPED = {
    "Namespace",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "PersistentVolume",
    "StorageClass",
    "IngressClass",
    "ClusterSecretStore",
}
_IMAGE = re.compile(r"(?P<name>.+?)(?::(?P<tag>[^:/@]+))?(?:@(?P<digest>.+))?")


class BuildError(Exception):
    """The text is what Flux puts into the Ready condition with reason BuildFailed."""


class NotUnderstood(BuildError):
    """Flux would build it; the small kustomize here does not know how."""


# Builds what is not understood here: the files, namespace and name of the Flux Kustomization, and its path. Raises BuildError.
Model = Callable[[Files, str, str, str], list[Manifest]]


def has_directory(files: Files, path: str) -> bool:
    """Whether the commit has that directory."""
    inside = _inside(path)
    return any(name.startswith(inside) for name in files)


def built(
    files: Files, key: tuple[str, str], spec: Mapping[str, Any], root: str, model: Model | None
) -> list[Manifest]:
    """The objects of a Flux Kustomization, by namespace and name: from here, or from the `model` what is not understood here."""
    path = str(spec.get("path") or ".")
    try:
        return build(files, path, spec, root)
    except NotUnderstood:
        if model is None:
            raise
        return model(files, *key, path)


def build(files: Files, path: str, spec: Mapping[str, Any], root: str) -> list[Manifest]:
    """The objects of `path`, in order. `spec` is the Flux Kustomization's; `root` is where error texts say that the files lie."""
    unknown = [field for field in _NOT_UNDERSTOOD_IN_FLUX if spec.get(field)]
    if unknown:
        raise NotUnderstood(f"the sandbox's Flux does not understand spec.{unknown[0]} of a Kustomization")
    tree = _Tree(files, root)
    directory = posixpath.normpath(path).lstrip("/")
    kustomization = tree.kustomization(directory)
    if kustomization is None:
        kustomization = {"resources": tree.scan(directory)}
    if spec.get("targetNamespace"):
        kustomization["namespace"] = spec["targetNamespace"]
    kustomization["images"] = _merged(kustomization.get("images") or [], spec.get("images") or [])
    try:
        return tree.accumulate(directory, kustomization)
    except Malformed as error:
        raise BuildError(f"kustomize build failed: accumulating resources: {error}") from None
    except DuplicateKey as error:
        raise BuildError(f"kustomize build failed: map[string]interface {{}}(nil): {error}") from None


class _Tree:
    """The files of the commit, and where their copy would lie."""

    def __init__(self, files: Files, root: str) -> None:
        self._files = files
        self._root = root

    def kustomization(self, directory: str) -> Manifest | None:
        """The kustomization of the directory, or None where it has none."""
        for name in KUSTOMIZATION_FILES:
            content = self._files.get(_join(directory, name))
            if content is not None:
                return _checked(content)
        return None

    def scan(self, directory: str) -> list[str]:
        """What Flux writes into the kustomization that it generates: every manifest below, but a kustomized directory as one."""
        names: list[str] = []
        closed: list[str] = []
        for path in sorted(name for name in self._files if name.startswith(_inside(directory))):
            name = path.removeprefix(_inside(directory))
            parents = ["/".join(name.split("/")[:depth]) for depth in range(1, name.count("/") + 1)]
            kustomized = next(
                (parent for parent in parents if self.kustomization(_join(directory, parent)) is not None),
                None,
            )
            if kustomized is not None:
                if kustomized not in closed:
                    closed.append(kustomized)
                    names.append(kustomized)
            elif name.endswith((".yaml", ".yml")):
                try:
                    documents.objects(self._files[path])
                except DuplicateKey:
                    pass  # The scan does not look into the objects; building them does.
                except Malformed as error:
                    where = posixpath.join(self._root, path)
                    raise BuildError(f"failed to decode Kubernetes YAML from {where}: {error}") from None
                names.append(name)
        return names

    def accumulate(self, directory: str, kustomization: Mapping[str, Any]) -> list[Manifest]:
        """The resources of a kustomization, transformed. Raises `Malformed` with kustomize's text."""
        resources: list[Manifest] = []
        for resource in kustomization.get("resources") or ():
            path = _join(directory, str(resource))
            for manifest in self._resource(path, str(resource)):
                if any(_identity(manifest) == _identity(other) for other in resources):
                    again = f"may not add resource with an already registered id: {_identity(manifest)}"
                    raise Malformed(self._not_a_base(path, str(resource), again))
                resources.append(manifest)
        for manifest in resources:
            _transform(manifest, kustomization)
        return resources

    def _resource(self, path: str, name: str) -> list[Manifest]:
        if path in self._files:
            try:
                return documents.objects(self._files[path])
            except Malformed as error:
                if "MalformedYAMLError" in str(error):
                    raise Malformed(
                        f"accumulating resources from '{name}': {error} in File: {name}"
                    ) from None
                raise Malformed(self._not_a_base(path, name, str(error))) from None
        nested = self.kustomization(path)
        if nested is not None:
            return self.accumulate(path, nested)
        where = posixpath.join(self._root, path)
        missing = f"evalsymlink failure on '{where}' : lstat {where}: no such file or directory"
        raise Malformed(
            f"accumulation err='accumulating resources from '{name}': {missing}': "
            f"must build at directory: not a valid directory: {missing}"
        )

    def _not_a_base(self, path: str, name: str, error: str) -> str:
        where = posixpath.join(self._root, path)
        return (
            f"accumulation err='accumulating resources from '{name}': {error}': "
            f"must build at directory: '{where}': file is not directory"
        )


def _checked(content: bytes) -> Manifest:
    try:
        values = documents.parse(content, yaml_1_1=True)
    except (Malformed, DuplicateKey) as error:
        raise BuildError(str(error).removeprefix("MalformedYAMLError: ")) from None
    kustomization = values[0] if values and isinstance(values[0], dict) else {}
    for image in kustomization.get("images") or ():
        for field in ("name", "newName", "newTag", "digest"):
            if field in image and not isinstance(image[field], str):
                kind = "bool" if isinstance(image[field], bool) else "number"
                raise BuildError(
                    "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal "
                    f"{kind} into Go struct field Image.images.{field} of type string"
                )
    unknown = sorted(set(kustomization) - _UNDERSTOOD)
    if unknown:
        raise NotUnderstood(f"the sandbox's kustomize does not understand the field '{unknown[0]}'")
    return kustomization


def _transform(resource: Manifest, kustomization: Mapping[str, Any]) -> None:
    namespace = kustomization.get("namespace")
    if namespace and resource["kind"] not in _CLUSTER_SCOPED:
        resource["metadata"]["namespace"] = namespace
    for image in kustomization.get("images") or ():
        for container in _containers(resource):
            container["image"] = _replaced(str(container.get("image", "")), image)


def _containers(value: Any) -> Iterable[Manifest]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("containers", "initContainers") and isinstance(inner, list):
                yield from (
                    container for container in inner if isinstance(container, dict) and "image" in container
                )
            else:
                yield from _containers(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _containers(inner)


def _replaced(image: str, change: Mapping[str, str]) -> str:
    match = _IMAGE.fullmatch(image)
    if not match or match["name"] != change.get("name"):
        return image
    tag, digest = match["tag"], match["digest"]
    # A new tag or digest takes the place of both.
    if change.get("newTag") or change.get("digest"):
        tag, digest = change.get("newTag"), change.get("digest")
    name = change.get("newName") or match["name"]
    return name + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")


def _merged(images: Sequence[Manifest], overrides: Sequence[Manifest]) -> list[Manifest]:
    """As Flux joins them: the first entry of the same name is changed; further ones of that name stay, and come after it."""
    merged = [dict(image) for image in images]
    for override in overrides:
        image = next((known for known in merged if known["name"] == override["name"]), None)
        if image is None:
            image = {"name": override["name"]}
            merged.append(image)
        if override.get("newName"):
            image["newName"] = override["newName"]
        if override.get("newTag") or override.get("digest"):
            image["newTag"], image["digest"] = override.get("newTag"), override.get("digest")
    return merged


def _identity(resource: Manifest) -> str:
    group, _, version = str(resource.get("apiVersion") or "").rpartition("/")
    metadata = resource["metadata"]
    return (
        f"{resource['kind']}.{version or '[noVer]'}.{group or '[noGrp]'}/"
        f"{metadata['name']}.{metadata.get('namespace') or '[noNs]'}"
    )


def _join(directory: str, name: str) -> str:
    return (
        posixpath.normpath(posixpath.join(directory, name))
        if directory not in ("", ".")
        else posixpath.normpath(name)
    )


def _inside(directory: str) -> str:
    normal = posixpath.normpath(directory).lstrip("/")
    return "" if normal in ("", ".") else f"{normal}/"
