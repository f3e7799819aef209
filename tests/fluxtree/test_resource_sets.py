"""What the Flux Operator makes of a ResourceSet, and where its tags are edited."""

from collections.abc import Mapping
from textwrap import indent

import pytest
from tables import each_row
from trees import MemoryTree, deployment, flux, sync

from bumper import manifest
from bumper.errors import FieldMissing, FieldUnsafe
from bumper.fluxtree.sites import find
from bumper.onboarding import adoption
from bumper.request import Choice, Origin

SET = """\
apiVersion: fluxcd.controlplane.io/v1
kind: ResourceSet
metadata: {name: apps, namespace: flux-system}
spec:
  inputs:
    - tenant: web
      app: {tag: "1.0"}
    - tenant: blog
      app: {tag: "2.0"}
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: << inputs.tenant >>, namespace: << inputs.provider.namespace >>}
spec:
  template:
    spec:
      containers:
        - name: main
          image: reg.example/<< inputs.tenant >>:<< inputs.app.tag >>
"""
SITE = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: << inputs.tenant >>, namespace: flux-system}
spec:
  path: ./apps/<< inputs.tenant >>
  sourceRef: {kind: GitRepository, name: flux-system}
  images:
    - name: reg.example/<< inputs.tenant >>
      newTag: << inputs.app.tag | quote >>
"""


def resources(*templates: str) -> str:
    listed = "".join("- " + indent(template, "  ")[2:] for template in templates)
    return SET + "  resources:\n" + indent(listed, "    ")


def platform(resource_set: str, more: Mapping[str, str] | None = None) -> MemoryTree:
    return MemoryTree(
        {
            "clusters/a/flux-system/gotk-sync.yaml": sync("./clusters/a"),
            "clusters/a/all.yaml": flux("all", "./sets"),
            "sets/apps.yaml": resource_set,
            **(more or {}),
        }
    )


def edited(tree: MemoryTree, target: find.Target, tag: str) -> str:
    content = tree.files[target.field.path]
    return manifest.apply(content, manifest.plan(content, target.field, tag)).decode()


@pytest.mark.parametrize("as_text", [False, True])
def test_the_tag_of_a_workload_is_edited_in_the_inputs(as_text: bool) -> None:
    written = (
        SET + "  resourcesTemplate: |\n" + indent(DEPLOYMENT, "    ") if as_text else resources(DEPLOYMENT)
    )
    tree = platform(written)
    target = find.find(tree, "blog", Choice(kustomization="all"))
    assert (str(target.image), str(target.workload)) == (
        "reg.example/blog:2.0",
        "Deployment flux-system/blog",
    )
    assert edited(tree, target, "3.0") == written.replace('tag: "2.0"', 'tag: "3.0"')


def test_steps_are_followed_too() -> None:
    written = (
        SET
        + "  steps:\n    - name: first\n      resources:\n"
        + indent("- " + indent(DEPLOYMENT, "  ")[2:], "        ")
    )
    assert find.find(platform(written), "web", Choice(kustomization="all")).image.tag == "1.0"


def test_a_kustomization_that_is_made_is_a_site() -> None:
    written = resources(SITE)
    more = {
        f"apps/{name}/{name}.yaml": deployment(name, f"reg.example/{name}:0.1") for name in ("web", "blog")
    }
    tree = platform(written, more)
    assert [site.name for site in find.sites(tree)] == ["flux-system", "all", "web", "blog"]
    target = find.find(tree, "blog")
    assert (target.site.path, str(target.image)) == ("apps/blog", "reg.example/blog:2.0")
    assert edited(tree, target, "3.0") == written.replace('tag: "2.0"', 'tag: "3.0"')


def test_what_stands_in_the_template_itself_is_edited_there() -> None:
    written = resources(
        DEPLOYMENT.replace("<< inputs.app.tag >>", "1.5").replace("<< inputs.tenant >>:", "shop:")
    )
    tree = platform(written)
    assert edited(tree, find.find(tree, "shop", Choice(kustomization="all")), "3.0") == written.replace(
        "shop:1.5", "shop:3.0"
    )


def test_an_object_is_made_once_and_not_at_all_where_it_is_disabled() -> None:
    shared = DEPLOYMENT.replace("name: << inputs.tenant >>, ", "name: shared, ").replace(
        "<< inputs.tenant >>:", "shared:"
    )
    target = find.find(platform(resources(shared)), "shared", Choice(kustomization="all"))
    assert [use.value for use in target.images] == ["reg.example/shared:1.0"]
    off = shared.replace(
        "{name: shared,", "{annotations: {fluxcd.controlplane.io/reconcile: disabled}, name: shared,"
    )
    with pytest.raises(FieldMissing, match="no image at all"):
        find.find(platform(resources(off)), "shared", Choice(kustomization="all"))


@each_row(
    ("before", "after", "reason"),
    [
        ("<< inputs.app.tag >>", "<< inputs.app.tag | trunc 3 >>", "sets/apps.yaml:12: ResourceSet flux-system/apps has the function"),
        ("<< inputs.app.tag >>", "<< template \"x\" >>", "which is not followed"),
        ("<< inputs.app.tag >>", "<< if inputs.app >>1", "has << if inputs.app >> without its end"),
        ("<< inputs.app.tag >>", "<< if eq inputs.app.tag 1 >>1<< end >>", "compares values of several kinds"),
        ("<< inputs.app.tag >>", "<< if inputs.who >>1<< end >>", "depends on ${WHO=web}, which Flux fills in first"),
        ("<< inputs.app.tag >>", "<< $tag >>", "has the variable $tag, which it does not declare"),
        ("<< inputs.app.tag >>", "<< inputs.app >>", "which its inputs do not hold as a text"),
        ("<< inputs.app.tag >>", "<< inputs.app.gone >>", "has inputs.app.gone, which its inputs do not hold"),
        ("<< inputs.app.tag >>", "<< inputs.app.tag | quote >>", "puts quotes around \"1.0\" inside of a text"),
        ('tag: "1.0"', "tag: 1.10", "has the value 1.10, which is no text: write it in quotes"),
        ('tag: "2.0"', 'tag: "2.0 # x"', "may read otherwise in YAML"),
        ("  inputs:\n", "  inputsFrom: [{name: x}]\n  inputs:\n", "takes inputs from ResourceSetInputProvider x, which is not built"),
        (
            "  inputs:\n",
            "  inputStrategy: {name: Permute}\n  inputsFrom: [{name: x}]\n  inputs:\n",
            "takes inputs from ResourceSetInputProvider x, which is not built",
        ),
    ],
)  # fmt: skip
def test_what_is_not_followed_is_said_with_its_line(before: str, after: str, reason: str) -> None:
    written = resources(DEPLOYMENT).replace(before, after)
    written = written.replace("- tenant: web", "- who: ${WHO=web}\n      tenant: web")
    with pytest.raises(FieldMissing) as refused:
        find.find(platform(written), "shop", Choice(kustomization="all"))
    assert reason in refused.value.message


def test_a_site_of_a_set_is_held_and_adopted_by_its_own_name() -> None:
    more = {f"apps/{name}/web.yaml": deployment(name, f"reg.example/{name}:0") for name in ("web", "blog")}
    tree = platform(resources(SITE), more)
    site = find.find_site(tree, "blog")
    assert find.is_one_of_several(tree, site)
    proposed = adoption.propose("blog", Choice(image="reg.example/blog"), Origin(), "tip", tree)
    (after,) = [content for _, content in proposed.files.values()]
    assert b"bump/image.blog: reg.example/blog" in (after or b"")


def test_what_is_said_of_one_site_on_a_set_is_said_of_no_other() -> None:
    more = {f"apps/{name}/web.yaml": deployment(name, f"reg.example/{name}:0") for name in ("web", "blog")}
    named = resources(SITE).replace(
        "{name: apps,", "{annotations: {bump/image.blog: reg.example/blog}, name: apps,"
    )
    tree = platform(named, more)
    assert find.find(tree, "blog").repository == "reg.example/blog"
    assert find.find(tree, "web").repository == "reg.example/web"
    assert [site.name for site, _ in find.find_all(tree)] == ["flux-system", "all", "web", "blog"]


@pytest.mark.parametrize(
    ("site", "choice", "problem"),
    [
        ("shop", Choice(image="reg.example/blog", kustomization="blog"), "the name of its Kustomization alone: found shop"),
        ("blog", Choice(image="reg.example/blog", path="apps/blog"), "every Kustomization that it makes"),
    ],
)  # fmt: skip
def test_what_would_speak_of_other_sites_of_a_set_cannot_be_adopted(
    site: str, choice: Choice, problem: str
) -> None:
    more = {f"apps/{name}/web.yaml": deployment(name, f"reg.example/{name}:0") for name in ("web", "blog")}
    written = resources(SITE.replace("kind: GitRepository", "kind: OCIRepository") if choice.path else SITE)
    with pytest.raises(FieldUnsafe) as refused:
        adoption.propose(site, choice, Origin(), "tip", platform(written, more))
    assert problem in refused.value.message


PROVIDER = """\
apiVersion: fluxcd.controlplane.io/v1
kind: ResourceSetInputProvider
metadata: {name: docs, namespace: flux-system, labels: {team: docs}}
spec:
  type: Static
  defaultValues:
    tenant: docs
    app: {tag: "3.0"}
"""


@pytest.mark.parametrize("reference", ["{name: docs}", "{selector: {matchLabels: {team: docs}}}"])
@pytest.mark.parametrize("own", [True, False])
def test_inputs_of_a_static_provider_are_edited_where_it_has_them(reference: str, own: bool) -> None:
    written = resources(SITE).replace("spec:\n", f"spec:\n  inputsFrom: [{reference}]\n", 1)
    if not own:
        written = written.replace(SET[SET.index("  inputs:") :], "")
    tree = platform(
        written, {"sets/docs.yaml": PROVIDER, "apps/docs/web.yaml": deployment("docs", "reg.example/docs:0")}
    )
    target = find.find(tree, "docs")
    assert (target.field.path, target.image.tag) == ("sets/docs.yaml", "3.0")
    assert edited(tree, target, "4.0") == PROVIDER.replace('"3.0"', '"4.0"')


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("type: Static", "type: GitHubBranch", "of type GitHubBranch, which only the cluster asks for"),
        ("namespace: flux-system", "namespace: other", "ResourceSetInputProvider docs, which is not built beside it"),
    ],
)  # fmt: skip
def test_inputs_that_only_the_cluster_has_are_said_with_their_line(
    before: str, after: str, reason: str
) -> None:
    written = resources(DEPLOYMENT).replace("spec:\n", "spec:\n  inputsFrom: [{name: docs}]\n", 1)
    with pytest.raises(FieldMissing) as refused:
        find.find(
            platform(written, {"sets/docs.yaml": PROVIDER.replace(before, after)}),
            "shop",
            Choice(kustomization="all"),
        )
    assert "sets/apps.yaml:5: ResourceSet flux-system/apps takes inputs from " in refused.value.message
    assert reason in refused.value.message


@each_row(
    "call", ["lower", "trim | quote", 'default "0.1" | quote', "toString | quote", "int", 'replace "-" "_"']
)
def test_a_function_that_leaves_the_text_as_it_is_is_followed(call: str) -> None:
    written = (
        resources(SITE).replace("inputs.app.tag | quote", f"inputs.app.tag | {call}").replace('.0"', '0"')
    )
    tree = platform(written, {"apps/blog/web.yaml": deployment("blog", "reg.example/blog:0")})
    assert find.find(tree, "blog").image.tag == "20"


STATEMENTS = """\
    <</* What runs in production. */>>
    <<- $where := "prod" >>
    <<- range $name, $app := inputs.apps >>
    <<- if not $app.on >>
    <<- else if ne $name "off" >>
    ---
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: << $name >>, namespace: << printf "%s-%s" $where $name >>}
    spec:
      template:
        spec:
          containers:
            <<- with get $app "sidecar" >>
            - {name: side, image: "reg.example/side:<< .tag >>"}
            <<- else >>
            - {name: none, image: "reg.example/none:0.1"}
            <<- end >>
            <<- range $app.tags >>
            - name: main
              image: reg.example/<< $name >>:<< . >>
            <<- end >>
    <<- end >>
    <<- end >>
"""
APPS = """\
  inputs:
    - apps:
        web: {on: true, tags: ["1.0"], sidecar: {tag: "0.9"}}
        blog: {on: true, tags: ["2.0"]}
        gone: {on: false, tags: ["3.0"]}
        off: {on: true, tags: ["4.0"]}
"""


def test_statements_are_carried_out_and_a_tag_from_the_inputs_is_edited_there() -> None:
    head = SET[: SET.index("  inputs:")]
    written = head + APPS + "  resourcesTemplate: |\n" + STATEMENTS
    tree = platform(written)
    blog, web = (find.find(tree, name, Choice(kustomization="all")) for name in ("blog", "web"))
    assert (str(blog.image), str(blog.workload)) == ("reg.example/blog:2.0", "Deployment prod-blog/blog")
    assert edited(tree, blog, "2.1") == written.replace('tags: ["2.0"]', 'tags: ["2.1"]')
    assert (web.image.tag, web.workload.namespace) == ("1.0", "prod-web")
    side = find.find(tree, "side", Choice(kustomization="all"))
    assert edited(tree, side, "1.0") == written.replace('tag: "0.9"', 'tag: "1.0"')
    for name in ("gone", "off"):
        with pytest.raises(FieldMissing):
            find.find(tree, name, Choice(kustomization="all"))
    with pytest.raises(FieldUnsafe):
        edited(tree, find.find(tree, "none", Choice(kustomization="all")), "0.2")


def test_inputs_are_permuted_below_the_names_of_who_gives_them() -> None:
    site = SITE.replace("inputs.tenant", "inputs.apps.tenant").replace(
        "inputs.app.tag", "inputs.docs_1.app.tag"
    )
    site = site.replace("metadata: {name: ", 'metadata: {annotations: {id: "<< inputs.id >>"}, name: ')
    head = "spec:\n  inputStrategy: {name: Permute}\n  inputsFrom: [{name: docs.1}]\n"
    written = resources(site).replace("spec:\n", head, 1)
    provider = PROVIDER.replace("name: docs,", "name: docs.1,")
    more = {f"apps/{name}/web.yaml": deployment(name, f"reg.example/{name}:0") for name in ("web", "blog")}
    tree = platform(written, {"sets/docs.yaml": provider, **more})
    target = find.find(tree, "blog")
    assert edited(tree, target, "4.0") == provider.replace('"3.0"', '"4.0"')
    # What adler32 makes of apps=1/docs_1=0.
    assert target.site.owner.at("metadata", "annotations", "id") == "714409208"


def test_a_site_that_only_the_cluster_may_know_is_not_taken_for_gone() -> None:
    written = resources(SITE).replace("spec:\n", "spec:\n  inputsFrom: [{name: pulls}]\n", 1)
    with pytest.raises(
        FieldMissing, match=r"sets/apps\.yaml:5: .* ResourceSetInputProvider pulls, .* and may make it"
    ) as refused:
        find.find(platform(written), "preview")
    assert type(refused.value) is FieldMissing
