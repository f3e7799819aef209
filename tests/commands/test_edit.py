"""`bump edit` as its callers see it: texts, exit codes, and what is on the disk afterwards."""

import os
import subprocess
import threading
from pathlib import Path

import pytest
from editing import DIGEST, OLD_DIGEST, bump_edit, container, kustomization
from trees import MemoryTree, deployment, flux, sync

from bumper import manifest
from bumper.errors import BumpError, FieldMissing, FieldUnsafe, NotYaml, UsageError
from bumper.fluxtree.layers import Reading
from bumper.fluxtree.proof import prove
from bumper.fluxtree.sites.find import find

WEB = container("image: reg.io/web:1.0")
NEW_WEB = container("image: reg.io/web:2.0")
CHANGE = ("--image", "reg.io/web", "--tag", "2.0")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "web.yaml").write_bytes(WEB)
    (tmp_path / "api.yaml").write_bytes(container("image: reg.io/api:1.0"))
    (tmp_path / "kustomization.yaml").write_bytes(kustomization("name: reg.io/web", "newTag: v1"))
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def refusal(folder: Path, *arguments: str) -> BumpError:
    """The error of a run that must leave every file as it was."""
    before = contents(folder)
    with pytest.raises(BumpError) as raised:
        bump_edit(folder, *arguments)
    assert contents(folder) == before
    return raised.value


def test_every_field_in_every_file_is_changed(folder: Path) -> None:
    ran = bump_edit(folder, "web.yaml", "api.yaml", "kustomization.yaml", *CHANGE)

    assert (ran.code, ran.err) == (0, "")
    assert ran.out.decode() == (
        'web.yaml:9  reg.io/web:1.0 → reg.io/web:2.0\nkustomization.yaml:4  v1 → "2.0"\n2 values changed in 2 files\n'
    )
    assert contents(folder) == {
        "api.yaml": container("image: reg.io/api:1.0"),
        "kustomization.yaml": kustomization("name: reg.io/web", 'newTag: "2.0"'),
        "web.yaml": NEW_WEB,
    }


TWO = """\
kind: Pod
spec:
  initContainers:
    - {name: migrate, image: "reg.io/web:1.0"}
  containers:
    - {name: web, image: "reg.io/web:1.0"}
"""


def test_a_container_alone_is_changed_and_the_others_are_told(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(TWO)
    ran = bump_edit(tmp_path, "web.yaml", *CHANGE, "--container", "web")
    assert ran.out.decode() == "web.yaml:6  reg.io/web:1.0 → reg.io/web:2.0\n1 value changed in 1 file\n"
    assert ran.err == "web.yaml:4 reg.io/web:1.0 (container migrate)  stays: another container\n"
    assert (tmp_path / "web.yaml").read_text() == TWO.replace(
        'web, image: "reg.io/web:1.0', 'web, image: "reg.io/web:2.0'
    )


def test_a_container_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(TWO)
    refused = refusal(tmp_path, "web.yaml", *CHANGE, "--container", "web", "--container", "wbe")
    assert refused.message == (
        "web.yaml:6: no container wbe has reg.io/web (found: web.yaml:6 reg.io/web:1.0 (container web), "
        "web.yaml:4 reg.io/web:1.0 (container migrate))"
    )


def test_what_names_the_image_and_is_no_field_is_told(tmp_path: Path) -> None:
    text = (
        "apiVersion: example.io/v1\nkind: Widget\nmetadata: {name: web, annotations: {by: 'reg.io/web:1.0, built'}}\nspec:\n"
        "  containers: [{image: 'reg.io/web:1.0', args: [--image=reg.io/web:1.0]}]\n  image: reg.io/web:1.0\n"
        "  script: |\n    run reg.io/webhook:1.0\n    run reg.io/web:0.9\n"
    )
    (tmp_path / "f.yaml").write_text(text, encoding="utf-8")

    ran = bump_edit(tmp_path, "f.yaml", *CHANGE)

    assert ran.out.decode() == "f.yaml:5  reg.io/web:1.0 → reg.io/web:2.0\n1 value changed in 1 file\n"
    assert ran.err.splitlines() == [
        "f.yaml:3  reg.io/web:1.0  stays: no image field that is known",
        "f.yaml:5  reg.io/web:1.0  stays: no image field that is known",
        "f.yaml:6  reg.io/web:1.0  stays: no image field that is known",
        "f.yaml:9  reg.io/web:0.9  stays: no image field that is known",
    ]


def test_where_no_field_is_known_what_names_the_image_is_named(tmp_path: Path) -> None:
    text = "apiVersion: example.io/v1\nkind: Widget\nspec: {image: 'reg.io/web:1.0'}\n"
    (tmp_path / "f.yaml").write_text(text, encoding="utf-8")
    error = refusal(tmp_path, "f.yaml", *CHANGE)
    assert error.message == "f.yaml: no image field of reg.io/web, found f.yaml:3 names reg.io/web:1.0"


def test_noop_leaves_even_the_time_of_the_file(folder: Path) -> None:
    bump_edit(folder, "web.yaml", *CHANGE)
    os.utime(folder / "web.yaml", (1, 1))

    ran = bump_edit(folder, "web.yaml", *CHANGE)

    assert (ran.code, ran.out) == (0, b"web.yaml:9  reg.io/web:2.0  unchanged\nunchanged\n")
    assert (folder / "web.yaml").stat().st_mtime == 1


def test_a_value_that_two_containers_share_is_named_once(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_bytes(b"containers:\n- image: &i web:1\n- image: *i\n")
    assert bump_edit(tmp_path, "f.yaml", "--image", "web", "--tag", "2").out.decode() == (
        "f.yaml:2  web:1 → web:2\n1 value changed in 1 file\n"
    )
    assert (
        bump_edit(tmp_path, "f.yaml", "--image", "web", "--tag", "2").out
        == b"f.yaml:2  web:2  unchanged\nunchanged\n"
    )


def test_a_pinned_field_gets_the_new_digest(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_bytes(kustomization("name: web", "newTag: v1", f"digest: {OLD_DIGEST}"))
    ran = bump_edit(tmp_path, "f.yaml", "--image", "web", "--tag", "v2", "--digest", DIGEST)
    assert (
        ran.out.decode()
        == f"f.yaml:4  v1 → v2\nf.yaml:5  {OLD_DIGEST} → {DIGEST}\n2 values changed in 1 file\n"
    )
    assert (tmp_path / "f.yaml").read_bytes() == kustomization("name: web", "newTag: v2", f"digest: {DIGEST}")


def test_check_names_what_would_change_and_writes_nothing(folder: Path) -> None:
    before = contents(folder)
    ran = bump_edit(folder, "web.yaml", "kustomization.yaml", *CHANGE, "--check")
    assert ran.code == 11
    assert ran.out.decode() == (
        'web.yaml:9  reg.io/web:1.0 → reg.io/web:2.0\nkustomization.yaml:4  v1 → "2.0"\n2 values would change in 2 files\n'
    )
    assert contents(folder) == before
    assert bump_edit(folder, "web.yaml", "--image", "reg.io/web", "--tag", "1.0", "--check").code == 0


def test_diff_prints_a_patch_and_writes_nothing(folder: Path) -> None:
    before = contents(folder)
    ran = bump_edit(folder, "web.yaml", "kustomization.yaml", *CHANGE, "--diff")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.decode() == (
        "--- a/web.yaml\n+++ b/web.yaml\n@@ -6,5 +6,5 @@\n     spec:\n       containers:\n         - name: main\n"
        "-          image: reg.io/web:1.0\n+          image: reg.io/web:2.0\n           tty: true\n"
        "--- a/kustomization.yaml\n+++ b/kustomization.yaml\n@@ -1,4 +1,4 @@\n kind: Kustomization\n images:\n"
        '   - name: reg.io/web\n-    newTag: v1\n+    newTag: "2.0"\n'
    )
    assert contents(folder) == before


def test_diff_of_nothing_says_so_beside_the_patch(folder: Path) -> None:
    ran = bump_edit(folder, "web.yaml", "--image", "reg.io/web", "--tag", "1.0", "--diff")
    assert (ran.code, ran.out, ran.err) == (0, b"", "unchanged\n")


def test_stdout_prints_the_bytes_as_they_are(folder: Path) -> None:
    (folder / "web.yaml").write_bytes(b"\xef\xbb\xbf" + WEB.replace(b"\n", b"\r\n"))
    ran = bump_edit(folder, "web.yaml", *CHANGE, "--stdout")
    assert (ran.code, ran.out) == (0, b"\xef\xbb\xbf" + NEW_WEB.replace(b"\n", b"\r\n"))
    assert bump_edit(folder, "web.yaml", "--image", "reg.io/web", "--tag", "1.0", "--stdout").out.endswith(
        b"true\r\n"
    )


def test_a_file_keeps_its_mode_and_a_link_stays_a_link(folder: Path) -> None:
    (folder / "web.yaml").chmod(0o640)
    (folder / "link.yaml").symlink_to("web.yaml")

    assert bump_edit(folder, "link.yaml", "web.yaml", *CHANGE).out.count(b"\xe2\x86\x92") == 1

    assert (folder / "link.yaml").is_symlink()
    assert (folder / "web.yaml").read_bytes() == NEW_WEB
    assert (folder / "web.yaml").stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in folder.iterdir()) == [
        "api.yaml",
        "kustomization.yaml",
        "link.yaml",
        "web.yaml",
    ]


@pytest.mark.parametrize("output", [[], ["--plan"]])
def test_a_link_out_of_the_checkout_is_refused_by_its_own_name(folder: Path, output: list[str]) -> None:
    checkout = folder / "checkout"
    (checkout / ".git").mkdir(parents=True)
    (checkout / "file.yaml").symlink_to("../web.yaml")
    (checkout / "folder").symlink_to("..")
    for name in ("file.yaml", "folder/web.yaml"):
        with pytest.raises(UsageError) as refused:
            bump_edit(checkout, name, *CHANGE, *output)
        assert refused.value.message.startswith(
            f"{name}: is a symbolic link, or below one, that leads out of "
        )
        assert refused.value.hint == f"name the file itself: {folder.resolve()}/web.yaml"
    assert (folder / "web.yaml").read_bytes() == WEB


def test_a_checkout_that_a_link_leads_to_and_a_file_outside_of_it_are_edited(folder: Path) -> None:
    checkout = folder / "checkout"
    (checkout / ".git").mkdir(parents=True)
    (checkout / "web.yaml").write_bytes(WEB)
    (folder / "way").symlink_to("checkout")
    ran = bump_edit(checkout, str(folder / "way/web.yaml"), "../web.yaml", *CHANGE)
    assert ran.code == 0
    assert (checkout / "web.yaml").read_bytes() == (folder / "web.yaml").read_bytes() == NEW_WEB


def test_a_refusal_in_one_file_leaves_all_of_them(folder: Path) -> None:
    (folder / "bad.yaml").write_bytes(b"a: [\n")
    (folder / "pinned.yaml").write_bytes(container(f"image: reg.io/web:1@{OLD_DIGEST}"))

    error = refusal(folder, "web.yaml", "bad.yaml", *CHANGE)
    assert isinstance(error, NotYaml)
    assert error.message.startswith("bad.yaml:2: not YAML: ")

    error = refusal(folder, "web.yaml", "pinned.yaml", *CHANGE)
    assert isinstance(error, FieldUnsafe)
    assert error.message.startswith(f"pinned.yaml:9: reg.io/web:1@{OLD_DIGEST} is pinned by its digest, ")


def test_nothing_is_replaced_where_one_file_cannot_be_written(folder: Path) -> None:
    # The name that the second file would be written under is taken.
    taken = folder / f".kustomization.yaml.{os.getpid()}.new"
    taken.mkdir()
    with pytest.raises(UsageError, match=r"^kustomization\.yaml: cannot be written: File exists, expected"):
        bump_edit(folder, "web.yaml", "kustomization.yaml", *CHANGE)
    taken.rmdir()
    assert (folder / "web.yaml").read_bytes() == WEB
    assert sorted(contents(folder)) == ["api.yaml", "kustomization.yaml", "web.yaml"]


MISSING = [
    (
        ["web.yaml", "api.yaml", "--image", "web"],
        "web.yaml, api.yaml: no image field of web, found reg.io/web (web.yaml:9), reg.io/api (api.yaml:9)",
        "pass --image with one of the repositories found, as it is written there",
    ),
    (
        ["web.yaml", "--image", "reg.io/web:1.0"],
        "web.yaml: no image field of reg.io/web:1.0, found reg.io/web (web.yaml:9)",
        "leave out the tag: --image reg.io/web",
    ),
    (
        ["hub.yaml", "--image", "docker.io/library/nginx"],
        "hub.yaml: no image field of docker.io/library/nginx, found nginx (hub.yaml:9)",
        "the same image is written nginx there: pass --image nginx",
    ),
    (
        ["empty.yaml", "--image", "web"],
        "empty.yaml: no image field of web, found no image field at all",
        (
            "edited are containers and image volumes of any kind, custom resources that are known, images of a kustomization, "
            "and image or repository with tag in Helm values"
        ),
    ),
    (
        ["many.yaml", "--image", "web"],
        "many.yaml: no image field of web, found "
        + ", ".join(f"i{n} (many.yaml:{n + 2})" for n in range(8))
        + ", 4 more",
        "pass --image with one of the repositories found, as it is written there",
    ),
]


@pytest.mark.parametrize(("arguments", "message", "hint"), MISSING)
def test_an_image_that_is_not_there_is_an_error_that_says_what_is(
    folder: Path, arguments: list[str], message: str, hint: str
) -> None:
    (folder / "hub.yaml").write_bytes(container("image: nginx:1"))
    (folder / "empty.yaml").write_bytes(b"")
    (folder / "many.yaml").write_text("containers:\n" + "".join(f"- image: i{n}\n" for n in range(12)))

    error = refusal(folder, *arguments, "--tag", "2.0")

    assert isinstance(error, FieldMissing)
    assert (error.exit_code, error.message, error.hint) == (4, message, hint)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["web.yaml", "--image", "reg.io/web", "--tag", "a b"], "--tag 'a b' is no tag, expected"),
        (["web.yaml", "--image", "reg.io/web", "--tag", ""], "--tag '' is no tag, expected"),
        (["web.yaml", "--image", "reg.io/web", "--tag", f"1@{DIGEST}"], "--tag '1@sha256:"),
        (["web.yaml", *CHANGE, "--digest", "sha256:12"], "--digest 'sha256:12' is no digest, expected"),
        (["web.yaml", "--image", "", "--tag", "2"], "--image '' is no repository, expected"),
        (["web.yaml", "--image", "a b", "--tag", "2"], "--image 'a b' is no repository, expected"),
        (["web.yaml", "api.yaml", *CHANGE, "--stdout"], "--stdout prints one file, found several"),
        (["none.yaml", *CHANGE], "none.yaml: No such file or directory, expected a file"),
        ([".", *CHANGE], ".: Is a directory, expected a file"),
    ],
)
def test_arguments_that_cannot_be_used(folder: Path, arguments: list[str], message: str) -> None:
    error = refusal(folder, *arguments)
    assert isinstance(error, UsageError)
    assert error.exit_code == 2
    assert error.message.startswith(message)


CUSTOM = """\
kind: Engine
metadata: {name: web}
spec:
  runtime: reg.io/web:1.0   # which one
  sidecar: reg.io/api:1.0
  chart: {version: "1.0"}
"""


def test_a_field_that_no_table_knows_is_changed_where_it_is_named(folder: Path) -> None:
    (folder / "engine.yaml").write_text(CUSTOM)
    ran = bump_edit(folder, "engine.yaml", "web.yaml", *CHANGE, "--field", "Engine/web:spec.runtime")
    assert (ran.code, ran.out.decode().splitlines()[-1]) == (0, "2 values changed in 2 files")
    assert (folder / "engine.yaml").read_text() == CUSTOM.replace("web:1.0", "web:2.0")


def test_a_tag_alone_is_that_of_the_image_that_is_named(folder: Path) -> None:
    (folder / "engine.yaml").write_text(CUSTOM)
    bump_edit(folder, "engine.yaml", *CHANGE, "--field", "spec.chart.version")
    assert (folder / "engine.yaml").read_text() == CUSTOM.replace('"1.0"', '"2.0"')


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("spec.sidecar", "no image field of reg.io/web, found reg.io/api"),
        ("Engine/other:spec.runtime", "no image field of reg.io/web"),
        ("spec.runtime[0]", "no image field of reg.io/web"),
        ("spec..runtime", "is no path"),
    ],
)
def test_a_field_that_is_another_image_or_is_not_there_is_refused(
    folder: Path, path: str, problem: str
) -> None:
    (folder / "engine.yaml").write_text(CUSTOM)
    assert problem in refusal(folder, "engine.yaml", *CHANGE, "--field", path).message


def test_a_field_that_a_table_knows_is_changed_once(folder: Path) -> None:
    ran = bump_edit(folder, "web.yaml", *CHANGE, "--field", "spec.containers[0].image")
    assert ran.out.decode().splitlines()[-1] == "1 value changed in 1 file"


def test_a_plan_is_that_of_a_deploy_of_the_same_files(tmp_path: Path) -> None:
    files = {
        "clusters/prod/flux-system/gotk-sync.yaml": sync("./clusters/prod"),
        "clusters/prod/web.yaml": flux("web", "./apps/web"),
        "apps/web/dep.yaml": deployment("web", "reg.io/web:1.0"),
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)

    ran = bump_edit(tmp_path / "apps", "web/dep.yaml", *CHANGE, "--plan")

    content = files["apps/web/dep.yaml"].encode()
    target = find(MemoryTree(files), "web")
    edits = manifest.plan(content, target.field, "2.0")
    proof = prove(
        Reading(MemoryTree(files)),
        {"apps/web/dep.yaml": manifest.apply(content, edits)},
        edits,
        target.images,
    )
    shown = ran.out.decode()
    assert ran.code == 0
    assert "+++ b/apps/web/dep.yaml" in shown
    assert f"plan         {proof.summary}\n" in shown
    assert "1 field in 1 object of 1 Kustomization: image; nothing else; 2 Kustomizations reconcile" in shown
    assert f"hash         {proof.hash}\n" in shown
    assert (tmp_path / "apps/web/dep.yaml").read_text() == files["apps/web/dep.yaml"]

    again = bump_edit(tmp_path, "apps/web/dep.yaml", "--image", "reg.io/web", "--tag", "1.0", "--plan")
    assert (again.code, again.out, again.err) == (0, b"", "unchanged\n")
    (tmp_path.parent / "beside.yaml").write_bytes(WEB)
    with pytest.raises(UsageError, match="expected files of one checkout"):
        bump_edit(tmp_path, "apps/web/dep.yaml", "../beside.yaml", *CHANGE, "--plan")


def test_files_of_the_disk_are_read_without_a_thread(folder: Path) -> None:
    """A thread of its own, with a deadline, has only what may have no end."""
    started: list[str] = []
    threading.setprofile(lambda *_: started.append(threading.current_thread().name))
    try:
        assert bump_edit(folder, "web.yaml", "api.yaml", "kustomization.yaml", *CHANGE).code == 0
    finally:
        threading.setprofile(None)
    assert started == []
