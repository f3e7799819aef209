"""The table of `bump history`, its JSON and its CSV: whole outputs."""

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as some
from tables import each_row

from bumper.history.table import Page, as_csv, as_json, lines
from bumper.record import Ending, Record, Recorded, StageTime, told_apart
from bumper.request import Origin
from bumper.style import plain

NOW = datetime(2026, 8, 1, tzinfo=UTC)
AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ORIGIN = Origin(
    "https://github.com/acme/web", "f" * 40, "https://github.com/acme/web/actions/runs/7", "kevin"
)
DIGEST = "sha256:" + "a" * 64
PLAIN = Recorded(
    Record("web", "reg.io/web", "1.0", "2.0", DIGEST, ORIGIN, "", "", (), "c" * 40, "ci", AT, source_at=AT),
    (Ending("web", "ready", "Ready", 12.34, AT, "2.0", run="https://ci.example/7"),),
)
ROLLBACK = Recorded(
    replace(
        PLAIN.record,
        previous="2.0",
        tag="1.0",
        rollback_of="d" * 40,
        reason="it was slow",
        forced=("older", "held"),
    ),
    (
        Ending(
            "web",
            "failed",
            "CrashLoop",
            75.0,
            AT,
            "1.0",
            message="container 'web' exits with 1",
            stages=(StageTime("image", 0.5), StageTime("rolled out", 74.5)),
        ),
    ),
)
UNKNOWN = Recorded(
    replace(
        PLAIN.record,
        site="a-site-with-a-long-name.example",
        previous="",
        at=AT.replace(year=2025),
        origin=Origin(),
        source_at=None,
    )
)
CLUSTERS = Recorded(
    PLAIN.record,
    (
        Ending("web", "ready", "Ready", 12.0, AT, "2.0", "east"),
        Ending(
            "web",
            "timed-out",
            "Late",
            7500.0,
            AT,
            "2.0",
            "west",
            message="0/1 updated",
            stages=(StageTime("applied", 7.25), StageTime("rolled out", 60.0)),
        ),
    ),
)


def text(*deploys: Recorded, site: str = "", width: int | None = None, has_more: bool = False) -> str:
    page = Page("main", site, deploys, has_more, ("this clone is shallow",) if has_more else ())
    return "\n".join(plain(line) for line in lines(page, NOW, width=width, zone=UTC))


def test_the_whole_table() -> None:
    assert text(ROLLBACK, PLAIN, CLUSTERS, UNKNOWN, width=140) == (
        "WHEN         SITE                             FROM  TO   WHO    OUTCOME            TOOK    COMMIT   SOURCE\n"
        "03-04 05:06  web                              2.0   1.0  kevin  failed: CrashLoop  1m15s   ccccccc  fffffff\n"
        "    rollback of: ddddddd\n"
        "    forced: older, held\n"
        "    reason: it was slow\n"
        "    why: container 'web' exits with 1\n"
        "    stages: image 0.5 s, rolled out 1m14s\n"
        "03-04 05:06  web                              1.0   2.0  kevin  ready              12.3 s  ccccccc  fffffff\n"
        "03-04 05:06  web                              1.0   2.0  kevin  timed-out: Late    2h05m   ccccccc  fffffff\n"
        "    why: 0/1 updated\n"
        "    stages: applied 7.2 s, rolled out 1m00s\n"
        "    clusters: east ready 12.0 s, west timed-out 2h05m\n"
        "2025-03-04   a-site-with-a-long-name.example  -     2.0  ci     -                  -       ccccccc  -"
    )


def test_at_80_columns_the_source_goes_first_and_names_are_cut() -> None:
    assert text(ROLLBACK, UNKNOWN, width=80) == (
        "WHEN         SITE                      FROM  TO   WHO    OUTCOME  TOOK   COMMIT\n"
        "03-04 05:06  web                       2.0   1.0  kevin  failed   1m15s  ccccccc\n"
        "    rollback of: ddddddd\n"
        "    forced: older, held\n"
        "    reason: it was slow\n"
        "    why: container 'web' exits with 1\n"
        "    stages: image 0.5 s, rolled out 1m14s\n"
        "2025-03-04   a-site-with-a-long-name…  -     2.0  ci     -        -      ccccccc"
    )


def test_one_site_needs_no_column_and_older_ones_are_announced() -> None:
    assert text(PLAIN, site="web", has_more=True) == (
        "WHEN         FROM  TO   WHO    OUTCOME  TOOK    COMMIT   SOURCE\n"
        "03-04 05:06  1.0   2.0  kevin  ready    12.3 s  ccccccc  fffffff\n"
        "the newest 1; --limit 0 shows all\n"
        "! this clone is shallow"
    )


def test_nothing_is_said_in_words() -> None:
    page = Page("main", "wbe", (), notices=("shallow",), none="no deploy of \x1b[1mwbe is recorded on main")
    assert [plain(line) for line in lines(page, NOW)] == ["no deploy of wbe is recorded on main", "! shallow"]


long = some.text(min_size=1, max_size=60)


@given(long, long, long, long, some.floats(0, 1e9), some.integers(48, 200))
def test_no_row_is_wider_than_the_terminal(
    site: str, previous: str, who: str, reason: str, taken: float, width: int
) -> None:
    record = replace(
        PLAIN.record, site=site, previous=previous, origin=replace(ORIGIN, requested_by=who), tag="t" * 128
    )
    deploys = Recorded(record, (Ending(site, "timed-out", reason, taken, AT, "t" * 128),)), PLAIN
    for line in text(*deploys, width=width).split("\n"):
        assert len(line) <= width
        assert line.isprintable()


def test_what_a_commit_wrote_cannot_move_the_cursor() -> None:
    odd = replace(
        PLAIN.record,
        site="web\x1b[2J",
        reason="a\x1b]0;title\x07b",
        origin=replace(ORIGIN, requested_by="\u202eeve"),
    )
    assert "\x1b" not in text(Recorded(odd))
    assert "\u202e" not in text(Recorded(odd))


def test_the_whole_json() -> None:
    page = Page("main", "", (replace(CLUSTERS, record=ROLLBACK.record),), True, ("shallow",))
    written = as_json(page)
    assert json.loads(written) == {
        "branch": "main",
        "site": None,
        "deploys": [
            {
                "at": "2026-03-04T05:06:07Z",
                "site": "web",
                "kustomization": "",
                "image": "reg.io/web",
                "previousTag": "2.0",
                "tag": "1.0",
                "digest": DIGEST,
                "requestedBy": "kevin",
                "author": "ci",
                "commit": "c" * 40,
                "sourceRepository": "https://github.com/acme/web",
                "sourceCommit": "f" * 40,
                "sourceDate": "2026-03-04T05:06:07Z",
                "workflowRun": "https://github.com/acme/web/actions/runs/7",
                "reason": "it was slow",
                "rollbackOf": "d" * 40,
                "forced": ["older", "held"],
                "plan": "",
                "outcome": "timed-out",
                "outcomeReason": "Late",
                "outcomeMessage": "0/1 updated",
                "seconds": 7500.0,
                "outcomeAt": "2026-03-04T05:06:07Z",
                "outcomes": [
                    {
                        "outcome": "ready",
                        "reason": "Ready",
                        "seconds": 12.0,
                        "at": "2026-03-04T05:06:07Z",
                        "message": "",
                        "context": "east",
                        "run": "",
                        "stages": [],
                    },
                    {
                        "outcome": "timed-out",
                        "reason": "Late",
                        "seconds": 7500.0,
                        "at": "2026-03-04T05:06:07Z",
                        "message": "0/1 updated",
                        "context": "west",
                        "run": "",
                        "stages": [
                            {
                                "stage": "applied",
                                "seconds": 7.25,
                                "began": "2026-03-04T05:04:59Z",
                                "ended": "2026-03-04T05:05:07Z",
                            },
                            {
                                "stage": "rolled out",
                                "seconds": 60.0,
                                "began": "2026-03-04T05:05:07Z",
                                "ended": "2026-03-04T05:06:07Z",
                            },
                        ],
                    },
                ],
            }
        ],
        "hasMore": True,
        "notices": ["shallow"],
    }
    assert json.loads(as_json(Page("main", "web", ()))) == {
        "branch": "main",
        "site": "web",
        "deploys": [],
        "hasMore": False,
        "notices": [],
    }
    assert sum(line.startswith("    {") for line in written.split("\n")) == 1


def test_the_whole_csv() -> None:
    assert as_csv(Page("main", "", (replace(PLAIN, record=ROLLBACK.record), UNKNOWN))) == (
        "at,site,image,previousTag,tag,digest,requestedBy,author,outcome,outcomeReason,seconds,outcomeAt,commit,sourceRepository,"
        "sourceCommit,workflowRun,reason,rollbackOf,forced,kustomization,plan,sourceDate,outcomeMessage\r\n"
        f"2026-03-04T05:06:07Z,web,reg.io/web,2.0,1.0,{DIGEST},kevin,ci,ready,Ready,12.34,2026-03-04T05:06:07Z,{'c' * 40},"
        f'https://github.com/acme/web,{"f" * 40},https://github.com/acme/web/actions/runs/7,it was slow,{"d" * 40},"older, held",,,'
        "2026-03-04T05:06:07Z,\r\n"
        f"2025-03-04T05:06:07Z,a-site-with-a-long-name.example,reg.io/web,,2.0,{DIGEST},,ci,,,,,{'c' * 40},,,,,,,,,,\r\n"
    )


@given(some.text())
def test_csv_gives_every_text_back_but_no_formula(reason: str) -> None:
    written = as_csv(Page("main", "", (Recorded(replace(PLAIN.record, reason=reason)),)))
    (row,) = csv.DictReader(io.StringIO(written, newline=""))
    assert row["reason"] in (reason, f"'{reason}")
    assert (row["reason"] == reason) == (
        reason[:1] not in tuple("=+-@\t\r\uff1d\uff0b\uff0d\uff20") or not reason
    )


@pytest.mark.parametrize("offset", [-11, 0, 5.5, 14])
def test_machines_get_utc_whatever_the_offset(offset: float) -> None:
    there = AT.astimezone(timezone(timedelta(hours=offset)))
    deploy = Recorded(replace(PLAIN.record, at=there))
    assert json.loads(as_json(Page("main", "", (deploy,))))["deploys"][0]["at"] == "2026-03-04T05:06:07Z"


def of_cluster(cluster: str, deploy: Recorded = PLAIN) -> Recorded:
    named = f"clusters/{cluster}/web.yaml#flux-system/web" if cluster else ""
    return replace(deploy, record=replace(deploy.record, kustomization=named))


def test_sites_of_one_name_are_told_apart_and_one_alone_is_not() -> None:
    both = (of_cluster("prod"), of_cluster("staging"), of_cluster(""))
    for asked in ("", "web"):
        shown = [plain(line) for line in lines(Page("main", asked, both), AT, zone=UTC)]
        start = shown[0].index("SITE")
        sites = [line[start:].split("  ")[0] for line in shown]
        assert sites == ["SITE", "web (prod)", "web (staging)", "web"]
    alone = Page("main", "web", (of_cluster("prod"), of_cluster("")))
    assert "SITE" not in plain(lines(alone, AT, zone=UTC)[0])


@each_row(
    ("names", "expected"),
    [
        (["a/prod/web.yaml#f/web", "a/staging/web.yaml#f/web"], ["prod", "staging"]),
        (["apps.yaml#a/web", "apps.yaml#b/web"], ["a", "b"]),
        (["prod/eu/web.yaml#f/web", "staging/us/web.yaml#f/web"], ["prod/eu", "staging/us"]),
        (["prod/web.yaml#web", "prod/apps/web.yaml#web"], ["prod/web.yaml#web", "prod/apps/web.yaml#web"]),
        (["x.yaml#web"], ["x.yaml#web"]),
        ([], []),
    ],
)
def test_what_tells_kustomizations_apart(names: list[str], expected: list[str]) -> None:
    assert told_apart(names) == dict(zip(names, expected, strict=True))


@given(some.lists(some.text("ab/#", min_size=1), unique=True))
def test_no_two_are_called_alike(names: list[str]) -> None:
    assert len(set(told_apart(names).values())) == len(names)
