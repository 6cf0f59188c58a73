"""The orders of the desk as clients know them: what was asked, what was done, where each stands.

Rule of this file: changed by facts alone. What is over stays, so that its client's id is never taken twice.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from router.domain.enums import OrdStatus
from router.domain.facts import (
    ApprovalJudged,
    CancelAsked,
    ExecutionBusted,
    OrderAccepted,
    OrderEnded,
    OrderExecuted,
    OrderReplaced,
    OrderResumed,
    OrderSuspended,
    ReplaceAsked,
)
from router.domain.orders import ParentOrder
from router.domain.units import Qty


class Entry(msgspec.Struct, kw_only=True):
    """One order. `approval_id` is empty once nobody waits to judge it."""

    order: ParentOrder
    body_hash: str
    who: str
    correlation_id: str
    approval_id: str
    cum_qty: Qty = 0
    is_canceling: bool = False
    is_replacing: bool = False
    is_suspended: bool = False
    ended: OrdStatus | None = None

    @property
    def leaves_qty(self) -> Qty:
        """What may still be executed."""
        return 0 if self.ended else max(self.order.order_qty - self.cum_qty, 0)


class OrderBook:
    """Every order the desk has accepted."""

    def __init__(self) -> None:
        self.orders: dict[str, Entry] = {}
        self.by_client: dict[tuple[str, str], str] = {}
        self._open: dict[str, None] = {}
        self.held: dict[str, None] = {}
        """Those that wait for a person's approval."""

    def open(self, account: str = "", symbol: str = "") -> Iterator[tuple[str, Entry]]:
        """Yield (id, order) of what is open, oldest first, of one account and symbol where they are given."""
        for parent_id in tuple(self._open):
            entry = self.orders[parent_id]
            if account in ("", entry.order.account) and symbol in ("", entry.order.symbol):
                yield parent_id, entry

    def accepted(self, fact: OrderAccepted, correlation_id: str) -> None:
        """An order is there."""
        self.orders[fact.parent_id] = Entry(
            order=fact.order,
            body_hash=fact.body_hash,
            who=fact.who,
            correlation_id=correlation_id,
            approval_id=fact.approval_id,
        )
        self.by_client[fact.account, fact.order.client_order_id] = fact.parent_id
        self._open[fact.parent_id] = None
        if fact.approval_id:
            self.held[fact.parent_id] = None

    def judged(self, fact: ApprovalJudged) -> None:
        """Nobody waits for it any more."""
        self.orders[fact.parent_id].approval_id = ""
        self.held.pop(fact.parent_id, None)

    def asked(self, fact: CancelAsked | ReplaceAsked) -> None:
        """Something about it is under way."""
        entry = self.orders[fact.parent_id]
        if isinstance(fact, CancelAsked):
            entry.is_canceling = True
        else:
            entry.is_replacing = True

    def replaced(self, fact: OrderReplaced) -> None:
        """Its terms are these."""
        entry = self.orders[fact.parent_id]
        entry.is_replacing = False
        if not fact.refused:
            entry.order = msgspec.structs.replace(
                entry.order, order_qty=fact.order_qty, price=fact.price, end_at=fact.end_at
            )

    def executed(self, fact: OrderExecuted | ExecutionBusted) -> None:
        """It stands where the fact says."""
        self.orders[fact.parent_id].cum_qty = fact.cum_qty

    def suspended(self, fact: OrderSuspended | OrderResumed) -> None:
        """It stays open; what it waits for, or no longer does, is a person."""
        self.orders[fact.parent_id].is_suspended = isinstance(fact, OrderSuspended)

    def ended(self, fact: OrderEnded) -> None:
        """It is over."""
        entry = self.orders[fact.parent_id]
        entry.ended, entry.approval_id = fact.ord_status, ""
        self._open.pop(fact.parent_id, None)
        self.held.pop(fact.parent_id, None)
