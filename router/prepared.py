"""One moment of the market and one order's terms, made ready for many slices: what `router.route.route` would decide.

Whoever asks often between two pictures of the market (a dry run over HTTP) asks about the same lanes, scores, prices
and exclusions; they are worked out once and kept as arrays.

Rule of this file: the same numbers as `route`, to the bit, and nothing is kept of any slice. What is not plain (a rule
in force, a probe drawn, a budget that might bind, a slice that one lane should get) it leaves to `route`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from router.allocation.afforded import Staked, is_afforded, staked
from router.allocation.allocate import NO_EXPLORATION
from router.allocation.columns import PublicRow, columns_of_table, lane_terms
from router.allocation.draws import probe_draw
from router.allocation.exclude import exclusions
from router.allocation.limits import NO_BUDGET, budget_left
from router.allocation.poured import Poured, poured_arrays
from router.allocation.pricing import asks_for_quote, child_for, tiers_within
from router.allocation.split import shares
from router.allocation.weighed import weighed_arrays
from router.domain import ids
from router.domain.enums import AllocationMode, Tactic
from router.domain.instruments import lane_names_of, lanes_of
from router.domain.market import F64, I64
from router.domain.orders import ChildOrder, ParentOrder
from router.domain.score_table import HAZARDS, LEAKAGE, MARKOUT, MU, P, table_of
from router.domain.scores import PolicySnapshot
from router.domain.units import Qty
from router.route import Surroundings, public_rows, static_weights

ALL_TACTICS = tuple(Tactic)


class Split(NamedTuple):
    """A slice over the prepared lanes, as `Allocation` has it, where nothing was probed."""

    quantities: list[Qty]
    values_bps: list[float]
    routing_probabilities: list[float]
    propensity: float


class LaneColumns(NamedTuple):
    """What is the same for every slice, one entry for each lane that is a candidate."""

    names: tuple[str, ...]
    contexts: tuple[tuple[float, ...], ...]
    p: list[float]
    mu: list[float]
    markout_bps: list[float]
    leakage_bps: list[float]
    price_bps: tuple[float, ...]
    fee_bps: tuple[float, ...]
    weight: list[float]

    def lists(self) -> tuple[Sequence[Any], ...]:
        """Return every column but the contexts."""
        return (self.names, *self[2:])


class Prepared:
    """Candidates of an order's terms in one moment, all tactics released. `parent` stands for every order of them."""

    def __init__(self, parent: ParentOrder, around: Surroundings) -> None:
        specs, frame = around.specs, around.frame
        self.parent, self.around = parent, around
        self.excluded = exclusions(
            parent, lanes_of(specs), specs, frame, ALL_TACTICS, around.market, around.unavailable, parent.order_qty
        )
        out = {exclusion.lane for exclusion in self.excluded}
        kept = [i for i, name in enumerate(lane_names_of(specs)) if name not in out]
        public = public_rows(frame, specs, parent.min_qty)
        rows = [public[i] for i in kept]
        if parent.max_child_qty:
            rows = [(*row[:4], min(row[4], parent.max_child_qty)) for row in rows]
        table: F64 = _scores_of(around.policy).take(kept, axis=1)
        self.acted = around.policy.mode
        self._pour = _filling(around, rows, table)
        if self.acted is AllocationMode.SPLIT or around.policy.is_slowed:
            self.acted = AllocationMode.SPLIT
            self._pour = _weighing(around, rows, table, kept)
        self._staked = None
        if around.limits.exploration_budget_bps < NO_BUDGET:
            self._staked = _at_stake(around, rows, table, kept)
        self._epsilon, self._share = around.exploration if around.policy.mode is _FILL else NO_EXPLORATION
        self._lanes = [lanes_of(specs)[i] for i in kept]
        spec_of = {spec.mic: spec for spec in specs}
        self._specs = [spec_of[lane.mic] for lane in self._lanes]
        x = np.frombuffer(frame.x, dtype=np.float64).reshape(len(frame.lanes), len(frame.names))
        self.columns = LaneColumns(
            names=tuple(frame.lanes[i] for i in kept),
            contexts=tuple(tuple(x[i].tolist()) for i in kept),
            p=table[P].tolist(),
            mu=table[MU].tolist(),
            markout_bps=table[MARKOUT].tolist(),
            leakage_bps=table[LEAKAGE].tolist(),
            weight=[0.0 if around.policy.lanes else around.policy.scores[i].weight for i in kept],
            price_bps=tuple(row[0] for row in rows),
            fee_bps=tuple(row[1] for row in rows),
        )

    def split(self, parent_id: str, decision_n: int, qty: Qty, opportunity_bps: float) -> Split | None:
        """Return how `qty`, which is all of an order, is split in its n-th decision with nothing behind it; None where
        it is for `route` to say."""
        found = self._pour(qty, opportunity_bps, self._share)
        if found is None:
            return None
        may_probe = self._epsilon > 0 and self._share > 0
        if self._staked is not None:
            # Of a whole order's budget nothing is spent yet.
            budget, share = budget_left(self.around.limits, qty, 0.0), self._share if may_probe else 0.0
            if not is_afforded(qty, self._staked, found, share, budget):
                return None
        chance = 1.0
        if found.probes and may_probe:
            if probe_draw(self.around.seed, parent_id, decision_n) < self._epsilon:
                return None
            chance = 1.0 - self._epsilon
        return Split(found.quantities, found.values_bps, shares(found.real), chance)

    def sizes(self, k: int) -> tuple[Qty, ...]:
        """Return what the k-th lane's dealer offers at most, rising, by tier; nothing where he is none.

        The first size that is not below a quantity says which tier its child takes; above the last he is asked for the
        last.
        """
        lane, spec, market = self._lanes[k], self._specs[k], self.around.market
        if lane.tactic is not Tactic.QUOTE:
            return ()
        if asks_for_quote(market, spec):
            return (spec.rfq_max_qty,)
        tiers = tiers_within(market, lane.mic, self.parent.side, self.parent.price)
        return tuple(sorted({tier.max_qty for tier in tiers}))

    def child(self, k: int, qty: Qty) -> ChildOrder:
        """Return the child for a quantity of the k-th lane. Its ids and times stand for any; all but its quantity is
        the same for every quantity with the same first of `sizes`.

        Raises:
            BadInputError: as `child_for`.
        """
        around, parent_id = self.around, self.parent.parent_id
        names = (ids.cl_ord_id(parent_id, 0), ids.decision_id(parent_id, 0))
        return child_for(self._lanes[k], self.parent, qty, around.market, self._specs[k], *names, around.now)


def prepared(parent: ParentOrder, around: Surroundings) -> Prepared | None:
    """Return what is ready for slices of orders with the terms of `parent`; None where each has to be routed by itself:
    a policy that draws a lane or fills without a table of sizes, scores that are no numbers, a limit on a
    venue's share, or a smallest quantity, which a slice may fall short of."""
    policy = around.policy
    is_filling = policy.mode is _FILL and bool(policy.lanes and policy.size_edges)
    is_weighing = policy.mode is AllocationMode.SPLIT and bool(policy.scores) and not policy.size_edges
    if not (is_filling or is_weighing) or parent.min_qty or parent.is_single_lane:
        return None
    if around.limits.venue_share_max < 1.0:
        return None
    weights = [*policy.routing_probabilities, *(score.weight for score in policy.scores)]
    is_sound = bool(np.isfinite(_scores_of(policy)).all() and np.isfinite(weights).all() and min(weights) >= 0.0)
    return Prepared(parent, around) if is_sound else None


_FILL = AllocationMode.WATER_FILL
_Pour = Callable[[Qty, float, float], Poured | None]
"""From a quantity, what leaving a share of it unfilled costs and the share of a probe to the split."""


def _scores_of(policy: PolicySnapshot) -> F64:
    """Return a policy's scores as a table, whichever way they are published."""
    if policy.lanes:
        return table_of(policy)
    rows = [(score.p, score.mu, score.markout_bps, score.leakage_bps, score.spread_bps) for score in policy.scores]
    table: F64 = np.array(rows, dtype=np.float64).reshape(-1, HAZARDS).T
    return table


def _filling(around: Surroundings, rows: Sequence[PublicRow], table: F64) -> _Pour:
    public: F64 = np.array(rows, dtype=np.float64).reshape(-1, 5)
    edges: F64 = np.array(around.policy.size_edges, dtype=np.float64)
    return lambda qty, opportunity_bps, share: poured_arrays(qty, public, table, edges, opportunity_bps, share)


def _at_stake(around: Surroundings, rows: Sequence[PublicRow], table: F64, kept: Sequence[int]) -> Staked:
    policy, static = around.policy, static_weights(around.specs)
    columns = columns_of_table(lane_terms(rows, 0.0), table, policy.size_edges)
    is_weighed = policy.is_slowed or policy.mode is AllocationMode.SPLIT
    weights = _weights_of(policy) if is_weighed else ()
    return staked(columns, [static[i] for i in kept], [weights[i] for i in kept] if weights else ())


def _weights_of(policy: PolicySnapshot) -> Sequence[float]:
    """Return what a policy that is weighed is split by."""
    return policy.routing_probabilities if policy.is_slowed else [score.weight for score in policy.scores]


def _weighing(around: Surroundings, rows: Sequence[PublicRow], table: F64, kept: Sequence[int]) -> _Pour:
    policy, weights = around.policy, _weights_of(around.policy)
    terms = lane_terms(rows, 0.0)
    lot: I64 = np.array(terms.lot, dtype=np.int64)
    cap: I64 = np.array(columns_of_table(terms, table, policy.size_edges).cap, dtype=np.int64)
    wanted: F64 = np.where(cap > 0, [weights[i] for i in kept], 0.0)
    prices: F64 = np.array([row[:2] for row in rows], dtype=np.float64).reshape(-1, 2)
    public: F64 = np.column_stack((prices, table[MARKOUT], table[LEAKAGE]))
    return lambda qty, opportunity_bps, share: weighed_arrays(qty, public, wanted, lot, cap, opportunity_bps, share)
