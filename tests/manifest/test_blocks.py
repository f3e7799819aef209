"""A value inside a literal block is edited as if the block were a file, and nothing else in either changes."""

import pytest
from tables import each_row

from bumper import manifest
from bumper.errors import FieldUnsafe
from bumper.manifest.blocks import Block, block
from bumper.manifest.yamltext import compose

HOST = """\
# änderung
patches:
  - target: {kind: Deployment}
    patch: |-
      kind: Deployment
      apiVersion: apps/v1

      metadata: {name: web}
      spec: {template: {spec: {containers: [{name: web, image: 'reg.example/web:1.0'}]}}}
      other: ü
  - last: true
"""


def inside(host: str) -> tuple[bytes, Block]:
    content = host.encode()
    source = compose(content, "k.yaml")
    scalar = next(scalar for scalar in source.scalars if scalar.style in ("|", ">"))
    at = block(source, scalar)
    assert at is not None
    return content, at


def test_every_byte_of_the_text_has_its_place_in_the_file() -> None:
    content, at = inside(HOST)
    for number in range(len(at.content)):
        span = at.outward(manifest.Span(number, number + 1, 1))
        if at.content[number : number + 1] != b"\n":
            assert content[span.start : span.end] == at.content[number : number + 1]
        assert at.inward(span.start) == number


def test_a_field_inside_is_edited_where_it_stands() -> None:
    content, at = inside(HOST)
    (field,) = manifest.fields_inside(at, "k.yaml")
    assert (field.span.line, str(field.image)) == (9, "reg.example/web:1.0")
    edited = manifest.apply(content, manifest.plan(content, field, "2.0"))
    assert edited == content.replace(b"web:1.0", b"web:2.0")


@pytest.mark.parametrize(
    "host",
    [
        HOST.replace("|-", "|"),
        HOST.replace("|-", "|2-").replace("      ", "      "),
        HOST.replace("|-", "|+"),
    ],
)
def test_any_literal_block_will_do(host: str) -> None:
    content, at = inside(host)
    (field,) = manifest.fields_inside(at, "k.yaml")
    assert manifest.apply(content, manifest.plan(content, field, "2")) == content.replace(b":1.0", b":2")


def test_a_literal_block_that_is_not_byte_for_byte_in_the_file_is_none() -> None:
    source = compose(HOST.replace("\n", "\r\n").encode(), "k.yaml")
    scalar = next(scalar for scalar in source.scalars if scalar.style == "|")
    assert block(source, scalar) is None


QUOTED = {
    "JSON in single quotes": """'[{"op": "add", "path": "/a/image", "value": "reg.example/web:1.0"}]'""",
    "JSON in double quotes": r'"[{\"op\": \"add\", \"path\": \"/a/image\", \"value\": \"reg.example/web:1.0\"}]"',
    "line breaks as escapes": r'"- op: add\n  path: /a/image\n  value: reg.example/web:1.0\n"',
    "doubled quotes": "'[{op: add, path: /a/image, value: ''reg.example/web:1.0''}]'",
    "other escapes before it": r'"# \u00fc \U0001F600 \x41 \\ ü\n- {op: add, path: /a/image, value: reg.example/web:1.0}"',
    "over several lines": "'[{op: add,   path: /a/image,\n\n     value: reg.example/web:1.0}]'",
    "broken by a backslash": '"[{op: add, path: /a/im\\\n     age, value: reg.example/web:1.0}]"',
    "folded": ">-\n    [{op: add, path: /a/image,\n    value: 'reg.example/web:1.0'}]\n",
    "folded, its lines kept by blank ones": ">\n    - op: add\n\n      path: /a/image\n      value: reg.example/web:1.0\n",
    "folded, with a line that is kept": ">+2\n    - op: add\n      path: /a/image\n\n      value: reg.example/web:1.0\n\n",
}


@each_row("written", QUOTED.values(), ids=QUOTED)
def test_a_field_in_a_quoted_or_folded_text_is_edited_where_it_stands(written: str) -> None:
    content = f"# änderung\npatches:\n- target: {{kind: A}}\n  patch: {written}\n".encode()
    (field,) = manifest.fields(content, "k.yaml")
    assert str(field.image) == "reg.example/web:1.0"
    assert field.span.line == content[: content.index(b"reg.example")].count(b"\n") + 1
    edited = manifest.apply(content, manifest.plan(content, field, "2.0"))
    assert edited == content.replace(b"web:1.0", b"web:2.0")


@pytest.mark.parametrize(
    "written",
    [
        r'"[{op: add, path: /a/image, value: reg.example\x2fweb:1.0}]"',
        '"[{op: add, path: /a/image, value: reg.exam\\\n    ple/web:1.0}]"',
    ],
)
def test_a_value_that_is_written_with_escapes_is_refused(written: str) -> None:
    content = f"patches:\n- target: {{kind: A}}\n  patch: {written}\n".encode()
    (field,) = manifest.fields(content, "k.yaml")
    with pytest.raises(FieldUnsafe, match=r"^k.yaml:3: a text here writes it with escapes"):
        manifest.plan(content, field, "2.0")


def test_a_tag_is_appended_in_a_quoted_text() -> None:
    content = (
        b"patches:\n- target: {kind: A}\n  patch: '[{op: add, path: /a/image, value: reg.example/web}]'\n"
    )
    (field,) = manifest.fields(content, "k.yaml")
    edited = manifest.apply(content, manifest.plan(content, field, "1234567"))
    assert edited == content.replace(b"/web", b"/web:1234567")


def test_an_edit_that_would_change_more_inside_is_refused() -> None:
    content, at = inside(HOST)
    (field,) = manifest.fields_inside(at, "k.yaml")
    (edit,) = manifest.plan(content, field, "2.0")
    with pytest.raises(FieldUnsafe):
        manifest.apply(
            content, [manifest.Edit(edit.path, edit.line, edit.start, edit.end, edit.old, b"a', b: 'c")]
        )
