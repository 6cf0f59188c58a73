"""The supervisor: who should live against who does. It starts, names, watches and restarts every other actor.

Rule of this file: what should live is journaled before it is started, so that a supervisor that comes back finds its
actors by name and goes on; an actor is restarted once for each of its deaths, whoever reports it first.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import msgspec
import ray
from ray.exceptions import RayError

from cluster.actors.process import ShellProcess
from cluster.actors.recipe import Recipe
from cluster.journal.sqlite import SqliteJournal
from router.domain.errors import LinkError
from router.orders.journal import Draft

ACTOR_CPUS = 0.01
"""Actors with no CPU share ignore how Ray is asked to spread them."""

START_TIMEOUT_S = 120.0
"""Starting a process and reading a tape on a loaded machine takes seconds; more than this means that it hangs."""

HEALTH_TIMEOUT_S = 5.0
WATCH_EVERY_S = 2.0
RESTARTS_MAX = 20
"""Restarts of one actor in a run: beyond it something in it fails each time."""

_STREAM = "desired"

ShellActor = ray.remote(ShellProcess)


class Supervisor:
    """Plain: `SupervisorActor` is this class, wrapped by Ray. `namespace` is the run's own."""

    def __init__(self, namespace: str, journal: str) -> None:
        Path(journal).parent.mkdir(parents=True, exist_ok=True)
        self._namespace = namespace
        self._journal_path = journal
        self._lock = threading.RLock()
        self._recipes: dict[str, Recipe] = {}
        self._incarnation: dict[str, int] = {}
        self._handles: dict[str, Any] = {}
        self._addresses: dict[str, tuple[str, int]] = {}
        self._is_stopping = False
        self._recover()
        threading.Thread(target=self._watch, daemon=True).start()

    def start(self, recipes: bytes) -> None:
        """Start every actor of the list that is not there yet, all at once, and wait until they answer.

        Raises:
            LinkError: one of them cannot be started.
        """
        wanted = msgspec.msgpack.decode(recipes, type=list[Recipe])
        with self._lock:
            fresh = [recipe for recipe in wanted if recipe.name not in self._recipes]
            self._record(fresh)
            for recipe in fresh:
                self._recipes[recipe.name] = recipe
                self._incarnation[recipe.name] = 0
                self._handles[recipe.name] = self._create(recipe)
            for recipe in fresh:
                self._open(recipe.name)

    def where(self, name: str) -> tuple[int, Any, tuple[str, int]]:
        """Return (incarnation, handle, stream address) of an actor.

        Raises:
            LinkError: no such actor.
        """
        with self._lock:
            if name not in self._recipes:
                raise LinkError(f"expected an actor of {', '.join(self._recipes)}, got {name!r}")
            return self._incarnation[name], self._handles[name], self._addresses[name]

    def revive(self, name: str, incarnation: int) -> tuple[int, Any, tuple[str, int]]:
        """Restart an actor whose `incarnation` was found dead, unless that has been done already; say where it is.

        Raises:
            LinkError: it died too often.
        """
        with self._lock:
            if self._incarnation[name] == incarnation and not self._answers(name):
                self._restart(name)
            return self.where(name)

    def kill(self, name: str) -> None:
        """Kill an actor's process as a fault would: nothing is flushed and nobody is told."""
        with self._lock:
            ray.kill(self._handles[name], no_restart=True)

    def status(self) -> list[tuple[str, str, int]]:
        """Return (name, role, incarnation) of every actor."""
        with self._lock:
            return [(name, recipe.role, self._incarnation[name]) for name, recipe in self._recipes.items()]

    def stop(self) -> None:
        """End every actor for good."""
        with self._lock:
            self._is_stopping = True
            for handle in self._handles.values():
                ray.kill(handle, no_restart=True)

    def _create(self, recipe: Recipe) -> Any:
        return ShellActor.options(
            name=recipe.name,
            namespace=self._namespace,
            lifetime="detached",
            num_cpus=ACTOR_CPUS,
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=4,
            scheduling_strategy="SPREAD",
        ).remote(msgspec.msgpack.encode(recipe))

    def _open(self, name: str) -> None:
        """Wait until an actor answers, and learn the address of its stream."""
        try:
            listening = self._handles[name].listen.remote(ray.util.get_node_ip_address())
            self._addresses[name] = ray.get(listening, timeout=START_TIMEOUT_S)
        except RayError as exc:
            raise LinkError(f"expected actor {name} to start, got {_first_line(exc)}") from exc

    def _answers(self, name: str) -> bool:
        try:
            ray.get(self._handles[name].health.remote(), timeout=HEALTH_TIMEOUT_S)
        except RayError:
            return False
        return True

    def _restart(self, name: str) -> None:
        if self._is_stopping:
            return
        if self._incarnation[name] >= RESTARTS_MAX:
            raise LinkError(f"expected actor {name} to live, got {RESTARTS_MAX} deaths")
        # A process that is cut off and not dead must not go on beside its successor.
        ray.kill(self._handles[name], no_restart=True)
        self._incarnation[name] += 1
        self._handles[name] = self._create_again(self._recipes[name])
        self._open(name)

    def _create_again(self, recipe: Recipe) -> Any:
        """Create under a name that Ray may hold a moment longer for the dead."""
        pause = threading.Event()
        for _ in range(100):
            try:
                return self._create(recipe)
            except ValueError:
                pause.wait(0.1)
        raise LinkError(f"expected the name {recipe.name} to become free, got it taken")

    def _watch(self) -> None:
        """Reconcile: now and then ask everyone, and restart who does not answer."""
        pause = threading.Event()
        while not self._is_stopping:
            pause.wait(WATCH_EVERY_S)
            for name in tuple(self._recipes):
                with self._lock:
                    is_ready = name in self._addresses and not self._is_stopping
                    if is_ready and not self._answers(name):
                        self._restart(name)

    def _record(self, recipes: list[Recipe]) -> None:
        journal = SqliteJournal(Path(self._journal_path), durability="process")
        drafts = [Draft("ActorDesired", 0, recipe.name, msgspec.msgpack.encode(recipe)) for recipe in recipes]
        journal.append(_STREAM, journal.next_seq(_STREAM), drafts)
        journal.sync()
        journal.close()

    def _recover(self) -> None:
        """Find the actors of an earlier life of this supervisor by name, and start those that are gone."""
        if not Path(self._journal_path).exists():
            return
        journal = SqliteJournal(Path(self._journal_path), durability="process")
        recipes = [msgspec.msgpack.decode(record.payload, type=Recipe) for record in journal.read()]
        journal.close()
        for recipe in recipes:
            self._recipes[recipe.name] = recipe
            self._incarnation[recipe.name] = 0
            try:
                self._handles[recipe.name] = ray.get_actor(recipe.name, namespace=self._namespace)
            except ValueError:
                self._handles[recipe.name] = self._create_again(recipe)
        for recipe in recipes:
            self._open(recipe.name)


def _first_line(exc: BaseException) -> str:
    lines = [line for line in str(exc).splitlines() if line.strip()]
    return lines[-1] if lines else type(exc).__name__


SupervisorActor = ray.remote(Supervisor)
