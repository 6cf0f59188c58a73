"""What a parent was worth to whoever routed it, from its outcomes: the one number by which arms are compared.

Rule of this file: a parent counts once, `SETTLE_NS` of event time after its end, for the arm that routed its first
child; what happens afterwards counts no more.

Its value is, in bps per ordered share, of each filled share the markout at ten seconds (the price paid is in it; until
it is known, the improvement against the mid when routed) less the fee, and of each unfilled share a fixed cost.
"""

from __future__ import annotations

from heapq import heappop, heappush

from router.domain.enums import OutcomeKind
from router.domain.messages import ParentEnded
from router.domain.scores import Outcome
from router.domain.units import SECOND, Nanos

HORIZON_NS: Nanos = 10 * SECOND
SETTLE_NS: Nanos = 30 * SECOND
"""Markouts at the horizon have been heard by then, windows included."""

PARENTS_MAX = 100_000
"""Parents under way at once; above it the oldest are dropped uncounted: somebody forgot to say that they ended."""


class _Parent:
    __slots__ = ("arm", "fills")

    def __init__(self, arm: str) -> None:
        self.arm = arm
        self.fills: dict[str, list[float]] = {}
        """Per execution: shares, value without the fee, fee, in bps."""


class ParentValues:
    """The parents under way and those that wait for their markouts."""

    def __init__(self, unfilled_bps: float) -> None:
        self.unfilled_bps = unfilled_bps
        self._parents: dict[str, _Parent] = {}
        self._waiting: list[tuple[Nanos, str, int]] = []

    def hear(self, outcome: Outcome) -> None:
        """Count a fill, or what one turned out to be worth."""
        parent = self._parents.get(outcome.parent_id)
        if parent is None:
            if outcome.kind is OutcomeKind.MARKOUT:
                return
            parent = self._parents[outcome.parent_id] = _Parent(outcome.arm)
            if len(self._parents) > PARENTS_MAX:
                del self._parents[next(iter(self._parents))]
        key = f"{outcome.lane}/{outcome.exec_id}"
        if outcome.kind is OutcomeKind.MARKOUT:
            if outcome.horizon_ns == HORIZON_NS and key in parent.fills:
                parent.fills[key][1] = outcome.markout_bps
        elif outcome.filled_qty > 0:
            parent.fills[key] = [float(outcome.filled_qty), outcome.price_bps, outcome.fee_bps]

    def ended(self, parent: ParentEnded) -> None:
        """Note that a parent is over; one that was never routed has no arm, and does not count."""
        heappush(self._waiting, (parent.at + SETTLE_NS, parent.parent_id, parent.order_qty))

    def due(self, at: Nanos) -> list[tuple[str, float]]:
        """Return (arm, value in bps) of each parent that has settled by `at`, in the order in which they did."""
        settled = []
        while self._waiting and self._waiting[0][0] <= at:
            _, parent_id, order_qty = heappop(self._waiting)
            parent = self._parents.pop(parent_id, None)
            if parent is not None:
                settled.append((parent.arm, self._value(parent, order_qty)))
        return settled

    def _value(self, parent: _Parent, order_qty: int) -> float:
        filled = sum(fill[0] for fill in parent.fills.values())
        worth = sum(qty * (value - fee) for qty, value, fee in parent.fills.values())
        whole = max(float(order_qty), filled)
        return (worth - self.unfilled_bps * (whole - filled)) / whole
