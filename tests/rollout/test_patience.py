from bumper.errors import Outcome
from bumper.rollout.patience import GAP_S, Finding, weigh
from bumper.rollout.verdict import Sighting, Verdict


def finding(key: str, grace_s: float = 10.0, tries: int = 1, enough_tries: int | None = None) -> Finding:
    return Finding(key, Verdict(Outcome.FAILED, key, key), grace_s, tries, enough_tries)


def test_a_cause_is_believed_when_its_grace_is_over_and_not_before() -> None:
    first = weigh([finding("A")], {}, 100.0)
    assert (first.believed, first.due_s) == (None, 110.0)
    assert weigh([finding("A")], first.sightings, 109.9).believed is None
    late = weigh([finding("A")], first.sightings, 110.0)
    assert late.believed == finding("A")
    assert late.due_s is None


def test_enough_tries_end_a_grace() -> None:
    assert weigh([finding("A", tries=2, enough_tries=3)], {}, 0.0).believed is None
    assert weigh([finding("A", tries=3, enough_tries=3)], {}, 0.0).believed
    assert weigh([finding("A", tries=9)], {}, 0.0).believed is None


def test_of_two_that_are_believed_the_first_in_order_counts() -> None:
    both = [finding("A", 0.0), finding("B", 0.0)]
    assert weigh(both, {}, 0.0).believed == both[0]
    waiting = [finding("A", 5.0), finding("B", 0.0)]
    weighed = weigh(waiting, {}, 0.0)
    assert weighed.believed == waiting[1]
    assert weighed.due_s == 5.0


def test_a_cause_is_remembered_over_a_gap_and_forgotten_after_it() -> None:
    seen = {"A": Sighting(first_s=0.0, strikes=1, last_s=10.0)}
    assert weigh([], seen, 10.0 + GAP_S).sightings == seen
    assert weigh([], seen, 10.1 + GAP_S).sightings == {}


def test_strikes_are_the_clusters_own_count() -> None:
    assert weigh([finding("A", tries=4)], {}, 1.0).sightings == {"A": Sighting(1.0, 4, 1.0)}
