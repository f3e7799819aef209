"""The sandbox's main branch, read where the git server keeps it: a test that looks runs one git process and no request."""

from pathlib import Path

from git_remotes import content, git

from bumper_sandbox.stack import REPOSITORY, Stack


def repository(stack: Stack) -> Path:
    return stack.git.path(REPOSITORY)


def tip(stack: Stack) -> str:
    return git(repository(stack), "rev-parse", "main")


def read(stack: Stack, path: str, commit: str = "main") -> bytes:
    return content(repository(stack), path, commit)


def message(stack: Stack, commit: str = "main") -> str:
    """The message of a commit, with the line end at its end."""
    return git(repository(stack), "show", "--no-patch", "--format=%B", commit) + "\n"


def names(stack: Stack, directory: str) -> set[str]:
    return set(git(repository(stack), "ls-tree", "--name-only", f"main:{directory}").splitlines())


def includes(stack: Stack, commit: str) -> bool:
    """Whether the branch still has that commit."""
    return git(repository(stack), "merge-base", "main", commit) == commit
