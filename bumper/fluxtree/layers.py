"""Which files Flux builds from a directory of a repository: a tree of layers, one for each kustomization.

Law: nothing but the directory's own build is read, each level of it in one batch, and nothing twice. What a kustomization
names and what is not there becomes a `Gap` with its line, never an error here: whether it matters depends on who asks.
Remote resources are not read.

Sources: fluxcd/pkg/kustomize v1.35.6 (`kustomize_generator.go`: a directory without a kustomization is walked for *.yaml and
*.yml, and a directory below it that has one becomes a resource), sigs.k8s.io/kustomize/api v0.21.1 (`konfig/general.go`,
`internal/target/kusttarget.go`). What Flux leaves out of an artifact is not there either (`Reading.of`).
"""

import copy
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from posixpath import basename, dirname, join, normpath
from typing import Any

from bumper.dataclasses import dataclass, field, replace
from bumper.errors import NotYaml
from bumper.fluxtree import sourceignore
from bumper.fluxtree.leaves import Reader, Text
from bumper.fluxtree.sourceignore import Exclusions, Rule
from bumper.manifest.document import Document, documents, items, mapping, text
from bumper.objects import Object
from bumper.ports.git import Tree

# What `flux bootstrap` commits itself: controllers and their CRDs, hundreds of kilobytes, never a workload or a Flux object of ours.
GENERATED = "gotk-components.yaml"
FILE_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_LISTS = ("patches", "patchesStrategicMerge", "patchesJson6902", "replacements", "configurations")
_MANIFEST = re.compile(r".+\.ya?ml", re.DOTALL)
_REMOTE = re.compile(
    r"[a-z+]+://|git::|git@|gh:|[\w-]+(?:\.[\w-]+)+[:/].*/|.*\?(?:ref|version)=", re.IGNORECASE
)


@dataclass(frozen=True)
class Gap:
    """What keeps a place of the tree from being built, or from being known: missing, refused, written anew, not followed."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


class Reading:
    """A tree of which nothing is asked twice, whoever asks: who finds a field, and who proves what an edit of it changes.

    `layers` are what is built from each directory that was expanded; `broken` the files that are no YAML, where they are forgiven.
    """

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._entries: dict[str, dict[str, bool]] = {}
        self._links: set[str] = set()
        self._contents: dict[str, bytes] = {}
        self._made: dict[Hashable, Any] = {}
        self.layers: dict[str, Layer] = {}
        self.broken: dict[str, NotYaml] = {}
        self.forgives = False
        # Of trees that are put together nobody knows where they are from.
        self.url: str = getattr(tree, "url", "")

    def forgiving(self) -> "Reading":
        """The same tree, where a file that is no YAML is kept in `broken`, and is empty."""
        forgiving: Reading = self.once("forgiving", lambda: copy.copy(self)._forgiven())
        return forgiving

    def _forgiven(self) -> "Reading":
        self.forgives, self.broken, self.layers = True, {}, {}
        return self

    def of(self, exclusions: Exclusions) -> "Artifact":
        """The same tree without what a source leaves out."""
        artifact: Artifact = self.once(
            ("artifact", exclusions, self.forgives), lambda: Artifact(self, exclusions)
        )
        return artifact

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What `make` gives, made once for each key: a patch that twenty builds share is read once."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def file(self, path: str) -> Text:
        """The whole of a file as a text that remembers where it is from."""
        text: Text = self.once(("file", path), lambda: Text(path, self.content(path)))
        return text

    def traced(self, document: Document) -> Object:
        """The value of a document whose scalars are leaves."""
        key = ("traced", document.path, document.route)
        value: Object = self.once(key, lambda: document.read(Reader(self.file(document.path))))
        return value

    def entries(self, directory: str) -> Mapping[str, bool]:
        """The names in a directory, and whether each is a directory itself."""
        if directory not in self._entries:
            listed = self.tree.list(directory)
            self._entries[directory] = {
                entry.name: entry.is_directory for entry in listed if not entry.is_link
            }
            self._links.update(join(directory, entry.name) for entry in listed if entry.is_link)
        return self._entries[directory]

    def link_on(self, path: str) -> str:
        """The first symbolic link on the way to a path, which Flux leaves out of what it builds from; empty where there is none."""
        above = path.split("/")
        for end in range(1, len(above) + 1):
            place = "/".join(above[:end])
            self.entries(dirname(place))
            if place in self._links:
                return place
        return ""

    def is_file(self, path: str) -> bool:
        return self.entries(dirname(path)).get(basename(path)) is False

    def is_directory(self, path: str) -> bool:
        return path == "" or self.entries(dirname(path)).get(basename(path)) is True

    def left_out(self, path: str) -> str:
        """The rule by which the source leaves out a file or a directory that is there; empty where it does not."""
        return ""

    def left_out_of(self, directory: str) -> Iterator[Gap]:
        """What the source leaves out of a directory, with the rule."""
        return iter(())

    def fetch(self, paths: Iterable[str]) -> None:
        """Reads what is not known yet, in one batch."""
        if wanted := sorted({path for path in paths if path not in self._contents}):
            self._contents.update(self.tree.read(wanted))

    def content(self, path: str) -> bytes:
        """A file that is there."""
        if path not in self._contents:
            self.fetch([path])
        return self._contents[path]

    def documents(self, path: str) -> tuple[Document, ...]:
        """The objects of a file; NotYaml, unless that is forgiven."""
        if path in self.broken:
            return ()
        try:
            return documents(self.content(path), path)
        except NotYaml as error:
            if not self.forgives:
                raise
            self.broken[path] = error
            return ()

    def is_broken(self, path: str) -> bool:
        """Whether the file is no YAML, which is forgiven."""
        return self.forgives and not self.documents(path) and path in self.broken


class View(Reading):
    """A part of a tree. What is read of a file, or made of it, is shared with the whole: it is the same whichever part is shown."""

    def __init__(self, whole: Reading) -> None:
        vars(self).update(vars(whole))
        self._whole = whole
        self._entries, self.layers = {}, {}

    def entries(self, directory: str) -> Mapping[str, bool]:
        if directory not in self._entries:
            self._entries[directory] = self._shown(directory)
        return self._entries[directory]

    def _shown(self, directory: str) -> dict[str, bool]:
        return {
            name: is_directory
            for name, is_directory in self._whole.entries(directory).items()
            if self._keeps(join(directory, name), is_directory)
        }

    def _keeps(self, path: str, is_directory: bool) -> bool:
        """Whether a file or a directory of the whole is a part of it."""
        raise NotImplementedError


class Artifact(View):
    """What a source makes of a tree: all of it but what it leaves out."""

    def __init__(self, whole: Reading, exclusions: Exclusions) -> None:
        super().__init__(whole)
        self._exclusions = exclusions
        self._is_kept: dict[str, bool] = self.once(("kept", exclusions), dict)
        self._above: dict[str, tuple[Rule, ...]] = {}

    def of(self, exclusions: Exclusions) -> "Artifact":
        return self._whole.of(exclusions)

    def left_out(self, path: str) -> str:
        is_directory = self._whole.is_directory(path)
        if not (is_directory or self._whole.is_file(path)) or self._keeps(path, is_directory):
            return ""
        if self._is_unchecked(path):
            return f"{self._exclusions.sparse_place} sparseCheckout {', '.join(self._exclusions.sparse)}"
        files = [path] if not is_directory else self._files(path)
        rules = (self._rule(file) for file in files)
        return next((str(rule) for rule in rules if rule), "")

    def left_out_of(self, directory: str) -> Iterator[Gap]:
        kept = self.entries(directory)
        for name, is_directory in self._whole.entries(directory).items():
            path = join(directory, name)
            if name not in kept and (is_directory or _MANIFEST.fullmatch(name)):
                yield Gap(path, 1, f"Flux leaves it out: {self.left_out(path)}")

    def _shown(self, directory: str) -> dict[str, bool]:
        entries = self._whole.entries(directory)
        # Most directories: no rule can be meant by any step of what is in them.
        is_bare = not (
            self._exclusions.sparse or self._exclusions.given or self._rules_above(directory)
        ) and sourceignore.is_free("/".join([directory, *entries]))
        return dict(entries) if is_bare else super()._shown(directory)

    def _keeps(self, path: str, is_directory: bool) -> bool:
        """A file that no rule leaves out, a directory with such a file in it: there are no empty ones."""
        if path not in self._is_kept:
            self._is_kept[path] = self._holds(path) if is_directory else not self._is_hidden(path)
        return self._is_kept[path]

    def _holds(self, directory: str) -> bool:
        # Where no rule can be meant, nothing is listed that nobody asks for.
        is_bare = not (self._exclusions.sparse or self._written(directory))
        if is_bare and (
            sourceignore.is_free(directory)
            or not sourceignore.deciding(sourceignore.DEFAULTS, directory, is_directory=True)
        ):
            return True
        below = self._whole.entries(directory).items()
        return any(self._keeps(join(directory, name), is_inner) for name, is_inner in below)

    def _is_hidden(self, path: str) -> bool:
        return self._is_unchecked(path) or self._rule(path) is not None

    def _written(self, path: str) -> list[Rule]:
        """The rules that people wrote and that may be about the path."""
        return [*self._rules_above(dirname(path)), *self._exclusions.given]

    def _rules_above(self, directory: str) -> tuple[Rule, ...]:
        """Those of a directory and of all that it lies in, from the root on."""
        if directory not in self._above:
            outer = self._rules_above(dirname(directory)) if directory else ()
            self._above[directory] = (*outer, *self._rules_in(directory))
        return self._above[directory]

    def _is_unchecked(self, path: str) -> bool:
        sparse = self._exclusions.sparse
        return bool(sparse) and not path.startswith(sparse)

    def _rule(self, path: str) -> Rule | None:
        rules = self._written(path)
        if not rules and sourceignore.is_free(path):
            return None
        if rule := sourceignore.deciding([*sourceignore.ALWAYS, *rules], path):
            return rule
        if rules:
            return None
        default = sourceignore.deciding(sourceignore.DEFAULTS, path)
        return None if default is None or self._has_rules else default

    def _rules_in(self, directory: str) -> tuple[Rule, ...]:
        path = join(directory, sourceignore.FILE)
        if not self._whole.is_file(path) or self._is_unchecked(path):
            return ()
        steps = tuple(directory.split("/")) if directory else ()
        rules: tuple[Rule, ...] = self.once(
            ("sourceignore", path), lambda: sourceignore.rules(self.content(path), path, domain=steps)
        )
        return rules

    @property
    def _has_rules(self) -> bool:
        """Whether anybody wrote a rule, anywhere: it takes the place of Flux's own list, also where it is not for."""
        return bool(self._whole.once("sourceignores", self._any_rules))

    def _any_rules(self) -> bool:
        waiting = [""]
        while waiting:
            directory = waiting.pop()
            if self._rules_in(directory):
                return True
            waiting += [
                join(directory, name) for name, is_inner in self._whole.entries(directory).items() if is_inner
            ]
        return False

    def _files(self, directory: str) -> Iterator[str]:
        for name, is_inner in self._whole.entries(directory).items():
            path = join(directory, name)
            yield from self._files(path) if is_inner else [path]


# Kustomizations of one build: forty that each name the next one twice are more than anybody can build.
_MOST_LAYERS = 2000


@dataclass(frozen=True)
class Layer:
    """One kustomization and what it is made of. `path` is its file, empty where Flux generates one.

    `files` are manifests, `inner` the directories among its resources, `components` change what the layer holds so far, `used` are the
    files with patches and replacements, and the YAML that ConfigMaps are made of, `left_out` the manifests beside them that the source
    leaves out. `generated` is Flux's own manifest (`GENERATED`), whose objects are not read: no site is among them.
    """

    directory: str
    path: str = ""
    files: tuple[str, ...] = ()
    inner: tuple["Layer", ...] = ()
    components: tuple["Layer", ...] = ()
    used: tuple[str, ...] = ()
    has_remote: bool = False
    gaps: tuple[Gap, ...] = ()
    left_out: tuple[Gap, ...] = ()
    generated: str = ""

    @property
    def all_files(self) -> tuple[str, ...]:
        """The manifests of this layer and of all below it."""
        below = [file for layer in (*self.inner, *self.components) for file in layer.all_files]
        return tuple(dict.fromkeys([*self.files, *below]))

    @property
    def all_gaps(self) -> tuple[Gap, ...]:
        return (*self.gaps, *(gap for layer in (*self.inner, *self.components) for gap in layer.all_gaps))


@dataclass
class _Plan:
    """A layer whose directories are still names."""

    layer: Layer
    inner: list[tuple[str, int]] = field(default_factory=list)
    components: list[tuple[str, int]] = field(default_factory=list)


def within(directory: str, path: str) -> str | None:
    """`path`, written in a file of `directory`, from the root; None where it leads out of the repository."""
    joined = normpath(join(directory, path))
    if joined == ".." or joined.startswith(("../", "/")):
        return None
    return "" if joined == "." else joined


def expand(reading: Reading, directories: Iterable[str], *, with_manifests: bool = True) -> dict[str, Layer]:
    """The layer that Flux builds from each directory, every manifest of it read, unless only the kustomizations are asked for."""
    roots = list(dict.fromkeys(directories))
    if not with_manifests:
        return _expanded(reading, roots, with_manifests=False)
    new = [directory for directory in roots if directory not in reading.layers]
    reading.layers.update(_expanded(reading, new, with_manifests=True))
    return {directory: reading.layers[directory] for directory in roots}


def _expanded(reading: Reading, roots: Sequence[str], *, with_manifests: bool) -> dict[str, Layer]:
    plans: dict[str, _Plan] = {}
    frontier, wanted = roots, set[str]()
    while frontier:
        own = {directory: _own_file(reading, directory) for directory in frontier}
        generated = {
            directory: _generated(reading, directory) for directory in frontier if not own[directory]
        }
        for directory, plan in generated.items():
            plans[directory] = plan
            wanted.update(plan.layer.files)
        wanted = wanted if with_manifests else set()
        reading.fetch(wanted.union(filter(None, own.values())))
        for directory, path in own.items():
            if path:
                plans[directory] = _planned(reading, directory, path)
        level = [plans[directory] for directory in frontier]
        wanted = {path for plan in level for path in _files(plan.layer)}
        below = [directory for plan in level for directory, _ in (*plan.inner, *plan.components)]
        frontier = [directory for directory in dict.fromkeys(below) if directory not in plans]
    reading.fetch(wanted if with_manifests else ())
    return {directory: _built(directory, plans, (), iter(range(_MOST_LAYERS))) for directory in roots}


def is_yaml(path: str) -> bool:
    """Whether its name says that a file is YAML."""
    return _MANIFEST.fullmatch(basename(path)) is not None


def _used(reading: Reading, document: Document) -> Iterator[str]:
    """The files that a kustomization names for its patches, replacements, configurations and ConfigMaps, as far as they are there."""
    generated = {
        key: [*map(mapping, items(document.value.get(key)))]
        for key in ("configMapGenerator", "secretGenerator")
    }
    files = [
        file
        for generator, entries in generated.items()
        for entry in entries
        for key, file, _ in generator_files(entry)
        if not key or (is_read(key, file) and generator == "configMapGenerator")
    ]
    for listed in (*(items(document.value.get(key)) for key in _LISTS), files):
        for entry in listed:
            written = text(mapping(entry).get("path")) or text(entry)
            place = within(dirname(document.path), written) if written and "\n" not in written else None
            if place and reading.is_file(place):
                yield place


def generator_files(entry: Object) -> Iterator[tuple[str, str, Any]]:
    """The files of a generator: the key, the path, and how both are written; no key where its lines are `KEY=value`."""
    for written in items(entry.get("files")):
        key, _, file = text(written).rpartition("=")
        yield key or basename(file), file, written
    for written in (*items(entry.get("envs")), entry.get("env")):
        if text(written):
            yield "", text(written), written


def is_read(key: str, file: str) -> bool:
    """Whether what a generator finds in a file may decide an image, though nothing names its key: a variable has no dot in its name,
    as dashboards do.
    """
    return is_yaml(file) or is_yaml(key) or "." not in key


def _own_file(reading: Reading, directory: str) -> str:
    entries = reading.entries(directory)
    return next((join(directory, name) for name in FILE_NAMES if entries.get(name) is False), "")


def _generated(reading: Reading, directory: str) -> _Plan:
    """What Flux puts into the kustomization that it generates for a directory without one."""
    files: list[str] = []
    generated = ""
    inner: list[tuple[str, int]] = []
    left_out: list[Gap] = []
    waiting = [directory]
    while waiting:
        current = waiting.pop(0)
        left_out += reading.left_out_of(current)
        for name, is_directory in sorted(reading.entries(current).items()):
            path = join(current, name)
            if not is_directory:
                if name == GENERATED:
                    generated = path
                elif _MANIFEST.fullmatch(name):
                    files.append(path)
            elif _own_file(reading, path):
                inner.append((path, 0))
            else:
                waiting.append(path)
    layer = Layer(directory, files=tuple(files), left_out=tuple(left_out), generated=generated)
    return _Plan(layer, inner)


def first_document(reading: Reading, path: str) -> Document | None:
    """What kustomize and Flux read of the file of a kustomization: nothing behind another document, which may be empty."""
    known = reading.documents(path)
    return known[0] if known and known[0].route[0] == 0 else None


def _planned(reading: Reading, directory: str, path: str) -> _Plan:
    """A kustomization as it is written."""
    plan = _Plan(Layer(directory, path))
    if document := first_document(reading, path):
        value = document.value
        files: list[str] = []
        gaps: list[Gap] = []
        generated = ""
        has_remote = False
        for key, below in (("resources", plan.inner), ("bases", plan.inner), ("components", plan.components)):
            for at, written in enumerate(map(text, items(value.get(key)))):
                place = within(directory, written)
                if basename(written) == GENERATED:
                    generated = place or written
                elif place is not None and reading.is_directory(place):
                    below.append((place, document.line(key, at)))
                elif place is not None and reading.is_file(place):
                    files.append(place)
                elif is_remote(reading, directory, written):
                    has_remote = True
                else:
                    why = why_missing(reading, place)
                    gaps.append(Gap(path, document.line(key, at), f"{key} names {written}, {why}"))
        used = tuple(dict.fromkeys(_used(reading, document)))
        plan.layer = Layer(
            directory,
            path,
            tuple(files),
            used=used,
            has_remote=has_remote,
            gaps=tuple(gaps),
            generated=generated,
        )
    return plan


def is_remote(reading: Reading, directory: str, written: str) -> bool:
    """Whether a resource of a kustomization in `directory` is fetched from elsewhere: nothing here has its name."""
    place = within(directory, written)
    is_here = place is not None and (reading.is_directory(place) or reading.is_file(place))
    return not is_here and _REMOTE.match(written) is not None


def why_missing(reading: Reading, place: str | None) -> str:
    """What is wrong with a path that leads nowhere, as the end of a sentence."""
    if place and (rule := reading.left_out(place)):
        return f"which Flux leaves out: {rule}"
    link = reading.link_on(place) if place else ""
    if rule := reading.left_out(place) if place else "":
        return f"which Flux leaves out: {rule}"
    return f"but {link} is a symbolic link, which Flux leaves out" if link else "which does not exist"


def _files(layer: Layer) -> set[str]:
    return {*layer.files, *layer.used}


def _built(
    directory: str, plans: Mapping[str, _Plan], above: tuple[str, ...], budget: Iterator[int]
) -> Layer:
    plan = plans[directory]
    gaps = list(plan.layer.gaps)
    inner: list[Layer] = []
    components: list[Layer] = []
    for named, built in ((plan.inner, inner), (plan.components, components)):
        for below, line in named:
            if below in (*above, directory):
                gaps.append(Gap(plan.layer.path, line, f"{below} contains this kustomization itself"))
            elif not plans[below].layer.path:
                gaps.append(Gap(plan.layer.path, line, f"{below} has no kustomization.yaml"))
            elif next(budget, None) is None:
                gaps.append(Gap(plan.layer.path, line, f"{below} is one kustomization of too many to follow"))
            else:
                built.append(_built(below, plans, (*above, directory), budget))
    return replace(plan.layer, inner=tuple(inner), components=tuple(components), gaps=tuple(gaps))


def mentioned(document: Document | None) -> set[str]:
    """Every path that a kustomization names in any way: as a patch, the content of a generated ConfigMap, a component."""
    if document is None:
        return set()
    mentions = (mention.rpartition("=")[2] for mention in _texts(document.value))
    return {place for mention in mentions if (place := within(dirname(document.path), mention))}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str) and "\n" not in value:
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(inner)
