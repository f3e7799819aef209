"""One Deployment for each site and commit, one success at its end, and nothing touched that is not ours."""

from collections.abc import Mapping
from dataclasses import replace

import httpx
import pytest
from github_pages import FAILED, NEW, OLD, PAGES, READY, REVISION, report, stages, story
from openapi import problems
from sandbox_github.deployments import Deployment, Ledger
from sandbox_github.server import Answer, GitHubServer, Refusal

from bumper.errors import Denied, NoAccess, Outcome, Transient, Unreachable
from bumper.ports.run import State
from bumper.publish.publisher import Deployments, Source, Statuses
from bumper.publish.story import Landing, Story
from bumper.rollout.verdict import Verdict
from bumper.systems.github import GitHub
from publish.conftest import BEFORE, BOT, HEAD, OTHER, REPOSITORY

URL = "https://web.example"
LANDED = Landing(NEW, REVISION, URL)


@pytest.fixture
def ledger(server: GitHubServer) -> Ledger:
    return server.ledgers[REPOSITORY]


def told(
    verdict: Verdict | None, *, seen: int = 5, sites: tuple[str, ...] = ("web",), tag: str = NEW
) -> Story:
    """A run whose commit is on the branch, after so many stages."""
    run = story(verdict, sites=sites)
    steps = stages(last=State.MOVING)[:seen]
    return replace(
        run,
        sites=tuple(
            replace(site, stages={site.site: steps}, landing=replace(LANDED, tag=tag), wanted=tag)
            for site in run.sites
        ),
    )


def channel(hub: GitHub, head: str = HEAD) -> Deployments:
    return Deployments(hub, Source(hub, head, REPOSITORY), hub.close)


def states(deployment: Deployment) -> list[str]:
    return [status.state for status in deployment.statuses]


def described(server: GitHubServer) -> None:
    assert server.exchanges
    assert [problem for exchange in server.exchanges for problem in problems(exchange)] == []


def writes(server: GitHubServer) -> int:
    return sum(exchange.method == "POST" for exchange in server.exchanges)


def test_a_deployment_from_the_branch_to_ready(server: GitHubServer, hub: GitHub, ledger: Ledger) -> None:
    deployed = channel(hub)
    deployed.publish(story(None), is_last=False)
    assert ledger.deployments == []
    for seen in (2, 3, 3, 4, 5, 5):
        deployed.publish(told(None, seen=seen), is_last=False)
    deployed.publish(told(READY), is_last=True)
    (deployment,) = ledger.deployments
    assert (deployment.sha, deployment.environment, deployment.is_production, deployment.is_transient) == (
        HEAD,
        "web",
        True,
        False,
    )
    assert deployment.description == f"web {NEW} by main@sha1:3f9d2ab"
    assert deployment.payload == {
        "by": "gitops-bump",
        "site": "web",
        "tag": NEW,
        "platform": PAGES.platform,
        "branch": "main",
        "commit": REVISION.sha,
    }
    assert states(deployment) == ["queued", "in_progress", "success"]
    assert {(status.environment_url, status.log_url) for status in deployment.statuses} == {(URL, PAGES.run)}
    assert deployment.statuses[-1].description == "Ready in 9.4 s"
    assert writes(server) == 4
    described(server)


def test_what_the_commit_lacks_keeps_nobody_from_deploying(
    server: GitHubServer, hub: GitHub, ledger: Ledger
) -> None:
    # This very workflow is still running on the commit, and the branch has gone on.
    ledger.tell(HEAD, {"context": "ci", "state": "pending"}, BOT)
    ledger.tip = BEFORE
    channel(hub).publish(told(READY), is_last=True)
    assert [states(deployment) for deployment in ledger.deployments] == [["success"]]


def test_the_one_before_ends_when_the_new_one_is_there_and_others_are_left_alone(
    server: GitHubServer, hub: GitHub, ledger: Ledger
) -> None:
    channel(hub).publish(told(READY, tag=OLD), is_last=True)
    elsewhere = ledger.deploy(_asked(BEFORE, {"by": "gitops-bump", "platform": "https://elsewhere"}), BOT)
    strange = ledger.deploy(_asked(BEFORE, {}), BOT)
    for deployment in (elsewhere, strange):
        assert isinstance(deployment, Deployment)
        ledger.advance(deployment.number, {"state": "in_progress"}, BOT)
    new = channel(hub)
    new.publish(told(None), is_last=False)
    assert [deployment.state for deployment in ledger.deployments] == [
        "success",
        "in_progress",
        "in_progress",
        "in_progress",
    ]
    new.publish(told(READY), is_last=True)
    assert [deployment.state for deployment in ledger.deployments] == [
        "inactive",
        "in_progress",
        "in_progress",
        "success",
    ]
    assert ledger.deployments[0].statuses[-1].description == f"{NEW} is there instead"


def test_sites_of_one_name_have_an_environment_each_and_end_what_they_shared(
    hub: GitHub, ledger: Ledger
) -> None:
    channel(hub).publish(told(READY, tag=OLD), is_last=True)
    east, west = "clusters/east/web.yaml#x/web", "clusters/west/web.yaml#x/web"

    def of(label: str, kustomization: str) -> Story:
        run = told(READY, sites=(label,))
        landing = replace(run.sites[0].landing or LANDED, kustomization=kustomization, site="web")
        return replace(run, sites=(replace(run.sites[0], landing=landing),))

    channel(hub).publish(of("web (east)", east), is_last=True)
    channel(hub).publish(of("web (west)", west), is_last=True)
    assert [(each.environment, each.state) for each in ledger.deployments] == [
        ("web", "inactive"),
        ("web (east)", "success"),
        ("web (west)", "success"),
    ]
    assert [each.payload.get("kustomization") for each in ledger.deployments] == [None, east, west]


def _asked(sha: str, payload: Mapping[str, str]) -> dict[str, object]:
    return {
        "ref": sha,
        "environment": "web",
        "auto_merge": False,
        "required_contexts": [],
        "payload": payload,
    }


def test_a_failure_leaves_the_one_that_still_serves(hub: GitHub, ledger: Ledger) -> None:
    channel(hub).publish(told(READY, tag=OLD), is_last=True)
    channel(hub).publish(told(FAILED), is_last=True)
    assert [deployment.state for deployment in ledger.deployments] == ["success", "failure"]


def test_what_killed_runs_left_behind_ends_with_the_next_success(hub: GitHub, ledger: Ledger) -> None:
    for tag in (OLD, OTHER[:7]):
        channel(hub).publish(told(None, tag=tag), is_last=False)
    channel(hub).publish(told(READY), is_last=True)
    assert [states(deployment)[-1] for deployment in ledger.deployments] == [
        "inactive",
        "inactive",
        "success",
    ]


@pytest.mark.slow
def test_a_long_history_costs_no_more_requests(server: GitHubServer, hub: GitHub, ledger: Ledger) -> None:
    commits = [f"{number:x}" * 40 for number in range(1, 9)]
    server.repositories[REPOSITORY].commits |= set(commits)
    for sha in commits:
        channel(hub).publish(told(READY, tag=sha[:7]), is_last=True)
    assert [deployment.state for deployment in ledger.deployments] == [*["inactive"] * 7, "success"]
    before = len(server.exchanges)
    channel(hub).publish(told(READY), is_last=True)
    # Listed, made, a success, the one before looked at and ended, one more looked at.
    assert len(server.exchanges) - before == 6


def test_one_that_was_missed_is_ended_by_the_next_success(hub: GitHub, ledger: Ledger) -> None:
    channel(hub).publish(told(READY, tag=OLD), is_last=True)
    channel(hub).publish(told(READY, tag=OTHER[:7]), is_last=True)
    ledger.advance(ledger.deployments[0].number, {"state": "success"}, BOT)
    channel(hub).publish(told(READY), is_last=True)
    assert [deployment.state for deployment in ledger.deployments] == ["inactive", "inactive", "success"]


def test_a_run_that_is_repeated_makes_no_second_one(
    server: GitHubServer, hub: GitHub, ledger: Ledger
) -> None:
    channel(hub).publish(told(None), is_last=False)
    again = channel(hub)
    again.publish(told(None), is_last=False)
    again.publish(told(READY), is_last=True)
    unchanged = channel(hub)
    unchanged.publish(told(None), is_last=False)
    unchanged.publish(told(Verdict(Outcome.UNCHANGED, "AlreadyThere", "it was there")), is_last=True)
    (deployment,) = ledger.deployments
    assert states(deployment) == ["in_progress", "success"]
    described(server)


@pytest.mark.slow
def test_what_ended_otherwise_is_deployed_anew(hub: GitHub, ledger: Ledger) -> None:
    for end in (FAILED, READY):
        channel(hub).publish(told(end), is_last=True)
    channel(hub).publish(told(READY, tag=OLD), is_last=True)
    # Back again: the first success was made inactive in the meantime.
    channel(hub).publish(told(READY), is_last=True)
    assert [states(deployment) for deployment in ledger.deployments] == [
        ["failure"],
        ["success", "inactive"],
        ["success", "inactive"],
        ["success"],
    ]


def test_a_payload_that_is_kept_as_text_is_known_again(hub: GitHub, ledger: Ledger) -> None:
    channel(hub).publish(told(None), is_last=False)
    ledger.deployments[0].payload = '{"by": "gitops-bump", "platform": "%s"}' % PAGES.platform  # noqa: UP031
    channel(hub).publish(told(READY), is_last=True)
    assert len(ledger.deployments) == 1
    ledger.deployments[0].payload = "no JSON"
    assert [deployment.payload for deployment in hub.deployments("web")] == [{}]


def test_several_sites_and_clusters_have_environments_of_their_own(
    server: GitHubServer, hub: GitHub, ledger: Ledger
) -> None:
    run = told(None, sites=("web", "api"))
    deployed = channel(hub)
    deployed.publish(replace(run, clusters=("east", "west")), is_last=False)
    ended = tuple(
        replace(
            site,
            reports=(report(READY, site=f"{site.site} in east"), report(FAILED, site=f"{site.site} in west")),
        )
        for site in run.sites
    )
    deployed.publish(replace(run, clusters=("east", "west"), sites=ended), is_last=True)
    assert {deployment.environment: deployment.state for deployment in ledger.deployments} == {
        "web (east)": "success",
        "web (west)": "failure",
        "api (east)": "success",
        "api (west)": "failure",
    }
    described(server)


def test_an_answer_that_was_lost_is_no_second_deployment(
    server: GitHubServer, hub: GitHub, ledger: Ledger
) -> None:
    deployed = channel(hub)

    def dies() -> None:
        server.on_write = None
        ledger.deploy(_asked(HEAD, {"by": "gitops-bump", "platform": PAGES.platform}), BOT)
        raise Refusal(502, "Bad Gateway")

    server.on_write = dies
    with pytest.raises(Transient):
        deployed.publish(told(None), is_last=False)
    deployed.publish(told(READY), is_last=True)
    assert [states(deployment) for deployment in ledger.deployments] == [["success"]]


def test_the_ones_before_are_looked_for_again_after_an_outage(
    server: GitHubServer, hub: GitHub, ledger: Ledger
) -> None:
    channel(hub).publish(told(READY, tag=OLD), is_last=True)
    deployed = channel(hub)
    deployed.publish(told(None), is_last=False)
    server.faults += [None, Answer(503, {"message": "Service Unavailable"})]
    with pytest.raises(Transient):
        deployed.publish(told(READY), is_last=True)
    assert [deployment.state for deployment in ledger.deployments] == ["success", "success"]
    deployed.publish(told(READY), is_last=True)
    assert [states(deployment) for deployment in ledger.deployments] == [
        ["success", "inactive"],
        ["in_progress", "success"],
    ]


def test_a_version_that_no_commit_is_known_for_is_said_and_the_others_are_told(
    hub: GitHub, ledger: Ledger
) -> None:
    run = told(READY, sites=("web", "api"))
    lost = replace(run, sites=(replace(run.sites[0], wanted="fffffff"), run.sites[1]))
    for deployed in (channel(hub), Statuses(hub, Source(hub, HEAD, REPOSITORY), hub.close)):
        deployed.publish(lost, is_last=False)
        with pytest.raises(Unreachable, match="octo/web: found no commit for fffffff"):
            deployed.publish(lost, is_last=True)
    assert [deployment.environment for deployment in ledger.deployments] == ["api"]
    assert [status.context for status in ledger.statuses] == ["bump/api"]


@pytest.mark.parametrize(("name", "permission"), [("deployment", "deployments"), ("status", "statuses")])
def test_a_token_that_may_not_is_told_which_permission_helps(
    server: GitHubServer, name: str, permission: str
) -> None:
    hub = GitHub(REPOSITORY, token="reader", now=lambda: 0.0, api_url=server.url)
    kind = Deployments if name == "deployment" else Statuses
    with pytest.raises(NoAccess) as refused:
        kind(hub, Source(hub, HEAD), hub.close).publish(told(READY), is_last=True)
    assert f"{permission}: write" in refused.value.hint
    hub.close()


def test_a_status_for_each_site_and_one_success_at_the_end(
    server: GitHubServer, hub: GitHub, ledger: Ledger
) -> None:
    statuses = Statuses(hub, Source(hub, HEAD, REPOSITORY), hub.close)
    for seen in (0, 1, 1, 2, 5):
        statuses.publish(told(None, seen=seen), is_last=False)
    statuses.publish(told(READY), is_last=True)
    statuses.publish(told(READY), is_last=True)
    assert [(status.sha, status.context, status.target_url) for status in ledger.statuses] == [
        (HEAD, "bump/web", PAGES.run)
    ] * 5
    assert [status.state for status in ledger.statuses] == [*["pending"] * 4, "success"]
    assert ledger.statuses[0].description == "looking at the platform"
    assert ledger.statuses[-1].description == "Ready in 9.4 s"
    described(server)


def test_what_was_refused_has_a_status_and_no_deployment(hub: GitHub, ledger: Ledger) -> None:
    refused = replace(story(None), error=Denied("main takes no pushes"))
    channel(hub).publish(refused, is_last=True)
    Statuses(hub, Source(hub, HEAD), hub.close).publish(refused, is_last=True)
    assert ledger.deployments == []
    assert [(status.state, status.description) for status in ledger.statuses] == [
        ("error", "denied: main takes no pushes")
    ]


@pytest.mark.slow
def test_the_sandbox_refuses_what_github_refuses(server: GitHubServer, ledger: Ledger) -> None:
    with httpx.Client(base_url=server.url, headers={"Authorization": "Bearer writer"}) as client:
        here = f"/repos/{REPOSITORY}"

        def post(path: str, body: Mapping[str, object]) -> httpx.Response:
            return client.post(here + path, json=body)

        ledger.tell(HEAD, {"context": "ci", "state": "pending"}, BOT)
        waiting = post("/deployments", {"ref": HEAD, "auto_merge": False})
        assert (waiting.status_code, waiting.json()["errors"][0]["field"]) == (409, "required_contexts")
        assert (
            post(
                "/deployments", {"ref": HEAD, "auto_merge": False, "required_contexts": ["lint"]}
            ).status_code
            == 409
        )
        ledger.tip = BEFORE
        assert post("/deployments", {"ref": HEAD, "required_contexts": []}).status_code == 202
        ledger.tip = ""
        assert post("/deployments", {"environment": "web"}).json()["errors"][0]["code"] == "missing_field"
        assert post("/deployments", {"ref": "fffffff", "required_contexts": []}).status_code == 422
        made = [
            post("/deployments", {"ref": HEAD, "required_contexts": [], "environment": name}).json()["id"]
            for name in ("staging", "production", "staging")
        ]
        for number in made[:2]:
            post(f"/deployments/{number}/statuses", {"state": "success"})
        for bad in (
            {"state": "ready"},
            {"state": "success", "description": "x" * 141},
            {"state": "success", "log_url": "ftp://x"},
        ):
            assert post(f"/deployments/{made[2]}/statuses", bad).status_code == 422
        post(f"/deployments/{made[2]}/statuses", {"state": "success"})
        # What people visit is never ended by GitHub itself.
        assert [deployment.state for deployment in ledger.deployments] == ["inactive", "success", "success"]
        assert post("/deployments/999/statuses", {"state": "success"}).status_code == 404
        assert post(f"/statuses/{'e' * 40}", {"state": "success"}).status_code == 422
        assert post(f"/statuses/{HEAD}", {"state": "queued"}).status_code == 422
        listed = client.get(f"{here}/deployments", params={"environment": "staging", "sha": HEAD}).json()
        assert [deployment["id"] for deployment in listed] == [made[2], made[0]]
