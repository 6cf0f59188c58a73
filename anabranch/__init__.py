"""The client of an Anabranch desk: orders, routing, operations and streams over HTTP; and runs as data frames.

Rule of this package: it knows the desk by what the desk serves and imports none of its code; `load_run` alone reads
files of the engines, with their own reader.

>>> sorted(name for name in __all__ if name.endswith("Client"))
['AsyncClient', 'Client']
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from anabranch import answers, desk_answers, events, words
from anabranch.blocking import Client, Orders, Stream
from anabranch.client import AsyncClient
from anabranch.errors import (
    AnswerError,
    BadRequestError,
    ClientError,
    ConflictError,
    DeniedError,
    NotAllowedError,
    NotFoundError,
    ProblemError,
    ServerError,
    StreamGapError,
    TooManyError,
    UnavailableError,
    UnknownOutcome,
    UnreachableError,
    UsageError,
)
from anabranch.events import Event, Snapshot
from anabranch.options import ClientOptions
from anabranch.orders import AsyncOrders
from anabranch.signing import Key
from anabranch.stream import AsyncStream
from anabranch.words import OrderBody, OutcomeBody, ReplaceBody, RouteBody, RoutingBlock

if TYPE_CHECKING:
    from anabranch.runs import Run

__all__ = [
    "AnswerError",
    "AsyncClient",
    "AsyncOrders",
    "AsyncStream",
    "BadRequestError",
    "Client",
    "ClientError",
    "ClientOptions",
    "ConflictError",
    "DeniedError",
    "Event",
    "Key",
    "NotAllowedError",
    "NotFoundError",
    "OrderBody",
    "Orders",
    "OutcomeBody",
    "ProblemError",
    "ReplaceBody",
    "RouteBody",
    "RoutingBlock",
    "ServerError",
    "Snapshot",
    "Stream",
    "StreamGapError",
    "TooManyError",
    "UnavailableError",
    "UnknownOutcome",
    "UnreachableError",
    "UsageError",
    "answers",
    "desk_answers",
    "events",
    "load_run",
    "words",
]


def load_run(path: str | Path) -> Run:
    """Return the run in a directory that `anabranch replay` wrote: `load_run(path).executions` is a polars data frame.

    Raises:
        RunError: of `router.domain.errors`: no directory, a file missing, or another version.
    """
    # Whoever only sends orders loads neither data frames nor engines.
    from anabranch.runs import read

    return read(path)
