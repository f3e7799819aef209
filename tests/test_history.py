import subprocess

from bumper.history import Deploy, Origin, compose, recorded
from bumper.image import ImageReference

WEB = Deploy(
    "web",
    "k8s/web/deployment.yaml",
    ImageReference("reg.io/web", "1.0"),
    ImageReference("reg.io/web", "2.0", "sha256:" + "a" * 64),
)
API = Deploy(
    "api", "k8s/api/deployment.yaml", ImageReference("reg.io/api"), ImageReference("reg.io/api", "2.0")
)


def trailers(message: str) -> list[str]:
    done = subprocess.run(
        ["git", "interpret-trailers", "--parse"], input=message, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_the_whole_message_of_one_site() -> None:
    origin = Origin(
        "https://github.com/acme/web", "f" * 40, "https://github.com/acme/web/actions/runs/7", "kevin"
    )
    assert compose([WEB], origin) == (
        "Deploy web 2.0\n"
        "\n"
        "k8s/web/deployment.yaml: reg.io/web goes from 1.0 to 2.0.\n"
        "\n"
        "Bump-Site: web\n"
        "Bump-Image: reg.io/web\n"
        "Bump-From: 1.0\n"
        "Bump-To: 2.0\n"
        f"Bump-Digest: sha256:{'a' * 64}\n"
        "Source-Repository: https://github.com/acme/web\n"
        f"Source-Commit: {'f' * 40}\n"
        "Workflow-Run: https://github.com/acme/web/actions/runs/7\n"
        "Requested-By: kevin\n"
    )


def test_git_reads_every_trailer_back() -> None:
    found = trailers(compose([WEB, API], Origin(requested_by="kevin"), reason="a fix"))
    assert found == [
        "Bump-Site: web",
        "Bump-Image: reg.io/web",
        "Bump-From: 1.0",
        "Bump-To: 2.0",
        f"Bump-Digest: sha256:{'a' * 64}",
        "Bump-Site: api",
        "Bump-Image: reg.io/api",
        "Bump-From: no tag",
        "Bump-To: 2.0",
        "Reason: a fix",
        "Requested-By: kevin",
    ]


def test_a_line_break_in_a_value_makes_no_second_trailer() -> None:
    found = trailers(compose([API], Origin(requested_by="eve\nBump-Site: other")))
    assert [line for line in found if line.startswith("Bump-Site")] == ["Bump-Site: api"]


def test_the_subject_counts_further_sites() -> None:
    assert compose([WEB, API], Origin()).splitlines()[0] == "Deploy web 2.0 and 1 more"


def test_what_a_commit_recorded_is_read_back_for_each_of_its_sites() -> None:
    message = compose([WEB, API], Origin(requested_by="kevin"), reason="Bump-Site: web")
    assert recorded(message, "web") == WEB.image
    assert recorded(message, "api") == API.image


def test_a_commit_that_says_nothing_of_a_site_records_nothing() -> None:
    assert recorded(compose([WEB], Origin()), "api") is None
    assert recorded("Merge branch 'web'\n\nBump-Image: reg.io/web\nBump-To: 2.0\n", "web") is None
    assert recorded("", "web") is None
