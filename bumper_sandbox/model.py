"""What Flux builds of a stranger's tree, as `bumper` itself models it: for what the small kustomize does not understand.

Law: what the model cannot tell to the end is an error with its file and line, never an object that differs. One difference is left,
which changes nothing that is shown: a ConfigMap that is generated has no hash at the end of its name, nor where it is named.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from posixpath import normpath
from typing import Any

from bumper.errors import BumpError
from bumper.fluxtree.build import build, openings
from bumper.fluxtree.discovery import Site
from bumper.fluxtree.layers import Reading
from bumper.fluxtree.leaves import Leaf
from bumper.fluxtree.resource import Resource, is_variable
from bumper.fluxtree.substitution import filled, is_left_alone
from bumper.fluxtree.walk import Walk
from bumper.manifest.yamltext import Scalar, compose
from bumper.ports.git import Entry
from bumper_sandbox.flux import documents
from bumper_sandbox.flux.build import BuildError, Files, Manifest


class Model:
    """The builds of the trees that it is asked for; a tree is walked once."""

    def __init__(self) -> None:
        self._files: Files | None = None
        self._reading = Reading(FileTree({}))
        self._sites: dict[tuple[str, str, str], Site] = {}

    def __call__(self, files: Files, namespace: str, name: str, path: str) -> list[Manifest]:
        """The objects of the Kustomization of that name that builds `path`. Raises BuildError."""
        if files is not self._files:
            self._files, self._reading = files, Reading(FileTree(files))
            walk = Walk(self._reading)
            try:
                sites = [walk.with_variables(site) for level in walk.levels() for site in level]
            except BumpError as error:
                raise BuildError(error.message) from None
            self._sites = {
                (site.kustomization.namespace, site.kustomization.name, site.path): site for site in sites
            }
        site = self._sites.get((namespace, name, _directory(path)))
        if site is None:
            raise BuildError(f"the Flux tree has no Kustomization {namespace}/{name} that builds {path}")
        return list(self._objects(site))

    def _objects(self, site: Site) -> Iterator[Manifest]:
        try:
            built = build(self._reading, site, site.owner)
            for gap in (*openings(self._reading, built), *built.unexpanded):
                raise BuildError(str(gap))
        except BumpError as error:
            raise BuildError(error.message) from None
        if built.missing_path or built.is_open:
            raise BuildError(f"{site.place}: not all that {site.path} builds stands in the repository")
        for resource in built.resources:
            for doubt in resource.doubts:
                raise BuildError(str(doubt))
            yield _manifest(filled(resource, site.variables), site)


class FileTree:
    """Files in memory, as `bumper` reads a commit (`ports.git.Tree`)."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self._children: dict[str, dict[str, bool]] = {}
        for path in files:
            directory, _, name = path.rpartition("/")
            self._children.setdefault(directory, {})[name] = False
            while directory:
                directory, _, name = directory.rpartition("/")
                self._children.setdefault(directory, {})[name] = True

    def list(self, directory: str) -> Sequence[Entry]:
        return [Entry(name, is_directory) for name, is_directory in self._children.get(directory, {}).items()]

    def read(self, paths: Iterable[str]) -> Mapping[str, bytes]:
        return {path: self.files[path] for path in paths if path in self.files}


def _directory(path: str) -> str:
    directory = normpath(path).lstrip("/")
    return "" if directory == "." else directory


def _manifest(resource: Resource, site: Site) -> Manifest:
    if site.variables and not is_left_alone(resource) and is_variable(resource.value):
        raise BuildError(
            f"{resource.path}: {resource}: a variable of spec.postBuild has no value in the repository"
        )
    # Flux fills in where all quotes are gone already.
    given = {id(value) for value in site.variables.values.values()}
    manifest: Manifest = _typed(resource.value, given)
    if not resource.namespace:
        manifest["metadata"].pop("namespace", None)
    return manifest


def _typed(value: Any, given: set[int]) -> Any:
    """The value with each scalar of the type that it has where it is written."""
    if isinstance(value, dict):
        return {str(key): _typed(inner, given) for key, inner in value.items()}
    if isinstance(value, list):
        return [_typed(inner, given) for inner in value]
    if not isinstance(value, Leaf):
        return value
    if value.is_null:
        return None
    if id(value) in given or (value.near and not value.origin):
        return documents.scalar(value)
    if value.origin is None:
        return str(value)
    text, ordinal = value.origin
    scalar = _scalars(text.content, text.path)[ordinal]
    return str(value) if scalar.style or scalar.tag else documents.scalar(value)


@lru_cache(maxsize=1024)
def _scalars(content: bytes, path: str) -> dict[int, Scalar]:
    return {scalar.ordinal: scalar for scalar in compose(content, path).scalars}
