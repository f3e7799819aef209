"""SECURITY.md promises nothing that no test holds."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def named(path: Path) -> set[str]:
    """The tests of a file, those of a class as `Class::test`."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            names |= {
                f"{node.name}::{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)
            }
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
    return names


def test_every_test_that_the_page_names_is_there() -> None:
    tests = re.findall(r"`(tests/[\w/]+\.py)::([\w:]+)`", PAGE)
    assert len(tests) > 30
    missing = [f"{path}::{name}" for path, name in tests if name not in named(ROOT / path)]
    assert missing == []


def test_every_promise_names_its_test() -> None:
    tables = re.findall(r"\| promise \| test \|\n\|[-|]+\n((?:\|.*\n)+)", PAGE)
    assert len(tables) >= 5
    rows = [row for table in tables for row in table.splitlines()]
    assert [row for row in rows if "`tests/" not in row] == []


def test_the_readme_leads_to_it() -> None:
    assert "(SECURITY.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
