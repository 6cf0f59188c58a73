"""The way in and out of every request: correlation, bounds, who asks, rates, roles, slots, problems, log and metrics.

Rule of this file: the order is the defence. What costs least is looked at first; nothing is decoded before who sent it
is known; a slot is taken last, when nothing but work remains.

    observe     correlation id, problems, one line of log, metrics
    admit       length, claims, body, who asks, rate, role, depth, slot
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from cluster.api.asked import CORRELATION_ID, PRINCIPAL, SESSION
from cluster.api.disconnects import DISCONNECTS, Disconnects
from cluster.api.door import Door
from cluster.api.gate import GATE, Gate
from cluster.api.hub import HUB, Hub
from cluster.api.problems import refuse, refuse_exception
from cluster.api.request_log import CORRELATION, RequestLog, correlation_of
from cluster.api.roles import check_table
from cluster.api.route import UNLIMITED, Route
from cluster.api.security import Refusal
from cluster.api.told_headers import HEADERS, HSTS, refusal_headers


def install(app: web.Application, door: Door, routes: Iterable[Route]) -> None:
    """Put a door's defence, hub and metrics into an application, before it starts.

    Raises:
        ConfigError: the file of keys or the token of metrics cannot be used.
        DefectError: the table of resources allows what it should not (see `check_table`).
    """
    gate = app[GATE] = Gate(door.options, check_table(routes))
    app[HUB] = Hub(door.backend, door.views, gate.metrics)
    app[DISCONNECTS] = Disconnects(door.backend, gate.metrics)
    app.middlewares.extend(middlewares(gate))
    app.on_response_prepare.append(_sign_off)
    app.cleanup_ctx.append(_follow)


def middlewares(gate: Gate) -> list[Middleware]:
    """Return the middlewares of a gate, outermost first."""
    log = RequestLog()

    @web.middleware
    async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = time.perf_counter()
        correlation_id = request[CORRELATION_ID] = correlation_of(request.headers)
        status = 499
        try:
            response = await _answer(request, handler)
            status = response.status
            return response
        finally:
            seconds = time.perf_counter() - began
            route = gate.route_of(request)
            gate.metrics.answered(_method(request), "none" if route is None else route.path, status, seconds)
            principal = request.get(PRINCIPAL)
            who = "" if principal is None else principal.name
            log.answered(request.method, request.path, status, seconds, correlation_id, who, request.remote or "")

    @web.middleware
    async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
        route = gate.route_of(request)
        if route is None:
            # No resource, or not with this method: the handler says which.
            return await handler(request)
        rate_class = route.rate_class
        refusal = await _pass(gate, request, route)
        if refusal is None:
            refusal = gate.enter(rate_class)
        if refusal is not None:
            return await _refuse(gate, request, route, refusal)
        try:
            return await handler(request)
        finally:
            gate.leave(rate_class)

    return [observe, admit]


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as exc:
        if exc.status < 400:
            raise
        return refuse_exception(request, exc)
    except Exception as exc:
        return refuse_exception(request, exc)


async def _pass(gate: Gate, request: web.Request, route: Route) -> Refusal | None:
    """Set the principal of a request that may go on; or return why it may not."""
    if route.rate_class == UNLIMITED and not request.can_read_body:
        return None
    refusal = gate.claimed(request, route)
    if refusal is not None:
        return gate.count_stranger(request, refusal) if refusal.code == "unauthenticated" else refusal
    body = await gate.body(request)
    if isinstance(body, Refusal):
        return body
    identity = gate.who(request, route, body)
    if isinstance(identity, Refusal):
        return identity
    if identity is not None:
        request[PRINCIPAL] = identity.principal
        if identity.session is not None:
            request[SESSION] = identity.session
    return gate.bar(identity, route, body, "msgpack" not in request.content_type)


async def _refuse(gate: Gate, request: web.Request, route: Route, refusal: Refusal) -> web.Response:
    gate.metrics.refused(refusal.code, route.rate_class)
    if refusal.code == "rate_limited":
        # Only a connection waits: nothing is held for it but this.
        # By address: a key is a claim until its signature is looked at, and anybody can name another's, or a new one.
        who = request.remote or ""
        try:
            await asyncio.sleep(gate.tarpit.hold(who, time.monotonic()))
        finally:
            gate.tarpit.let_go(who)
    response = refuse(request, refusal.code, refusal.text, headers=refusal_headers(refusal))
    if refusal.code in ("too_large", "too_slow"):
        # What is still on its way belongs to no request that anybody will read.
        response.force_close()
    return response


async def _sign_off(request: web.Request, response: web.StreamResponse) -> None:
    headers = response.headers
    for name, value in HEADERS:
        headers.setdefault(name, value)
    gate = request.app[GATE]
    if gate.options.has_tls:
        headers.setdefault(*HSTS)
    headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
    headers[hdrs.SERVER] = "anabranch"
    correlation_id = request.get(CORRELATION_ID)
    if correlation_id:
        headers[CORRELATION] = correlation_id
    if gate.is_closing and not headers.get(hdrs.UPGRADE):
        response.force_close()


async def _follow(app: web.Application) -> AsyncIterator[None]:
    hub = app[HUB]
    hub.start()
    await hub.catch_up()
    yield
    await hub.stop()
    await app[DISCONNECTS].close()


def _method(request: web.Request) -> str:
    # A method is a client's text until it is one of those we know.
    return request.method if request.method in hdrs.METH_ALL else "OTHER"
