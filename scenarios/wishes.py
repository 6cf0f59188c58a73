"""What clients want changed on the way: asked of a host until it is answered, as a client would ask; of an order that
has not begun no host knows, and it has its new terms at once.

Rule of this file: a wish is dropped once a host has recorded it, answered or pending; until then a crash may have lost
it, and to ask twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from router.domain.events import ParentReplaced, ParentReplaceRefused, ParentReplaceRequested
from router.domain.messages import ReplaceParent
from router.domain.orders import ParentOrder
from router.domain.units import Nanos
from router.orders.replacing import fault_of, terms_of

WishEvent = ParentReplaceRequested | ParentReplaced | ParentReplaceRefused

WISH_EVENTS = (ParentReplaceRequested, ParentReplaced, ParentReplaceRefused)
"""What a host records of a wish."""


def before_start(order: ParentOrder, request: ReplaceParent, now: Nanos) -> tuple[ParentOrder, str]:
    """Return an order that has not begun as a request makes it, and why not; empty: it has its new terms.

    >>> from router.domain.enums import Side
    >>> order = ParentOrder(
    ...     parent_id="P1", client_order_id="C", account="A", symbol="X", side=Side.BUY, order_qty=9,
    ...     start_at=5, end_at=9
    ... )
    >>> terms, _ = before_start(order, ReplaceParent(parent_id="P1", request_id="R1", order_qty=7), 1)
    >>> terms.order_qty, before_start(order, ReplaceParent(parent_id="P1", request_id="R2", end_at=4), 1)[1][:9]
    (7, 'BAD_TERMS')
    """
    terms = terms_of(order, request)
    reason = fault_of(terms, now)
    return (order, reason) if reason else (terms, "")


def either(order: ParentOrder, request: ReplaceParent) -> ParentOrder:
    """Return an order that allows whatever the old terms or the new ones do."""
    price = order.price
    if price is not None and request.price is not None:
        price = max(price, request.price) if order.side.sign > 0 else min(price, request.price)
    qty = max(order.order_qty, request.order_qty or 0)
    return msgspec.structs.replace(order, order_qty=qty, price=price)


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
