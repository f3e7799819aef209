"""A value inside a literal block is edited as if the block were a file, and nothing else in either changes."""

import pytest

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


@pytest.mark.parametrize("host", [HOST.replace("|-", ">-"), HOST.replace("\n", "\r\n")])
def test_what_is_not_byte_for_byte_in_the_file_is_no_block(host: str) -> None:
    source = compose(host.encode(), "k.yaml")
    scalar = next(scalar for scalar in source.scalars if scalar.style in ("|", ">"))
    assert block(source, scalar) is None


def test_an_edit_that_would_change_more_inside_is_refused() -> None:
    content, at = inside(HOST)
    (field,) = manifest.fields_inside(at, "k.yaml")
    (edit,) = manifest.plan(content, field, "2.0")
    with pytest.raises(FieldUnsafe):
        manifest.apply(
            content, [manifest.Edit(edit.path, edit.line, edit.start, edit.end, edit.old, b"a', b: 'c")]
        )
