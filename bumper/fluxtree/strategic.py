"""A strategic merge, as kustomize does it.

Law: neither side is changed; what is equal is shared. Mappings merge key by key, a null takes a key away, `$patch` replaces or
deletes. Lists whose entries have a key merge by it, those of the patch first; that holds for the kinds of Kubernetes itself alone,
since kustomize knows no others: any other list is replaced.

Source: sigs.k8s.io/kustomize/kyaml v0.21.1, `yaml/merge2/{merge2,smpdirective}.go`, `yaml/walk/associative_sequence.go`;
the keys are `x-kubernetes-patch-merge-key` of its OpenAPI document (Kubernetes 1.21).
"""

from collections.abc import Iterator
from typing import Any

from bumper.fluxtree.leaves import is_null
from bumper.fluxtree.selectors import Undecided
from bumper.manifest.document import text
from bumper.objects import Object

_DIRECTIVE = "$patch"
# The keys of each list that merges, by the name of the list.
_Keys = dict[str, tuple[str, ...]]
_PODS: _Keys = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "volumes": ("name",),
    "env": ("name",),
    "imagePullSecrets": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "hostAliases": ("ip",),
    "ports": ("containerPort", "protocol"),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}
_CONTAINERS = frozenset({"containers", "initContainers", "ephemeralContainers"})
_WEBHOOKS: _Keys = {"webhooks": ("name",)}
# All kinds of that document with such lists, less Node and CSINode, which nobody keeps in git. Its other kinds have none.
_LISTS: dict[tuple[str, str], _Keys] = {
    **{("apps/v1", kind): _PODS for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")},
    **{("batch/v1", kind): _PODS for kind in ("Job", "CronJob")},
    ("batch/v1beta1", "CronJob"): _PODS,
    **{("v1", kind): _PODS for kind in ("Pod", "PodTemplate", "ReplicationController")},
    ("v1", "Service"): {"ports": ("port", "protocol")},
    ("v1", "ServiceAccount"): {"secrets": ("name",)},
    **{
        (f"admissionregistration.k8s.io/{version}", f"{kind}WebhookConfiguration"): _WEBHOOKS
        for version in ("v1", "v1beta1")
        for kind in ("Mutating", "Validating")
    },
}
_OF_TEXTS = frozenset({"finalizers"})


def merged(value: Object, patch: Object) -> Object | None:
    """The object after the patch; None where it is deleted. Undecided where kustomize refuses the patch, or may read it otherwise."""
    version, kind = text(value.get("apiVersion")), text(value.get("kind"))
    if text(patch.get("$patch")) == "replace":
        return value  # for a whole object kustomize makes nothing of it
    lists = _LISTS.get((version, kind), {})
    _require_names(value, lists)
    result = _merge(value, patch, lists, "")
    return result if isinstance(result, dict) else None


def _require_names(value: Any, lists: _Keys) -> None:
    """Undecided where two containers have one name: kustomize keeps one of them, whatever the patch is for."""
    if isinstance(value, list):
        for inner in value:
            _require_names(inner, lists)
    for name, inner in value.items() if isinstance(value, dict) else ():
        if name in _CONTAINERS & lists.keys() and isinstance(inner, list):
            names = [text(entry.get("name")) for entry in inner if isinstance(entry, dict)]
            if twice := next((each for at, each in enumerate(names) if each in names[:at]), None):
                raise Undecided(f"{name} has two entries of the name {twice}, of which kustomize keeps one")
        _require_names(inner, lists)


def _merge(value: Any, patch: Any, lists: _Keys, name: str) -> Any:
    """`name` is the key under which both stand; None for what is gone."""
    if is_null(patch):
        return None
    if isinstance(patch, dict):
        return _mapping(value, patch, lists)
    if isinstance(patch, list):
        return _list(value, patch, lists, name)
    if isinstance(value, dict | list):
        raise Undecided(f"the patch has a text where {name or 'the object'} has none")
    return patch


def _mapping(value: Any, patch: dict[str, Any], lists: _Keys) -> Any:
    directive = text(patch.get(_DIRECTIVE))
    if directive not in ("", "merge", "replace", "delete"):
        raise Undecided(f"the directive $patch: {directive} is unknown")
    patch = {key: inner for key, inner in patch.items() if key != _DIRECTIVE}
    if directive == "delete":
        return None
    if value is None or is_null(value) or directive == "replace":
        value = {}
    if not isinstance(value, dict):
        raise Undecided("the patch has a mapping where the object has none")
    result = dict(value)
    for key, inner in patch.items():
        below = _merge(value.get(key), inner, lists, key)
        if below is None:
            result.pop(key, None)
        else:
            result[key] = below
    return result


def _list(value: Any, patch: list[Any], lists: _Keys, name: str) -> Any:
    if value is not None and not is_null(value) and not isinstance(value, list):
        raise Undecided(f"the patch has a list where {name} is none")
    before = value if isinstance(value, list) else []
    keys = lists.get(name, ())
    if not keys:
        if lists and name in _OF_TEXTS:
            return [*patch, *(entry for entry in before if entry not in patch)]
        return [_merge(None, entry, lists, "") for entry in patch]
    directives = {
        text(entry.get(_DIRECTIVE)) for entry in patch if isinstance(entry, dict) and len(entry) == 1
    }
    entries = [entry for entry in patch if not (isinstance(entry, dict) and entry.keys() == {_DIRECTIVE})]
    if "delete" in directives:
        return None
    if "replace" in directives:
        before = []
    return list(_by_key(before, entries, keys, lists, name))


def _by_key(
    before: list[Any], entries: list[Any], keys: tuple[str, ...], lists: _Keys, name: str
) -> Iterator[Any]:
    """The entries of the patch merged into those of the object, then what is left of these."""
    left = list(before)
    for entry in entries:
        if not isinstance(entry, dict) or not text(entry.get(keys[0])):
            raise Undecided(f"an entry of {name} in the patch has no {keys[0]}")
        at = next((at for at, other in enumerate(left) if _same(other, entry, keys)), None)
        result = _merge(left.pop(at) if at is not None else None, entry, lists, "")
        if result:
            yield result
    yield from left


def _same(known: Any, entry: dict[str, Any], keys: tuple[str, ...]) -> bool:
    """Whether two entries are one: the first key is equal, and each further one where both have it."""
    if not isinstance(known, dict) or known.get(keys[0]) != entry[keys[0]]:
        return False
    return all(key not in known or key not in entry or known[key] == entry[key] for key in keys[1:])
