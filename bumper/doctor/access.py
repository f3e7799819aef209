"""Rights in a cluster: the rights that following needs, held against the granted ones, and written down as an RBAC manifest. Pure.

Law: least privilege. Each right is named by namespace, resource and verb: no wildcard, no Secret, nothing but a request to fetch is
written. What the manifest grants is what the rights say, one for one.
"""

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from bumper.doctor.finding import Finding, Mark
from bumper.ports.kubernetes import Right

ACCOUNT = "bump"
_RBAC = "rbac.authorization.k8s.io"
# What YAML reads as this very text, whatever its version: everything else is quoted.
_PLAIN = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[a-z][a-z0-9./-]*")
_ADVICE = "grant it: bump doctor --rbac prints the whole manifest for kubectl apply -f -"


def findings(context: str, rights: Sequence[Right], denied: Collection[Right]) -> list[Finding]:
    """A finding for each namespace where every right is granted, else for each resource with the rights that are denied."""
    reported = []
    for namespace in sorted({right.namespace for right in rights}):
        asked = [right for right in rights if right.namespace == namespace]
        where = f"namespace {namespace}" if namespace else "cluster scope"
        refused: dict[tuple[str, str], list[Right]] = defaultdict(list)
        for right in asked:
            if right in denied:
                refused[right.group, right.resource].append(right)
        if not refused:
            reported.append(_allowed(f"{context}: {where}", asked))
        reported += [_refused(f"{context}: {where}", missing) for missing in refused.values()]
    return reported


def _allowed(subject: str, rights: Sequence[Right]) -> Finding:
    resources = ", ".join(dict.fromkeys(right.resource for right in rights))
    return Finding("cluster", subject, Mark.GOOD, f"{len(rights)} of {len(rights)} rights: {resources}")


def _refused(subject: str, missing: Sequence[Right]) -> Finding:
    first = missing[0]
    is_needed = any(right.is_needed for right in missing)
    kind, name = ("ClusterRole", f"{ACCOUNT}-nodes") if not first.namespace else ("Role", ACCOUNT)
    verbs = ", ".join(right.verb for right in missing)
    place = f" in {first.namespace}" if first.namespace else ""
    rule = f"{kind} {name}{place}: apiGroups [{first.group!r}], resources [{first.resource}], verbs [{verbs}]"
    return Finding(
        "cluster",
        subject,
        Mark.MISSING if is_needed else Mark.WARNING,
        f"no permission to {verbs} {first.resource}",
        "; ".join(dict.fromkeys(right.lost for right in missing if right.lost)),
        f"{_ADVICE}; the rule that is absent: {rule}",
    )


def manifests(rights: Iterable[Right], namespace: str, user: str = "") -> list[dict[str, Any]]:
    """The account in `namespace`, its roles and their bindings, as objects for `kubectl apply`.

    With `user` the rights are bound to it, as the cluster calls it, and no account is made.
    """
    by_place: dict[str, list[Right]] = defaultdict(list)
    for right in sorted(set(rights)):
        by_place[right.namespace].append(right)
    subject = (
        {"kind": "User", "name": user, "apiGroup": _RBAC}
        if user
        else {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}
    )
    objects = [] if user else [_object("v1", "ServiceAccount", ACCOUNT, namespace)]
    for place, granted in sorted(by_place.items()):
        kind, name = ("Role", ACCOUNT) if place else ("ClusterRole", f"{ACCOUNT}-nodes")
        objects.append({**_object(f"{_RBAC}/v1", kind, name, place), "rules": _rules(granted)})
        objects.append(
            {
                **_object(f"{_RBAC}/v1", f"{kind}Binding", name, place),
                "roleRef": {"apiGroup": _RBAC, "kind": kind, "name": name},
                "subjects": [subject],
            }
        )
    return objects


def _object(api_version: str, kind: str, name: str, namespace: str) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def _rules(rights: Iterable[Right]) -> list[dict[str, Any]]:
    """One rule for each group, set of verbs and set of names, with all resources that share them."""
    verbs: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for right in rights:
        verbs[right.group, right.resource][right.name].append(right.verb)
    rules: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[str]] = defaultdict(list)
    for (group, resource), by_name in verbs.items():
        if for_all := by_name.pop("", None):
            rules[group, tuple(for_all), ()].append(resource)
        named: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for name, allowed in by_name.items():
            named[tuple(allowed)].append(name)
        for allowed_verbs, names in named.items():
            rules[group, allowed_verbs, tuple(names)].append(resource)
    return [
        {
            "apiGroups": [group],
            "resources": resources,
            "verbs": list(allowed),
            **({"resourceNames": list(names)} if names else {}),
        }
        for (group, allowed, names), resources in rules.items()
    ]


def as_yaml(objects: Iterable[Mapping[str, Any]], note: str) -> str:
    """The objects as documents of one YAML file, under a comment."""
    head = "".join(f"# {line}\n" for line in note.splitlines())
    return head + "---\n".join("".join(_block(document, 0)) for document in objects)


def _block(value: Mapping[str, Any], depth: int) -> Iterable[str]:
    for key, below in value.items():
        indent = "  " * depth
        if isinstance(below, Mapping):
            yield f"{indent}{key}:\n"
            yield from _block(below, depth + 1)
        elif isinstance(below, list) and below and isinstance(below[0], Mapping):
            yield f"{indent}{key}:\n"
            for entry in below:
                first, *rest = _block(entry, depth + 2)
                yield f"{indent}  - {first.lstrip()}"
                yield from rest
        elif isinstance(below, list):
            yield f"{indent}{key}: [{', '.join(map(json.dumps, below))}]\n"
        else:
            yield f"{indent}{key}: {below if _PLAIN.fullmatch(below) else _scalar(below)}\n"


def _scalar(text: str) -> str:
    # `rbac.authorization.k8s.io/v1` and names of kinds: letters first, nothing that YAML gives a meaning.
    return text if re.fullmatch(r"[A-Z][A-Za-z]+", text) else json.dumps(text)
