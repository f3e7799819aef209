"""The registry gate in the pipe: real git and a real registry protocol on loopback."""

import math
import time
from collections.abc import Callable, Iterator, Sequence

import pytest
from platforms import HandClock, Quiet, files, remote, server
from soak.proxy import Proxy

from bumper.app.clock import SystemClock
from bumper.deploy import pipeline
from bumper.deploy.image_policy import Nodes
from bumper.deploy.pipeline import Landed, Plan
from bumper.errors import FieldUnsafe, ImageMissing, PlatformMissing, ProvenanceMismatch, RepositoryMissing
from bumper.history.message import Deploy, compose
from bumper.image import ImageReference
from bumper.ports.deadline import left_s
from bumper.ports.run import Clock
from bumper.request import Deadlines, Origin, Request, Wanted
from bumper.systems.registry import Registry
from bumper_sandbox.git.server import GitServer
from bumper_sandbox.registry.server import RegistryServer

WEB = "k8s/web/deployment.yaml"
OVERLAY = "k8s/web/kustomization.yaml"
SHA = "abc1234def5678abc1234def5678abc1234def56"
REVISION, SOURCE = "org.opencontainers.image.revision", "org.opencontainers.image.source"
REPOSITORY = "https://github.com/acme/web"
EAST = Nodes("east", frozenset({"linux/amd64"}))


class Gate:
    """A platform with the site web at 1.0, and a registry; `heard` is what was told meanwhile."""

    def __init__(self, git: GitServer, registry: RegistryServer, name: str) -> None:
        self.registry = registry
        self.image = f"{registry.host}/web"
        self.url = git.create(f"{name}.git", files(registry.host, "web"))
        self.progress = Quiet()

    def prepare(
        self,
        asked: Request,
        nodes: Callable[[], Sequence[Nodes]] = tuple,
        *,
        lands: bool = False,
        clock: Clock | None = None,
    ) -> tuple[Plan, Landed | None]:
        registry = Registry(environ={}, clock=SystemClock())
        try:
            with remote(self.url) as there:
                plan, manifests = pipeline.prepare(
                    asked, there, registry, clock or HandClock(), self.progress, nodes
                )
                landed = (
                    pipeline.land(asked, plan, manifests, there, there, SystemClock(), self.progress)
                    if lands
                    else None
                )
                return plan, landed
        finally:
            registry.close()

    def write(self, path: str, content: bytes, message: str = "Somebody else\n") -> None:
        with remote(self.url) as there:
            there.push(there.commit(there.fetch("main"), {path: content}, message), "main")

    def content(self, path: str) -> str:
        with remote(self.url) as there:
            return there.tree(there.fetch("main")).read([path])[path].decode()

    @property
    def notices(self) -> list[str]:
        return [heard[1] for heard in self.progress.heard if heard[0] == "notice"]


@pytest.fixture
def gate(request: pytest.FixtureRequest) -> Iterator[Gate]:
    with server() as git, RegistryServer(authentication="none") as registry:
        registry.push("web", "1.0")
        yield Gate(git, registry, "platform")


def tag(wanted: str, **more: object) -> Request:
    return Request((Wanted("web", wanted),), "main", deadlines=Deadlines(image_s=5.0), **more)  # type: ignore[arg-type]


def commit(sha: str, **more: object) -> Request:
    return Request((Wanted("web", sha, is_commit=True),), "main", deadlines=Deadlines(image_s=5.0), **more)  # type: ignore[arg-type]


class TestWhatIsNear:
    def test_a_missing_tag_names_those_that_are_there(self, gate: Gate) -> None:
        gate.registry.push("web", "1.2")
        with pytest.raises(ImageMissing) as caught:
            gate.prepare(tag("1.3"))
        assert caught.value.message.endswith("; near it: 1.2, 1.0")
        assert [each.path for each in gate.registry.asked].count("/v2/web/tags/list") == 1

    def test_an_unknown_commit_names_tags_that_hold_it(self, gate: Gate) -> None:
        gate.registry.push("web", f"main-{SHA[:7]}")
        with pytest.raises(ImageMissing) as caught:
            gate.prepare(commit(SHA))
        assert caught.value.message.endswith(f"; near it: main-{SHA[:7]}; also there: 1.0")

    def test_a_repository_that_is_not_there_has_no_tags(self, gate: Gate) -> None:
        gate.write(WEB, gate.content(WEB).replace("/web:1.0", "/absent/web:1.0").encode())
        with pytest.raises(RepositoryMissing):
            gate.prepare(tag("1.3"))
        assert "/v2/absent/web/tags/list" not in [each.path for each in gate.registry.asked]


class TestPlatforms:
    def test_a_platform_asked_for_goes_before_what_the_nodes_say(self, gate: Gate) -> None:
        gate.registry.push("web", "2.0", platform="linux/arm64")

        def nodes() -> list[Nodes]:
            raise AssertionError("nobody asked for the nodes")

        gate.prepare(tag("2.0", platforms=("linux/arm64",)), nodes)
        with pytest.raises(PlatformMissing, match=r"is there for linux/arm64, expected linux/amd64"):
            gate.prepare(tag("2.0", platforms=("linux/amd64", "linux/arm64")), nodes)

    def test_an_image_that_no_node_runs_is_refused_and_nothing_is_written(self, gate: Gate) -> None:
        gate.registry.push("web", "2.0", platform="linux/arm64,linux/arm/v7")
        with pytest.raises(PlatformMissing, match=r"the nodes of east are linux/amd64"):
            gate.prepare(tag("2.0"), lambda: [EAST], lands=True)
        assert ":1.0" in gate.content(WEB)

    def test_an_index_with_the_nodes_platform_is_let_through(self, gate: Gate) -> None:
        gate.registry.push("web", "2.0", platform="linux/arm64,linux/amd64")
        gate.prepare(tag("2.0"), lambda: [EAST])
        assert gate.notices == []

    def test_the_nodes_are_waited_for_longer_than_the_image(self, gate: Gate) -> None:
        gate.registry.push("web", "2.0")
        left: list[float] = []

        def nodes() -> list[Nodes]:
            left.append(left_s())
            return [EAST]

        gate.prepare(tag("2.0"), nodes)
        assert left == [math.inf]


class TestProvenance:
    def test_labels_of_this_commit_and_repository_are_let_through(self, gate: Gate) -> None:
        gate.registry.push("web", SHA[:7], labels={REVISION: SHA, SOURCE: REPOSITORY})
        for sha in (SHA, SHA[:7]):
            plan, _ = gate.prepare(commit(sha, source=REPOSITORY))
            assert plan.changes[0].image.tag == SHA[:7]

    @pytest.mark.parametrize(
        "labels", [{REVISION: "f" * 40}, {REVISION: SHA, SOURCE: "https://github.com/acme/other"}]
    )
    @pytest.mark.parametrize("sha", [SHA, SHA[:7]])
    def test_labels_of_another_are_refused_at_once(
        self, gate: Gate, labels: dict[str, str], sha: str
    ) -> None:
        gate.registry.push("web", SHA[:7], labels=labels)
        with pytest.raises(ProvenanceMismatch):
            gate.prepare(commit(sha, source=REPOSITORY))
        assert not [heard for heard in gate.progress.heard if "looking again" in heard[-1]]

    def test_a_tag_claims_nothing(self, gate: Gate) -> None:
        gate.registry.push(
            "web", SHA[:7], labels={REVISION: "f" * 40, SOURCE: "https://github.com/nginx/nginx"}
        )
        gate.prepare(tag(SHA[:7], source=REPOSITORY), lands=True)
        assert f"/web:{SHA[:7]} # set by the pipeline\n" in gate.content(WEB)


class TestPin:
    @pytest.mark.slow
    def test_the_digest_is_written_beside_the_tag_and_kept_up_to_date_from_then_on(self, gate: Gate) -> None:
        before = gate.content(WEB)
        second, third = gate.registry.push("web", "2.0"), gate.registry.push("web", "3.0")
        gate.prepare(tag("2.0", pin=True), lands=True)
        assert gate.content(WEB) == before.replace(":1.0", f":2.0@{second}")
        gate.prepare(tag("3.0"), lands=True)
        assert gate.content(WEB) == before.replace(":1.0", f":3.0@{third}")

    @pytest.mark.slow
    def test_a_tag_that_is_there_already_gets_its_digest(self, gate: Gate) -> None:
        stored = gate.registry.content.manifest("web", "1.0")
        assert stored
        plan, _ = gate.prepare(tag("1.0", pin=True), lands=True)
        assert f":1.0@{stored.digest} #" in gate.content(WEB)
        plan, _ = gate.prepare(tag("1.0", pin=True))
        assert plan.changes[0].edits == ()

    @pytest.mark.slow
    def test_a_kustomization_takes_it_in_its_tag(self, gate: Gate) -> None:
        digest = gate.registry.push("web", "2.0")
        overlay = f"resources: [deployment.yaml]\nimages:\n- name: {gate.image}\n  newTag: '1.0' # here\n"
        gate.write(OVERLAY, overlay.encode())
        gate.prepare(tag("2.0", pin=True), lands=True)
        assert gate.content(OVERLAY) == overlay.replace("1.0", f"2.0@{digest}")
        assert ":1.0 #" in gate.content(WEB)

    @pytest.mark.slow
    def test_a_kustomization_with_a_digest_keeps_it_there(self, gate: Gate) -> None:
        digest = gate.registry.push("web", "2.0")
        old = f"sha256:{'0' * 64}"
        overlay = (
            f"resources: [deployment.yaml]\nimages:\n- name: {gate.image}\n  newTag: v1\n  digest: {old}\n"
        )
        gate.write(OVERLAY, overlay.encode())
        gate.prepare(tag("2.0", pin=True), lands=True)
        assert gate.content(OVERLAY) == overlay.replace("v1", '"2.0"').replace(old, digest)


class TestMovedTags:
    @pytest.mark.slow
    def test_a_tag_that_the_file_pins_to_another_digest(self, gate: Gate) -> None:
        first = gate.registry.push("web", "2.0")
        gate.prepare(tag("2.0", pin=True), lands=True)
        moved = gate.registry.push("web", "2.0", labels={"again": "yes"})
        gate.prepare(tag("2.0"), lands=True)
        assert gate.notices == [
            f"web: the tag 2.0 was moved since it was deployed: {WEB}:9 says {first}, the registry has {moved}"
        ]
        assert f":2.0@{moved}" in gate.content(WEB)

    @pytest.mark.slow
    def test_a_tag_that_the_last_commit_recorded_with_another_digest(self, gate: Gate) -> None:
        first = gate.registry.push("web", "2.0")
        gate.prepare(tag("2.0"), lands=True)
        gate.prepare(tag("2.0"))
        assert gate.notices == [], "nothing has moved yet"
        moved = gate.registry.push("web", "2.0", labels={"again": "yes"})
        plan, _ = gate.prepare(tag("2.0"))
        [notice] = gate.notices
        assert notice == (
            f"web: the tag 2.0 was moved since it was deployed: commit {plan.tip[:7]} says {first}, the registry has {moved}; "
            "nodes that have the old image keep it, unless --pin is used"
        )

    @pytest.mark.slow
    def test_another_tag_or_another_site_is_no_move(self, gate: Gate) -> None:
        gate.registry.push("web", "2.0")
        message = compose(
            [Deploy("api", WEB, ImageReference("a", "1"), ImageReference("a", "1.0", "sha256:" + "0" * 64))],
            Origin(),
        )
        gate.write(WEB, gate.content(WEB).encode(), message)
        gate.prepare(tag("1.0"))
        gate.prepare(tag("2.0"))
        assert gate.notices == []


@pytest.mark.slow
def test_a_chart_is_not_pinned_by_guessing(gate: Gate) -> None:
    chart = (
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: web, namespace: web}\n"
        f"spec:\n  values:\n    image:\n      repository: {gate.image}\n      tag: v1\n"
    )
    gate.write(WEB, chart.encode())
    gate.registry.push("web", "2.0")
    with pytest.raises(
        FieldUnsafe, match="what the chart makes of a digest in the tag is not known"
    ) as caught:
        gate.prepare(tag("2.0", pin=True))
    assert "leave out --pin" in caught.value.hint
    gate.prepare(tag("2.0"))


@pytest.mark.slow
def test_one_look_without_a_wait_takes_as_long_as_the_registry_needs(gate: Gate) -> None:
    def slowly(number: int) -> bool:
        time.sleep(0.6)
        return True

    with Proxy(int(gate.registry.host.rpartition(":")[2]), watch=slowly) as way, server() as git:
        behind = Gate(git, gate.registry, "behind")
        behind.url = git.create("slow.git", files(way.host, "web"))
        gate.registry.push("web", "abc1234")
        request = Request((Wanted("web", "abc1234"),), "main", deadlines=Deadlines(image_s=0.0))
        plan, _ = behind.prepare(request, clock=SystemClock())
        assert plan.changes[0].image.tag == "abc1234"
