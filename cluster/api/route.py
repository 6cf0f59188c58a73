"""One row of the table of resources: what a method on a path does, who may, and what it answers.

Rule of this file: words only. The server, the role table, the rate classes and the OpenAPI document are all made of
rows like this, so that none of them can say what another does not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

import msgspec
from aiohttp import web

from cluster.api.answers import ErrorSaid


class Fault(NamedTuple):
    """A refusal that is still to be said: a code of the table, words for the client, and each thing that is wrong."""

    code: str
    text: str
    errors: tuple[ErrorSaid, ...] = ()


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Quick = Callable[[web.Application, Any, str], bytes | Fault]
"""From a body's struct and the media type to answer in to the answer's bytes, or to why not."""

TRADER, OPERATOR, RISK, READ_ONLY, AUDITOR = "trader", "operator", "risk", "read_only", "auditor"
ROLES: Final = (TRADER, OPERATOR, RISK, READ_ONLY, AUDITOR)

EVERYBODY: Final = ROLES
"""Everybody who has shown who he is."""

OPEN: Final[tuple[str, ...]] = ()
"""No principal is asked for."""

ORDERS, CANCELS, READS, ROUTES_DRY, CONTROL, STREAMS, UNLIMITED = (
    "orders",
    "cancels",
    "reads",
    "dry_runs",
    "control",
    "streams",
    "unlimited",
)
RATE_CLASSES: Final = (ORDERS, CANCELS, READS, ROUTES_DRY, CONTROL, STREAMS, UNLIMITED)
"""What rates are counted by. CANCELS go before ORDERS; CONTROL (kills, approvals) has its own; OPEN is not counted."""


class Answered(NamedTuple):
    """One status that a resource answers with, besides problems. `kind` is its body's struct; None: no body of ours."""

    status: int
    text: str
    kind: type[msgspec.Struct] | None = None
    media: str = ""
    """Its media type where that is neither JSON nor MessagePack: `text/html`."""


class Route(NamedTuple):
    """A method on a path. Path parameters are written `{order_id}`, as aiohttp and OpenAPI both read them."""

    method: str
    path: str
    handler: Handler
    roles: tuple[str, ...]
    rate_class: str
    tag: str
    summary: str
    answers: tuple[Answered, ...]
    description: str = ""
    body: type[msgspec.Struct] | None = None
    query: type[msgspec.Struct] | None = None
    problems: tuple[str, ...] = ()
    """Codes of the table of problems that this resource alone can answer with; `problems.COMMON` are every one's."""
    example: object = None
    """A body to show, as JSON."""
    quick: Quick | None = None
    """What it does where it has to wait for nothing."""

    @property
    def operation_id(self) -> str:
        """Its name in the document and in metrics: the handler's own."""
        return getattr(self.handler, "__name__", "handler")


WITHOUT_VIEWS: Final = ("/v1/clock", "/v1/cluster", "/metrics")
"""Reads that show nothing of the journal, or leave it out while it is an earlier moment."""


def reads_views(route: Route) -> bool:
    """Whether a row shows what the door has read of the journal: it must not while that is an earlier moment."""
    return route.rate_class in (READS, STREAMS) and route.path not in WITHOUT_VIEWS
