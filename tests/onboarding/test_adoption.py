"""The choice of an image that is written into several Kustomizations at once."""

import pytest
from trees import MemoryTree, deployment, flux, sync

from bumper.errors import UsageError
from bumper.fluxtree.sites import find
from bumper.onboarding import adoption
from bumper.request import Choice, Origin

from .platforms import after

BOTH = ("clusters/east/apps.yaml", "clusters/west/apps.yaml")
CHOICE = Choice(image="reg.io/storefront")


def fleet() -> MemoryTree:
    files = {}
    for name in ("east", "west"):
        files[f"clusters/{name}/flux-system/gotk-sync.yaml"] = sync(f"./clusters/{name}")
        files[f"clusters/{name}/apps.yaml"] = flux("apps", f"./apps/{name}")
        files[f"apps/{name}/web.yaml"] = deployment("web", "reg.io/storefront:1")
        files[f"apps/{name}/blog.yaml"] = deployment("blog", "reg.io/blog:1")
    return MemoryTree(files)


def test_the_same_image_is_chosen_in_several_kustomizations_in_one_commit() -> None:
    tree = fleet()
    plan = adoption.propose("shop", CHOICE, Origin(), "tip", tree, kustomizations=BOTH)
    assert list(plan.files) == ["clusters/east/apps.yaml", "clusters/west/apps.yaml"]
    assert plan.message.count("shop is reg.io/storefront of Kustomization apps.") == 2
    adopted = MemoryTree(after(tree.files, plan.files))
    for name in BOTH:
        assert find.find(adopted, "shop", Choice(kustomization=name)).repository == "reg.io/storefront"
    again = adoption.propose("shop", CHOICE, Origin(), "tip", adopted, kustomizations=BOTH)
    assert (again.files, again.message) == ({}, "")
    first, second = adoption.as_data(plan, None), adoption.as_data(plan, None)["beside"]
    assert [first["kustomization"], *(each["kustomization"] for each in second)] == [
        "clusters/east/apps.yaml#flux-system/apps",
        "clusters/west/apps.yaml#flux-system/apps",
    ]
    text = "\n".join("".join(span.text for span in line) for line in adoption.lines(plan, None))
    assert text.count("other Kustomizations have this name") == 2


def test_one_that_is_named_twice_is_refused() -> None:
    twice = ("clusters/east/apps.yaml", "clusters/east/apps.yaml#flux-system/apps")
    with pytest.raises(UsageError, match="apps: is the same Kustomization as one that is named before"):
        adoption.propose("shop", CHOICE, Origin(), "tip", fleet(), kustomizations=twice)
