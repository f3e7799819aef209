"""Outcomes as lines of notes, and deploys with theirs."""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as some
from tables import each_row

from bumper.errors import Outcome
from bumper.history import ending
from bumper.history.message import Deploy, compose
from bumper.history.past import Logged, last_ready, of_site, past
from bumper.history.record import records
from bumper.image import ImageReference
from bumper.record import LONGEST_MESSAGE, Ending, Recorded, StageTime
from bumper.request import Origin

START = datetime(2026, 3, 4, tzinfo=UTC)
READY = Ending("web", "ready", "Ready", 12.5, START, "2.0")


def logged(number: int, deploys: str = "", *endings: Ending, rollback_of: str = "") -> Logged:
    """A commit `number`; `deploys` is `web:2.0 api:1.1`."""
    wanted = [
        Deploy(
            site,
            "k8s/x.yaml",
            ImageReference(f"reg.io/{site}", "0"),
            ImageReference(f"reg.io/{site}", tag),
            rollback_of=rollback_of,
        )
        for site, _, tag in (deploy.partition(":") for deploy in deploys.split())
    ]
    message = compose(wanted, Origin()) if wanted else "Else\n"
    sha = sha_of(number)
    return Logged(sha, records(sha, "a", START + timedelta(minutes=number), message), endings)


def sha_of(number: int) -> str:
    return f"{number:040x}"


def ended(outcome: str, tag: str = "2.0", site: str = "web", *, minute: int = 0, context: str = "") -> Ending:
    return Ending(site, outcome, "Because", 3.0, START + timedelta(minutes=minute), tag, context)


def shown(deploys: Iterable[Recorded]) -> list[tuple[str, str, list[str]]]:
    return [
        (deploy.record.site, deploy.record.tag, [each.outcome for each in deploy.endings])
        for deploy in deploys
    ]


def test_the_line_of_an_ending() -> None:
    assert ending.line(replace(READY, context="east", run="https://ci.example/7")) == (
        '{"site":"web","outcome":"ready","reason":"Ready","seconds":12.5,"at":"2026-03-04T00:00:00Z","tag":"2.0",'
        '"context":"east","run":"https://ci.example/7"}'
    )
    assert "context" not in ending.line(READY)
    failed = replace(
        READY, message="it crashes", stages=(StageTime("image", 0.5), StageTime("applied", 12.0))
    )
    assert ending.line(failed).endswith(',"message":"it crashes","stages":[["image",0.5],["applied",12.0]]}')


def test_each_stage_begins_where_the_one_before_ends_and_the_last_one_ends_with_the_verdict() -> None:
    ended = replace(
        READY, stages=(StageTime("image", 0.5), StageTime("commit", 0.0), StageTime("applied", 12.0))
    )
    assert [
        (stage, (began - START).total_seconds(), (end - START).total_seconds())
        for stage, began, end in ended.spans
    ] == [
        ("image", -12.5, -12.0),
        ("commit", -12.0, -12.0),
        ("applied", -12.0, 0.0),
    ]
    assert READY.spans == []


def test_the_message_of_a_note_is_one_short_line_without_secrets() -> None:
    token = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
    shown = ending.message(Outcome.FAILED, f"refused:\n\x1b[31m {token} \u202e{'long ' * 1000}")
    assert len(shown) == LONGEST_MESSAGE
    assert shown.startswith("refused: *** long")
    assert shown.endswith("…")
    assert ending.message(Outcome.FAILED, "short") == "short"
    assert ending.message(Outcome.READY, "1/1 updated") == ""


seconds = some.integers(0, 10**8).map(lambda number: number / 1000)
moments = some.datetimes(datetime(1971, 1, 1), datetime(9998, 12, 31), timezones=some.just(UTC)).map(
    lambda at: at.replace(microsecond=0)
)
endings = some.builds(
    Ending,
    some.text(min_size=1),
    some.text(min_size=1),
    some.text(),
    seconds,
    moments,
    some.text(),
    message=some.text(max_size=LONGEST_MESSAGE),
    stages=some.lists(
        some.builds(StageTime, some.text(), seconds.filter(lambda taken: taken < 2e6)), max_size=8
    ).map(tuple),
)


@given(some.lists(endings, max_size=5))
def test_what_is_written_is_read_back_the_oldest_first(wanted: list[Ending]) -> None:
    note = "".join(f"{ending.line(noted)}\n" for noted in wanted)
    assert note.count("\n") == len(wanted)
    assert list(ending.parse(note)) == sorted(dict.fromkeys(wanted), key=lambda noted: noted.at)


@given(some.text() | some.recursive(some.none() | some.floats() | some.text(), some.lists).map(json.dumps))
def test_no_note_breaks_the_reader(note: str) -> None:
    assert ending.parse(note) == ()


@each_row(
    "changed",
    [
        {"at": "yesterday"},
        {"at": "2026-03-04T00:00:00"},
        {"at": 7},
        {"at": "0001-01-01T00:00:00+12:00"},
        {"at": "9999-12-31T23:59:59Z"},
        {"at": "9999-12-31T23:59:59-12:00"},
        {"seconds": 1e300},
        {"seconds": "NaN"},
        {"seconds": -1},
        {"seconds": 10**400},
        {"site": ""},
        {"outcome": None},
    ],
)
def test_a_line_that_is_not_ours_is_passed_over(changed: dict[str, object]) -> None:
    line = ending.line(READY)
    odd = json.dumps({**json.loads(line), **changed})
    assert ending.parse(f"{odd}\nreviewed by hand\n{line}\r\n\n[1]\n{{") == (READY,)


@each_row(
    "changed",
    [
        {"message": 7, "stages": [["image", 1.0]]},
        {"message": None, "stages": None},
        {"message": "late", "stages": "image"},
        {"stages": [["image", "soon"]]},
        {"stages": [["image", -1]]},
        {"stages": [["image", 1e300]]},
        {"stages": [["image", float("nan")]]},
        {"stages": [["image", 10**400]]},
        {"stages": [[7, 1.0]]},
        {"stages": [["image", 1.0, "done"]]},
        {"stages": [["image", 1.0]] * 1000},
        {"stages": {"image": 1.0}},
        {"stages": 7},
    ],
)
def test_a_verdict_counts_whatever_else_its_line_holds(changed: dict[str, object]) -> None:
    odd = json.dumps({**json.loads(ending.line(READY)), **changed})
    (read,) = ending.parse(odd)
    assert replace(read, message="", stages=()) == READY
    assert read.message in ("", "late")
    assert len(read.stages) <= 1


def test_a_long_message_of_somebody_else_is_cut() -> None:
    (read,) = ending.parse(json.dumps({**json.loads(ending.line(READY)), "message": "x" * 10_000}))
    assert len(read.message) == LONGEST_MESSAGE


@given(some.binary() | some.just(b""), some.lists(some.sampled_from("abcde"), max_size=5))
def test_a_note_keeps_every_byte_and_gets_what_it_has_not(note: bytes, lines: list[str]) -> None:
    after = ending.appended(note, lines)
    assert after.startswith(note)
    assert {line.encode() for line in lines} <= set(after.split(b"\n"))
    assert ending.appended(after, lines) == after


def test_each_deploy_has_the_endings_noted_on_its_commit() -> None:
    deploys = list(
        past(
            [
                logged(3, "web:3.0 api:1.0", ended("failed", "3.0"), ended("ready", "1.0", "api")),
                logged(2),
                logged(1, "web:2.0", ended("timed-out"), ended("ready", minute=5)),
            ]
        )
    )
    assert shown(deploys) == [
        ("web", "3.0", ["failed"]),
        ("api", "1.0", ["ready"]),
        ("web", "2.0", ["timed-out", "ready"]),
    ]
    assert [deploy.record.tag for deploy in of_site(deploys, "web")] == ["3.0", "2.0"]


def test_what_was_noted_on_a_later_commit_belongs_to_the_deploy_that_it_speaks_of() -> None:
    deploys = past(
        [
            logged(4, "", ended("ready", "3.0")),
            logged(3, "web:3.0"),
            logged(2, "api:1.0", ended("ready", "2.0"), ended("failed", "7.0")),
            logged(1, "web:2.0"),
        ]
    )
    assert shown(deploys) == [("web", "3.0", ["ready"]), ("api", "1.0", []), ("web", "2.0", ["ready"])]


@each_row(
    ("noted", "counts"),
    [
        ([], None),
        ([ended("timed-out"), ended("ready", minute=9)], "ready"),
        ([ended("ready"), ended("unchanged", minute=1)], "ready"),
        ([ended("failed"), ended("unchanged", minute=1)], "unchanged"),
        ([ended("ready"), ended("failed", minute=1)], "failed"),
        ([ended("ready", context="east"), ended("timed-out", context="west")], "timed-out"),
        ([ended("failed", context="east"), ended("ready", minute=1, context="west")], "failed"),
        ([ended("of-a-later-version")], "of-a-later-version"),
        ([ended("of-a-later-version", context="east"), ended("ready", context="west")], "ready"),
    ],
)
def test_the_last_ending_of_each_cluster_and_the_worst_of_them_counts(
    noted: list[Ending], counts: str | None
) -> None:
    (deploy,) = past([logged(1, "web:2.0", *noted)])
    assert (deploy.ending.outcome if deploy.ending else None) == counts


@each_row("outcome", list(Outcome))
def test_only_ready_is_ready(outcome: Outcome) -> None:
    (deploy,) = past([logged(1, "web:2.0", ended(outcome.value))])
    assert deploy.is_ready == (outcome in (Outcome.READY, Outcome.SERVING, Outcome.UNCHANGED))


def test_the_last_ready_deploy_before_the_present_one() -> None:
    deploys = list(
        past(
            [
                logged(5, "web:5", ended("failed", "5")),
                logged(4, "web:4"),
                logged(3, "web:3", ended("timed-out", "3")),
                logged(2, "web:2", ended("ready", "2")),
                logged(1, "web:1", ended("ready", "1")),
            ]
        )
    )
    assert _tag(last_ready(deploys, "5")) == "2"
    assert _tag(last_ready(deploys, "2")) == "1"
    assert _tag(last_ready(deploys, "1")) is None
    assert _tag(last_ready(deploys, "by-hand")) == "2"
    assert last_ready([], "5") is None


def test_what_was_taken_back_is_nothing_to_go_back_to() -> None:
    deploys = list(
        past(
            [
                logged(4, "web:4", ended("failed", "4")),
                logged(3, "web:1", ended("ready", "1"), rollback_of=sha_of(2)),
                logged(2, "web:2", ended("ready", "2")),
                logged(1, "web:1", ended("ready", "1")),
            ]
        )
    )
    assert _tag(last_ready(deploys, "4")) == "1"
    assert _tag(last_ready(deploys, "1")) is None


def _tag(deploy: Recorded | None) -> str | None:
    return deploy.record.tag if deploy else None


def of_two(number: int, cluster: str, tag: str, *endings: Ending) -> Logged:
    """A commit that deploys `web` of one of two clusters; its endings may be of both."""
    image = ImageReference("reg.io/web", "0")
    message = compose([Deploy("web", "k8s/x.yaml", image, image.with_tag(tag), at(cluster))], Origin())
    return Logged(sha_of(number), records(sha_of(number), "a", START, message), endings)


def at(cluster: str) -> str:
    return f"clusters/{cluster}/web.yaml#flux-system/web"


def test_a_note_belongs_to_the_deploy_of_its_own_cluster() -> None:
    staging = replace(READY, kustomization=at("staging"))
    commits = [of_two(3, "prod", "2.0", staging), of_two(2, "staging", "2.0"), of_two(1, "staging", "1.0")]
    assert shown(past(commits)) == [("web", "2.0", []), ("web", "2.0", ["ready"]), ("web", "1.0", [])]
    ours = replace(READY, kustomization=at("prod"), outcome="failed")
    assert shown(past([of_two(3, "prod", "2.0", staging, ours), of_two(2, "staging", "2.0")])) == [
        ("web", "2.0", ["failed"]),
        ("web", "2.0", ["ready"]),
    ]


def test_a_note_of_an_earlier_version_belongs_to_the_deploy_before_it() -> None:
    assert shown(past([of_two(2, "prod", "2.0", READY), of_two(1, "staging", "2.0")])) == [
        ("web", "2.0", ["ready"]),
        ("web", "2.0", []),
    ]


def test_a_note_keeps_its_kustomization() -> None:
    written = replace(READY, kustomization=at("prod"))
    assert ending.parse(ending.line(written)) == (written,)
    assert "kustomization" not in ending.line(READY)


def test_what_a_deploy_found_running_is_no_ending_of_any_deploy() -> None:
    ran = Ending("web", "ready", "FoundRunning", 0.0, START, "0")
    (deploy,) = past([logged(1, "web:2.0", ended("failed"), ran)])
    assert ([each.outcome for each in deploy.endings], deploy.found_running) == (["failed"], True)
    (other,) = past([logged(1, "web:2.0", ended("failed"), replace(ran, tag="1.0"))])
    assert not other.found_running
    # An older deploy of the tag that was found does not become Ready by it.
    newer, older = past([logged(2, "web:2.0", ran), logged(1, "web:0")])
    assert (newer.found_running, older.endings) == (True, ())
