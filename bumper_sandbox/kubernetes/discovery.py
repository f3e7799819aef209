"""What the API says of itself: version, groups and resources, in the form in which kubectl 1.32 and kr8s 0.20 ask for it. Pure."""

from typing import Any

from bumper_sandbox.kubernetes.kinds import DEPLOYMENT, POD, REPLICA_SET, Kind, Kinds

# As recorded from a Kubernetes 1.35.4 API server, but for `gitCommit`, which says what answers here.
VERSION: dict[str, str] = {
    "major": "1",
    "minor": "35",
    "emulationMajor": "1",
    "emulationMinor": "35",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "34",
    "gitVersion": "v1.35.4",
    "gitCommit": "sandbox",
    "gitTreeState": "clean",
    "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": "go1.26.8",
    "compiler": "gc",
    "platform": "linux/amd64",
}
_VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]


def document(path: tuple[str, ...], kinds: Kinds, address: str) -> dict[str, Any] | None:
    """What is at `/` + path, or None if that is no place of discovery. `address` is `host:port`."""
    match path:
        case ("version",):
            return dict(VERSION)
        case ("api",):
            by_address = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": by_address}
        case ("apis",):
            groups = sorted({kind.group for kind in kinds if kind.group})
            return {
                "kind": "APIGroupList",
                "apiVersion": "v1",
                "groups": [_group(group, kinds) for group in groups],
            }
        case ("apis", group) if any(kind.group == group for kind in kinds):
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(group, kinds)}
        case ("api", version) | ("apis", _, version):
            group = path[1] if path[0] == "apis" else ""
            served = [kind for kind in kinds if (kind.group, kind.version) == (group, version)]
            return _resources(served) if served else None
    return None


def _group(name: str, kinds: Kinds) -> dict[str, Any]:
    versions = sorted({kind.version for kind in kinds if kind.group == name})
    entries = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": entries, "preferredVersion": entries[0]}


def _resources(kinds: list[Kind]) -> dict[str, Any]:
    entries = [entry for kind in sorted(kinds, key=lambda kind: kind.plural) for entry in _entries(kind)]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": kinds[0].api_version,
        "resources": entries,
    }


def _entries(kind: Kind) -> list[dict[str, Any]]:
    whole = {
        "name": kind.plural,
        "singularName": kind.name.lower(),
        "namespaced": kind.namespaced,
        "kind": kind.name,
        "verbs": _VERBS,
        "shortNames": list(kind.short_names),
    }
    if kind in (POD, DEPLOYMENT, REPLICA_SET):
        whole["categories"] = ["all"]
    entries = [whole]
    if kind.has_status:
        entries.append(_subresource(kind, "status", ["get", "patch", "update"]))
    if kind == POD:
        entries.append(_subresource(kind, "log", ["get"]))
    return entries


def _subresource(kind: Kind, name: str, verbs: list[str]) -> dict[str, Any]:
    return {
        "name": f"{kind.plural}/{name}",
        "singularName": "",
        "namespaced": kind.namespaced,
        "kind": kind.name,
        "verbs": verbs,
    }
