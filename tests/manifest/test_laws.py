"""The laws of an edit, over generated documents with odd layouts, with PyYAML as a reader that has no part in the edit."""

import re
from dataclasses import dataclass
from typing import Any

import pytest
from editing import DIGEST, OLD_DIGEST, fields_of
from hypothesis import given, settings
from hypothesis import strategies as st

from bumper import manifest
from bumper.manifest import Edit
from bumper.manifest.patch import diff
from bumper.manifest.yamltext import reads_otherwise

TAGS = st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,12}", fullmatch=True) | st.sampled_from(
    [
        "1234567",
        "0123456",
        "12e4567",
        "1.10",
        "1_000",
        "yes",
        "null",
        "2024-11-03",
        "0x1f",
        "0o17",
        "n",
        "2024.11.3",
    ]
)
REPOSITORIES = st.sampled_from(
    ["web", "reg.io/team/web", "localhost:5000/web", "ko://reg.io/Web", "${REGISTRY}/web"]
)
INDENTS = st.sampled_from(["", "  ", "      "])
COMMENTS = st.sampled_from(
    ["", " # 🚀 déployé", "   ", '\t# {"$imagepolicy": "flux-system:web"}', " # web:1.0"]
)
OTHERS = st.sampled_from(
    [
        "---\n---\n",
        "# 🚀\n---\n",
        "kind: ConfigMap\ndata:\n  a: |\n    containers:\n    - image: web:1.0\n---\n",
        "a: &x {b: *x, c: 'it''s', d: \"\\u00e9\\n\", e: [1, ~, {f: g}]}\nh: >+\n  i\n\n  j\n\n...\n---\n",
        "a: this is\n  folded over\n\n  lines\n---\n",
    ]
)


@dataclass(frozen=True)
class Document:
    """Some bytes with one image field of that repository, or several that are shared."""

    content: bytes
    repository: str
    is_pinned: bool


@st.composite
def documents(draw: st.DrawFn) -> Document:
    repository, old, indent = draw(REPOSITORIES), draw(TAGS), draw(INDENTS)
    pin = draw(st.sampled_from(["", "", f"@{OLD_DIGEST}"]))
    tail = draw(COMMENTS)
    if draw(st.booleans()):
        value = draw(st.sampled_from([f"{repository}:{old}{pin}", repository + pin]))
        head = draw(
            st.sampled_from(
                [
                    f"kind: Pod\nspec:\n  containers:\n  {indent}- name: a\n  {indent}  image",
                    f"apiVersion: postgresql.cnpg.io/v1\nkind: Cluster\nspec:\n  {indent}  imageName",
                    f"kind: Pod\nvolumes:\n{indent}- image:\n  {indent}  a: b\n  {indent}  reference",
                ]
            )
        )
    else:
        value = old + pin
        key, names = draw(
            st.sampled_from(
                [
                    ("newTag", f"name: '{repository}'"),
                    ("newTag", f"name: '{repository}'\n  {indent}  newName: other"),
                ]
            )
        )
        head = f"images:\n  {indent}- {names}\n  {indent}  {key}"
    last = f"\n  {indent}  "
    written = draw(
        st.sampled_from(
            [
                f": {value}",
                f": '{value}'",
                f': "{value}"',
                f': "{value}"'.replace("/", "\\/"),
                f" :   {value}",
                f": !!str '{value}'",
                f": &a {value}",
                f": !!str &a # odd{last}  '{value}'",
                f": >- # odd{last}  {value}",
                f": |-\n{last}  {value}\n".replace("\n\n", "\n"),
            ]
        )
    )
    is_block = "- # odd" in written or "|-" in written
    body = f"{head}{written}{'' if is_block else tail}{last}last: ~\n"
    text = (
        draw(OTHERS) * draw(st.integers(0, 2)) + body + draw(st.sampled_from(["", "\n\n", "...\n", "---\n"]))
    )
    text = text.rstrip("\n") if draw(st.booleans()) else text
    text = text.replace("\n", draw(st.sampled_from(["\n", "\n", "\r\n", "\r"])))
    return Document(draw(st.sampled_from(["", "\ufeff"])).encode() + text.encode(), repository, bool(pin))


def planned(content: bytes, repository: str, tag: str) -> list[Edit]:
    return [
        edit
        for field in fields_of(content, repository)
        for edit in manifest.plan(content, field, tag, DIGEST)
    ]


def scalars(content: bytes) -> list[tuple[str, str, str]]:
    """Type, value and style of every scalar, as PyYAML reads the file; every other event as well."""
    yaml: Any = pytest.importorskip(
        "yaml", reason="PyYAML, which comes with kubernetes-validate, is the second reader"
    )
    events = []
    # PyYAML takes a byte order mark for a character of its own in the middle of a stream only.
    for event in yaml.parse(
        content.decode("utf-8-sig"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    ):
        if isinstance(event, yaml.ScalarEvent):
            implicit = yaml.SafeLoader("").resolve(yaml.ScalarNode, event.value, event.implicit)
            events.append((event.tag or implicit, event.value, event.style or ""))
        else:
            events.append((type(event).__name__, getattr(event, "anchor", None) or "", ""))
    return events


@settings(derandomize=True)
@given(documents(), TAGS)
def test_laws(document: Document, tag: str) -> None:
    content = document.content
    assert fields_of(content, document.repository)
    edits = planned(content, document.repository, tag)
    after = manifest.apply(content, edits)

    # The bytes outside of the spans are equal.
    rest, rest_after, shift = content, after, sum(len(edit.new) - len(edit.old) for edit in edits)
    for edit in sorted(edits, key=lambda edit: -edit.start):
        shift -= len(edit.new) - len(edit.old)
        rest = rest[: edit.start] + rest[edit.end :]
        at = edit.start + shift
        assert rest_after[at : at + len(edit.new)] == edit.new
        rest_after = rest_after[:at] + rest_after[at + len(edit.new) :]
    assert rest == rest_after

    # A second edit has nothing to do.
    assert planned(after, document.repository, tag) == []

    # Another reader finds exactly one scalar changed for each edit, and a text that is the tag in its place.
    before, now = scalars(content), scalars(after)
    changed = [new for old, new in zip(before, now, strict=True) if old != new]
    assert len(changed) == len(edits) <= 1
    suffix = f"{tag}@{DIGEST}" if document.is_pinned else tag
    assert all(
        kind.endswith(":str") and re.fullmatch(rf"(?:.*:)?{re.escape(suffix)}", value)
        for kind, value, _ in changed
    )

    # The diff has one line less and one line more for each edit.
    text = diff("f.yaml", content, after)
    assert len(re.findall(r"^-(?!--)", text, re.MULTILINE)) == len(edits) or b"\r" in content

    # The inverse edit restores the bytes, but for a plain scalar that some reader did not take for a text.
    inverse = [
        Edit(edit.path, edit.line, edit.start, edit.start + len(edit.new), edit.new, edit.old)
        for edit in edits
    ]
    if not any(reads_otherwise(edit.old.decode()) for edit in edits):
        assert manifest.apply(after, inverse) == content


@settings(derandomize=True)
@given(documents(), TAGS)
def test_every_field_is_refused_or_edited_to_the_tag(document: Document, tag: str) -> None:
    after = manifest.apply(document.content, planned(document.content, document.repository, tag))
    images = {str(field.image) for field in fields_of(after, document.repository)}
    assert images == {f"{document.repository}:{tag}" + (f"@{DIGEST}" if document.is_pinned else "")}


def in_a_block(content: bytes) -> bytes:
    """A kustomization with the text as a patch in a literal block."""
    lines = content.decode().split("\n")
    body = "\n".join(f"    {line}" if line else "" for line in lines)
    return f"patches:\n- target: {{kind: Pod}}\n  patch: |+\n{body}".encode()


@settings(derandomize=True)
@given(documents(), TAGS)
def test_a_patch_in_a_block_is_edited_as_the_file_that_it_is(document: Document, tag: str) -> None:
    content = document.content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").removeprefix("\ufeff".encode())
    host = in_a_block(content)
    after = manifest.apply(content, planned(content, document.repository, tag))
    assert fields_of(host, document.repository)
    assert manifest.apply(host, planned(host, document.repository, tag)) == in_a_block(after)
