"""The typed MessagePack codec: messages and events to bytes and back.

Rule of this file: a missing field, a wrong type or a broken byte is refused with its place; nothing is guessed. A field
that is not known is passed over, so that a journal written by a later minor version still reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import msgspec

from router.domain.errors import CodecError
from router.domain.events import Event
from router.domain.messages import Message
from router.domain.orders import Command
from router.domain.reports import Report

T = TypeVar("T")

_encoder = msgspec.msgpack.Encoder(enc_hook=None)
_decoders: dict[object, msgspec.msgpack.Decoder[object]] = {}


encode: Callable[[object], bytes] = _encoder.encode
"""Return the MessagePack bytes of a message, event, command or report (or a tuple of them)."""


def decode(data: bytes, kind: type[T]) -> T:
    """Return the value of type `kind` in `data`.

    Raises:
        CodecError: truncated or malformed bytes, a wrong type, a missing field, each with its place.
    """
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.msgpack.Decoder(kind)
    try:
        return cast("T", decoder.decode(data))
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as exc:
        raise CodecError(f"{exc} - decoding {getattr(kind, '__name__', kind)} of {len(data)} bytes") from exc


def decode_event(data: bytes) -> Event:
    """Return the event in `data`."""
    return decode(data, Event)  # type: ignore[arg-type]


def decode_message(data: bytes) -> Message:
    """Return the message in `data`."""
    return decode(data, Message)  # type: ignore[arg-type]


def decode_command(data: bytes) -> Command:
    """Return the command in `data`."""
    return decode(data, Command)  # type: ignore[arg-type]


def decode_report(data: bytes) -> Report:
    """Return the report in `data`."""
    return decode(data, Report)  # type: ignore[arg-type]
