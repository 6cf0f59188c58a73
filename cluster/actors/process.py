"""What runs in an actor process: one shell on one thread, reached by Ray calls and by a stream of framed bytes.

Rule of this file: the shell is built, recovered and called on its own thread only, so that the process answers its
health while the shell works, and two doors never reach it at once.
"""

from __future__ import annotations

import hmac
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import msgspec

from cluster.actors.recipe import Recipe, build
from cluster.link.frames import read_frame, write_frame
from router.domain import codec


class ShellProcess:
    """Hosts the shell of one recipe. Plain: `ShellActor` is this class, wrapped by Ray."""

    def __init__(self, recipe: bytes) -> None:
        self._recipe = msgspec.msgpack.decode(recipe, type=Recipe)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=self._recipe.name)
        self._shell = self._thread.submit(build, self._recipe).result()
        self._server: socket.socket | None = None

    def handle(self, batch: bytes) -> bytes:
        """Return the reply to one encoded batch."""
        return self._thread.submit(self._answer, batch).result()

    def health(self) -> tuple[str, int]:
        """Return the name and the process id: that it answers is the news."""
        return self._recipe.name, os.getpid()

    def listen(self, host: str) -> tuple[str, int]:
        """Open the stream door on a free port of `host` and return its address; a second call returns it again."""
        if self._server is None:
            self._server = socket.create_server((host, 0))
            threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()
        address: tuple[str, int] = self._server.getsockname()[:2]
        return address

    def _answer(self, batch: bytes) -> bytes:
        return codec.encode(self._shell.handle(codec.decode_message(batch)))

    def _accept(self, server: socket.socket) -> None:
        while True:
            connection, _ = server.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        """Answer one caller's frames until it leaves. Its first frame must be the token."""
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                if not hmac.compare_digest(read_frame(connection), bytes.fromhex(self._recipe.token)):
                    return
                while True:
                    write_frame(connection, self.handle(read_frame(connection)))
            except (ConnectionError, EOFError):
                return
