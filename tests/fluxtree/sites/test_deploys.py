"""Which deploys are those of a site: by its Kustomization and its image, also after a move, and in commits of earlier versions."""

from datetime import UTC, datetime, timedelta

import pytest
from platforms import SOURCE, deployment, kustomization
from trees import MemoryTree

from bumper.fluxtree.sites import find
from bumper.fluxtree.sites.deploys import of_target
from bumper.history.message import Deploy, compose
from bumper.history.record import records
from bumper.image import ImageReference
from bumper.record import Record, Recorded
from bumper.request import Choice, Origin

START = datetime(2026, 3, 4, tzinfo=UTC)
PROD, STAGING = "clusters/prod/web.yaml", "clusters/staging/web.yaml"


def tree(*clusters: str, image: str = "reg.io/web:3.0", moved: str = "") -> MemoryTree:
    """A repository of several clusters, each with a Kustomization `web`; `moved` is its file in prod."""
    files = {}
    for cluster in clusters:
        file = moved if moved and cluster == "prod" else f"clusters/{cluster}/web.yaml"
        root = f"clusters/{cluster}/flux-system/gotk-sync.yaml"
        files[root] = f"{SOURCE}---\n{kustomization('flux-system', f'./clusters/{cluster}')}"
        files[file] = kustomization("web", f"./apps/{cluster}")
        files[f"apps/{cluster}/web.yaml"] = deployment("web", image)
    return MemoryTree(files)


def deploys(*texts: str) -> list[Recorded]:
    """The newest first: `prod 1.0 2.0` is of that cluster, `apps/prod/web.yaml 1.0 2.0` of an earlier version, by its file."""
    return [Recorded(record(number, *text.split())) for number, text in enumerate(texts)]


def record(number: int, where: str, before: str, after: str, image: str = "reg.io/web") -> Record:
    place = (
        ""
        if "/" in where and "#" not in where
        else where
        if "#" in where
        else f"clusters/{where}/web.yaml#flux-system/web"
    )
    path = where if not place else "apps/x.yaml"
    reference = ImageReference(image, before)
    message = compose([Deploy("web", path, reference, reference.with_tag(after), place)], Origin())
    return records(f"{number:040x}", "a", START - timedelta(minutes=number), message)[0]


def tags(
    there: MemoryTree, known: list[Recorded], kustomization_file: str = PROD, *, image: str = ""
) -> list[str]:
    target = find.find(there, "web", Choice(kustomization=kustomization_file, image=image))
    return [deploy.record.tag for deploy in of_target(known, target, there)]


def test_a_version_of_another_cluster_is_not_among_them() -> None:
    known = deploys("prod 1.0 3.0", "staging 1.0 2.0", "prod 0 1.0")
    assert tags(tree("prod", "staging"), known) == ["3.0", "1.0"]
    assert tags(tree("prod", "staging"), known, STAGING) == ["2.0"]


def test_nothing_but_the_commits_is_asked_where_they_tell() -> None:
    there = tree("prod", "staging")
    target = find.find(there, "web", Choice(kustomization=PROD))
    there.batches.clear()
    of_target(deploys("prod 1.0 2.0", "prod 0 1.0"), target, there)
    assert there.batches == []


def test_another_image_of_the_same_kustomization_is_another_site() -> None:
    known = [*deploys("prod 1.0 3.0"), Recorded(record(1, "prod", "0", "1.0", "reg.io/blog"))]
    assert tags(tree("prod"), known) == ["3.0"]


def test_a_file_that_was_moved_takes_its_deploys_along() -> None:
    known = deploys(
        "clusters/prod/apps/web.yaml#flux-system/web 2.0 3.0",
        "prod 1.0 2.0",
        "clusters/old.yaml#web 0 1.0",
        "clusters/older.yaml#web 0 0.5",
    )
    moved = "clusters/prod/apps/web.yaml"
    assert tags(tree("prod", moved=moved), known, moved) == ["3.0", "2.0", "1.0"]
    assert tags(tree("prod", image="reg.io/web:2.0", moved=moved), known[1:], moved) == ["2.0", "1.0"]


@pytest.mark.parametrize(
    ("known", "clusters"),
    [
        # It is there still: another cluster's.
        (deploys("prod 2.0 3.0", "staging 1.0 2.0"), ["prod", "staging"]),
        # It is gone, and what it left is not what prod had then.
        (deploys("prod 1.0 3.0", "staging 1.0 2.0"), ["prod"]),
        # It is gone, and was there at the same time.
        (deploys("prod 2.0 3.0", "staging 1.0 2.0", "prod 0 2.0", "staging 0 1.0"), ["prod"]),
    ],
)
def test_a_cluster_that_is_no_earlier_place_is_left_out(known: list[Recorded], clusters: list[str]) -> None:
    assert set(tags(tree(*clusters), known)) <= {"3.0", "2.0"} - ({"2.0"} if len(known) == 2 else set())


def test_a_commit_of_an_earlier_version_counts_by_the_file_that_it_changed() -> None:
    known = deploys("prod 2.0 3.0", "apps/prod/web.yaml 1.0 2.0", "apps/staging/web.yaml 0 1.5")
    assert tags(tree("prod", "staging"), known) == ["3.0", "2.0"]
    assert tags(tree("prod", "staging"), known, STAGING) == ["1.5"]


def test_a_commit_of_an_earlier_version_counts_where_nothing_else_has_the_name() -> None:
    known = deploys("prod 2.0 3.0", "base/web.yaml 1.0 2.0")
    assert tags(tree("prod"), known) == ["3.0", "2.0"]
    assert tags(tree("prod", "staging"), known) == ["3.0"]


def test_the_same_site_by_another_name_has_the_same_deploys() -> None:
    there, known = tree("prod"), deploys("prod 2.0 3.0")
    target = find.find(there, "shop", Choice(kustomization="web", image="reg.io/web"))
    assert len(of_target(known, target, there)) == 1
