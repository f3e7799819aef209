"""The page of what was measured keeps what the other command, or an earlier run, wrote."""

from pathlib import Path

from . import page
from .deploys import DEPLOYS
from .program import Ended
from .verdicts import HEADING, Measured, patience_s, write


def measured(name: str, after_s: float, reason: str = "Ready") -> Measured:
    answer = {"sites": [{"outcome": DEPLOYS[name].verdicts[0][0], "reason": reason}]}
    return Measured(
        DEPLOYS[name], (Ended(DEPLOYS[name].verdicts[0][2], answer, "", 0.0),), after_s, patience_s(reason)
    )


def test_each_command_writes_its_own_section(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.md"
    page.put(path, "One", "| a | b |\n|---|---|\n| x | 1 |")
    page.put(path, "Two", "second")
    page.put(path, "One", "| a | b |\n|---|---|\n| x | 2 |\n| y | 3 |")
    assert path.read_text(encoding="utf-8") == (
        f"{page.HEAD}\n## One\n\n| a | b |\n|---|---|\n| x | 2 |\n| y | 3 |\n\n## Two\n\nsecond\n"
    )
    assert page.rows(path, "One") == {"x": "| x | 2 |", "y": "| y | 3 |"}
    assert page.rows(path, "Three") == {}


def test_a_run_of_some_deploys_completes_the_page(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.md"
    write(path, [measured("healthy", 9.0), measured("crash-loop", 22.0, "CrashLoop")], "a node", 4)
    assert "**2 deploys, 0 verdicts wrong, 1 late.**" in path.read_text(encoding="utf-8")
    write(path, [measured("healthy", 1.0)], "a node", 4)
    assert "**2 deploys, 0 verdicts wrong, 0 late.**" in path.read_text(encoding="utf-8")
    assert list(page.rows(path, HEADING)) == [DEPLOYS["healthy"].what, DEPLOYS["crash-loop"].what]
    write(path, [measured("healthy", 1.0, "Applied")], "a node", 4)
    assert "**2 deploys, 1 verdicts wrong, 0 late.**" in path.read_text(encoding="utf-8")
