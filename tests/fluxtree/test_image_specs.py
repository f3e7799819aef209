"""Images outside of containers: what an `images:` entry makes of them, and which field decides.

tests/e2e/test_kustomize.py holds the same trees to kustomize itself.
"""

import pytest

from . import oracle
from .image_trees import IMAGE_TREES, ImageTree


@pytest.mark.parametrize("tree", IMAGE_TREES.values(), ids=IMAGE_TREES)
def test_an_image_outside_of_a_container_is_found_with_the_field_that_decides(tree: ImageTree) -> None:
    known = oracle.modelled(tree.all_files)[1].values()
    assert {
        f"{image.workload.kind} {'/'.join(map(str, image.route))}": image.value for image in known
    } == tree.images
    assert {image.field.path for image in known} == tree.deciders
    assert not any(image.field.unsafe for image in known)
