"""Cancel on disconnect: who leaves its stream and does not come back in time has its open orders cancelled.

Rule of this file: it errs on the side of cancelling, once a client has asked for it: the cancel is asked for until the
desk has answered. What it cannot do is outlive its process: a door that is killed cancels nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from cluster.api.backend import Backend
from cluster.api.metrics import DoorMetrics
from router.domain.errors import AnabranchError
from router.domain.requests import CancelAll, Principal

TRIES_MAX: Final = 600
RETRY_S: Final = 0.5
"""Between two tries: five minutes in all, by when somebody has been called."""

CLOSE_S: Final = 5.0
"""How long a door that closes waits for these cancels."""

_log: Final = logging.getLogger("anabranch.streams")


class Disconnects:
    """The clients that asked for it, by their name and account, and the cancels that are about to be."""

    def __init__(self, backend: Backend, metrics: DoorMetrics) -> None:
        self._backend = backend
        self._metrics = metrics
        self._here: dict[tuple[str, str], int] = {}
        self._leaving: dict[tuple[str, str], asyncio.Task[None]] = {}
        """Those in their grace, who may come back."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._hurry = asyncio.Event()

    def arrive(self, principal: Principal, accounts: Sequence[str]) -> None:
        """A client is here, or back in time."""
        for account in accounts:
            place = (principal.name, account)
            self._here[place] = self._here.get(place, 0) + 1
            leaving = self._leaving.pop(place, None)
            if leaving is not None:
                leaving.cancel()

    def leave(self, principal: Principal, accounts: Sequence[str], grace_s: float, correlation_id: str) -> None:
        """A client is gone. Its orders are cancelled after `grace_s`, unless it, or another of its name, is here."""
        for account in accounts:
            place = (principal.name, account)
            self._here[place] -= 1
            if not self._here[place]:
                del self._here[place]
                cancel = self._cancel(place, principal, account, grace_s, correlation_id)
                task = self._leaving[place] = asyncio.create_task(cancel, name=f"disconnect {account}")
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def stay(self, principal: Principal, accounts: Sequence[str]) -> None:
        """A client was sent away by us: nothing is cancelled for that."""
        for account in accounts:
            place = (principal.name, account)
            self._here[place] -= 1
            if not self._here[place]:
                del self._here[place]

    @property
    def waiting(self) -> int:
        """How many accounts are in their grace."""
        return len(self._leaving)

    async def close(self) -> None:
        """Cancel now for those who have left: nobody would be here to see them come back."""
        self._hurry.set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=CLOSE_S)
            for task in late:
                task.cancel()

    async def _cancel(
        self, place: tuple[str, str], principal: Principal, account: str, grace_s: float, correlation_id: str
    ) -> None:
        try:
            async with asyncio.timeout(grace_s):
                await self._hurry.wait()
        except TimeoutError:
            pass
        # From here on coming back is too late: the task is no longer among those that are taken back.
        self._leaving.pop(place, None)
        request = CancelAll(principal=principal, correlation_id=correlation_id, account=account, reason="disconnect")
        for _ in range(TRIES_MAX):
            try:
                answer = await self._backend.ask(request)
            except AnabranchError as exc:
                # Asking twice cancels once.
                _log.warning("cancel on disconnect of %s is asked for again: %s", account, exc)
                await asyncio.sleep(RETRY_S)
            else:
                self._metrics.disconnect_cancels.inc()
                _log.info("cancel on disconnect of %s: %s", account, answer, extra={"correlation_id": correlation_id})
                return
        _log.error("cancel on disconnect of %s was given up", account)


DISCONNECTS: Final = web.AppKey("disconnects", Disconnects)
