"""The file of freeze windows: what is read of it, what is wrong in it and in which line, and that the JSON schema agrees."""

import subprocess
import sys
from datetime import UTC, datetime
from textwrap import dedent
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML
from trees import MemoryTree

from bumper.freeze.file import read as read_calendar
from bumper.freeze.place import PATH, calendar_of
from bumper.freeze.schema import schema

GOOD = """\
    zone: Europe/Berlin
    holdLabel: do-not-deploy
    windows:
      - name: weekend # nobody is there
        reason: nobody is there to look
        sites: "*"
        cron: 0 16 * * FRI
        for: 64h
        allow:
          - sites: [status-*, docs]
            by: ann
            reason: it is only text
            zone: UTC
            cron: ["0 9 * * SAT", "0 9 * * SUN"]
            for: 2h
        exclude:
          - labels: {tier: payments}
            reason: money
      - name: peak
        reason: Christmas
        environments: [production]
        from: 2026-12-15T16:00
        until: 2027-01-04
      - {name: days, reason: nobody works, sites: [web], dates: [2026-12-24, 2026-12-31], holidays: {country: DE, subdivision: BE}}
      - {name: more days, reason: nobody works, sites: [web], holidays: IE, by: ann, since: "2026-11-29T03:00:00Z"}
    """
WINDOW = "windows:\n  - name: x\n    reason: y\n    sites: [web]\n"
# What stands there, the line that is named, and what is said. A star: that the schema, which knows no calendar, lets it pass.
WRONG = {
    "no YAML": ("windows: [", 1, "*"),
    "an empty file": ("# nothing\n", 1, "found nothing that names windows*"),
    "a list": ("- windows\n", 1, "found nothing that names windows"),
    "two documents": ("windows: []\n---\nwindows: []\n", 1, "found 2 objects*"),
    "windows that are no list": ("windows: soon\n", 1, "found 'soon', expected a list"),
    "a window that is a text": ("windows:\n  - soon\n", 2, "found 'soon', expected a mapping"),
    "an unknown key": (
        f"{WINDOW}    zones: x\n",
        5,
        "'zones' is nothing that may stand here; did you mean 'zone'?",
    ),
    "an unknown key at the top": (f"window: []\n{WINDOW}", 1, "did you mean 'windows'?"),
    "a key twice": (f"{WINDOW}    reason: z\n", 5, "reason stands here twice*"),
    "no name": ("windows:\n  - reason: y\n    sites: [web]\n", 2, "name is missing"),
    "no reason": ("windows:\n  - name: y\n    sites: [web]\n", 2, "reason is missing"),
    "a reason that is a list": (
        "windows:\n  - name: y\n    sites: [web]\n    reason: [x]\n",
        4,
        "reason is a list",
    ),
    "no sites": ("windows:\n  - name: x\n    reason: y\n", 2, "names no site"),
    "an empty list of sites": (
        "windows:\n  - name: x\n    reason: y\n    sites: []\n",
        4,
        "sites holds something else",
    ),
    "labels that are a list": (f"{WINDOW}    labels: [team]\n", 5, "labels is no mapping of texts"),
    "labels that name none": (f"{WINDOW}    labels: {{}}\n", 5, "labels names none"),
    "one name for two": (
        f"{WINDOW}  - {{name: x, reason: y, sites: [web]}}\n",
        5,
        "x is the name of another window*",
    ),
    "an unknown zone": (
        f"{WINDOW}    zone: Europe/Berln\n",
        5,
        "is no time zone; did you mean 'Europe/Berlin'?*",
    ),
    "a folder of zones": (f"{WINDOW}    zone: Europe\n", 5, "'Europe' is no time zone*"),
    "a zone out of the folder": (f"{WINDOW}    zone: ../../etc/passwd\n", 5, "is no time zone*"),
    "no cron": (f"{WINDOW}    cron: 0 25 * * *\n    for: 1h\n", 5, "is no cron expression: Bad hour*"),
    "a cron that never comes": (f"{WINDOW}    cron: '* * */20 * 1L'\n    for: 1h\n", 5, "it never comes*"),
    "a cron without a length": (f"{WINDOW}    cron: 0 5 * * *\n", 5, "nothing how long it lasts"),
    "a length without a cron": (f"{WINDOW}    for: 5h\n", 5, "no cron says from when"),
    "no length": (f"{WINDOW}    cron: 0 5 * * *\n    for: soon\n", 6, "'soon' is no length"),
    "a length without a unit": (f"{WINDOW}    cron: 0 5 * * *\n    for: 1h30\n", 6, "'1h30' is no length"),
    "no time at all": (f"{WINDOW}    cron: 0 5 * * *\n    for: 0s\n", 6, "'0s' is no length*"),
    "a length of years": (f"{WINDOW}    cron: 0 5 * * *\n    for: 9999w\n", 6, "is no length*"),
    "no time": (f"{WINDOW}    until: tomorrow\n", 5, "until is 'tomorrow', expected a time like*"),
    "a day that is none": (f"{WINDOW}    from: 2026-02-29\n", 5, "from is '2026-02-29'*"),
    "an end before the start": (
        f"{WINDOW}    from: 2026-12-02\n    until: 2026-12-01\n",
        6,
        "until is not after from*",
    ),
    "no date": (f"{WINDOW}    dates: [2026-12-24, 24.12.]\n", 5, "'24.12.' is no day*"),
    "no country": (f"{WINDOW}    holidays: Atlantis\n", 5, "'Atlantis' has no holidays that are known*"),
    "no part of the country": (
        f"{WINDOW}    holidays: {{country: DE, subdivision: ZZ}}\n",
        5,
        "that are known*",
    ),
    "an allowance without a reason": (f"{WINDOW}    allow:\n      - sites: [web]\n", 6, "reason is missing"),
    "an empty window": ("windows:\n  - {}\n", 2, "found an empty mapping"),
    "an empty allowance": (f"{WINDOW}    allow:\n      - {{}}\n", 6, "found an empty mapping"),
    "an empty exclusion": (f"{WINDOW}    exclude:\n      - {{}}\n", 6, "found an empty mapping"),
    "holidays of nowhere": (f"{WINDOW}    holidays: {{}}\n", 5, "found an empty mapping"),
    "an exclusion of nothing": (f"{WINDOW}    exclude:\n      - reason: x\n", 6, "names no site"),
    "a key of the window in an exclusion": (
        f"{WINDOW}    exclude:\n      - {{sites: [a], cron: x}}\n",
        6,
        "'cron' is",
    ),
}


def as_json(text: str) -> Any:
    """As an editor hands a file to the schema: times are texts."""
    return YAML(typ="base").load(text)


def test_a_good_file_is_read_and_the_schema_takes_it() -> None:
    text = dedent(GOOD)
    calendar = read_calendar(text.encode())
    assert calendar.faults == ()
    assert [window.name for window in calendar.windows] == ["weekend", "peak", "days", "more days"]
    assert [window.place for window in calendar.windows] == [f"{PATH}:{line}" for line in (4, 19, 24, 25)]
    assert calendar.hold_label == "do-not-deploy"
    weekend = calendar.windows[0]
    assert (weekend.selection.sites, weekend.allowances[0].by) == (("*",), ("ann",))
    assert (str(weekend.times.zone), str(weekend.allowances[0].times.zone)) == ("Europe/Berlin", "UTC")
    assert [dict(each.labels) for each in weekend.excluded] == [{"tier": "payments"}]
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(as_json(text), schema())


def test_what_is_wrong_is_said_with_its_line_and_the_schema_agrees() -> None:
    problems = []
    for case, (text, line, expected) in WRONG.items():
        calendar = read_calendar(text.encode())
        message = expected.rstrip("*")
        first = next(iter(calendar.faults), None)
        if (
            first is None
            or first.line != line
            or message not in first.message
            or not (first.hint or case == "no YAML")
        ):
            problems.append(f"{case}: {first}")
        if not expected.endswith("*") and not list(
            jsonschema.Draft202012Validator(schema()).iter_errors(as_json(text))
        ):
            problems.append(f"{case}: the schema takes it")
        # What shows a calendar shows the windows of one with faults, too.
        for window in calendar.windows:
            next(window.times.spans(datetime(2026, 3, 4, tzinfo=UTC)), None)
    assert problems == []


def test_no_file_is_no_calendar_and_anything_else_in_its_place_is_closed() -> None:
    assert calendar_of(MemoryTree({"a.yaml": b""})) is None
    assert calendar_of(MemoryTree({".bump/other.yaml": b""})) is None
    for tree, obstacle in (
        (
            MemoryTree({".bump/freeze.yml": b"windows: []"}),
            "found freeze.yml beside it, expected freeze.yaml",
        ),
        (MemoryTree({f"{PATH}/x": b""}), "found a directory, expected a file"),
        (MemoryTree({"a.yaml": b""}, links=[".bump"]), ".bump is a symbolic link, expected a directory"),
    ):
        calendar = calendar_of(tree)
        assert calendar
        assert [str(fault) for fault in calendar.faults] == [f"{PATH}:1: {obstacle}"]


def test_a_country_without_the_library_is_closed_with_the_hint() -> None:
    script = (
        "import sys; sys.modules['holidays'] = None\n"
        "from bumper.freeze.file import read\n"
        f"(fault,) = read({WINDOW.encode() + b'    holidays: DE'!r}).faults\n"
        "print(fault, fault.hint)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == (
        f"{PATH}:5: names the holidays of a country, and the library that knows them is not installed "
        "install it where bump is: pip install holidays; or name the days in dates\n"
    )


def test_cron_and_zones_are_loaded_for_a_file_that_has_them_alone() -> None:
    script = (
        "import sys\n"
        "from bumper.freeze.file import read\n"
        f"read({WINDOW.encode()!r})\n"
        "print(sorted({'cronsim', 'zoneinfo', 'holidays'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


@pytest.mark.parametrize("text", ["windows: []\n", "zone: UTC\n", "windows:\n", "holdLabel: hold\n"])
def test_a_file_without_windows_is_open(text: str) -> None:
    calendar = read_calendar(text.encode())
    assert (calendar.windows, calendar.faults) == ((), ())
