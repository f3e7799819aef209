"""Which deploys have no end yet, and how one stands against what was noted."""

from datetime import UTC, datetime, timedelta

from tables import each_row

from bumper.errors import Outcome
from bumper.history.ending import line, news
from bumper.history.unfinished import compared, unfinished
from bumper.record import Ending, Record, Recorded
from bumper.request import Origin

START = datetime(2026, 3, 1, tzinfo=UTC)
CLUSTERS = ("clusters/prod/web.yaml#flux-system/web", "clusters/staging/web.yaml#flux-system/web")


def at(hour: float) -> datetime:
    return START + timedelta(hours=hour)


def ended(outcome: str, hour: float = 0, tag: str = "v1", context: str = "") -> Ending:
    return Ending("web", outcome, "Because", 1.0, at(hour), tag, context)


def deploy(hour: float, outcome: str = "", *, site: str = "web", kustomization: str = "") -> Recorded:
    record = Record(
        site,
        "reg.io/web",
        "v0",
        f"v{hour:g}",
        "",
        Origin(),
        "",
        "",
        (),
        "c" * 40,
        "ci",
        at(hour),
        kustomization,
    )
    return Recorded(record, (ended(outcome, hour, record.tag),) if outcome else ())


def shown(*oldest_first: Recorded, since: float = 0, until: float = 100) -> list[tuple[str, str]]:
    """The tags of those that are unfinished, each with that of the next deploy of its site."""
    cases = unfinished(oldest_first[::-1], at(since), at(until))
    return [(case.deploy.record.tag, case.newer.record.tag if case.newer else "") for case in cases]


@each_row(
    ("deploys", "expected"),
    [
        ([deploy(1)], [("v1", "")]),
        ([deploy(1, "ready")], []),
        ([deploy(1, "superseded"), deploy(2, "serving")], []),
        ([deploy(1, "timed-out"), deploy(2, "unknown")], [("v1", "v2"), ("v2", "")]),
        # A failure may heal as long as it is the newest.
        ([deploy(1, "failed"), deploy(2, "failed")], [("v2", "")]),
        ([deploy(1), deploy(2, "ready")], [("v1", "v2")]),
        ([deploy(1), deploy(2, site="api")], [("v1", ""), ("v2", "")]),
        # Of two clusters each has a newest deploy.
        (
            [deploy(number + 1, kustomization=name) for number, name in enumerate(CLUSTERS)],
            [("v1", ""), ("v2", "")],
        ),
        ([deploy(1, "a word of a later version")], []),
    ],
)
def test_what_has_no_end(deploys: list[Recorded], expected: list[tuple[str, str]]) -> None:
    assert shown(*deploys) == expected


def test_an_end_is_missed_in_the_clusters_that_have_none() -> None:
    both = (
        ended("timed-out", context="east"),
        ended("timed-out", context="west"),
        ended("ready", 1, context="east"),
    )
    cases = unfinished([Recorded(deploy(1).record, both[:count]) for count in (2, 3)], at(0), at(2))
    assert [case.contexts for case in cases] == [("west",), ("east", "west")]
    assert unfinished([deploy(1)], at(0), at(2))[0].contexts == ("",), "nobody looked"


def test_what_is_too_young_or_too_old_is_left_alone() -> None:
    assert shown(deploy(1), deploy(5), deploy(9), since=2, until=8) == [("v5", "v9")]


@each_row(
    ("before", "now", "age_s", "phrase"),
    [
        ("timed-out", Outcome.READY, 14 * 60, "recovered after 14 min"),
        ("", Outcome.SERVING, 3 * 3600, "seen 3 h after its commit"),
        ("failed", Outcome.FAILED, 50 * 3600, "still failing after 2 days"),
        ("timed-out", Outcome.FAILED, 60, "failing 1 min after its commit"),
        ("", Outcome.TIMED_OUT, 600, "still not Ready after 10 min"),
        ("", Outcome.SUPERSEDED, 600, ""),
    ],
)
def test_how_it_stands_against_what_was_noted(before: str, now: Outcome, age_s: float, phrase: str) -> None:
    assert compared(before, now, age_s) == phrase


def test_news_is_what_the_last_line_on_the_same_deploy_and_cluster_does_not_say() -> None:
    note = "".join(
        f"{line(each)}\n" for each in (ended("timed-out"), ended("ready", 1, context="east"))
    ).encode()
    later = line(ended("timed-out", 2))
    assert news(note, [later]) == []
    assert news(note, [line(ended("ready", 2))]) == [line(ended("ready", 2))]
    assert news(note, [line(ended("timed-out", 2, tag="v2")), line(ended("ready", 2, context="east"))]) == [
        line(ended("timed-out", 2, tag="v2"))
    ]
    assert news(b"", [later]) == [later]
