"""What git alone shows to be in the way of a tag."""

import pytest
from trees import MemoryTree, deployment, flux, sync

from bumper.fluxtree.sites import find, overrides


def noticed(image: str, *spec: str) -> tuple[str, ...]:
    path = "k8s/web/deployment.yaml"
    files = {
        "k8s/flux-system/gotk-sync.yaml": sync("./k8s/flux-system"),
        "k8s/flux-system/web-sync.yaml": flux("web", "./k8s/web", *spec),
        path: deployment("web", image),
    }
    tree = MemoryTree(files)
    return overrides.notices(find.find(tree, "web"), tree.files)


MARKED = (
    "k8s/web/deployment.yaml:10: marked for image automation (ImagePolicy flux-system/web): "
    "where that runs, it sets its own choice over this tag; flux suspend image update, or take the marker off"
)


@pytest.mark.parametrize(
    ("image", "notices"),
    [
        ("reg.io/web:1.0", ()),
        ("reg.io/web:1.0 # set by the pipeline", ()),
        ('reg.io/web:1.0 # {"$imagepolicy": "flux-system:web"}', (MARKED,)),
        ('"reg.io/web:1.0" # {"$imagepolicy":"flux-system:web:tag"}', (MARKED,)),
        # Only the name of the image, not its tag.
        ('reg.io/web:1.0 # {"$imagepolicy": "flux-system:web:name"}', ()),
    ],
)
def test_a_marker_on_the_edited_line_is_told(image: str, notices: tuple[str, ...]) -> None:
    assert noticed(image) == notices


def test_a_marker_at_any_of_several_places_is_told() -> None:
    marked = 'reg.io/web:1.0 # {"$imagepolicy": "flux-system:web"}'
    notices = noticed(f"{marked}\n        - name: side\n          image: {marked}")
    assert [notice.partition(": ")[0] for notice in notices] == [
        "k8s/web/deployment.yaml:10",
        "k8s/web/deployment.yaml:12",
    ]


def test_a_marker_on_another_line_is_no_matter_of_this_tag() -> None:
    assert (
        noticed(
            'reg.io/web:1.0\n        - name: sidecar\n          image: reg.io/s:1 # {"$imagepolicy": "a:b"}'
        )
        == ()
    )


def test_a_kustomization_that_is_suspended_in_git_is_told() -> None:
    (notice,) = noticed("reg.io/web:1.0", "suspend: true")
    assert "Kustomization web is suspended in git" in notice
    assert notice.startswith("k8s/flux-system/web-sync.yaml:1: ")


def test_what_runs_in_another_cluster_is_told_and_is_not_looked_for_here() -> None:
    assert noticed("reg.io/web:1.0", "kubeConfig: {secretRef: {name: edge}}") == (
        "k8s/flux-system/web-sync.yaml:1: Kustomization web applies to another cluster (spec.kubeConfig): nobody follows it there",
    )
    release = """\
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: web, namespace: web}
spec:
  kubeConfig: {secretRef: {name: edge}}
  values: {image: {repository: reg.io/web, tag: "1.0"}}
"""
    files = {
        "k8s/flux-system/gotk-sync.yaml": sync("./k8s/flux-system"),
        "k8s/flux-system/web-sync.yaml": flux("web", "./k8s/web"),
        "k8s/web/release.yaml": release,
    }
    for text, is_elsewhere in ((release, True), (release.replace("  kubeConfig", "  # kubeConfig"), False)):
        tree = MemoryTree({**files, "k8s/web/release.yaml": text})
        target = find.find(tree, "web")
        assert [desired.is_elsewhere for desired in target.desired(None)] == [is_elsewhere]
        assert len(overrides.notices(target, tree.files)) == is_elsewhere
