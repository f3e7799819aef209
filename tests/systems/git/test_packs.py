"""Packs and packet lines, against git itself and against whoever lies."""

import hashlib
import subprocess
import tracemalloc
import zlib
from pathlib import Path
from random import Random

import pytest
from git_remotes import git

from bumper.systems.git.packet_lines import DELIMITER, FLUSH, bands, command, line, packets, texts
from bumper.systems.git.packs import Object, name_of, read, written

MOST = 1_000_000


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """With texts that resemble each other, so that git packs most of them as differences, an empty file and a directory."""
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    random = Random(7)
    lines = [f"line {number} {random.random()}" for number in range(400)]
    for number in range(30):
        lines[random.randrange(400)] = f"changed {number}"
        (tmp_path / f"file-{number}.yaml").write_text("\n".join(lines))
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "empty").write_text("")
    (tmp_path / "large").write_bytes(random.randbytes(70_000) * 2)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message=Seed")
    git(tmp_path, "tag", "--annotate", "v1", "--message=A tag")
    return tmp_path


def packed(repository: Path, *options: str) -> bytes:
    command_line = ["git", "-C", str(repository), "pack-objects", "--all", "--stdout", "--quiet", *options]
    return subprocess.run(command_line, input=b"", check=True, capture_output=True).stdout


def deltas(pack: bytes, repository: Path) -> int:
    (repository / "one.pack").write_bytes(pack)
    git(repository, "index-pack", "one.pack")
    listed = git(repository, "verify-pack", "--verbose", "one.pack")
    return sum(len(row.split()) == 7 for row in listed.splitlines())


@pytest.mark.parametrize(
    "options", [["--delta-base-offset"], [], ["--no-reuse-delta", "--depth=1"], ["--window=0"]]
)
def test_what_git_packed_is_read_as_git_reads_it(repository: Path, options: list[str]) -> None:
    pack = packed(repository, *options)
    objects = read(pack, MOST)
    listed = git(repository, "rev-list", "--all", "--objects").splitlines()
    assert objects.keys() == {row.split()[0] for row in listed}
    for name, held in objects.items():
        assert git(repository, "cat-file", "-t", name) == held.kind
        content = subprocess.run(
            ["git", "-C", str(repository), "cat-file", held.kind, name], check=True, capture_output=True
        ).stdout
        assert held.content == content
    assert bool(deltas(pack, repository)) == (options != ["--window=0"])


def test_a_thin_pack_is_read_with_what_is_known(repository: Path) -> None:
    """What a server leaves out since it is here already, and takes for the base of what it sends."""
    whole = read(packed(repository), MOST)
    (repository / "file-3.yaml").write_text((repository / "file-3.yaml").read_text() + "\nmore")
    git(repository, "commit", "--quiet", "--all", "--message=More")
    command_line = ["git", "-C", str(repository), "pack-objects", "--revs", "--thin", "--stdout", "--quiet"]
    thin = subprocess.run(command_line, input=b"main\n^main~1\n", check=True, capture_output=True).stdout
    objects = read(thin, MOST, whole)
    assert sorted(held.kind for held in objects.values()) == ["blob", "commit", "tree"]
    assert objects.keys().isdisjoint(whole)
    for name, held in objects.items():
        assert git(repository, "cat-file", "-t", name) == held.kind
    with pytest.raises(ValueError, match="not in it"):
        read(thin, MOST)


def test_git_reads_what_was_packed_here(repository: Path, tmp_path: Path) -> None:
    objects = [*read(packed(repository), MOST).values(), Object("blob", b""), Object("blob", b"a" * 2**16)]
    other = tmp_path / "other"
    git(tmp_path, "init", "--quiet", "--bare", str(other))
    git(other, "unpack-objects", "--strict", "-q", stdin=written(objects))
    for each in objects:
        assert git(other, "cat-file", "-t", name_of(each)) == each.kind
    assert git(other, "fsck", "--full", "--strict", "--no-dangling") == ""


def test_no_damage_gives_another_object(repository: Path) -> None:
    """Cut off anywhere, or with any byte changed and the checksum made right again: an error, or the objects that the names say."""
    random = Random(11)
    pack = packed(repository, "--delta-base-offset")
    whole = read(pack, MOST)
    for end in random.sample(range(len(pack)), 60):
        with pytest.raises(ValueError, match=r"beginning|checksum"):
            read(pack[:end], MOST)
    refused = 0
    for at in random.sample(range(len(pack) - 20), 400):
        damaged = bytearray(pack[:-20])
        damaged[at] ^= 1 << random.randrange(8)
        try:
            objects = read(bytes(damaged) + hashlib.sha1(damaged).digest(), MOST)
        except ValueError:
            refused += 1
            continue
        for name, held in objects.items():
            assert name == name_of(held)
            assert name not in whole or whole[name] == held
    assert refused > 300


def entry(number: int, content: bytes, size: int | None = None, base: bytes = b"") -> bytes:
    """What stands in a pack for an object of this kind; `size` is what it says of itself."""
    left = len(content) if size is None else size
    head, left = number << 4 | left & 15, left >> 4
    header = bytearray()
    while left:
        header.append(head | 0x80)
        head, left = left & 0x7F, left >> 7
    header.append(head)
    return bytes(header) + base + zlib.compress(content)


def pack_of(*entries: bytes, count: int | None = None) -> bytes:
    body = b"PACK" + (2).to_bytes(4, "big") + (len(entries) if count is None else count).to_bytes(4, "big")
    body += b"".join(entries)
    return body + hashlib.sha1(body).digest()


COPIES = b"\x0a" + b"\xff\xff\x7f" + (b"\x90\x0a" * 1000)  # of 10 bytes base, 2 MB of it
SHA = bytes.fromhex(name_of(Object("blob", b"0123456789")))


@pytest.mark.parametrize(
    ("pack", "why"),
    [
        (b"", "at its beginning"),
        (b"<html>" * 10, "at its beginning"),
        (pack_of(entry(3, b"a"))[:-1] + b"x", "checksum"),
        (pack_of(entry(3, b"a"), count=2), "ends after 1 objects of 2"),
        (pack_of(entry(3, b"a"), count=0), "its objects end"),
        (pack_of(entry(5, b"a")), "an object of kind 5"),
        (pack_of(entry(3, b"a" * 50, size=49)), "bytes that it says"),
        (pack_of(entry(3, b"a" * 50, size=51)), "has 50 bytes and says 51"),
        (pack_of(entry(3, b"0" * (MOST + 1))), "holds more than"),
        (pack_of(*[entry(3, b"0" * (MOST // 2 + 1))] * 2), "holds more than"),
        (pack_of(entry(7, b"\x0a\x01\x01a", base=SHA)), "not in it"),
        (pack_of(entry(3, b"0123456789"), entry(7, b"\x0b\x01\x01a", base=SHA)), "a delta for 11 bytes"),
        (pack_of(entry(3, b"0123456789"), entry(7, COPIES, base=SHA)), "holds more than"),
        (
            pack_of(entry(3, b"0123456789"), entry(7, b"\x0a\x05" + b"\x90\x0a" * 1000, base=SHA)),
            "does not make",
        ),
        (pack_of(entry(3, b"0123456789"), entry(7, b"\x0a\x05\x90", base=SHA)), "in the middle"),
        # A number of a million bits, for the size of an object, the place of a base and what a delta makes.
        (pack_of(b"\xb0" + b"\xff" * 150_000), "no end"),
        (pack_of(b"\xe0" + b"\xff" * 150_000), "no end"),
        (pack_of(entry(3, b"0123456789"), entry(7, b"\x0a" + b"\xff" * 150_000, base=SHA)), "no end"),
        # Nothing in each, and thousands of them; instructions that make nothing.
        (pack_of(*[entry(3, b"")] * 10_000), "holds more than"),
        (
            pack_of(entry(3, b"0123456789"), entry(7, b"\x0a\x01" + bytes(200_000), base=SHA)),
            "holds more than",
        ),
        (pack_of(entry(3, b"0123456789"), entry(7, b"", base=SHA)), "in the middle"),
        (pack_of(entry(3, b"0123456789"), entry(7, b"\x8a", base=SHA)), "in the middle"),
    ],
)
def test_who_lies_is_refused(pack: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read(pack, MOST)


def test_packet_lines() -> None:
    assert command("ls-refs", ["b"]) == b"0014command=ls-refs\n00010006b\n0000"
    assert list(packets(line("x\n") + DELIMITER + line(b"\xff") + FLUSH)) == [b"x\n", None, b"\xff", None]
    assert bands(packets(line(b"\1ab") + line(b"\2one\ntwo\n") + line(b"\1c") + FLUSH + line(b"\1d"))) == (
        b"abc",
        "remote: one\nremote: two",
    )


@pytest.mark.parametrize(
    "content",
    [b"00", b"0003", b"0005", b"zzzz", b"0006a", b"-001a", b"0x05a", b" 005a", b"0_5aa", b"<html></html>"],
)
def test_what_is_no_packet_line(content: bytes) -> None:
    with pytest.raises(ValueError, match="found no packet line at byte 0"):
        list(packets(content))


def test_a_server_that_gives_up_in_the_middle() -> None:
    with pytest.raises(ValueError, match="out of memory"):
        bands(packets(line(b"\1ab") + line(b"\3out of memory\n")))
    with pytest.raises(ValueError, match="the band"):
        bands(packets(line(b"\4ab")))


def test_a_million_empty_lines_are_nobody_s_refs() -> None:
    with pytest.raises(ValueError, match="more than 1,000,000 lines"):
        texts(FLUSH * 1_000_001)
    with pytest.raises(ValueError, match="more than 1,000,000 lines"):
        bands(packets(line(b"\1") * 1_000_001))


def test_a_server_that_talks_without_end_is_quoted_in_part() -> None:
    pack, remarks = bands(packets(line(b"\2a\n") * 60_000 + line(b"\1pack") + FLUSH))
    assert pack == b"pack"
    assert remarks.splitlines() == ["remote: a"] * 50_000


def test_of_one_base_no_more_is_made_at_once_than_is_kept() -> None:
    """A thousand deltas of some bytes each, which make a third of the limit of the same base."""
    base = b"0" * 0x10000
    head = b"\x80\x80\x04"
    makes = MOST // 3 // len(base) * len(base)
    size = bytes([makes & 0x7F | 0x80, makes >> 7 & 0x7F | 0x80, makes >> 14])
    sha = bytes.fromhex(name_of(Object("blob", base)))
    delta = head + size + b"\x80" * (makes // len(base))
    pack = pack_of(entry(3, base), *[entry(7, delta, base=sha)] * 1000)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="holds more than"):
            read(pack, MOST)
        assert tracemalloc.get_traced_memory()[1] < 4 * MOST
    finally:
        tracemalloc.stop()


def test_a_chain_of_ten_thousand_deltas_is_read() -> None:
    content, entries = b"0123456789", []
    for number in range(10_000):
        following = b"%010d" % number
        base = bytes.fromhex(name_of(Object("blob", content)))
        entries.append(entry(7, b"\x0a\x0a\x0a" + following, base=base))
        content = following
    objects = read(pack_of(entry(3, b"0123456789"), *reversed(entries)), 10 * MOST)
    assert len(objects) == 10_001
    assert name_of(Object("blob", content)) in objects
