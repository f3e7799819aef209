"""The verdict on a site by those on its workloads."""

from tables import each_row

from bumper.errors import Outcome
from bumper.objects import ObjectKey
from bumper.rollout.site import WorkloadEnd, decisive, has_ended, verdict
from bumper.rollout.timeline import Moment
from bumper.rollout.verdict import Stage, Verdict

READY, FAILED, BLOCKED = Outcome.READY, Outcome.FAILED, Outcome.BLOCKED
TIMED_OUT, UNKNOWN, SUPERSEDED = Outcome.TIMED_OUT, Outcome.UNKNOWN, Outcome.SUPERSEDED


def end(
    name: str,
    outcome: Outcome | None,
    *,
    kind: str = "Deployment",
    rolled_out: bool = False,
    seconds: float = 1.0,
) -> WorkloadEnd:
    ended = (
        Verdict(
            outcome,
            "Reason",
            f"{name} says {outcome}",
            serving="" if outcome is READY else f"{name} serves",
            warnings=(f"mind {name}",),
            stage=Stage.ROLLED_OUT,
        )
        if outcome
        else None
    )
    return WorkloadEnd(
        ObjectKey(kind, "shop", name),
        ended,
        "1/1",
        rolled_out or outcome is READY,
        (Moment("ready", seconds),),
    )


@each_row(
    ("outcomes", "ended"),
    [
        ((READY, None), False),
        ((BLOCKED, None), False),
        ((FAILED, None), True),
        ((None, FAILED), True),
        ((READY, READY), True),
        ((READY, BLOCKED), True),
    ],
)
def test_a_failure_ends_the_site_and_anything_else_waits_for_all(
    outcomes: tuple[Outcome | None, ...], ended: bool
) -> None:
    assert has_ended([end(str(number), outcome) for number, outcome in enumerate(outcomes)]) is ended


@each_row(
    ("outcomes", "decides"),
    [
        ((READY, FAILED), 1),
        ((BLOCKED, FAILED), 1),
        ((UNKNOWN, TIMED_OUT), 1),
        ((TIMED_OUT, BLOCKED), 0),
        ((READY, SUPERSEDED), 1),
        ((None, FAILED), 1),
        ((FAILED, FAILED), 0),
    ],
)
def test_the_worst_decides(outcomes: tuple[Outcome | None, ...], decides: int) -> None:
    ends = [end(str(number), outcome) for number, outcome in enumerate(outcomes)]
    assert decisive(ends) == decides


def test_of_two_that_are_late_the_one_that_does_not_run_the_image_is_named() -> None:
    ends = [end("web", TIMED_OUT, rolled_out=True), end("worker", TIMED_OUT)]
    assert verdict(ends).message == "Deployment shop/worker: worker says timed-out"


def test_of_those_that_are_ready_the_last_one_tells_how_long_it_took() -> None:
    assert decisive([end("web", READY, seconds=1.0), end("worker", READY, seconds=3.0)]) == 1


def test_ready_names_all_and_a_cron_job_warns_only_alone() -> None:
    job = end("tidy", READY, kind="CronJob")
    ready = verdict([end("web", READY), job])
    assert (ready.outcome, ready.message) == (
        READY,
        "2 workloads are Ready: Deployment shop/web, CronJob shop/tidy",
    )
    assert ready.warnings == ("Deployment shop/web: mind web",)
    assert verdict([job]).warnings == ("mind tidy",)


def test_a_failure_names_its_workload_and_what_serves_of_each() -> None:
    failed = verdict([end("web", BLOCKED), end("worker", FAILED)])
    assert failed.message == "Deployment shop/worker: worker says failed"
    assert failed.serving == "web: web serves; worker: worker serves"


def test_what_holds_for_all_is_said_once_and_of_no_workload() -> None:
    suspended = Verdict(Outcome.SUSPENDED, "Suspended", "Kustomization flux-system/shop is suspended")
    ends = [WorkloadEnd(ObjectKey("Deployment", "shop", name), suspended) for name in ("web", "worker")]
    assert verdict(ends) == suspended


def test_a_site_of_one_workload_has_the_verdict_of_that_one() -> None:
    alone = end("web", FAILED)
    assert verdict([alone]) == alone.verdict
