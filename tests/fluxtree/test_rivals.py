"""A value of git that something may go over which git does not hold: a later reference of a substitution, or of a chart's values."""

from typing import NamedTuple

from tables import each_row
from trees import MemoryTree, deployment, flux, kustomization, sync

from bumper.fluxtree.layers import Reading
from bumper.fluxtree.sites.find import find

from .test_proof import proved

SETTINGS = "{kind: ConfigMap, name: settings}"
RELEASE = (
    "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: web, namespace: shop}\n"
    "spec:\n  values: {image: {repository: reg.io/web}}\n  valuesFrom:\n  - {kind: ConfigMap, name: values}\n"
)


class Case(NamedTuple):
    """References after the one that brings the tag. `is_refused` and `is_unproved` are what becomes of an edit there."""

    later: str
    is_refused: bool = False
    is_unproved: bool = False
    more: str = ""


SUBSTITUTIONS = {
    "nothing else": Case(""),
    "a Secret of the cluster": Case("{kind: Secret, name: keys}", is_unproved=True),
    "a ConfigMap of the cluster": Case("{kind: ConfigMap, name: user}", is_refused=True, is_unproved=True),
    "one that may be absent": Case("{kind: ConfigMap, name: user, optional: true}", is_unproved=True),
    "both, of which the worse counts": Case(
        "{kind: Secret, name: keys}, {kind: ConfigMap, name: user}", is_refused=True, is_unproved=True
    ),
    "one of the tree without the name": Case("{kind: ConfigMap, name: other}"),
    "the value once more behind it": Case(f"{{kind: ConfigMap, name: user}}, {SETTINGS}"),
    "the value of the Kustomization itself": Case(
        "{kind: ConfigMap, name: user}", more='    substitute: {TAG: "1.0"}\n'
    ),
}
VALUES = {
    "nothing else": Case(""),
    "a Secret": Case("{kind: Secret, name: keys}", is_unproved=True),
    "a ConfigMap of the cluster": Case("{kind: ConfigMap, name: user}", is_refused=True, is_unproved=True),
    "one that may be absent": Case("{kind: ConfigMap, name: user, optional: true}", is_unproved=True),
    "one for another value": Case("{kind: Secret, name: keys, targetPath: db.password}"),
    "one for the tag": Case("{kind: Secret, name: keys, targetPath: image.tag}", is_unproved=True),
    "one whose target is not followed": Case(
        "{kind: Secret, name: keys, targetPath: 'db\\.a'}", is_unproved=True
    ),
}


def config_map(name: str, pairs: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: flux-system}}\ndata: {pairs}\n"


def require(files: dict[str, str], case: Case, place: str) -> None:
    tree = MemoryTree(files)
    target = find(tree, "web")
    assert bool(target.field.unsafe) == case.is_refused
    assert not case.is_refused or "before it there" in target.field.remedy
    if not case.is_refused:
        proof = proved(Reading(tree), target, "2.0")
        assert [each.path for each in proof.unproved] == [place] * case.is_unproved


@each_row("name", SUBSTITUTIONS)
def test_a_variable_that_a_later_reference_may_set_again(name: str) -> None:
    case = SUBSTITUTIONS[name]
    post_build = f"  postBuild:\n    substituteFrom: [{', '.join(filter(None, (SETTINGS, case.later)))}]\n"
    files = {
        "k8s/flux-system/gotk-sync.yaml": sync("./k8s"),
        "k8s/flux-system/settings.yaml": config_map("settings", '{TAG: "1.0"}'),
        "k8s/flux-system/other.yaml": config_map("other", '{HOST: "web.example"}'),
        "k8s/flux-system/web.yaml": flux("web", "./apps/web") + post_build + case.more,
        "apps/web/web.yaml": deployment("web", "reg.io/web:${TAG}"),
    }
    require(files, case, "k8s/flux-system/web.yaml")


@each_row("name", VALUES)
def test_values_that_a_later_reference_may_set_again(name: str) -> None:
    case = VALUES[name]
    files = {
        "k8s/flux-system/gotk-sync.yaml": sync("./k8s"),
        "k8s/flux-system/web.yaml": flux("web", "./apps/web"),
        "apps/web/kustomization.yaml": kustomization(
            "configMapGenerator: [{name: values, namespace: shop, files: [values.yaml]}]",
            resources=["release.yaml"],
        ),
        "apps/web/release.yaml": RELEASE + (f"  - {case.later}\n" if case.later else ""),
        "apps/web/values.yaml": 'image: {tag: "1.0"}\ndb: {host: db.example}\n',
    }
    require(files, case, "apps/web/release.yaml")
