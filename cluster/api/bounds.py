"""What a body may be before anything decodes it: so long, so deep, of so many values, and as long as it says it is.

Rule of this file: a look at the bytes, at the speed of C where the body is a plain one; nothing is built from them.
"""

from __future__ import annotations

import re
from typing import Final

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKETS: Final = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")

_CONTAINERS: Final = bytes([*range(0x80, 0xA0), 0xDC, 0xDD, 0xDE, 0xDF])
_LONG_CONTAINERS: Final = bytes([0xDC, 0xDD, 0xDE, 0xDF])
_NOT_CONTAINERS: Final = bytes(byte for byte in range(256) if byte not in _CONTAINERS)

_FIXED: Final = {
    **dict.fromkeys((0xC0, 0xC2, 0xC3), 0),
    0xCC: 1,
    0xCD: 2,
    0xCE: 4,
    0xCF: 8,
    0xD0: 1,
    0xD1: 2,
    0xD2: 4,
    0xD3: 8,
    0xCA: 4,
    0xCB: 8,
    0xD4: 2,
    0xD5: 3,
    0xD6: 5,
    0xD7: 9,
    0xD8: 17,
}
"""Bytes after the first, of values whose length it fixes (extensions with their type)."""

_COUNTED: Final = {
    0xC4: (1, 0),
    0xC5: (2, 0),
    0xC6: (4, 0),
    0xD9: (1, 0),
    0xDA: (2, 0),
    0xDB: (4, 0),
    0xC7: (1, 1),
    0xC8: (2, 1),
    0xC9: (4, 1),
}
"""Bytes of the length, and bytes more, of texts, binaries and extensions."""


def json_fault(body: bytes, depth_max: int, values_max: int) -> str:
    """Return how a JSON body passes its bounds, in words; "" when it keeps them, or is no JSON at all.

    >>> json_fault(b'{"a": [1, "[[[["]}', 2, 10), json_fault(b"[[[1]]]", 2, 10)
    ('', 'expected arrays and objects up to 2 deep, got more - at $')
    >>> json_fault(b"[1,1,1,1]", 2, 3)
    'expected up to 3 values, got more - at $'
    """
    opened = body.count(b"[") + body.count(b"{")
    separated = body.count(b",")
    if opened <= depth_max and opened + separated < values_max:
        return ""
    bare = _STRING.sub(b"", body)
    opened = bare.count(b"[") + bare.count(b"{")
    if opened + bare.count(b",") >= values_max + (opened > 0):
        return _too_many(values_max)
    left = bare.translate(_BRACKETS, _NOT_BRACKETS)
    # Each pass takes the innermost pairs away, and so one level of depth.
    for _ in range(depth_max):
        if not left:
            return ""
        left = left.replace(b"[]", b"")
    return _too_deep(depth_max) if left else ""


def msgpack_fault(body: bytes, depth_max: int, values_max: int) -> str:
    """Return how a MessagePack body passes its bounds, in words; "" when it keeps them.

    An array or a map that says it holds more than the bytes after it could is refused here: no memory is set aside for
    what a header claims (https://github.com/msgpack/msgpack/blob/master/spec.md).

    >>> msgpack_fault(bytes([0x92, 0x01, 0x91, 0x02]), 2, 10), msgpack_fault(bytes([0x91] * 3), 2, 10)
    ('', 'expected arrays and maps up to 2 deep, got more - at byte 2')
    >>> msgpack_fault(bytes([0xDD, 0xFF, 0xFF, 0xFF, 0xFF]), 2, 10)
    'expected up to 0 values in the bytes that follow, got 4294967295 - at byte 0'
    """
    opened = len(body.translate(None, _NOT_CONTAINERS))
    is_plain = opened <= depth_max and len(body) <= values_max
    if is_plain and not len(body.translate(None, _NOT_LONG)):
        return ""
    return _walk(body, depth_max, values_max)


_NOT_LONG: Final = bytes(byte for byte in range(256) if byte not in _LONG_CONTAINERS)


def _walk(body: bytes, depth_max: int, values_max: int) -> str:
    at, end, seen = 0, len(body), 0
    waiting: list[int] = []
    while at < end:
        seen += 1
        if seen > values_max:
            return _too_many(values_max)
        byte, began = body[at], at
        at += 1
        held = 0
        if byte >= 0xE0 or byte < 0x80:
            pass
        elif byte < 0xA0:
            held = byte & 0x0F if byte >= 0x90 else 2 * (byte & 0x0F)
        elif byte < 0xC0:
            at += byte & 0x1F
        elif byte in _FIXED:
            at += _FIXED[byte]
        elif byte in _COUNTED:
            width, more = _COUNTED[byte]
            at += width + more + int.from_bytes(body[at : at + width], "big")
        elif byte >= 0xDC:
            width = 2 if byte in (0xDC, 0xDE) else 4
            held = int.from_bytes(body[at : at + width], "big") * (2 if byte >= 0xDE else 1)
            at += width
        # The byte 0xC1 is never used; the decoder says so.
        if waiting:
            waiting[-1] -= 1
        is_container = 0x80 <= byte < 0xA0 or 0xDC <= byte < 0xE0
        if is_container and len(waiting) >= depth_max:
            return f"expected arrays and maps up to {depth_max} deep, got more - at byte {began}"
        if held > end - at:
            return f"expected up to {max(0, end - at)} values in the bytes that follow, got {held} - at byte {began}"
        if held:
            waiting.append(held)
        while waiting and not waiting[-1]:
            waiting.pop()
    return ""


def _too_many(values_max: int) -> str:
    return f"expected up to {values_max} values, got more - at $"


def _too_deep(depth_max: int) -> str:
    return f"expected arrays and objects up to {depth_max} deep, got more - at $"
