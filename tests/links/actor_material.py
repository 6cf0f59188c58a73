"""Actor processes without Ray: recipes, processes in this one, and who knows where they are.

Rule of this file: a process here is the one that Ray wraps, behind a real socket.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from cluster.actors.process import ShellProcess
from cluster.actors.recipe import Recipe
from cluster.link.cluster_link import Place
from router.domain.enums import Side
from router.domain.messages import LearnerBatch, VenueBatch
from router.domain.scores import ContextFrame
from router.domain.units import SECOND
from scenarios.assembly import Assembly, assemble
from scenarios.scenario import load_scenario

TOKEN = "5e" * 32
HERE = "127.0.0.1"


def smoke() -> Assembly:
    return assemble(load_scenario("smoke"), 1, None)


def recipe_of(folder: Path, name: str = "XLTA", role: Any = "venue", incarnation: int = 0) -> Recipe:
    scenario = load_scenario("smoke")
    return Recipe(
        name=name,
        role=role,
        scenario_name=scenario.name,
        scenario_text=scenario.text,
        seed=1,
        policy="censored",
        data=None,
        journal=str(folder / f"{name}.sqlite"),
        token=TOKEN,
        incarnation=incarnation,
    )


def venue_batch(seq: int) -> VenueBatch:
    """Return a batch that takes a venue of the smoke scenario to its `seq`-th second."""
    return VenueBatch(seq=seq, until=smoke().setup.open_at + seq * SECOND)


def refused_batch(seq: int) -> LearnerBatch:
    """Return a batch that every learner refuses: its frame shows no lane."""
    frame = ContextFrame(
        at=0, symbol="SMOK", side=Side.BUY, names=(), lanes=(), x=b"", price_bps=(), max_qty=(), fee_bps=()
    )
    return LearnerBatch(seq=seq, now=0, outcomes=(), frames=(frame,))


class Node:
    """Runs actor processes in this one, and knows where they are: what the supervisor does over Ray."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recipes: dict[str, Recipe] = {}
        self.processes: dict[str, ShellProcess] = {}
        self.incarnations: dict[str, int] = {}
        self.revivals = 0

    def start(self, recipe: Recipe) -> ShellProcess:
        self.recipes[recipe.name] = recipe
        self.incarnations[recipe.name] = recipe.incarnation
        self.processes[recipe.name] = process = ShellProcess(msgspec.msgpack.encode(recipe))
        process.ready()
        return process

    def where(self, name: str) -> Place:
        return Place(self.incarnations[name], self.processes[name], self.processes[name].listen(HERE))

    def revive(self, name: str, incarnation: int) -> Place:
        self.revivals += 1
        return self.where(name)

    def stop(self) -> None:
        for process in self.processes.values():
            process.close()
