"""A commit by a pull request, on a real repository behind the sandbox's GitHub: rules, reviews, checks, and other people."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import pytest
from git_remotes import FILES, TOKEN, WEB, commit_directly, content, git, remote
from graphql_schema import problems
from sandbox_github.content import User
from sandbox_github.hosted import Hosted, OpenPull
from sandbox_github.server import Answer, GitHubServer, Token
from tables import each_row

from bumper.deploy.commit.pull_request import POLL_S, Merging
from bumper.deploy.commit.pull_state import Step, judge
from bumper.deploy.commit.push import Landed, Proposal, land
from bumper.errors import BumpError, Contention, Denied, Refused, Transient, Unmerged
from bumper.history.message import branch_of, has_other_sites, sites_of
from bumper.ports.github import Pull
from bumper.systems.git.remote import Remote
from bumper.systems.github.commits import Commits
from bumper.systems.github.graphql import GraphQL, graphql_url
from bumper.systems.github.pulls import PullRequests
from bumper_sandbox.git.server import GitServer

NAME = "octo/platform"
OLD = FILES[WEB]
LIMIT_S = 600.0


def message(tag: str) -> str:
    return f"Deploy web {tag}\n\nIt goes.\n\nBump-Site: web\nBump-To: {tag}\n"


@dataclass
class Life:
    """What happens while somebody waits: one event a poll. It is the clock, too."""

    seconds: float = 0.0
    events: list[Callable[[], object]] = field(default_factory=list)

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        if self.events:
            self.events.pop(0)()


@dataclass
class Place:
    git: GitServer
    hub: GitHubServer
    hosted: Hosted
    reader: Remote
    graphql: GraphQL
    clock: Life = field(default_factory=Life)
    notices: list[str] = field(default_factory=list)

    @property
    def states(self) -> list[str]:
        """What was said, without the address."""
        return [notice.partition("   ")[0] for notice in self.notices]

    @property
    def pull(self) -> OpenPull:
        return list(self.hosted.pulls.values())[-1]

    def writer(self, timeout_s: float = LIMIT_S) -> Merging:
        pulls = PullRequests(self.graphql, NAME, self.reader.tree)
        return Merging(pulls, self.clock, timeout_s, self.notices.append)

    def deploy(self, tag: str, writer: Merging | None = None, limit_s: float = LIMIT_S) -> Landed[Proposal]:
        """As the pipe does it: the tag is planned again on each new tip, and refused where somebody else changed it."""
        writer = writer or self.writer()
        held = content(self.hosted.path, WEB)

        def propose() -> Proposal:
            tip = self.reader.fetch("main")
            there = self.reader.tree(tip).read([WEB])[WEB]
            new = with_tag(there, tag)
            if tag_of(there) not in (tag_of(held), tag):
                raise Refused(f"{WEB}: another push set web to {tag_of(there)}")
            return Proposal(tip, {} if there == new else {WEB: (there, new)}, message(tag))

        try:
            landed = land(propose(), propose, writer, "main", self.clock, limit_s)
        except BumpError as error:
            writer.end(error)
            raise
        writer.end(None)
        return landed

    def push(self, files: Mapping[str, bytes], text: str = "Somebody else\n") -> str:
        """Somebody else's commit on the branch."""
        tip = self.hosted.tip("main")
        self.hosted.move("main", self.hosted.commit(tip, files, [], text), tip)
        return self.hosted.tip("main")

    def log(self, commit: str) -> str:
        return git(self.hosted.path, "log", "-1", "--format=%B", commit)

    def asked(self) -> list[str]:
        return [exchange.body["operationName"] for exchange in self.hub.exchanges]


def tag_of(content: bytes) -> str:
    return content.partition(b"web:")[2].split()[0].decode()


def with_tag(content: bytes, tag: str) -> bytes:
    return content.replace(f"web:{tag_of(content)}".encode(), f"web:{tag}".encode())


@pytest.fixture
def place() -> Iterator[Place]:
    with GitServer(TOKEN, os.environ) as server, GitHubServer() as hub:
        server.create(f"{NAME}.git", {**FILES, WEB: b"a: 1\nb: 2\n" + OLD + b"c: 3\nd: 4\ne: 5\n"})
        hub.tokens["writer"] = Token(User("deployer[bot]"), (NAME,))
        hub.tokens["reader"] = Token(User("reader[bot]"), (NAME,), writes=False)
        hosted = hub.host(NAME, server.path(f"{NAME}.git"), os.environ)
        hosted.rules.takes_commits = False
        graphql = GraphQL(graphql_url(hub.url), token="writer", now=time.monotonic)
        with remote(server, f"{NAME}.git") as reader:
            yield Place(server, hub, hosted, reader, graphql)
        graphql.close()
        assert [problem for exchange in hub.exchanges for problem in problems(exchange)] == []


@pytest.mark.slow
def test_where_nothing_is_to_be_waited_for_it_is_merged_at_once(place: Place) -> None:
    base = place.hosted.tip("main")
    landed = place.deploy("abc1234")
    assert landed.revision.sha == place.hosted.tip("main") == place.pull.merge != base
    assert tag_of(content(place.hosted.path, WEB)) == "abc1234"
    # A squash: one commit with our own message, trailers and all.
    assert place.log("main") == message("abc1234").strip()
    assert git(place.hosted.path, "log", "-1", "--format=%P", "main") == base
    assert (place.pull.title, place.pull.branch) == ("Deploy web abc1234", "bump/web-abc1234")
    assert place.pull.body.endswith("Bump-Site: web\nBump-To: abc1234")
    assert place.hosted.tip("bump/web-abc1234") == ""
    page = "https://github.example/octo/platform/pull/1"
    assert place.clock.seconds < POLL_S
    assert place.notices == [f"pull request #1: open   {page}", f"pull request #1: merging   {page}"]


def test_auto_merge_waits_for_checks_and_a_review_and_says_each_state(place: Place) -> None:
    place.hosted.rules.checks = place.hosted.rules.reviews = True
    place.clock.events = [
        lambda: setattr(place.pull, "checks", "PENDING"),
        lambda: setattr(place.pull, "checks", "SUCCESS"),
        lambda: None,
        lambda: setattr(place.pull, "review", "APPROVED"),
    ]
    landed = place.deploy("abc1234")
    assert place.log(landed.revision.sha) == message("abc1234").strip()
    assert place.states[1:] == [
        "pull request #1: a review is required",
        "pull request #1: a review is required, checks are running",
        "pull request #1: a review is required",
    ]
    assert "EnableAutoMerge" in place.asked()
    assert "MergePullRequest" not in place.asked()
    assert place.clock.seconds == 4 * POLL_S


@pytest.mark.slow
def test_a_token_that_may_not_see_checks_is_enough(place: Place) -> None:
    place.hosted.rules.checks, place.hosted.rules.shows_checks = True, False
    place.clock.events = [
        lambda: setattr(place.pull, "checks", "PENDING"),
        lambda: None,
        lambda: setattr(place.pull, "checks", "SUCCESS"),
    ]
    place.deploy("abc1234")
    assert place.states[1:] == ["pull request #1: blocked by a rule of the branch"]
    assert place.asked().count("PullRequestChecks") == 1


@pytest.mark.parametrize(("method", "parents"), [("MERGE", 2), ("SQUASH", 1), ("REBASE", 1)])
@pytest.mark.slow
def test_the_trailers_are_in_the_history_by_whatever_method(place: Place, method: str, parents: int) -> None:
    place.hosted.rules.methods = (method,)
    place.hosted.rules.checks = True
    place.clock.events = [lambda: setattr(place.pull, "checks", "SUCCESS")]
    landed = place.deploy("abc1234")
    assert len(git(place.hosted.path, "log", "-1", "--format=%P", landed.revision.sha).split()) == parents
    messages = git(place.hosted.path, "log", "--format=%B", landed.revision.sha)
    assert messages.count("Bump-Site: web\nBump-To: abc1234") == 1
    assert tag_of(content(place.hosted.path, WEB)) == "abc1234"


@pytest.mark.slow
def test_a_method_that_a_rule_forbids_gives_way_to_the_next(place: Place) -> None:
    place.hosted.rules.methods = ("MERGE", "REBASE")
    place.deploy("abc1234")
    assert place.log("main").startswith("Merge pull request #1")


@pytest.mark.slow
def test_where_auto_merge_is_off_it_says_so_waits_and_never_merges_past_a_review(place: Place) -> None:
    place.hosted.rules.auto_merge, place.hosted.rules.reviews = False, True
    place.clock.events = [lambda: None, lambda: setattr(place.pull, "review", "APPROVED")]
    place.deploy("abc1234")
    assert place.states[1:] == [
        "pull request #1: auto-merge is not to be had: Auto merge is not allowed for this repository",
        "pull request #1: a review is required",
        "pull request #1: merging",
    ]
    merged_at = place.asked().index("MergePullRequest")
    assert place.asked()[:merged_at].count("PullRequestState") == 3


@pytest.mark.parametrize("review", ["", "CHANGES_REQUESTED"])
@pytest.mark.slow
def test_at_the_deadline_it_stays_open(place: Place, review: str) -> None:
    place.hosted.rules.reviews = True
    base = place.hosted.tip("main")
    place.clock.events = [lambda: setattr(place.pull, "review", review)]
    with pytest.raises(Unmerged, match=r"pull request #1 was not merged in 30 s: a review") as caught:
        place.deploy("abc1234", place.writer(30.0))
    assert (caught.value.outcome, caught.value.exit_code) == ("timed-out", 3)
    assert "/octo/platform/pull/1" in caught.value.hint
    assert place.pull.state == "OPEN"
    assert place.hosted.tip("main") == base
    assert place.hosted.tip("bump/web-abc1234")


@pytest.mark.slow
def test_a_failed_check_that_no_rule_asks_for_is_left_to_a_person(place: Place) -> None:
    place.hosted.rules.auto_merge = False
    place.hosted.rules.checks = True
    place.clock.events = [
        lambda: setattr(place.pull, "checks", "FAILURE"),
        lambda: setattr(place.hosted.rules, "checks", False),
    ]
    with pytest.raises(Unmerged, match="a check failed, though no rule asks for it"):
        place.deploy("abc1234", place.writer(60.0))


def test_the_same_command_again_goes_on_with_the_same_pull_request(place: Place) -> None:
    place.hosted.rules.reviews = True
    with pytest.raises(Unmerged):
        place.deploy("abc1234", place.writer(10.0))
    head = place.pull.head
    place.clock.events = [lambda: setattr(place.pull, "review", "APPROVED")]
    place.deploy("abc1234")
    assert list(place.hosted.pulls) == [1]
    # Nothing was pushed over what may have been reviewed.
    assert (place.pull.head, place.asked().count("CreateCommit")) == (head, 1)


@pytest.mark.slow
def test_what_somebody_added_to_our_branch_is_not_merged_with_it(place: Place) -> None:
    place.hosted.rules.reviews = True
    with pytest.raises(Unmerged):
        place.deploy("abc1234", place.writer(10.0))
    added = place.hosted.commit(place.pull.head, {"README.md": b"# Added\n"}, [], "Added")
    place.hosted.move(place.pull.branch, added, place.pull.head)
    place.clock.events = [lambda: setattr(place.pull, "review", "APPROVED")]
    place.deploy("abc1234")
    assert content(place.hosted.path, "README.md") == FILES["README.md"]
    assert tag_of(content(place.hosted.path, WEB)) == "abc1234"


@pytest.mark.slow
def test_another_tag_of_the_same_site_takes_the_open_pull_request_over(place: Place) -> None:
    place.hosted.rules.reviews = True
    with pytest.raises(Unmerged):
        place.deploy("abc1234", place.writer(10.0))
    place.clock.events = [lambda: setattr(place.pull, "review", "APPROVED")]
    place.deploy("abc5678")
    assert list(place.hosted.pulls) == [1]
    assert place.pull.title == "Deploy web abc5678"
    assert place.log("main") == message("abc5678").strip()
    assert git(place.hosted.path, "branch", "--list", "bump/*") == ""


@pytest.mark.slow
def test_what_is_taken_over_is_not_merged_under_the_old_message(place: Place) -> None:
    place.hosted.rules.reviews = True
    with pytest.raises(Unmerged):
        place.deploy("abc1234", place.writer(10.0))
    place.push({WEB: content(place.hosted.path, WEB).replace(b"b: 2", b"b: two")})
    # Only the conflict holds it back: GitHub merges it as soon as that is gone.
    place.pull.review = "APPROVED"
    place.deploy("abc5678")
    assert place.log("main") == message("abc5678").strip()


@pytest.mark.slow
def test_whoever_waits_for_a_pull_request_that_is_taken_over_stops(place: Place) -> None:
    place.hosted.rules.reviews = True
    other = Place(place.git, place.hub, place.hosted, place.reader, place.graphql)

    def take_over() -> None:
        with pytest.raises(Unmerged):
            other.deploy("abc5678", other.writer(0.0))

    place.clock.events = [take_over]
    with pytest.raises(
        Refused, match=r"pull request #1: its branch bump/web-abc1234 holds another commit"
    ) as caught:
        place.deploy("abc1234")
    assert "another run goes on" in caught.value.hint
    assert (place.pull.state, place.pull.title) == ("OPEN", "Deploy web abc5678")


@pytest.mark.slow
def test_other_pull_requests_are_left_alone(place: Place) -> None:
    tip = place.hosted.tip("main")
    for number, (branch, body) in enumerate(
        [
            ("feature", "Bump-Site: web"),
            ("bump/blog-1", "Bump-Site: blog"),
            ("bump/two", "Bump-Site: web\nBump-Site: blog"),
        ],
        1,
    ):
        place.hosted.move(branch, place.hosted.commit(tip, {f"x{number}": b""}, [], "x"), "")
        place.hosted.pulls[number] = OpenPull(number, branch, "main", "x", body, place.hosted.tip(branch))
    place.deploy("abc1234")
    assert place.pull.number == 4
    assert [pull.state for pull in place.hosted.pulls.values()] == ["OPEN", "OPEN", "OPEN", "MERGED"]


@pytest.mark.slow
def test_the_same_version_of_the_same_name_in_another_cluster_has_a_pull_request_of_its_own(
    place: Place,
) -> None:
    pulls = PullRequests(place.graphql, NAME, place.reader.tree)
    tip = place.reader.fetch("main")

    def propose(cluster: str, path: str) -> Pull:
        named = f"Bump-Site: web\nBump-Kustomization: clusters/{cluster}/web.yaml#flux-system/web\n"
        text = message("abc1234").replace("Bump-Site: web\n", named)
        return pulls.propose(tip, {path: b"x"}, text, "main")

    prod, staging = propose("prod", "prod.yaml"), propose("staging", "staging.yaml")
    assert (prod.branch, staging.branch[: len(prod.branch) + 1]) == ("bump/web-abc1234", "bump/web-abc1234-")
    assert (prod.number, staging.number) == (1, 2)
    # Each run goes on with its own.
    assert [propose("prod", "prod.yaml").number, propose("staging", "staging.yaml").number] == [1, 2]
    assert content(place.hosted.path, "prod.yaml", prod.branch) == b"x"


@pytest.mark.parametrize(
    ("first", "second", "are_others"),
    [
        ("Bump-Site: web", "Bump-Site: web", False),
        ("Bump-Site: web", "Bump-Site: web\nBump-Site: blog", True),
        ("Bump-Site: web\nBump-Kustomization: a#web", "Bump-Site: web", False),
        ("Bump-Site: web\nBump-Kustomization: a#web", "Bump-Site: web\nBump-Kustomization: b#web", True),
        ("Bump-Hold: web", "Bump-Site: web", False),
    ],
)
def test_whether_two_texts_deploy_other_sites(first: str, second: str, *, are_others: bool) -> None:
    assert has_other_sites(first, second) == has_other_sites(second, first) == are_others


@pytest.mark.slow
def test_the_open_pull_request_of_our_branch_is_found_among_hundreds(place: Place) -> None:
    place.hosted.rules.reviews = True
    with pytest.raises(Unmerged):
        place.deploy("abc1234", place.writer(0.0))
    first = place.pull
    for number in range(2, 103):
        place.hosted.pulls[number] = replace(first, number=number, branch="main-of-a-fork", body="")
    place.hosted.pulls[1].body = "somebody wrote it anew"
    place.hosted.settle = lambda: None  # type: ignore[method-assign]
    with pytest.raises(Unmerged, match="pull request #1 was not merged"):
        place.deploy("abc1234", place.writer(0.0))


@pytest.mark.slow
def test_auto_merge_is_enabled_even_if_the_first_try_meets_an_outage(place: Place) -> None:
    place.hosted.rules.reviews = True
    unavailable = Answer(503, {"message": "unavailable"})
    # What is asked first: for pull requests, for the branch, to make it, to commit, to open the pull request, to enable auto-merge.
    place.hub.faults = [None, None, None, None, None, unavailable]
    with pytest.raises(Unmerged):
        place.deploy("abc1234", place.writer(10.0))
    assert place.asked()[5:7] == ["EnableAutoMerge", "EnableAutoMerge"]
    assert place.pull.automatic


@pytest.mark.slow
def test_when_the_branch_moves_elsewhere_the_change_is_planned_again_and_its_branch_stays(
    place: Place,
) -> None:
    place.hosted.rules.reviews = True
    place.clock.events = [
        lambda: place.push({"README.md": b"# New\n"}),
        lambda: None,
        lambda: setattr(place.pull, "review", "APPROVED"),
    ]
    landed = place.deploy("abc1234")
    assert landed.attempts == 2
    assert place.asked().count("CreateCommit") == 1
    assert content(place.hosted.path, "README.md") == b"# New\n"
    assert tag_of(content(place.hosted.path, WEB)) == "abc1234"


@pytest.mark.slow
def test_a_conflict_is_planned_again_on_the_new_tip_and_the_branch_is_renewed(place: Place) -> None:
    place.hosted.rules.reviews = True
    there = content(place.hosted.path, WEB)
    place.clock.events = [
        lambda: place.push({WEB: there.replace(b"b: 2", b"b: two")}),
        lambda: None,
        lambda: setattr(place.pull, "review", "APPROVED"),
    ]
    place.deploy("abc1234")
    assert place.asked().count("CreateCommit") == 2
    assert list(place.hosted.pulls) == [1]
    # It was never without our commit: GitHub would have closed it.
    assert place.pull.state == "MERGED"
    assert content(place.hosted.path, WEB) == with_tag(there, "abc1234").replace(b"b: 2", b"b: two")
    assert git(place.hosted.path, "branch", "--list", "bump/*") == ""


@pytest.mark.slow
def test_a_rule_that_wants_the_newest_commit_is_obeyed(place: Place) -> None:
    place.hosted.rules.newest = place.hosted.rules.reviews = True
    place.clock.events = [
        lambda: place.push({"README.md": b"# New\n"}),
        lambda: None,
        lambda: setattr(place.pull, "review", "APPROVED"),
    ]
    place.deploy("abc1234")
    assert place.asked().count("CreateCommit") == 2
    assert git(place.hosted.path, "log", "-1", "--format=%s", "main^") == "Somebody else"


@pytest.mark.slow
def test_another_tag_on_the_branch_closes_the_pull_request_as_superseded(place: Place) -> None:
    place.hosted.rules.reviews = True
    there = content(place.hosted.path, WEB)
    place.clock.events = [lambda: place.push({WEB: with_tag(there, "fff9999")})]
    with pytest.raises(Refused, match="another push set web to fff9999"):
        place.deploy("abc1234")
    assert (place.pull.state, place.pull.closed_by) == ("CLOSED", "deployer[bot]")
    assert place.pull.comments == [
        f"Closed, since nothing is to be merged any more: {WEB}: another push set web to fff9999"
    ]
    assert place.hosted.tip("bump/web-abc1234") == ""
    assert tag_of(content(place.hosted.path, WEB)) == "fff9999"


@pytest.mark.slow
def test_our_own_tag_on_the_branch_leaves_nothing_to_merge(place: Place) -> None:
    place.hosted.rules.reviews = True
    there = content(place.hosted.path, WEB)
    place.clock.events = [lambda: place.push({WEB: with_tag(there, "abc1234"), "README.md": b"x"})]
    landed = place.deploy("abc1234")
    assert landed.plan.files == {}
    assert landed.revision.sha == place.hosted.tip("main")
    assert place.pull.state == "CLOSED"


def test_a_pull_request_that_somebody_closes_is_denied_by_name(place: Place) -> None:
    place.hosted.rules.reviews = True

    def close() -> None:
        place.pull.state, place.pull.closed_by = "CLOSED", "robin"

    place.clock.events = [close]
    with pytest.raises(Denied, match="pull request #1: closed by robin without a merge"):
        place.deploy("abc1234")
    assert place.pull.comments == []


def test_whoever_interrupts_hears_that_it_stays_open(place: Place) -> None:
    place.hosted.rules.reviews = True
    writer = place.writer()

    def interrupt() -> None:
        raise KeyboardInterrupt

    place.clock.events = [interrupt]
    with pytest.raises(KeyboardInterrupt):
        place.deploy("abc1234", writer)
    standing = writer.interrupted()
    assert standing[0] == "pull request #1 stays open: https://github.example/octo/platform/pull/1"
    writer.end(None)
    assert place.pull.state == "OPEN"
    assert place.writer().interrupted() == []


@pytest.mark.slow
def test_an_outage_while_waiting_is_waited_out(place: Place) -> None:
    place.hosted.rules.reviews = True
    unavailable = Answer(503, {"message": "unavailable"})
    place.clock.events = [
        lambda: place.hub.faults.extend([unavailable, unavailable]),
        lambda: None,
        lambda: setattr(place.pull, "review", "APPROVED"),
    ]
    place.deploy("abc1234")
    assert list(place.hosted.pulls) == [1]
    assert place.pull.state == "MERGED"


@pytest.mark.slow
def test_an_outage_that_does_not_end_is_said(place: Place) -> None:
    place.hosted.rules.reviews = True
    unavailable = Answer(503, {"message": "unavailable"})
    place.clock.events = [lambda: place.hub.faults.extend([unavailable] * 5000)]
    with pytest.raises(Transient):
        place.deploy("abc1234", limit_s=30.0)
    place.hub.faults.clear()


@pytest.mark.slow
def test_a_branch_that_never_rests_ends_at_the_deadline(place: Place) -> None:
    place.hosted.rules.reviews = place.hosted.rules.newest = True
    place.clock.events = [lambda: place.push({"README.md": os.urandom(8)})] * 400
    with pytest.raises((Contention, Unmerged)):
        place.deploy("abc1234", place.writer(20.0), limit_s=40.0)
    assert place.clock.seconds <= 40.0
    assert place.pull.state == "OPEN"


def test_a_merge_queue_is_entered_once_every_rule_is_fulfilled(place: Place) -> None:
    place.hosted.rules.queue = True
    landed = place.deploy("abc1234")
    assert "EnqueuePullRequest" in place.asked()
    assert place.pull.state == "MERGED"
    # A queue writes its own message; ours is the pull request's text.
    assert "Bump-Site: web\nBump-To: abc1234" in place.log(landed.revision.sha)


def test_who_may_not_write_is_denied_with_the_permission(place: Place) -> None:
    graphql = GraphQL(graphql_url(place.hub.url), token="reader", now=time.monotonic)
    writer = Merging(PullRequests(graphql, NAME, place.reader.tree), place.clock, 60.0, place.notices.append)
    try:
        with pytest.raises(Denied, match="Resource not accessible by integration") as caught:
            place.deploy("abc1234", writer)
    finally:
        graphql.close()
    assert "pull-requests: write" in caught.value.hint
    assert place.hosted.pulls == {}


@pytest.mark.slow
def test_a_branch_that_is_left_over_is_written_anew(place: Place) -> None:
    tip = place.hosted.tip("main")
    for branch in ("bump/web-abc1234", "bump/web-abc1234-next"):
        place.hosted.move(branch, commit_directly(place.hosted.path, tip, message="left over"), "")
    place.deploy("abc1234")
    assert git(place.hosted.path, "log", "--format=%s", "main") == "Deploy web abc1234\nSeed"


@pytest.mark.slow
def test_its_commits_pass_where_signatures_are_required(place: Place) -> None:
    place.hosted.sign_only()
    place.hosted.rules.reviews = True
    seen: list[str] = []
    place.clock.events = [
        lambda: seen.append(git(place.hosted.path, "cat-file", "commit", place.pull.head)),
        lambda: setattr(place.pull, "review", "APPROVED"),
    ]
    place.deploy("abc1234")
    assert "gpgsig" in seen[0]
    assert "gpgsig" in git(place.hosted.path, "cat-file", "commit", "main")


def test_commits_by_the_api_are_told_of_pull_requests(place: Place) -> None:
    parent = place.reader.fetch("main")
    with pytest.raises(Denied) as caught:
        Commits(place.graphql, NAME, place.reader.tree).write(parent, {WEB: b"x"}, "Deploy web 1", "main")
    assert "--commit-via pr" in caught.value.hint


OPEN = Pull(1, "", "", "bump/web-1", "ours", "tip", "OPEN", merge_state="BLOCKED")


@each_row(
    ("pull", "step", "reason"),
    [
        (replace(OPEN, state="MERGED", head="other"), Step.FOLLOW, "merged"),
        (replace(OPEN, state="CLOSED"), Step.GIVE_UP, "closed by somebody without a merge"),
        (replace(OPEN, head="other", base_tip="new"), Step.YIELD, "holds another commit by now, other"),
        (replace(OPEN, base_tip="new", merge_state="DIRTY"), Step.PLAN, "the branch moved"),
        (replace(OPEN, merge_state="DIRTY"), Step.RENEW, "it conflicts with newer commits"),
        (replace(OPEN, merge_state="BEHIND"), Step.RENEW, "it must be on the newest commit"),
        (replace(OPEN, merge_state="CLEAN", is_queued=True), Step.WAIT, "in the merge queue"),
        (replace(OPEN, merge_state="CLEAN"), Step.MERGE, "every rule is fulfilled"),
        (replace(OPEN, merge_state="HAS_HOOKS"), Step.MERGE, "every rule is fulfilled"),
        (replace(OPEN, merge_state="UNSTABLE", checks="PENDING"), Step.WAIT, "checks are running, though"),
        (replace(OPEN, merge_state="UNKNOWN"), Step.WAIT, "GitHub is finding out"),
        (replace(OPEN, merge_state="A_STATE_OF_TOMORROW"), Step.WAIT, "blocked by a rule of the branch"),
        (OPEN, Step.WAIT, "blocked by a rule of the branch"),
        (
            replace(OPEN, review="CHANGES_REQUESTED", checks="ERROR"),
            Step.WAIT,
            "a review asks for changes, a check failed",
        ),
    ],
)
def test_what_is_to_be_done_about_a_pull_request(pull: Pull, step: Step, reason: str) -> None:
    next_step, explanation = judge(pull, "ours", "tip")
    assert next_step is step
    assert reason in explanation


def test_nothing_but_a_fulfilled_rule_leads_to_a_merge() -> None:
    for state in ("BLOCKED", "BEHIND", "DIRTY", "DRAFT", "UNKNOWN", "UNSTABLE", "", "OTHER"):
        assert judge(replace(OPEN, merge_state=state), "ours", "tip")[0] is not Step.MERGE


@pytest.mark.parametrize(
    ("subject", "branch"),
    [
        ("Deploy web abc1234", "bump/web-abc1234"),
        ("Deploy web abc1234 and 2 more", "bump/web-abc1234-and-2-more"),
        ("Hold web", "bump/Hold-web"),
        ("Deploy web v1..2.lock", "bump/web-v1-2"),
        ("Deploy ../é~^: ", "bump/change"),
        ("x" * 300, "bump/" + "x" * 100),
    ],
)
def test_the_name_of_a_branch(place: Place, subject: str, branch: str) -> None:
    name = branch_of(f"{subject}\n\nbody")
    assert name == branch
    git(place.hosted.path, "check-ref-format", f"refs/heads/{name}")


def test_the_sites_of_a_text() -> None:
    text = "Deploy a 1\n\nBump-Site: a\nBump-To: 1\nBump-Site: b\r\nBump-Kustomization: k/b c.yaml#x/b\r\nBump-To: 2"
    assert sites_of(text) == {("a", ""), ("b", "k/b c.yaml#x/b")}
    assert sites_of("see Bump-Site: a") == frozenset()
