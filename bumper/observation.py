"""What must become true for one site, and what the cluster and git showed of it in one look.

Law: an `Observation` holds what was read and nothing that was concluded. Absent and unreadable are told apart, because only the
first is an answer.
"""

from collections.abc import Mapping

from bumper.dataclasses import dataclass, field
from bumper.image import ImageReference
from bumper.objects import Object, ObjectKey
from bumper.request import label
from bumper.revision import Revision


@dataclass(frozen=True)
class Desired:
    """What must become true for one workload of a site in one cluster.

    `image` carries the digest that the registry gave (empty if it was not asked). `revision` is our commit, or None when the branch
    already held the tag: then any applied revision whose file holds the image counts. `workload` is empty for a Kustomization
    that has no workload we can follow; `container` and those `beside` it in the same pods must run the image. `previous` is what the
    file held before. `replicas` is how many pods git asks for, None where that is not known. `identity` names the Kustomization and
    the file that defines it (`record.KustomizationName`). `makers` make `source` where it is
    not fetched itself: the ArtifactGenerator, and last the source that it reads. `where` tells the site from others of its name in
    the repository, `named` is how the user named its Kustomization; either is empty where the name alone is enough. `was_in_registry`:
    the registry was asked for it before the push, and had it. `is_elsewhere`: git says that it runs in another cluster than Flux.
    """

    site: str
    image: ImageReference
    previous: ImageReference | None
    revision: Revision | None
    kustomization: ObjectKey
    source: ObjectKey
    workload: ObjectKey
    container: str
    replicas: int | None = None
    beside: tuple[str, ...] = ()
    identity: str = ""
    makers: tuple[ObjectKey, ...] = ()
    where: str = ""
    named: str = ""
    was_in_registry: bool = False
    is_elsewhere: bool = False

    @property
    def label(self) -> str:
        """The site as people read it, and as no other site of the repository is called."""
        return label(self.site, self.where)

    @property
    def fetched(self) -> ObjectKey:
        """The source that Flux fetches from the repository."""
        return self.makers[-1] if self.makers else self.source

    def is_met_by(self, image: ImageReference | None) -> bool:
        """Whether `image`, from a file or from an object, is the image wanted: a pinned digest counts for more than its tag."""
        if image is None or image.repository != self.image.repository or image.tag != self.image.tag:
            return False
        if image.digest and self.image.digest:
            return image.digest == self.image.digest
        return bool(self.image.tag)


@dataclass(frozen=True)
class RevisionFacts:
    """What git knows of one revision: `includes_commit` by ancestry, `image` as it stands in the site's field there.

    None means that git could not tell (the commit is gone, the server could not be reached): unknown is never "no". `is_removed` says
    that the site's Kustomization is not in that commit any more,
    `is_off_branch` (asked of our own commit alone, as long as Flux does not have it) that the branch does not hold it any more.
    """

    includes_commit: bool | None
    image: ImageReference | None
    subject: str = ""
    author: str = ""
    is_removed: bool = False
    is_off_branch: bool = False

    @property
    def about(self) -> str:
        """`Add a limit, Eve`: what is known of who made it and why; may be empty."""
        return ", ".join(filter(None, (self.subject, self.author)))


@dataclass(frozen=True)
class Baseline:
    """How a site's objects stood before our push.

    `tried` is the commit that its Kustomization had tried last and failed for, as git names it; `untried` the one that ours was put
    on, where Flux had not tried that yet. Both are empty where it is not so.
    """

    source: Object | None = None
    kustomization: Object | None = None
    workload: Object | None = None
    tried: str = ""
    untried: str = ""
    canary: Object | None = None


@dataclass(frozen=True)
class Observation:
    """The objects of one site, each as the API gave it, read together, the Kustomization before the workload and the pods last.

    None or empty: not there. What could not be read stands in `unreadable` (kind → why) and must not be taken for absent.
    `revisions` is keyed by commit (40 hex digits). `logs` holds the last lines of containers that crashed, keyed `pod/container`.
    `dependencies` are the Flux Kustomizations named in `spec.dependsOn`, `makers` those of `Desired`. `at_s` is our own clock,
    `cluster_time` what the API server's showed (RFC 3339, empty where it did not say): it is compared with the cluster's own times
    alone. `before` is None where nobody looked before the push, or nothing was pushed. `canary` is the Flagger Canary that targets the
    workload, `primary` the workload that Flagger made of it, which is what serves.
    """

    at_s: float
    source: Object | None = None
    kustomization: Object | None = None
    workload: Object | None = None
    replica_sets: tuple[Object, ...] = ()
    pods: tuple[Object, ...] = ()
    events: tuple[Object, ...] = ()
    dependencies: tuple[Object, ...] = ()
    makers: tuple[Object, ...] = ()
    logs: Mapping[str, str] = field(default_factory=dict)
    revisions: Mapping[str, RevisionFacts] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    before: Baseline | None = None
    cluster_time: str = ""
    canary: Object | None = None
    primary: Object | None = None

    def sources(self, desired: Desired) -> list[tuple[ObjectKey, Object | None]]:
        """The way from the repository to the Kustomization: what Flux fetches first, the Kustomization's own source last."""
        made = {ObjectKey.of(maker): maker for maker in self.makers}
        return [*((key, made.get(key)) for key in reversed(desired.makers)), (desired.source, self.source)]
