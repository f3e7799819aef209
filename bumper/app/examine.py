"""The checks before a deploy, each system by itself: what it answers is a finding, and so is that it does not answer.

Law: nothing is written anywhere, nothing is retried, and no failure of one system keeps another from being looked at.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from bumper.doctor import access, clocks, flux
from bumper.doctor.finding import Finding, Mark, of_error
from bumper.errors import BumpError, Refused, Transient
from bumper.image import ImageReference
from bumper.ports import ClusterAccess, PushAccess, RegistryAccess, Right
from bumper.revision import Revision
from bumper.status.sites import Entry

_DIGEST_DIGITS = 7
_Wall = Callable[[], datetime]


def of_push(repository: PushAccess, tip: Revision) -> list[Finding]:
    """Whether the server lets us push, without a push."""
    subject = repository.url
    try:
        repository.ask_to_push(tip.sha, tip.name)
    except BumpError as error:
        return [of_error("git", subject, error, "no deploy gets out without the right to push")]
    found = "may be pushed to (asked by git push --dry-run; the server's hooks are asked only by a push)"
    return [Finding("git", subject, Mark.GOOD, found)]


def of_registries(registry: RegistryAccess, entries: Sequence[Entry], wall: _Wall) -> list[Finding]:
    """Each registry once, then the image of each site in it. A registry that does not answer is not asked again."""
    by_host: dict[str, dict[ImageReference, None]] = defaultdict(dict)
    for entry in entries:
        if entry.image:
            by_host[entry.image.registry][entry.image] = None
    findings = []
    for host, images in by_host.items():
        try:
            date = registry.reach(host)
        except BumpError as error:
            why = f"no image of {len(images)} can be asked for, and none is deployed that was not seen"
            findings.append(of_error("registry", host, error, why))
            continue
        findings += filter(None, [clocks.finding(host, clocks.epoch_s(date), wall())])
        findings += _of_images(registry, host, list(images))
    return findings


def _of_images(registry: RegistryAccess, host: str, images: Sequence[ImageReference]) -> Iterator[Finding]:
    for number, image in enumerate(images):
        try:
            manifest = registry.resolve(image)
        except Transient as error:
            left = len(images) - number - 1
            why = f"{left} more images of {host} were not asked for" if left else ""
            yield of_error("registry", str(image), error, why)
            return
        except Refused as error:
            why = "what git wants could not be pulled again on another node"
            yield of_error("registry", str(image), error, why)
        except BumpError as error:
            yield of_error("registry", str(image), error, "an image that can't be seen is not deployed")
        else:
            digest = manifest.image.digest
            shown = f"{digest.partition(':')[0]}:{digest.partition(':')[2][:_DIGEST_DIGITS]}…"
            found = f"{shown} with {registry.credential(image)}"
            yield Finding("registry", str(image), Mark.GOOD, found)


def of_cluster(
    cluster: ClusterAccess,
    entries: Sequence[Entry],
    rights: Sequence[Right],
    tip: Revision | None,
    wall: _Wall,
) -> list[Finding]:
    """The API server, our rights, and Flux as it stands there."""
    try:
        version, date = cluster.server()
        denied = cluster.denied(rights)
    except BumpError as error:
        why = "a deploy would be pushed and not followed"
        return [of_error("cluster", cluster.name, error, why)]
    findings = [Finding("cluster", cluster.name, Mark.GOOD, f"Kubernetes {version} answers")]
    findings += access.findings(cluster.name, rights, denied)
    findings += filter(None, [clocks.finding(f"{cluster.name}: API server", clocks.epoch_s(date), wall())])
    try:
        return findings + _of_flux(cluster, entries, rights, denied, tip)
    except BumpError as error:
        why = "how Flux is set up there is not known"
        return [*findings, of_error("flux", cluster.name, error, why)]


def _of_flux(
    cluster: ClusterAccess,
    entries: Sequence[Entry],
    rights: Sequence[Right],
    denied: Collection[Right],
    tip: Revision | None,
) -> list[Finding]:
    desired = [replace(entry.desired, revision=tip) for entry in entries]
    looks = cluster.observe(desired)
    namespaces = {key.namespace for one in desired for key in (one.source, one.kustomization)}
    # Of another repository's Kustomizations nothing is asked but whether they are there.
    ours = [(one, look) for entry, one, look in zip(entries, desired, looks, strict=True) if entry.is_ours]
    may_ask = not any(one.verb == "patch" for one in denied)
    return flux.findings(cluster.name, ours, cluster.flux(namespaces), may_ask_to_fetch=may_ask)
