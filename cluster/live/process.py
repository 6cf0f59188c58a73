"""What runs in a live process: the record, a market or a gateway, on one asyncio loop in a thread of its own.

Rule of this file: the process answers its health while the service works; a service that cannot be started says why to
whoever asks, and one that is asked to close has written everything it was trusted with when it returns.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol

import msgspec

from cluster.actors.recipe import Recipe
from cluster.actors.staying import Staying
from cluster.live.build import build_text
from cluster.live.collecting import set_aside, take_back
from cluster.live.logs import STARTED, log_path, setup_logs
from cluster.live.wire import Answering, Push

CLOSE_TIMEOUT_S = 60.0

_log = logging.getLogger("anabranch.live")


class Running(Protocol):
    """A service that has started."""

    async def answer(self, word: str, body: bytes, push: Push) -> bytes:
        """Answer one question."""
        ...

    async def close(self) -> None:
        """End it."""
        ...


Starter = Callable[[Recipe], Awaitable[Running]]


class LiveProcess:
    """Hosts the service of one recipe. Plain: `cluster.actors.supervisor` has it wrapped by Ray.

    None of its methods is a coroutine, also no private one: Ray would run all of them on one loop then, where `close`,
    which waits until the service is done, would hold up `health`.
    """

    def __init__(self, recipe: bytes) -> None:
        self._recipe = msgspec.msgpack.decode(recipe, type=Recipe)
        self._service = _Service(self._recipe)
        self._loop = asyncio.new_event_loop()
        self._staying = Staying()
        threading.Thread(target=self._run, name=self._recipe.name, daemon=True).start()

    def open(self) -> tuple[str, int]:
        """Return the address of its stream when the service has started.

        Raises:
            AnabranchError: why it cannot start.
        """
        return self._service.opened.result()

    def health(self) -> tuple[str, int]:
        """Return the name and the process id: that it answers is the news."""
        return self._recipe.name, os.getpid()

    def stay(self) -> None:
        """Return when the next one asks: whoever asked last hears at once when this process is gone."""
        self._staying.stay()

    def close(self) -> None:
        """End the service, and return when everything is written."""
        asyncio.run_coroutine_threadsafe(self._service.close(), self._loop).result(CLOSE_TIMEOUT_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.create_task(self._service.start())
        self._loop.run_forever()


class _Service:
    """What runs on the loop: the service of a recipe behind its door, and its log."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._logs = setup_logs(recipe.name, path=log_path(Path(recipe.journal).parent, recipe.name))
        self._running: Running | None = None
        self._door: Answering | None = None
        self.opened: Future[tuple[str, int]] = Future()
        """The address of the door, or why there is none."""

    async def start(self) -> None:
        """Start the service and open its door."""
        try:
            # Here, so that what cannot be loaded is told as well; and only what the role needs is loaded.
            from cluster.live.starting import STARTERS

            self._running = await STARTERS[self._recipe.role](self._recipe)
            self._door = Answering(self._running.answer, self._recipe.token)
            set_aside()
            self.opened.set_result(await self._door.listen(_own_address()))
            _log.info(STARTED, extra={"fields": {"incarnation": self._recipe.incarnation, "build": build_text()}})
        except Exception as exc:
            # Whatever it is, who asks for the address must be told.
            _log.error("cannot start: %s", exc)
            self.opened.set_exception(exc)

    async def close(self) -> None:
        """End both, and the log."""
        if self._running is not None:
            await self._running.close()
        if self._door is not None:
            await self._door.close()
            take_back()
        _log.info("closed")
        self._logs.close()


def _own_address() -> str:
    import ray

    address: str = ray.util.get_node_ip_address()
    return address
