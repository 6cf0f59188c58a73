"""Orders and the commands about them, as frozen messages.

Rule of this file: an order here is what somebody asked for; what became of it lives in `router.orders`.
"""

from __future__ import annotations

import msgspec

from router.domain.enums import ExecInst, OrdType, PegPriceType, Side, Tactic, TimeInForce
from router.domain.errors import BadInputError, bad_value
from router.domain.ids import PARENT_ID_MAX, check_id
from router.domain.units import PX_MAX, QTY_MAX, Nanos, Px, Qty

OVERBOOK_MAX = 10.0
"""Over-booking beyond ten slices is no over-booking but another schedule."""

DARK_ALLOWED, DARK_ONLY, DARK_NONE = "ALLOWED", "ONLY", "NONE"
DARK_CHOICES = (DARK_ALLOWED, DARK_ONLY, DARK_NONE)
"""What an order may say of dark pools."""

DARK_STRATEGY = "dark_only"
"""The strategy that trades in dark pools alone, whatever `dark` allows besides."""

SWEEP_STRATEGY = "sweep"
"""The strategy whose children that take are intermarket sweep orders."""


class ParentOrder(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The client's order. It is never sent to a venue as such."""

    parent_id: str
    client_order_id: str
    symbol: str
    side: Side
    order_qty: Qty
    start_at: Nanos
    end_at: Nanos
    strategy: str = "liquidity_seeking"
    ord_type: OrdType = OrdType.MARKET
    price: Px | None = None
    """Limit price; required for LIMIT, absent for MARKET."""
    urgency: float = 0.5
    """0 patient .. 1 impatient: how soon the schedule turns to taking."""
    max_participation: float | None = None
    """Largest share of the market's volume since the start, 0..1."""
    min_qty: Qty = 0
    """Smallest execution wanted from a dark pool."""
    venues_allow: tuple[str, ...] = ()
    venues_deny: tuple[str, ...] = ()
    segments_deny: tuple[str, ...] = ()
    """Segments of dark pools' counterparties that it does not trade with, wherever a pool names them."""
    strategy_parameters: dict[str, float] = {}
    is_single_lane: bool = False
    """Each slice goes to one lane."""
    overbook_max: float = 0.0
    """How much more than a slice may be posted where it rests, as a share of the slice; never more than the order."""
    overfill_penalty: float = 1.0
    """What a share filled beyond a slice costs, in multiples of what one left unfilled would."""
    account: str = ""
    """Whose order it is; scenarios have no accounts."""
    max_child_qty: Qty = 0
    """No child is larger; 0: no such bound."""
    would_price: Px | None = None
    """At this price or better all of it is released at once ("I would")."""
    dark: str = "ALLOWED"
    """ALLOWED, ONLY (dark pools and nothing else) or NONE."""

    @property
    def dark_in_force(self) -> str:
        """What it allows of dark pools: `dark`, and ONLY with the strategy that trades nowhere else."""
        return DARK_ONLY if self.strategy == DARK_STRATEGY else self.dark

    def is_beyond_limit(self, price: Px | None) -> bool:
        """Whether a child at `price`, or without one, might trade worse than the order's limit."""
        limit = self.price
        return limit is not None and (price is None or (price - limit) * self.side.sign > 0)


class ChildOrder(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One order at one venue."""

    cl_ord_id: str
    parent_id: str
    decision_id: str
    symbol: str
    mic: str
    tactic: Tactic
    side: Side
    order_qty: Qty
    ord_type: OrdType
    price: Px | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    exec_inst: tuple[ExecInst, ...] = ()
    peg_price_type: PegPriceType | None = None
    peg_offset: Px = 0
    """Added to what a PEGGED child is pegged to, towards the other side: positive is more aggressive."""
    min_qty: Qty = 0
    display_qty: Qty | None = None
    """How much of it shows at a time; none: all of it; 0: nothing, it rests hidden."""
    expire_time: Nanos | None = None
    """When a GOOD_TILL_DATE child expires by the venue's own clock."""
    quote_id: str = ""
    """The dealer quote a PREVIOUSLY_QUOTED child takes."""
    segments_deny: tuple[str, ...] = ()
    """Segments of a dark pool's counterparties that this child does not trade with, as its `VenueSpec` names them."""

    @property
    def lane(self) -> str:
        """The lane this child trades, as text."""
        return f"{self.mic}:{self.tactic}"


class NewOrderSingle(msgspec.Struct, frozen=True, gc=False, tag="new"):
    """Send this child."""

    child: ChildOrder

    @property
    def mic(self) -> str:
        """The venue it goes to."""
        return self.child.mic

    @property
    def cl_ord_id(self) -> str:
        """The message's own id."""
        return self.child.cl_ord_id


class OrderCancelRequest(msgspec.Struct, frozen=True, gc=False, tag="cancel", kw_only=True):
    """Cancel what is left of a child."""

    mic: str
    cl_ord_id: str
    orig_cl_ord_id: str
    parent_id: str


class OrderCancelReplaceRequest(msgspec.Struct, frozen=True, gc=False, tag="replace", kw_only=True):
    """Change a child's quantity (total, fills included) or price."""

    mic: str
    cl_ord_id: str
    orig_cl_ord_id: str
    parent_id: str
    order_qty: Qty
    price: Px | None = None


class OrderStatusRequest(msgspec.Struct, frozen=True, gc=False, tag="status", kw_only=True):
    """Ask what became of a child; the answer is an ORDER_STATUS report, REJECTED when it never arrived."""

    mic: str
    cl_ord_id: str
    orig_cl_ord_id: str
    parent_id: str


Command = NewOrderSingle | OrderCancelRequest | OrderCancelReplaceRequest | OrderStatusRequest


def check_parent(parent: ParentOrder, where: str = "$") -> ParentOrder:
    """Return `parent` if it is a possible order.

    Raises:
        BadInputError: says which field, what was expected and what came.
    """
    check_id(parent.parent_id, f"{where}.parent_id", PARENT_ID_MAX)
    check_id(parent.client_order_id, f"{where}.client_order_id")
    if parent.account:
        check_id(parent.account, f"{where}.account")
    rules: tuple[tuple[bool, str, str, object], ...] = (
        (bool(parent.symbol), "symbol", "a symbol", parent.symbol),
        (1 <= parent.order_qty <= QTY_MAX, "order_qty", f"a quantity from 1 to {QTY_MAX}", parent.order_qty),
        (parent.start_at >= 0, "start_at", "a time from 0", parent.start_at),
        (parent.end_at > parent.start_at, "end_at", "a time after start_at", parent.end_at),
        (
            (parent.price is not None) == (parent.ord_type is OrdType.LIMIT),
            "price",
            "a price with LIMIT and none with MARKET",
            parent.price,
        ),
        (parent.ord_type in (OrdType.LIMIT, OrdType.MARKET), "ord_type", "LIMIT or MARKET", parent.ord_type),
        (
            parent.price is None or 1 <= parent.price <= PX_MAX,
            "price",
            f"a price from 1 to {PX_MAX}",
            parent.price,
        ),
        (0.0 <= parent.urgency <= 1.0, "urgency", "a number from 0 to 1", parent.urgency),
        (
            parent.max_participation is None or 0.0 < parent.max_participation <= 1.0,
            "max_participation",
            "a share above 0 and up to 1",
            parent.max_participation,
        ),
        (0 <= parent.min_qty <= parent.order_qty, "min_qty", "a quantity up to order_qty", parent.min_qty),
        (0.0 <= parent.overbook_max <= OVERBOOK_MAX, "overbook_max", "a share from 0 to 10", parent.overbook_max),
        (0.0 <= parent.overfill_penalty <= 1e6, "overfill_penalty", "a number from 0", parent.overfill_penalty),
    )
    for holds, key, expected, got in (*rules, *_rules_of_children(parent)):
        if not holds:
            raise BadInputError(bad_value(f"{where}.{key}", expected, got))
    return parent


def _rules_of_children(parent: ParentOrder) -> tuple[tuple[bool, str, str, object], ...]:
    """Return the rules on the fields that say what its children may be."""
    would, most = parent.would_price, parent.max_child_qty
    choices = DARK_CHOICES if parent.strategy != DARK_STRATEGY else (DARK_ALLOWED, DARK_ONLY)
    return (
        (parent.dark in choices, "dark", f"one of {', '.join(choices)} with {parent.strategy}", parent.dark),
        (
            most == 0 or max(parent.min_qty, 1) <= most <= QTY_MAX,
            "max_child_qty",
            f"0, or a quantity from min_qty to {QTY_MAX}",
            most,
        ),
        (would is None or 1 <= would <= PX_MAX, "would_price", f"a price from 1 to {PX_MAX}", would),
        (
            would is None or not parent.is_beyond_limit(would),
            "would_price",
            f"a price no worse than the limit {parent.price}",
            would,
        ),
    )
