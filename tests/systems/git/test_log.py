"""The deploys on a branch, read by real git: over HTTP, with a checkout at hand, and offline."""

import base64
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from git_remotes import TOKEN, git, hermetic, remote

from bumper.errors import UsageError
from bumper.history import ending
from bumper.history.message import Deploy, compose
from bumper.history.past import of_site
from bumper.image import ImageReference
from bumper.record import Recorded
from bumper.request import Origin
from bumper.systems.git.log import Clone
from bumper.systems.git.remote import Remote
from bumper_sandbox.git.server import GitServer

NOTES = "refs/notes/bump"
ENDING = '{"site":"web","outcome":"%s","reason":"R","seconds":1.5,"at":"2026-03-04T05:06:0%dZ","tag":"%s"}'


@pytest.fixture
def platform(server: GitServer) -> Path:
    return server.path("platform.git")


def message(tag: str, site: str = "web") -> str:
    image = ImageReference(f"reg.io/{site}", "0")
    return compose([Deploy(site, "k8s/x.yaml", image, image.with_tag(tag))], Origin(requested_by="kevin"))


def commit(repository: Path, *parents: str, text: str, branch: str = "main") -> str:
    """A commit on the server with that message; moves the branch to it."""
    flags = [flag for parent in parents for flag in ("-p", parent)]
    made = git(repository, "commit-tree", f"{parents[0]}^{{tree}}", *flags, "-F", "-", stdin=text.encode())
    git(repository, "update-ref", f"refs/heads/{branch}", made)
    return made


def note(repository: Path, commit: str, *lines: str, ref: str = NOTES) -> None:
    git(repository, "notes", f"--ref={ref}", "append", "-m", "\n".join(lines), commit)


def shown(deploys: Iterator[Recorded] | Sequence[Recorded]) -> list[tuple[str, str | None]]:
    return [(deploy.record.tag, deploy.ending.outcome if deploy.ending else None) for deploy in deploys]


def checkout(server: GitServer, folder: Path, *options: str) -> Path:
    """A clone as a person has it, with the token in its own configuration."""
    header = f"http.{server.url}/.extraHeader=Authorization: Basic {_basic()}"
    git(folder, "-c", header, "clone", "--quiet", *options, f"{server.url}/platform.git", "checkout")
    clone = folder / "checkout"
    git(clone, "config", f"http.{server.url}/.extraHeader", f"Authorization: Basic {_basic()}")
    return clone


def _basic() -> str:
    return base64.b64encode(f"x:{TOKEN}".encode()).decode()


def test_the_deploys_of_a_branch_come_newest_first_with_their_outcomes(
    server: GitServer, platform: Path
) -> None:
    first = commit(platform, "main", text=message("1"))
    commit(platform, "main", text="By hand\n")
    commit(platform, "main", text=message("1", "api"))
    second = commit(platform, "main", text=message("2"))
    note(platform, first, ENDING % ("timed-out", 1, "1"), ENDING % ("ready", 2, "1"))
    note(platform, second, "looked at by hand", ENDING % ("failed", 3, "2"))
    with remote(server) as ours:
        history = ours.history("main")
        deploys = list(history.all())
        assert shown(deploys) == [("2", "failed"), ("1", None), ("1", "ready")]
        assert [deploy.record.site for deploy in deploys] == ["web", "api", "web"]
        assert (deploys[0].record.commit, deploys[0].record.author) == (second, "Somebody")
        assert shown(list(of_site(history.all(), "web"))) == [("2", "failed"), ("1", "ready")]
        # Asked again it sees what came in the meantime.
        commit(platform, "main", text=message("3"))
        note(platform, second, ENDING % ("ready", 4, "2"))
        assert shown(list(of_site(history.all(), "web"))) == [("3", None), ("2", "ready"), ("1", "ready")]


def test_what_has_not_changed_is_read_once(server: GitServer, platform: Path, tmp_path: Path) -> None:
    first = commit(platform, "main", text=message("1"))
    commit(platform, "main", text=message("2"))
    trace = tmp_path / "trace"
    with remote(server, environ={**server.environ, "GIT_TRACE": str(trace)}) as ours:
        assert next(ours.history("main").all()).record.tag == "2"
        both = [("2", None), ("1", None)]
        assert [shown(ours.history("main").all()) for _ in range(3)] == [both] * 3
        assert _logs(trace) == 1
        note(platform, first, ENDING % ("ready", 1, "1"))
        assert shown(ours.history("main").all()) == [("2", None), ("1", "ready")]
        commit(platform, "main", text=message("3"))
        assert [deploy.record.tag for deploy in ours.history("main").all()] == ["3", "2", "1"]
        assert _logs(trace) == 3


def _logs(trace: Path) -> int:
    return trace.read_text().count("built-in: git log ")


def test_a_branch_without_notes_and_one_that_is_missing(server: GitServer, platform: Path) -> None:
    commit(platform, "main", text=message("1"))
    with remote(server) as ours:
        assert shown(ours.history("main").all()) == [("1", None)]
        with pytest.raises(UsageError, match="no branch 'prod'") as caught:
            list(ours.history("prod").all())
        assert caught.value.hint == "name one of those there by --branch: main"


def test_nothing_but_commits_and_notes_is_fetched(server: GitServer, platform: Path) -> None:
    made = commit(platform, "main", text=message("1"))
    note(platform, made, ENDING % ("ready", 1, "1"))
    with remote(server) as ours:
        list(ours.history("main").all())
        (repository,) = ours._histories.values()
        listing = repository.run(
            "cat-file", "--batch-all-objects", "--batch-check=%(objecttype)"
        ).stdout.split()
    # Two commits of the branch and no tree of theirs; the notes' commit, its tree, and one note.
    assert sorted(listing) == ["blob", "commit", "commit", "commit", "tree"]


def test_a_merge_is_no_deploy_though_it_quotes_one_and_its_commits_come_where_it_stands(
    server: GitServer, platform: Path
) -> None:
    base = git(platform, "rev-parse", "main")
    # Written first, merged last: by date it would stand below the other one.
    branched = commit(platform, base, text=message("2"), branch="pull")
    commit(platform, base, text=message("1"))
    commit(platform, "main", branched, text=f"Merge pull request #7 from pull\n\n{message('2')}")
    with remote(server) as ours:
        assert shown(ours.history("main").all()) == [("2", None), ("1", None)]


def test_a_checkout_lends_what_it_has_and_is_not_touched(
    server: GitServer, platform: Path, tmp_path: Path
) -> None:
    old = commit(platform, "main", text=message("1"))
    clone = checkout(server, tmp_path)
    new = commit(platform, "main", text=message("2"))
    note(platform, old, ENDING % ("ready", 1, "1"))
    before = _state(clone)
    with Remote(str(clone), environ=hermetic(tmp_path)) as ours:
        assert shown(ours.history("main").all()) == [("2", None), ("1", "ready")]
        assert _state(clone) == before
        (repository,) = ours._histories.values()
        # Neither the first commit nor the old deploy was fetched again.
        assert _own_objects(repository._directory, "commit") == {new, git(platform, "rev-parse", NOTES)}


def _state(clone: Path) -> list[tuple[str, int]]:
    return sorted((str(path), path.stat().st_mtime_ns) for path in (clone / ".git").rglob("*"))


def _own_objects(directory: Path, kind: str) -> set[str]:
    """What lies in the repository itself, whatever it borrows."""
    (directory / "objects" / "info" / "alternates").unlink()
    command = [
        "git",
        f"--git-dir={directory}",
        "cat-file",
        "--batch-all-objects",
        "--batch-check=%(objecttype) %(objectname)",
    ]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines = (line.split() for line in listing.splitlines())
    return {sha for object_kind, sha in lines if object_kind == kind}


@pytest.mark.parametrize("options", [["--depth=1"], ["--filter=tree:0"], ["--filter=blob:none"]])
def test_a_checkout_that_lacks_something_hides_nothing(
    server: GitServer, platform: Path, tmp_path: Path, options: list[str]
) -> None:
    for tag in ("1", "2", "3"):
        commit(platform, "main", text=message(tag))
    clone = checkout(server, tmp_path, "--no-checkout", *options)
    commit(platform, "main", text=message("4"))
    with Remote(str(clone), environ=hermetic(tmp_path)) as ours:
        assert shown(ours.history("main").all()) == [(tag, None) for tag in "4321"]
        (repository,) = ours._histories.values()
        borrows = (repository._directory / "objects" / "info" / "alternates").exists()
    # Of a shallow clone git would find out only by and by what is cut off.
    assert borrows == ("--depth=1" not in options)


def test_a_clone_is_read_offline_as_it_was_last_fetched(
    server: GitServer, platform: Path, tmp_path: Path
) -> None:
    made = commit(platform, "main", text=message("1"))
    note(platform, made, ENDING % ("ready", 1, "1"))
    clone = checkout(server, tmp_path)
    commit(platform, "main", text=message("2"))
    offline = Clone(clone, "main", hermetic(tmp_path))
    assert shown(offline.all()) == [("1", None)]
    assert offline.notices() == [
        "this clone has no refs/notes/bump*: outcomes are not shown; git fetch origin '+refs/notes/bump*:refs/notes/bump*' brings them"
    ]
    git(clone, "fetch", "--quiet", "origin", f"{NOTES}:{NOTES}", "main")
    asked = len(server.requests)
    assert shown(list(of_site(offline.all(), "web"))) == [("2", None), ("1", "ready")]
    assert offline.notices() == []
    assert len(server.requests) == asked


def test_notes_of_an_earlier_version_are_read_beside_those_of_each_site(
    server: GitServer, platform: Path, tmp_path: Path
) -> None:
    made = commit(platform, "main", text=message("1"))
    note(platform, made, ENDING % ("failed", 1, "1"))
    note(platform, made, ENDING % ("ready", 2, "1"), ref=ending.ref("web"))
    note(platform, made, ENDING.replace("web", "blog") % ("failed", 3, "1"), ref=ending.ref("blog"))
    with Remote(server.url + "/platform.git", token=TOKEN, environ=hermetic(tmp_path)) as ours:
        (deploy,) = ours.history("main").all()
    assert [noted.outcome for noted in deploy.endings] == ["failed", "ready"]


def test_a_shallow_clone_says_that_it_ends(server: GitServer, platform: Path, tmp_path: Path) -> None:
    for tag in ("1", "2"):
        commit(platform, "main", text=message(tag))
    offline = Clone(checkout(server, tmp_path, "--depth=1"), "main", hermetic(tmp_path))
    assert shown(offline.all()) == [("2", None)]
    assert "this clone is shallow" in offline.notices()[0]


def test_what_cannot_be_read_offline_is_told(server: GitServer, tmp_path: Path) -> None:
    clone = checkout(server, tmp_path)
    with pytest.raises(UsageError, match="refs/remotes/origin/prod cannot be read: bad revision"):
        list(Clone(clone, "prod", hermetic(tmp_path)).all())
    with pytest.raises(UsageError, match="reads a clone on this machine"):
        Clone(Path(server.url), "main", hermetic(tmp_path))
    with pytest.raises(UsageError, match="not a git repository"):
        Clone(tmp_path, "main", hermetic(tmp_path))


def test_without_an_origin_a_clone_speaks_for_itself(
    server: GitServer, platform: Path, tmp_path: Path
) -> None:
    commit(platform, "main", text=message("1"))
    clone, environ = checkout(server, tmp_path, "--depth=1"), hermetic(tmp_path)
    made = git(clone, "commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", message("2"))
    git(clone, "update-ref", "refs/heads/main", made)
    assert shown(Clone(clone, "main", environ).all()) == [("1", None)]
    assert shown(Clone(clone, "main", environ, reads_own=True).all()) == [("2", None), ("1", None)]
    with pytest.raises(UsageError) as caught:
        list(Clone(clone, "prod", environ).all())
    assert caught.value.hint == (
        "git fetch origin brings it if the origin has it; or name one of those there by --branch: main"
    )
    git(clone, "remote", "remove", "origin")
    offline = Clone(clone, "main", environ)
    assert shown(offline.all()) == [("2", None), ("1", None)]
    assert not any("fetch" in notice for notice in offline.notices())
    with pytest.raises(UsageError) as caught:
        list(Clone(clone, "prod", environ).all())
    assert caught.value.hint == "name one of those there by --branch: main"


def test_no_configuration_of_the_user_changes_what_is_read(
    server: GitServer, platform: Path, tmp_path: Path
) -> None:
    made = commit(platform, "main", text=message("1"))
    note(platform, made, ENDING % ("ready", 1, "1"))
    git(platform, "notes", "--ref=commits", "add", "-m", "another note", made)
    clone = checkout(server, tmp_path)
    git(clone, "fetch", "--quiet", "origin", "refs/notes/*:refs/notes/*")
    settings = {
        "log.showSignature": "true",
        "log.decorate": "full",
        "log.date": "relative",
        "log.diffMerges": "on",
        "log.mailmap": "true",
        "color.ui": "always",
        "format.pretty": "fuller",
        "format.notes": "true",
        "notes.displayRef": "refs/notes/*",
        "i18n.logOutputEncoding": "latin1",
        "core.notesRef": "refs/notes/other",
    }
    for key, value in settings.items():
        git(clone, "config", key, value)
    environ = {**hermetic(tmp_path), "GIT_NOTES_DISPLAY_REF": "refs/notes/commits"}
    (deploy,) = Clone(clone, "main", environ).all()
    assert (deploy.record.tag, deploy.record.who, deploy.is_ready, len(deploy.endings)) == (
        "1",
        "kevin",
        True,
        1,
    )


def test_a_hostile_commit_hides_no_other(server: GitServer, platform: Path) -> None:
    tree = git(platform, "rev-parse", "main^{tree}")
    parent = commit(platform, "main", text=message("1"))
    # The last second that there is, which a zone east of Greenwich can't show.
    for number, seconds in enumerate(("99999999999999", "253402300799"), start=2):
        odd = (
            f"tree {tree}\nparent {parent}\nauthor <> 99999999999999999999 +9999\n"
            f"committer A\x01B <c@d.example> {seconds} -0000\n\n\xff\xfe{message(str(number))}x\n"
        )
        parent = git(
            platform,
            "hash-object",
            "-t",
            "commit",
            "-w",
            "--literally",
            "--stdin",
            stdin=odd.encode("latin1"),
        )
    git(platform, "update-ref", "refs/heads/main", parent)
    commit(platform, "main", text=message("4"))
    with remote(server) as ours:
        deploys = list(ours.history("main").all())
    assert shown(deploys) == [(tag, None) for tag in "4321"]
    assert [deploy.record.at.year for deploy in deploys[1:3]] == [1970, 1970]
