"""After Ready: each site itself is asked until its answers prove the build.

Law: a site is asked once it is Ready in every cluster that is followed, within the deadline of the rollout; what Ready said stays said
(`Followed.workloads`, its warnings). The site's answer changes no verdict but a good one.
"""

from collections.abc import Iterator, Mapping, Sequence

from bumper.dataclasses import dataclass, field, replace
from bumper.errors import BumpError, Outcome, Refused
from bumper.fluxtree.sites import expectation as written
from bumper.fluxtree.sites.find import Target
from bumper.follow.loop import Case, Followed, Intervals, Loop, refusal
from bumper.ports.run import Clock, Progress
from bumper.ports.site import Expectation, SiteAccess
from bumper.rollout import answers
from bumper.rollout.answers import Asked, Round
from bumper.rollout.timeline import Moment
from bumper.rollout.verdict import SiteStage, Verdict

_STAGE = SiteStage.SERVING
_GOOD = (Outcome.READY, Outcome.APPLIED)
_MOST_AT_ONCE = 8
# The deadline ends the loop, an answer that is waited for ends a little later.
_LEAST_S = 1.0


@dataclass(kw_only=True)
class _Question(Case):
    """One site, and its answers so far."""

    site: str
    asked: Asked
    rounds: list[Round] = field(default_factory=list)


def asked_of(target: Target, tag: str, previous: str, wanted: Expectation | None) -> Asked | None:
    """What a site is asked: what is `wanted`, else what git says of it; None where nothing is. Refused for what can't be asked."""
    expectation = wanted or written.of_site(target.site.document, target.site.name)
    if expectation is None:
        return None
    url = written.url_of(expectation, target, is_of_tree=wanted is None)
    if not tag or (expectation.needs_commit and not answers.commit_in(tag)):
        has = f"the tag {tag} holds no commit" if tag else "the image has no tag"
        raise Refused(
            f"{target.place}: {target.site.label} shall be asked for its build ({expectation}), and {has}",
            hint="ask for the tag itself: --serves '/PATH text={tag}'",
        )
    return Asked(expectation, tag, url, previous if previous != tag else "")


def ask(
    asked: Mapping[str, Asked],
    followed: Sequence[Followed],
    access: SiteAccess,
    clock: Clock,
    deadline_s: float,
    progress: Progress,
) -> list[Followed]:
    """The same ends, those of the sites that are asked with what their answers say."""
    ends: dict[str, list[Outcome]] = {}
    for each in followed:
        ends.setdefault(each.site, []).append(each.verdict.outcome)
    questions = [
        _Question(
            site=site,
            label=site,
            stage=_STAGE,
            asked=replace(asked[site], runs_alone=all(end is Outcome.READY for end in outcomes)),
        )
        for site, outcomes in ends.items()
        if site in asked and all(end in _GOOD for end in outcomes)
    ]
    if not questions:
        return list(followed)
    began_s = clock.now()
    for question in questions:
        progress.moving(question.label, _STAGE, f"asking {question.asked.url}")
    follower = _Answers(access, clock, deadline_s, progress)
    loop = Loop(_Pause(clock), follower, questions, clock, progress, intervals=Intervals())
    verdicts = loop.run(began_s, deadline_s)
    by_site = {question.site: verdict for question, verdict in zip(questions, verdicts, strict=True)}
    seconds = {question.site: _seconds(question, began_s) for question in questions}
    return [
        _ended(each, by_site[each.site], seconds[each.site]) if each.site in by_site else each
        for each in followed
    ]


class _Answers:
    """Asks and judges (`loop.Follower`)."""

    def __init__(self, access: SiteAccess, clock: Clock, deadline_s: float, progress: Progress) -> None:
        self._access = access
        self._clock = clock
        self._deadline_s = deadline_s
        self._progress = progress

    def look(self, questions: Sequence[_Question]) -> Iterator[Verdict | None]:
        from concurrent.futures import ThreadPoolExecutor

        limit_s = max(_LEAST_S, self._deadline_s - self._clock.now())
        urls = [question.asked.url for question in questions]
        with ThreadPoolExecutor(min(_MOST_AT_ONCE, len(urls))) as pool:
            answered = list(pool.map(lambda url: self._access.answers(url, limit_s), urls))
        for question, given in zip(questions, answered, strict=True):
            readings = tuple(answers.read(question.asked, answer) for answer in given)
            question.rounds.append(Round(self._clock.now(), readings))
            question.due_s = self._clock.now() + answers.pause_s(question.rounds)
            yield self._judged(question)

    def timed_out(self, question: _Question) -> Verdict:
        return self._failed(question, answers.timed_out(question.asked, question.rounds))

    def unreachable(self, question: _Question, error: BumpError) -> Verdict:
        return self._failed(question, refusal(error))

    def refused(self, question: _Question, error: BumpError) -> Verdict:
        return self._failed(question, refusal(error))

    def _judged(self, question: _Question) -> Verdict | None:
        verdict = answers.judge(question.asked, question.rounds)
        if verdict is None:
            self._progress.moving(question.label, _STAGE, answers.doing(question.asked, question.rounds))
        elif verdict.outcome is Outcome.SERVING:
            self._progress.done(question.label, _STAGE, verdict.message)
        else:
            return self._failed(question, verdict)
        return verdict

    def _failed(self, question: _Question, verdict: Verdict) -> Verdict:
        self._progress.failed(question.label, _STAGE, verdict.reason)
        return verdict


class _Pause:
    """No site tells when it has changed: it is asked again after a while (`loop.System`)."""

    name = "the site"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def wait(self, timeout_s: float) -> bool:
        self._clock.sleep(timeout_s)
        return False

    def notices(self) -> tuple[str, ...]:
        return ()


def _seconds(question: _Question, began_s: float) -> float:
    return question.rounds[-1].at_s - began_s if question.rounds else 0.0


def _ended(followed: Followed, verdict: Verdict, seconds: float) -> Followed:
    """What was found before stays: the warnings, and which version the pods run."""
    before = followed.verdict
    printable = replace(verdict.printable(), stage=_STAGE, warnings=before.warnings, serving=before.serving)
    moment = Moment(_STAGE, seconds, is_open=verdict.outcome is not Outcome.SERVING)
    return replace(followed, verdict=printable, timeline=(*followed.timeline, moment))
