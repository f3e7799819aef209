"""What is told of a push that has to be tried again."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from platforms import HandClock

from bumper.deploy.commit.push import Proposal, land
from bumper.errors import BumpError, LostRace, Transient, Unanswered
from bumper.revision import Revision

SHA = "a" * 40


@dataclass
class Writer:
    """Fails as it is told to, then writes (`ports.Writer`)."""

    failures: list[BumpError] = field(default_factory=list)

    def write(self, tip: str, files: Mapping[str, bytes | None], message: str, branch: str) -> Revision:
        if self.failures:
            raise self.failures.pop(0)
        return Revision(branch, SHA)


@pytest.mark.parametrize(
    ("failure", "why"),
    [
        (LostRace("main moved"), "other pushes came first"),
        (Transient("the server hung up"), "the server hung up"),
    ],
)
def test_a_further_try_names_why_the_one_before_it_failed(failure: BumpError, why: str) -> None:
    proposal, heard = Proposal("b" * 40, {"a": (b"", b"x")}, "Deploy\n"), list[str]()
    landed = land(
        proposal,
        lambda: proposal,
        Writer([failure]),
        "main",
        HandClock(),
        60.0,
        lambda _, text: heard.append(text),
    )
    assert landed.attempts == 2
    assert heard == ["pushing to main", f"pushing to main, try 2: {why}"]


def test_a_push_that_landed_without_an_answer_is_found_before_anything_is_proposed_anew() -> None:
    proposal, answers = Proposal("b" * 40, {"a": (b"", b"x")}, "Deploy\n"), iter(["", "c" * 40])

    def look() -> str:
        return next(answers)

    lost = Unanswered(Transient("the server hung up"), look)
    landed = land(proposal, lambda: proposal, Writer([lost, LostRace("moved")]), "main", HandClock(), 60.0)
    assert (landed.plan, landed.revision, landed.attempts) == (proposal, Revision("main", "c" * 40), 3)
