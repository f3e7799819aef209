"""What each end of a run becomes as a Deployment and as a commit status: one table, and its laws."""

from dataclasses import replace

import pytest
from github_pages import FAILED, NEW, READY, REVISION, report, stages, story
from hypothesis import given
from hypothesis import strategies as st
from tables import each_row

from bumper.errors import EXIT_CODES, Denied, FieldMissing, Outcome, UsageError
from bumper.ports.run import State, Step
from bumper.publish.states import LONGEST, PHASES, Check, Phase, checks, deployments, fitted
from bumper.publish.story import Landing, Story
from bumper.rollout.verdict import Verdict

LANDING = Landing(NEW, REVISION, "https://web.example")


def landed(run: Story) -> Story:
    return replace(run, sites=tuple(replace(site, landing=LANDING) for site in run.sites))


@each_row(
    ("outcome", "phase", "check"),
    [
        (Outcome.READY, Phase.SUCCESS, Check.SUCCESS),
        (Outcome.APPLIED, Phase.SUCCESS, Check.SUCCESS),
        (Outcome.UNCHANGED, Phase.SUCCESS, Check.SUCCESS),
        (Outcome.SUPERSEDED, Phase.INACTIVE, Check.SUCCESS),
        (Outcome.PUSHED, None, Check.SUCCESS),
        (Outcome.PLANNED, None, Check.SUCCESS),
        (Outcome.REMOVED, Phase.INACTIVE, Check.SUCCESS),
        (Outcome.TIMED_OUT, Phase.ERROR, Check.ERROR),
        (Outcome.SUSPENDED, Phase.ERROR, Check.ERROR),
        (Outcome.BLOCKED, Phase.ERROR, Check.ERROR),
        (Outcome.UNKNOWN, Phase.ERROR, Check.ERROR),
        (Outcome.REFUSED, None, Check.ERROR),
        (Outcome.CONTENTION, None, Check.ERROR),
        (Outcome.DENIED, None, Check.ERROR),
        (Outcome.FAILED, Phase.FAILURE, Check.FAILURE),
    ],
)
def test_every_outcome_has_a_state(outcome: Outcome, phase: Phase | None, check: Check) -> None:
    run = landed(story(Verdict(outcome, "Reason", "a message")))
    assert [deployment.phase for deployment in deployments(run)] == ([phase] if phase else [])
    assert [status.state for status in checks(run)] == [check]
    assert set(PHASES) == set(Outcome)


def test_success_is_said_of_what_exits_0_and_of_nothing_else() -> None:
    for outcome in Outcome:
        (status,) = checks(story(Verdict(outcome, "Reason", "message")))
        assert (status.state is Check.SUCCESS) == (EXIT_CODES[outcome] == 0)
        assert PHASES[outcome] is not Phase.SUCCESS or EXIT_CODES[outcome] == 0


def test_nothing_is_deployed_before_it_is_on_the_branch() -> None:
    assert deployments(story(None)) == []
    refused = replace(story(None), error=Denied("the branch is protected"))
    assert deployments(refused) == []
    (status,) = checks(refused)
    assert (status.context, status.state) == ("bump/web", Check.ERROR)
    assert status.description == "denied: the branch is protected"


@pytest.mark.parametrize(
    ("seen", "phase"), [(2, Phase.QUEUED), (3, Phase.QUEUED), (4, Phase.IN_PROGRESS), (5, Phase.IN_PROGRESS)]
)
def test_it_is_queued_until_flux_has_it(seen: int, phase: Phase) -> None:
    run = landed(story(None))
    moving = replace(run.sites[0], stages={"web": stages(last=State.MOVING)[:seen]})
    (deployment,) = deployments(replace(run, sites=(moving,)))
    assert deployment.phase is phase
    (status,) = checks(replace(run, sites=(moving,)))
    assert status.state is Check.PENDING
    assert status.description.startswith(stages()[seen - 1].stage)


def test_a_run_that_ended_leaves_nothing_unfinished() -> None:
    ends = [
        replace(landed(story(None)), standing=("interrupted, the cluster goes on",)),
        replace(landed(story(None)), error=UsageError("a kubeconfig without a cluster")),
        landed(story(FAILED)),
        landed(story(READY)),
    ]
    for ended in ends:
        assert all(deployment.phase.has_ended for deployment in deployments(ended))
        assert all(status.state is not Check.PENDING for status in checks(ended))
    (interrupted,) = deployments(ends[0])
    assert interrupted.phase is Phase.ERROR
    assert interrupted.description == "not followed any more: interrupted, the cluster goes on"


def test_each_cluster_is_an_environment_and_the_worst_one_speaks_for_the_site() -> None:
    run = landed(story(None))
    site = replace(
        run.sites[0],
        reports=(report(READY, site="web in east"), report(FAILED, site="web in west")),
        stages={"web in east": (), "web in west": ()},
    )
    both = replace(run, sites=(site,), clusters=("east", "west"))
    assert [(deployment.environment, deployment.phase) for deployment in deployments(both)] == [
        ("web (east)", Phase.SUCCESS),
        ("web (west)", Phase.FAILURE),
    ]
    (status,) = checks(both)
    assert (status.context, status.state) == ("bump/web", Check.FAILURE)
    assert status.description.startswith("web in west: Failed: ")


def test_in_several_clusters_each_moves_for_itself() -> None:
    run = landed(story(None))
    east = (Step("web in east", "applied", State.MOVING, "applying", 1.0),)
    west = (Step("web in west", "fetched", State.MOVING, "waiting", 1.0),)
    site = replace(run.sites[0], stages={"web": stages()[:2], "web in east": east, "web in west": west})
    by_cluster = deployments(replace(run, sites=(site,), clusters=("east", "west")))
    assert [deployment.phase for deployment in by_cluster] == [Phase.IN_PROGRESS, Phase.QUEUED]


def test_a_run_that_never_found_its_sites_speaks_of_those_asked_for() -> None:
    run = Story(asked=(("web", NEW), ("api", "v2")), error=FieldMissing("no such site"))
    assert [(status.context, status.version, status.state) for status in checks(run)] == [
        ("bump/web", NEW, Check.ERROR),
        ("bump/api", "v2", Check.ERROR),
    ]
    assert checks(replace(run, error=None)) == []


def test_what_is_ready_says_how_long_it_took() -> None:
    (status,) = checks(story(READY))
    assert status.description == "Ready in 9.4 s"
    (deployment,) = deployments(landed(story(READY)))
    assert (deployment.url, deployment.tag, deployment.revision, deployment.description) == (
        "https://web.example",
        NEW,
        REVISION,
        "Ready in 9.4 s",
    )


@given(st.text(max_size=400))
def test_a_description_fits_and_stays_on_its_line(text: str) -> None:
    line = fitted(text)
    assert len(line.encode()) <= LONGEST
    assert line.isprintable()
    assert fitted(line) == line


def test_a_description_holds_no_secret() -> None:
    assert "ghp_" not in fitted("pushed with ghp_0123456789abcdefghijABCDEFGHIJ012345")
