"""One comment whatever happens at the same time, and a GitHub that never decides anything."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from github_pages import FAILED, NEW, OLD, PAGES, READY, report, story
from openapi import problems
from sandbox_github.content import Pull, User
from sandbox_github.server import Answer, GitHubServer, Refusal

from bumper.app.channels import Channels, pages
from bumper.app.identity import Identity
from bumper.app.settings import PublishSettings
from bumper.app.surroundings import Surroundings
from bumper.errors import FieldMissing, NoAccess, Transient
from bumper.ports.run import State, Step
from bumper.progress import Journal
from bumper.publish.channel import PERIOD_S, SLOW_PERIOD_S, Pace
from bumper.publish.comment import MARKER, merged
from bumper.publish.publisher import GRACE_S, Comments, Publisher, Source
from bumper.publish.report import Report
from bumper.publish.sticky import Sticky
from bumper.publish.story import Story
from bumper.systems.github import GitHub
from publish.conftest import BOT, HEAD, REPOSITORY


def bodies(server: GitHubServer, pull: int = 7) -> list[str]:
    return [comment.body for comment in server.repositories[REPOSITORY].comments_of(pull)]


def test_one_comment_is_edited_in_place(server: GitHubServer, hub: GitHub) -> None:
    sticky = Sticky(hub, 7)
    for run in (story(None), story(READY)):
        sticky.write(run)
    assert bodies(server) == [merged("", story(READY))]
    writes = [exchange.method for exchange in server.exchanges if exchange.method != "GET"]
    assert writes == ["POST", "PATCH"]
    sticky.write(story(READY), is_last=True)
    assert [exchange.method for exchange in server.exchanges if exchange.method != "GET"] == writes
    assert [problem for exchange in server.exchanges for problem in problems(exchange)] == []


def test_it_is_found_again_through_all_pages_and_by_its_author(server: GitHubServer, hub: GitHub) -> None:
    repository = server.repositories[REPOSITORY]
    server.write(repository, 7, User("mallory"), f"{MARKER}\nnot yours")
    for number in range(120):
        server.write(repository, 7, User("robin"), f"remark {number}")
    ours = server.write(repository, 7, BOT, merged("", story(None)))
    server.write(repository, 7, BOT, "another bot's words")
    Sticky(hub, 7).write(story(READY))
    assert ours.body == merged("", story(READY))
    assert len(bodies(server)) == 123
    assert bodies(server)[0] == f"{MARKER}\nnot yours"


def test_two_runs_that_create_at_once_leave_one_comment_that_tells_of_both(
    server: GitHubServer, hub: GitHub
) -> None:
    repository = server.repositories[REPOSITORY]

    def somebody_is_faster() -> None:
        server.on_write = None
        server.write(repository, 7, BOT, merged("", story(READY, sites=("docs",))))

    server.on_write = somebody_is_faster
    Sticky(hub, 7).write(story(FAILED))
    (body,) = bodies(server)
    assert "[docs](https://web.example) is Ready" in body
    assert "[web](https://web.example) failed" in body


def test_many_runs_at_once_leave_one_comment(server: GitHubServer) -> None:
    names = [f"site-{number}" for number in range(4)]

    def run(name: str) -> None:
        client = GitHub(REPOSITORY, token="writer", now=time.monotonic, api_url=server.url)
        sticky = Sticky(client, 7)
        sticky.write(story(None, sites=(name,)))
        sticky.write(story(READY, sites=(name,)), is_last=True)
        client.close()

    threads = [threading.Thread(target=run, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (body,) = bodies(server)
    assert "is Ready" in body
    # Once in the headline of each section: the table and its row say it, too.
    assert body.count(" is being deployed: ") < len(names)


def test_a_last_word_that_was_written_over_is_written_again(server: GitHubServer, hub: GitHub) -> None:
    repository = server.repositories[REPOSITORY]
    sticky = Sticky(hub, 7)
    sticky.write(story(None))
    (comment,) = repository.comments_of(7)
    stale = merged(comment.body, story(READY, sites=("docs",)))
    looks = iter([stale])

    class Overwritten:
        """The hub, while another run writes what it had read before us."""

        def __getattr__(self, name: str) -> object:
            return getattr(hub, name)

        def edit_comment(self, number: int, body: str) -> bool:
            done = hub.edit_comment(number, body)
            over = next(looks, None) if body != stale else None
            comment.body = over or comment.body
            return done

    racing = Sticky(Overwritten(), 7)  # type: ignore[arg-type]
    racing.write(story(FAILED), is_last=True)
    assert "[web](https://web.example) failed" in comment.body
    assert "[docs](https://web.example) is Ready" in comment.body


def test_a_comment_that_somebody_deleted_is_made_again(server: GitHubServer, hub: GitHub) -> None:
    repository = server.repositories[REPOSITORY]
    sticky = Sticky(hub, 7)
    sticky.write(story(None))
    repository.comments.clear()
    sticky.write(story(READY))
    assert bodies(server) == [merged("", story(READY))]

    def deleted_in_between() -> None:
        server.on_write = None
        repository.comments.clear()

    server.on_write = deleted_in_between
    sticky.write(story(FAILED))
    assert bodies(server) == [merged("", story(FAILED))]


def test_each_pull_request_is_told_of_its_own_sites(server: GitHubServer, hub: GitHub) -> None:
    channel = Comments(hub, Source(hub, HEAD), hub.close)
    run = story(READY, sites=("web", "api"))
    api = replace(run.sites[1], wanted="bbbbbbb")
    server.repositories[REPOSITORY].pulls[7] = Pull(7, ("c" * 40,), merge=HEAD)
    channel.publish(replace(run, sites=(run.sites[0], api)), is_last=True)
    assert ["[web]" in body for body in bodies(server, 7)] == [True]
    assert ["[api]" in body for body in bodies(server, 8)] == [True]


def test_a_commit_of_no_pull_request_and_a_tag_that_is_no_commit(server: GitHubServer, hub: GitHub) -> None:
    channel = Comments(hub, Source(hub, HEAD), hub.close)
    run = story(READY)
    channel.publish(replace(run, sites=(replace(run.sites[0], wanted="fffffff"),)), is_last=True)
    assert bodies(server) == []
    channel.publish(replace(run, sites=(replace(run.sites[0], wanted="v1.2"),)), is_last=True)
    assert len(bodies(server)) == 1


def test_a_run_that_ended_before_it_knew_its_sites_tells_the_commit_of_the_workflow(
    server: GitHubServer, hub: GitHub
) -> None:
    channel = Comments(hub, Source(hub, HEAD), hub.close)
    channel.publish(Story(pages=PAGES), is_last=False)
    assert bodies(server) == []
    channel.publish(Story(pages=PAGES, error=FieldMissing("no such site")), is_last=True)
    assert "### ❌ Nothing was deployed" in bodies(server)[0]


def test_edits_are_as_seldom_as_people_read_and_become_rarer() -> None:
    pace = Pace()
    dues, now_s = [], 0.0
    for _ in range(30):
        pace.told(now_s)
        dues.append(pace.due_s - now_s)
        now_s = pace.due_s
    assert dues[0] == PERIOD_S
    assert dues[-1] == SLOW_PERIOD_S
    # 500 writes an hour are for all runs of a repository together.
    assert 3600 / SLOW_PERIOD_S < 500 / 4


def test_a_wait_that_github_asks_for_is_kept_and_failures_back_off() -> None:
    pace = Pace()
    pace.failed(0.0, 90.0)
    assert (pace.due_s, pace.must_wait) == (90.0, True)
    waits = []
    for _ in range(8):
        pace.failed(100.0, None)
        waits.append(pace.due_s - 100.0)
    assert waits == sorted(waits)
    assert waits[-1] == 120.0
    pace.told(300.0)
    assert not pace.must_wait


@dataclass
class Recorded:
    """A channel that keeps what it was told; `answers` are raised in turn."""

    answers: list[Exception | None] = field(default_factory=list)
    stories: list[tuple[Story, bool]] = field(default_factory=list)
    name: str = "comment"
    closed: threading.Event = field(default_factory=threading.Event)
    heard: threading.Event = field(default_factory=threading.Event)
    gate: threading.Event | None = None

    def publish(self, story: Story, *, is_last: bool) -> None:
        if self.gate:
            self.gate.wait()
        self.stories.append((story, is_last))
        self.heard.set()
        if self.answers and (answer := self.answers.pop(0)):
            raise answer

    def close(self) -> None:
        self.closed.set()


def publisher(channel: Recorded, now: Callable[[], float] = time.monotonic) -> Publisher:
    return Publisher([channel], now, Story(pages=PAGES))


def outcome() -> Report:
    return Report((report(READY),), 9.4)


def test_the_last_word_is_told_at_once_however_often_it_was_told_before() -> None:
    channel = Recorded()
    publishing = publisher(channel)
    journal = Journal(time.monotonic, publishing)
    journal.begin("web", OLD, NEW)
    channel.heard.wait()
    journal.moving("web", "image", "asking")
    journal.done("web", "image", "found")
    assert publishing.finish(outcome()) == []
    last, is_last = channel.stories[-1]
    assert is_last
    assert [report.verdict for report in last.sites[0].reports] == [READY]
    assert len(channel.stories) <= 3
    assert channel.closed.wait(5)


def test_what_a_stage_is_busy_with_is_no_news_and_its_end_is() -> None:
    channel = Recorded(gate=threading.Event())
    publishing = publisher(channel)
    publishing.begin("web", OLD, NEW)
    publishing.show(Step("web", "image", State.MOVING, "asking", 0.1))
    publishing.show(Step("web", "image", State.MOVING, "asking again", 0.2))
    publishing.show(Step("web in green", "fetched", State.DONE, "main", 0.2))
    (site,) = publishing.story.sites
    assert {name: [step.stage for step in steps] for name, steps in site.stages.items()} == {
        "web": ["image"],
        "green": ["fetched"],
    }
    assert channel.gate
    channel.gate.set()
    assert publishing.interrupt(["stopped"]) == []


def test_a_transient_failure_is_tried_again_and_heals() -> None:
    channel = Recorded(answers=[Transient("GitHub: 502", retry_after_s=0.0)])
    publishing = publisher(channel)
    publishing.begin("web", OLD, NEW)
    assert publishing.finish(outcome()) == []
    assert channel.stories[-1][1]


def test_a_wait_longer_than_the_grace_is_not_waited_for_and_is_said() -> None:
    channel = Recorded(answers=[Transient("GitHub: 403 secondary rate limit", retry_after_s=GRACE_S * 100)])
    publishing = publisher(channel)
    publishing.begin("web", OLD, NEW)
    channel.heard.wait()
    assert publishing.finish(outcome()) == ["comment: GitHub: 403 secondary rate limit"]
    assert channel.closed.is_set(), "it gave up at once"
    assert len(channel.stories) == 1


def test_no_permission_ends_the_channel_and_is_said_once_with_its_hint() -> None:
    channel = Recorded(answers=[NoAccess("GitHub: 403", hint="pull-requests: write")])
    publishing = publisher(channel)
    publishing.begin("web", OLD, NEW)
    channel.heard.wait()
    publishing.begin("api", OLD, NEW)
    assert publishing.fail(FieldMissing("x")) == ["comment: GitHub: 403: pull-requests: write"]
    assert len(channel.stories) == 1


ENVIRON = {
    "GITHUB_REPOSITORY": REPOSITORY,
    "GITHUB_SHA": HEAD,
    "GITHUB_TOKEN": "writer",
    "GITHUB_RUN_ID": "42",
    "GITHUB_SERVER_URL": "https://github.com",
}


def opened(asked: list[str], environ: dict[str, str], platform_url: str = "") -> Channels:
    identity = Identity(environ, time.monotonic, time.time)
    settings, surroundings = PublishSettings(tuple(asked)), Surroundings.of(environ)
    return Channels(settings, surroundings, time.monotonic, identity, platform_url=platform_url)


def test_an_audience_writes_comment_and_summary(server: GitHubServer, tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    environ = {**ENVIRON, "GITHUB_API_URL": server.url, "GITHUB_STEP_SUMMARY": str(path)}
    audience = opened(["comment", "summary"], environ, "https://github.com/octo/platform.git")
    audience.begin("web", OLD, NEW)
    assert audience.finish(outcome()) == []
    assert bodies(server) == [
        merged("", replace(story(READY), sites=(replace(story(READY).sites[0], stages={}),)))
    ]
    assert path.read_text(encoding="utf-8").startswith("### ✅ [web](https://web.example) is Ready in 9.4 s")


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"GITHUB_TOKEN": ""}, "comment: GITHUB_TOKEN is not set"),
        ({"GITHUB_REPOSITORY": ""}, "comment: GITHUB_REPOSITORY is not set"),
        (
            {"GITHUB_API_URL": "http://elsewhere.example"},
            "comment: http://elsewhere.example: no token is sent there, expected an https address",
        ),
        ({"GITHUB_TOKEN": "reader"}, "Resource not accessible by integration"),
        ({"GITHUB_STEP_SUMMARY": "/nowhere/at/all"}, "summary: /nowhere/at/all: No such file or directory"),
        ({"GITHUB_STEP_SUMMARY": ""}, "summary: GITHUB_STEP_SUMMARY is not set"),
    ],
)
def test_what_could_not_be_told_is_said_and_nothing_is_raised(
    server: GitHubServer, tmp_path: Path, changed: dict[str, str], problem: str
) -> None:
    environ = {**ENVIRON, "GITHUB_API_URL": server.url, "GITHUB_STEP_SUMMARY": f"{tmp_path}/s", **changed}
    audience = opened(["comment", "summary"], environ)
    audience.begin("web", OLD, NEW)
    (line,) = audience.finish(outcome())
    assert problem in line


def test_an_outage_is_said(server: GitHubServer) -> None:
    server.faults += [Refusal(503, "Service Unavailable").answer._replace(headers={"Retry-After": "900"})]
    environ = {**ENVIRON, "GITHUB_API_URL": server.url}
    audience = opened(["comment"], environ)
    audience.begin("web", OLD, NEW)
    (line,) = audience.finish(outcome())
    assert "503 Service Unavailable" in line
    assert isinstance(server.exchanges[0].answer, Answer)


def test_pages_hold_no_credential() -> None:
    surroundings = Surroundings.of({**ENVIRON, "BUMP_SOURCE_REPOSITORY": "octo/source"})
    addresses = pages(surroundings, "https://user:secret@host.example/a/b.git")
    assert addresses.platform == "https://host.example/a/b"
    assert addresses.source == "https://github.com/octo/source"
    assert addresses.run == "https://github.com/octo/web/actions/runs/42"
    assert pages(Surroundings(), "/srv/platform").platform == ""
