"""The application: the table of resources put behind the door's defence, over one desk.

Rule of this file: composition only. What a resource does is in its handler, who may is in its row, and what keeps
others out is in `cluster.api.middle`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec
from aiohttp import hdrs, web

from cluster.api.answers import ErrorSaid
from cluster.api.backend import Backend
from cluster.api.door import DOOR, Door
from cluster.api.hub import HUB, VIEWS_BEHIND
from cluster.api.middle import install
from cluster.api.openapi import document_of, patterns_of
from cluster.api.options import ApiOptions
from cluster.api.parents import Parents
from cluster.api.problems import TABLE, refuse
from cluster.api.route import Handler, Route, reads_views
from cluster.api.routes import ROUTES
from cluster.api.scenes import SCENES, Scenes
from cluster.api.service import DOCUMENT
from cluster.api.verdicts import missing
from cluster.api.views import Views
from cluster.api.wire import media_of

VERSION: Final = "1.0.0"
"""Of the API: its first number changes when something that worked would not any more."""


def make_app(backend: Backend, options: ApiOptions) -> web.Application:
    """Return the application over a desk; `cluster.api.serve` listens for it.

    Raises:
        ConfigError: the keys or the metrics' token of the options cannot be used.
    """
    app = web.Application(client_max_size=options.body_bytes_max)
    views = Views(options.closed_orders_max, options.archive_max, options.limits)
    door = Door(backend, views, options, Parents(backend))
    app[DOOR] = door
    app[SCENES] = Scenes()
    app[DOCUMENT] = msgspec.json.encode(document_of(ROUTES, VERSION))
    _add_routes(app, ROUTES)
    install(app, door, ROUTES)
    return app


def _add_routes(app: web.Application, routes: Sequence[Route]) -> None:
    methods: dict[str, list[str]] = {}
    for route in routes:
        handler = _checked(route)
        app.router.add_route(route.method, route.path, handler)
        methods.setdefault(route.path, []).append(route.method)
        if route.method == hdrs.METH_GET:
            app.router.add_route(hdrs.METH_HEAD, route.path, handler)
            methods[route.path].append(hdrs.METH_HEAD)
    for path, known in methods.items():
        app.router.add_route(hdrs.METH_OPTIONS, path, _told(", ".join((*known, hdrs.METH_OPTIONS))))


def _checked(route: Route) -> Handler:
    """Return the handler of a row behind a look at what stands in the path, at what the client accepts (an order must
    not be taken and then not be answered for), and at how far the views are that it would show."""
    handler = route.handler
    has_body = any(answer.kind for answer in route.answers)
    patterns = patterns_of(route)
    is_of_views = reads_views(route)

    async def checked(request: web.Request) -> web.StreamResponse:
        for name, pattern in patterns:
            if pattern.fullmatch(request.match_info[name]) is None:
                return missing(request, f"{name} of this form")
        if has_body:
            media_of(request)
        if is_of_views and (behind := request.app[HUB].behind):
            found = (ErrorSaid(code=VIEWS_BEHIND, detail=behind),)
            return refuse(request, "not_ready", TABLE["not_ready"].meaning, found)
        return await handler(request)

    return checked


def _told(allow: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def told(request: web.Request) -> web.StreamResponse:
        return web.Response(status=204, headers={hdrs.ALLOW: allow})

    return told
