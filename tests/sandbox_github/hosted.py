"""A repository on the sandbox's GitHub: the real bare repository behind it, the rules of its branches, and its pull requests.

What GitHub does on its own happens in `settle`: it closes a pull request whose branch holds nothing new, and merges one that waits for
nothing more. Every commit and merge is git's own; a branch moves by compare and swap.
"""

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox_github.deployments import Ledger

_WHO = "sandbox[bot] <sandbox[bot]@users.noreply.github.example> 1767322800 +0000"
_SIGNATURE = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n c2FuZGJveA==\n -----END PGP SIGNATURE-----\n"
# What GitHub says to a push of unsigned commits where signatures are required.
SIGNED_ONLY = """
while read old new ref; do
  git cat-file commit "$new" | grep -q '^gpgsig ' && continue
  echo "error: GH013: Repository rule violations found for $ref." >&2
  echo "- Commits must have verified signatures." >&2
  exit 1
done
"""


class Fault(Exception):
    """An error of the answer: GitHub's type and words."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass
class Rules:
    """What the branches ask for, what the repository's settings allow, and what the token may see."""

    takes_commits: bool = True
    reviews: bool = False
    checks: bool = False
    newest: bool = False
    auto_merge: bool = True
    queue: bool = False
    shows_checks: bool = True
    methods: tuple[str, ...] = ("MERGE", "SQUASH", "REBASE")


@dataclass
class OpenPull:
    """A pull request. `automatic` is the input that auto-merge was enabled with."""

    number: int
    branch: str
    base: str
    title: str
    body: str
    head: str
    state: str = "OPEN"
    merge: str = ""
    checks: str = ""
    review: str = ""
    automatic: Mapping[str, str] | None = None
    is_queued: bool = False
    closed_by: str = ""
    comments: list[str] = field(default_factory=list)


@dataclass
class Hosted:
    """`name` is `owner/name`, `path` the bare repository, `environ` that of git's processes; `ledger` holds its commits' statuses."""

    name: str
    path: Path
    environ: Mapping[str, str]
    rules: Rules = field(default_factory=Rules)
    pulls: dict[int, OpenPull] = field(default_factory=dict)
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.find)

    def find(self, name: str) -> list[str]:
        """The commits whose SHA begins with `name`."""
        return self._git("rev-parse", f"--disambiguate={name}", may_fail=True).split()

    def sign_only(self) -> None:
        """From now on a push of unsigned commits is rejected."""
        hook = self.path / "hooks" / "pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\n{SIGNED_ONLY}", encoding="utf-8")
        hook.chmod(0o755)

    def tip(self, branch: str) -> str:
        """The commit of a branch; empty where there is none."""
        return self._git("rev-parse", "--quiet", "--verify", f"refs/heads/{branch}", may_fail=True)

    def move(self, branch: str, new: str, old: str) -> bool:
        """Whether the branch was at `old` (empty: nowhere) and is at `new` now (empty: gone)."""
        ref, nowhere = f"refs/heads/{branch}", "0" * 40
        if not new:
            return self._is("update-ref", "-d", ref, old)
        return self._is("update-ref", ref, new, old or nowhere)

    def commit(
        self, parent: str, additions: Mapping[str, bytes], deletions: Sequence[str], message: str
    ) -> str:
        """A signed commit with every added file as a plain one."""
        with tempfile.TemporaryDirectory() as folder:
            index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            self._git("read-tree", parent, environ=index)
            lines = [f"0 {'0' * 40}\t{path}\n" for path in deletions]
            for path, content in additions.items():
                blob = self._git("hash-object", "-w", "--stdin", stdin=content)
                lines.append(f"100644 {blob}\t{path}\n")
            self._git("update-index", "--index-info", stdin="".join(lines).encode(), environ=index)
            tree = self._git("write-tree", environ=index)
        return self.commit_tree(tree, [parent], message)

    def commit_tree(self, tree: str, parents: Sequence[str], message: str, *, signed: bool = True) -> str:
        head = "".join((f"tree {tree}\n", *(f"parent {parent}\n" for parent in parents)))
        text = f"{head}author {_WHO}\ncommitter {_WHO}\n{_SIGNATURE if signed else ''}\n{message}"
        return self._git("hash-object", "-t", "commit", "-w", "--stdin", stdin=text.encode())

    def history(self, commit: str, most: int) -> list[tuple[str, list[str], str]]:
        """Commit, parents and message, the newest first."""
        listing = self._git("log", f"-{most}", "--format=%H%x00%P%x00%B%x1e", commit)
        entries = [entry.lstrip("\n").split("\0") for entry in listing.split("\x1e") if entry.strip()]
        return [(sha, parents.split(), message.strip()) for sha, parents, message in entries]

    def merge_state(self, pull: OpenPull) -> str:
        """GitHub's MergeStateStatus."""
        if not self._merged_tree(pull):
            return "DIRTY"
        if self.rules.newest and not self._is_ancestor(self.tip(pull.base), pull.head):
            return "BEHIND"
        waits = (self.rules.reviews and pull.review != "APPROVED") or pull.review == "CHANGES_REQUESTED"
        if waits or (self.rules.checks and pull.checks != "SUCCESS"):
            return "BLOCKED"
        return "UNSTABLE" if pull.checks in ("PENDING", "FAILURE", "ERROR") else "CLEAN"

    def changed_files(self, pull: OpenPull) -> int:
        names = self._git("diff", "--name-only", f"{self.tip(pull.base)}...{pull.head}")
        return len(names.splitlines())

    def commits_of(self, pull: OpenPull) -> int:
        return int(self._git("rev-list", "--count", f"{self.tip(pull.base)}..{pull.head}"))

    def settle(self) -> None:
        for pull in self.pulls.values():
            if pull.state != "OPEN":
                continue
            pull.head = self.tip(pull.branch) or pull.head
            if not self.tip(pull.branch) or self._is_ancestor(pull.head, self.tip(pull.base)):
                pull.state, pull.closed_by = "CLOSED", "sandbox"
            elif self.merge_state(pull) == "CLEAN" and (pull.automatic or pull.is_queued):
                # A merge queue makes its own message.
                self.merge(pull, (not pull.is_queued and pull.automatic) or {"mergeMethod": "SQUASH"})

    def merge(self, pull: OpenPull, wanted: Mapping[str, str]) -> None:
        base, tree = self.tip(pull.base), self._merged_tree(pull)
        method = wanted.get("mergeMethod", "MERGE")
        headline = wanted.get("commitHeadline") or f"{pull.title} (#{pull.number})"
        message = f"{headline}\n\n{wanted.get('commitBody', pull.body)}"
        if method == "SQUASH":
            made = self.commit_tree(tree, [base], message)
        elif method == "MERGE":
            message = f"Merge pull request #{pull.number} from {pull.branch}\n\n{pull.title}"
            made = self.commit_tree(tree, [base, pull.head], message)
        else:
            made = self.commit_tree(tree, [base], self.history(pull.head, 1)[0][2], signed=False)
        if self.move(pull.base, made, base):
            pull.state, pull.merge, pull.is_queued = "MERGED", made, False

    def _merged_tree(self, pull: OpenPull) -> str:
        merged = self._git("merge-tree", "--write-tree", self.tip(pull.base), pull.head, may_fail=True)
        return merged if "\n" not in merged else ""

    def _is_ancestor(self, ancestor: str, commit: str) -> bool:
        return self._is("merge-base", "--is-ancestor", ancestor, commit)

    def _is(self, *arguments: str) -> bool:
        return self._run(*arguments).returncode == 0

    def _git(
        self,
        *arguments: str,
        stdin: bytes = b"",
        environ: Mapping[str, str] | None = None,
        may_fail: bool = False,
    ) -> str:
        ran = self._run(*arguments, stdin=stdin, environ=environ)
        if ran.returncode and not may_fail:
            raise RuntimeError(f"git {arguments[0]}: {ran.stderr.decode()}")
        return ran.stdout.decode().strip()

    def _run(
        self, *arguments: str, stdin: bytes = b"", environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        kept = {name: value for name, value in self.environ.items() if not name.startswith("GIT_")}
        return subprocess.run(
            ["git", "-C", str(self.path), *arguments],
            input=stdin,
            env={**kept, **(environ or {})},
            check=False,
            capture_output=True,
        )


def branch_name(ref: str) -> str:
    return ref.removeprefix("refs/heads/")


def shown_ref(hosted: Hosted, branch: str, *fields: str) -> dict[str, Any] | None:
    tip = hosted.tip(branch)
    whole = {"id": f"REF_{hosted.name}:{branch}", "target": {"oid": tip}}
    return {name: whole[name] for name in fields} if tip else None


class Hosting:
    """The repositories of one GitHub, for who may read them; `site` begins the addresses of web pages."""

    def __init__(self, site: str) -> None:
        self.site = site
        self.repositories: dict[str, Hosted] = {}

    def named(self, asked: Mapping[str, Any], reads: tuple[str, ...]) -> Hosted:
        """The repository that a query's variables name, after what was due in it."""
        hosted = self.hosted(f"{asked['owner']}/{asked['name']}", reads)
        hosted.settle()
        return hosted

    def hosted(self, name: str, reads: tuple[str, ...]) -> Hosted:
        """The repository of that name, `owner/name`."""
        if name not in self.repositories or name not in reads:
            raise Fault("NOT_FOUND", f"Could not resolve to a Repository with the name '{name}'.")
        return self.repositories[name]

    def branch(self, node: str, reads: tuple[str, ...]) -> tuple[Hosted, str]:
        """The repository and the branch that a ref's node id stands for."""
        name, _, branch = node.removeprefix("REF_").partition(":")
        return self.hosted(name, reads), branch
