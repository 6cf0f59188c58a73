"""The orders of a scenario file: what clients want, and what they want changed on the way.

Rule of this file: what it refuses shows in one order alone; whether an order can be at all is `check_parent`'s to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from router.domain.enums import OrdType, Side
from router.domain.errors import UnitError
from router.domain.messages import ReplaceParent
from router.domain.orders import OVERBOOK_MAX
from router.domain.units import Nanos, Px, px, seconds
from scenarios.keys import Count, Part, Share, Span, Time

REPLACES_MAX = 100
"""More wishes of one client for one order than anybody would write down by hand."""

Fault = tuple[str, str, object]
"""A key, what was expected there and what came."""


class ReplacePart(Part, frozen=True):
    """At `at_s` the client wants other terms; an absent one stays as it is."""

    at_s: Time
    order_qty: Count | None = None
    """In all, executions included."""
    limit_price: str | None = None
    end_s: Span | None = None
    urgency: Share | None = None
    max_participation: Annotated[float, Meta(gt=0.0, le=1.0)] | None = None

    def request(self, order: OrderPart, n: int, open_at: Nanos, px_unit: str) -> tuple[Nanos, ReplaceParent]:
        """Return when the n-th wish for an order comes, and the wish."""
        return open_at + seconds(self.at_s), ReplaceParent(
            parent_id=order.id,
            request_id=f"{order.id}.r{n}",
            order_qty=self.order_qty,
            price=price_in(self.limit_price, px_unit),
            end_at=None if self.end_s is None else open_at + seconds(self.end_s),
            urgency=self.urgency,
            max_participation=self.max_participation,
        )


class OrderPart(Part, frozen=True):
    """One parent order. Give `order_qty`, or `share_of_volume` of the market's (synthetic: expected) volume."""

    id: str
    side: Side = Side.BUY
    order_qty: Annotated[int, Meta(ge=1)] | None = None
    share_of_volume: Annotated[float, Meta(gt=0.0, le=1.0)] | None = None
    start_s: Time = 0.0
    end_s: Span | None = None
    cancel_s: Span | None = None
    """When the client cancels it; absent: never."""
    replace: Annotated[tuple[ReplacePart, ...], Meta(max_length=REPLACES_MAX)] = ()
    strategy: str = "liquidity_seeking"
    limit_price: str | None = None
    urgency: Share = 0.5
    max_participation: Annotated[float, Meta(gt=0.0, le=1.0)] | None = None
    min_qty: Annotated[int, Meta(ge=0)] = 0
    max_child_qty: Annotated[int, Meta(ge=0)] = 0
    would_price: str | None = None
    dark: Literal["ALLOWED", "ONLY", "NONE"] = "ALLOWED"
    is_single_lane: bool = False
    overbook_max: Annotated[float, Meta(ge=0.0, le=OVERBOOK_MAX)] = 0.0
    overfill_penalty: Annotated[float, Meta(ge=0.0, le=1_000.0)] = 1.0
    venues_allow: tuple[str, ...] = ()
    venues_deny: tuple[str, ...] = ()
    segments_deny: tuple[str, ...] = ()
    strategy_parameters: dict[str, float] = msgspec.field(default_factory=dict)

    @property
    def ord_type(self) -> OrdType:
        """LIMIT when a limit price is given."""
        return OrdType.MARKET if self.limit_price is None else OrdType.LIMIT

    def replaces(self, open_at: Nanos, px_unit: str) -> list[tuple[Nanos, ReplaceParent]]:
        """Return the client's wishes for other terms, with their times, in the order of the file."""
        return [part.request(self, n, open_at, px_unit) for n, part in enumerate(self.replace)]


def price_in(text: str | None, px_unit: str) -> Px | None:
    """Return a decimal price in units of `px_unit`; None stays None.

    >>> price_in("20.01", "0.0001"), price_in(None, "0.0001")
    (200100, None)
    """
    return None if text is None else int(Decimal(text) / Decimal(px_unit))


def faults(order: OrderPart) -> Iterator[Fault]:
    """Yield what is wrong with an order across its keys."""
    if (order.order_qty is None) == (order.share_of_volume is None):
        yield "", "either order_qty or share_of_volume", (order.order_qty, order.share_of_volume)
    for key in ("limit_price", "would_price"):
        yield from _price_faults(key, getattr(order, key))
    for key in ("end_s", "cancel_s"):
        at = getattr(order, key)
        if at is not None and at <= order.start_s:
            yield key, "a time after start_s", at
    for n, part in enumerate(order.replace):
        if part.at_s <= order.start_s:
            yield f"replace[{n}].at_s", "a time after start_s", part.at_s
        yield from _price_faults(f"replace[{n}].limit_price", part.limit_price)


def _price_faults(key: str, text: str | None) -> Iterator[Fault]:
    try:
        px(text or "0")
    except UnitError:
        yield key, "a decimal price", text
