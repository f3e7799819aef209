"""Each recording of the real stack, judged event by event as it arrived: which verdicts would have been given, in which order."""

import recordings
import situations
from tables import each_row

from bumper.errors import Outcome
from bumper.rollout.rules import judge
from bumper.rollout.verdict import Sighting

READY, LATER, REVERTED = ("ready", "Ready"), ("superseded", "Superseded"), ("superseded", "Reverted")
SUSPENDED, CRASH = ("suspended", "Suspended"), ("failed", "CrashLoop")
# By scenario and push. Where there is none, the recording ended before a grace was over: the situation files hold what comes then.
VERDICTS = {
    ("api-restart", 1): [READY],
    ("controller-restart", 1): [READY],
    ("deadline", 1): [CRASH],
    ("fix-while-checking", 1): [LATER],
    ("fix-while-checking", 2): [READY],
    ("healthy", 1): [READY],
    ("healthy-wait", 1): [READY],
    # The image came after the node had asked for it. A bump asks the registry before it pushes, and then has more patience.
    ("late-tag", 1): [("failed", "NoSuchTag"), READY],
    ("later-commit", 1): [READY],
    ("later-commit", 2): [READY],
    ("multi-platform", 1): [READY],
    ("no-replicas", 1): [READY],
    ("other-unhealthy", 1): [LATER],
    ("past-deadline", 1): [CRASH],
    ("paused", 1): [LATER],
    ("paused", 2): [("suspended", "Paused")],
    ("pinned", 1): [("blocked", "SourcePinned")],
    ("prune", 1): [READY],
    ("revert", 1): [REVERTED],
    ("revert", 2): [READY],
    ("slow-start", 1): [READY],
    ("source-outage", 1): [READY],
    ("superseded", 1): [LATER],
    ("superseded", 2): [READY],
    ("suspended-kustomization", 1): [SUSPENDED, READY],
    ("suspended-source", 1): [SUSPENDED, READY],
    ("three-replicas", 1): [READY],
    ("two-pushes", 1): [LATER],
    ("two-pushes", 2): [READY],
}


def pushes() -> list[tuple[str, int]]:
    """Each push of each recording; where nothing is pushed, what the branch held."""
    all_pushes = []
    for name in recordings.names():
        count = len(recordings.load(name).pushes)
        all_pushes += [(name, push) for push in range(min(1, count - 1), count)]
    return all_pushes


def sequence(scenario: str, push: int) -> list[tuple[str, str]]:
    recording = recordings.load(scenario)
    desired, facts = recording.desired(push), recording.facts(push)
    began_s = recording.pushes[push].at_s
    verdicts: list[tuple[str, str]] = []
    sightings: dict[str, Sighting] = {}
    for at_s, look in recording.states():
        if at_s < began_s:
            continue
        judged = judge(desired, situations.observe(look, facts, at_s), sightings)
        sightings = dict(judged.sightings)
        verdict = judged.verdict
        if verdict and (verdict.outcome.value, verdict.reason) not in verdicts[-1:]:
            verdicts.append((verdict.outcome.value, verdict.reason))
        if verdict and verdict.outcome is Outcome.SUPERSEDED:
            break
    return verdicts


@each_row(("scenario", "push"), pushes())
def test_a_recorded_scenario_gives_these_verdicts(scenario: str, push: int) -> None:
    assert sequence(scenario, push) == VERDICTS.get((scenario, push), [])


def test_every_verdict_is_that_of_a_recording() -> None:
    assert VERDICTS.keys() <= set(pushes())


def test_forty_situations_are_recorded_by_the_real_stack_and_name_its_versions() -> None:
    raw = [situations.raw(name) for name in situations.names()]
    real = [
        situation for situation in raw if "recording" in situation["recorded"] and not situation.get("change")
    ]
    assert len(real) >= 40
    assert all(
        "Kubernetes 1." in situation["recorded"]["versions"] and situation["scenario"] for situation in real
    )
