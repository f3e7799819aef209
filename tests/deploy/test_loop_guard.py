"""A build of a commit of bump itself is refused, however that commit came on the branch, and so is git's revert of one."""

from pathlib import Path

import pytest
from git_remotes import commit_change, git, hermetic
from tables import each_row

from bumper.deploy.loop_guard import _subject_if_ours
from bumper.history.message import Deploy, compose
from bumper.image import ImageReference
from bumper.request import Origin
from bumper.systems.git.ancestry import Checkout

REPOSITORY = "reg.io/web"
OURS = compose(
    [Deploy("web", "k8s/web.yaml", ImageReference(REPOSITORY, "1"), ImageReference(REPOSITORY, "2"))],
    Origin(),
)


class Branch:
    """A checkout in which somebody works, and what the guard says of its commits."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        git(folder, "init", "--quiet", "--initial-branch=main")
        self.commit("Begin")

    def commit(self, message: str, file: str = "file") -> str:
        return commit_change(self.folder, message, file)

    def run(self, *arguments: str) -> str:
        """The tip after one command of git, whose editor takes every message as it is."""
        git(self.folder, "-c", "core.editor=true", *arguments)
        return git(self.folder, "rev-parse", "HEAD")

    def work_beside_ours(self, name: str) -> None:
        """A person's branch, checked out, that began before a commit of ours on main."""
        self.run("checkout", "--quiet", "-b", name)
        self.commit("Add a page", file="page")
        self.run("checkout", "--quiet", "main")
        self.commit(OURS)
        self.run("checkout", "--quiet", name)

    def subject(self, commit: str) -> str:
        return _subject_if_ours(Checkout.at(self.folder, hermetic(self.folder)), commit)


@pytest.fixture
def branch(tmp_path: Path) -> Branch:
    return Branch(tmp_path)


@each_row(
    ("arguments", "subject"),
    [
        (("revert", "--no-edit", "{}"), 'Revert "Deploy web 2"'),
        (("revert", "--no-edit", "--signoff", "{}"), 'Revert "Deploy web 2"'),
        (("commit", "--amend", "--signoff", "--no-edit"), "Deploy web 2"),
        (("rebase", "--signoff", "--force-rebase", "{}^"), "Deploy web 2"),
    ],
)
def test_what_becomes_of_a_commit_of_ours(
    tmp_path_factory: pytest.TempPathFactory, arguments: tuple[str, ...], subject: str
) -> None:
    branch = Branch(tmp_path_factory.mktemp("branch"))
    ours = branch.commit(OURS)
    assert branch.subject(branch.run(*(argument.format(ours) for argument in arguments))) == subject


def test_a_revert_of_its_revert(branch: Branch) -> None:
    revert = branch.run("revert", "--no-edit", branch.commit(OURS))
    assert branch.subject(branch.run("revert", "--no-edit", revert))


def test_a_merge_of_it_and_the_revert_of_that(branch: Branch) -> None:
    branch.run("checkout", "--quiet", "-b", "bump/web-2")
    branch.commit(OURS)
    branch.run("checkout", "--quiet", "main")
    branch.commit("Add a page", file="page")
    merge = branch.run("merge", "--no-ff", "--quiet", "--no-edit", "bump/web-2")
    assert branch.subject(merge) == "Merge branch 'bump/web-2'"
    assert branch.subject(branch.run("revert", "--no-edit", "--mainline=1", merge))


def test_a_merge_of_a_branch_that_was_brought_up_to_date_with_it(branch: Branch) -> None:
    branch.work_beside_ours("page")
    branch.run("merge", "--no-ff", "--quiet", "--no-edit", "main")
    branch.run("checkout", "--quiet", "main")
    merge = branch.run("merge", "--no-ff", "--quiet", "--no-edit", "page")
    assert branch.subject(merge) == ""


def test_a_pull_that_brings_it_into_the_work_of_a_person(branch: Branch) -> None:
    branch.work_beside_ours("local")
    for title in ("Merge branch 'main' into local", "Merge branch 'main' of https://git.example/octo/web"):
        branch.run("merge", "--no-ff", "--quiet", "--message", title, "main")
        assert branch.subject(branch.run("rev-parse", "HEAD")) == ""
        branch.run("reset", "--hard", "--quiet", "HEAD~1")


@pytest.mark.parametrize(
    "title",
    [
        "Merge pull request #12 from octo/bump/web-2\n\nDeploy web 2",
        "Merge branch 'bump/web-2' into 'main'",
        "Merged in bump/web-2 (pull request #12)",
        "Merged PR 12: Deploy web 2",
    ],
)
def test_a_merge_as_hosts_title_it(branch: Branch, title: str) -> None:
    branch.run("checkout", "--quiet", "-b", "bump/web-2")
    branch.commit(OURS)
    branch.run("checkout", "--quiet", "main")
    branch.run("merge", "--no-ff", "--quiet", "--message", title, "bump/web-2")
    assert branch.subject(branch.run("rev-parse", "HEAD")) == title.partition("\n")[0]


def test_what_a_person_does_is_a_source(branch: Branch) -> None:
    page = branch.commit("Add a page")
    assert branch.subject(page) == ""
    assert branch.subject(branch.run("revert", "--no-edit", page)) == ""
    ours = branch.commit(OURS)
    wording = f'Revert "Deploy web 2"\n\nThis reverts commit {ours}.\n\nThe page is mended as well.\n'
    assert branch.subject(branch.commit(wording)) == ""
    assert branch.subject(branch.commit(f'Revert "Deploy web 2"\n\nThis reverts commit {"0" * 40}.\n')) == ""
