"""Recordings in which one thing is not as `--record` wrote it: a verdict or an error for people, never a traceback."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import commandline
import pytest
from mutations import mutations
from situations import DATA

from bumper.recording import encoding

WHOLE = gzip.decompress((DATA / "replays" / "sandbox-crash.jsonl.gz").read_bytes()).decode().splitlines()


def kinds() -> dict[str, int]:
    """The first line of each kind, by what stands in it."""
    first: dict[str, int] = {}
    for number, line in enumerate(WHOLE):
        first.setdefault(" ".join(json.loads(line)), number)
    return first


def head_of_today() -> dict[str, Any]:
    """The head of the recording with all that is written by now; recordings of earlier versions have less."""
    head, _ = encoding.read(line + "\n" for line in WHOLE)
    return encoding.encode_head(replace(head, elsewhere={name: ["shop"] for name in head.contexts}))


def odd_lines(number: int) -> Iterator[tuple[str, Any]]:
    entry = json.loads(WHOLE[number]) if number else head_of_today()
    # Of objects `rollout.fields` says which fit.
    yield from (
        mutations(entry)
        if "object" not in entry
        else [("object", {"object": 5}), ("object", {"object": {"spec": 5}})]
    )


def replay(folder: Path, lines: list[str]) -> commandline.Ran:
    (folder / "recording").write_text("\n".join(lines) + "\n")
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    return commandline.bump("track", "--replay", str(folder / "recording"), environ=environ, cwd=folder)


def test_as_it_was_written(tmp_path: Path) -> None:
    assert replay(tmp_path, WHOLE).code == 11


@pytest.mark.slow
@pytest.mark.parametrize("number", kinds().values(), ids=list(kinds()))
def test_whatever_is_wrong_is_no_bug_of_ours(number: int, tmp_path: Path) -> None:
    for place, entry in odd_lines(number):
        run = replay(tmp_path, [*WHOLE[:number], json.dumps(entry), *WHOLE[number + 1 :]])
        assert run.code != 1, f"{place}: {entry}\n{run.stderr}"


@pytest.mark.parametrize(
    ("key", "odd"),
    [("elsewhere", {"sandbox": 5}), ("elsewhere", {"sandbox": None}), ("where", 5), ("named", ["x"])],
)
def test_what_only_newer_recordings_have_is_held_to_its_shape_too(key: str, odd: Any, tmp_path: Path) -> None:
    head = head_of_today()
    place = head if key in head else head["sites"][0]["desired"]
    assert key in place
    place[key] = odd
    run = replay(tmp_path, [json.dumps(head), *WHOLE[1:]])
    assert (run.code, f"{key}: " in run.stderr) == (2, True), run.stderr


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    head = {**json.loads(WHOLE[0]), "timeout_s": "long"}
    run = replay(tmp_path, [json.dumps(head), *WHOLE[1:]])
    assert run.code == 2
    message = "line 1 is no line of a recording: the head: timeout_s: found a text, expected a number"
    assert run.stderr == f"error: {message}\nhelp:  expected what --record wrote\n"
