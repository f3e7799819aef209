"""What a workflow's variables say of a run, and what is left of it by hand."""

import pytest

from bumper.app.surroundings import Surroundings
from bumper.request import Origin, Wanted

FULL = "abc1234def5678abc1234def5678abc1234def56"


def test_in_actions_the_origin_names_repository_commit_run_and_person() -> None:
    environ = {
        "GITHUB_REPOSITORY": "acme/web",
        "GITHUB_SERVER_URL": "https://github.example",
        "GITHUB_SHA": FULL,
        "GITHUB_RUN_ID": "7",
        "GITHUB_ACTOR": "kevin",
        "USER": "runner",
    }
    page = "https://github.example/acme/web"
    assert Surroundings.of(environ).origin([Wanted("web", "abc1234")]) == Origin(
        page, FULL, f"{page}/actions/runs/7", "kevin"
    )


def test_by_hand_the_origin_names_the_person_and_a_full_sha_asked_for() -> None:
    assert Surroundings.of({"USER": "kevin"}).origin([Wanted("web", FULL, is_commit=True)]) == Origin(
        "", FULL, "", "kevin"
    )


@pytest.mark.parametrize(
    ("environ", "platform_url", "expected"),
    [
        ({}, "https://github.com/acme/platform.git", ""),
        (
            {"GITHUB_REPOSITORY": "acme/web"},
            "https://github.com/acme/platform.git",
            "https://github.com/acme/web",
        ),
        ({"GITHUB_REPOSITORY": "acme/platform"}, "https://github.com/acme/platform.git", ""),
        ({"GITHUB_REPOSITORY": "acme/platform"}, "git@github.com:acme/platform.git", ""),
        (
            {"GITHUB_REPOSITORY": "acme/web", "GITHUB_SERVER_URL": "https://git.acme.example"},
            "https://github.com/acme/web",
            "https://git.acme.example/acme/web",
        ),
    ],
)
def test_images_come_from_the_repository_of_the_workflow_unless_that_is_the_platform_s(
    environ: dict[str, str], platform_url: str, expected: str
) -> None:
    assert Surroundings.of(environ).source_url(platform_url) == expected


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({}, ""),
        ({"GITHUB_REPOSITORY": "acme/web"}, "acme/web"),
        ({"GITHUB_REPOSITORY": "acme/platform"}, ""),
        ({"GITHUB_REPOSITORY": "acme/platform", "BUMP_SOURCE_REPOSITORY": "acme/api"}, "acme/api"),
    ],
)
def test_the_source_is_named_or_the_repository_of_the_workflow(environ: dict[str, str], name: str) -> None:
    assert Surroundings.of(environ).source_name("https://github.com/acme/platform.git") == name


def test_no_token_is_in_what_is_shown_of_it() -> None:
    environ = {"GITHUB_TOKEN": "secret", "BUMP_TOKEN": "secret", "BUMP_INPUT_KUBECONFIG": "secret"}
    assert "secret" not in repr(Surroundings.of(environ))
