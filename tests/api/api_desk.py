"""A whole desk behind a real server on a loopback port, in a thread of its own: what tests of the API talk to.

Rule of this file: nothing is pretended. Intake, journal, market and door are the real ones; only Ray is not there, and
so the nodes of its cluster are two that are told of.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from cluster.api.app import make_app
from cluster.api.backend import Backend, NodeStatus
from cluster.api.door import DOOR, Door
from cluster.api.serve import serve
from cluster.live.embedded import EmbeddedDesk
from cluster.live.settings import LiveSettings, live_settings
from router.domain.requests import Answer, Request, ScaleHosts, SetNodeState

READY_WITHIN_S = 120.0
"""Kernels that nobody has compiled yet are compiled first."""

JSON = dict[str, Any]

RISK = """
shape_repeats_max = 10_000
messages_per_s = 100_000
messages_burst = 100_000
reference_stale_ns = 60_000_000_000
"""
"""Tests send alike orders, and fast; and a market that compiles its kernels stands still meanwhile."""


class TwoNodes(EmbeddedDesk):
    """A desk that says it is on the first of two nodes, and keeps what it is asked of hosts and nodes, in order."""

    def __init__(self, settings: LiveSettings) -> None:
        super().__init__(settings)
        self.placed: list[tuple[Any, ...]] = []
        self.draining: set[str] = set()
        self.fault: Exception | None = None
        """Why no host starts and no node is told of, while there is one."""

    async def ask(self, request: Request) -> Answer:
        answer = await super().ask(request)
        if isinstance(request, ScaleHosts | SetNodeState):
            self.placed.append(("ask", type(request).__name__, getattr(request, "state", "")))
        return answer

    async def start_hosts(self, hosts: int) -> None:
        self._fail()
        await super().start_hosts(hosts)
        self.placed.append(("start_hosts", hosts))

    async def nodes(self) -> tuple[NodeStatus, ...]:
        (here,) = await super().nodes()
        rows = (("node-a", "10.0.0.1", here.actors), ("node-b", "10.0.0.2", ()))
        return tuple(
            NodeStatus(node=node, address=address, is_draining=node in self.draining, actors=there)
            for node, address, there in rows
        )

    async def set_node(self, node: str, *, is_draining: bool) -> None:
        self._fail()
        self.placed.append(("set_node", node, is_draining))
        (self.draining.add if is_draining else self.draining.discard)(node)

    def _fail(self) -> None:
        if self.fault is not None:
            raise self.fault


class ServedDesk:
    """A desk that is served while the block lasts. `wrap` may put something between the door and the desk."""

    def __init__(
        self,
        folder: Path,
        *,
        api: str = "is_open = true",
        live: str = 'scenario = "smoke"',
        risk: str = RISK,
        wrap: Callable[[TwoNodes], Backend] = lambda desk: desk,
    ) -> None:
        file = folder / "anabranch.toml"
        file.write_text(f"[live]\n{live}\n[risk]\n{risk}\n[api]\nport = 0\n{api}\n", encoding="utf-8")
        self.settings = live_settings(file)
        self._wrap = wrap
        self._started = threading.Event()
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="served desk")
        self.url = ""
        self.door: Door
        self.desk: TwoNodes

    def __enter__(self) -> ServedDesk:
        self._thread.start()
        is_started = self._started.wait(READY_WITHIN_S)
        if self._fault is not None:
            raise self._fault
        assert is_started
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(READY_WITHIN_S)
        assert not self._thread.is_alive()

    def call(self, work: Callable[[], Any]) -> Any:
        """Do something on the door's own loop and return what it gave."""

        async def done() -> Any:
            return work()

        return asyncio.run_coroutine_threadsafe(done(), self._loop).result(READY_WITHIN_S)

    def wait_for(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Let a coroutine run on the door's own loop and return what it gave."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(READY_WITHIN_S)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as exc:
            self._fault = exc
            self._started.set()
            raise

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        desk = self.desk = TwoNodes(self.settings)
        await desk.start()
        app = make_app(self._wrap(desk), self.settings.api)
        self.door = app[DOOR]
        server = await serve(app, self.settings.api)
        until = time.monotonic() + READY_WITHIN_S
        while (await desk.status()).waits_for and time.monotonic() < until:
            await _a_moment(0.01)
        self.url = server.url
        self._started.set()
        await self._stop.wait()
        await server.stop(1.0)
        await desk.stop()


async def _a_moment(seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.Event().wait()


def order_body(client_order_id: str, **changes: Any) -> JSON:
    """Return the body of a small order."""
    body: JSON = {
        "client_order_id": client_order_id,
        "account": "ACME-1",
        "symbol": "SMOK",
        "side": "buy",
        "type": "limit",
        "qty": "500",
        "limit_price": "41.00",
    }
    body |= changes
    return {key: value for key, value in body.items() if value is not ...}


class Asked:
    """What one request was answered."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    def json(self) -> JSON:
        """Return the body, which is JSON."""
        found: JSON = msgspec.json.decode(self.body)
        return found


async def ask(url: str, method: str, path: str, json: Any = None, **options: Any) -> Asked:
    """Send one request on a connection of its own."""
    async with (
        aiohttp.ClientSession(url) as session,
        session.request(method, path, json=json, **options) as answer,
    ):
        return Asked(answer.status, dict(answer.headers), await answer.read())


async def until(work: Callable[[], Any], within_s: float = 20.0) -> Any:
    """Ask again and again until the answer is true, and return it; the desk's clock is the wall clock."""
    end = time.monotonic() + within_s
    while True:
        found = await work()
        if found or time.monotonic() > end:
            return found
        await _a_moment(0.05)
