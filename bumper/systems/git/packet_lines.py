"""Packet lines, in which git's programs speak to each other: four hex digits with the length, themselves included, and the content.

Law: what is no such line is a ValueError that says where. Names keep their bytes, whatever encoding they are in. Three lengths are
signs without a content: the end of an answer (flush), of a part of it (delimiter), and of a whole exchange.
Source: gitprotocol-common(5), gitprotocol-v2(5), gitprotocol-pack(5) for the bands.
"""

import re
from collections.abc import Iterable, Iterator

FLUSH, DELIMITER, RESPONSE_END = b"0000", b"0001", b"0002"
_SIGNS = (FLUSH, DELIMITER, RESPONSE_END)
_LENGTH = 4
_DIGITS = re.compile(rb"[0-9a-fA-F]{4}")
# More than any host has refs, and than a pack of a host that sends a hundred bytes at once.
_MOST_LINES = 1_000_000
# Of what is shown to people.
_MOST_REMARK_BYTES = 100_000
_ERROR = b"ERR "
DATA, PROGRESS, FATAL = b"\1", b"\2", b"\3"


def line(content: str | bytes) -> bytes:
    """One packet line."""
    sent = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    return b"%04x%b" % (len(sent) + _LENGTH, sent)


def command(name: str, arguments: Iterable[str]) -> bytes:
    """A command of protocol version 2, which takes SHA-1 for granted where nothing is said."""
    lines = [line(f"{argument}\n") for argument in arguments]
    return b"".join([line(f"command={name}\n"), DELIMITER, *lines, FLUSH])


def packets(content: bytes) -> Iterator[bytes | None]:
    """The content of each line, in order; None for a sign. ValueError with the server's words where it gave up."""
    at = count = 0
    while at < len(content):
        count += 1
        if count > _MOST_LINES:
            raise ValueError(f"found more than {_MOST_LINES:,} lines")
        digits = content[at : at + _LENGTH]
        if digits in _SIGNS:
            at += _LENGTH
            yield None
            continue
        length = int(digits, 16) if _DIGITS.fullmatch(digits) else 0
        if length < _LENGTH or at + length > len(content):
            raise ValueError(f"found no packet line at byte {at} of {len(content)}")
        packet = content[at + _LENGTH : at + length]
        if packet.startswith(_ERROR):
            raise ValueError(packet.removeprefix(_ERROR).decode("utf-8", "replace").strip())
        yield packet
        at += length


def texts(content: bytes) -> list[str | None]:
    """The same as texts, without their line ends. ValueError where the end is missing."""
    read = [
        None if packet is None else packet.decode("utf-8", "surrogateescape").rstrip("\n")
        for packet in packets(content)
    ]
    if not read or read[-1] is not None:
        raise ValueError("ends before its end")
    return read


def bands(content: Iterable[bytes | None]) -> tuple[bytes, str]:
    """What came on the first band, and what the server says to people, a line each with `remote: ` before it.

    ValueError with the server's words where it gave up.
    """
    data, remarks = bytearray(), bytearray()
    for packet in content:
        if packet is None:
            break
        band, rest = packet[:1], packet[1:]
        if band == FATAL:
            raise ValueError(rest.decode("utf-8", "replace").strip())
        if band == PROGRESS:
            remarks += rest[: _MOST_REMARK_BYTES - len(remarks)]
        elif band == DATA:
            data += rest
        else:
            raise ValueError(f"found the band {band!r}, expected 1 to 3")
    lines = remarks.decode("utf-8", "replace").splitlines()
    return bytes(data), "\n".join(f"remote: {remark}" for remark in lines)
