"""The loop in time that a test moves, and on its own thread."""

import threading

import pytest

from bumper_sandbox.kubernetes.loop import Loop, Reconcile, Task, WorkQueue
from sandbox.virtual import Steps, VirtualTime


def test_tasks_take_turns_by_their_time() -> None:
    time, seen = VirtualTime(), []
    loop = Loop(time.now)

    def task(name: str, step_s: float) -> Task:
        for _ in range(2):
            yield step_s
            seen.append((name, time.now_s))

    loop.spawn(task("slow", 3.0))
    loop.spawn(task("quick", 2.0))
    Steps(loop, time).until(lambda: len(seen) == 4)
    assert seen == [("quick", 2.0), ("slow", 3.0), ("quick", 4.0), ("slow", 6.0)]


def test_cluster_time_passes_faster_than_the_clock() -> None:
    time = VirtualTime()
    loop = Loop(time.now, speed=10.0)
    loop.call_later(30.0, lambda: None)
    assert loop.run_due() == pytest.approx(3.0)


def test_a_key_never_runs_twice_at_once_and_once_more_if_it_was_added_meanwhile() -> None:
    time, seen = VirtualTime(), []
    loop = Loop(time.now)

    def reconcile(key: str) -> Reconcile:
        seen.append(("begin", key, time.now_s))
        yield 5.0
        seen.append(("end", key, time.now_s))
        return None

    queue = WorkQueue(loop, reconcile)
    queue.add("a")
    steps = Steps(loop, time)
    steps.until(lambda: len(seen) == 1)
    for _ in range(3):
        queue.add("a")
    queue.add("b")
    steps.pass_s(20)
    assert seen == [
        ("begin", "a", 0.0),
        ("begin", "b", 0.0),
        ("end", "a", 5.0),
        ("end", "b", 5.0),
        ("begin", "a", 5.0),
        ("end", "a", 10.0),
    ]


def test_of_several_waiting_times_the_earliest_counts() -> None:
    time, seen = VirtualTime(), []
    loop = Loop(time.now)

    def reconcile(key: str) -> Reconcile:
        seen.append(time.now_s)
        return 50.0 if len(seen) == 1 else None
        yield

    queue = WorkQueue(loop, reconcile)
    queue.add("a", 10.0)
    queue.add("a", 4.0)
    queue.add("a", 20.0)
    Steps(loop, time).pass_s(100)
    assert seen == [4.0, 54.0]


def test_a_running_loop_takes_work_from_other_threads_and_ends() -> None:
    done = threading.Event()
    with Loop() as loop:
        loop.call_later(3600.0, lambda: None)
        loop.call_later(0.0, done.set)
        assert done.wait(10)


def test_other_tasks_go_on_while_one_waits_outside() -> None:
    came, results = threading.Event(), []

    def waits() -> Task:
        results.append((yield from loop.outside(lambda: came.wait(10))))
        done.set()

    done = threading.Event()
    with Loop() as loop:
        loop.spawn(waits())
        loop.call_later(0.0, came.set)
        assert done.wait(10)
    assert results == [True]


def test_step_by_step_what_is_outside_is_done_in_its_turn() -> None:
    time, results = VirtualTime(), []
    loop = Loop(time.now)

    def task() -> Task:
        results.append((yield from loop.outside(lambda: "done")))

    loop.spawn(task())
    assert loop.run_due() is None
    assert results == ["done"]


def test_what_a_task_raises_is_raised_at_the_end() -> None:
    reached = threading.Event()

    def task() -> Task:
        yield 0.0
        reached.set()
        raise LookupError("a bug")

    loop = Loop()
    loop.start()
    loop.spawn(task())
    assert reached.wait(10)
    with pytest.raises(LookupError, match="a bug"):
        loop.stop()
