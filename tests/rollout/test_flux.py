from dataclasses import replace
from typing import Any

import pytest
import situations
from tables import each_row

from bumper.image import ImageReference
from bumper.objects import ObjectKey
from bumper.observation import RevisionFacts
from bumper.rollout.flux import (
    Carries,
    carries,
    health_timeout_s,
    refused_object,
    seconds,
    short,
    standing,
    unhealthy_objects,
)
from bumper.rollout.obstacles import follows_another

OURS, LATER = "1" * 40, "2" * 40


@each_row(
    ("text", "facts", "expected"),
    [
        ("", None, Carries.NOTHING),
        (f"main@sha1:{OURS}", None, Carries.OURS),
        (f"refs/heads/main@sha1:{OURS}", None, Carries.OURS),
        (f"main@sha1:{LATER}", None, Carries.UNKNOWN),
        ("latest@sha256:" + "a" * 64, None, Carries.UNKNOWN),
        (f"main@sha1:{LATER}", RevisionFacts(False, None), Carries.NOT_OURS),
        (f"main@sha1:{LATER}", RevisionFacts(False, ImageReference(situations.REPOSITORY, "1")), Carries.NOT_OURS),
        (f"main@sha1:{LATER}", RevisionFacts(None, ImageReference(situations.REPOSITORY, "1")), Carries.UNKNOWN),
        (f"main@sha1:{LATER}", RevisionFacts(True, None), Carries.UNKNOWN),
        (f"main@sha1:{LATER}", RevisionFacts(True, None, is_removed=True), Carries.OTHER),
        (f"main@sha1:{LATER}", RevisionFacts(None, None, is_removed=True), Carries.UNKNOWN),
        (f"main@sha1:{LATER}", RevisionFacts(True, ImageReference(situations.REPOSITORY, "1")), Carries.OURS),
        (f"main@sha1:{LATER}", RevisionFacts(True, ImageReference(situations.REPOSITORY, "2")), Carries.OTHER),
        (f"main@sha1:{LATER}", RevisionFacts(True, ImageReference("elsewhere/app", "1")), Carries.OTHER),
    ],
)  # fmt: skip
def test_a_revision_carries_our_commit_by_ancestry_and_our_image_by_content(
    text: str, facts: RevisionFacts | None, expected: Carries
) -> None:
    known = {LATER: facts} if facts else {}
    assert carries(situations.desired(OURS, "1"), known, text) is expected


def test_without_a_commit_of_ours_the_content_decides() -> None:
    wanted, text = situations.desired(None, "1"), f"main@sha1:{LATER}"
    for tag, expected in (("1", Carries.OURS), ("2", Carries.NOT_OURS)):
        facts = RevisionFacts(None, ImageReference(situations.REPOSITORY, tag))
        assert carries(wanted, {LATER: facts}, text) is expected
    assert carries(wanted, {LATER: RevisionFacts(None, None)}, text) is Carries.UNKNOWN


def test_a_pinned_digest_counts_for_more_than_the_tag_beside_it() -> None:
    wanted = situations.desired(OURS, "1", digest="sha256:" + "a" * 64)
    same = ImageReference(situations.REPOSITORY, "1", "sha256:" + "a" * 64)
    stale = ImageReference(situations.REPOSITORY, "1", "sha256:" + "b" * 64)
    assert wanted.is_met_by(same)
    assert not wanted.is_met_by(stale)
    assert wanted.is_met_by(ImageReference(situations.REPOSITORY, "1"))
    assert not wanted.is_met_by(None)


def test_the_recorded_messages_name_the_revision_in_flight() -> None:
    wanted = situations.desired("a96f738", "1.1.1")
    look = situations.recorded({"at": 7.405})
    seen = standing(wanted, situations.observe(look, situations.linear(wanted)))
    assert (seen.doing, short(seen.in_flight_revision)) == ("Building", "main@sha1:a96f738")
    assert (seen.in_flight, seen.applied, seen.attempted) == (Carries.OURS, Carries.NOT_OURS, Carries.OURS)


@each_row(
    ("duration", "expected"),
    [("1m30s", 90.0), ("10m0s", 600.0), ("1h", 3600.0), ("500ms", 0.5), ("1.5s", 1.5), ("", None), ("soon", None), ("5", None)],
)  # fmt: skip
def test_durations_are_those_of_go(duration: str, expected: float | None) -> None:
    assert seconds(duration) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"interval": "10m"}, None),
        ({"interval": "10m", "wait": True}, 570.0),
        ({"interval": "10m", "healthChecks": [{}], "timeout": "2m"}, 120.0),
        ({"interval": "1m", "wait": True, "timeout": "20s"}, 30.0),
        ({"interval": "20s", "wait": True}, 30.0),
    ],
)
def test_the_health_timeout_has_the_default_and_floor_of_flux(
    spec: dict[str, object], expected: float | None
) -> None:
    assert health_timeout_s({"spec": spec}) == expected


def test_the_objects_of_a_failed_health_check_are_named() -> None:
    message = (
        "health check failed after 10.08s: failed early due to stalled resources: "
        "[Deployment/apps/demo status: 'Failed', ClusterIssuer/ca status: 'InProgress': not ready]"
    )
    assert unhealthy_objects(message) == [
        ObjectKey("Deployment", "apps", "demo"),
        ObjectKey("ClusterIssuer", "", "ca"),
    ]
    assert unhealthy_objects("client rate limiter Wait returned an error") == []


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "Deployment/apps/demo dry-run failed: failed to create typed patch object",
            ObjectKey("Deployment", "apps", "demo"),
        ),
        (
            'Certificate/apps/tls dry-run failed (Forbidden): certificates "tls" is forbidden',
            ObjectKey("Certificate", "apps", "tls"),
        ),
        (
            'Ingress/web/web not found: namespaces "web" not found',
            ObjectKey("Ingress", "web", "web"),
        ),
        ("failed to build kube client: no token", None),
    ],
)
def test_the_object_that_the_api_refused_is_named(message: str, expected: ObjectKey | None) -> None:
    assert refused_object(message) == expected


def test_a_tag_of_an_oci_repository_is_no_pin_of_a_commit() -> None:
    desired = situations.desired("a96f738", "1.1.1")
    pinned: Any = {"spec": {"ref": {"tag": "latest"}}}
    assert follows_another(desired, pinned) == "the tag latest"
    assert (
        follows_another(replace(desired, source=ObjectKey("OCIRepository", "flux-system", "fleet")), pinned)
        == ""
    )
