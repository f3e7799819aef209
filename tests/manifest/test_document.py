"""Objects of a file as plain values, with the line of each value."""

import pytest

from bumper.errors import NotYaml
from bumper.manifest.document import documents, is_true
from bumper.objects import ObjectKey

TWO = b"""\
# first
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
---
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 007
  paused: true
  none: ~
  list:
    - a
    - b: "yes"
"""


def test_every_object_with_its_key_and_its_lines() -> None:
    service, deployment = documents(TWO, "two.yaml")
    assert service.key == ObjectKey("Service", "shop", "web")
    assert deployment.key == ObjectKey("Deployment", "", "web")
    assert (service.group, deployment.group) == ("", "apps")
    assert (service.line(), deployment.line()) == (2, 7)
    assert deployment.line("spec", "list", 1, "b") == 17
    assert deployment.line("spec", "list", 5) == 16, "the nearest that is there"


def test_scalars_keep_the_text_that_is_written() -> None:
    spec = documents(TWO, "two.yaml")[1].value["spec"]
    assert spec == {"replicas": "007", "paused": "true", "none": "", "list": ["a", {"b": "yes"}]}


def test_the_items_of_a_list_are_objects_of_their_own() -> None:
    members = documents(b"kind: List\nitems:\n- kind: A\n- kind: B\n- just text\n", "list.yaml")
    assert [(member.key.kind, member.line()) for member in members] == [("A", 3), ("B", 4)]


def test_merge_keys_aliases_and_repeated_keys() -> None:
    content = b"base: &b {a: 1, c: 1}\nmore: &m {a: 2, d: 2}\nx: {<<: [*b, *m], c: 3}\ny: *b\nz: 1\nz: 2\n"
    (document,) = documents(content, "merge.yaml")
    assert document.value["x"] == {"a": "1", "d": "2", "c": "3"}
    assert document.value["y"] == {"a": "1", "c": "1"}
    assert document.value["z"] == "2"


def test_an_alias_inside_its_own_anchor_ends() -> None:
    (document,) = documents(b"a: &a\n  self: *a\n  b: 1\n", "loop.yaml")
    assert document.value == {"a": {"self": "", "b": "1"}}


def test_what_is_no_yaml_is_refused_with_its_line() -> None:
    with pytest.raises(NotYaml, match=r"^bad\.yaml:3: not YAML"):
        documents(b"a: 1\nb: [\n", "bad.yaml")


@pytest.mark.parametrize(
    ("text", "expected"), [("true", True), ("Yes", True), ("false", False), ("", False), (None, False)]
)
def test_what_kubernetes_reads_as_true(text: str | None, *, expected: bool) -> None:
    assert is_true(text) is expected
