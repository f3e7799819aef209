"""Giving sites a source of their own, so that a commit reconciles only what it changes: what is committed for it on a tip.

Law: proved before it is written: on the tree as it would be, every site builds the very objects that it built before. An artifact has
whole directories under the repository's own paths, so that `spec.path` stays as it is; of each Kustomization only kind and name of its
`sourceRef` change. What cannot be given a source of its own is refused with file and line.
"""

from collections.abc import Iterable, Mapping, Sequence
from posixpath import dirname, join
from typing import Any

from bumper.dataclasses import dataclass, field
from bumper.errors import EXIT_CODES, FieldUnsafe, Outcome, Refused
from bumper.fluxtree.artifacts import EXTERNAL, KIND
from bumper.fluxtree.artifacts import GROUP as ARTIFACTS
from bumper.fluxtree.build import Build, build, kustomization
from bumper.fluxtree.changed import Changed
from bumper.fluxtree.discovery import GROUP, Site
from bumper.fluxtree.layers import Layer, Reading, mentioned
from bumper.fluxtree.resource import Resource
from bumper.fluxtree.sites import find
from bumper.fluxtree.sites.selection import no_tree
from bumper.history.message import worded
from bumper.manifest import insertion, spelling
from bumper.manifest.document import Document, documents, items, mapping, text
from bumper.manifest.spelling import Hand, Value
from bumper.objects import ObjectKey
from bumper.onboarding.reviewed import Reviewed
from bumper.ports.git import Tree
from bumper.request import Origin
from bumper.revision import Revision
from bumper.style import Line

FILE = "artifacts.yaml"
NAME = "sites"
ALIAS = "repo"
_TITLES = {
    Outcome.UNCHANGED: "nothing to do",
    Outcome.PLANNED: "would be isolated",
    Outcome.PUSHED: "isolated",
}
_STEPS = (
    "source-watcher must run in the cluster before this commit is there: flux install --components-extra=source-watcher",
    "so must kustomize-controller with --feature-gates=ExternalArtifact=true, else it refuses the new source; bump doctor tells",
)


@dataclass(frozen=True)
class Isolation(Reviewed):
    """The commit that gives `sites` artifacts of their own. `left` are the others, each with the reason. No files: nothing to do."""

    sites: tuple[str, ...] = ()
    left: Mapping[str, str] = field(default_factory=dict)


def propose(names: Sequence[str], origin: Origin, tip: str, tree: Tree) -> Isolation:
    """What would be committed on the tip for the sites named, or for every site that can be isolated where none is named."""
    known = find.sites(tree)
    if not known:
        raise no_tree()
    reading = Reading(tree)
    builds = {site.place: built for site in known if (built := _built(reading, site))}
    # One document may be built for several clusters.
    distinct = {(site.document.path, site.document.route, site.kustomization): site for site in known}
    wanted = [find.find_site(tree, name) for name in names] or list(distinct.values())
    left: dict[str, str] = {}
    plans: list[_Plan] = []
    for site in wanted:
        if site.artifact:
            left[site.name] = f"is built from {site.source} already"
            continue
        try:
            plans.append(_planned(reading, site, builds))
        except Refused as refusal:
            if names:
                raise
            left[site.name] = refusal.message
    files = _edited(reading, plans, known).files()
    _prove(plans, Changed(tree, {path: after for path, (_, after) in files.items()}))
    isolated = tuple(plan.site.name for plan in plans)
    return Isolation(tip, files, _message(isolated, origin), isolated, left)


@dataclass(frozen=True)
class _Plan:
    """One site: what it builds now, and the kustomization in whose directory its generator shall stand."""

    site: Site
    built: Build
    beside: Layer


def _built(reading: Reading, site: Site) -> Build | None:
    return build(reading, site, site.owner) if site.is_ours and not site.is_assumed else None


def _planned(reading: Reading, site: Site, builds: Mapping[str, Build]) -> _Plan:
    """The plan of a site; Refused with its place where an artifact of its own can't stand for what it builds."""
    built = builds.get(site.place)
    if built is None or built.missing_path:
        what = (
            f"path {site.path}, which is no directory here"
            if built
            else f"{site.source}, not this repository"
        )
        raise _refused(site, f"is built from {what}", "isolate it where its source is")
    if site.owner.root:
        raise _refused(site, "is made by a ResourceSet", "change the sourceRef of its template by hand")
    if site.path == "":
        raise _refused(site, "builds the whole repository", "give it a directory of its own first")
    if problems := (*built.gaps, *built.refusals):
        raise _refused(site, f"can't be built: {problems[0]}", "correct it first")
    if inner := next(filter(_is_flux_tree, built.resources), None):
        raise _refused(
            site, f"brings {inner}, which would wait for its artifact", "isolate what that one builds"
        )
    beside = [
        layer
        for other in builds.values()
        for layer in other.layers
        if site.document.path in layer.files and other.site.artifact is None
    ]
    if not beside:
        raise _refused(
            site, "is not listed by anything that Flux builds here", "add it to a kustomization.yaml"
        )
    return _Plan(site, built, beside[0])


def _is_flux_tree(resource: Resource) -> bool:
    """Whether others are built from what this object says."""
    return resource.group in (GROUP, ARTIFACTS) or resource.kind == "GitRepository"


def _refused(site: Site, why: str, hint: str) -> Refused:
    return Refused(f"{site.place}: Kustomization {site.kustomization.name} {why}", hint=hint)


@dataclass
class _Edits:
    """The files that change, each as it is after the edits so far."""

    reading: Reading
    before: dict[str, bytes | None] = field(default_factory=dict)
    after: dict[str, bytes] = field(default_factory=dict)

    def content(self, path: str) -> bytes | None:
        if path in self.after:
            return self.after[path]
        return self.reading.content(path) if self.reading.is_file(path) else None

    def set(self, path: str, content: bytes) -> None:
        self.before.setdefault(path, self.content(path))
        self.after[path] = content

    def files(self) -> dict[str, tuple[bytes | None, bytes | None]]:
        return {path: (self.before[path], content) for path, content in sorted(self.after.items())}


def _edited(reading: Reading, plans: Iterable[_Plan], known: Sequence[Site]) -> _Edits:
    edits = _Edits(reading)
    for plan in plans:
        _add_artifact(edits, plan, _copies(reading, plan, known))
        path, route = plan.site.document.path, (*plan.site.document.route, "spec", "sourceRef")
        for key, value in (("kind", EXTERNAL), ("name", plan.site.kustomization.name)):
            edits.set(path, insertion.set_entry(edits.content(path) or b"", path, route, key, value))
    return edits


def _add_artifact(edits: _Edits, plan: _Plan, copies: list[Value]) -> None:
    """Adds the artifact of a site to the generator beside its Kustomization, which is made where there is none."""
    name = plan.site.kustomization.name
    for path in (*plan.beside.files, join(plan.beside.directory, FILE)):
        content = edits.content(path)
        for document in documents(content, path) if content and KIND.encode() in content else ():
            if alias := _alias(document, plan.site.source):
                _require_new(document, name)
                route = (*document.route, "spec", "artifacts")
                edits.set(
                    path, insertion.insert_item(content or b"", path, route, _artifact(name, alias, copies))
                )
                return
    _add_generator(edits, plan, _artifact(name, ALIAS, copies))


def _alias(document: Document, source: ObjectKey) -> str:
    """What a generator calls the source; empty where it can take no artifact of it."""
    spec = mapping(document.value.get("spec"))
    if document.group != ARTIFACTS or document.key.namespace != source.namespace or spec.get("pathPattern"):
        return ""
    for entry in map(mapping, items(spec.get("sources"))):
        namespace = text(entry.get("namespace")) or document.key.namespace
        if ObjectKey(text(entry.get("kind")), namespace, text(entry.get("name"))) == source:
            return text(entry.get("alias"))
    return ""


def _require_new(document: Document, name: str) -> None:
    for at, entry in enumerate(items(mapping(document.value.get("spec")).get("artifacts"))):
        if text(mapping(entry).get("name")) == name:
            line = document.line("spec", "artifacts", at)
            raise Refused(
                f"{document.path}:{line}: there is an artifact {name} already",
                hint="name it as the source by hand",
            )


def _artifact(name: str, alias: str, copies: list[Value]) -> dict[str, Value]:
    # Without originRevision the artifact names no commit, and nobody could tell when a deploy is applied.
    named: dict[str, Value] = {"name": name, "originRevision": f"@{alias}"}
    return {**named, "copy": [_aliased(copy, alias) for copy in copies]}


def _aliased(copy: Value, alias: str) -> Value:
    assert isinstance(copy, dict), "a copy operation is a mapping"
    return {**copy, "from": f"@{alias}/{copy['from']}"}


def _add_generator(edits: _Edits, plan: _Plan, artifact: dict[str, Value]) -> None:
    path, source = join(plan.beside.directory, FILE), plan.site.source
    if edits.content(path) is not None:
        raise Refused(f"{path} is there already, without a generator for {source}", hint="move it away first")
    generator: dict[str, Value] = {
        "apiVersion": f"{ARTIFACTS}/v1beta1",
        "kind": KIND,
        "metadata": {"name": NAME, "namespace": source.namespace},
        "spec": {
            "sources": [{"alias": ALIAS, "kind": source.kind, "name": source.name}],
            "artifacts": [artifact],
        },
    }
    edits.set(path, "".join(f"{line}\n" for line in spelling.block(generator, Hand(list_step=2))).encode())
    if listing := plan.beside.path:
        edits.set(
            listing, insertion.insert_item(edits.content(listing) or b"", listing, (0, "resources"), FILE)
        )


def _copies(reading: Reading, plan: _Plan, known: Sequence[Site]) -> list[Value]:
    """The directories that the build reads, whole, each once; without those of other sites of which it reads nothing."""
    read = _read_files(reading, plan.built)
    directories = {layer.directory for layer in plan.built.layers} | {dirname(path) for path in read}
    if "" in directories:
        raise _refused(plan.site, "reads files of the root directory", "move them into a directory first")
    whole = sorted(each for each in directories if not any(_is_below(each, other) for other in directories))
    copies: list[Value] = []
    for directory in whole:
        copy: dict[str, Value] = {"from": f"{directory}/**", "to": f"@artifact/{directory}/"}
        if others := _others_inside(directory, plan.site, known, read | directories):
            copy["exclude"] = [f"{other}/**" for other in others]
        copies.append(copy)
    return copies


def _read_files(reading: Reading, built: Build) -> set[str]:
    files: set[str] = set()
    for layer in built.layers:
        named = mentioned(kustomization(reading, layer))
        # What a generator or a plugin is given may be a directory.
        inside = {join(path, ".") for path in named if path and reading.is_directory(path)}
        files |= {*layer.files, *layer.used, *filter(reading.is_file, named), *inside}
    return files


def _others_inside(directory: str, site: Site, known: Sequence[Site], read: set[str]) -> list[str]:
    paths = {other.path for other in known if other.is_ours and other.path != site.path}
    inside = sorted(path for path in paths if _is_below(path, directory))
    return [path for path in inside if not any(each == path or _is_below(each, path) for each in read)]


def _is_below(path: str, directory: str) -> bool:
    return path.startswith(f"{directory}/")


def _prove(plans: Iterable[_Plan], after: Tree) -> None:
    """Refuses where a site would build anything else than before."""
    reading = Reading(after)
    there = {(site.document.path, site.kustomization): site for site in find.sites(after)}
    for plan in plans:
        site = there.get((plan.site.document.path, plan.site.kustomization))
        built = _built(reading, site) if site and site.artifact else None
        if built is None or built.unmapped or _objects(built) != _objects(plan.built):
            raise FieldUnsafe(
                f"{plan.site.place}: from an artifact of its own {plan.site.name} would not be built as it is now",
                hint="give it an ArtifactGenerator by hand",
            )


def _objects(built: Build) -> list[tuple[ObjectKey, object]]:
    return [(resource.key, resource.value) for resource in built.resources]


def lines(plan: Isolation, revision: Revision | None) -> list[Line]:
    """What was written at `revision`, and what a cluster needs for it; with none the diff, and what would be."""
    commit = plan.commit(revision)
    rows = [
        *(("site", name) for name in plan.sites),
        *(("left", f"{name}: {why}") for name, why in plan.left.items()),
        *(("file", path) for path in plan.files),
        ("commit", commit.short if commit else ""),
        ("pull", plan.pull.url if plan.pull else ""),
        *(("to do", step) for step in _steps(plan)),
    ]
    return plan.lines(revision, "isolate", _TITLES, rows)


def as_data(plan: Isolation, revision: Revision | None) -> dict[str, Any]:
    """The same as one object."""
    ended, commit, diff = plan.outcome(revision), plan.commit(revision), plan.unwritten(revision)
    return {
        "outcome": ended.value,
        "exitCode": EXIT_CODES[ended],
        "sites": list(plan.sites),
        "left": [{"site": name, "reason": why} for name, why in plan.left.items()],
        "files": list(plan.files),
        "commit": commit.sha if commit else None,
        "pullRequest": plan.pull.url if plan.pull else None,
        "toDo": _steps(plan),
    } | ({"diff": diff} if diff else {})


def _steps(plan: Isolation) -> list[str]:
    return list(_STEPS) if plan.files else []


def _message(sites: Sequence[str], origin: Origin) -> str:
    subject = f"Isolate {sites[0]}" if len(sites) == 1 else f"Isolate {len(sites)} sites"
    sentence = f"A commit reconciles each of these only where it changes what that one is built from: {', '.join(sites)}."
    return worded(subject, [sentence], origin.trailers()) if sites else ""
