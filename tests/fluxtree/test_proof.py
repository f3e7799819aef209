"""What an edit changes in what Flux builds, and that kustomize itself differs in the same."""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees import MemoryTree, deployment, flux, image_entry, kustomization, sync

from bumper import manifest
from bumper.fluxtree.layers import Reading
from bumper.fluxtree.proof import Proof, prove
from bumper.fluxtree.sites.choose import find_targets
from bumper.fluxtree.sites.find import Target, find
from bumper.request import Choice, Request, Wanted

from . import generated_trees, oracle

Files = Mapping[str, str]
WEB = "reg.example/web"


def tree(files: Files, *sites: str) -> dict[str, str]:
    """A cluster whose sites are built from the directories of their names."""
    syncs = {f"flux/{site}.yaml": flux(site, f"./{site}") for site in sites}
    return {"flux/gotk-sync.yaml": sync("./flux"), **syncs, **files}


def edited(files: Files, site: str, tag: str = "new", image: str = WEB) -> Proof:
    """The proof of the edit that brings the image of a site to a tag."""
    repository = MemoryTree(files)
    target = find(repository, site, Choice(image=image))
    return proved(Reading(repository), target, tag)


def proved(reading: Reading, target: Target, tag: str) -> Proof:
    content = reading.content(target.field.path)
    edits = manifest.plan(content, target.field, tag)
    after = {target.field.path: manifest.apply(content, edits)}
    return prove(reading, after, edits, target.images)


@contextmanager
def counting() -> Iterator[Counter[tuple[str, str]]]:
    """How often each function is called, by its module and its name."""
    calls: Counter[tuple[str, str]] = Counter()

    def count(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            calls[Path(frame.f_code.co_filename).stem, frame.f_code.co_name] += 1

    sys.setprofile(count)
    try:
        yield calls
    finally:
        sys.setprofile(None)


def test_what_a_plan_was_found_by_is_not_read_again_to_prove_it() -> None:
    """Whatever else is in the tree: only what the edited site builds is read anew, as it is after the edit."""

    def fleet(sites: int) -> MemoryTree:
        names = [f"site-{number}" for number in range(sites)]
        own = {f"{name}/web.yaml": deployment(name, f"reg.example/{name}:1") for name in names}
        listed = {f"{name}/kustomization.yaml": kustomization(resources=["web.yaml"]) for name in names}
        return MemoryTree(tree({**own, **listed}, *names))

    for sites in (2, 20):
        repository = fleet(sites)
        reading = Reading(repository)
        with counting() as finding:
            targets = find_targets(Request((Wanted("site-1", "2"),), "main"), reading)
        listed, read = len(repository.listed), len(repository.batches)
        known = repository.read_paths
        assert len(known) == sum(map(len, repository.batches)), "each file, once"
        assert max(Counter(repository.listed).values()) == 1, "each directory, once"
        with counting() as proving:
            proof = proved(reading, targets["site-1"], "2")
        assert (finding["roots", "roots"], proving["roots", "roots"]) == (1, 0)
        assert proof.reconciles == sites + 1
        expanded = finding["layers", "_built"] + proving["layers", "_built"]
        assert expanded == sites + 1 + 2, (
            "each, and the edited one where nothing is forgiven and after the edit"
        )
        made = finding["build", "_resource"] + proving["build", "_resource"]
        assert made == sites + 4, "of each document of Flux, and of the edited one before and after the edit"
        assert set(repository.listed[listed:]) == {"", "site-1"}
        assert {path for batch in repository.batches[read:] for path in batch} == {
            "site-1/kustomization.yaml"
        }


def built(proof: Proof) -> list[str]:
    return [f"{change.site.name}: {change}" for change in proof.changes]


SHARED = tree(
    {
        "base/kustomization.yaml": kustomization(resources=["web.yaml"]),
        "base/web.yaml": deployment("web", f"{WEB}:1"),
        "staging/kustomization.yaml": kustomization("namespace: st", resources=["../base"]),
        "prod/kustomization.yaml": kustomization("namespace: pr", resources=["../base"]),
        "apart/kustomization.yaml": kustomization(*image_entry(WEB, newTag="0"), resources=["../base"]),
        "other/api.yaml": deployment("api", "reg.example/api:1"),
    },
    "staging",
    "prod",
    "apart",
    "other",
)


def test_every_kustomization_that_reads_the_field_is_in_the_plan() -> None:
    proof = edited(SHARED, "staging")
    at = "spec.template.spec.containers[0].image"
    assert built(proof) == [
        f"prod: Deployment pr/web {at}: {WEB}:1 → {WEB}:new",
        f"staging: Deployment st/web {at}: {WEB}:1 → {WEB}:new",
    ]
    assert proof.summary == (
        "1 field in each of 2 objects of 2 Kustomizations: image; nothing else; 5 Kustomizations reconcile"
    )
    assert not proof.unproved


def test_a_kustomization_with_an_image_of_its_own_is_left_alone() -> None:
    assert built(edited(SHARED, "apart")) == [
        f"apart: Deployment web spec.template.spec.containers[0].image: {WEB}:0 → {WEB}:new"
    ]


def test_an_edit_that_is_none_has_no_plan() -> None:
    proof = edited(SHARED, "staging", "1")
    assert (proof.hash, proof.changes, proof.meets("")) == ("", (), False)


def test_what_else_a_variable_is_used_for_follows_and_is_listed() -> None:
    files = tree(
        {
            "flux/shop.yaml": flux("shop", "./shop", "postBuild:", "  substitute: {tag: '1'}"),
            "shop/web.yaml": deployment("web", f"{WEB}:${{tag}}"),
            "shop/api.yaml": deployment("api", "reg.example/api:${tag}"),
            "shop/settings.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {v: 'v${tag}'}\n",
            "shop/off.yaml": (
                "apiVersion: v1\nkind: ConfigMap\ndata: {v: '${tag}'}\n"
                "metadata: {name: d, annotations: {kustomize.toolkit.fluxcd.io/substitute: disabled}}\n"
            ),
        }
    )
    proof = edited(files, "shop")
    at = "spec.template.spec.containers[0].image"
    assert sorted(built(proof)) == [
        "flux-system: Kustomization flux-system/shop spec.postBuild.substitute.tag: 1 → new",
        "shop: ConfigMap c data.v: v1 → vnew",
        f"shop: Deployment api {at}: reg.example/api:1 → reg.example/api:new",
        f"shop: Deployment web {at}: {WEB}:1 → {WEB}:new",
    ]
    assert [str(change.resource) for change in proof.changes if change.is_wanted] == ["Deployment web"]
    assert [str(change.resource) for change in proof.changes if change.is_another_image] == ["Deployment api"]
    assert all(change.is_traced for change in proof.changes)
    assert proof.summary.startswith(
        "1 field in 1 object of 1 Kustomization: image; 3 more that follow from it; "
    )


VALUES = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: tags, namespace: flux-system}\ndata: {TAG: one}\n"


def test_whoever_fills_in_the_same_value_of_a_configmap_is_in_the_plan() -> None:
    from_values = "postBuild: {substituteFrom: [{kind: ConfigMap, name: tags}]}"
    files = {
        "flux/gotk-sync.yaml": sync("./flux"),
        "flux/tags.yaml": VALUES,
        "flux/web.yaml": flux("web", "./web", from_values),
        "flux/api.yaml": flux("api", "./api", from_values),
        "web/web.yaml": deployment("web", f"{WEB}:${{TAG}}"),
        "api/api.yaml": deployment("api", "reg.example/api:${TAG}"),
    }
    proof = edited(files, "web")
    at = "spec.template.spec.containers[0].image"
    assert sorted(built(proof)) == [
        f"api: Deployment api {at}: reg.example/api:one → reg.example/api:new",
        "flux-system: ConfigMap flux-system/tags data.TAG: one → new",
        f"web: Deployment web {at}: {WEB}:one → {WEB}:new",
    ]
    assert [
        change.image.repository for change in proof.changes if change.is_another_image and change.image
    ] == ["reg.example/api"]


def test_what_a_parent_fills_into_its_children_is_in_the_plan() -> None:
    files = {
        "flux/gotk-sync.yaml": sync("./flux"),
        "flux/apps.yaml": flux("apps", "./apps", "postBuild: {substitute: {TAG: one}}"),
        "apps/web.yaml": flux("web", "./web", f"images: [{{name: {WEB}, newTag: '${{TAG}}'}}]"),
        "apps/api.yaml": flux("api", "./api", f"images: [{{name: {WEB}, newTag: '${{TAG}}'}}]"),
        "web/web.yaml": deployment("web", f"{WEB}:0"),
        "api/api.yaml": deployment("api", f"{WEB}:0"),
    }
    proof = edited(files, "web")
    at = "spec.template.spec.containers[0].image"
    assert {
        f"api: Deployment api {at}: {WEB}:one → {WEB}:new",
        f"web: Deployment web {at}: {WEB}:one → {WEB}:new",
    } <= set(built(proof))


RESOURCE_SET = """\
apiVersion: fluxcd.controlplane.io/v1
kind: ResourceSet
metadata: {name: apps, namespace: flux-system}
spec:
  inputs: [{tenant: web, tag: one}, {tenant: api, tag: one}]
  resources:
"""
MADE_WORKLOAD = """\
    - apiVersion: apps/v1
      kind: Deployment
      metadata: {name: << inputs.tenant >>, namespace: apps}
      spec: {template: {spec: {containers: [{name: app, image: "reg.example/<< inputs.tenant >>:<< inputs.tag >>"}]}}}
"""
MADE_KUSTOMIZATION = """\
    - apiVersion: kustomize.toolkit.fluxcd.io/v1
      kind: Kustomization
      metadata: {name: << inputs.tenant >>, namespace: flux-system}
      spec:
        path: ./<< inputs.tenant >>
        sourceRef: {kind: GitRepository, name: flux-system}
        images: [{name: app, newName: "reg.example/<< inputs.tenant >>", newTag: "<< inputs.tag >>"}]
"""


def test_an_input_of_a_resource_set_changes_what_is_made_for_it() -> None:
    proof = edited(tree({"apps/set.yaml": RESOURCE_SET + MADE_WORKLOAD}, "apps"), "apps")
    at = "spec.template.spec.containers[0].image"
    assert f"apps: Deployment apps/web {at}: {WEB}:one → {WEB}:new" in built(proof)
    assert not [line for line in built(proof) if "api" in line]


def test_an_input_of_a_resource_set_changes_the_kustomization_that_is_made_for_it() -> None:
    files = {
        "flux/gotk-sync.yaml": sync("./flux"),
        "flux/set.yaml": RESOURCE_SET + MADE_KUSTOMIZATION,
        "web/web.yaml": deployment("web", "app"),
        "api/api.yaml": deployment("api", "app"),
    }
    proof = edited(files, "web")
    at = "spec.template.spec.containers[0].image"
    assert f"web: Deployment web {at}: {WEB}:one → {WEB}:new" in built(proof)
    assert not [line for line in built(proof) if line.startswith("api:")]


def test_the_name_of_a_generated_object_and_what_refers_to_it_follow() -> None:
    files = tree(
        {
            "flux/shop.yaml": flux("shop", "./shop"),
            "shop/web.yaml": deployment("web", f"{WEB}:1")
            + "          envFrom: [{configMapRef: {name: env}}, {configMapRef: {name: fixed}}]\n",
            "shop/source.yaml": f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: s}}\ndata: {{it: '{WEB}:1'}}\n",
            "shop/kustomization.yaml": kustomization(
                "configMapGenerator:",
                "- {name: env, literals: [IMAGE=none]}",
                "- {name: fixed, literals: [IMAGE=none], options: {disableNameSuffixHash: true}}",
                "replacements:",
                "- source: {kind: ConfigMap, name: s, fieldPath: data.it}",
                "  targets:",
                "  - {select: {kind: Deployment}, fieldPaths: [spec.template.spec.containers.0.image]}",
                "  - {select: {kind: ConfigMap, name: env}, fieldPaths: [data.IMAGE]}",
                "  - {select: {kind: ConfigMap, name: fixed}, fieldPaths: [data.IMAGE]}",
                resources=["web.yaml", "source.yaml"],
            ),
        }
    )
    proof = edited(files, "shop")
    routes = {f"{change.resource} {change.route}" for change in proof.changes}
    assert routes == {
        "Deployment web spec.template.spec.containers[0].image",
        "Deployment web spec.template.spec.containers[0].envFrom[0].configMapRef.name",
        "ConfigMap s data.it",
        "ConfigMap env data.IMAGE",
        "ConfigMap env metadata.name",
        "ConfigMap fixed data.IMAGE",
    }


def test_a_job_that_gets_a_new_name_by_its_tag_is_another_job() -> None:
    files = tree(
        {
            "flux/shop.yaml": flux("shop", "./shop", "postBuild:", "  substitute: {tag: '1'}"),
            "shop/job.yaml": deployment("move-${tag}", f"{WEB}:${{tag}}", kind="Job"),
        }
    )
    change = next(change for change in edited(files, "shop").changes if change.is_wanted)
    assert change.difference.is_renamed


def test_what_is_not_seen_is_not_proved() -> None:
    files = tree(
        {
            "flux/web.yaml": flux("web", "./web"),
            "web/kustomization.yaml": kustomization(
                *image_entry(WEB, newTag="1"),
                "helmCharts:",
                "- name: web",
                resources=["https://git.example/base//web?ref=v1", "broken.yaml"],
            ),
            "web/broken.yaml": "a: [",
        }
    )
    with pytest.raises(Exception, match="broken"):
        edited(files, "web")
    files = {**files, "web/broken.yaml": "# empty\n"}
    proof = edited(files, "web")
    assert [str(gap) for gap in proof.unproved] == [
        "web/kustomization.yaml:10: helmCharts make objects that are not seen here",
        "web/kustomization.yaml:4: https://git.example/base//web?ref=v1 is not in this repository",
    ]
    assert proof.summary.startswith("no image that is seen here; nothing else; ")
    assert [arrival.before.route for arrival in proof.arrivals] == [()]
    assert not proof.as_data()["proved"]


def test_the_hash_is_that_of_what_changes_and_of_nothing_beside_it() -> None:
    first = edited(SHARED, "staging")
    web = f"# a comment\n{SHARED['base/web.yaml']}"
    beside = {**SHARED, "base/web.yaml": web, "other/api.yaml": deployment("api", "reg.example/api:2")}
    assert edited(beside, "staging").hash == first.hash
    changed = {
        "another tag": edited(SHARED, "staging", "newer"),
        "one site less": edited(
            {
                **SHARED,
                "prod/kustomization.yaml": kustomization(
                    *image_entry(WEB, newTag="9"), resources=["../base"]
                ),
            },
            "staging",
        ),
        "another namespace": edited(
            {**SHARED, "prod/kustomization.yaml": kustomization("namespace: x", resources=["../base"])},
            "staging",
        ),
    }
    assert len({first.hash, *(proof.hash for proof in changed.values())}) == 1 + len(changed)


@given(st.integers(0, 63))
@pytest.mark.slow
def test_a_beginning_of_the_hash_is_enough_if_it_is_long_enough(digits: int) -> None:
    proof = edited(SHARED, "apart")
    assert proof.meets(proof.hash[:digits]) == (digits >= 12)
    assert not proof.meets("0" * 12 + proof.hash)


@pytest.mark.slow
def test_a_proof_lists_exactly_what_differs_on_generated_trees() -> None:
    """`tests/e2e/test_kustomize.py` asks kustomize itself."""
    proofs = 0
    for number in range(0, 200, 8):
        files = generated_trees.tree(number).files
        before, _ = oracle.modelled(files)
        for after_files, proof in oracle.plans(files):
            after, _ = oracle.modelled(after_files)
            differing = oracle.differing(
                [each.value for each in before.resources], [each.value for each in after.resources]
            )
            assert oracle.listed(proof) == differing, f"tree {number}"
            assert all(change.is_wanted or change.is_traced for change in proof.changes), f"tree {number}"
            proofs += 1
    assert proofs > 20


def test_a_replacement_decides_a_tag_that_was_the_same_before() -> None:
    files = tree(
        {
            "web/web.yaml": deployment("web", f"{WEB}:1"),
            "web/source.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: s}\ndata: {tag: '1'}\n",
            "web/kustomization.yaml": kustomization(
                "replacements:",
                "- source: {kind: ConfigMap, name: s, fieldPath: data.tag}",
                "  targets:",
                "  - select: {kind: Deployment}",
                "    fieldPaths: [spec.template.spec.containers.0.image]",
                "    options: {delimiter: ':', index: 1}",
                resources=["web.yaml", "source.yaml"],
            ),
        },
        "web",
    )
    assert [edit.path for edit in edited(files, "web").edits] == ["web/source.yaml"]
