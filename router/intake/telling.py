"""From what happened to a parent and its children to what its client is told.

Rule of this file: a client who adds up executions by exec_id has exactly our cum_qty at every fact. A fill that was
only inferred is told as one; when the real one comes, the inferred is taken back first, as far as it is replaced.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from router.domain.events import (
    ChildIntended,
    ChildTradeCanceled,
    ChildTradeCorrected,
    ChildTraded,
    Event,
    ParentAccepted,
    ParentDone,
    ParentReplaced,
    ParentReplaceRefused,
    ParentResumed,
    ParentSuspended,
)
from router.domain.facts import (
    ExecutionBusted,
    OrderEnded,
    OrderExecuted,
    OrderReplaced,
    OrderResumed,
    OrderSuspended,
)
from router.domain.orders import ParentOrder
from router.domain.units import Nanos, Px, Qty

Told = OrderExecuted | ExecutionBusted | OrderReplaced | OrderEnded | OrderSuspended | OrderResumed


class _Terms(NamedTuple):
    order_qty: Qty
    price: Px | None
    end_at: Nanos


class Teller:
    """What one order's client has been told. `mics` of open children and executions are remembered for it."""

    def __init__(self, order: ParentOrder) -> None:
        self._account, self._parent_id = order.account, order.parent_id
        self._terms = _Terms(order.order_qty, order.price, order.end_at)
        self._mic_of: dict[str, str] = {}
        self._executions: dict[tuple[str, str], tuple[str, Qty, Px]] = {}
        self._inferred: dict[str, list[str]] = {}
        self.cum_qty: Qty = 0

    def packed(self) -> bytes:
        """Return all of it as bytes."""
        children: dict[str, list[str]] = {}
        for cl_ord_id, mic in self._mic_of.items():
            children.setdefault(mic, []).append(cl_ord_id)
        executions = [(mic, exec_id, *done) for (mic, exec_id), done in self._executions.items()]
        inferred = {child: names for child, names in self._inferred.items() if names}
        own = self._account, self._parent_id, self._terms, self.cum_qty
        return msgspec.msgpack.encode((*own, children, executions, inferred))

    @classmethod
    def unpacked(cls, data: bytes) -> Teller:
        """Return what was packed."""
        made = cls.__new__(cls)
        account, parent_id, terms, cum_qty, children, executions, inferred = msgspec.msgpack.decode(data, type=_Packed)
        made._account, made._parent_id, made._terms, made.cum_qty = account, parent_id, terms, cum_qty
        made._mic_of = {cl_ord_id: mic for mic, names in children.items() for cl_ord_id in names}
        made._executions = {(mic, exec_id): (child, qty, px) for mic, exec_id, child, qty, px in executions}
        made._inferred = inferred
        return made

    def mic_of(self, cl_ord_id: str) -> str:
        """Return the venue of a child; empty when it is not known."""
        return self._mic_of.get(cl_ord_id, "")

    def tell(self, event: Event) -> Iterator[Told]:
        """Yield what the client is told of an event, in order."""
        if isinstance(event, ParentAccepted):
            # Its terms may have been changed before it began.
            self._take(event.parent)
        elif isinstance(event, ChildIntended):
            self._mic_of[event.cl_ord_id] = event.child.mic
        elif isinstance(event, ChildTraded):
            yield from self._traded(event)
        elif isinstance(event, ChildTradeCanceled):
            yield from self._amended(event, 0, 0)
        elif isinstance(event, ChildTradeCorrected):
            yield from self._take_back(event)
            yield from self._amended(event, event.last_qty, event.last_px)
        elif isinstance(event, ParentSuspended):
            yield OrderSuspended(at=event.at, account=self._account, parent_id=self._parent_id, reason=event.reason)
        elif isinstance(event, ParentResumed):
            yield OrderResumed(at=event.at, account=self._account, parent_id=self._parent_id)
        elif isinstance(event, ParentReplaced):
            self._take(event.parent)
            yield self._replaced(event, "")
        elif isinstance(event, ParentReplaceRefused):
            yield self._replaced(event, event.reason)
        elif isinstance(event, ParentDone):
            yield OrderEnded(
                at=event.at,
                account=self._account,
                parent_id=self._parent_id,
                ord_status=event.ord_status,
                cum_qty=self.cum_qty,
                reason=event.reason,
            )

    def _take(self, order: ParentOrder) -> None:
        self._terms = _Terms(order.order_qty, order.price, order.end_at)

    def _replaced(self, event: ParentReplaced | ParentReplaceRefused, refused: str) -> OrderReplaced:
        order = self._terms
        return OrderReplaced(
            at=event.at,
            account=self._account,
            parent_id=self._parent_id,
            order_qty=order.order_qty,
            price=order.price,
            end_at=order.end_at,
            refused=refused,
        )

    def _traded(self, event: ChildTraded) -> Iterator[Told]:
        mic = self._mic_of.get(event.cl_ord_id, "")
        yield from self._take_back(event)
        self._executions[mic, event.exec_id] = (event.cl_ord_id, event.last_qty, event.last_px)
        if event.is_inferred:
            self._inferred.setdefault(event.cl_ord_id, []).append(event.exec_id)
        self.cum_qty += event.last_qty
        yield OrderExecuted(
            at=event.at,
            account=self._account,
            parent_id=self._parent_id,
            cl_ord_id=event.cl_ord_id,
            exec_id=event.exec_id,
            mic=mic,
            last_qty=event.last_qty,
            last_px=event.last_px,
            cum_qty=self.cum_qty,
            leaves_qty=self._leaves(),
            last_liquidity_ind=event.last_liquidity_ind,
        )

    def _take_back(self, event: ChildTraded | ChildTradeCorrected) -> Iterator[Told]:
        """Yield what of the inferred fills a real one replaces, oldest first."""
        left = event.replaces_inferred_qty
        names = self._inferred.get(event.cl_ord_id, [])
        mic = self._mic_of.get(event.cl_ord_id, "")
        while left and names:
            _, qty, px = self._executions[mic, names[0]]
            taken = min(left, qty)
            yield self._set(event, names[0], event.exec_id, qty - taken, px if qty > taken else 0)
            left -= taken
            if taken == qty:
                names.pop(0)

    def _amended(self, event: ChildTradeCanceled | ChildTradeCorrected, qty: Qty, px: Px) -> Iterator[Told]:
        mic = self._mic_of.get(event.cl_ord_id, "")
        if (mic, event.exec_ref_id) in self._executions:
            yield self._set(event, event.exec_ref_id, event.exec_id, qty, px)

    def _set(
        self, event: ChildTraded | ChildTradeCanceled | ChildTradeCorrected, ref: str, exec_id: str, qty: Qty, px: Px
    ) -> ExecutionBusted:
        mic = self._mic_of.get(event.cl_ord_id, "")
        child, before, _ = self._executions[mic, ref]
        self._executions[mic, ref] = (child, qty, px)
        self.cum_qty += qty - before
        return ExecutionBusted(
            at=event.at,
            account=self._account,
            parent_id=self._parent_id,
            cl_ord_id=event.cl_ord_id,
            exec_id=exec_id,
            exec_ref_id=ref,
            last_qty=qty,
            last_px=px,
            cum_qty=self.cum_qty,
            leaves_qty=self._leaves(),
        )

    def _leaves(self) -> Qty:
        return max(self._terms.order_qty - self.cum_qty, 0)


_Packed = tuple[str, str, _Terms, int, dict[str, list[str]], list[tuple[str, str, str, int, int]], dict[str, list[str]]]
"""Account, id, terms, cumulative quantity; children by venue; executions; by child, those that were inferred."""

TOLD_OF = (
    ParentAccepted,
    ParentSuspended,
    ParentResumed,
    ParentReplaced,
    ParentReplaceRefused,
    ParentDone,
    ChildIntended,
    ChildTraded,
    ChildTradeCanceled,
    ChildTradeCorrected,
)
"""Events that a teller has to hear."""
