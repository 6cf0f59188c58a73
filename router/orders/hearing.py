"""From what a venue says, and what it fails to say in time, to events: the decisions that need no market.

Rule of this file: it reads state and returns events; it changes nothing. Whatever a venue sends (twice, late, out of
order, for orders that are not ours) gives legal events or a `ReportIgnored` with a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from router.domain.enums import ExecType, OrdStatus, TimeInForce
from router.domain.events import (
    ChildAcknowledged,
    ChildAmendedEarly,
    ChildCancelRequested,
    ChildInvited,
    ChildLost,
    ChildOut,
    ChildQueried,
    ChildReconciled,
    ChildRejected,
    ChildReplaced,
    ChildReplaceRequested,
    ChildRequestRefused,
    ChildTradeCanceled,
    ChildTradeCorrected,
    ChildTraded,
    Event,
    ReportIgnored,
)
from router.domain.ids import INFERRED, inferred_exec_id, request_id
from router.domain.reports import ExecutionReport, OrderCancelReject, Report
from router.domain.units import Nanos, Qty
from router.orders.child import AWAITING, TABLE, ChildState
from router.orders.executions import EARLY_MAX, Early, InferredLot, counted_already, missing_px, take_inferred
from router.orders.parent import ParentState

S = OrdStatus
QUERIES_MAX = 50
"""Status queries for one child without an answer: beyond it only a person can tell, and its quantity stays bound."""


_IMMEDIATE = frozenset({TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL})
_NOT_SENT = frozenset({S.UNKNOWN, S.INTENDED})
_SILENT = AWAITING | _NOT_SENT
"""States in which nothing but an answer of the venue can tell what became of a child."""


def hear(state: ParentState, report: Report, now: Nanos) -> list[Event]:
    """Return the events that `report`, which reached us at `now`, makes of this parent's state."""
    if isinstance(report, OrderCancelReject):
        return _refused(state, report, now)
    child_id = report.orig_cl_ord_id if report.exec_type is ExecType.REPLACED else report.cl_ord_id
    child = state.children.get(child_id)
    if child is None or child.child.mic != report.mic:
        return [_ignored(state, report, now, "UNKNOWN_ORDER")]
    said = _SAID.get(report.exec_type)
    if said is None:
        return [_ignored(state, report, now, "DUPLICATE")]
    events = said(state, child, report, now)
    first = type(events[0])
    if first is ReportIgnored or (child.status, first) in TABLE:
        return events
    return [_ignored(state, report, now, "OUT_OF_TURN")]


def _ignored(state: ParentState, report: ExecutionReport, now: Nanos, reason: str) -> ReportIgnored:
    return ReportIgnored(
        parent_id=state.parent.parent_id, at=now, mic=report.mic, exec_id=report.exec_id, reason=reason
    )


def _acknowledged(state: ParentState, child: ChildState, report: ExecutionReport, now: Nanos) -> list[Event]:
    if not child.is_open or child.order_id:
        return [_ignored(state, report, now, "DUPLICATE")]
    return [
        ChildAcknowledged(
            parent_id=state.parent.parent_id, at=now, cl_ord_id=report.cl_ord_id, order_id=report.order_id
        )
    ]


def _invited(state: ParentState, child: ChildState, report: ExecutionReport, now: Nanos) -> list[Event]:
    """Note an invitation to firm up, or that one is over; heard twice, it counts once."""
    if not child.is_open or report.exec_id in child.invitations:
        return [_ignored(state, report, now, "DUPLICATE")]
    return [
        ChildInvited(
            parent_id=state.parent.parent_id,
            at=now,
            cl_ord_id=report.cl_ord_id,
            exec_id=report.exec_id,
            invited_qty=max(report.invited_qty, 0),
            text=report.text,
        )
    ]


def _traded(state: ParentState, child: ChildState, report: ExecutionReport, now: Nanos) -> list[Event]:
    if (report.mic, report.exec_id) in state.exec_ids:
        return [_ignored(state, report, now, "DUPLICATE")]
    if report.last_qty < 1 or report.last_px < 1 or report.exec_id.startswith(INFERRED):
        return [_ignored(state, report, now, "BAD_EXECUTION")]
    # I8: what executed after the venue's own out report is booked all the same, and flagged.
    is_after_out = 0 < child.out_at < report.transact_time
    flags: list[Event] = [_ignored(state, report, now, "EXECUTED_AFTER_OUT")] if is_after_out else []
    request = child.request
    if isinstance(request, ChildReplaceRequested) and child.order_qty < report.order_qty == request.order_qty:
        # The execution overtook the REPLACED report: the venue has the larger quantity already.
        flags += _replaced_by(state, child, request, request.order_qty, now)
    return [
        *flags,
        ChildTraded(
            parent_id=state.parent.parent_id,
            at=now,
            cl_ord_id=report.cl_ord_id,
            exec_id=report.exec_id,
            last_qty=report.last_qty,
            last_px=report.last_px,
            fee_micros=report.fee_micros,
            last_liquidity_ind=report.last_liquidity_ind,
            transacted_at=report.transact_time,
            replaces_inferred_qty=min(child.inferred_qty, report.last_qty),
            is_late=not child.is_open,
        ),
        *_amended_before(state, child, report, now),
    ]


def _out(state: ParentState, child: ChildState, report: ExecutionReport, now: Nanos) -> list[Event]:
    if not child.is_open or child.closing is not None:
        return [_ignored(state, report, now, "DUPLICATE")]
    status = S.CANCELED if report.exec_type is ExecType.CANCELED else S.EXPIRED
    return [
        ChildOut(
            parent_id=state.parent.parent_id,
            at=now,
            cl_ord_id=report.cl_ord_id,
            ord_status=status,
            cum_qty=report.cum_qty,
            text=report.text,
            transacted_at=report.transact_time,
        )
    ]


def _rejected(state: ParentState, child: ChildState, report: ExecutionReport, now: Nanos) -> list[Event]:
    if child.status not in (S.PENDING_NEW, S.UNKNOWN) or child.cum_qty:
        return [_ignored(state, report, now, "DUPLICATE" if child.status is S.REJECTED else "TOO_LATE_REJECT")]
    return [ChildRejected(parent_id=state.parent.parent_id, at=now, cl_ord_id=report.cl_ord_id, text=report.text)]


def _replaced(state: ParentState, child: ChildState, report: ExecutionReport, now: Nanos) -> list[Event]:
    request = child.request
    is_ours = isinstance(request, ChildReplaceRequested) and request.request_id == report.cl_ord_id
    if not child.is_open or not isinstance(request, ChildReplaceRequested) or not is_ours:
        return [_ignored(state, report, now, "DUPLICATE")]
    # More than we asked for is the venue's mistake: what it executes of that counts as an over-fill.
    qty = report.order_qty if 1 <= report.order_qty <= request.order_qty else request.order_qty
    return _replaced_by(state, child, request, qty, now)


def _replaced_by(
    state: ParentState, child: ChildState, request: ChildReplaceRequested, order_qty: Qty, now: Nanos
) -> list[Event]:
    return [
        ChildReplaced(
            parent_id=state.parent.parent_id,
            at=now,
            cl_ord_id=child.child.cl_ord_id,
            request_id=request.request_id,
            order_qty=order_qty,
            price=request.price,
        )
    ]


def _amended(state: ParentState, child: ChildState, report: ExecutionReport, now: Nanos) -> list[Event]:
    if (report.mic, report.exec_id) in state.exec_ids:
        return [_ignored(state, report, now, "DUPLICATE")]
    if any(report.exec_id == early.exec_id for early in child.early):
        return [_ignored(state, report, now, "DUPLICATE")]
    is_bust = report.exec_type is ExecType.TRADE_CANCEL
    if not is_bust and (report.last_qty < 1 or report.last_px < 1):
        return [_ignored(state, report, now, "BAD_EXECUTION")]
    said = Early(
        report.exec_id,
        report.exec_ref_id,
        0 if is_bust else report.last_qty,
        0 if is_bust else report.last_px,
        report.transact_time,
    )
    known = child.executions.get(report.exec_ref_id)
    if known is not None:
        return [_amendment(state, report.cl_ord_id, said, known.qty, child.inferred, now)]
    if not report.exec_ref_id or not report.exec_id or len(child.early) >= EARLY_MAX:
        return [_ignored(state, report, now, "UNKNOWN_EXECUTION")]
    return [
        ChildAmendedEarly(
            parent_id=state.parent.parent_id,
            at=now,
            cl_ord_id=report.cl_ord_id,
            exec_id=said.exec_id,
            exec_ref_id=said.exec_ref_id,
            last_qty=said.qty,
            last_px=said.px,
            transacted_at=said.at,
        )
    ]


def _amended_before(state: ParentState, child: ChildState, report: ExecutionReport, now: Nanos) -> list[Event]:
    """Return what amended an execution before it came, each measured against what the one before it left."""
    lots, qty, events = list(child.inferred), report.last_qty, list[Event]()
    take_inferred(lots, qty)
    for one in (early for early in child.early if early.exec_ref_id == report.exec_id):
        event = _amendment(state, report.cl_ord_id, one, qty, lots, now)
        if isinstance(event, ChildTradeCorrected):
            take_inferred(lots, event.replaces_inferred_qty)
        events.append(event)
        qty = one.qty
    return events


def _amendment(
    state: ParentState, child_id: str, said: Early, qty: Qty, lots: list[InferredLot], now: Nanos
) -> ChildTradeCanceled | ChildTradeCorrected:
    """Return the bust or correction of an execution of `qty` that we know by then, beside what is inferred."""
    parent_id, exec_id, ref_id = state.parent.parent_id, said.exec_id, said.exec_ref_id
    if not said.qty:
        return ChildTradeCanceled(
            parent_id=parent_id, at=now, cl_ord_id=child_id, exec_id=exec_id, exec_ref_id=ref_id, transacted_at=said.at
        )
    return ChildTradeCorrected(
        parent_id=parent_id,
        at=now,
        cl_ord_id=child_id,
        exec_id=exec_id,
        exec_ref_id=ref_id,
        last_qty=said.qty,
        last_px=said.px,
        replaces_inferred_qty=counted_already(lots, said.qty - qty, said.at),
        transacted_at=said.at,
    )


def _status(state: ParentState, child: ChildState, report: ExecutionReport, now: Nanos) -> list[Event]:
    """Reconcile an UNKNOWN child. Elsewhere a status says nothing that the stream of reports will not say."""
    parent_id, child_id = state.parent.parent_id, report.cl_ord_id
    if child.status is not S.UNKNOWN:
        return [_ignored(state, report, now, "DUPLICATE")]
    if report.transact_time < child.amended_at:
        # It counts what was taken back since, as we know: what is missing is asked for again.
        return [_ignored(state, report, now, "OVERTAKEN")]
    if report.ord_status is S.REJECTED and not report.cum_qty:
        if child.cum_qty:
            return [_ignored(state, report, now, "UNKNOWN_TO_VENUE")]
        return [ChildRejected(parent_id=parent_id, at=now, cl_ord_id=child_id, text=report.text)]
    missing = report.cum_qty - child.cum_qty
    events: list[Event] = [
        ChildReconciled(
            parent_id=parent_id,
            at=now,
            cl_ord_id=child_id,
            ord_status=report.ord_status,
            cum_qty=max(report.cum_qty, child.cum_qty),
            order_id=report.order_id,
            order_qty=report.order_qty,
        )
    ]
    if missing > 0:
        # The venue counts fills whose reports are lost or still under way: book them, to be replaced if they come.
        events.append(
            ChildTraded(
                parent_id=parent_id,
                at=now,
                cl_ord_id=child_id,
                exec_id=inferred_exec_id(child_id, child.version),
                last_qty=missing,
                last_px=max(missing_px(child.notional, report, missing), 1),
                transacted_at=report.transact_time,
                is_inferred=True,
            )
        )
    return events


_SAID: dict[ExecType, Callable[[ParentState, ChildState, ExecutionReport, Nanos], list[Event]]] = {
    ExecType.NEW: _acknowledged,
    ExecType.TRADE: _traded,
    ExecType.CANCELED: _out,
    ExecType.EXPIRED: _out,
    ExecType.REJECTED: _rejected,
    ExecType.REPLACED: _replaced,
    ExecType.TRADE_CANCEL: _amended,
    ExecType.TRADE_CORRECT: _amended,
    ExecType.ORDER_STATUS: _status,
    ExecType.RESTATED: _invited,
}
"""What each kind of report makes of a child; any other says nothing new."""


def _refused(state: ParentState, report: OrderCancelReject, now: Nanos) -> list[Event]:
    parent_id, child_id = state.parent.parent_id, report.orig_cl_ord_id
    child = state.children.get(child_id)
    is_answer = (
        child is not None
        and child.child.mic == report.mic
        and child.status in (S.PENDING_CANCEL, S.PENDING_REPLACE)
        and child.request is not None
        and child.request.request_id == report.cl_ord_id
    )
    if not is_answer:
        reason = "UNKNOWN_ORDER" if child is None else "DUPLICATE"
        return [ReportIgnored(parent_id=parent_id, at=now, mic=report.mic, exec_id=report.cl_ord_id, reason=reason)]
    if report.ord_status in (S.NEW, S.PARTIALLY_FILLED):
        return [
            ChildRequestRefused(
                parent_id=parent_id,
                at=now,
                cl_ord_id=child_id,
                request_id=report.cl_ord_id,
                ord_status=report.ord_status,
                text=report.text,
            )
        ]
    # Too late: the venue has closed it, and how is still under way to us or lost.
    return [ChildLost(parent_id=parent_id, at=now, cl_ord_id=child_id, reason=f"venue says {report.ord_status}")]


def overdue(state: ParentState, now: Nanos, answer_timeout_ns: Nanos, down: Mapping[str, bool]) -> list[Event]:
    """Return what silence means at `now`: children without an answer become UNKNOWN, UNKNOWN ones are queried.

    `down` holds the MICs whose link is down: their open children are UNKNOWN, and asking waits for the link.
    """
    events: list[Event] = []
    for child in state.live.values():
        events.extend(_overdue_child(state, child, now, answer_timeout_ns, down.get(child.child.mic, False)))
    return events


def _overdue_child(state: ParentState, child: ChildState, now: Nanos, timeout_ns: Nanos, is_down: bool) -> list[Event]:
    parent_id, child_id = state.parent.parent_id, child.child.cl_ord_id
    reason = _lost_reason(child, now, timeout_ns, is_down)
    events: list[Event] = []
    if reason:
        events.append(ChildLost(parent_id=parent_id, at=now, cl_ord_id=child_id, reason=reason))
    is_unknown = child.status is S.UNKNOWN or bool(reason)
    is_due = bool(reason) or now - child.asked_at >= timeout_ns
    if is_unknown and is_due and not is_down and child.queries < QUERIES_MAX:
        query = request_id(child_id, child.version)
        events.append(ChildQueried(parent_id=parent_id, at=now, cl_ord_id=child_id, request_id=query))
    return events


def _lost_reason(child: ChildState, now: Nanos, timeout_ns: Nanos, is_down: bool) -> str:
    """Say why an open child must be taken for UNKNOWN now; empty when it need not."""
    if child.status in _NOT_SENT:
        return ""
    if is_down:
        return "session down"
    if child.status in AWAITING and now - child.asked_at >= timeout_ns:
        return "no answer"
    order = child.child
    if order.time_in_force is TimeInForce.GOOD_TILL_DATE and order.expire_time is not None:
        return "no expiry" if now - order.expire_time >= timeout_ns else ""
    return "no end" if order.time_in_force in _IMMEDIATE and now - child.asked_at >= timeout_ns else ""


def next_deadline(state: ParentState, answer_timeout_ns: Nanos) -> Nanos | None:
    """Return when `overdue` next has something to say if nothing is heard; None when it never will."""
    due: Nanos | None = None
    for child in state.live.values():
        order = child.child
        if child.status in _SILENT or order.time_in_force in _IMMEDIATE:
            at = child.asked_at + answer_timeout_ns
        elif order.expire_time is not None:
            at = order.expire_time + answer_timeout_ns
        else:
            continue
        due = at if due is None or at < due else due
    return due


def cancels(state: ParentState, now: Nanos, down: Mapping[str, bool]) -> list[ChildCancelRequested]:
    """Return a cancel request for every child that can be cancelled now."""
    return [
        ChildCancelRequested(
            parent_id=state.parent.parent_id,
            at=now,
            cl_ord_id=child.child.cl_ord_id,
            request_id=request_id(child.child.cl_ord_id, child.version),
        )
        for child in state.live.values()
        if child.status in (S.NEW, S.PARTIALLY_FILLED) and not down.get(child.child.mic, False)
    ]
