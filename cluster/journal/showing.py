"""Records for people and for other programs: one object a record, payloads decoded where they can be.

Rule of this file: it knows no event and no fact, so that it shows journals of every version; what is no MessagePack is
shown as it is, in hexadecimal.
"""

from __future__ import annotations

import msgspec

from router.orders.journal import Record

_JSON_FAILURES = (msgspec.MsgspecError, TypeError, ValueError, RecursionError, OverflowError)


def payload_json(payload: bytes) -> str:
    """Return a payload as JSON: its MessagePack decoded, or `{"hex": ...}`. Bytes inside it are base64.

    >>> payload_json(msgspec.msgpack.encode({"qty": 3, "key": b"x"})), payload_json(b"not msgpack")
    ('{"qty":3,"key":"eA=="}', '{"hex":"6e6f74206d73677061636b"}')
    """
    try:
        return msgspec.json.encode(msgspec.msgpack.decode(payload), enc_hook=str).decode()
    except _JSON_FAILURES:
        return msgspec.json.encode({"hex": payload.hex()}).decode()


def record_json(record: Record) -> str:
    """Return a record as one line of JSON, with its fields in their order and the payload decoded."""
    fields: dict[str, object] = {name: getattr(record, name) for name in record.__struct_fields__}
    fields["payload"] = msgspec.Raw(payload_json(record.payload).encode())
    fields["previous"] = record.previous.hex()
    return msgspec.json.encode(fields).decode()
