"""Lines that are added and taken away: where they go, in which hand, what is refused. Each way back gives the bytes from before."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import each_row

from bumper.errors import FieldMissing, FieldUnsafe, NotYaml, Refused
from bumper.manifest import yamltext
from bumper.manifest.document import documents, plain
from bumper.manifest.insertion import Route, Value, insert_item, remove, set_entry
from bumper.manifest.yamltext import Collection, compose

LIST = (0, "resources")
NOTES = (0, "metadata", "annotations")
HARD = Path(__file__).parents[1] / "data" / "hard"
CORPUS = os.environ.get("BUMP_CORPUS", "")


def added(content: str, route: Route = LIST, value: Value = "n.yaml") -> str:
    return insert_item(content.encode(), "f.yaml", route, value).decode()


def noted(content: str, value: str = "why not", route: Route = NOTES, key: str = "bump/hold") -> str:
    return set_entry(content.encode(), "f.yaml", route, key, value).decode()


def taken(content: str, *route: str | int) -> str:
    return remove(content.encode(), "f.yaml", (0, *route)).decode()


# Before and after one more entry of `resources`; that the way back gives the first from the second is the noop sibling of each.
ITEMS = {
    "a block list": ("resources:\n  - a.yaml\n", "resources:\n  - a.yaml\n  - n.yaml\n"),
    "one without indentation": (
        "resources:\n- a.yaml\nimages: []\n",
        "resources:\n- a.yaml\n- n.yaml\nimages: []\n",
    ),
    "one with wide dashes": ("resources:\n-   a.yaml\n", "resources:\n-   a.yaml\n-   n.yaml\n"),
    "one indented by many columns": (
        "resources:\n        - a.yaml\n",
        "resources:\n        - a.yaml\n        - n.yaml\n",
    ),
    "one in single quotes": (
        "resources:\n- 'a.yaml'\n- 'b'\n",
        "resources:\n- 'a.yaml'\n- 'b'\n- 'n.yaml'\n",
    ),
    "one in double quotes": ('resources:\n- "a.yaml"\n', 'resources:\n- "a.yaml"\n- "n.yaml"\n'),
    "one where only some are quoted": (
        "resources:\n- 'a'\n- b\n",
        "resources:\n- 'a'\n- b\n- n.yaml\n",
    ),
    "no final break": ("resources:\n- a.yaml", "resources:\n- a.yaml\n- n.yaml"),
    "CRLF": ("resources:\r\n- a.yaml\r\nx: y\r\n", "resources:\r\n- a.yaml\r\n- n.yaml\r\nx: y\r\n"),
    "CRLF and no final break": ("resources:\r\n- a.yaml", "resources:\r\n- a.yaml\r\n- n.yaml"),
    "CR": ("resources:\r- a.yaml\r", "resources:\r- a.yaml\r- n.yaml\r"),
    "a byte order mark": ("\ufeffresources:\n- a.yaml\n", "\ufeffresources:\n- a.yaml\n- n.yaml\n"),
    "spaces and tabs at the end of lines": (
        "resources: \t\n- a.yaml \t \nx: y  \n",
        "resources: \t\n- a.yaml \t \n- n.yaml\nx: y  \n",
    ),
    "comments beside, deeper and at the dash": (
        "resources:\n  - a.yaml # why\n    # more on a\n  # - b.yaml\n\n# end\nx: y\n",
        "resources:\n  - a.yaml # why\n    # more on a\n  - n.yaml\n  # - b.yaml\n\n# end\nx: y\n",
    ),
    "an empty line behind": ("resources:\n- a\n\nx: y\n", "resources:\n- a\n- n.yaml\n\nx: y\n"),
    "an entry that is a mapping": (
        "resources:\n- name: a\n  b:\n    c: d\nx: y\n",
        "resources:\n- name: a\n  b:\n    c: d\n- n.yaml\nx: y\n",
    ),
    "an entry that is a block scalar": (
        "resources:\n- |\n  a\n  b\n\nx: y\n",
        "resources:\n- |\n  a\n  b\n- n.yaml\n\nx: y\n",
    ),
    "an entry that is empty": ("resources:\n-\n", "resources:\n-\n- n.yaml\n"),
    "an entry on the line below its dash": ("resources:\n-\n  a: b\n", "resources:\n-\n  a: b\n- n.yaml\n"),
    "an anchor that nobody uses": (
        "resources: &all\n- &a a.yaml\n",
        "resources: &all\n- &a a.yaml\n- n.yaml\n",
    ),
    "a flow list": ("resources: [a, b] # c\n", "resources: [a, b, n.yaml] # c\n"),
    "a flow list without spaces": ("resources: [a,b]", "resources: [a,b,n.yaml]"),
    "a flow list with a last comma": ("resources: [ a, b, ]\n", "resources: [ a, b, n.yaml, ]\n"),
    "a flow list in quotes": ('{"resources": ["a"]}', '{"resources": ["a", "n.yaml"]}'),
    "a flow list of several lines": (
        "resources: [\n  a,\n  b # c\n]\n",
        "resources: [\n  a,\n  b, # c\n  n.yaml\n]\n",
    ),
    "one with a last comma": (
        "resources: [\n  a,\n  b, # c\n]\n",
        "resources: [\n  a,\n  b, # c\n  n.yaml,\n]\n",
    ),
    "one that ends in its last line": (
        "resources: [\n  a,\r\n  b]\n",
        "resources: [\n  a,\r\n  b,\n  n.yaml]\n",
    ),
    "JSON": (
        '{\n  "resources": [\n    "a"\n  ],\n  "replicas": 2\n}\n',
        '{\n  "resources": [\n    "a",\n    "n.yaml"\n  ],\n  "replicas": 2\n}\n',
    ),
    "an empty list": ("resources: []\n", "resources: [n.yaml]\n"),
    "an empty list with spaces": ("resources: [ ] # none\n", "resources: [n.yaml ] # none\n"),
    "no list": ("kind: K\n", "kind: K\nresources:\n- n.yaml\n"),
    "no list, and others are indented": (
        "images:\n  - name: a\n",
        "images:\n  - name: a\nresources:\n  - n.yaml\n",
    ),
    "no list in a flow mapping": ("{kind: K}\n", "{kind: K, resources: [n.yaml]}\n"),
}


@each_row(("before", "after"), ITEMS.values(), ids=ITEMS.keys())
def test_an_entry_is_added_in_the_hand_of_the_list(before: str, after: str) -> None:
    assert added(before) == after


@each_row(("before", "after"), ITEMS.values(), ids=ITEMS.keys())
def test_taking_the_entry_away_gives_the_bytes_from_before(before: str, after: str) -> None:
    entries = plain(compose(after.encode(), "f.yaml").documents[0])["resources"]
    assert entries[-1] == "n.yaml"
    assert taken(after, "resources", len(entries) - 1) == before


# Before and after metadata.annotations has "bump/hold": "why not".
ENTRIES = {
    "beside others": (
        "metadata:\n  annotations:\n    a: b # c\n    # end\nspec: {}\n",
        "metadata:\n  annotations:\n    a: b # c\n    bump/hold: why not\n    # end\nspec: {}\n",
    ),
    "no annotations": (
        "metadata:\n  name: a\nspec: {}\n",
        "metadata:\n  name: a\n  annotations:\n    bump/hold: why not\nspec: {}\n",
    ),
    "wide steps": (
        "metadata:\n    name: a\n",
        "metadata:\n    name: a\n    annotations:\n        bump/hold: why not\n",
    ),
    "the steps of a neighbour": (
        "metadata:\n    labels:\n     a: b\n",
        "metadata:\n    labels:\n     a: b\n    annotations:\n     bump/hold: why not\n",
    ),
    "no metadata": ("spec: {}\n", "spec: {}\nmetadata:\n  annotations:\n    bump/hold: why not\n"),
    "metadata on one line": (
        "metadata: {name: a}\n",
        "metadata: {name: a, annotations: {bump/hold: why not}}\n",
    ),
    "annotations on one line": (
        "metadata:\n  annotations: {a: b}\n",
        "metadata:\n  annotations: {a: b, bump/hold: why not}\n",
    ),
    "empty annotations": (
        "metadata:\n  annotations: {}\n",
        "metadata:\n  annotations: {bump/hold: why not}\n",
    ),
    "quoted neighbours": (
        'metadata:\n  annotations:\n    "a": "b"\n',
        'metadata:\n  annotations:\n    "a": "b"\n    "bump/hold": "why not"\n',
    ),
    "JSON": (
        '{\n  "metadata": {\n    "name": "a"\n  }\n}\n',
        '{\n  "metadata": {\n    "name": "a",\n    "annotations": {"bump/hold": "why not"}\n  }\n}\n',
    ),
    "a folded text above": (
        "metadata:\n  name: a\n  annotations:\n    a: >-\n      b\n      c\n\nspec: {}\n",
        "metadata:\n  name: a\n  annotations:\n    a: >-\n      b\n      c\n    bump/hold: why not\n\nspec: {}\n",
    ),
    "no final break and CRLF": (
        "metadata:\r\n  name: a",
        "metadata:\r\n  name: a\r\n  annotations:\r\n    bump/hold: why not",
    ),
    "the end of a document": (
        "metadata:\n  name: a\n---\nb: c\n",
        "metadata:\n  name: a\n  annotations:\n    bump/hold: why not\n---\nb: c\n",
    ),
}


@each_row(("before", "after"), ENTRIES.values(), ids=ENTRIES.keys())
def test_a_key_is_added_in_the_hand_of_its_neighbours(before: str, after: str) -> None:
    assert noted(before) == after


@each_row(("before", "after"), ENTRIES.values(), ids=ENTRIES.keys())
def test_a_key_that_holds_the_text_already_is_left(before: str, after: str) -> None:
    assert noted(after) == after


@each_row(("before", "after"), ENTRIES.values(), ids=ENTRIES.keys())
def test_taking_the_key_away_gives_the_bytes_from_before(before: str, after: str) -> None:
    assert taken(after, "metadata", "annotations", "bump/hold") == before


REPLACED = {
    "plain": ("a: b # c\n", "a: why not # c\n"),
    "in single quotes": ("a: 'b' # c\n", "a: 'why not' # c\n"),
    "in double quotes": ('a: "b\\n" # c\n', 'a: "why not" # c\n'),
    "over several lines": ("a: b\n  c\nd: e\n", "a: why not\nd: e\n"),
    "nothing": ("a: # c\nd: e\n", "a: why not # c\nd: e\n"),
    "nothing at the end": ("a:", "a: why not"),
    "null": ("a: null\n", "a: why not\n"),
    "with a tag and an anchor": ("a: !!str &x b\n", "a: !!str &x why not\n"),
    "in braces": ("{a: b, c: d}\n", "{a: why not, c: d}\n"),
}


@each_row(("before", "after"), REPLACED.values(), ids=REPLACED.keys())
def test_a_value_is_replaced_in_its_place(before: str, after: str) -> None:
    assert noted(before, route=(0,), key="a") == after
    assert noted(after, route=(0,), key="a") == after


def test_a_list_under_a_key_that_holds_nothing() -> None:
    after = added("resources: # none yet\nx: y\n")
    assert after == "resources: # none yet\n- n.yaml\nx: y\n"
    # The one way back that is not the way: that the key stood there empty is known no more.
    assert taken(after, "resources", 0) == "x: y\n"


def test_the_document_and_the_item_of_a_list_are_chosen_by_the_route() -> None:
    content = "a: b\n---\nkind: List\nitems:\n- kind: K\n  metadata:\n    name: x\n- kind: K\n  metadata: {name: y}\n"
    routes = {document.key.name: document.route for document in documents(content.encode(), "f.yaml")}
    assert routes["y"] == (1, "items", 1)
    after = noted(content, route=(*routes["x"], "metadata", "annotations"))
    assert after == content.replace("name: x\n", "name: x\n    annotations:\n      bump/hold: why not\n")
    after = noted(content, route=(*routes["y"], "metadata", "annotations"))
    assert after == content.replace("{name: y}", "{name: y, annotations: {bump/hold: why not}}")


def test_an_entry_may_hold_more_than_a_text() -> None:
    entry: Value = {"name": "on", "paths": ["a", "1"], "labels": {"b": "c: d"}, "none": []}
    after = added("resources:\n  - name: a\n    paths:\n      - b\n", value=entry)
    assert after == (
        "resources:\n  - name: a\n    paths:\n      - b\n"
        '  - name: "on"\n    paths:\n      - a\n      - "1"\n    labels:\n      b: "c: d"\n    none: []\n'
    ).replace("    paths:\n      - a", "    paths:\n      - a")
    assert plain(compose(after.encode(), "f.yaml").documents[0])["resources"][1] == entry
    assert added("resources: [{a: b}]\n", value=entry) == (
        'resources: [{a: b}, {name: "on", paths: [a, "1"], labels: {b: "c: d"}, "none": []}]\n'
    ).replace('"none"', "none")


TAKEN: dict[str, tuple[str, Route, str]] = {
    "the first of a list": ("a:\n- b # c\n  # d\n# e\n- f\n", ("a", 0), "a:\n# e\n- f\n"),
    "one in the middle": ("a:\n- b\n- c:\n    d: e\n- f\n", ("a", 1), "a:\n- b\n- f\n"),
    "the first line of the file": ("a: b\nc: d\n", ("a",), "c: d\n"),
    "a key with all below it": ("a:\n  b:\n    c: |\n      d\n\ne: f\n", ("a",), "\ne: f\n"),
    "the first in brackets": ("a: [b, c]\n", ("a", 0), "a: [c]\n"),
    "one in the middle of brackets": ("a: [b, c,  d]\n", ("a", 1), "a: [b, d]\n"),
    "the last in brackets": ("a: [b, c ]\n", ("a", 1), "a: [b ]\n"),
    "a line of several in brackets": ("a: [\n  b, # B\n  c\n]\n", ("a", 0), "a: [\n  c\n]\n"),
    "the last line of them": ("a: [\n  b, # B\n  c # C\n]\n", ("a", 1), "a: [\n  b # B\n]\n"),
    "a key in braces": ("a: {b: c, d: e}\n", ("a", "b"), "a: {d: e}\n"),
    "the only one in brackets": ("a: [b]\nc: d\n", ("a", 0), "a: []\nc: d\n"),
    "the only one of a block goes with its key": ("a:\n- b\nc: d\n", ("a", 0), "c: d\n"),
    "and with the key above": ("a:\n  b:\n  - c\nd: e\n", ("a", "b", 0), "d: e\n"),
}


@each_row(("before", "route", "after"), TAKEN.values(), ids=TAKEN.keys())
def test_what_is_taken_away(before: str, route: Route, after: str) -> None:
    assert taken(before, *route) == after


# What is refused, with the line that the message names.
REFUSED: dict[str, tuple[str, Route, int]] = {
    "an alias": ("a: &a [b]\nresources: *a\n", LIST, 2),
    "a list that an alias repeats": ("resources: &a\n- b\nc: *a\n", LIST, 1),
    "a mapping above that an alias repeats": ("a: &a\n  b:\n  - c\nd: *a\n", (0, "a", "b"), 1),
    "a merge key": ("a: &a {b: c}\nd:\n  <<: *a\n", (0, "d", "resources"), 3),
    "a key that stands twice": ("resources:\n- a\nresources:\n- b\n", LIST, 4),
    "a text": ("resources: a\n", LIST, 1),
    "a mapping": ("resources:\n  a: b\n", LIST, 2),
    "a mapping in braces": ("resources: {a: b}\n", LIST, 1),
    "null in words": ("resources: null\n", LIST, 1),
    "a text on the way": ("a: b\n", (0, "a", "resources"), 1),
    "a block scalar that keeps its breaks": ("resources:\n- |+\n  a\n\nb: c\n", LIST, 2),
    "a block scalar at the end without a break": ("resources:\n- |\n  a", LIST, 2),
    "a document of nothing": ("a: b\n---\n", (1, "resources"), 3),
}


@each_row(("content", "route", "line"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_added_to_is_refused_with_its_line(content: str, route: Route, line: int) -> None:
    with pytest.raises(FieldUnsafe, match=rf"^f\.yaml:{line}: ") as refusal:
        added(content, route)
    assert refusal.value.hint


@each_row(
    ("content", "route", "line"),
    [
        ("a:\n- b: c\n  d: e\n", ("a", 0, "b"), 2),
        ("- - a\n", (0, 0), 1),
        ("a: b\n", ("a",), 1),
        ("a: b\n", (), 1),
        ("a:\n- b: c\n- d\n", ("a", 0, "b"), 2),
        ("a: &x [b]\nc: *x\n", ("a", 0), 1),
        ("? a\n: b\nc: d\n", ("a",), 1),
        ("a: &x b\nc: *x\n", ("a",), 1),
    ],
)
def test_what_cannot_be_taken_away_is_refused_with_its_line(content: str, route: Route, line: int) -> None:
    with pytest.raises(FieldUnsafe, match=rf"^f\.yaml:{line}: "):
        taken(content, *route)


@pytest.mark.parametrize("route", [("b",), ("a", 1), ("a", 0, "x"), ("c", "d")])
def test_what_is_not_there_cannot_be_taken_away(route: Route) -> None:
    with pytest.raises(Refused, match=r"^f\.yaml:\d: "):
        taken("a:\n- x: y\n  z: 1\nb2: c\nc: {}\n", *route[:-1], *route[-1:], "nothing")


def test_a_document_that_is_not_there_is_missing() -> None:
    with pytest.raises(FieldMissing, match=r"^f\.yaml: "):
        added("a: b\n", (3, "resources"))


@each_row(
    "content",
    ["a: |\n  b\n", "a: [b]\n", "a: {b: c}\n", "a: !!int 1\n", "a: &x b\nc: *x\n", "b: &x 1\na: *x\n"],
)
def test_what_is_no_text_of_its_own_is_not_replaced(content: str) -> None:
    with pytest.raises(FieldUnsafe, match=r"^f\.yaml:\d: "):
        noted(content, route=(0,), key="a")


# Texts that are written plain, and those that are not.
PLAIN = [
    "n.yaml",
    "../base",
    "-x",
    "a#b",
    "a:b",
    "it's",
    "2026-12-01x",
    "é 🚀",
    "https://example.org/a",
    "a, b [c] {d}",
]
QUOTED = [
    "",
    " a",
    "a ",
    "a: b",
    "a:",
    "a #b",
    "#a",
    "*a",
    "&a",
    "!a",
    "- a",
    "-",
    "---",
    "? a",
    "'a'",
    '"a"',
    "[a",
    "{a",
    "%a",
    "@a",
    "`a`",
    "|",
    ">",
    "a\nb",
    "a\tb",
    "\x00",
    "\x85",
    "\ufeff",
    "\u2028",
    "yes",
    "null",
    "~",
    "1.0",
    "0123",
    "12e4567",
    "1:30",
    "2026-12-01",
    "2026-12-01T08:00:00Z",
    "=",
    "<<",
    "a\\b\n",
]


@each_row("value", PLAIN)
def test_a_text_that_every_reader_takes_for_one_is_written_plain(value: str) -> None:
    assert added("resources:\n- a\n", value=value) == f"resources:\n- a\n- {value}\n"


@each_row("value", QUOTED)
def test_any_other_text_is_quoted(value: str) -> None:
    line = added("resources:\n- a\n", value=value).split("\n")[2]
    assert line.startswith('- "')
    assert added("resources: [a]\n", value=value).startswith('resources: [a, "')


@each_row("value", ["a:b", "a,b", "[a]", "a]", "?a", "-a"])
def test_inside_of_brackets_more_is_quoted(value: str) -> None:
    assert added("resources: [a]\n", value=value) == f'resources: [a, "{value}"]\n'


def test_a_text_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(FieldUnsafe, match=r"^f\.yaml:2: "):
        added("resources:\n- a\n", value="\ud800")


TEXTS = st.text(max_size=12) | st.sampled_from(PLAIN + QUOTED)
KEYS = st.from_regex(r"[a-z/.-]{1,8}", fullmatch=True) | st.sampled_from(QUOTED)
VALUES: st.SearchStrategy[Any] = st.recursive(
    TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
)
LAYOUTS = st.sampled_from(sorted({before for before, _ in (*ITEMS.values(), *ENTRIES.values())}))


def second_reader(content: bytes) -> Any:
    """The documents as PyYAML reads them, with all that it takes for something other than text."""
    yaml: Any = pytest.importorskip(
        "yaml", reason="PyYAML, which comes with kubernetes-validate, is the second reader"
    )
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return list(yaml.load_all(content.decode("utf-8-sig"), Loader=loader))


@settings(derandomize=True, max_examples=examples(400))
@given(LAYOUTS, VALUES)
def test_the_law_of_a_new_entry(before: str, value: Any) -> None:
    content = before.encode()
    after = insert_item(content, "f.yaml", LIST, value)

    old, new = second_reader(content), second_reader(after)
    entries = new[0]["resources"]
    assert entries[-1] == value
    if len(entries) == 1 and not (old[0] or {}).get("resources"):
        assert {**old[0], "resources": [value]} == new[0]
    else:
        assert old[0]["resources"] == entries[:-1]
    assert old[1:] == new[1:]
    assert is_subsequence(content, after)
    assert remove(after, "f.yaml", (*LIST, len(entries) - 1)) == content


@settings(derandomize=True, max_examples=examples(300))
@given(LAYOUTS, TEXTS, KEYS)
def test_the_law_of_a_new_key(before: str, value: str, key: str) -> None:
    content = before.encode()
    old = second_reader(content)
    if ((old[0].get("metadata") or {}).get("annotations") or {}).get(key) is not None:
        return
    after = set_entry(content, "f.yaml", NOTES, key, value)

    new = second_reader(after)
    assert new[0]["metadata"]["annotations"][key] == value
    assert is_subsequence(content, after)
    assert set_entry(after, "f.yaml", NOTES, key, value) == after
    assert remove(after, "f.yaml", (*NOTES, key)) == content


def is_subsequence(old: bytes, new: bytes) -> bool:
    """Whether every byte was kept, in order."""
    rest = iter(new)
    return all(byte in rest for byte in old)


def files() -> list[Path]:
    paths = [path for path in HARD.glob("*") if path.is_file() and path.suffix != ".tsv"]
    if CORPUS:
        paths += [
            path
            for folder in ("hard", "real")
            for path in (Path(CORPUS) / folder).glob("*")
            if path.is_file() and path.suffix != ".tsv"
        ]
    return sorted(paths)


def collections(content: bytes, path: str) -> Iterator[tuple[Route, Collection]]:
    """Lists and mappings of a file, with their routes, at most 30: each is one more example."""
    below: list[tuple[Route, yamltext.Node]] = [
        ((at,), root) for at, root in enumerate(compose(content, path).documents)
    ]
    for _ in range(examples(30)):
        while below and not isinstance(below[0][1], Collection):
            below.pop(0)
        if not below:
            return
        route, node = below.pop(0)
        assert isinstance(node, Collection)
        yield route, node
        if isinstance(node, yamltext.Mapping):
            below += [((*route, yamltext.name_of(key)), value) for key, value in node.pairs]
        else:
            below += [((*route, at), item) for at, item in enumerate(node.items)]


@each_row("file", files(), ids=lambda file: f"{file.parent.name}/{file.name}")
def test_every_list_and_mapping_of_a_real_file_is_restored_or_refused(file: Path) -> None:
    content = file.read_bytes()
    try:
        nodes = list(collections(content, file.name))
    except NotYaml:
        with pytest.raises(NotYaml):
            insert_item(content, file.name, LIST, "n.yaml")
        return
    refused = []
    for route, node in nodes:
        is_list = isinstance(node, yamltext.Sequence)
        try:
            if is_list:
                after = insert_item(content, file.name, route, "n.yaml")
            else:
                after = set_entry(content, file.name, route, "bump/hold", "why: not")
        except Refused as refusal:
            refused.append(refusal.message)
            continue
        assert is_subsequence(content, after)
        assert len(after) > len(content)
        back = remove(after, file.name, (*route, len(node.items) if is_list else "bump/hold"))
        # Whether `{}` stood in braces, or nothing at all, is not known any more.
        assert back == content or not node.items
    assert all(re.match(rf"{re.escape(file.name)}:\d+: ", message) for message in refused)
