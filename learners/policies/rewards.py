"""One number for what became of a child: the reward that a bandit learns from, given once and late.

Rule of this file: River cannot amend a reward, so a child's is held back until it is whole: at its end when nothing
filled; else when it has ended and the markout (`MARKOUT_HORIZON`) of its last fill is in. What waits is bounded.

Reward per routed share in bps = Σ over fills of (quantity / order_qty) x (opportunity_bps - fee_bps + markout_bps).
The markout, from the price paid to the mid ten seconds later, holds the price improvement already; a fill without one
counts its improvement alone. `opportunity_bps` is what a share left unfilled would cost: without it an order that
never fills beats one that crosses.
"""

from __future__ import annotations

from typing import NamedTuple

from router.domain.enums import OutcomeKind
from router.domain.scores import Outcome
from router.domain.units import SECOND, Nanos

MARKOUT_HORIZON: Nanos = 10 * SECOND
"""The markout that a reward waits for."""

PENDING_MAX = 4_096
"""Children waiting. Above it the oldest is settled without its markout if it has ended, else dropped unrewarded."""


class Reward(NamedTuple):
    """What one child brought: `bps` per routed share, clipped by whoever uses it."""

    cl_ord_id: str
    lane: str
    x: tuple[float, ...]
    bps: float


class _Child:
    """Fills and markouts of one child so far. `fills` is exec_id -> (quantity, cum_qty after it, value in bps without
    the price, price improvement in bps)."""

    def __init__(self) -> None:
        self.fills: dict[str, tuple[int, int, float, float]] = {}
        self.markouts: dict[str, float] = {}
        self.final: Outcome | None = None


class RewardBook:
    """Children whose reward is not whole yet."""

    def __init__(self, opportunity_bps: float, limit: int = PENDING_MAX) -> None:
        self.opportunity_bps = opportunity_bps
        self.limit = limit
        self._children: dict[str, _Child] = {}

    def hear(self, outcome: Outcome) -> list[Reward]:
        """Take one outcome (not a repeated one) and return the rewards that it made whole, usually none or one."""
        if outcome.kind is OutcomeKind.MARKOUT and not outcome.exec_id:
            # What a request leaked belongs to no fill.
            return []
        child = self._children.get(outcome.cl_ord_id)
        if child is None:
            child = self._children[outcome.cl_ord_id] = _Child()
        if outcome.kind is OutcomeKind.MARKOUT:
            if outcome.horizon_ns == MARKOUT_HORIZON:
                child.markouts[outcome.exec_id] = outcome.markout_bps
        elif outcome.filled_qty > 0:
            value = self.opportunity_bps - outcome.fee_bps
            child.fills[outcome.exec_id] = (outcome.filled_qty, outcome.cum_qty, value, outcome.price_bps)
        if outcome.is_final:
            child.final = outcome
        rewards = []
        if _is_whole(child):
            rewards.append(_settle(child))
            del self._children[outcome.cl_ord_id]
        elif not child.fills and not child.markouts and child.final is None:
            del self._children[outcome.cl_ord_id]
        if len(self._children) > self.limit:
            oldest = self._children.pop(next(iter(self._children)))
            if oldest.final is not None:
                rewards.append(_settle(oldest))
        return rewards


def _is_whole(child: _Child) -> bool:
    if child.final is None:
        return False
    if not child.fills:
        return child.final.cum_qty == 0
    last = max(child.fills, key=lambda exec_id: child.fills[exec_id][1])
    return last in child.markouts


def _settle(child: _Child) -> Reward:
    final = child.final
    assert final is not None, "only an ended child is settled"
    gained = sum(
        qty * (value + child.markouts.get(exec_id, price_bps))
        for exec_id, (qty, _, value, price_bps) in child.fills.items()
    )
    return Reward(final.cl_ord_id, final.lane, final.x, gained / final.order_qty)
