"""What a rule is, and what it finds.

Law: a rule is one function, and everything that people are told of it stands right above it: its id, how bad it is, why it matters and
what to do. `RULES` holds all of them in the order in which they are written; nothing else has to be told of a new one.

    @rule("image-tag", WARNING, why="…", fix="…")
    def untagged(cluster: Cluster) -> Iterator[Fault]:
        for resource in cluster.resources:
            yield resource.fault("container web has no tag", "spec", "template", …)
"""

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING

from bumper.dataclasses import dataclass
from bumper.fluxtree.resource import Fault

if TYPE_CHECKING:
    from bumper.check.cluster import Cluster


class Severity(StrEnum):
    """`error`: Flux or the cluster refuses it, or it cannot work. `warning`: it works, and will hurt one day."""

    ERROR = "error"
    WARNING = "warning"


ERROR, WARNING = Severity.ERROR, Severity.WARNING
Search = Callable[["Cluster"], Iterator[Fault]]


@dataclass(frozen=True)
class Rule:
    """`why` is one sentence, `fix` another; `search` gives the faults of one cluster."""

    id: str
    severity: Severity
    why: str
    fix: str
    search: Search


@dataclass(frozen=True, order=True)
class Finding:
    """A fault and the rule it breaks. `path` counts from the root of the repository, `line` from 1."""

    path: str
    line: int
    id: str
    message: str
    severity: Severity
    why: str
    fix: str

    @property
    def place(self) -> str:
        """`k8s/web/deployment.yaml:14`."""
        return f"{self.path}:{self.line}"


RULES: dict[str, Rule] = {}


def rule(identity: str, severity: Severity, *, why: str, fix: str) -> Callable[[Search], Search]:
    """Makes a rule of the function below it."""

    def register(search: Search) -> Search:
        assert identity not in RULES, f"two rules are called {identity}"
        RULES[identity] = Rule(identity, severity, why, fix, search)
        return search

    return register
