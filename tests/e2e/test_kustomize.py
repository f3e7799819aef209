"""Our model of kustomize against the program itself, on other trees than the recorded ones.

`BUMP_KUSTOMIZE=FILE` is the program; without it, that which `python tests/e2e/build.py --peers` builds.
"""

import os
from pathlib import Path

import pytest
from fluxtree import generated_trees, oracle
from fluxtree.image_trees import IMAGE_TREES, ImageTree

from .build import binary

FIRST, LAST = 100_000, 100_060


@pytest.fixture(scope="module")
def program() -> Path:
    path = Path(os.environ.get("BUMP_KUSTOMIZE") or binary("kustomize"))
    if not path.is_file():
        pytest.skip(f"{path} is not there: python tests/e2e/build.py --peers builds it")
    return path


def test_the_model_says_what_kustomize_says(program: Path) -> None:
    wrong = []
    for number in range(FIRST, LAST):
        try:
            oracle.line(number, program, generated_trees.tree(number).files)
        except AssertionError as error:
            wrong.append(f"tree {number}: {error}")
    assert not wrong, "\n".join(wrong)


def test_a_proof_lists_what_differs_in_what_kustomize_builds(program: Path) -> None:
    proofs = 0
    for number in range(FIRST, LAST, 2):
        files = generated_trees.tree(number).files
        before = oracle.kustomized(program, files)
        for after_files, proof in oracle.plans(files) if before else ():
            after = oracle.kustomized(program, after_files)
            assert before, "kustomize builds it"
            assert after, f"tree {number}: kustomize refuses the edited tree"
            assert oracle.listed(proof) == oracle.differing(before, after), f"tree {number}"
            proofs += 1
    assert proofs > 30


@pytest.mark.parametrize("tree", IMAGE_TREES.values(), ids=IMAGE_TREES)
def test_an_image_outside_of_a_container_is_what_kustomize_makes_of_it(
    program: Path, tree: ImageTree
) -> None:
    objects = oracle.kustomized(program, tree.all_files)
    built, _ = oracle.modelled(tree.all_files)
    assert objects is not None
    assert oracle.digest([each.value for each in built.resources]) == oracle.digest(objects)
