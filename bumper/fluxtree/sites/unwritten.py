"""Kustomizations that no file of the repository holds: a ResourceSet makes them of inputs that only a cluster has, a chart, a person.

Law: only a name that the repository does not have is looked for here. What the clusters that are followed have under it is built as
they have it; where none is asked, the caller says which directory it builds (`--path`, or its whole name as history keeps it:
`DIRECTORY#namespace/name`). The directory stands for the file that there is not, so that both ways lead to the same history. What
the object itself decides can't be edited, and what it may hold that nobody asked a cluster for is not proved.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter

from bumper.dataclasses import replace
from bumper.errors import FieldMissing
from bumper.fluxtree.discovery import BY_PATH, GROUP, Site, artifact_path, pushed, site_of
from bumper.fluxtree.leaves import Reader, Text
from bumper.fluxtree.resource import Resource
from bumper.fluxtree.sources import FLUX_SYSTEM
from bumper.fluxtree.walk import Walk
from bumper.manifest.document import documents, mapping, text
from bumper.objects import Object, ObjectKey
from bumper.record import KustomizationName
from bumper.request import Inventory, Live, LiveBuild

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?(?<!\.yaml)(?<!\.yml)")
# A cluster is asked in so many namespaces, those of the tree.
_MOST_NAMESPACES = 32
_METADATA = ("name", "namespace", "labels", "annotations")


def sites(walk: Walk, wanted: str, known: Iterable[Site], live: Live | None, path: str) -> tuple[Site, ...]:
    """The Kustomizations of that name which no file holds, of different directories; none where nobody knows of one.

    `known` are those of the tree. FieldMissing where the clusters have it, of this repository, and none builds `path`; or where there
    is a `path`, and no cluster has it.
    """
    name = KustomizationName.parse(wanted)
    if not _NAME.fullmatch(name.name) or "/" in name.namespace:
        return ()  # a file, or its line
    directory = path or name.file
    there = [_judged(walk, build, directory) for build in _live(live, name, known)]
    chosen = [site for site in there if not directory or site.path == artifact_path(directory)]
    if there and not chosen:
        builds = ", ".join(f"{site.known_by} builds {site.path or '.'}" for site in there)
        raise FieldMissing(
            f"{wanted}: no cluster builds {directory} under this name: {builds}", hint="leave --path out"
        )
    if live and path and not chosen:
        raise FieldMissing(
            f"{wanted}: no Flux Kustomization of the repository has this name, and no cluster that is followed has it, or can "
            "be read",
            hint="name it as the cluster does: --kustomization NAMESPACE/NAME",
        )
    if chosen or not directory:
        return tuple(chosen)
    return (walk.beside(_of_path(walk, name, directory, known)),)


def beside(walk: Walk, known: Iterable[Site], inventory: Inventory) -> Iterator[Site]:
    """Those of this repository that the clusters have, and of whose name the tree has none, in the namespaces of the tree."""
    there = {
        (build.cluster, _key(build)): build for build in inventory(_namespaces(known)[:_MOST_NAMESPACES])
    }
    written = walk.kustomizations
    # Most of what a cluster has the tree has as well: of that nothing is read.
    unknown = [(cluster, str(key), build) for (cluster, key), build in there.items() if key not in written]
    for _, _, build in sorted(unknown, key=itemgetter(0, 1)):
        if (site := _judged(walk, build, "")).is_ours:
            yield site


def _key(build: LiveBuild) -> ObjectKey:
    metadata = mapping(build.kustomization.get("metadata"))
    return ObjectKey("Kustomization", text(metadata.get("namespace")), text(metadata.get("name")))


def _judged(walk: Walk, build: LiveBuild, directory: str) -> Site:
    """What a cluster has, and where it lies in this repository; a source that is not ours is pushed from `directory`."""
    site = walk.beside(_of_cluster(build, build.path), build.address())
    return (
        site
        if site.is_ours or not directory
        else pushed(walk.beside(_of_cluster(build, directory)), directory)
    )


def _live(live: Live | None, name: KustomizationName, known: Iterable[Site]) -> Iterator[LiveBuild]:
    spaces = [name.namespace] if name.namespace else [*_namespaces(known)]
    for namespace in spaces[:_MOST_NAMESPACES] if live else ():
        builds = live(namespace, name.name) if live else ()
        yield from sorted(
            (build for build in builds if build.kustomization), key=lambda build: (build.path, build.source)
        )


def _namespaces(known: Iterable[Site]) -> Sequence[str]:
    named = (site.kustomization.namespace for site in known)
    return [*dict.fromkeys([FLUX_SYSTEM, *filter(None, named)])]


def _of_cluster(build: LiveBuild, place: str) -> Site:
    live = build.kustomization
    metadata = {key: value for key, value in mapping(live.get("metadata")).items() if key in _METADATA}
    spec = {**mapping(live.get("spec")), "path": build.path}
    return _site(metadata, spec, place, f"cluster {build.cluster}")


def _of_path(walk: Walk, name: KustomizationName, directory: str, known: Iterable[Site]) -> Site:
    source = walk.first_source
    reference = {"kind": source.kind, "name": source.name, "namespace": source.namespace}
    metadata = {"name": name.name, "namespace": name.namespace or _namespaces(known)[0]}
    return _site(metadata, {"path": directory, "sourceRef": reference}, directory, BY_PATH)


def _site(metadata: Object, spec: Object, directory: str, known_by: str) -> Site:
    """The site of an object that stands in no file: where it lies is the directory of this repository that it builds."""
    place = artifact_path(directory) or "."
    written = json.dumps(
        {"apiVersion": f"{GROUP}/v1", "kind": "Kustomization", "metadata": metadata, "spec": spec}
    ).encode()
    (document,) = documents(written, place)
    fixed = f"it stands in the Kustomization itself, which no file of this repository holds ({known_by})"
    value = document.read(Reader(Text(place, written, fixed=fixed)))
    owner = Resource(document, value, frozenset([document.key.name]))
    return replace(site_of(owner, ""), known_by=known_by, place=f"{place} ({known_by})")
