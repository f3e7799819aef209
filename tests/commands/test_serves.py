"""The site itself is asked after Ready: `--serves`, and what git says of it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import commandline
import pytest
from git_remotes import content
from web_pages import Pages, serving

from bumper_sandbox.stack import Stack

from .branch import tip

SITE, HOST = "specmcp-ai", "specmcp.ai"
SYNC = f"k8s/flux-system/{SITE}-sync.yaml"
DEPLOYMENT = f"k8s/{SITE}/deployment.yaml"


def bump_json(stack: Stack, *arguments: str) -> dict[str, Any]:
    ran = commandline.bump(*arguments, "--repo", stack.url, "--output", "json", environ=stack.child_environ())
    answer: dict[str, Any] = json.loads(ran.stdout)
    assert answer["exitCode"] == ran.code, ran.stderr
    return answer


def deploy(stack: Stack, tag: str, *arguments: str, site: str = SITE) -> dict[str, Any]:
    stack.registry.push(site, tag)
    return bump_json(stack, "--site", site, "--sha", tag, *arguments)


@contextmanager
def answering(sha: str, status: int = 200, **headers: str) -> Iterator[Pages]:
    """The site's own server with one page, which names this build."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with serving({"/build.json": (status, named, json.dumps({"sha": sha}).encode())}) as pages:
        yield pages


def asking(pages: Pages, spec: str = "json=sha times=2 grace=1s") -> tuple[str, ...]:
    url = f"http://{HOST}:{pages.port}/build.json"
    return "--serves", f"{url} {spec}", "--resolve", f"{HOST}:{pages.port}:127.0.0.1"


def file(stack: Stack, path: str) -> str:
    return content(stack.git.path(stack.url.rpartition("/")[2]), path, "main").decode()


@pytest.mark.slow
def test_a_site_that_answers_with_the_new_build_is_serving(stack: Stack) -> None:
    with answering("abc1001" + "0" * 33) as pages:
        answer = deploy(stack, "abc1001", *asking(pages))
    (site,) = answer["sites"]
    assert (answer["outcome"], answer["exitCode"], site["stage"]) == ("serving", 0, "serving")
    assert site["message"].endswith("answers with abc1001: 2 right answers in a row from 127.0.0.1")
    assert [stage["stage"] for stage in site["stages"]][-1] == "serving"
    assert site["timeline"][-1]["moment"] == "serving"
    assert len(pages.asked) == 2


@pytest.mark.slow
def test_another_build_is_a_failure_that_no_rollback_answers(stack: Stack) -> None:
    with answering("0000000") as pages:
        answer = deploy(stack, "abc1002", *asking(pages), "--auto-rollback")
    (site,) = answer["sites"]
    assert (site["outcome"], site["reason"]) == ("failed", "SiteAnswersWithAnotherBuild")
    assert "answers do not prove the new build" in site["message"]
    assert "rollback" not in answer
    assert site["rolledBack"] == ""
    assert "0000000" not in json.dumps(site)


@pytest.mark.slow
def test_an_error_of_the_new_build_is_rolled_back(stack: Stack) -> None:
    # A version that was taken back is kept off: none of the other tests deploys this site.
    other = "sddbook-com"
    deploy(stack, "abc1003", site=other)
    with answering("abc1004", 500) as pages:
        answer = deploy(stack, "abc1004", *asking(pages), "--auto-rollback", site=other)
    (site,) = answer["sites"]
    assert (site["outcome"], site["reason"]) == ("failed", "SiteAnswersWithError")
    assert site["rolledBack"].startswith("to abc1003")
    assert ":abc1003" in file(stack, f"k8s/{other}/deployment.yaml")
    # The version before is asked as well, and answers no better.
    assert answer["rollback"]["sites"][0]["reason"] == "SiteAnswersWithError"


@pytest.mark.slow
def test_a_cache_is_waited_for_up_to_the_deadline_and_rolls_nothing_back(stack: Stack) -> None:
    with answering("abc1003", age="60") as pages:
        answer = deploy(stack, "abc1005", *asking(pages), "--auto-rollback", "--timeout", "6s")
    (site,) = answer["sites"]
    assert (site["outcome"], site["reason"]) == ("timed-out", "StaleAnswer")
    assert "rollback" not in answer
    assert ":abc1005" in file(stack, DEPLOYMENT)


@pytest.mark.slow
def test_an_address_that_is_not_public_is_nobodys_failure(stack: Stack) -> None:
    with answering("abc1006") as pages:
        url = f"http://localhost:{pages.port}/build.json"
        answer = deploy(stack, "abc1006", "--serves", f"{url} json=sha")
    assert (answer["outcome"], answer["sites"][0]["reason"]) == ("unknown", "AddressNotAsked")
    assert pages.asked == []


@pytest.mark.slow
def test_what_is_adopted_is_asked_from_then_on(stack: Stack) -> None:
    before = tip(stack)
    elsewhere = bump_json(stack, "adopt", SITE, "--serves", "http://169.254.169.254/latest json=sha")
    assert elsewhere["outcome"] == "refused"
    assert (
        "expected a host that a route of specmcp-ai names (specmcp.ai, www.specmcp.ai)"
        in elsewhere["error"]["message"]
    )
    assert tip(stack) == before
    with answering("abc1007") as pages:
        spec = f"http://{HOST}:{pages.port}/build.json json=sha times=1"
        assert bump_json(stack, "adopt", SITE, "--serves", spec)["serves"] == spec
        assert f"bump/serves: {spec}\n" in file(stack, SYNC)
        resolve = ("--resolve", f"{HOST}:{pages.port}:127.0.0.1")
        assert deploy(stack, "abc1007", *resolve)["outcome"] == "serving"
        assert bump_json(stack, "track", SITE, *resolve)["outcome"] == "serving"
    again = bump_json(stack, "adopt", SITE, "--serves", spec)
    assert again["outcome"] == "unchanged"


def test_what_cannot_be_asked_is_refused_before_anything_is_written(stack: Stack) -> None:
    before = tip(stack)
    stack.registry.push(SITE, "release-7")
    tagged = ("--site", SITE, "--tag", "release-7", "--serves", "/ sha")
    answer = bump_json(stack, *tagged)
    assert answer["outcome"] == "refused"
    assert "the tag release-7 holds no commit" in answer["error"]["message"]
    not_waiting = bump_json(stack, *tagged[:-1], "/ text={tag}", "--no-wait")
    assert not_waiting["exitCode"] == 2
    assert "--no-wait does not wait" in not_waiting["error"]["message"]
    assert tip(stack) == before
