"""What is asked of a cluster, and of git about what the cluster says."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from bumper.dataclasses import dataclass, field
from bumper.objects import Object, ObjectKey
from bumper.observation import Baseline, Desired, Observation, RevisionFacts

if TYPE_CHECKING:
    from concurrent.futures import Future

# Deployments of Flux that are looked at.
CONTROLLERS = (
    "source-controller",
    "source-watcher",
    "kustomize-controller",
    "helm-controller",
    "notification-controller",
)


class Cluster(Protocol):
    """One Kubernetes API with a Flux in it; `kube.Cluster` is the real one."""

    @property
    def name(self) -> str: ...
    def observe(self, desired: Sequence[Desired]) -> list[Observation]: ...
    def observe_changed(
        self, desired: Sequence[Desired], is_due: Sequence[bool]
    ) -> list[Observation | None]: ...
    def wait(self, timeout_s: float) -> bool: ...
    def request_fetch(self, source: ObjectKey) -> str: ...
    def notices(self) -> tuple[str, ...]: ...


class Listed(Cluster, Protocol):
    """A cluster whose Kustomizations can be listed; `kube.Cluster` is the real one."""

    def kustomizations(self, namespaces: Sequence[str]) -> Sequence[Object]: ...


class ClusterAhead(Protocol):
    """A cluster that is looked at while something else goes on; `kube.Cluster` is the real one."""

    @property
    def name(self) -> str: ...
    def observe(self, desired: Sequence[Desired]) -> list[Observation]: ...
    def begin_to_observe(self, desired: Sequence[Desired]) -> "Future[list[Observation]]": ...


class Facts(Protocol):
    """What git knows of the revisions that a cluster speaks of; `Revisions` is the real one."""

    def facts(self, desired: Desired, shas: Iterable[str]) -> dict[str, RevisionFacts]: ...


class Tape(Protocol):
    """What stands between the loop and the systems, to write down what they answer or to answer for them (`recording`)."""

    @property
    def one_by_one(self) -> bool: ...
    def around(self, cluster: Any) -> Cluster: ...
    def facts(self, context: str, source: Facts) -> Facts: ...
    def before(self, context: str, known: Sequence[Baseline | None]) -> Sequence[Baseline | None]: ...


@dataclass(frozen=True, order=True)
class Right:
    """One verb on one resource. `namespace` is empty for a right of the cluster's scope, `name` for all objects of the resource.

    `resource` may have a subresource (`pods/log`). `lost` is what is missing without the right; `is_needed` where that is the verdict.
    """

    namespace: str
    group: str
    resource: str
    verb: str
    name: str = ""
    lost: str = field(default="", compare=False)
    is_needed: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Installation:
    """Deployments of Flux's controllers and its Receivers; `unreadable` says by kind why some of them are not here."""

    controllers: tuple[Object, ...] = ()
    receivers: tuple[Object, ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)


class ClusterAccess(Protocol):
    """`kube.Cluster` is the real one."""

    @property
    def name(self) -> str: ...
    def server(self) -> tuple[str, str]: ...
    def served(self, rights: Sequence[Right]) -> tuple[Right, ...]: ...
    def denied(self, rights: Sequence[Right]) -> frozenset[Right]: ...
    def flux(self, namespaces: Collection[str]) -> Installation: ...
    def observe(self, desired: Sequence[Desired]) -> list[Observation]: ...
