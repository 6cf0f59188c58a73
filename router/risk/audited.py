"""The auditor's own books of one parent and its children.

Rule of this file: quantities follow from events by the plainest rules there are, and from nothing the router's own
state says; `AuditedParent.state` is there for the tables to be asked, and for nothing else.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from router.domain.enums import OrdStatus
from router.domain.orders import ChildOrder, ParentOrder
from router.domain.units import Nanos, Px, Qty
from router.orders.parent import ParentState


@dataclass(slots=True)
class AuditedChild:
    """A child as its events add up. It is open until its venue says how much it came to, and that much has come."""

    child: ChildOrder
    intended_at: Nanos
    order_qty: Qty = 0
    price: Px | None = None
    asked_qty: Qty = 0
    cum_qty: Qty = 0
    inferred_qty: Qty = 0
    """What is inferred and not replaced."""
    replaced_qty: Qty = 0
    """What was inferred and then replaced by real executions."""
    executions: dict[str, Qty] = field(default_factory=dict)
    final_qty: Qty | None = None
    """What its venue says it came to; None while it has not said."""
    is_open: bool = True
    is_unknown: bool = False
    out_at: Nanos = 0
    cancel_asked_at: Nanos = -1
    request_id: str = ""
    """The replace that is not answered."""

    def __post_init__(self) -> None:
        self.order_qty, self.price = self.child.order_qty, self.child.price

    @property
    def whole_qty(self) -> Qty:
        """The most it was asked for."""
        return max(self.order_qty, self.asked_qty)

    @property
    def leaves_qty(self) -> Qty:
        """What may still execute, unknown ones in full."""
        if not self.is_open:
            return 0
        return max((self.whole_qty if self.final_qty is None else self.final_qty) - self.cum_qty, 0)

    @property
    def excess_qty(self) -> Qty:
        """What its venue executed beyond what it was asked for, or beyond what it said was all."""
        most = self.whole_qty if self.final_qty is None else min(self.final_qty, self.whole_qty)
        return max(self.cum_qty + self.leaves_qty - most, 0)

    def is_passed_over(self, killed_at: Nanos) -> bool:
        """Say whether it was out when a kill came, got no cancel and did not end; what is UNKNOWN cannot be told."""
        if self.intended_at > killed_at or self.is_unknown or not self.leaves_qty:
            return False
        return self.cancel_asked_at < killed_at

    def close(self, final_qty: Qty) -> None:
        """Note what the venue says it came to."""
        self.final_qty = final_qty
        self.settle()

    def settle(self) -> None:
        """Close it once it is known to have nothing left; it does not open again."""
        most = self.whole_qty if self.final_qty is None else self.final_qty
        if self.cum_qty >= most:
            self.is_open = False


@dataclass(slots=True)
class AuditedParent:
    """A parent with its children and what its events have said so far."""

    order: ParentOrder
    state: ParentState | None
    """For the tables; None once they refused an event."""
    children: dict[str, AuditedChild] = field(default_factory=dict)
    executions: dict[tuple[str, str], Qty] = field(default_factory=dict)
    cum_qty: Qty = 0
    decision_id: str = ""
    excluded: dict[str, str] = field(default_factory=dict)
    """The lanes that the last decision excluded, with the reasons."""
    intended: deque[Nanos] = field(default_factory=deque)
    """When children were intended, within the last second."""
    suspended_at: Nanos | None = None
    done: OrdStatus | None = None
    flagged: str = ""
    """The last execution that was flagged as after its venue's out report."""

    held_qty: Qty = 0
    """What its children have executed and may still execute."""
    excess_qty: Qty = 0
    """What of that venues did beyond what they were asked."""

    def totals(self, cl_ord_id: str) -> tuple[Qty, Qty]:
        """Return what one child holds, and its excess; nothing before it is there."""
        child = self.children.get(cl_ord_id)
        return (0, 0) if child is None else (child.cum_qty + child.leaves_qty, child.excess_qty)

    def move(self, before: tuple[Qty, Qty], after: tuple[Qty, Qty]) -> None:
        """Let one child's totals have become others."""
        self.held_qty += after[0] - before[0]
        self.excess_qty += after[1] - before[1]
