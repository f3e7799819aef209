"""The proof: an edit that changes anything but its own value does not pass, whoever made it."""

import tracemalloc
from dataclasses import replace

import pytest
from editing import container, kustomization
from tables import each_row

from bumper.errors import FieldUnsafe
from bumper.manifest import yamltext
from bumper.manifest.splice import Edit, apply
from bumper.manifest.yamltext import compose

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


def test_an_edit_that_makes_a_file_too_large_to_be_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yamltext, "MOST_FILE_BYTES", len(CONTENT) + 3)
    assert apply(CONTENT, [edit(CONTENT, "1.0", "1.0.10")])
    with pytest.raises(FieldUnsafe, match="bytes"):
        apply(CONTENT, [edit(CONTENT, "1.0", "1.0.100")])


def test_no_edit_leaves_the_bytes() -> None:
    assert apply(b"\xff no YAML at all", []) == b"\xff no YAML at all"


def test_the_same_edit_twice_is_one() -> None:
    tag_edit = edit(CONTENT, "1.0", "2.0")
    assert apply(CONTENT, [tag_edit, replace(tag_edit)]) == apply(CONTENT, [tag_edit])


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


@each_row(("content", "old", "new"), UNPROVED.values(), ids=UNPROVED.keys())
def test_what_is_not_proved_is_refused(content: bytes, old: str, new: str) -> None:
    planned = replace(edit(content, old, ""), new=new.encode(errors="surrogateescape"))
    with pytest.raises(FieldUnsafe, match=rf"^f\.yaml:{planned.line}: "):
        apply(content, [planned])


@pytest.mark.parametrize(
    "change", [{"old": b"reg.io/web:0.9"}, {"start": 0}, {"end": 10**6}, {"start": 10**6, "end": 10**6 + 14}]
)
def test_an_edit_of_other_bytes_is_refused(change: dict[str, object]) -> None:
    planned = replace(edit(CONTENT, "reg.io/web:1.0", "reg.io/web:2.0"), **change)  # type: ignore[arg-type]
    with pytest.raises(FieldUnsafe, match=r"^f\.yaml:9: .* does not stand there any more"):
        apply(CONTENT, [planned])


def test_edits_that_overlap_are_refused() -> None:
    with pytest.raises(FieldUnsafe, match="does not stand there"):
        apply(CONTENT, [edit(CONTENT, "reg.io/web:1.0", "a"), edit(CONTENT, "web:1.0", "b")])


def test_two_edits_of_one_value_are_refused() -> None:
    with pytest.raises(FieldUnsafe, match=r"^f\.yaml:9: "):
        apply(CONTENT, [edit(CONTENT, "reg.io", "reg.eu"), edit(CONTENT, "1.0", "2.0")])


def test_an_edit_of_a_comment_does_not_hide_behind_one_of_the_value() -> None:
    with pytest.raises(FieldUnsafe, match=r"^f\.yaml:9: "):
        apply(CONTENT, [edit(CONTENT, "reg.io/web:1.0", "reg.io/web:2.0"), edit(CONTENT, "# v1.0", "# v2.0")])


def test_a_value_in_a_block_is_proved_beside_metadata_of_sops() -> None:
    content = b"patch: |\n  kind: Pod\n  image: web:1.0\nsops: {mac_only_encrypted: true, mac: x}\n"
    assert apply(content, [edit(content, "1.0", "2.0")]) == content.replace(b"1.0", b"2.0")


def test_an_edited_file_is_not_in_memory_twice() -> None:
    content = CONTENT + b"".join(b"---\na%d: [b, {c: d}]\n" % number for number in range(500))
    tracemalloc.start()
    try:
        compose(content, "f.yaml")
        read, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        apply(content, [edit(content, "reg.io/web:1.0", "reg.io/web:2.0")])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * read
