"""What a JSON text says that its value no longer shows: keys that stand twice, and numbers that are none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.api.json_text import twice
from cluster.api.schemas import BatchBody, OrderBody
from cluster.api.wire import decode
from router.domain.errors import BadInputError

BODY = b'{"client_order_id":"a","account":"A","symbol":"S","side":"buy","type":"market","qty":"5"%s}'

TEXTS = st.text(st.sampled_from('":\\ ab{},[]\n'), max_size=6)
VALUES = st.recursive(
    st.none() | st.integers(-9, 9) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4), st.sampled_from([None, 1, 2]), st.sampled_from([":", " :", "\n: "]))
def test_no_object_with_each_key_once_is_refused(value: dict[str, Any], indent: int | None, colon: str) -> None:
    text = json.dumps(value, indent=indent, separators=(",", colon))
    assert twice(text.encode()) == ""


@given(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4), st.data(), st.sampled_from([":", " :", "\n: "]))
def test_every_object_with_a_key_twice_is_found(value: dict[str, Any], data: st.DataObject, colon: str) -> None:
    key = data.draw(st.sampled_from(sorted(value)))
    outer = data.draw(st.sampled_from(["%s", '{"x y": [%s]}', '{"a:": {"b": %s}}']))
    rest = json.dumps(value, separators=(",", colon))[1:]
    text = outer % ("{" + json.dumps(key) + ":1," + rest)
    assert twice(text.encode()) == key


@pytest.mark.parametrize(
    ("more", "key"),
    [
        (b',"client_order_id":"b"', "client_order_id"),
        (b', "qty" : "6"', "qty"),
        (b',"routing":{"urgency":0.1,"urgency":0.2}', "urgency"),
        (b',"routing":{"strategy_parameters":{"x":1,"x":2}}', "x"),
    ],
)
def test_body_with_a_key_twice_is_refused_by_name(more: bytes, key: str) -> None:
    with pytest.raises(BadInputError, match=rf"^expected each key once, got '{key}' twice - at \$$"):
        decode(BODY % more, OrderBody, is_json=True)


def test_orders_of_a_batch_each_have_the_same_keys_and_each_once() -> None:
    order = BODY % b',"end_time":"2030-01-01T10:00:00Z","time_in_force":"good_till_date"'
    assert len(decode(b'{"orders":[%s,%s]}' % (order, order), BatchBody, is_json=True).orders) == 2
    with pytest.raises(BadInputError, match="'account' twice"):
        decode(b'{"orders":[%s,%s]}' % (order, BODY % b',"account":"B"'), BatchBody, is_json=True)


@pytest.mark.parametrize(
    ("more", "number", "place"),
    [
        (b',"routing":{"urgency":1e999}', "1e999", "$.routing.urgency"),
        (b',"routing":{"strategy_parameters":{"1e998":-1e999}}', "-1e999", "$.routing.strategy_parameters[...]"),
        (b',"routing":{"strategy_parameters":{"a":0.5,"b":2E4000}}', "2E4000", "$.routing.strategy_parameters[...]"),
    ],
)
def test_number_that_no_float_holds_is_said_as_it_came(more: bytes, number: str, place: str) -> None:
    with pytest.raises(BadInputError) as fault:
        decode(BODY % more, OrderBody, is_json=True)
    assert str(fault.value) == f"expected a finite number, got {number} - at {place}"
