"""What keeps a build from being promoted: each reason alone, and all of them at once."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import platforms
import pytest
from trees import MemoryTree

from bumper.dataclasses import replace
from bumper.deploy.pipeline import Admission, Change
from bumper.deploy.promotion import (
    Candidate,
    Criteria,
    Promotion,
    PromotionGuard,
    candidate_in,
    seen,
    site_in,
)
from bumper.errors import FieldAmbiguous, Refused, SiteMissing
from bumper.image import ImageManifest, ImageReference
from bumper.onboarding.adoption import propose
from bumper.record import Ending, Record, Recorded
from bumper.request import Choice, Origin

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
DIGEST = f"sha256:{'1' * 64}"
FILES = platforms.files("registry.example", "web")
KUSTOMIZATION = "k8s/flux-system/web-sync.yaml#flux-system/web"


def ending(outcome: str, hours: float, context: str = "") -> Ending:
    return Ending("web", outcome, "Because", 3.0, NOW - timedelta(hours=hours), "1.0", context)


def deploy(*endings: Ending, tag: str = "1.0", digest: str = DIGEST) -> Recorded:
    record = Record(
        site="web", image="registry.example/web", previous="0.9", tag=tag, digest=digest, origin=Origin(), reason="",
        rollback_of="", forced=(), commit="c" * 40, author="ann", at=NOW, kustomization=KUSTOMIZATION, path="",
    )  # fmt: skip
    return Recorded(record, endings)


def candidate(*deploys: Recorded, files: dict[str, bytes] = FILES) -> Candidate:
    return candidate_in(MemoryTree(files), deploys, "web", "k8s", Choice())


def tagged(tag: str) -> dict[str, bytes]:
    path = "k8s/web/deployment.yaml"
    return {**FILES, path: FILES[path].replace(b":1.0", f":{tag}".encode())}


def held(rejected: str) -> dict[str, bytes]:
    path = "k8s/flux-system/web-sync.yaml"
    lines = f"{{bump/hold: broken, bump/hold-rejected: '{rejected}'}}"
    return {**FILES, path: FILES[path].replace(b"name: web,", f"name: web, annotations: {lines},".encode())}


READY = ending("ready", 3)
# What was deployed, what is asked of it, and what is missing; nothing for what is promoted.
CASES: dict[str, tuple[Sequence[Recorded], Criteria, str]] = {
    "ready": ([deploy(READY)], Criteria(), ""),
    "serving": ([deploy(ending("serving", 3))], Criteria(serves=True), ""),
    "only ready": ([deploy(READY)], Criteria(serves=True), "it is noted as ready, not as serving"),
    "ready after it was serving": ([deploy(ending("serving", 3), ending("ready", 1))], Criteria(serves=True), ""),
    "serving before it failed": (
        [deploy(ending("serving", 9), ending("failed", 8), READY)],
        Criteria(serves=True),
        "not as serving",
    ),
    "nothing recorded": ([], Criteria(), "no deploy of it is recorded there"),
    "nobody looked": ([deploy()], Criteria(), "nobody noted how its deploy ended (ccccccc)"),
    "failed": ([deploy(ending("failed", 3))], Criteria(), "its newest verdict is failed (Because) of 2026-11-29 09:00 UTC"),
    "a newer failure": ([deploy(READY, ending("failed", 1))], Criteria(), "its newest verdict is failed"),
    "an older failure": ([deploy(ending("timed-out", 4), READY)], Criteria(), ""),
    "failed in one of two clusters": ([deploy(READY, ending("failed", 3, "west"))], Criteria(), "its newest verdict is failed"),
    "a word of a later version": ([deploy(ending("sleepy", 3))], Criteria(), "its newest verdict is sleepy"),
    "a newer deploy without a verdict": ([deploy(tag="1.1"), deploy(READY)], Criteria(), "newest deploy that is recorded is of 1.1"),
    "another tag by hand": ([deploy(READY, tag="0.9")], Criteria(), "git wants 1.0 there, and the newest deploy"),
    "no digest": ([deploy(READY, digest="")], Criteria(), "its record (ccccccc) names no digest"),
    "old enough": ([deploy(READY)], Criteria(timedelta(hours=3)), ""),
    "too young": (
        [deploy(READY)],
        Criteria(timedelta(hours=4)),
        "for 3 h 00 min of 4 h 00 min: old enough at 2026-11-29 13:00 UTC",
    ),
    "looked at again": ([deploy(READY, ending("ready", 1))], Criteria(timedelta(hours=3)), ""),
    "young again after a failure": (
        [deploy(ending("ready", 9), ending("failed", 8), ending("ready", 1))],
        Criteria(timedelta(hours=3)),
        "for 1 h 00 min of 3 h 00 min",
    ),
    "young in one cluster": ([deploy(READY, ending("ready", 1, "west"))], Criteria(timedelta(hours=3)), "for 1 h 00 min"),
}  # fmt: skip


def problem(candidate: Candidate, criteria: Criteria) -> str:
    try:
        candidate.promoted(criteria, NOW)
    except Refused as refused:
        return refused.message
    return ""


def test_each_thing_that_is_missing_is_said() -> None:
    wrong = {}
    for case, (deploys, criteria, expected) in CASES.items():
        message = problem(candidate(*deploys), criteria)
        if (expected not in message) or bool(expected) != bool(message):
            wrong[case] = message
    assert wrong == {}


def test_all_of_it_is_said_at_once() -> None:
    there = replace(candidate(deploy(ending("failed", 3), digest="")), why_not_running="it is moving there")
    assert problem(there, Criteria()) == (
        "k8s/web/deployment.yaml:9: web in k8s: 1.0 is not promoted: its record (ccccccc) names no digest; "
        "its newest verdict is failed (Because) of 2026-11-29 09:00 UTC; it is moving there"
    )


def test_another_digest_that_git_pins_is_not_what_was_recorded() -> None:
    other = f"sha256:{'2' * 64}"
    pinned = candidate(deploy(READY), files=tagged(f"1.0@{other}"))
    assert f"git wants {other} there, and its record (ccccccc) names {DIGEST}" in problem(pinned, Criteria())
    assert problem(candidate(deploy(READY), files=tagged(f"1.0@{DIGEST}")), Criteria()) == ""


def test_what_was_rejected_there_is_not_promoted() -> None:
    rejected = candidate(deploy(READY), files=held("1.0"))
    assert "it was rejected there (1.0 was rejected: broken)" in problem(rejected, Criteria())
    assert problem(candidate(deploy(READY), files=held("0.9")), Criteria()) == ""


def promotion(*deploys: Recorded, files: dict[str, bytes] = FILES) -> Promotion:
    there = candidate(*deploys, files=files)
    return Promotion(there, there.promoted(Criteria(), NOW))


class Commits:
    """A source in which so many commits lie between any two."""

    def __init__(self, number: int) -> None:
        self.number = number

    def between(self, before: str, after: str, most: int) -> tuple[int, tuple[str, ...]]:
        return self.number, ()


def test_it_is_asked_again_on_each_tip_that_was_not_read_and_once() -> None:
    asked: list[str] = []

    def again() -> dict[str, Promotion]:
        asked.append("again")
        return {"web": promotion(deploy(READY))}

    there = promotion(deploy(READY))
    image = replace(there.candidate.target.image, digest=DIGEST)
    change = Change("web", there.candidate.target, image, (), image, key="web")
    guard = PromotionGuard(again, {"a": {"web": there}})
    held = ImageManifest(image, "")
    assert guard.admit(change, held, "a") == Admission(note="from web in k8s")
    assert asked == []
    assert (
        guard.admit(change, held, "b") == guard.admit(change, held, "b") == Admission(note="from web in k8s")
    )
    assert asked == ["again"]
    assert guard.admit(replace(change, key=""), held, "c") is None
    assert asked == ["again"]


def test_what_is_promoted_is_the_image_of_the_record_and_not_too_much_of_it() -> None:
    target = candidate(files=tagged("0123456")).target
    known = {"a": {"web": promotion(deploy(READY, tag="1234567"), files=tagged("1234567"))}}
    wanted = target.image.with_tag("1234567", DIGEST)
    change = Change("web", target, wanted, (), target.image, key="web")

    def refused(change: Change, held: ImageReference, guard: PromotionGuard) -> str:
        with pytest.raises(Refused) as caught:
            guard.admit(change, ImageManifest(held, ""), "a")
        return caught.value.message

    moved = replace(wanted, digest=f"sha256:{'2' * 64}")
    assert "the tag was moved, or another image" in refused(change, moved, PromotionGuard(dict, known))
    other = replace(change, image=wanted.with_tag("1.1"))
    assert "web in k8s went to 1234567 while 1.1 was" in refused(other, wanted, PromotionGuard(dict, known))
    few = Criteria(most_behind=2)
    guard = PromotionGuard(dict, known, [Commits(3)], few)
    assert "3 commits would come at once, expected at most 2" in refused(change, wanted, guard)
    assert "nobody can tell how many" in refused(change, wanted, PromotionGuard(dict, known, (), few))
    near = PromotionGuard(dict, known, [Commits(2)], few)
    assert near.admit(change, ImageManifest(wanted, ""), "a")


def test_what_its_pods_run_is_the_image_of_the_record_or_the_one_of_their_platform() -> None:
    there = promotion(deploy(READY))
    image = replace(there.candidate.target.image, digest=DIGEST)
    change = Change("web", there.candidate.target, image, (), image, key="web")
    amd64, moved = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
    held = ImageManifest(image, "", children=(amd64,))

    def guard(*digests: str) -> PromotionGuard:
        running = seen(there.candidate, "", digests).running
        return PromotionGuard(dict, {"a": {"web": there}}, running={"web": running})

    for digests in ((), ("",), (DIGEST,), (amd64, DIGEST, "")):
        assert guard(*digests).admit(change, held, "a")
    with pytest.raises(
        Refused, match=f"web in k8s runs {moved}, and its record .ccccccc. names {DIGEST}: the tag was"
    ):
        guard(DIGEST, moved).admit(change, held, "a")


def test_a_site_of_an_environment_is_found_by_what_the_tree_has() -> None:
    def sync(name: str, path: str, extra: str = "") -> bytes:
        text = platforms.kustomization(name, path)
        return text.replace("namespace: flux-system}\n", f"namespace: flux-system{extra}}}\n", 1).encode()

    system = {path: FILES[path] for path in ("k8s/flux-system/gotk-sync.yaml",)}
    tree = MemoryTree(
        {
            **system,
            "k8s/flux-system/a.yaml": sync("web-staging", "./apps/web"),
            "k8s/flux-system/b.yaml": sync("web", "./apps/production/web"),
            "k8s/flux-system/c.yaml": sync("web-eu", "./apps/eu", ", annotations: {bump/environment: live}"),
            "k8s/flux-system/d.yaml": sync("api", "./apps/staging/api"),
        }
    )
    assert site_in(tree, "web", "staging").kustomization.name == "web-staging"
    assert site_in(tree, "web", "production").kustomization.name == "web"
    assert site_in(tree, "api", "staging").kustomization.name == "api"
    # The annotation alone counts, where there is one.
    assert site_in(tree, "web-eu", "live").kustomization.name == "web-eu"
    with pytest.raises(
        SiteMissing, match=r"api in production: .* found: k8s/flux-system/d.yaml#flux-system/api"
    ):
        site_in(tree, "api", "production")
    with pytest.raises(SiteMissing, match=r"no Flux Kustomization is called so$"):
        site_in(tree, "shop", "production")
    with pytest.raises(SiteMissing, match="is called so; did you mean 'web-eu'"):
        site_in(tree, "wb-eu", "production")
    with pytest.raises(SiteMissing, match=r"found: \S+ \(.*staging.*\), .*; did you mean 'production'"):
        site_in(tree, "web", "prodution")
    with pytest.raises(SiteMissing) as caught:
        site_in(tree, "shop", "")
    assert caught.value.hint == "say in which environment it is meant: --from ENV, --to ENV"
    two = {
        "k8s/flux-system/e.yaml": sync("web", "./apps/web"),
        "k8s/flux-system/f.yaml": sync("web-k8s", "./apps/web"),
    }
    with pytest.raises(FieldAmbiguous, match="web in k8s: "):
        site_in(MemoryTree({**system, **two}), "web", "k8s")


def test_adopt_writes_the_environment_down_and_it_alone_counts() -> None:
    plan = propose("web", Choice(), Origin(), "0" * 40, MemoryTree(FILES), environments=("live", "eu"))
    ((path, (_, after)),) = plan.files.items()
    tree = MemoryTree({**FILES, path: after or b""})
    assert 'bump/environment: "live,eu"' in (after or b"").decode()
    assert "It is in live, eu.\n" in plan.message
    assert site_in(tree, "web", "eu").kustomization.name == "web"
    with pytest.raises(SiteMissing, match=r"\(eu, live\)"):
        site_in(tree, "web", "k8s")
