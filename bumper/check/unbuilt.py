"""What a repository holds beside what Flux builds from it: asked only before something is called missing or forgotten.

Law: somebody may apply what Flux does not build, so it is evidence for "there", never for "not there". Every file is read once, and
parsed only where its bytes say that it can matter.
"""

import re
from collections.abc import Iterable, Iterator
from posixpath import basename, dirname, join

from bumper.fluxtree.layers import FILE_NAMES, GENERATED, Reading
from bumper.manifest.document import Document

_SETUP = re.compile(r"(.*/)?([^/]*helmfile.*\.ya?ml(\.gotmpl)?|talconfig[^/]*\.ya?ml)")


def kustomizations(reading: Reading, name: str) -> Iterator[Document]:
    """The kustomizations of the whole repository in whose text a name stands."""
    for path in _fetched(
        reading, "kustomizations", (path for path in _files(reading) if basename(path) in FILE_NAMES)
    ):
        if name.encode() in reading.content(path):
            yield from reading.documents(path)[:1]


def names(reading: Reading, kind: str, built: frozenset[str]) -> frozenset[str]:
    """The names of a kind in manifests outside of the directories `built`. What a kustomization beside it leaves out is none."""
    places: dict[str, set[str]] = reading.once(("unbuilt", kind), lambda: _places(reading, kind))
    return frozenset(name for name, holding in places.items() if holding - built)


def _places(reading: Reading, kind: str) -> dict[str, set[str]]:
    """The directories of the manifests that hold an object of the kind, by its name."""
    manifests = (
        path for path in _files(reading) if path.endswith((".yaml", ".yml")) and basename(path) != GENERATED
    )
    places: dict[str, set[str]] = {}
    for path in _fetched(reading, "manifests", manifests):
        for document in reading.documents(path) if kind.encode() in reading.content(path) else ():
            if document.key.kind == kind:
                places.setdefault(document.key.name, set()).add(dirname(path))
    return places


def setups(reading: Reading) -> tuple[str, ...]:
    """The texts of what brings a cluster up before Flux is there: helmfiles, and what Talos applies with its configuration."""
    paths = _fetched(reading, "setups", filter(_SETUP.fullmatch, _files(reading)))
    return tuple(reading.content(path).decode(errors="replace") for path in paths)


def _fetched(reading: Reading, what: str, paths: Iterable[str]) -> tuple[str, ...]:
    """The paths, once for each reading, with their contents read in one batch."""

    def fetch() -> tuple[str, ...]:
        wanted = tuple(paths)
        reading.fetch(wanted)
        return wanted

    fetched: tuple[str, ...] = reading.once(("unbuilt", what), fetch)
    return fetched


def _files(reading: Reading) -> Iterator[str]:
    waiting = [""]
    while waiting:
        directory = waiting.pop()
        for name, is_directory in reading.entries(directory).items():
            path = join(directory, name)
            if is_directory:
                waiting.append(path)
            else:
                yield path
