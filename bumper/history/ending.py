"""How a deploy ended, as lines of a git note on its commit.

Law: `parse(line(x)) == (x,)`, to the second and the millisecond. A note is only ever appended to: the union of two notes' lines loses
nothing, and lines may come twice or in any order. Lines that are not ours are passed over: anybody may write to the ref. What a line
has beside its verdict (message, stages) is left out where it is not as expected, and the verdict counts all the same.
"""

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from bumper.errors import Outcome
from bumper.history.message import iso_utc, moment
from bumper.record import GOOD, LONGEST_MESSAGE, Ending, StageTime
from bumper.safe_text import printable

# Where the notes of all sites stood together, which is still read. Git allows no ref beneath another one.
REF = "refs/notes/bump"
# A ref for each site: of two refs that are written at once neither push loses to the other.
SITES = "refs/notes/bump-sites"
# Both at once, as `git fetch` takes it.
REFSPEC = "+refs/notes/bump*:refs/notes/bump*"
_DECODER = json.JSONDecoder()
_JSON_BLANKS = " \t\n\r"
# A deploy has about six; a month is longer than any was followed.
_MOST_STAGES, _LONGEST_STAGE = 20, timedelta(days=30).total_seconds()
# A sweep may see a deploy for the first time after years.
_LONGEST_RUN = timedelta(days=36_500).total_seconds()


def ref(site: str) -> str:
    """Where the endings of a site are noted. What no ref may hold (git-check-ref-format) is written as in a URL."""
    return f"{SITES}/{quote(site, safe='').replace('.', '%2E')}"


def message(outcome: Outcome, text: str) -> str:
    """The message of a verdict as a note holds it, empty where the version runs: whoever may read the repository may read that."""
    text = "" if outcome in GOOD else printable(text)
    return text if len(text) <= LONGEST_MESSAGE else f"{text[: LONGEST_MESSAGE - 1]}…"


def line(ending: Ending) -> str:
    """One line of compact JSON, without its line end. Letters beyond ASCII are escaped, so nothing in it breaks a line."""
    data = {
        "site": ending.site,
        "outcome": ending.outcome,
        "reason": ending.reason,
        "seconds": round(ending.seconds, 3),
        "at": iso_utc(ending.at),
        "tag": ending.tag,
        "context": ending.context,
        "run": ending.run,
        "kustomization": ending.kustomization,
        "message": ending.message,
        "stages": [[stage, round(seconds, 3)] for stage, seconds in ending.stages],
    }
    required = {"site", "outcome", "reason", "seconds", "at", "tag"}
    return json.dumps(
        {key: value for key, value in data.items() if value or key in required}, separators=(",", ":")
    )


def parse(note: str) -> tuple[Ending, ...]:
    """The endings in a note, each once, the oldest first."""
    lines = dict.fromkeys([text for text in note.split("\n") if text[:1] == "{"])
    endings = [ending for ending in map(_ending, lines) if ending]
    if len(endings) > 1:
        endings.sort(key=lambda ending: ending.at)
    return tuple(endings)


def appended(note: bytes, lines: Iterable[str]) -> bytes:
    """The note with those lines below it that it does not have yet; not a byte of it is changed but for a missing line end."""
    there = set(note.split(b"\n"))
    missing = [text for text in dict.fromkeys(new_line.encode() for new_line in lines) if text not in there]
    if not missing:
        return note
    end = b"\n" if note and not note.endswith(b"\n") else b""
    return note + end + b"".join(text + b"\n" for text in missing)


def news(note: bytes, lines: Iterable[str]) -> list[str]:
    """Those of the lines that say of a deploy in a cluster something else than the last line on it in the note."""
    last = {_subject(ending): ending.outcome for ending in parse(note.decode(errors="replace"))}
    return [text for text in lines for ending in parse(text) if last.get(_subject(ending)) != ending.outcome]


def _subject(ending: Ending) -> tuple[str, str, str, str]:
    return ending.site, ending.tag, ending.kustomization, ending.context


def _ending(text: str) -> Ending | None:
    try:
        data, end = _DECODER.raw_decode(text)
        if text[end:].strip(_JSON_BLANKS):
            return None
        at, seconds = moment(data["at"]), float(data["seconds"])
        texts = (
            data["site"],
            data["outcome"],
            data["reason"],
            data["tag"],
            data.get("context", ""),
            data.get("run", ""),
            data.get("kustomization", ""),
        )
        "".join(texts)  # TypeError unless all of them are texts
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
    site, outcome, reason, tag, context, run, kustomization = texts
    # A time without an offset would be read as that of this machine.
    if not (site and outcome and at and 0 <= seconds <= _LONGEST_RUN):
        return None
    sentence, stages = data.get("message", ""), data.get("stages")
    return Ending(
        site,
        outcome,
        reason,
        seconds,
        at,
        tag,
        context,
        run,
        kustomization,
        sentence[:LONGEST_MESSAGE] if isinstance(sentence, str) else "",
        _stages(stages) if stages else (),
    )


def _stages(data: Any) -> tuple[StageTime, ...]:
    """Those of a line; none where one of them is no stage, since each begins where the one before ends."""
    try:
        stages = [StageTime(name, float(seconds)) for name, seconds in data]
        "".join(stage.stage for stage in stages)  # TypeError unless all of them are texts
    except (ValueError, TypeError, OverflowError):
        return ()
    are_times = all(0 <= stage.seconds <= _LONGEST_STAGE for stage in stages)
    return tuple(stages) if are_times and len(stages) <= _MOST_STAGES else ()
