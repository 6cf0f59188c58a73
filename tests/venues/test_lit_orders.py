"""Every kind of order that a lit venue takes does what it says, at a venue whose background stands still.

Rule of this file: the market is quiet (no takers, no moves), so that what trades is ours or the makers'.
"""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from lit_material import ASK, AT, BID, IOC, OPEN, SETUP, new, seller, venue

from router.domain.enums import (
    ExecInst,
    ExecType,
    LastLiquidityInd,
    OrdStatus,
    OrdType,
    PegPriceType,
    Side,
    TimeInForce,
)
from router.domain.messages import Arrival, Fade, Hedge
from router.domain.orders import OrderCancelRequest
from router.domain.reports import ExecutionReport
from router.domain.units import MILLISECOND, MINUTE, SECOND
from venues.check import check_venue
from venues.models.reference import Halt
from venues.venue import VenueOutput


def said(output: VenueOutput, name: str, kind: ExecType = ExecType.TRADE) -> list[ExecutionReport]:
    found = (r for r in output.reports if isinstance(r, ExecutionReport) and r.cl_ord_id == name)
    return [r for r in found if r.exec_type is kind]


def test_an_iceberg_shows_a_part_and_goes_to_the_back_for_the_next() -> None:
    lone = new(AT, "ice", price=400_000, order_qty=500, display_qty=100)
    behind = new(AT + 1, "behind", price=400_000, order_qty=100)
    output = venue().advance(AT + 10, [lone, behind, seller(AT + 2, "take", 250, 400_000)])
    assert output.quotes[-3:, 2].tolist() == [100, 200, 50]
    trades = [(r.cl_ord_id, r.last_qty) for r in output.reports if r.exec_type is ExecType.TRADE]  # type: ignore[union-attr]
    assert [t for t in trades if t[0] != "take"] == [("ice", 100), ("behind", 100), ("ice", 50)]


def test_a_hidden_order_is_not_shown_and_trades() -> None:
    output = venue().advance(
        AT + 10, [new(AT, "dark", price=400_000, display_qty=0), seller(AT + 1, "take", 60, 400_000)]
    )
    assert output.quotes[-1, 1] == BID
    fill = said(output, "dark")[0]
    assert (fill.last_qty, fill.last_px, fill.last_liquidity_ind) == (60, 400_000, LastLiquidityInd.ADDED)


@pytest.mark.parametrize(
    ("kind", "offset", "px"),
    [
        (PegPriceType.MID_PRICE, 0, 400_000),
        (PegPriceType.MID_PRICE, -50, 399_950),
        (PegPriceType.PRIMARY, 0, BID),
        (PegPriceType.PRIMARY, 100, 400_000),
        (PegPriceType.MARKET, -100, 400_000),
    ],
)
def test_a_peg_stands_where_it_is_pegged(kind: PegPriceType, offset: int, px: int) -> None:
    lit = venue()
    shown = int(lit.advance(AT).quotes[-1, 2])
    pegged = new(AT, "peg", ord_type=OrdType.PEGGED, peg_price_type=kind, peg_offset=offset)
    taken = shown + 100 if px == BID else 100
    output = lit.advance(AT + 10, [pegged, seller(AT + 1, "take", taken, px if px % 100 == 0 else BID)])
    assert [(r.last_px, r.last_qty) for r in said(output, "peg")] == [(px, 100)]


def test_an_immediate_order_with_min_qty_trades_that_much_or_nothing() -> None:
    lit = venue()
    shown = int(lit.advance(AT).quotes[-1, 4])
    orders = [
        new(AT, "much", price=ASK, order_qty=shown + 900, min_qty=shown + 1, time_in_force=IOC),
        new(AT + 1, "some", price=ASK, order_qty=shown + 900, min_qty=shown, time_in_force=IOC),
    ]
    output = lit.advance(AT + 10, orders)
    assert said(output, "much") == []
    assert said(output, "much", ExecType.CANCELED)[0].text == "not all of it at once"
    assert sum(r.last_qty for r in said(output, "some")) == shown


@pytest.mark.parametrize(
    ("mode", "resting", "entering"),
    [
        ("allowed", "FILLED", "FILLED"),
        ("cancel_aggressive", "NEW", "CANCELED"),
        ("cancel_passive", "CANCELED", "CANCELED"),
        ("cancel_both", "CANCELED", "CANCELED"),
    ],
)
def test_orders_of_ours_that_meet_do_what_the_venue_was_told(mode: str, resting: str, entering: str) -> None:
    lit = venue(self_match=mode)
    output = lit.advance(AT + 10, [new(AT, "rest", price=400_000), seller(AT + 1, "take", 100, 400_000)])
    last = {r.cl_ord_id: r.ord_status for r in output.reports}  # type: ignore[union-attr]
    assert (last["rest"], last["take"]) == (OrdStatus[resting], OrdStatus[entering])


def test_a_speed_bump_holds_an_order_that_a_cancel_can_still_catch() -> None:
    lit = venue(speed_bump_ns=350_000)
    cancel = OrderCancelRequest(mic="XONE", cl_ord_id="two/1", orig_cl_ord_id="two", parent_id="P1")
    orders = [new(AT, "one", price=ASK, time_in_force=IOC), new(AT + 1, "two", price=ASK), Arrival(AT + 9, cancel)]
    output = lit.advance(AT + SECOND, orders)
    assert {r.transact_time for r in said(output, "one")} == {AT + 350_000}
    assert said(output, "two") == []
    assert said(output, "two", ExecType.CANCELED)[0].transact_time == AT + 9


def test_nothing_trades_in_a_halt_and_what_waits_meets_in_the_auction_after_it() -> None:
    halted = msgspec.structs.replace(SETUP, halts=(Halt(from_at=AT, to_at=AT + SECOND),))
    orders = [
        new(AT + 1, "now", price=ASK, time_in_force=IOC),
        new(AT + 2, "buy", price=400_000),
        new(AT + 3, "sell", side=Side.SELL, price=400_000),
    ]
    output = venue(setup=halted).advance(AT + 2 * SECOND, orders)
    assert said(output, "now", ExecType.CANCELED)[0].text == "trading is halted"
    fills = [*said(output, "buy"), *said(output, "sell")]
    assert {(r.transact_time, r.last_px, r.last_liquidity_ind) for r in fills} == {
        (AT + SECOND, 400_000, LastLiquidityInd.AUCTION)
    }
    dark = output.quotes[(output.quotes[:, 0] >= AT) & (output.quotes[:, 0] < AT + SECOND)]
    assert dark[:, 1:].tolist() == [[0, 0, 0, 0]]
    assert output.quotes[-1, 1:4:2].tolist() == [BID, ASK]


def test_the_auctions_trade_what_came_for_them_at_one_price() -> None:
    lit = venue(share=0.15, opening_auction_ns=MINUTE, closing_auction_ns=MINUTE, auction_share=0.1)
    opening = new(AT, "open", price=405_000, order_qty=300, time_in_force=TimeInForce.AT_THE_OPENING)
    closing = new(AT + 1, "close", price=405_000, order_qty=300, time_in_force=TimeInForce.AT_THE_CLOSE)
    late = new(OPEN + 2 * MINUTE, "late", price=405_000, time_in_force=TimeInForce.AT_THE_OPENING)
    output = lit.advance(SETUP.close_at + 1, [opening, closing, late])
    for name, at in (("open", OPEN + MINUTE), ("close", SETUP.close_at)):
        fills = said(output, name)
        assert sum(r.last_qty for r in fills) == 300
        assert {(r.transact_time, r.last_liquidity_ind) for r in fills} == {(at, LastLiquidityInd.AUCTION)}
        prints = output.prints[output.prints[:, 0] == at]
        assert len(set(prints[:, 1].tolist())) == 1
        assert set(prints[:, 3].tolist()) == {0}
    assert "no auction to come" in said(output, "late", ExecType.REJECTED)[0].text
    assert output.quotes[0, 0] >= OPEN + MINUTE


def test_a_fade_pulls_what_a_taker_would_hit_and_it_comes_back() -> None:
    lit = venue(fade_ns=SECOND)
    before = lit.advance(AT).quotes[-1]
    faded = lit.advance(AT + 10, (), [Fade(AT, 1, 0.5)]).quotes[-1]
    assert faded[4] <= before[4] // 2
    assert faded[1:4].tolist() == before[1:4].tolist()
    after = lit.advance(AT + 2 * SECOND).quotes[-1]
    assert after[0] == AT + SECOND
    assert after[4] > faded[4]


def test_a_hedge_takes_what_is_shown() -> None:
    lit = venue()
    before = lit.advance(AT).quotes[-1]
    output = lit.advance(AT + 10, (), [Hedge(AT, -1, 70)])
    assert output.prints.tolist() == [[AT, BID, 70, -1]]
    assert output.quotes[-1, 2] == before[2] - 70


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"price": BID, "min_qty": 10}, "min_qty only"),
        ({"price": BID, "peg_offset": 100}, "peg_offset only"),
        ({"ord_type": OrdType.PEGGED}, "peg_price_type"),
        ({"price": BID, "order_qty": 5_000, "display_qty": 1}, "refreshes"),
        ({"price": ASK, "exec_inst": (ExecInst.PARTICIPATE_DO_NOT_INITIATE,)}, "would trade"),
    ],
)
def test_what_goes_together_badly_is_rejected_with_a_reason(fields: dict[str, object], text: str) -> None:
    rejects = said(venue().advance(AT + 10, [new(AT, "bad", **fields)]), "bad", ExecType.REJECTED)
    assert len(rejects) == 1
    assert text in rejects[0].text


@pytest.mark.parametrize(
    "params",
    [
        {"speed_bump_ns": 350_000},
        {"opening_auction_ns": 10 * MILLISECOND, "closing_auction_ns": MINUTE, "self_match": "cancel_both"},
        {"makers": 8, "levels": 4, "hidden": 0.3, "icebergs": 0.3, "limits_per_trade": 20.0},
    ],
)
def test_venues_of_every_make_pass_the_examiner(params: dict[str, object]) -> None:
    halts = (Halt(from_at=OPEN + 30 * SECOND, to_at=OPEN + 40 * SECOND),)
    setup = msgspec.structs.replace(SETUP, daily_volatility=0.02, adv=20_000_000, halts=halts)
    make = lambda: venue(share=0.2, setup=setup, **params)  # noqa: E731
    check_venue(make, open_at=OPEN, close_at=setup.close_at, price=setup.start_px)


def test_a_busy_day_gives_the_same_market_however_it_is_split() -> None:
    setup = msgspec.structs.replace(SETUP, daily_volatility=0.02, adv=200_000_000)
    whole = venue(share=0.2, setup=setup).advance(setup.close_at + 1)
    parts = venue(share=0.2, setup=setup)
    outputs = [parts.advance(OPEN + k * 37 * SECOND) for k in range(17)]
    outputs.append(parts.advance(setup.close_at + 1))
    assert len(whole.prints) > 5_000
    assert np.array_equal(np.concatenate([o.prints for o in outputs]), whole.prints)
    assert np.array_equal(np.concatenate([o.quotes for o in outputs]), whole.quotes)
    assert sum(o.events for o in outputs) == whole.events
