"""Whether an order would be accepted, as this door sees it: what the desk waits for, and what the door itself lacks.

Rule of this file: `/readyz`, `/v1/cluster` and the metric `anabranch_ready` say what is said here, and nothing else.
"""

from __future__ import annotations

from typing import NamedTuple

from aiohttp import web

from cluster.api.backend import DeskStatus
from cluster.api.door import DOOR
from cluster.api.hub import HUB
from router.domain.errors import AnabranchError


class Ready(NamedTuple):
    """How the desk is, None where it cannot be reached, and what is waited for: nothing, and it is ready."""

    status: DeskStatus | None
    waits_for: tuple[str, ...]


async def readiness_of(app: web.Application) -> Ready:
    """Ask the desk, and look at this door."""
    try:
        status = await app[DOOR].backend.status()
    except AnabranchError as exc:
        return Ready(None, (f"desk: {exc}", *_lacks(app)))
    return Ready(status, waits_of(app, status))


def waits_of(app: web.Application, status: DeskStatus) -> tuple[str, ...]:
    """Return what is waited for, with the desk as it is."""
    return (*status.waits_for, *_lacks(app))


def lag_of(app: web.Application, status: DeskStatus) -> int:
    """Return how many durable records this door has not seen."""
    return max(status.journal_size - app[HUB].views.next_offset, 0)


def _lacks(app: web.Application) -> tuple[str, ...]:
    hub = app[HUB]
    door = ("closing",) if hub.is_closing else (f"follower: {hub.fault}",) if hub.fault else ()
    return (*door, f"views: {hub.behind}") if hub.behind else door
