"""Facts that an auditor is told because a journal of parents cannot know them, and what it answers.

Rule of this file: frozen values; a time that has not come is `FOREVER`.
"""

from __future__ import annotations

from typing import NamedTuple

from router.domain.units import Nanos, Qty

FOREVER: Nanos = 2**63 - 1


class Accepted(NamedTuple):
    """An order was acknowledged to its client."""

    parent_id: str
    account: str


class Killed(NamedTuple):
    """A kill was acknowledged at `at`, and held until `until`; levels and targets as the board has them."""

    level: str
    target: str
    at: Nanos
    until: Nanos = FOREVER

    def covers(self, facts: tuple[str, str, str], mic: str) -> bool:
        """Say whether it speaks of a child of a parent with this account, strategy and symbol, at this venue.

        >>> Killed("SYMBOL", "ABC", 1).covers(("A1", "vwap", "ABC"), "XNYS")
        True
        """
        account, strategy, symbol = facts
        names = {"ALL": "", "ACCOUNT": account, "STRATEGY": strategy, "SYMBOL": symbol, "VENUE": mic}
        return names.get(self.level) == self.target


class Cut(NamedTuple):
    """A venue could not be traded with: its link was down, it was halted or paused."""

    mic: str
    from_at: Nanos
    until: Nanos = FOREVER
    reason: str = "down"


class AuditLimits(NamedTuple):
    """What the auditor holds a run to: children of a parent in any second and in all, and positions; None: any."""

    children_per_s: int = 200
    children_max: int = 100_000
    position_max: Qty | None = None


class Violation(NamedTuple):
    """An invariant that does not hold at an offset of the journal; -1: found at its end."""

    invariant: str
    offset: int
    text: str
