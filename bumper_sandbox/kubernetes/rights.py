"""Who may do what in the sandbox's cluster: everything, or what RBAC objects grant, less what a test forbids.

Roles and ClusterRoles with their bindings are read as Kubernetes reads them: rules only add, a Role counts in its own namespace, a
request for all namespaces needs a ClusterRole, `resourceNames` narrows to these. Every subject is taken for the one user there is.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

REVIEWS = ("apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews")


class Access(NamedTuple):
    """One request, as authorization sees it. `resource` may have a subresource; `namespace` is empty for all of them."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""

    @classmethod
    def of(cls, attributes: Mapping[str, str]) -> "Access":
        """The `resourceAttributes` of a SelfSubjectAccessReview."""
        names = (attributes.get("resource", ""), attributes.get("subresource", ""))
        return cls(
            attributes.get("verb", ""),
            attributes.get("group", ""),
            "/".join(filter(None, names)),
            attributes.get("namespace", ""),
            attributes.get("name", ""),
        )


class Rights:
    """What is allowed now; without a `restrict` everything is."""

    def __init__(self) -> None:
        self.forbidden: set[tuple[str, str]] = set()
        self._granted: list[tuple[str, Mapping[str, Any]]] | None = None

    def restrict(self, objects: Iterable[Mapping[str, Any]]) -> None:
        """From now on only what these objects grant; of other kinds than RBAC's nothing is read."""
        known = list(objects)
        rules = {_identity(obj): obj.get("rules") or [] for obj in known if obj["kind"].endswith("Role")}
        self._granted = []
        for binding in known:
            if binding["kind"] not in ("RoleBinding", "ClusterRoleBinding"):
                continue
            namespace = binding["metadata"].get("namespace", "")
            role = binding["roleRef"]
            place = namespace if role["kind"] == "Role" else ""
            self._granted += [
                (namespace, rule) for rule in rules.get((role["kind"], place, role["name"]), ())
            ]

    def lift(self) -> None:
        """Takes a `restrict` back."""
        self._granted = None

    def allows(self, access: Access) -> bool:
        if (access.verb, access.resource) in self.forbidden:
            return False
        if self._granted is None:
            return True
        return any(place in ("", access.namespace) and _covers(rule, access) for place, rule in self._granted)


def review(asked: Mapping[str, Any], rights: Rights) -> dict[str, Any]:
    """The answer to a SelfSubjectAccessReview, in the form of a Kubernetes 1.35 API server's."""
    spec = asked.get("spec") or {}
    is_allowed = rights.allows(Access.of(spec.get("resourceAttributes") or {}))
    return {
        "kind": "SelfSubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {},
        "spec": spec,
        "status": {"allowed": is_allowed},
    }


def _identity(obj: Mapping[str, Any]) -> tuple[str, str, str]:
    return obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _covers(rule: Mapping[str, Any], access: Access) -> bool:
    names = rule.get("resourceNames")
    return (
        access.group in rule["apiGroups"]
        and access.resource in rule["resources"]
        and access.verb in rule["verbs"]
        and (not names or access.name in names)
    )
