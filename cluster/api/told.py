"""What a stream tells: each fact of an account as its clients read it, made once however many listen.

Rule of this file: an event's name and keys, once there, keep their meaning; prices and quantities are decimal texts,
times RFC 3339 texts in UTC.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Final

import msgspec

from cluster.api.decimals import px_text, time_text
from router.domain import codec, facts
from router.domain.facts import Fact
from router.domain.orders import ParentOrder
from router.orders.journal import Record

_json: Final = msgspec.json.Encoder()
_msgpack: Final = msgspec.msgpack.Encoder()

ACCOUNT: Final = facts.account_stream("")

EVENTS: Final[dict[type, str]] = {
    facts.OrderAccepted: "order_accepted",
    facts.OrderDenied: "order_denied",
    facts.ApprovalJudged: "approval_judged",
    facts.CancelAsked: "cancel_asked",
    facts.ReplaceAsked: "replace_asked",
    facts.OrderReplaced: "order_replaced",
    facts.OrderExecuted: "order_executed",
    facts.ExecutionBusted: "execution_busted",
    facts.OrderSuspended: "order_suspended",
    facts.ResumeAsked: "resume_asked",
    facts.OrderResumed: "order_resumed",
    facts.OrderEnded: "order_ended",
    facts.AccountStateSet: "account_state_set",
    facts.StrategyStopped: "strategy_stopped",
    facts.StrategyReenabled: "strategy_reenabled",
}
"""The names of events; a fact that is not here is told by its own name, with its time alone."""

_PRICES: Final = {"price": "limit_price", "last_px": "price"}
_QTYS: Final = {"order_qty": "qty", "last_qty": "qty", "cum_qty": "cum_qty", "leaves_qty": "leaves_qty"}
_RENAMED: Final = {"parent_id": "order_id", "cl_ord_id": "child_id", "last_liquidity_ind": "liquidity"}
_APART: Final = ("at", "account", "order", "body_hash", "risk_px", "held_qty", "held_price", "held_risk_px")


class Told:
    """One event of one account's stream; its bytes are made when somebody first needs them."""

    def __init__(self, account: str, seq: int, body: dict[str, Any]) -> None:
        self.account = account
        self.seq = seq
        self.body = body

    @cached_property
    def json(self) -> bytes:
        """The event as JSON, on one line."""
        return _json.encode(self.body)

    @cached_property
    def msgpack(self) -> bytes:
        """The event as MessagePack."""
        return _msgpack.encode(self.body)


def told(record: Record, unit_of: Callable[[str], str]) -> Told:
    """Return the event in a record of an account's stream; `unit_of` gives the price unit of an order's symbol.

    Raises:
        CodecError: the payload is not what its kind says.
    """
    fact: Any = codec.decode(record.payload, Fact)  # type: ignore[arg-type]
    account = record.stream.removeprefix(ACCOUNT)
    body: dict[str, Any] = {
        "type": "event",
        "account": account,
        "seq": record.seq,
        "event": EVENTS.get(type(fact), type(fact).__name__),
        "time": time_text(fact.at),
        "correlation_id": record.correlation_id,
        "data": _said(fact, unit_of) if type(fact) in EVENTS else {},
    }
    return Told(account, record.seq, body)


def _said(fact: Any, unit_of: Callable[[str], str]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    unit = unit_of(fact.parent_id) if hasattr(fact, "parent_id") else ""
    if isinstance(fact, facts.OrderAccepted):
        said = _order(fact.order, unit)
    for name in fact.__struct_fields__:
        value = getattr(fact, name)
        if name in _APART:
            continue
        if name in _PRICES:
            said[_PRICES[name]] = None if value is None else px_text(value, unit)
        elif name in _QTYS:
            said[_QTYS[name]] = None if value is None else str(value)
        elif name == "end_at":
            said["end_time"] = None if value is None else time_text(value)
        elif name == "ord_status":
            said["status"] = str(value).lower()
        elif name in ("state", "last_liquidity_ind"):
            said[_RENAMED.get(name, name)] = None if value is None else str(value).lower()
        elif name == "denials":
            said["errors"] = [
                {"code": one.code, "detail": one.text, "pointer": one.field, "check": one.check} for one in value
            ]
        else:
            said[_RENAMED.get(name, name)] = value
    return said


def _order(order: ParentOrder, unit: str) -> dict[str, Any]:
    return {
        "client_order_id": order.client_order_id,
        "symbol": order.symbol,
        "side": str(order.side).lower(),
        "type": str(order.ord_type).lower(),
        "qty": str(order.order_qty),
        "limit_price": None if order.price is None else px_text(order.price, unit),
        "strategy": order.strategy,
        "start_time": time_text(order.start_at),
        "end_time": time_text(order.end_at),
    }
