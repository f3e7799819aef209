"""Reads the files under `data/replays`, which `--record FILE` wrote: a user's strange case becomes a test by being put there."""

import gzip
from functools import cache
from pathlib import Path
from typing import Any

from bumper.observation import RevisionFacts
from bumper.recording.encoding import Entry, Head, decode_facts, read

REPLAYS = Path(__file__).parent / "data" / "replays"


def names() -> list[str]:
    return sorted(path.name.removesuffix(".jsonl.gz") for path in REPLAYS.glob("*.jsonl.gz"))


@cache
def load(name: str) -> tuple[Head, list[Entry]]:
    with gzip.open(REPLAYS / f"{name}.jsonl.gz", "rt", encoding="utf-8", newline="\n") as text:
        return read(text)


def look(name: str, number: int) -> tuple[Head, dict[str, Any]]:
    """The head, and what the look of that number (from 0) showed of each site."""
    head, entries = load(name)
    looks = [entry for entry in entries if "look" in entry]
    return head, {site["site"]: dict(site) for site in looks[number]["look"]}


def facts(name: str, site: str, number: int) -> dict[str, RevisionFacts]:
    """What git had said by the end of that look."""
    _, entries = load(name)
    revisions: dict[str, RevisionFacts] = {}
    looks = -1
    for entry in entries:
        looks += "look" in entry
        if looks > number:
            break
        if entry.get("facts", {}).get("site") == site:
            revisions = decode_facts(entry["facts"]["revisions"])
    return revisions
