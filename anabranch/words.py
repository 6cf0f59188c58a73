"""What clients send: every body and every query, as structs.

Rule of this file: the same keys and types as in the document that the desk serves (`/openapi.json`); a test compares
them. Bounds are the desk's to check: it names the place.

Quantities and prices are decimals: give a `Decimal`, a whole number or a text, never a float. Times are `datetime` with
their zone.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Literal

import msgspec

from anabranch.errors import UsageError

Number = Decimal | int | str
Side = Literal["buy", "sell", "sell_short"]
OrderType = Literal["market", "limit"]
TimeInForce = Literal["day", "good_till_date", "immediate_or_cancel"]
Dark = Literal["allowed", "only", "none"]
Strategy = Literal["arrival", "twap", "vwap", "pov", "liquidity_seeking", "target_close", "dark_only", "sweep"]
OutcomeKind = Literal["fill", "expire", "cancel", "reject", "heartbeat", "markout"]
KillLevel = Literal["strategy", "symbol", "venue", "account", "model", "all"]
LearnerAct = Literal["freeze", "unfreeze", "promote", "rollback", "pin", "unpin"]
VenueAct = Literal["enable", "disable", "drain"]
NodeAct = Literal["drain", "open"]
AccountStanding = Literal["active", "reducing", "halted"]
Status = Literal[
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


class Word(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every body keeps to: what was not given is not sent, and a number is exact.

    Raises:
        UsageError: a float or a text that is no decimal where a number is expected, or a time without its zone.
    """

    NUMBERS: ClassVar[tuple[str, ...]] = ()
    TIMES: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for name in self.NUMBERS:
            value = getattr(self, name)
            if value is not None:
                msgspec.structs.force_setattr(self, name, _number(value, f"{type(self).__name__}.{name}"))
        for name in self.TIMES:
            value = getattr(self, name)
            if value is not None and (not isinstance(value, datetime) or value.tzinfo is None):
                raise _usage("a datetime with its zone", value, f"{type(self).__name__}.{name}")


class RoutingBlock(Word, frozen=True, kw_only=True):
    """How an order is to be worked. `approval` manual: it is worked once a second person has approved it."""

    NUMBERS: ClassVar[tuple[str, ...]] = ("min_qty", "max_child_qty", "would_price")

    strategy: Strategy = "liquidity_seeking"
    strategy_parameters: dict[str, float] = {}
    urgency: float = 0.5
    max_participation: float | None = None
    min_qty: Number | None = None
    venues_allow: tuple[str, ...] = ()
    venues_deny: tuple[str, ...] = ()
    segments_deny: tuple[str, ...] = ()
    dark: Dark = "allowed"
    max_child_qty: Number | None = None
    would_price: Number | None = None
    approval: Literal["auto", "manual"] = "auto"


class OrderBody(Word, frozen=True, kw_only=True):
    """A new order. `client_order_id` is yours: the same id again is the same order again.

    >>> OrderBody(
    ...     client_order_id="a-1", account="ACME-1", symbol="MIDC", side="buy", type="limit", qty=100,
    ...     limit_price=Decimal("4.1E1"),
    ... ).limit_price
    '41'
    """

    NUMBERS: ClassVar[tuple[str, ...]] = ("qty", "limit_price")
    TIMES: ClassVar[tuple[str, ...]] = ("start_time", "end_time")

    client_order_id: str
    account: str
    symbol: str
    side: Side
    type: OrderType
    qty: Number
    limit_price: Number | None = None
    time_in_force: TimeInForce = "day"
    start_time: datetime | None = None
    end_time: datetime | None = None
    located: bool = False
    routing: RoutingBlock = RoutingBlock()


class BatchBody(Word, frozen=True, kw_only=True):
    """Several new orders; each is answered by itself."""

    orders: tuple[OrderBody, ...]


class ReplaceBody(Word, frozen=True, kw_only=True):
    """What is to be changed; what is absent stays. The quantity is in all, executions included."""

    NUMBERS: ClassVar[tuple[str, ...]] = ("qty", "limit_price")
    TIMES: ClassVar[tuple[str, ...]] = ("end_time",)

    qty: Number | None = None
    limit_price: Number | None = None
    end_time: datetime | None = None
    urgency: float | None = None
    max_participation: float | None = None
    located: bool = False


class RouteBody(Word, frozen=True, kw_only=True):
    """A slice to be split as it would be now. `reference` and `decision` name the draws: the same ones on the same
    market give the same split. With `explain` every lane that gets nothing says why."""

    NUMBERS: ClassVar[tuple[str, ...]] = ("qty", "limit_price", "min_qty", "max_child_qty")

    symbol: str
    side: Side
    qty: Number
    type: OrderType = "market"
    limit_price: Number | None = None
    urgency: float = 0.5
    opportunity_bps: float | None = None
    min_qty: Number | None = None
    venues_allow: tuple[str, ...] = ()
    venues_deny: tuple[str, ...] = ()
    segments_deny: tuple[str, ...] = ()
    dark: Dark = "allowed"
    max_child_qty: Number | None = None
    reference: str = "dry-run"
    decision: int = 0
    explain: bool = False


class OutcomeBody(Word, frozen=True, kw_only=True):
    """What became of one child since the last outcome about it.

    `context` is the child's, as `route` gave it; `time` is the market's, and now when absent.
    """

    NUMBERS: ClassVar[tuple[str, ...]] = ("qty", "leaves_qty", "filled_qty", "cum_qty")
    TIMES: ClassVar[tuple[str, ...]] = ("time",)

    kind: OutcomeKind
    time: datetime | None = None
    reference: str
    decision_id: str
    child_id: str
    lane: str
    side: Side
    qty: Number
    leaves_qty: Number = "0"
    filled_qty: Number = "0"
    cum_qty: Number = "0"
    age_from_ms: float = 0.0
    age_to_ms: float = 0.0
    is_final: bool = False
    exec_id: str = ""
    price_bps: float = 0.0
    fee_bps: float = 0.0
    horizon_ms: float = 0.0
    markout_bps: float = 0.0
    context: tuple[float, ...]


class OutcomesBody(Word, frozen=True, kw_only=True):
    """What a caller who executes elsewhere reports, so that the learners learn."""

    symbol: str
    outcomes: tuple[OutcomeBody, ...]


class VenueStateBody(Word, frozen=True, kw_only=True):
    """What a venue is to be from now on, and why."""

    state: VenueAct
    why: str


class ScaleBody(Word, frozen=True, kw_only=True):
    """Over how many hosts new orders are to be spread from now on, and why."""

    hosts: int
    why: str


class DrainBody(Word, frozen=True, kw_only=True):
    """What a node of the cluster is to be from now on, and why."""

    node: str
    state: NodeAct = "drain"
    why: str


class AccountStateBody(Word, frozen=True, kw_only=True):
    """What an account is to be from now on, and why."""

    state: AccountStanding
    why: str


class WhyBody(Word, frozen=True, kw_only=True):
    """An act of a person, with its reason."""

    why: str


class JudgeBody(Word, frozen=True, kw_only=True):
    """A judgement on an order that waits for a person."""

    why: str = ""


class KillBody(Word, frozen=True, kw_only=True):
    """Where trading is to stop, or may go on. The target of "all" is empty."""

    level: KillLevel
    target: str = ""
    why: str


class ParameterBody(Word, frozen=True, kw_only=True):
    """One limit or parameter and what it is to be from now on, as its text in the configuration."""

    key: str
    value: str
    why: str


class PageQuery(Word, frozen=True, kw_only=True):
    """Which page of a list."""

    after: str | None = None
    limit: int = 100


class OrdersQuery(Word, frozen=True, kw_only=True):
    """Which orders, newest first."""

    account: str | None = None
    symbol: str | None = None
    status: Status | None = None
    after: str | None = None
    limit: int = 100


class ClientIdQuery(Word, frozen=True, kw_only=True):
    """Whose client's id it is; needed where you may act for more than one account."""

    account: str | None = None


class CancelAllQuery(Word, frozen=True, kw_only=True):
    """Which orders; all that you may act for when empty."""

    account: str | None = None
    symbol: str | None = None


class StreamQuery(Word, frozen=True, kw_only=True):
    """How to listen."""

    accounts: str = ""
    after: str = ""
    encoding: Literal["json", "msgpack"] = "json"
    cancel_on_disconnect: bool = False
    grace_s: float = 5.0


def query_of(word: Word | None) -> dict[str, str]:
    """Return a query as texts, without what was not given.

    >>> query_of(OrdersQuery(symbol="MIDC", limit=5)), query_of(StreamQuery(cancel_on_disconnect=True))
    ({'symbol': 'MIDC', 'limit': '5'}, {'cancel_on_disconnect': 'true'})
    """
    given: dict[str, Any] = {} if word is None else msgspec.to_builtins(word)
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in given.items()}


def _number(value: object, where: str) -> str:
    """Return a decimal as the desk reads it: digits and a point, no exponent."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, Decimal) and value.is_finite():
        return f"{value:f}"
    raise _usage("a Decimal, a whole number or a decimal text", value, where)


def _usage(expected: str, got: object, where: str) -> UsageError:
    return UsageError(f"expected {expected}, got {got!r} - at {where}")
