"""Questions that are asked at once: what comes out is what one after another would give."""

import threading

import pytest
from registries import StillClock

from bumper.ports.deadline import GRACE_S, left_s, until
from bumper.ports.threads import side_by_side

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
    start, started = threading.Thread.start, list[threading.Thread]()
    is_over = threading.Event()
    begun: list[int] = []

    def start_first(thread: threading.Thread) -> None:
        if started:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    # No limit of the system refuses the second thread and grants the first: it counts those of the user, and none of root's.
    monkeypatch.setattr(threading.Thread, "start", start_first)
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
