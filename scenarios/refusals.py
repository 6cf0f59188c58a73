"""What a host hears of a command that the second gate kept from leaving: as if the venue had said it.

Rule of this file: one report a command, and its text is the gate's own.
"""

from __future__ import annotations

from router.domain.enums import ExecType, OrdStatus
from router.domain.orders import Command, NewOrderSingle
from router.domain.reports import ExecutionReport, OrderCancelReject, Report
from router.domain.units import Nanos


def refusal(command: Command, reason: str, now: Nanos) -> Report:
    """Return what a host hears of a command that the second gate kept from leaving."""
    if isinstance(command, NewOrderSingle):
        return ExecutionReport(
            mic=command.mic,
            cl_ord_id=command.cl_ord_id,
            order_id="",
            exec_id=f"gate:{command.cl_ord_id}",
            exec_type=ExecType.REJECTED,
            ord_status=OrdStatus.REJECTED,
            transact_time=now,
            order_qty=command.child.order_qty,
            text=reason,
        )
    return OrderCancelReject(
        mic=command.mic,
        cl_ord_id=command.cl_ord_id,
        orig_cl_ord_id=command.orig_cl_ord_id,
        ord_status=OrdStatus.NEW,
        transact_time=now,
        text=reason,
    )
