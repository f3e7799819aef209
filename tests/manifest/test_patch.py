"""The diff: `git apply` makes the new bytes of it, and people read what `git diff` shows them."""

import subprocess
import time
from pathlib import Path

import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from bumper.deploy.commit.push import Proposal
from bumper.manifest import diff

TEN = b"".join(b"line %d\n" % at for at in range(1, 11))
# An image of the bytes before and after, None for a file that is not there.
CHANGES: dict[str, tuple[bytes | None, bytes | None]] = {
    "a line changes": (TEN, TEN.replace(b"line 5", b"LINE 5")),
    "a line is added in the middle": (TEN, TEN.replace(b"line 5\n", b"line 5\nnew\n")),
    "a line is added at the start": (TEN, b"new\n" + TEN),
    "a line is added at the end": (TEN, TEN + b"new\n"),
    "a line like its neighbour is added": (b"a\na\nb\n", b"a\na\na\nb\n"),
    "a line is taken away": (TEN, TEN.replace(b"line 5\n", b"")),
    "the first and the last line go": (TEN, TEN[7:-8]),
    "lines are added and changed far apart": (
        TEN * 2 + b"x\n" + TEN,
        TEN + b"new\nnewer\n" + TEN + b"X\n" + TEN,
    ),
    "lines become fewer": (b"a\nb\nc\nd\n", b"a\nX\nd\n"),
    "lines move": (b"a\nb\nc\nd\ne\n", b"c\na\nb\nd\ne\n"),
    "the last break goes": (TEN, TEN[:-1]),
    "the last break comes": (TEN[:-1], TEN),
    "a line is added behind one without a break": (TEN[:-1], TEN + b"new"),
    "line ends change": (b"a\r\nb\r\n", b"a\nb\r\n"),
    "a carriage return alone is no line": (b"a\rb\rc", b"a\rB\rc"),
    "a new file": (None, TEN),
    "a new file of one line": (None, b"a\n"),
    "a new file without a last break": (None, b"a"),
    "a new empty file": (None, b""),
    "a file goes": (TEN, None),
    "an empty file goes": (b"", None),
    "a file becomes empty": (TEN, b""),
    "an empty file gets lines": (b"", TEN),
    "letters": ("é\n🚀\n".encode(), "é\nè\n🚀\n".encode()),
}
NAMES = ["k8s/f.yaml", "a b/c.yaml", "k8s/déployé.yaml", 'k8s/"q"\\.yaml', "k8s/\t.yaml"]


def put(root: Path, path: str, content: bytes | None) -> None:
    if content is not None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)


def apply(root: Path, patch: str) -> None:
    subprocess.run(["git", "apply", "-p1", "-"], cwd=root, input=patch.encode(), check=True)


def diff_of_git(root: Path, path: str, before: bytes | None, after: bytes | None) -> str:
    """What `git diff` says of the two, without its index line; the header line only where a file comes or goes."""
    for command in (
        ["init", "--quiet"],
        ["config", "user.email", "a@example"],
        ["config", "user.name", "a"],
        ["config", "core.autocrlf", "false"],
    ):
        subprocess.run(["git", *command], cwd=root, check=True)
    put(root, path, before)
    subprocess.run(["git", "add", "--all"], cwd=root, check=True)
    if after is None:
        (root / path).unlink()
    put(root, path, after)
    if before is None:
        subprocess.run(["git", "add", "--intent-to-add", "--all"], cwd=root, check=True)
    shown = subprocess.run(["git", "diff", "--no-color"], cwd=root, check=True, capture_output=True).stdout
    lines = [line for line in shown.decode().split("\n") if not line.startswith("index ")]
    if before is not None and after is not None:
        lines = lines[1:]
    # The text behind the second @@ is the line above that git takes for a function.
    return "\n".join(line[: line.rindex("@@") + 2] if line.startswith("@@") else line for line in lines)


@pytest.mark.parametrize(("before", "after"), CHANGES.values(), ids=CHANGES.keys())
def test_it_reads_like_that_of_git(before: bytes | None, after: bytes | None, tmp_path: Path) -> None:
    assert diff("k8s/f.yaml", before, after) == diff_of_git(tmp_path, "k8s/f.yaml", before, after)


@pytest.mark.parametrize(("before", "after"), CHANGES.values(), ids=CHANGES.keys())
def test_git_applies_it_to_the_same_bytes(before: bytes | None, after: bytes | None, tmp_path: Path) -> None:
    put(tmp_path, "k8s/f.yaml", before)

    apply(tmp_path, diff("k8s/f.yaml", before, after))

    file = tmp_path / "k8s/f.yaml"
    assert (file.read_bytes() if file.exists() else None) == after


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("before", [b"a\n", None])
def test_names_are_written_as_git_writes_them(name: str, before: bytes | None, tmp_path: Path) -> None:
    patch = diff(name, before, b"b\n")
    (tmp_path / "git").mkdir()

    assert patch == diff_of_git(tmp_path / "git", name, before, b"b\n")
    put(tmp_path, name, before)
    apply(tmp_path, patch)
    assert (tmp_path / name).read_bytes() == b"b\n"


def test_a_binary_file_is_only_named(tmp_path: Path) -> None:
    (tmp_path / "git").mkdir()
    shown = diff("f.bin", b"a\0b", b"a\0c")
    assert shown == "Binary files a/f.bin and b/f.bin differ\n"
    assert shown == diff_of_git(tmp_path / "git", "f.bin", b"a\0b", b"a\0c")


@pytest.mark.parametrize("content", [TEN, b"", b"a", None])
def test_the_same_bytes_have_no_diff(content: bytes | None) -> None:
    assert diff("f.yaml", content, content) == ""


LINES = st.lists(st.sampled_from([b"a\n", b"b\n", b"c\n", b"\n", b"  d: e\r\n"]), max_size=30).map(b"".join)


def patched(content: bytes, patch: str) -> bytes:
    """The content after the hunks of a patch, read from its text alone."""
    old = content.decode().split("\n")
    after: list[str] = []
    at = 0
    lines = patch.split("\n")[2:-1] if patch else []
    for number, line in enumerate(lines):
        if line.startswith("@@"):
            start, _, count = line.split()[1][1:].partition(",")
            first = int(start) if count == "0" else int(start) - 1
            after += old[at:first]
            at = first
        elif line.startswith("\\"):
            continue
        else:
            is_last = lines[number + 1 : number + 2] == ["\\ No newline at end of file"]
            if line[0] in " -":
                assert old[at] == line[1:]
                at += 1 if not is_last else len(old)
            if line[0] in " +":
                after.append(line[1:])
                if is_last:
                    return "\n".join(after).encode()
    return "\n".join(after + (old[at:] or [""])).encode()


@settings(derandomize=True, max_examples=examples(300))
@given(LINES, LINES, st.booleans())
def test_it_leads_from_the_old_bytes_to_the_new_ones(before: bytes, after: bytes, is_cut: bool) -> None:
    after = after.rstrip(b"\n") if is_cut else after
    assert patched(before, diff("f.yaml", before, after)) == after


@settings(derandomize=True, max_examples=examples(200))
@given(st.lists(st.integers(0, 50), unique=True, min_size=1), st.data())
def test_lines_that_stand_once_are_not_shown_twice(lines: list[int], data: st.DataObject) -> None:
    """Between distinct lines the diff is as small as can be: only what was taken away and what was added."""
    kept = [line for line in lines if data.draw(st.booleans())]
    before, after = ("".join(f"{line}\n" for line in some).encode() for some in (lines, kept))
    shown = diff("f.yaml", before, after).split("\n")[2:]
    assert sum(line.startswith("-") for line in shown) == len(lines) - len(kept)
    assert not any(line.startswith("+") for line in shown)


@pytest.mark.slow
def test_a_large_file_takes_time_in_proportion() -> None:
    """Edits far apart in equal lines, and in distinct ones, of a file of several megabytes."""
    equal = b"- name: x\n" * 200_000
    distinct = b"".join(b"line %d\n" % at for at in range(200_000))
    started = time.perf_counter()
    for content in (equal, distinct):
        after = b"first\n" + content[10:1_000_000] + b"new\n" + content[1_000_000:-9] + b"last\n"
        assert diff("f.yaml", content, after).count("\n+") >= 2
    assert time.perf_counter() - started < 20


def test_a_proposal_shows_all_its_files(tmp_path: Path) -> None:
    proposal = Proposal(
        "tip", {"a.yaml": (b"a\n", b"b\n"), "new/b.yaml": (None, b"c\n"), "c.yaml": (b"d\n", None)}, "message"
    )
    put(tmp_path, "a.yaml", b"a\n")
    put(tmp_path, "c.yaml", b"d\n")

    apply(tmp_path, proposal.diff())

    assert {path.name: path.read_bytes() for path in tmp_path.rglob("*.yaml")} == {
        "a.yaml": b"b\n",
        "b.yaml": b"c\n",
    }


HARD = Path(__file__).parents[1] / "data" / "hard"


@pytest.mark.parametrize(
    "name", ["plain", "no_final_newline_image_last", "bom_crlf", "cr_only", "nel_in_comment", "multidoc"]
)
def test_git_applies_an_edit_of_a_hard_file(name: str, tmp_path: Path) -> None:
    before, after = (HARD / f"{name}.yaml").read_bytes(), (HARD / "expected" / f"{name}.yaml").read_bytes()
    put(tmp_path, "f.yaml", before)

    apply(tmp_path, diff("f.yaml", before, after))

    assert (tmp_path / "f.yaml").read_bytes() == after
