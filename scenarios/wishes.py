"""What clients want changed on the way: asked of a host until it is answered, as a client would ask.

Rule of this file: a wish is dropped once a host has recorded it, answered or pending; until then a crash may have lost
it, and to ask twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from router.domain.events import ParentReplaced, ParentReplaceRefused, ParentReplaceRequested
from router.domain.messages import ReplaceParent
from router.domain.orders import ParentOrder
from router.domain.units import Nanos

WishEvent = ParentReplaceRequested | ParentReplaced | ParentReplaceRefused

WISH_EVENTS = (ParentReplaceRequested, ParentReplaced, ParentReplaceRefused)
"""What a host records of a wish."""


class Wishes:
    """The requests for other terms of one run.

    >>> wishes = Wishes([(5, ReplaceParent(parent_id="P1", request_id="R1", urgency=1.0))])
    >>> wishes.times(4), wishes.due(4), [parent_id for parent_id, _ in wishes.due(5)]
    ([5], [], ['P1'])
    """

    def __init__(self, replaces: Iterable[tuple[Nanos, ReplaceParent]] = ()) -> None:
        self._replaces = {request.request_id: (at, request) for at, request in replaces}

    def add(self, at: Nanos, request: ReplaceParent) -> None:
        """Note a wish that is to be asked from `at` on."""
        self._replaces[request.request_id] = (at, request)

    def times(self, now: Nanos) -> list[Nanos]:
        """Return when wishes come after `now`."""
        return [at for at, _ in self._replaces.values() if at > now]

    def due(self, now: Nanos) -> list[tuple[str, ReplaceParent]]:
        """Return the wishes that have come by `now` and are not recorded, each with its parent's id."""
        return [(request.parent_id, request) for at, request in self._replaces.values() if at <= now]

    def recorded(self, event: WishEvent) -> ParentOrder | None:
        """Hear that a host has recorded a wish; return the order with its new terms, once they are in force."""
        self._replaces.pop(event.request_id, None)
        return event.parent if isinstance(event, ParentReplaced) else None
