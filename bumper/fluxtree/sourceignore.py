"""Which files of a repository Flux leaves out of what it builds.

Law: as source-controller archives a commit: the last rule that matches a file decides, each file by itself, so that `!` brings back a
file of a directory that is left out (git would not). Rules are those of every `.sourceignore`, then `spec.ignore` of the source.
Flux's own list stands in for all of them where there is none. `spec.sparseCheckout` is a list of what paths begin with.

Source: fluxcd/pkg, sourceignore/sourceignore.go and gitignore/pattern.go (a copy of go-git's, whose wildcards are Go's path.Match);
artifact/storage, `SourceIgnoreFilter`; go-git v5, plumbing/format/index, `SkipUnless`.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache

from bumper.dataclasses import dataclass
from bumper.fluxtree.globs import step_matches

FILE = ".sourceignore"
FLUX = "Flux's own list"
_VCS = (".git/", ".gitignore", ".gitmodules", ".gitattributes")
_DEFAULTS = (
    *("*.jpg", "*.jpeg", "*.gif", "*.png", "*.wmv", "*.flv", "*.tar.gz", "*.zip"),
    *(".github/", ".circleci/", ".travis.yml", ".gitlab-ci.yml", "appveyor.yml", ".drone.yml"),
    *("cloudbuild.yaml", "codeship-services.yml", "codeship-steps.yml"),
    *("**/.goreleaser.yml", "**/.sops.yaml", "**/.flux.yaml"),
)


@dataclass(frozen=True)
class Rule:
    """One line of rules. `place` is its file and line, `domain` the directory that it is for, as steps."""

    written: str
    place: str = ""
    domain: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.place} {self.written}" if self.place else f"{FLUX} ({self.written})"

    @cached_property
    def brings_back(self) -> bool:
        return self.written.startswith("!")

    def matches(self, path: Sequence[str], *, is_directory: bool) -> bool:
        """Whether the rule is about the path, given as steps from the root."""
        if len(path) <= len(self.domain) or tuple(path[: len(self.domain)]) != self.domain:
            return False
        below = list(path[len(self.domain) :])
        match = self._matches_path if len(self.steps) > 1 else self._matches_name
        return match(below, is_directory)

    @cached_property
    def steps(self) -> list[str]:
        return self._bare.removesuffix("/").split("/")

    @cached_property
    def _bare(self) -> str:
        written = self.written.removeprefix("!")
        return written if written.endswith("\\ ") else written.rstrip(" ")

    def _matches_name(self, path: list[str], is_directory: bool) -> bool:
        step, last = self.steps[0], len(path) - 1
        for at, name in enumerate(path):
            if step_matches(step, name):
                return self._is_kind(at == last, is_directory)
        return False

    def _matches_path(self, path: list[str], is_directory: bool) -> bool:
        matched = may_skip = False
        for at, step in enumerate(self.steps):
            if step == "":
                may_skip = False
            elif step == "**" and at == len(self.steps) - 1:
                break
            elif step == "**":
                may_skip = True
            elif "**" in step or not path:
                return False
            else:
                until = len(path) if may_skip else 1
                hit = next((deep for deep in range(until) if step_matches(step, path[deep])), None)
                if hit is None and not may_skip:
                    return False
                matched, may_skip = hit is not None, False
                path = [] if hit is None else path[hit + 1 :]
        return matched and self._is_kind(not path, is_directory)

    def _is_kind(self, is_whole: bool, is_directory: bool) -> bool:
        return is_directory or not (is_whole and self._bare.endswith("/"))


@dataclass(frozen=True)
class Exclusions:
    """What one source leaves out. `given` are the rules of `spec.ignore`, `sparse` what it checks out, at `sparse_place`."""

    given: tuple[Rule, ...] = ()
    sparse: tuple[str, ...] = ()
    sparse_place: str = ""


def rules(content: bytes | str, path: str, line: int = 1, domain: tuple[str, ...] = ()) -> tuple[Rule, ...]:
    """The rules of a text that begins at a line of a file."""
    written = content.decode(errors="replace") if isinstance(content, bytes) else content
    return tuple(
        Rule(text, f"{path}:{line + at}", domain)
        for at, text in enumerate(written.splitlines())
        if text.strip() and not text.startswith("#")
    )


# What never gets into an artifact, and what is left out where nobody wrote a rule.
ALWAYS = tuple(map(Rule, _VCS))
DEFAULTS = tuple(map(Rule, _DEFAULTS))


def is_free(path: str) -> bool:
    """Whether no rule of Flux's own means any step of a path: a rule means a path by a step of it."""
    return not any(map(_is_met, path.split("/")))


@lru_cache(maxsize=1 << 16)
def _is_met(name: str) -> bool:
    return any(
        step_matches(step, name) for rule in (*ALWAYS, *DEFAULTS) for step in rule.steps if step != "**"
    )


def deciding(ordered: Iterable[Rule], path: str, *, is_directory: bool = False) -> Rule | None:
    """The rule that leaves the path out, the strongest rule being the last; None where it stays."""
    steps = path.split("/")
    matching = (rule for rule in reversed(tuple(ordered)) if rule.matches(steps, is_directory=is_directory))
    rule = next(matching, None)
    return None if rule is None or rule.brings_back else rule
