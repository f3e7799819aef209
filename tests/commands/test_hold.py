"""Holding and releasing sites, against the sandbox: what git and the cluster say then, and whom it keeps off."""

import json
import re
import time
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from typing import Any

import commandline
import pytest
from commandline import Ran
from tables import each_row

from bumper.commands.times import moment
from bumper.errors import UsageError
from bumper.objects import ObjectKey, at
from bumper_sandbox.stack import Stack

from .branch import includes, message, read, tip

NOW = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)


def begin(stack: Stack, *arguments: str, by: str = "ann") -> Future[Ran]:
    environ = stack.child_environ() | {"USER": by, "LOGNAME": by, "COLUMNS": "80"}
    return commandline.begin(*arguments, "--repo", stack.url, environ=environ)


def bump(stack: Stack, *arguments: str, by: str = "ann") -> Ran:
    return begin(stack, *arguments, by=by).result()


def bump_json(stack: Stack, *arguments: str, by: str = "ann") -> dict[str, Any]:
    code, stdout, stderr = bump(stack, *arguments, "--output", "json", by=by)
    answer: dict[str, Any] = json.loads(stdout)
    assert answer["exitCode"] == code, stderr
    return answer


def annotations(stack: Stack, site: str) -> dict[str, str]:
    """What the cluster holds."""
    kustomization = stack.cluster.find(ObjectKey("Kustomization", "flux-system", site))
    return dict(at(kustomization, "metadata", "annotations") or {})


def sync(site: str) -> str:
    return f"k8s/flux-system/{site}-sync.yaml"


def test_a_held_site_is_refused_until_it_is_released_and_the_file_is_as_before(stack: Stack) -> None:
    site = "specmcp-ai"
    stack.registry.push(site, "abc0001")
    before = read(stack, sync(site))
    code, stdout, stderr = bump(
        stack, "hold", "--site", site, "--reason", "Black Friday: no changes", "--until", "2096-12-01T08:00Z"
    )
    assert code == 0, stderr
    held = tip(stack)
    assert re.fullmatch(
        rf"{site}   held\n"
        r"  now     held by ann since 20\d\d-\d\d-\d\d \d\d:\d\d UTC until 2096-12-01 08:00 UTC: Black Friday: no changes\n"
        rf"  place   {sync(site)}:1\n"
        rf"  commit  main@sha1:{held[:7]}\n",
        stdout,
    )
    assert message(stack) == (
        f"Hold {site} until 2096-12-01 08:00 UTC\n\n{sync(site)}: keep automation off {site}.\n\n"
        f"Bump-Hold: {site}\nHold-Until: 2096-12-01T08:00:00Z\nReason: Black Friday: no changes\nRequested-By: ann\n"
    )

    code, _, stderr = bump(stack, "--site", site, "--sha", "abc0001", by="robot")
    assert code == 4
    assert re.search(
        rf"error: {sync(site)}:7: {site} is not to be changed: held by ann since .* "
        "until 2096-12-01 08:00 UTC: Black Friday: no changes\n",
        stderr,
    )
    assert f"bump release --site {site}" in stderr
    assert tip(stack) == held

    released = bump_json(stack, "release", "--site", site, "--reason", "it is over", by="ben")
    assert [(site["outcome"], site["hold"]) for site in released["sites"]] == [("pushed", None)]
    assert released["sites"][0]["before"]["reason"] == "Black Friday: no changes"
    assert read(stack, sync(site)) == before
    assert message(stack) == (
        f"Release {site}\n\n{sync(site)}: let automation on again to {site}.\n\n"
        f"Bump-Release: {site}\nReason: it is over\nRequested-By: ben\n"
    )
    assert bump_json(stack, "--site", site, "--sha", "abc0001")["outcome"] == "ready"


@pytest.mark.slow
def test_a_hold_reaches_the_cluster_and_starts_no_rollout(stack: Stack) -> None:
    site = "docs-kevinryan-io"
    key = ObjectKey("Kustomization", "flux-system", site)
    deadline_s = time.monotonic() + 30
    while (generation := at(stack.cluster.find(key), "metadata", "generation")) is None:
        assert time.monotonic() < deadline_s, "Flux has not brought it up"
        time.sleep(0.1)
    assert bump(stack, "hold", "--site", site, "--reason", "seen")[0] == 0
    while "bump/hold" not in annotations(stack, site) and time.monotonic() < deadline_s:
        time.sleep(0.1)
    assert annotations(stack, site)["bump/hold"] == "seen"
    assert annotations(stack, site)["bump/hold-by"] == "ann"
    assert at(stack.cluster.find(key), "metadata", "generation") == generation
    assert bump(stack, "release", "--site", site)[0] == 0


@pytest.mark.slow
def test_a_held_site_is_changed_by_force_for_a_reason_that_is_kept(stack: Stack) -> None:
    site = "sddbook-com"
    stack.registry.push(site, "abc0002")
    assert bump(stack, "hold", "--site", site, "--reason", "freeze")[0] == 0
    arguments = ("--site", site, "--sha", "abc0002", "--no-wait", "--force")
    before = tip(stack)
    code, _, stderr = bump(stack, *arguments)
    assert code == 2
    assert "--reason" in stderr
    assert tip(stack) == before

    forced = bump_json(stack, *arguments, "--reason", "the shop is down")
    assert forced["outcome"] == "pushed"
    commit_message = message(stack, forced["sites"][0]["commit"])
    assert "\nBump-Forced: held\n" in commit_message
    assert "\nReason: the shop is down\n" in commit_message


@pytest.mark.slow
def test_what_is_held_or_released_already_is_left(stack: Stack) -> None:
    site = "brand-kevinryan-io"
    nothing = bump_json(stack, "release", "--site", site)
    assert [nothing["outcome"], nothing["sites"][0]["hold"]] == ["unchanged", None]
    assert "unchanged\n  now     not held\n" in bump(stack, "release", "--site", site)[1]

    hold = ("hold", "--site", site, "--reason", "freeze", "--until", "2096-12-01")
    assert bump_json(stack, *hold)["outcome"] == "pushed"
    held = tip(stack)
    assert bump_json(stack, *hold, by="ben")["outcome"] == "unchanged"
    code, _, stderr = bump(stack, "hold", "--site", site, "--reason", "mine", by="ben")
    assert code == 4
    assert f"{site} has a hold already: held by ann" in stderr
    assert tip(stack) == held
    taken = bump_json(stack, "hold", "--site", site, "--reason", "mine", "--force", by="ben")
    assert taken["sites"][0]["hold"]["by"] == "ben"
    assert taken["sites"][0]["before"]["by"] == "ann"


@pytest.mark.slow
def test_a_dry_run_shows_the_diff_and_writes_nothing(stack: Stack) -> None:
    before = tip(stack)
    code, stdout, _ = bump(stack, "hold", "--site", "umami", "--reason", "freeze", "--dry-run")
    assert code == 0
    assert f"+++ b/{sync('umami')}\n@@ -" in stdout
    assert "+    bump/hold: freeze\n+    bump/hold-by: ann\n" in stdout
    assert "umami   would be held\n" in stdout
    shown = bump_json(stack, "hold", "--site", "umami", "--reason", "freeze", "--dry-run")
    assert shown["outcome"] == "planned"
    assert "+    bump/hold: freeze\n" in shown["diff"]
    assert tip(stack) == before


@pytest.mark.slow
def test_holds_and_deploys_race_for_the_branch_and_all_of_them_land(stack: Stack) -> None:
    held = ["umami", "external-secrets", "external-secrets-store"]
    deployed = ["aiimmigrants-com", "distributedequity-org"]
    for site in deployed:
        stack.registry.push(site, "abc0003")
    before = tip(stack)
    runs = [begin(stack, "hold", "--site", site, "--reason", f"freeze of {site}") for site in held]
    runs += [begin(stack, "--site", site, "--sha", "abc0003", "--no-wait") for site in deployed]
    for code, _, stderr in [run.result() for run in runs]:
        assert code == 0, stderr
    for site in held:
        assert f"    bump/hold: freeze of {site}\n".encode() in read(stack, sync(site))
    for site in deployed:
        assert f"/{site}:abc0003\n".encode() in read(stack, f"k8s/{site}/deployment.yaml")
    assert includes(stack, before)


@pytest.mark.slow
def test_a_site_that_is_held_while_a_deploy_waits_for_the_branch_is_left_alone(stack: Stack) -> None:
    """The guard is asked again on each new tip: whoever holds first wins."""
    site = "kevinryan-io"
    stack.registry.push(site, "abc0004")
    deploys = [begin(stack, "--site", site, "--sha", "abc0004", "--no-wait") for _ in range(2)]
    holds = begin(stack, "hold", "--site", site, "--reason", "stop")
    codes = [run.result().code for run in [*deploys, holds]]
    assert codes[2] == 0
    assert set(codes[:2]) <= {0, 4}
    is_deployed = b":abc0004\n" in read(stack, f"k8s/{site}/deployment.yaml")
    assert (0 in codes[:2]) is is_deployed
    stack.registry.push(site, "abc0005")
    assert bump(stack, "--site", site, "--sha", "abc0005", "--no-wait")[0] == 4


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["hold", "--reason", "x"], 2, "no site given"),
        (["hold", "--site", "umami"], 2, "no reason given"),
        (["hold", "--site", "umami", "--reason", "  "], 2, "no reason given"),
        (["hold", "--site", "umami", "--reason", "for ${WHY}"], 2, "'${'"),
        (["hold", "--site", "umami", "--reason", "x" * 1001], 2, "at most 1000"),
        (["hold", "--site", "umami", "--reason", "x", "--until", "soon"], 2, "--until soon"),
        (["hold", "--site", "umami", "--reason", "x", "--until", "2001-01-01"], 2, "has passed"),
        (["hold", "--site", "a", "--site", "b", "--kustomization", "c", "--reason", "x"], 2, "one site"),
        (["hold", "--site", "umamo", "--reason", "x"], 4, "umami"),
        (["release", "--site", "umamo"], 4, "umami"),
        (["release"], 2, "no site given"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_written(
    stack: Stack, arguments: list[str], code: int, problem: str
) -> None:
    before = tip(stack)
    ended, _, stderr = bump(stack, *arguments)
    assert ended == code, stderr
    assert problem in stderr
    assert tip(stack) == before


@each_row(
    ("text", "expected"),
    [
        ("3d", NOW + timedelta(days=3)),
        ("2w", NOW + timedelta(weeks=2)),
        ("12h", NOW + timedelta(hours=12)),
        ("1h30m", NOW + timedelta(minutes=90)),
        ("2026-12-01", datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-12-01T08:00Z", datetime(2026, 12, 1, 8, tzinfo=UTC)),
        ("2026-12-01T08:00", datetime(2026, 12, 1, 8, tzinfo=UTC)),
        ("2026-12-01T08:00:00+02:00", datetime(2026, 12, 1, 6, tzinfo=UTC)),
    ],
)
def test_when_a_hold_ends(text: str, expected: datetime) -> None:
    assert moment(text, NOW) == expected


@each_row("text", ["0d", "0s", "2026-11-23T11:00Z", "2026-13-01", "tomorrow", "9999w", "99999999999h", "-1d"])
def test_a_time_that_is_none_or_has_passed_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--until"):
        moment(text, NOW) if text != "9999w" else moment("9999w", datetime.max.replace(tzinfo=UTC))
