"""What a JSON text says that its value no longer shows: a key that stands twice, a number beyond every float.

Rule of this file: a text is looked at twice only where the first look, at the speed of C, cannot tell.
"""

from __future__ import annotations

import json
import math
import re
from functools import partial
from typing import Any, Final

import msgspec

_value: Final = msgspec.json.Decoder()
_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_APART: Final = (b" :", b"\n:", b"\r:", b"\t:")
"""How a key may end but in a quote and a colon."""

_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NUMBER: Final = re.compile(rb"-?[0-9][0-9.eE+-]*")


def twice(body: bytes) -> str:
    """Return a key that one object of a JSON text has twice, the last of which would count (RFC 8259, 4); "": none.
    The text is an object.

    Every key has a colon: where there are as many as the value has keys, none was there twice.

    >>> twice(b'{"a": 1, "b": {"a": 2}}'), twice(b'{"a": 1, "b": {"c": 2, "c" :3}}'), twice(b'{"a": "b\\\\":c"}')
    ('', 'c', '')
    """
    colons = body.count(b":")
    if colons == len(_object.decode(body)):
        return ""
    keys = _keys_in(_value.decode(body))
    if colons == keys:
        return ""
    if body.count(b'":') == keys and not any(end in body for end in _APART):
        # The other colons are in texts.
        return ""
    found: list[str] = []
    json.loads(body, object_pairs_hook=partial(_look, found))
    return found[0] if found else ""


def beyond(body: bytes) -> str:
    """Return the first number in a JSON text that no float can hold; "": there is none.

    >>> beyond(b'{"a": "1e999", "b": [1.5, -1e999]}'), beyond(b"[1e308]")
    ('-1e999', '')
    """
    for number in _NUMBER.findall(_STRING.sub(b"", body)):
        try:
            if math.isinf(float(number)):
                return str(number[:40].decode())
        except ValueError:
            continue
    return ""


def _keys_in(value: Any) -> int:
    if type(value) is dict:
        return len(value) + sum([_keys_in(inner) for inner in value.values() if type(inner) in (dict, list)])
    return sum([_keys_in(inner) for inner in value if type(inner) in (dict, list)]) if type(value) is list else 0


def _look(found: list[str], pairs: list[tuple[str, Any]]) -> None:
    seen = set[str]()
    for key, _ in pairs:
        if key in seen:
            found.append(key)
        seen.add(key)
