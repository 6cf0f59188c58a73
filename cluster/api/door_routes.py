"""The rows of the table of resources that are the door's own: sessions, streams, metrics.

Rule of this file: rows, and the one handler that is too small for a file of its own.
"""

from __future__ import annotations

from aiohttp import web

from cluster.api.door import door_of
from cluster.api.gate import GATE
from cluster.api.metrics import CONTENT_TYPE
from cluster.api.readiness import lag_of, readiness_of
from cluster.api.route import AUDITOR, OPERATOR, READ_ONLY, READS, RISK, Answered, Route
from cluster.api.sign_in import session_routes
from cluster.api.streams import stream_routes


async def metrics(request: web.Request) -> web.StreamResponse:
    """Serve the metrics; with the desk out of reach those of the door alone."""
    door, gate = door_of(request), request.app[GATE]
    status, waits_for = await readiness_of(request.app)
    gate.metrics.is_ready.set(0 if waits_for else 1)
    if status is not None:
        pictures = [door.backend.market(symbol) for symbol in door.backend.symbols()]
        gate.metrics.desk(status, [picture for picture in pictures if picture is not None])
        gate.metrics.journal_lag.set(lag_of(request.app, status))
    gate.metrics.children_unknown.set(door.views.children.unknown_count)
    gate.metrics.in_flight.set(gate.at_work)
    return web.Response(body=gate.metrics.text(), headers={"Content-Type": CONTENT_TYPE})


def door_routes() -> tuple[Route, ...]:
    """Return the door's own rows."""
    return (
        *session_routes(),
        *stream_routes(),
        Route(
            method="GET",
            path="/metrics",
            handler=metrics,
            roles=(OPERATOR, RISK, READ_ONLY, AUDITOR),
            rate_class=READS,
            tag="operations",
            summary="Metrics, as Prometheus reads them",
            answers=(Answered(200, "Prometheus text.", None, "text/plain"),),
            description="Besides keys and sessions the bearer token of `api.metrics_token` opens it.",
        ),
    )
