"""From a recipe to a running market.

Rule of this file: it is made from its recipe and its log alone, so that its next life stands where this one stood.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

from cluster.actors.recipe import Recipe
from cluster.actors.registry import ClusterRegistry
from cluster.journal.sqlite import SqliteJournal
from cluster.link.cluster_link import StreamLink
from cluster.live.clock import LiveClock
from cluster.live.kept_market import kept_market
from cluster.live.market import Market
from cluster.live.process import Running
from cluster.live.remote import Finder
from cluster.live.services import MarketService
from cluster.live.session import assembly_of, px_unit_of
from cluster.live.snapshots import Opening, Snapshots
from cluster.live.starting import data_of, opened_in, registry_of
from cluster.live.wire import Asking
from router.domain.errors import AnabranchError


async def start_market(recipe: Recipe) -> Running:
    """Return the market of a desk; it comes back where its log says while it answers already."""
    opened, registry = opened_in(recipe), registry_of(recipe)
    assembly = assembly_of(opened, data_of(recipe))
    path = Path(recipe.journal)

    def open_log(start: int) -> SqliteJournal:
        return SqliteJournal(path, durability="process", verify_from=start)

    snapshots = Snapshots(path.parent, recipe.name, recipe.opened)
    kept = kept_market(opened, assembly, StreamLink(registry, recipe.token), Opening(open_log, snapshots))

    def make(service: MarketService) -> Market:
        return Market(
            kept.state,
            kept.log,
            LiveClock(opened.open_at, opened.wall_at, opened.speed),
            service.tell,
            service.see,
            px_unit_of(assembly),
            assembly.setup.adv,
            opened.seed,
            kept.taker,
            _Resting(registry),
        )

    service = MarketService(
        make, lambda news: Asking("record", Finder(registry, "record"), recipe.token, news), opened.symbol
    )
    await service.start()
    return service


class _Resting:
    """Lets hosts end that have nothing to do. The market waits for nobody: where it fails, it is told again later."""

    def __init__(self, registry: ClusterRegistry) -> None:
        self._registry = registry
        self._is_asking = threading.Lock()

    def __call__(self, names: tuple[str, ...]) -> None:
        """Ask for it, unless the last time is still under way."""
        if self._is_asking.acquire(blocking=False):
            threading.Thread(target=self._ask, args=(names,), name="rest", daemon=True).start()

    def _ask(self, names: tuple[str, ...]) -> None:
        try:
            with suppress(AnabranchError):
                self._registry.rest(names)
        finally:
            self._is_asking.release()
