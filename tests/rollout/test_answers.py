"""What answers prove: the grammar of an expectation, the reading of one answer, and the verdict on many."""

import json

import pytest
from tables import each_row

from bumper.errors import Outcome
from bumper.ports.site import Expectation, Obstacle, Resolution, SiteAnswer
from bumper.rollout import answers
from bumper.rollout.answers import Asked, Kind, Reading, Round

NEW, OLD = "abc1234", "08a2c8e"
HTML = b"<html><body>build %s</body></html>"


def asked(spec: str = "/ sha", *, tag: str = NEW, runs_alone: bool = True) -> Asked:
    return Asked(Expectation.parse(spec), tag, "https://web.example/", OLD, runs_alone)


def answer(
    content: bytes = b"", status: int = 200, address: str = "203.0.113.7", **headers: str
) -> SiteAnswer:
    return SiteAnswer(
        address, status, {name.replace("_", "-"): value for name, value in headers.items()}, content
    )


def page(tag: str, **headers: str) -> SiteAnswer:
    return answer(HTML % tag.encode(), 200, "203.0.113.7", **headers)


def nothing(obstacle: Obstacle) -> SiteAnswer:
    return SiteAnswer("203.0.113.7", obstacle=obstacle, detail=f"no answer ({obstacle})")


def rounds(question: Asked, *given: SiteAnswer | tuple[SiteAnswer, ...], every_s: float = 1.0) -> list[Round]:
    """One round for each, each of one answer or of several addresses."""
    return [
        Round(number * every_s, tuple(answers.read(question, each) for each in _several(given_once)))
        for number, given_once in enumerate(given)
    ]


def _several(given: SiteAnswer | tuple[SiteAnswer, ...]) -> tuple[SiteAnswer, ...]:
    return given if isinstance(given, tuple) else (given,)


@each_row(
    "text",
    [
        "/ sha",
        "/.well-known/build.json json=sha",
        "/ json=sites[0].build is=v{tag}",
        "/ header=X-Build is={sha} times=5 grace=120s",
        "'/a?b=c&d=e' sha",
        "https://www.example.org:8443/x 'text=build {tag} is here' grace=0s",
    ],
)
def test_an_expectation_is_written_as_it_is_read(text: str) -> None:
    expectation = Expectation.parse(text)
    assert Expectation.parse(str(expectation)) == expectation


@each_row(
    ("text", "why"),
    [
        ("", "expected one of header=NAME"),
        ("/only/a/path", "expected one of header=NAME"),
        ("sha json=sha", "expected one of header=NAME"),
        ("text=hello", "'hello' proves no build"),
        ("json=sha is=1.0", "'1.0' proves no build"),
        ("sha is={tag}", "is= goes with"),
        ("json=.[", "expected keys and indexes"),
        ("header='X Build'", "expected the name of a header"),
        ("sha sha", "sha is there twice"),
        ("sha times=0", "a number from 1 to 100"),
        ("sha times=101", "a number from 1 to 100"),
        ("sha grace=soon", "expected for example 30s"),
        ("sha color=red", "color=red: expected header=NAME"),
        ("//elsewhere.example/ sha", "expected /PATH or http"),
        ("https://ann:secret@web.example/ sha", "without a user"),
        ("https://web.example/#top sha", "without a user and a fragment"),
        ("https://web.example\\\\@elsewhere.example/ sha", "expected /PATH or http"),
        ("ftp://web.example/ sha", "expected /PATH or http"),
        ("https:// sha", "expected /PATH or http"),
        ("https://web.example:99999/ sha", "Port out of range"),
        ("/a\nb sha", "one line of printable text"),
        ("'text={tag}", "No closing quotation"),
    ],
)
def test_what_is_no_expectation_is_told_why(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as refused:
        Expectation.parse(text)
    assert why in str(refused.value)


def test_an_address_is_named_as_curl_does() -> None:
    assert Resolution.parse("Web.example:443:127.0.0.1") == Resolution("web.example", 443, ("127.0.0.1",))
    assert Resolution.parse("w.example:80:127.0.0.1,[::1]").addresses == ("127.0.0.1", "::1")
    for text in ("web.example", "web.example:443", "web.example:0:127.0.0.1", "web.example:443:localhost"):
        with pytest.raises(ValueError, match=r"\w"):
            Resolution.parse(text)


@each_row(
    ("spec", "given", "kind"),
    [
        ("sha", page(NEW), Kind.RIGHT),
        ("sha", page(NEW + "0" * 33), Kind.RIGHT),
        ("sha", page(NEW.upper()), Kind.RIGHT),
        ("sha", answer(b"<!-- built from " + NEW.encode() + b" --><p>shop</p>"), Kind.RIGHT),
        ("header=X-Build", answer(x_build=NEW.upper()), Kind.RIGHT),
        ("sha", page(OLD), Kind.WRONG),
        ("sha", page("x" + NEW), Kind.WRONG),
        ("sha", answer(b"no build at all"), Kind.WRONG),
        ("header=X-Build", answer(x_build=NEW), Kind.RIGHT),
        ("header=X-Build", answer(x_build=f" {NEW}{'0' * 33} "), Kind.RIGHT),
        ("header=X-Build", answer(x_build=f"not {NEW}"), Kind.WRONG),
        ("header=X-Build is=v-{sha}", answer(x_build=f"v-{NEW}"), Kind.RIGHT),
        ("json=build.sha", answer(json.dumps({"build": {"sha": NEW}}).encode()), Kind.RIGHT),
        ("json=[0].n", answer(json.dumps([{"n": NEW}]).encode()), Kind.RIGHT),
        ("json=build.sha", answer(json.dumps({"build": NEW}).encode()), Kind.WRONG),
        ("json=sha", answer(b"[" * 100_000), Kind.WRONG),
        ("json=sha", answer(b'{"sha": true}'), Kind.WRONG),
        ("json=sha", answer(b"<html>"), Kind.WRONG),
        ("text='build {tag}'", page(NEW), Kind.RIGHT),
        ("text='Build {tag}'", page(NEW), Kind.WRONG),
        ("sha", page(OLD, age="12"), Kind.STALE),
        ("sha", page(OLD, age="0"), Kind.WRONG),
        ("sha", page(OLD, cf_cache_status="HIT"), Kind.STALE),
        ("sha", page(OLD, x_cache="Miss from cloudfront"), Kind.WRONG),
        ("sha", page(OLD, x_cache="RefreshHit from cloudfront"), Kind.STALE),
        ("sha", page(OLD, x_cache="TCP_REMOTE_HIT"), Kind.STALE),
        ("sha", page(OLD, x_cache="TCP_MISS"), Kind.WRONG),
        ("sha", page(OLD, x_cache="MISS, HIT"), Kind.STALE),
        ("sha", page(OLD, cache_status="edge; hit; ttl=30"), Kind.STALE),
        ("sha", page(OLD, cache_status="edge; fwd=stale; stored"), Kind.WRONG),
        ("sha", page(OLD, x_cache_status="STALE"), Kind.STALE),
        ("sha", page(NEW, age="12"), Kind.RIGHT),
        ("sha", answer(b"oops", 500), Kind.OWN_ERROR),
        ("sha", answer(b"no route", 404), Kind.ERROR),
        ("sha", answer(b"no endpoints", 503), Kind.ERROR),
        ("sha", answer(HTML % NEW.encode(), 503), Kind.OWN_ERROR),
        ("sha", answer(HTML % OLD.encode(), 500), Kind.ERROR),
        ("sha", nothing(Obstacle.TLS), Kind.NONE),
    ],
)
def test_one_answer_is_read_for_what_it_proves(spec: str, given: SiteAnswer, kind: Kind) -> None:
    assert answers.read(asked(spec), given).kind is kind


def test_an_error_is_the_builds_own_only_where_no_other_build_runs() -> None:
    assert answers.read(asked(runs_alone=False), answer(b"oops", 500)).kind is Kind.ERROR


@pytest.mark.parametrize(
    ("tag", "commit"), [(NEW, NEW), (f"main-{NEW}", NEW), (f"{NEW}-amd64", NEW), ("1.2.3", ""), ("v2", "")]
)
def test_the_commit_of_a_tag(tag: str, commit: str) -> None:
    assert answers.commit_in(tag) == commit


def test_it_serves_after_so_many_right_answers_in_a_row() -> None:
    question = asked("sha times=2")
    assert answers.judge(question, rounds(question, page(NEW))) is None
    assert answers.judge(question, rounds(question, page(NEW), page(OLD), page(NEW))) is None
    verdict = answers.judge(question, rounds(question, page(OLD), page(NEW), page(NEW)))
    assert verdict
    assert (verdict.outcome, verdict.reason) == (Outcome.SERVING, "Serving")
    assert verdict.message == (
        "https://web.example/ answers with abc1234: 2 right answers in a row from 203.0.113.7"
    )


def test_every_address_must_be_right() -> None:
    question = asked("sha times=1")
    mixed = (page(NEW), answer(HTML % OLD.encode(), address="203.0.113.8"))
    assert answers.judge(question, rounds(question, mixed)) is None
    both = (page(NEW), answer(HTML % NEW.encode(), address="203.0.113.8"))
    verdict = answers.judge(question, rounds(question, both))
    assert verdict
    assert verdict.message.endswith("a right answer from each of 2 addresses")


def test_another_build_fails_after_its_grace_and_going_back_does_not_help() -> None:
    given = [page(OLD), page(NEW), page(NEW), page(NEW), page(OLD)]
    question = asked("sha grace=4s times=5")
    assert answers.judge(question, rounds(question, *given[:4])) is None
    verdict = answers.judge(question, rounds(question, *given))
    assert verdict
    assert (verdict.outcome, verdict.reason) == (Outcome.FAILED, "SiteAnswersWithAnotherBuild")
    assert "2 of 5 answers still come from 08a2c8e" in verdict.message
    assert verdict.evidence == (
        "expected abc1234 in the page",
        "203.0.113.7: 200, another build (08a2c8e) (2 times)",
        "203.0.113.7: 200, the new build (3 times)",
    )
    assert not verdict.helps_to_go_back


def test_answers_that_failed_long_ago_are_no_grace() -> None:
    question = asked("sha grace=6s times=20")
    given = [page(OLD), *[page(NEW)] * 6, page(OLD)]
    assert answers.judge(question, rounds(question, *given)) is None


@pytest.mark.parametrize(
    ("given", "helps"),
    [
        (answer(b"oops", 500), True),
        (answer(b"no endpoints", 503), False),
        (answer(b"not here", 404), False),
        ((answer(b"oops", 500), page(OLD)), False),
    ],
)
def test_going_back_helps_against_an_error_of_the_new_build_alone(
    given: SiteAnswer | tuple[SiteAnswer, ...], helps: bool
) -> None:
    question = asked("sha grace=1s")
    verdict = answers.judge(question, rounds(question, given, given))
    assert verdict
    assert (verdict.outcome, verdict.reason) == (Outcome.FAILED, "SiteAnswersWithError")
    assert verdict.helps_to_go_back is helps


@each_row(
    ("given", "reason", "says"),
    [
        (page(OLD, age="9"), "StaleAnswer", "3 of 3 answers still come from 08a2c8e, out of a cache"),
        (nothing(Obstacle.DNS), "HostNotFound", "3 of 3 answers did not come (no answer (dns))"),
        (nothing(Obstacle.TLS), "SiteNotTrusted", "no answer (tls)"),
        (nothing(Obstacle.TIMEOUT), "SiteTooSlow", "no answer (timeout)"),
        (nothing(Obstacle.REDIRECT), "SiteRedirects", "no answer (redirect)"),
        (nothing(Obstacle.CONNECTION), "SiteUnreachable", "no answer (connection)"),
        (nothing(Obstacle.CONTENT), "AnswerNotRead", "no answer (content)"),
    ],
)
def test_what_may_be_the_cache_or_the_way_is_waited_for_and_never_a_failure(
    given: SiteAnswer, reason: str, says: str
) -> None:
    question = asked("sha grace=1s")
    seen = rounds(question, given, given, given, every_s=100.0)
    assert answers.judge(question, seen) is None
    verdict = answers.timed_out(question, seen)
    assert (verdict.outcome, verdict.reason) == (Outcome.TIMED_OUT, reason)
    assert says in verdict.message
    assert verdict.hint
    assert not verdict.helps_to_go_back


def test_an_address_that_must_be_named_ends_it_at_once_and_is_nobodys_failure() -> None:
    question = asked()
    verdict = answers.judge(question, rounds(question, nothing(Obstacle.ADDRESS)))
    assert verdict
    assert (verdict.outcome, verdict.reason) == (Outcome.UNKNOWN, "AddressNotAsked")
    assert "--resolve" in verdict.hint


def test_a_deadline_before_the_first_answer_has_an_end_of_its_own() -> None:
    assert answers.timed_out(asked(), []).outcome is Outcome.TIMED_OUT


def test_no_text_quotes_what_a_page_holds() -> None:
    question = asked("header=X-Build grace=1s")
    given = answer(b"a secret of the page", x_build="a secret of the header")
    seen = rounds(question, given, given, given)
    failed = answers.judge(question, seen)
    assert failed
    assert (
        "secret"
        not in f"{failed} {answers.timed_out(question, seen)} {answers.doing(question, seen)} {given}"
    )


def test_it_is_asked_often_at_first_and_seldom_later() -> None:
    bad, good = Reading("a", Kind.WRONG), Reading("a", Kind.RIGHT)
    assert answers.pause_s([Round(0.0, (bad,))]) == 1.0
    assert answers.pause_s([Round(0.0, (bad,)), Round(40.0, (bad,))]) == 5.0
    assert answers.pause_s([Round(0.0, (bad,)), Round(40.0, (good,))]) == 1.0
