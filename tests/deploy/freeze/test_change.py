"""What is committed for a freeze: the file with one window more, and as it was when that is lifted."""

from dataclasses import replace
from datetime import UTC, datetime

import platforms
import pytest
from trees import MemoryTree

from bumper.deploy.freeze.change import FreezeChange, Freezing, name_of, propose
from bumper.errors import FieldMissing, Refused
from bumper.freeze.file import read as read_calendar
from bumper.freeze.place import PATH
from bumper.freeze.windows import Selection
from bumper.request import Origin

NOW = datetime(2026, 11, 29, 3, 0, tzinfo=UTC)
ALL = Selection(sites=("*",))
STOP = FreezeChange("stop-the-line", ALL, "the database: it burns", Origin(requested_by="ann"), NOW)
SITES = platforms.files("registry.example", "web", "api")
# Files of several hands, each with room for one window more.
HANDS = {
    "a window": b"windows:\n  - name: x # why not\n    reason: y\n    sites: [web]\n",
    "no indent": b"zone: Europe/Berlin\nwindows:\n- name: x\n  reason: y\n  sites:\n  - web\n# the end",
    "quotes": b'windows:\n  - "name": "x"\n    "reason": "y"\n    "sites": ["web"]\n',
    "CRLF": b"windows:\r\n  - name: x\r\n    reason: y\r\n    sites: [web]\r\n",
    "a key behind": b"windows:\n  - {name: x, reason: y, sites: web}\n\nzone: UTC\n",
    "in brackets": b"{windows: [{name: x, reason: y, sites: web}], zone: UTC}\n",
    "no windows yet": b"# ours\nzone: UTC\n",
}


def tree(content: bytes | None = None) -> MemoryTree:
    return MemoryTree({**SITES, **({PATH: content} if content is not None else {})})


def proposed(wanted: FreezeChange, content: bytes | None = None) -> Freezing:
    return propose(wanted, "0" * 40, tree(content))


def after(plan: Freezing) -> bytes | None:
    return plan.files[PATH][1]


def test_a_freeze_is_one_window_and_lifting_it_gives_the_bytes_back() -> None:
    for hand, before in HANDS.items():
        frozen = after(proposed(STOP, before))
        assert frozen, hand
        calendar = read_calendar(frozen)
        assert calendar.faults == (), hand
        assert calendar.windows[-1].name == "stop-the-line", hand
        assert calendar.windows[:-1] == read_calendar(before).windows, hand
        assert after(proposed(replace(STOP, lifts=True), frozen)) == before, hand


def test_a_new_file_says_what_it_is() -> None:
    plan = proposed(replace(STOP, until=datetime(2026, 12, 1, 8, 0, tzinfo=UTC)))
    assert after(plan) == (
        b"# When bump deploys nothing. What may stand here: bump freeze --schema\n"
        b"zone: UTC\n"
        b"windows:\n"
        b"- name: stop-the-line\n"
        b'  reason: "the database: it burns"\n'
        b"  sites:\n"
        b'  - "*"\n'
        b'  until: "2026-12-01T08:00:00Z"\n'
        b"  by: ann\n"
        b'  since: "2026-11-29T03:00:00Z"\n'
    )
    assert plan.message == (
        "Freeze all sites until 2026-12-01 08:00 UTC\n\n"
        ".bump/freeze.yaml: keep deploys off all sites (3).\n\n"
        "Bump-Freeze: stop-the-line\nFreeze-Until: 2026-12-01T08:00:00Z\nReason: the database: it burns\nRequested-By: ann\n"
    )
    assert plan.sites == ("flux-system", "web", "api")
    assert plan.after
    assert plan.after.place == f"{PATH}:4"


def test_the_only_window_takes_its_file_along() -> None:
    only = b"windows:\n  - {name: stop-the-line, reason: x, sites: '*'}\n"
    assert after(proposed(replace(STOP, lifts=True), only)) is None
    assert after(proposed(replace(STOP, lifts=True), after(proposed(STOP)))) is None


def test_what_is_frozen_already_is_left_and_somebody_elses_window_is_kept() -> None:
    frozen = after(proposed(STOP))
    assert proposed(STOP, frozen).files == {}
    bens = replace(STOP, origin=Origin(requested_by="ben"), reason="a migration")
    with pytest.raises(
        Refused, match="there is a window stop-the-line already: all sites, set by ann, with no known end"
    ) as caught:
        proposed(bens, frozen)
    assert "--force" in caught.value.hint
    replaced = after(proposed(replace(bens, force=True), frozen))
    assert [window.by for window in read_calendar(replaced or b"").windows] == ["ben"]
    own = after(proposed(replace(STOP, reason="it burns still"), frozen))
    assert [window.reason for window in read_calendar(own or b"").windows] == ["it burns still"]
    ended = after(proposed(replace(STOP, until=NOW.replace(hour=4)), None))
    later = replace(bens, now=NOW.replace(hour=5))
    assert [window.by for window in read_calendar(after(proposed(later, ended)) or b"").windows] == ["ben"]


def test_a_window_that_closes_less_is_not_what_was_asked_for() -> None:
    start = "windows:\n- name: stop-the-line\n  reason: 'the database: it burns'\n  sites: ['*']\n"
    for more in ("  cron: 0 16 * * FRI\n  for: 64h\n", "  from: 2027-01-01\n", "  allow: [{reason: text}]\n"):
        with pytest.raises(Refused, match="there is a window stop-the-line already"):
            proposed(STOP, (start + more).encode())
    assert proposed(STOP, start.encode()).files == {}


def test_a_window_of_more_sites_is_not_lifted_for_some_of_them() -> None:
    frozen = after(proposed(STOP))
    some = replace(STOP, selection=Selection(sites=("web",)), lifts=True)
    with pytest.raises(Refused, match="the window stop-the-line freezes all sites, not web") as caught:
        proposed(some, frozen)
    assert "bump freeze --lift --name stop-the-line" in caught.value.hint
    assert read_calendar(after(proposed(replace(some, selection=Selection()), frozen)) or b"").windows == ()


def test_a_freeze_of_nobody_is_refused() -> None:
    for selection, word in (
        (Selection(sites=("wbe",)), "wbe"),
        (Selection(sites=("web", "wbe")), "wbe"),
        (Selection(labels={"team": "shop"}), "label team=shop"),
        (Selection(environments=("production",)), "environment production"),
        (Selection(sites=("web",), environments=("api",)), "web, environment api"),
    ):
        with pytest.raises(FieldMissing, match=f"is meant by {word}: nothing would be frozen") as caught:
            proposed(replace(STOP, selection=selection, name=name_of(selection)))
        assert (
            "sites: flux-system, web, api; environments: none with a usual name; bump adopt"
            in caught.value.hint
        )
    assert proposed(replace(STOP, selection=Selection(environments=("k8s",)))).sites == (
        "flux-system",
        "web",
        "api",
    )


def test_what_cannot_be_lifted() -> None:
    assert proposed(replace(STOP, lifts=True)).files == {}
    with pytest.raises(FieldMissing, match=r"no window is called 'stop-the-line' \(found: x\)"):
        proposed(replace(STOP, lifts=True), HANDS["a window"])
    with pytest.raises(Refused, match=r"freeze.yaml:1: .* what can't be read freezes every site as it is"):
        proposed(replace(STOP, lifts=True), b"windows: soon\n")
    with pytest.raises(Refused, match=r"freeze.yaml:1: "):
        proposed(STOP, b"windows: soon\n")


def test_a_new_file_that_flux_would_build_is_refused() -> None:
    root = {**SITES, "k8s/flux-system/web-sync.yaml": platforms.kustomization("web", "./").encode()}
    with pytest.raises(Refused, match="Kustomization web builds all of the repository") as caught:
        propose(STOP, "0" * 40, MemoryTree(root))
    assert "/.bump in the .sourceignore" in caught.value.hint
    assert propose(STOP, "0" * 40, MemoryTree({**root, ".sourceignore": b"/.bump\n"})).files
    assert propose(
        STOP, "0" * 40, MemoryTree({**root, "kustomization.yaml": b"resources: [k8s/web/deployment.yaml]\n"})
    ).files
