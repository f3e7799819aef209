"""Our model against kustomize itself, on generated trees: which image each container gets, which field decides it, and all the rest.

What kustomize 5.8.1 says of the trees in `tests/data/kustomize/answers.jsonl` is recorded (`record.py`), so that this runs without it.
When it was recorded, every field was edited and the tree built anew by kustomize: exactly the images changed that stand beside it.
`tests/e2e/test_kustomize.py` asks the program itself about other trees.
"""

import json
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tables import each_row

from bumper.image import ImageReference

from . import generated_trees, oracle

ANSWERS = Path(__file__).parents[1] / "data" / "kustomize" / "answers.jsonl"
BATCHES = 10
QUICK_BATCHES = 1
MOST_REFUSED = 0.05
FEWEST_TREES = 500
FEWEST_OF_A_FORM = 10


@cache
def answers() -> list[dict[str, Any]]:
    return [json.loads(line) for line in ANSWERS.read_text(encoding="utf-8").splitlines()]


def built() -> list[dict[str, Any]]:
    """The trees that kustomize builds."""
    return [answer for answer in answers() if "images" in answer]


@pytest.mark.parametrize(
    "batch",
    [
        *range(QUICK_BATCHES),
        *(pytest.param(batch, marks=pytest.mark.slow) for batch in range(QUICK_BATCHES, BATCHES)),
    ],
)
def test_the_model_says_what_kustomize_says(batch: int) -> None:
    for answer in answers()[batch::BATCHES]:
        seed, files = answer["seed"], generated_trees.tree(answer["seed"]).files
        assert oracle.fingerprint(files) == answer["files"], f"tree {seed} is another one now: record it anew"
        build, images = oracle.modelled(files)
        if "images" not in answer:
            assert build.refusals or build.gaps, f"tree {seed}: kustomize refuses it, and the model does not"
            continue
        assert not build.refusals, f"tree {seed}: {build.refusals}"
        assert {name: image.value for name, image in images.items()} == answer["images"], f"tree {seed}"
        assert oracle.fields_of(images) == answer["fields"], f"tree {seed}"
        assert oracle.digest([each.value for each in build.resources]) == answer["objects"], f"tree {seed}"


def written() -> dict[str, dict[str, Any]]:
    """Trees written by hand, each with something that the generator does not make."""
    lines = (ANSWERS.parent / "written.jsonl").read_text(encoding="utf-8").splitlines()
    return {answer["name"]: answer for answer in map(json.loads, lines)}


@each_row("name", written())
def test_the_model_says_of_a_written_tree_what_kustomize_says(name: str) -> None:
    answer = written()[name]
    build, images = oracle.modelled(answer["tree"])
    if answer.get("refused"):
        assert build.refusals
        return
    assert not build.refusals
    assert {key: image.value for key, image in images.items()} == answer["images"]
    assert oracle.fields_of(images) == answer["fields"]
    assert oracle.digest([each.value for each in build.resources]) == answer["objects"]


def test_an_edit_changes_in_the_model_what_it_changes_in_kustomize() -> None:
    for answer in built()[::10]:
        files = generated_trees.tree(answer["seed"]).files
        _, images = oracle.modelled(files)
        _, after = oracle.modelled(oracle.edited(files, images))
        changed = {
            name for name, image in after.items() if "edited" in image.value and not images[name].field.unsafe
        }
        assert changed == {name for names in answer["fields"].values() for name in names}


def test_few_trees_of_each_form_are_refused() -> None:
    """`pytest -rP` shows the table."""
    trees, refused = counted()
    rows = (f"{form:40}{trees[form]:5} trees{refused[form]:4} refused" for form in generated_trees.FORMS)
    sys.stdout.write("\n".join(rows))
    assert sum(1 for _ in built()) >= FEWEST_TREES
    assert not {form: trees[form] for form in generated_trees.FORMS if trees[form] < FEWEST_OF_A_FORM}
    shares = {form: refused[form] / trees[form] for form in generated_trees.FORMS}
    assert not {form: share for form, share in shares.items() if share > MOST_REFUSED}


def counted() -> tuple[Counter[str], Counter[str]]:
    """The trees of each form, and those of them with an image of which the model does not say what decides it."""
    trees: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for answer in built():
        forms = generated_trees.tree(answer["seed"]).forms
        decided = {name for names in answer["fields"].values() for name in names}
        # What is no reference at all (`web@sha256:r3`, by a replacement in a digest) runs nowhere, whatever decides it.
        runnable = {name for name, image in answer["images"].items() if ImageReference.parse(image)}
        trees.update(forms)
        refused.update(forms if runnable - decided else ())
    return trees, refused
