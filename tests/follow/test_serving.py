"""When a site is asked after Ready, for how long, and what its answers make of the verdicts."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from platforms import HandClock, Quiet

from bumper.errors import Outcome, UsageError
from bumper.follow.loop import Followed
from bumper.follow.serving import ask
from bumper.ports.site import Expectation, SiteAnswer
from bumper.rollout.answers import Asked
from bumper.rollout.timeline import Moment
from bumper.rollout.verdict import SiteStage, Verdict

NEW, OLD = "abc1234", "08a2c8e"


@dataclass
class Scripted:
    """Sites that say one build after the other, the last one for ever (`ports.site.SiteAccess`)."""

    builds: dict[str, list[str]]
    asked: list[tuple[str, float]] = field(default_factory=list)

    def answers(self, url: str, timeout_s: float) -> tuple[SiteAnswer, ...]:
        self.asked.append((url, timeout_s))
        script = self.builds[url]
        build = script.pop(0) if len(script) > 1 else script[0]
        headers = {"age": "5"} if build == OLD else {}
        return (SiteAnswer("203.0.113.7", 200, headers, f"build {build}".encode()),)


@dataclass
class Misconfigured:
    def answers(self, url: str, timeout_s: float) -> tuple[SiteAnswer, ...]:
        raise UsageError("SSL_CERT_FILE: found no certificate authorities")


def asked(site: str) -> Asked:
    return Asked(Expectation.parse("sha times=2"), NEW, f"https://{site}.example/", OLD)


def ended(site: str, outcome: Outcome = Outcome.READY, context: str = "") -> Followed:
    label = f"{site} in {context}" if context else site
    verdict = Verdict(
        outcome, outcome.value.capitalize(), "said before", serving="pods", warnings=("careful",)
    )
    return Followed(site, context, label, verdict, (Moment("ready", 2.0),))


def run(
    builds: dict[str, list[str]], followed: Sequence[Followed], *sites: str, timeout_s: float = 60.0
) -> tuple[list[Followed], Scripted, Quiet]:
    access, clock, progress = Scripted(builds), HandClock(), Quiet()
    wanted = {site: asked(site) for site in sites}
    return ask(wanted, followed, access, clock, clock.now() + timeout_s, progress), access, progress


def test_a_site_is_asked_until_it_serves_and_what_ready_said_stays_said() -> None:
    (end,), access, progress = run({"https://web.example/": [OLD, NEW]}, [ended("web")], "web")
    assert (end.verdict.outcome, end.verdict.stage) == (Outcome.SERVING, SiteStage.SERVING)
    assert (end.verdict.serving, end.verdict.warnings) == ("pods", ("careful",))
    assert end.timeline == (Moment("ready", 2.0), Moment("serving", 2.0))
    assert len(access.asked) == 3
    assert [heard[0] for heard in progress.heard] == ["moving", "moving", "moving", "done"]
    assert progress.heard[1] == (
        "moving",
        "web",
        "serving",
        "203.0.113.7: 200, a cached answer of another build (08a2c8e)",
    )


def test_only_what_is_ready_everywhere_and_wanted_is_asked() -> None:
    before = [
        ended("east-only", context="east"),
        ended("east-only", Outcome.FAILED, "west"),
        ended("gone", Outcome.SUPERSEDED),
        ended("unasked"),
    ]
    after, access, progress = run({}, before, "east-only", "gone")
    assert (after, access.asked, progress.heard) == (before, [], [])


def test_a_site_of_two_clusters_is_asked_once_and_its_answer_holds_for_both() -> None:
    before = [
        ended("web", context="east"),
        ended("web", Outcome.APPLIED, "west"),
        ended("api", context="east"),
    ]
    after, access, _ = run({"https://web.example/": [NEW]}, before, "web")
    assert [end.verdict.outcome for end in after] == [Outcome.SERVING, Outcome.SERVING, Outcome.READY]
    assert [end.label for end in after] == ["web in east", "web in west", "api in east"]
    assert len(access.asked) == 2


def test_each_site_has_an_end_of_its_own_at_the_deadline() -> None:
    builds = {"https://web.example/": [NEW], "https://api.example/": [OLD]}
    (web, api), access, _ = run(builds, [ended("web"), ended("api")], "web", "api", timeout_s=50.0)
    assert (web.verdict.outcome, api.verdict.outcome) == (Outcome.SERVING, Outcome.TIMED_OUT)
    assert api.verdict.reason == "StaleAnswer"
    assert api.timeline[-1].is_open
    # Nobody is waited for longer than the run has, and a second at least.
    assert all(1.0 <= timeout_s <= 50.0 for _, timeout_s in access.asked)


def test_a_deadline_that_is_over_asks_once() -> None:
    (end,), access, _ = run({"https://web.example/": [OLD]}, [ended("web")], "web", timeout_s=0.0)
    assert (end.verdict.outcome, len(access.asked)) == (Outcome.TIMED_OUT, 1)


@pytest.mark.parametrize("timeout_s", [0.0, 30.0])
def test_what_keeps_us_from_asking_is_nobodys_failure(timeout_s: float) -> None:
    clock = HandClock()
    (end,) = ask({"web": asked("web")}, [ended("web")], Misconfigured(), clock, timeout_s, Quiet())
    assert (end.verdict.outcome, end.verdict.reason) == (Outcome.UNKNOWN, "UsageError")
