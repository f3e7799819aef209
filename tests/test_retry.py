"""How long is waited between two tries: in a race as long as the field is large, against a sick server longer and longer."""

import heapq
from random import Random

from bumper.errors import BumpError, LostRace, Transient
from bumper.retry import window_s


def test_the_pause_grows_with_what_a_try_takes_and_with_each_try() -> None:
    sick = Transient("500")
    assert [window_s(sick, 0.5, tries) for tries in (1, 2, 3, 6)] == [0.5, 1.0, 2.0, 16.0]
    assert window_s(sick, 0.0, 1) == 0.1
    assert window_s(sick, 3.0, 5000) > 1e9


def test_a_writer_that_lost_many_races_is_not_left_sleeping() -> None:
    lost = LostRace("main moved")
    assert [window_s(lost, 0.5, tries) for tries in (1, 2, 3, 20)] == [1.0, 2.0, 4.0, 4.0]


def test_the_tries_a_writer_and_the_time_of_the_last_one_stay_bounded() -> None:
    """Rivals on machines of their own, in virtual time: whoever made the push on the tip of the moment wins."""
    for writers, most_tries, most_s in ((2, 2, 5), (8, 3.5, 20), (32, 6.5, 60), (64, 10, 100)):
        races = [_race(writers, Random(seed)) for seed in range(20)]
        assert sum(tries for tries, _ in races) / len(races) / writers <= most_tries
        assert sum(last_s for _, last_s in races) / len(races) <= most_s


def _race(writers: int, random: Random) -> tuple[int, float]:
    """How many tries all of them took together, and when the last one landed, in lengths of a try."""
    lost: BumpError = LostRace("main moved")
    tip, tries, now = 0, 0, 0.0
    # When the push comes, the tip that it is made on, how many tries that writer took.
    pushes = [(random.uniform(0.8, 1.2), number, 0, 1) for number in range(writers)]
    starts: list[tuple[float, int, int]] = []
    heapq.heapify(pushes)
    while pushes or starts:
        if starts and (not pushes or starts[0] < pushes[0]):
            now, number, taken = heapq.heappop(starts)
            heapq.heappush(pushes, (now + random.uniform(0.8, 1.2), number, tip, taken + 1))
            continue
        now, number, read, taken = heapq.heappop(pushes)
        tries += 1
        if read == tip:
            tip += 1
        else:
            heapq.heappush(starts, (now + random.uniform(0, window_s(lost, 1.0, taken)), number, taken))
    return tries, now
