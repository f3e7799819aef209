"""What a run notes of its sites: when each verdict was reached, in which stages, and what it says."""

from dataclasses import replace
from datetime import UTC, datetime

from bumper.app.outcome_notes import endings
from bumper.errors import Outcome
from bumper.image import ImageReference
from bumper.ports.run import State, Step
from bumper.progress import Journal
from bumper.publish.report import Report, RollbackReport, SiteReport, with_rollback
from bumper.record import FOUND_RUNNING, Ending
from bumper.revision import Revision
from bumper.rollout.verdict import Verdict

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
TOKEN = "ghp_0123456789abcdefghijABCDEFGHIJ012345"


def site(
    name: str, outcome: Outcome, *seconds: float, commit: str = "a", found_running: bool = False
) -> SiteReport:
    stages = ("image", "commit", "fetched", "applied")
    return SiteReport(
        site=name,
        previous=ImageReference("reg.io/web", "1.0"),
        image=ImageReference("reg.io/web", "2.0"),
        place="",
        revision=Revision("main", commit * 40),
        verdict=Verdict(outcome, "Because", f"it\nsaid {TOKEN}"),
        steps=tuple(
            Step(name, stage, State.DONE, "", taken) for stage, taken in zip(stages, seconds, strict=False)
        ),
        found_running=found_running,
    )


def noted(report: Report) -> dict[str, Ending]:
    return {
        ended.site: ended
        for each in endings(report, AT).values()
        for ended in each
        if ended.reason != FOUND_RUNNING
    }


def ago(ended: Ending) -> float:
    return (AT - ended.at).total_seconds()


def test_each_site_has_the_time_at_which_it_ended_and_its_stages() -> None:
    ends = noted(Report((site("a", Outcome.READY, 1, 2), site("b", Outcome.FAILED, 1, 2, 7)), 10.0))
    assert {name: (ago(ended), ended.seconds) for name, ended in ends.items()} == {
        "a": (7.0, 3),
        "b": (0.0, 10),
    }
    assert [stage.stage for stage in ends["b"].stages] == ["image", "commit", "fetched"]
    assert (ends["a"].message, ends["b"].message) == ("", "it said ***")


def test_what_a_deploy_found_running_has_no_stages_of_its_own() -> None:
    (both,) = endings(Report((site("a", Outcome.FAILED, 1, 2, found_running=True),), 3.0), AT).values()
    failed, ran = both
    assert (failed.tag, ran.tag, ran.reason, ran.message, ran.stages) == ("2.0", "1.0", FOUND_RUNNING, "", ())


def test_a_failure_is_noted_at_its_own_time_and_not_at_that_of_its_rollback() -> None:
    failed = Report((site("a", Outcome.FAILED, 1, 2, 7),), 10.0)
    taken_back = Report((site("a", Outcome.READY, 1, 4, commit="b"),), 5.0)
    whole = with_rollback(failed, RollbackReport(taken_back), {"a"})
    assert (ago(noted(whole)["a"]), ago(noted(taken_back)["a"])) == (5.0, 0.0)


def test_a_run_without_stages_ends_with_its_report() -> None:
    report = Report((replace(site("a", Outcome.UNKNOWN), steps=()),), 10.0)
    assert (ago(noted(report)["a"]), noted(report)["a"].seconds) == (0.0, 10.0)


class _Quiet:
    def begin(self, *_: str) -> None: ...
    def show(self, *_: Step) -> None: ...
    def notice(self, *_: str) -> None: ...


def test_in_several_clusters_a_site_goes_on_from_where_it_stood() -> None:
    now = 0.0
    journal = Journal(lambda: now, _Quiet())
    now = 4.0
    journal.done("web", "commit", "")
    journal.split("web", ["web in east", "web in west"])
    now = 6.0
    journal.done("web in east", "fetched", "")
    now = 7.0
    journal.done("web in west", "fetched", "")
    steps = {
        label: [step.seconds for step in journal.steps(label)]
        for label in ("web", "web in east", "web in west")
    }
    assert steps == {"web": [4.0], "web in east": [2.0], "web in west": [3.0]}
