"""What is wrong in a Flux tree, found in its files alone: no cluster, no network.

Law: a finding of severity `error` is true as the repository stands. Where a remote base, a patch, a substitution or a chart decides,
the rules say nothing. Each finding can be silenced by its id: in the file (`# bump-check: ignore=ID` on the line or the one above it)
or for a whole run.

A rule is one function in `rules/`; how one is written is told in `finding`.
"""

from collections.abc import Collection

from bumper.check import notes, silence
from bumper.check.cluster import Cluster
from bumper.check.finding import ERROR, WARNING, Finding, Rule, Severity
from bumper.check.growth import clusters
from bumper.check.rules import RULES
from bumper.dataclasses import dataclass
from bumper.fluxtree.layers import Reading
from bumper.ports.git import Tree

__all__ = ["ERROR", "RULES", "WARNING", "Checked", "Finding", "Rule", "Severity", "check", "findings"]


@dataclass(frozen=True)
class Checked:
    """One run. `notes` are what the repository cannot tell; `files` counts the manifests and kustomizations that Flux builds from."""

    findings: tuple[Finding, ...]
    silenced: tuple[Finding, ...]
    notes: tuple[str, ...]
    clusters: int
    files: int


def findings(tree: Tree, ignored: Collection[str] = ()) -> tuple[Finding, ...]:
    """What is wrong in the tree, by place; `ignored` are ids of rules."""
    return check(tree, ignored).findings


def check(tree: Tree, ignored: Collection[str] = ()) -> Checked:
    """The findings with all that is worth saying beside them."""
    reading = Reading(tree).forgiving()
    known = clusters(reading)
    all_findings = {
        Finding(fault.path, fault.line, rule.id, fault.message, rule.severity, rule.why, rule.fix)
        for rule in RULES.values()
        if rule.id not in ignored
        for cluster in known
        for fault in rule.search(cluster)
        if fault.is_certain
    }
    loud, silenced = silence.divided(reading, sorted(all_findings))
    return Checked(
        findings=loud,
        silenced=silenced,
        notes=tuple(dict.fromkeys(note for cluster in known for note in notes.of(cluster))),
        clusters=len(known),
        files=len(_files(known)),
    )


def _files(known: tuple[Cluster, ...]) -> set[str]:
    return {
        path
        for cluster in known
        for built in cluster.builds
        for layer in built.layers
        for path in (layer.path, *layer.files)
        if path
    } | {built.owner.path for cluster in known for built in cluster.builds}
