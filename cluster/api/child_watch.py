"""What a door knows of children while they are open: how long they took, and of which nobody knows what became.

Rule of this file: times are the journal's own, in the market's time. A child is kept while it may still execute and an
order while it is open, so that memory follows what is open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from router.domain import codec
from router.domain import events as ev
from router.domain.units import SECOND, Nanos, Qty
from router.orders.child import CLOSED
from router.orders.journal import Record


class Unknown(NamedTuple):
    """A child of which the venue has not said what became of it, and since when."""

    parent_id: str
    child_id: str
    mic: str
    since: Nanos


class _Child(msgspec.Struct):
    mic: str
    qty: Qty
    sent_at: Nanos = 0
    """0: it was not sent, or it was acknowledged."""
    cum_qty: Qty = 0
    asked_qty: Qty = 0
    """Of a replace that the venue may have made already; 0 without one."""
    out_qty: Qty = -1
    """What the venue says it executed in all, of a child that is out; -1: it is not."""


class ChildWatch:
    """Every open child. `decided` hears how long an order waited for its first child, `round_trip` with its MIC how
    long a child waited for its venue's word."""

    def __init__(self) -> None:
        self._open: dict[str, dict[str, _Child]] = {}
        self._unknown: dict[str, Unknown] = {}
        self.decided: Callable[[str, Nanos], object] = lambda parent_id, at: None
        self.round_trip: Callable[[str, float], object] = lambda mic, seconds: None

    def apply(self, record: Record) -> None:
        """Take a record of one of `KINDS`.

        Raises:
            CodecError: the payload is not what its kind says.
        """
        event: Any = codec.decode_event(record.payload)
        if isinstance(event, ev.ChildIntended):
            self._intend(event)
        elif isinstance(event, ev.ParentDone):
            for child_id in self._open.pop(event.parent_id, ()):
                self._unknown.pop(child_id, None)
        else:
            child = self._open.get(event.parent_id, {}).get(event.cl_ord_id)
            if child is not None:
                _TAKERS[type(event)](self, child, event)

    def unknown(self) -> Iterator[Unknown]:
        """Yield the children of which nobody knows what became of them, longest first."""
        return iter(self._unknown.values())

    @property
    def unknown_count(self) -> int:
        """How many they are."""
        return len(self._unknown)

    def _intend(self, event: ev.ChildIntended) -> None:
        children = self._open.get(event.parent_id)
        if children is None:
            children = self._open[event.parent_id] = {}
            self.decided(event.parent_id, event.at)
        children[event.cl_ord_id] = _Child(event.child.mic, event.child.order_qty)

    def _send(self, child: _Child, event: ev.ChildSent) -> None:
        child.sent_at = event.at

    def _acknowledge(self, child: _Child, event: ev.ChildAcknowledged) -> None:
        self._answered(child, event.at)
        self._known(event.cl_ord_id)

    def _trade(self, child: _Child, event: ev.ChildTraded) -> None:
        self._answered(child, event.at)
        child.cum_qty += event.last_qty - event.replaces_inferred_qty
        self._settle(child, event)

    def _reject(self, child: _Child, event: ev.ChildRejected) -> None:
        self._answered(child, event.at)
        self._close(event)

    def _out(self, child: _Child, event: ev.ChildOut) -> None:
        self._answered(child, event.at)
        self._end(child, event)

    def _reconcile(self, child: _Child, event: ev.ChildReconciled) -> None:
        if event.ord_status in CLOSED:
            self._end(child, event)
            return
        if event.order_qty and event.order_qty == child.asked_qty:
            child.qty, child.asked_qty = event.order_qty, 0
        self._known(event.cl_ord_id)

    def _ask_replace(self, child: _Child, event: ev.ChildReplaceRequested) -> None:
        child.asked_qty = event.order_qty

    def _replace(self, child: _Child, event: ev.ChildReplaced) -> None:
        child.qty, child.asked_qty = event.order_qty, 0
        self._known(event.cl_ord_id)
        self._settle(child, event)

    def _refuse(self, child: _Child, event: ev.ChildRequestRefused) -> None:
        child.asked_qty = 0
        self._settle(child, event)

    def _end(self, child: _Child, event: ev.ChildOut | ev.ChildReconciled) -> None:
        child.out_qty = event.cum_qty
        if child.cum_qty < event.cum_qty:
            # The venue counts fills that have not reached us.
            self._lose(child, event)
        self._settle(child, event)

    def _settle(self, child: _Child, event: Any) -> None:
        """Let a child go that cannot execute any more."""
        most = max(child.qty, child.asked_qty) if child.out_qty < 0 else child.out_qty
        if child.cum_qty >= most:
            self._close(event)

    def _lose(self, child: _Child, event: ev.ChildLost | ev.ChildOut | ev.ChildReconciled) -> None:
        lost = Unknown(event.parent_id, event.cl_ord_id, child.mic, event.at)
        self._unknown.setdefault(event.cl_ord_id, lost)

    def _answered(self, child: _Child, at: Nanos) -> None:
        """The venue's first word, whichever it is: a fill may overtake the acknowledgement."""
        if child.sent_at:
            self.round_trip(child.mic, (at - child.sent_at) / SECOND)
            child.sent_at = 0

    def _known(self, child_id: str) -> None:
        self._unknown.pop(child_id, None)

    def _close(self, event: Any) -> None:
        self._known(event.cl_ord_id)
        # The order stays until it is over: its next child is not its first.
        self._open[event.parent_id].pop(event.cl_ord_id, None)


_TAKERS: Final[dict[type, Callable[[ChildWatch, _Child, Any], None]]] = {
    ev.ChildSent: ChildWatch._send,
    ev.ChildAcknowledged: ChildWatch._acknowledge,
    ev.ChildTraded: ChildWatch._trade,
    ev.ChildRejected: ChildWatch._reject,
    ev.ChildOut: ChildWatch._out,
    ev.ChildReconciled: ChildWatch._reconcile,
    ev.ChildReplaceRequested: ChildWatch._ask_replace,
    ev.ChildReplaced: ChildWatch._replace,
    ev.ChildRequestRefused: ChildWatch._refuse,
    ev.ChildLost: ChildWatch._lose,
}

KINDS: Final = frozenset(kind.__name__ for kind in (ev.ChildIntended, ev.ParentDone, *_TAKERS))
"""The kinds of records that it takes."""
