"""In which style a portion is routed: what the choice looks at, and when there is none to be made.

Rule of this file: a style never makes an order late. Where the schedule presses, the end is near or the learner cannot
be trusted, the slice is left to the lane policy as it is, and the decision says why in words that begin with a code.

    NOT_PUBLISHED   no learner of styles has published
    STALE           what it published is too old
    LIED            numbers that cannot be
    FALL_BACK       the lanes' learner is not used, so that nobody knows what a style would do
    ONE_LANE        the order wants each slice in one lane
    NEAR_END        too little of the order's life is left for a patient child and another try
    PRESSED         leaving a share unfilled costs well more than taking it: the order is behind
    NO_OTHER        the released lanes allow no other style
"""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec
import numpy as np

from router.allocation.limits import NO_BUDGET
from router.allocation.styles import (
    Option,
    StyleRule,
    beliefs,
    choose_style,
    fault_of_tactics,
    features_of,
    options_of,
)
from router.domain.chance import uniforms
from router.domain.enums import Tactic
from router.domain.orders import ParentOrder
from router.domain.scores import ContextFrame
from router.domain.tactics import (
    CONTEXT,
    PLAIN,
    STYLES,
    TAKE,
    StyleChoice,
    TacticSnapshot,
    segments_of,
    term_features,
    term_names,
)
from router.domain.units import SECOND, Nanos, Qty
from router.orders.parent import ParentState
from router.route import Surroundings
from router.schedule.schedule import Portion

ROUND_LOT: Qty = 100
"""What a lot is in the terms of midpoint children, where a venue's own is smaller."""

PRESSED_AT = 1.2
"""The order presses when leaving a share unfilled costs so many times what its schedule takes taking to cost: at
urgency 0.5 a whole slice behind, and never on pace."""

LIVES_LEFT = 3
"""With less than so many lives of a resting child before the end, no style is chosen."""

LIFE_LEFT = 0.05
"""Nor with less than this share of the order's life."""

_FROM_FRAME = len(CONTEXT) - 3
_FEATURE_MAX = 3.0


class Styled(NamedTuple):
    """The order and the portion as they are to be routed; `choice` is none where styles are not chosen at all."""

    parent: ParentOrder
    portion: Portion
    choice: StyleChoice | None


def styled(
    state: ParentState,
    portion: Portion,
    around: Surroundings,
    taking_bps: float,
    rule: StyleRule | None,
    snapshot: TacticSnapshot | None,
    stale_ns: Nanos,
) -> Styled:
    """Return a portion in the style that is chosen for it, with the record of the choice.

    `taking_bps` is what the order's schedule takes taking to cost; without a `rule` nothing is chosen.
    """
    parent = state.parent
    if rule is None:
        return Styled(parent, portion, None)
    segments = segments_of(around.specs)
    take_bps = cheapest_bps(around.frame)
    context = context_of(parent, portion, around, taking_bps)
    lot = max(ROUND_LOT, *(spec.listing.lot for spec in around.specs))
    may_near = any(spec.has_near_peg for spec in around.specs)
    forced = _forced(parent, portion, around, snapshot, stale_ns, taking_bps)
    options = () if forced else options_of(portion.tactics, portion.qty, lot, segments, may_near)
    if not forced and len(options) < 2:
        forced = "NO_OTHER: the released lanes allow no other style"
    if forced or snapshot is None:
        x = (*context, *term_features(PLAIN, segments))
        return Styled(parent, portion, StyleChoice(forced=forced, take_bps=take_bps, x=x))
    if around.limits.exploration_budget_bps < NO_BUDGET:
        # What a probe of a style gives up is not known in advance: an order with a budget makes none.
        rule = rule._replace(epsilon=0.0)
    draws = uniforms(around.seed, parent.parent_id, "style", state.decisions)[:2]
    x_all = features_of(context, options, segments)
    chosen = choose_style(*beliefs(snapshot), options, x_all, rule, draws)
    option = options[chosen.place]
    wanted = max(parent.min_qty, option.terms.min_lots * lot)
    min_qty = min(wanted, parent.max_child_qty or wanted)
    choice = StyleChoice(
        style=option.style,
        terms=option.terms,
        min_qty=min_qty,
        propensity=chosen.propensity,
        draw=draws[0],
        is_probe=chosen.is_probe,
        value_bps=chosen.value_bps,
        spread_bps=chosen.spread_bps,
        version=snapshot.version,
        take_bps=take_bps,
        x=tuple(x_all[chosen.place].tolist()),
    )
    return Styled(*_on_terms(parent, portion, option, min_qty, take_bps), choice)


def _on_terms(
    parent: ParentOrder, portion: Portion, option: Option, min_qty: Qty, take_bps: float
) -> tuple[ParentOrder, Portion]:
    """Return the order with the option's terms and the portion with its lanes."""
    deny = option.terms.deny
    if min_qty != parent.min_qty or (deny and deny not in parent.segments_deny):
        denied = tuple(dict.fromkeys((*parent.segments_deny, *((deny,) if deny else ()))))
        parent = msgspec.structs.replace(parent, min_qty=min_qty, segments_deny=denied)
    wanted = tuple(tactic for tactic in portion.tactics if tactic in STYLES[option.style])
    # On pace the schedule does not find taking worth it: the style that takes says that it is.
    extra_bps = take_bps if option.style == TAKE else 0.0
    return parent, portion._replace(tactics=wanted, opportunity_bps=portion.opportunity_bps + extra_bps)


def _forced(
    parent: ParentOrder,
    portion: Portion,
    around: Surroundings,
    snapshot: TacticSnapshot | None,
    stale_ns: Nanos,
    taking_bps: float,
) -> str:
    """Return why no style is chosen now; empty when one is."""
    now, left = around.now, parent.end_at - around.now
    if snapshot is None:
        return "NOT_PUBLISHED: no learner of styles"
    if now - snapshot.at > stale_ns:
        return f"STALE: {(now - snapshot.at) / SECOND:.1f} s old"
    fault = fault_of_tactics(snapshot, len(CONTEXT) + len(term_names(segments_of(around.specs))))
    if fault:
        return f"LIED: {fault}"
    if around.fall_back:
        return f"FALL_BACK: {around.fall_back}"
    if parent.is_single_lane:
        return "ONE_LANE: each slice goes to one lane"
    if left < max(LIVES_LEFT * around.life_ns, LIFE_LEFT * (parent.end_at - parent.start_at)):
        return f"NEAR_END: {left / SECOND:.0f} s left"
    if portion.opportunity_bps >= PRESSED_AT * taking_bps:
        return f"PRESSED: {portion.opportunity_bps:.2f} bps, taking costs {taking_bps:.2f}"
    return ""


def cheapest_bps(frame: ContextFrame) -> float:
    """Return the cost in bps of the cheapest displayed share: half the spread and the fee, at least 0; 0 when nothing
    is displayed."""
    rows = zip(frame.lanes, frame.fee_bps, frame.price_bps, frame.max_qty, strict=True)
    costs = [fee - price for lane, fee, price, qty in rows if qty > 0 and lane.endswith(Tactic.TAKE)]
    return max(min(costs, default=0.0), 0.0)


def context_of(parent: ParentOrder, portion: Portion, around: Surroundings, taking_bps: float) -> tuple[float, ...]:
    """Return the features of `CONTEXT`: those of the frame that belong to no lane, and three of the order."""
    frame = around.frame
    row = np.frombuffer(frame.x, dtype=np.float64)[: len(frame.names)].tolist()
    known = dict(zip(frame.names, row, strict=True))
    pressure = portion.opportunity_bps / taking_bps - 1.0
    elapsed = (around.now - parent.start_at) / (parent.end_at - parent.start_at)
    size = math.log(max(portion.qty, 1) / (5 * ROUND_LOT)) / 1.5
    ours = (pressure, math.sqrt(3.0) * (2.0 * elapsed - 1.0), size)
    clipped = tuple(min(max(value, -_FEATURE_MAX), _FEATURE_MAX) for value in ours)
    return (*(known.get(name, 0.0) for name in CONTEXT[:_FROM_FRAME]), *clipped)
