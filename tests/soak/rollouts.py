"""Whole deploys on the simulated platform, its API server and git host behind a proxy that delays and cuts: the verdict is that of the
rollout, whatever the way did to it."""

import json
import os
import random
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import commandline

from bumper_sandbox.stack import REPOSITORY, Stack

from .proxy import Proxy, Weather
from .table import Tally

TARGET, SLICE, SHORT = 2_000, 10, 2
TREE = Path(__file__).parents[2] / "bumper_sandbox" / "example" / "k8s"
_SITE = "shop-example"
_WEATHER = Weather(delay_s=0.01, share=0.05)
_SPEED = 20.0
# What becomes of a tag in the cluster, and the outcome that says so.
_ENDS = {"ready": "ready", "crash": "failed", "missing": "refused"}


def run(start: int, cases: int) -> Tally:
    """The cases of these numbers, one after the other on one platform."""
    with Stack(TREE, dict(os.environ), speed=_SPEED) as stack:
        stack.bootstrap()
        with behind(stack, Weather(_WEATHER.delay_s, _WEATHER.share, start)) as (environ, proxies):
            faults = [
                fault for number in range(start, start + cases) if (fault := _fault(stack, environ, number))
            ]
            return Tally(tuple(faults), {"cut connections": sum(proxy.cuts for proxy in proxies)})


@contextmanager
def behind(stack: Stack, weather: Weather) -> Iterator[tuple[dict[str, str], list[Proxy]]]:
    """The environment in which the cluster and the git host are reached by this weather; the repository's URL is SOAK_URL in it."""
    config = Path(stack.cluster.kubeconfig).read_text(encoding="utf-8")
    port = re.search(r"https://127\.0\.0\.1:(\d+)", config)
    assert port, "the sandbox's API server"
    with Proxy(int(port[1]), weather) as api, Proxy(int(stack.git.url.rpartition(":")[2]), weather) as git:
        file = Path(stack.cluster.kubeconfig).with_name("behind-the-proxy")
        file.write_text(config.replace(port[0], f"https://{api.host}"), encoding="utf-8")
        more = {"KUBECONFIG": str(file), "SOAK_URL": f"http://{git.host}/{REPOSITORY}"}
        yield {**stack.child_environ(), **more}, [api, git]


def _fault(stack: Stack, environ: Mapping[str, str], number: int) -> str:
    end = random.Random(number).choice(list(_ENDS))
    tag = f"c{number:06x}"
    if end != "missing":
        stack.registry.push(_SITE, tag)
    stack.behaviours[tag] = "crash" if end == "crash" else "ready"
    answer, error = deployed(environ, tag)
    if answer.get("outcome") == _ENDS[end]:
        return ""
    details = json.dumps(answer.get("error") or answer.get("sites"))[:600]
    return f"{number}: {end} was told as {answer.get('outcome')}: {details} {error}"


def deployed(environ: Mapping[str, str], tag: str) -> tuple[dict[str, object], str]:
    """What the command says of a deploy, and what it says beside that."""
    command = ["--site", _SITE, "--sha", tag, "--repo", environ["SOAK_URL"], "--output", "json"]
    options = ["--timeout", "90s", "--wait-for-image", "0s", "--force", "--reason", "soak", "--no-notes"]
    ran = commandline.bump(*command, *options, environ=environ, cwd=Path("/"))
    try:
        answer: dict[str, object] = json.loads(ran.stdout)
    except ValueError:
        return {}, f"exit {ran.code}: {ran.stderr[-300:]}"
    return answer, ""
