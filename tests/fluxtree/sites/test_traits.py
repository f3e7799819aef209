"""Which environments the annotation of a Kustomization names, found by what a commit says of it."""

import json

from platforms import SOURCE, kustomization
from trees import MemoryTree

from bumper.fluxtree.sites import traits


def annotated(name: str, environments: str, **others: str) -> str:
    keys = {
        "bump/environment": environments,
        **{f"bump/environment.{site}": text for site, text in others.items()},
    }
    plain = f"metadata: {{name: {name}, "
    return kustomization(name, f"./{name}").replace(plain, f"{plain}annotations: {json.dumps(keys)}, ")


def test_annotations_are_read_from_the_files_of_the_kustomizations_alone() -> None:
    tree = MemoryTree(
        {
            "prod/web.yaml": SOURCE + "---\n" + annotated("web", "prod, eu", shop="test"),
            "prod/api.yaml": kustomization("api", "./api"),
            "prod/broken.yaml": "kind: [",
        }
    )
    web = "prod/web.yaml#flux-system/web"
    sites = {
        *(
            ("web", web),
            ("shop", web),
            ("blog", web),
            ("web", "prod/web.yaml#flux-system/other"),
            ("web", ""),
        ),
        *(("api", "prod/api.yaml#flux-system/api"), ("x", "prod/broken.yaml#x"), ("gone", "gone.yaml#gone")),
    }
    assert traits.annotated(tree, sites) == {
        ("web", web): {"prod", "eu"},
        ("shop", web): {"test"},
        ("blog", web): {"prod", "eu"},
    }
    assert (tree.listed, len(tree.batches)) == ([], 1)
