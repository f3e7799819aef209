"""What is said at once, because waiting would not change it: settings that hold back, override or shorten a deploy.

Law: a notice never changes a verdict. A setting that makes Ready impossible is a finding, not a notice.
"""

from collections.abc import Iterator
from typing import NamedTuple

from bumper.objects import at
from bumper.observation import Desired, Observation
from bumper.rollout.flux import GROUP, health_timeout_s, names_no_commit
from bumper.rollout.workload import FOLLOWED_KINDS

# What is lost with a kind that can't be read; without the Kustomization or the workload nothing can be proved (see obstacles).
LOST = {
    "GitRepository": "what Flux has fetched is taken from the Kustomization",
    "ReplicaSet": "pods are matched by their image",
    "Pod": "causes can't be named, and the running digest can't be compared",
    "Canary": "whether Flagger promotes the workload is not known, and so is what serves",
    "Event": "causes are named with less detail",
}


def notices(desired: Desired, observation: Observation) -> tuple[str, ...]:
    """One sentence each, the same in every look, so that saying each once is enough."""
    return (
        *(
            f"{kind} can't be read ({why}): {LOST.get(kind, 'it is left out')}"
            for kind, why in sorted(observation.unreadable.items())
        ),
        *settings(desired, observation),
    )


def settings(desired: Desired, observation: Observation) -> tuple[str, ...]:
    """The notices about settings that a person has made and can change, one sentence each."""
    return (*_of_workload(desired, observation), *_of_flux(desired, observation))


def _of_workload(desired: Desired, observation: Observation) -> Iterator[str]:
    workload, kind = observation.workload, desired.workload.kind
    if observation.canary is not None:
        name = at(observation.canary, "metadata", "name")
        yield f"Canary {desired.workload.namespace}/{name} promotes {desired.workload}: Ready is when its primary runs the image"
    elif at(workload, "spec", "replicas") == 0:
        yield f"{desired.workload} has replicas 0: no pod will run"
    if at(workload, "spec", "updateStrategy", "type") == "OnDelete":
        yield f"{desired.workload} has the update strategy OnDelete: someone must delete its pods"
    if at(workload, "spec", "updateStrategy", "rollingUpdate", "partition") and kind == "StatefulSet":
        yield f"{desired.workload} has a partition: some pods stay old"
    if kind == "CronJob" and at(workload, "spec", "suspend"):
        yield f"{desired.workload} is suspended: it starts no runs"


def _of_flux(desired: Desired, observation: Observation) -> Iterator[str]:
    if desired.workload.kind and names_no_commit(observation):
        name_it = (
            f'give the artifact originRevision: "@ALIAS" in {desired.makers[0]}'
            if desired.makers
            else "push it with its commit: flux push artifact --revision=BRANCH@sha1:COMMIT"
        )
        yield f"{desired.source} names no commit: whether it has ours is judged by the image that the workload is given; {name_it}"
    if owner := another_owner(desired, observation):
        yield f"{desired.workload} is applied by the {owner} as well (its labels say so), which may put its own image back"
    timeout_s = health_timeout_s(observation.kustomization) if _checks_ours(desired, observation) else None
    deadline_s = at(observation.workload, "spec", "progressDeadlineSeconds")
    if timeout_s is not None and desired.workload.kind == "Deployment" and timeout_s < (deadline_s or 0):
        yield (
            f"{desired.kustomization} gives up its health check after {timeout_s:g} s, before {desired.workload} does "
            f"(progressDeadlineSeconds {deadline_s}): it will not say why; raise spec.timeout or lower the deadline"
        )
    for patch in at(observation.kustomization, "spec", "patches") or ():
        if desired.image.repository in (patch.get("patch") or ""):
            yield f"{desired.kustomization} has a patch in spec.patches that names {desired.image.repository}: it may override the tag"


def another_owner(desired: Desired, observation: Observation) -> str:
    """The Kustomization that applied the workload last, where that is not the site's own; empty where it is, or nobody says.

    fluxcd/pkg ssa 0.76.1 manager.go, SetOwnerLabels.
    """
    labels = at(observation.workload, "metadata", "labels") or {}
    name, namespace = (labels.get(f"{GROUP}/{field}") or "" for field in ("name", "namespace"))
    own = desired.kustomization
    return (
        f"Kustomization {namespace}/{name}" if name and (name, namespace) != (own.name, own.namespace) else ""
    )


def _checks_ours(desired: Desired, observation: Observation) -> bool:
    """Whether the Kustomization's health check is about our workload: with `wait` about everything, else about what it lists."""
    spec = at(observation.kustomization, "spec") or {}
    key = desired.workload
    return bool(spec.get("wait")) or any(
        (check.get("kind"), check.get("name"), check.get("namespace") or key.namespace)
        == (key.kind, key.name, key.namespace)
        for check in spec.get("healthChecks") or ()
    )


def unfollowable(desired: Desired) -> str:
    """Why nobody can tell when the site is Ready, as git alone shows; empty where it can be followed."""
    workload = desired.workload
    if workload.kind and workload.kind not in FOLLOWED_KINDS:
        return f"no rule says when a {workload.kind} is done"
    return "Flux applies it to another cluster (spec.kubeConfig in git)" if desired.is_elsewhere else ""


class Override(NamedTuple):
    """A setting that replaces our image whatever the file says. It may heal where it still holds what the branch held before us."""

    text: str
    may_heal: bool = False


def override(desired: Desired, observation: Observation) -> Override | None:
    """The first setting on the Kustomization or the workload that replaces our image; None where there is none."""
    for image in at(observation.kustomization, "spec", "images") or ():
        if image.get("name") != desired.image.repository:
            continue
        tag, digest = image.get("newTag") or desired.image.tag, image.get("digest") or ""
        if tag != desired.image.tag or (digest and digest != desired.image.digest):
            # Where spec.images is the field that was edited, another Kustomization brings the new tag in a moment later: the one that
            # its label names. Without one a person wrote it.
            before = desired.previous
            is_applied = at(observation.kustomization, "metadata", "labels", f"{GROUP}/name")
            may_heal = (
                bool(is_applied)
                and before is not None
                and tag == before.tag
                and digest in ("", before.digest)
            )
            return Override(f"spec.images of {desired.kustomization} sets {digest or tag}", may_heal)
    # fluxcd/pkg ssa 0.76.1 manager_apply.go, shouldSkipApply, and utils/meta.go, which ignores case. `ssa: IfNotPresent` counts in the
    # manifest, which the object in the cluster copies.
    for key, values in (("reconcile", ("disabled",)), ("ssa", ("ignore", "ifnotpresent"))):
        for field in ("labels", "annotations"):
            value = at(observation.workload, "metadata", field, f"{GROUP}/{key}") or ""
            if value.lower() in values:
                return Override(f"{GROUP}/{key}: {value} on {desired.workload} keeps Flux from changing it")
    return None
