"""Spoils a file as files are spoilt: its numbers and words, its lines, its length, its bits."""

import random
import re
import struct

NUMBER = re.compile(rb"-?\d+(\.\d*)?([eE][-+]?\d+)?")
NUMBERS = (
    b"0 1 -1 2 3 7 99 255 256 -3 65536 2147483648 4294967296 9223372036854775808 -9223372036854775809 1e30 1e-30"
).split()
NUMBERS += [
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"0.5",
    b"-0.0",
    b"9" * 400,
    b"1" * 5000,
    b"0x10",
    b"1_0",
    b"true",
    b"null",
]
VALUE = re.compile(rb"(?<=[=:]) ?[^\r\n,]*")
VALUES = [
    b"",
    b"%s%s%s%n",
    b"%d 1 99999999 1",
    b"LIST",
    b"LOCAL",
    b"/dev/zero",
    b"..",
    b"True",
    b"\xff\xfe",
    b"\0",
]
VALUES += [
    b"x" * 5000,
    b"[]",
    b"{}",
    b'""',
    b"[" * 2000,
    b'{"a":' * 500,
    b'"\\ud800"',
    b"raw",
    b"gzip",
    b"hex",
]
# As C would store them, in both byte orders.
STORED = [struct.pack(f"{order}{code}", value) for order in "<>" for code, values in (
    ("h", (0, 1, -1, 7, 8, 32767, -32768, 352)),
    ("i", (0, -1, 348, 2**31 - 1, -(2**31))),
    ("f", (0.0, -1.0, 1e30, 1e-30, float("nan"), float("inf"))),
    ("d", (1e300, float("nan"))),
) for value in values]  # fmt: skip
# Where headers are.
HEAD = 4096


def spoil(data: bytes, random_: random.Random) -> bytes:
    """One to four changes."""
    for _ in range(random_.choice((1, 1, 2, 4))):
        data = random_.choice((number, value, lines, stored, stored, length, bits, section))(data, random_)
    return data


def number(data: bytes, random_: random.Random) -> bytes:
    return _replaced(data, NUMBER, NUMBERS, random_)


def value(data: bytes, random_: random.Random) -> bytes:
    return _replaced(data, VALUE, VALUES, random_)


def lines(data: bytes, random_: random.Random) -> bytes:
    """One of the first left out, repeated, or moved."""
    parts = data[:HEAD].split(b"\n")
    line = parts.pop(random_.randrange(len(parts)))
    for _ in range(random_.randrange(3)):
        parts.insert(random_.randint(0, len(parts)), line)
    return b"\n".join(parts) + data[HEAD:]


def stored(data: bytes, random_: random.Random) -> bytes:
    """A number in binary, where such numbers stand."""
    at, value = random_.randrange(0, 400, 2), random_.choice(STORED)
    return data[:at] + value + data[at + len(value) :]


def length(data: bytes, random_: random.Random) -> bytes:
    return (
        data[: random_.randrange(len(data) + 1)]
        if random_.random() < 0.7
        else data + bytes(random_.randrange(99))
    )


def bits(data: bytes, random_: random.Random) -> bytes:
    changed = bytearray(data or b"\0")
    for _ in range(random_.randint(1, 8)):
        changed[random_.randrange(len(changed))] ^= 1 << random_.randrange(8)
    return bytes(changed)


def section(data: bytes, random_: random.Random) -> bytes:
    """A piece once more, somewhere else."""
    begin = random_.randrange(len(data) + 1)
    piece, at = data[begin : begin + random_.randrange(200)], random_.randrange(len(data) + 1)
    return data[:at] + piece + data[at:]


def _replaced(data: bytes, pattern: re.Pattern[bytes], by: list[bytes], random_: random.Random) -> bytes:
    found = list(pattern.finditer(data, 0, HEAD))
    if not found:
        return bits(data, random_)
    match = random_.choice(found)
    return data[: match.start()] + random_.choice(by) + data[match.end() :]
