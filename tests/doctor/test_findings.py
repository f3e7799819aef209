"""Findings: how they are told, what each setting of Flux means, and the RBAC manifest that grants exactly the rights."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from tables import each_row

from bumper.doctor import access, clocks, finding, flux
from bumper.doctor.finding import Finding, Mark
from bumper.image import ImageReference
from bumper.objects import Object, ObjectKey
from bumper.observation import Desired, Observation
from bumper.ports.kubernetes import Installation, Right
from bumper.revision import Revision
from bumper.style import Line, plain, wrapped
from bumper_sandbox.kubernetes.rights import Access, Rights

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
GATE = "--feature-gates=CancelHealthCheckOnNewRevision=true"
FINDINGS = [
    Finding("clock", "east: API server", Mark.GOOD, "agrees with ours to a few seconds"),
    Finding("git", "https://git.example/platform", Mark.GOOD, "may be pushed to"),
    Finding("cluster", "east: web", Mark.WARNING, "no permission to list events", "less detail", "grant it"),
    Finding("registry", "reg.io", Mark.MISSING, "no answer", "no image can be seen"),
]


def _broken(findings: list[Finding], width: int) -> list[Line]:
    return [row for line in finding.lines(findings) for row in wrapped(line, width)]


class TestTelling:
    def test_the_whole_text_is_in_the_order_of_a_deploy(self) -> None:
        assert [plain(line) for line in finding.lines(FINDINGS)] == [
            "git",
            "  ✓ https://git.example/platform: may be pushed to",
            "registry",
            "  ✗ reg.io: no answer",
            "      why  no image can be seen",
            "cluster",
            "  ! east: web: no permission to list events",
            "      why  less detail",
            "      do   grant it",
            "clock",
            "  ✓ east: API server: agrees with ours to a few seconds",
            "Not ready: 1 of 4 checks failed, 1 warning",
        ]

    def test_a_narrow_terminal_breaks_between_words_and_keeps_the_indent(self) -> None:
        warning = Finding(
            "git",
            "https://git.example/a-long-name-of-an-owner/platform",
            Mark.MISSING,
            "no access: the token is not valid there",
            "no deploy gets out without the right to push, whoever wants it",
            "pass another one",
        )
        assert [plain(line) for line in _broken([warning], 60)][1:-1] == [
            "  ✗ https://git.example/a-long-name-of-an-owner/platform: no",
            "    access: the token is not valid there",
            "      why  no deploy gets out without the right to push,",
            "           whoever wants it",
            "      do   pass another one",
        ]

    @given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=9))
    def test_a_break_loses_no_word(self, word: str) -> None:
        warning = Finding("git", "platform", Mark.WARNING, " ".join([word] * 20), " ".join([word] * 30), word)
        wide, narrow = (" ".join(map(plain, _broken([warning], width))) for width in (9999, 50))
        assert narrow.split() == wide.split()

    @pytest.mark.parametrize(("count", "code"), [(3, 0), (4, 6), (0, 0)])
    def test_only_what_is_missing_counts(self, count: int, code: int) -> None:
        assert finding.exit_code(FINDINGS[:count]) == code
        assert finding.as_data(FINDINGS[:count])["exitCode"] == code
        verdict = plain(finding.lines(FINDINGS[:count])[-1]).partition(":")[0]
        assert verdict == ("Not ready" if code else "Ready to deploy")

    def test_json_says_all_of_it(self) -> None:
        assert finding.as_data(FINDINGS[2:3])["findings"] == [
            {
                "area": "cluster",
                "subject": "east: web",
                "result": "warning",
                "found": "no permission to list events",
                "why": "less detail",
                "advice": "grant it",
            }
        ]

    def test_what_another_system_says_cannot_move_the_cursor(self) -> None:
        assert "\x1b" not in Finding("git", "GitHub", Mark.MISSING, "no \x1b[2J access").observed


class TestClocks:
    @pytest.mark.parametrize(
        ("off_s", "mark", "observed"),
        [
            (0, Mark.GOOD, "agrees with ours to a few seconds"),
            (-30, Mark.GOOD, "agrees with ours to a few seconds"),
            (31, Mark.WARNING, "31 s ahead of ours"),
            (-3600, Mark.WARNING, "3600 s behind ours"),
        ],
    )
    def test_a_difference_is_a_warning_at_most(self, off_s: int, mark: Mark, observed: str) -> None:
        date = format_datetime(NOW + timedelta(seconds=off_s), usegmt=True)
        difference = clocks.finding("GitHub", clocks.epoch_s(date), NOW)
        assert difference
        assert (difference.mark, difference.observed) == (mark, observed)

    @pytest.mark.parametrize("date", ["", "soon", "2026-11-23"])
    def test_no_date_says_nothing(self, date: str) -> None:
        assert clocks.finding("GitHub", clocks.epoch_s(date), NOW) is None


NAMES = st.sampled_from(["web", "api", "flux-system", "yes", "123", "null", "1e3"])
RIGHTS = st.builds(
    Right,
    namespace=NAMES | st.just(""),
    group=st.sampled_from(["", "apps", "source.toolkit.fluxcd.io"]),
    resource=st.sampled_from(["pods", "pods/log", "deployments", "gitrepositories"]),
    verb=st.sampled_from(["get", "list", "watch", "patch"]),
    name=st.sampled_from(["", "", "flux-system", "no"]),
)


class TestRights:
    @given(st.frozensets(RIGHTS, max_size=12), RIGHTS)
    def test_the_manifest_grants_these_rights_and_no_other(
        self, granted: frozenset[Right], other: Right
    ) -> None:
        rights = Rights()
        rights.restrict(access.manifests(granted, "flux-system"))
        for right in granted:
            assert rights.allows(_asked(right)), right
        assert rights.allows(_asked(other)) == any(_includes(right, other) for right in granted)

    @given(st.frozensets(RIGHTS, max_size=12), NAMES)
    @pytest.mark.slow
    def test_the_text_is_the_same_manifest_whoever_reads_it(
        self, granted: frozenset[Right], namespace: str
    ) -> None:
        objects = access.manifests(granted, namespace)
        text = access.as_yaml(objects, "what for\nand whom")
        for version in ("1.1", "1.2"):
            reader = YAML(typ="safe", pure=True)
            reader.version = version
            assert list(reader.load_all(text)) == objects

    def test_no_wildcard_and_no_secret(self) -> None:
        rights = [Right("web", "", "pods", "list"), Right("", "", "nodes", "list")]
        text = access.as_yaml(access.manifests(rights, "flux-system"), "")
        assert "*" not in text
        assert "secrets" not in text

    def test_a_right_that_is_missing_names_its_rule(self) -> None:
        rights = [
            Right("web", "apps", "deployments", verb, lost="a rollout can't be followed", is_needed=True)
            for verb in ("get", "list")
        ] + [Right("web", "", "events", "list", lost="less detail"), Right("", "", "nodes", "list")]
        good, needed, useful = access.findings("east", rights, rights[:3])
        assert (good.subject, good.observed) == ("east: cluster scope", "1 of 1 rights: nodes")
        assert (needed.mark, needed.observed, needed.why) == (
            Mark.MISSING,
            "no permission to get, list deployments",
            "a rollout can't be followed",
        )
        assert needed.advice.endswith(
            "Role bump in web: apiGroups ['apps'], resources [deployments], verbs [get, list]"
        )
        assert (useful.mark, useful.why) == (Mark.WARNING, "less detail")


def _asked(right: Right) -> Access:
    return Access(right.verb, right.group, right.resource, right.namespace, right.name)


def _includes(granted: Right, asked: Right) -> bool:
    same = (granted.group, granted.resource, granted.verb) == (asked.group, asked.resource, asked.verb)
    return same and granted.namespace in ("", asked.namespace) and granted.name in ("", asked.name)


def controller(
    name: str, image_tag: str, flux_version: str = "v2.9.3", *arguments: str, available: int = 1
) -> Object:
    container = {"name": "manager", "image": f"ghcr.io/fluxcd/{name}:{image_tag}", "args": list(arguments)}
    return {
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/version": flux_version}},
        "spec": {"template": {"spec": {"containers": [container]}}},
        "status": {"availableReplicas": available},
    }


SOURCE = ObjectKey("GitRepository", "flux-system", "platform")
CONTROLLERS = (controller("source-controller", "v1.9.3"), controller("kustomize-controller", "v1.9.4"))


def site(name: str, source: dict[str, Any] | None = None, **spec: Any) -> tuple[Desired, Observation]:
    desired = Desired(
        site=name,
        image=ImageReference(f"reg.io/{name}", "1.0"),
        previous=None,
        revision=Revision("main", "a" * 40),
        kustomization=ObjectKey("Kustomization", "flux-system", name),
        source=SOURCE,
        workload=ObjectKey("Deployment", name, name),
        container=name,
    )
    metadata = {"namespace": "flux-system", "name": name}
    look = Observation(
        at_s=0.0,
        source={
            "kind": "GitRepository",
            "metadata": {"namespace": "flux-system", "name": "platform", "labels": {"team": "web"}},
            "spec": {"interval": "1m0s", "ref": {"branch": "main"}, **(source or {})},
        },
        kustomization={"kind": "Kustomization", "metadata": metadata, "spec": {"interval": "10m0s", **spec}},
        workload={"kind": "Deployment", "metadata": {"name": name}, "spec": {"progressDeadlineSeconds": 600}},
    )
    return desired, look


def troubles(
    sites: Iterable[tuple[Desired, Observation]], seen: Installation, *, may_ask: bool = True
) -> list[tuple[Mark, str]]:
    findings = flux.findings("east", list(sites), seen, may_ask_to_fetch=may_ask)
    return [(trouble.mark, trouble.observed) for trouble in findings if trouble.mark is not Mark.GOOD]


def receiver(**resource: Any) -> Object:
    return {
        "kind": "Receiver",
        "metadata": {"namespace": "flux-system", "name": "github"},
        "spec": {"type": "github", "resources": [{"kind": "GitRepository", **resource}]},
    }


class TestFlux:
    def test_a_usual_installation_is_good(self) -> None:
        findings = flux.findings("east", [site("web")], Installation(CONTROLLERS), may_ask_to_fetch=True)
        assert [(good.mark, good.observed) for good in findings] == [
            (Mark.GOOD, "Flux v2.9.3: source-controller v1.9.3, kustomize-controller v1.9.4"),
            (
                Mark.GOOD,
                "0 of 1 Kustomizations wait for health: Ready of the others means applied, and their workloads are followed by us",
            ),
            (Mark.GOOD, "is polled every 1m0s, without a webhook; bump asks it to fetch at once"),
        ]

    @each_row(
        ("tag", "arguments", "is_told"),
        [
            ("v1.8.2", (GATE,), True),
            ("v1.7.0", (GATE,), True),
            ("v1.8.3", (GATE,), False),
            ("v1.8.2", (), False),
            ("v1.8.2", (GATE, "--feature-gates=CancelHealthCheckOnNewRevision=false"), False),
            ("latest", (GATE,), False),
        ],
    )
    def test_the_gate_that_hangs(self, tag: str, arguments: tuple[str, ...], is_told: bool) -> None:
        seen = Installation((CONTROLLERS[0], controller("kustomize-controller", tag, "v2.8.5", *arguments)))
        assert any("may hang" in text for _, text in troubles([site("web")], seen)) is is_told

    @pytest.mark.parametrize(
        ("version", "gap"),
        [
            ("v2.8.0", "no commit statuses at all"),
            ("v2.8.3", "of successes alone"),
            ("v2.9.0", ""),
            ("v2.7.5", ""),
            ("", ""),
        ],
    )
    def test_versions_that_post_too_few_commit_statuses(self, version: str, gap: str) -> None:
        seen = Installation((*CONTROLLERS, controller("notification-controller", "v1.8.0", version)))
        texts = [text for _, text in troubles([site("web")], seen)]
        assert (len(texts), all(gap in text for text in texts)) == (1 if gap else 0, True)
        without = Installation(CONTROLLERS)
        assert troubles([site("web")], without) == []

    def test_a_controller_that_does_not_run_is_missing(self) -> None:
        seen = Installation((CONTROLLERS[0], controller("kustomize-controller", "v1.9.4", available=0)))
        assert troubles([site("web")], seen) == [(Mark.MISSING, "has no available replica")]

    def test_controllers_that_cannot_be_read_are_a_line(self) -> None:
        ((mark, text),) = troubles([site("web")], Installation(unreadable={"Deployment": "forbidden"}))
        assert (mark, "can't be read (forbidden)" in text) == (Mark.WARNING, True)

    def test_long_health_checks_hold_up_a_fix_unless_they_are_cancelled(self) -> None:
        sites = [site("web", wait=True, timeout="5m")]
        texts = [text for _, text in troubles(sites, Installation(CONTROLLERS))]
        assert "of a bad revision run up to 300 s before a fix is looked at" in texts
        gated = controller("kustomize-controller", "v1.9.4", "v2.9.3", GATE)
        texts = [text for _, text in troubles(sites, Installation((CONTROLLERS[0], gated)))]
        assert not any("before a fix" in text for text in texts)

    def test_a_timeout_below_the_progress_deadline_is_told_in_the_words_of_a_deploy(self) -> None:
        texts = [
            text for _, text in troubles([site("web", wait=True, timeout="1m")], Installation(CONTROLLERS))
        ]
        assert any("gives up its health check after 60 s" in text for text in texts)

    @pytest.mark.parametrize(("arguments", "is_told"), [((), True), (("--concurrent=20",), False)])
    def test_more_health_checks_than_workers(self, arguments: tuple[str, ...], is_told: bool) -> None:
        sites = [site(f"site-{number}", wait=True, timeout="1m") for number in range(5)]
        seen = Installation(
            (CONTROLLERS[0], controller("kustomize-controller", "v1.9.4", "v2.9.3", *arguments))
        )
        texts = [text for _, text in troubles(sites, seen)]
        assert any(text.startswith("has 4 workers, and 5 Kustomizations") for text in texts) is is_told

    @pytest.mark.parametrize(
        ("ref", "target"),
        [
            ({"tag": "v1"}, "the tag v1"),
            ({"branch": "main", "commit": "c" * 40}, f"the commit {'c' * 40}"),
            ({"branch": "release"}, "the branch release"),
        ],
    )
    def test_a_source_that_never_comes_to_our_branch(self, ref: dict[str, str], target: str) -> None:
        problems = troubles([site("web", source={"ref": ref})], Installation(CONTROLLERS))
        assert problems == [(Mark.MISSING, f"follows {target}, not the branch that is pushed to")]

    def test_what_it_takes_to_build_from_an_artifact(self) -> None:
        desired, look = site("web")
        generator = ObjectKey("ArtifactGenerator", "flux-system", "fleet")
        made = ObjectKey("ExternalArtifact", "flux-system", "web")
        git = {**(look.source or {}), "spec": {"interval": "1m0s", "suspend": True}}
        seen = replace(look, source={"kind": made.kind, "status": {}}, makers=(git,))
        sites = [(replace(desired, source=made, makers=(generator, SOURCE)), seen)]
        assert troubles(sites, Installation(CONTROLLERS)) == [
            (Mark.MISSING, "runs without the feature gate ExternalArtifact"),
            (Mark.MISSING, "none found beside the sources"),
            (Mark.MISSING, "follows the branch master, not the branch that is pushed to"),
            (Mark.WARNING, "GitRepository flux-system/platform is suspended"),
        ]
        gate = "--feature-gates=ExternalArtifact=true"
        ready = (
            CONTROLLERS[0],
            controller("kustomize-controller", "v1.9.4", "v2.9.3", gate),
            controller("source-watcher", "v2.2.2"),
        )
        assert len(troubles(sites, Installation(ready))) == 2

    def test_a_source_that_names_no_commit_is_judged_by_content(self) -> None:
        desired, look = site("web")
        digest = f"latest@sha256:{'a' * 64}"
        oci = {
            "kind": "OCIRepository",
            "spec": {"interval": "1m0s"},
            "status": {"artifact": {"revision": digest}},
        }
        source = ObjectKey("OCIRepository", "flux-system", "platform")
        [(mark, observed)] = troubles(
            [(replace(desired, source=source), replace(look, source=oci))], Installation(CONTROLLERS)
        )
        assert mark is Mark.WARNING
        assert "names no commit: whether it has ours is judged by the image" in observed

    def test_what_is_suspended_waits(self) -> None:
        sites = [site("web", source={"suspend": True}, suspend=True)]
        assert troubles(sites, Installation(CONTROLLERS)) == [
            (Mark.WARNING, "GitRepository flux-system/platform is suspended"),
            (Mark.WARNING, "Kustomization flux-system/web is suspended"),
        ]

    def test_a_kustomization_that_is_not_there_is_missing(self) -> None:
        desired, look = site("web")
        gone = Observation(at_s=0.0, source=look.source)
        assert troubles([(desired, gone)], Installation(CONTROLLERS)) == [
            (Mark.MISSING, "Kustomization flux-system/web is not in the cluster")
        ]

    @pytest.mark.parametrize(
        ("interval", "may_ask", "expected"),
        [
            ("1m0s", True, []),
            ("1h", True, []),
            ("1m0s", False, []),
            ("1h", False, [(Mark.WARNING, "is polled every 1h, without a webhook: a commit waits up to 1h")]),
        ],
    )
    def test_how_long_a_commit_waits_for_the_poll(
        self, interval: str, may_ask: bool, expected: list[tuple[Mark, str]]
    ) -> None:
        sites = [site("web", source={"interval": interval})]
        assert troubles(sites, Installation(CONTROLLERS), may_ask=may_ask) == expected

    @pytest.mark.parametrize(
        ("resource", "is_told"),
        [
            ({"name": "platform"}, True),
            ({"name": "*", "matchLabels": {"team": "web"}}, True),
            ({"name": "*", "matchLabels": {"team": "shop"}}, False),
            ({"name": "another"}, False),
            ({"name": "platform", "namespace": "elsewhere"}, False),
        ],
    )
    def test_a_webhook_counts_for_the_sources_that_it_names(
        self, resource: dict[str, Any], is_told: bool
    ) -> None:
        seen = Installation(CONTROLLERS, (receiver(**resource),))
        findings = flux.findings("east", [site("web")], seen, may_ask_to_fetch=False)
        by_webhook = "is told of commits by Receiver flux-system/github (github), and polled every 1m0s"
        assert any(flux_finding.observed == by_webhook for flux_finding in findings) is is_told

    def test_a_webhook_that_is_not_ready_is_none(self) -> None:
        not_ready = {"type": "Ready", "status": "False", "reason": "x", "message": "secret is not there"}
        broken = {**receiver(name="platform"), "status": {"conditions": [not_ready]}}
        ((mark, text),) = troubles([site("web")], Installation(CONTROLLERS, (broken,)))
        assert (mark, text.endswith("suspended or not Ready: secret is not there")) == (Mark.WARNING, True)
