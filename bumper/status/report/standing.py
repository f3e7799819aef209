"""How each site stands, as a person asks: is it well, and if not, why and what next. Pure: values in, plain data out.

Law: what was seen in a cluster is told as seen, what is only noted as noted. A text that anybody wrote is safe to print.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from bumper.dataclasses import dataclass
from bumper.errors import Outcome
from bumper.history.metrics_table import figures_as_data
from bumper.record import Recorded
from bumper.request import site_options
from bumper.safe_text import printable
from bumper.status.report.snapshot import Snapshot
from bumper.status.table import Row
from bumper.style import STYLES

_STYLES = {outcome.value: style for outcome, style in STYLES.items()}
# Ended, and not on this deploy's account.
_OPEN = {Outcome.TIMED_OUT, Outcome.SUSPENDED, Outcome.BLOCKED}


class State(StrEnum):
    """What a person tells apart at a glance, the most urgent first."""

    BAD = "bad"
    OPEN = "open"
    UNKNOWN = "unknown"
    GOOD = "good"


STATE_NAMES = {
    State.BAD: "failing",
    State.OPEN: "not settled",
    State.UNKNOWN: "not known",
    State.GOOD: "well",
}


@dataclass(frozen=True)
class Standing:
    """Of one row. `word` is an outcome; `seen` is False for what the record says, and `at` when that was noted, and where a cluster
    did not answer.
    """

    row: Row
    state: State
    word: str
    cause: str = ""
    hint: str = ""
    seen: bool = True
    at: datetime | None = None
    last: Recorded | None = None

    @property
    def urgency(self) -> int:
        """The least number comes first; last comes what no deploy is about, and nobody has looked at."""
        return list(State).index(self.state) if self.row.image or self.seen else len(State)


def address(row: Row) -> str:
    """The fragment that opens a row, on this page and on the next one, where it has another number."""
    return f"#site={quote(printable(row.title), safe='')}"


def state_of(outcome: str) -> State:
    """How urgent an outcome is, also one of a later version."""
    if outcome in (Outcome.UNKNOWN, ""):
        return State.UNKNOWN
    style = _STYLES.get(outcome, "bad")
    if outcome in _OPEN:
        return State.OPEN
    return State.GOOD if style in ("good", "warn") else State.BAD


def standings(snapshot: Snapshot) -> list[Standing]:
    """One for each row, in the order of the rows."""
    return [_standing(row, snapshot) for row in snapshot.overview.rows]


def _standing(row: Row, snapshot: Snapshot) -> Standing:
    deploys = snapshot.deploys_of(row)
    last = deploys[-1] if deploys else None
    if not snapshot.overview.is_looked:
        return _recorded(row, last)
    if row.verdict is None:
        verdict, message = row.pending, row.detail
        cause = f"{message}; {verdict.outcome.value} if it stays: {verdict.message}" if verdict else message
        return Standing(row, State.OPEN, "moving", cause, verdict.hint if verdict else "", last=last)
    state = state_of(row.verdict.outcome.value)
    is_well = state is State.GOOD
    cause = "" if is_well else row.verdict.message
    hint = "" if is_well else row.verdict.hint
    return Standing(row, state, row.word, cause, hint, seen=not row.is_unread, last=last)


def _recorded(row: Row, last: Recorded | None) -> Standing:
    """What the newest deploy says of what git wants now."""
    if row.image is None:
        return Standing(row, State.UNKNOWN, "nothing to deploy", seen=False)
    if last is None:
        return Standing(row, State.UNKNOWN, "no deploy", "no commit records a deploy of it", seen=False)
    wanted = row.image.tag or row.image.digest
    if last.record.tag != wanted:
        cause = f"git wants {wanted}, and the newest deploy that is recorded is of {last.record.tag}"
        return Standing(row, State.UNKNOWN, "by hand", cause, seen=False, last=last)
    if last.ending is None:
        cause = "nobody noted how its deploy ended"
        return Standing(
            row, State.UNKNOWN, "not noted", cause, "bump sweep", seen=False, at=last.record.at, last=last
        )
    ending = last.ending
    state = state_of(ending.outcome)
    cause = "" if state is State.GOOD else ending.message or ending.reason
    look = f"bump status {site_options(row.site, row.identity if row.where else '')}"
    hint = "" if state is State.GOOD else look
    return Standing(row, state, ending.outcome, cause, hint, seen=False, at=ending.at, last=last)


def headline(several: list[Standing], now: datetime) -> dict[str, int]:
    """How many sites are in which state, and how many are kept off deploys."""
    counted = Counter(each.state for each in several if each.row.image or each.seen)
    numbers = {state.value: counted[state] for state in State}
    held = sum(each.row.is_held(now) for each in several)
    frozen = sum(bool(each.row.freeze and each.row.freeze.closure(now)) for each in several)
    return {**numbers, "held": held, "frozen": frozen}


def as_data(several: list[Standing], snapshot: Snapshot) -> list[dict[str, Any]]:
    """Each with all that its page shows, less what is empty."""
    return [
        {name: value for name, value in _fields(each, snapshot) if value not in ("", None, [])}
        for each in several
    ]


def _fields(each: Standing, snapshot: Snapshot) -> Iterator[tuple[str, Any]]:
    row, now = each.row, snapshot.overview.now
    key = snapshot.keys.get((row.site, row.identity))
    figures = snapshot.figures.get(key) if key else None
    closure = row.freeze.closure(now) if row.freeze else None
    is_in_force = row.hold is not None and row.hold.holds_at(now)
    yield "name", printable(row.title)
    yield "site", printable(row.site)
    yield "context", printable(row.context)
    yield "environments", list(map(printable, snapshot.environments.get(row.identity, ())))
    yield "identity", printable(row.identity)
    yield "state", each.state.value
    yield "word", printable(each.word)
    yield "seen", each.seen
    yield "at", int(each.at.timestamp()) if each.at else None
    yield "cause", printable(each.cause)
    yield "hint", printable(each.hint)
    yield "wanted", printable(row.image.tag or row.image.digest) if row.image else ""
    yield "image", printable(row.image.repository) if row.image else ""
    yield "running", list(map(printable, row.state.running))
    yield "applied", printable(row.state.applied)
    yield "since", printable(row.state.since)
    yield "place", printable(row.place)
    yield "drift", list(map(printable, row.state.drift))
    yield "hold", printable(f"{row.hold}   {row.hold.place}") if row.hold and is_in_force else ""
    yield "freeze", printable(f"{closure}   {closure.place}") if closure else ""
    yield "notFollowed", printable(row.not_followed)
    yield "figures", figures_as_data(figures) if figures else None
