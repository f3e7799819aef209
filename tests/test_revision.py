import pytest
from tables import each_row

from bumper.revision import Revision

SHA = "3f9d2ab0c1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f6"


@each_row(
    ("text", "name"),
    [
        (f"main@sha1:{SHA}", "main"),
        (f"v1.0.0@sha1:{SHA}", "v1.0.0"),
        (f"refs/heads/main@sha1:{SHA}", "refs/heads/main"),
        (f"feature/a@b@sha1:{SHA}", "feature/a@b"),
        (f"sha1:{SHA}", ""),
        (f"main/{SHA}", "main"),
        (f"feature/x/{SHA}", "feature/x"),
        (f"HEAD/{SHA}", "HEAD"),
        (SHA, ""),
    ],
)
def test_every_form_that_flux_has_written_names_its_commit(text: str, name: str) -> None:
    assert Revision.parse(text) == Revision(name, SHA)


@each_row(
    "text",
    [
        "",
        "main",
        f"latest@sha256:{SHA}{SHA[:24]}",
        f"main@sha1:{SHA[:39]}",
        f"main@sha1:{SHA}0",
        f"main@sha1:{SHA.upper()}",
    ],
)
def test_what_names_no_git_commit_is_no_revision(text: str) -> None:
    assert Revision.parse(text) is None


@pytest.mark.parametrize("name", ["main", "feature/a@b", ""])
def test_written_and_read_again_it_is_the_same(name: str) -> None:
    revision = Revision(name, SHA)
    assert Revision.parse(str(revision)) == revision


def test_people_see_seven_digits() -> None:
    assert Revision("main", SHA).short == "main@sha1:3f9d2ab"
    assert Revision("", SHA).short == "sha1:3f9d2ab"
