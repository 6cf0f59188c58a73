"""Tape venues built from event tables: exact queues, currency dealers, and what the examiner says of each."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from router.domain.enums import ExecInst, ExecType, OrdType, PegPriceType, Side, Tactic, TimeInForce, VenueType
from router.domain.errors import BadInputError
from router.domain.instruments import FeeSchedule, Listing, VenueSpec
from router.domain.messages import Arrival, SessionChange, Shift
from router.domain.orders import ChildOrder, NewOrderSingle, OrderCancelReplaceRequest, OrderCancelRequest
from router.domain.reports import ExecutionReport, OrderCancelReject
from router.domain.units import MILLISECOND, SECOND
from venues.check import check_venue
from venues.feeds.events import EventFlag
from venues.feeds.lobster import FOLDER, open_lobster
from venues.tape.compact import compact
from venues.tape.dealer_stream import LOOK, TIERS, stream_of
from venues.tape.queue_venue import QueueTapeParams, QueueTapeVenue
from venues.tape.recorded import Recording, record
from venues.types.tape_dealer import TapeDealerVenue
from venues.types.tape_truth import met_on_looks, met_resting

OPEN, CLOSE = 1_000 * SECOND, 1_030 * SECOND
LAST = int(EventFlag.LAST)
ADD, REDUCE, DELETE, EXECUTE, TRADE, QUOTE, STATUS = 1, 2, 3, 5, 6, 7, 10
BOOK = [
    (-5, ADD, 1, 9_900, 300, 1),
    (-4, ADD, 1, 9_900, 200, 2),
    (-3, ADD, -1, 10_100, 100, 3),
    (-2, ADD, -1, 10_100, 400, 4),
    (-1, ADD, -1, 10_200, 500, 5),
]
"""Before the open: 500 at 9,900 in two orders against 500 at 10,100 in two and 500 at 10,200."""

SPEC = VenueSpec(
    mic="XTAP",
    venue_type=VenueType.CENTRAL_LIMIT_ORDER_BOOK,
    listing=Listing(symbol="TAPE", mic="XTAP", tick=100, lot=1),
    fees=FeeSchedule(maker_micros=-2_000, taker_micros=3_000),
    tactics=(Tactic.TAKE, Tactic.POST, Tactic.MID_PEG),
)


def venue_of(*rows: tuple[int, int, int, int, int, int], share: float = 0.5) -> QueueTapeVenue:
    """Return the venue of BOOK and rows (ms, kind, side, px, qty, id)."""
    table = [(OPEN + ms * MILLISECOND, *rest, LAST) for ms, *rest in (*BOOK, *rows)]
    return QueueTapeVenue(
        SPEC, compact(np.array(table, dtype=np.int64)), OPEN, CLOSE, QueueTapeParams(hidden_share=share)
    )


def order(name: str, ms: int, qty: int, price: int | None, side: Side = Side.BUY, **changes: object) -> Arrival:
    fields: dict[str, object] = {
        "cl_ord_id": name,
        "parent_id": "P",
        "decision_id": "P.d1",
        "symbol": "TAPE",
        "mic": "XTAP",
        "tactic": Tactic.POST,
        "side": side,
        "order_qty": qty,
        "ord_type": OrdType.LIMIT if price else OrdType.MARKET,
        "price": price,
    }
    return Arrival(OPEN + ms * MILLISECOND, NewOrderSingle(ChildOrder(**(fields | changes))))  # type: ignore[arg-type]


PEG = {"ord_type": OrdType.PEGGED, "peg_price_type": PegPriceType.MID_PRICE, "tactic": Tactic.MID_PEG}
IOC = {"time_in_force": TimeInForce.IMMEDIATE_OR_CANCEL}
FOK = {"time_in_force": TimeInForce.FILL_OR_KILL}


def told(
    venue: QueueTapeVenue, *inputs: Arrival, until: int = CLOSE, **more: object
) -> list[tuple[str, str, int, int]]:
    """Return (order, what happened, quantity, price) of trades and ends."""
    reports = venue.advance(until, inputs, **more).reports  # type: ignore[arg-type]
    return [
        (r.cl_ord_id, r.text or str(r.exec_type), r.last_qty, r.last_px)
        for r in reports
        if isinstance(r, ExecutionReport) and r.exec_type not in (ExecType.NEW, ExecType.EXPIRED)
    ]


def test_the_book_that_the_tape_brings_to_the_opening_is_seen_first() -> None:
    out = venue_of().advance(CLOSE)
    assert out.quotes.tolist() == [[OPEN, 9_900, 500, 10_100, 500]]
    assert out.events == 0
    assert out.next_at is None


def test_only_an_execution_behind_our_place_fills_us_and_then_ours_goes_first() -> None:
    rows = [(20, ADD, 1, 9_900, 400, 9), (30, EXECUTE, 0, 0, 300, 1), (40, EXECUTE, 0, 0, 200, 2)]
    venue = venue_of(*rows, (50, EXECUTE, 0, 0, 250, 9))
    assert told(venue, order("a", 10, 300, 9_900), until=OPEN + 45 * MILLISECOND) == []
    assert venue.queue_ahead("a") == 0
    assert told(venue) == [("a", "TRADE", 250, 9_900)]


def test_our_place_moves_up_with_every_cancel_ahead_and_with_none_behind() -> None:
    rows = [(20, ADD, 1, 9_900, 400, 9), (30, REDUCE, 0, 0, 100, 1), (40, DELETE, 0, 0, 0, 9), (50, DELETE, 0, 0, 0, 2)]
    venue = venue_of(*rows)
    venue.advance(OPEN + 11 * MILLISECOND, [order("a", 10, 300, 9_900)])
    ahead = []
    for ms in (25, 35, 45, 55):
        venue.advance(OPEN + ms * MILLISECOND)
        ahead.append(venue.queue_ahead("a"))
    assert ahead == [500, 400, 400, 200]


def test_a_trade_through_our_price_and_an_order_that_reaches_it_fill_us() -> None:
    rows = [(30, EXECUTE, 0, 0, 120, 1), (40, ADD, -1, 10_000, 70, 8)]
    venue = venue_of(*rows)
    out = venue.advance(CLOSE, [order("a", 10, 300, 10_000)])
    trades = [(r.last_qty, r.last_px) for r in out.reports if r.exec_type is ExecType.TRADE]  # type: ignore[union-attr]
    assert trades == [(120, 10_000), (70, 10_000)]
    assert out.prints.tolist()[1][1:] == [10_000, 70, -1], "this trade is not on the tape: the venue prints it"
    assert (out.quotes[:, 3] == 10_000).sum() == 0, "what ours met is not displayed"


def test_what_is_displayed_is_taken_once_level_by_level() -> None:
    sent = [order("a", 10, 700, 10_200, **IOC), order("b", 20, 700, 10_200, **IOC), order("c", 30, 1, None, **IOC)]
    venue = venue_of((15, REDUCE, 0, 0, 50, 4), (25, ADD, -1, 10_100, 60, 7))
    assert told(venue, *sent) == [
        ("a", "TRADE", 500, 10_100),
        ("a", "TRADE", 200, 10_200),
        ("b", "TRADE", 300, 10_200),
        ("b", "nothing more is displayed", 0, 0),
        ("c", "TRADE", 1, 10_100),
    ]


def test_fill_or_kill_and_min_qty_look_before_they_take() -> None:
    sent = [order("fok", 10, 1_001, None, **FOK), order("min", 20, 600, 10_100, **IOC, min_qty=501)]
    text = "nothing more is displayed"
    assert told(venue_of(), *sent, order("all", 30, 1_000, None, **FOK)) == [
        ("fok", text, 0, 0),
        ("min", text, 0, 0),
        ("all", "TRADE", 500, 10_100),
        ("all", "TRADE", 500, 10_200),
    ]


def test_a_post_only_order_is_refused_only_while_it_would_cross() -> None:
    post = {"exec_inst": (ExecInst.PARTICIPATE_DO_NOT_INITIATE,)}
    sent = [order("a", 10, 10, 10_100, **post), order("t", 20, 500, None, **IOC), order("b", 30, 10, 10_100, **post)]
    got = told(venue_of(), *sent)
    assert [row[:2] for row in got] == [("a", "post only order would cross"), ("t", "TRADE")]


def test_a_replacement_keeps_its_place_only_when_it_is_smaller() -> None:
    def change(name: str, ms: int, qty: int) -> Arrival:
        request = OrderCancelReplaceRequest(
            mic="XTAP", cl_ord_id=name, orig_cl_ord_id="a", parent_id="P", order_qty=qty
        )
        return Arrival(OPEN + ms * MILLISECOND, request)

    venue = venue_of((20, ADD, 1, 9_900, 400, 9))
    venue.advance(OPEN + 40 * MILLISECOND, [order("a", 10, 300, 9_900), change("r1", 30, 200)])
    assert venue.queue_ahead("a") == 500
    venue.advance(OPEN + 60 * MILLISECOND, [change("r2", 50, 250)])
    assert venue.queue_ahead("a") == 900


def test_a_midpoint_peg_stands_inside_and_shares_hidden_trades_at_its_price() -> None:
    rows = [(20, TRADE, 1, 10_000, 100, 0), (30, TRADE, -1, 10_000, 100, 0), (40, EXECUTE, 0, 0, 300, 1)]
    venue = venue_of(*rows, share=0.25)
    assert told(venue, order("p", 10, 200, None, **PEG)) == [("p", "TRADE", 25, 10_000), ("p", "TRADE", 175, 10_000)]
    assert told(venue_of(*rows), order("p", 10, 200, 9_900, **PEG)) == [], "its limit holds it at the bid, hidden"


def test_nothing_is_accepted_or_shown_while_trading_is_halted() -> None:
    venue = venue_of((20, STATUS, 0, 0, 0, 0), (40, STATUS, 0, 0, 1, 0))
    out = venue.advance(CLOSE, [order("a", 10, 5, 9_900), order("b", 30, 5, 9_900), order("c", 50, 5, 9_900)])
    assert out.quotes[1:, 1:].tolist() == [[0, 0, 0, 0], [9_900, 500, 10_100, 500]]
    refused = [r.cl_ord_id for r in out.reports if r.exec_type is ExecType.REJECTED]  # type: ignore[union-attr]
    assert refused == ["b"]


def test_our_own_impact_moves_prices_and_sends_resting_orders_to_another_level() -> None:
    venue = venue_of((40, EXECUTE, 0, 0, 50, 3))
    ripples = [Shift(OPEN + 20 * MILLISECOND, -180), Shift(OPEN + 30 * MILLISECOND, 40)]
    out = venue.advance(CLOSE, [order("a", 10, 300, 10_000)], ripples)
    assert out.quotes[:, 1:].tolist()[:3] == [
        [9_900, 500, 10_100, 500],
        [9_700, 500, 9_900, 200],
        [9_900, 500, 10_100, 200],
    ]
    trades = [(r.last_qty, r.last_px) for r in out.reports if r.exec_type is ExecType.TRADE]  # type: ignore[union-attr]
    assert trades == [(300, 10_000)], "the market moved across our price"
    with pytest.raises(BadInputError, match="a move up to"):
        venue_of().advance(CLOSE, (), [Shift(OPEN, 10**13)])


def test_a_pegged_or_displayed_order_that_no_tape_can_hold_is_refused() -> None:
    primary = {**PEG, "peg_price_type": PegPriceType.PRIMARY}
    closing = {"time_in_force": TimeInForce.AT_THE_CLOSE}
    sent = [order("a", 1, 5, None, **primary), order("b", 2, 5, 9_900, **closing), order("c", 3, 5, 9_900, min_qty=2)]
    assert all(text.startswith("expected") for _, text, _, _ in told(venue_of(), *sent))
    with pytest.raises(ValueError, match="from 0 to 1, got 2"):
        QueueTapeParams(hidden_share=2)


# The recorded day.


@pytest.fixture(scope="module")
def amzn() -> Recording:
    place = os.environ.get("ANABRANCH_DATA")
    root = Path(place) if place else Path(__file__).parents[2].parent / "shared" / "data"
    path = root / FOLDER / "LOBSTER_SampleFile_AMZN_2012-06-21_5.zip"
    if not path.is_file():
        pytest.skip(f"no recorded orders: {FOLDER} is neither in ANABRANCH_DATA nor in ../shared/data")
    return record(open_lobster(path))


@pytest.mark.parametrize("hour", [0.1, 3.0])
def test_a_venue_of_recorded_orders_passes_the_examiner(amzn: Recording, hour: float) -> None:
    tape = compact(amzn.venues["XNAS"])
    at = amzn.first_at + int(hour * 3_600) * SECOND
    spec = VenueSpec(
        mic="XNAS",
        venue_type=VenueType.CENTRAL_LIMIT_ORDER_BOOK,
        listing=Listing(symbol="AMZN", mic="XNAS", tick=100, lot=1),
        fees=FeeSchedule(),
        tactics=SPEC.tactics,
    )

    def make() -> QueueTapeVenue:
        return QueueTapeVenue(spec, tape, at, at + 60 * SECOND)

    price = int(make().advance(at + SECOND).quotes[-1, 1])
    check_venue(make, open_at=at, close_at=at + 60 * SECOND, price=price)


def test_windows_of_any_cut_give_the_same_with_everything_we_can_do() -> None:
    rng = np.random.default_rng(5)
    rows, n = [], 100
    for ms in range(1, 20_000, 10):
        side = int(rng.choice((1, -1)))
        if rng.random() < 0.5:
            rows.append((ms, ADD, side, 10_000 - side * 100 * int(rng.integers(1, 5)), int(rng.integers(1, 300)), n))
            n += 1
        elif rng.random() < 0.9:
            rows.append((ms, int(rng.choice((REDUCE, DELETE, EXECUTE))), 0, 0, 40, int(rng.integers(1, n))))
        else:
            rows.append((ms, TRADE, side, 10_000, 80, 0))
    sent = []
    for k in range(150):
        side, ms = (Side.BUY, Side.SELL)[k % 2], 100 * k + 7
        kind = (PEG, IOC, {}, {"min_qty": 5, **PEG})[k % 4]
        price = None if k % 4 in (0, 3) else 10_000 + int(rng.integers(-3, 4)) * 100
        sent.append(order(f"o{k}", ms, int(rng.integers(10, 400)), price, side, **kind))  # type: ignore[arg-type]
        if k % 5 == 2:
            request = OrderCancelRequest(mic="XTAP", cl_ord_id=f"c{k}", orig_cl_ord_id=f"o{k}", parent_id="P")
            sent.append(Arrival(OPEN + (ms + 50) * MILLISECOND, request))
    ripples = [Shift(OPEN + s * SECOND, px) for s, px in ((9, 130), (11, -270), (13, 0))]
    sessions = [SessionChange(OPEN + 6 * SECOND, False), SessionChange(OPEN + 7 * SECOND, True)]
    seen = []
    for step in (60_000, 777, 10):
        venue, found, last = venue_of(*rows), [], OPEN
        while last < CLOSE + SECOND:
            until = last + step * MILLISECOND
            inside = [[x for x in xs if last <= x.at < until] for xs in (sent, ripples, sessions)]
            out = venue.advance(until, *inside)  # type: ignore[arg-type]
            found.append((out.reports, out.quotes.tolist(), out.prints.tolist(), out.events))
            last = until
        seen.append([[x for piece in found for x in piece[c]] for c in range(3)] + [sum(p[3] for p in found)])  # type: ignore[index]
    assert seen[0] == seen[1] == seen[2]
    reports = [r for r in seen[0][0] if not isinstance(r, OrderCancelReject)]  # type: ignore[union-attr]
    assert sum(r.exec_type is ExecType.TRADE for r in reports) > 50


# Currency dealers.

QUOTED = [(0, 10_000, 10_006), (100, 10_004, 10_002), (300, 10_010, 10_016), (2_000, 10_010, 10_016)]


def dealer_rows() -> np.ndarray:
    rows = []
    for ms, bid, ask in QUOTED:
        at = OPEN + (ms - 50) * MILLISECOND
        rows += [(at, QUOTE, 1, bid, 1, 0, 0), (at, QUOTE, -1, ask, 1, 0, LAST)]
    return np.array(rows, dtype=np.int64)


def test_a_quote_that_is_crossed_is_widened_about_its_middle_and_a_repetition_is_none() -> None:
    tape = stream_of(dealer_rows(), OPEN, CLOSE)
    assert tape.quotes[:, [1, 3]].tolist() == [[10_000, 10_006], [10_002, 10_004], [10_010, 10_016]]
    assert tape.quotes[:, 0].tolist() == [OPEN, OPEN + 50 * MILLISECOND, OPEN + 250 * MILLISECOND]
    assert tape.ladder[0].tolist() == [[t.max_qty, 10_000 - t.wider_px, 10_006 + t.wider_px] for t in TIERS]


def dealer() -> TapeDealerVenue:
    spec = VenueSpec(
        mic="OANDA",
        venue_type=VenueType.QUOTE_DRIVEN_MARKET,
        listing=Listing(symbol="EURUSD", mic="OANDA", tick=1, lot=1),
        fees=FeeSchedule(),
        tactics=(Tactic.QUOTE,),
    )
    return TapeDealerVenue(spec, stream_of(dealer_rows(), OPEN, CLOSE), LOOK)


def quoted(name: str, ms: int, qty: int, row: int, tier: int, side: Side = Side.BUY) -> Arrival:
    fields = {"tactic": Tactic.QUOTE, "mic": "OANDA", "symbol": "EURUSD", "quote_id": f"OANDA.{row}.0.{tier}", **FOK}
    return order(name, ms, qty, None, side, **(fields | {"ord_type": OrdType.PREVIOUSLY_QUOTED}))


def test_a_dealers_last_look_lets_pass_what_moved_little_and_no_more_than_his_largest_tier() -> None:
    sent = [
        quoted("moved", 200, 500, 1, 0),
        quoted("ours", 201, 500, 1, 0, Side.SELL),
        quoted("a", 400, 5_000, 2, 2),
        quoted("b", 401, 1, 2, 0),
        quoted("c", 11_000, 1_000, 2, 0),
    ]
    reports = [r for r in dealer().advance(CLOSE, sent).reports if isinstance(r, ExecutionReport)]
    ends = [(r.cl_ord_id, r.text or r.last_px) for r in reports if r.exec_type in (ExecType.TRADE, ExecType.REJECTED)]
    assert ends == [
        ("moved", "last look: price moved"),
        ("ours", 10_002),
        ("a", 10_021),
        ("b", "last look: no capacity"),
        ("c", 10_016),
    ]


def test_a_clairvoyant_knows_which_looks_will_pass_and_what_will_trade() -> None:
    tape = stream_of(dealer_rows(), OPEN, CLOSE)
    at = OPEN + 200 * MILLISECOND
    assert met_on_looks(tape, LOOK, Side.BUY, at) == 0
    assert met_on_looks(tape, LOOK, Side.SELL, at) == TIERS[-1].max_qty
    assert met_on_looks(tape, LOOK, Side.BUY, OPEN - SECOND) == 0
    prints = np.array([[1, 5, 10, 1], [2, 5, 20, -1], [3, 5, 40, 0], [4, 5, 80, -1]])
    assert met_resting(prints, Side.BUY, 2, 4) == 20


def test_a_currency_dealer_passes_the_examiner() -> None:
    rng = np.random.default_rng(2)
    rows = []
    for ms in range(-100, 25_000, 400):
        mid = 100_000 + int(rng.integers(-3, 4))
        rows += [(OPEN + ms * MILLISECOND, QUOTE, s, mid - s * 5, 1, 0, LAST) for s in (1, -1)]
    tape = stream_of(np.array(rows, dtype=np.int64), OPEN, CLOSE)
    check_venue(lambda: TapeDealerVenue(dealer().spec, tape, LOOK), open_at=OPEN, close_at=CLOSE, price=100_000)
