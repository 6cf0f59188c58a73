"""Whose a message is: the parent that a command is sent for, the child that a report speaks of.

Rule of this file: what a message names itself; nothing is looked up.
"""

from __future__ import annotations

from router.domain.orders import Command, NewOrderSingle
from router.domain.reports import ExecutionReport, Report


def parent_of(command: Command) -> str:
    """Return the id of the parent that a command is sent for."""
    return command.child.parent_id if isinstance(command, NewOrderSingle) else command.parent_id


def child_of(report: Report) -> str:
    """Return the id of the child that a report speaks of, whatever request it answers."""
    if isinstance(report, ExecutionReport) and not report.orig_cl_ord_id:
        return report.cl_ord_id
    return report.orig_cl_ord_id
