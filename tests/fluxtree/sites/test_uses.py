"""Every use of a site's image that moves together, and whatever names the image and stays."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from tables import each_row
from trees import MemoryTree, deployment, flux, image_entry, kustomization, sync

from bumper.errors import FieldMissing
from bumper.fluxtree.sites import find
from bumper.fluxtree.sites.find import Target
from bumper.request import Choice

OLD = "reg.example/web:old"
PLATFORM = {
    "k8s/flux-system/gotk-sync.yaml": sync("./k8s/flux-system"),
    "k8s/flux-system/web.yaml": flux("web", "./k8s/web"),
}
CRON = """\
    apiVersion: batch/v1
    kind: CronJob
    metadata: {name: tidy}
    spec:
      schedule: '0 3 * * *'
      jobTemplate:
        spec:
          template:
            spec:
              containers: [{name: tidy, image: "reg.example/web:old"}]
    """
HELM = """\
    apiVersion: helm.toolkit.fluxcd.io/v2
    kind: HelmRelease
    metadata: {name: shop, namespace: web}
    spec:
      values:
        image: {repository: reg.example/web, tag: old}
        worker:
          image: {repository: reg.example/web, tag: old}
    """
TALKATIVE = """\
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web, annotations: {about: "built by reg.example/webhook:old"}}
    spec:
      template:
        spec:
          containers:
            - name: web
              image: reg.example/web:old
              args: [--sidecar, "--image=reg.example/web:old"]
              env:
                - {name: SELF, value: "reg.example/web:old"}
                - {name: BARE, value: reg.example/web}
    """


@dataclass(frozen=True)
class Case:
    """The files of k8s/web, what is asked, the fields and the workloads that move, in order, and what stays."""

    files: dict[str, str]
    moves: list[str]
    workloads: list[str]
    stays: list[str] = field(default_factory=list)
    ask: dict[str, Any] = field(default_factory=dict)


WEB = {"web.yaml": deployment("web", OLD)}
INIT = {"web.yaml": deployment("web", OLD, init=OLD)}
ALL = {**INIT, "worker.yaml": deployment("worker", OLD), "cron.yaml": CRON}
CASES = {
    "init and main container": Case(INIT, ["web.yaml:11", "web.yaml:8"], ["Deployment web"]),
    "a workload that is named otherwise": Case(
        {**WEB, "a-worker.yaml": deployment("worker", OLD)},
        ["web.yaml:10", "a-worker.yaml:10"],
        ["Deployment web", "Deployment worker"],
    ),
    "what rolls out comes before what runs now and then": Case(
        {"a-cron.yaml": CRON, "worker.yaml": deployment("worker", OLD)},
        ["worker.yaml:10", "a-cron.yaml:10"],
        ["Deployment worker", "CronJob tidy"],
    ),
    "twice in the values of a chart": Case(
        {"release.yaml": HELM}, ["release.yaml:6", "release.yaml:8"], ["HelmRelease web/shop"]
    ),
    "one entry decides for all": Case(
        {
            **ALL,
            "kustomization.yaml": kustomization(
                *image_entry("reg.example/web", newTag="old"),
                resources=["web.yaml", "worker.yaml", "cron.yaml"],
            ),
        },
        ["kustomization.yaml:9"],
        ["Deployment web", "Deployment worker", "CronJob tidy"],
    ),
    "another tag is another pin": Case(
        {**WEB, "worker.yaml": deployment("worker", "reg.example/web:older")},
        ["web.yaml:10"],
        ["Deployment web"],
        ["k8s/web/worker.yaml:10 reg.example/web:older (Deployment worker, container worker)"],
    ),
    "another repository is another image": Case(
        {**WEB, "worker.yaml": deployment("worker", "reg.example/worker:old")},
        ["web.yaml:10"],
        ["Deployment web"],
    ),
    "a container that is named": Case(
        ALL,
        ["web.yaml:8"],
        ["Deployment web"],
        [
            "k8s/web/cron.yaml:10 reg.example/web:old (CronJob tidy, container tidy)",
            "k8s/web/web.yaml:11 reg.example/web:old (Deployment web, container web)",
            "k8s/web/worker.yaml:10 reg.example/web:old (Deployment worker, container worker)",
        ],
        {"containers": ("setup",)},
    ),
    "containers that are named, whatever their tag": Case(
        {**ALL, "worker.yaml": deployment("worker", "reg.example/web:older")},
        ["web.yaml:11", "worker.yaml:10"],
        ["Deployment web", "Deployment worker"],
        [
            "k8s/web/cron.yaml:10 reg.example/web:old (CronJob tidy, container tidy)",
            "k8s/web/web.yaml:8 reg.example/web:old (Deployment web, container setup)",
        ],
        {"containers": ("worker", "web")},
    ),
    "a container that is named beside those that read its field": Case(
        {
            **ALL,
            "kustomization.yaml": kustomization(
                *image_entry("reg.example/web", newTag="old"),
                resources=["web.yaml", "worker.yaml", "cron.yaml"],
            ),
        },
        ["kustomization.yaml:9"],
        ["Deployment worker", "Deployment web", "CronJob tidy"],
        [],
        {"containers": ("worker",)},
    ),
    "texts that name it": Case(
        {"web.yaml": TALKATIVE},
        ["web.yaml:9"],
        ["Deployment web"],
        [
            "k8s/web/web.yaml:10 reg.example/web:old (Deployment web, container web, args)",
            "k8s/web/web.yaml:12 reg.example/web:old (Deployment web, container web, env SELF)",
        ],
    ),
}


def found(case: Case) -> Target:
    files = {f"k8s/web/{name}": text for name, text in case.files.items()}
    return find.find(MemoryTree({**PLATFORM, **files}), "web", Choice(**case.ask))


@each_row("case", CASES.values(), ids=CASES)
def test_all_uses_move_and_what_stays_is_listed(case: Case) -> None:
    target = found(case)
    assert list(target.all_places) == [f"k8s/web/{place}" for place in case.moves]
    assert list(map(str, target.workloads)) == case.workloads
    assert list(map(str, target.stays)) == case.stays


def test_people_read_how_many_places_there_are() -> None:
    assert found(CASES["init and main container"]).places == "k8s/web/web.yaml:11 and 1 more"
    assert found(CASES["one entry decides for all"]).places == "k8s/web/kustomization.yaml:9"


def test_each_workload_is_followed_with_all_containers_that_run_the_image() -> None:
    desired = found(Case(ALL, [], [])).desired(None)
    followed = [(str(each.workload), each.container, each.beside, each.replicas) for each in desired]
    assert followed == [
        ("Deployment web", "web", ("setup",), 1),
        ("Deployment worker", "worker", (), 1),
        ("CronJob tidy", "tidy", (), None),
    ]


def test_what_cannot_be_followed_moves_and_counts_only_where_it_is_all_there_is() -> None:
    clones = deployment("clones", OLD, kind="CloneSet")
    target = found(Case({**WEB, "clones.yaml": clones}, [], []))
    assert len(target.fields) == 2
    assert list(map(str, target.followed)) == ["Deployment web"]
    assert list(map(str, target.not_followed)) == ["CloneSet clones"]
    alone = found(Case({"clones.yaml": clones}, [], []))
    assert list(map(str, alone.followed)) == ["CloneSet clones"]
    assert alone.not_followed == ()


def test_a_container_that_has_another_image_is_refused() -> None:
    with pytest.raises(FieldMissing, match="no container api has an image named web"):
        found(Case(ALL, [], [], ask={"containers": ("web", "api")}))
