"""Units, ids and the checks of a parent order: exact, and refusing with the place.

Rule of this file: each refused input is there because somebody will send it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain import ids
from router.domain.enums import OrdType, Side, Tactic, VenueType
from router.domain.errors import BadInputError, CodecError, UnitError
from router.domain.instruments import FeeSchedule, Lane, Listing, VenueSpec, as_known, lanes_of
from router.domain.market import PRINT_COLUMNS, QUOTE_COLUMNS, MarketSnapshot, no_rows, rows_from_bytes
from router.domain.orders import ParentOrder, check_parent
from router.domain.scores import ContextFrame
from router.domain.units import (
    PX_MAX,
    QTY_MAX,
    SECOND,
    notional_micros,
    px,
    px_text,
    round_down,
    round_to_tick,
    seconds,
)

PARENT = ParentOrder(
    parent_id="P1",
    client_order_id="C1",
    symbol="ANB",
    side=Side.BUY,
    order_qty=1_000,
    start_at=0,
    end_at=60 * SECOND,
)


@given(st.integers(0, PX_MAX))
def test_price_is_read_as_it_was_written(value: int) -> None:
    assert px(px_text(value)) == value
    assert px(Decimal(value).scaleb(-4)) == value


@pytest.mark.parametrize("text", ["", "abc", "40.12345", "-0.0001", "nan", "inf", "-inf", "100000000.0001", None, [40]])
def test_price_that_is_none_is_refused(text: Any) -> None:
    with pytest.raises(UnitError, match="expected a"):
        px(text)


def test_midpoint_of_an_odd_spread_is_whole() -> None:
    assert (px("40.01") + px("40.02")) % 2 == 0


@given(st.integers(0, QTY_MAX), st.integers(1, 10_000))
def test_rounding_down_gives_the_lot_below(qty: int, lot: int) -> None:
    rounded = round_down(qty, lot)
    assert rounded % lot == 0
    assert 0 <= qty - rounded < lot


@given(st.integers(0, 2 * 10**9), st.sampled_from([1, 50, 100, 10_000]))
def test_rounding_to_a_tick_goes_the_way_it_is_told(half_px: int, tick: int) -> None:
    price = half_px / 2
    down, up = round_to_tick(price, tick, up=False), round_to_tick(price, tick, up=True)
    assert down % tick == up % tick == 0
    assert down <= price <= up
    assert up - down == (0 if price % tick == 0 else tick)


def test_money_and_time_are_whole() -> None:
    assert notional_micros(px("40.1250"), 300) == 12_037_500_000
    assert seconds(1e-9) == 1
    assert seconds(-0.5) == -500_000_000


def test_ids_are_derived_from_their_owner() -> None:
    child = ids.cl_ord_id("P1", 7)
    made = [ids.decision_id("P1", 3), child, ids.request_id(child, 2), ids.inferred_exec_id(child, 1)]
    assert made == ["P1.d3", "P1.7", "P1.7/2", "inferred:P1.7/1"]
    assert [ids.check_id(one, "$") for one in made] == made


@pytest.mark.parametrize(
    "text", ["", "a" * 49, "P 1", "P1\n", "P1\x00", "é", "P1;", "P1\x1f", "\N{FULLWIDTH DIGIT ONE}"]
)
def test_id_that_a_venue_would_not_take_is_refused(text: str) -> None:
    with pytest.raises(BadInputError, match=r"expected an id .* - at \$\.x$"):
        ids.check_id(text, "$.x")


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"parent_id": ""}, "parent_id"),
        ({"client_order_id": "x" * 49}, "client_order_id"),
        ({"symbol": ""}, "symbol"),
        ({"order_qty": 0}, "order_qty"),
        ({"order_qty": -5}, "order_qty"),
        ({"order_qty": QTY_MAX + 1}, "order_qty"),
        ({"start_at": -1}, "start_at"),
        ({"end_at": 0}, "end_at"),
        ({"ord_type": OrdType.LIMIT}, "price"),
        ({"price": 400_000}, "price"),
        ({"ord_type": OrdType.LIMIT, "price": 0}, "price"),
        ({"ord_type": OrdType.LIMIT, "price": PX_MAX + 1}, "price"),
        ({"ord_type": OrdType.PEGGED}, "ord_type"),
        ({"urgency": -0.1}, "urgency"),
        ({"urgency": 1.1}, "urgency"),
        ({"urgency": float("nan")}, "urgency"),
        ({"max_participation": 0.0}, "max_participation"),
        ({"max_participation": 1.5}, "max_participation"),
        ({"max_participation": float("nan")}, "max_participation"),
        ({"min_qty": -1}, "min_qty"),
        ({"min_qty": 1_001}, "min_qty"),
    ],
)
def test_parent_that_cannot_be_is_refused_by_field(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(BadInputError, match=rf"expected .*, got .* - at \$\.orders\[2\]\.{key}$"):
        check_parent(msgspec.structs.replace(PARENT, **changes), "$.orders[2]")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"ord_type": OrdType.LIMIT, "price": PX_MAX},
        {"order_qty": QTY_MAX, "min_qty": QTY_MAX},
        {"urgency": 0.0, "max_participation": 1.0},
        {"end_at": 1},
    ],
)
def test_parent_at_the_edge_of_what_can_be_is_accepted(changes: dict[str, Any]) -> None:
    parent = msgspec.structs.replace(PARENT, **changes)
    assert check_parent(parent) is parent


def test_lanes_follow_the_venues_and_their_tactics() -> None:
    specs = tuple(
        VenueSpec(
            mic=mic,
            venue_type=VenueType.CENTRAL_LIMIT_ORDER_BOOK,
            listing=Listing(symbol="ANB", mic=mic),
            fees=FeeSchedule(),
            tactics=tactics,
        )
        for mic, tactics in (("XNYS", (Tactic.TAKE, Tactic.POST)), ("DARK", (Tactic.MID_PEG,)))
    )
    assert lanes_of(specs) == (Lane("XNYS", Tactic.TAKE), Lane("XNYS", Tactic.POST), Lane("DARK", Tactic.MID_PEG))
    assert [str(lane) for lane in lanes_of(specs)] == ["XNYS:TAKE", "XNYS:POST", "DARK:MID_PEG"]


@given(st.integers(0, 5))
def test_market_rows_come_back_from_their_bytes(n: int) -> None:
    rows = np.arange(n * len(QUOTE_COLUMNS), dtype=np.int64).reshape(n, len(QUOTE_COLUMNS))
    assert np.array_equal(rows_from_bytes(rows.tobytes(), QUOTE_COLUMNS), rows)


def test_market_rows_that_are_cut_are_refused() -> None:
    assert no_rows(PRINT_COLUMNS).shape == (0, 4)
    with pytest.raises(CodecError, match="expected rows of 32 bytes"):
        rows_from_bytes(bytes(33), PRINT_COLUMNS)


@pytest.mark.parametrize(("bid", "ask", "mid"), [(100, 103, 101.5), (0, 103, 0.0), (100, 0, 0.0), (0, 0, 0.0)])
def test_mid_is_there_only_with_both_sides(bid: int, ask: int, mid: float) -> None:
    snapshot = MarketSnapshot(at=0, quotes=(), tiers=(), bid_px=bid, bid_qty=1, ask_px=ask, ask_qty=1, volume=0)
    assert snapshot.mid == mid


def test_equal_specs_are_known_as_one_object() -> None:
    def made() -> tuple[VenueSpec, ...]:
        listing = Listing(symbol="KNOWN", mic="XNYS")
        kind = VenueType.CENTRAL_LIMIT_ORDER_BOOK
        return (VenueSpec(mic="XNYS", venue_type=kind, listing=listing, fees=FeeSchedule(), tactics=(Tactic.TAKE,)),)

    one, two = made(), made()
    assert one is not two
    assert as_known(two) is as_known(one) == one
    assert lanes_of(two) is lanes_of(one)


def test_frame_gives_a_lanes_features_to_the_bit() -> None:
    x = np.array([[1.0, -0.0, 1e-300], [0.1, 2.0 / 3.0, -3.0]])
    frame = ContextFrame(
        at=0,
        symbol="ANB",
        side=Side.BUY,
        names=("bias", "spread", "flow"),
        lanes=("XNYS:TAKE", "XNYS:POST"),
        x=x.tobytes(),
        price_bps=(0.0, 0.0),
        fee_bps=(0.0, 0.0),
        max_qty=(1, 1),
    )
    assert [np.array(frame.row(lane)).tobytes() for lane in range(2)] == [row.tobytes() for row in x]
