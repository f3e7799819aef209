"""Writers on one branch at once, each with a site of its own, over a way with latency on which 5 % of all connections are cut: every
deploy that was told to have landed is on the branch once, in its order, and none of another writer is lost."""

import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import commandline

from .platform import FIRST, Platform, platform
from .proxy import Proxy, Weather
from .table import Tally

# A case is one deploy; a slice is a platform of its own on which each writer makes so many of them.
TARGET, SLICE, SHORT = 64 * 20, 64, 6
_WRITERS = 64
_WEATHER = Weather(delay_s=0.02, share=0.05)
_PUSH_TIMEOUT = "20m"


@dataclass(frozen=True)
class Deploy:
    """One deploy as its writer was told of it."""

    site: str
    tag: str
    code: int
    error: str


def run(start: int, cases: int) -> Tally:
    """So many deploys, shared out among the writers; `start` seeds the weather."""
    writers = min(_WRITERS, cases)
    sites = [f"site-{number:02}" for number in range(writers)]
    with platform(sites) as place:
        tags = {
            site: [f"b{start + turn:04x}{number:02x}" for turn in range(cases // writers)]
            for number, site in enumerate(sites)
        }
        for site, wanted in tags.items():
            for tag in wanted:
                place.registry.push(site, tag)
        weather = Weather(_WEATHER.delay_s, _WEATHER.share, seed=start)
        port = int(place.git.url.rpartition(":")[2])
        with Proxy(port, weather) as way:
            deploys = _all(place, way, tags)
            return Tally(
                tuple(_faults(place, deploys, sites)), {"cut connections": way.cuts, "writers": writers}
            )


def _all(place: Platform, way: Proxy, tags: dict[str, list[str]]) -> list[Deploy]:
    deploys: list[Deploy] = []

    def write(site: str) -> None:
        for tag in tags[site]:
            deploys.append(_deploy(place, way, site, tag))

    threads = [threading.Thread(target=write, args=(site,)) for site in tags]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return deploys


def _deploy(place: Platform, way: Proxy, site: str, tag: str) -> Deploy:
    """The whole command, again like a job that somebody starts anew, where the way did not let it through."""
    url = f"http://{way.host}/platform.git"
    command = [
        "--site",
        site,
        "--sha",
        tag,
        "--repo",
        url,
        "--no-wait",
        "--no-notes",
        "--platform",
        "linux/amd64",
    ]
    for _ in range(5):
        ran = commandline.bump(
            *command, "--push-timeout", _PUSH_TIMEOUT, environ=place.environ(), cwd=Path("/")
        )
        if ran.code != 6:  # Unreachable: before anything was written
            break
    return Deploy(site, tag, ran.code, ran.stderr.strip()[-300:])


def _faults(place: Platform, deploys: list[Deploy], sites: list[str]) -> list[str]:
    subjects = Counter(place.subjects())
    faults = [
        f"{deploy.site} {deploy.tag}: exit {deploy.code}: {deploy.error}" for deploy in deploys if deploy.code
    ]
    for deploy in deploys:
        count = subjects[f"Deploy {deploy.site} {deploy.tag}"]
        if count > 1 or (count == 0 and deploy.code == 0):
            faults.append(f"{deploy.site} {deploy.tag}: told {deploy.code}, on the branch {count} times")
    for site in sites:
        last = [deploy.tag for deploy in deploys if deploy.site == site and deploy.code == 0][-1:] or [FIRST]
        if place.tag(site) != last[0]:
            faults.append(f"{site}: holds {place.tag(site)}, and {last[0]} was the last one that landed")
    return faults + place.problems()
