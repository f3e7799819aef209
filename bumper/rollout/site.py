"""The verdict on a site that several workloads make up, by the verdicts on each of them.

Law: a site is Ready only if all of its workloads are. One that failed ends the site at once; whatever else keeps one from Ready is
waited for until the others have ended, too: the worst of all is what counts, and it names its workload.
"""

from collections.abc import Sequence

from bumper.dataclasses import dataclass, replace
from bumper.errors import EXIT_CODES, Outcome, worst_exit_code
from bumper.objects import ObjectKey
from bumper.rollout.timeline import Moment
from bumper.rollout.verdict import Stage, Verdict


@dataclass(frozen=True)
class WorkloadEnd:
    """How one workload stands: its verdict once it has one, what it is doing, whether it runs the image and nothing else."""

    workload: ObjectKey
    verdict: Verdict | None
    detail: str = ""
    is_rolled_out: bool = False
    timeline: tuple[Moment, ...] = ()


def has_ended(ends: Sequence[WorkloadEnd]) -> bool:
    """Whether there is nothing more to wait for."""
    verdicts = [end.verdict for end in ends]
    return all(verdicts) or any(verdict.outcome is Outcome.FAILED for verdict in verdicts if verdict)


def decisive(ends: Sequence[WorkloadEnd]) -> int:
    """Which of them decides: the worst, and of several equally bad the first that does not run the image yet.

    Of those that are Ready it is the one that took the longest.
    """
    outcomes = [end.verdict.outcome for end in ends if end.verdict]
    worst = worst_exit_code(outcomes)
    numbers = [
        number for number, end in enumerate(ends) if end.verdict and EXIT_CODES[end.verdict.outcome] == worst
    ]
    return min(numbers, key=lambda number: _rank(ends[number]))


def _rank(end: WorkloadEnd) -> tuple[bool, bool, float]:
    is_ready = end.verdict is not None and end.verdict.outcome is Outcome.READY
    seconds = sum(moment.seconds for moment in end.timeline)
    return is_ready, end.is_rolled_out, -seconds if is_ready else 0.0


def verdict(ends: Sequence[WorkloadEnd]) -> Verdict:
    """The verdict on the site; at least one of its workloads has one."""
    decides = ends[decisive(ends)]
    assert decides.verdict, "what decides has a verdict"
    verdicts = [end.verdict for end in ends if end.verdict]
    if len(ends) == 1 or all(each == decides.verdict for each in verdicts):
        return decides.verdict
    # That nothing has run yet is said where a CronJob is all that runs the image; beside others its own line says when it will.
    rolling = [end for end in ends if end.verdict and end.workload.kind != "CronJob"] or ends
    warnings = [(end, warning) for end in rolling if end.verdict for warning in end.verdict.warnings]
    return replace(
        decides.verdict,
        message=_message(ends, decides, decides.verdict),
        serving=_serving(ends),
        warnings=tuple(dict.fromkeys(_named(end, warning) for end, warning in warnings)),
    )


def _message(ends: Sequence[WorkloadEnd], decides: WorkloadEnd, deciding: Verdict) -> str:
    if deciding.outcome is Outcome.READY:
        return f"{len(ends)} workloads are Ready: {', '.join(str(end.workload) for end in ends)}"
    # What Flux itself could not do is nothing of one workload.
    return _named(decides, deciding.message) if deciding.stage is Stage.ROLLED_OUT else deciding.message


def _serving(ends: Sequence[WorkloadEnd]) -> str:
    """What serves of each workload; those that are Ready have no need to say."""
    texts = {end.workload: end.verdict.serving for end in ends if end.verdict and end.verdict.serving}
    return "; ".join(f"{workload.name}: {text}" for workload, text in texts.items())


def _named(end: WorkloadEnd, text: str) -> str:
    return text if str(end.workload) in text else f"{end.workload}: {text}"
