"""Holds: what is written for them and read back, when they hold, and whom the guard lets through."""

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from platforms import Quiet, deployment, files, kustomization, remote, server
from tables import each_row
from trees import MemoryTree

from bumper.app.clock import SystemClock
from bumper.build_order import Decision, Order
from bumper.deploy import pipeline
from bumper.deploy.hold import annotations
from bumper.deploy.hold import change as holding
from bumper.deploy.hold.annotations import Hold
from bumper.deploy.hold.change import HoldChange
from bumper.deploy.hold_guard import HoldGuard
from bumper.deploy.pipeline import Admission, Change
from bumper.errors import FieldMissing, FieldUnsafe, Refused
from bumper.fluxtree.sites import find
from bumper.image import ImageManifest, ImageReference
from bumper.manifest.document import Document, documents
from bumper.request import Deadlines, Origin, Request, Wanted
from bumper.style import shown_time, written_time
from bumper.systems.registry import Registry
from bumper_sandbox.registry.server import RegistryServer

NOW = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
FREEZE = Hold("Black Friday: no changes", "ann", NOW, datetime(2026, 12, 1, 8, 0, tzinfo=UTC))
FOR_EVER = Hold("on fire", "ben", NOW)

BLOCK = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: web
  namespace: flux-system # as all of them
spec:
  path: ./k8s/web
"""
LAYOUTS = {
    "block": BLOCK,
    "braces": kustomization("web", "./k8s/web"),
    "annotations": BLOCK.replace("spec:", '  annotations:\n    "a": "b"\nspec:'),
    "annotations in braces": BLOCK.replace("spec:", "  annotations: {}\nspec:"),
    "CRLF without a last break": BLOCK.rstrip("\n").replace("\n", "\r\n"),
    "the second document": f"---\nkind: GitRepository\nmetadata: {{name: g}}\n---\n{BLOCK}---\n{kustomization('api', 'x')}",
    "an item of a list": "kind: List\nitems:\n- kind: K\n- kind: Kustomization\n  metadata:\n    name: web\n",
}


def web(content: bytes) -> Document:
    return next(document for document in documents(content, "f.yaml") if document.key.name == "web")


def annotated(*lines: str) -> Document:
    notes = "".join(f"    {line}\n" for line in lines)
    return web(BLOCK.replace("spec:", f"  annotations:\n{notes}spec:").encode())


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
@pytest.mark.parametrize("hold", [FREEZE, FOR_EVER, Hold("1"), replace(FREEZE, rejected="abc1234")])
def test_a_hold_is_read_as_it_was_applied_and_lifting_it_restores_the_bytes(layout: str, hold: Hold) -> None:
    content = layout.encode()
    assert annotations.read(web(content)) is None

    after = annotations.apply(content, web(content), hold)

    read_back = annotations.read(web(after))
    assert read_back
    assert replace(read_back, place="") == hold
    assert annotations.apply(after, web(after), hold) == after
    assert annotations.lift(after, web(after)) == content
    assert annotations.lift(content, web(content)) == content


def test_what_is_written() -> None:
    after = annotations.apply(BLOCK.encode(), web(BLOCK.encode()), FREEZE).decode()
    assert after == BLOCK.replace(
        "spec:",
        '  annotations:\n    bump/hold: "Black Friday: no changes"\n    bump/hold-by: ann\n'
        '    bump/hold-since: "2026-11-23T11:00:00Z"\n    bump/hold-until: "2026-12-01T08:00:00Z"\nspec:',
    )
    read_back = annotations.read(web(after.encode()))
    assert read_back
    assert read_back.place == "f.yaml:7"
    assert str(read_back) == (
        "held by ann since 2026-11-23 11:00 UTC until 2026-12-01 08:00 UTC: Black Friday: no changes"
    )


def test_another_hold_takes_the_place_of_the_first() -> None:
    first = annotations.apply(BLOCK.encode(), web(BLOCK.encode()), replace(FREEZE, rejected="abc1234"))
    second = annotations.apply(first, web(first), FOR_EVER)
    assert annotations.read(web(second)) == replace(FOR_EVER, place="f.yaml:7")
    assert annotations.lift(second, web(second)) == BLOCK.encode()


def test_only_the_document_that_is_meant_changes() -> None:
    content = LAYOUTS["the second document"].encode()
    after = annotations.apply(content, web(content), FREEZE)
    assert [document.key.name for document in documents(after, "f.yaml") if annotations.read(document)] == [
        "web"
    ]


TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=30).filter(
    lambda text: "${" not in text
)


@settings(derandomize=True, max_examples=examples(200))
@given(
    st.sampled_from(sorted(LAYOUTS.values())), TEXTS, TEXTS, st.datetimes(timezones=st.just(UTC)) | st.none()
)
def test_the_law_of_a_hold(layout: str, reason: str, by: str, until: datetime | None) -> None:
    hold = Hold(reason, by, NOW, until.replace(microsecond=0) if until else None)
    content = layout.encode()
    after = annotations.apply(content, web(content), hold)
    read_back = annotations.read(web(after))
    assert read_back is not None
    assert replace(read_back, place="") == hold
    assert annotations.lift(after, web(after)) == content


@pytest.mark.parametrize(
    ("until", "at", "is_held"),
    [
        (None, datetime.max.replace(tzinfo=UTC), True),
        (NOW, NOW - timedelta(seconds=1), True),
        (NOW, NOW, False),
        (NOW, NOW + timedelta(days=1), False),
    ],
)
def test_a_hold_ends_at_its_time(until: datetime | None, at: datetime, is_held: bool) -> None:
    assert replace(FREEZE, until=until).holds_at(at) is is_held


@pytest.mark.parametrize(
    ("written", "until"),
    [
        ("2026-12-01T08:00:00Z", FREEZE.until),
        ("2026-12-01T09:00:00+01:00", FREEZE.until),
        ("2026-12-01", datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-12-01 08:00", FREEZE.until),
    ],
)
def test_a_time_that_was_written_by_hand(written: str, until: datetime) -> None:
    hold = annotations.read(annotated("bump/hold: why", f'bump/hold-until: "{written}"'))
    assert hold
    assert (hold.until, hold.unread) == (until, "")


@each_row(
    ("lines", "unread"),
    [
        (["bump/hold: why", "bump/hold-until: tomorrow"], "f.yaml:8: bump/hold-until is 'tomorrow'"),
        (["bump/hold: why", 'bump/hold-until: "2026-13-01"'], "f.yaml:8: bump/hold-until is '2026-13-01'"),
        (
            ["bump/hold: why", 'bump/hold-until: "9999-12-31T23:59:59-01:00"'],
            "f.yaml:8: bump/hold-until is '9999",
        ),
        (["bump/hold: why", "bump/hold-until:"], "f.yaml:8: bump/hold-until is ''"),
        (["bump/hold-since: x", "bump/hold: why"], "f.yaml:7: bump/hold-since is 'x'"),
        (["bump/hold: {a: b}"], "f.yaml:7: bump/hold is {'a': 'b'}"),
        (["bump/hold:"], ""),
        (["bump/hold-by: ann"], ""),
        (["bump/hold-until: soon"], "f.yaml:7: bump/hold-until is 'soon'"),
    ],
)
def test_what_cannot_be_read_holds_and_is_told_with_its_line(lines: list[str], unread: str) -> None:
    hold = annotations.read(annotated(*lines))
    assert hold
    assert hold.holds_at(datetime.max.replace(tzinfo=UTC))
    assert hold.unread.startswith(unread)
    assert bool(hold.unread) is bool(unread)
    assert hold.unread in str(hold)


@pytest.mark.parametrize("line", ["bumper/hold: x", "hold: x", "bump/holder: x", "bump/other: x"])
def test_other_annotations_are_no_hold(line: str) -> None:
    assert annotations.read(annotated(line)) is None


def test_a_mapping_that_an_alias_repeats_is_not_held() -> None:
    content = BLOCK.replace("metadata:", "x: &m {a: b}\nmetadata:\n  labels: *m").replace(
        "x: &m", "metadata2: &m"
    )
    shared = content.replace("  name: web", "  name: web\n  annotations: *m").encode()
    with pytest.raises(FieldUnsafe, match=r"^f\.yaml:\d+: "):
        annotations.apply(shared, web(shared), FREEZE)


def test_a_text_that_flux_would_take_for_a_variable_is_refused() -> None:
    with pytest.raises(FieldUnsafe, match=r"^f\.yaml:4: .*variable"):
        annotations.apply(BLOCK.encode(), web(BLOCK.encode()), replace(FREEZE, reason="for ${WHO}"))


@pytest.mark.parametrize(
    ("sites", "hold", "expected"),
    [
        (
            ["web"],
            FREEZE,
            (
                "Hold web until 2026-12-01 08:00 UTC\n\nk8s/web.yaml: keep automation off web.\n\n"
                "Bump-Hold: web\nHold-Until: 2026-12-01T08:00:00Z\nReason: why\nRequested-By: ann\n"
            ),
        ),
        (
            ["web", "api"],
            None,
            (
                "Release web and 1 more\n\nk8s/web.yaml: let automation on again to web, api.\n\n"
                "Bump-Release: web\nBump-Release: api\nReason: why\nRequested-By: ann\n"
            ),
        ),
    ],
)
def test_the_message_of_the_commit(sites: list[str], hold: Hold | None, expected: str) -> None:
    message = annotations.message(
        sites, ["k8s/web.yaml"] * len(sites), hold, "why", Origin(requested_by="ann")
    )
    assert message == expected


# The guard.


@dataclass
class Known:
    """A history `a000001` ← `b000002` ← `c000003`, beside it `d000004`; nothing else is known (`hold_guard.Comparison`)."""

    asked: list[tuple[str, str]] = field(default_factory=list)

    def commit(self, key: str, held: ImageManifest) -> str:
        return held.image.tag if held.image.tag[0] in "abcd" else ""

    def compared(self, before: str, after: str) -> Iterable[Decision]:
        self.asked.append((before, after))
        line = ["a000001", "b000002", "c000003"]
        if "d000004" in (before, after):
            return [Decision(Order.DIVERGED, "ancestry")]
        if before in line and after in line:
            order = Order.NEWER if line.index(after) > line.index(before) else Order.OLDER
            return [Decision(Order.UNKNOWN, "not here"), Decision(order, "ancestry")]
        return [Decision(Order.UNKNOWN, "nobody knows")]


def asked(
    tag: str, hold: Hold | None, *, force: bool = False, now: datetime = NOW
) -> tuple[Admission | None, Quiet]:
    """What the guard says of a change of web to that tag."""
    platform = files("reg.io", "web")
    place = "k8s/flux-system/web-sync.yaml"
    if hold:
        site = find.find(MemoryTree(platform), "web").site
        platform[place] = annotations.apply(platform[place], site.document, hold)
    # The hold is in the way of nothing else: the image of the site is found as before.
    target = find.find(MemoryTree(platform), "web")
    assert target.image == ImageReference("reg.io/web", "1.0")
    image = replace(target.image, tag=tag)
    change = Change("web", target, image, (), target.image)
    progress = Quiet()
    guard = HoldGuard(Known(), progress, lambda: now, force)
    return guard.admit(change, ImageManifest(image, "application/json"), "tip"), progress


REJECTED = replace(FREEZE, until=None, rejected="b000002")


def test_a_site_that_is_not_held_is_no_business_of_the_guard() -> None:
    assert asked("2.0", None)[0] is None


def test_a_held_site_is_refused_with_line_reason_who_and_until_when() -> None:
    with pytest.raises(Refused) as refused:
        asked("2.0", FREEZE)
    assert refused.value.message == (
        "k8s/flux-system/web-sync.yaml:3: web is not to be changed: held by ann since 2026-11-23 11:00 UTC "
        "until 2026-12-01 08:00 UTC: Black Friday: no changes"
    )
    assert "bump release --site web" in refused.value.hint
    assert "--force --reason TEXT" in refused.value.hint


def test_a_held_site_is_changed_by_force_and_that_is_recorded() -> None:
    admission, _ = asked("2.0", FREEZE, force=True)
    assert admission == Admission("held", "held, forced")


def test_a_hold_that_has_ended_is_told_and_refuses_nothing() -> None:
    assert FREEZE.until
    admission, progress = asked("2.0", FREEZE, now=FREEZE.until)
    assert admission is None
    assert [notice for kind, notice in progress.heard if kind == "notice"] == [
        f"web: k8s/flux-system/web-sync.yaml:3: this hold has ended ({FREEZE}); bump release takes it away"
    ]


@pytest.mark.parametrize("tag", ["b000002", "a000001", "v2", "abcdef1"])
def test_a_rejected_version_its_ancestors_and_what_nobody_can_compare_are_refused(tag: str) -> None:
    with pytest.raises(Refused, match=r"b000002 was rejected by ann .*: Black Friday.*; " + tag):
        asked(tag, REJECTED)
    admission, _ = asked(tag, REJECTED, force=True)
    assert admission
    assert admission.forced == "held"


@pytest.mark.parametrize("tag", ["c000003", "d000004"])
def test_what_is_newer_than_the_rejected_version_or_beside_it_passes(tag: str) -> None:
    admission, _ = asked(tag, REJECTED)
    assert admission
    assert admission.forced == ""
    assert admission.note.startswith("not held back with b000002: ")


@pytest.mark.parametrize("tag", ["v1", "v2", "c000003"])
def test_a_rejected_tag_that_names_no_commit_keeps_everything_off(tag: str) -> None:
    with pytest.raises(Refused, match="v1 was rejected"):
        asked(tag, replace(REJECTED, rejected="v1"))


def test_a_rejected_version_passes_once_the_hold_has_ended() -> None:
    admission, _ = asked("b000002", replace(REJECTED, until=NOW))
    assert admission is None


@pytest.mark.slow
def test_a_site_that_is_held_while_its_deploy_is_under_way_is_left_alone() -> None:
    """The guard is asked again on the tip that the hold made, since the first push lost its race."""
    with server() as git, RegistryServer(authentication="none") as served:
        url = git.create("race.git", files(served.host, "web"))
        served.push("web", "2.0")
        registry = Registry(environ={}, clock=SystemClock())
        guard = HoldGuard(Known(), Quiet(), lambda: NOW)
        wanted = Request((Wanted("web", "2.0"),), "main", deadlines=Deadlines(5.0, 20.0))
        with remote(url) as there, closing(registry):
            plan, held = pipeline.prepare(wanted, there, registry, SystemClock(), Quiet(), guards=[guard])
            push(url, proposed(url, "web"))
            tip = there.fetch("main")
            with pytest.raises(Refused, match="web is not to be changed: held by ann"):
                pipeline.land(wanted, plan, held, there, there, SystemClock(), Quiet(), guards=[guard])
            assert there.fetch("main") == tip


# What is committed.


def proposed(url: str, *sites: str, hold: Hold | None = FREEZE, **more: object) -> holding.Holding:
    wish = HoldChange(sites, hold, "why", Origin(requested_by="ann"), NOW, **more)  # type: ignore[arg-type]
    with remote(url) as there:
        tip = there.fetch("main")
        return holding.propose(wish, tip, there.tree(tip))


def push(url: str, proposal: holding.Holding) -> None:
    with remote(url) as there:
        after = {path: content for path, (_, content) in proposal.files.items()}
        there.write(proposal.tip, after, proposal.message, "main")


@pytest.fixture(scope="module")
def url() -> Iterable[str]:
    both = {
        "k8s/flux-system/kustomization.yaml": b"resources: [gotk-sync.yaml, sites.yaml]\n",
        "k8s/flux-system/sites.yaml": f"{BLOCK}---\n{kustomization('api', './k8s/api')}".encode(),
        "k8s/api/deployment.yaml": deployment("api", "reg.io/api:1.0").encode(),
    }
    with server() as git:
        yield git.create("holds.git", files("reg.io", "web") | both)


@pytest.mark.slow
def test_two_sites_of_one_file_are_held_and_released_in_one_commit_each(url: str) -> None:
    before = proposed(url, "web", hold=None)
    assert (before.files, before.message) == ({}, "")
    held = proposed(url, "web", "api")
    path = "k8s/flux-system/sites.yaml"
    assert list(held.files) == [path]
    assert held.diff().count('+    bump/hold: "Black Friday: no changes"\n') == 1
    assert [site.after for site in held.sites] == [FREEZE, FREEZE]
    push(url, held)

    again = proposed(url, "web", "api")
    assert again.files == {}
    assert [site.is_written for site in again.sites] == [False, False]

    with pytest.raises(Refused, match=rf"^{path}:7: web has a hold already: held by ann"):
        proposed(url, "web", hold=FOR_EVER)
    mine = replace(FOR_EVER, by="ann")
    assert proposed(url, "web", hold=mine).files
    assert proposed(url, "web", hold=FOR_EVER, force=True).files
    assert FREEZE.until
    assert proposed(url, "web", hold=replace(FOR_EVER, since=None), force=True).sites[0].before

    released = proposed(url, "api", "web", hold=None)
    assert {name: after for name, (_, after) in released.files.items()} == {path: held.files[path][0]}
    assert released.message.startswith("Release api and 1 more\n")


@pytest.mark.slow
def test_a_hold_that_has_ended_is_replaced_without_force(url: str) -> None:
    push(url, proposed(url, "flux-system", hold=replace(FREEZE, until=NOW)))
    assert proposed(url, "flux-system", hold=FOR_EVER).files
    push(url, proposed(url, "flux-system", hold=None))


def test_a_site_that_is_not_there_is_refused_and_nothing_is_held(url: str) -> None:
    with pytest.raises(FieldMissing, match="wbe: no Flux Kustomization has this name"):
        proposed(url, "web", "wbe")


def test_a_site_may_be_named_by_another_kustomization(url: str) -> None:
    assert [site.site for site in proposed(url, "shop", kustomizations=("web",)).sites] == ["shop (web)"]


def test_times_are_told_in_utc() -> None:
    zone = timezone(timedelta(hours=1))
    assert written_time(datetime(2026, 12, 1, 9, 0, tzinfo=zone)) == "2026-12-01T08:00:00Z"
    assert shown_time(datetime(2026, 12, 1, 9, 0, tzinfo=zone)) == "2026-12-01 08:00 UTC"
    assert written_time(None) == ""
