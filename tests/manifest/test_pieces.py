"""A file of many documents is read in pieces: what is read, refused and edited is the same as if it were one."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from editing import fields_of
from tables import each_row

from bumper import manifest
from bumper.errors import FieldUnsafe, NotYaml
from bumper.manifest import Edit, custom_resources, yamltext
from bumper.manifest.candidates import telling_words
from bumper.manifest.yamltext import Source, compose, opened

DATA = Path(__file__).parents[1] / "data"
POD = "kind: Pod\nspec:\n  containers:\n  - name: a\n    image: web:1.0\n"
OTHER = "kind: ConfigMap\nmetadata:\n  name: c{0}\ndata:\n  key: |\n    {0:060}\n"


@pytest.fixture(autouse=True)
def _cut_at_every_document(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    opened.cache_clear()
    monkeypatch.setattr(yamltext, "_PIECE", 1)
    yield
    opened.cache_clear()


def read_whole(content: bytes) -> Source:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yamltext, "_PIECE", len(content) + 1)
        opened.cache_clear()
        source = compose(content, "f.yaml")
        opened.cache_clear()
    assert len(source.pieces) == 1
    return source


def spans(source: Source) -> list[object]:
    return [
        (scalar, source.span(scalar.start, scalar.end), source.inner(scalar)) for scalar in source.scalars
    ]


def texts() -> dict[str, bytes]:
    hard = {
        path.stem: path.read_bytes().removeprefix(b"\xef\xbb\xbf")
        for path in sorted((DATA / "hard").glob("*.yaml"))
        if path.stem not in ("utf16", "cr_only")
    }
    around = POD.encode()
    return {
        **{name: b"%s---\n%s\n---\n%s" % (around, content, around) for name, content in hard.items()},
        "CRLF": POD.replace("\n", "\r\n").encode() + b"---\r\na: b\r\n---\r\n",
        "a mark before all": "\ufeff---\na: 'é'\n---\nb: c\n".encode(),
        "directives": b"%YAML 1.1\n---\na: b\n...\n%TAG !e! tag:x,2000:\n---\na: !e!b c\n---\na: b\n",
        "a directive without the end of a document": b"a: b\n%TAG !e! tag:x,2000:\n---\na: !e!b c\n---\nb: c\n",
        "blocks on the line of the marker": b"--- |\n  a\n\n--- >-\n  b\n--- |\n---\nc\n",
        "comments": b"# a\n--- # b\na: b # c\n# d\n---\n# e\n",
        "anchors": b"a: &a b\nc: *a\n---\na: &a c\nd: *a\n",
        "empty documents": b"---\n---\n---\na: b\n---\n",
        "marker in a line separator's line": "a: b\u2028---\nc: d\n---\ne: f\n".encode(),
    }


@each_row("content", texts().values(), ids=list(texts()))
def test_what_is_read_in_pieces_is_what_is_read_at_once(content: bytes) -> None:
    whole, source = read_whole(content), compose(content, "f.yaml")
    assert source.shape == whole.shape
    assert spans(source) == spans(whole)
    assert len(source.documents) == len(whole.documents)
    opened.cache_clear()
    chosen = opened(content, "f.yaml").having(*telling_words())
    assert [at for piece in chosen for at, _ in piece.roots] == sorted(
        {at for piece in chosen for at, _ in piece.roots}
    )
    scalars = set(whole.scalars)
    assert all(scalar in scalars for piece in chosen for scalar in piece.scalars)


REFUSED = {
    "open quote": ("a: b\n---\nc: 'd\n---\ne: f\n", "4: not YAML: found unexpected document indicator"),
    "open bracket": ("a: b\n---\nc: [d,\n---\ne]\n", "4: not YAML: did not find expected node content"),
    "alias of another document": ("a: &d b\n---\nc: *d\n", r"3: not YAML: the alias \*d has no anchor"),
    "tag of another document": (
        "%TAG !e! tag:x,2000:\n---\na: !e!b c\n---\na: !e!b c\n",
        "5: not YAML: found undefined tag handle",
    ),
    "no marker after an end": ("---\na: b\n---\nb: c\n...\nd: e\n", "6: not YAML"),
    "too deep": ("a: b\n---\n\n" + "[" * 300 + "]" * 300 + "\n---\nb: c\n", "4: nested deeper than 200"),
    "a control character": ("a: b\n---\nc: d\n---\n# \x1b\n", "5: not YAML: control characters"),
}


@each_row(("text", "reason"), REFUSED.values(), ids=list(REFUSED))
def test_what_is_no_yaml_in_a_later_document_is_refused_with_its_line(text: str, reason: str) -> None:
    for read in (lambda content: manifest.fields(content, "f.yaml"), read_whole):
        with pytest.raises(NotYaml, match=rf"^f\.yaml:{reason}"):
            read(text.encode())


def test_what_only_an_old_libyaml_refuses_is_read_by_the_other_reader_as_a_whole() -> None:
    content = (POD + "---\nimages: [reg.io/web:1.0]\n---\n" + POD).encode()
    source = compose(content, "f.yaml")
    assert len(source.pieces) == 1
    assert source.shape == read_whole(content).shape
    assert [field.span.line for field in fields_of(content, "web")] == [5, 13]


def test_an_edit_that_only_the_other_reader_accepts_is_proved_over_the_whole_file() -> None:
    content = (POD + "---\nkind: Pod\nspec: {containers: [{image: api}]}\n---\n" + POD).encode()
    (field,) = fields_of(content, "api")
    (edit,) = manifest.plan(content, field, "2.0")
    assert manifest.apply(content, [edit]) == content.replace(b"image: api", b"image: api:2.0")


def test_a_field_of_a_later_document_has_its_route_line_and_bytes() -> None:
    content = "".join([*(f"{OTHER.format(at)}---\n" for at in range(9)), "# ž\n", POD]).encode()
    (field,) = manifest.fields(content, "f.yaml")
    assert field.route == (9, "spec", "containers", 0, "image")
    assert content[field.span.start : field.span.end] == b"web:1.0"
    assert content.splitlines()[field.span.line - 1].endswith(b"web:1.0")


def test_only_the_documents_that_matter_are_kept_and_only_what_changes_is_proved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    content = "---\n".join([POD, *map(OTHER.format, range(2_000)), POD]).encode()
    counts: Counter[str] = Counter()
    events, entry = yamltext._events_of_libyaml, yamltext._entry

    def read(text: str) -> Iterator[Any]:
        counts["characters"] += len(text)
        return events(text)

    def kept(event: object) -> yamltext.Shape:
        counts["events"] += 1
        return entry(event)

    monkeypatch.setattr(yamltext, "_events_of_libyaml", read)
    monkeypatch.setattr(yamltext, "_entry", kept)

    present = manifest.fields(content, "f.yaml")
    edits = [edit for field in present for edit in manifest.plan(content, field, "2.0")]
    after = manifest.apply(content, edits)
    stays = manifest.mentions(content, "f.yaml", "web", present)

    assert after == content.replace(b"web:1.0", b"web:2.0")
    assert not stays
    # The file once, and the first and the last piece of it once more.
    assert counts["characters"] < len(content) + 20_000
    assert counts["events"] < 4_000
    assert len([piece for piece in opened(content, "f.yaml").pieces if piece.nodes]) == 2


def test_a_mac_of_sops_in_one_document_seals_all_of_them() -> None:
    content = f"{POD}---\na: b\n---\nc: ENC[AES256_GCM,x]\nsops:\n  mac: ENC[AES256_GCM,x]\n".encode()
    (field,) = manifest.fields(content, "f.yaml")
    assert "f.yaml:11" in field.unsafe


def test_an_image_is_told_where_a_document_names_it_otherwise() -> None:
    args = 'kind: Job\nargs: ["--image=w\\x65b:1.0"]\n'
    content = f"{POD}---\na: b\n---\n{args}---\nenv: web:0.9\n".encode()
    mentions = manifest.mentions(content, "f.yaml", "web", fields_of(content, "web"))
    assert [mention.line for mention in mentions] == [10, 12]


BOUNDARIES = {
    "the break before a marker": (b"a: |\n  x:1\n", b"x:1\n", b"x:2"),
    "a marker": (b"a: b\n", b"\n---", b"c\n---"),
}


@each_row(("first", "old", "new"), BOUNDARIES.values(), ids=list(BOUNDARIES))
def test_an_edit_that_moves_the_end_of_a_document_is_refused(first: bytes, old: bytes, new: bytes) -> None:
    content = first + b"---\nb: c\n---\nd: e\n"
    start = content.index(old)
    with pytest.raises(FieldUnsafe):
        manifest.apply(content, [Edit("f.yaml", 2, start, start + len(old), old, new)])


def test_every_kind_of_the_table_tells_that_it_may_have_an_image() -> None:
    for entry in custom_resources.ENTRIES:
        for path in entry.paths:
            written = f"apiVersion: {entry.group}/v1 {path}"
            assert any(text in written for text in telling_words()), path
