"""The supervisor: who should live against who does. It starts, names, watches and restarts every other actor.

Rule of this file: what should live is journaled before it is started, so that a supervisor that comes back finds its
actors by name and goes on; an actor is restarted once for each of its deaths, whoever reports it first. What keeps
an actor from living is kept, and told to whoever asks for it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import ray
from ray.exceptions import RayError

from cluster.actors.creating import HEALTH_TIMEOUT_S, create, create_again, end, own_node, silence_of
from cluster.actors.desired import DRAINING, NODE_STATES, OPEN, Desired
from cluster.actors.lives import Deaths, Life, Lives, last_line, short
from cluster.actors.nodes import Nodes
from cluster.actors.recipe import SHELLS, Recipe
from cluster.actors.stays import Stays
from router.domain.errors import AnabranchError, LinkError

START_TIMEOUT_S = 120.0
"""Starting a process and reading a tape on a loaded machine takes seconds; more than this means that it hangs."""

WATCH_EVERY_S = 2.0
AWAKE_S = 30.0
"""Who was woken is left awake for a while: it was asked for, and what it is to do may still be on its way."""

CLOSE_TIMEOUT_S = 60.0
"""A service that moves writes down what it has under way; one that does not come to an end is moved all the same."""


class Supervisor:
    """Plain: `SupervisorActor` is this class, wrapped by Ray. `namespace` is the run's own."""

    def __init__(self, namespace: str, journal: str) -> None:
        self._namespace = namespace
        self._desired = Desired(journal)
        self._nodes = Nodes()
        self._lock = threading.RLock()
        self._recipes: dict[str, Recipe] = {}
        self._incarnation: dict[str, int] = {}
        self._handles: dict[str, Any] = {}
        self._addresses: dict[str, tuple[str, int] | None] = {}
        self._faults: dict[str, AnabranchError] = {}
        self._deaths = Deaths()
        self._resting: set[str] = set()
        self._started: set[str] = set()
        self._woken: dict[str, float] = {}
        self._lives = Lives()
        self._stays = Stays()
        self._is_stopping = self._is_closing = False
        self._own = Life(name="supervisor", role="supervisor")
        self._recover()
        self._begin()
        threading.Thread(target=self._watch, daemon=True).start()

    def start(self, recipes: bytes) -> None:
        """Start every actor of the list that is not there yet, all at once, and wait until they answer.

        Raises:
            LinkError: one of them cannot be started.
            AnabranchError: why the shell of one of them cannot be built.
        """
        wanted = msgspec.msgpack.decode(recipes, type=list[Recipe])
        with self._lock:
            fresh = [recipe for recipe in wanted if recipe.name not in self._recipes]
            self._desired.record("ActorDesired", {recipe.name: msgspec.msgpack.encode(recipe) for recipe in fresh})
            for recipe in fresh:
                self._want(recipe)
                with suppress(AnabranchError), self._keeping(recipe.name):
                    self._handles[recipe.name] = self._create(recipe.name)
            woken = [recipe.name for recipe in wanted if recipe.name in self._resting]
            for name in woken:
                with suppress(AnabranchError):
                    self._wake(name)
            self._open_all([*(recipe.name for recipe in fresh), *woken])
            for recipe in wanted:
                self._check(recipe.name)

    def rest(self, names: list[str]) -> None:
        """End the processes of these actors until somebody asks for them: they come back then as from a death."""
        with self._lock:
            since = time.monotonic() - AWAKE_S
            there = [name for name in names if name in self._addresses and name not in self._resting]
            going = [name for name in there if self._woken.get(name, since) <= since]
            if self._is_closing or self._is_stopping:
                return
            self._desired.record("ActorRested", dict.fromkeys(going, b""))
            for name in going:
                self._resting.add(name)
                self._lives.rests(name)
                end(self._handles[name])

    def set_node(self, node: str, is_draining: bool) -> None:
        """Let what lives on a node move to others, one after the other, and place nothing there; or open it again.

        Raises:
            ConfigError: no such node, or no other one would be left.
        """
        with self._lock:
            self._nodes.check(node, is_draining=is_draining)
            self._desired.record(DRAINING if is_draining else OPEN, {node: b""})
            self._nodes.set(node, is_draining=is_draining)

    def nodes(self) -> bytes:
        """Return every node that lives as MessagePack, with who is on it; it waits for no restart."""
        return msgspec.msgpack.encode(self._nodes.all((self._own, *self._lives.all())))

    def health(self) -> int:
        """Return the process id: that it answers is the news."""
        return os.getpid()

    def where(self, name: str) -> tuple[int, Any, tuple[str, int] | None]:
        """Return (incarnation, handle, stream address) of an actor.

        Raises:
            LinkError: no such actor.
            AnabranchError: what keeps it from living.
        """
        with self._lock:
            self._check(name)
            return self._incarnation[name], self._handles[name], self._addresses[name]

    def revive(self, name: str, incarnation: int) -> tuple[int, Any, tuple[str, int] | None]:
        """Restart an actor whose `incarnation` was found dead, unless that has been done already; say where it is.

        Raises:
            LinkError: no such actor, or it died too often.
            AnabranchError: what keeps it from living.
        """
        with self._lock:
            self._check(name)
            if self._incarnation[name] == incarnation and (why := self._silence(name)):
                self._restart(name, why, is_death=True)
            return self.where(name)

    def kill(self, name: str) -> None:
        """Kill an actor's process as a fault would: nothing is flushed and nobody is told."""
        with self._lock:
            self._check(name)
            end(self._handles[name])

    def status(self) -> list[tuple[str, str, int]]:
        """Return (name, role, incarnation) of every actor.

        Raises:
            AnabranchError: what keeps one of them from living.
        """
        with self._lock:
            for name in self._faults:
                self._check(name)
            return [(name, recipe.role, self._incarnation[name]) for name, recipe in self._recipes.items()]

    def lives(self) -> bytes:
        """Return every actor's life as MessagePack, this one's own first. It waits for nobody, also not for a restart
        that is under way."""
        return msgspec.msgpack.encode((self._own, *self._lives.all()))

    def closing(self) -> None:
        """Restart nobody any more but who is asked for: an actor that ends its work is not to begin it again."""
        with self._lock:
            self._is_closing = True

    def stop(self) -> None:
        """End every actor for good."""
        with self._lock:
            self._is_stopping = True
            for handle in self._handles.values():
                ray.kill(handle, no_restart=True)

    def _want(self, recipe: Recipe) -> None:
        self._recipes[recipe.name] = recipe
        self._incarnation[recipe.name] = 0
        self._lives.wanted(recipe.name, recipe.role)

    def _begin(self) -> None:
        """Note this life of the supervisor itself."""
        life, now = self._own.incarnation, time.time_ns()
        self._own = Life(
            name=self._own.name,
            role=self._own.role,
            incarnation=life,
            is_alive=True,
            pid=os.getpid(),
            node=ray.util.get_node_ip_address(),
            node_id=own_node(),
            since=now,
            died_at=now if life else 0,
            why="its process ended" if life else "",
        )
        self._desired.record("SupervisorStarted", {self._own.name: b""})

    def _check(self, name: str) -> None:
        """See that an actor lives, also one that rests; who is asked for is needed."""
        if name in self._resting:
            self._wake(name)
            self._open_all([name])
        if name in self._faults:
            raise self._faults[name]
        if name not in self._addresses:
            raise LinkError(f"expected an actor of {', '.join(self._addresses)}, got {name!r}")

    @contextmanager
    def _keeping(self, name: str) -> Iterator[None]:
        """Keep what is raised as the actor's fault: nobody may be told later that it lives."""
        try:
            yield
        except AnabranchError as exc:
            self._faults[name] = exc
            self._lives.failed(name, str(exc))
            raise
        except Exception as exc:
            # Ray has many ways to fail, and none may end the watch in silence.
            fault = LinkError(f"expected actor {name} to live, got {type(exc).__name__}: {last_line(exc)}")
            self._faults[name] = fault
            self._lives.failed(name, str(fault))
            raise fault from exc

    def _create(self, name: str) -> Any:
        recipe = msgspec.structs.replace(self._recipes[name], incarnation=self._incarnation[name])
        return create(recipe, self._namespace, self._nodes.place(self._lives.all()))

    def _open(self, name: str) -> None:
        """Wait until an actor's shell is built, and learn the address of its stream."""
        try:
            address = ray.get(self._handles[name].open.remote(), timeout=START_TIMEOUT_S)
            asked = [self._handles[name].health.remote(), self._handles[name].origin.remote()]
            (_, pid), (node, since) = ray.get(asked, timeout=HEALTH_TIMEOUT_S)
            self._addresses[name] = address
            self._stays.ask(name, self._incarnation[name], self._handles[name])
            self._lives.started(name, pid, address[0] if address else "", node, since)
        except RayError as exc:
            cause = getattr(exc, "cause", None)
            if isinstance(cause, AnabranchError):
                raise cause from exc
            raise LinkError(f"expected actor {name} to start, got {last_line(exc)}") from exc

    def _open_all(self, names: list[str]) -> None:
        """Wait for lives that have begun. What keeps one from it is kept, and holds up none of the others."""
        for name in names:
            if name not in self._faults:
                with suppress(AnabranchError), self._keeping(name):
                    self._open(name)
        self._note_started(names)

    def _note_started(self, names: list[str]) -> None:
        """Once an actor is journaled as started, a later life of it that finds no journal has lost it."""
        first = [name for name in names if name in self._addresses and name not in self._started]
        self._desired.record("ActorStarted", dict.fromkeys(first, b""))
        self._started.update(first)

    def _wake(self, name: str) -> None:
        """Begin the next life of an actor that rests."""
        if self._is_stopping:
            return
        self._resting.discard(name)
        self._woken[name] = time.monotonic()
        with self._keeping(name):
            self._begin_again(name, "it had nothing to do")

    def _silence(self, name: str) -> str:
        """Return why an actor does not answer; nothing: it does."""
        return silence_of(self._handles[name], Path(self._recipes[name].journal).parent, name)

    def _restart(self, name: str, why: str, *, is_death: bool = False) -> None:
        if self._is_stopping:
            return
        with self._keeping(name):
            if is_death:
                self._deaths.count(name)
            self._begin_again(name, why)
            self._open(name)
            self._note_started([name])

    def _begin_again(self, name: str, why: str) -> None:
        # One that has never started may not have a journal yet: it begins its first life again.
        incarnation = self._incarnation[name] + (name in self._started)
        at = self._lives.died(name, incarnation, why)
        self._desired.record("ActorRestarted", {name: msgspec.msgpack.encode((incarnation, at, short(why)))})
        self._incarnation[name] = incarnation
        self._addresses.pop(name, None)
        if name in self._handles:
            # A process that is cut off and not dead must not go on beside its successor.
            ray.kill(self._handles[name], no_restart=True)
        self._handles[name] = create_again(partial(self._create, name), name)

    def _watch(self) -> None:
        """Reconcile: look after who has died at once, and now and then ask everyone."""
        asked_at = time.monotonic()
        while not self._is_stopping:
            for name, incarnation in self._stays.broken():
                if self._incarnation.get(name) == incarnation:
                    self._look_after(name)
            if time.monotonic() - asked_at >= WATCH_EVERY_S:
                for name in tuple(self._recipes):
                    self._look_after(name)
                asked_at = time.monotonic()
            if self._nodes.is_any_draining and not self._is_closing:
                self._move_next()

    def _move_next(self) -> None:
        """Move the next actor that lives on a node that is being drained, and this one itself last."""
        life = self._misplaced()
        with suppress(AnabranchError, RayError):
            # While no node is open nobody has to move.
            self._nodes.place(())
            if life is not None and life.role not in SHELLS:
                # Nobody waits for it: what it has under way may need others, and they need us.
                ray.get(self._handles[life.name].close.remote(), timeout=CLOSE_TIMEOUT_S)
        with suppress(AnabranchError), self._lock:
            self._nodes.place(())
            if life is not None and not (self._is_closing or self._is_stopping) and life == self._misplaced():
                self._restart(life.name, "its node is drained")
            elif life is None and self._nodes.is_draining(self._own.node_id):
                # Whoever misses it makes it again, on another node, and it finds everything in its journal.
                os._exit(0)

    def _misplaced(self) -> Life | None:
        """Return the first actor that lives on a node that is being drained."""
        lives = (life for life in self._lives.all() if life.is_alive and self._nodes.is_draining(life.node_id))
        return next(lives, None)

    def _look_after(self, name: str) -> None:
        """Restart an actor that does not answer."""
        # Its fault is kept, and told to who asks for the actor; the others are watched on.
        with suppress(AnabranchError), self._lock:
            if name in self._resting:
                return
            # What was too slow to start, or died too often for a while, is tried again; other faults stay.
            is_late = isinstance(self._faults.get(name), LinkError)
            is_ready = name in self._addresses and name not in self._faults
            with self._keeping(name):
                why = str(self._faults[name]) if is_late else self._silence(name) if is_ready else ""
                if why and not (self._is_stopping or self._is_closing):
                    self._faults.pop(name, None)
                    self._restart(name, why, is_death=True)

    def _recover(self) -> None:
        """Find the actors of an earlier life of this supervisor by name, and start those that are gone."""
        if not self._desired.is_there:
            return
        started = self._read()
        for name in self._recipes:
            with suppress(ValueError):
                self._handles[name] = ray.get_actor(name, namespace=self._namespace)
        # Nobody was told of an actor that never was journaled as started: it may begin its first life again.
        fresh = [name for name in self._recipes if name not in started]
        for name in fresh:
            with suppress(AnabranchError), self._keeping(name):
                self._handles[name] = self._handles.get(name) or create_again(partial(self._create, name), name)
        self._open_all([name for name in fresh if name in self._handles])
        for name in self._resting:
            self._lives.rests(name)
            if name in self._handles:
                end(self._handles[name])
        for name in [name for name in started if name not in self._resting]:
            with suppress(AnabranchError), self._keeping(name):
                why = self._silence(name) if name in self._handles else "it was gone when the supervisor came back"
                if why:
                    self._restart(name, why, is_death=True)
                else:
                    self._open(name)

    def _read(self) -> list[str]:
        """Read what should live and in which incarnation; return the names of those that have lived."""
        started: list[str] = []
        for kind, name, payload in self._desired.read(is_reader=False):
            if kind == "ActorDesired":
                self._want(msgspec.msgpack.decode(payload, type=Recipe))
            elif kind == "ActorStarted":
                started.append(name)
            elif kind == "SupervisorStarted":
                self._own = msgspec.structs.replace(self._own, incarnation=self._own.incarnation + 1)
            elif kind == "ActorRested":
                self._resting.add(name)
            elif kind in NODE_STATES:
                self._nodes.set(name, is_draining=kind == DRAINING)
            else:
                incarnation, at, why = msgspec.msgpack.decode(payload, type=tuple[int, int, str])
                self._incarnation[name] = incarnation
                self._resting.discard(name)
                self._lives.died(name, incarnation, why, at)
        self._started.update(started)
        return started


SupervisorActor = ray.remote(Supervisor)
