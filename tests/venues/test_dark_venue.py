"""A dark pool whole: segments, near-side pegs, halts, conditional orders.

Rule of this file: a pool with no interest of its own (`zero_bin` 1) is moved by our own orders alone.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np
import pytest

from router.domain.enums import ExecType, LastLiquidityInd, OrdStatus, OrdType, PegPriceType, Side, Tactic, TimeInForce
from router.domain.enums import VenueType as Kind
from router.domain.instruments import FeeSchedule, Listing, VenueSpec
from router.domain.messages import Arrival, Shift
from router.domain.orders import ChildOrder, NewOrderSingle, OrderCancelReplaceRequest, OrderCancelRequest
from router.domain.reports import ExecutionReport, OrderCancelReject
from router.domain.units import HOUR, MILLISECOND, MINUTE, SECOND, Nanos
from venues.check import check_venue
from venues.models.reference import Halt, MarketSetup, reference_path
from venues.truth import lane_truth
from venues.types.dark import DarkVenue
from venues.types.dark_flow import DarkParameters, SegmentParameters
from venues.venue import VenueOutput

OPEN = 9 * HOUR
SETUP = MarketSetup(symbol="ABR", open_at=OPEN, close_at=OPEN + 10 * MINUTE, start_px=400_000)
STILL = msgspec.structs.replace(SETUP, daily_volatility=1e-6)
MID = SETUP.start_px

NATURAL = SegmentParameters(
    name="natural", beta=0.8, largest_qty=20_000, patience_ns=MINUTE, min_qty=500, conditional=True
)
FAST = SegmentParameters(name="fast", informed=0.9, largest_qty=300, patience_ns=SECOND)
PRINCIPAL = SegmentParameters(name="principal", share=2.0, informed=0.1)
SEGMENTS = (NATURAL, PRINCIPAL, FAST)
EMPTY = DarkParameters(zero_bin=1.0, conditional=True)
BUSY = DarkParameters(zero_bin=0.2, conditional=True, contra_fails=0.0)

KINDS = {
    "near": DarkParameters(zero_bin=0.1, far_share=0.9),
    "segments": DarkParameters(zero_bin=0.2, segments=SEGMENTS),
    "conditional": DarkParameters(zero_bin=0.2, segments=SEGMENTS, conditional=True),
    "conditional-slow": DarkParameters(zero_bin=0.5, conditional=True, firm_up_ns=10 * SECOND, contra_fails=0.5),
    "conditional-periodic": DarkParameters(zero_bin=0.2, conditional=True, uncross_every_ns=3 * SECOND),
}


def spec_of(params: DarkParameters) -> VenueSpec:
    return VenueSpec(
        mic="XDRK",
        venue_type=Kind.DARK_ORDER_BOOK,
        listing=Listing(symbol="ABR", mic="XDRK"),
        fees=FeeSchedule(maker_micros=1_000, taker_micros=1_000),
        tactics=(Tactic.MID_PEG, Tactic.CONDITIONAL) if params.conditional else (Tactic.MID_PEG,),
        volume_share=0.1,
        segments=tuple(segment.name for segment in params.segments),
    )


def build(params: DarkParameters, setup: MarketSetup = STILL, seed: int = 1) -> DarkVenue:
    return DarkVenue(spec_of(params), setup, params, seed)


def peg(name: str, sign: int = 1, qty: int = 1_000, **fields: object) -> ChildOrder:
    base: dict[str, object] = {
        "cl_ord_id": name,
        "parent_id": "P1",
        "decision_id": "P1.d1",
        "symbol": "ABR",
        "mic": "XDRK",
        "tactic": Tactic.MID_PEG,
        "side": Side.BUY if sign > 0 else Side.SELL,
        "order_qty": qty,
        "ord_type": OrdType.PEGGED,
        "peg_price_type": PegPriceType.MID_PRICE,
    }
    return ChildOrder(**(base | fields))  # type: ignore[arg-type]


def conditional(name: str, sign: int = 1, qty: int = 1_000, **fields: object) -> ChildOrder:
    return peg(name, sign, qty, tactic=Tactic.CONDITIONAL, **fields)


def near(name: str, sign: int = 1, qty: int = 1_000, **fields: object) -> ChildOrder:
    return peg(name, sign, qty, peg_price_type=PegPriceType.PRIMARY, **fields)


def new(at: Nanos, order: ChildOrder) -> Arrival:
    return Arrival(at, NewOrderSingle(order))


def firm_up(at: Nanos, name: str, of: str, qty: int) -> Arrival:
    ids = {"mic": "XDRK", "cl_ord_id": name, "orig_cl_ord_id": of, "parent_id": "P1"}
    return Arrival(at, OrderCancelReplaceRequest(**ids, order_qty=qty))


def reports(output: VenueOutput, exec_type: ExecType) -> list[ExecutionReport]:
    return [r for r in output.reports if isinstance(r, ExecutionReport) and r.exec_type is exec_type]


def invitations(output: VenueOutput) -> list[ExecutionReport]:
    return [r for r in reports(output, ExecType.RESTATED) if r.invited_qty]


def until_invited(venue: DarkVenue, at: Nanos, arrivals: Iterable[Arrival] = ()) -> tuple[ExecutionReport, Nanos]:
    """Let the venue go on until it invites us; return the invitation and the venue's time."""
    output = venue.advance(at, list(arrivals))
    while not (found := invitations(output)):
        assert output.next_at is not None, "the day ended without an invitation"
        at = max(at, output.next_at) + 1
        output = venue.advance(at)
    return found[0], at


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lot", [1, 100])
def test_every_kind_of_pool_passes_the_examiner(kind: str, lot: int) -> None:
    params = KINDS[kind]
    spec = msgspec.structs.replace(spec_of(params), listing=Listing(symbol="ABR", mic="XDRK", lot=lot))
    make = lambda: DarkVenue(spec, SETUP, params, 4)  # noqa: E731
    check_venue(make, open_at=OPEN, close_at=SETUP.close_at, price=MID)


def test_a_near_side_peg_fills_at_the_near_side_or_not_at_all() -> None:
    at = OPEN + SECOND
    patient = DarkParameters(zero_bin=0.0, far_share=0.5, informed=0.0)
    output = build(patient).advance(STILL.close_at, [new(at, near("P1.1")), new(at, near("P1.2", sign=-1))])
    fills = reports(output, ExecType.TRADE)
    assert {r.last_px for r in fills if r.cl_ord_id == "P1.1"} == {MID - 100}
    assert {r.last_px for r in fills if r.cl_ord_id == "P1.2"} == {MID + 100}
    stingy = msgspec.structs.replace(patient, far_share=0.0)
    output = build(stingy).advance(STILL.close_at, [new(at, near("P1.1")), new(at, near("P1.2", sign=-1))])
    assert reports(output, ExecType.TRADE) == []


def test_an_order_beyond_its_limit_trades_when_the_reference_comes_back() -> None:
    venue = build(EMPTY)
    at = OPEN + SECOND
    orders = [new(at, peg("P1.1", price=MID - 200)), new(at, peg("P1.2", sign=-1))]
    assert reports(venue.advance(at + SECOND, orders), ExecType.TRADE) == []
    output = venue.advance(at + 2 * SECOND, ripples=[Shift(at + SECOND, -200)])
    assert {(r.last_px, r.transact_time) for r in reports(output, ExecType.TRADE)} == {(MID - 200, at + SECOND)}


def test_a_move_of_the_reference_brings_an_order_within_its_limit() -> None:
    path = reference_path(3, SETUP)
    lowest = int(np.argmin(path.px))
    limit, at = int(path.px[lowest]), OPEN + MILLISECOND
    orders = [new(at, peg("P1.1", qty=100, price=limit)), new(at, peg("P1.2", sign=-1, qty=100))]
    output = build(EMPTY, SETUP, seed=3).advance(SETUP.close_at, orders)
    first = int(np.flatnonzero(path.px <= limit)[0])
    fills = reports(output, ExecType.TRADE)
    assert {(r.last_px, r.transact_time) for r in fills} == {(int(path.px[first]), int(path.at[first]))}


def test_where_nothing_of_ours_rests_the_reference_makes_no_event() -> None:
    calm, wild = (
        build(EMPTY, msgspec.structs.replace(SETUP, daily_volatility=v)).advance(SETUP.close_at) for v in (1e-6, 0.2)
    )
    assert len(reference_path(1, msgspec.structs.replace(SETUP, daily_volatility=0.2)).at) > 1_000
    assert calm.events == wild.events


@pytest.mark.parametrize("denied", ["principal", "fast"])
def test_a_denied_segment_never_trades_with_us(denied: str) -> None:
    params = DarkParameters(zero_bin=0.0, segments=(PRINCIPAL, FAST))
    only = msgspec.structs.replace(params, segments=tuple(s for s in params.segments if s.name == denied))
    at = OPEN + SECOND
    deny_all = peg("P1.1", qty=50_000, segments_deny=("principal", "fast"))
    assert reports(build(params).advance(STILL.close_at, [new(at, deny_all)]), ExecType.TRADE) == []
    # With one segment denied what fills is what the other one brings; a pool of the denied one alone brings nothing.
    deny_one = peg("P1.1", qty=50_000, segments_deny=(denied,))
    assert reports(build(params).advance(STILL.close_at, [new(at, deny_one)]), ExecType.TRADE)
    assert reports(build(only).advance(STILL.close_at, [new(at, deny_one)]), ExecType.TRADE) == []


def test_a_segment_that_nobody_knows_is_refused() -> None:
    output = build(EMPTY).advance(OPEN + 2 * SECOND, [new(OPEN + SECOND, peg("P1.1", segments_deny=("retail",)))])
    assert [r.text for r in reports(output, ExecType.REJECTED)] == ["unknown segment retail"]


def test_nothing_trades_in_a_halt_and_all_that_can_when_it_is_over() -> None:
    halt = Halt(from_at=OPEN + MINUTE, to_at=OPEN + 2 * MINUTE, mics=("XDRK",))
    setup = msgspec.structs.replace(STILL, halts=(halt, Halt(from_at=OPEN, to_at=OPEN + SECOND, mics=("XELSE",))))
    at = OPEN + MINUTE + SECOND
    immediate = peg("P1.3", time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL)
    orders = [new(at, peg("P1.1")), new(at + 1, peg("P1.2", sign=-1)), new(at + 2, immediate)]
    output = build(DarkParameters(zero_bin=0.0, informed=0.0), setup).advance(setup.close_at, orders)
    fills = reports(output, ExecType.TRADE)
    assert min(r.transact_time for r in fills) == halt.to_at
    canceled = next(r for r in reports(output, ExecType.CANCELED) if r.cl_ord_id == "P1.3")
    assert (canceled.text, canceled.cum_qty, canceled.transact_time) == ("trading is halted", 0, at + 2)
    inside = (output.prints[:, 0] >= halt.from_at) & (output.prints[:, 0] < halt.to_at)
    assert inside.sum() == 0
    assert len(output.prints) > 100


def test_an_order_smaller_of_the_same_keeps_its_place() -> None:
    at = OPEN + SECOND
    orders = [new(at, peg("P1.1", qty=300)), new(at + 1, peg("P1.2", qty=300))]
    less = firm_up(at + 2, "P1.1/1", "P1.1", 200)
    output = build(EMPTY).advance(at + SECOND, [*orders, less, new(at + 3, peg("P1.3", sign=-1, qty=200))])
    filled = [r.cl_ord_id for r in reports(output, ExecType.TRADE)]
    assert filled == ["P1.3", "P1.1"]
    more = firm_up(at + 2, "P1.1/1", "P1.1", 400)
    output = build(EMPTY).advance(at + SECOND, [*orders, more, new(at + 3, peg("P1.3", sign=-1, qty=200))])
    assert [r.cl_ord_id for r in reports(output, ExecType.TRADE)] == ["P1.3", "P1.2"]


# Conditional orders.


def test_an_invitation_that_is_firmed_up_trades_at_the_mid() -> None:
    venue = build(BUSY)
    invited, at = until_invited(venue, OPEN + 2 * SECOND, [new(OPEN + SECOND, conditional("P1.1", qty=5_000))])
    assert (invited.text, invited.ord_status, invited.leaves_qty) == ("invitation", OrdStatus.NEW, 5_000)
    output = venue.advance(at + SECOND, [firm_up(at, "P1.1/1", "P1.1", 6_000)])
    replaced = reports(output, ExecType.REPLACED)[0]
    assert (replaced.order_qty, replaced.orig_cl_ord_id, replaced.transact_time) == (6_000, "P1.1", at)
    fills = [r for r in reports(output, ExecType.TRADE) if r.transact_time == at]
    assert sum(r.last_qty for r in fills) == min(invited.invited_qty, 6_000)
    assert {(r.last_px, r.last_liquidity_ind) for r in fills} == {(MID, LastLiquidityInd.REMOVED)}
    assert venue.reputation == 1.0


def test_an_uncommitted_order_is_not_traded_with() -> None:
    at = OPEN + SECOND
    orders = [new(at, conditional("P1.1")), new(at + 1, peg("P1.2", sign=-1))]
    output = build(EMPTY).advance(STILL.close_at, orders)
    assert reports(output, ExecType.TRADE) == []
    assert invitations(output) == []


def test_an_invitation_asks_for_interest_of_at_least_min_qty() -> None:
    venue = build(BUSY)
    order = conditional("P1.1", qty=5_000, min_qty=700)
    invited, _ = until_invited(venue, OPEN + 2 * SECOND, [new(OPEN + SECOND, order)])
    assert invited.invited_qty >= 700


def test_a_lapsed_invitation_costs_reputation_and_at_last_the_invitations() -> None:
    params = msgspec.structs.replace(BUSY, reputation_memory=0.7, reputation_min=0.6, ban_ns=2 * MINUTE)
    venue = build(params)
    output = venue.advance(STILL.close_at, [new(OPEN + SECOND, conditional("P1.1"))])
    told = reports(output, ExecType.RESTATED)
    assert [r.text for r in told[:4]] == ["invitation", "invitation lapsed"] * 2
    first, second, third = invitations(output)[:3]
    assert told[1].transact_time - first.transact_time == params.firm_up_ns
    assert second.transact_time < first.transact_time + 30 * SECOND
    assert third.transact_time >= told[3].transact_time + params.ban_ns
    assert venue.reputation < 0.5


def test_a_late_firm_up_and_one_too_small_are_refused() -> None:
    params = msgspec.structs.replace(BUSY, firm_up_ns=100 * MILLISECOND, patience_ns=MINUTE)
    venue = build(params)
    order = conditional("P1.1", qty=5_000, min_qty=300)
    _, at = until_invited(venue, OPEN + 2 * SECOND, [new(OPEN + SECOND, order)])
    output = venue.advance(at + 2, [firm_up(at, "P1.1/1", "P1.1", 299), firm_up(at + 1, "P1.1/2", "P1.1", 5_000)])
    refused = [r for r in output.reports if isinstance(r, OrderCancelReject)]
    assert [(r.cl_ord_id, r.ord_status) for r in refused] == [("P1.1/1", OrdStatus.NEW), ("P1.1/2", OrdStatus.NEW)]
    assert [r.text for r in refused] == [
        "too little to firm up: expected 300 shares, got 299",
        "no invitation to firm up",
    ]
    assert venue.reputation == params.reputation_memory
    _, at = until_invited(venue, at + 3)
    late = at + 100 * MILLISECOND
    output = venue.advance(late + 1, [firm_up(late, "P1.1/3", "P1.1", 5_000)])
    assert "no invitation to firm up" in [r.text for r in output.reports if isinstance(r, OrderCancelReject)]
    assert venue.reputation < params.reputation_memory


def test_a_cancelled_order_owes_no_answer() -> None:
    venue = build(BUSY)
    _, at = until_invited(venue, OPEN + 2 * SECOND, [new(OPEN + SECOND, conditional("P1.1"))])
    cancel = OrderCancelRequest(mic="XDRK", cl_ord_id="P1.1/1", orig_cl_ord_id="P1.1", parent_id="P1")
    output = venue.advance(STILL.close_at, [Arrival(at, cancel)])
    assert reports(output, ExecType.RESTATED) == []
    assert venue.reputation == 1.0


def test_a_halt_takes_an_invitation_back_at_no_cost() -> None:
    halt = Halt(from_at=OPEN + MINUTE, to_at=OPEN + 3 * MINUTE)
    params = msgspec.structs.replace(BUSY, firm_up_ns=MINUTE)
    venue = build(params, msgspec.structs.replace(STILL, halts=(halt,)))
    until_invited(venue, OPEN + 2 * SECOND, [new(OPEN + SECOND, conditional("P1.1"))])
    output = venue.advance(halt.to_at, [firm_up(halt.from_at + 1, "P1.1/1", "P1.1", 1_000)])
    assert [(r.text, r.transact_time) for r in reports(output, ExecType.RESTATED)] == [
        ("invitation withdrawn: trading is halted", halt.from_at)
    ]
    assert [r.text for r in output.reports if isinstance(r, OrderCancelReject)] == ["no invitation to firm up"]
    assert venue.reputation == 1.0


def test_counterparties_that_fail_to_firm_up_fill_nobody() -> None:
    natural = msgspec.structs.replace(BUSY, segments=(NATURAL,), contra_fails=1.0)
    venue = build(natural)
    _, at = until_invited(venue, OPEN + 2 * SECOND, [new(OPEN + SECOND, conditional("P1.1", qty=9_000))])
    output = venue.advance(at + 1, [firm_up(at, "P1.1/1", "P1.1", 9_000)])
    assert len(reports(output, ExecType.REPLACED)) == 1
    assert reports(output, ExecType.TRADE) == []


def test_interest_that_is_uncommitted_itself_meets_conditional_orders_alone() -> None:
    natural = msgspec.structs.replace(BUSY, segments=(NATURAL,))
    output = build(natural).advance(STILL.close_at, [new(OPEN + SECOND, peg("P1.1", qty=50_000))])
    assert reports(output, ExecType.TRADE) == []
    venue = build(natural)
    invited, at = until_invited(venue, OPEN + 2 * SECOND, [new(OPEN + SECOND, conditional("P1.1", qty=50_000))])
    output = venue.advance(at + 1, [firm_up(at, "P1.1/1", "P1.1", 50_000)])
    assert sum(r.last_qty for r in reports(output, ExecType.TRADE)) == invited.invited_qty


@pytest.mark.parametrize(
    ("params", "fields", "text"),
    [
        (DarkParameters(), {}, "unsupported tactic CONDITIONAL"),
        (EMPTY, {"time_in_force": TimeInForce.IMMEDIATE_OR_CANCEL}, "expected a CONDITIONAL order that rests"),
        (EMPTY, {"peg_price_type": PegPriceType.PRIMARY}, "expected a CONDITIONAL order that rests"),
        (EMPTY, {"peg_price_type": PegPriceType.MARKET}, "expected PEGGED to MID_PRICE or PRIMARY"),
    ],
)
def test_what_no_invitation_could_be_for_is_refused(
    params: DarkParameters, fields: dict[str, object], text: str
) -> None:
    output = build(params).advance(OPEN + 2 * SECOND, [new(OPEN + SECOND, conditional("P1.1", **fields))])
    assert [r.text.startswith(text) for r in reports(output, ExecType.REJECTED)] == [True]


# What is true of its lanes.


def test_the_truth_of_a_conditional_lane_is_what_its_invitations_bring() -> None:
    params = DarkParameters(
        zero_bin=0.9, conditional=True, segments=(NATURAL, msgspec.structs.replace(FAST, share=3.0))
    )
    mid, uncommitted = lane_truth(spec_of(params), SETUP, params, OPEN, 500, 30 * SECOND)
    assert (mid.lane, uncommitted.lane) == ("XDRK:MID_PEG", "XDRK:CONDITIONAL")
    assert uncommitted.p > mid.p, "natural interest meets conditional orders alone"
    assert uncommitted.mu > mid.mu, "and is larger"
    assert uncommitted.markout_bps < mid.markout_bps, "and knows less"
