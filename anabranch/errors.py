"""Every way in which a call of the client can fail, in one tree.

    ClientError
    ├── UsageError               what the program gave us cannot be sent (a ValueError too)
    ├── UnreachableError         no connection came about: nothing was handed in
    ├── UnknownOutcome           it was handed in and no answer came: it may have been done, or not
    ├── AnswerError              what answered does not speak this API: a proxy's page, another version
    │   └── StreamGapError       a stream left out a seq, and did so again when it was asked for it
    └── ProblemError             the desk said no; `.problem` has RFC 9457's fields
        ├── BadRequestError          the request's shape: malformed, invalid, too large ...
        ├── NotAllowedError          nobody has shown who asks, or not in this role
        ├── NotFoundError            there is none, or none that you may see
        ├── ConflictError            not as things stand: the id is taken, the order is over
        ├── DeniedError              the risk gate: `.problem.errors` have the coded reasons
        ├── TooManyError             rates and queues: nothing was handed in
        ├── UnavailableError         not now: nothing was handed in
        └── ServerError              the desk's fault, or it does not know itself

Rule of this file: no exception of this package is defined anywhere else, and each code of a problem belongs to one
family, here.
"""

from __future__ import annotations

from typing import Final

from anabranch.answers import Problem


class ClientError(Exception):
    """Root of the tree: everything that this package raises on purpose."""


class UsageError(ClientError, ValueError):
    """What the program gave us cannot be sent; the message says what was expected, what came, and where."""


class UnreachableError(ClientError):
    """No connection came about, or a read was not answered: nothing was changed."""


class UnknownOutcome(ClientError):
    """A change was handed in and no answer came: it may have been done, or not.

    For an order `client_order_id` is its id: `orders.resolve` asks what became of it, and handing the same order in
    again is always safe. None for what is no order.
    """

    def __init__(self, text: str, client_order_id: str | None = None) -> None:
        super().__init__(text)
        self.client_order_id = client_order_id


class AnswerError(ClientError):
    """What answered does not speak this API."""


class StreamGapError(AnswerError):
    """A stream left out a seq, and did so again when it was asked for it."""


class ProblemError(ClientError):
    """The desk said no. `problem` has the fields of RFC 9457, with `code`, `retry` and `errors` besides.

    `retry_after_s` is when to come again, in seconds; 0 where the desk does not say.
    """

    def __init__(self, problem: Problem, retry_after_s: float = 0.0) -> None:
        errors = "".join(f"; {one.code}: {one.detail}" for one in problem.errors)
        super().__init__(f"{problem.status} {problem.code}: {problem.detail}{errors}")
        self.problem = problem
        self.retry_after_s = retry_after_s


class BadRequestError(ProblemError):
    """The request is not of the shape that it must have; `problem.errors` name the places."""


class NotAllowedError(ProblemError):
    """Nobody has shown who asks, or whoever asks may not do this."""


class NotFoundError(ProblemError):
    """There is none, or none that you may see."""


class ConflictError(ProblemError):
    """What is asked for contradicts what is there."""


class DeniedError(ProblemError):
    """The risk gate denied it; `problem.errors` have the coded reasons, and nothing was sent anywhere."""


class TooManyError(ProblemError):
    """More than this key may ask for, or more than the desk can take; nothing was handed in."""


class UnavailableError(ProblemError):
    """Not now; nothing was handed in."""


class ServerError(ProblemError):
    """The desk's fault; for a change nobody knows whether it was done."""


FAMILIES: Final[dict[str, type[ProblemError]]] = {
    "malformed": BadRequestError,
    "method_not_allowed": BadRequestError,
    "not_acceptable": BadRequestError,
    "too_slow": BadRequestError,
    "too_large": BadRequestError,
    "unsupported_media_type": BadRequestError,
    "invalid": BadRequestError,
    "unauthenticated": NotAllowedError,
    "forbidden": NotAllowedError,
    "not_found": NotFoundError,
    "conflict": ConflictError,
    "client_order_id_taken": ConflictError,
    "order_closed": ConflictError,
    "denied": DeniedError,
    "rate_limited": TooManyError,
    "message_rate": TooManyError,
    "busy": TooManyError,
    "kill_not_recorded": UnavailableError,
    "node_not_told": UnavailableError,
    "unavailable": UnavailableError,
    "journal_refuses": UnavailableError,
    "not_ready": UnavailableError,
    "internal": ServerError,
    "unknown": ServerError,
}
"""From a problem's code to its exception."""

_BY_STATUS: Final[dict[int, type[ProblemError]]] = {
    401: NotAllowedError,
    403: NotAllowedError,
    404: NotFoundError,
    409: ConflictError,
    429: TooManyError,
    503: UnavailableError,
}


def error_of(problem: Problem, retry_after_s: float = 0.0) -> ProblemError:
    """Return a problem's exception: by its code, and for a code of a newer desk by its status.

    >>> import msgspec
    >>> fields = {name: "" for name in ("type", "title", "detail", "instance", "correlation_id", "retry")}
    >>> type(error_of(msgspec.convert({**fields, "status": 422, "code": "denied"}, Problem))).__name__
    'DeniedError'
    >>> type(error_of(msgspec.convert({**fields, "status": 503, "code": "new_word"}, Problem))).__name__
    'UnavailableError'
    """
    family = FAMILIES.get(problem.code) or _BY_STATUS.get(problem.status)
    if family is None:
        family = ServerError if problem.status >= 500 else BadRequestError
    return family(problem, retry_after_s)
