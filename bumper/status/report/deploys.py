"""Every deploy, in columns that take little room: 50,000 of them in about a megabyte once they are packed. Pure.

Law: what can be told from another column is not written again; what is left out is empty, never guessed. Order is the branch's,
newest first.
"""

import re
from collections.abc import Hashable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

from bumper.dataclasses import dataclass, field
from bumper.history.scopes import scopes
from bumper.record import Ending, Record, Recorded, SiteKey
from bumper.request import label, where_in
from bumper.safe_text import printable
from bumper.status.report.snapshot import Snapshot
from bumper.status.report.standing import state_of

# So much of a commit's name is unique in any repository.
_SHA = 12
_LINK = re.compile(r"https?://[^\s\"'<>\\]+", re.IGNORECASE)


@dataclass
class _Index:
    """Texts by their number, each once."""

    values: list[Any] = field(default_factory=list)
    _numbers: dict[Hashable, int] = field(default_factory=dict)

    def of(self, value: Hashable) -> int:
        if value not in self._numbers:
            self._numbers[value] = len(self.values)
            self.values.append(value)
        return self._numbers[value]


def as_data(snapshot: Snapshot) -> dict[str, Any]:
    """The columns, and the texts that they number."""
    return _Columns(snapshot).data()


class _Columns:
    def __init__(self, snapshot: Snapshot) -> None:
        self._deploys = snapshot.deploys
        self._who, self._sources, self._runs = _Index(), _Index(), _Index()
        self._outcomes, self._reasons, self._contexts = _Index(), _Index(), _Index()
        self._messages, self._stages = _Index(), _Index()
        # The first is what a row leaves out.
        self._messages.of("")
        self._stages.of(())
        self._sites = _sites(snapshot)
        self._key_of = {
            id(deploy): number
            for number, key in enumerate(snapshot.by_site)
            for deploy in snapshot.by_site[key]
        }
        self._before = {
            id(deploy): before
            for of_site in snapshot.by_site.values()
            for before, deploy in zip([None, *of_site], of_site, strict=False)
        }

    def data(self) -> dict[str, Any]:
        deploys = self._deploys
        records = [deploy.record for deploy in deploys]
        times = [int(record.at.timestamp()) for record in records]
        return {
            "at": [times[0], *(later - at for later, at in pairwise(times))] if times else [],
            "site": [self._key_of[id(deploy)] for deploy in deploys],
            "tag": [printable_once(record.tag) for record in records],
            "previous": [self._previous(deploy) for deploy in deploys],
            "commit": [record.commit[:_SHA] for record in records],
            "source": list(map(_source, records)),
            "repository": [self._sources.of(_link(record.origin.source_repository)) for record in records],
            "lead": [_lead(record) for record in records],
            "who": [self._who.of(printable_once(record.who)) for record in records],
            "run": [self._run(record.origin.workflow_run) for record in records],
            "endings": [self._endings(deploy) for deploy in deploys],
            "counts": {
                str(number): deploy.endings.index(deploy.ending)
                for number, deploy in enumerate(deploys)
                if len(deploy.endings) > 1 and deploy.ending
            },
            "more": {str(number): more for number, record in enumerate(records) if (more := _more(record))},
            "sites": self._sites,
            "whos": self._who.values,
            "repositories": self._sources.values,
            "runs": self._runs.values,
            "outcomes": self._outcomes.values,
            "states": [state_of(outcome).value for outcome in self._outcomes.values],
            "reasons": self._reasons.values,
            "contexts": self._contexts.values,
            "messages": self._messages.values,
            "stages": self._stages.values,
        }

    def _previous(self, deploy: Recorded) -> str | int:
        before = self._before[id(deploy)]
        previous = deploy.record.previous
        return 0 if before and before.record.tag == previous else printable_once(previous)

    def _run(self, url: str) -> Any:
        """The number of what its URL begins with, and the rest."""
        head, slash, tail = _link(url).rpartition("/")
        return [self._runs.of(head), tail] if slash else 0

    def _endings(self, deploy: Recorded) -> list[list[Any]]:
        return [self._ending(ending, deploy.record) for ending in deploy.endings]

    def _ending(self, ending: Ending, record: Record) -> list[Any]:
        run = 0 if ending.run == record.origin.workflow_run else self._run(ending.run)
        numbers = [
            self._outcomes.of(printable_once(ending.outcome)),
            self._reasons.of(printable_once(ending.reason)),
            round(ending.seconds, 1),
            int((ending.at - record.at).total_seconds()),
            self._contexts.of(printable_once(ending.context)),
            run,
            self._messages.of(printable_once(ending.message)),
            self._stages.of(tuple(printable_once(stage) for stage, _ in ending.stages)),
            *(round(seconds, 1) for _, seconds in ending.stages),
        ]
        while numbers and numbers[-1] == 0:
            numbers.pop()
        return numbers


def _sites(snapshot: Snapshot) -> list[list[Any]]:
    """The label of each site that has deploys, and the number of its first row, -1 for one that is gone."""
    rows: dict[SiteKey, int] = {}
    for number, row in enumerate(snapshot.overview.rows):
        if key := snapshot.keys.get((row.site, row.identity)):
            rows.setdefault(key, number)
    labels = scopes(snapshot.by_site)
    return [
        [
            printable(
                snapshot.overview.rows[rows[key]].label
                if key in rows
                else label(key[0], where_in(labels[key].name))
            ),
            rows.get(key, -1),
        ]
        for key in snapshot.by_site
    ]


@lru_cache(maxsize=100_000)
def printable_once(text: str) -> str:
    """`printable`, which takes its time, of texts that come again and again."""
    return printable(text)


def _link(url: str) -> str:
    """A URL that a page may link to; empty for any other text."""
    return url if _LINK.fullmatch(url) and printable_once(url) == url else ""


def _source(record: Record) -> str:
    """The source commit; empty where the tag begins with as much of it as tags commonly have."""
    commit = record.origin.source_commit
    return "" if commit.startswith(record.tag) else printable_once(commit[:_SHA])


def _lead(record: Record) -> int | None:
    """Seconds from the source commit to ours."""
    return int((record.at - record.source_at).total_seconds()) if record.source_at else None


def _more(record: Record) -> dict[str, Any]:
    """What few deploys have."""
    known: Sequence[tuple[str, Any]] = (
        ("reason", printable_once(record.reason)),
        ("rollbackOf", printable_once(record.rollback_of[:_SHA])),
        ("forced", list(map(printable_once, record.forced))),
    )
    return {name: value for name, value in known if value}
