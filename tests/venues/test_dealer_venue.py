"""A dealer streams by the block what he would quote by the move, answers requests, looks twice, skews, halts.

Rule of this file: dealers are built without any other venue; quiet markets are those whose reference hardly moves.
"""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.domain.enums import ExecType, OrdType, Side, Tactic, TimeInForce, VenueType
from router.domain.instruments import FeeSchedule, Listing, VenueSpec
from router.domain.messages import Arrival, Fade, Hedge, Shift
from router.domain.orders import ChildOrder, NewOrderSingle, OrderCancelRequest
from router.domain.reports import ExecutionReport, OrderCancelReject
from router.domain.units import HOUR, MILLISECOND, MINUTE, SECOND
from venues.check import check_venue
from venues.models.reference import Halt, MarketSetup, reference_path
from venues.types.dealer import DealerParameters, DealerVenue, TierParameters
from venues.types.dealer_quotes import QuoteStream, Stance, half_spread_at, ladder, ladder_plain
from venues.venue import VenueOutput

OPEN = 9 * HOUR
SETUP = MarketSetup(symbol="ABR", open_at=OPEN, close_at=OPEN + 10 * MINUTE, start_px=400_000, daily_volatility=0.05)
QUIET = msgspec.structs.replace(SETUP, daily_volatility=1e-6)
SURE = {"base_reject": 0.0, "move_slope": 0.0, "toxic_slope": 0.0, "rfq_decline": 0.0}
HALTED = (Halt(from_at=OPEN + 60 * SECOND, to_at=OPEN + 90 * SECOND, mics=("XDLR",)),)


def dealer(setup: MarketSetup = SETUP, seed: int = 1, **parameters: object) -> DealerVenue:
    params = DealerParameters(**parameters)  # type: ignore[arg-type]
    spec = VenueSpec(
        mic="XDLR",
        venue_type=VenueType.QUOTE_DRIVEN_MARKET,
        listing=Listing(symbol="ABR", mic="XDLR"),
        fees=FeeSchedule(),
        tactics=(Tactic.QUOTE,),
        volume_share=0.15,
        rfq_max_qty=params.rfq_qty,
    )
    return DealerVenue(spec, setup, params, seed)


def order(name: str, **fields: object) -> ChildOrder:
    base: dict[str, object] = {
        "cl_ord_id": name,
        "parent_id": "P1",
        "decision_id": "P1.d1",
        "symbol": "ABR",
        "mic": "XDLR",
        "tactic": Tactic.QUOTE,
        "side": Side.BUY,
        "order_qty": 100,
        "ord_type": OrdType.PREVIOUSLY_QUOTED,
        "time_in_force": TimeInForce.IMMEDIATE_OR_CANCEL,
    }
    return ChildOrder(**(base | fields))  # type: ignore[arg-type]


def new(at: int, child: ChildOrder) -> Arrival:
    return Arrival(at, NewOrderSingle(child))


def of_type(output: VenueOutput, exec_type: ExecType) -> list[ExecutionReport]:
    return [r for r in output.reports if isinstance(r, ExecutionReport) and r.exec_type is exec_type]


def ask_after(venue: DealerVenue, until: int, *arrivals: Arrival) -> int:
    return venue.advance(until, arrivals).tiers[0].ask_px


# Quotes by the block.


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(200, 2_000_000), min_size=1, max_size=20),
    st.integers(-5_000, 5_000),
    st.floats(0, 20),
    st.floats(-20, 20),
    st.sampled_from((1, 7, 10, 100)),
)
def test_the_ladder_is_its_plain_twin(reference: list[int], shift: int, wider: float, skew: float, step: int) -> None:
    params, stance = DealerParameters(px_step=step), Stance(shift, wider, skew)
    made = ladder(np.array(reference, dtype=np.int64), params, stance)
    assert [tuple(row) for row in made.tolist()] == [ladder_plain(px, params, stance) for px in reference]


def test_every_quote_is_what_the_reference_of_its_time_asks_for() -> None:
    params, path = DealerParameters(), reference_path(1, SETUP)
    output = dealer().advance(SETUP.close_at)
    assert len(output.quotes) > 200
    for at, bid, bid_qty, ask, ask_qty in output.quotes.tolist():
        assert ladder_plain(path.px_at(at), params, Stance())[:2] == (bid, ask)
        assert bid_qty == ask_qty == 200
        assert (at - OPEN) % params.refresh_ns == 0


def test_a_change_of_stance_is_priced_as_if_it_had_stood_from_the_start() -> None:
    path, later = reference_path(1, SETUP), OPEN + MINUTE
    changed, always = (QuoteStream(DealerParameters(), SETUP, "XDLR", path) for _ in range(2))
    changed.run(later)
    for stream in (changed, always):
        stream.stand(later, Stance(300, 1.0, -0.5))
        stream.run(SETUP.close_at)
    k = changed.quote_at(later) + 2
    tail = list(zip(changed.since, changed.prices, strict=True))[k:]
    assert tail == list(zip(always.since, always.prices, strict=True))[-len(tail) :]
    assert len(tail) > 100


def test_a_dealer_knows_the_quote_of_any_time() -> None:
    stream = QuoteStream(DealerParameters(), SETUP, "XDLR", reference_path(1, SETUP))
    stream.run(SETUP.close_at)
    assert stream.quote_at(OPEN - 1) == -1
    assert stream.quote_at(OPEN) == 0
    assert [stream.quote_at(at) for at in stream.since] == list(range(len(stream.since)))
    assert stream.prices[-1] == [0] * 6
    assert stream.since[-1] == SETUP.close_at


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"hold_jitter_ns": 40 * MILLISECOND, "look": "symmetric", "skew_bps": 20.0, "hedge_ns": 3 * SECOND},
        {"mode": "both", "base_reject": 0.4},
        {"mode": "rfq"},
        {"tiers": (TierParameters(max_qty=400, half_spread_bps=0.0),), "px_step": 1, "hold_ns": 0},
    ],
)
def test_every_dealer_passes_the_examiner_in_and_out_of_halts(parameters: dict[str, object]) -> None:
    halted = msgspec.structs.replace(SETUP, halts=HALTED)
    for setup in (SETUP, halted):
        check_venue(lambda s=setup: dealer(s, **parameters), open_at=OPEN, close_at=SETUP.close_at, price=400_000)  # type: ignore[misc]


# Requests for quote.


def request(name: str, **fields: object) -> ChildOrder:
    return order(name, **({"price": 401_000} | fields))


def asked(qty: int, **parameters: object) -> ExecutionReport:
    venue = dealer(QUIET, **(SURE | {"mode": "rfq"} | parameters))
    return venue.advance(OPEN + MINUTE, [new(OPEN + SECOND, request("P1.1", order_qty=qty))]).reports[-1]  # type: ignore[return-value]


def test_a_dealer_who_is_only_asked_shows_nothing() -> None:
    output = dealer(mode="rfq").advance(SETUP.close_at)
    assert len(output.quotes) == len(output.tiers) == 0
    assert len(output.prints) > 0


def test_a_request_is_answered_then_looked_at_and_trades_inside_its_limit() -> None:
    report = asked(200, rfq_tighter=1.0)
    assert report.exec_type is ExecType.TRADE
    assert report.transact_time == OPEN + SECOND + 130 * MILLISECOND
    assert report.last_px == 400_060


def test_a_request_is_priced_for_its_size_and_tighter_for_a_client_who_does_no_harm() -> None:
    prices = [asked(qty, rfq_tighter=1.0).last_px for qty in (1, 100, 200, 500, 1_000, 2_000, 5_000)]
    assert prices == sorted(prices)
    assert prices[2] == 400_060 < prices[-1]
    assert asked(200, rfq_tighter=0.5).last_px == 400_030


def test_the_half_spread_of_a_size_goes_through_the_tiers_and_on() -> None:
    params = DealerParameters()
    assert [half_spread_at(params, tier.max_qty) for tier in params.tiers] == [1.5, 2.0, 3.0]
    one = DealerParameters(tiers=(TierParameters(max_qty=100, half_spread_bps=2.0),))
    assert [half_spread_at(one, qty) for qty in (50, 100, 200)] == [1.5, 2.0, 3.0]


@pytest.mark.parametrize(
    ("parameters", "fields", "text"),
    [
        ({}, {"price": 400_010}, "request for quote: quoted 400040, beyond the limit 400010"),
        ({"rfq_decline": 1.0}, {}, "request for quote: declined"),
        ({}, {"price": None}, "expected a limit price with a request for quote"),
        ({"rfq_max_qty": 99}, {}, "expected a request for up to 99 shares, got 100"),
        ({"mode": "stream"}, {}, "expected a quote_id: no requests for quote are answered here"),
        ({}, {"quote_id": "XDLR-q0.0"}, "stale quote"),
        ({}, {"quote_id": "XDLR-q0.x"}, "stale quote"),
        ({"mode": "both"}, {"quote_id": "XDLR-q0.9"}, "stale quote"),
    ],
)
def test_a_request_that_does_not_trade_says_why(
    parameters: dict[str, object], fields: dict[str, object], text: str
) -> None:
    venue = dealer(QUIET, **(SURE | {"mode": "rfq", "rfq_tighter": 0.8} | parameters))
    output = venue.advance(OPEN + MINUTE, [new(OPEN + SECOND, request("P1.1", **fields))])
    assert [r.text for r in of_type(output, ExecType.REJECTED)] == [text]


def test_a_request_can_be_taken_back_until_it_is_answered() -> None:
    at = OPEN + SECOND
    cancels = [
        Arrival(at + late, OrderCancelRequest(mic="XDLR", cl_ord_id=f"c{late}", orig_cl_ord_id=name, parent_id="P1"))
        for name, late in (("P1.1", 99 * MILLISECOND), ("P1.2", 101 * MILLISECOND))
    ]
    venue = dealer(QUIET, **SURE, mode="rfq")
    output = venue.advance(OPEN + MINUTE, [new(at, request("P1.1")), new(at, request("P1.2")), *cancels])
    assert [r.cl_ord_id for r in of_type(output, ExecType.CANCELED)] == ["P1.1"]
    assert [(r.orig_cl_ord_id, r.text) for r in output.reports if isinstance(r, OrderCancelReject)] == [
        ("P1.2", "in last look")
    ]
    assert [r.cl_ord_id for r in of_type(output, ExecType.TRADE)] == ["P1.2"]


def test_requests_give_the_same_in_any_windows() -> None:
    arrivals = [
        new(
            OPEN + k * 7 * SECOND,
            request(f"P1.{k}", side=(Side.BUY, Side.SELL)[k % 2], price=(402_000, 398_000)[k % 2]),
        )
        for k in range(1, 60)
    ]
    whole = dealer(mode="rfq").advance(SETUP.close_at + 1, arrivals)
    venue, reports, at = dealer(mode="rfq"), [], OPEN
    while at <= SETUP.close_at:
        reports += venue.advance(
            at + 777 * MILLISECOND, [a for a in arrivals if at <= a.at < at + 777 * MILLISECOND]
        ).reports
        at += 777 * MILLISECOND
    assert reports == whole.reports
    assert len({r.exec_type for r in reports if isinstance(r, ExecutionReport)}) >= 4


# Last look.


def rejects(look: str, shift_px: int) -> int:
    venue = dealer(QUIET, **(SURE | {"move_slope": 0.05, "look": look}))
    tier = venue.advance(OPEN + SECOND).tiers[0]
    orders = [new(OPEN + SECOND, order(f"P1.{k}", quote_id=tier.quote_id)) for k in range(200)]
    moved = [Shift(OPEN + SECOND + MILLISECOND, shift_px)]
    return len(of_type(venue.advance(OPEN + 2 * SECOND, orders, moved), ExecType.REJECTED))


def test_an_asymmetric_look_rejects_what_went_our_way_and_a_symmetric_one_any_move() -> None:
    assert rejects("asymmetric", -400) == 0
    assert 70 <= rejects("asymmetric", 400) == rejects("symmetric", 400) <= 130
    assert 70 <= rejects("symmetric", -400) <= 130


def test_the_hold_has_a_jitter_of_its_own_for_each_order() -> None:
    venue = dealer(QUIET, **SURE, hold_jitter_ns=10 * MILLISECOND)
    tier = venue.advance(OPEN + SECOND).tiers[0]
    orders = [new(OPEN + SECOND, order(f"P1.{k}", quote_id=tier.quote_id)) for k in range(100)]
    holds = [r.transact_time - OPEN - SECOND for r in of_type(venue.advance(OPEN + 2 * SECOND, orders), ExecType.TRADE)]
    assert len(set(holds)) == 100
    assert min(holds) >= 30 * MILLISECOND
    assert 37 * MILLISECOND < sum(holds) / 100 < 43 * MILLISECOND


# Position and halts.


def test_what_we_buy_makes_the_next_share_dearer_until_he_is_flat() -> None:
    venue = dealer(QUIET, **SURE, skew_bps=2.0, hedge_ns=4 * SECOND, memory=0.0)
    tiers = venue.advance(OPEN + SECOND).tiers
    before = tiers[2].ask_px
    buy = order("P1.1", quote_id=tiers[2].quote_id, order_qty=2_000)
    asks = [venue.advance(OPEN + 2 * SECOND, [new(OPEN + SECOND, buy)]).tiers[2].ask_px]
    assert venue.position == -2_000
    asks += [venue.advance(OPEN + k * SECOND + 500 * MILLISECOND).tiers[2].ask_px for k in range(2, 7)]
    assert asks[0] == before + 80
    assert asks == sorted(asks, reverse=True)
    assert asks[-1] == before
    assert venue.position == 0


def test_a_sale_to_him_lowers_his_quotes_and_the_skew_has_a_cap() -> None:
    venue = dealer(QUIET, **SURE, skew_bps=50.0, skew_max_bps=1.0)
    tiers = venue.advance(OPEN + SECOND).tiers
    sell = order("P1.1", side=Side.SELL, quote_id=tiers[2].quote_id, order_qty=2_000)
    after = venue.advance(OPEN + 2 * SECOND, [new(OPEN + SECOND, sell)]).tiers
    assert after[0].bid_px == tiers[0].bid_px - 40
    assert after[0].ask_px == tiers[0].ask_px - 40


def test_a_halt_ends_quotes_and_orders_until_trading_goes_on() -> None:
    venue = dealer(msgspec.structs.replace(QUIET, halts=HALTED), **SURE)
    start, end = HALTED[0].from_at, HALTED[0].to_at
    tier = venue.advance(start - 10 * MILLISECOND).tiers[0]
    held = order("P1.1", quote_id=tier.quote_id)
    late = order("P1.2", quote_id=tier.quote_id)
    output = venue.advance(start + 1, [new(start - 10 * MILLISECOND, held), new(start, late)])
    assert [(r.cl_ord_id, r.text, r.transact_time) for r in of_type(output, ExecType.REJECTED)] == [
        ("P1.1", "last look: trading stopped", start),
        ("P1.2", "trading halted", start),
    ]
    assert output.tiers == ()
    assert output.quotes[-1].tolist() == [start, 0, 0, 0, 0]
    quiet = venue.advance(end)
    assert len(quiet.quotes) == len(quiet.prints) == 0
    assert venue.advance(end + 1).tiers[0].ask_px == tier.ask_px


def test_a_request_under_way_when_trading_stops_is_rejected_then() -> None:
    venue = dealer(msgspec.structs.replace(QUIET, halts=HALTED), **SURE, mode="rfq")
    start = HALTED[0].from_at
    output = venue.advance(start + SECOND, [new(start - 10 * MILLISECOND, request("P1.1"))])
    assert [(r.text, r.transact_time) for r in of_type(output, ExecType.REJECTED)] == [
        ("request for quote: trading stopped", start)
    ]


def test_what_happens_at_lit_venues_is_nothing_to_him() -> None:
    ripples = [Fade(OPEN + SECOND, 1, 0.5), Hedge(OPEN + SECOND, 1, 500)]
    with_ripples, alone = dealer().advance(SETUP.close_at, (), ripples), dealer().advance(SETUP.close_at)
    assert with_ripples.quotes.tolist() == alone.quotes.tolist()
    assert with_ripples.events == alone.events + 2


@pytest.mark.parametrize(
    ("key", "value"), [("hedge_share", 1.5), ("rfq_max_qty", 0), ("hedge_ns", 0), ("skew_bps", -1.0)]
)
def test_a_parameter_out_of_range_is_refused_by_name(key: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"expected a value from .*, got {value} - at {key}"):
        DealerParameters(**{key: value})  # type: ignore[arg-type]
