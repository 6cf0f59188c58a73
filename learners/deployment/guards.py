"""Hard guards of a challenger: what ends it at once, before any statistics have their say.

Rule of this file: each guard is one small state with one limit, and says in words what it saw; a limit of None is no
guard. Guards forget nothing that tripped them: only a person starts the challenger again.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from router.domain.enums import OutcomeKind
from router.domain.scores import Outcome, PolicySnapshot
from router.domain.snapshot import fault_of, total_variation


class GuardLimits(NamedTuple):
    """When a challenger is stopped. `reject_share`: of its last `children` finished children, the part that venues
    rejected. `jump`: total variation between two publications of one side that follow each other. `loss_bps`: what its
    parents lost against the champion's mean, summed over parents since it stood best."""

    reject_share: float | None = 0.5
    children: int = 20
    jump: float | None = None
    loss_bps: float | None = 200.0


class Guards:
    """The guards of one challenger. Each method returns what tripped, in words, or an empty text."""

    def __init__(self, limits: GuardLimits) -> None:
        self.limits = limits
        self.lost_bps = 0.0
        self._ends: deque[bool] = deque(maxlen=max(limits.children, 1))
        self._last: dict[str, tuple[float, ...]] = {}

    def hear(self, outcome: Outcome) -> str:
        """Count the end of a child that the challenger routed."""
        limit = self.limits.reject_share
        if limit is None or not outcome.is_final:
            return ""
        self._ends.append(outcome.kind is OutcomeKind.REJECT)
        share = sum(self._ends) / len(self._ends)
        if len(self._ends) < self.limits.children or share <= limit:
            return ""
        return f"reject rate {share:.0%} of {len(self._ends)} children"

    def published(self, snapshot: PolicySnapshot) -> str:
        """Look at what the challenger publishes."""
        fault = fault_of(snapshot)
        if fault:
            return fault
        side, last = str(snapshot.side), self._last.get(str(snapshot.side))
        self._last[side] = snapshot.routing_probabilities
        limit = self.limits.jump
        if limit is None or last is None:
            return ""
        moved = total_variation(last, snapshot.routing_probabilities)
        return f"probabilities jumped by {moved:.2f}" if moved > limit else ""

    def valued(self, excess_bps: float) -> str:
        """Count what one of its parents was worth, less the champion's mean."""
        self.lost_bps = max(self.lost_bps - excess_bps, 0.0)
        limit = self.limits.loss_bps
        return f"lost {self.lost_bps:.1f} bps over its parents" if limit is not None and self.lost_bps > limit else ""
