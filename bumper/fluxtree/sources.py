"""The sources that a Flux tree defines, and which of them are the repository that holds the tree.

Law: a source is ours where it is that of the cluster's root, or has the repository's own address, however that is written. A source
with another address is not, whatever lies at the same path here, nor one with any address where the root comes from a registry. Of
one that the tree does not define nothing is known, unless there is no root that says which source is ours. Where neither a root nor
the repository's own address says so, that of most roots is taken for ours, and it is said that this is a guess; of as many of each
nothing is guessed.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from posixpath import normpath

from bumper.address import repository_key
from bumper.dataclasses import dataclass, field
from bumper.fluxtree import sourceignore
from bumper.fluxtree.layers import Gap
from bumper.fluxtree.resource import Resource
from bumper.fluxtree.sourceignore import Exclusions
from bumper.manifest.document import is_true, items, mapping, text
from bumper.objects import Object, ObjectKey

GROUP = "source.toolkit.fluxcd.io"
GIT = "GitRepository"
FLUX_SYSTEM = "flux-system"
# GitRepository v1, `spec.ref`: the first of these that is set decides.
_REFS = ("commit", "name", "semver", "tag", "branch")


@dataclass(frozen=True)
class Source:
    """One GitRepository. `place` is its file and line; `ref` what it follows there: `branch main`.

    `includes` are the directories that it takes from other repositories, each with where that is written, `submodules` where it is
    written that it takes submodules along.
    """

    key: ObjectKey
    url: str
    place: str
    ref: str = ""
    exclusions: Exclusions = field(default=Exclusions(), repr=False, compare=False)
    includes: tuple[tuple[str, Gap], ...] = field(default=(), repr=False, compare=False)
    submodules: Gap | None = field(default=None, repr=False, compare=False)

    def brought(self, files: Iterable[str]) -> list[Gap]:
        """Where it is written that one of these files comes from another repository."""
        known = list(files)
        return [
            gap for to, gap in self.includes if any(not to or file.startswith(f"{to}/") for file in known)
        ]

    def included(self, directories: Iterable[str]) -> list[Gap]:
        """Where it is written that one of these, or something in it, comes from another repository."""
        known = [f"{directory}/".lstrip("/") for directory in directories]
        return [
            gap
            for to, gap in self.includes
            if any(not to or each.startswith(f"{to}/") or f"{to}/".startswith(each) for each in known)
        ]

    @cached_property
    def repository(self) -> str:
        return repository_key(self.url)

    def follows(self, branch: str) -> bool:
        """Whether a push to the branch is what it fetches; True where nothing is said of it."""
        return self.ref in ("", f"branch {branch}", f"name refs/heads/{branch}") or "${" in self.ref


def source_of(resource: Resource) -> Source | None:
    """The source that an object is; None for any other kind."""
    if resource.kind != GIT or resource.group != GROUP:
        return None
    spec = mapping(resource.at("spec"))
    reference = mapping(spec.get("ref"))
    ref = next((f"{key} {text(reference[key])}" for key in _REFS if text(reference.get(key))), "")
    place = f"{resource.path}:{resource.line()}"
    includes = tuple(_includes(resource, spec))
    submodules = None
    if is_true(spec.get("recurseSubmodules")):
        message = "submodules bring what is not seen here"
        submodules = Gap(resource.path, resource.line("spec", "recurseSubmodules"), message)
    exclusions = _exclusions(resource, spec)
    return Source(resource.key, text(spec.get("url")), place, ref, exclusions, includes, submodules)


def _includes(resource: Resource, spec: Object) -> Iterator[tuple[str, Gap]]:
    """GitRepository v1, `spec.include`: without a `toPath` the other one's name is the directory (`GetToPath`)."""
    for at, entry in enumerate(map(mapping, items(spec.get("include")))):
        name = text(mapping(entry.get("repository")).get("name"))
        to = normpath(f"/{text(entry.get('toPath')) or name}").strip("/")
        message = f"spec.include puts {GIT} {name} into {to or '.'}, which is not seen here"
        yield to, Gap(resource.path, resource.line("spec", "include", at), message)


def _exclusions(resource: Resource, spec: Object) -> Exclusions:
    ignore = text(spec.get("ignore"))
    line = resource.line("spec", "ignore") + ("\n" in ignore)
    sparse = tuple(text(each).removeprefix("./") for each in items(spec.get("sparseCheckout")))
    place = f"{resource.path}:{resource.line('spec', 'sparseCheckout')}" if sparse else ""
    return Exclusions(sourceignore.rules(ignore, resource.path, line), sparse, place)


@dataclass
class Ownership:
    """What a cluster knows of its sources. `roots` are those that its roots are built from, as often as there are roots.

    `own` is the repository's address, as a key. `is_certain` is False where nobody wrote down what the root is built from.
    """

    own: str
    roots: list[ObjectKey] = field(default_factory=list)
    sources: dict[ObjectKey, Source] = field(default_factory=dict)
    is_certain: bool = False

    def is_ours(self, key: ObjectKey) -> bool:
        """Whether what is built from the source is this repository."""
        address = self._address(key)
        if address and self._known_roots and (key not in self.roots or len(self._known_roots) > 1):
            return address in self._addresses
        if key in self.roots:
            return True
        if self.own and address:
            return address == self.own
        if address and any(root.kind != GIT for root in self.roots):
            return False
        return not self.is_certain and key.kind == GIT

    def is_guessed(self, key: ObjectKey) -> bool:
        """Whether the source is taken for ours only since nothing says otherwise: it has neither a root nor an address."""
        return not (self.is_certain or key in self.roots or self._address(key) or key.name == FLUX_SYSTEM)

    def is_known(self, key: ObjectKey) -> bool:
        """Whether the tree defines the source, and says enough to tell whose it is."""
        is_defined = key in self.sources or key in self.roots
        return is_defined and bool(self._addresses or not self._address(key) or not self._known_roots)

    def is_likely(self, key: ObjectKey) -> bool:
        """Whether a source is taken for ours although neither its address nor a file that Flux was begun with says so."""
        address = self._address(key)
        return bool(address) and not self.is_certain and address != self.own and self.is_ours(key)

    @property
    def _addresses(self) -> set[str]:
        if len(self._known_roots) == 1:
            return {*self._known_roots, self.own}
        return {self.own} if self.own in self._known_roots else _of_most(map(self._address, self.roots))

    @property
    def _known_roots(self) -> set[str]:
        return {*map(self._address, self.roots)} - {""}

    def _address(self, key: ObjectKey) -> str:
        source = self.sources.get(key)
        return source.repository if source and "${" not in source.url else ""


def _of_most(addresses: Iterable[str]) -> set[str]:
    """The address of more than half of the roots, if any is."""
    counted = Counter(filter(None, addresses))
    return {address for address, number in counted.items() if 2 * number > counted.total()}
