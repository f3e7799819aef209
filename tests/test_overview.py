"""The table of all sites: whole output, and that it fits."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bumper import overview
from bumper.errors import Outcome
from bumper.image import ImageReference
from bumper.overview import Overview, Row
from bumper.report import plain
from bumper.revision import Revision
from bumper.rollout import Verdict
from bumper.rollout.state import State

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
        "SITE                   WANTED       APPLIED  RUNNING      VERDICT       AGE   ",
        "web                    abc1234      3f9d2ab  abc1234      ready         3 d",
        "api                    abc1234      3f9d2ab  abc1234+def… failed        12 min",
        "external-secrets       -            3f9d2ab  -            applied       -",
        "shop                   abc1234      3f9d2ab  abc1234      moving        3 d",
        "docs                   abc1234      3f9d2ab  abc1234      moving        3 d",
        "a-site-with-a-very-lo… a-tag-that-… 3f9d2ab  abc1234      ready         3 d",
        "  api: CrashLoop: container api crashed 4 times",
        "  api: drift: pods still run def0001",
        "  external-secrets: applied: nothing to follow beyond that: k8s/external-secrets: no image at all",
        "  shop: moving: waiting for pods to be replaced",
        "  docs: moving, failed if it stays: container docs crashed once",
    ]


@pytest.mark.parametrize("outcome", list(Outcome))
def test_the_table_fits_eighty_columns_whatever_stands_in_it(outcome: Outcome) -> None:
    long = row("s" * 60, Verdict(outcome, "R" * 40, "m"), tag="t" * 128, running=("t" * 128, "u" * 128))
    long = replace(
        long, state=replace(long.state, applied="latest@sha256:" + "a" * 64, since="1970-01-01T00:00:00Z")
    )
    table = [plain(line) for line in overview.lines(Overview(TIP, (long,), NOW))][1:3]
    assert max(map(len, table)) <= overview.WIDTH


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


@pytest.mark.parametrize(
    ("rows", "code"), [(ROWS[:1], 0), (ROWS[2:3], 0), (ROWS[3:4], 3), (ROWS[1:4], 11), ((), 0)]
)
def test_the_exit_code_is_that_of_the_worst(rows: tuple[Row, ...], code: int) -> None:
    assert Overview(TIP, rows, NOW).exit_code == code


@pytest.mark.parametrize(
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
