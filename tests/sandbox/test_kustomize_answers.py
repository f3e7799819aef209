"""The sandbox's small kustomize against what kustomize itself said of generated trees, as far as the sandbox understands them."""

import json
from pathlib import Path

from fluxtree import generated_trees, oracle
from ruamel.yaml import YAML

from bumper_sandbox.flux.build import build

ANSWERS = Path(__file__).parents[1] / "data" / "kustomize" / "answers-small.jsonl"


def test_the_same_images_are_built() -> None:
    answers = [json.loads(line) for line in ANSWERS.read_text(encoding="utf-8").splitlines()]
    built = [answer for answer in answers if "images" in answer]
    assert len(built) >= 50
    for answer in built:
        files = generated_trees.tree(answer["seed"], generated_trees.SMALL).files
        assert oracle.fingerprint(files) == answer["files"]
        spec = YAML(typ="safe").load(files["clusters/sync.yaml"])["spec"]
        contents = {path: content.encode() for path, content in files.items()}
        objects = build(contents, spec["path"], spec, "/tmp/kustomization")
        assert oracle.container_images(objects) == answer["images"], answer["seed"]
