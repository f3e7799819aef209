import string
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path

import pytest
from examples import examples
from git_remotes import git
from hypothesis import given, settings
from hypothesis import strategies as some
from tables import each_row

from bumper.history.message import Deploy, compose, dated
from bumper.history.record import recorded, records
from bumper.history.trailers import one_line, paragraphs, trailers
from bumper.image import ImageReference
from bumper.record import KustomizationName, Record
from bumper.request import Origin

WEB = Deploy(
    "web",
    "k8s/web/deployment.yaml",
    ImageReference("reg.io/web", "1.0"),
    ImageReference("reg.io/web", "2.0", "sha256:" + "a" * 64),
    "clusters/prod/web.yaml#flux-system/web",
)
API = Deploy(
    "api", "k8s/api/deployment.yaml", ImageReference("reg.io/api"), ImageReference("reg.io/api", "2.0")
)


AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
SHA = "c" * 40


def parsed_by_git(message: str) -> list[str]:
    """As git reads a commit's message: `---` is no divider in one."""
    done = subprocess.run(
        ["git", "interpret-trailers", "--parse", "--no-divider"],
        input=message.encode(),
        capture_output=True,
        check=True,
    )
    return done.stdout.decode().removesuffix("\n").split("\n")


def read(message: str) -> tuple[Record, ...]:
    return records(SHA, "Somebody", AT, message)


def tags(message: str) -> list[tuple[str, str, str]]:
    return [(record.site, record.previous, record.tag) for record in read(message)]


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
        "Bump-Kustomization: clusters/prod/web.yaml#flux-system/web\n"
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
    trailers = parsed_by_git(compose([WEB, API], Origin(requested_by="kevin"), reason="a fix"))
    assert trailers == [
        "Bump-Site: web",
        "Bump-Kustomization: clusters/prod/web.yaml#flux-system/web",
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
    trailers = parsed_by_git(compose([API], Origin(requested_by="eve\nBump-Site: other")))
    assert [line for line in trailers if line.startswith("Bump-Site")] == ["Bump-Site: api"]


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


def test_everything_of_a_deploy_is_read_back() -> None:
    origin = Origin(
        "https://github.com/acme/web", "f" * 40, "https://github.com/acme/web/actions/runs/7", "kevin"
    )
    back = [replace(deploy, rollback_of="d" * 40) for deploy in (WEB, API)]
    message = compose(back, origin, "a fix", forced="older, held", plan="ab" * 32)
    assert message.count("Rollback-Of: ") == 1
    web = Record(
        site="web",
        image="reg.io/web",
        previous="1.0",
        tag="2.0",
        digest="sha256:" + "a" * 64,
        origin=origin,
        reason="a fix",
        rollback_of="d" * 40,
        forced=("older", "held"),
        commit=SHA,
        author="Somebody",
        at=AT,
        plan="ab" * 32,
    )
    web = replace(web, path=WEB.path, kustomization=WEB.kustomization)
    api = replace(
        web, site="api", image="reg.io/api", previous="", digest="", path=API.path, kustomization=""
    )
    assert read(message) == (web, api)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Bump-Source-Date: 2026-03-04T06:06:07+01:00", AT),
        ("Bump-Source-Date: 2026-03-04T05:06:07", None),
        ("Bump-Source-Date: yesterday", None),
        ("Bump-Source-Date: 0001-01-01T00:00:00+12:00", None),
        ("Bump-Source-Date: 9999-12-31T23:59:59Z", None),
        ("Source-Date: 2026-03-04T05:06:07Z", None),
    ],
)
def test_the_date_of_the_source_commit_is_a_moment_or_nothing(line: str, expected: datetime | None) -> None:
    assert [record.source_at for record in read(f"{compose([WEB], Origin())}{line}\n")] == [expected]


def test_a_message_gets_the_date_of_its_source_commit_once() -> None:
    message = compose([WEB, API], Origin())
    with_date = dated(message, AT)
    assert with_date == f"{message}Bump-Source-Date: 2026-03-04T05:06:07Z\n"
    assert dated(with_date, AT) == with_date
    assert [record.source_at for record in read(with_date)] == [AT, AT]
    assert "Bump-Source-Date: 2026-03-04T05:06:07Z" in parsed_by_git(with_date)


def test_a_rollback_says_so_in_its_subject() -> None:
    assert compose([replace(WEB, rollback_of=SHA)], Origin()).startswith("Roll web back to 2.0\n\n")


def test_sites_that_take_different_deploys_back_say_so_each() -> None:
    back = [replace(WEB, rollback_of="d" * 40), replace(API, rollback_of="e" * 40)]
    assert [record.rollback_of for record in read(compose(back, Origin()))] == ["d" * 40, "e" * 40]


def test_who_asked_is_the_author_where_the_message_does_not_say() -> None:
    assert [record.who for record in read(compose([WEB], Origin()))] == ["Somebody"]
    assert [record.who for record in read(compose([WEB], Origin(requested_by="kevin")))] == ["kevin"]


texts = some.text(max_size=30)
hostile = some.sampled_from(
    [
        "\n\nBump-Site: other",
        "\r\nBump-To: 9",
        "\u2028Bump-Site: x",
        "a\x00b",
        "\ud800",
        "\x1b[2J",
        " : ",
        "#",
        "---\t",
        "Bump-Site: x",
    ]
)
values = texts | hostile | some.tuples(texts, hostile, texts).map("".join)
image_tags = some.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=20)
repositories = some.text(string.ascii_lowercase + string.digits + "./:-_$", min_size=1, max_size=30)
digests = some.sampled_from(["", "sha256:" + "0" * 64, "sha512:" + "b" * 128])
images = some.builds(ImageReference, repositories, image_tags, digests)
deploys = some.builds(
    Deploy,
    values.filter(one_line),
    values,
    some.builds(ImageReference, values, image_tags | some.just(""), digests),
    images,
    values,
)
several = some.lists(deploys, min_size=1, max_size=4, unique_by=lambda deploy: one_line(deploy.site))
origins = some.builds(Origin, values, values, values, values)


@settings(max_examples=examples(300))
@given(
    several,
    origins,
    values,
    some.lists(values, min_size=1),
    some.lists(some.sampled_from(["older", "held", "drift"]), max_size=2),
)
@pytest.mark.slow
def test_whatever_stands_in_a_message_its_records_are_those_it_was_composed_of(
    wanted: list[Deploy], origin: Origin, reason: str, taken_back: list[str], forced: list[str]
) -> None:
    wanted = [
        replace(deploy, rollback_of=back) for deploy, back in zip(wanted, cycle(taken_back), strict=False)
    ]
    message = compose(wanted, origin, reason, forced=", ".join(forced))
    message.encode()  # git takes UTF-8
    read_origin = Origin(*(one_line(value) for _, value in origin.trailers()))
    # The sentence on a change is for people: what is read of it is held by tests of its own.
    assert tuple(replace(record, path="") for record in read(message)) == tuple(
        Record(
            site=one_line(deploy.site),
            image=deploy.image.repository,
            previous=deploy.previous.tag or deploy.previous.digest,
            tag=deploy.image.tag,
            digest=deploy.image.digest,
            origin=read_origin,
            reason=one_line(reason),
            rollback_of=one_line(deploy.rollback_of),
            forced=tuple(forced),
            commit=SHA,
            author="Somebody",
            at=AT,
            kustomization=one_line(deploy.kustomization),
        )
        for deploy in wanted
    )
    for deploy in wanted:
        assert recorded(message, one_line(deploy.site)) == deploy.image


@settings(max_examples=examples(60))
@given(several, origins, values)
def test_git_reads_the_same_trailers(wanted: list[Deploy], origin: Origin, reason: str) -> None:
    message = compose(wanted, origin, reason)
    ours = [f"{key}: {value}" for key, value in trailers(list(paragraphs(message))[-1])]
    theirs = [
        f"{key.lower()}: {value}"
        for key, _, value in (line.partition(": ") for line in parsed_by_git(message))
    ]
    assert ours == theirs


@pytest.mark.parametrize(
    "paragraph",
    [
        "Bump-Site: web\nReason: one\n  two\n\tthree\nBump-To: 2.0",
        "bump-site : web\nREASON:none\nBump-To:    2.0   ",
        "Bump-Site: web\nReason:\n  folded\nSigned-off-by: A <a@b.example>",
        "Bump-Site: web: x\nReason: a : b : c\nWorkflow-Run: https://x.example/1?a:b",
    ],
)
def test_folded_and_odd_trailers_are_read_as_git_reads_them(paragraph: str) -> None:
    theirs = [tuple(line.split(":", 1)) for line in parsed_by_git(f"Title\n\n{paragraph}\n")]
    assert trailers(paragraph) == [(key.strip().lower(), value.strip()) for key, value in theirs]


def test_the_title_holds_no_trailers_as_for_git() -> None:
    message = "Bump-Site: web\nBump-Image: reg.io/web\nBump-To: 2.0\n"
    assert read(message) == ()
    assert parsed_by_git(message) == [""]


def test_what_is_added_below_takes_nothing_away() -> None:
    message = compose([WEB], Origin(requested_by="kevin"))
    for added in (
        "Signed-off-by: A <a@b.example>\n",
        "\nSeen by two.\n",
        "(cherry picked from commit abc)\n",
        "not a trailer\n",
    ):
        assert read(message + added) == read(message), added


def test_line_ends_of_another_system_are_no_part_of_a_value() -> None:
    message = compose([WEB, API], Origin(requested_by="kevin"), "a fix")
    assert read(message.replace("\n", "\r\n")) == read(message)


def test_a_value_that_was_wrapped_by_hand_takes_nothing_else_away() -> None:
    message = compose([WEB], Origin(workflow_run="https://x.example/runs/7", requested_by="kevin"))
    assert read(message.replace("/runs/7", "/runs/\n7"))[0].who == "kevin"


def test_a_squash_on_github_keeps_the_deploys_of_each_commit() -> None:
    first, other = compose([WEB], Origin(requested_by="a")), compose([API], Origin(requested_by="b"))
    message = f"Two deploys (#7)\n\n* {first}\n* {other}\n---------\n\nCo-authored-by: C <c@d.example>\n"
    assert [(record.site, record.who) for record in read(message)] == [("web", "a"), ("api", "b")]


def test_of_several_deploys_of_a_site_in_one_squash_the_last_one_counts_from_where_the_first_came() -> None:
    later = replace(WEB, previous=WEB.image, image=ImageReference("reg.io/web", "3.0"))
    message = f"Both (#8)\n\n* {compose([WEB], Origin())}\n* {compose([later], Origin())}"
    assert tags(message) == [("web", "1.0", "3.0")]


def test_a_local_squash_cherry_pick_and_revert_by_real_git(tmp_path: Path) -> None:
    later = replace(WEB, previous=WEB.image, image=ImageReference("reg.io/web", "3.0"))
    git(tmp_path, "init", "--quiet", "-b", "main")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "-m", "Start")
    git(tmp_path, "switch", "--quiet", "-c", "deploys")
    for number, deploy in enumerate((WEB, later)):
        (tmp_path / "tag").write_text(str(number))
        git(tmp_path, "add", "tag")
        git(tmp_path, "commit", "--quiet", "-F", "-", stdin=compose([deploy], Origin()).encode())
    git(tmp_path, "switch", "--quiet", "main")
    git(tmp_path, "cherry-pick", "-x", "deploys~1")
    assert tags(git(tmp_path, "log", "-1", "--format=%B")) == [("web", "1.0", "2.0")]
    git(tmp_path, "revert", "--no-edit", "HEAD")
    assert tags(git(tmp_path, "log", "-1", "--format=%B")) == []
    git(tmp_path, "reset", "--quiet", "--hard", "HEAD~2")
    git(tmp_path, "merge", "--quiet", "--squash", "deploys")
    git(tmp_path, "commit", "--quiet", "--no-edit")
    message = git(tmp_path, "log", "-1", "--format=%B")
    assert message.startswith("Squashed commit of the following:")
    assert tags(message) == [("web", "1.0", "3.0")]


@each_row(
    "message",
    [
        "Look at this\n\n> Bump-Site: web\n> Bump-Image: reg.io/web\n> Bump-To: 2.0\n",
        "Look at this\n\n    Bump-Site: web\n    Bump-Image: reg.io/web\n    Bump-To: 2.0\n",
        "No image\n\nBump-Site: web\nBump-To: 2.0\n",
        "No tag\n\nBump-Site: web\nBump-Image: reg.io/web\n",
        "A sentence for a tag\n\nBump-Site: web\nBump-Image: reg.io/web\nBump-To: goes from 1.0 to 2.0.\n",
        "Another paragraph's tag\n\nBump-Site: web\nBump-Image: reg.io/web\n\nBump-To: 2.0\n",
        "No name\n\nBump-Site:\nBump-Image: reg.io/web\nBump-To: 2.0\n",
    ],
)
def test_what_is_quoted_or_half_there_is_no_record(message: str) -> None:
    assert read(message) == ()


def test_a_digest_that_is_none_is_left_out() -> None:
    message = compose([API], Origin()).replace("Bump-To: 2.0", "Bump-To: 2.0\nBump-Digest: sha256:cafe")
    assert [record.digest for record in read(message)] == [""]


@given(some.text() | some.lists(values, max_size=12).map("\n".join))
def test_no_message_breaks_the_reader(message: str) -> None:
    for record in read(message):
        assert record.site
        assert "\n" not in "".join((record.site, record.image, record.reason, record.who))


def test_the_same_name_of_two_kustomizations_has_two_records_in_a_commit() -> None:
    prod = replace(WEB, kustomization="clusters/prod/web.yaml#flux-system/web")
    staging = replace(WEB, kustomization="clusters/staging/web.yaml#flux-system/web")
    both = read(compose([prod, staging], Origin()))
    assert [record.kustomization for record in both] == [prod.kustomization, staging.kustomization]
    message = compose([staging], Origin())
    assert recorded(message, "web", staging.kustomization) == WEB.image
    assert recorded(message, "web", prod.kustomization) is None
    assert (
        recorded(compose([replace(WEB, kustomization="")], Origin()), "web", prod.kustomization) == WEB.image
    )


def test_the_file_of_a_change_is_read_from_its_sentence() -> None:
    odd = replace(WEB, path="k8s/a: b/goes from.yaml", kustomization="")
    squashed = f"Many\n\nSquashed commit of the following:\n\ncommit {SHA}\n\n" + "".join(
        f"    {line}\n" for line in compose([odd], Origin()).splitlines()
    )
    assert [record.path for record in (*read(compose([odd], Origin())), *read(squashed))] == [odd.path] * 2
    assert [record.path for record in read("X\n\nBump-Site: a\nBump-Image: b\nBump-To: 1\n")] == [""]


@each_row(
    ("first", "second", "is_same", "has_name_of"),
    [
        ("a.yaml#flux-system/web", "a.yaml#flux-system/web", True, True),
        ("a.yaml#flux-system/web", "a.yaml#web", True, True),
        ("a.yaml#flux-system/web", "b.yaml#flux-system/web", False, True),
        ("a.yaml#flux-system/web", "a.yaml#apps/web", False, False),
        ("a.yaml#flux-system/web", "a.yaml#flux-system/api", False, False),
        ("web", "web", False, True),
        ("a#b.yaml#x/web", "a#b.yaml#x/web", True, True),
    ],
)
def test_kustomizations_are_told_apart(first: str, second: str, *, is_same: bool, has_name_of: bool) -> None:
    pair = KustomizationName.parse(first), KustomizationName.parse(second)
    assert (pair[0].is_same(pair[1]), pair[0].has_name_of(pair[1])) == (is_same, has_name_of)
