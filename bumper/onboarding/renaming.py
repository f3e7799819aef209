"""What a new site calls by its own name where the site that it is modelled on says its own.

Law: whole words alone: `web` in `web.web.svc` and `web-tls`, never in `website`. What is not the site's own stays (versions, kinds,
ports, entry points, paths of requests, references to shared objects, the names of other sites). What may be its own, but cannot be
renamed for certain, is refused with `Uncarried`: a copy that quietly shares a database is worse than none.
"""

import re
from collections.abc import Sequence
from typing import Any

from bumper.dataclasses import dataclass, field
from bumper.errors import Refused
from bumper.manifest.document import text
from bumper.onboarding import hosts as routes

Path = tuple[str | int, ...]

_WORD = re.compile(r"[A-Za-z0-9_-]+")
_DOTTED = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+")
_FILE = re.compile(r"\.(?:ya?ml|json|conf|toml|ini|env|txt|properties)\Z")
_IN_CLUSTER = re.compile(r"\.(?:svc|cluster)(?:\.|\Z)")
# Under these keys stands nothing that a site names, though it may be spelled like one: `web` is Traefik's usual entry point.
_NEVER = frozenset(
    {
        "apiVersion",
        "kind",
        "entryPoints",
        "port",
        "targetPort",
        "containerPort",
        "portName",
        "protocol",
        "pathType",
        "imagePullPolicy",
        "ingressClassName",
        "storageClassName",
        "priorityClassName",
    }
)
# References to what is shared by several sites.
_SHARED = frozenset({"sourceRef", "parentRefs", "issuerRef", "secretStoreRef", "dependsOn", "decryption"})


class Uncarried(Refused):
    """Something of a model that cannot be carried over to a new site."""


@dataclass(frozen=True)
class Renaming:
    """From the name and hosts of one site to those of another. `foreign` are names of other things, which stay as they are.

    `images` maps the place of each image of the site to what is written there, `replaced` are hosts that an overlay puts others in
    place of.
    """

    old: str
    new: str
    old_hosts: tuple[str, ...]
    new_hosts: tuple[str, ...]
    foreign: frozenset[str] = frozenset()
    images: dict[Path, str] = field(default_factory=dict)
    replaced: tuple[str, ...] = ()

    def host(self, written: str) -> str:
        """A host with the site's name in it replaced, wherever it stands."""
        return _WORD.sub(lambda match: self._word(match[0]), written)

    def data(self, value: Any, path: Path = ()) -> Any:
        """The value of the copy, for the value at `path` (beginning with the document's index) of the model; Uncarried."""
        if path in self.images:
            return self.images[path]
        if isinstance(value, str):
            return self.scalar(value, path)
        if isinstance(value, dict):
            return {self.words(key): self.data(below, (*path, key)) for key, below in value.items()}
        if self.are_hosts(value):
            return list(self.new_hosts)
        if rule := self.rule_of_each_host(value):
            return [
                {
                    key: host if key == "host" else self.data(below, (*path, 0, key))
                    for key, below in rule.items()
                }
                for host in self.new_hosts
            ]
        return [self.data(below, (*path, at)) for at, below in enumerate(value)]

    def scalar(self, value: str, path: Path) -> str:
        """The scalar of the copy at that path."""
        keys = [step for step in path if isinstance(step, str)]
        if _stays(path, keys):
            return value
        if keys[-1:] == ["match"] and routes.in_rule(value):
            return self.rule(value)
        return self.words(value)

    def rule(self, value: str) -> str:
        """A rule of Traefik's; its hosts are replaced together."""
        rule_hosts = _lower(routes.in_rule(value))
        if not rule_hosts & set(self.old_hosts):
            return self.words(value)
        if rule_hosts != set(self.old_hosts):
            raise Uncarried(
                f"the rule {value} takes some of its hosts: which of the new ones belong there is not certain"
            )
        written = routes.with_hosts(value, self.new_hosts)
        if written is None:
            raise Uncarried(f"the rule {value} takes hosts in more than one place")
        return written

    def words(self, value: str) -> str:
        """Any text with the hosts and names in it replaced."""
        kept: list[str] = []

        def keep(written: str) -> str:
            kept.append(written)
            return f"\0{len(kept) - 1}\0"

        masked = value
        for at, host in sorted(enumerate(self.old_hosts), key=lambda numbered_host: -len(numbered_host[1])):
            pattern = _standing_alone(host)
            if pattern.search(masked) and at >= len(self.new_hosts):
                raise Uncarried(
                    f"{_short(value)} names {host}, and there are fewer new hosts than the model has"
                )
            while pattern.search(masked):
                masked = pattern.sub(keep(self.new_hosts[at]), masked, count=1)
        for host in self.replaced:
            masked = _standing_alone(host).sub(lambda match: keep(self.host(match[0])), masked)
        masked = _DOTTED.sub(lambda match: keep(self._dotted(match[0])), masked)
        masked = _WORD.sub(lambda match: self._word(match[0]), masked)
        return re.sub(r"\0(\d+)\0", lambda match: kept[int(match[1])], masked)

    def _dotted(self, written: str) -> str:
        renamed = self.host(written)
        if renamed == written:
            return written
        is_ours = _FILE.search(written) or _IN_CLUSTER.search(written) or written.split(".") == [self.old] * 2
        if not is_ours:
            raise Uncarried(
                f"{written} holds the name {self.old}, and whether it is the site's own is not certain"
            )
        return renamed

    def _word(self, word: str) -> str:
        if word in self.foreign or word.isdigit():
            return word
        if re.search(rf"(?:\A|-){re.escape(self.old)}(?:-|\Z)", word):
            return re.sub(rf"(?:(?<=-)|\A){re.escape(self.old)}(?=-|\Z)", self.new, word)
        if re.search(rf"(?:\A|[_-]){re.escape(self.old)}(?:[_-]|\Z)", word):
            raise Uncarried(
                f"{word} holds the name {self.old}, and whether it is the site's own is not certain"
            )
        return word

    def are_hosts(self, value: Sequence[Any]) -> bool:
        """Whether a list holds the model's hosts, all of them and nothing else."""
        return (
            bool(value)
            and all(isinstance(host, str) for host in value)
            and _lower(value) == set(self.old_hosts)
        )

    def rule_of_each_host(self, value: Sequence[Any]) -> dict[str, Any] | None:
        """The first rule of an Ingress, if its rules are those of all hosts and differ in nothing else."""
        if not value or not all(isinstance(rule, dict) and text(rule.get("host")) for rule in value):
            return None
        if _lower([rule["host"] for rule in value]) != set(self.old_hosts):
            return None
        alike = [{key: below for key, below in rule.items() if key != "host"} for rule in value]
        if any(rule != alike[0] for rule in alike):
            raise Uncarried(
                "the rules of its hosts differ: which of the new ones belongs to which is not certain"
            )
        return dict(value[0])


def _standing_alone(host: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![A-Za-z0-9.-]){re.escape(host)}(?![A-Za-z0-9-]|\.[A-Za-z0-9])", re.IGNORECASE)


def _stays(path: Path, keys: list[str]) -> bool:
    if not keys:
        return False
    if keys[-1] in _NEVER or not _SHARED.isdisjoint(keys):
        return True
    if keys[-1] == "image":
        return True  # of another container: the site's own is in `images`
    above = keys[-2] if len(keys) > 1 else ""
    if keys[-1] in ("name", "number") and above in ("ports", "port"):
        return True
    return keys[-1] == "path" and above in ("httpGet", "paths")


def _lower(values: Sequence[str]) -> set[str]:
    return {value.lower() for value in values}


def _short(value: str) -> str:
    line = " ".join(value.split())
    return line if len(line) <= 60 else line[:57] + "…"
