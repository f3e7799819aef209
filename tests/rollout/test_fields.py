"""Objects as real controllers write them fit the table, although a name in them means something else than elsewhere."""

from typing import Any

import pytest

from bumper.rollout.fields import misfit

REAL: dict[str, Any] = {
    # kubelet 1.36.1 on a node with cgroups of either version: who the container's process runs as.
    "a container's user": {
        "status": {"containerStatuses": [{"name": "web", "ready": True, "user": {"linux": {"uid": 0, "gid": 0}}}]}
    },
    # helm-controller 1.6.4.
    "a remediation": {"spec": {"upgrade": {"remediation": {"retries": 1, "strategy": "rollback"}}}},
    # source-watcher 2.2.2.
    "a generator": {
        "spec": {"artifacts": [{"name": "web", "copy": [{"from": "@repo/a", "strategy": "Merge"}]}]},
        "status": {"inventory": [{"name": "web", "namespace": "flux-system", "digest": "sha256:0"}]},
    },
    # Kubernetes 1.36.1.
    "a Job": {"status": {"ready": 1, "active": 1, "uncountedTerminatedPods": {"succeeded": ["u"], "failed": []}}},
    "a CronJob": {"status": {"active": [{"kind": "Job", "name": "web-1"}]}},
    # kustomize-controller 1.9.4, spec.healthCheckExprs.
    "a health check": {"spec": {"healthCheckExprs": [{"kind": "Widget", "failed": "status.bad"}]}},
    # argo-rollouts 1.10.1, status.selector for the scale subresource.
    "a Rollout": {"status": {"selector": "app=web", "phase": "Healthy"}},
}  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_a_real_object_fits(name: str) -> None:
    assert misfit(REAL[name]) == ""


def test_a_field_of_another_type_is_named_with_its_place() -> None:
    assert misfit({"spec": {"replicas": "two"}}) == "spec.replicas: found a text, expected a number"
