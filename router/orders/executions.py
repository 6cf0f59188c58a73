"""What a child has executed as it counts now: what its venue reported, what we only infer, and what came too early.

Rule of this file: small values and the arithmetic on them; whose they are, and when they change, says
`router.orders.child`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from router.domain.reports import ExecutionReport
from router.domain.units import Micros, Nanos, Px, Qty

EARLY_MAX = 32
"""Busts and corrections of one child that are remembered until their executions come: a venue that says more of them
is wrong about something else."""


@dataclass(slots=True)
class Execution:
    """One execution as it counts now."""

    qty: Qty
    px: Px
    fee_micros: Micros


class InferredLot(NamedTuple):
    """Quantity known only from the venue's cum_qty, at the price estimated then; `at` is the venue's time of that."""

    qty: Qty
    px: Px
    at: Nanos = 0


class Early(NamedTuple):
    """A bust (of quantity 0) or a correction, made at `at` by the venue's clock."""

    exec_id: str
    exec_ref_id: str
    qty: Qty
    px: Px
    at: Nanos = 0


def take_inferred(lots: list[InferredLot], qty: Qty) -> tuple[Qty, int]:
    """Take up to `qty` shares out of the inferred lots, oldest first; return how many, and what they were worth.

    >>> lots = [InferredLot(30, 10), InferredLot(30, 20)]
    >>> take_inferred(lots, 40), lots
    ((40, 500), [InferredLot(qty=20, px=20, at=0)])
    """
    left, notional = qty, 0
    while left and lots:
        lot = lots.pop(0)
        taken = min(lot.qty, left)
        left -= taken
        notional += taken * lot.px
        if taken < lot.qty:
            lots.insert(0, lot._replace(qty=lot.qty - taken))
    return qty - left, notional


def counted_already(lots: list[InferredLot], more: Qty, at: Nanos) -> Qty:
    """Return how much of what an amendment made at `at` gives the venue had counted when it was last asked.

    >>> counted_already([InferredLot(5, 10, at=3), InferredLot(5, 10, at=9)], 20, 4)
    5
    """
    return min(max(more, 0), sum(lot.qty for lot in lots if lot.at >= at))


def missing_px(notional: int, report: ExecutionReport, missing: Qty) -> Px:
    """Return the mean price of fills that we miss beside `notional`, from the venue's average; its rounding is bounded
    to the average."""
    exact = (report.avg_px * report.cum_qty - notional) / missing
    return round(exact) if 0.5 * report.avg_px < exact < 2 * report.avg_px else report.avg_px
