"""Planning: how a new tag is spelled, and which fields are refused."""

import pytest
from editing import DIGEST, OLD_DIGEST, container, edited, fields_of, kustomization, release
from tables import each_row

from bumper import manifest
from bumper.errors import FieldUnsafe

SPELLINGS = [
    ("image: web:1.0", "image: web:2.0"),
    ("image: web", "image: web:2.0"),
    ("image: 'web:1.0'   # note", "image: 'web:2.0'   # note"),
    ('image: "web:1.0"', 'image: "web:2.0"'),
    ('"image": "web"', '"image": "web:2.0"'),
    ('image: "\\x77eb:1.0"', 'image: "\\x77eb:2.0"'),
    ("image: !!str web:1.0", "image: !!str web:2.0"),
    ("image: ! 'web:1.0'", "image: ! 'web:2.0'"),
    ("image: &i web:1.0", "image: &i web:2.0"),
    ("image: &i !!str # note\n            web:1.0", "image: &i !!str # note\n            web:2.0"),
    ("image: !!str &i 'web:1.0'", "image: !!str &i 'web:2.0'"),
    ("image: >-\n            web:1.0\n", "image: >-\n            web:2.0\n"),
    ("image: | # web:1.0\n            web:1.0", "image: | # web:1.0\n            web:2.0"),
    ("? image\n          : web:1.0", "? image\n          : web:2.0"),
    ("image: web:1.0\t# tab", "image: web:2.0\t# tab"),
    (f"image: web:1.0@{OLD_DIGEST}", f"image: web:2.0@{DIGEST}"),
    (f"image: web@{OLD_DIGEST}", f"image: web:2.0@{DIGEST}"),
    ("image: web@sha256:cut", f"image: web:2.0@{DIGEST}"),
    ("image  :   web:1.0", "image  :   web:2.0"),
]


@each_row(("old", "new"), SPELLINGS)
def test_only_the_tag_changes_and_the_style_stays(old: str, new: str) -> None:
    assert edited(container(old), "web", "2.0", DIGEST) == container(new)


@each_row("written", [new for _, new in SPELLINGS])
def test_noop_where_the_tag_stands_there_already(written: str) -> None:
    content = container(written)
    assert [manifest.plan(content, field, "2.0", DIGEST) for field in fields_of(content, "web")] == [()]


@each_row(
    ("lines", "expected"),
    [
        (["name: web", "newTag: v1"], ["name: web", 'newTag: "1234567"']),
        (["name: web", "newTag: 'v1'"], ["name: web", "newTag: '1234567'"]),
        (["name: web", "newTag: 7654321 # was a number"], ["name: web", 'newTag: "1234567" # was a number']),
        (["name: web", "newTag: !!str v1"], ["name: web", "newTag: !!str 1234567"]),
        (["name: web", "newTag: >-\n      v1"], ["name: web", "newTag: >-\n      1234567"]),
        (["name: web", "newTag: ~"], ["name: web", 'newTag: "1234567"']),
        (['newTag: ""', "name: web"], ['newTag: "1234567"', "name: web"]),
        (["name: web", "newTag: 1234567"], ["name: web", 'newTag: "1234567"']),
        (["name: web", f"newTag: v1@{OLD_DIGEST}"], ["name: web", f"newTag: 1234567@{DIGEST}"]),
        (
            ["name: web", "newTag: v1", f"digest: {OLD_DIGEST}"],
            ["name: web", 'newTag: "1234567"', f"digest: {DIGEST}"],
        ),
        (["name: web", "newTag: v1", 'digest: ""'], ["name: web", 'newTag: "1234567"', 'digest: ""']),
    ],
)
def test_a_tag_that_stands_alone_stays_a_text(lines: list[str], expected: list[str]) -> None:
    assert edited(kustomization(*lines), "web", "1234567", DIGEST) == kustomization(*expected)
    assert edited(kustomization(*expected), "web", "1234567", DIGEST) == kustomization(*expected)


def test_a_tag_that_reads_as_text_is_not_quoted() -> None:
    assert edited(kustomization("name: web", "newTag: 1.10"), "web", "v1.10") == kustomization(
        "name: web", "newTag: v1.10"
    )


def test_both_digests_of_helm_values_are_replaced() -> None:
    values = "{repository: web, tag: v1@%s, digest: '%s'}"
    content = edited(release(values % (OLD_DIGEST, OLD_DIGEST)), "web", "v2", DIGEST)
    assert content == release((values % (DIGEST, DIGEST)).replace("v1", "v2"))


@pytest.mark.parametrize(
    "content",
    [
        container(f"image: web:1.0@{OLD_DIGEST}"),
        kustomization("name: web", "newTag: v1", f"digest: {OLD_DIGEST}"),
        release(f"{{repository: web, tag: v1@{OLD_DIGEST}}}"),
    ],
)
def test_a_pinned_field_needs_the_new_digest(content: bytes) -> None:
    (field,) = fields_of(content, "web")

    with pytest.raises(FieldUnsafe, match=rf"f\.yaml:{field.span.line}: .* pinned by its digest") as refusal:
        manifest.plan(content, field, "2.0")

    assert "--digest" in refusal.value.hint
    assert manifest.plan(content, field, field.image.tag) == ()


def test_a_field_that_is_not_pinned_stays_so() -> None:
    assert edited(container("image: web:1.0"), "web", "2.0", DIGEST) == container("image: web:2.0")


UNSAFE = {
    "variable for the tag": (container('image: "web:${TAG}"'), "web", 9, "a variable decides the tag"),
    "variable for all of it": (container('image: "${IMAGE}"'), "${IMAGE}", 9, "a variable decides the tag"),
    "template": (container('image: "web:{{ .Values.tag }}"'), "web", 9, "a variable decides the tag"),
    "key twice": (container("image: a:1\n          image: web:1"), "web", 10, "image stands twice"),
    "first of two keys": (container("image: web:1\n          image: a:1"), "web", 9, "image stands twice"),
    "key twice above": (
        b"spec: {a: 1}\nspec: {containers: [{image: 'web:1'}]}\n",
        "web",
        2,
        "key spec, on the way",
    ),
    "alias of an annotation": (b"x: &i web:1\ncontainers:\n- image: *i\n", "web", 3, "by the alias \\*i"),
    "alias of a container": (
        b"kind: Pod\nx: &c [{image: 'web:1'}]\ncontainers: *c\n",
        "web",
        2,
        "by the alias \\*c",
    ),
    "merge key": (
        b"x: &c {image: 'web:1'}\nkind: Pod\ncontainers: [{name: a, <<: *c}]\n",
        "web",
        3,
        "merge key",
    ),
    "merge of several": (
        b"x: &c {image: 'web:1'}\nkind: Pod\ncontainers:\n- <<: [*c]\n",
        "web",
        4,
        "merge key",
    ),
    "type": (kustomization("name: web", "newTag: !!int 1"), "web", 4, "type tag:yaml.org,2002:int"),
    "empty": (kustomization("name: web", "newTag:"), "web", 4, "newTag is empty"),
    "no newTag": (kustomization("name: web", "newName: reg.io/web"), "web", 3, "web has no newTag"),
    "digest alone": (kustomization("name: web", f"digest: {OLD_DIGEST}"), "web", 4, "web has no newTag"),
    "digest elsewhere": (
        f"d: &d {OLD_DIGEST}\nimages:\n- name: web\n  newTag: v1\n  digest: *d\n".encode(),
        "web",
        4,
        "digest comes by the alias",
    ),
    "tag of two images": (
        release("{a: {repository: web, tag: &t v1}, b: {repository: api, tag: *t}}"),
        "web",
        5,
        "shared",
    ),
    "tag that is merged": (
        release("{a: &a {repository: web, tag: v1}, b: {<<: *a, repository: api}}"),
        "api",
        5,
        "shared",
    ),
}


@each_row(("content", "image", "line", "reason"), UNSAFE.values(), ids=UNSAFE.keys())
def test_what_cannot_be_changed_alone_is_refused(content: bytes, image: str, line: int, reason: str) -> None:
    (field,) = fields_of(content, image)
    with pytest.raises(FieldUnsafe, match=rf"^f\.yaml:{line}: .*{reason}.*, expected ") as refusal:
        manifest.plan(content, field, "2.0", DIGEST)
    assert refusal.value.hint


@pytest.mark.parametrize(
    "written", ["web:\\x31", "web:\\x31.0", "web\\x3a\\u0031", "web:\\U00000031", "web:1.\\x30"]
)
def test_a_tag_written_with_escapes_is_refused(written: str) -> None:
    with pytest.raises(
        FieldUnsafe, match=r"^f\.yaml:9: the tag of web:1\S* is written with escapes, expected"
    ):
        edited(container(f'image: "{written}"'), "web", "v2")


SHARED = {
    "alias of an image": ("containers:\n- image: &i web:1\n- image: *i\n", "web:1", "web:2"),
    "anchor defined again": (
        "containers:\n- image: &i api:1\n- image: &i web:1\n- image: *i\n",
        "web:1",
        "web:2",
    ),
    "container merged": ("containers:\n- &c\n  image: web:1\n- <<: *c\n  name: b\n", "web:1", "web:2"),
    "own image beside a merge": (
        "x: &c {image: a}\nkind: P\ncontainers:\n- <<: *c\n  image: web:1\n",
        "web:1",
        "web:2",
    ),
    "label that follows": ("containers:\n- image: &i web:1\nmetadata: {labels: {v: *i}}\n", "web:1", "web:2"),
    "values that are shared": ("a: &a\n  repository: web\n  tag: v1\nb: *a\n", "v1", '"2"'),
    "tag that is shared": ("a: {repository: web, tag: &t v1}\nb: {repository: web, tag: *t}\n", "v1", '"2"'),
    "variable before the tag": ("containers:\n- image: ${R}/web:1\n", "web:1", "web:2"),
}


@each_row(("text", "old", "new"), SHARED.values(), ids=SHARED.keys())
def test_a_value_that_its_author_shared_is_changed_once(text: str, old: str, new: str) -> None:
    repository = "${R}/web" if "${R}" in text else "web"
    after = edited(text.encode(), repository, "2")
    assert after == text.replace(old, new).encode()
    assert edited(after, repository, "2") == after
