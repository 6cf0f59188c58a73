"""What the second gate knows of one child: what its venue may still execute of it, by what was asked and reported.

Rule of this file: nothing here comes from the life cycles; the gate counts for itself, and errs on our side.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from router.domain.enums import ExecType, OrdStatus
from router.domain.ids import INFERRED
from router.domain.reports import ExecutionReport, OrderCancelReject, Report
from router.domain.units import Nanos, Qty

EXECUTIONS_MAX = 100_000
"""Executions of a child that are known by their ids; beyond it every report of one counts, which errs on our side."""

EARLY_MAX = 32
"""Busts and corrections of a child that wait for their executions."""

_CLOSED = frozenset({OrdStatus.FILLED, OrdStatus.CANCELED, OrdStatus.EXPIRED, OrdStatus.REJECTED})


@dataclass(slots=True)
class GateChild:
    """One child as the second gate counts it."""

    mic: str
    whole_qty: Qty
    """The most that the venue was asked for and has not taken back."""
    asked: dict[str, Qty] = field(default_factory=dict)
    """Replaces that the venue has not answered."""
    executions: dict[str, Qty] = field(default_factory=dict)
    cum_qty: Qty = 0
    said_cum_qty: Qty = 0
    """The most that the venue counted itself: fills may still be on their way to us."""
    busted_qty: Qty = 0
    """What its venue took back: it is not routed again before a person frees it."""
    early: dict[str, ExecutionReport] = field(default_factory=dict)
    """Busts and corrections, by their own ids, of executions that have not been heard of."""
    replaced_at: Nanos = -1
    """The venue's time of the last replace that we heard of."""
    is_acknowledged: bool = False
    is_open: bool = True

    @property
    def bound_qty(self) -> Qty:
        """What this child has executed or may still execute, with what was taken back and not freed."""
        filled = max(self.cum_qty, self.said_cum_qty)
        if self.is_open:
            return max(self.whole_qty, filled, *self.asked.values())
        return max(filled, min(filled + self.busted_qty, self.whole_qty))

    def hear(self, report: Report) -> None:
        """Take what the child's venue says of it; what is said twice counts once."""
        if isinstance(report, OrderCancelReject):
            _hear_refusal(self, report)
        elif report.exec_type in (ExecType.TRADE_CANCEL, ExecType.TRADE_CORRECT):
            _amend(self, report)
        else:
            _hear_report(self, report)


def _hear_refusal(child: GateChild, report: OrderCancelReject) -> None:
    child.said_cum_qty = max(child.said_cum_qty, report.cum_qty)
    if report.ord_status in (OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED):
        child.asked.pop(report.cl_ord_id, None)


def _hear_report(child: GateChild, report: ExecutionReport) -> None:
    kind = report.exec_type
    if kind is ExecType.TRADE:
        _trade(child, report)
    elif kind is ExecType.NEW:
        child.is_acknowledged = True
    elif kind is ExecType.REPLACED:
        _replaced(child, report)
    elif kind in (ExecType.CANCELED, ExecType.EXPIRED):
        _close(child, report.cum_qty)
    elif kind is ExecType.REJECTED and not (child.is_acknowledged or child.executions):
        _close(child, 0)
    elif kind is ExecType.ORDER_STATUS:
        if report.ord_status in _CLOSED:
            _close(child, 0 if report.ord_status is OrdStatus.REJECTED else report.cum_qty)
        else:
            child.said_cum_qty = max(child.said_cum_qty, report.cum_qty)


def _replaced(child: GateChild, report: ExecutionReport) -> None:
    asked = child.asked.pop(report.cl_ord_id, None)
    if asked is None or report.transact_time < child.replaced_at:
        # Overtaken by the report of a later replace, which holds.
        return
    # More than was asked for is the venue's mistake; what it executes of that shows in its fills.
    qty = report.order_qty if 1 <= report.order_qty <= asked else asked
    is_tie = report.transact_time == child.replaced_at
    child.whole_qty = max(qty, child.whole_qty) if is_tie else qty
    child.replaced_at = report.transact_time


def _trade(child: GateChild, report: ExecutionReport) -> None:
    if report.last_qty < 1 or report.exec_id.startswith(INFERRED) or report.exec_id in child.executions:
        return
    if len(child.executions) < EXECUTIONS_MAX:
        child.executions[report.exec_id] = report.last_qty
    child.cum_qty += report.last_qty
    if child.cum_qty >= max(child.whole_qty, *child.asked.values(), 0):
        child.is_open = False
    for early in [early for early in child.early.values() if early.exec_ref_id == report.exec_id]:
        del child.early[early.exec_id]
        _amend(child, early)


def _close(child: GateChild, cum_qty: Qty) -> None:
    child.said_cum_qty = max(child.said_cum_qty, cum_qty)
    child.is_open = False
    child.asked.clear()


def _amend(child: GateChild, report: ExecutionReport) -> None:
    """Bust or correct an execution once; what that takes back stays bound."""
    known = child.executions.get(report.exec_ref_id)
    if report.exec_id in child.executions or report.last_qty < 0:
        return
    if known is None:
        if len(child.early) < EARLY_MAX:
            child.early.setdefault(report.exec_id, report)
        return
    qty = 0 if report.exec_type is ExecType.TRADE_CANCEL else report.last_qty
    child.executions[report.exec_ref_id] = qty
    child.executions[report.exec_id] = 0
    child.cum_qty += qty - known
    child.busted_qty += max(known - qty, 0)
    # The venue counted it too when it last said how much there was.
    child.said_cum_qty = max(child.said_cum_qty - max(known - qty, 0), 0)
