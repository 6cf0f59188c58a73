"""The nodes of a cluster as a supervisor sees them: which are being drained, and where a new process goes.

Rule of this file: a node that is being drained gets nothing new; without such a node Ray spreads processes by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.actors.desired import DRAINING, NODE_STATES, Desired
from cluster.actors.lives import Life
from cluster.actors.node import Node
from router.domain.errors import ConfigError, LinkError, bad_value


class Nodes:
    """Which nodes are being drained. `known` tells the address of each node that lives, by id."""

    def __init__(self, known: Callable[[], Mapping[str, str]] | None = None) -> None:
        self._known = known or living
        self._draining: set[str] = set()

    @property
    def is_any_draining(self) -> bool:
        """Whether anything is to be moved at all."""
        return bool(self._draining)

    def set(self, node: str, *, is_draining: bool) -> None:
        """Note how a node is to be used from now on."""
        (self._draining.add if is_draining else self._draining.discard)(node)

    def is_draining(self, node: str) -> bool:
        """Whether what lives on a node is to move."""
        return node in self._draining

    def check(self, node: str, *, is_draining: bool) -> None:
        """Refuse what cannot be.

        Raises:
            ConfigError: no such node, or no other one would be left.
        """
        known = self._known()
        if node not in known:
            raise ConfigError(bad_value("node", f"one of {', '.join(sorted(known))}", node))
        if is_draining and not known.keys() - self._draining - {node}:
            raise ConfigError(f"expected another node to move to, got {node} as the last one that is open")

    def place(self, lives: Iterable[Life]) -> Any:
        """Return how Ray is to place the next process: on the open node with the fewest, where one is being drained.

        Raises:
            LinkError: no node is open.
        """
        if not self._draining:
            return "SPREAD"
        free = sorted(self._known().keys() - self._draining)
        if not free:
            raise LinkError("expected a node that is open, got none")
        carried = Counter(life.node_id for life in lives if life.is_alive)
        return NodeAffinitySchedulingStrategy(min(free, key=lambda node: carried[node]), soft=False)

    def all(self, lives: Iterable[Life]) -> tuple[Node, ...]:
        """Return every node that lives, in the order of their ids, with who is on it."""
        on: dict[str, list[str]] = {}
        for life in lives:
            if life.is_alive:
                on.setdefault(life.node_id, []).append(life.name)
        return tuple(
            Node(node=node, address=address, is_draining=node in self._draining, actors=tuple(on.get(node, ())))
            for node, address in sorted(self._known().items())
        )


def living() -> dict[str, str]:
    """Return the address of each node that lives, by its id."""
    return {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}


def strategy_of(desired: Desired) -> Any:
    """Return how Ray is to place a supervisor with such a journal: off the nodes that it drains, as long as there are
    others."""
    nodes = Nodes()
    for kind, name, _ in desired.read() if desired.is_there else ():
        if kind in NODE_STATES:
            nodes.set(name, is_draining=kind == DRAINING)
    with suppress(LinkError):
        if nodes.is_any_draining:
            return nodes.place(())
    return "DEFAULT"
