"""Reading: where values stand, what is no YAML, and what a plain scalar may be taken for."""

from pathlib import Path

import pytest
from editing import rows
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import each_row

from bumper.errors import NotYaml
from bumper.manifest.document import documents
from bumper.manifest.yamltext import Mapping, compose, lookup, reads_otherwise, resolved

DATA = Path(__file__).parents[1] / "data"
READ_BY_RUAMEL = b"\n---\n[a:b]\n"  # libyaml 0.1.7 refuses a colon inside a plain scalar of a flow collection

NOT_YAML = {
    "UTF-16": ("a: b\n".encode("utf-16"), 1, "UTF-16"),
    "UTF-16 without a mark": ("a: b\n".encode("utf-16-le"), 1, "UTF-16"),
    "UTF-32": ("a: b\n".encode("utf-32"), 1, "UTF-16 or UTF-32"),
    "Latin-1": (b"a: b\r\nc: d\r# caf\xe9\n", 3, "byte 0xe9 is not UTF-8"),
    "Latin-1 after a mark": (b"\xef\xbb\xbfa: b\n# caf\xe9\n", 2, "byte 0xe9 is not UTF-8"),
    "template": (
        b"kind: Pod\nspec:\n{{- if .Values.a }}\n  a: b\n{{- end }}\n",
        4,
        "expected ':' after the template in line 3",
    ),
    "template in a value": (b"a: {{ .Values.a }}-b\n", 1, "after the template in line 1"),
    "error far from a template": (b"a: '{{ b }}'\n\nc: d\n  e: f\n", 4, "not allowed in this context$"),
    "control character": (b"a: b\n# \x1b[0m\n", 2, "control characters"),
    "unknown alias": (b"a: b\nc: *d\n", 2, "alias \\*d has no anchor"),
    "alias of another document": (b"a: &d b\n---\nc: *d\n", 3, "alias \\*d has no anchor"),
    "version that no reader knows": (b"%YAML 1.3\n---\na: b\n", 1, "incompatible YAML document"),
    "escape beyond Unicode": (b'a: b\nc: "\\U00110000"\n', 2, "invalid Unicode character escape"),
    "open bracket": (b"a: [b\nc: d\n", 2, "not YAML"),
    "unknown tag": (b"a: b\nb: !k!c d\n", 2, "not YAML"),
    "tab for indentation": (b"a:\n\tb: c\n", 2, "not YAML"),
    # What ruamel's own parser takes for YAML, and go-yaml v2 and v3 do not (tried).
    "line separator in a key": ("a: b\nc\u2028d: e\n".encode(), 2, "could not find expected ':'"),
    "line separator before a value": ("a: \u2028b\nc: d\n".encode(), 2, "could not find expected ':'"),
    "key without a name beside others": (b"a:\n:\n      b: c\n", 2, "did not find expected key"),
    "anchor without a name": (b"a: &: b\n", 1, "alphabetic or numeric character"),
}


@each_row(("content", "line", "reason"), NOT_YAML.values(), ids=NOT_YAML.keys())
def test_what_is_no_yaml_is_refused_with_its_line(content: bytes, line: int, reason: str) -> None:
    with pytest.raises(NotYaml, match=rf"^f\.yaml:{line}: .*{reason}"):
        compose(content, "f.yaml")


@pytest.mark.parametrize(
    "content",
    [
        b"images: [reg.io/web:1.0]\n",
        b"a: {image: reg.io/web:1.0, b: c}\n",
        "a: b\n---\n\ufeffc: d\n".encode(),
    ],
)
def test_what_only_an_old_libyaml_refuses_is_read(content: bytes) -> None:
    assert compose(content, "f.yaml").documents


def hard_files() -> list[Path]:
    # Tabs are what only libyaml reads, the byte order of UTF-16 what no one reads.
    return [
        path
        for path in sorted((DATA / "hard").glob("*.yaml"))
        if path.stem not in ("utf16", "json_pretty_tabs")
    ]


@each_row("path", hard_files(), ids=lambda path: path.stem)
def test_both_readers_find_the_same_in_the_same_places(path: Path) -> None:
    alone = compose(path.read_bytes(), "f.yaml")
    by_ruamel = compose(path.read_bytes() + READ_BY_RUAMEL, "f.yaml")

    assert by_ruamel.shape[: len(alone.shape)] == alone.shape
    assert [alone.inner(scalar) for scalar in alone.scalars if scalar.value] == [
        by_ruamel.inner(scalar) for scalar in by_ruamel.scalars[: len(alone.scalars)] if scalar.value
    ]


@pytest.mark.parametrize("break_", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_places_are_bytes_and_lines_are_those_of_an_editor(break_: str, mark: str) -> None:
    # NEL and LS are line breaks for a reader of YAML 1.1, and none for an editor.
    text = break_.join(["# 🚀 \u0085", "# \u2028", "ž: 'ťé' # č", "b: c", ""])
    content = f"{mark}{text}".encode()
    source = compose(content, "f.yaml")

    spans = [source.span(*inner) for scalar in source.scalars if (inner := source.inner(scalar))]

    assert [content[span.start : span.end].decode() for span in spans] == ["ž", "ťé", "b", "c"]
    assert [span.line for span in spans] == [3, 3, 4, 4]


def test_places_far_into_a_file() -> None:
    content = ("ž: " + "é" * 5000 + "\n").encode() * 3
    source = compose(content, "f.yaml")
    spans = [source.span(scalar.start, scalar.end) for scalar in source.scalars]
    assert [content[span.start : span.end].decode() for span in spans] == ["ž", "é" * 5000] * 3
    assert [span.line for span in spans] == [1, 1, 2, 2, 3, 3]


@each_row("row", rows(DATA / "plain_scalars.tsv"), ids=lambda row: row["plain"])
def test_what_plain_scalars_are_taken_for(row: dict[str, str]) -> None:
    assert reads_otherwise(row["plain"]) is (row["reads_as"] == "other"), row["why"]


numberish = st.text("0123456789_.-xXoObeEpPyYnNtfi", min_size=1, max_size=12)
boolish = st.sampled_from(["yes", "no", "on", "off", "true", "false", "null", "y", "n"]).flatmap(
    lambda word: st.sampled_from([word, word.upper(), word.title(), word.swapcase()])
)


@settings(derandomize=True)
@given(numberish | boolish | st.from_regex(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}", fullmatch=True))
def test_a_scalar_that_reads_as_text_does_so_for_yaml_1_1_as_pyyaml_has_it(plain: str) -> None:
    yaml = pytest.importorskip(
        "yaml", reason="PyYAML, which comes with kubernetes-validate, is the second reader"
    )
    tag = yaml.SafeLoader("").resolve(yaml.ScalarNode, plain, (True, False))
    assert reads_otherwise(plain) or tag == "tag:yaml.org,2002:str"


@settings(derandomize=True)
@given(numberish | boolish)
def test_a_scalar_that_reads_as_text_does_so_for_yaml_1_2_as_ruamel_has_it(plain: str) -> None:
    from ruamel.yaml import YAML
    from ruamel.yaml.nodes import ScalarNode

    tag = YAML(typ="safe", pure=True).resolver.resolve(ScalarNode, plain, (True, False))
    assert reads_otherwise(plain) or str(tag) == "tag:yaml.org,2002:str"


def test_a_key_is_looked_up_in_linear_time_however_the_merge_keys_fan_out() -> None:
    lines = ["x0: &x0 {a: b}", *(f"x{at}: &x{at} {{<<: [*x{at - 1}, *x{at - 1}]}}" for at in range(1, 40))]
    (root,) = compose("\n".join(lines).encode(), "x.yaml").documents
    assert isinstance(root, Mapping)
    last = resolved(root.items[-1])
    assert isinstance(last, Mapping)
    assert lookup(last, "missing") == []
    assert [hit.scalar.value for hit in lookup(last, "a")] == ["b"]


@pytest.mark.parametrize("inner", ["{{p: *x{0}, q: *x{0}}}", "[*x{0}, *x{0}]", "{{<<: [*x{0}, *x{0}]}}"])
def test_aliases_that_make_a_million_values_of_a_file_are_refused_at_once(inner: str) -> None:
    lines = ["x0: &x0 {a: b}", *(f"x{at}: &x{at} {inner.format(at - 1)}" for at in range(1, 40))]
    content = "\n".join(lines).encode()
    with pytest.raises(NotYaml, match=r"^a\.yaml:\d+: its aliases make more than 50,000 values of it"):
        documents(content, "a.yaml")
    assert documents("\n".join(lines[:10]).encode(), "a.yaml")


def test_an_anchor_that_holds_itself_is_counted_once() -> None:
    assert compose(b"x: &x {a: *x}\n", "a.yaml").values == 4
