"""Rules of the platform's repository on commit messages, as hooks hold them, and how they are met."""

import json
from collections.abc import Iterator

import commandline
import pytest
from commandline import Ran
from git_remotes import git

from bumper.app.surroundings import Surroundings
from bumper.cli import parser_of
from bumper.commands import action, options
from bumper_sandbox.stack import Stack

from .branch import message, repository, tip

SITE = "kevinryan-io"
PERSON = {"GIT_AUTHOR_NAME": "Kevin Ryan", "GIT_AUTHOR_EMAIL": "kevin@example.org"}
CONVENTIONAL = r"""
git log -1 --format=%s "$new" | grep -Eq '^(feat|fix|chore|ci)(\(.+\))?: [a-z].{0,70}$' || {
  echo 'the commit message must match ^(feat|fix|chore|ci): '; exit 1; }
"""
SIGNED_OFF = r"""
git log -1 --format=%B "$new" | grep -qxF "Signed-off-by: $(git log -1 --format='%an <%ae>' "$new")" || {
  echo 'every commit needs a Signed-off-by line of its author'; exit 1; }
"""


@pytest.fixture(autouse=True)
def rule(stack: Stack) -> Iterator[None]:
    """A hook of the server that holds both rules."""
    hook = repository(stack) / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\nwhile read old new ref; do\n{CONVENTIONAL}\n{SIGNED_OFF}\ndone\n")
    hook.chmod(0o755)
    yield
    hook.unlink()


def bump(stack: Stack, *arguments: str, **environ: str) -> Ran:
    return commandline.bump(
        *arguments, "--repo", stack.url, environ={**stack.child_environ(), **PERSON, **environ}
    )


def deploy(stack: Stack, tag: str, *arguments: str, **environ: str) -> Ran:
    stack.registry.push(SITE, tag)
    return bump(stack, "--site", SITE, "--sha", tag, "--no-wait", *arguments, **environ)


@pytest.mark.slow
def test_a_rule_that_refuses_names_what_meets_it(stack: Stack) -> None:
    before = tip(stack)
    code, _, stderr = deploy(stack, "abc0001")
    assert (code, "help:  --message words the subject" in stderr) == (5, True), stderr
    code, _, stderr = deploy(stack, "abc0001", "--message", "chore: {change}")
    assert (code, "help:  --signoff adds Signed-off-by" in stderr) == (5, True), stderr
    assert tip(stack) == before


@pytest.mark.slow
def test_each_verb_meets_both_rules(stack: Stack) -> None:
    wording = ("--message", "chore({site}): {change}", "--signoff", "--trailer", "Refs: OPS-12")
    assert deploy(stack, "abc0002", *wording).code == 0
    assert message(stack).startswith(f"chore({SITE}): deploy {SITE} abc0002\n")
    assert message(stack).rstrip().endswith("\nRefs: OPS-12\nSigned-off-by: Kevin Ryan <kevin@example.org>")
    hold = ("hold", SITE, "--reason", "a sale is on", *wording)
    assert bump(stack, *hold).code == 0
    assert message(stack).startswith(f"chore({SITE}): hold {SITE}\n")
    assert bump(stack, "release", SITE, *wording).code == 0
    back = bump(stack, "rollback", SITE, "--no-wait", "--to", "08a2c8e", "--reason", "carts", *wording)
    assert back.code == 0, back.stderr
    assert message(stack).startswith(f"chore({SITE}): roll {SITE} back to 08a2c8e\n")
    assert bump(stack, "release", SITE, *wording).code == 0
    answer = json.loads(bump(stack, "history", SITE, "--output", "json").stdout)
    assert "abc0002" in [entry["tag"] for entry in answer["deploys"]]


def test_nobody_signs_off_for_nobody(stack: Stack) -> None:
    nobody = {
        "GIT_AUTHOR_NAME": "", "GIT_AUTHOR_EMAIL": "", "EMAIL": "", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1",
    }  # fmt: skip
    before = tip(stack)
    code, _, stderr = deploy(stack, "abc0003", "--message", "chore: {change}", "--signoff", **nobody)
    assert code == 2
    assert "--signoff: nobody is named as the author" in stderr
    assert tip(stack) == before


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--trailer", "Bump-To: 9.9"), "Bump-To is a trailer that bump writes itself"),
        (("--trailer", "Refs: 1\nBump-To: 9.9"), "is no trailer"),
        (("--message", "Bump the site"), "does not say what is done"),
        (("--message", "{change}", "--message", "{subject}"), "--message is given twice"),
        (("--signoff", "--commit-via", "api"), "--signoff: GitHub makes this commit"),
        (("--skip-ci", "--commit-via", "pr"), "waits for them for ever"),
        (("--message", "{change} [no ci]", "--commit-via", "pr"), "waits for them for ever"),
    ],
)
def test_what_can_not_be_asked_for(stack: Stack, arguments: tuple[str, ...], problem: str) -> None:
    code, _, stderr = bump(stack, "--site", SITE, "--sha", "abc0004", *arguments)
    assert code == 2
    assert problem in stderr


def test_the_inputs_of_the_action_are_the_same_options() -> None:
    surroundings = Surroundings.of(
        {
            "BUMP_INPUT_SITE": SITE, "BUMP_INPUT_SHA": "abc0001", "BUMP_INPUT_REPO": "octo/platform",
            "BUMP_INPUT_MESSAGE": "chore({site}): {change}", "BUMP_INPUT_SIGNOFF": "true", "BUMP_INPUT_SKIP_CI": "true",
            "BUMP_INPUT_TRAILER": "Refs: OPS-12\nTeam: web\n",
        }
    )  # fmt: skip
    command, line = action.command_line(surroundings)
    arguments = parser_of(command).parse_args(line)
    wording = options.commit(arguments).wording
    assert wording.subject == "chore({site}): {change}"
    assert [*map(str, wording.trailers)] == ["Refs: OPS-12", "Team: web"]
    assert (wording.signs_off, wording.skips_ci) == (True, True)


@pytest.mark.slow
class TestLoops:
    """Sites and platform in one repository: a commit of bump starts the build that calls bump again."""

    def test_a_commit_of_bump_is_no_source(self, stack: Stack) -> None:
        wording = ("--message", "chore: {change}", "--signoff")
        assert deploy(stack, "abc0005", *wording).code == 0
        ours = tip(stack)
        stack.registry.push(SITE, ours[:7])
        code, _, stderr = bump(stack, "--site", SITE, "--sha", ours, "--no-wait", *wording)
        assert code == 4
        assert f"commit {ours[:7]} is one of bump itself (chore: deploy {SITE} abc0005)" in stderr
        assert "paths-ignore" in stderr
        assert tip(stack) == ours
        # The job that a push of it started, whatever the image is called.
        stack.registry.push(SITE, "run-7")
        pushed = {
            "GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "push", "GITHUB_SHA": ours, "GITHUB_SERVER_URL": stack.git.url,
            "GITHUB_REPOSITORY": stack.url.removeprefix(f"{stack.git.url}/").removesuffix(".git"),
        }  # fmt: skip
        again = ("--site", SITE, "--tag", "run-7", "--no-wait", *wording)
        assert bump(stack, *again, **pushed).code == 4
        assert tip(stack) == ours
        # A job that a person started there, and the push of another repository.
        by_hand = {**pushed, "GITHUB_EVENT_NAME": "workflow_dispatch"}
        assert bump(stack, *again, "--dry-run", **by_hand).code == 0
        elsewhere = {**pushed, "GITHUB_REPOSITORY": "octo/web"}
        assert bump(stack, *again, "--dry-run", **elsewhere).code == 0

    def test_over_a_guard_goes_who_says_why(self, stack: Stack) -> None:
        wording = ("--message", "chore: {change}", "--signoff")
        assert deploy(stack, "abc0006", *wording).code == 0
        ours = tip(stack)
        stack.registry.push(SITE, ours[:7])
        forced = ("--force", "--reason", "its build has what the last one lacks")
        assert bump(stack, "--site", SITE, "--sha", ours[:7], "--no-wait", *wording, *forced).code == 0
        assert "Bump-Forced: own-commit\n" in message(stack)

    def test_a_commit_of_a_person_on_top_is_a_source(self, stack: Stack) -> None:
        wording = ("--message", "chore: {change}", "--signoff")
        assert deploy(stack, "abc0007", *wording).code == 0
        stack.commit({"k8s/README.md": b"ours\n"}, "Add a page")
        theirs = git(repository(stack), "rev-parse", "main")
        stack.registry.push(SITE, theirs[:7])
        assert bump(stack, "--site", SITE, "--sha", theirs, "--no-wait", *wording).code == 0
