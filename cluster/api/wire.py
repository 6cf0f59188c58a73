"""Bodies on the wire: JSON or MessagePack in, checked against their structs, and structs out as the client accepts.

Rule of this file: a body is decoded once, into its struct, and every fault of it is said with its place and, for a key
that nobody knows, with the nearest that is known.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, TypeVar, get_args

import msgspec
from aiohttp import web

from cluster.api.json_text import beyond, twice
from router.domain.errors import BadInputError, CodecError, bad_value

T = TypeVar("T", bound=msgspec.Struct)

JSON: Final = "application/json"
MSGPACK: Final = "application/msgpack"
_MSGPACK_TYPES: Final = (MSGPACK, "application/x-msgpack", "application/vnd.msgpack")

_json: Final = msgspec.json.Encoder()
_msgpack: Final = msgspec.msgpack.Encoder()
_FAULT: Final = re.compile(r"(.*?)(?: - at `([^`]*)`)?$", re.DOTALL)
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(.*)`$", re.DOTALL)
_MISSING: Final = re.compile(r"Object missing required field `(.*)`$")
_BEYOND: Final = "Number out of range"
_DUPLICATES_MAX: Final = 1


@lru_cache(maxsize=256)
def _decoder(kind: Any, is_json: bool) -> Any:
    return msgspec.json.Decoder(kind) if is_json else msgspec.msgpack.Decoder(kind)


async def body_of(request: web.Request, kind: type[T]) -> T:
    """Return a request's body as its struct.

    Raises:
        CodecError: it cannot be read at all.
        BadInputError: it can, and is not of the struct's shape.
        HTTPUnsupportedMediaType, HTTPRequestEntityTooLarge: what they say.
    """
    media = request.content_type
    if media != JSON and media not in _MSGPACK_TYPES:
        raise web.HTTPUnsupportedMediaType(text=f"expected {JSON} or {MSGPACK}, got {media}")
    return decode(await request.read(), kind, is_json=media == JSON)


def decode(data: bytes, kind: type[T], *, is_json: bool) -> T:
    """Return the struct in a body; see `body_of`.

    >>> class Point(msgspec.Struct, forbid_unknown_fields=True):
    ...     height: int = 0
    >>> decode(b'{"heihgt": 1}', Point, is_json=True)
    Traceback (most recent call last):
    router.domain.errors.BadInputError: expected a known key (did you mean height?), got 'heihgt' - at $
    """
    try:
        found: T = _decoder(kind, is_json).decode(data)
        key = twice(data) if is_json else ""
    except msgspec.ValidationError as exc:
        number = beyond(data) if is_json and str(exc).startswith(_BEYOND) else ""
        if number:
            place = _FAULT.match(str(exc))
            raise BadInputError(f"expected a finite number, got {number} - at {place[2] if place else '$'}") from None
        raise BadInputError(said_of(exc, kind, _plain(data, is_json))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError) as exc:
        raise CodecError(f"expected {'JSON' if is_json else 'MessagePack'}, got {exc} - at $") from None
    if key:
        raise BadInputError(f"expected each key once, got {key[:80]!r} twice - at $")
    return found


def _plain(data: bytes, is_json: bool) -> object:
    """Return what a body holds that is readable and of another shape than its struct."""
    try:
        return msgspec.json.decode(data) if is_json else msgspec.msgpack.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError):
        return None


def query_of(request: web.Request, kind: type[T]) -> T:
    """Return a request's query as its struct.

    Raises:
        BadInputError: an unknown key, one that is there twice, or a value out of its range.
    """
    given = request.query
    for name in given:
        if len(given.getall(name)) > _DUPLICATES_MAX:
            raise BadInputError(bad_value(f"$.{name}", "one value", given.getall(name)))
    try:
        return msgspec.convert(dict(given), kind, strict=False)
    except msgspec.ValidationError as exc:
        raise BadInputError(said_of(exc, kind, dict(given))) from None


def said_of(exc: msgspec.ValidationError, kind: Any, given: object) -> str:
    """Return a validation error in our one form: what was expected, what came and where; for a key that nobody knows
    with the nearest that is known."""
    found = _FAULT.match(str(exc))
    assert found is not None
    text, place = found[1], found[2] or "$"
    got, wanted = _at(given, kind, place)
    if unknown := _UNKNOWN.match(text):
        known = [field.encode_name for field in msgspec.structs.fields(_struct_in(wanted))]
        near = difflib.get_close_matches(unknown[1], known, 1)
        expected = f"a known key (did you mean {near[0]}?)" if near else f"one of the keys {', '.join(known)}"
        return bad_value(place, expected, _short(unknown[1]))
    if missing := _MISSING.match(text):
        return f"expected a value, got none - at {place}.{missing[1]}"
    if text.startswith("Invalid enum value"):
        return bad_value(place, f"one of {', '.join(_words_of(wanted))}", _short(got))
    if text.startswith("Invalid RFC3339"):
        return bad_value(place, "a time as RFC 3339 writes it, with its zone", _short(got))
    if text.startswith("Expected"):
        expected = text.partition(", got ")[0].removeprefix("Expected ").replace("`", "")
        return bad_value(place, expected, _short(got))
    return bad_value(place, "another value", _short(got))


def _short(value: object) -> object:
    """Return a value as a message may repeat it: no more of it than a line."""
    if isinstance(value, str | bytes):
        return value[:80]
    return value if isinstance(value, int | float | None) else _Named(type(value).__name__)


class _Named:
    """Shows as its name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return {"dict": "an object", "list": "an array"}.get(self._name, self._name)


def _at(given: Any, kind: Any, place: str) -> tuple[object, Any]:
    """Return what a body has at a place, and of what kind that should be."""
    for name, index in re.findall(r"\.([\w-]+)|\[(\d+|\.\.\.)\]", place):
        struct = _struct_in(kind)
        if name:
            if struct is not None:
                kind = {field.encode_name: field.type for field in msgspec.structs.fields(struct)}.get(name, kind)
            given = given.get(name) if isinstance(given, dict) else None
        elif index.isdigit():
            given = given[int(index)] if isinstance(given, list) and int(index) < len(given) else None
        else:
            given = None
    return given, kind


def _struct_in(kind: Any) -> Any:
    """Return the struct that an annotation is of, or of which it holds several; None: it is of none."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    inner = (_struct_in(part) for part in get_args(kind) if not isinstance(part, msgspec.Meta))
    return next((part for part in inner if part is not None), None)


def _words_of(kind: Any) -> list[str]:
    """Return the words that an annotation allows."""
    if isinstance(kind, str):
        return [kind]
    return [word for part in get_args(kind) for word in _words_of(part)]


@lru_cache(maxsize=256)
def _choice(accept: str) -> str | None:
    """Return the media type to answer in, JSON where both would do; None: neither is accepted.

    >>> _choice("*/*"), _choice("application/msgpack, application/json;q=0.5"), _choice("text/html")
    ('application/json', 'application/msgpack', None)
    """
    best, chosen = 0.0, None
    for part in accept.split(","):
        media, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        is_json = media in (JSON, "application/*", "*/*")
        if (is_json or media in _MSGPACK_TYPES) and quality > best:
            best, chosen = quality, JSON if is_json else MSGPACK
    return chosen


def media_of(request: web.Request) -> str:
    """Return the media type that the client accepts.

    Raises:
        HTTPNotAcceptable: neither JSON nor MessagePack.
    """
    accept = request.headers.get("Accept")
    chosen = JSON if not accept else _choice(accept)
    if chosen is None:
        raise web.HTTPNotAcceptable(text=f"expected to be asked for {JSON} or {MSGPACK}, got {accept}")
    return chosen


def encode(value: object, media: str) -> bytes:
    """Return a struct's bytes in a media type."""
    return _json.encode(value) if media == JSON else _msgpack.encode(value)


def reply(
    request: web.Request, value: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return the answer that carries a struct in what the client accepts."""
    media = media_of(request)
    response = web.Response(status=status, body=encode(value, media), headers=headers)
    response.content_type = media
    return response
