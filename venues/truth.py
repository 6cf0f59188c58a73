"""What is true of a venue's lanes in a regime: fill probability, size met, adverse move, by Monte Carlo.

Rule of this file: only the evaluation reads it, never the router. The engine itself is probed, on seeds of its own
(`TRUTH_SEED` on), so that the truth cannot drift away from the model; results are cached per regime in a process.

A probe runs the venue alone, for whole trading days in the regime in force at `at`, and sends one order at a time,
buys and sells in turn, each for `standard_qty` and `life_ns`. The time of day is averaged over. Our own impact is nil.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from router.domain.chance import uniform
from router.domain.enums import ExecInst, ExecType, OrdType, PegPriceType, Side, Tactic, TimeInForce
from router.domain.instruments import Lane, VenueSpec
from router.domain.market import DealerTier
from router.domain.messages import Arrival
from router.domain.orders import ChildOrder, NewOrderSingle, OrderCancelReplaceRequest
from router.domain.reports import ExecutionReport, Report
from router.domain.scores import LaneScore
from router.domain.units import MILLISECOND, SECOND, Nanos, Px, Qty
from venues.build import VenueParameters, build_venue
from venues.models.reference import DAY_NS, MarketSetup, ReferencePath, Regime, RegimeMultipliers
from venues.venue import Venue, VenueOutput

TRUTH_SEED = 7_000_000_001
"""Probes use this seed and the ones after it; a scenario's own seed should not come near."""

TRIALS = 3_000
"""Orders sent for each lane and regime: the standard error of p is at most 0.01, that of the adverse move 0.1 to
0.3 bps, for the reference itself moves by some 4 bps in 10 s."""

HORIZON_NS: Nanos = 10 * SECOND
_DAYS_MAX = 8
_GAP_NS: Nanos = SECOND
_ANSWER_NS: Nanos = 130 * MILLISECOND
"""How soon an invitation is answered: half a window of a run that listens, and the way there."""
_MU_MAX = 1_000_000.0


class _Question(NamedTuple):
    """Everything a lane's truth depends on."""

    spec: VenueSpec
    params: VenueParameters
    setup: MarketSetup
    tactic: Tactic
    qty: Qty
    life_ns: Nanos


class _Trial(NamedTuple):
    """One probe: what was on offer, what filled, and the quantity-weighted adverse move in bps."""

    offered: Qty
    filled: Qty
    adverse: float


def lane_truth(
    spec: VenueSpec, setup: MarketSetup, params: VenueParameters, at: Nanos, standard_qty: Qty, life_ns: Nanos
) -> tuple[LaneScore, ...]:
    """Return the true score of each of the venue's lanes, in the order of `spec.tactics`, in the regime at `at`.

    `p` is the chance that any of it fills within `life_ns` (TAKE: at once; QUOTE: after the last look). `mu` is the
    mean quantity met: for a lane that rests, the censored-exponential estimate (shares filled over the number of fills
    short of the order); for TAKE the mean displayed quantity; for QUOTE the largest tier. `markout_bps` is what the
    reference moved against us from sending to 10 s after the fill, in the mean over filled shares, positive bad. A
    tactic that the venue does not trade has p 0.
    """
    probe = MarketSetup(
        symbol=setup.symbol,
        open_at=0,
        close_at=DAY_NS,
        start_px=setup.start_px,
        tick=setup.tick,
        daily_volatility=setup.daily_volatility,
        adv=setup.adv,
        regimes=(Regime(from_at=0, name="probe", multipliers=_multipliers(setup, at)),),
    )
    # Taking is over at once, so its probes need no life and follow each other closely.
    lives = {Tactic.TAKE: _GAP_NS}
    questions = [_Question(spec, params, probe, t, standard_qty, lives.get(t, life_ns)) for t in spec.tactics]
    return tuple(_score(question) for question in questions)


def _multipliers(setup: MarketSetup, at: Nanos) -> RegimeMultipliers:
    return setup.regime_at(at).multipliers


@lru_cache(maxsize=1_024)
def _score(question: _Question) -> LaneScore:
    trials: list[_Trial] = []
    for day in range(_DAYS_MAX):
        trials += _probe_day(question, TRUTH_SEED + day)
        if len(trials) >= TRIALS:
            break
    lane = str(Lane(question.spec.mic, question.tactic))
    fills = [t for t in trials if t.filled]
    shares = sum(t.filled for t in fills)
    if not shares:
        return LaneScore(lane=lane)
    if question.tactic in (Tactic.TAKE, Tactic.QUOTE):
        mu = sum(t.offered for t in trials) / len(trials)
    else:
        short = sum(1 for t in fills if t.filled < question.qty)
        mu = min(_MU_MAX, shares / max(1, short))
    adverse = sum(t.adverse * t.filled for t in fills) / shares
    return LaneScore(lane=lane, p=len(fills) / len(trials), mu=mu, markout_bps=adverse)


def _probe_day(question: _Question, seed: int) -> list[_Trial]:
    """Run one day and return its trials."""
    spec, setup = question.spec, question.setup
    path = ReferencePath(seed, setup)
    venue = build_venue(spec, setup, question.params, seed, path)
    trials: list[_Trial] = []
    top: tuple[int, ...] = (0, 0, 0, 0)
    at, n = setup.open_at + 30 * SECOND, 0
    while at + question.life_ns + _GAP_NS < setup.close_at and len(trials) < TRIALS:
        before = venue.advance(at)
        top = tuple(before.quotes[-1, 1:].tolist()) if len(before.quotes) else top
        side = Side.BUY if n % 2 == 0 else Side.SELL
        sent = _child(question, n, side, at, top, before.tiers, path.px_at(at))
        n += 1
        if sent is not None:
            child, offered = sent
            end = at + question.life_ns + _GAP_NS // 2
            reports, top = _play(venue, child, at, end, top)
            trials.append(_judge(child, offered, at, reports, path))
        # A gap of random length keeps the trials off any grid that the venue may have.
        at += question.life_ns + _GAP_NS + int(uniform(seed, spec.mic, "truth", n) * _GAP_NS)
    return trials


def _play(
    venue: Venue, child: ChildOrder, at: Nanos, end: Nanos, top: tuple[int, ...]
) -> tuple[list[Report], tuple[int, ...]]:
    """Send one order and return what the venue says of it until `end`, and the top then. A conditional order is
    firmed up, as the router would do it: where it may be invited the venue goes from event to event."""
    reports: list[Report] = []
    arrivals = [Arrival(at, NewOrderSingle(child))]
    until = end if child.tactic is not Tactic.CONDITIONAL else at + 1
    while True:
        output = venue.advance(until, arrivals)
        top = _last_top(output, top)
        reports += output.reports
        if until >= end:
            return reports, top
        answer_at = min(until + _ANSWER_NS, end - 1)
        arrivals = [Arrival(answer_at, firm_up) for firm_up in _firm_ups(child, output.reports)]
        due = answer_at if arrivals else output.next_at
        until = end if due is None else min(max(due, until) + 1, end)


def _firm_ups(child: ChildOrder, reports: list[Report]) -> list[OrderCancelReplaceRequest]:
    """Return the answers to the invitations among the reports: the whole order stands."""
    return [
        OrderCancelReplaceRequest(
            mic=child.mic,
            cl_ord_id=f"{child.cl_ord_id}/{r.exec_id}",
            orig_cl_ord_id=child.cl_ord_id,
            parent_id=child.parent_id,
            order_qty=child.order_qty,
        )
        for r in reports
        if isinstance(r, ExecutionReport) and r.exec_type is ExecType.RESTATED and r.invited_qty
    ]


def _last_top(output: VenueOutput, top: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(output.quotes[-1, 1:].tolist()) if len(output.quotes) else top


def _judge(child: ChildOrder, offered: Qty, at: Nanos, reports: list[Report], path: ReferencePath) -> _Trial:
    filled, weighted = 0, 0.0
    routed = path.px_at(at)
    for r in reports:
        if isinstance(r, ExecutionReport) and r.exec_type is ExecType.TRADE and r.cl_ord_id == child.cl_ord_id:
            move = path.px_at(r.transact_time + HORIZON_NS) - routed
            filled += r.last_qty
            weighted -= child.side.sign * move / routed * 10_000.0 * r.last_qty
    return _Trial(offered, filled, weighted / filled if filled else 0.0)


def _child(
    question: _Question,
    n: int,
    side: Side,
    at: Nanos,
    top: tuple[int, ...],
    tiers: tuple[DealerTier, ...],
    reference: Px,
) -> tuple[ChildOrder, Qty] | None:
    """Return the order that a router would send on this lane, and what is on offer; None when the lane is shut."""
    bid, bid_qty, ask, ask_qty = top
    is_buy = side is Side.BUY
    qty = question.qty
    fields: dict[str, object] = {}
    if question.tactic is Tactic.TAKE and bid and ask:
        offered = ask_qty if is_buy else bid_qty
        price = ask if is_buy else bid
        fields = {"ord_type": OrdType.LIMIT, "price": price, "time_in_force": TimeInForce.IMMEDIATE_OR_CANCEL}
    elif question.tactic is Tactic.POST and bid and ask:
        offered = 0
        fields = {"ord_type": OrdType.LIMIT, "price": bid if is_buy else ask}
        fields |= {"exec_inst": (ExecInst.PARTICIPATE_DO_NOT_INITIATE,)}
    elif question.tactic in (Tactic.MID_PEG, Tactic.CONDITIONAL):
        offered = 0
        fields = {"ord_type": OrdType.PEGGED, "peg_price_type": PegPriceType.MID_PRICE}
    elif question.tactic is Tactic.QUOTE and (tiers or question.spec.rfq_max_qty):
        offered = tiers[-1].max_qty if tiers else question.spec.rfq_max_qty
        qty = min(qty, offered)
        fields = {"ord_type": OrdType.PREVIOUSLY_QUOTED, "time_in_force": TimeInForce.FILL_OR_KILL}
        if tiers:
            fields |= {"quote_id": next(tier.quote_id for tier in tiers if tier.max_qty >= qty)}
        else:
            # A request for quote, with the limit that a lit venue a tick from the reference would show.
            fields |= {"price": reference + side.sign * question.setup.tick}
    else:
        return None
    if "time_in_force" not in fields:
        fields |= {"time_in_force": TimeInForce.GOOD_TILL_DATE, "expire_time": at + question.life_ns}
    child = ChildOrder(
        cl_ord_id=f"T{n}",
        parent_id="TRUTH",
        decision_id="TRUTH.d1",
        symbol=question.setup.symbol,
        mic=question.spec.mic,
        tactic=question.tactic,
        side=side,
        order_qty=qty,
        **fields,  # type: ignore[arg-type]
    )
    return child, offered
