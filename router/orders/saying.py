"""What follows from an event for the world outside: commands for venues, outcomes for learners.

Rule of this file: pure functions of the event and the state after it, so that a host that comes back from its journal
says exactly what it said before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from router.domain.enums import OrdStatus, OutcomeKind, Side
from router.domain.events import (
    ChildCancelRequested,
    ChildIntended,
    ChildOut,
    ChildQueried,
    ChildReconciled,
    ChildRejected,
    ChildReplaced,
    ChildReplaceRequested,
    ChildTradeCorrected,
    ChildTraded,
    ChildWatched,
    Event,
    MarkoutObserved,
)
from router.domain.orders import (
    Command,
    NewOrderSingle,
    OrderCancelReplaceRequest,
    OrderCancelRequest,
    OrderStatusRequest,
)
from router.domain.scores import Outcome
from router.domain.units import MICROS_PER_PX, Nanos, Qty
from router.orders.child import ChildState
from router.orders.parent import ParentState

_KIND_OF_END = {
    OrdStatus.CANCELED: OutcomeKind.CANCEL,
    OrdStatus.EXPIRED: OutcomeKind.EXPIRE,
    OrdStatus.REJECTED: OutcomeKind.REJECT,
}


_REQUESTS = (ChildCancelRequested, ChildQueried, ChildReplaceRequested)

ASKED = frozenset({ChildIntended, *_REQUESTS})
"""The events that a command performs."""


def command_of(state: ParentState, event: Event) -> Command | None:
    """Return the command that performs `event`; None for events that only record."""
    if isinstance(event, ChildIntended):
        return NewOrderSingle(event.child)
    if not isinstance(event, _REQUESTS):
        return None
    mic, parent_id = state.children[event.cl_ord_id].child.mic, event.parent_id
    ids = {"mic": mic, "cl_ord_id": event.request_id, "orig_cl_ord_id": event.cl_ord_id, "parent_id": parent_id}
    if isinstance(event, ChildCancelRequested):
        return OrderCancelRequest(**ids)
    if isinstance(event, ChildQueried):
        return OrderStatusRequest(**ids)
    return OrderCancelReplaceRequest(**ids, order_qty=event.order_qty, price=event.price)


def outcome_of(state: ParentState, event: Event, was_open: bool, watched_from: Nanos) -> Outcome | None:
    """Return what learners hear of `event`, applied to `state` already; None when nothing.

    `was_open` says whether the child was open before it, `watched_from` up to which age its exposure had been told.
    """
    tell = TOLD.get(type(event))
    return None if tell is None else tell(state, event, was_open, watched_from)


def _outcome(
    child: ChildState,
    kind: OutcomeKind,
    at: Nanos,
    age_from: Nanos,
    age_to: Nanos,
    *,
    leaves_qty: Qty | None = None,
    is_final: bool | None = None,
    filled_qty: Qty = 0,
    exec_id: str = "",
    price_bps: float = 0.0,
    fee_bps: float = 0.0,
    horizon_ns: Nanos = 0,
    markout_bps: float = 0.0,
) -> Outcome:
    """Return an outcome of a child; by default with what is open of it now, and final once it is closed."""
    order = child.child
    return Outcome(
        kind=kind,
        at=at,
        parent_id=order.parent_id,
        decision_id=order.decision_id,
        cl_ord_id=order.cl_ord_id,
        lane=order.lane,
        side=order.side,
        order_qty=_most(child),
        leaves_qty=child.leaves_qty if leaves_qty is None else leaves_qty,
        cum_qty=child.cum_qty,
        age_from_ns=age_from,
        age_to_ns=age_to if age_to > age_from else age_from,
        is_final=not child.is_open if is_final is None else is_final,
        filled_qty=filled_qty,
        exec_id=exec_id,
        price_bps=price_bps,
        fee_bps=fee_bps,
        horizon_ns=horizon_ns,
        markout_bps=markout_bps,
        x=child.x,
        arm=child.arm,
    )


def _most(child: ChildState) -> Qty:
    """Return what was exposed: a child's first quantity, or the larger one that it was firmed up to."""
    first, now = child.child.order_qty, child.order_qty
    return first if first >= now else now


def _traded(state: ParentState, event: ChildTraded, was_open: bool, watched_from: Nanos) -> Outcome | None:
    child, qty = state.children[event.cl_ord_id], event.last_qty - event.replaces_inferred_qty
    if qty <= 0:
        return None
    mid = child.mid_routed2 / 2
    sign = child.child.side.sign
    notional = event.last_px * event.last_qty * MICROS_PER_PX
    transacted = event.transacted_at or event.at
    # A fill that comes after the end was no exposure: all of the child's life has been told by then.
    age_to = transacted - child.intended_at if was_open else watched_from
    return _outcome(
        child,
        OutcomeKind.FILL,
        event.at,
        watched_from,
        age_to,
        leaves_qty=child.leaves_qty + qty,
        filled_qty=qty,
        is_final=was_open and not child.is_open,
        exec_id=event.exec_id,
        price_bps=sign * (mid - event.last_px) / mid * 1e4 if mid else 0.0,
        fee_bps=event.fee_micros / notional * 1e4,
    )


_MayEnd = ChildOut | ChildRejected | ChildReconciled | ChildReplaced | ChildTradeCorrected


def _ended(state: ParentState, event: _MayEnd, was_open: bool, watched_from: Nanos) -> Outcome | None:
    """Return the end of a child, as of the venue's time of it, or of when we heard of it where it gave none."""
    child = state.children[event.cl_ord_id]
    if child.is_open or not was_open:
        return None
    # A status answer carries the time of the query, not of the end, so only an out report dates it.
    ended_at = (event.transacted_at if isinstance(event, ChildOut) else 0) or event.at
    kind = _KIND_OF_END.get(child.status, OutcomeKind.FILL)
    age_to = ended_at - child.intended_at
    order = child.child
    if order.expire_time is not None:
        # What happened after its end, by the venue's clock, was no exposure.
        age_to = min(age_to, order.expire_time - child.intended_at)
    return _outcome(child, kind, event.at, watched_from, age_to, leaves_qty=_most(child) - child.cum_qty)


def _watched(state: ParentState, event: ChildWatched, was_open: bool, watched_from: Nanos) -> Outcome:
    child = state.children[event.cl_ord_id]
    return _outcome(child, OutcomeKind.HEARTBEAT, event.at, watched_from, event.at - child.intended_at)


def _markout(state: ParentState, event: MarkoutObserved, was_open: bool, watched_from: Nanos) -> Outcome | None:
    child = state.children[event.cl_ord_id]
    if not event.exec_id:
        return _leak(state, child, event)
    execution = child.executions.get(event.exec_id)
    if execution is None or not execution.qty:
        return None
    sign = 1 if child.child.side is Side.BUY else -1
    markout = sign * (event.mid2 / 2 - execution.px) / execution.px * 1e4
    mid = child.mid_routed2 / 2
    return _outcome(
        child,
        OutcomeKind.MARKOUT,
        event.at,
        0,
        0,
        filled_qty=execution.qty,
        is_final=False,
        exec_id=event.exec_id,
        price_bps=sign * (mid - execution.px) / mid * 1e4 if mid else 0.0,
        horizon_ns=event.horizon_ns,
        markout_bps=markout,
    )


def _leak(state: ParentState, child: ChildState, event: MarkoutObserved) -> Outcome | None:
    """Return what asking for a quote did to the price that the rest of the parent meets: away from us is bad."""
    mid = child.mid_routed2
    if not mid:
        return None
    sign = 1 if child.child.side is Side.BUY else -1
    return _outcome(
        child,
        OutcomeKind.MARKOUT,
        event.at,
        0,
        0,
        # Nobody is hurt by a price at which nothing more is to be traded.
        leaves_qty=max(state.parent.order_qty - state.cum_qty, 0) if state.is_open else 0,
        is_final=False,
        horizon_ns=event.horizon_ns,
        markout_bps=-sign * (event.mid2 - mid) / mid * 1e4,
    )


TOLD: dict[type, Callable[[ParentState, Any, bool, Nanos], Outcome | None]] = {
    ChildTraded: _traded,
    **dict.fromkeys((ChildOut, ChildRejected, ChildReconciled, ChildReplaced, ChildTradeCorrected), _ended),
    ChildWatched: _watched,
    MarkoutObserved: _markout,
}
"""The events that learners may hear of, each with what they hear."""
