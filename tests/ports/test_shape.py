"""Values from outside: what is a number, and what only looks like one."""

from contextlib import suppress
from typing import Any

import pytest
from trees import MemoryTree, deployment, flux, sync

from bumper import check
from bumper.errors import BumpError
from bumper.fluxtree.sites import find
from bumper.ports.shape import Misshapen, held_to, whole_number
from bumper.request import FieldPath, seconds_of

QUOTE = "'"
LONG = "9" * 5000  # more digits than Python reads


ODD = ("", "-", "--5", "+5", "²", "٣", "1e3", "1_0", " 1", "9" * 19, LONG)


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("-7", -7), ("007", 7), ("9" * 18, 10**18 - 1), *((odd, None) for odd in ODD)],
)
def test_a_whole_number_is_digits_that_python_reads(text: str, number: int | None) -> None:
    assert whole_number(text) == number


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), 10**400, -(10**400), True, "1"])
def test_a_number_is_one_that_a_fraction_reaches(odd: Any) -> None:
    assert held_to(float, 10**300, "x") == 10**300
    with pytest.raises(Misshapen):
        held_to(float, odd, "x")


def test_a_duration_and_a_step_are_no_longer_than_numbers() -> None:
    assert seconds_of(f"{LONG}h") is None
    assert FieldPath.parse(f"spec.web[{LONG}].image") is None


KUSTOMIZATION = """\
resources: [web.yaml]
patches:
  - target: {{kind: Deployment}}
    patch: '[{{"op": "test", "path": "/spec/template/spec/containers/{number}/name", "value": "web"}}]'
replacements:
  - source: {{kind: Deployment, name: web, fieldPath: metadata.name, options: {{delimiter: '-', index: {number}}}}}
    targets: [{{select: {{kind: Deployment, name: {number}}}, fieldPaths: [metadata.labels.a]}}]
"""
RESOURCE_SET = """\
apiVersion: fluxcd.controlplane.io/v1
kind: ResourceSet
metadata: {{name: apps, namespace: flux-system}}
spec:
  inputs: [{{number: {number}}}]
  resources:
    - apiVersion: v1
      kind: ConfigMap
      metadata: {{name: "<< if eq inputs.number {number} >>x<< end >>", namespace: web}}
"""


@pytest.mark.parametrize("number", [LONG, "0x" + "f" * 5000, "'²'", "'--5'", "1e999", "-0.0", ".nan"])
def test_a_tree_with_such_numbers_is_read_or_refused_in_words(number: str) -> None:
    written = deployment("web", "reg.example/web:1.0").replace("spec:\n", f"spec:\n  replicas: {number}\n", 1)
    tree = MemoryTree(
        {
            "clusters/a/flux-system/gotk-sync.yaml": sync("./clusters/a"),
            "clusters/a/web.yaml": flux("web", "./apps", f"timeout: {number.strip(QUOTE)}h"),
            "clusters/a/set.yaml": RESOURCE_SET.format(number=number),
            "apps/kustomization.yaml": KUSTOMIZATION.format(number=number),
            "apps/web.yaml": written,
        }
    )
    check.findings(tree)
    with suppress(BumpError):
        find.find(tree, "web")
