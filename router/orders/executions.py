"""What a child has executed as it counts now: what its venue reported, what we only infer, and what came too early.

Rule of this file: small values and the arithmetic on them; whose they are, and when they change, says
`router.orders.child`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from router.domain.units import Micros, Px, Qty

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
    """Quantity known only from the venue's cum_qty, at the price estimated then."""

    qty: Qty
    px: Px


class Early(NamedTuple):
    """A bust (of quantity 0) or a correction whose execution has not reached us."""

    exec_id: str
    exec_ref_id: str
    qty: Qty
    px: Px


def take_inferred(lots: list[InferredLot], qty: Qty) -> tuple[Qty, int]:
    """Take up to `qty` shares out of the inferred lots, oldest first; return how many, and what they were worth.

    >>> lots = [InferredLot(30, 10), InferredLot(30, 20)]
    >>> take_inferred(lots, 40), lots
    ((40, 500), [InferredLot(qty=20, px=20)])
    """
    left, notional = qty, 0
    while left and lots:
        lot = lots.pop(0)
        taken = min(lot.qty, left)
        left -= taken
        notional += taken * lot.px
        if taken < lot.qty:
            lots.insert(0, InferredLot(lot.qty - taken, lot.px))
    return qty - left, notional
