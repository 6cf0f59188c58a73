"""Every synthetic venue passes the examiner, and does what its kind is for.

Rule of this file: venues are built by `build_venue` and driven as a simulator drives them.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from router.domain.enums import ExecInst, ExecType, OrdStatus, OrdType, PegPriceType, Side, Tactic, TimeInForce
from router.domain.enums import VenueType as Kind
from router.domain.errors import BadInputError, VenueProtocolError
from router.domain.instruments import FeeSchedule, Listing, VenueSpec
from router.domain.messages import Arrival, SessionChange, Shift
from router.domain.orders import ChildOrder, NewOrderSingle, OrderCancelReplaceRequest, OrderCancelRequest
from router.domain.reports import ExecutionReport, OrderCancelReject
from router.domain.units import HOUR, MILLISECOND, MINUTE, SECOND
from venues.build import VenueParameters, build_venue
from venues.check import check_venue
from venues.models.reference import REGIMES, MarketSetup, Regime, reference_path
from venues.truth import lane_truth
from venues.types.dark import DarkParameters
from venues.types.dealer import DealerParameters, TierParameters
from venues.types.lit_flow import LitParameters
from venues.venue import Venue, VenueOutput

OPEN = 9 * HOUR
SETUP = MarketSetup(symbol="ABR", open_at=OPEN, close_at=OPEN + 10 * MINUTE, start_px=400_000)

KINDS: dict[str, VenueParameters] = {
    "lit": LitParameters(),
    "lit-slow": LitParameters(reaction_ns=40 * MILLISECOND, makers=1, informed=0.6),
    "dark": DarkParameters(zero_bin=0.2),
    "dark-toxic": DarkParameters(zero_bin=0.5, informed=0.9),
    "dark-periodic": DarkParameters(zero_bin=0.2, uncross_every_ns=SECOND),
    "dealer": DealerParameters(),
    "dealer-no-hold": DealerParameters(hold_ns=0, base_reject=0.5),
}

QUOTED = {"ord_type": OrdType.PREVIOUSLY_QUOTED, "time_in_force": TimeInForce.FILL_OR_KILL, "tactic": Tactic.QUOTE}


def spec_of(params: VenueParameters, tick: int = 100) -> VenueSpec:
    shape = {
        LitParameters: (Kind.CENTRAL_LIMIT_ORDER_BOOK, (Tactic.TAKE, Tactic.POST)),
        DarkParameters: (Kind.DARK_ORDER_BOOK, (Tactic.MID_PEG,)),
        DealerParameters: (Kind.QUOTE_DRIVEN_MARKET, (Tactic.QUOTE,)),
    }[type(params)]
    return VenueSpec(
        mic="XONE",
        venue_type=shape[0],
        listing=Listing(symbol="ABR", mic="XONE", tick=tick),
        fees=FeeSchedule(maker_micros=-2_000, taker_micros=3_000),
        tactics=shape[1],
        volume_share=0.15,
    )


def build(params: VenueParameters, seed: int = 1, setup: MarketSetup = SETUP) -> Venue:
    return build_venue(spec_of(params), setup, params, seed)


def child(name: str, **fields: object) -> ChildOrder:
    base: dict[str, object] = {
        "cl_ord_id": name,
        "parent_id": "P1",
        "decision_id": "P1.d1",
        "symbol": "ABR",
        "mic": "XONE",
        "tactic": Tactic.POST,
        "side": Side.BUY,
        "order_qty": 100,
        "ord_type": OrdType.LIMIT,
    }
    return ChildOrder(**(base | fields))  # type: ignore[arg-type]


def peg(name: str, **fields: object) -> ChildOrder:
    base = {"tactic": Tactic.MID_PEG, "ord_type": OrdType.PEGGED, "peg_price_type": PegPriceType.MID_PRICE}
    return child(name, **(base | fields))


def new(at: int, order: ChildOrder) -> Arrival:
    return Arrival(at, NewOrderSingle(order))


def of_type(output: VenueOutput, exec_type: ExecType) -> list[ExecutionReport]:
    return [r for r in output.reports if isinstance(r, ExecutionReport) and r.exec_type is exec_type]


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("seed", [1, 2])
def test_every_kind_passes_the_examiner(kind: str, seed: int) -> None:
    params = KINDS[kind]
    check_venue(lambda: build(params, seed), open_at=OPEN, close_at=SETUP.close_at, price=SETUP.start_px)


def test_the_examiner_catches_a_venue_that_depends_on_its_windows() -> None:
    class Forgetful:
        def __init__(self) -> None:
            self.inner = build(KINDS["lit"])
            self.spec = self.inner.spec

        def advance(self, until: int, arrivals=(), ripples=(), sessions=()) -> VenueOutput:  # type: ignore[no-untyped-def]
            return self.inner.advance(until, arrivals, ripples, sessions)._replace(events=1)

    with pytest.raises(VenueProtocolError, match="windows against one"):
        check_venue(Forgetful, open_at=OPEN, close_at=SETUP.close_at, price=SETUP.start_px)


def test_the_examiner_catches_a_venue_that_loses_a_report() -> None:
    class Silent:
        def __init__(self) -> None:
            self.inner = build(KINDS["lit"])
            self.spec = self.inner.spec

        def advance(self, until: int, arrivals=(), ripples=(), sessions=()) -> VenueOutput:  # type: ignore[no-untyped-def]
            output = self.inner.advance(until, arrivals, ripples, sessions)
            return output._replace(reports=[r for r in output.reports if r.cl_ord_id != "day"])

    with pytest.raises(VenueProtocolError, match="silence"):
        check_venue(Silent, open_at=OPEN, close_at=SETUP.close_at, price=SETUP.start_px)


def test_an_order_that_cannot_trade_changes_nothing_of_the_background() -> None:
    alone = build(KINDS["lit"]).advance(SETUP.close_at + 1)
    order = child("P1.1", price=200_000, display_qty=0)
    with_us = build(KINDS["lit"]).advance(SETUP.close_at + 1, [new(OPEN + SECOND, order)])
    assert alone.prints.tolist() == with_us.prints.tolist()
    assert alone.quotes.tolist() == with_us.quotes.tolist()


def test_an_input_outside_its_window_is_refused() -> None:
    venue = build(KINDS["lit"])
    venue.advance(OPEN + SECOND)
    with pytest.raises(BadInputError, match=r"expected a time in .* - at Arrival.at"):
        venue.advance(OPEN + 2 * SECOND, [new(OPEN, child("P1.1", price=200_000))])
    with pytest.raises(BadInputError, match="until"):
        venue.advance(OPEN)


def test_a_market_order_takes_the_displayed_offer_and_pays_the_taker_fee() -> None:
    venue = build(KINDS["lit"])
    ask_px, ask_qty = venue.advance(OPEN + SECOND).quotes[-1, 3:].tolist()
    order = child("P1.1", ord_type=OrdType.MARKET, time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL, order_qty=ask_qty)
    output = venue.advance(OPEN + SECOND + 1, [new(OPEN + SECOND, order)])
    trades = of_type(output, ExecType.TRADE)
    assert sum(r.last_qty for r in trades) == ask_qty
    assert {r.last_px for r in trades} == {ask_px}
    assert sum(r.fee_micros for r in trades) == 3_000 * ask_qty
    assert trades[-1].ord_status is OrdStatus.FILLED
    assert output.quotes[-1, 3] > ask_px


def test_our_displayed_order_inside_the_spread_is_the_visible_touch() -> None:
    venue = build(KINDS["lit"])
    bid, _, ask, _ = venue.advance(OPEN + SECOND).quotes[-1, 1:].tolist()
    assert ask - bid == 200
    order = child("P1.1", price=bid + 100, order_qty=700, exec_inst=(ExecInst.PARTICIPATE_DO_NOT_INITIATE,))
    output = venue.advance(OPEN + SECOND + 1, [new(OPEN + SECOND, order)])
    assert output.quotes[-1, 1:3].tolist() == [bid + 100, 700]


def test_an_expiry_comes_before_a_command_at_the_same_time() -> None:
    at = OPEN + SECOND
    order = child("P1.1", price=200_000, time_in_force=TimeInForce.GOOD_TILL_DATE, expire_time=at + 5)
    cancel = OrderCancelRequest(mic="XONE", cl_ord_id="P1.1/1", orig_cl_ord_id="P1.1", parent_id="P1")
    output = build(KINDS["lit"]).advance(at + 10, [new(at, order), Arrival(at + 5, cancel)])
    assert [type(r).__name__ for r in output.reports] == ["ExecutionReport", "ExecutionReport", "OrderCancelReject"]
    reject = output.reports[2]
    assert of_type(output, ExecType.EXPIRED)[0].transact_time == at + 5
    assert isinstance(reject, OrderCancelReject)
    assert reject.ord_status is OrdStatus.EXPIRED


def test_a_lost_session_cancels_what_asked_for_it_and_hears_nothing() -> None:
    at = OPEN + SECOND
    safe = child("P1.1", price=200_000, exec_inst=(ExecInst.CANCEL_ON_CONNECTION_LOSS,))
    arrivals = [new(at, safe), new(at, child("P1.2", price=200_000)), new(at + 20, child("P1.3", price=200_000))]
    sessions = [SessionChange(at + 10, False), SessionChange(at + 30, True)]
    output = build(KINDS["lit"]).advance(at + 40, arrivals, (), sessions)
    assert [(r.cl_ord_id, r.text) for r in of_type(output, ExecType.CANCELED)] == [("P1.1", "connection lost")]
    assert "P1.3" not in {r.cl_ord_id for r in output.reports}


def test_a_request_sent_again_is_answered_with_the_order_and_changes_nothing() -> None:
    at = OPEN + SECOND
    cancel = OrderCancelRequest(mic="XONE", cl_ord_id="P1.1/1", orig_cl_ord_id="P1.1", parent_id="P1")
    arrivals = [new(at, child("P1.1", price=200_000)), Arrival(at + 1, cancel), Arrival(at + 2, cancel)]
    output = build(KINDS["lit"]).advance(at + 3, arrivals)
    last = output.reports[-1]
    assert isinstance(last, ExecutionReport)
    assert (last.exec_type, last.ord_status, last.cl_ord_id) == (ExecType.ORDER_STATUS, OrdStatus.CANCELED, "P1.1")


@pytest.mark.parametrize("kind", ["lit", "dealer"])
def test_quotes_follow_our_own_impact(kind: str) -> None:
    quiet = msgspec.structs.replace(SETUP, daily_volatility=1e-6)
    venue = build(KINDS[kind], setup=quiet)
    before = venue.advance(OPEN + SECOND).quotes[-1]
    after = venue.advance(OPEN + 3 * SECOND, (), [Shift(OPEN + SECOND, 300)]).quotes[-1]
    assert 290 <= (after[1] + after[3] - before[1] - before[3]) / 2 <= 310


def test_a_dark_pool_fills_at_the_mid_and_shows_nothing() -> None:
    params = DarkParameters(zero_bin=0.0, informed=0.0)
    quiet = msgspec.structs.replace(SETUP, daily_volatility=1e-6)
    output = build(params, setup=quiet).advance(SETUP.close_at, [new(OPEN + SECOND, peg("P1.1", order_qty=1_000))])
    trades = of_type(output, ExecType.TRADE)
    assert sum(r.last_qty for r in trades) == 1_000
    assert {r.last_px for r in trades} == {400_000}
    assert len(output.quotes) == 0


def test_dark_interest_trades_once_whoever_meets_it() -> None:
    params = DarkParameters(zero_bin=0.0, informed=0.0, patience_ns=MINUTE)
    orders = [new(OPEN + SECOND + k, peg(f"P1.{k}", order_qty=100_000)) for k in range(3)]
    alone = build(params).advance(SETUP.close_at, orders[:1])
    shared = build(params).advance(SETUP.close_at, orders)
    assert sum(r.last_qty for r in of_type(alone, ExecType.TRADE)) == sum(
        r.last_qty for r in of_type(shared, ExecType.TRADE)
    )


def test_a_dark_fill_respects_limit_and_min_qty() -> None:
    params = DarkParameters(zero_bin=0.0, informed=0.0)
    bounded = peg("P1.1", order_qty=5_000, price=399_900)
    choosy = peg("P1.2", order_qty=5_000, min_qty=500)
    output = build(params).advance(SETUP.close_at, [new(OPEN + SECOND, bounded), new(OPEN + SECOND, choosy)])
    fills = [r for r in of_type(output, ExecType.TRADE) if r.cl_ord_id == "P1.2"]
    assert fills
    assert all(r.last_qty >= 500 or r.leaves_qty == 0 for r in fills)
    assert all(r.last_px <= 399_900 for r in of_type(output, ExecType.TRADE) if r.cl_ord_id == "P1.1")


def _adverse(params: VenueParameters, regime: str) -> float:
    regimes = (Regime(from_at=0, name=regime, multipliers=REGIMES[regime]),)
    setup = msgspec.structs.replace(SETUP, regimes=regimes)
    return lane_truth(spec_of(params), setup, params, OPEN, 300, 30 * SECOND)[0].markout_bps


def test_a_toxic_pool_costs_more_after_the_fill_than_a_clean_one() -> None:
    clean = _adverse(DarkParameters(informed=0.0), "calm")
    toxic = _adverse(DarkParameters(informed=0.8), "calm")
    assert abs(clean) < 0.8
    assert toxic > clean + 1.0


def _dealer_run(params: DealerParameters, qty: int = 200) -> VenueOutput:
    venue = build(params)
    tier = venue.advance(OPEN + SECOND).tiers[0]
    orders = [new(OPEN + SECOND, child(f"P1.{k}", quote_id=tier.quote_id, order_qty=qty, **QUOTED)) for k in range(50)]
    return venue.advance(OPEN + 2 * SECOND, orders)


def test_a_dealer_fills_after_its_hold_at_the_quoted_price() -> None:
    output = _dealer_run(DealerParameters(base_reject=0.0))
    trades = of_type(output, ExecType.TRADE)
    assert len(trades) == 50
    assert {r.transact_time for r in trades} == {OPEN + SECOND + 30 * MILLISECOND}
    assert {r.last_px for r in trades} == {400_060}
    assert len(of_type(output, ExecType.PENDING_NEW)) == 50


def test_a_dealer_rejects_about_as_often_as_stated() -> None:
    output = _dealer_run(DealerParameters(base_reject=0.5))
    rejects = of_type(output, ExecType.REJECTED)
    assert 15 <= len(rejects) <= 35
    assert {r.text for r in rejects} == {"last look"}


def test_a_dealer_widens_for_a_client_whose_fills_run_against_it() -> None:
    quiet = msgspec.structs.replace(SETUP, daily_volatility=1e-6)
    venue = build(DealerParameters(base_reject=0.0, move_slope=0.0, toxic_slope=0.0, memory=0.5), setup=quiet)
    tier = venue.advance(OPEN + SECOND).tiers[0]
    order = child("P1.1", quote_id=tier.quote_id, **QUOTED)
    # The reference rises by 5 bp after we bought: the dealer learns it at his markout horizon.
    after = venue.advance(OPEN + 20 * SECOND, [new(OPEN + SECOND, order)], [Shift(OPEN + 2 * SECOND, 200)]).tiers[0]
    assert after.ask_px - after.bid_px > tier.ask_px - tier.bid_px + 50


@pytest.mark.parametrize(("late_ns", "rejects"), [(0, []), (1, ["stale quote"])])
def test_a_replaced_quote_goes_stale_after_its_grace(late_ns: int, rejects: list[str]) -> None:
    params = DealerParameters(base_reject=0.0, move_slope=0.0, hold_ns=0)
    changed_at = int(build(params).advance(SETUP.close_at).quotes[1, 0])
    venue = build(params)
    quote_id = venue.advance(OPEN + 1).tiers[0].quote_id
    at = changed_at + params.grace_ns + late_ns
    output = venue.advance(at + 1, [new(at, child("P1.1", quote_id=quote_id, **QUOTED))])
    assert [r.text for r in of_type(output, ExecType.REJECTED)] == rejects


def test_an_immediate_order_does_not_trade_beyond_its_limit() -> None:
    venue = build(KINDS["lit"])
    ask_px, ask_qty = venue.advance(OPEN + SECOND).quotes[-1, 3:].tolist()
    fields = {"price": ask_px, "time_in_force": TimeInForce.IMMEDIATE_OR_CANCEL, "order_qty": ask_qty + 700}
    output = venue.advance(OPEN + SECOND + 1, [new(OPEN + SECOND, child("P1.1", **fields))])
    out = output.reports[-1]
    assert isinstance(out, ExecutionReport)
    assert (out.exec_type, out.cum_qty, out.avg_px, out.leaves_qty) == (ExecType.CANCELED, ask_qty, ask_px, 0)


def test_truth_is_repeatable_and_orders_lanes_as_the_spec_does() -> None:
    params = LitParameters()
    spec = spec_of(params)
    scores = lane_truth(spec, SETUP, params, OPEN, 300, 30 * SECOND)
    assert [score.lane for score in scores] == ["XONE:TAKE", "XONE:POST"]
    assert scores == lane_truth(spec, SETUP, params, OPEN + MINUTE, 300, 30 * SECOND)
    assert scores[0].p > 0.99 > scores[1].p > 0.1
    assert abs(scores[0].markout_bps) < 0.5 < scores[1].markout_bps


def test_parameters_come_from_a_table_by_kind() -> None:
    table = {"kind": "dealer", "tiers": [{"max_qty": 100, "half_spread_bps": 1.0}], "hold_ns": 0}
    params = msgspec.convert(table, VenueParameters)  # type: ignore[arg-type]
    assert params == DealerParameters(tiers=(TierParameters(max_qty=100, half_spread_bps=1.0),), hold_ns=0)
    with pytest.raises(msgspec.ValidationError, match="zerobin"):
        msgspec.convert({"kind": "dark", "zerobin": 0.9}, VenueParameters)  # type: ignore[arg-type]
    with pytest.raises(msgspec.ValidationError, match=r"expected a value from 0.0 to 1.0, got 1.5 - at zero_bin"):
        msgspec.convert({"kind": "dark", "zero_bin": 1.5}, VenueParameters)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "make",
    [
        lambda: LitParameters(levels=0),
        lambda: DealerParameters(tiers=()),
        lambda: DealerParameters(tiers=(TierParameters(max_qty=10, half_spread_bps=-1.0),)),
        lambda: DealerParameters(reject_max=2.0),
    ],
)
def test_impossible_parameters_are_refused(make: Callable[[], VenueParameters]) -> None:
    with pytest.raises(ValueError, match=r"expected .*, got .* - at "):
        make()


@pytest.mark.parametrize("reaction_ns", [MILLISECOND, 50 * MILLISECOND])
def test_a_venue_keeps_its_stale_quote_for_its_reaction_time(reaction_ns: int) -> None:
    params = LitParameters(reaction_ns=reaction_ns, jitter_ns=0, makers=1, refresh_ns=HOUR, push_ticks=0)
    spec = msgspec.structs.replace(spec_of(params), volume_share=0.0)
    quotes = build_venue(spec, SETUP, params, 1).advance(SETUP.close_at).quotes
    moves = reference_path(1, SETUP).at
    assert quotes[1, 0] == moves[0] + reaction_ns
    assert set(quotes[1:, 0].tolist()) <= set((moves + reaction_ns).tolist())


@pytest.mark.parametrize("kind", ["lit", "dark"])
def test_a_venue_with_round_lots_passes_the_examiner(kind: str) -> None:
    spec = spec_of(KINDS[kind])
    lots = msgspec.structs.replace(spec, listing=Listing(symbol="ABR", mic="XONE", lot=100))
    make = lambda: build_venue(lots, SETUP, KINDS[kind], 3)  # noqa: E731
    check_venue(make, open_at=OPEN, close_at=SETUP.close_at, price=SETUP.start_px)


def test_a_replace_down_to_what_traded_ends_the_order_as_filled() -> None:
    venue = build(KINDS["lit"])
    bid_px, bid_qty = venue.advance(OPEN + SECOND).quotes[-1, 1:3].tolist()
    sell = child("P1.1", side=Side.SELL, price=bid_px, order_qty=bid_qty + 500)
    replace = OrderCancelReplaceRequest(
        mic="XONE", cl_ord_id="P1.1/1", orig_cl_ord_id="P1.1", parent_id="P1", order_qty=bid_qty
    )
    output = venue.advance(OPEN + SECOND + 2, [new(OPEN + SECOND, sell), Arrival(OPEN + SECOND + 1, replace)])
    last = output.reports[-1]
    assert isinstance(last, ExecutionReport)
    assert (last.exec_type, last.ord_status, last.cl_ord_id) == (ExecType.REPLACED, OrdStatus.FILLED, "P1.1/1")
    assert (last.orig_cl_ord_id, last.cum_qty, last.leaves_qty, last.avg_px) == ("P1.1", bid_qty, 0, bid_px)


def test_a_posted_order_waits_behind_what_was_there_first() -> None:
    venue = build(KINDS["lit"])
    bid_px, bid_qty = venue.advance(OPEN + SECOND).quotes[-1, 1:3].tolist()
    ours = child("P1.1", price=bid_px)
    sweep = child("P2.1", side=Side.SELL, price=bid_px, order_qty=bid_qty, time_in_force=TimeInForce.FILL_OR_KILL)
    rest = child("P2.2", side=Side.SELL, price=bid_px, order_qty=40, time_in_force=TimeInForce.FILL_OR_KILL)
    at = OPEN + SECOND
    output = venue.advance(at + 3, [new(at, ours), new(at + 1, sweep), new(at + 2, rest)])
    mine = [r for r in of_type(output, ExecType.TRADE) if r.cl_ord_id == "P1.1"]
    assert [(r.last_qty, r.fee_micros, r.transact_time) for r in mine] == [(40, -80_000, at + 2)]


@pytest.mark.parametrize(
    ("kind", "fields", "text"),
    [
        ("lit", {"ord_type": OrdType.PREVIOUSLY_QUOTED}, "unsupported ord_type"),
        ("lit", {"price": 400_000, "time_in_force": TimeInForce.AT_THE_CLOSE}, "no auction to come"),
        ("lit", {"price": 400_000, "min_qty": 50}, "min_qty only"),
        ("lit", {"price": 400_000, "display_qty": -1}, "display_qty"),
        ("dark", {"price": 400_000}, "expected PEGGED"),
        ("dealer", {"price": 400_000}, "expected PREVIOUSLY_QUOTED"),
    ],
)
def test_what_a_venue_does_not_trade_is_rejected_with_a_reason(kind: str, fields: dict[str, object], text: str) -> None:
    output = build(KINDS[kind]).advance(OPEN + 2 * SECOND, [new(OPEN + SECOND, child("P1.1", **fields))])
    rejects = of_type(output, ExecType.REJECTED)
    assert len(rejects) == 1
    assert text in rejects[0].text
