"""What a fault sweep is to show: every kind of fault, and every row of the two tables but those that it cannot reach.

Rule of this file: a row that is listed has its reason beside it, and is covered pair by pair in `tests/orders`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from router.domain.enums import OrdStatus
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

_LAST_LOOK = (
    "no venue here keeps an acknowledged order that it is asked to cancel: a dealer in his last look has not"
    " acknowledged it, and the child is asked about"
)
_FIRST_BOOKED = (
    "an over-fill is booked as an execution before it suspends: only a correction to more than was sent, of an"
    " execution that was taken back, finds its parent NEW, and no venue here corrects upwards so"
)

UNREACHED_CHILD: Mapping[Row, str] = {("PENDING_CANCEL", "ChildRequestRefused"): _LAST_LOOK}
"""Rows of the child's table that no market and no fault here leads to, and why."""

UNREACHED_PARENT: Mapping[Row, str] = {("NEW", "ParentSuspended"): _FIRST_BOOKED}
"""The same of the parent's."""

_AFTER_ITS_END = "an amendment must be made before its order's end, and reach us between the end and its execution"
_TWO_QUERIES = "an older query's answer must come between our replace and the answer to that"
_TAKEN_BACK_TWICE = "its only execution must be taken back, its venue say that it is open, and then amend that again"
_TWO_LEGS = "it must fall into the two legs of a firm-up, which only conditional orders have"
_THREE_RACE = "a cancel is asked only after an acknowledgement or a fill, so that three reports must race"

RARE: Mapping[Row, str] = {
    **{(status, "ChildAmendedEarly"): _AFTER_ITS_END for status in ("CANCELED", "EXPIRED")},
    **{(status, "ChildReplaced"): _TWO_QUERIES for status in ("NEW", "PARTIALLY_FILLED")},
    **{("NEW", event): _TAKEN_BACK_TWICE for event in ("ChildTradeCanceled", "ChildTradeCorrected")},
    **{
        ("PENDING_REPLACE", event): _TWO_LEGS
        for event in ("ChildTradeCanceled", "ChildTradeCorrected", "ChildAmendedEarly")
    },
    **{("PENDING_CANCEL", event): _THREE_RACE for event in ("ChildAcknowledged", "ChildInvited")},
}
"""Rows that fewer than one seed in three hundred uses, and why."""


def unused(table: Iterable[tuple[OrdStatus, type]], used: Iterable[Row]) -> tuple[Row, ...]:
    """Return the rows of a table that were not used, in order."""
    hit = frozenset(used)
    return tuple(row for row in sorted((str(status), event.__name__) for status, event in table) if row not in hit)


def why_unused(row: Row) -> str:
    """Return why a row was not used.

    >>> why_unused(("NEW", "ChildTraded"))
    'by chance: more seeds use it'
    """
    never = UNREACHED_CHILD.get(row) or UNREACHED_PARENT.get(row)
    return f"cannot be: {never}" if never else f"by chance: {RARE.get(row, 'more seeds use it')}"
