"""The orders of the desk as clients know them: what was asked, what was done, where each stands.

Rule of this file: changed by facts alone. What is over stays, so that its client's id is never taken twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter

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
from router.intake.kept import Kept


class Entry(msgspec.Struct, kw_only=True):
    """One order. `approval_id` is empty once nobody waits to judge it; `change` is what somebody wants of it and a
    person has to judge, and `changes` counts those: their ids go on."""

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
    change: ReplaceAsked | None = None
    changes: int = 0

    @property
    def judged_as(self) -> str:
        """Under which id a person is to judge it or its change; empty: there is nothing to judge."""
        return self.approval_id or (self.change.approval_id if self.change else "")

    @property
    def leaves_qty(self) -> Qty:
        """What may still be executed."""
        return 0 if self.ended else max(self.order.order_qty - self.cum_qty, 0)


class OrderBook:
    """Every order the desk has accepted."""

    def __init__(self) -> None:
        self.orders: Kept[Entry] = Kept(_packed, _unpacked)
        self._by_client: dict[str, dict[str, str]] = {}
        """Of each account, order ids by the client's own."""
        self._open: dict[str, None] = {}
        self.held: dict[str, None] = {}
        """Those that wait for a person's approval."""

    def id_of(self, account: str, client_order_id: str) -> str | None:
        """Return the id of an order by its client's own; None: it is free."""
        return self._by_client.get(account, {}).get(client_order_id)

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
        self._by_client.setdefault(fact.account, {})[fact.order.client_order_id] = fact.parent_id
        self._open[fact.parent_id] = None
        if fact.approval_id:
            self.held[fact.parent_id] = None

    def judged(self, fact: ApprovalJudged) -> None:
        """Nobody waits for it any more."""
        entry = self._entry(fact.parent_id)
        entry.approval_id, entry.change = "", None
        self.held.pop(fact.parent_id, None)

    def asked(self, fact: CancelAsked | ReplaceAsked) -> None:
        """Something about it is under way."""
        entry = self._entry(fact.parent_id)
        if isinstance(fact, CancelAsked):
            entry.is_canceling, entry.change = True, None
        elif fact.approval_id:
            entry.change, entry.changes = fact, entry.changes + 1
        else:
            entry.is_replacing = True

    def replaced(self, fact: OrderReplaced) -> None:
        """Its terms are these."""
        entry = self._entry(fact.parent_id)
        entry.is_replacing = False
        if not fact.refused:
            entry.order = msgspec.structs.replace(
                entry.order, order_qty=fact.order_qty, price=fact.price, end_at=fact.end_at
            )

    def executed(self, fact: OrderExecuted | ExecutionBusted) -> None:
        """It stands where the fact says."""
        self._entry(fact.parent_id).cum_qty = fact.cum_qty

    def suspended(self, fact: OrderSuspended | OrderResumed) -> None:
        """It stays open; what it waits for, or no longer does, is a person."""
        self._entry(fact.parent_id).is_suspended = isinstance(fact, OrderSuspended)

    def ended(self, fact: OrderEnded) -> None:
        """It is over."""
        entry = self._entry(fact.parent_id)
        entry.ended, entry.approval_id, entry.change = fact.ord_status, "", None
        self._open.pop(fact.parent_id, None)
        self.held.pop(fact.parent_id, None)
        self.orders.settle(fact.parent_id)

    def _entry(self, parent_id: str) -> Entry:
        entry = self.orders.to_change(parent_id)
        if entry is None:
            raise KeyError(parent_id)
        return entry


class _PackedOrder(ParentOrder, frozen=True, gc=False, kw_only=True, array_like=True):
    """A parent order without the names of its fields."""


class _PackedEntry(Entry, kw_only=True, array_like=True):
    """An entry without the names of its fields."""

    order: _PackedOrder


_encoder, _decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(_PackedEntry)
_values_of, _ORDER = attrgetter(*_PackedEntry.__struct_fields__), _PackedEntry.__struct_fields__.index("order")


def _packed(entry: Entry) -> bytes:
    values = list(_values_of(entry))
    values[_ORDER] = msgspec.structs.astuple(entry.order)
    return _encoder.encode(values)


def _unpacked(data: bytes) -> Entry:
    made = _decoder.decode(data)
    order = ParentOrder(**msgspec.structs.asdict(made.order))
    return Entry(**{**msgspec.structs.asdict(made), "order": order})
