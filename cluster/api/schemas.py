"""What clients send: every body and every query of the API, as structs.

Rule of this file: shape only. A key that is not here is refused, prices and quantities are decimal texts, times carry
their zone, enumerations are lower case. Whether an order may be traded is the desk's business.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from cluster.api.decimals import DECIMAL_PATTERN, QTY_PATTERN
from cluster.api.options import ORDERS_IN_BATCH_MAX, OUTCOMES_MAX, PAGE_MAX
from router.domain.ids import ID_MAX
from router.domain.requests import HOSTS_MAX, NODE_MAX

ID_PATTERN: Final = rf"^[A-Za-z0-9\-_.:/]{{1,{ID_MAX}}}$"
NAME_PATTERN: Final = r"^[A-Za-z0-9\-_.]{1,32}$"
MIC_PATTERN: Final = r"^[A-Z0-9_]{1,16}$"
WHY_MAX: Final = 500
NAMES_MAX: Final = 64

ClientId = Annotated[str, Meta(pattern=ID_PATTERN, description="Yours: the same id again is the same order again.")]
Id = Annotated[str, Meta(pattern=ID_PATTERN)]
Name = Annotated[str, Meta(pattern=NAME_PATTERN)]
Mic = Annotated[str, Meta(pattern=MIC_PATTERN, description="A venue's ISO 10383 market identifier.")]
Price = Annotated[str, Meta(pattern=DECIMAL_PATTERN, description="A decimal, in whole steps of the price unit.")]
Quantity = Annotated[str, Meta(pattern=QTY_PATTERN, description="A decimal that is a whole number of shares.")]
Time = Annotated[datetime, Meta(tz=True, description="RFC 3339, with its zone.")]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Why = Annotated[str, Meta(min_length=1, max_length=WHY_MAX, description="For the record: why.")]
Side = Literal["buy", "sell", "sell_short"]
OrdType = Literal["market", "limit"]
Dark = Literal["allowed", "only", "none"]
Strategy = Literal["arrival", "twap", "vwap", "pov", "liquidity_seeking", "target_close", "dark_only", "sweep"]


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every body keeps to: a key that nobody knows is refused, never ignored."""


class RoutingBlock(Body, frozen=True, kw_only=True):
    """How the order is to be worked."""

    strategy: Strategy = "liquidity_seeking"
    strategy_parameters: Annotated[dict[str, float], Meta(max_length=NAMES_MAX)] = {}
    urgency: Share = 0.5
    """0 patient .. 1 impatient."""
    max_participation: Annotated[float, Meta(gt=0.0, le=1.0)] | None = None
    min_qty: Quantity | None = None
    """Smallest execution wanted from a dark pool."""
    venues_allow: Annotated[tuple[Mic, ...], Meta(max_length=NAMES_MAX)] = ()
    venues_deny: Annotated[tuple[Mic, ...], Meta(max_length=NAMES_MAX)] = ()
    segments_deny: Annotated[tuple[Name, ...], Meta(max_length=NAMES_MAX)] = ()
    dark: Dark = "allowed"
    max_child_qty: Quantity | None = None
    would_price: Price | None = None
    """At this price or better all of it is released at once."""
    approval: Literal["auto", "manual"] = "auto"
    """manual: it is worked once a second person has approved it."""


class OrderBody(Body, frozen=True, kw_only=True):
    """A new order."""

    client_order_id: ClientId
    account: Name
    symbol: Name
    side: Side
    type: OrdType
    qty: Quantity
    limit_price: Price | None = None
    """With `type` limit, and only then."""
    time_in_force: Literal["day", "good_till_date", "immediate_or_cancel"] = "day"
    start_time: Time | None = None
    """Now, when absent."""
    end_time: Time | None = None
    """The session's close, when absent; needed with good_till_date."""
    located: bool = False
    """For sell_short: the shares to borrow have been located."""
    routing: RoutingBlock = RoutingBlock()


class BatchBody(Body, frozen=True, kw_only=True):
    """Several new orders; each is answered by itself."""

    orders: Annotated[tuple[OrderBody, ...], Meta(min_length=1, max_length=ORDERS_IN_BATCH_MAX)]


class ReplaceBody(Body, frozen=True, kw_only=True):
    """What is to be changed; an absent key leaves a term as it is. The quantity is in all, executions included."""

    qty: Quantity | None = None
    limit_price: Price | None = None
    end_time: Time | None = None
    urgency: Share | None = None
    max_participation: Annotated[float, Meta(gt=0.0, le=1.0)] | None = None
    located: bool = False
    """For a sell_short that grows: the shares to borrow for the difference have been located."""


class RouteBody(Body, frozen=True, kw_only=True):
    """A slice to be split as it would be now; nothing is sent anywhere."""

    symbol: Name
    side: Side
    qty: Quantity
    type: OrdType = "market"
    limit_price: Price | None = None
    urgency: Share = 0.5
    opportunity_bps: Annotated[float, Meta(ge=0.0, le=10_000.0)] | None = None
    """What leaving a share unfilled costs; made from the urgency when absent."""
    min_qty: Quantity | None = None
    venues_allow: Annotated[tuple[Mic, ...], Meta(max_length=NAMES_MAX)] = ()
    venues_deny: Annotated[tuple[Mic, ...], Meta(max_length=NAMES_MAX)] = ()
    segments_deny: Annotated[tuple[Name, ...], Meta(max_length=NAMES_MAX)] = ()
    dark: Dark = "allowed"
    max_child_qty: Quantity | None = None
    reference: Annotated[str, Meta(pattern=r"^[A-Za-z0-9\-_.:/]{1,36}$")] = "dry-run"
    """Your order's id: the draws and the children's ids are made of it."""
    decision: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    """Which decision of that order this is; another one draws anew."""
    explain: bool = False
    """Say for every lane that gets nothing why."""


class OutcomeBody(Body, frozen=True, kw_only=True):
    """What became of one child since the last outcome about it."""

    kind: Literal["fill", "expire", "cancel", "reject", "heartbeat", "markout"]
    time: Time | None = None
    """The market's, of this session; now, when absent."""
    reference: Annotated[str, Meta(pattern=r"^[A-Za-z0-9\-_.:/]{1,36}$")]
    decision_id: Id
    child_id: Id
    lane: Annotated[str, Meta(pattern=r"^[A-Z0-9_]{1,16}:[A-Z_]{1,16}$")]
    side: Side
    qty: Quantity
    leaves_qty: Quantity = "0"
    """Open before this outcome."""
    filled_qty: Quantity = "0"
    cum_qty: Quantity = "0"
    age_from_ms: Annotated[float, Meta(ge=0.0, le=1e9)] = 0.0
    age_to_ms: Annotated[float, Meta(ge=0.0, le=1e9)] = 0.0
    is_final: bool = False
    exec_id: Annotated[str, Meta(max_length=ID_MAX)] = ""
    price_bps: Annotated[float, Meta(ge=-10_000.0, le=10_000.0)] = 0.0
    fee_bps: Annotated[float, Meta(ge=-10_000.0, le=10_000.0)] = 0.0
    horizon_ms: Annotated[float, Meta(ge=0.0, le=1e9)] = 0.0
    markout_bps: Annotated[float, Meta(ge=-10_000.0, le=10_000.0)] = 0.0
    context: Annotated[tuple[Annotated[float, Meta(ge=-10.0, le=10.0)], ...], Meta(max_length=NAMES_MAX)]
    """The child's `context` as `POST /v1/route` gave it."""


class OutcomesBody(Body, frozen=True, kw_only=True):
    """What a caller who executes elsewhere reports, so that the learners learn."""

    symbol: Name
    outcomes: Annotated[tuple[OutcomeBody, ...], Meta(min_length=1, max_length=OUTCOMES_MAX)]


class VenueStateBody(Body, frozen=True, kw_only=True):
    """What a venue is to be from now on."""

    state: Literal["enable", "disable", "drain"]
    why: Why


class ScaleBody(Body, frozen=True, kw_only=True):
    """Over how many hosts new orders are to be spread from now on."""

    hosts: Annotated[int, Meta(ge=1, le=HOSTS_MAX)]
    why: Why


class DrainBody(Body, frozen=True, kw_only=True):
    """What a node of the cluster is to be from now on: to be drained, or open again."""

    node: Annotated[str, Meta(min_length=1, max_length=NODE_MAX)]
    """Its id, as `GET /v1/cluster` has it."""
    state: Literal["drain", "open"] = "drain"
    why: Why


class AccountStateBody(Body, frozen=True, kw_only=True):
    """What an account is to be from now on."""

    state: Literal["active", "reducing", "halted"]
    why: Why


class WhyBody(Body, frozen=True, kw_only=True):
    """An act of a person, with its reason."""

    why: Why


class JudgeBody(Body, frozen=True, kw_only=True):
    """A judgement on an order that waits for a person."""

    why: Annotated[str, Meta(max_length=WHY_MAX)] = ""


class KillBody(Body, frozen=True, kw_only=True):
    """Where trading is to stop. The target of "all" is empty."""

    level: Literal["strategy", "symbol", "venue", "account", "model", "all"]
    target: Annotated[str, Meta(max_length=ID_MAX)] = ""
    why: Why


class ParameterBody(Body, frozen=True, kw_only=True):
    """One limit or parameter, and what it is to be from now on, as its text in the configuration."""

    key: Annotated[str, Meta(pattern=r"^[A-Za-z0-9\-_.]{1,128}$")]
    value: Annotated[str, Meta(min_length=1, max_length=200)]
    why: Why


Limit = Annotated[int, Meta(ge=1, le=PAGE_MAX, description="How many at most.")]
Cursor = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_\-]{1,64}$", description="`next` of the page before.")]


class PageQuery(Body, frozen=True, kw_only=True):
    """Which page of a list."""

    after: Cursor | None = None
    limit: Limit = 100


class OrdersQuery(Body, frozen=True, kw_only=True):
    """Which orders, newest first."""

    account: Name | None = None
    symbol: Name | None = None
    status: (
        Literal[
            "open",
            "closed",
            "pending_approval",
            "new",
            "partially_filled",
            "pending_cancel",
            "pending_replace",
            "suspended",
            "filled",
            "canceled",
            "expired",
            "rejected",
        ]
        | None
    ) = None
    after: Cursor | None = None
    limit: Limit = 100


class ClientIdQuery(Body, frozen=True, kw_only=True):
    """Whose client's id it is; needed where you may act for more than one account."""

    account: Name | None = None


class CancelAllQuery(Body, frozen=True, kw_only=True):
    """Which orders; all that you may act for when empty."""

    account: Name | None = None
    symbol: Name | None = None
