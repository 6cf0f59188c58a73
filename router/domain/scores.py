"""What learners and the router say to each other: contexts, lane scores, policy snapshots, decisions, outcomes.

Rule of this file: floats live here and in reports only. Costs are in basis points, positive is bad; values
are in basis points, positive is good.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from struct import unpack_from

import msgspec
import numpy as np

from router.domain.enums import AllocationMode, OutcomeKind, Side
from router.domain.market import F64
from router.domain.tactics import StyleChoice
from router.domain.units import Nanos, Qty

CHAMPION, CHALLENGER = "champion", "challenger"
"""The arms of a release: the policy that routed before, and the one that would replace it."""


class ContextFrame(msgspec.Struct, frozen=True, gc=False, kw_only=True):
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

    def row(self, lane: int) -> tuple[float, ...]:
        """Return the features of the lane of that number."""
        width = len(self.names)
        return unpack_from(f"{width}d", self.x, 8 * width * lane)


class LaneScore(msgspec.Struct, frozen=True, gc=False, kw_only=True):
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
    hazards: tuple[float, ...] = ()
    """Of the quantity met when it fills, per share and one per size bin of the snapshot: log-survival falls by so
    much a share within the bin. Empty: the same everywhere, 1 / `mu`."""
    spread_bps: float = 0.0
    """Standard deviation of what the policy believes a share sent to the lane to be worth: what a choice of one lane
    is drawn with."""


P, MU, MARKOUT, LEAKAGE, SPREAD, HAZARDS = range(6)
"""The rows of a table of scores, float64 (5 + bins, lanes); the hazards' is the first of theirs."""


def scores_of_table(lanes: Sequence[str], table: F64) -> tuple[LaneScore, ...]:
    """Return the columns of a table as scores of `lanes`."""
    hazards = table[HAZARDS:].T.tolist()
    return tuple(
        LaneScore(lane=lane, p=p, mu=mu, markout_bps=m, leakage_bps=leak, spread_bps=sd, hazards=tuple(falls))
        for lane, p, mu, m, leak, sd, falls in zip(lanes, *table[:HAZARDS].tolist(), hazards, strict=True)
    )


@lru_cache(maxsize=16)
def _scores_of(lanes: tuple[str, ...], table: bytes) -> tuple[LaneScore, ...]:
    """Return the scores in a table's bytes: who explains a decision asks for them again and again."""
    return scores_of_table(lanes, np.frombuffer(table, dtype=np.float64).reshape(-1, len(lanes)))


class PolicySnapshot(msgspec.Struct, frozen=True, gc=False, kw_only=True):
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
    size_edges: tuple[float, ...] = ()
    """Where the size bins of the scores' hazards start, in shares, from 0 on."""
    is_slowed: bool = False
    """Whether a limit held the probabilities back: slices are split by them until they have caught up."""
    arm: str = ""
    """Whose it is while a challenger is being released: CHAMPION or CHALLENGER; empty without a release."""
    arm_share: float = 0.0
    """Of a challenger: the part of new parents that are to be routed by it."""
    lanes: tuple[str, ...] = ()
    """Of a policy that publishes a table in place of `scores`: its lanes, one a column."""
    table: bytes = b""
    """The scores of `lanes` as numbers: see `router.domain.score_table`."""


class Exclusion(msgspec.Struct, frozen=True, gc=False):
    """Why a lane was no candidate: a coded reason and, for people, a detail."""

    lane: str
    reason: str
    detail: str = ""


class RoutingDecision(msgspec.Struct, frozen=True, gc=False, kw_only=True):
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
    scored: tuple[LaneScore, ...] = msgspec.field(default=(), name="scores")
    """The candidates' scores; empty where the policy gave a table."""
    values_bps: tuple[float, ...]
    routing_probabilities: tuple[float, ...]
    quantities: tuple[Qty, ...]
    propensity: float
    draw: float
    probe_lane: str = ""
    opportunity_bps: float = 0.0
    """What leaving a share unfilled is expected to cost: the urgency that the schedule put on this decision."""
    acted: AllocationMode | None = None
    """The mode acted in, where the rules put another in place of the policy's."""
    limits: tuple[Exclusion, ...] = ()
    """Limits on learning that changed it; the lane is empty where they speak of all lanes."""
    given_up: float = 0.0
    """With a budget for exploration: the expected value given up by it, in bps times shares."""
    price_bps: tuple[float, ...] = ()
    """What was public of the candidates, as in `ContextFrame`: the price, and below the fee and the sizes."""
    fee_bps: tuple[float, ...] = ()
    lots: tuple[Qty, ...] = ()
    min_qty: tuple[Qty, ...] = ()
    max_qty: tuple[Qty, ...] = ()
    exploration: tuple[float, float] = (0.0, 0.0)
    """With which probability a share of the slice was to be diverted to a lane drawn evenly, and which share."""
    rules: bytes = b""
    """What else the split went by: the `Rules` of `router.allocation.allocate` as MessagePack; empty: nothing."""
    arm: str = ""
    """Of the policy that decided: CHAMPION or CHALLENGER; empty without a release."""
    fall_back: str = ""
    """Why the learner's policy was not used; empty when it was."""
    model_digest: str = ""
    """Of the model that `policy_version` names."""
    style: StyleChoice | None = None
    """How passive it was to be; none: no learner of styles was asked."""
    table: bytes = b""
    """The candidates' scores as numbers, where the policy gave them so: see `router.domain.score_table`."""

    @property
    def scores(self) -> tuple[LaneScore, ...]:
        """The candidates' scores, one a lane, whichever way they are kept."""
        return _scores_of(self.candidates, self.table) if self.table else self.scored


class Outcome(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What became of one child since the learner last heard of it.

    FILL, EXPIRE, CANCEL, REJECT and HEARTBEAT carry exposure: from `age_from_ns` to `age_to_ns` of the child's life
    it was exposed with `leaves_qty` shares open before this outcome. `filled_qty` is this outcome's fill, `cum_qty`
    the child's total after it. A child ends with exactly one outcome with `is_final`. MARKOUT amends the decision:
    `markout_bps` at `horizon_ns` after the fill `exec_id`, positive good for us. A MARKOUT without `exec_id` is of a
    request to a dealer, `horizon_ns` after its end: `markout_bps` is the move of the mid since routing, towards us
    positive, and `leaves_qty` what the parent still has to trade at that price.
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
    arm: str = ""
    """Of the policy that routed the child: CHAMPION or CHALLENGER; empty without a release."""

    @property
    def key(self) -> tuple[int, str, str, str, int, int]:
        """The order in which outcomes are applied, and their identity: a second one is the same one again."""
        return self.at, self.lane, self.cl_ord_id, self.exec_id, self.horizon_ns, self.age_to_ns
