import re
from dataclasses import dataclass
from pathlib import Path

import situations

from bumper.errors import Outcome
from bumper.rollout.causes import CAUSES
from bumper.rollout.patience import GAP_S, Finding, weigh
from bumper.rollout.verdict import Sighting, Verdict

ROOT = Path(__file__).parents[2]


def finding(key: str, grace_s: float = 10.0, tries: int = 1, enough_tries: int | None = None) -> Finding:
    return Finding(key, Verdict(Outcome.FAILED, key, key), grace_s, tries, enough_tries)


def test_a_cause_is_believed_when_its_grace_is_over_and_not_before() -> None:
    first = weigh([finding("A")], {}, 100.0)
    assert (first.believed, first.due_s) == (None, 110.0)
    assert weigh([finding("A")], first.sightings, 109.9).believed is None
    late = weigh([finding("A")], first.sightings, 110.0)
    assert late.believed == finding("A")
    assert late.due_s is None


def test_enough_tries_end_a_grace() -> None:
    assert weigh([finding("A", tries=2, enough_tries=3)], {}, 0.0).believed is None
    assert weigh([finding("A", tries=3, enough_tries=3)], {}, 0.0).believed
    assert weigh([finding("A", tries=9)], {}, 0.0).believed is None


def test_of_two_that_are_believed_the_first_in_order_counts() -> None:
    both = [finding("A", 0.0), finding("B", 0.0)]
    assert weigh(both, {}, 0.0).believed == both[0]
    waiting = [finding("A", 5.0), finding("B", 0.0)]
    weighed = weigh(waiting, {}, 0.0)
    assert weighed.believed == waiting[1]
    assert weighed.due_s == 5.0


def test_a_cause_is_remembered_over_a_gap_and_forgotten_after_it() -> None:
    seen = {"A": Sighting(first_s=0.0, strikes=1, last_s=10.0)}
    assert weigh([], seen, 10.0 + GAP_S).sightings == seen
    assert weigh([], seen, 10.1 + GAP_S).sightings == {}


def test_strikes_are_the_clusters_own_count() -> None:
    assert weigh([finding("A", tries=4)], {}, 1.0).sightings == {"A": Sighting(1.0, 4, 1.0)}


# --- the table that people are shown ---

ROW = re.compile(r"\| (?P<reasons>`[^|]*) \| (?P<after>[^|]*) \| (?P<outcomes>[^|]*) \| (?P<back>[^|]*) \|")


@dataclass
class Shown:
    """What the documentation says of one reason, in whichever rows."""

    after: str = ""
    outcomes: str = ""
    back: str = ""


def shown() -> dict[str, Shown]:
    table: dict[str, Shown] = {}
    for row in ROW.finditer((ROOT / "docs" / "patience.md").read_text(encoding="utf-8")):
        for reason in re.findall(r"`(\w+)`", row["reasons"]):
            entry = table.setdefault(reason, Shown())
            entry.after += f" {row['after']}"
            entry.outcomes += f" {row['outcomes']}"
            entry.back += f" {row['back']}"
    return table


def is_said(entry: Shown, seconds: float) -> bool:
    return re.search(rf"(?<!\d){seconds:g} s\b", entry.after) is not None


def test_the_table_says_of_each_cause_how_long_it_is_waited_for() -> None:
    table = shown()
    assert [cause.reason for cause in CAUSES if cause.reason not in table] == []
    for cause in CAUSES:
        entry = table[cause.reason]
        assert is_said(entry, cause.grace_s), cause.reason
        assert cause.outcome.value in entry.outcomes, cause.reason
        assert ("yes" if cause.blames_image else "no") in entry.back, cause.reason


def test_the_table_holds_for_every_situation() -> None:
    table = shown()
    wrong: list[tuple[object, ...]] = []
    expectations = [*(situations.raw(name)["expect"] for name in situations.names())]
    for expect in (*expectations, *(variant.expect for variant in situations.variants())):
        if expect["outcome"] not in ("failed", "blocked", "unknown", "suspended"):
            continue
        entry = table.get(expect["reason"], Shown())
        after_s = float(expect.get("after_s", 0))
        # At once is what another cause ended: an author's own deadline.
        if not ((not after_s or is_said(entry, after_s)) and expect["outcome"] in entry.outcomes):
            wrong.append((expect["reason"], after_s, expect["outcome"]))
        # Of another container, or of an old version that is down as well, no cause sends back.
        if expect.get("goes_back") and "yes" not in entry.back:
            wrong.append((expect["reason"], "back"))
    assert wrong == []
