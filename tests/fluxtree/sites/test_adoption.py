"""The choice of an image that stands in git: what it says, who it speaks of, and what counts for more."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
import trees
from platforms import deployment, files, kustomization
from tables import each_row
from trees import MemoryTree

from bumper.errors import BumpError, FieldAmbiguous, FieldMissing, FieldUnsafe
from bumper.fluxtree.layers import Reading
from bumper.fluxtree.sites import adoption, find
from bumper.fluxtree.sites.adoption import Adoption
from bumper.fluxtree.sites.choose import find_targets
from bumper.manifest.document import Document, documents
from bumper.request import Choice, FieldPath, Request, Wanted

SYNC = "k8s/flux-system/apps-sync.yaml"
TWO = deployment("front", "reg.io/acme/storefront:1.0") + "---\n" + deployment("blog", "reg.io/acme/blog:2.0")


def platform(*annotations: str, **others: str) -> MemoryTree:
    """A platform whose Kustomization `apps` builds two images, with these annotations."""
    notes = "".join(f"    {line}\n" for line in annotations)
    sync = kustomization("apps", "./k8s/apps").replace(
        "metadata: {name: apps, namespace: flux-system}\n",
        "metadata:\n  name: apps\n  namespace: flux-system\n" + (f"  annotations:\n{notes}" if notes else ""),
    )
    whole = {path: content.decode() for path, content in files("reg.io", "apps").items()}
    return MemoryTree({**whole, SYNC: sync, "k8s/apps/deployment.yaml": TWO, **others})


def document(*annotations: str) -> Document:
    content = platform(*annotations).files[SYNC]
    return documents(content, SYNC)[0]


def test_the_annotation_chooses_the_image_of_the_site_that_is_named_as_its_kustomization() -> None:
    with pytest.raises(FieldMissing, match="an image named apps is not there"):
        find.find(platform(), "apps")
    target = find.find(platform("bump/image: reg.io/acme/storefront"), "apps")
    assert (target.repository, target.workload.name) == ("reg.io/acme/storefront", "front")


def test_a_site_of_another_name_is_found_without_its_kustomization() -> None:
    tree = platform("bump/image.shop: reg.io/acme/storefront", "bump/image.blog: reg.io/acme/blog")
    shop, blog = find.find(tree, "shop"), find.find(tree, "blog")
    assert (shop.site.name, shop.site.kustomization.name, shop.repository) == (
        "shop",
        "apps",
        "reg.io/acme/storefront",
    )
    assert (blog.site.name, blog.workload.name) == ("blog", "blog")
    identity = find.find_site(tree, "shop").identity
    assert identity == f"{SYNC}#flux-system/apps"
    # What a commit and the status call it is what an option may call it.
    assert find.find_site(tree, "any", kustomization=identity).kustomization.name == "apps"


def test_an_option_counts_for_more_than_the_annotation() -> None:
    tree = platform("bump/image: reg.io/acme/storefront container=front")
    assert find.find(tree, "apps", Choice(image="reg.io/acme/blog")).workload.name == "blog"
    assert find.find(tree, "apps").container == "front"


@pytest.mark.parametrize("wanted", ["acme/blog", "reg.io/acme/blog", "blog"])
def test_a_repository_is_found_by_its_end_too(wanted: str) -> None:
    assert find.find(platform(), "apps", Choice(image=wanted)).repository == "reg.io/acme/blog"


def test_the_end_of_two_repositories_is_refused() -> None:
    other = {"k8s/apps/other.yaml": deployment("other", "reg.io/other/acme/blog:1")}
    with pytest.raises(FieldAmbiguous, match="is not one image") as caught:
        find.find(platform(**other), "apps", Choice(image="acme/blog"))
    assert "--image REPOSITORY" in caught.value.hint
    assert find.find(platform(**other), "apps", Choice(image="reg.io/acme/blog")).workload.name == "blog"


def test_the_end_of_a_word_is_no_end_of_a_repository() -> None:
    with pytest.raises(FieldMissing):
        find.find(platform(), "apps", Choice(image="log"))


def test_an_annotation_whose_image_is_gone_is_named_with_its_line() -> None:
    with pytest.raises(FieldMissing) as caught:
        find.find(platform("bump/image.shop: reg.io/acme/gone"), "shop")
    assert f"{SYNC}:7" in caught.value.message
    assert "bump adopt shop --image" in caught.value.hint


@each_row(
    "value",
    [
        '""',
        "reg.io/web:1.0",
        "reg.io/web other",
        "reg.io/web container=",
        "a b c",
        "reg.io/web field=",
        "reg.io/web field=.a",
        "[]",
        '"${R}/web"',
        "{}",
    ],
)
def test_a_value_that_is_none_is_refused_with_its_line(value: str) -> None:
    with pytest.raises(FieldMissing, match=rf"^{SYNC}:7: bump/image is .*, expected REPOSITORY"):
        find.find(platform(f"bump/image: {value}"), "apps")


WIDGET = (
    "apiVersion: example.io/v1\nkind: Widget\nmetadata: {name: front, namespace: apps}\n"
    "spec:\n  agents:\n  - {runtime: 'reg.io/agent:7'}\n"
)


def test_a_field_that_no_table_knows_is_chosen_too() -> None:
    widget = {"k8s/apps/widget.yaml": WIDGET}
    with pytest.raises(FieldMissing):
        find.find(platform("bump/image.agent: reg.io/agent", **widget), "agent")
    there = platform("bump/image.agent: reg.io/agent field=Widget/front:spec.agents[0].runtime", **widget)
    target = find.find(there, "agent")
    assert (target.field.path, target.image.tag) == ("k8s/apps/widget.yaml", "7")
    assert find.find(there, "agent", Choice(image="reg.io/acme/blog")).workload.name == "blog"
    written = Adoption("reg.io/agent", ("a", "b"), FieldPath.parse('Widget/front:spec["a b"].image'))
    sync = there.files[SYNC]
    after = adoption.apply(sync, documents(sync, SYNC)[0], "agent", written)
    assert adoption.of_site(documents(after, SYNC)[0], "agent") == replace(written, place=f"{SYNC}:7")


def test_other_annotations_name_no_site() -> None:
    assert adoption.site_names(document("bump/hold: x", "bump/images: y", "bump/imagex.a: z")) == ()


def test_the_kustomizations_own_name_comes_first() -> None:
    names = adoption.site_names(document("bump/image.blog: reg.io/blog", "bump/image: reg.io/web"))
    assert names == ("apps", "blog")


def test_what_is_written_is_read_back_and_nothing_else_changes() -> None:
    before = platform().files[SYNC]
    for site, chosen in {
        "apps": Adoption("reg.io/web"),
        "my.shop": Adoption("reg.io/shop", ("main", "side")),
    }.items():
        after = adoption.apply(before, documents(before, SYNC)[0], site, chosen)
        written = documents(after, SYNC)[0]
        read = adoption.of_site(written, site)
        assert read
        assert (read.repository, read.containers) == (chosen.repository, chosen.containers)
        kept = [line for line in after.splitlines() if b"annotations:" not in line and b"bump/" not in line]
        assert kept == before.splitlines()


@pytest.mark.parametrize("site", ["shop-", "sh op", "a" * 58, "büro"])
def test_a_name_that_can_be_no_key_is_refused(site: str) -> None:
    before = platform().files[SYNC]
    with pytest.raises(FieldUnsafe, match="can't be an annotation"):
        adoption.apply(before, documents(before, SYNC)[0], site, Adoption("reg.io/web"))


def test_two_kustomizations_that_name_the_same_site_are_refused() -> None:
    more: Mapping[str, str] = {
        "k8s/flux-system/kustomization.yaml": "resources: [gotk-sync.yaml, apps-sync.yaml, more-sync.yaml]\n",
        "k8s/flux-system/more-sync.yaml": kustomization("more", "./k8s/more").replace(
            "{name: more,", "{annotations: {bump/image.shop: reg.io/x}, name: more,"
        ),
    }
    with pytest.raises(FieldAmbiguous, match="shop: 2 Flux Kustomizations"):
        find.find(platform("bump/image.shop: reg.io/acme/storefront", **more), "shop")


def test_a_site_that_git_names_is_offered_where_a_name_is_wrong() -> None:
    with pytest.raises(BumpError, match="did you mean 'storefront'"):
        find.find(platform("bump/image.storefront: reg.io/acme/storefront"), "storfront")


def test_namesakes_of_two_clusters_are_deployed_in_one_commit_by_the_names_that_git_gives_them() -> None:
    files: dict[str, str] = {}
    for cluster in ("east", "west"):
        named = f"metadata:\n  annotations: {{bump/image.web-{cluster}: reg.io/web}}\n"
        files |= {
            f"clusters/{cluster}/flux-system/gotk-sync.yaml": trees.sync(f"./clusters/{cluster}"),
            f"clusters/{cluster}/web.yaml": trees.flux("web", f"./apps/{cluster}").replace(
                "metadata:\n", named
            ),
            f"apps/{cluster}/web.yaml": trees.deployment("web", "reg.io/web:1"),
        }
    request = Request((Wanted("web-east", "2"), Wanted("web-west", "2")), "main")
    targets = find_targets(request, Reading(MemoryTree(files)))
    assert {name: target.place for name, target in targets.items()} == {
        "web-east": "apps/east/web.yaml:10",
        "web-west": "apps/west/web.yaml:10",
    }
    assert {target.site.identity for target in targets.values()} == {
        "clusters/east/web.yaml#flux-system/web",
        "clusters/west/web.yaml#flux-system/web",
    }
