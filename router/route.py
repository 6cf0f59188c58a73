"""One routing decision, start to end: read this first.

A portion of a slice comes in (how much, by which tactics, how urgent); the lanes of all venues are filtered with
coded reasons, scored by the last published policy, filled with quantities, and each quantity becomes one child order.

Rule of this file: a decision is a pure function of what it is shown, its keyed draws included, and it records all of
that; nothing is asked of anybody on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

import msgspec
import numpy as np

from router.allocation.allocate import (
    NO_EXPLORATION,
    NO_RULES,
    Allocation,
    Exploration,
    PublicRow,
    Rules,
    allocate_rows,
)
from router.allocation.bounded import Group
from router.allocation.exclude import MIDPOINT_TACTICS, exclusions
from router.allocation.limits import NO_BUDGET, UNLIMITED, LimitReason, Limits, budget_left, venue_bounds
from router.allocation.pricing import child_for
from router.domain import codec, ids
from router.domain.chance import uniforms
from router.domain.enums import AllocationMode, Side, Tactic
from router.domain.instruments import Lane, VenueSpec, lane_names_of, lanes_of
from router.domain.market import F64, MarketSnapshot
from router.domain.orders import ChildOrder, ParentOrder
from router.domain.score_table import table_of
from router.domain.scores import ContextFrame, Exclusion, LaneScore, PolicySnapshot, RoutingDecision
from router.domain.tactics import StyleChoice
from router.domain.units import Nanos, Qty
from router.schedule.schedule import Portion

_BUY, _SELL = Side.BUY, Side.SELL
FALL_BACK = "fall_back"

RESTING = (Tactic.POST, Tactic.MID_PEG, Tactic.CONDITIONAL)
"""Tactics whose children wait for the other side: most of what they post does not fill, and may be posted twice."""


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
    fall_back: str = ""
    """Why `policy` is not a learner's; empty when it is."""
    limits: Limits = UNLIMITED


class Standing(NamedTuple):
    """What limits and over-booking ask of the parent itself, where they are in force."""

    extra_qty: Qty = 0
    """What may be posted beyond the portion."""
    given_up: float = 0.0
    """What its decisions gave up so far, in bps times shares."""
    committed: Mapping[str, Qty] = MappingProxyType({})
    """Executed and working shares by venue."""


NOTHING_BEHIND = Standing()


class Routed(NamedTuple):
    """A decision and its children, in the order of the lanes, with each child's context row."""

    decision: RoutingDecision
    children: tuple[ChildOrder, ...]
    contexts: tuple[tuple[float, ...], ...]


def book_side(side: Side) -> Side:
    """Return the side under which policies publish: selling short learns with selling."""
    return _SELL if side is not _BUY else _BUY


@lru_cache(maxsize=64)
def static_weights(specs: tuple[VenueSpec, ...]) -> tuple[float, ...]:
    """Return the lanes' shares of the static split: a venue's public volume share, evenly over its lanes."""
    shares = [spec.volume_share / len(spec.tactics) for spec in specs for _ in spec.tactics]
    total = sum(shares)
    return tuple(share / total for share in shares) if total else (1.0 / len(shares),) * len(shares)


def fall_back_policy(specs: tuple[VenueSpec, ...], side: Side, at: Nanos) -> PolicySnapshot:
    """Return the policy used when no learner has published: public volume shares, split evenly over a venue's lanes."""
    lanes, weights = lanes_of(specs), static_weights(specs)
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


@lru_cache(maxsize=64)
def _spec_of_lanes(specs: tuple[VenueSpec, ...]) -> tuple[VenueSpec, ...]:
    """Return the venue of each lane."""
    return tuple(spec for spec in specs for _ in spec.tactics)


def public_rows(frame: ContextFrame, specs: tuple[VenueSpec, ...], min_qty: Qty) -> list[PublicRow]:
    """Return what is public of each lane of the frame; midpoint lanes take `min_qty` as their smallest quantity."""
    lots, smallest = _bounds(specs, min_qty)
    return list(zip(frame.price_bps, frame.fee_bps, lots, smallest, frame.max_qty, strict=True))


@lru_cache(maxsize=256)
def _bounds(specs: tuple[VenueSpec, ...], min_qty: Qty) -> tuple[tuple[Qty, ...], tuple[Qty, ...]]:
    """Return each lane's lot and smallest quantity: the same for every decision of an order."""
    lots = tuple(spec.listing.lot for spec in specs for _ in spec.tactics)
    smallest = tuple(min_qty if tactic in MIDPOINT_TACTICS else 0 for spec in specs for tactic in spec.tactics)
    return lots, smallest


def route(
    parent: ParentOrder,
    portion: Portion,
    around: Surroundings,
    decision_n: int,
    child_n: int,
    left_qty: Qty,
    standing: Standing = NOTHING_BEHIND,
    style: StyleChoice | None = None,
) -> Routed:
    """Decide where `portion` of the parent's slice goes.

    `decision_n` and `child_n` count the parent's decisions and children so far: ids and draws derive from them.
    `left_qty` is what may be routed at all now. `style` is in `parent` and `portion` already, but for the side that
    midpoint children are pegged to.
    """
    lanes = lanes_of(around.specs)
    excluded = exclusions(
        parent, lanes, around.specs, around.frame, portion.tactics, around.market, around.unavailable, left_qty
    )
    out = {exclusion.lane for exclusion in excluded}
    kept = [i for i, name in enumerate(lane_names_of(around.specs)) if name not in out]
    public = public_rows(around.frame, around.specs, parent.min_qty)
    if style is not None and style.terms.is_near:
        public = _near(public, lanes, around)
    if parent.max_child_qty:
        public = [(*row[:4], min(row[4], parent.max_child_qty)) for row in public]
    rows, policy = [public[i] for i in kept], around.policy
    scores = table_of(policy).take(kept, axis=1) if policy.lanes else [policy.scores[i] for i in kept]
    block = uniforms(around.seed, parent.parent_id, "decision", decision_n)
    mode = policy.mode
    exploration = around.exploration if mode is AllocationMode.WATER_FILL else NO_EXPLORATION
    rules = _rules(parent, portion, around, kept, standing)
    allocation = allocate_rows(portion.qty, rows, scores, mode, portion.opportunity_bps, exploration, block[:3], rules)
    decision_id = ids.decision_id(parent.parent_id, decision_n)
    asked = _Asked(rows, scores, exploration, rules)
    decision = _decision(parent, portion, around, decision_id, kept, excluded, allocation, asked)
    if style is not None:
        decision = msgspec.structs.replace(decision, style=style)
    return _with_children(parent, around, decision, kept, allocation, child_n)


def _near(public: list[PublicRow], lanes: tuple[Lane, ...], around: Surroundings) -> list[PublicRow]:
    """Return the rows with the half spread that a lane pegged to the near side earns above the middle."""
    market = around.market
    half_bps = max(market.ask_px - market.bid_px, 0) / (market.bid_px + market.ask_px) * 1e4
    has_near = {spec.mic for spec in around.specs if spec.has_near_peg}
    return [
        (row[0] + half_bps, *row[1:]) if lane.tactic is Tactic.MID_PEG and lane.mic in has_near else row
        for row, lane in zip(public, lanes, strict=True)
    ]


def _rules(parent: ParentOrder, portion: Portion, around: Surroundings, kept: list[int], standing: Standing) -> Rules:
    """Return what the parent's wishes, the policy's tails and the limits make of this split."""
    limits, policy = around.limits, around.policy
    lanes = lanes_of(around.specs)
    rules = NO_RULES
    if policy.size_edges or parent.is_single_lane:
        rules = Rules(size_edges=policy.size_edges, is_single_lane=parent.is_single_lane)
    if standing.extra_qty > 0 and portion.opportunity_bps > 0:
        rules = rules._replace(
            most_qty=portion.qty + standing.extra_qty,
            overfill_bps=portion.opportunity_bps * (1.0 + parent.overfill_penalty),
            may_overbook=tuple(lanes[i].tactic in RESTING for i in kept),
        )
    if limits.venue_share_max < 1.0:
        rules = rules._replace(groups=_venue_groups(portion.qty, lanes, kept, limits, standing))
    if policy.is_slowed:
        rules = rules._replace(slowed=tuple(policy.routing_probabilities[i] for i in kept))
    if limits.exploration_budget_bps < NO_BUDGET:
        weights = static_weights(around.specs)
        budget = budget_left(limits, parent.order_qty, standing.given_up)
        rules = rules._replace(budget=budget, static=tuple(weights[i] for i in kept))
    return rules


def _venue_groups(
    slice_qty: Qty, lanes: tuple[Lane, ...], kept: list[int], limits: Limits, standing: Standing
) -> tuple[Group, ...]:
    mics = [lanes[i].mic for i in kept]
    bounds = venue_bounds(slice_qty, mics, standing.committed, limits.venue_share_max)
    places: dict[str, list[int]] = {}
    for place, mic in enumerate(mics):
        places.setdefault(mic, []).append(place)
    return tuple(Group(tuple(those), bounds[those[0]]) for those in places.values())


def _limits_of(allocation: Allocation, lanes: list[str]) -> tuple[Exclusion, ...]:
    """Say which limits changed the allocation, of which lane, and for people how."""
    return tuple(Exclusion(lanes[k] if k >= 0 else "", why.value, _SAID[why]) for k, why in allocation.limits)


_SAID = {
    LimitReason.EXPLORATION_BUDGET: "no probe: what is left of the budget might not cover it",
    LimitReason.STATIC_SPLIT: "the static split: what is left of the budget might not cover the policy's own",
    LimitReason.PROBABILITY_CHANGE: "split by the published probabilities, which may move only so fast",
    LimitReason.VENUE_SHARE: "the venue has as much as it may have",
}


class _Asked(NamedTuple):
    """What a split was asked for with."""

    rows: list[PublicRow]
    scores: list[LaneScore] | F64
    exploration: Exploration
    rules: Rules


def _decision(
    parent: ParentOrder,
    portion: Portion,
    around: Surroundings,
    decision_id: str,
    kept: list[int],
    excluded: tuple[Exclusion, ...],
    allocation: Allocation,
    asked: _Asked,
) -> RoutingDecision:
    (rows, scores, exploration, rules), frame, policy = asked, around.frame, around.policy
    lanes, probe = [frame.lanes[i] for i in kept], allocation.probe_index
    width = 8 * len(frame.names)
    price_bps, fee_bps, lots, min_qty, max_qty = zip(*rows, strict=True) if rows else ((),) * 5
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
        context=b"".join([frame.x[width * i : width * (i + 1)] for i in kept]),
        candidates=tuple(lanes),
        exclusions=excluded,
        scored=() if isinstance(scores, np.ndarray) else tuple(scores),
        table=scores.tobytes() if isinstance(scores, np.ndarray) else b"",
        values_bps=allocation.values_bps,
        routing_probabilities=allocation.routing_probabilities,
        quantities=allocation.quantities,
        propensity=allocation.propensity,
        draw=allocation.draw,
        probe_lane=lanes[probe] if probe >= 0 else "",
        opportunity_bps=portion.opportunity_bps,
        acted=allocation.acted,
        limits=_limits_of(allocation, lanes) if allocation.limits else (),
        given_up=allocation.given_up,
        arm=policy.arm,
        fall_back=around.fall_back,
        model_digest=policy.model_digest,
        price_bps=price_bps,
        fee_bps=fee_bps,
        lots=lots,
        min_qty=min_qty,
        max_qty=max_qty,
        exploration=(exploration.epsilon, exploration.share),
        rules=codec.encode(rules) if rules != NO_RULES else b"",
    )


def _with_children(
    parent: ParentOrder,
    around: Surroundings,
    decision: RoutingDecision,
    kept: list[int],
    allocation: Allocation,
    child_n: int,
) -> Routed:
    frame, specs, all_lanes = around.frame, _spec_of_lanes(around.specs), lanes_of(around.specs)
    expire_time = around.now + around.life_ns
    is_near = decision.style is not None and decision.style.terms.is_near
    children: list[ChildOrder] = []
    contexts: list[tuple[float, ...]] = []
    for i, qty in zip(kept, allocation.quantities, strict=True):
        if qty < 1:
            continue
        cl_ord_id = ids.cl_ord_id(parent.parent_id, child_n + len(children))
        child = child_for(
            all_lanes[i],
            parent,
            qty,
            around.market,
            specs[i],
            cl_ord_id,
            decision.decision_id,
            expire_time,
            is_near,
        )
        children.append(child)
        contexts.append(frame.row(i))
    return Routed(decision, tuple(children), tuple(contexts))
