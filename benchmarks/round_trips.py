"""Times one batch to a shell and its reply back, in this process and to an actor, by stream and by Ray call.

Rule of this file: the batch is a venue's window in which nothing happens, so that the way is measured and not the
work; an actor journals each batch before it answers, and so does one of the two references in this process.
"""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path

import msgspec

from benchmarks.stopwatch import each_us
from cluster.actors.building import build
from cluster.actors.recipe import Recipe
from cluster.actors.registry import ClusterRegistry
from cluster.config import LINKS, RayOptions
from cluster.replay import local_ray, make_link
from router.domain.messages import VenueBatch
from scenarios.assembly import assemble, make_venue
from scenarios.link import Link, LocalLink
from scenarios.scenario import load_scenario
from scenarios.shells import VenueShell

VENUE = "XDKA"


def all_us(n: int) -> dict[str, float]:
    """Return microseconds of a round trip by way."""
    scenario = load_scenario("smoke")
    assembly = assemble(scenario, scenario.file.seed, None)
    token = secrets.token_hex(32)
    with tempfile.TemporaryDirectory(prefix="anabranch-bench-") as folder:
        recipe = Recipe(
            name=VENUE,
            role="venue",
            scenario_name=scenario.name,
            scenario_text=scenario.text,
            seed=scenario.file.seed,
            policy=scenario.file.learning.policy,
            data=None,
            journal=f"{folder}/actor.sqlite",
            token=token,
        )
        at = assembly.setup.open_at
        beside = msgspec.structs.replace(recipe, journal=str(Path(folder) / "local.sqlite"))
        ways = {
            "local": _us(LocalLink({VENUE: VenueShell(make_venue(assembly, VENUE))}), at, 0, n),
            "journaled": _us(LocalLink({VENUE: build(beside)}), at, 0, n),
        }
        with local_ray(None, RayOptions()):
            registry = ClusterRegistry(f"anabranch-{secrets.token_hex(4)}", f"{folder}/supervisor.sqlite")
            try:
                registry.start([recipe])
                for turn, kind in enumerate(LINKS):
                    ways[kind] = _us(make_link(registry, kind, token), at, turn * n, n)
            finally:
                registry.stop()
    return ways


def _us(link: Link, at: int, first: int, n: int) -> float:
    """Batch numbers go on where the way before left off: to the shell they come from one conductor."""

    def there_and_back(batch: VenueBatch) -> None:
        link.send(VENUE, batch)
        link.receive()

    try:
        return each_us(there_and_back, [VenueBatch(seq=first + k, until=at) for k in range(n)])
    finally:
        link.close()
