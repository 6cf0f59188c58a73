"""From a recipe to a running service: the record, a market, a gateway.

Rule of this file: each is made from its recipe and its journal alone, so that its next life stands where this one
stood. What one of them needs is loaded where it is started: who waits for a record does not wait for engines.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from cluster.actors.recipe import Recipe
from cluster.actors.registry import ClusterRegistry
from cluster.live.process import Running, Starter
from cluster.live.settings import LiveSettings, live_settings
from router.domain import codec
from router.domain.facts import SessionOpened


class SettingsAt(msgspec.Struct, frozen=True, kw_only=True):
    """Where a desk's settings come from: the file, and what the command line changed."""

    file: str = ""
    changes: dict[str, int | str | bool] = msgspec.field(default_factory=dict)
    journal_url: str = ""
    text: str | None = None
    """What the file held when the desk came up: a later life of an actor goes by the same."""

    def settings(self) -> LiveSettings:
        """Return the settings."""
        return live_settings(Path(self.file) if self.file else None, self.changes, self.text)


def opened_in(recipe: Recipe) -> SessionOpened:
    """Return the session of a recipe."""
    return codec.decode(recipe.opened, SessionOpened)


def data_of(recipe: Recipe) -> Path | None:
    """Return where a recipe's recorded data is."""
    return Path(recipe.data) if recipe.data else None


def settings_in(recipe: Recipe) -> SettingsAt:
    """Return where a recipe's settings come from."""
    return codec.decode(recipe.settings, SettingsAt)


def registry_of(recipe: Recipe) -> ClusterRegistry:
    """Return who knows where a recipe's desk lives."""
    return ClusterRegistry(recipe.namespace, str(Path(recipe.journal).with_name("supervisor.sqlite")))


async def _record(recipe: Recipe) -> Running:
    from cluster.live.record_service import start_record

    return await start_record(recipe)


async def _market(recipe: Recipe) -> Running:
    from cluster.live.starting_market import start_market

    return await start_market(recipe)


async def _gateway(recipe: Recipe) -> Running:
    from cluster.live.starting_gateway import start_gateway

    return await start_gateway(recipe)


STARTERS: dict[str, Starter] = {"record": _record, "market": _market, "gateway": _gateway}
