"""Symbolic links, which Flux leaves out of what it builds from: what leads over one says so."""

import os
import subprocess
from pathlib import Path

import pytest
from trees import MemoryTree, deployment, flux, kustomization, sync

from bumper.errors import FieldMissing
from bumper.fluxtree.sites import find
from bumper.ports.git import Entry
from bumper.systems.git.worktree import WorkTree

SITE = deployment("web", "reg.example/web:old")


def tree(path: str, *, listed: str = "") -> MemoryTree:
    files = {
        "k8s/flux-system/gotk-sync.yaml": sync("./k8s/flux-system"),
        "k8s/flux-system/web.yaml": flux("web", path),
        "k8s/web/deployment.yaml": SITE,
    }
    if listed:
        files["k8s/web/kustomization.yaml"] = listed
    return MemoryTree(files, links=["linked", "linked.yaml"])


PLACES = {
    "a path": ("./linked/web", "", "k8s/flux-system/web.yaml:7: .* leads over linked, a symbolic link"),
    "a resource": (
        "./k8s/web",
        kustomization(resources=["../../linked.yaml"]),
        "k8s/web/kustomization.yaml:.* names ../../linked.yaml, but linked.yaml is a symbolic link, which Flux leaves out",
    ),
    "a resource in a linked directory": (
        "./k8s/web",
        kustomization(resources=["../../linked/deployment.yaml"]),
        "but linked is a symbolic link",
    ),
    "a patch": (
        "./k8s/web",
        kustomization("patches: [{path: ../../linked.yaml}]", resources=["deployment.yaml"]),
        "patches names ../../linked.yaml, but linked.yaml is a symbolic link",
    ),
    "nothing at all": (
        "./k8s/web",
        kustomization(resources=["absent.yaml"]),
        "names absent.yaml, which does not exist",
    ),
}


@pytest.mark.parametrize(("path", "listed", "message"), PLACES.values(), ids=PLACES)
def test_what_leads_over_a_link_says_so(path: str, listed: str, message: str) -> None:
    with pytest.raises(FieldMissing, match=message):
        find.find(tree(path, listed=listed), "web")


@pytest.mark.parametrize("is_checkout", [True, False])
def test_a_working_tree_lists_its_links_and_does_not_follow_them(tmp_path: Path, is_checkout: bool) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.yaml").write_text("a: 1\n", encoding="utf-8")
    (tmp_path / "linked").symlink_to("real")
    (tmp_path / "broken.yaml").symlink_to("absent.yaml")
    if is_checkout:
        subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    work = WorkTree(tmp_path, os.environ)
    assert work.list("") == [
        Entry("broken.yaml", False, is_link=True),
        Entry("linked", False, is_link=True),
        Entry("real", True),
    ]
    assert work.read(["broken.yaml", "linked/a.yaml", "real/a.yaml"]) == {"real/a.yaml": b"a: 1\n"}


@pytest.mark.parametrize("name", [b"caf\xe9.yaml", b"a\nb.yaml"])
def test_a_name_that_few_would_choose_is_a_name(tmp_path: Path, name: bytes) -> None:
    """Neither UTF-8 nor one line: git keeps the bytes, and Flux builds the file."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    files = {
        b"k8s/flux-system/gotk-sync.yaml": sync("./k8s/flux-system"),
        b"k8s/flux-system/web.yaml": flux("web", "./k8s/web"),
        b"k8s/web/" + name: SITE,
    }
    for place, text in files.items():
        file = tmp_path / os.fsdecode(place)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    here = WorkTree(tmp_path, {"PATH": os.environ["PATH"], "HOME": str(tmp_path)})
    path = f"k8s/web/{os.fsdecode(name)}"
    assert here.list("k8s/web") == [Entry(os.fsdecode(name), is_directory=False)]
    assert here.read([path]) == {path: (tmp_path / path).read_bytes()}
    assert find.find(here, "web").field.path == path
