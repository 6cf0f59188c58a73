"""Every way in which a request can fail, in one table, and how it is said (RFC 9457).

Rule of this file: a code, once there, keeps its status and its meaning; whoever adds one adds a row here, and the page
on errors and the OpenAPI document follow.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
from aiohttp import web

from cluster.api.answers import ErrorSaid, Problem
from cluster.api.asked import CORRELATION_ID
from router.domain import errors

MEDIA: Final = "application/problem+json"
"""Problems are JSON whatever was asked for: whoever can read MessagePack can tell them by their media type."""

NEVER, SAME, LATER, CHANGED = "never", "same_id", "later", "after_change"
"""Whether to send it again: not at all; as it is, under the same id; as it is, after Retry-After; once changed."""

RETRY_AFTER_S: Final = "1"


class Kind(NamedTuple):
    """One row: what a code stands for."""

    status: int
    title: str
    meaning: str
    retry: str


TABLE: Final[dict[str, Kind]] = {
    "malformed": Kind(
        400, "The request cannot be read", "The body is no JSON or MessagePack, or passes a bound.", CHANGED
    ),
    "unauthenticated": Kind(
        401, "Nobody has shown who asks", "The key, the signature or the session is missing or wrong.", CHANGED
    ),
    "forbidden": Kind(403, "Not in this role", "Who asks is known, and may not do this.", NEVER),
    "not_found": Kind(404, "There is no such thing", "There is none, or none that you may see.", NEVER),
    "method_not_allowed": Kind(405, "Not with this method", "`Allow` names the methods of this path.", NEVER),
    "not_acceptable": Kind(406, "No media type that you accept", "Answers are JSON or MessagePack.", CHANGED),
    "too_slow": Kind(408, "The request took too long to arrive", "It was not handed in.", LATER),
    "conflict": Kind(409, "Not as things stand", "What is asked for contradicts what is there.", NEVER),
    "client_order_id_taken": Kind(
        409, "Another order has this client_order_id", "The first order stands; this one was not accepted.", NEVER
    ),
    "order_closed": Kind(409, "The order is over", "It can no longer be changed or cancelled.", NEVER),
    "too_large": Kind(413, "The body is too large", "It was not read.", CHANGED),
    "unsupported_media_type": Kind(415, "No media type that is read here", "Bodies are JSON or MessagePack.", CHANGED),
    "invalid": Kind(
        422,
        "The request is not of the right shape",
        "`errors` name each place, what was expected and what came.",
        CHANGED,
    ),
    "denied": Kind(
        422, "The risk gate denied it", "`errors` have the coded reasons; nothing was sent anywhere.", CHANGED
    ),
    "rate_limited": Kind(429, "Too many requests", "This key asks faster than it may; nothing was handed in.", LATER),
    "message_rate": Kind(429, "Too many messages", "The risk gate's message rate; nothing was accepted.", LATER),
    "busy": Kind(429, "Too much waits already", "The journal has its fill; nothing was recorded.", LATER),
    "internal": Kind(
        500, "Our fault", "Something failed that should not; the correlation id finds it in the log.", SAME
    ),
    "kill_not_recorded": Kind(
        503,
        "Killed, and not recorded",
        "The markets were told to stop; the journal did not take it: send it again.",
        LATER,
    ),
    "node_not_told": Kind(
        503,
        "Recorded, and not begun",
        "What a node is to be stands in the journal; who moves what lives there cannot be reached: send it again.",
        LATER,
    ),
    "unavailable": Kind(503, "The desk cannot be reached", "The request was certainly not handed in.", LATER),
    "journal_refuses": Kind(503, "The journal refuses", "Nothing was accepted.", LATER),
    "not_ready": Kind(503, "Not ready", "`errors` say what is waited for; nothing was accepted.", LATER),
    "unknown": Kind(
        504,
        "Nobody knows whether it was done",
        "It was handed in and no answer came: send it again under the same id.",
        SAME,
    ),
}

COMMON: Final = (
    "unauthenticated",
    "forbidden",
    "not_acceptable",
    "too_slow",
    "rate_limited",
    "internal",
    "unavailable",
)
"""What every resource that asks for a principal can answer."""

WITH_BODY: Final = ("malformed", "too_large", "unsupported_media_type", "invalid")
"""What every resource that takes a body can answer besides."""

_EXCEPTIONS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (errors.CodecError, "malformed"),
    (errors.BadInputError, "invalid"),
    (errors.JournalBusyError, "busy"),
    (errors.JournalError, "journal_refuses"),
    (errors.UnknownOutcomeError, "unknown"),
    (errors.LinkError, "unavailable"),
)
"""From exception to code; the first that fits."""

_HTTP: Final = {
    400: "malformed",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    408: "too_slow",
    411: "malformed",
    413: "too_large",
    415: "unsupported_media_type",
    429: "rate_limited",
}
"""From the server's own refusals to codes."""

_PLACE: Final = re.compile(r" - at `?(\$[^`\s]*)`?$")
_encoder: Final = msgspec.json.Encoder()
_log: Final = logging.getLogger("anabranch.api")


def error_of(code: str, text: str) -> ErrorSaid:
    """Return a message of the form "expected X, got Y - at PLACE" with its place apart.

    >>> error_of("invalid", "expected a whole quantity, got '1.5' - at $.qty").pointer
    '$.qty'
    """
    found = _PLACE.search(text)
    return ErrorSaid(code=code, detail=text, pointer=found[1] if found else "")


def problem_of(
    code: str, detail: str, *, instance: str = "", correlation_id: str = "", found: Sequence[ErrorSaid] = ()
) -> Problem:
    """Return a problem by its code."""
    kind = TABLE[code]
    return Problem(
        type=f"/docs#problem-{code}",
        title=kind.title,
        status=kind.status,
        code=code,
        detail=detail,
        instance=instance,
        correlation_id=correlation_id,
        retry=kind.retry,
        errors=tuple(found),
    )


def refuse(
    request: web.BaseRequest,
    code: str,
    detail: str,
    found: Sequence[ErrorSaid] = (),
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Return the answer to a request that failed, by the code of the table; 429 and 503 say when to come again."""
    problem = problem_of(
        code, detail, instance=request.path, correlation_id=request.get(CORRELATION_ID, ""), found=found
    )
    sent = {"Cache-Control": "no-store", **(headers or {})}
    if problem.retry == LATER:
        sent.setdefault("Retry-After", RETRY_AFTER_S)
    return web.Response(status=problem.status, body=_encoder.encode(problem), content_type=MEDIA, headers=sent)


def refuse_exception(request: web.BaseRequest, exc: Exception) -> web.Response:
    """Return the answer to a request that an exception ended; what nobody foresaw is our fault, and logged."""
    if isinstance(exc, web.HTTPException):
        return _refuse_http(request, exc)
    code, text, found = fault_of(exc, request.get(CORRELATION_ID, ""))
    return refuse(request, code, text, found)


def fault_of(exc: Exception, correlation_id: str) -> tuple[str, str, tuple[ErrorSaid, ...]]:
    """Return the code, the words and the errors for an exception that ended a request.

    What is wrong with a request is for its sender; what is wrong with us is for the log.
    """
    code, text = code_of(exc), str(exc)
    if code in ("malformed", "invalid"):
        return code, text, (error_of(code, text),)
    extra = {"correlation_id": correlation_id}
    if code == "internal":
        _log.error("unexpected %s", type(exc).__name__, exc_info=exc, extra=extra)
    elif TABLE[code].status >= 500:
        _log.warning("%s: %s", code, text, extra=extra)
    return code, TABLE[code].meaning, ()


def code_of(exc: Exception) -> str:
    """Return the code for an exception; what nobody foresaw is our fault.

    >>> code_of(errors.UnitError("expected a decimal price, got 'x'")), code_of(KeyError("x"))
    ('invalid', 'internal')
    """
    return next((code for kind, code in _EXCEPTIONS if isinstance(exc, kind)), "internal")


def _refuse_http(request: web.BaseRequest, exc: web.HTTPException) -> web.Response:
    code = _HTTP.get(exc.status) or ("internal" if exc.status >= 500 else "malformed")
    headers = {name: exc.headers[name] for name in ("Allow", "Retry-After") if name in exc.headers}
    return refuse(
        request, code, exc.text if exc.status in (406, 415) and exc.text else TABLE[code].meaning, (), headers
    )
