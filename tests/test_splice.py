"""The proof: an edit that changes anything but its own value does not pass, whoever made it."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from editing import container, kustomization

from bumper.errors import FieldUnsafe
from bumper.manifest.splice import Edit, apply, diff

CONTENT = container("image: reg.io/web:1.0 # v1.0")


def edit(content: bytes, old: str, new: str) -> Edit:
    start = content.index(old.encode())
    line = content[:start].count(b"\n") + 1
    return Edit("f.yaml", line, start, start + len(old.encode()), old.encode(), new.encode())


def test_an_edit_of_one_value_passes() -> None:
    assert apply(CONTENT, [edit(CONTENT, "reg.io/web:1.0", "reg.io/web:2.0")]) == container(
        "image: reg.io/web:2.0 # v1.0"
    )
    assert apply(CONTENT, [edit(CONTENT, "1.0", "2.0")]) == container("image: reg.io/web:2.0 # v1.0")


def test_no_edit_leaves_the_bytes() -> None:
    assert apply(b"\xff no YAML at all", []) == b"\xff no YAML at all"


def test_the_same_edit_twice_is_one() -> None:
    one = edit(CONTENT, "1.0", "2.0")
    assert apply(CONTENT, [one, replace(one)]) == apply(CONTENT, [one])


def test_edits_of_several_values_pass_together() -> None:
    after = apply(
        CONTENT,
        [edit(CONTENT, "main", "much-longer"), edit(CONTENT, "web:1.0", "web:2"), edit(CONTENT, "shop", "s")],
    )
    assert after == CONTENT.replace(b"main", b"much-longer").replace(b"web:1.0 ", b"web:2 ").replace(
        b"shop", b"s"
    )


UNPROVED = {
    "a comment begins in the value": (CONTENT, "reg.io/web:1.0", "reg.io/web:2 #"),
    "the value becomes a mapping": (CONTENT, "reg.io/web:1.0", "web: 2.0"),
    "the value becomes a list": (CONTENT, "reg.io/web:1.0", "[web]"),
    "the value becomes an alias": (CONTENT, "reg.io/web:1.0", "*web"),
    "the value gets an anchor": (CONTENT, "reg.io/web:1.0", "&a reg.io/web:2.0"),
    "the value gets a tag": (CONTENT, "reg.io/web:1.0", "!!str reg.io/web:2.0"),
    "a key is added": (CONTENT, "reg.io/web:1.0", "reg.io/web:2.0\n          args: []"),
    "a document is added": (CONTENT, "reg.io/web:1.0", "reg.io/web:2.0\n---\nb: c"),
    "the value becomes empty": (CONTENT, "reg.io/web:1.0", ""),
    "the value becomes a number": (CONTENT, "reg.io/web:1.0", "10"),
    "the tag becomes a number": (kustomization("name: web", "newTag: v1"), "v1", "1234567"),
    "the value stays": (CONTENT, "reg.io/web:1.0", "reg.io/web:1.0"),
    "only a comment changes": (CONTENT, "# v1.0", "# v2.0"),
    "a comment becomes a part": (CONTENT, " # v1.0", "#v2.0"),
    "a key changes": (CONTENT, "image", "picture"),
    "a key and its value change": (CONTENT, "image: reg.io/web:1.0", "picture: reg.io/web:2.0"),
    "a quote ends the value": (container('image: "web:1"'), "web:1", 'web:2" #"'),
    "a quote opens": (container("image: web:1"), "web:1", '"web:2'),
    "an escape is completed": (container('image: "web:\\x31"'), "x31", "x3a"),
    "an anchor is cut": (b"a: &one b\nc: *one\n", "one", "on"),
    "a block ends": (b"a: |\n  text\n  more\nb: c\n", "  more", "more: d"),
    "one value of two": (b"a: b\nc: d\n", "b\nc: d", "x\nc: y"),
    "bytes that are no UTF-8": (b"a: b\n", "b", "\udcff"),
}


@pytest.mark.parametrize(("content", "old", "new"), UNPROVED.values(), ids=UNPROVED.keys())
def test_what_is_not_proved_is_refused(content: bytes, old: str, new: str) -> None:
    one = replace(edit(content, old, ""), new=new.encode(errors="surrogateescape"))
    with pytest.raises(FieldUnsafe, match=rf"^f\.yaml:{one.line}: "):
        apply(content, [one])


@pytest.mark.parametrize(
    "change", [{"old": b"reg.io/web:0.9"}, {"start": 0}, {"end": 10**6}, {"start": 10**6, "end": 10**6 + 14}]
)
def test_an_edit_of_other_bytes_is_refused(change: dict[str, object]) -> None:
    one = replace(edit(CONTENT, "reg.io/web:1.0", "reg.io/web:2.0"), **change)  # type: ignore[arg-type]
    with pytest.raises(FieldUnsafe, match=r"^f\.yaml:9: .* does not stand there any more"):
        apply(CONTENT, [one])


def test_edits_that_overlap_are_refused() -> None:
    with pytest.raises(FieldUnsafe, match="does not stand there"):
        apply(CONTENT, [edit(CONTENT, "reg.io/web:1.0", "a"), edit(CONTENT, "web:1.0", "b")])


def test_two_edits_of_one_value_are_refused() -> None:
    with pytest.raises(FieldUnsafe, match=r"^f\.yaml:9: "):
        apply(CONTENT, [edit(CONTENT, "reg.io", "reg.eu"), edit(CONTENT, "1.0", "2.0")])


def test_an_edit_of_a_comment_does_not_hide_behind_one_of_the_value() -> None:
    with pytest.raises(FieldUnsafe, match=r"^f\.yaml:9: "):
        apply(CONTENT, [edit(CONTENT, "reg.io/web:1.0", "reg.io/web:2.0"), edit(CONTENT, "# v1.0", "# v2.0")])


def test_a_diff_reads_like_that_of_git() -> None:
    before = b"".join(b"line %d\n" % at for at in range(1, 31)) + b"last\r"
    after = (
        before.replace(b"line 2\n", b"LINE 2\n")
        .replace(b"line 9\n", b"LINE 9\n")
        .replace(b"line 3\n", b"LINE 3\n")
    )
    after = after.replace(b"last", b"LAST")

    assert diff("k8s/f.yaml", before, before) == ""
    assert diff("k8s/f.yaml", before, after) == (
        "--- a/k8s/f.yaml\n+++ b/k8s/f.yaml\n@@ -1,12 +1,12 @@\n line 1\n-line 2\n-line 3\n+LINE 2\n+LINE 3\n"
        " line 4\n line 5\n line 6\n line 7\n line 8\n-line 9\n+LINE 9\n line 10\n line 11\n line 12\n"
        "@@ -28,4 +28,4 @@\n line 28\n line 29\n line 30\n"
        "-last\r\n\\ No newline at end of file\n+LAST\r\n\\ No newline at end of file\n"
    )


@pytest.mark.parametrize(
    "name", ["plain", "no_final_newline_image_last", "bom_crlf", "cr_only", "nel_in_comment", "multidoc"]
)
def test_git_applies_a_diff_to_the_same_bytes(name: str, tmp_path: Path) -> None:
    hard = Path(__file__).parent / "data" / "hard"
    before, after = (hard / f"{name}.yaml").read_bytes(), (hard / "expected" / f"{name}.yaml").read_bytes()
    file = tmp_path / "f.yaml"
    file.write_bytes(before)

    patch = diff("f.yaml", before, after).encode()
    subprocess.run(["git", "apply", "-p1", "-"], cwd=tmp_path, input=patch, check=True)

    assert file.read_bytes() == after
