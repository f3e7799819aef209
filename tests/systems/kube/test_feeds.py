"""Which streams are opened for which sites, and whose changes matter in them."""

from collections.abc import Mapping
from typing import Any, cast

import pytest
from tables import each_row

from bumper.objects import ObjectKey
from bumper.observation import Observation
from bumper.systems.kube import feeds
from bumper.systems.kube.kinds import EVENT, KUSTOMIZATION, POD, REPLICA_SET, WORKLOADS
from bumper.systems.kube.news import site_key
from bumper.systems.kube.watch import Feed, Interest, Watches
from systems.kube.conftest import TIMEOUTS, desired

DEPLOYMENT = WORKLOADS[0]


WEB, HELM = site_key(desired("web")), site_key(desired("helm"))


def test_whose_changes_matter() -> None:
    key = ObjectKey("Kustomization", "flux-system", "web")
    interest = Interest({key: [WEB, HELM]}, {"web": {"web": [WEB]}, "helm": {"": [HELM]}})

    def named(namespace: str, name: str) -> Mapping[str, Any]:
        return {"metadata": {"namespace": namespace, "name": name}}

    assert interest.sites_of(KUSTOMIZATION, named("flux-system", "web")) == {WEB, HELM}
    assert not interest.sites_of(KUSTOMIZATION, named("flux-system", "web-api"))
    assert interest.sites_of(POD, named("web", "web-1-a")) == {WEB}
    assert interest.sites_of(REPLICA_SET, named("web", "web-1")) == {WEB}
    assert not interest.sites_of(POD, named("elsewhere", "web-1-a"))
    assert interest.sites_of(POD, named("helm", "any")) == {HELM}
    about = {**named("web", "an-event"), "involvedObject": {"name": "web-1-a", "namespace": "web"}}
    assert interest.sites_of(EVENT, about) == {WEB}
    assert not interest.sites_of(EVENT, {**about, "involvedObject": {"name": "other", "namespace": "web"}})


def test_the_pods_of_a_long_name_are_known_by_its_beginning() -> None:
    name = "a" * 63
    interest = Interest(workloads={"web": {name: [WEB]}})
    assert interest.sites_of(POD, {"metadata": {"namespace": "web", "name": "a" * 58 + "12345"}}) == {WEB}


def feeds_of(sites: list[str], kind: str = "Deployment", **kustomization: Any) -> set[Feed]:
    observation = Observation(at_s=0.0, kustomization={"spec": kustomization})
    return feeds.of(feeds.need(desired(site, kind), observation) for site in sites)[0]


def test_one_site_is_watched_by_name() -> None:
    [source, *_] = [feed for feed in feeds_of(["web"]) if feed.resource.kind == "GitRepository"]
    assert source == Feed(source.resource, "flux-system", "flux-system")
    assert feeds_of(["web"]) == {
        source,
        Feed(KUSTOMIZATION, "flux-system", "web"),
        Feed(DEPLOYMENT, "web", "web"),
        Feed(REPLICA_SET, "web"),
        Feed(POD, "web"),
        Feed(EVENT, "web"),
    }


def test_dependencies_are_watched() -> None:
    feeds = feeds_of(["web"], dependsOn=[{"name": "base"}, {"name": "far", "namespace": "other"}])
    assert {feed for feed in feeds if feed.resource == KUSTOMIZATION} == {
        Feed(KUSTOMIZATION, "flux-system", "web"),
        Feed(KUSTOMIZATION, "flux-system", "base"),
        Feed(KUSTOMIZATION, "other", "far"),
    }


@each_row("kind", ["StatefulSet", "CronJob", "HelmRelease", "Rollout", "Service", "CloneSet"])
def test_other_kinds_are_watched_with_what_they_own(kind: str) -> None:
    plurals = {feed.resource.plural for feed in feeds_of(["web"], kind)}
    flux = {"gitrepositories", "kustomizations"}
    owned = {
        "StatefulSet": {"statefulsets", "pods", "events"},
        "CronJob": {"cronjobs", "jobs", "pods", "events"},
        "HelmRelease": {
            "helmreleases", "deployments", "statefulsets", "daemonsets", "replicasets", "pods", "events"
        },
        "Rollout": {"rollouts", "replicasets", "pods", "events"},
        "Service": {"services", "pods", "events"},
        "CloneSet": set(),
    }  # fmt: skip
    assert plurals == flux | owned[kind]


def test_the_number_of_streams_is_bounded() -> None:
    assert len(feeds_of([f"site-{number}" for number in range(7)])) == 2 + 4 * 7
    many = feeds_of([f"site-{number}" for number in range(200)])
    assert {str(feed) for feed in many} == {
        "gitrepositories in namespace flux-system",
        "kustomizations in namespace flux-system",
        "deployments in all namespaces",
        "replicasets in all namespaces",
        "pods in all namespaces",
        "events in all namespaces",
    }


@pytest.mark.parametrize(
    "changed", [None, 5, [], {"metadata": 5}, {"metadata": {"namespace": ["web"], "name": {"a": 1}}}]
)
def test_what_is_no_object_matters_to_no_site(changed: Any) -> None:
    interest = Interest({ObjectKey("Pod", "web", "web"): [WEB]}, {"web": {"web": [WEB]}})
    assert not interest.sites_of(POD, changed)


def test_whoever_watches_for_days_may_fail_often() -> None:
    watches = Watches(cast(Any, None), TIMEOUTS, lambda sites: None)
    assert watches._pause_s(100_000) <= TIMEOUTS.longest_pause_s


def test_what_becomes_of_a_claim_rings_whatever_its_name() -> None:
    interest = Interest(workloads={"web": {"web": [WEB]}})

    def event(kind: str) -> dict[str, object]:
        return {
            "metadata": {"namespace": "web", "name": "e"},
            "involvedObject": {"kind": kind, "name": "data-web-0"},
        }

    assert interest.sites_of(EVENT, event("PersistentVolumeClaim")) == {WEB}
    assert interest.sites_of(EVENT, event("Pod")) == set()
