"""A site of several workloads in one row."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from follow.test_cluster import NEW, OLD, OURS, WORKER, Scripted, look, of_worker
from platforms import HandClock
from trees import MemoryTree, deployment, flux, sync

from bumper.dataclasses import replace
from bumper.observation import Desired, Observation, RevisionFacts
from bumper.request import LiveBuild
from bumper.revision import Revision
from bumper.rollout import rules
from bumper.rollout.verdict import Judgement
from bumper.status import sites
from bumper.status.look import Judged, rows
from bumper.status.sites import Entry, place
from bumper.status.table import Overview, Row, as_data, details
from bumper.style import plain

TREE = MemoryTree(
    {
        "k8s/flux-system/gotk-sync.yaml": sync("./k8s/flux-system"),
        "k8s/flux-system/web.yaml": flux("web", "./k8s/web"),
        "k8s/web/web.yaml": deployment("web", str(NEW), namespace="web"),
        "k8s/web/worker.yaml": deployment("worker", str(NEW), namespace="web"),
        "k8s/web/old.yaml": deployment("old", "reg.io/web:0.9", namespace="web"),
    }
)
TIP = Revision("main", OURS)


class Known:
    """What git knows (`ports.Facts`): the applied revision holds the new image."""

    def facts(self, desired: Desired, shas: Iterable[str]) -> dict[str, RevisionFacts]:
        return {sha: RevisionFacts(None, NEW) for sha in shas}


def row(web: Observation, worker: Observation) -> Row:
    entries = sites.read(TREE, TIP, "web")
    assert [desired.workload for desired in entries[0].followed][1] == WORKER.workload
    (shown,) = rows("east", entries, [(web, worker)], Known())
    return shown


def test_it_is_ready_if_all_are() -> None:
    shown = row(look(OURS, NEW), of_worker(NEW))
    assert (shown.word, len(shown.workloads)) == ("ready", 2)


def test_a_workload_that_lags_behind_is_what_the_row_tells() -> None:
    shown = row(look(OURS, NEW), of_worker(NEW, availableReplicas=0, readyReplicas=0))
    assert shown.word == "moving"
    assert shown.detail.startswith("Deployment web/worker: 1/1 updated, 0/1 available")


def test_what_drifts_anywhere_is_told_and_what_was_cut_off_is_pending() -> None:
    shown = row(look(OURS, NEW), of_worker(OLD))
    assert any(
        "Deployment web/worker has reg.io/web:1.0, git wants 2.0" in text for text in shown.state.drift
    )
    assert shown.pending is not None
    assert "Deployment web/worker" in shown.pending.message


def test_the_digests_of_all_of_its_workloads_are_known() -> None:
    def with_pod(shown: Observation, name: str, digest: str) -> Observation:
        pod = {
            "metadata": {"name": f"{name}-1"},
            "spec": {"containers": [{"name": name, "image": str(NEW)}]},
            "status": {
                "phase": "Running",
                "containerStatuses": [{"name": name, "imageID": f"reg.io/web@{digest}"}],
            },
        }
        return replace(shown, pods=(pod,), unreadable={"ReplicaSet": "forbidden"})

    digests = (f"sha256:{'a' * 64}", f"sha256:{'b' * 64}")
    shown = row(with_pod(look(OURS, NEW), "web", digests[1]), with_pod(of_worker(NEW), "worker", digests[0]))
    assert shown.state.digests == digests


def test_the_site_in_full_has_a_line_for_each() -> None:
    shown = row(look(OURS, NEW), of_worker(NEW, availableReplicas=0, readyReplicas=0))
    overview = Overview(TIP, (shown,), datetime(2026, 11, 28, tzinfo=UTC))
    lines = [plain(line) for line in details(overview)]
    assert "  workload     Deployment web/web: ready, 1/1 updated, 1/1 available" in lines
    assert any(line.startswith("  workload     Deployment web/worker: moving, ") for line in lines)
    assert "  stays        k8s/web/old.yaml:11 reg.io/web:0.9 (Deployment web/old, container old)" in lines
    (data,) = as_data(overview)["sites"]
    assert [(end["kind"], end["name"]) for end in data["workloads"]] == [
        ("Deployment", "web"),
        ("Deployment", "worker"),
    ]


def test_what_another_cluster_alone_has_is_no_row_here() -> None:
    def inventory(namespaces: Sequence[str]) -> list[LiveBuild]:
        source = {"kind": "GitRepository", "name": "flux-system"}
        spec = {"path": "./k8s/web", "sourceRef": source}
        metadata = {"name": "beyond", "namespace": namespaces[0]}
        live = {"metadata": metadata, "spec": spec}
        return [LiveBuild("./k8s/web", "GitRepository flux-system/flux-system", "west", live)]

    *written, beyond = sites.read(TREE, TIP, inventory=inventory)
    assert (beyond.site.name, beyond.site.known_by) == ("beyond", "cluster west")
    seen = [(look(OURS, NEW),) * len(entry.followed) for entry in (*written, beyond)]
    missing = [*seen[:-1], (replace(seen[-1][0], kustomization=None),) * len(beyond.followed)]
    assert [row.site for row in rows("west", [*written, beyond], seen, Known())][-1] == "beyond"
    assert [row.site for row in rows("east", [*written, beyond], missing, Known())][-1] == "web"


def test_a_site_that_was_not_looked_at_again_keeps_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[str] = []

    def judge(desired: Desired, *others: Any) -> Judgement:
        judged.append(str(desired.workload))
        return rules.judge(desired, *others)

    monkeypatch.setattr("bumper.status.look.judge", judge)
    entries, known = sites.read(TREE, TIP), Judged()
    still = {entry.desired.site: (look(OURS, NEW),) * len(entry.followed) for entry in entries}

    def shown(entries: Sequence[Entry]) -> list[Row]:
        judged.clear()
        return rows("east", entries, [still[entry.desired.site] for entry in entries], Known(), known)

    first = shown(entries)
    assert judged
    assert (shown(entries), judged) == (first, [])
    still["web"] = (look(OURS, NEW), of_worker(OLD))
    assert shown(entries) != first
    assert set(judged) == {"Deployment web/web", "Deployment web/worker"}
    # What git wants is read anew with each fetch.
    assert shown(sites.read(TREE, TIP)) == shown(sites.read(TREE, TIP))
    assert judged


def test_what_has_not_changed_is_as_it_was_last_seen() -> None:
    class Telling(Scripted):
        def observe_changed(
            self, desired: Sequence[Desired], is_due: Sequence[bool]
        ) -> list[Observation | None]:
            asked.append(list(is_due))
            return [
                look(OURS, NEW) if due or each.site == "web" else None
                for each, due in zip(desired, is_due, strict=True)
            ]

    asked: list[list[bool]] = []
    cluster = Telling([], HandClock())
    entries = sites.read(TREE, TIP)
    first = sites.observe_changed(cluster, entries, {})
    second = sites.observe_changed(cluster, entries, first)
    assert [all(due) for due in asked] == [True, False]
    assert first.keys() == second.keys() == {place(entry) for entry in entries}
    changed = {entry.desired.site for entry in entries if first[place(entry)] is not second[place(entry)]}
    assert changed == {"web"}
