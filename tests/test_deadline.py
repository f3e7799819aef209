"""The deadline in force, what is said while something does not answer, and how often it is asked again."""

import math

import pytest
from registries import StillClock

from bumper.errors import NotConnected, Transient
from bumper.ports.deadline import GRACE_S, in_steps, left_s, told_to, until
from bumper.retry import answered, wish_s


def test_the_nearest_deadline_holds() -> None:
    clock = StillClock()
    assert left_s() == math.inf
    with until(clock, 10.0):
        with until(clock, 60.0):
            assert left_s() == 10.0 + GRACE_S
        with until(clock, 3.0):
            assert left_s() == 3.0 + GRACE_S
            assert left_s(1.0) == 1.0
        clock.sleep(20.0)
        assert left_s() == 0.0
    assert left_s(5.0) == 5.0


def waited(limit_s: float, what: str = "it") -> tuple[list[str], list[float]]:
    spoken: list[str] = []
    steps: list[float] = []

    def wait(seconds: float) -> None:
        steps.append(seconds)
        raise TimeoutError

    with told_to(spoken.append), pytest.raises(TimeoutError):
        in_steps(what, limit_s, wait)
    return spoken, steps


def test_what_is_waited_for_is_said_from_time_to_time() -> None:
    assert waited(4.0) == ([], [4.0])
    assert waited(30.0) == (
        ["still waiting for it (5 s)", "still waiting for it (20 s)"],
        [5.0, 15.0, 10.0],
    )
    assert waited(30.0, what="") == ([], [30.0])


def test_what_may_heal_is_asked_again_and_each_failure_is_said_once() -> None:
    clock, spoken = StillClock(), list[str]()

    def ask() -> None:
        raise Transient("git: 503")

    with told_to(spoken.append), pytest.raises(Transient):
        answered(ask, clock, 120.0)
    assert 115.0 < clock.now() <= 120.0
    assert spoken == ["git: 503; trying again for up to 120 s"]


def test_who_takes_no_connection_is_asked_for_a_moment_only() -> None:
    clock = StillClock()

    def ask() -> None:
        raise NotConnected("no such host")

    with pytest.raises(NotConnected):
        answered(ask, clock, 120.0)
    assert clock.now() <= 15.0


def test_a_wish_for_an_hour_is_granted_for_a_minute() -> None:
    assert wish_s(Transient("x", retry_after_s=3600.0)) == 60.0
    assert wish_s(Transient("x", retry_after_s=7.0)) == 7.0
    assert wish_s(Transient("x")) is None
    assert wish_s(ValueError()) is None
