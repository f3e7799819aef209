"""Comparing two commits as GitHub does: by their best common ancestor, page by page, the files on the first page only."""

from collections.abc import Mapping
from typing import Any

from sandbox_github.content import Objects, Repository


def ancestors(parents: Mapping[str, tuple[str, ...]], sha: str) -> set[str]:
    """The commit and all that are before it."""
    seen, todo = set[str](), [sha]
    while todo:
        commit = todo.pop()
        if commit not in seen:
            seen.add(commit)
            todo += parents.get(commit, ())
    return seen


def comparison(
    objects: Objects, repository: Repository, base: str, head: str, page: int
) -> dict[str, Any] | None:
    """The answer for two full SHAs, a commit a page; None where they have no common ancestor, which GitHub answers 404."""
    before, after = (ancestors(repository.parents, sha) for sha in (base, head))
    common = before & after
    best = max(common, key=lambda sha: len(ancestors(repository.parents, sha)), default=None)
    if best is None:
        return None
    ahead, behind = sorted(after - before), sorted(before - after)
    status = {(False, False): "identical", (True, False): "ahead", (False, True): "behind"}
    here = f"{objects.api}/repos/{repository.name}/compare/{base}...{head}"
    web = f"{objects.site}/{repository.name}/compare/{base}...{head}"
    answer = {
        "url": here,
        "html_url": web,
        "permalink_url": web,
        "diff_url": f"{web}.diff",
        "patch_url": f"{web}.patch",
        "base_commit": objects.commit(repository, base),
        "merge_base_commit": objects.commit(repository, best),
        "status": status.get((bool(ahead), bool(behind)), "diverged"),
        "ahead_by": len(ahead),
        "behind_by": len(behind),
        "total_commits": len(ahead),
        "commits": [objects.commit(repository, sha) for sha in ahead[page - 1 : page]],
    }
    return answer | ({"files": []} if page == 1 else {})
