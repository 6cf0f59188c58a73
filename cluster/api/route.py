"""One row of the table of resources: what a method on a path does, who may, and what it answers.

Rule of this file: words only. The server, the role table, the rate classes and the OpenAPI document are all made of
rows like this, so that none of them can say what another does not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

import msgspec
from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

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

    @property
    def operation_id(self) -> str:
        """Its name in the document and in metrics: the handler's own."""
        return getattr(self.handler, "__name__", "handler")
