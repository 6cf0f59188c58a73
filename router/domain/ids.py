"""Ids are derived, never drawn: sending the same intent twice sends the same id.

Rule of this file: every id is a pure function of its owner's id and a counter the owner keeps.
"""

from __future__ import annotations

from router.domain.errors import BadInputError

ID_MAX = 48
"""Longest client id: FIX venues truncate or refuse longer ones."""

PARENT_ID_MAX = 36
"""Longest parent id: its children's and their requests' ids add to it and must stay within `ID_MAX`."""

_ALLOWED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:/")


def check_id(text: str, where: str, longest: int = ID_MAX) -> str:
    """Return `text` if it can be an id.

    Raises:
        BadInputError: empty, longer than `longest` or with a character outside letters, digits and `-_.:/`.
    """
    if not text or len(text) > longest or not _ALLOWED.issuperset(text):
        raise BadInputError(f"expected an id of 1 to {longest} letters, digits or -_.:/, got {text!r} - at {where}")
    return text


def decision_id(parent_id: str, n: int) -> str:
    """Return the id of a parent's n-th routing decision.

    >>> decision_id("P1", 3)
    'P1.d3'
    """
    return f"{parent_id}.d{n}"


def cl_ord_id(parent_id: str, n: int) -> str:
    """Return the id of a parent's n-th child order.

    >>> cl_ord_id("P1", 7)
    'P1.7'
    """
    return f"{parent_id}.{n}"


def request_id(child_id: str, n: int) -> str:
    """Return the id of the n-th cancel, replace or status request for a child.

    >>> request_id("P1.7", 1)
    'P1.7/1'
    """
    return f"{child_id}/{n}"


INFERRED = "inferred:"
"""How the ids of fills begin that no venue has reported; an execution that a venue names so is refused."""


def inferred_exec_id(child_id: str, n: int) -> str:
    """Return the id under which a fill known only from a venue's cum_qty is booked.

    >>> inferred_exec_id("P1.7", 1)
    'inferred:P1.7/1'
    """
    return f"{INFERRED}{child_id}/{n}"
