"""What tests of the door stand on: keys, signatures, a door over a desk or over none, and raw connections.

Rule of this file: the door is the real one on a real socket; only the resources behind it may be two-line ones.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import ClientSession, CookieJar, TCPConnector, web

from cluster.api.asked import PRINCIPAL
from cluster.api.backend import DeskStatus, MarketPicture, NodeStatus
from cluster.api.door import DOOR, Door
from cluster.api.door_routes import door_routes
from cluster.api.middle import install
from cluster.api.options import ApiOptions
from cluster.api.parents import Parents
from cluster.api.problems import refuse
from cluster.api.route import (
    CANCELS,
    CONTROL,
    EVERYBODY,
    OPEN,
    OPERATOR,
    ORDERS,
    READS,
    RISK,
    ROUTES_DRY,
    TRADER,
    UNLIMITED,
    Answered,
    Fault,
    Route,
)
from cluster.api.security import KEY, NONCE, SIGNATURE, TIMESTAMP, sign
from cluster.api.serve import Server, serve
from cluster.api.views import Views
from cluster.api.wire import JSON, body_of, encode, media_of
from router.domain.errors import LinkError
from router.domain.requests import Answer, Request
from router.orders.journal import Record

SECRETS = {name: f"{name}-".ljust(40, "x") for name in ("ada", "bob", "olga", "rita", "rob", "aude")}
ROLES = {"ada": "trader", "bob": "trader", "olga": "operator", "rita": "risk", "rob": "read_only", "aude": "auditor"}
ACCOUNTS = {"ada": ["ACME"], "bob": ["BETA"], "olga": ["*"], "rita": ["*"], "rob": ["ACME"], "aude": ["*"]}


class NoDesk:
    """A backend whose desk is not there: what a door is like before its desk is up."""

    async def ask(self, request: Request) -> Answer:
        raise LinkError("there is no desk")

    async def read(self, start: int, stream: str | None = None, limit: int = 1_000) -> list[Record]:
        raise LinkError("there is no desk")

    async def follow(self, start: int) -> AsyncIterator[list[Record]]:
        raise LinkError("there is no desk")
        yield []

    def market(self, symbol: str) -> MarketPicture | None:
        return None

    def now(self) -> int:
        return 0

    def symbols(self) -> tuple[str, ...]:
        return ()

    async def status(self) -> DeskStatus:
        raise LinkError("there is no desk")

    async def kill_now(self, level: str, target: str, who: str, why: str) -> None:
        raise LinkError("there is no desk")

    async def start_hosts(self, hosts: int) -> None:
        raise LinkError("there is no desk")

    async def nodes(self) -> tuple[NodeStatus, ...]:
        raise LinkError("there is no desk")

    async def set_node(self, node: str, *, is_draining: bool) -> None:
        raise LinkError("there is no desk")


class Echo(msgspec.Struct, forbid_unknown_fields=True):
    """What the quick resource is asked, and what it answers."""

    text: str


class Workshop:
    """Two-line resources. `hold` keeps orders at work until it is set; `at_work` counts those."""

    def __init__(self) -> None:
        self.hold = asyncio.Event()
        self.hold.set()
        self.entered = asyncio.Event()
        self.at_work = 0

    async def post_order(self, request: web.Request) -> web.Response:
        self.at_work += 1
        self.entered.set()
        await self.hold.wait()
        self.at_work -= 1
        return web.json_response({"who": request[PRINCIPAL].name, "bytes": len(await request.read())}, status=201)

    async def cancel_all(self, request: web.Request) -> web.Response:
        return web.json_response({"who": request[PRINCIPAL].name}, status=202)

    async def echo(self, request: web.Request) -> web.Response:
        found = self.quick_echo(request.app, await body_of(request, Echo), media_of(request))
        return refuse(request, *found) if isinstance(found, Fault) else web.Response(body=found, content_type=JSON)

    def quick_echo(self, app: web.Application, body: Echo, media: str) -> bytes | Fault:
        if body.text == "fail":
            raise ZeroDivisionError("password=hunter2hunter2")
        return Fault("conflict", "twice") if body.text == "twice" else encode(body, media)

    async def big(self, request: web.Request) -> web.Response:
        return web.Response(body=bytes(32 << 20))

    async def fail(self, request: web.Request) -> web.Response:
        raise ZeroDivisionError("password=hunter2hunter2")

    async def health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    def routes(self) -> tuple[Route, ...]:
        everything = (Answered(200, "It is done."),)

        def row(method: str, path: str, handler: Any, roles: tuple[str, ...], rate_class: str) -> Route:
            return Route(method, path, handler, roles, rate_class, "test", "For tests", everything)

        return (
            row("GET", "/healthz", self.health, OPEN, UNLIMITED),
            row("POST", "/v1/orders", self.post_order, (TRADER,), ORDERS),
            row("DELETE", "/v1/orders", self.cancel_all, (TRADER, OPERATOR, RISK), CANCELS),
            row("POST", "/v1/kill", self.cancel_all, (OPERATOR, RISK), CONTROL),
            row("POST", "/v1/echo", self.echo, (TRADER,), ROUTES_DRY)._replace(body=Echo, quick=self.quick_echo),
            row("GET", "/v1/big", self.big, EVERYBODY, READS),
            row("GET", "/v1/fail", self.fail, EVERYBODY, READS),
        )


def keys_file(folder: Path, **more: dict[str, str]) -> Path:
    """Write a file of keys for everybody in `SECRETS`."""
    rows = []
    for name, secret in SECRETS.items():
        rows.append(f'[[keys]]\nid = "key-{name}"\nname = "{name}"\nrole = "{ROLES[name]}"\nsecret = "{secret}"')
        rows.append(f"accounts = {json.dumps(ACCOUNTS[name])}")
        rows += [f"{field} = {json.dumps(value)}" for field, value in more.get(name, {}).items()]
    path = folder / "keys.toml"
    path.write_text("\n".join(rows), encoding="utf-8")
    path.chmod(0o600)
    return path


def signed(
    name: str, method: str, path: str, body: bytes = b"", *, nonce: str = "", age_s: float = 0.0
) -> dict[str, str]:
    """Return the headers of a request that `name` signs now, or signed `age_s` ago."""
    timestamp, nonce = f"{time.time() - age_s:.3f}", nonce or secrets.token_hex(12)
    signature = sign(SECRETS[name].encode(), timestamp, nonce, method, path, body)
    return {KEY: f"key-{name}", TIMESTAMP: timestamp, NONCE: nonce, SIGNATURE: signature}


def small_app(options: ApiOptions, workshop: Workshop, backend: Any = None) -> web.Application:
    """Return an application with the door's own resources and a workshop's."""
    app = web.Application(client_max_size=options.body_bytes_max)
    desk = backend or NoDesk()
    door = Door(desk, Views(options.closed_orders_max, options.archive_max), options, Parents(desk))
    app[DOOR] = door
    routes = (*workshop.routes(), *door_routes())
    install(app, door, routes)
    for route in routes:
        app.router.add_route(route.method, route.path, route.handler)
    return app


class Opened:
    """An open door and a client of it."""

    def __init__(self, server: Server, client: ClientSession, workshop: Workshop, app: web.Application) -> None:
        self.server, self.client, self.workshop, self.app = server, client, workshop, app
        self.writers: list[asyncio.StreamWriter] = []

    def url(self, path: str) -> str:
        return f"{self.server.url}{path}"

    async def ask(self, name: str, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any]:
        """Send a signed request and return status and decoded body."""
        given = signed(name, method, path, body) | {"Content-Type": "application/json"} | headers
        async with self.client.request(method, self.url(path), data=body or None, headers=given) as answer:
            text = await answer.read()
            return answer.status, msgspec.json.decode(text) if "json" in answer.content_type else text

    async def raw(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return a bare connection; it is closed with the door."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        self.writers.append(writer)
        return reader, writer


@asynccontextmanager
async def opened(folder: Path, backend: Any = None, **given: Any) -> AsyncIterator[Opened]:
    """Open a door with keys (`is_open=True`: without) on any free port."""
    keys = None if given.get("is_open") else given.pop("keys", None) or keys_file(folder)
    options = ApiOptions(**{"port": 0, "keys": keys, **given})
    workshop = Workshop()
    app = small_app(options, workshop, backend)
    server = await serve(app, options)
    async with ClientSession(connector=TCPConnector(limit=0), cookie_jar=CookieJar(unsafe=True)) as client:
        door = Opened(server, client, workshop, app)
        try:
            yield door
        finally:
            workshop.hold.set()
            for writer in door.writers:
                writer.transport.abort()
                with suppress(ConnectionError):
                    await writer.wait_closed()
            await server.stop(1.0)
