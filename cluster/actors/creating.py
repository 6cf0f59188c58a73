"""Creates the process of an actor on Ray.

Rule of this file: a process is named, detached and restarted by nobody but the supervisor; the class that it runs
follows from its role alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import ray
from ray.exceptions import GetTimeoutError, RayError

from cluster.actors.lives import short
from cluster.actors.process import ShellProcess
from cluster.actors.recipe import SHELLS, Recipe
from cluster.live.logs import last_error, log_path
from cluster.live.process import LiveProcess
from router.domain.errors import LinkError

ACTOR_CPUS = 0.01
"""Actors with no CPU share ignore how Ray is asked to spread them."""

HEALTH_TIMEOUT_S = 5.0
END_LOOKS, END_LOOK_S = 100, 0.05

CALLS_MAX = 6
"""Calls that an actor answers at once: one stays open for as long as it lives, one while it is built or closed."""


class NodeProcess(ShellProcess):
    """The process of a shell on its node: where streams are the link, it listens there and nowhere else."""

    def open(self) -> tuple[str, int] | None:
        """Return the address of its stream, if any, when the shell is built.

        Raises:
            AnabranchError: why the shell cannot be built.
        """
        self.ready()
        return self.listen(ray.util.get_node_ip_address()) if self._recipe.link == "stream" else None

    def origin(self) -> tuple[str, int]:
        """Return the id of the node that it is on, and when it began there."""
        return own_node(), _BEGAN_AT


class NodeService(LiveProcess):
    """The process of a service on its node."""

    def origin(self) -> tuple[str, int]:
        """Return the id of the node that it is on, and when it began there."""
        return own_node(), _BEGAN_AT


_BEGAN_AT = time.time_ns()
"""When this process loaded what an actor is made of: a supervisor that comes back asks for it."""

_SHELL = ray.remote(NodeProcess)
_SERVICE = ray.remote(NodeService)


def create(recipe: Recipe, namespace: str, strategy: Any) -> Any:
    """Return the handle of a new process, placed as Ray is told by `strategy`.

    Raises:
        ValueError: Ray still holds its name for the dead.
    """
    actor = _SHELL if recipe.role in SHELLS else _SERVICE
    return actor.options(
        name=recipe.name,
        namespace=namespace,
        lifetime="detached",
        num_cpus=ACTOR_CPUS,
        max_restarts=0,
        max_task_retries=0,
        max_concurrency=CALLS_MAX,
        scheduling_strategy=strategy,
    ).remote(msgspec.msgpack.encode(recipe))


def create_again(make: Callable[[], Any], name: str) -> Any:
    """Return what `make` makes under a name that Ray may hold a moment longer for the dead.

    Raises:
        LinkError: the name stays taken.
    """
    pause = threading.Event()
    for _ in range(100):
        try:
            return make()
        except ValueError:
            pause.wait(0.1)
    raise LinkError(f"expected the name {name} to become free, got it taken")


def end(handle: Any) -> None:
    """Kill a process and return when it answers no more: Ray does not wait, and who asks next must not find it."""
    ray.kill(handle, no_restart=True)
    pause = threading.Event()
    for _ in range(END_LOOKS):
        try:
            ray.get(handle.health.remote(), timeout=HEALTH_TIMEOUT_S)
        except RayError:
            return
        pause.wait(END_LOOK_S)


def silence_of(handle: Any, folder: Path, name: str) -> str:
    """Return why a process does not answer; nothing: it does. `folder` is that of its journal, where it logs."""
    try:
        ray.get(handle.health.remote(), timeout=HEALTH_TIMEOUT_S)
    except GetTimeoutError:
        return f"it gave no answer for {HEALTH_TIMEOUT_S:.0f} s"
    except RayError as exc:
        return last_error(log_path(folder, name)) or short(str(exc) or type(exc).__name__)
    return ""


def own_node() -> str:
    """Return the id of the node that this process is on."""
    node: str = ray.get_runtime_context().get_node_id()
    return node
