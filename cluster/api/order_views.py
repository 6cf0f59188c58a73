"""Orders as clients see them: what the facts about each have made of it.

Rule of this file: an order's facts come in the order of the journal's offsets. Open orders stay; closed ones leave
memory oldest first, and their place in the journal is kept instead.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from router.domain import facts
from router.domain.enums import OrdStatus
from router.domain.orders import ParentOrder
from router.domain.units import Nanos, Px, Qty

TOLD_MAX = 10_000
"""Orders answered for and not yet seen in the journal: the follower is never that far behind while it lives."""


class OrderView(msgspec.Struct, kw_only=True):
    """One order. `value` is the sum of price times quantity of its executions, in Px, -1 where a late bust left it
    unknown; `version` counts its facts."""

    order: ParentOrder
    offset: int
    """Of the record that accepted it; -1: answered for, and its record not seen yet."""
    accepted_at: Nanos
    updated_at: Nanos
    who: str
    approval_id: str = ""
    waits_for_approval: bool = False
    ord_status: OrdStatus = OrdStatus.NEW
    cum_qty: Qty = 0
    value: int = 0
    reason: str = ""
    version: int = 1
    is_suspended: bool = False
    asked: facts.ReplaceAsked | None = None
    change: facts.ReplaceAsked | None = None
    """What a person has to judge; until then the order goes on as it is."""
    executions: dict[tuple[str, str], tuple[Qty, Px]] = {}
    """While it is open: what a bust or a correction may speak of, by child and execution."""

    @property
    def is_open(self) -> bool:
        """Whether it is not over."""
        return self.ord_status not in CLOSED

    @property
    def leaves_qty(self) -> Qty:
        """What may still fill."""
        return max(self.order.order_qty - self.cum_qty, 0) if self.is_open else 0

    @property
    def key(self) -> tuple[str, str]:
        """The account and the client's own id."""
        return self.order.account, self.order.client_order_id


CLOSED: Final = (
    OrdStatus.FILLED,
    OrdStatus.CANCELED,
    OrdStatus.EXPIRED,
    OrdStatus.REJECTED,
    OrdStatus.DONE_FOR_DAY,
)


class Archived(NamedTuple):
    """A closed order that left memory: where it was accepted, and how it ended."""

    offset: int
    ord_status: OrdStatus
    cum_qty: Qty
    value: int
    updated_at: Nanos
    version: int
    reason: str


class _Account:
    """One account's orders: all in memory by offset, those that are open, and its clients' ids."""

    def __init__(self) -> None:
        self.offsets: list[int] = []
        self.open: dict[int, OrderView] = {}
        self.gone = 0
        """How many of `offsets` are of orders that left memory."""


class OrderBook:
    """Every order that a door knows of."""

    def __init__(self, closed_max: int, archive_max: int) -> None:
        self._by_id: dict[str, OrderView] = {}
        self._by_offset: dict[int, OrderView] = {}
        self._by_client: dict[tuple[str, str], str] = {}
        self._accounts: dict[str, _Account] = {}
        self._closed: OrderedDict[str, None] = OrderedDict()
        self._closed_max = closed_max
        self._archive: OrderedDict[str, Archived] = OrderedDict()
        self._archive_max = archive_max
        self._told: OrderedDict[str, OrderView] = OrderedDict()
        self.waiting: dict[str, OrderView] = {}
        """The orders that wait for a person, oldest first."""

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, parent_id: str) -> OrderView | None:
        """Return an order that is in memory."""
        return self._by_id.get(parent_id) or self._told.get(parent_id)

    def id_of(self, account: str, client_order_id: str) -> str | None:
        """Return the id of an order by its client's own."""
        return self._by_client.get((account, client_order_id))

    def archived(self, parent_id: str) -> Archived | None:
        """Return where an order that left memory is."""
        return self._archive.get(parent_id)

    def tell(self, view: OrderView) -> None:
        """Show an order that was answered for before its record comes; it is durable already."""
        parent_id = view.order.parent_id
        if parent_id not in self._by_id and parent_id not in self._archive:
            self._told[parent_id] = view
            self._by_client[view.key] = parent_id
            if len(self._told) > TOLD_MAX:
                self._told.popitem(last=False)

    def open_orders(self, accounts: Iterable[str] | None = None) -> Iterator[OrderView]:
        """Yield the open orders of accounts (None: of all), oldest first."""
        return heapq.merge(*(self._accounts[a].open.values() for a in self._known(accounts)), key=_offset)

    def newest(self, accounts: Iterable[str] | None, before: int | None, is_open: bool = False) -> Iterator[OrderView]:
        """Yield the orders in memory, newest first, from offset `before` (exclusive) down; None: from the newest."""
        return heapq.merge(
            *(self._newest_of(self._accounts[a], before, is_open) for a in self._known(accounts)),
            key=_offset,
            reverse=True,
        )

    def apply(self, offset: int, fact: Any) -> None:
        """Take a fact about an order; one about an order that is not known changes nothing."""
        if isinstance(fact, facts.OrderAccepted):
            self._accept(offset, fact)
            return
        view = self._by_id.get(fact.parent_id)
        if view is None:
            return
        was_open = view.is_open
        _APPLY[type(fact)](view, fact)
        if view.waits_for_approval or view.change is not None:
            self.waiting.setdefault(fact.parent_id, view)
        else:
            self.waiting.pop(fact.parent_id, None)
        view.updated_at = fact.at
        view.version += 1
        if was_open and not view.is_open:
            self._close(view)

    def _known(self, accounts: Iterable[str] | None) -> list[str]:
        return [a for a in (self._accounts if accounts is None else accounts) if a in self._accounts]

    def _newest_of(self, account: _Account, before: int | None, is_open: bool) -> Iterator[OrderView]:
        if is_open:
            yield from (v for o, v in reversed(account.open.items()) if before is None or o < before)
            return
        end = len(account.offsets) if before is None else bisect_left(account.offsets, before)
        for i in range(end - 1, -1, -1):
            view = self._by_offset.get(account.offsets[i])
            if view is not None:
                yield view

    def _accept(self, offset: int, fact: facts.OrderAccepted) -> None:
        view = OrderView(
            order=fact.order,
            offset=offset,
            accepted_at=fact.at,
            updated_at=fact.at,
            who=fact.who,
            approval_id=fact.approval_id,
            waits_for_approval=bool(fact.approval_id),
        )
        parent_id = fact.parent_id
        self._told.pop(parent_id, None)
        self._by_id[parent_id] = self._by_offset[offset] = view
        self._by_client[view.key] = parent_id
        account = self._accounts.setdefault(fact.account, _Account())
        account.offsets.append(offset)
        account.open[offset] = view
        if view.waits_for_approval:
            self.waiting[parent_id] = view

    def _close(self, view: OrderView) -> None:
        self._accounts[view.order.account].open.pop(view.offset, None)
        view.executions = {}
        self._closed[view.order.parent_id] = None
        if len(self._closed) > self._closed_max:
            self._forget(self._closed.popitem(last=False)[0])

    def _forget(self, parent_id: str) -> None:
        view = self._by_id.pop(parent_id)
        del self._by_offset[view.offset]
        account = self._accounts[view.order.account]
        account.gone += 1
        if account.gone > len(account.offsets) // 2:
            account.offsets = [offset for offset in account.offsets if offset in self._by_offset]
            account.gone = 0
        self._archive[parent_id] = Archived(
            view.offset, view.ord_status, view.cum_qty, view.value, view.updated_at, view.version, view.reason
        )
        if len(self._archive) > self._archive_max:
            self._archive.popitem(last=False)
        # The client's id of an order that is only in the journal is found there, by asking the desk for it again.
        if self._by_client.get(view.key) == parent_id:
            del self._by_client[view.key]


def _offset(view: OrderView) -> int:
    return view.offset


def _worked(view: OrderView) -> OrdStatus:
    """Return where an open order stands when nothing is being asked of it."""
    if view.is_suspended:
        return OrdStatus.SUSPENDED
    return OrdStatus.PARTIALLY_FILLED if view.cum_qty else OrdStatus.NEW


def _judged(view: OrderView, fact: facts.ApprovalJudged) -> None:
    if view.change is not None:
        view.change = None
        return  # what was asked for comes again, or that the terms stay
    view.waits_for_approval = False
    if not fact.is_approved:
        view.ord_status, view.reason = OrdStatus.REJECTED, fact.why


def _cancel(view: OrderView, fact: facts.CancelAsked) -> None:
    view.change = None
    if view.is_open:
        view.ord_status, view.reason = OrdStatus.PENDING_CANCEL, fact.reason


def _ask_replace(view: OrderView, fact: facts.ReplaceAsked) -> None:
    if view.is_open and view.ord_status is not OrdStatus.PENDING_CANCEL:
        view.ord_status = OrdStatus.PENDING_REPLACE
    if fact.approval_id:
        view.change, view.approval_id = fact, fact.approval_id
    else:
        view.asked = fact


def _replaced(view: OrderView, fact: facts.OrderReplaced) -> None:
    order, asked = view.order, view.asked
    changes: dict[str, Any] = {"order_qty": fact.order_qty, "price": fact.price, "end_at": fact.end_at}
    if asked is not None and not fact.refused:
        named = {"urgency": asked.urgency, "max_participation": asked.max_participation}
        changes |= {name: value for name, value in named.items() if value is not None}
    view.order, view.asked, view.reason = msgspec.structs.replace(order, **changes), None, fact.refused
    if view.ord_status is OrdStatus.PENDING_REPLACE:
        view.ord_status = _worked(view)


def _executed(view: OrderView, fact: facts.OrderExecuted) -> None:
    view.cum_qty = fact.cum_qty
    if view.value >= 0:
        view.value += fact.last_qty * fact.last_px
    if view.is_open:
        view.executions[fact.cl_ord_id, fact.exec_id] = fact.last_qty, fact.last_px
        if view.ord_status in (OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED):
            view.ord_status = _worked(view)


def _busted(view: OrderView, fact: facts.ExecutionBusted) -> None:
    before = view.executions.get((fact.cl_ord_id, fact.exec_ref_id))
    view.cum_qty = fact.cum_qty
    if before is None:
        view.value = -1
    elif view.value >= 0:
        view.value += fact.last_qty * fact.last_px - before[0] * before[1]
    if view.is_open:
        view.executions[fact.cl_ord_id, fact.exec_ref_id] = fact.last_qty, fact.last_px
        if view.ord_status in (OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED):
            view.ord_status = _worked(view)


def _suspended(view: OrderView, fact: facts.OrderSuspended) -> None:
    if view.is_open:
        view.is_suspended = True
        view.ord_status, view.reason = OrdStatus.SUSPENDED, fact.reason


def _resumed(view: OrderView, fact: facts.OrderResumed) -> None:
    view.is_suspended = False
    if view.ord_status is OrdStatus.SUSPENDED:
        view.ord_status, view.reason = _worked(view), ""


def _ended(view: OrderView, fact: facts.OrderEnded) -> None:
    view.ord_status, view.cum_qty, view.reason = fact.ord_status, fact.cum_qty, fact.reason
    view.waits_for_approval, view.change = False, None


_APPLY: Final[dict[type, Any]] = {
    facts.ApprovalJudged: _judged,
    facts.CancelAsked: _cancel,
    facts.ReplaceAsked: _ask_replace,
    facts.OrderReplaced: _replaced,
    facts.OrderExecuted: _executed,
    facts.ExecutionBusted: _busted,
    facts.OrderSuspended: _suspended,
    facts.OrderResumed: _resumed,
    facts.OrderEnded: _ended,
}
