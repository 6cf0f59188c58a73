"""One routing decision, start to end: read this first.

A portion of a slice comes in (how much, by which tactics, how urgent); the lanes of all venues are filtered with
coded reasons, scored by the last published policy, filled with quantities, and each quantity becomes one child order.

Rule of this file: a decision is a pure function of what it is shown, its keyed draws included, and it records all of
that; nothing is asked of anybody on the way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from router.allocation.allocate import Allocation, Exploration, LaneOffer, PublicRow, allocate
from router.allocation.exclude import MIDPOINT_TACTICS, exclusions
from router.allocation.pricing import child_for
from router.domain import ids
from router.domain.chance import uniforms
from router.domain.enums import AllocationMode, Side
from router.domain.instruments import VenueSpec, lanes_of
from router.domain.market import MarketSnapshot
from router.domain.orders import ChildOrder, ParentOrder
from router.domain.scores import ContextFrame, Exclusion, LaneScore, PolicySnapshot, RoutingDecision
from router.domain.units import Nanos, Qty
from router.schedule.schedule import Portion

NO_EXPLORATION = Exploration(0.0, 0.0)
FALL_BACK = "fall_back"


class Surroundings(NamedTuple):
    """What one decision looks at besides the parent: the same for every parent of a side at a moment."""

    now: Nanos
    market: MarketSnapshot
    frame: ContextFrame
    policy: PolicySnapshot
    specs: tuple[VenueSpec, ...]
    unavailable: Mapping[str, str]
    """Venues that may not be used now, with the reason."""
    exploration: Exploration
    seed: int
    life_ns: Nanos


class Routed(NamedTuple):
    """A decision and its children, in the order of the lanes, with each child's context row."""

    decision: RoutingDecision
    children: tuple[ChildOrder, ...]
    contexts: tuple[tuple[float, ...], ...]


def book_side(side: Side) -> Side:
    """Return the side under which policies publish: selling short learns with selling."""
    return Side.BUY if side is Side.BUY else Side.SELL


def fall_back_policy(specs: tuple[VenueSpec, ...], side: Side, at: Nanos) -> PolicySnapshot:
    """Return the policy used when no learner has published: public volume shares, split evenly over a venue's lanes."""
    shares = [spec.volume_share / len(spec.tactics) for spec in specs for _ in spec.tactics]
    total = sum(shares) or 1.0
    weights = tuple(share / total for share in shares) if sum(shares) else (1.0 / len(shares),) * len(shares)
    lanes = lanes_of(specs)
    return PolicySnapshot(
        learner_id=FALL_BACK,
        policy=FALL_BACK,
        policy_version=0,
        at=at,
        side=side,
        mode=AllocationMode.SPLIT,
        scores=tuple(LaneScore(lane=str(lane), weight=w) for lane, w in zip(lanes, weights, strict=True)),
        routing_probabilities=weights,
        outcomes_applied=0,
        model_digest="",
    )


def public_rows(frame: ContextFrame, specs: tuple[VenueSpec, ...], min_qty: Qty) -> list[PublicRow]:
    """Return what is public of each lane of the frame; midpoint lanes take `min_qty` as their smallest quantity."""
    lots, smallest = [], []
    for spec in specs:
        for tactic in spec.tactics:
            lots.append(spec.listing.lot)
            smallest.append(min_qty if tactic in MIDPOINT_TACTICS else 0)
    return list(zip(frame.price_bps, frame.fee_bps, lots, smallest, frame.max_qty, strict=True))


def offers_of(
    frame: ContextFrame, scores: Sequence[LaneScore], specs: tuple[VenueSpec, ...], min_qty: Qty
) -> tuple[LaneOffer, ...]:
    """Return what each lane of the frame offers: the policy's belief beside what is public."""
    rows = public_rows(frame, specs, min_qty)
    return tuple(LaneOffer(score, *row) for score, row in zip(scores, rows, strict=True))


def route(
    parent: ParentOrder, portion: Portion, around: Surroundings, decision_n: int, child_n: int, left_qty: Qty
) -> Routed:
    """Decide where `portion` of the parent's slice goes.

    `decision_n` and `child_n` count the parent's decisions and children so far: ids and draws derive from them.
    `left_qty` is what may be routed at all now.
    """
    lanes = lanes_of(around.specs)
    excluded = exclusions(
        parent, lanes, around.specs, around.frame, portion.tactics, around.market, around.unavailable, left_qty
    )
    out = {exclusion.lane for exclusion in excluded}
    kept = [i for i, lane in enumerate(lanes) if str(lane) not in out]
    all_offers = offers_of(around.frame, around.policy.scores, around.specs, parent.min_qty)
    offers = [all_offers[i] for i in kept]
    block = uniforms(around.seed, parent.parent_id, "decision", decision_n)
    mode = around.policy.mode
    exploration = around.exploration if mode is AllocationMode.WATER_FILL else NO_EXPLORATION
    allocation = allocate(portion.qty, offers, mode, portion.opportunity_bps, exploration, block[:3])
    decision_id = ids.decision_id(parent.parent_id, decision_n)
    decision = _decision(parent, portion, around, decision_id, kept, excluded, allocation)
    return _with_children(parent, around, decision, kept, allocation, child_n)


def _decision(
    parent: ParentOrder,
    portion: Portion,
    around: Surroundings,
    decision_id: str,
    kept: list[int],
    excluded: tuple[Exclusion, ...],
    allocation: Allocation,
) -> RoutingDecision:
    frame, policy = around.frame, around.policy
    lanes = [frame.lanes[i] for i in kept]
    x = np.frombuffer(frame.x, dtype=np.float64).reshape(len(frame.lanes), len(frame.names))
    probe = allocation.probe_index
    return RoutingDecision(
        decision_id=decision_id,
        parent_id=parent.parent_id,
        at=around.now,
        side=parent.side,
        slice_qty=portion.qty,
        policy=policy.policy,
        policy_version=policy.policy_version,
        mode=policy.mode,
        context_names=frame.names,
        context=x[kept].tobytes(),
        candidates=tuple(lanes),
        exclusions=excluded,
        scores=tuple(policy.scores[i] for i in kept),
        values_bps=allocation.values_bps,
        routing_probabilities=allocation.routing_probabilities,
        quantities=allocation.quantities,
        propensity=allocation.propensity,
        draw=allocation.draw,
        probe_lane=lanes[probe] if probe >= 0 else "",
        opportunity_bps=portion.opportunity_bps,
    )


def _with_children(
    parent: ParentOrder,
    around: Surroundings,
    decision: RoutingDecision,
    kept: list[int],
    allocation: Allocation,
    child_n: int,
) -> Routed:
    frame = around.frame
    x = np.frombuffer(frame.x, dtype=np.float64).reshape(len(frame.lanes), len(frame.names))
    spec_of = {spec.mic: spec for spec in around.specs}
    all_lanes = lanes_of(around.specs)
    children: list[ChildOrder] = []
    contexts: list[tuple[float, ...]] = []
    for i, qty in zip(kept, allocation.quantities, strict=True):
        if qty < 1:
            continue
        cl_ord_id = ids.cl_ord_id(parent.parent_id, child_n + len(children))
        lane = all_lanes[i]
        expire_time = around.now + around.life_ns
        child = child_for(
            lane, parent, qty, around.market, spec_of[lane.mic], cl_ord_id, decision.decision_id, expire_time
        )
        children.append(child)
        contexts.append(tuple(x[i].tolist()))
    return Routed(decision, tuple(children), tuple(contexts))
