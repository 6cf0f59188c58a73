"""Replaces and pegs of ours at a lit venue: no order that the desk has forgotten, no peg at a price of long ago.

Rule of this file: a quiet market as in `test_lit_orders`; extreme quantities, prices and offsets included.
"""

from __future__ import annotations

import pytest
from lit_material import ASK, AT, BID, IOC, MID, OPEN, new, seller, venue

from router.domain.enums import (
    ExecType,
    OrdStatus,
    OrdType,
    PegPriceType,
    Side,
)
from router.domain.messages import Arrival, Shift
from router.domain.orders import OrderCancelReplaceRequest, OrderCancelRequest
from router.domain.reports import ExecutionReport, OrderCancelReject
from router.domain.units import MILLISECOND, PX_MAX, SECOND
from venues.book.words import SLICES_MAX
from venues.types.lit_orders import FAR_LEVELS, PEG_LEVELS
from venues.venue import VenueOutput

STEP = 50
BUMP = 350_000


def peg(at: int, name: str, **fields: object) -> Arrival:
    base: dict[str, object] = {"ord_type": OrdType.PEGGED, "peg_price_type": PegPriceType.MID_PRICE}
    return new(at, name, **(base | fields))


def change(at: int, orig: str, qty: int, price: int | None, n: int = 1) -> Arrival:
    name = f"{orig}.r{n}"
    request = OrderCancelReplaceRequest(
        mic="XONE", parent_id="P1", cl_ord_id=name, orig_cl_ord_id=orig, order_qty=qty, price=price
    )
    return Arrival(at, request)


def cancel(at: int, orig: str) -> Arrival:
    return Arrival(at, OrderCancelRequest(mic="XONE", cl_ord_id=f"{orig}.c", orig_cl_ord_id=orig, parent_id="P1"))


def fills(output: VenueOutput, name: str) -> list[tuple[int, int, int]]:
    reports = (r for r in output.reports if isinstance(r, ExecutionReport) and r.cl_ord_id == name)
    return [(r.transact_time, r.last_px, r.last_qty) for r in reports if r.exec_type is ExecType.TRADE]


def rejects(output: VenueOutput) -> list[OrderCancelReject]:
    return [r for r in output.reports if isinstance(r, OrderCancelReject)]


@pytest.mark.parametrize("bump", [0, BUMP])
def test_a_replace_beyond_what_an_iceberg_may_refresh_is_refused_and_the_order_stands(bump: int) -> None:
    lit = venue(speed_bump_ns=bump)
    ice = new(AT, "ice", price=MID, order_qty=500, display_qty=100)
    output = lit.advance(AT + SECOND, [ice, change(AT + MILLISECOND, "ice", 100 * SLICES_MAX + 100, MID)])
    assert [r.ord_status for r in rejects(output)] == [OrdStatus.NEW]
    taken = lit.advance(AT + 2 * SECOND, [seller(AT + SECOND, "take", 500, MID)])
    assert sum(qty for _, _, qty in fills(taken, "ice")) == 500


@pytest.mark.parametrize("price", [PX_MAX // 100 * 100, (410_000 + FAR_LEVELS * STEP) // 100 * 100])
def test_a_replace_to_a_price_no_book_holds_is_refused_and_the_order_stands(price: int) -> None:
    lit = venue()
    order = new(AT, "sell", side=Side.SELL, price=410_000)
    output = lit.advance(AT + 10, [order, change(AT + 1, "sell", 100, price)])
    assert [r.ord_status for r in rejects(output)] == [OrdStatus.NEW]
    everything = new(AT + 12, "take", price=410_000, order_qty=100_000, time_in_force=IOC)
    taken = lit.advance(AT + 20, [everything])
    assert fills(taken, "sell") == [(AT + 12, 410_000, 100)]


def test_orders_as_far_as_they_may_rest_on_both_sides_are_held() -> None:
    lit = venue()
    high = MID + FAR_LEVELS * STEP // 100 * 100
    orders = [new(AT, "low", price=100), new(AT + 1, "high", side=Side.SELL, price=MID + 100_000)]
    output = lit.advance(AT + 10, [*orders, change(AT + 2, "high", 200, high)])
    assert rejects(output) == []
    assert [r.ord_status for r in output.reports] == [OrdStatus.NEW] * 3


def test_a_peg_that_comes_alone_stands_at_the_market_of_now() -> None:
    lit = venue()
    lit.advance(AT + 10, [peg(AT, "old"), cancel(AT + 5, "old")])
    moved = lit.advance(AT + 2 * SECOND, (), [Shift(AT + 20, -1_000)]).quotes[-1]
    mid = (int(moved[1]) + int(moved[3])) // 2
    assert mid < BID
    hidden = new(AT + 2 * SECOND, "dark", side=Side.SELL, price=mid, display_qty=0)
    output = lit.advance(AT + 3 * SECOND, [hidden, peg(AT + 2 * SECOND + 1, "now", time_in_force=IOC)])
    assert fills(output, "now") == [(AT + 2 * SECOND + 1, mid, 100)]


def test_the_first_peg_of_a_day_knows_the_market() -> None:
    hidden = new(AT, "dark", side=Side.SELL, price=MID, display_qty=0)
    output = venue().advance(AT + 10, [hidden, peg(AT + 2, "first", time_in_force=IOC)])
    assert fills(output, "first") == [(AT + 2, MID, 100)]


@pytest.mark.parametrize(
    "fields",
    [
        {"peg_offset": -(10**12)},
        {"peg_offset": 1 << 62},
        {"peg_offset": -(PEG_LEVELS + 1) * STEP},
        {"price": PX_MAX // 100 * 100},
    ],
)
def test_a_peg_far_from_the_market_is_rejected_and_the_others_follow(fields: dict[str, object]) -> None:
    far = peg(AT, "far", side=Side.SELL, peg_price_type=PegPriceType.PRIMARY, **fields)
    output = venue().advance(AT + 10, [far, peg(AT + 1, "near"), seller(AT + 3, "take", 100, MID)])
    assert output.reports[0].ord_status is OrdStatus.REJECTED
    assert fills(output, "near") == [(AT + 3, MID, 100)]


def test_pegs_as_far_as_they_may_stand_follow_a_market_that_leaves_the_range() -> None:
    lit = venue()
    far = PEG_LEVELS * STEP
    orders = [
        peg(AT, "high", side=Side.SELL, peg_price_type=PegPriceType.PRIMARY, peg_offset=-far),
        peg(AT + 1, "low", peg_price_type=PegPriceType.PRIMARY, peg_offset=-far),
        peg(AT + 2, "near"),
    ]
    lit.advance(AT + 10, orders)
    # The first look of the makers finds the far peg in their way; it has followed them by the second.
    jumps = [Shift(AT + 20, 80_000), Shift(AT + SECOND, 80_100)]
    moved = lit.advance(AT + 2 * SECOND, (), jumps).quotes[-1]
    mid = (int(moved[1]) + int(moved[3])) // 2
    assert mid > MID + 70_000
    output = lit.advance(AT + 3 * SECOND, [seller(AT + 2 * SECOND, "take", 100, mid // 100 * 100)])
    assert fills(output, "near") == [(AT + 2 * SECOND, mid, 100)]


def test_pegs_that_wait_for_the_opening_do_not_bar_its_auction() -> None:
    lit = venue(opening_auction_ns=2 * SECOND)
    far = PEG_LEVELS * STEP
    orders = [
        peg(AT, "high", side=Side.SELL, peg_price_type=PegPriceType.PRIMARY, peg_offset=-far),
        peg(AT + 1, "low", peg_price_type=PegPriceType.PRIMARY, peg_offset=-far),
        peg(AT + 2, "near"),
        new(AT + 3, "buy", price=MID),
        new(AT + 4, "sell", side=Side.SELL, price=MID),
        seller(AT + 3 * SECOND, "take", 100, MID),
    ]
    output = lit.advance(AT + 4 * SECOND, orders)
    assert fills(output, "buy") == [(OPEN + 2 * SECOND, MID, 100)]
    assert fills(output, "near") == [(AT + 3 * SECOND, MID, 100)]


def test_a_replace_to_another_price_waits_at_the_speed_bump_like_a_new_order() -> None:
    lit = venue(speed_bump_ns=BUMP)
    at = AT + MILLISECOND
    orders = [new(AT, "rest", price=399_000), new(at - 10, "fresh", price=399_000)]
    changes = [change(at, "rest", 100, ASK), change(at + 1, "fresh", 100, ASK)]
    output = lit.advance(AT + SECOND, [*orders, *changes])
    assert fills(output, "rest") == [(at + BUMP, ASK, 100)]
    assert fills(output, "fresh") == [(at + 1 + BUMP, ASK, 100)]


def test_an_order_that_traded_in_part_comes_back_from_the_bump_with_what_is_open() -> None:
    lit = venue(speed_bump_ns=BUMP)
    steps = [AT + k * MILLISECOND for k in range(6)]
    arrivals = [
        new(steps[0], "rest", price=MID, order_qty=500),
        seller(steps[1], "one", 200, MID),
        change(steps[2], "rest", 600, MID),
        change(steps[3], "rest", 400, MID, 2),
        seller(steps[4], "two", 500, MID),
    ]
    output = lit.advance(steps[5], arrivals)
    assert [qty for _, _, qty in fills(output, "rest")] == [200, 200]
    assert fills(output, "two") == [(steps[4] + BUMP, MID, 200)]


def test_an_order_far_from_the_market_enters_an_empty_book() -> None:
    lit = venue(opening_auction_ns=2 * SECOND)
    orders = [new(AT, "far", side=Side.SELL, price=MID + 400_000), new(AT + 1, "buy", price=MID)]
    output = lit.advance(AT + 2 * SECOND, orders)
    assert [r.ord_status for r in output.reports] == [OrdStatus.NEW] * 2
    assert output.quotes[-1, 1:4:2].tolist() == [MID, ASK]
