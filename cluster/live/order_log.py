"""What the record logs of orders at work: their children, at which venue, what they filled, and how each order ended.

Rule of this file: one line for each order of which a window tells, under the correlation id of the request that began
it, so that one search for the id finds the request, the order, its children and its end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from router.domain import events as ev
from router.domain.enums import OrdStatus
from router.domain.played import Played
from router.intake.intake import Intake

SAID_MAX: Final = 100
"""Things said of one order in one line; of what is more only the number."""

MESSAGE: Final = "children"

_log = logging.getLogger("anabranch.orders")

Line = tuple[str, dict[str, object]]
"""A correlation id, and the fields of a line under it."""


def lines_of(played: Played, intake: Intake) -> list[Line]:
    """Return what a window tells of each order; nothing where nobody logs it. The intake is as before the window."""
    if not _log.isEnabledFor(logging.INFO):
        return []
    said: dict[str, list[str]] = {}
    mics: dict[str, str] = {}
    for event in played.events:
        if type(event) is ev.ChildIntended:
            mics[event.cl_ord_id] = event.child.mic
            continue
        say = _SAYS.get(type(event))
        if say is not None:
            child_id = getattr(event, "cl_ord_id", "")
            mic = mics.get(child_id) or intake.mic_of(event.parent_id, child_id)
            said.setdefault(event.parent_id, []).append(say(event, mic))
    return [_line(played, parent_id, things, intake) for parent_id, things in said.items()]


def say(lines: list[Line]) -> None:
    """Log lines: once what they tell is durable."""
    for correlation_id, fields in lines:
        _log.info(MESSAGE, extra={"correlation_id": correlation_id, "fields": fields})


def _line(played: Played, parent_id: str, said: list[str], intake: Intake) -> Line:
    entry = intake.book.orders.get(parent_id)
    fields: dict[str, object] = {"parent_id": parent_id, "market_time": played.at, "said": said[:SAID_MAX]}
    if len(said) > SAID_MAX:
        fields["unsaid"] = len(said) - SAID_MAX
    return entry.correlation_id if entry else "", fields


def _rejected(event: ev.ChildRejected, mic: str) -> str:
    return f"{event.cl_ord_id} rejected by {mic}: {event.text}"


def _done(event: ev.ParentDone, mic: str) -> str:
    reason = f": {event.reason}" if event.reason else ""
    return f"{OrdStatus(event.ord_status).lower()}{reason}"


_SAYS: Final[dict[type, Callable[[Any, str], str]]] = {
    ev.ChildSent: lambda event, mic: f"{event.cl_ord_id} sent to {mic}",
    ev.ChildAcknowledged: lambda event, mic: f"{event.cl_ord_id} acknowledged by {mic}",
    ev.ChildRejected: _rejected,
    ev.ChildTraded: lambda event, mic: f"{event.cl_ord_id} filled {event.last_qty} at {mic}",
    ev.ChildOut: lambda event, mic: f"{event.cl_ord_id} {event.ord_status.lower()} at {mic}",
    ev.ChildLost: lambda event, mic: f"{event.cl_ord_id} unknown at {mic}: {event.reason}",
    ev.ParentDone: _done,
}
