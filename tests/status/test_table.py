"""The table of all sites: whole output, and that it fits."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tables import each_row

from bumper.deploy.hold.annotations import Hold
from bumper.errors import Outcome
from bumper.image import ImageReference
from bumper.revision import Revision
from bumper.rollout.state import State
from bumper.rollout.verdict import Verdict
from bumper.status import table as overview
from bumper.status.table import Overview, Row
from bumper.style import COMMAND, plain

TIP = Revision("main", "3f9d2ab0c1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f6")
NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
READY = Verdict(Outcome.READY, "Ready", "Deployment web/web runs abc1234: 1/1 updated, 1/1 available")
CRASH = Verdict(
    Outcome.FAILED,
    "CrashLoop",
    "container api crashed 4 times",
    hint="kubectl logs api",
    serving="def0001: the old version",
)


def row(
    site: str, verdict: Verdict | None, tag: str = "abc1234", running: tuple[str, ...] = ("abc1234",)
) -> Row:
    state = State(str(TIP), running, "2026-11-20T11:00:00Z", ())
    image = ImageReference(f"reg.io/{site}", tag)
    return Row(
        site,
        "east",
        f"Kustomization flux-system/{site}",
        image,
        f"k8s/{site}/deployment.yaml:9",
        state,
        verdict,
    )


ROWS = (
    row("web", READY),
    replace(
        row("api", CRASH, running=("abc1234", "def0001")),
        state=State(str(TIP), ("abc1234", "def0001"), "2026-11-23T11:48:00Z", ("pods still run def0001",)),
    ),
    replace(
        row("external-secrets", replace(READY, reason="Applied")),
        image=None,
        state=State(str(TIP), (), "", ()),
        not_followed="k8s/external-secrets: no image at all",
    ),
    replace(row("shop", None), detail="waiting for pods to be replaced"),
    replace(
        row("docs", None), detail="1/1 updated", pending=replace(CRASH, message="container docs crashed once")
    ),
    replace(row("a-site-with-a-very-long-name-indeed", READY, tag="a-tag-that-is-longer-than-any-column")),
)


def test_the_whole_table() -> None:
    assert [plain(line) for line in overview.lines(Overview(TIP, ROWS, NOW))] == [
        "east   main@sha1:3f9d2ab wanted",
        "SITE                   WANTED       APPLIED  RUNNING      VERDICT         AGE   ",
        "web                    abc1234      3f9d2ab  abc1234      ready           3 d",
        "api                    abc1234      3f9d2ab  abc1234+def… failed          12 min",
        "external-secrets       -            3f9d2ab  -            applied         -",
        "shop                   abc1234      3f9d2ab  abc1234      moving          3 d",
        "docs                   abc1234      3f9d2ab  abc1234      moving          3 d",
        "a-site-with-a-very-lo… a-tag-that-… 3f9d2ab  abc1234      ready           3 d",
        "  api: CrashLoop: container api crashed 4 times",
        "  api: drift: pods still run def0001",
        "  shop: moving: waiting for pods to be replaced",
        "  docs: moving, failed if it stays: container docs crashed once",
        "  external-secrets: applied: nothing to follow beyond that; bump status SITE says why",
    ]


HOLD = Hold(
    "a frozen week",
    "ann",
    NOW - timedelta(days=1),
    NOW + timedelta(hours=1),
    "",
    "k8s/flux-system/web.yaml:5",
)


def test_a_hold_stands_in_the_table_and_below_it_until_it_ends() -> None:
    held = replace(ROWS[0], hold=HOLD)
    hold_line = "held by ann since 2026-11-22 12:00 UTC until 2026-11-23 13:00 UTC: a frozen week   k8s/flux-system/web.yaml:5"
    table = [plain(line) for line in overview.lines(Overview(TIP, (held,), NOW))]
    assert table[2:] == [
        "web                    abc1234      3f9d2ab  abc1234      ready, held     3 d",
        f"  web: hold: {hold_line}",
    ]
    assert f"  hold         {hold_line}" in [
        plain(line) for line in overview.details(Overview(TIP, (held,), NOW))
    ]
    (site,) = overview.as_data(Overview(TIP, (held,), NOW))["sites"]
    assert site["hold"] == {
        "reason": "a frozen week",
        "by": "ann",
        "since": "2026-11-22T12:00:00Z",
        "until": "2026-11-23T13:00:00Z",
        "rejected": None,
        "place": "k8s/flux-system/web.yaml:5",
        "isInForce": True,
    }
    later = Overview(TIP, (held,), NOW + timedelta(hours=2))
    assert [plain(line) for line in overview.lines(later)][2:] == [
        "web                    abc1234      3f9d2ab  abc1234      ready           3 d"
    ]
    assert overview.as_data(later)["sites"][0]["hold"]["isInForce"] is False


def test_a_rejected_version_is_said_and_the_site_is_not_held() -> None:
    rejected = replace(ROWS[0], hold=replace(HOLD, until=None, rejected="bad0001"))
    assert [plain(line) for line in overview.lines(Overview(TIP, (rejected,), NOW))][2:] == [
        "web                    abc1234      3f9d2ab  abc1234      ready           3 d",
        "  web: hold: bad0001 was rejected by ann since 2026-11-22 12:00 UTC: a frozen week   k8s/flux-system/web.yaml:5",
    ]


class TestChanges:
    def test_at_first_every_site_has_a_line(self) -> None:
        lines = [plain(line) for line in overview.changes(None, Overview(TIP, ROWS[:2], NOW, ("polled",)))]
        assert lines == [
            "12:00:00Z  web: ready   wants abc1234, applied 3f9d2ab, runs abc1234",
            (
                "12:00:00Z  api: failed   wants abc1234, applied 3f9d2ab, runs abc1234+def0001; "
                "CrashLoop: container api crashed 4 times; drift: pods still run def0001"
            ),
            "12:00:00Z  ! polled",
        ]

    def test_then_only_what_stands_otherwise(self) -> None:
        before = Overview(TIP, ROWS[:2], NOW, ("polled",))
        moving = replace(ROWS[0], verdict=None, detail="0/1 updated")
        after = replace(before, rows=(moving, ROWS[1]), now=NOW + timedelta(seconds=7))
        assert [plain(line) for line in overview.changes(before, after)] == [
            "12:00:07Z  web: ready → moving   wants abc1234, applied 3f9d2ab, runs abc1234; moving: 0/1 updated"
        ]

    def test_time_and_progress_alone_are_no_change(self) -> None:
        moving = replace(ROWS[0], verdict=None, detail="0/1 updated")
        before = Overview(TIP, (moving,), NOW)
        after = Overview(TIP, (replace(moving, detail="1/1 updated"),), NOW + timedelta(minutes=5))
        assert overview.changes(before, after) == []

    def test_a_hold_that_comes_or_ends_and_a_site_that_goes(self) -> None:
        plain_row, held = ROWS[0], replace(ROWS[0], hold=HOLD)
        before, after = Overview(TIP, (plain_row, ROWS[1]), NOW), Overview(TIP, (held,), NOW)
        first, second = (plain(line) for line in overview.changes(before, after))
        assert first.startswith("12:00:00Z  web: ready   ")
        assert "hold: held by ann" in first
        assert second == "12:00:00Z  api: gone from the branch"
        ended = replace(after, now=NOW + timedelta(hours=2))
        assert len(overview.changes(after, ended)) == 1

    def test_several_clusters_are_named(self) -> None:
        rows = (ROWS[0], replace(ROWS[0], context="west"))
        lines = [plain(line) for line in overview.changes(None, Overview(TIP, rows, NOW))]
        assert ["in east" in lines[0], "in west" in lines[1]] == [True, True]


@each_row("outcome", list(Outcome))
def test_the_table_fits_eighty_columns_whatever_stands_in_it(outcome: Outcome) -> None:
    long = row("s" * 60, Verdict(outcome, "R" * 40, "m"), tag="t" * 128, running=("t" * 128, "u" * 128))
    long = replace(
        long,
        state=replace(long.state, applied="latest@sha256:" + "a" * 64, since="1970-01-01T00:00:00Z"),
        hold=HOLD,
    )
    table = [plain(line) for line in overview.lines(Overview(TIP, (long,), NOW))][1:3]
    assert max(map(len, table)) <= overview.WIDTH
    for width in (60, 80, 100, 140):
        table = [plain(line) for line in overview.lines(Overview(TIP, (long,), NOW), width)][1:3]
        assert max(map(len, table)) <= width
    wide = [plain(line) for line in overview.lines(Overview(TIP, (long,), NOW), 800)][2]
    assert "s" * 60 in wide, "what there is room for is not cut"
    assert "…" not in wide


def test_one_site_in_full() -> None:
    assert [plain(line) for line in overview.details(Overview(TIP, ROWS[1:2], NOW))] == [
        "api in east: Failed: container api crashed 4 times",
        "  wanted       reg.io/api:abc1234   k8s/api/deployment.yaml:9",
        "  applied      3f9d2ab",
        "  running      abc1234+def0001",
        "  age          12 min",
        "  drift        pods still run def0001",
        "  serving now  def0001: the old version",
        "  next         kubectl logs api",
    ]


def test_evidence_and_what_helps_are_told_as_at_the_end_of_a_deploy() -> None:
    evidence = (
        "BackOff: Back-off restarting pod api-1(40475ebb-a17d-4bd2-ad40-95ce5c5a2570)",
        "log: starting",
        "log: fatal: no database",
    )
    failed = replace(ROWS[1], verdict=replace(CRASH, evidence=evidence))
    shown = overview.details(Overview(TIP, (failed,), NOW), "bump rollback --site api")
    assert [plain(line) for line in shown][-5:] == [
        "  seen         log: fatal: no database",
        "  seen         log: starting",
        "  seen         BackOff: Back-off restarting pod api-1",
        "  next         kubectl logs api",
        "  or           bump rollback --site api",
    ]
    assert [line[-1].style for line in shown][-2:] == [COMMAND, COMMAND]
    well = overview.details(Overview(TIP, ROWS[:1], NOW), "bump rollback --site web")
    assert "rollback" not in "".join(map(plain, well))


@pytest.mark.parametrize(
    ("rows", "code"), [(ROWS[:1], 0), (ROWS[2:3], 0), (ROWS[3:4], 3), (ROWS[1:4], 11), ((), 0)]
)
def test_the_exit_code_is_that_of_the_worst(rows: tuple[Row, ...], code: int) -> None:
    assert Overview(TIP, rows, NOW).exit_code == code


@each_row(
    ("since", "age"),
    [
        ("2026-11-23T11:59:52Z", "8 s"),
        ("2026-11-23T11:48:00Z", "12 min"),
        ("2026-11-23T07:00:00Z", "5 h"),
        ("2026-11-20T11:00:00Z", "3 d"),
        ("2026-11-23T12:05:00Z", "0 s"),
        ("", ""),
        ("yesterday", ""),
    ],
)
def test_ages(since: str, age: str) -> None:
    assert overview.age(since, NOW) == age


def test_json_tells_what_the_table_cuts() -> None:
    data = overview.as_data(Overview(TIP, ROWS[4:], NOW, ("polling",)))
    assert (data["revision"], data["exitCode"], data["notices"]) == (str(TIP), 3, ["polling"])
    docs, long = data["sites"]
    assert (docs["outcome"], docs["verdict"], docs["pending"]["reason"]) == ("moving", None, "CrashLoop")
    assert long["wanted"]["tag"] == "a-tag-that-is-longer-than-any-column"
    assert long["ageSeconds"] == 3 * 86400 + 3600
