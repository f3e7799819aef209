"""What the long runs stand on: their table, their figures, and that each of them sees what it looks for."""

from pathlib import Path

import pytest
from slow_peers import Row as Cell

from soak import editor, figures, hostile, secrets, slow, watching
from soak.table import Row, Table, Tally


def row(part: str, start: int, *, commit: str = "abc1234", faults: tuple[str, ...] = ()) -> Row:
    return Row(part, start, 10, 36.0, "2026-11-29T00:00:00+00:00", commit, faults, {"MB": float(start)})


def test_a_part_goes_on_where_it_stopped(tmp_path: Path) -> None:
    table = Table(tmp_path / "deep" / "table.jsonl")
    assert table.next_case("kills") == 0
    for start in (0, 10):
        table.append(row("kills", start))
    table.append(row("editor", 500))
    with table.path.open("a") as stream:
        stream.write('{"part": "kills", "sta')  # a run that was killed while it wrote
    assert table.next_case("kills") == 20
    assert table.next_case("editor") == 510


def test_the_figures_take_the_place_of_the_last_ones(tmp_path: Path) -> None:
    table, page = Table(tmp_path / "table.jsonl"), tmp_path / "SECURITY.md"
    table.append(row("kills", 0, commit="0000000", faults=("mended since",)))
    table.append(row("kills", 10))
    page.write_text(f"before\n{figures.BEGIN}\nold\n{figures.END}\nafter\n")
    assert figures.publish(table, page) == 0
    assert figures.publish(table, page) == 0
    text = page.read_text()
    assert "| kills | 20 | 0.02 | 0 | MB 10 | 2026-11-29 |" in text
    assert text.startswith("before\n")
    assert text.endswith(f"{figures.END}\nafter\n")
    assert "old" not in text


def test_another_machine_goes_on_from_what_is_published(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "SECURITY.md"
    published = page.read_text(encoding="utf-8").partition(figures.BEGIN)[2].partition(figures.END)[0].strip()
    table = Table(tmp_path / "table.jsonl")
    figures.take_over(table, page)
    figures.take_over(table, page)
    assert [line.rstrip() for line in figures.rendered(table).splitlines()] == published.splitlines()
    before = table.next_case("rollouts")
    table.append(row("rollouts", before))
    assert f"| rollouts | {before + 10:,} |" in figures.rendered(table)


def test_the_page_has_a_place_for_them() -> None:
    page = Path(__file__).parents[2] / "SECURITY.md"
    assert page.read_text(encoding="utf-8").count(figures.BEGIN) == 1


def test_tallies_add_up() -> None:
    assert Tally(("a",), {"MB": 1.0}) + Tally(("b",), {"MB": 3.0, "s": 2.0}) == Tally(
        ("a", "b"), {"MB": 3.0, "s": 2.0}
    )


def test_a_case_of_the_editor_is_made_anew_from_its_number() -> None:
    assert editor.mutated(7) == editor.mutated(7)
    assert editor.mutated(7) != editor.mutated(8)


def test_an_edit_that_touches_other_bytes_is_seen() -> None:
    before = b"kind: Kustomization\nimages: [{name: reg.io/web, newTag: '1'}]\n"
    assert "outside" in editor._broken_law(before, before + b"#", [], "reg.io/web", "")


def test_a_line_that_is_a_command_is_seen() -> None:
    assert hostile._breaks("::error::x\n") == "::error::x"
    assert hostile._breaks("  warning ::error::x\n") == ""
    assert hostile._breaks("a\x1b[2J\n") == "a\x1b[2J"


def test_a_secret_is_seen_as_it_is_and_as_basic_authentication_writes_it() -> None:
    assert secrets.forms("cn12")[0] == "cn12"
    assert "eC1hY2Nlc3MtdG9rZW46Y24xM" in secrets.forms("cn12")[1]


@pytest.mark.parametrize(
    ("seconds", "end", "is_expected", "fault"),
    [
        (1.0, "Late: no", True, ""),
        (9.0, "Late: no", True, "took 9.0 s"),
        (1.0, "a bug: x", False, "a bug: x"),
    ],
)
def test_a_cell_that_is_late_or_no_words_is_seen(
    seconds: float, end: str, is_expected: bool, fault: str
) -> None:
    assert slow._fault(Cell("git", "silence", seconds, end, is_expected)) == fault


def test_memory_that_grows_is_seen() -> None:
    flat = [(40.0, 6)] * 300
    assert watching._growth(flat) == []
    leaking = [(40.0 + look / 10, 6 + look // 10) for look in range(300)]
    assert watching._growth(leaking) == ["memory grew by 10.0 MB", "10 more sockets are open"]
