"""What Flux fills into the objects of a build: `${NAME}`, from `spec.postBuild` of their Kustomization.

Law: a value that git holds is filled in; of a name that git does not define, the default counts only where nothing that git lacks may
define it. Everything else stays as it is written, and is told with what would have to be known. A value of git that a later reference
may set again, to something that git does not hold, is filled in and is not certain (`Rival`).

Source: fluxcd/pkg, kustomize/kustomize_varsub.go (`substitute` wins over `substituteFrom`, a later reference over an earlier one, line
breaks are dropped, without any variable nothing is filled in unless the strategy is Always) and envsubst/parse. Of the operators
those that give a default are read (`=`, and `-`, `=`, `?` or `+` behind a colon: all of them put it in place of an empty value); any
other is left as it is, and told (`not_read`).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bumper.dataclasses import dataclass, field
from bumper.fluxtree.layers import Gap
from bumper.fluxtree.leaves import Leaf, each_scalar, leaf, near_to, rivalled
from bumper.fluxtree.resource import Resource, scalars
from bumper.manifest.document import is_true, items, mapping, text
from bumper.objects import Object

DISABLED = "kustomize.toolkit.fluxcd.io/substitute"
# A variable with its name, whatever becomes of it.
NAMED = re.compile(r"\$\{(?P<name>[A-Za-z_]\w*)(?:(?::[-=?+]|=)[^{}]*)?\}")
_VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>[A-Za-z_]\w*)(?:(?P<operator>:[-=?+]|=)(?P<default>[^{}]*))?\})")
_BEGUN = re.compile(r"\$(?:\$|\{[^}]*\}?)")

# The data of the ConfigMap or Secret that Flux reads under a kind, a namespace and a name; None where git has none.
Data = Callable[[str, str, str], Object | None]
REFERRED = ("ConfigMap", "Secret")


@dataclass(frozen=True)
class Variables:
    """What a Kustomization fills in. `secret` are the names whose values stand in a Secret, with its name, `lacking` the references
    that git does not hold, `optional` those of the same that may be absent in the cluster as well.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    secret: Mapping[str, str] = field(default_factory=dict)
    lacking: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    is_always: bool = False
    owner: str = ""

    def __bool__(self) -> bool:
        return bool(self.values or self.secret or self.lacking or self.optional or self.is_always)

    def why(self, name: str) -> str:
        """Why the value of a name is not known."""
        if name in self.secret:
            return f"the value of ${{{name}}} stands in Secret {self.secret[name]}, from which {self.owner} fills it in"
        lacking = (*self.lacking, *self.optional)
        if not lacking:
            return f"no variable of {self.owner} fills in ${{{name}}}"
        return f"${{{name}}} is filled in from {' or '.join(lacking)} by {self.owner}, which this repository does not hold"


def variables_of(owner: Resource, data: Data) -> Variables:
    """What a Kustomization fills into the objects that it builds."""
    post_build = mapping(owner.at("spec", "postBuild"))
    values: dict[str, Any] = {}
    secret: dict[str, str] = {}
    lacking: list[str] = []
    optional: list[str] = []
    for at, reference in enumerate(map(mapping, items(post_build.get("substituteFrom")))):
        kind, name = text(reference.get("kind")), text(reference.get("name"))
        known = data(kind, owner.namespace, name)
        if known is None:
            (optional if is_true(reference.get("optional")) else lacking).append(f"{kind} {name}")
            route = ("spec", "postBuild", "substituteFrom", at)
            values = rivalled(values, owner.rival(reference, "spec.postBuild.substitute", *route))
        elif kind == "Secret":
            secret |= dict.fromkeys(known, name)
        else:
            values |= known
            secret = {key: place for key, place in secret.items() if key not in known}
    own = mapping(post_build.get("substitute"))
    values = {key: value for key, value in values.items() if key not in secret} | own
    secret = {key: place for key, place in secret.items() if key not in own}
    is_always = text(post_build.get("substituteStrategy")) == "Always"
    place = f"{owner} ({owner.path}:{owner.line('spec', 'postBuild')})"
    return Variables(values, secret, tuple(lacking), tuple(optional), is_always, place)


def references(owner: Resource) -> list[tuple[str, str]]:
    """The kinds and names that a Kustomization fills in from."""
    listed = map(mapping, items(owner.at("spec", "postBuild", "substituteFrom")))
    return [(text(entry.get("kind")), text(entry.get("name"))) for entry in listed]


def is_left_alone(resource: Resource) -> bool:
    """Whether an object says itself that nothing is filled in."""
    metadata = mapping(resource.value.get("metadata"))
    return any(mapping(metadata.get(key)).get(DISABLED) == "disabled" for key in ("labels", "annotations"))


def filled(resource: Resource, variables: Variables) -> Resource:
    """The object with the variables of the Kustomization that builds it."""
    if is_left_alone(resource) or not variables:
        return resource
    return resource.with_value(_filled(resource.value, variables))


def put_in(written: str, variables: Variables) -> str:
    """A text as Flux fills it in, as far as that is known; without any variable it fills in nothing."""
    return _VARIABLE.sub(lambda match: _value(match, variables), written) if variables else written


def last_given(written: str, variables: Variables) -> re.Match[str] | None:
    """The last variable in a text that gets a value of git, and not its default; None where there is none."""
    given = (match for match in _VARIABLE.finditer(written) if _given(match, variables) is not None)
    return next(reversed([*given]), None)


def unfilled(written: str, variables: Variables) -> str:
    """Why a text that is filled in already still has a variable in it; empty where it has none."""
    match = next((match for match in _VARIABLE.finditer(written) if match["name"]), None)
    return variables.why(match["name"]) if match else ""


def not_read(resource: Resource, variables: Variables) -> Iterator[Gap]:
    """What Flux fills in, or fails at, in a way that is not followed: other operators than a default, a default with a variable."""
    if is_left_alone(resource) or not variables:
        return
    for route, written in scalars(resource.value, ()):
        begun = [match[0] for match in _BEGUN.finditer(str(written or "")) if match[0] != "$$"]
        for expression in (each for each in begun if not NAMED.fullmatch(each)):
            line = resource.line(*route)
            yield Gap(
                resource.path,
                line,
                f"{expression}: only a name and a default are read of what Flux fills in here",
            )


def _filled(value: Any, variables: Variables) -> Any:
    def change(scalar: Any) -> Any:
        return _text(scalar, variables) if isinstance(scalar, str) and "$" in scalar else scalar

    return each_scalar(value, change)


def _text(value: str, variables: Variables) -> str:
    """A text with what is known of it; a text that is one variable alone is the scalar that brings the value."""
    whole = _VARIABLE.fullmatch(value)
    given = variables.values.get(whole["name"]) if whole and whole["name"] else None
    made = put_in(value, variables)
    if made == value:
        return value
    if isinstance(given, Leaf) and made == given:
        return given
    return leaf(made, near=near_to(value))


def _value(match: re.Match[str], variables: Variables) -> str:
    name = match["name"]
    if name is None:
        return "$"
    if (given := _given(match, variables)) is not None:
        return str(given).replace("\n", "")
    is_known = name in variables.values or not variables.lacking
    return (
        match["default"] or ""
        if match["operator"] and name not in variables.secret and is_known
        else match[0]
    )


def _given(match: re.Match[str], variables: Variables) -> Any:
    """The value of git that a variable gets: none where it is empty and there is a default."""
    given = variables.values.get(match["name"])
    return None if given is None or (match["operator"] and not str(given)) else given
