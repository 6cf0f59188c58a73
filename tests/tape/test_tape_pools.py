"""The dark pools and the dealer on tape: whose shares they give, at what price, and when they refuse."""

from __future__ import annotations

import pytest
from tape_days import OPEN_MS, MakeDay

from router.domain.enums import ExecInst, ExecType, OrdStatus, OrdType, PegPriceType, Side, Tactic, TimeInForce
from router.domain.messages import Arrival, SessionChange, Shift
from router.domain.orders import ChildOrder, NewOrderSingle, OrderCancelRequest
from router.domain.reports import ExecutionReport
from venues.types.tape import build_tape_venue, tape_specs
from venues.types.tape_dark import TapeDarkParams
from venues.types.tape_dealer import TapeDealerVenue
from venues.types.tape_dealer_quotes import TapeDealerParams, dealer_quotes
from venues.venue import Venue

OPEN, MS = OPEN_MS * 1_000_000, 1_000_000
SECOND_MS = 1_000
QUOTES = [(0, "N", "40.00", 5, "40.03", 3)]
MIDS = [(10, "DT", "40.015", 100, ""), (20, "DT", "40.015", 300, ""), (30, "DN", "40.015", 999, "")]


def pool(make_day: MakeDay, quotes: list, trades: list, mic: str, params: object = None) -> Venue:
    day = make_day(quotes, trades)
    spec = next(spec for spec in tape_specs(day) if spec.mic == mic)
    return build_tape_venue(spec, day, params)  # type: ignore[arg-type]


def peg(name: str, ms: float, qty: int, side: Side = Side.BUY, **changes: object) -> Arrival:
    fields: dict[str, object] = {
        "cl_ord_id": name,
        "parent_id": "P",
        "decision_id": "P.d1",
        "symbol": "XXX",
        "mic": "XDKA",
        "tactic": Tactic.MID_PEG,
        "side": side,
        "order_qty": qty,
        "ord_type": OrdType.PEGGED,
        "peg_price_type": PegPriceType.MID_PRICE,
    }
    return Arrival(OPEN + int(ms * MS), NewOrderSingle(ChildOrder(**(fields | changes))))  # type: ignore[arg-type]


def took(name: str, ms: float, qty: int, quote_id: str, side: Side = Side.BUY, **changes: object) -> Arrival:
    ioc = {"time_in_force": TimeInForce.IMMEDIATE_OR_CANCEL, "ord_type": OrdType.PREVIOUSLY_QUOTED}
    peg_of = {"mic": "XSDP", "tactic": Tactic.QUOTE, "peg_price_type": None, "quote_id": quote_id}
    return peg(name, ms, qty, side, **(ioc | peg_of | changes))


def told(venue: Venue, until_ms: float, *inputs: Arrival) -> list[tuple[str, float, str, int, int]]:
    """Advance and return (order, ms, execution type or reason, quantity, price) of each closing or trade."""
    reports = venue.advance(OPEN + int(until_ms * MS), inputs).reports
    return [
        (r.cl_ord_id, (r.transact_time - OPEN) / MS, r.text or str(r.exec_type), r.last_qty, r.last_px)
        for r in reports
        if isinstance(r, ExecutionReport) and r.exec_type not in (ExecType.NEW, ExecType.PENDING_NEW)
    ]


# The dark pools.


def test_a_midpoint_order_meets_its_pools_prints_at_their_price(make_day):
    venue = pool(make_day, QUOTES, MIDS, "XDKA")
    assert told(venue, 99, peg("o", 1, 350)) == [("o", 10.0, "TRADE", 100, 400_150), ("o", 20.0, "TRADE", 250, 400_150)]


def test_each_print_is_used_once_across_our_orders_of_both_sides(make_day):
    venue = pool(make_day, QUOTES, MIDS, "XDKA")
    sent = (peg("a", 1, 60), peg("b", 2, 60, Side.SELL), peg("c", 3, 60))
    assert [row[:2] + row[3:4] for row in told(venue, 15, *sent)] == [("a", 10.0, 60), ("b", 10.0, 40)]


def test_a_print_before_or_at_the_arrival_is_not_met(make_day):
    assert told(pool(make_day, QUOTES, MIDS[:1], "XDKA"), 99, peg("o", 10, 350)) == []


def test_participation_bounds_what_is_ours_of_a_print(make_day):
    venue = pool(make_day, QUOTES, MIDS, "XDKA", TapeDarkParams(participation=0.25))
    assert [row[3] for row in told(venue, 99, peg("o", 1, 350))] == [25, 75]


def test_the_limit_price_and_the_minimum_are_honoured(make_day):
    venue = pool(make_day, QUOTES, MIDS, "XDKA")
    sent = (
        peg("dear", 1, 50, price=400_100),
        peg("cheap", 2, 50, Side.SELL, price=400_200),
        peg("block", 3, 900, min_qty=200),
    )
    assert told(venue, 99, *sent) == [("block", 20.0, "TRADE", 300, 400_150)]


def test_a_remainder_below_the_minimum_can_still_be_completed(make_day):
    assert [r[3] for r in told(pool(make_day, QUOTES, MIDS, "XDKA"), 99, peg("o", 1, 120, min_qty=100))] == [100, 20]


def test_an_immediate_order_finds_nothing_known_to_rest(make_day):
    sent = peg("o", 1, 100, time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL)
    assert told(pool(make_day, QUOTES, MIDS, "XDKA"), 99, sent) == [("o", 1.0, "no contra interest", 0, 0)]


def test_a_dark_pool_takes_only_midpoint_pegs(make_day):
    sent = peg("o", 1, 100, ord_type=OrdType.LIMIT, price=400_100, peg_price_type=None)
    assert told(pool(make_day, QUOTES, MIDS, "XDKA"), 9, sent)[0][2].startswith("expected PEGGED to MID_PRICE")


def test_a_lost_connection_cancels_what_asked_for_it(make_day):
    venue = pool(make_day, QUOTES, MIDS, "XDKA")
    sent = peg("o", 1, 100, exec_inst=(ExecInst.CANCEL_ON_CONNECTION_LOSS,))
    out = venue.advance(OPEN + 99 * MS, [sent], (), [SessionChange(OPEN + 5 * MS, False)])
    assert [r.ord_status for r in out.reports] == [OrdStatus.NEW, OrdStatus.CANCELED]
    assert len(out.prints) == 2


def test_our_impact_moves_the_price_of_prints(make_day):
    venue = pool(make_day, QUOTES, MIDS, "XDKA")
    out = venue.advance(OPEN + 15 * MS, [peg("o", 1, 50)], [Shift(OPEN + 5 * MS, 37)])
    assert [(r.last_px) for r in out.reports if isinstance(r, ExecutionReport) and r.last_qty] == [400_187]


@pytest.mark.parametrize("share", [0.0, 1.01, -1.0])
def test_a_participation_outside_its_range_is_refused(share):
    with pytest.raises(ValueError, match="expected participation above 0 and up to 1"):
        TapeDarkParams(participation=share)


# The dealer.

RETAIL = [
    (1_000, "DT", "40.029", 100, ""),
    (1_010, "DN", "40.028", 300, ""),
    (1_020, "DT", "40.0005", 200, ""),
    (1_030, "DT", "40.0299", 50, ""),
]
DEALER_QUOTES = [*QUOTES, (2_000, "N", "40.00", 5, "40.04", 3), (9_000, "N", "40.00", 5, "40.09", 3)]
FAST = TapeDealerParams(half_life=1.0, wait_ns=500 * MS, memory_ns=5_000 * MS)


def dealer(make_day: MakeDay, params: TapeDealerParams = FAST) -> TapeDealerVenue:
    venue = pool(make_day, DEALER_QUOTES, RETAIL, "XSDP", params)
    assert isinstance(venue, TapeDealerVenue)
    return venue


def test_the_dealer_improves_the_touch_as_past_prints_were_improved(make_day):
    out = dealer(make_day).advance(OPEN + 3_000 * MS)
    # Buys were improved by 10, 20 and 1 Px: from 1, halving each time, 5.5, 12.75, 6.875. Sells by 5: 3.
    assert out.quotes.tolist() == [
        [OPEN, 400_001, 100, 400_299, 100],
        [OPEN + 2_000 * MS, 400_003, 100, 400_394, 100],
    ]
    assert [(t.quote_id, t.max_qty, t.bid_px, t.ask_px) for t in out.tiers] == [
        ("XSDP.1.0.0", 100, 400_003, 400_394),
        ("XSDP.1.0.1", 300, 400_000, 400_400),
    ]


def test_what_the_dealer_quotes_does_not_depend_on_later_prints(make_day):
    rows = []
    for later in ("40.0301", "40.0399"):
        day = make_day(DEALER_QUOTES, [*RETAIL, (5_000, "DT", later, 900, "")])
        rows.append(dealer_quotes(day.nbbo, day.pools["XSDP"], FAST)[0].tolist())
    assert rows[0][:2] == rows[1][:2]
    assert rows[0][2] != rows[1][2]


def test_a_print_of_a_quotes_own_time_does_not_move_it_yet(make_day):
    day = make_day(DEALER_QUOTES[:2], [(2_000, "DT", "40.0251", 900, "")])
    quotes = dealer_quotes(day.nbbo, day.pools["XSDP"], FAST)[0].tolist()
    assert quotes[1][1:] == [400_001, 100, 400_399, 100]


def test_a_quoted_order_is_filled_after_the_hold_from_unused_prints(make_day):
    venue = dealer(make_day)
    sent = [
        took(name, ms, qty, "XSDP.1.0.1") for name, ms, qty in (("a", 2_100, 300), ("b", 2_200, 150), ("c", 2_300, 1))
    ]
    assert told(venue, 4_000, *sent) == [
        ("a", 2_600.0, "TRADE", 300, 400_400),
        ("b", 2_700.0, "TRADE", 150, 400_400),
        ("c", 2_800.0, "last look: no capacity", 0, 0),
    ]


def test_sells_meet_sell_prints_alone(make_day):
    venue = dealer(make_day)
    sent = [took(name, 2_100, qty, "XSDP.1.0.1", Side.SELL) for name, qty in (("a", 201), ("b", 200))]
    assert [row[2:4] for row in told(venue, 4_000, *sent)] == [("last look: no capacity", 0), ("TRADE", 200)]


def test_prints_are_forgotten(make_day):
    venue = dealer(make_day)
    sent = took("o", 8_000, 10, "XSDP.1.0.0")
    assert told(venue, 8_600, sent) == [("o", 8_500.0, "last look: no capacity", 0, 0)]


def test_a_price_that_moved_against_the_dealer_is_rejected(make_day):
    venue = dealer(make_day, TapeDealerParams(wait_ns=500 * MS, memory_ns=60_000 * MS))
    sent = took("o", 8_900, 10, "XSDP.1.0.0")
    assert told(venue, 9_500, sent) == [("o", 9_400.0, "last look: price moved", 0, 0)]


def test_a_held_order_can_be_cancelled_and_is_waited_for(make_day):
    venue = dealer(make_day)
    cancel = OrderCancelRequest(mic="XSDP", cl_ord_id="o/1", orig_cl_ord_id="o", parent_id="P")
    out = venue.advance(OPEN + 2_150 * MS, [took("o", 2_100, 10, "XSDP.1.0.0")])
    assert out.next_at == OPEN + 2_600 * MS
    assert told(venue, 4_000, Arrival(OPEN + 2_200 * MS, cancel)) == [("o", 2_200.0, "requested", 0, 0)]


def test_our_impact_gives_a_new_quote_and_ends_the_old_one(make_day):
    venue = dealer(make_day)
    out = venue.advance(OPEN + 2_200 * MS, (), [Shift(OPEN + 2_100 * MS, 50)])
    assert out.quotes[-1].tolist() == [OPEN + 2_100 * MS, 400_053, 100, 400_444, 100]
    assert out.tiers[0].quote_id == "XSDP.1.1.0"
    sent = [
        took("old", 2_599, 10, "XSDP.1.0.0"),
        took("late", 2_601, 10, "XSDP.1.0.0"),
        took("new", 2_602, 10, "XSDP.1.1.0"),
    ]
    assert [row[0::2] for row in told(venue, 4_000, *sent)] == [
        ("late", "quote has expired", 0),
        ("old", "TRADE", 400_394),
        ("new", "TRADE", 400_444),
    ]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"quote_id": ""}, "unknown quote"),
        ({"quote_id": "XSDP.1.0"}, "unknown quote"),
        ({"quote_id": "XSDP.9.0.0"}, "unknown quote"),
        ({"quote_id": "XSDP.1.7.0"}, "unknown quote"),
        ({"quote_id": "XSDP.1.0.5"}, "unknown quote"),
        ({"quote_id": "XSDP.-1.0.0"}, "unknown quote"),
        ({"quote_id": "XDKA.1.0.0"}, "unknown quote"),
        ({"quote_id": "XSDP.0.0.0"}, "quote has expired"),
        ({"qty": 101}, "expected a quantity up to 100"),
        ({"price": 400_393}, "quoted 400394, beyond the limit 400393"),
        ({"time_in_force": TimeInForce.DAY}, "expected IMMEDIATE_OR_CANCEL"),
        ({"ord_type": OrdType.LIMIT, "price": 400_400}, "expected PREVIOUSLY_QUOTED"),
    ],
)
def test_what_the_dealer_did_not_quote_is_rejected_at_once(make_day, changes, reason):
    fields = {"quote_id": "XSDP.1.0.0", **changes}
    (row,) = told(dealer(make_day), 4_000, took("o", 2_600, **({"qty": 50} | fields)))
    assert row[:2] == ("o", 2_600.0)
    assert reason in row[2]


@pytest.mark.parametrize(
    "field", ["wait_ns", "memory_ns", "quote_life_ns", "tolerance_px", "half_life", "recent", "start_px"]
)
def test_a_dealer_parameter_outside_its_range_is_refused(field):
    with pytest.raises(ValueError, match=f"expected {field} from .*, got -1"):
        TapeDealerParams(**{field: -1})
