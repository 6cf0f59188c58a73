"""Hypothesis strategies for any message: built from the types that msgspec itself decodes.

Rule of this file: it names no message, so that a new one or a new field is drawn without a change here.
"""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

INT64_MAX = 2**63 - 1

_LEAVES: dict[type, st.SearchStrategy[Any]] = {
    inspect.IntType: st.integers(-INT64_MAX - 1, INT64_MAX),
    # NaN is not equal to itself, so a round trip could not be seen.
    inspect.FloatType: st.floats(allow_nan=False),
    inspect.StrType: st.text(max_size=12),
    inspect.BytesType: st.binary(max_size=24),
    inspect.BoolType: st.booleans(),
    inspect.NoneType: st.none(),
}


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for values of `kind`: a struct type, a union of them, or anything inside one."""
    return _of(inspect.type_info(kind))


def _of(info: inspect.Type) -> st.SearchStrategy[Any]:
    if type(info) in _LEAVES:
        return _LEAVES[type(info)]
    match info:
        case inspect.StructType(cls=cls, fields=fields):
            return st.builds(cls, **{field.name: _of(field.type) for field in fields})
        case inspect.EnumType(cls=cls):
            return st.sampled_from(cls)
        case inspect.UnionType(types=types):
            return st.one_of([_of(one) for one in types])
        case inspect.VarTupleType(item_type=item):
            return st.lists(_of(item), max_size=2).map(tuple)
        case inspect.TupleType(item_types=items):
            return st.tuples(*(_of(item) for item in items))
        case inspect.DictType(key_type=key, value_type=value):
            return st.dictionaries(_of(key), _of(value), max_size=2)
    raise AssertionError(f"expected a type that messages use, got {info!r}")


def kinds_of(union: Any) -> list[type[msgspec.Struct]]:
    """Return the struct types of a union."""
    return list(union.__args__)
