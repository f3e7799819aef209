"""Files that no person writes: an error with file and line, in time that grows with the file alone."""

import time

import pytest

from bumper.errors import NotYaml
from bumper.image import ImageReference
from bumper.manifest.document import documents
from bumper.manifest.yamltext import MAX_DEPTH, compose


@pytest.mark.parametrize("escape", [r"\UFFFFFFFF", r"\U7FFFFFFF", r"\U00110000", r"\UDDDDDDDD"])
def test_an_escape_that_is_no_character_is_refused(escape: str) -> None:
    with pytest.raises(NotYaml, match=r"^x\.yaml:2: not YAML: "):
        compose(f'a: 1\nb: "{escape}"\n'.encode(), "x.yaml")


@pytest.mark.parametrize(
    "content",
    [
        "[" * 990 + "]" * 990,
        "[" * 50_000,
        "{a: " * 990 + "1" + "}" * 990,
        "".join(" " * level + "a:\n" for level in range(990)),
        "- " * 990 + "a",
    ],
    ids=["flow", "unclosed", "mappings", "block", "dashes"],
)
def test_a_file_that_is_nested_too_deeply_is_refused(content: str) -> None:
    with pytest.raises(NotYaml, match=r"^x\.yaml:\d+: nested deeper than 200 levels, expected a manifest"):
        documents(content.encode(), "x.yaml")


def test_what_is_nested_as_deeply_as_allowed_is_read() -> None:
    depth = MAX_DEPTH - 1
    (document,) = documents(("{a: " * depth + "1" + "}" * depth).encode(), "x.yaml")
    value = document.value
    for _ in range(depth - 1):
        value = value["a"]
    assert value == {"a": "1"}


@pytest.mark.parametrize(
    "piece", ["{{", "${", "$(", ":{{", ":${", "@{{", "}}{{", "{{}}", "$a", ":a", "@a", "@a:a", "a:", "/"]
)
def test_an_image_is_taken_apart_in_linear_time(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    began = time.process_time()
    image = ImageReference.split(text)
    assert image.tag_is_variable in (True, False)
    # A hundred times what it takes; the quadratic pattern took a quarter of an hour.
    assert time.process_time() - began < 5
    assert str(image) == text


def test_a_substitution_without_an_end_goes_on_to_the_end() -> None:
    image = ImageReference.split("web:{{ .Values.tag")
    assert (image.repository, image.tag) == ("web", "{{ .Values.tag")
    assert image.tag_is_variable
