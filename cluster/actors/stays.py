"""Hears of an actor's death when it happens: each actor is asked to stay, and breaks that promise only by dying.

Rule of this file: it tells who died, and restarts nobody. Who hangs and does not die is found by asking, elsewhere.
"""

from __future__ import annotations

import threading
from typing import Any

import ray

LOOK_EVERY_S = 0.25
"""How long it waits at most before it looks for actors that have come meanwhile."""


class Stays:
    """The actors that were asked to stay, each in one of its lives."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._promised: dict[Any, tuple[str, int]] = {}

    def ask(self, name: str, incarnation: int, handle: Any) -> None:
        """Ask an actor to stay, in this life."""
        promise = handle.stay.remote()
        with self._lock:
            self._promised[promise] = name, incarnation

    def broken(self) -> list[tuple[str, int]]:
        """Return who has died since it was last asked, with the life that ended; waits a moment for one."""
        with self._lock:
            promised = list(self._promised)
        if not promised:
            threading.Event().wait(LOOK_EVERY_S)
            return []
        over, _ = ray.wait(promised, num_returns=1, timeout=LOOK_EVERY_S, fetch_local=False)
        with self._lock:
            return [self._promised.pop(promise) for promise in over]
