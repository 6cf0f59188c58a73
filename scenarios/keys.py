"""The kinds of values that keys of a scenario file hold, with the range of each, and what to say of a key that is none.

Rule of this file: a range has its reason beside it; a part of a file refuses keys that nothing reads.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Annotated, Any

import msgspec
from msgspec import Meta, inspect

Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Time = Annotated[float, Meta(ge=0.0, le=1e9)]
"""Seconds since the open; thirty years is for ever."""
Span = Annotated[float, Meta(ge=1e-6, le=1e9)]
"""A length of time, a microsecond at least: what rounds to no time at all would never pass."""
Pause = Annotated[float, Meta(ge=0.1, le=1e9)]
"""A span after which we act again: shorter than 100 ms, a run would do little but act again."""
Count = Annotated[int, Meta(ge=1)]
Fee = Annotated[int, Meta(ge=-1_000_000, le=1_000_000)]
"""Micros a share; one unit of the currency a share is beyond what any venue charges."""
Day = Annotated[str, Meta(pattern="^[0-9]{8}$")]
"""A date as YYYYMMDD."""


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of a scenario file."""


def expected_key(key: str, known: Sequence[str]) -> str:
    """Return what was expected in the place of an unknown key: those that are spelt nearly so, or else all.

    >>> expected_key("limitprice", ("id", "side", "limit_price")), expected_key("colour", ("id", "side"))
    ('a known key (did you mean limit_price?)', 'one of the keys id, side')
    """
    near = get_close_matches(key, known)
    return f"a known key (did you mean {' or '.join(near)}?)" if near else f"one of the keys {', '.join(known)}"


def with_known_keys(fault: str, raw: object, file: type[msgspec.Struct]) -> str:
    """Return a validation's fault; where that is an unknown key of the `file`, with the keys there are in its place."""
    found = re.fullmatch(r"Object contains unknown field `(.*?)`(?: - at `\$([^`]*)`)?", fault)
    if found is None:
        return fault
    key, place = found[1], found[2] or ""
    value, kind = raw, inspect.type_info(file)
    for name, index in re.findall(r"\.(\w+)|\[(\d+)\]", place):
        value, kind = _inside(value, _struct(kind, value), name, index)
    table = _struct(kind, value)
    if not isinstance(table, inspect.StructType):
        return fault
    known = [*filter(None, [table.tag_field]), *(field.encode_name for field in table.fields)]
    return f"expected {expected_key(key, known)}, got {key!r} - at `${place}`"


def _inside(value: Any, kind: inspect.Type, name: str, index: str) -> tuple[Any, inspect.Type]:
    """Return the value at a key or an index of `value`, and its kind; where nothing is known of it, any kind."""
    if isinstance(kind, inspect.StructType):
        fields = (field.type for field in kind.fields if field.encode_name == name)
        return value[name], next(fields, inspect.AnyType())
    inner = kind.item_type if isinstance(kind, inspect.VarTupleType) else inspect.AnyType()
    return value[int(index)] if index else value[name], inner


def _struct(kind: inspect.Type, value: Any) -> inspect.Type:
    """Return the kind itself, or of several the one that the value's tag chooses, or else the table among them."""
    if not isinstance(kind, inspect.UnionType):
        return kind
    choices = [of for of in kind.types if not isinstance(of, inspect.NoneType)]
    tagged = (
        of
        for of in choices
        if isinstance(of, inspect.StructType) and of.tag_field and value.get(of.tag_field) == of.tag
    )
    return next(tagged, choices[0])
