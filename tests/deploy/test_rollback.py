"""Where a rollback goes to, by histories written as a table, newest first; and what it commits."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from platforms import Quiet, files, remote, server
from tables import each_row

from bumper.app.clock import SystemClock
from bumper.deploy import pipeline
from bumper.deploy.pipeline import Landed
from bumper.deploy.rollback import Rejection, Rollback, RollbackGuard, way_back
from bumper.errors import Refused
from bumper.image import ImageReference
from bumper.record import Ending, Record, Recorded
from bumper.request import Deadlines, Origin, Request, Wanted
from bumper.systems.registry import Registry
from bumper_sandbox.git.server import GitServer
from bumper_sandbox.registry.server import RegistryServer

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLACE = "k8s/web/deployment.yaml:9"


def past(*rows: str) -> list[Recorded]:
    """Deploys from `FROM>TO OUTCOME`, newest first; the outcome `?` is none, `back:N` behind it takes row N back.
    `ran` behind it found FROM running.

    The commit of row N, counted from the oldest, which is 1, is N forty times.
    """
    deploys = []
    for number, row in zip(range(len(rows), 0, -1), rows, strict=True):
        change, outcome, *more = row.split()
        previous, _, tag = change.partition(">")
        back = next((part.removeprefix("back:") for part in more if part.startswith("back:")), "")
        at = NOW + timedelta(minutes=number)
        record = Record(
            site="web",
            image="registry.example/web",
            previous=previous,
            tag=tag,
            digest="",
            origin=Origin(),
            reason="",
            rollback_of=back * 40,
            forced=(),
            commit=str(number) * 40,
            author="robin",
            at=at,
        )
        ending = Ending("web", outcome, "", 1.0, at, tag)
        deploys.append(Recorded(record, () if outcome == "?" else (ending,), found_running="ran" in more))
    return deploys


def way(left: str, *rows: str, to: str = "", only_ready: bool = False) -> Rollback:
    image = ImageReference("registry.example/web", left)
    return way_back("web", PLACE, image, past(*rows), to, only_ready=only_ready)


@each_row(
    ("left", "rows", "tag", "taken_back"),
    [
        # What failed goes back to what was Ready.
        ("b", ["a>b failed", "z>a ready"], "a", "2"),
        # So does what was Ready and broke later.
        ("b", ["a>b ready", "z>a ready"], "a", "2"),
        # What was never followed, or failed, is passed over.
        ("d", ["c>d failed", "b>c failed", "a>b ?", "z>a ready"], "a", "4"),
        # Found Ready by a later run is Ready.
        ("b", ["a>b failed", "z>a unchanged"], "a", "2"),
        # A rollback taken back goes to a still earlier one, never to the one that it took back.
        ("a", ["b>a ready back:3", "a>b ready", "z>a ready", "y>z ready"], "z", "4"),
        # What was deployed again after it was taken back, and was Ready then, counts.
        ("c", ["b>c failed", "a>b ready", "b>a ready back:2", "a>b failed", "z>a ready"], "b", "5"),
        # Not even if that one had been Ready before.
        (
            "a",
            ["b>a ready back:5", "c>b ready back:4", "b>c ready", "a>b ready", "z>a ready", "y>z ready"],
            "z",
            "6",
        ),
        # A version that failed when it came again is no place to go, although it was Ready once.
        ("d", ["b>d failed", "c>b failed", "b>c ready", "a>b ready"], "c", "4"),
        # The same tag twice in a row is one version.
        ("b", ["b>b failed", "a>b ready", "z>a ready"], "a", "3"),
    ],
)
def test_it_goes_to_the_last_version_that_was_ready(
    left: str, rows: list[str], tag: str, taken_back: str
) -> None:
    rollback = way(left, *rows)
    assert (rollback.tag, rollback.notice) == (tag, "")
    assert rollback.taken_back("f" * 40) == taken_back * 40


@pytest.mark.parametrize("only_ready", [True, False])
@pytest.mark.parametrize(
    ("left", "rows", "tag"),
    [
        # Nothing is recorded of what the first deploy found running.
        ("b", ["a>b failed ran"], "a"),
        # Neither did the second deploy, of which the first had failed, come after anything else that is known.
        ("c", ["b>c failed", "a>b failed ran"], "a"),
        # What is known of the version before counts for more than what lies further back.
        ("c", ["b>c failed ran", "a>b ? ran"], "b"),
    ],
)
def test_what_a_deploy_found_running_is_known(left: str, rows: list[str], tag: str, only_ready: bool) -> None:
    rollback = way(left, *rows, only_ready=only_ready)
    assert (rollback.tag, rollback.notice) == (tag, "")


def test_what_was_found_running_and_failed_when_it_came_is_no_place_to_go() -> None:
    with pytest.raises(Refused):
        way("b", "a>b failed ran", "z>a failed", only_ready=True)


def test_where_nobody_looked_it_goes_to_the_version_before_and_says_so() -> None:
    rollback = way("b", "a>b failed")
    assert rollback.tag == "a"
    assert rollback.notice == "no deploy of a is recorded, so that it is not known whether it was Ready"
    rollback = way("b", "a>b failed", "z>a ?")
    assert rollback.tag == "a"
    assert rollback.notice == "nobody followed the deploy of a, so that it is not known whether it was Ready"


@pytest.mark.parametrize(
    ("left", "rows", "listed", "first"),
    [
        ("b", ["a>b failed", "z>a failed"], "a (failed), z (not known)", "z"),
        ("a", ["b>a ready back:2", "a>b ready", "z>a ready"], "b (taken back), z (not known)", "z"),
        ("b", ["a>b failed", "a>a failed"], "a (failed)", "TAG"),
        ("b", [], "", "TAG"),
        # Set by hand: what was there before is not recorded.
        ("x", ["a>b failed"], "b (failed), a (not known)", "a"),
    ],
)
def test_where_nothing_good_is_known_it_is_refused_and_all_are_named(
    left: str, rows: list[str], listed: str, first: str
) -> None:
    with pytest.raises(
        Refused, match=f"{PLACE}: no earlier deploy of web is known to have been Ready"
    ) as caught:
        way(left, *rows)
    assert listed in caught.value.message
    assert caught.value.hint == f"name one: bump rollback --site web --to {first}"


def test_by_itself_it_goes_nowhere_on_a_guess() -> None:
    with pytest.raises(Refused, match=r"before b there were a \(not known\)"):
        way("b", "a>b failed", only_ready=True)
    assert way("b", "a>b failed", "z>a ready", only_ready=True).tag == "a"


def test_any_tag_can_be_named_and_its_end_is_told() -> None:
    rows = ("c>d failed", "b>c failed", "a>b ?", "z>a ready")
    assert way("d", *rows, to="a").notice == ""
    assert way("d", *rows, to="b").notice.startswith("nobody followed the deploy of b")
    assert way("d", *rows, to="c").notice == "the deploy of c was not Ready: failed"
    assert way("d", *rows, to="q").notice.startswith("no deploy of q is recorded")
    with pytest.raises(Refused, match=f"{PLACE}: web is at d already"):
        way("d", *rows, to="d")


def test_what_is_rejected_is_the_commit_as_far_as_it_is_known() -> None:
    full = "abc1234" + "0" * 33
    rollback = way("abc1234", "a>abc1234 failed", "z>a ready")
    assert rollback.rejected == "abc1234"
    assert rollback.deploy
    record = replace(rollback.deploy.record, origin=Origin(source_commit=full))
    assert replace(rollback, deploy=replace(rollback.deploy, record=record)).rejected == full
    # Another commit than the tag names is another run's.
    record = replace(rollback.deploy.record, origin=Origin(source_commit="f" * 40))
    assert replace(rollback, deploy=replace(rollback.deploy, record=record)).rejected == "abc1234"
    rollback = way("v2", "v1>v2 failed", "v0>v1 ready")
    assert rollback.rejected == "v2"
    assert replace(rollback, label=full).rejected == full


def test_without_a_record_the_tip_is_what_is_taken_back() -> None:
    assert way("x", "z>a ready").taken_back("f" * 40) == "f" * 40


# What is committed, and what may refuse it: over real git and a real registry protocol on loopback.

SYNC, WEB = "k8s/flux-system/web-sync.yaml", "k8s/web/deployment.yaml"


@dataclass
class Platform:
    """A repository with the site web at 2.0, whose version before was 1.0."""

    url: str
    progress: Quiet = field(default_factory=Quiet)

    def roll_back(self, reason: str = "", meanwhile: str = "", digest: str = "") -> Landed:
        """To 1.0. `meanwhile` is what somebody else sets the field to while we push, `digest` what 1.0 was when it was deployed."""
        request = Request(
            (Wanted("web", "1.0", rollback_of="2" * 40),),
            "main",
            deadlines=Deadlines(5.0, 20.0),
            reason=reason,
        )
        deploy, earlier = past("1.0>2.0 failed", "0.9>1.0 ready")
        earlier = replace(earlier, record=replace(earlier.record, digest=digest))
        ways = {"web": Rollback("web", ImageReference("web", "2.0"), "1.0", deploy, earlier)}
        guards = [RollbackGuard(ways, self.progress, lambda: NOW)]
        amend = Rejection(ways, "robin", reason, lambda: NOW)
        registry = Registry(environ={}, clock=SystemClock())
        clock, progress = SystemClock(), self.progress
        try:
            with remote(self.url) as there:
                plan, held = pipeline.prepare(
                    request, there, registry, clock, progress, guards=guards, amend=amend
                )
                if meanwhile:
                    self.set(meanwhile)
                return pipeline.land(request, plan, held, there, there, clock, progress, guards, amend)
        finally:
            registry.close()

    def set(self, tag: str) -> None:
        """A push by somebody else."""
        with remote(self.url) as there:
            tip = there.fetch("main")
            content = there.tree(tip).read([WEB])[WEB].replace(b":2.0 #", f":{tag} #".encode())
            there.push(there.commit(tip, {WEB: content + b"# seen\n"}, "Else\n"), "main")

    def text(self, path: str) -> str:
        with remote(self.url) as there:
            return there.tree(there.fetch("main")).read([path])[path].decode()

    @property
    def notices(self) -> list[str]:
        return [heard[1] for heard in self.progress.heard if heard[0] == "notice"]


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[GitServer, RegistryServer]]:
    with server() as git, RegistryServer(authentication="none") as registry:
        registry.push("web", "1.0")
        registry.push("web", "2.0")
        yield git, registry


@pytest.fixture
def platform(servers: tuple[GitServer, RegistryServer], request: pytest.FixtureRequest) -> Platform:
    git, registry = servers
    content = files(registry.host, "web")
    content[WEB] = content[WEB].replace(b":1.0 #", b":2.0 #")
    # Written out, as an annotation can be put in.
    content[SYNC] = content[SYNC].replace(
        b"metadata: {name: web, namespace: flux-system}", b"metadata:\n  name: web\n  namespace: flux-system"
    )
    return Platform(git.create(f"{abs(hash(request.node.nodeid))}.git", content))


@pytest.mark.slow
def test_tag_and_hold_are_one_commit_and_no_other_byte_changes(platform: Platform) -> None:
    before = {path: platform.text(path) for path in (SYNC, WEB)}
    landed = platform.roll_back("loses carts")
    assert platform.text(WEB) == before[WEB].replace(":2.0", ":1.0")
    assert platform.text(SYNC) == before[SYNC].replace(
        "  namespace: flux-system\n",
        "  namespace: flux-system\n  annotations:\n"
        "    bump/hold: loses carts (2.0 was rolled back to 1.0)\n"
        "    bump/hold-by: robin\n"
        '    bump/hold-since: "2026-03-01T12:00:00Z"\n'
        '    bump/hold-rejected: "2.0"\n',
    )
    assert set(landed.plan.files) == {SYNC, WEB}
    assert landed.plan.changes[0].note == "2.0 is rejected"


@pytest.mark.slow
def test_a_race_that_touched_something_else_is_planned_again_with_its_hold(platform: Platform) -> None:
    landed = platform.roll_back(meanwhile="2.0")
    assert landed.attempts == 2
    assert "# seen" in platform.text(WEB)
    assert "bump/hold-rejected" in platform.text(SYNC)


@pytest.mark.slow
def test_what_another_push_has_set_meanwhile_is_not_rolled_back(platform: Platform) -> None:
    before = platform.text(SYNC)
    with pytest.raises(Refused, match=r"another push set web to 3\.0 while 2\.0 was being rolled back"):
        platform.roll_back(meanwhile="3.0")
    assert ":3.0" in platform.text(WEB)
    assert platform.text(SYNC) == before


def test_no_reason_can_stop_flux_or_fill_the_file(platform: Platform) -> None:
    platform.roll_back("it says ${HOME}: " + "x" * 5000)
    hold = next(line for line in platform.text(SYNC).splitlines() if "bump/hold:" in line)
    assert "$ {HOME}" in hold
    assert "${" not in hold
    assert len(hold) < 700


def test_a_tag_that_was_moved_since_it_was_ready_is_told(platform: Platform) -> None:
    platform.roll_back(digest="sha256:" + "a" * 64)
    (notice,) = platform.notices
    assert notice.startswith(f"web: the tag 1.0 was moved since it was deployed: it was sha256:{'a' * 64}")
