"""Comments that silence, and what a run says besides its findings."""

import pytest
from checks import DEPLOYMENT, FLUX, added, changed, checked, platform, without

LATEST = "kevinryanacr.azurecr.io/kevinryan-io:latest"


def latest(comment_above: str = "", comment_beside: str = "") -> dict[str, bytes]:
    above = f"{comment_above}\n          " if comment_above else ""
    new = f"{above}image: {LATEST}{comment_beside}"
    return changed(DEPLOYMENT, "image: kevinryanacr.azurecr.io/kevinryan-io:08a2c8e", new)


@pytest.mark.parametrize(
    ("above", "beside"),
    [
        ("# bump-check: ignore=image-tag", ""),
        ("", " # bump-check: ignore=image-tag"),
        ("# ours moves: bump-check: ignore=limit-missing, image-tag", ""),
    ],
)
def test_a_comment_silences_what_it_names(above: str, beside: str) -> None:
    ran = checked(latest(above, beside))
    assert ran.findings == ()
    assert [finding.id for finding in ran.silenced] == ["image-tag"]


@pytest.mark.parametrize(
    ("above", "beside"),
    [
        ("# bump-check: ignore=limit-missing", ""),
        ("# bump-check: ignore", ""),
        ("# ignore=image-tag", ""),
        ("", ""),
    ],
)
def test_another_comment_does_not(above: str, beside: str) -> None:
    assert [finding.id for finding in checked(latest(above, beside)).findings] == ["image-tag"]


def test_two_lines_above_is_too_far() -> None:
    files = latest("# bump-check: ignore=image-tag\n          # another")
    assert [finding.id for finding in checked(files).findings] == ["image-tag"]


def test_the_notes_of_our_own_platform() -> None:
    assert checked(platform()).notes == (
        "k8s: gotk-components.yaml is not committed here; bootstrap commits it, with these controllers: source, kustomize, helm",
        "k8s: the cluster must bring what nothing here installs: traefik.io",
        (
            "k8s: each commit reconciles 12 Kustomizations, all of GitRepository flux-system/flux-system; "
            "bump isolate ends that for a site"
        ),
    )
    committed = added(
        {f"{FLUX}/gotk-components.yaml": "kind: Namespace\napiVersion: v1\nmetadata: {name: flux-system}\n"}
    )
    assert [note for note in checked(committed).notes if "gotk" in note] == []


def test_no_flux_is_no_cluster() -> None:
    assert checked({"README.md": "hello"}).clusters == 0
    assert checked(without()).clusters == 1
