"""What learners and the router say to each other: contexts, lane scores, policy snapshots, decisions, outcomes.

Rule of this file: floats live here and in reports only. Costs are in basis points, positive is bad; values
are in basis points, positive is good.
"""

from __future__ import annotations

import msgspec

from router.domain.enums import AllocationMode, OutcomeKind, Side
from router.domain.units import Nanos, Qty


class ContextFrame(msgspec.Struct, frozen=True, kw_only=True):
    """Every lane at one moment, for one side: its features and what is public of its price, fee and size.

    `x` is float64 (len(lanes), len(names)) in C order. `price_bps` is the improvement against the consolidated mid
    that a fill would bring (negative for a lane that crosses), `fee_bps` the fee (a rebate is negative), `max_qty`
    the size on offer: displayed for TAKE, the best-priced tier for QUOTE, a bound for resting lanes; 0 when the lane
    cannot be used now (no quote, or the link is down).
    """

    at: Nanos
    symbol: str
    side: Side
    names: tuple[str, ...]
    lanes: tuple[str, ...]
    x: bytes
    price_bps: tuple[float, ...]
    fee_bps: tuple[float, ...]
    max_qty: tuple[Qty, ...]


class LaneScore(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy believes of a lane in a context.

    `p` is the probability that any of it fills within the lane's standard life, `mu` the mean quantity met when
    it fills, in shares. `markout_bps` is the expected move of the mid against us from routing to the horizon after a
    fill (a cost; the price paid is not in it), `leakage_bps` the
    expected cost to the rest of the parent. `weight` is used by SPLIT and DRAW policies, in place of (p, mu).
    """

    lane: str
    p: float = 0.0
    mu: float = 0.0
    markout_bps: float = 0.0
    leakage_bps: float = 0.0
    weight: float = 0.0


class PolicySnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One published version of a policy: what every parent host uses for its next decision.

    `routing_probabilities` (one per lane, summing to 1) is the share of the next standard slice that each lane
    would get under the current posterior and context.
    """

    learner_id: str
    policy: str
    policy_version: int
    at: Nanos
    side: Side
    mode: AllocationMode
    scores: tuple[LaneScore, ...]
    routing_probabilities: tuple[float, ...]
    outcomes_applied: int
    model_digest: str


class Exclusion(msgspec.Struct, frozen=True):
    """Why a lane was no candidate: a coded reason and, for people, a detail."""

    lane: str
    reason: str
    detail: str = ""


class RoutingDecision(msgspec.Struct, frozen=True, kw_only=True):
    """One draw of an allocation, with everything needed to say why and to evaluate another policy on it.

    Tuples over lanes follow `candidates`. `context` is the float64 matrix (len(candidates), len(context_names)).
    `propensity` is the probability of the allocation taken, under the acting policy and its probes.
    """

    decision_id: str
    parent_id: str
    at: Nanos
    side: Side
    slice_qty: Qty
    policy: str
    policy_version: int
    mode: AllocationMode
    context_names: tuple[str, ...]
    context: bytes
    candidates: tuple[str, ...]
    exclusions: tuple[Exclusion, ...]
    scores: tuple[LaneScore, ...]
    values_bps: tuple[float, ...]
    routing_probabilities: tuple[float, ...]
    quantities: tuple[Qty, ...]
    propensity: float
    draw: float
    probe_lane: str = ""
    opportunity_bps: float = 0.0
    """What leaving a share unfilled is expected to cost: the urgency that the schedule put on this decision."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one child since the learner last heard of it.

    FILL, EXPIRE, CANCEL, REJECT and HEARTBEAT carry exposure: from `age_from_ns` to `age_to_ns` of the child's life
    it was exposed with `leaves_qty` shares open before this outcome. `filled_qty` is this outcome's fill, `cum_qty`
    the child's total after it. A child ends with exactly one outcome with `is_final`. MARKOUT amends the decision:
    `markout_bps` at `horizon_ns` after the fill `exec_id`, positive good for us.
    """

    kind: OutcomeKind
    at: Nanos
    parent_id: str
    decision_id: str
    cl_ord_id: str
    lane: str
    side: Side
    order_qty: Qty
    leaves_qty: Qty = 0
    filled_qty: Qty = 0
    cum_qty: Qty = 0
    age_from_ns: Nanos = 0
    age_to_ns: Nanos = 0
    is_final: bool = False
    exec_id: str = ""
    price_bps: float = 0.0
    """Price improvement of this fill against the mid when routed, positive good; of a MARKOUT, that of its fill."""
    fee_bps: float = 0.0
    """Fee of this fill, positive bad."""
    horizon_ns: Nanos = 0
    markout_bps: float = 0.0
    x: tuple[float, ...] = ()
    """The lane's context when the child was routed."""

    @property
    def key(self) -> tuple[int, str, str, str, int, int]:
        """The order in which outcomes are applied, and their identity: a second one is the same one again."""
        return self.at, self.lane, self.cl_ord_id, self.exec_id, self.horizon_ns, self.age_to_ns
