"""Packs: many objects in one stream, some of them as what makes them of another one.

Law: an object that is read is the one that its name says, since the name is computed of what was unpacked; what the pack says of its
own length is never believed beyond `most_bytes`, which bounds what is kept and what is done, however little was sent. What is no pack
is a ValueError.
Source: gitformat-pack(5).
"""

import hashlib
import zlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

_SIGNATURE, _VERSION = b"PACK", 2
_HEADER_BYTES, _CHECKSUM_BYTES, _SHA_BYTES = 12, 20, 20
_KINDS = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}
_NUMBERS = {kind: number for number, kind in _KINDS.items()}
_BY_OFFSET, _BY_NAME = 6, 7
_SLACK = 64
# What an object takes beside its content, and each byte of a delta beside what it makes: a byte may be an instruction.
_OBJECT_BYTES, _INSTRUCTION_BYTES = 300, 16
# Of the bits of a number; a pack of that many bytes is nobody's.
_MOST_BITS = 63
_COPY = 0x80
_COPIED_WHERE_NOTHING_IS_SAID = 0x10000


class Object(NamedTuple):
    """`kind` is `commit`, `tree`, `blob` or `tag`."""

    kind: str
    content: bytes


class _Entry(NamedTuple):
    """What stands at one place of a pack: an object, or a delta with the place or the name of its base."""

    kind: str
    content: bytes
    base: int | str = ""


class _Room:
    """What may still be kept of `most_bytes`."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = self._left = most_bytes

    def require(self, size: int) -> None:
        """ValueError where that is more."""
        if size > self._left:
            raise ValueError(f"holds more than {self._most_bytes:,} bytes")

    def take(self, size: int) -> None:
        self.require(size)
        self._left -= size


def name_of(made: Object) -> str:
    """The SHA-1 that git calls the object by, 40 hex digits."""
    head = f"{made.kind} {len(made.content)}\0".encode()
    return hashlib.sha1(head + made.content, usedforsecurity=False).hexdigest()


def written(objects: Iterable[Object]) -> bytes:
    """A pack of these objects, each as a whole."""
    entries = [_header(made) + zlib.compress(made.content) for made in objects]
    body = b"".join([_SIGNATURE, _VERSION.to_bytes(4, "big"), len(entries).to_bytes(4, "big"), *entries])
    return body + hashlib.sha1(body, usedforsecurity=False).digest()


def read(
    pack: bytes, most_bytes: int, known: Mapping[str, Object] = MappingProxyType({})
) -> dict[str, Object]:
    """The objects by their names. ValueError where they are more than `most_bytes` together, or a base is neither in the pack nor
    `known`.
    """
    try:
        return _objects(_entries(pack, _Room(most_bytes)), _Room(most_bytes), known)
    except IndexError:
        raise ValueError("ends in the middle of an object") from None


def _objects(entries: Mapping[int, _Entry], room: _Room, known: Mapping[str, Object]) -> dict[str, Object]:
    objects: dict[str, Object] = {}
    waiting: dict[int | str, list[tuple[int, bytes]]] = {}
    # Each is made of its base when its turn comes, since thousands may have the same one.
    ready: list[tuple[int, Object, bytes | None]] = []
    for place, entry in entries.items():
        if entry.kind:
            ready.append((place, Object(entry.kind, entry.content), None))
        else:
            waiting.setdefault(entry.base, []).append((place, entry.content))
    for base in [base for base in waiting if isinstance(base, str) and base in known]:
        ready += [(child, known[base], delta) for child, delta in waiting.pop(base)]
    while ready:
        place, made, delta = ready.pop()
        if delta is not None:
            made = Object(made.kind, _applied(delta, made.content, room))
        room.take(len(made.content) + _OBJECT_BYTES)
        name = name_of(made)
        objects[name] = made
        for key in (place, name):
            ready += [(child, made, difference) for child, difference in waiting.pop(key, ())]
    if waiting:
        raise ValueError(f"{len(waiting)} bases of its deltas are not in it")
    return objects


def _entries(pack: bytes, room: _Room) -> Mapping[int, _Entry]:
    count = int.from_bytes(pack[8:_HEADER_BYTES], "big")
    end = len(pack) - _CHECKSUM_BYTES
    if pack[:4] != _SIGNATURE or int.from_bytes(pack[4:8], "big") != _VERSION or end < _HEADER_BYTES:
        raise ValueError(f"found {pack[:8]!r} at its beginning, expected a pack of version {_VERSION}")
    if hashlib.sha1(pack[:end], usedforsecurity=False).digest() != pack[end:]:
        raise ValueError("its checksum is another one")
    entries: dict[int, _Entry] = {}
    at = _HEADER_BYTES
    for number in range(count):
        if at >= end:
            raise ValueError(f"ends after {number:,} objects of {count:,}")
        place = at
        kind, size, at = _kind_and_size(pack, at)
        base: int | str = ""
        if kind == _BY_OFFSET:
            back, at = _offset(pack, at)
            base = place - back
        elif kind == _BY_NAME:
            base, at = pack[at : at + _SHA_BYTES].hex(), at + _SHA_BYTES
        elif kind not in _KINDS:
            raise ValueError(f"found an object of kind {kind} at byte {place}")
        room.take(size + _OBJECT_BYTES)
        content, at = _inflated(pack, at, size)
        entries[place] = _Entry(_KINDS.get(kind, ""), content, base)
    if at != end:
        raise ValueError(f"its objects end at byte {at:,} of {end:,}")
    return entries


def _kind_and_size(pack: bytes, at: int) -> tuple[int, int, int]:
    """The kind and the size of the object at a place, and where that ends."""
    byte = pack[at]
    if byte & 0x80:
        above, end = _size(pack, at + 1)
        return byte >> 4 & 7, byte & 15 | above << 4, end
    return byte >> 4 & 7, byte & 15, at + 1


def _offset(pack: bytes, at: int) -> tuple[int, int]:
    """How far back the base of a delta lies, and where that ends."""
    byte = pack[at]
    back = byte & 0x7F
    while byte & 0x80:
        _require_number(back.bit_length())
        at += 1
        byte = pack[at]
        back = (back + 1) << 7 | byte & 0x7F
    return back, at + 1


def _inflated(pack: bytes, at: int, size: int) -> tuple[bytes, int]:
    unpacker = zlib.decompressobj()
    content = b""
    # What is left over is copied: no more is handed on than an object of this size takes.
    step = size + (size >> 8) + _SLACK
    while not unpacker.eof:
        piece = pack[at : at + step]
        try:
            content += unpacker.decompress(piece, size + 1 - len(content))
        except zlib.error as error:
            raise ValueError(f"found no packed object at byte {at}: {error}") from None
        if len(content) > size or not piece:
            raise ValueError(f"the object before byte {at} has not the {size:,} bytes that it says")
        at += len(piece) - len(unpacker.unused_data)
    if len(content) != size:
        raise ValueError(f"the object before byte {at} has {len(content):,} bytes and says {size:,}")
    return content, at


def _applied(delta: bytes, base: bytes, room: _Room) -> bytes:
    """What a delta makes of its base."""
    base_size, at = _size(delta, 0)
    size, at = _size(delta, at)
    if base_size != len(base):
        raise ValueError(f"found a delta for {base_size:,} bytes, expected one for {len(base):,}")
    # Looked at before anything is made, and taken by whoever keeps it.
    room.require(size)
    room.take(len(delta) * _INSTRUCTION_BYTES)
    made = bytearray()
    while at < len(delta) and len(made) <= size:
        code = delta[at]
        at += 1
        if not code & _COPY:
            made += delta[at : at + code]
            at += code
            continue
        start = length = 0
        for bit in range(4):
            if code & 1 << bit:
                start |= delta[at] << 8 * bit
                at += 1
        for bit in range(3):
            if code & 0x10 << bit:
                length |= delta[at] << 8 * bit
                at += 1
        made += base[start : start + (length or _COPIED_WHERE_NOTHING_IS_SAID)]
    if len(made) != size:
        raise ValueError(f"found a delta that does not make the {size:,} bytes that it says")
    return bytes(made)


def _size(packed: bytes, at: int) -> tuple[int, int]:
    """The number that begins at a place, the lowest bits first, and where it ends."""
    size = shift = 0
    while True:
        _require_number(shift)
        byte = packed[at]
        size |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return size, at


def _require_number(bits: int) -> None:
    if bits > _MOST_BITS:
        raise ValueError("found a number that has no end")


def _header(made: Object) -> bytes:
    size = len(made.content)
    byte, size = _NUMBERS[made.kind] << 4 | size & 15, size >> 4
    header = bytearray()
    while size:
        header.append(byte | 0x80)
        byte, size = size & 0x7F, size >> 7
    header.append(byte)
    return bytes(header)
