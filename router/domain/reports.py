"""What a venue says about our orders.

Rule of this file: a report is a fact from outside: frozen, with the venue's own ids, quantities and time.
De-duplicate on (mic, exec_id).
"""

from __future__ import annotations

import msgspec

from router.domain.enums import ExecType, LastLiquidityInd, OrdStatus
from router.domain.units import Micros, Nanos, Px, Qty


class ExecutionReport(msgspec.Struct, frozen=True, gc=False, tag="execution_report", kw_only=True):
    """FIX ExecutionReport: every order state message, fills included (`exec_type` TRADE).

    `cum_qty`, `leaves_qty` and `ord_status` are the venue's own view after this report. `avg_px` is rounded
    to the nearest Px. On REPLACED, `cl_ord_id` is the request's id and `orig_cl_ord_id` the child's;
    everywhere else `cl_ord_id` is the id that the child was sent under.
    """

    mic: str
    cl_ord_id: str
    order_id: str
    exec_id: str
    exec_type: ExecType
    ord_status: OrdStatus
    transact_time: Nanos
    order_qty: Qty = 0
    cum_qty: Qty = 0
    leaves_qty: Qty = 0
    avg_px: Px = 0
    last_qty: Qty = 0
    last_px: Px = 0
    fee_micros: Micros = 0
    """What the venue charges for this execution; a rebate is negative."""
    last_liquidity_ind: LastLiquidityInd | None = None
    orig_cl_ord_id: str = ""
    exec_ref_id: str = ""
    text: str = ""
    invited_qty: Qty = 0
    """On RESTATED: how much stands against a child that is invited to firm up; 0: the invitation is over."""


class OrderCancelReject(msgspec.Struct, frozen=True, gc=False, tag="cancel_reject", kw_only=True):
    """FIX OrderCancelReject: a cancel or replace was refused; `ord_status` is the order's true state."""

    mic: str
    cl_ord_id: str
    orig_cl_ord_id: str
    ord_status: OrdStatus
    transact_time: Nanos
    cum_qty: Qty = 0
    text: str = ""


Report = ExecutionReport | OrderCancelReject


def report_key(report: Report) -> tuple[int, str, str]:
    """Return (time, venue, id): the order in which reports count."""
    if isinstance(report, ExecutionReport):
        return report.transact_time, report.mic, report.exec_id
    return report.transact_time, report.mic, report.cl_ord_id
