"""What is seen in git alone and will hold back or replace a tag that is written: said before anybody waits for it.

Law: a notice, never a refusal: each of these may be meant. What `find` follows to the field that decides (patches, `images:` of a
kustomization.yaml and of a Flux Kustomization) is no override, since it is what is edited; a substitution in the field is refused
there.
"""

import re
from collections.abc import Iterator, Mapping

from bumper.fluxtree.sites.find import Target
from bumper.manifest import Field

# image-automation-controller 1.2, pkg/update: a comment at the end of the line, `namespace:name`, and which part of the image it sets.
_MARKER = re.compile(
    r'\{\s*"\$imagepolicy"\s*:\s*"(?P<namespace>[^":]+):(?P<name>[^":]+)(?::(?P<part>[a-z]+))?"\s*\}'
)


def notices(target: Target, contents: Mapping[str, bytes], branch: str = "") -> tuple[str, ...]:
    """One sentence each. `contents` are the files of the target's fields that are changed, `branch` is where they are changed."""
    markers = (text for field in target.fields for text in _marker(field, contents.get(field.path, b"")))
    return (*markers, *_suspended(target), *_elsewhere(target, branch), *_in_another_cluster(target))


def _marker(field: Field, content: bytes) -> Iterator[str]:
    span = field.span
    line = content[content.rfind(b"\n", 0, span.start) + 1 :].partition(b"\n")[0]
    match = _MARKER.search(line.decode(errors="replace"))
    if match and match["part"] != "name":
        yield (
            f"{field.path}:{span.line}: marked for image automation (ImagePolicy {match['namespace']}/{match['name']}): "
            "where that runs, it sets its own choice over this tag; flux suspend image update, or take the marker off"
        )


def _suspended(target: Target) -> Iterator[str]:
    site = target.site
    if site.known_by:
        yield (
            f"{site.place}: no file of this repository holds Kustomization {site.kustomization.name}: it can be deployed and "
            "followed, not held, and a version that is rolled back is not kept off"
        )
    elif site.suspended:
        yield (
            f"{site.place}: Kustomization {site.kustomization.name} is suspended in git: Flux does not apply the commit; "
            "set spec.suspend to false"
        )


def _elsewhere(target: Target, branch: str) -> Iterator[str]:
    origin = target.site.origin
    if branch and origin and not origin.follows(branch):
        yield (
            f"{origin.place}: Kustomization {target.site.kustomization.name} is built from {origin.ref} of {origin.url}, not from "
            f"branch {branch}: Flux applies the commit once it is there"
        )


def _in_another_cluster(target: Target) -> Iterator[str]:
    for use in target.images:
        if use.is_elsewhere:
            yield f"{use.path}: {use.workload} installs its chart in another cluster (spec.kubeConfig): nobody follows it there"
            return
    site = target.site
    if site.is_elsewhere:
        name = site.kustomization.name
        yield f"{site.place}: Kustomization {name} applies to another cluster (spec.kubeConfig): nobody follows it there"
