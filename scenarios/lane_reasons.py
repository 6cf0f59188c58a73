"""Why a candidate lane of a decision got nothing: one code a reason, with the numbers that say it.

Rule of this file: the reasons are asked in the order in which the allocation would meet them, and the first one counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from router.allocation.water_fill import MU_MIN
from router.domain.enums import AllocationMode
from router.domain.scores import RoutingDecision
from scenarios.decision_rules import rules_of

_Check = Callable[[RoutingDecision, int], str | None]


def reason_of(decision: RoutingDecision, k: int) -> str:
    """Return why candidate `k` got nothing, as `CODE: numbers`; empty where it got something."""
    if decision.quantities[k] > 0:
        return ""
    for limit in decision.limits:
        if limit.lane == decision.candidates[k]:
            return f"{limit.reason}: {limit.detail}"
    for code, check in _CHECKS[decision.mode]:
        detail = check(decision, k)
        if detail is not None:
            return f"{code}: {detail}"
    return "ROUNDED_AWAY: its part of the slice is less than a lot, and others had larger remainders"


def water_level(decision: RoutingDecision) -> float | None:
    """Return the least that the last share on any lane used is worth, p c S(quantity) in bps; None where none is used
    or nothing is poured."""
    if decision.mode is not AllocationMode.WATER_FILL:
        return None
    poured = [k for k, qty in enumerate(decision.quantities) if qty > 0 and decision.candidates[k] != _probed(decision)]
    return min((last_share_bps(decision, k, decision.quantities[k]) for k in poured), default=None)


def last_share_bps(decision: RoutingDecision, k: int, qty: float) -> float:
    """Return what a further share on candidate `k` is worth once `qty` shares are there: p c S(qty).

    S is the chance that a lane that fills at all meets more than `qty` shares: by the hazards of the score in the bins
    of the rules, exponential with mean mu where there are none.
    """
    score, edges = decision.scores[k], rules_of(decision).size_edges
    if score.mu < MU_MIN:
        return 0.0
    hazard = qty / score.mu
    if edges and score.hazards:
        ends = (*edges[1:], math.inf)
        bins = zip(score.hazards, edges, ends, strict=True)
        hazard = sum(h * max(min(qty, end) - start, 0.0) for h, start, end in bins)
    return score.p * decision.values_bps[k] * math.exp(-hazard)


def _probed(decision: RoutingDecision) -> str:
    return decision.probe_lane


def _no_room(decision: RoutingDecision, k: int) -> str | None:
    lot, most = decision.lots[k], decision.max_qty[k]
    return f"{most:,} shares on offer, a lot has {lot:,}" if most < lot else None


def _below_min_qty(decision: RoutingDecision, k: int) -> str | None:
    least, most = decision.min_qty[k], min(decision.max_qty[k], decision.slice_qty)
    return f"it takes {least:,} shares at least, {most:,} may be sent" if most < least else None


def _no_value(decision: RoutingDecision, k: int) -> str | None:
    value = decision.values_bps[k]
    return f"a filled share is worth {value:+.3f} bps, costs taken off" if not value > 0.0 else None


def _no_fill(decision: RoutingDecision, k: int) -> str | None:
    score = decision.scores[k]
    return f"p {score.p:.4f}, mu {score.mu:.2f}" if score.p <= 0.0 or score.mu < MU_MIN else None


def _below_level(decision: RoutingDecision, k: int) -> str | None:
    level, first = water_level(decision), last_share_bps(decision, k, 0.0)
    if level is None or first >= level:
        return None
    return f"its first share is worth {first:.3f} bps, the last share sent {level:.3f} bps"


def _part_below_min_qty(decision: RoutingDecision, k: int) -> str | None:
    part, least = decision.routing_probabilities[k] * decision.slice_qty, decision.min_qty[k]
    return f"its part is {part:,.0f} shares, it takes {least:,} at least" if part < least else None


def _no_part(decision: RoutingDecision, k: int) -> str | None:
    return "the lanes above it take the whole slice" if decision.routing_probabilities[k] <= 0.0 else None


def _no_weight(decision: RoutingDecision, k: int) -> str | None:
    return "it has no weight" if decision.routing_probabilities[k] <= 0.0 else None


def _not_drawn(decision: RoutingDecision, k: int) -> str | None:
    return f"drawn with probability {decision.routing_probabilities[k]:.4f}; the draw was {decision.draw:.4f}"


_PUBLIC: tuple[tuple[str, _Check], ...] = (("NO_ROOM", _no_room), ("BELOW_MIN_QTY", _below_min_qty))

_CHECKS: dict[AllocationMode, tuple[tuple[str, _Check], ...]] = {
    AllocationMode.WATER_FILL: (
        *_PUBLIC,
        ("NO_VALUE", _no_value),
        ("NO_FILL_EXPECTED", _no_fill),
        ("BELOW_WATER_LEVEL", _below_level),
        ("NO_PART", _no_part),
        ("BELOW_MIN_QTY", _part_below_min_qty),
    ),
    AllocationMode.SPLIT: (*_PUBLIC, ("NO_WEIGHT", _no_weight), ("BELOW_MIN_QTY", _part_below_min_qty)),
    AllocationMode.DRAW: (*_PUBLIC, ("NO_WEIGHT", _no_weight), ("NOT_DRAWN", _not_drawn)),
}
