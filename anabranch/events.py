"""What a stream tells, as structs: a snapshot, and then each event of an account with its seq.

Rule of this file: an event that this version does not know is passed on as it came, never dropped; a key that it does
not know is passed over.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from anabranch.answers import ErrorSaid, Order, Said
from anabranch.errors import AnswerError


class EventData(Said, frozen=True, kw_only=True):
    """What every kind of event is."""


class OrderData(EventData, frozen=True, kw_only=True):
    """An event of one order."""

    order_id: str


class OrderAccepted(OrderData, frozen=True, kw_only=True):
    """The order is the desk's. With an `approval_id` it is worked once a person has approved it."""

    client_order_id: str
    symbol: str
    side: str
    type: str
    qty: Decimal
    limit_price: Decimal | None
    strategy: str
    start_time: datetime
    end_time: datetime
    who: str
    approval_id: str = ""


class OrderDenied(EventData, frozen=True, kw_only=True):
    """The risk gate refused an order."""

    client_order_id: str
    who: str
    errors: tuple[ErrorSaid, ...]


class ApprovalJudged(OrderData, frozen=True, kw_only=True):
    """A person approved an order or a change to one, or rejected it: a rejected order is over, one whose change was
    rejected goes on as it was."""

    approval_id: str
    is_approved: bool
    who: str
    why: str = ""


class CancelAsked(OrderData, frozen=True, kw_only=True):
    """Somebody wants the order ended."""

    who: str
    reason: str


class ReplaceAsked(OrderData, frozen=True, kw_only=True):
    """Somebody wants the order changed; None leaves a term as it is. With `approval_id` it waits for a person."""

    who: str
    qty: Decimal | None = None
    limit_price: Decimal | None = None
    end_time: datetime | None = None
    urgency: float | None = None
    max_participation: float | None = None
    approval_id: str = ""


class OrderReplaced(OrderData, frozen=True, kw_only=True):
    """The order's terms are now these; `refused` says why they are not, and they are the old ones."""

    qty: Decimal
    limit_price: Decimal | None
    end_time: datetime
    refused: str = ""


class OrderExecuted(OrderData, frozen=True, kw_only=True):
    """A child's execution, and where the order stands after it."""

    child_id: str
    exec_id: str
    mic: str
    qty: Decimal
    price: Decimal
    cum_qty: Decimal
    leaves_qty: Decimal
    liquidity: str | None = None


class ExecutionBusted(OrderData, frozen=True, kw_only=True):
    """A venue canceled an execution, or corrected it to other figures (zero quantity: canceled)."""

    child_id: str
    exec_id: str
    exec_ref_id: str
    qty: Decimal
    price: Decimal
    cum_qty: Decimal
    leaves_qty: Decimal


class OrderSuspended(OrderData, frozen=True, kw_only=True):
    """Nothing new is sent for the order until a person has looked."""

    reason: str


class ResumeAsked(OrderData, frozen=True, kw_only=True):
    """A person has looked at a suspended order and lets it go on."""

    who: str
    why: str


class OrderResumed(OrderData, frozen=True, kw_only=True):
    """It goes on."""


class OrderEnded(OrderData, frozen=True, kw_only=True):
    """The order is over."""

    status: str
    cum_qty: Decimal
    reason: str = ""


class AccountStateSet(EventData, frozen=True, kw_only=True):
    """The account is active, reducing or halted."""

    state: str
    who: str
    why: str


class StrategyStopped(EventData, frozen=True, kw_only=True):
    """The repeated-execution throttle stopped a strategy of the account."""

    strategy: str
    why: str


class StrategyReenabled(EventData, frozen=True, kw_only=True):
    """A named person let a stopped strategy go on."""

    strategy: str
    who: str
    why: str


class OtherData(EventData, frozen=True, kw_only=True):
    """An event that this version of the client does not know, as it came."""

    fields: dict[str, Any]


KINDS: Final[dict[str, type[EventData]]] = {
    "order_accepted": OrderAccepted,
    "order_denied": OrderDenied,
    "approval_judged": ApprovalJudged,
    "cancel_asked": CancelAsked,
    "replace_asked": ReplaceAsked,
    "order_replaced": OrderReplaced,
    "order_executed": OrderExecuted,
    "execution_busted": ExecutionBusted,
    "order_suspended": OrderSuspended,
    "resume_asked": ResumeAsked,
    "order_resumed": OrderResumed,
    "order_ended": OrderEnded,
    "account_state_set": AccountStateSet,
    "strategy_stopped": StrategyStopped,
    "strategy_reenabled": StrategyReenabled,
}
"""From an event's name to the struct of its data."""


class Snapshot(Said, frozen=True, kw_only=True):
    """How things stand where a stream begins: the open orders, and the last seq of each account."""

    orders: tuple[Order, ...]
    seqs: dict[str, int]


class Event(Said, frozen=True, kw_only=True):
    """One thing that happened. `seq` rises by one from event to event of its account."""

    account: str
    seq: int
    event: str
    time: datetime
    correlation_id: str
    data: EventData


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """What comes over the wire: a snapshot's part, resumed, heartbeat, event, too_slow or going_away."""

    type: str
    seqs: dict[str, int] = {}
    orders: tuple[Order, ...] = ()
    is_last: bool = True
    account: str = ""
    seq: int = -1
    event: str = ""
    time: str = ""
    correlation_id: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")


_json_frames: Final = msgspec.json.Decoder(Frame)
_msgpack_frames: Final = msgspec.msgpack.Decoder(Frame)


def frame_of(data: bytes | str, *, is_json: bool) -> Frame:
    """Return the frame in a message.

    Raises:
        AnswerError: it is none.
    """
    try:
        return _json_frames.decode(data) if is_json else _msgpack_frames.decode(data)  # type: ignore[arg-type]
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise AnswerError(f"expected a frame of a stream, got {exc} - at the stream") from exc


def event_of(frame: Frame, *, is_json: bool) -> Event:
    """Return the event in a frame of type event.

    Raises:
        AnswerError: its data is not what its name says.
    """
    decode: Any = msgspec.json.decode if is_json else msgspec.msgpack.decode
    kind = KINDS.get(frame.event)
    try:
        data = OtherData(fields=decode(frame.data)) if kind is None else decode(frame.data, type=kind)
        time = msgspec.convert(frame.time, datetime)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise AnswerError(f"expected the data of {frame.event}, got {exc} - at seq {frame.seq}") from exc
    return Event(
        account=frame.account,
        seq=frame.seq,
        event=frame.event,
        time=time,
        correlation_id=frame.correlation_id,
        data=data,
    )
