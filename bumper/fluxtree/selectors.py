"""Which objects a patch or a replacement is for.

Law: as kustomize selects, or not at all: every pattern is a whole regular expression; group, version and kind are those of now, name
and namespace those of now or those that the object had first; what Python's and Go's regular expressions may read differently is
`Undecided`, never guessed.

Source: sigs.k8s.io/kustomize/api v0.21.1, `types/selector.go` (anchors), `resmap/reswrangler.go` (Select);
sigs.k8s.io/kustomize/kyaml v0.21.1, `resid/resid.go`; k8s.io/apimachinery `pkg/labels/selector.go`.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from bumper.fluxtree.scopes import is_cluster_scoped_built_in
from bumper.manifest.document import mapping, text

# What one of the two languages has and the other has not, or reads differently.
_APART = re.compile(r"\(\?[=!<>#(P&]|\\[0-9AZzGpPQECX]|\[\[:|[*+?}]\+|&&|\\Z")
# What Go reads in linear time and Python may not: a group that is repeated, and much that may match the same letters in many ways.
_REPEATED = re.compile(r"\)[*+{]")
_ONE_LETTER = re.compile(r"\\.|\[\^?\]?[^\]]*\]")
_MOST_REPETITIONS, _MOST_CHOICES = 2, 6
_LONGEST = 253  # of a name in Kubernetes
_CLUSTER = "_non_namespaceable_"
_REQUIREMENT = re.compile(
    r"""\s*(?:
        (?P<absent>!)\s*(?P<no>[^\s!=,()<>]+)
      | (?P<key>[^\s!=,()<>]+)\s*(?:
            (?P<sign>==|=|!=)\s*(?P<value>[^\s!=,()<>]*)
          | (?P<word>in|notin)\s*\((?P<values>[^()]*)\)
        )?
    )\s*(?:,|$)""",
    re.VERBOSE,
)


class Undecided(Exception):
    """The text says what cannot be told here."""


class Identity(NamedTuple):
    """What kustomize knows an object by; `space` is its effective namespace."""

    group: str
    version: str
    kind: str
    space: str
    name: str


def identity(value: Mapping[str, Any]) -> Identity:
    """What an object is known by as it is now."""
    metadata = mapping(value.get("metadata"))
    version, kind = text(value.get("apiVersion")), text(value.get("kind"))
    group, _, version = version.rpartition("/")
    return Identity(
        group,
        version,
        kind,
        effective(group, kind, text(metadata.get("namespace"))),
        text(metadata.get("name")),
    )


def effective(group: str, kind: str, namespace: str) -> str:
    """The namespace that counts: `default` where none is written, and none at all for what Kubernetes itself keeps outside of any."""
    return _CLUSTER if is_cluster_scoped_built_in(kind, group) else namespace or "default"


class Selector(NamedTuple):
    """The target of a patch."""

    group: str = ""
    version: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    labels: str = ""
    annotations: str = ""

    @classmethod
    def read(cls, written: Any) -> "Selector":
        fields = mapping(written)
        keys = ("group", "version", "kind", "name", "namespace", "labelSelector", "annotationSelector")
        return cls(*(text(fields.get(key)) for key in keys))

    def selects(self, value: Mapping[str, Any], now: Identity, first: Identity) -> bool:
        """Whether it is for an object, which is known as `now` and was as `first`; Undecided."""
        metadata = mapping(value.get("metadata"))
        return (
            self.matches(now.group, now.version, now.kind)
            and any(_matches(self.namespace, known.space) for known in (first, now))
            and any(_matches(self.name, known.name) for known in (first, now))
            and labelled(self.labels, mapping(metadata.get("labels")))
            and labelled(self.annotations, mapping(metadata.get("annotations")))
        )

    def matches(self, group: str, version: str, kind: str) -> bool:
        return _matches(self.group, group) and _matches(self.version, version) and _matches(self.kind, kind)

    def names(self, known: Identity, namespace: str) -> bool:
        """Whether it is for what is known so, as replacements ask: `namespace` is then the one that is written."""
        return (
            self.matches(known.group, known.version, known.kind)
            and _matches(self.name, known.name)
            and _matches(self.namespace, namespace)
        )


def labelled(selector: str, labels: Mapping[str, Any]) -> bool:
    """Whether a selector in the form of `kubectl -l` finds these labels; Undecided where it is none."""
    return all(_holds(requirement, labels) for requirement in _requirements(selector))


def _requirements(selector: str) -> Iterator[re.Match[str]]:
    at, selector = 0, " ".join(selector.split())
    while selector[at:].strip():
        match = _REQUIREMENT.match(selector, at)
        if not match:
            raise Undecided(f"the selector {selector!r} cannot be read")
        yield match
        at = match.end()


def _holds(requirement: re.Match[str], labels: Mapping[str, Any]) -> bool:
    if requirement["absent"]:
        return requirement["no"] not in labels
    value = labels.get(requirement["key"])
    if requirement["sign"]:
        return (value == requirement["value"]) != (requirement["sign"] == "!=")
    if requirement["word"]:
        values = [listed.strip() for listed in requirement["values"].split(",")]
        return (value in values) != (requirement["word"] == "notin")
    return value is not None


def _matches(pattern: str, value: str) -> bool:
    if not pattern or pattern == value:
        return True
    if len(value) > _LONGEST:
        raise Undecided(f"{value[:20]}… is longer than a name can be")
    return bool(whole(pattern).fullmatch(value))


@lru_cache(maxsize=1024)
def whole(pattern: str) -> re.Pattern[str]:
    """A regular expression that kustomize compiles with Go; Undecided where Python reads it otherwise."""
    if _APART.search(pattern):
        raise Undecided(f"the regular expression {pattern!r} may mean something else to kustomize")
    if _is_slow(pattern):
        raise Undecided(f"the regular expression {pattern!r} has too many repetitions to be followed")
    try:
        return re.compile(pattern, re.ASCII)
    except re.error:
        raise Undecided(f"the regular expression {pattern!r} cannot be read") from None


def _is_slow(pattern: str) -> bool:
    """Whether Python might try so many ways to match it that it takes seconds."""
    bare = _ONE_LETTER.sub("x", pattern)
    return (
        bool(_REPEATED.search(bare))
        or sum(map(bare.count, "*+{")) > _MOST_REPETITIONS
        or max(bare.count("?"), bare.count("(")) > _MOST_CHOICES
    )
