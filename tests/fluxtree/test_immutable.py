"""Objects that Flux does not change, or can't."""

import pytest
from trees import MemoryTree, deployment, flux, image_entry, kustomization, sync

from bumper.fluxtree.sites import find

JOB = (
    "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: web\n  namespace: shop\nspec:\n"
    "  template: {spec: {containers: [{name: web, image: 'reg.io/web:v1'}]}}\n"
)
CRON = (
    "apiVersion: batch/v1\nkind: CronJob\nmetadata:\n  name: web\nspec:\n"
    "  jobTemplate: {spec: {template: {spec: {containers: [{name: web, image: 'reg.io/web:v1'}]}}}}\n"
)
RUN = "apiVersion: tekton.dev/v1\nkind: TaskRun\nmetadata:\n  name: web\nspec: {taskSpec: {steps: [{image: 'reg.io/web:v1'}]}}\n"


def unsafe(text: str, *more: str) -> str:
    files = {
        "k8s/flux-system/gotk-sync.yaml": sync("./k8s/flux-system"),
        "k8s/flux-system/web.yaml": flux("web", "./k8s/web", *more),
        "k8s/web/it.yaml": text,
    }
    return find.find(MemoryTree(files), "web").field.unsafe


def with_annotation(text: str, written: str) -> str:
    return text.replace(
        "  name: web\n", f"  name: web\n  annotations: {{kustomize.toolkit.fluxcd.io/{written}}}\n"
    )


@pytest.mark.parametrize("text", [JOB, RUN])
def test_what_can_not_be_changed_is_refused_with_what_replaces_it(text: str) -> None:
    reason = unsafe(text)
    assert "immutable" in reason
    assert "(k8s/web/it.yaml:1)" in reason
    assert "kustomize.toolkit.fluxcd.io/force: enabled" in reason


@pytest.mark.parametrize(
    "text",
    [
        with_annotation(JOB, "force: Enabled"),
        JOB.replace("spec:\n", "spec:\n  ttlSecondsAfterFinished: 60\n", 1),
        CRON,
    ],
)
def test_what_is_replaced_or_goes_away_can_be_changed(text: str) -> None:
    assert unsafe(text) == ""


def test_a_kustomization_with_force_replaces_everything() -> None:
    assert unsafe(JOB, "force: true") == ""


@pytest.mark.parametrize(
    ("written", "key"),
    [("ssa: IfNotPresent", "ssa"), ("ssa: Ignore", "ssa"), ("reconcile: disabled", "reconcile")],
)
def test_an_object_that_flux_leaves_alone_is_not_edited(written: str, key: str) -> None:
    reason = unsafe(with_annotation(CRON, written))
    assert f"kustomize.toolkit.fluxcd.io/{key} of CronJob web" in reason


def test_other_annotations_of_flux_change_nothing() -> None:
    assert unsafe(with_annotation(CRON, "ssa: Merge")) == ""


def test_an_entry_that_decides_for_a_job_as_well_is_not_edited() -> None:
    files = {
        "k8s/flux-system/gotk-sync.yaml": sync("./k8s/flux-system"),
        "k8s/flux-system/web.yaml": flux("web", "./k8s/web"),
        "k8s/web/job.yaml": JOB.replace("name: web\n", "name: migrate\n", 1),
        "k8s/web/web.yaml": deployment("web", "reg.io/web:v0"),
        "k8s/web/kustomization.yaml": kustomization(
            *image_entry("reg.io/web", newTag="v1"), resources=["web.yaml", "job.yaml"]
        ),
    }
    (field,) = find.find(MemoryTree(files), "web").fields
    assert field.path == "k8s/web/kustomization.yaml"
    assert "Job shop/migrate (k8s/web/job.yaml:1)" in field.unsafe
