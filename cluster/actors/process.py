"""What runs in an actor process: one shell on one thread, reached by Ray calls and by a stream of framed bytes.

Rule of this file: the shell is built, recovered and called on its own thread only, so that the process answers its
health while the shell works, and two doors never reach it at once. What a shell raises is an answer, and ends nothing.
Nothing is logged of a batch that is answered: what became of each child the record logs (`cluster.live.order_log`).
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from cluster.actors.recipe import Recipe
from cluster.actors.staying import Staying
from cluster.link import handshake
from cluster.link.answers import fault_bytes, reply_bytes
from cluster.link.frames import read_frame, write_frame
from cluster.live.logs import STARTED, Logs, log_path, setup_logs
from router.domain import codec
from router.domain.errors import LinkError

if TYPE_CHECKING:
    from scenarios.shells import Shell

CONNECTIONS_MAX = 16
"""A run has one driver, and each of its reconnections one stream: above this callers wait until somebody leaves."""

TOKEN_TIMEOUT_S = 10.0
"""Who has not shown the run's token by then is no caller of ours."""

_log = logging.getLogger("anabranch.shell")


class ShellProcess:
    """Hosts the shell of one recipe. Plain: `cluster.actors.supervisor` has it wrapped by Ray."""

    def __init__(self, recipe: bytes) -> None:
        self._recipe = msgspec.msgpack.decode(recipe, type=Recipe)
        self._token = bytes.fromhex(self._recipe.token)
        self._logs = _logs_of(self._recipe)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=self._recipe.name)
        self._building = self._thread.submit(_begin, self._recipe)
        self._server: socket.socket | None = None
        self._seats = threading.Semaphore(CONNECTIONS_MAX)
        self._staying = Staying()

    def ready(self) -> None:
        """Return when the shell is built.

        Raises:
            AnabranchError: why it cannot be: its journal, its data.
        """
        self._building.result()

    def handle(self, batch: bytes) -> bytes:
        """Return the answer to one encoded batch: the reply, or the fault in its place (`cluster.link.answers`)."""
        return self._thread.submit(self._answer, batch).result()

    def health(self) -> tuple[str, int]:
        """Return the name and the process id: that it answers is the news."""
        return self._recipe.name, os.getpid()

    def stay(self) -> None:
        """Return when the next one asks: whoever asked last hears at once when this process is gone."""
        self._staying.stay()

    def listen(self, host: str) -> tuple[str, int]:
        """Open the stream door on a free port of `host` and return its address; a second call returns it again."""
        if self._server is None:
            self._server = socket.create_server((host, 0))
            threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()
        address: tuple[str, int] = self._server.getsockname()[:2]
        return address

    def close(self) -> None:
        """Close the stream door and let the shell's thread end. Callers that are in stay until they leave."""
        if self._server is not None:
            # Closing alone does not wake who waits in `accept`.
            with suppress(OSError):
                self._server.shutdown(socket.SHUT_RDWR)
            self._server.close()
        self._thread.shutdown()
        _log.info("closed")
        if self._logs is not None:
            self._logs.close()

    def _answer(self, batch: bytes) -> bytes:
        try:
            return reply_bytes(self._building.result().handle(codec.decode_message(batch)))
        except Exception as exc:
            # Whatever the shell raises is for the driver to see: an end of this thread would look like our death,
            # and the same batch would be sent again to the same end.
            _log.warning("a batch came to nothing: %s: %s", type(exc).__name__, exc)
            return fault_bytes(exc)

    def _accept(self, server: socket.socket) -> None:
        """Let callers in, as many as there are seats; others wait at the door."""
        while True:
            self._seats.acquire()
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        """Answer one caller's frames until it leaves, once it has shown that it holds the run's token."""
        try:
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                # A caller whose machine went down without a word gives its seat back, some time.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                connection.settimeout(TOKEN_TIMEOUT_S)
                nonce = handshake.nonce()
                write_frame(connection, nonce)
                proof = handshake.accept(self._token, nonce, read_frame(connection, handshake.CLAIM_BYTES))
                if proof is None:
                    _log.warning("a stream was refused: expected who holds the secret, got another or none")
                    return
                write_frame(connection, proof)
                connection.settimeout(None)
                while True:
                    write_frame(connection, self.handle(read_frame(connection)))
        except (OSError, EOFError, LinkError):
            return
        finally:
            self._seats.release()


def _logs_of(recipe: Recipe) -> Logs | None:
    """Log to a file of its own, for an actor of a live desk; what a run's actors have to say, its driver is told."""
    return setup_logs(recipe.name, path=log_path(Path(recipe.journal).parent, recipe.name)) if recipe.opened else None


def _begin(recipe: Recipe) -> Shell:
    """Load what the recipe needs, and make its shell of it: only who is one has engines to load."""
    try:
        from cluster.actors.building import build

        shell = build(recipe)
    except Exception as exc:
        _log.error("cannot start: %s", exc)
        raise
    _log.info(STARTED, extra={"fields": {"incarnation": recipe.incarnation, "role": recipe.role}})
    return shell
