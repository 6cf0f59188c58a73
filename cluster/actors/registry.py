"""The supervisor as a driver sees it: calls that survive the supervisor's own death.

Rule of this file: the supervisor is found by name, and made again from its journal when it is gone.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import msgspec
import ray
from ray.exceptions import RayActorError, RayError

from cluster.actors.creating import ACTOR_CPUS
from cluster.actors.desired import Desired
from cluster.actors.lives import Life
from cluster.actors.node import Node
from cluster.actors.nodes import strategy_of
from cluster.actors.recipe import Recipe
from cluster.actors.supervisor import SupervisorActor
from cluster.link.cluster_link import Place
from cluster.live.wire import ask_bytes, ask_once
from router.domain.errors import AnabranchError, LinkError

SUPERVISOR = "supervisor"
CALL_TIMEOUT_S = 300.0
ATTEMPTS_MAX = 5


class ClusterRegistry:
    """Starts a run's actors and finds them again. `namespace` is the run's own."""

    def __init__(self, namespace: str, journal: str) -> None:
        self._namespace = namespace
        self._journal = journal
        # Found when it is first needed: who is started by a supervisor that is coming back itself must not wait for it.
        self._supervisor: Any = None

    def start(self, recipes: Sequence[Recipe]) -> None:
        """Start every actor and wait until all answer."""
        self._call("start", msgspec.msgpack.encode(list(recipes)))

    def where(self, name: str) -> Place:
        """Return where an actor is."""
        return Place(*self._call("where", name))

    def revive(self, name: str, incarnation: int) -> Place:
        """Return where it is, after it was found dead in `incarnation`."""
        return Place(*self._call("revive", name, incarnation))

    def kill(self, name: str) -> None:
        """Kill an actor as a fault would; the supervisor itself too."""
        if name == SUPERVISOR:
            ray.kill(self._known(), no_restart=True)
        else:
            self._call("kill", name)

    def status(self) -> list[tuple[str, str, int]]:
        """Return (name, role, incarnation) of every actor."""
        status: list[tuple[str, str, int]] = self._call("status")
        return status

    def lives(self) -> list[Life]:
        """Return every actor's life, the supervisor's own first; it waits for no restart."""
        return msgspec.msgpack.decode(self._call("lives"), type=list[Life])

    def rest(self, names: Sequence[str]) -> None:
        """End the processes of actors until somebody asks for them."""
        self._call("rest", list(names))

    def nodes(self) -> list[Node]:
        """Return every node that lives, with who is on it."""
        return msgspec.msgpack.decode(self._call("nodes"), type=list[Node])

    def set_node(self, node: str, *, is_draining: bool) -> None:
        """Begin to move everything away from a node, or open it again; that it has begun is durable.

        Raises:
            ConfigError: no such node, or no other one would be left.
        """
        self._call("set_node", node, is_draining)

    def pid(self, name: str) -> int:
        """Return the process of an actor, or of the supervisor, as it says itself."""
        if name == SUPERVISOR:
            own: int = self._call("health")
            return own
        said: tuple[str, int] = ray.get(self.where(name).handle.health.remote(), timeout=CALL_TIMEOUT_S)
        return said[1]

    def closing(self) -> None:
        """Tell the supervisor that actors are closed now, one after the other, and none of them is to come back."""
        self._call("closing")

    def close(self, name: str) -> None:
        """Let an actor end its work and write everything down; it stays until `stop`.

        Raises:
            LinkError: it failed at that, or did not come to its end in time.
        """
        try:
            ray.get(self.where(name).handle.close.remote(), timeout=CALL_TIMEOUT_S)
        except RayActorError:
            return  # it is gone: what it had written down is all there is
        except RayError as exc:
            raise LinkError(f"expected {name} to close within {CALL_TIMEOUT_S:g} s, got {type(exc).__name__}") from exc

    def ask(self, name: str, word: str, token: str) -> Any:
        """Return a live actor's answer to a question without a body."""
        return ask_once(name, self._address(name), word, token)

    def hand_on(self, name: str, word: str, token: str, body: bytes) -> bytes:
        """Return a live actor's answer to a question, as it comes."""
        return ask_bytes(name, self._address(name), word, token, body, CALL_TIMEOUT_S)

    def _address(self, name: str) -> tuple[str, int]:
        address = self.where(name).address
        if address is None:
            raise LinkError(f"expected {name} to listen, got no address")
        return address

    def stop(self) -> None:
        """End every actor, then the supervisor."""
        self._call("stop")
        ray.kill(self._known(), no_restart=True)

    def _call(self, method: str, *arguments: object) -> Any:
        for _ in range(ATTEMPTS_MAX):
            supervisor = self._known()
            try:
                return ray.get(getattr(supervisor, method).remote(*arguments), timeout=CALL_TIMEOUT_S)
            except RayActorError:
                if self._supervisor is supervisor:
                    self._supervisor = None
            except RayError as exc:
                cause = getattr(exc, "cause", None) or exc
                if isinstance(cause, AnabranchError):
                    raise cause from exc
                raise LinkError(f"expected the supervisor to {method}, got {cause}") from exc
        raise LinkError(f"expected the supervisor to {method} within {ATTEMPTS_MAX} attempts, got none")

    def _known(self) -> Any:
        """Return the supervisor. What is returned is what was looked at: another thread may forget it in between."""
        supervisor = self._supervisor
        if supervisor is None:
            supervisor = self._supervisor = self._make()
        return supervisor

    def _make(self) -> Any:
        """Return the supervisor of the namespace, started when there is none."""
        pause = threading.Event()
        for _ in range(100):
            try:
                supervisor = self._found() or self._created()
                ray.get(supervisor.health.remote(), timeout=CALL_TIMEOUT_S)
                return supervisor
            except (ValueError, RayActorError):
                # Ray holds the name of the dead for a moment.
                pause.wait(0.1)
        raise LinkError("expected the supervisor to start, got its name taken")

    def _created(self) -> Any:
        return SupervisorActor.options(
            name=SUPERVISOR,
            namespace=self._namespace,
            lifetime="detached",
            num_cpus=ACTOR_CPUS,
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=8,
            scheduling_strategy=strategy_of(Desired(self._journal)),
        ).remote(self._namespace, self._journal)

    def _found(self) -> Any:
        """Return the supervisor that is there already; None: there is none."""
        try:
            return ray.get_actor(SUPERVISOR, namespace=self._namespace)
        except ValueError:
            return None
