"""What a desk that is up tells on its own machine: who holds it, where its door is, and how every actor lives.

Rule of this file: whoever can read the state folder may ask; the secret lies there, for its owner alone, and the
answer comes from the process that holds the desk, so that it needs neither a key nor a door that works.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from cluster.actors.lives import Life
from cluster.actors.node import Node
from cluster.live.folder import is_held
from cluster.live.wire import Answering, Push, ask_bytes
from router.domain import codec
from router.domain.errors import AnabranchError, LinkError
from router.domain.requests import Answer
from router.domain.units import Nanos

STATUS_FILE = "up.json"
"""In the state folder: who holds the desk up, where its door is, and the secret of whoever asks how it is."""

HOST = "127.0.0.1"
LIVES_TIMEOUT_S = 3.0
ASK_TIMEOUT_S = 6.0
STEER_TIMEOUT_S = 180.0
"""New hosts answer before anybody is told that there are more."""

STOP_TIMEOUT_S = 5.0


class UpStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What `status` and `down` need to know of a desk that is up. Times are in nanoseconds since 1970."""

    pid: int
    url: str
    namespace: str
    symbol: str
    opened_at: Nanos
    closes_at: Nanos
    """By the wall clock, as is `opened_at`."""
    up_since: Nanos
    build: str
    opened_build: str
    """The build that opened the session."""
    port: int
    """Where this process answers, on loopback."""
    secret: str


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """How the actors live, as of `at`; with a `fault` it is what was known last."""

    actors: tuple[Life, ...]
    at: Nanos
    fault: str = ""
    nodes: tuple[Node, ...] = ()


class Steer(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody at this machine wants of the cluster: so many `hosts`, or a `node` drained or open again."""

    who: str
    why: str
    hosts: int = 0
    node: str = ""
    is_draining: bool = True


class Telling:
    """Answers how the desk is, in a thread of its own, while the block runs. `lives` and `nodes` ask the
    supervisor; `steer` hands on what is wanted of the cluster (`Steer`) and returns an encoded `Answer`."""

    def __init__(
        self,
        lives: Callable[[], Sequence[Life]],
        nodes: Callable[[], Sequence[Node]] = tuple,
        steer: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self._lives, self._nodes, self._steer = lives, nodes, steer
        self._last = Told(actors=(), at=0, fault="nobody has been asked yet")
        self._loop = asyncio.new_event_loop()
        self.secret = secrets.token_hex(32)
        self._door = Answering(self._answer, self.secret)
        self._thread = threading.Thread(target=self._loop.run_forever, name="telling", daemon=True)
        self.port = 0

    def __enter__(self) -> Telling:
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._door.listen(HOST), self._loop).result()[1]
        return self

    def __exit__(self, *raised: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(STOP_TIMEOUT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_TIMEOUT_S)
        self._loop.close()

    async def _end(self) -> None:
        await self._door.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        if rest:
            await asyncio.wait(rest, timeout=STOP_TIMEOUT_S / 2)

    async def _answer(self, word: str, body: bytes, push: Push) -> bytes:
        if word == "steer" and self._steer is not None:
            return await asyncio.to_thread(self._steer, body)
        if word != "status":
            raise LinkError(f"expected the word status or steer, got {word!r}")
        try:
            asked = asyncio.to_thread(lambda: (tuple(self._lives()), tuple(self._nodes())))
            lives, nodes = await asyncio.wait_for(asked, LIVES_TIMEOUT_S)
            self._last = Told(actors=lives, at=time.time_ns(), nodes=nodes)
        except TimeoutError:
            self._last = msgspec.structs.replace(self._last, fault=f"no word in {LIVES_TIMEOUT_S:.0f} s")
        except AnabranchError as exc:
            self._last = msgspec.structs.replace(self._last, fault=str(exc))
        return codec.encode(self._last)


def write_status(state: Path, status: UpStatus) -> None:
    """Say in the state folder who holds the desk up, for the folder's owner alone."""
    fresh = state / f"{STATUS_FILE}.fresh"
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.encode(status))
    fresh.replace(state / STATUS_FILE)


def read_status(state: Path) -> UpStatus | None:
    """Return who holds the desk of a state folder up; None: nobody does."""
    try:
        status = msgspec.json.decode((state / STATUS_FILE).read_bytes(), type=UpStatus)
        # What a killed desk left names a process that may be a stranger's by now; the hold ends with its holder.
        return None if is_gone(status.pid) or not is_held(state) else status
    except (OSError, msgspec.MsgspecError):
        return None


def ask_told(status: UpStatus) -> Told:
    """Ask who holds the desk up how its actors live.

    Raises:
        LinkError: it does not answer.
    """
    return codec.decode(_ask(status, "status", b"", ASK_TIMEOUT_S), Told)


def steer_told(status: UpStatus, steer: Steer) -> Answer:
    """Ask who holds the desk up for another number of hosts, or to drain a node; return what the record answers.

    Raises:
        LinkError: it does not answer, or an actor cannot be started.
        BadInputError: no such node, or a number of hosts that cannot be.
    """
    said = _ask(status, "steer", codec.encode(steer), STEER_TIMEOUT_S)
    return codec.decode(said, Answer)  # type: ignore[arg-type]


def _ask(status: UpStatus, word: str, body: bytes, timeout_s: float) -> bytes:
    return ask_bytes("who holds the desk up", (HOST, status.port), word, status.secret, body, timeout_s)


def is_gone(pid: int) -> bool:
    """Whether a process has ended; who is dead and not yet buried by his parent has."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except ProcessLookupError:
        return True
    except OSError:
        # Another user's, or a system that tells nothing more.
        return False


def ask_down(state: Path) -> UpStatus | None:
    """Ask who holds the desk up to bring it down; None: nobody does."""
    status = read_status(state)
    if status is not None:
        os.kill(status.pid, signal.SIGTERM)
    return status
