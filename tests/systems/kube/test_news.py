"""Which sites are read anew, by what was heard of them."""

import pytest

from bumper.systems.kube.news import News, site_key
from systems.kube.clock import Clock
from systems.kube.conftest import desired

SITES = [site_key(desired(site)) for site in ("one", "two", "three")]
EVERY_S = 5.0
ALL, NONE = [True] * 3, [False] * 3


class Asked:
    """News about three sites, all of which were just read in `takes_s`."""

    def __init__(self, takes_s: float = 0.0) -> None:
        self.clock = Clock()
        self.news = News(self.clock.now, EVERY_S)
        self.read(ALL, takes_s)

    def choose(self, *due: int, is_told: bool = True) -> list[bool]:
        return self.news.choose(SITES, [number in due for number in range(3)], is_told=is_told)

    def read(self, chosen: list[bool], takes_s: float = 0.0) -> None:
        self.news.begin(
            {site for site, is_chosen in zip(SITES, chosen, strict=True) if is_chosen}, is_whole=all(chosen)
        )
        self.clock.now_s += takes_s
        self.news.end(SITES, is_whole=all(chosen))


def test_whoever_was_heard_of_is_read_and_whoever_is_due() -> None:
    asked = Asked()
    asked.news.hear({SITES[1]})
    assert asked.choose() == [False, True, False]
    assert asked.choose(2) == [False, True, True]
    asked.read([False, True, True])
    assert asked.choose(0) == [True, False, False]


def test_at_first_and_after_a_doubt_all_are_read() -> None:
    assert News(Clock().now, EVERY_S).choose(SITES, NONE, is_told=True) == ALL
    asked = Asked()
    asked.news.hear({SITES[1]})
    asked.news.doubt()
    assert asked.choose() == ALL
    asked.read(ALL)
    asked.news.hear({SITES[1]})
    assert asked.choose() == [False, True, False]


def test_where_not_every_change_is_told_all_are_read() -> None:
    asked = Asked()
    asked.news.hear({SITES[1]})
    assert asked.choose(is_told=False) == ALL


def test_without_a_word_all_are_read() -> None:
    assert Asked().choose() == ALL


def test_a_word_about_nobody_who_is_followed_asks_for_nothing() -> None:
    asked = Asked()
    asked.news.hear({site_key(desired("another"))})
    assert asked.choose() == NONE


def test_what_is_heard_while_it_is_read_is_news_again() -> None:
    asked = Asked()
    asked.news.hear({SITES[1]})
    asked.news.begin({SITES[1]}, is_whole=False)
    asked.news.hear({SITES[1]})
    asked.news.end(SITES, is_whole=False)
    assert asked.choose() == [False, True, False]


def test_a_doubt_while_all_are_read_stays() -> None:
    asked = Asked()
    asked.news.begin(set(SITES), is_whole=True)
    asked.news.doubt()
    asked.news.end(SITES, is_whole=True)
    asked.news.hear({SITES[1]})
    assert asked.choose() == ALL


@pytest.mark.parametrize(("takes_s", "after_s"), [(0.0, EVERY_S), (1.0, 20.0), (10.0, 30.0)])
def test_however_much_is_heard_all_are_read_from_time_to_time(takes_s: float, after_s: float) -> None:
    asked = Asked(takes_s)
    began_s = asked.clock.now_s - takes_s
    asked.news.hear({SITES[1]})
    asked.clock.now_s = began_s + after_s - 0.01
    assert asked.choose() == [False, True, False]
    asked.clock.now_s = began_s + after_s
    assert asked.choose() == ALL


def test_workloads_of_one_site_are_read_together() -> None:
    asked = Asked()
    asked.news.hear({SITES[0]})
    sites = [SITES[0], SITES[0], SITES[1]]
    assert asked.news.choose(sites, [False] * 3, is_told=True) == [True, True, False]
    asked.read(ALL)
    assert asked.news.choose(sites, [False, True, False], is_told=True) == [True, True, False]
