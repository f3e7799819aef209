"""Which plan may be pushed, on trees in memory."""

from collections.abc import Mapping
from typing import NamedTuple

import pytest
from trees import MemoryTree, deployment, flux, image_entry, kustomization, sync

from bumper import manifest
from bumper.deploy import approval
from bumper.deploy.approval import Aim
from bumper.errors import Refused
from bumper.fluxtree.images import Image
from bumper.fluxtree.layers import Reading
from bumper.fluxtree.proof import Proof, prove
from bumper.fluxtree.sites.find import find
from bumper.image import ImageReference
from bumper.request import Choice

Files = Mapping[str, str]
WEB = "reg.example/web"
AT = "spec.template.spec.containers[0].image"


class Planned(NamedTuple):
    proof: Proof
    aims: list[Aim]

    def forced_by(self, *, force: bool = False) -> tuple[str, ...]:
        return approval.forced_by(self.proof, self.aims, force=force)

    def refusal(self) -> Refused:
        with pytest.raises(Refused) as refused:
            self.forced_by()
        return refused.value


def tree(files: Files, *sites: str) -> dict[str, str]:
    syncs = {f"flux/{site}.yaml": flux(site, f"./{site}") for site in sites}
    return {"flux/gotk-sync.yaml": sync("./flux"), **syncs, **files}


def planned(files: Files, *sites: str, tag: str = "new") -> Planned:
    """What one run over these sites would change."""
    repository = MemoryTree(files)
    aims: list[Aim] = []
    uses: list[Image] = []
    after: dict[str, bytes] = {}
    for site in sites:
        target = find(repository, site, Choice(image=WEB))
        uses += target.images
        content = repository.files[target.field.path]
        edits = manifest.plan(content, target.field, tag)
        after[target.field.path] = manifest.apply(content, edits)
        place = f"{target.field.path}:{target.field.span.line}"
        aims.append(Aim(site, target.site, place, target.image.with_tag(tag), edits))
    edits = tuple(dict.fromkeys(edit for aim in aims for edit in aim.edits))
    return Planned(prove(Reading(repository), after, edits, uses), aims)


SHARED = tree(
    {
        "base/kustomization.yaml": kustomization(resources=["web.yaml"]),
        "base/web.yaml": deployment("web", f"{WEB}:1"),
        "staging/kustomization.yaml": kustomization("namespace: st", resources=["../base"]),
        "prod/kustomization.yaml": kustomization("namespace: pr", resources=["../base"]),
    },
    "staging",
    "prod",
)


def test_a_site_of_its_own_is_let_through() -> None:
    assert planned(tree({"web/web.yaml": deployment("web", f"{WEB}:1")}, "web"), "web").forced_by() == ()


def test_a_shared_base_is_refused_until_every_site_is_named_or_by_force() -> None:
    refused = planned(SHARED, "staging").refusal()
    assert refused.message == (
        f"flux/prod.yaml:1: Kustomization prod is built from base/web.yaml:10, too: Deployment pr/web {AT}: {WEB}:1 → {WEB}:new"
    )
    assert "--set staging=SHA --set prod=SHA" in refused.hint
    assert "--force --reason TEXT" in refused.hint
    assert planned(SHARED, "staging").forced_by(force=True) == ("shared",)
    assert planned(SHARED, "staging", "prod").forced_by() == ()


def test_who_has_an_image_of_its_own_is_no_bystander() -> None:
    prod = kustomization("namespace: pr", *image_entry(WEB, newTag="1"), resources=["../base"])
    alone = planned({**SHARED, "prod/kustomization.yaml": prod}, "staging")
    assert alone.forced_by() == ()
    assert approval.bystanders(alone.proof, alone.aims) == ()


def test_the_field_in_a_kustomization_of_flux_is_no_change_of_its_parent() -> None:
    files = tree(
        {
            "flux/web.yaml": flux("web", "./web", "images:", f"- {{name: {WEB}, newTag: '1'}}"),
            "web/web.yaml": deployment("web", f"{WEB}:0"),
        }
    )
    alone = planned(files, "web")
    assert {change.site.name for change in alone.proof.changes} == {"flux-system", "web"}
    assert alone.forced_by() == ()


def test_a_parent_that_builds_the_same_object_is_no_other_site() -> None:
    files = {
        "flux/gotk-sync.yaml": sync("./"),
        "flux/web.yaml": flux("web", "./web"),
        "web/web.yaml": deployment("web", f"{WEB}:1"),
    }
    alone = planned(files, "web")
    assert {change.site.name for change in alone.proof.changes} == {"flux-system", "web"}
    assert alone.forced_by() == ()


def with_job(*spec: str) -> dict[str, str]:
    """A variable that is the tag of a Deployment and a setting of a Job."""
    return tree(
        {
            "flux/web.yaml": flux("web", "./web", "postBuild:", "  substitute: {tag: '1'}", *spec),
            "web/web.yaml": deployment("web", f"{WEB}:${{tag}}"),
            "web/job.yaml": deployment("move", "reg.example/move:1", kind="Job").replace(
                "apps/v1", "batch/v1"
            )
            + "          args: ['${tag}']\n",
        }
    )


def test_a_template_that_kubernetes_keeps_as_it_is_is_refused_unless_flux_replaces_it() -> None:
    refused = planned(with_job(), "web").refusal()
    assert refused.message == (
        "web/job.yaml:11: Job move: Kubernetes lets nobody change spec.template once the object is there (1 → new)"
    )
    assert "kustomize.toolkit.fluxcd.io/force: enabled" in refused.hint
    assert planned(with_job(), "web").forced_by(force=True) == ("immutable",)
    assert planned(with_job("force: true"), "web").forced_by() == ()


def test_a_job_that_gets_another_name_by_its_tag_is_let_through() -> None:
    files = with_job()
    renamed = {**files, "web/job.yaml": files["web/job.yaml"].replace("name: move", "name: move-${tag}")}
    assert planned(renamed, "web").forced_by() == ()


def test_what_comes_from_no_edited_value_is_refused() -> None:
    # The version goes into a label, and the label decides for whom a patch is.
    files = tree(
        {
            "web/web.yaml": deployment("web", f"{WEB}:1").replace(
                "  name: web\n", "  name: web\n  labels: {version: none}\n", 1
            ),
            "web/source.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: s}\ndata: {tag: '1'}\n",
            "web/patched/kustomization.yaml": kustomization(
                "replacements:",
                "- source: {kind: ConfigMap, name: s, fieldPath: data.tag}",
                "  targets:",
                "  - select: {kind: Deployment}",
                "    fieldPaths: [metadata.labels.version]",
                "  - select: {kind: Deployment}",
                "    fieldPaths: [spec.template.spec.containers.0.image]",
                "    options: {delimiter: ':', index: 1}",
                resources=["../web.yaml", "../source.yaml"],
            ),
            "web/kustomization.yaml": kustomization(
                "patches:",
                "- target: {kind: Deployment, labelSelector: version=1}",
                "  patch: |",
                "    - {op: add, path: /spec/replicas, value: 5}",
                resources=["patched"],
            ),
        },
        "web",
    )
    refused = planned(files, "web").refusal()
    assert refused.message.endswith("Deployment web spec.replicas: 5 → nothing")
    assert refused.message.startswith(
        "web/web.yaml:7: web/source.yaml:4 would change something else in what "
    )


ROOT = {"flux/gotk-sync.yaml": sync("./flux")}
ENTRY = f"[{{name: {WEB}, newTag: '${{TAG}}'}}]"
FROM_TAGS = "postBuild: {substituteFrom: [{kind: ConfigMap, name: tags}]}"
TAGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: tags, namespace: flux-system}\ndata: {TAG: one}\n"
ADDED = ("- op: add", "  path: /spec/images", f"  value: [{{name: {WEB}, newTag: one}}]")
RESOURCE_SET = f"""\
apiVersion: fluxcd.controlplane.io/v1
kind: ResourceSet
metadata: {{name: apps, namespace: flux-system}}
spec:
  inputs: [{{tenant: web, tag: one}}, {{tenant: api, tag: one}}]
  resources:
    - apiVersion: kustomize.toolkit.fluxcd.io/v1
      kind: Kustomization
      metadata: {{name: << inputs.tenant >>, namespace: flux-system}}
      spec:
        path: ./<< inputs.tenant >>
        sourceRef: {{kind: GitRepository, name: flux-system}}
        images: [{{name: {WEB}, newTag: "<< inputs.tag >>"}}]
"""
# Where the tag of a site may stand that does not stand in what it builds.
ABOVE: dict[str, dict[str, str]] = {
    "a ConfigMap of substituteFrom": {
        "flux/tags.yaml": TAGS,
        "flux/web.yaml": flux("web", "./web", FROM_TAGS),
        "web/web.yaml": deployment("web", f"{WEB}:${{TAG}}"),
    },
    "a variable of the parent": {
        "flux/apps.yaml": flux("apps", "./apps", "postBuild: {substitute: {TAG: one}}"),
        "apps/web.yaml": flux("web", "./web", f"images: {ENTRY}"),
    },
    "a ConfigMap of the parent's substituteFrom": {
        "flux/tags.yaml": TAGS,
        "flux/apps.yaml": flux("apps", "./apps", FROM_TAGS),
        "apps/web.yaml": flux("web", "./web", f"images: {ENTRY}"),
    },
    "a patch of the parent": {
        "flux/apps.yaml": flux(
            "apps",
            "./apps",
            "patches:",
            "  - target: {kind: Kustomization, name: web}",
            "    patch: |",
            *(f"      {line}" for line in ADDED),
        ),
        "apps/web.yaml": flux("web", "./web"),
    },
    "a patch of the kustomization.yaml above": {
        "flux/kustomization.yaml": kustomization(
            "patches:",
            "- target: {kind: Kustomization, name: web}",
            "  patch: |",
            *(f"    {line}" for line in ADDED),
            resources=["gotk-sync.yaml", "web.yaml"],
        ),
        "flux/web.yaml": flux("web", "./web"),
    },
    "an input of a ResourceSet": {
        "flux/set.yaml": RESOURCE_SET,
        "api/api.yaml": deployment("api", "reg.example/api:1"),
    },
}


@pytest.mark.parametrize("files", ABOVE.values(), ids=ABOVE)
def test_what_brings_the_value_to_a_site_is_no_other_site(files: dict[str, str]) -> None:
    plan = planned({"web/web.yaml": deployment("web", f"{WEB}:0"), **ROOT, **files}, "web")
    assert plan.forced_by() == ()
    assert f"web: Deployment web {AT}: {WEB}:one → {WEB}:new" in [
        f"{change.site.name}: {change}" for change in plan.proof.changes
    ]


def test_who_fills_in_the_same_value_is_another_site() -> None:
    files = {
        **ROOT,
        **ABOVE["a ConfigMap of substituteFrom"],
        "flux/api.yaml": flux("api", "./api", FROM_TAGS),
        "api/api.yaml": deployment("api", "reg.example/api:${TAG}"),
    }
    assert planned(files, "web").refusal().message == (
        f"flux/api.yaml:1: Kustomization api is built from flux/tags.yaml:4, too: Deployment api {AT}: "
        "reg.example/api:one → reg.example/api:new"
    )


def test_a_text_that_no_image_can_be_pulled_by_is_refused() -> None:
    for written in ("reg.example:5000/team/web", "nginx", "${REGISTRY}/Web", "localhost/web"):
        approval.require_references({"web.yaml:9": ImageReference(written, "1")})
    # What is wrong with a tag that only a variable gives is told where it is edited.
    approval.require_references({"web.yaml:9": ImageReference("reg.example/web", "${TAG:=1}")})
    # As a replacement makes it that counts the colons of a registry with a port.
    with pytest.raises(Refused, match="what is built here is the image reg:0001:latest, and reg:0001 is no "):
        approval.require_references({"web.yaml:9": ImageReference("reg:0001", "latest")})


def test_an_expected_plan_is_met_by_its_hash_alone() -> None:
    proof = planned(SHARED, "staging").proof
    for expected in ("", proof.hash, proof.hash[:12]):
        approval.require_expected(proof, expected, "base/web.yaml:11")
    other = planned(SHARED, "staging", tag="newer").proof
    with pytest.raises(Refused) as refused:
        approval.require_expected(other, proof.hash, "base/web.yaml:11")
    assert refused.value.message == (
        f"base/web.yaml:11: this is not the plan that was agreed to: found plan {other.hash}, expected {proof.hash}; "
        f"now: {'; '.join(approval.lines(other))}"
    )
    with pytest.raises(Refused) as refused:
        approval.require_expected(other, proof.hash, "base/web.yaml:11", seen=proof)
    assert refused.value.message.endswith(
        f"; no longer: {'; '.join(approval.lines(proof))}; now: {'; '.join(approval.lines(other))}"
    )


def test_nothing_to_write_needs_no_agreement() -> None:
    approval.require_expected(planned(SHARED, "staging", tag="1").proof, "0" * 64, "base/web.yaml:11")


def test_an_edit_after_which_kustomize_builds_nothing_is_refused_for_every_kustomization_that_it_breaks() -> (
    None
):
    test = f'[{{"op": "test", "path": "/spec/template/spec/containers/0/image", "value": "{WEB}:1"}}]'
    testing = kustomization(
        f"patches: [{{target: {{kind: Deployment}}, patch: '{test}'}}]", resources=["../base"]
    )
    plain = kustomization(resources=["../base"])

    def plan(site: str, other: str, tag: str) -> Planned:
        files = {
            "base/kustomization.yaml": kustomization(resources=["web.yaml"]),
            "base/web.yaml": deployment("web", f"{WEB}:{tag}"),
            "site/kustomization.yaml": site,
            "other/kustomization.yaml": other,
        }
        return planned(tree(files, "site", "other"), "site")

    for broken, name in ((plan(testing, plain, "1"), "site"), (plan(plain, testing, "1"), "other")):
        message = f"^{name}/kustomization.yaml:.* the test of .* fails .*base/web.yaml:10 is edited"
        with pytest.raises(Refused, match=message):
            broken.forced_by(force=True)
        assert broken.proof.broken[0] in broken.proof.unproved
    # Where kustomize refused it before, the edit breaks nothing.
    assert not plan(plain, testing, "0").proof.broken
