"""Questions that are asked at once: what comes out is what one after another would give."""

import math
import threading
from functools import partial

import pytest
from registries import StillClock
from shortages import refuse_threads

from bumper.ports.deadline import GRACE_S, left_s, told_to, until
from bumper.ports.threads import Early, FirstAlone, begin, held, side_by_side

MOST_S = 10.0


def test_the_answers_keep_their_order_whichever_comes_first() -> None:
    last_has_answered = threading.Event()

    def first() -> int:
        assert last_has_answered.wait(MOST_S)
        return 1

    def last() -> int:
        last_has_answered.set()
        return 3

    assert side_by_side([first, lambda: 2, last]) == [1, 2, 3]
    assert side_by_side([]) == []


def test_the_first_error_in_order_is_raised_and_nothing_is_begun_after_one() -> None:
    second_has_failed = threading.Event()
    begun: list[int] = []

    def fail_later() -> None:
        assert second_has_failed.wait(MOST_S)
        raise ValueError("first")

    def fail_now() -> None:
        second_has_failed.set()
        raise ValueError("second")

    with pytest.raises(ValueError, match="first"):
        side_by_side([fail_later, fail_now, lambda: begun.append(1), lambda: begun.append(2)], 2)
    assert begun == []


def test_where_the_machine_starts_no_further_thread_nothing_more_is_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[threading.Thread] = []
    is_over = threading.Event()
    begun: list[int] = []

    def is_second(thread: threading.Thread) -> bool:
        if started:
            return True
        started.append(thread)
        return False

    refuse_threads(monkeypatch, is_second)
    with pytest.raises(RuntimeError):
        side_by_side([lambda: is_over.wait(MOST_S), lambda: begun.append(1), lambda: begun.append(2)], 2)
    is_over.set()
    started[0].join(MOST_S)
    assert begun == []


def test_no_more_than_so_many_are_asked_at_once() -> None:
    lock, now, most = threading.Lock(), 0, 0
    together = threading.Barrier(3)

    def ask() -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        together.wait(MOST_S)
        with lock:
            now -= 1

    side_by_side([ask] * 9, 3)
    assert most == 3


def test_a_deadline_in_force_holds_for_all_of_them() -> None:
    with until(StillClock(), 7.0):
        assert side_by_side([left_s, left_s]) == [7.0 + GRACE_S] * 2


def test_a_single_job_runs_where_it_is_asked_for() -> None:
    assert side_by_side([threading.current_thread]) == [threading.current_thread()]


def test_the_first_goes_alone_and_all_others_at_once_whatever_became_of_it() -> None:
    door, inside = FirstAlone(), list[str]()
    first_is_in = threading.Event()
    all_have_come, others_are_in = threading.Barrier(4), threading.Barrier(3)

    def first() -> None:
        with door.entered():
            first_is_in.set()
            all_have_come.wait(MOST_S)
            inside.append("first")
            raise ZeroDivisionError

    def other() -> None:
        first_is_in.wait(MOST_S)
        all_have_come.wait(MOST_S)
        with door.entered():
            others_are_in.wait(MOST_S)
            inside.append("other")

    with pytest.raises(ZeroDivisionError):
        side_by_side([first, other, other, other])
    assert inside == ["first", *["other"] * 3]


def test_nobody_waits_at_the_door_beyond_the_deadline() -> None:
    door = FirstAlone()
    with door.entered(), until(StillClock(), -GRACE_S), door.entered():
        pass


def test_what_is_begun_early_has_neither_the_deadline_nor_the_listener_of_its_beginner() -> None:
    limits: list[float] = []
    early = Early("it", lambda: limits.append(left_s()))
    with until(StillClock(), 7.0), told_to(lambda text: pytest.fail(text)):
        begin([early])
        early.result()
    assert limits == [math.inf]


def test_what_does_not_end_early_is_waited_for_until_the_deadline_of_whoever_needs_it() -> None:
    may_end = threading.Event()
    early = Early("it", lambda: may_end.wait(MOST_S))
    begin([early])
    with until(StillClock(), -GRACE_S), pytest.raises(TimeoutError):
        early.result()
    assert not early.has_ended
    may_end.set()
    assert early.result()
    assert early.has_ended


def test_what_failed_early_fails_whenever_it_is_asked_for() -> None:
    early: Early[float] = Early("it", lambda: 1 / 0)
    begin([early])
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            early.result()


def test_nobody_waits_for_a_lock_beyond_the_deadline() -> None:
    lock, clock = threading.Lock(), StillClock()
    with held(lock), until(clock, clock.now()), pytest.raises(TimeoutError), held(lock):
        pass
    assert not lock.locked()


def test_what_is_begun_early_is_done_where_the_system_starts_no_further_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refuse_threads(monkeypatch, lambda thread: thread.name == "asking")
    jobs = [Early("it", partial(str, number)) for number in range(3)]
    begin(jobs)
    assert [job.result() for job in jobs] == ["0", "1", "2"]
