"""An exchange on tape: taking, resting, queues, and what our orders may not do."""

from __future__ import annotations

import pytest
from tape_days import OPEN_MS, MakeDay

from router.domain.enums import (
    ExecInst,
    ExecType,
    LastLiquidityInd,
    OrdStatus,
    OrdType,
    PegPriceType,
    Side,
    Tactic,
    TimeInForce,
)
from router.domain.errors import BadInputError
from router.domain.messages import Arrival, Shift
from router.domain.orders import ChildOrder, NewOrderSingle, OrderCancelReplaceRequest, OrderCancelRequest
from router.domain.reports import ExecutionReport
from venues.types.tape import build_tape_venue, tape_specs
from venues.types.tape_lit import TapeLitParams, TapeLitVenue

OPEN, MS = OPEN_MS * 1_000_000, 1_000_000
IOC = TimeInForce.IMMEDIATE_OR_CANCEL
QUOTES = [(0, "N", "40.00", 5, "40.02", 3)]


def exchange(make_day: MakeDay, quotes: list, trades: list | None = None, share: float = 0.5) -> TapeLitVenue:
    day = make_day(quotes, trades)
    venue = build_tape_venue(tape_specs(day)[0], day, TapeLitParams(cancel_ahead_share=share))
    assert isinstance(venue, TapeLitVenue)
    return venue


def order(name: str, ms: float, qty: int, px: int | None, side: Side = Side.BUY, **changes: object) -> Arrival:
    fields: dict[str, object] = {
        "cl_ord_id": name,
        "parent_id": "P",
        "decision_id": "P.d1",
        "symbol": "XXX",
        "mic": "XNYS",
        "tactic": Tactic.POST,
        "side": side,
        "order_qty": qty,
        "ord_type": OrdType.MARKET if px is None else OrdType.LIMIT,
        "price": px,
    }
    return Arrival(OPEN + int(ms * MS), NewOrderSingle(ChildOrder(**(fields | changes))))  # type: ignore[arg-type]


def fills(venue: TapeLitVenue, until_ms: float, *arrivals: Arrival, ripples: tuple[Shift, ...] = ()) -> list:
    """Advance and return (order, ms, quantity, price) of each execution."""
    out = venue.advance(OPEN + int(until_ms * MS), arrivals, ripples)
    trades = [r for r in out.reports if isinstance(r, ExecutionReport) and r.exec_type is ExecType.TRADE]
    return [(r.cl_ord_id, (r.transact_time - OPEN) / MS, r.last_qty, r.last_px) for r in trades]


def test_displayed_size_is_taken_once_until_it_is_refreshed(make_day):
    venue = exchange(make_day, [*QUOTES, (50, "N", "40.00", 6, "40.02", 3), (60, "N", "40.00", 6, "40.03", 2)])
    sent = [order(f"o{k}", ms, 200, 400_300, time_in_force=IOC) for k, ms in enumerate((1, 2, 3, 55, 65))]
    assert fills(venue, 100, *sent) == [
        ("o0", 1.0, 200, 400_200),
        ("o1", 2.0, 100, 400_200),
        ("o4", 65.0, 200, 400_300),
    ]


def test_what_we_took_is_printed_and_no_longer_shown(make_day):
    venue = exchange(make_day, [*QUOTES, (50, "N", "40.00", 6, "40.02", 3)])
    out = venue.advance(OPEN + 100 * MS, [order("o", 1, 500, 400_200, time_in_force=IOC)])
    assert out.quotes.tolist() == [
        [OPEN, 400_000, 500, 400_200, 300],
        [OPEN + MS, 400_000, 500, 0, 0],
        [OPEN + 50 * MS, 400_000, 600, 0, 0],
    ]
    assert out.prints.tolist() == [[OPEN + MS, 400_200, 300, 1]]
    last = out.reports[-1]
    assert isinstance(last, ExecutionReport)
    assert (last.exec_type, last.cum_qty, last.leaves_qty) == (ExecType.CANCELED, 300, 0)


def test_fill_or_kill_takes_all_or_nothing(make_day):
    venue = exchange(make_day, QUOTES)
    fok = TimeInForce.FILL_OR_KILL
    sent = [order("big", 1, 301, 400_200, time_in_force=fok), order("fits", 2, 300, 400_200, time_in_force=fok)]
    assert fills(venue, 9, *sent) == [("fits", 2.0, 300, 400_200)]


def test_min_qty_of_an_immediate_order_is_honoured(make_day):
    sent = order("o", 1, 500, 400_200, time_in_force=IOC, min_qty=400)
    assert fills(exchange(make_day, QUOTES), 9, sent) == []


def test_the_remainder_of_a_limit_rests_and_of_a_market_order_does_not(make_day):
    trades = [(9, "N", "40.01", 1_000, "")]
    sent = (order("limit", 1, 500, 400_200), order("market", 2, 500, None, Side.SELL))
    assert fills(exchange(make_day, QUOTES, trades), 20, *sent) == [
        ("limit", 1.0, 300, 400_200),
        ("market", 2.0, 500, 400_000),
        ("limit", 9.0, 200, 400_200),
    ]


def test_a_resting_order_waits_for_the_queue_ahead(make_day):
    trades = [(ms, "N", "40.00", 200, "") for ms in (10, 11, 12, 13)]
    venue = exchange(make_day, QUOTES, trades)
    assert fills(venue, 20, order("o", 1, 250, 400_000)) == [("o", 12.0, 100, 400_000), ("o", 13.0, 150, 400_000)]


def test_an_order_that_improves_the_touch_is_first(make_day):
    trades = [(10, "N", "40.01", 60, ""), (11, "N", "40.01", 60, "")]
    sent = (order("a", 1, 100, 400_100), order("b", 2, 100, 400_100))
    assert fills(exchange(make_day, QUOTES, trades), 20, *sent) == [
        ("a", 10.0, 60, 400_100),
        ("a", 11.0, 40, 400_100),
        ("b", 11.0, 20, 400_100),
    ]


@pytest.mark.parametrize(("share", "met"), [(0.0, 100), (0.5, 200), (1.0, 300)])
def test_cancels_move_the_queue_by_their_stated_share(make_day, share, met):
    quotes = [(0, "N", "40.00", 5, "40.02", 3), (5, "N", "40.00", 11, "40.02", 3), (6, "N", "40.00", 9, "40.02", 3)]
    venue = exchange(make_day, quotes, [(10, "N", "40.00", 600, "")], share)
    assert fills(venue, 20, order("o", 1, 500, 400_000)) == [("o", 10.0, met, 400_000)]


def test_no_more_than_what_is_displayed_can_be_ahead(make_day):
    quotes = [(0, "N", "40.00", 5, "40.02", 3), (5, "N", "40.00", 2, "40.02", 3)]
    venue = exchange(make_day, quotes, [(10, "N", "40.00", 300, "")], 0.0)
    assert fills(venue, 20, order("o", 1, 500, 400_000)) == [("o", 10.0, 100, 400_000)]


def test_a_fall_in_size_that_trades_explain_is_no_cancel(make_day):
    quotes = [(0, "N", "40.00", 9, "40.02", 3), (5, "N", "40.00", 8, "40.02", 3), (6, "N", "40.00", 6, "40.02", 3)]
    trades = [(5, "N", "40.00", 100, ""), (9, "N", "40.00", 750, "")]
    # 900 ahead: the trade takes 100, the second fall is a cancel of 200 of which half was ahead, then at most 600.
    assert fills(exchange(make_day, quotes, trades), 20, order("o", 1, 500, 400_000)) == [("o", 9.0, 150, 400_000)]


def test_a_trade_through_our_price_fills_us_up_to_its_size(make_day):
    venue = exchange(make_day, QUOTES, [(10, "N", "39.99", 70, "")])
    sent = (order("low", 1, 100, 399_900), order("high", 2, 50, 400_000))
    assert fills(venue, 20, *sent) == [("high", 10.0, 50, 400_000)]


def test_a_quote_that_reaches_our_price_fills_us_up_to_its_size(make_day):
    venue = exchange(make_day, [*QUOTES, (10, "N", "39.98", 5, "39.99", 2), (11, "N", "39.97", 5, "39.99", 2)])
    out = venue.advance(OPEN + 20 * MS, [order("o", 1, 500, 400_000)])
    fill = [r for r in out.reports if isinstance(r, ExecutionReport) and r.last_qty]
    assert [(r.last_qty, r.last_px) for r in fill] == [(200, 400_000)]
    assert out.prints.tolist() == [[OPEN + 10 * MS, 400_000, 200, -1]]
    assert out.quotes[-1].tolist() == [OPEN + 11 * MS, 399_700, 500, 0, 0]


def test_an_order_behind_the_touch_is_last_when_its_level_becomes_the_touch(make_day):
    quotes = [*QUOTES, (5, "N", "39.99", 2, "40.02", 3)]
    trades = [(10, "N", "39.99", 200, ""), (11, "N", "39.99", 30, "")]
    assert fills(exchange(make_day, quotes, trades), 20, order("o", 1, 100, 399_900)) == [("o", 11.0, 30, 399_900)]


def test_a_trade_that_took_the_other_side_at_our_price_is_not_ours(make_day):
    quotes = [(0, "N", "40.00", 5, "40.02", 3), (5, "N", "40.00", 5, "40.01", 0)]
    venue = exchange(make_day, quotes, [(3, "N", "40.02", 400, "")])
    # Our bid rests at the ask we have emptied; a later buyer at that price met somebody's offer, not our bid.
    assert fills(venue, 20, order("o", 1, 400, 400_200)) == [("o", 1.0, 300, 400_200)]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (order("o", 1, 100, 400_200, exec_inst=(ExecInst.PARTICIPATE_DO_NOT_INITIATE,)), "would cross"),
        (
            order("o", 1, 1, 400_000, exec_inst=(ExecInst.PARTICIPATE_DO_NOT_INITIATE,), time_in_force=IOC),
            "would not rest",
        ),
        (
            order("o", 1, 1, None, ord_type=OrdType.PEGGED, peg_price_type=PegPriceType.MID_PRICE),
            "expected MARKET or LIMIT",
        ),
        (order("o", 1, 100, 400_000, min_qty=50), "min_qty"),
        (order("o", 1, 100, 400_000, time_in_force=TimeInForce.AT_THE_CLOSE), "continuous trading"),
        (order("o", 1, 100, 400_050), "ticks of 100"),
        (order("o", 1, 100, 400_000, symbol="YYY"), "unknown symbol"),
    ],
)
def test_what_the_tape_cannot_do_is_rejected_with_a_reason(make_day, sent, reason):
    (report,) = exchange(make_day, QUOTES).advance(OPEN + 9 * MS, [sent]).reports
    assert isinstance(report, ExecutionReport)
    assert (report.exec_type, report.ord_status) == (ExecType.REJECTED, OrdStatus.REJECTED)
    assert reason in report.text


def replaced(ms: float, qty: int, px: int | None = None) -> Arrival:
    request = OrderCancelReplaceRequest(
        mic="XNYS", cl_ord_id="o/1", orig_cl_ord_id="o", parent_id="P", order_qty=qty, price=px
    )
    return Arrival(OPEN + int(ms * MS), request)


def test_less_quantity_keeps_the_place_and_more_loses_it(make_day):
    trades = [(10, "N", "40.00", 300, ""), (20, "N", "40.00", 300, "")]
    first = order("o", 1, 200, 400_000)
    assert fills(exchange(make_day, QUOTES, trades), 30, first, replaced(12, 100)) == [("o", 20.0, 100, 400_000)]
    assert fills(exchange(make_day, QUOTES, trades), 30, first, replaced(12, 300)) == []


def test_a_replace_to_the_other_touch_takes_it(make_day):
    venue = exchange(make_day, QUOTES)
    assert fills(venue, 30, order("o", 1, 200, 400_000), replaced(12, 200, 400_200)) == [("o", 12.0, 200, 400_200)]


def test_a_cancelled_order_meets_nothing(make_day):
    venue = exchange(make_day, QUOTES, [(10, "N", "39.00", 500, "")])
    cancel = OrderCancelRequest(mic="XNYS", cl_ord_id="o/1", orig_cl_ord_id="o", parent_id="P")
    assert fills(venue, 30, order("o", 1, 200, 400_000), Arrival(OPEN + 5 * MS, cancel)) == []


def test_an_order_expires_after_the_rows_of_its_time(make_day):
    venue = exchange(make_day, QUOTES, [(10, "N", "39.00", 50, ""), (11, "N", "39.00", 50, "")])
    gtd = TimeInForce.GOOD_TILL_DATE
    sent = order("o", 1, 200, 400_000, time_in_force=gtd, expire_time=OPEN + 10 * MS)
    out = venue.advance(OPEN + 5 * MS, [sent])
    assert out.next_at == OPEN + 10 * MS
    reports = venue.advance(OPEN + 30 * MS).reports
    assert [(r.transact_time - OPEN, r.ord_status) for r in reports if isinstance(r, ExecutionReport)] == [
        (10 * MS, OrdStatus.PARTIALLY_FILLED),
        (10 * MS, OrdStatus.EXPIRED),
    ]


def test_our_impact_moves_quotes_trades_and_queues(make_day):
    venue = exchange(make_day, QUOTES, [(10, "N", "40.00", 50, "")])
    out = venue.advance(OPEN + 20 * MS, (), [Shift(OPEN + 5 * MS, 160)])
    assert out.quotes.tolist() == [[OPEN, 400_000, 500, 400_200, 300], [OPEN + 5 * MS, 400_200, 500, 400_400, 300]]
    assert out.prints.tolist() == [[OPEN + 10 * MS, 400_200, 50, -1]]


def test_a_shift_across_our_price_fills_us(make_day):
    venue = exchange(make_day, QUOTES)
    shift = (Shift(OPEN + 5 * MS, -200),)
    assert fills(venue, 20, order("o", 1, 500, 400_000), ripples=shift) == [("o", 5.0, 300, 400_000)]
    assert venue.advance(OPEN + 21 * MS).quotes.tolist() == []


def test_time_cannot_go_back_nor_a_price_beyond_all_prices(make_day):
    venue = exchange(make_day, QUOTES)
    venue.advance(OPEN + 9 * MS)
    with pytest.raises(BadInputError, match="until"):
        venue.advance(OPEN)
    with pytest.raises(BadInputError, match=r"Shift\.px"):
        venue.advance(OPEN + 20 * MS, (), [Shift(OPEN + 10 * MS, 10**15)])


def test_a_share_outside_its_range_is_refused():
    with pytest.raises(ValueError, match=r"expected cancel_ahead_share from 0 to 1, got 1\.5"):
        TapeLitParams(cancel_ahead_share=1.5)


def test_taking_pays_the_taker_fee_and_resting_earns_the_rebate(make_day):
    venue = exchange(make_day, QUOTES, [(10, "N", "40.01", 60, "")])
    out = venue.advance(OPEN + 20 * MS, [order("take", 1, 100, 400_200), order("rest", 2, 60, 400_100)])
    paid = [(r.last_liquidity_ind, r.fee_micros) for r in out.reports if isinstance(r, ExecutionReport) and r.last_qty]
    assert paid == [(LastLiquidityInd.REMOVED, 275_000), (LastLiquidityInd.ADDED, -84_000)]
