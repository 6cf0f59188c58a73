"""What a fault sweep is to show: every kind of fault, and every row of the two tables but those that it cannot reach.

Rule of this file: a row that is listed has its reason beside it, and is covered pair by pair in `tests/orders`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from router.domain.enums import OrdStatus
from router.orders import child as child_life_cycle
from router.orders import parent as parent_life_cycle
from scenarios.venue_faults import KINDS as VENUE_KINDS

Row = tuple[str, str]

FAULT_KINDS = (
    *(f"crash at {step}" for step in ("decided", "appended", "synced", "performing")),
    *(f"report {what}" for what in ("lost", "late", "repeated", "overtaken")),
    *(f"command {what}" for what in ("lost", "repeated")),
    *VENUE_KINDS,
    *("outage", "halt", "learner_down", "learner_lies"),
    "order resumed by a person",
)
"""Everything that a sweep makes go wrong."""

UNREACHED_CHILD: Mapping[Row, str] = {}
UNREACHED_PARENT: Mapping[Row, str] = {}


class Coverage(NamedTuple):
    """Of one table: how many rows it has, and those that were never used, each with its reason where there is one."""

    rows: int
    never: tuple[tuple[Row, str], ...]


def child_coverage(used: Iterable[Row]) -> Coverage:
    """Return what was used of the child's table."""
    return _coverage(child_life_cycle.TABLE, frozenset(used), UNREACHED_CHILD)


def parent_coverage(used: Iterable[Row]) -> Coverage:
    """Return what was used of the parent's table."""
    return _coverage(parent_life_cycle.TABLE, frozenset(used), UNREACHED_PARENT)


def _coverage(table: Iterable[tuple[OrdStatus, type]], used: frozenset[Row], reasons: Mapping[Row, str]) -> Coverage:
    known = sorted((str(status), event.__name__) for status, event in table)
    return Coverage(len(known), tuple((row, reasons.get(row, "")) for row in known if row not in used))
