"""What GitHub says of a repository and of the rules of its branch. Pure.

Law: git's own answer decides whether we may push; this explains what only the push itself would show. A rule that this identity may
bypass is no obstacle, and where GitHub does not say whether it may, that is said.
Source: GitHub's OpenAPI description, `repository-rule-*` and `repository-ruleset`.
"""

from collections.abc import Iterator

from bumper.doctor.finding import Finding, Mark
from bumper.ports.github import Hosting, Rule

# What each rule asks of a commit, and the ways of `--commit-via` that satisfy it.
_FORBIDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "pull_request": ("takes changes from pull requests alone", ("pr",)),
    "merge_queue": ("takes changes from its merge queue alone", ("pr",)),
    "required_status_checks": ("wants status checks before a commit comes to it", ("pr",)),
    "required_deployments": ("wants a deployment before a commit comes to it", ("pr",)),
    "workflows": ("wants workflows to pass before a commit comes to it", ("pr",)),
    "code_scanning": ("wants code scanning before a commit comes to it", ("pr",)),
    "required_signatures": ("wants signed commits", ("api", "pr")),
    "update": ("may be updated by those on its bypass list alone", ()),
}
_MAY_FORBID = {
    "commit_message_pattern": "the commit's message",
    "commit_author_email_pattern": "the author's address",
    "committer_email_pattern": "the committer's address",
    "file_path_restriction": "the paths of files",
}
_BYPASSES = ("always", "exempt")


def findings(hosting: Hosting, branch: str, way: str = "git") -> Iterator[Finding]:
    """What stands against a commit that comes to the branch this way (`--commit-via`); one good finding where nothing does."""
    subject = f"GitHub {hosting.repository}"
    obstacles = [
        *_of_repository(subject, hosting),
        *(finding for rule in hosting.rules if (finding := _of_rule(subject, rule, branch, way))),
    ]
    yield from obstacles
    if not obstacles:
        known = [rule for rule in hosting.rules if rule.type in _FORBIDS]
        bypassed = ", ".join(rule.type for rule in known if rule.bypass in _BYPASSES)
        bypass_note = f" (bypassed by this identity: {bypassed})" if bypassed else ""
        yield Finding(
            "git",
            subject,
            Mark.GOOD,
            f"no rule of {branch} is against --commit-via {way}{bypass_note}; classic branch protection shows to administrators alone",
        )


def _of_repository(subject: str, hosting: Hosting) -> Iterator[Finding]:
    if hosting.is_archived:
        why = "nothing can be pushed to it"
        yield Finding("git", subject, Mark.MISSING, "is archived", why, "unarchive it in its settings")
    elif hosting.may_push is False:
        yield Finding(
            "git",
            subject,
            Mark.WARNING,
            "says that this identity has no right to push",
            "git's own answer counts; where that is no, this is the reason",
            "give the token contents: write, or its user the role Write",
        )


def _of_rule(subject: str, rule: Rule, branch: str, way: str) -> Finding | None:
    if rule.bypass in _BYPASSES:
        return None
    if rule.type in _MAY_FORBID:
        return Finding(
            "git",
            subject,
            Mark.WARNING,
            f"{branch} has a rule for {_MAY_FORBID[rule.type]} ({rule.type}, ruleset {rule.ruleset})",
            "a commit that does not fit it is refused at the push",
            "compare it with a commit of ours: bump --dry-run shows its file, docs/operating.md its message",
        )
    what, ways = _FORBIDS.get(rule.type, ("", (way,)))
    if way in ways:
        return None
    known = "" if rule.bypass else "; whether this identity may bypass it is not told"
    return Finding(
        "git",
        subject,
        Mark.MISSING if rule.bypass else Mark.WARNING,
        f"{branch} {what} ({rule.type}, ruleset {rule.ruleset}{known})",
        f"a commit by --commit-via {way} is refused",
        f"use --commit-via {' or '.join(ways)}" if ways else "put this identity on the ruleset's bypass list",
    )
