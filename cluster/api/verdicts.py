"""What the desk's refusals are over HTTP.

Rule of this file: an answer that is no refusal is the handler's to say; a refusal is said here, the same for all.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from cluster.api.answers import ErrorSaid, NotedAnswer
from cluster.api.problems import TABLE, refuse
from cluster.api.route import Fault
from cluster.api.wire import reply
from router.domain.requests import Accepted, Answer, Conflicting, Denial, Denied, Noted, NotFound, NotReady
from router.risk.reasons import DenyReason

RATES: Final = (DenyReason.MESSAGE_RATE_SESSION, DenyReason.MESSAGE_RATE_VENUE)
"""Reasons that pass by themselves."""

_CONFLICTS: Final = {"DUPLICATE_CLIENT_ORDER_ID": "client_order_id_taken", "ORDER_IS_OVER": "order_closed"}

_POINTERS: Final = {
    **{name: f"$.{name}" for name in ("client_order_id", "account", "symbol", "side", "qty", "start_time", "end_time")},
    **{name: f"$.routing.{name}" for name in ("strategy", "venues_allow", "venues_deny")},
    "order_qty": "$.qty",
    "price": "$.limit_price",
    "ord_type": "$.type",
    "start_at": "$.start_time",
    "end_at": "$.end_time",
    "is_located": "$.located",
}
"""Where in a client's body a field of the risk gate stands."""


class Refused:
    """Why a request was refused: the code of the problem, its words, and each thing that is wrong."""

    __slots__ = ("code", "errors", "text")

    def __init__(self, answer: Denied | Conflicting | NotFound | NotReady, where: str = "$") -> None:
        self.errors: tuple[ErrorSaid, ...] = ()
        match answer:
            case Denied():
                is_rate = all(denial.code in RATES for denial in answer.denials)
                self.code = "message_rate" if is_rate else "denied"
                self.text = TABLE[self.code].meaning
                self.errors = tuple(_denied(denial, where) for denial in answer.denials)
            case Conflicting():
                self.code, self.text = _CONFLICTS.get(answer.code, "conflict"), answer.text
                self.errors = (ErrorSaid(code=answer.code, detail=answer.text),)
            case NotReady():
                self.code, self.text = "not_ready", TABLE["not_ready"].meaning
                self.errors = (ErrorSaid(code=answer.code, detail=answer.text),)
            case NotFound():
                self.code, self.text = "not_found", f"There is no {answer.what}, or none that you may see."


def _denied(denial: Denial, where: str) -> ErrorSaid:
    pointer = _POINTERS.get(denial.field, "").replace("$", where, 1)
    return ErrorSaid(code=denial.code, detail=denial.text, pointer=pointer, check=denial.check)


def refuse_answer(request: web.Request, answer: Denied | Conflicting | NotFound | NotReady) -> web.Response:
    """Return the response to a request that the desk refused."""
    refused = Refused(answer)
    return refuse(request, refused.code, refused.text, refused.errors)


def respond(request: web.Request, answer: Answer) -> web.Response:
    """Return the response to a request that changes something: 202, or why not."""
    match answer:
        case Noted():
            return reply(request, NotedAnswer(count=answer.count, waits_for=answer.waits_for), 202)
        case Accepted():
            return reply(request, NotedAnswer(count=1, waits_for=""), 202)
        case _:
            return refuse_answer(request, answer)


def missing(request: web.Request, what: str) -> web.Response:
    """Return a 404: there is none, or none that this principal may see."""
    return refuse(request, *missing_fault(what))


def missing_fault(what: str) -> Fault:
    """Return the refusal that `missing` says."""
    return Fault("not_found", f"There is no {what}, or none that you may see.")
