"""How a platform words its commits, and that nothing of ours is lost or forged by it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from examples import examples
from git_remotes import commit_change, git
from hypothesis import given, settings
from hypothesis import strategies as some
from tables import each_row

from bumper.history.message import Deploy, branch_of, compose, is_ours, worded
from bumper.history.record import records
from bumper.history.wording import Trailer, Wording, hint_on_rule, template
from bumper.image import ImageReference
from bumper.record import Record
from bumper.request import Origin

WEB = Deploy(
    "web", "k8s/web.yaml", ImageReference("reg.io/web", "1.0"), ImageReference("reg.io/web", "abc1234")
)
MESSAGE = compose([WEB], Origin(requested_by="kevin"))
AUTHOR = "Kevin Ryan <kevin@example.org>"


def read(message: str) -> tuple[Record, ...]:
    return records("c" * 40, "Somebody", datetime(2026, 3, 4, tzinfo=UTC), message)


def subject(text: str, message: str = MESSAGE) -> str:
    return Wording(template(text)).of(message).partition("\n")[0]


def test_a_message_that_nobody_words_stays_as_it_is() -> None:
    assert Wording().of(MESSAGE) == MESSAGE


def test_the_whole_of_a_worded_message() -> None:
    wording = Wording(
        template("chore({site}): {change}"), (Trailer.parse("Refs: OPS-12"),), signs_off=True, skips_ci=True
    )
    assert wording.of(MESSAGE, AUTHOR) == (
        "chore(web): deploy web abc1234 [skip ci]\n"
        "\n"
        "k8s/web.yaml: reg.io/web goes from 1.0 to abc1234.\n"
        "\n"
        "Bump-Site: web\n"
        "Bump-Image: reg.io/web\n"
        "Bump-From: 1.0\n"
        "Bump-To: abc1234\n"
        "Requested-By: kevin\n"
        "Refs: OPS-12\n"
        "Signed-off-by: Kevin Ryan <kevin@example.org>\n"
    )


def test_the_subject_names_the_sites() -> None:
    both = compose([WEB, Deploy("api", "a.yaml", WEB.previous, WEB.image)], Origin())
    assert subject("chore({site}): {change}", both) == "chore(web,api): deploy web abc1234 and 1 more"
    held = worded("Hold web", ["k8s/web.yaml: keep automation off web."], [("Bump-Hold", "web")])
    assert subject("ops({site}): {subject}", held) == "ops(web): Hold web"
    assert (
        subject("ci({site}): {change}", "Let Flux tell\n\nk8s: why.\n\n\n") == "ci(platform): let Flux tell"
    )


def test_a_message_without_trailers_gets_a_paragraph_of_them() -> None:
    bare = worded("Let Flux tell GitHub", ["k8s/flux/tell.yaml: why."], [])
    assert Wording(trailers=(Trailer("Refs", "7"),)).of(bare) == (
        "Let Flux tell GitHub\n\nk8s/flux/tell.yaml: why.\n\nRefs: 7\n"
    )


def test_a_line_stands_once_and_skip_ci_too() -> None:
    line = Trailer.parse(f"Signed-off-by={AUTHOR}")
    wording = Wording(template("{subject} [ci skip]"), (line, line), signs_off=True, skips_ci=True)
    message = wording.of(MESSAGE, AUTHOR)
    assert message.count("Signed-off-by: ") == 1
    assert message.startswith("Deploy web abc1234 [ci skip]\n")
    assert wording.of(wording.of(MESSAGE, AUTHOR), AUTHOR).count("Signed-off-by: ") == 1


@each_row(
    "text",
    [
        "Bump-Site: shop", "bump-to=9.9", "BUMP-ANYTHING: x", "Reason: none", "Requested-By: somebody else",
        "Source-Commit: " + "a" * 40, "Rollback-Of: x", "Workflow-Run: https://example.org",
    ],
)  # fmt: skip
def test_our_own_trailers_are_said_by_nobody_else(text: str) -> None:
    with pytest.raises(ValueError, match="a trailer that bump writes itself"):
        Trailer.parse(text)


@each_row(
    "text", ["", "no key", "Refs:", ": value", "Re fs: 1", "Refs: 1\nBump-Site: shop", "Refs: \x1b[31m", "R\0: 1"]
)  # fmt: skip
def test_what_is_no_trailer(text: str) -> None:
    with pytest.raises(ValueError, match="is no trailer"):
        Trailer.parse(text)


@each_row(
    ("text", "problem"),
    [
        ("chore: bump", "does not say what is done"),
        ("", "does not say what is done"),
        ("{0} {change}", "names {0}"),
        ("{change.__class__} {sites} {change}", "names {sites}"),
        ("chore: {change}\nBump-Site: shop", "one line"),
        ("chore:\x1b[31m {change}", "one line"),
        ("x" * 60 + "{change}", "at most 60 characters"),
    ],
)
def test_what_is_no_template(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        template(text)


WORD = some.text(some.characters(exclude_categories=["Cs"]), max_size=30)


@settings(max_examples=examples(150))
@given(
    prefix=WORD, key=some.text("AbsBump-Site019", min_size=1, max_size=12), value=WORD, signs=some.booleans()
)
def test_no_words_lose_or_forge_a_deploy(prefix: str, key: str, value: str, signs: bool) -> None:
    try:
        wording = Wording(template(prefix + "{change}"), (Trailer.parse(f"{key}: {value}"),), signs, signs)
    except ValueError:
        return
    message = wording.of(MESSAGE, AUTHOR)
    assert read(message) == read(MESSAGE)
    assert is_ours(message)


def test_git_reads_the_same_trailers(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    message = Wording(trailers=(Trailer("Refs", "OPS-12: a, b"),), signs_off=True).of(MESSAGE, AUTHOR)
    git(tmp_path, "commit", "--quiet", "--allow-empty", "--cleanup=verbatim", "--message", message)
    shown = git(tmp_path, "log", "-1", "--format=%(trailers:only)").split("\n")
    assert shown[-2:] == ["Refs: OPS-12: a, b", f"Signed-off-by: {AUTHOR}"]
    assert shown[0] == "Bump-Site: web"


def test_a_pull_request_of_each_change_has_a_branch_of_its_own() -> None:
    holds = [worded(f"Hold {site}", ["x"], [("Bump-Hold", site)]) for site in ("web", "api")]
    branches = {branch_of(Wording(template("chore: {change}")).of(hold)) for hold in holds}
    assert branches == {"bump/chore-hold-web", "bump/chore-hold-api"}


class TestWhatIsOurs:
    def test_a_commit_of_bump(self) -> None:
        assert is_ours(MESSAGE)
        assert is_ours(Wording(template("chore: {change}"), skips_ci=True).of(MESSAGE))

    def test_as_github_squashes_a_pull_request_of_one_commit(self) -> None:
        squashed = MESSAGE.replace("\n", " (#12)\n", 1) + "\n---------\n\nCo-authored-by: A <a@example.org>\n"
        assert is_ours(squashed)

    @each_row(
        "message",
        [
            f"{MESSAGE}(cherry picked from commit {'a' * 40})\n",
            f"Merged PR 12: {MESSAGE}",
            f"Merged in bump/web-abc1234 (pull request #3)\n\n{MESSAGE}",
            f"Merge branch 'bump/web-abc1234' into 'main'\n\n{MESSAGE}\nSee-merge-request: acme/platform!3\n",
            f"{MESSAGE}\n\n{MESSAGE}",
            f"Deploy both (#12)\n\n* {MESSAGE}\n* {MESSAGE}\n---------\n\nCo-authored-by: A <a@example.org>\n",
            MESSAGE.replace("\n", "\r\n"),
            MESSAGE.replace("\n\n", "\n\n\n"),
        ],
    )
    def test_whichever_way_it_came(self, message: str) -> None:
        assert is_ours(message)

    def test_as_git_squashes(self, tmp_path: Path) -> None:
        git(tmp_path, "init", "--quiet", "--initial-branch=main")
        commit_change(tmp_path, "Begin")
        git(tmp_path, "checkout", "--quiet", "-b", "ours")
        commit_change(tmp_path, MESSAGE)
        commit_change(tmp_path, MESSAGE)
        assert is_ours(self._squashed(tmp_path, "ours"))
        git(tmp_path, "checkout", "--quiet", "-b", "both", "ours")
        commit_change(tmp_path, "Add a page")
        assert not is_ours(self._squashed(tmp_path, "both"))

    @staticmethod
    def _squashed(repository: Path, branch: str) -> str:
        """The message that git proposes."""
        git(repository, "checkout", "--quiet", "main")
        git(repository, "merge", "--squash", branch)
        message = (repository / ".git" / "SQUASH_MSG").read_text()
        git(repository, "reset", "--quiet", "--hard")
        return message

    @each_row(
        "message",
        [
            "",
            "Add a page",
            f"Add a page\n\n{MESSAGE}",
            f"Two things (#5)\n\n* {MESSAGE}\n* Add a page\n\nSigned-off-by: A <a@example.org>\n",
            f"{MESSAGE}\n\nAdd a page\n\nIt says who we are.\n",
            'Revert "Deploy web abc1234"\n\nThis reverts commit ' + "a" * 40 + ".\n",
            # A person's work is in it, too.
            f"Add a page (#5)\n\n* Add a page\n\n* {MESSAGE}",
            f"Add a page\n\nIt says who we are.\n\nSquashed commit of the following:\n\n{MESSAGE}",
            "Merge branch 'main' into pages\n\nBump-Site is a trailer.\n",
        ],
    )
    def test_a_commit_of_somebody_else(self, message: str) -> None:
        assert not is_ours(message)


@each_row(
    ("answer", "hint"),
    [
        ("every commit needs a Signed-off-by line", "--signoff"),
        ("DCO check failed", "--signoff"),
        ("All commits must be signed off", "--signoff"),
        ("Commit message must match a given regex pattern", "--message"),  # GitHub's rule
        ("Commit message does not follow the pattern '^(feat|fix): '", "--message"),  # GitLab
        ("subject may not be empty [subject-empty] (commitlint)", "--message"),
        ("not a Conventional Commit", "--message"),
        ("No deploys on Fridays.", ""),
        ("commits must have verified signatures", ""),
        ("file format is not allowed", ""),
    ],
)
def test_what_helps_against_a_rule(answer: str, hint: str) -> None:
    assert hint_on_rule(answer).partition(" ")[0] == hint
