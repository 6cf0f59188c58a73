"""Bounds of bodies: the fast look agrees with one that decodes, and no bytes break it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.api.bounds import json_fault, msgpack_fault

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=8), inner, max_size=20),
    max_leaves=60,
)


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max((depth_of(one) for one in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((depth_of(one) for one in value), default=0)
    return 0


def number_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(1 + number_of(one) for one in value.values())
    return 1 + sum(number_of(one) for one in value) if isinstance(value, list) else 1


@given(value=VALUES, depth_max=st.integers(1, 4))
@settings(max_examples=200, deadline=None)
def test_depth_is_what_a_decoder_finds(value: Any, depth_max: int) -> None:
    is_too_deep = depth_of(value) > depth_max
    assert bool(json_fault(json.dumps(value).encode(), depth_max, 10**6)) == is_too_deep
    assert bool(msgpack_fault(msgspec.msgpack.encode(value), depth_max, 10**6)) == is_too_deep


@given(value=VALUES, values_max=st.integers(1, 40))
@settings(max_examples=200, deadline=None)
def test_number_of_values_is_bounded(value: Any, values_max: int) -> None:
    found = msgpack_fault(msgspec.msgpack.encode(value), 100, values_max)
    assert bool(found) == (number_of(value) > values_max)
    # In JSON a key and its value count as one, so that the bound is within a factor of two.
    if json_fault(json.dumps(value).encode(), 100, values_max):
        assert number_of(value) > values_max


@given(body=st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_no_bytes_break_the_look(body: bytes) -> None:
    assert isinstance(json_fault(body, 4, 50), str)
    assert isinstance(msgpack_fault(body, 4, 50), str)


@pytest.mark.parametrize("header", [b"\xdc\xff\xff", b"\xdd\xff\xff\xff\xff", b"\xde\xff\xff", b"\xdf\xff\xff\xff\xff"])
def test_container_that_claims_more_than_there_is_is_refused(header: bytes) -> None:
    assert "in the bytes that follow" in msgpack_fault(b"\x91" + header + b"\x01", 16, 10**6)


def test_brackets_in_texts_are_no_depth() -> None:
    assert json_fault(json.dumps({"why": "[{" * 500 + '"\\'}).encode(), 4, 100) == ""
