"""Trees as bytes, held against git itself."""

import subprocess
from pathlib import Path

import pytest
from git_remotes import git
from hypothesis import given
from hypothesis import strategies as st

from bumper.systems.git.objects import TreeEntry, format_tree, parse_commit, parse_tree

SHA = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
names = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8)
modes = st.sampled_from([b"100644", b"100755", b"120000", b"160000", b"40000"])
entries = st.builds(TreeEntry, modes, st.binary(min_size=20, max_size=20).map(bytes.hex))


@given(st.dictionaries(names, entries))
def test_formatting_and_parsing_are_inverse(tree: dict[str, TreeEntry]) -> None:
    content = format_tree(tree.items())
    assert parse_tree(content) == tree
    assert format_tree(parse_tree(content).items()) == content


@given(st.dictionaries(names, entries, min_size=1), names, entries)
def test_one_entry_more_leaves_the_others(tree: dict[str, TreeEntry], name: str, entry: TreeEntry) -> None:
    after = parse_tree(format_tree({**tree, name: entry}.items()))
    assert after.pop(name) == entry
    assert after == {kept: kept_entry for kept, kept_entry in tree.items() if kept != name}


def test_gits_order_and_ours_agree(tmp_path: Path) -> None:
    """A directory sorts as if its name ended in a slash: `a.b`, `a/`, `a0`."""
    git(tmp_path, "init", "--quiet", "--bare", str(tmp_path))
    tree = {name: TreeEntry(b"100644", "1" * 40) for name in ("a.b", "a0", "a-b", "B", "ä", "z")}
    tree |= {name: TreeEntry(b"40000", SHA) for name in ("a", "a.b.c", "b")}
    tree["vendor"] = TreeEntry(b"160000", "2" * 40)
    kinds = {b"100644": "blob", b"40000": "tree", b"160000": "commit"}
    lines = "".join(
        f"{entry.mode.decode()} {kinds[entry.mode]} {entry.sha}\t{name}\0" for name, entry in tree.items()
    )
    made = git(tmp_path, "mktree", "-z", "--missing", stdin=lines.encode())
    command = ["git", "-C", str(tmp_path), "cat-file", "tree", made]
    content = subprocess.run(command, check=True, capture_output=True).stdout
    assert format_tree(tree.items()) == content
    assert parse_tree(content) == tree
    assert list(parse_tree(content)) == ["B", "a-b", "a.b", "a.b.c", "a", "a0", "b", "vendor", "z", "ä"]


def test_a_name_that_is_not_utf_8_keeps_its_bytes() -> None:
    content = b"100644 caf\xe9.yaml\0" + bytes.fromhex(SHA)
    assert format_tree(parse_tree(content).items()) == content


def test_a_signed_merge_commit() -> None:
    content = (
        f"tree {SHA}\nparent {'1' * 40}\nparent {'2' * 40}\nauthor Kim von <Ö> <kim@example.org> 1700000000 +0100\n"
        "committer GitHub <noreply@github.com> 1700000000 +0100\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n parent x\n"
        " -----END PGP SIGNATURE-----\n\nMerge this\nand that\n\nauthor Nobody <x>\n"
    ).encode()
    commit = parse_commit(content)
    message = "Merge this\nand that\n\nauthor Nobody <x>\n"
    assert commit == (SHA, ("1" * 40, "2" * 40), "Kim von <Ö>", "Merge this and that", message)


def test_a_commit_without_a_message() -> None:
    content = f"tree {SHA}\nauthor  <> 1700000000 +0000\ncommitter  <> 1700000000 +0000\n\n".encode()
    assert parse_commit(content) == (SHA, (), "", "", "")


def test_a_commit_of_nobody() -> None:
    """Old tools made them, and git reads them."""
    assert parse_commit(f"tree {SHA}\n\nBegin\n".encode()) == (SHA, (), "", "Begin", "Begin\n")


def test_modes_with_zeros_in_front_are_the_same_modes() -> None:
    content = b"040000 a\0" + bytes.fromhex(SHA) + b"0100644 b\0" + bytes.fromhex(SHA)
    tree = parse_tree(content)
    assert (tree["a"].is_directory, tree["b"].is_file) == (True, True)
    assert format_tree(tree.items()) == content


def test_what_is_no_object_of_its_kind() -> None:
    """A server sends what it likes to a partial clone, and a ref may be on anything."""
    sha = bytes.fromhex(SHA)
    for content in (
        b"x",
        b"100644 a",
        b"100644 a\0" + sha[1:],
        b" a\0" + sha,
        b"100644\0a " + sha,
        b"0" * 99,
    ):
        with pytest.raises(ValueError, match="found no entry at byte 0 of"):
            parse_tree(content)
    with pytest.raises(ValueError, match="found the name 'a' twice"):
        parse_tree(2 * (b"100644 a\0" + sha))
    for content in (
        b"",
        b"tree",
        b"tree 1234\n\nx",
        b"object 1\ntype commit\n",
        b"\xff\n\n",
        b"tree " + b"g" * 40,
    ):
        with pytest.raises(ValueError, match="at its beginning, expected a tree"):
            parse_commit(content)
