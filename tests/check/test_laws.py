"""What holds for every tree: nothing is raised, every place exists, and an id silences its findings and no others."""

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from checks import LIST, added, checked, platform
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import flux, sync

from bumper.check import RULES, Checked
from bumper.manifest import document, yamltext

CORPUS = os.environ.get("BUMP_CORPUS", "")
JUNK = [
    "",
    "  ",
    "- x",
    "a: 1",
    "spec:",
    "metadata: []",
    "kind: Service",
    "name: [",
    "${A}",
    "---",
    "items: {}",
    "  - name: web",
]


def held(files: Mapping[str, bytes], ran: Checked) -> None:
    """Each finding stands at a line of a file that is there."""
    for finding in ran.findings:
        assert finding.path in files, finding
        lines = files[finding.path].count(b"\n") + files[finding.path].count(b"\r") + 1
        assert 1 <= finding.line <= lines, finding
        assert finding.id in RULES
    assert list(ran.findings) == sorted(set(ran.findings))


@settings(max_examples=examples(80))
@given(st.data())
@pytest.mark.slow
def test_a_line_that_is_lost_or_replaced_never_ends_a_run(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(platform())))
    lines = platform()[path].decode().split("\n")
    at = data.draw(st.integers(0, len(lines) - 1))
    new = data.draw(st.none() | st.sampled_from(JUNK))
    changed = [*lines[:at], *([] if new is None else [new]), *lines[at + 1 :]]
    files = {**platform(), path: "\n".join(changed).encode()}
    ran = checked(files)
    held(files, ran)
    for identity in {finding.id for finding in ran.findings}:
        left = checked(files, identity).findings
        assert list(left) == [finding for finding in ran.findings if finding.id != identity]


@settings(max_examples=examples(30))
@given(st.sets(st.sampled_from(sorted(platform())), max_size=6))
def test_files_that_are_missing_never_end_a_run(lost: set[str]) -> None:
    files = {path: content for path, content in platform().items() if path not in lost}
    held(files, checked(files))


def test_a_kustomization_that_contains_itself_ends() -> None:
    files = added({LIST: platform()[LIST].decode() + "  - ../flux-system\n"})
    assert "missing-resource" in {finding.id for finding in checked(files).findings}


def test_each_file_is_made_nodes_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many files there are: the small cache of `opened` does not hold them."""
    document.forget()
    yamltext.opened.cache_clear()
    composed = Counter[tuple[str, int]]()
    made = yamltext._composed

    def counted(source: yamltext.Text, piece: yamltext.Piece, *rest: Any) -> Any:
        composed[source.path, piece.start] += 1
        return made(source, piece, *rest)

    monkeypatch.setattr(yamltext, "_composed", counted)
    ran = checked(platform())
    assert len({path for path, _ in composed}) >= ran.files
    assert composed.most_common(1)[0][1] == 1


@pytest.mark.skipif(not CORPUS, reason="BUMP_CORPUS names no corpus")
@pytest.mark.parametrize("folder", ["real", "hard"])
def test_whatever_others_write_is_read(folder: str) -> None:
    paths = sorted((Path(CORPUS) / folder).glob("*.y*ml"))
    assert paths
    files = {f"apps/{number}/{path.name}": path.read_bytes() for number, path in enumerate(paths)}
    files["clusters/one/gotk-sync.yaml"] = sync("./clusters/one").encode()
    files["clusters/one/apps.yaml"] = flux("apps", "./apps").encode()
    ran = checked(files)
    assert ran.files > len(paths)
    held(files, ran)
