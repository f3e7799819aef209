"""Rules about files: what cannot be read, what is named and not there, what is there and not named."""

import re
from collections.abc import Iterator
from posixpath import basename, dirname, join

from bumper.check import silence, unbuilt
from bumper.check.cluster import Cluster
from bumper.check.finding import ERROR, RULES, WARNING, rule
from bumper.fluxtree.artifacts import EXTERNAL
from bumper.fluxtree.build import kustomization, resource_of
from bumper.fluxtree.layers import GENERATED, Layer, mentioned
from bumper.fluxtree.resource import Fault
from bumper.fluxtree.sources import GIT
from bumper.freeze.place import PATH
from bumper.manifest.document import Document

# Objects by their form, which no cluster gets: other programs read them in git.
_APPLIED_NOWHERE = frozenset(["backstage.io"])
_PLACE = re.compile(r"(?P<path>.*?):(?P<line>\d+): ")


@rule(
    "invalid-yaml",
    ERROR,
    why="Flux cannot build the directory of a file that is no YAML, so nothing in it is applied any more.",
    fix="Correct the syntax at this line.",
)
def unreadable(cluster: Cluster) -> Iterator[Fault]:
    read = {path for built in cluster.builds for layer in built.layers for path in _read(layer)}
    directories = {dirname(built.owner.path) for built in cluster.builds}
    for path, error in cluster.reading.broken.items():
        # What is looked through for other reasons (templates of a chart in the same repository) Flux never reads.
        if path not in read and dirname(path) not in directories:
            continue
        match = _PLACE.match(error.message)
        line = int(match["line"]) if match else 1
        yield Fault(path, line, error.message[match.end() :] if match else error.message)


def _read(layer: Layer) -> tuple[str, ...]:
    """The files of a kustomization that have to be YAML."""
    return (layer.path, *layer.files, *layer.used)


@rule(
    "duplicate-key",
    ERROR,
    why="kustomize refuses a mapping that has a key twice, so Flux applies nothing of the whole Kustomization.",
    fix="Keep one of the two.",
)
def repeated(cluster: Cluster) -> Iterator[Fault]:
    # Whatever a patch or a variable makes of the value: the file itself is refused.
    for gap in dict.fromkeys(gap for built in cluster.builds for gap in built.repeated):
        yield Fault(gap.path, gap.line, gap.message)


@rule(
    "missing-path",
    ERROR,
    why="Flux cannot build a path that is not in the repository; the Kustomization never becomes Ready.",
    fix="Correct spec.path, or add the directory.",
)
def missing_path(cluster: Cluster) -> Iterator[Fault]:
    for built in cluster.builds:
        # What nobody is known to apply may be of another repository: nothing but its path would say that it is of this one.
        is_certain = cluster.is_bootstrapped or id(built) in cluster.parents
        # The root of an OCI artifact or a bucket may be any directory of the repository.
        if is_certain and built.missing_path and built.site.source.kind in (GIT, EXTERNAL):
            rule = cluster.reading.of(built.site.exclusions).left_out(built.site.path)
            what = f"Flux leaves out: {rule}" if rule else "is no directory here"
            yield built.owner.fault(
                f"Kustomization {built.name} builds {built.site.path}, which {what}", "spec", "path"
            )


@rule(
    "missing-resource",
    ERROR,
    why="kustomize stops at a file that is not there, so Flux applies nothing of the whole Kustomization.",
    fix="Correct the name, add the file, or take it off the list.",
)
def missing_resource(cluster: Cluster) -> Iterator[Fault]:
    for built in cluster.builds:
        for gap in built.gaps:
            yield Fault.of(gap)


@rule(
    "refused-build",
    ERROR,
    why="kustomize refuses the build, so Flux applies nothing of the whole Kustomization.",
    fix="Correct what the line says; `kustomize build` tells when it is.",
)
def refused_build(cluster: Cluster) -> Iterator[Fault]:
    for built in cluster.builds:
        # Those have rules of their own.
        known = {*built.collisions, *built.repeated}
        refusals = [gap for gap in built.refusals if gap not in known]
        for gap in () if built.is_open else (*refusals, *built.mistyped):
            # Of the file of freeze windows another rule says it.
            if gap.path != PATH:
                yield Fault.of(gap)


@rule(
    "rewritten-value",
    WARNING,
    why="Flux writes the kustomization at spec.path anew: of newTag: 1.10 it makes the tag 1.1, and an unknown key is gone.",
    fix="Put a number in quotes; correct the key.",
)
def rewritten(cluster: Cluster) -> Iterator[Fault]:
    for built in cluster.builds:
        yield from map(Fault.of, built.rewritten)


@rule(
    "unlisted-file",
    WARNING,
    why="The kustomization.yaml lists others of the same directory: Flux applies what it lists and nothing else.",
    fix="Add the file to resources, or move it away; name it in a comment of the kustomization.yaml if it is left out on purpose.",
)
def unlisted(cluster: Cluster) -> Iterator[Fault]:
    for layer, path in left_out(cluster):
        if lists_siblings(layer):
            yield Fault(path, 1, f"{layer.path} does not list {basename(path)}")


def left_out(cluster: Cluster) -> tuple[tuple[Layer, str], ...]:
    """The manifests beside a kustomization that no kustomization of the repository names, each with that layer."""
    return cluster.once("left out", lambda: _left_out(cluster))


def _left_out(cluster: Cluster) -> Iterator[tuple[Layer, str]]:
    layers = {layer.path: layer for built in cluster.builds for layer in built.layers if layer.path}
    listed = {path for built in cluster.builds for path in (*built.files, built.owner.path)}
    for layer in layers.values():
        listed |= mentioned(kustomization(cluster.reading, layer))
    for layer in layers.values():
        if kustomization(cluster.reading, layer) is None:
            continue
        written = cluster.reading.content(layer.path).decode(errors="replace")
        for path in _manifests(cluster, layer):
            if path in listed or _names(written, basename(path)) or not _holds_objects(cluster, path):
                continue
            if not any(
                path in mentioned(other) for other in unbuilt.kustomizations(cluster.reading, basename(path))
            ):
                yield layer, path


def _names(written: str, file: str) -> bool:
    return file in written and bool(re.search(rf"(?<![\w.-]){re.escape(file)}(?![\w.-])", written))


def lists_siblings(layer: Layer) -> bool:
    """Whether a kustomization lists files of its own directory. One that lists none is an overlay with something kept beside it."""
    return any(dirname(path) == layer.directory for path in layer.files)


@rule(
    "silence-unknown",
    WARNING,
    why="A comment that names no rule silences nothing.",
    fix="Take an id from `bump check --list`.",
)
def silences_nothing(cluster: Cluster) -> Iterator[Fault]:
    paths = {
        path for built in cluster.builds for layer in built.layers for path in (layer.path, *layer.files)
    }
    for path in sorted(filter(None, paths)):
        for line, ids in silence.named(cluster.reading.content(path)).items():
            for identity in sorted(ids - RULES.keys()):
                yield Fault(path, line, f"no rule is called {identity}")


def _manifests(cluster: Cluster, layer: Layer) -> Iterator[str]:
    for name, is_directory in sorted(cluster.reading.entries(layer.directory).items()):
        path = join(layer.directory, name)
        if not is_directory and name.endswith((".yaml", ".yml")) and path != layer.path and name != GENERATED:
            yield path


def _holds_objects(cluster: Cluster, path: str) -> bool:
    documents: tuple[Document, ...] = cluster.reading.documents(path)
    resources = filter(None, (resource_of(cluster.reading, document) for document in documents))
    return any(resource.group not in _APPLIED_NOWHERE for resource in resources)
