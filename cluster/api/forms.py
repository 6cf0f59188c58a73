"""Answers with blanks: a struct is put into bytes once, and filled in again and again with what changes.

Rule of this file: what comes out is, to the byte, what the encoder makes of the struct with the same values.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import msgspec

from cluster.api.wire import JSON, encode

TEXTS: Final = ("\x7fone", "\x7ftwo")
NUMBERS: Final = (1.7e-301, 1.9e-301)
"""What stands in a struct where something is to be filled in: nothing of ours looks like it."""


def pieces_of(struct: msgspec.Struct, blanks: Sequence[str | float], media: str) -> tuple[bytes, ...]:
    """Return the bytes before, between and after the blanks of a struct, which stand in it in this order, as a thing in
    an array: in JSON after a comma.

    >>> class Point(msgspec.Struct):
    ...     x: float
    ...     name: str
    >>> pieces_of(Point(NUMBERS[0], TEXTS[0]), (NUMBERS[0], TEXTS[0]), JSON)
    (b',{"x":', b',"name":', b'}')
    """
    pieces, rest = [], (b"," if media == JSON else b"") + encode(struct, media)
    for blank in blanks:
        mark = encode(blank, media)
        assert rest.count(mark) == 1, blank
        before, _, rest = rest.partition(mark)
        pieces.append(before)
    return (*pieces, rest)


def filled(values: Sequence[str | float], media: str) -> list[bytes]:
    """Return the bytes of numbers and of texts without commas, quotes or control characters, one by one.

    >>> filled(["P1.0", 0.25], JSON), filled([0.25], "application/msgpack")[0].hex()
    ([b'"P1.0"', b'0.25'], 'cb3fd0000000000000')
    """
    if media == JSON:
        return encode(values, JSON)[1:-1].split(b",")
    return [encode(value, media) for value in values]


def array_of(parts: Sequence[bytes], length: int, media: str) -> msgspec.Raw:
    """Return the array of so many things whose bytes come in parts; in JSON each thing begins with a comma.

    >>> bytes(array_of([b",1", b"2", b",3"], 2, JSON))
    b'[12,3]'
    """
    if media == JSON:
        return msgspec.Raw(b"[%b]" % b"".join(parts)[1:])
    return msgspec.Raw(_array_head(length) + b"".join(parts))


@lru_cache(maxsize=64)
def _array_head(length: int) -> bytes:
    data = encode([None] * length, "application/msgpack")
    return data[: len(data) - length]
