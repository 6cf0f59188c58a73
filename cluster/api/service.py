"""The resources of the service itself: is it alive, is it ready, what time is it, how are the actors, what can it do.

Rule of this file: alive means that this process answers; ready means that an order would be accepted.
"""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from cluster.api.backend import ActorStatus, NodeStatus
from cluster.api.decimals import time_text
from cluster.api.desk_answers import Actor, Clock, Cluster, Health, Node, Readiness
from cluster.api.docs_page import DOCS, STATIC
from cluster.api.door import door_of
from cluster.api.hub import HUB
from cluster.api.readiness import lag_of, readiness_of, waits_of
from cluster.api.verdicts import missing
from cluster.api.wire import reply
from router.domain.facts import NodeStateSet

DOCUMENT: Final = web.AppKey("document", bytes)
"""The OpenAPI document, as it is served."""


async def get_health(request: web.Request) -> web.Response:
    """GET /healthz"""
    return reply(request, Health(status="ok"))


async def get_readiness(request: web.Request) -> web.Response:
    """GET /readyz"""
    waits_for = (await readiness_of(request.app)).waits_for
    return reply(request, Readiness(is_ready=not waits_for, waits_for=waits_for), 503 if waits_for else 200)


async def get_clock(request: web.Request) -> web.Response:
    """GET /v1/clock"""
    status = await door_of(request).backend.status()
    said = Clock(market_time=time_text(status.market_at), wall_time=time_text(status.wall_at), speed=status.speed)
    return reply(request, said)


async def get_cluster(request: web.Request) -> web.Response:
    """GET /v1/cluster"""
    door = door_of(request)
    status = await door.backend.status()
    waits_for = waits_of(request.app, status)
    # How the desk is, is always said; by whom it was changed only once that is not an earlier moment.
    views = None if request.app[HUB].behind else door.views
    scaled = views.hosts if views else None
    states = views.node_states if views else {}
    said = Cluster(
        is_ready=not waits_for,
        waits_for=waits_for,
        symbols=door.backend.symbols(),
        build=status.build,
        market_time=time_text(status.market_at),
        wall_time=time_text(status.wall_at),
        speed=status.speed,
        journal_size=status.journal_size,
        journal_lag=lag_of(request.app, status),
        hosts=status.hosts,
        hosts_since=time_text(scaled.at) if scaled else None,
        hosts_who=scaled.who if scaled else "",
        hosts_why=scaled.why if scaled else "",
        actors=tuple(_actor(actor) for actor in status.actors),
        nodes=tuple(_node(node, states.get(node.node)) for node in status.nodes),
        metrics=status.metrics,
    )
    return reply(request, said)


def _actor(actor: ActorStatus) -> Actor:
    times = {name: time_text(at) if at else None for name, at in (("since", actor.since), ("died_at", actor.died_at))}
    return Actor(**{**msgspec.structs.asdict(actor), **times})


def _node(node: NodeStatus, changed: NodeStateSet | None) -> Node:
    return Node(
        **msgspec.structs.asdict(node),
        state_since=time_text(changed.at) if changed else None,
        state_who=changed.who if changed else "",
        state_why=changed.why if changed else "",
    )


async def get_document(request: web.Request) -> web.Response:
    """GET /openapi.json"""
    return web.Response(body=request.app[DOCUMENT], content_type="application/json")


async def get_docs(request: web.Request) -> web.Response:
    """GET /docs"""
    return web.Response(body=DOCS, content_type="text/html", charset="utf-8")


async def get_static(request: web.Request) -> web.Response:
    """GET /static/{name}"""
    found = STATIC.get(request.match_info["name"])
    if found is None:
        return missing(request, f"file {request.match_info['name']}")
    return web.Response(body=found.body, content_type=found.media, charset="utf-8")
