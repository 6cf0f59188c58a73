"""What an actor answers, as bytes: a reply, or the fault that it raised instead.

Rule of this file: the first byte says which; a fault crosses as its class's name and its text, and is raised again as
the same class of `router.domain.errors`, so that a run fails alike wherever its shells live.
"""

from __future__ import annotations

import msgspec

from router.domain import codec, errors
from router.domain.errors import AnabranchError, LinkError
from router.domain.messages import Message

REPLY, FAULT = b"\x00", b"\x01"


def reply_bytes(reply: Message) -> bytes:
    """Return the answer that carries a reply."""
    return REPLY + codec.encode(reply)


def fault_bytes(fault: Exception) -> bytes:
    """Return the answer that carries a fault."""
    return FAULT + msgspec.msgpack.encode((type(fault).__name__, str(fault)))


def open_answer(name: str, answer: bytes) -> Message:
    """Return the reply in an answer of the actor `name`, or raise the fault in it.

    >>> open_answer("XLTA", fault_bytes(errors.FeatureError("expected 1, got 2 - at x")))
    Traceback (most recent call last):
    router.domain.errors.FeatureError: expected 1, got 2 - at x

    Raises:
        AnabranchError: what the actor raised, as the same class.
        LinkError: the fault is no exception of ours, or the bytes are no answer.
        CodecError: the reply is not one of our messages.
    """
    kind, body = answer[:1], answer[1:]
    if kind == REPLY:
        return codec.decode_message(body)
    if kind != FAULT:
        raise LinkError(f"expected a reply or a fault from {name}, got an answer that begins {kind!r}")
    try:
        class_name, text = msgspec.msgpack.decode(body, type=tuple[str, str])
    except msgspec.MsgspecError as exc:
        raise LinkError(f"expected a fault's class and text from {name}, got {exc}") from exc
    raise fault_of(name, class_name, text)


def fault_of(name: str, class_name: str, text: str) -> AnabranchError:
    """Return what `name` raised as the same class of ours; LinkError where it is none."""
    known = getattr(errors, class_name, None)
    if isinstance(known, type) and issubclass(known, AnabranchError):
        return known(text)
    return LinkError(f"expected a reply from {name}, got {class_name}: {text}")
