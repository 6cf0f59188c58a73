"""From a recipe to a running gateway: the door of a desk whose record and market are elsewhere.

Rule of this file: only a gateway loads what a web server needs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import msgspec

from cluster.actors.recipe import Recipe
from cluster.api.app import make_app
from cluster.api.serve import serve
from cluster.live.process import Running
from cluster.live.remote import RemoteDesk
from cluster.live.reopening import base_limits
from cluster.live.starting import opened_in, registry_of, settings_in
from cluster.live.steering import steer
from cluster.live.told import Steer
from cluster.live.wire import Push
from router.domain import codec
from router.domain.errors import LinkError


class _Server(Protocol):
    """What serves a door's application."""

    @property
    def url(self) -> str: ...

    def reload_keys(self) -> None: ...

    async def stop(self, drain_s: float | None = None) -> bool: ...


class _Gateway:
    """A door over a desk in other processes."""

    def __init__(self, desk: RemoteDesk, server: _Server) -> None:
        self._desk, self._server = desk, server

    async def answer(self, word: str, body: bytes, push: Push) -> bytes:
        """Answer where the door is; or carry out what is wanted of the cluster, and answer what the record says."""
        if word == "steer":
            return codec.encode(await steer(self._desk, codec.decode(body, Steer)))
        if word == "reload":
            self._server.reload_keys()
        elif word != "url":
            raise LinkError(f"expected a word that a gateway knows, got {word!r}")
        return codec.encode(self._server.url)

    async def close(self) -> None:
        """Let who is in finish, then leave."""
        await self._server.stop()
        await self._desk.close()


async def start_gateway(recipe: Recipe) -> Running:
    """Return the gateway of a desk."""
    desk = RemoteDesk(opened_in(recipe), registry_of(recipe), recipe.token, recipe)
    await desk.start()
    settings = settings_in(recipe).settings()
    options = msgspec.structs.replace(
        settings.api, limits=base_limits(settings, opened_in(recipe)), state=Path(recipe.journal).parent
    )
    return _Gateway(desk, await serve(make_app(desk, options), options))
