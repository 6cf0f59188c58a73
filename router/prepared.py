"""One moment of the market and one order's terms, made ready for many slices: what `router.route.route` would decide.

Whoever asks often between two pictures of the market (a dry run over HTTP) asks about the same lanes, scores, prices
and exclusions; they are worked out once and kept as arrays.

Rule of this file: the same numbers as `route`, to the bit, and nothing is kept of any slice. What is not plain (a rule
in force, a probe drawn, a slice that one lane should get) it leaves to `route`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from router.allocation.exclude import exclusions
from router.allocation.limits import UNLIMITED
from router.allocation.poured import poured_arrays
from router.allocation.pricing import child_for
from router.allocation.split import shares
from router.domain import ids
from router.domain.chance import uniforms
from router.domain.enums import AllocationMode, Tactic
from router.domain.instruments import lane_names_of, lanes_of
from router.domain.market import F64
from router.domain.orders import ChildOrder, ParentOrder
from router.domain.score_table import LEAKAGE, MARKOUT, MU, P, table_of
from router.domain.units import Qty
from router.route import Surroundings, public_rows

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
        rows = [public_rows(frame, specs, parent.min_qty)[i] for i in kept]
        if parent.max_child_qty:
            rows = [(*row[:4], min(row[4], parent.max_child_qty)) for row in rows]
        self._public: F64 = np.array(rows, dtype=np.float64).reshape(-1, 5)
        self._table: F64 = table_of(around.policy).take(kept, axis=1)
        self._edges: F64 = np.array(around.policy.size_edges, dtype=np.float64)
        self._lanes = [lanes_of(specs)[i] for i in kept]
        spec_of = {spec.mic: spec for spec in specs}
        self._specs = [spec_of[lane.mic] for lane in self._lanes]
        self._children: dict[int, ChildOrder] = {}
        x = np.frombuffer(frame.x, dtype=np.float64).reshape(len(frame.lanes), len(frame.names))
        self.columns = LaneColumns(
            names=tuple(frame.lanes[i] for i in kept),
            contexts=tuple(tuple(x[i].tolist()) for i in kept),
            p=self._table[P].tolist(),
            mu=self._table[MU].tolist(),
            markout_bps=self._table[MARKOUT].tolist(),
            leakage_bps=self._table[LEAKAGE].tolist(),
            price_bps=tuple(row[0] for row in rows),
            fee_bps=tuple(row[1] for row in rows),
        )

    def split(self, parent_id: str, decision_n: int, qty: Qty, opportunity_bps: float) -> Split | None:
        """Return how `qty` is split in the n-th decision of an order; None where it is for `route` to say."""
        epsilon, share = self.around.exploration
        found = poured_arrays(qty, self._public, self._table, self._edges, opportunity_bps, share)
        if found is None:
            return None
        chance = 1.0
        if found.probes and epsilon > 0 and share > 0:
            if uniforms(self.around.seed, parent_id, "decision", decision_n)[1] < epsilon:
                return None
            chance = 1.0 - epsilon
        return Split(found.quantities, found.values_bps, shares(found.real), chance)

    def child(self, k: int, qty: Qty) -> ChildOrder:
        """Return the child for a quantity of the k-th lane; its ids and, but at a dealer, its quantity stand for any.

        Raises:
            BadInputError: as `child_for`.
        """
        lane = self._lanes[k]
        child = self._children.get(k)
        if child is None or lane.tactic is Tactic.QUOTE:
            # A dealer's tier is chosen by the quantity; every other child is the same at any.
            around, parent_id = self.around, self.parent.parent_id
            names = (ids.cl_ord_id(parent_id, 0), ids.decision_id(parent_id, 0))
            child = child_for(lane, self.parent, qty, around.market, self._specs[k], *names, around.now)
            self._children[k] = child
        return child


def prepared(parent: ParentOrder, around: Surroundings) -> Prepared | None:
    """Return what is ready for slices of orders with the terms of `parent`; None where each has to be routed by itself:
    a policy without a table of sizes, a limit in force, or a smallest quantity, which a slice may fall short of."""
    policy = around.policy
    is_plain = (
        policy.mode is AllocationMode.WATER_FILL
        and bool(policy.lanes)
        and bool(policy.size_edges)
        and not policy.is_slowed
        and around.limits == UNLIMITED
        and not parent.min_qty
        and not parent.is_single_lane
    )
    return Prepared(parent, around) if is_plain else None
