"""What an ArtifactGenerator makes of a repository: which of its files lie where in an ExternalArtifact.

Law: an artifact is followed where its files keep their places relative to each other, as in the repository or moved all together:
then a directory of the artifact is a directory of the repository, of which the artifact shows a part (`Slice`). What is copied in from
another source or to another place is never guessed at: where a build meets such a directory, the copy operation is named.

Source: source-watcher v2.2.1, `internal/builder/builder.go` (a copy operation, its excludes), `internal/controller/
artifactgenerator_pathpattern.go` (`pathPattern`) and `artifactgenerator_controller.go`, setArtifactRevisions.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from posixpath import basename, dirname, join, normpath
from typing import Any

from bumper.dataclasses import dataclass, replace
from bumper.fluxtree.globs import is_glob, path_matches, step_matches
from bumper.fluxtree.layers import Gap, Reading, View, within
from bumper.manifest.document import Document, items, mapping, text
from bumper.objects import ObjectKey

GROUP = "source.extensions.fluxcd.io"
KIND = "ArtifactGenerator"
EXTERNAL = "ExternalArtifact"
_INSIDE = "@artifact/"
_CAPTURE = re.compile(r"\{(\w+)\}")

Steps = tuple[str, ...]


@dataclass(frozen=True)
class Copy:
    """One copy operation as it is written. `at` is its file and line."""

    source: ObjectKey
    pattern: str
    to: str
    exclude: tuple[str, ...]
    strategy: str
    at: Gap

    @property
    def is_plain(self) -> bool:
        """Whether the files arrive as they are."""
        return self.strategy in ("", "Overwrite")


@dataclass(frozen=True)
class Artifact:
    """One ExternalArtifact that is made. `place` is the file and line of its entry.

    `named_by` is the source whose revision its status names: by `originRevision`, or by `revision`.
    """

    key: ObjectKey
    generator: ObjectKey
    copies: tuple[Copy, ...]
    named_by: ObjectKey | None
    place: Gap

    @property
    def sources(self) -> frozenset[ObjectKey]:
        return frozenset(copy.source for copy in self.copies)


def artifacts_of(document: Document, reading: Reading) -> tuple[Artifact, ...]:
    """What a generator makes; `reading` is asked for the directories that a `pathPattern` means."""
    spec = mapping(document.value.get("spec"))
    sources = dict(_sources(document))
    artifacts = tuple(
        _artifact(document, at, mapping(entry), sources)
        for at, entry in enumerate(items(spec.get("artifacts")))
    )
    if not (pattern := text(spec.get("pathPattern"))):
        return artifacts
    matched = list(_matched(reading, pattern))
    return tuple(_filled(artifact, captures) for captures in matched for artifact in artifacts)


def _sources(document: Document) -> Iterator[tuple[str, ObjectKey]]:
    for entry in map(mapping, items(mapping(document.value.get("spec")).get("sources"))):
        namespace = text(entry.get("namespace")) or document.key.namespace
        yield text(entry.get("alias")), ObjectKey(text(entry.get("kind")), namespace, text(entry.get("name")))


def _artifact(
    document: Document, at: int, entry: dict[str, Any], sources: Mapping[str, ObjectKey]
) -> Artifact:
    copies = tuple(
        _copy(document, at, index, mapping(copied), sources)
        for index, copied in enumerate(items(entry.get("copy")))
    )
    named_by = text(entry.get("originRevision")) or text(entry.get("revision"))
    return Artifact(
        ObjectKey(EXTERNAL, document.key.namespace, text(entry.get("name"))),
        document.key,
        copies,
        sources.get(named_by.removeprefix("@")),
        Gap(document.path, document.line("spec", "artifacts", at), ""),
    )


def _copy(
    document: Document, at: int, index: int, copied: dict[str, Any], sources: Mapping[str, ObjectKey]
) -> Copy:
    alias, _, pattern = text(copied.get("from")).removeprefix("@").partition("/")
    line = document.line("spec", "artifacts", at, "copy", index)
    return Copy(
        sources.get(alias, ObjectKey("", "", alias)),
        pattern,
        text(copied.get("to")).removeprefix(_INSIDE),
        tuple(map(text, items(copied.get("exclude")))),
        text(copied.get("strategy")),
        Gap(document.path, line, f"{text(copied.get('from'))} to {text(copied.get('to'))}"),
    )


def _matched(reading: Reading, written: str) -> Iterator[dict[str, str]]:
    """The captures of each directory that a pathPattern means."""
    steps = written.partition("/")[2].split("/")
    yield from _descended(reading, "", steps, {})


def _descended(
    reading: Reading, directory: str, steps: list[str], captures: dict[str, str]
) -> Iterator[dict[str, str]]:
    if not steps:
        yield captures
        return
    escaped = _CAPTURE.sub(r"(?P<\1>[^/]+)", re.escape(steps[0]).replace(r"\{", "{").replace(r"\}", "}"))
    for name, is_directory in sorted(reading.entries(directory).items()):
        if is_directory and (match := re.fullmatch(escaped, name)):
            more = {**captures, **match.groupdict()}
            yield from _descended(reading, join(directory, name), steps[1:], more)


def _filled(artifact: Artifact, captures: Mapping[str, str]) -> Artifact:
    """An artifact of a pathPattern: its name takes the captures in lower case, its paths as they are."""

    def fill(template: str) -> str:
        return _CAPTURE.sub(lambda match: captures.get(match[1], match[0]), template)

    name = _CAPTURE.sub(lambda match: captures.get(match[1], match[0]).lower(), artifact.key.name)
    copies = tuple(replace(copy, pattern=fill(copy.pattern), to=fill(copy.to)) for copy in artifact.copies)
    return replace(artifact, key=artifact.key._replace(name=name), copies=copies)


@dataclass(frozen=True)
class Way:
    """A copy operation as the way of its files: `steps` select them, `stripped` steps go, the rest is put below `to`.

    `renamed` is where a single file goes. `base` is what excludes may also be relative to.
    """

    copy: Copy
    steps: Steps
    stripped: int
    to: str
    base: int
    renamed: str = ""

    @property
    def region(self) -> str:
        """The deepest directory of the artifact that all of it lies in."""
        if self.renamed:
            return dirname(self.renamed)
        kept = self.steps[self.stripped : -1] if self._may_be_file else self.steps[self.stripped :]
        literal = []
        for step in kept:
            if is_glob(step):
                break
            literal.append(step)
        return join(self.to, *literal) if self.to or literal else ""

    @property
    def _may_be_file(self) -> bool:
        return bool(self.steps) and is_glob(self.steps[-1])

    def destination(self, path: str) -> str | None:
        """Where a file of the source lies in the artifact; None where it is not copied."""
        steps = tuple(path.split("/"))
        if not self._selects(steps) or self._excludes(steps):
            return None
        if self.renamed:
            return self.renamed if len(steps) == len(self.steps) else None
        return join(self.to, *steps[self.stripped :])

    def leads_below(self, directory: str) -> bool:
        """Whether files of the directory or below it may be copied."""
        steps = tuple(directory.split("/")) if directory else ()
        if not all(map(step_matches, self.steps, steps)):
            return False
        return not self._excludes(steps) if len(steps) >= len(self.steps) else True

    def _selects(self, steps: Steps) -> bool:
        return len(steps) >= len(self.steps) and all(map(step_matches, self.steps, steps))

    def _excludes(self, steps: Steps) -> bool:
        # source-watcher leaves a directory out with all that is in it, from what the pattern matched downwards.
        return any(self._is_excluded(steps[:end]) for end in range(max(len(self.steps), 1), len(steps) + 1))

    def _is_excluded(self, steps: Steps) -> bool:
        below = steps[self.base :] if self.base < len(steps) else ()
        return any(
            path_matches(pattern, "/".join(path)) or ("/" not in pattern and path_matches(pattern, path[-1]))
            for pattern in self.copy.exclude
            for path in (steps, below)
            if path
        )


def _ways(copies: Iterable[Copy], reading: Reading) -> list[Way]:
    ways: list[Way] = []
    for copy in copies:
        ways.append(_way(copy, reading, ways))
    return ways


def _way(copy: Copy, reading: Reading, before: Iterable[Way]) -> Way:
    """The way of a copy operation; `before` are those that have made directories already."""
    clean = "" if (cleaned := normpath(copy.pattern or ".")) == "." else cleaned
    steps = tuple(clean.split("/")) if clean else ()
    to = "" if (cleaned_to := normpath(copy.to or ".")) == "." else cleaned_to
    literal = next((at for at, step in enumerate(steps) if is_glob(step)), len(steps))
    if literal < len(steps):
        strips = steps[-1] == "**" and literal == len(steps) - 1
        return Way(copy, steps, literal if strips else 0, to, literal)
    if steps and reading.is_file(clean):
        is_directory = any(_is_within(way.region, to) for way in before)
        is_into = copy.to.endswith("/") or not to or is_directory
        return Way(copy, steps, 0, to, 0, renamed=join(to, steps[-1]) if is_into else to)
    return Way(copy, steps, max(len(steps) - 1, 0), to, len(steps))


@dataclass(frozen=True)
class Move:
    """Directory `here` of the repository is directory `there` of the artifact, and what is below keeps its place."""

    here: str
    there: str

    def into(self, path: str) -> str | None:
        """The path in the artifact, None for what is not below."""
        return _moved(path, self.here, self.there)

    def back(self, path: str) -> str | None:
        """The path in the repository."""
        return _moved(path, self.there, self.here)


def _moved(path: str, before: str, after: str) -> str | None:
    if not before or path == before:
        return join(after, path) if not before and path else after
    return join(after, path[len(before) + 1 :]) if path.startswith(f"{before}/") else None


def _move(way: Way) -> Move:
    here = "/".join(way.steps[: way.stripped])
    there = way.to
    if way.renamed:
        here, there = "/".join(way.steps[:-1]), dirname(way.renamed)
    while here and there and basename(here) == basename(there):
        here, there = dirname(here), dirname(there)
    return Move(here, there)


class Slice(View):
    """What an artifact has of a repository, under the repository's own paths. `problems` are copies that a build met and can't map."""

    def __init__(self, whole: Reading, ways: Iterable[Way], move: Move, ours: frozenset[ObjectKey]) -> None:
        super().__init__(whole)
        self._move = move
        ways = tuple(ways)
        self._mapped = tuple(way for way in ways if _is_mapped(way, move, ours))
        self._others = tuple(way for way in ways if not _is_mapped(way, move, ours))
        self.problems: dict[Gap, None] = {}

    def link_on(self, path: str) -> str:
        # Looking on the way to a path is no going in.
        return self._whole.link_on(path)

    def _shown(self, directory: str) -> dict[str, bool]:
        shown = super()._shown(directory)
        inside = self._move.into(directory)
        if inside is None:
            return shown
        self._meet(inside)
        # What leads to files from elsewhere is there as well: whoever goes in meets them.
        return dict.fromkeys(self._leading(inside), True) | shown

    def _leading(self, inside: str) -> Iterator[str]:
        depth = len(inside.split("/")) if inside else 0
        for way in self._others:
            if way.region != inside and _is_within(way.region, inside):
                yield way.region.split("/")[depth]

    def _meet(self, inside: str) -> None:
        for way in self._others:
            if _is_within(inside, way.region):
                self.problems[way.copy.at] = None

    def _keeps(self, path: str, is_directory: bool) -> bool:
        if is_directory:
            # What leads to the moved directory is no part of the artifact, and has to be walked through.
            leads = path == self._move.here or self._move.here.startswith(f"{path}/")
            return leads or any(way.leads_below(path) for way in self._mapped)
        return any(way.destination(path) is not None for way in self._mapped)


def _is_mapped(way: Way, move: Move, ours: frozenset[ObjectKey]) -> bool:
    if way.copy.source not in ours or not way.copy.is_plain:
        return False
    if way.renamed:
        return move.into("/".join(way.steps)) == way.renamed
    return _move(way) == move


def _is_within(path: str, directory: str) -> bool:
    return not directory or path == directory or path.startswith(f"{directory}/")


@dataclass(frozen=True)
class Mapped:
    """The directory of the repository that a path in an artifact is, and the slice that is built there. `source` is what is copied."""

    path: str
    slice: Slice
    source: ObjectKey


def mapped(artifact: Artifact, written: str, ours: frozenset[ObjectKey], reading: Reading) -> Mapped | Gap:
    """What a Kustomization with `spec.path: written` builds from the artifact; why that can't be told, where it can't.

    `ours` are the sources that are this repository.
    """
    inside = within("", written.lstrip("/"))
    if inside is None:
        return replace(artifact.place, message=f"{artifact.key} has no {written}: the path leads out of it")
    ways = _ways(artifact.copies, reading)
    for way in sorted(ways, key=lambda way: -len(way.region)):
        touches = _is_within(inside, way.region) or _is_within(way.region, inside)
        if way.copy.source not in ours or not way.copy.is_plain or not touches:
            continue
        move = _move(way)
        path = move.back(inside)
        if path is not None and reading.is_directory(path):
            return Mapped(path, Slice(reading, ways, move, ours), way.copy.source)
    if not artifact.sources & ours:
        why = f"is made from other sources than this repository: {', '.join(sorted(map(str, artifact.sources)))}"
    else:
        copies = "; ".join(copy.at.message for copy in artifact.copies)
        why = f"has no directory {written or '.'} that is one of this repository: {copies}"
    return replace(artifact.place, message=f"{artifact.key} {why}")


class Generators:
    """The artifacts that are known so far, by the ExternalArtifact that a Kustomization names."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._artifacts: dict[ObjectKey, Artifact] = {}

    def add(self, generator: Document) -> None:
        self._artifacts.update(
            {artifact.key: artifact for artifact in artifacts_of(generator, self._reading)}
        )

    def named(self, key: ObjectKey) -> Artifact | None:
        """The artifact. What has no namespace in its file gets it from another one: then the name alone counts."""
        if key in self._artifacts:
            return self._artifacts[key]
        unplaced = (
            artifact
            for known, artifact in self._artifacts.items()
            if known.name == key.name and "" in (known.namespace, key.namespace)
        )
        return next(unplaced, None)

    def map(self, artifact: Artifact, path: str, is_ours: Callable[[ObjectKey], bool]) -> Mapped | Gap:
        """What a Kustomization builds at `path` of the artifact; why that can't be told, where it can't."""
        return mapped(artifact, path, frozenset(filter(is_ours, artifact.sources)), self._reading)
