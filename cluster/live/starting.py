"""From a recipe to a running service: the record, a market, a gateway.

Rule of this file: each is made from its recipe and its journal alone, so that its next life stands where this one
stood.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import msgspec

from cluster.actors.recipe import Recipe
from cluster.actors.registry import ClusterRegistry
from cluster.journal.open import open_journal
from cluster.journal.sqlite import SqliteJournal
from cluster.link.cluster_link import StreamLink
from cluster.live.clock import LiveClock
from cluster.live.log import MarketLog
from cluster.live.market import Market
from cluster.live.opening import desk_of
from cluster.live.process import Running, Starter
from cluster.live.record import Desk, rebuild
from cluster.live.remote import Finder, RemoteDesk
from cluster.live.services import MarketService, RecordService
from cluster.live.session import assembly_of, conductor_of, px_unit_of
from cluster.live.settings import LiveSettings, live_settings
from cluster.live.wire import Asking, Push
from router.domain import codec
from router.domain.errors import LinkError
from router.domain.facts import SessionOpened


class SettingsAt(msgspec.Struct, frozen=True, kw_only=True):
    """Where a desk's settings come from: the file, and what the command line changed."""

    file: str = ""
    changes: dict[str, int | str | bool] = msgspec.field(default_factory=dict)
    journal_url: str = ""

    def settings(self) -> LiveSettings:
        """Return the settings."""
        return live_settings(Path(self.file) if self.file else None, self.changes)


def _opened(recipe: Recipe) -> SessionOpened:
    return codec.decode(recipe.opened, SessionOpened)


def _data(recipe: Recipe) -> Path | None:
    return Path(recipe.data) if recipe.data else None


def _settings(recipe: Recipe) -> SettingsAt:
    return codec.decode(recipe.settings, SettingsAt)


def _registry(recipe: Recipe) -> ClusterRegistry:
    return ClusterRegistry(recipe.namespace, str(Path(recipe.journal).with_name("supervisor.sqlite")))


async def _record(recipe: Recipe) -> Running:
    at, opened = _settings(recipe), _opened(recipe)
    journal = open_journal(at.journal_url)
    intake = desk_of(at.settings(), opened, assembly_of(opened, _data(recipe)))
    rebuild(intake, journal)
    clock = LiveClock(opened.open_at, opened.wall_at, opened.speed)
    return RecordService(Desk(intake, journal, clock.now))


async def _market(recipe: Recipe) -> Running:
    opened, registry = _opened(recipe), _registry(recipe)
    assembly = assembly_of(opened, _data(recipe))
    journal = SqliteJournal(Path(recipe.journal), durability="process")
    log = MarketLog(StreamLink(registry, recipe.token), journal)

    def make(service: MarketService) -> Market:
        return Market(
            conductor_of(opened, assembly, log),
            log,
            LiveClock(opened.open_at, opened.wall_at, opened.speed),
            service.tell,
            service.see,
            px_unit_of(assembly),
            assembly.setup.adv,
            opened.seed,
        )

    service = MarketService(
        make, lambda news: Asking("record", Finder(registry, "record"), recipe.token, news), opened.symbol
    )
    await service.start()
    return service


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
        """Answer where the door is."""
        if word == "reload":
            self._server.reload_keys()
        elif word != "url":
            raise LinkError(f"expected a word that a gateway knows, got {word!r}")
        return codec.encode(self._server.url)

    async def close(self) -> None:
        """Let who is in finish, then leave."""
        await self._server.stop()
        await self._desk.close()


async def _gateway(recipe: Recipe) -> Running:
    # Only a gateway needs what a web server needs.
    from cluster.api.app import make_app
    from cluster.api.serve import serve

    desk = RemoteDesk(_opened(recipe), _registry(recipe), recipe.token)
    await desk.start()
    options = _settings(recipe).settings().api
    return _Gateway(desk, await serve(make_app(desk, options), options))


STARTERS: dict[str, Starter] = {"record": _record, "market": _market, "gateway": _gateway}
