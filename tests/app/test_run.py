"""The run flow by itself: in which order a job's steps are taken, and what is told when one of them ends it."""

import errno
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bumper.app.context import Context
from bumper.app.output import Output, Result
from bumper.app.permissions import READ_ONLY
from bumper.app.run import Job, Recovery, carry_out
from bumper.app.settings import OutputSettings, RepositorySettings
from bumper.app.wiring import Systems
from bumper.deploy.commit.push import Landed, Proposal
from bumper.errors import EXIT_INTERRUPTED, BumpError, NoAccess, Outcome, Refused, UsageError
from bumper.image import ImageReference
from bumper.publish.report import Report, SiteReport
from bumper.revision import Revision
from bumper.rollout.verdict import Verdict

PLAN = Proposal("a" * 40, {}, "")
LANDED = Landed(PLAN, Revision("main", "b" * 40), 1)


def ended(outcome: Outcome) -> Result:
    verdict = Verdict(outcome, "Reason", f"it is {outcome.value}")
    image = ImageReference("registry.example/web", "2")
    return Result.of(Report((SiteReport("web", image, image, "web.yaml:1", None, verdict, ()),), 1.0))


@dataclass
class Steps(Job[Proposal]):
    """Notes the steps that are taken; `raises` names one and what it raises, `stops` ends the run before the commit."""

    raises: tuple[str, BaseException] | None = None
    stops: bool = False
    outcome: Outcome = Outcome.READY
    recovery: Job[Proposal] | None = None
    taken: list[str] = field(default_factory=list)

    def take(self, step: str) -> None:
        self.taken.append(step)
        if self.raises and self.raises[0] == step:
            raise self.raises[1]

    def open(self) -> None:
        self.take("open")

    def plan(self) -> Proposal:
        self.take("plan")
        return PLAN

    def planned(self, plan: Proposal) -> Result:
        self.take("planned")
        return ended(Outcome.PLANNED)

    def confirm(self, plan: Proposal) -> Result | None:
        self.take("confirm")
        return ended(Outcome.PUSHED) if self.stops else None

    def land(self, plan: Proposal) -> Landed[Proposal]:
        self.take("land")
        return LANDED

    def follow(self, landed: Landed[Proposal]) -> Result:
        self.take("follow")
        return ended(self.outcome)

    def on_failure(self) -> Recovery | None:
        return Recovery({"web": "web: 2 failed"}, self.recovery) if self.recovery else None

    def standing(self, landed: Landed[Proposal] | None) -> list[str]:
        return [f"on the branch as {landed.revision.short}" if landed else "nothing was written"]


@contextmanager
def output(*, is_json: bool = False) -> Iterator[tuple[Output, io.StringIO]]:
    stdout = io.StringIO()
    context = Context({}, Path(), stdout, io.StringIO())
    with (
        Systems(context, RepositorySettings("https://git.example/platform.git"), READ_ONLY) as systems,
        Output(systems, OutputSettings(is_json)) as opened,
    ):
        opened.begin(name_sites=False)
        yield opened, stdout


def carried_out(job: Job[Proposal], *, dry_run: bool = False) -> tuple[int, str]:
    with output() as (opened, stdout):
        return carry_out(job, opened, dry_run=dry_run), stdout.getvalue()


@pytest.mark.parametrize(
    ("job", "dry_run", "taken"),
    [
        (Steps(), False, "open plan confirm land follow"),
        (Steps(), True, "open plan planned"),
        (Steps(stops=True), False, "open plan confirm"),
        (Steps(stops=True), True, "open plan planned"),
    ],
)
def test_what_is_followed_is_opened_first_and_a_dry_run_writes_nothing(
    job: Steps, dry_run: bool, taken: str
) -> None:
    code, _ = carried_out(job, dry_run=dry_run)
    assert (code, job.taken) == (0, taken.split())


@pytest.mark.parametrize(
    ("step", "standing"),
    [
        ("open", "nothing was written"),
        ("plan", "nothing was written"),
        ("confirm", "nothing was written"),
        ("land", "nothing was written"),
        ("follow", "on the branch as main@sha1:bbbbbbb"),
    ],
)
def test_whoever_interrupts_is_told_where_things_stand(step: str, standing: str) -> None:
    code, text = carried_out(Steps(raises=(step, KeyboardInterrupt())))
    assert code == EXIT_INTERRUPTED
    assert text == f"Interrupted: {standing}\n"


def test_an_interruption_is_one_object_for_a_program() -> None:
    with output(is_json=True) as (opened, stdout):
        assert carry_out(Steps(raises=("follow", KeyboardInterrupt())), opened) == EXIT_INTERRUPTED
    assert json.loads(stdout.getvalue())["standing"] == ["on the branch as main@sha1:bbbbbbb"]


@pytest.mark.parametrize("step", ["open", "plan", "confirm", "land"])
def test_an_error_ends_the_run_at_its_step(step: str) -> None:
    job = Steps(raises=(step, Refused("web.yaml:1: not now")))
    with pytest.raises(Refused, match="not now"):
        carried_out(job)
    assert job.taken[-1] == step


@pytest.mark.parametrize(
    ("step", "error", "code", "standing"),
    [
        ("plan", OSError(errno.ENOSPC, "No space left on device"), 2, "see `ulimit -a`"),
        ("land", MemoryError(), 6, "nothing was written"),
        ("land", UsageError("TMPDIR: full"), 2, ""),
        ("follow", MemoryError(), 6, "on the branch as main@sha1:bbbbbbb"),
        ("follow", UsageError("TMPDIR: full"), 6, "on the branch as main@sha1:bbbbbbb"),
        ("follow", Refused("web.yaml:1: not now"), 6, "on the branch as main@sha1:bbbbbbb"),
        ("follow", NoAccess("the cluster: no"), 6, ""),
    ],
)
def test_a_run_that_cannot_go_on_after_its_commit_does_not_end_as_if_nothing_were_written(
    step: str, error: Exception, code: int, standing: str
) -> None:
    with pytest.raises(BumpError) as raised:
        carried_out(Steps(raises=(step, error)))
    assert raised.value.exit_code == code
    assert raised.value.hint.startswith(standing)
    assert bool(raised.value.hint) == bool(standing)


def test_a_bug_after_the_commit_says_where_things_stand() -> None:
    with pytest.raises(KeyError) as raised:
        carried_out(Steps(raises=("follow", KeyError("x"))))
    assert raised.value.__notes__ == ["on the branch as main@sha1:bbbbbbb"]


def test_what_failed_is_recovered_once_and_stays_a_failure() -> None:
    recovery = Steps()
    code, text = carried_out(Steps(outcome=Outcome.FAILED, recovery=recovery))
    assert code == 11
    assert recovery.taken == ["open", "plan", "confirm", "land", "follow"]
    assert "Failed: it is failed" in text
    assert "rolled back  to 2: Ready" in text


def test_a_recovery_that_is_refused_changes_nothing_but_the_report() -> None:
    recovery = Steps(raises=("plan", Refused("nothing was Ready before")))
    code, text = carried_out(Steps(outcome=Outcome.FAILED, recovery=recovery))
    assert code == 11
    assert "rolled back  no: nothing was Ready before" in text


def test_a_recovery_for_which_the_machine_is_short_of_something_hides_no_failure() -> None:
    code, text = carried_out(Steps(outcome=Outcome.FAILED, recovery=Steps(raises=("plan", MemoryError("x")))))
    assert code == 11
    assert "rolled back  no: this machine has run out of something: no memory is left" in text


def test_a_recovery_that_is_interrupted_says_what_failed_and_where_it_stands() -> None:
    recovery = Steps(raises=("follow", KeyboardInterrupt()))
    code, text = carried_out(Steps(outcome=Outcome.FAILED, recovery=recovery))
    assert code == EXIT_INTERRUPTED
    assert text == "Interrupted: web: 2 failed\n  on the branch as main@sha1:bbbbbbb\n"
