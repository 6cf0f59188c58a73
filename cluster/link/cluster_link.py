"""The links from a conductor to actors on Ray: by calls, and by streams. Both bring an actor back and send again.

Rule of this file: a reply is never given up while its actor can be brought back; the batch goes again as it was.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Any, NamedTuple, Protocol

import ray
from ray.exceptions import RayActorError, RayError

from cluster.link.frames import read_frame, write_frame
from router.domain import codec
from router.domain.errors import LinkError
from router.domain.messages import Message

ATTEMPTS_MAX = 5
"""How often one batch is sent again before the run is given up."""

REPLY_TIMEOUT_S = 300.0
"""A window takes milliseconds, and a recovery as long as the run so far."""


class Place(NamedTuple):
    """Where an actor is: its incarnation, its handle, and its stream's address."""

    incarnation: int
    handle: Any
    address: tuple[str, int]


class Registry(Protocol):
    """Who knows where actors are and brings them back."""

    def where(self, name: str) -> Place:
        """Return where an actor is."""
        ...

    def revive(self, name: str, incarnation: int) -> Place:
        """Return where it is, after it was found dead in `incarnation`."""
        ...


class RayLink:
    """One Ray call a batch. Simple, and a millisecond a call."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._places: dict[str, Place] = {}
        self._pending: dict[str, tuple[bytes, Any]] = {}

    def send(self, to: str, batch: Message) -> None:
        """Call the actor with the batch."""
        data = codec.encode(batch)
        self._pending[to] = (data, self._call(to, data))

    def receive(self) -> dict[str, Message]:
        """Return the replies, bringing back actors that died on the way."""
        replies = {to: self._reply(to, data, call) for to, (data, call) in self._pending.items()}
        self._pending = {}
        return replies

    def close(self) -> None:
        """Nothing to let go of."""

    def _call(self, to: str, data: bytes) -> Any:
        if to not in self._places:
            self._places[to] = self._registry.where(to)
        return self._places[to].handle.handle.remote(data)

    def _reply(self, to: str, data: bytes, call: Any) -> Message:
        for _ in range(ATTEMPTS_MAX):
            try:
                return codec.decode_message(ray.get(call, timeout=REPLY_TIMEOUT_S))
            except RayActorError:
                self._places[to] = self._registry.revive(to, self._places[to].incarnation)
                call = self._call(to, data)
            except RayError as exc:
                cause = getattr(exc, "cause", None) or exc
                raise LinkError(f"expected a reply from {to}, got {cause}") from exc
        raise LinkError(f"expected a reply from {to} within {ATTEMPTS_MAX} attempts, got none")


class StreamLink:
    """Framed bytes on one stream an actor. Some thirty times cheaper than a call."""

    def __init__(self, registry: Registry, token: str) -> None:
        self._registry = registry
        self._token = bytes.fromhex(token)
        self._places: dict[str, Place] = {}
        self._streams: dict[str, socket.socket] = {}
        self._pending: dict[str, bytes] = {}

    def send(self, to: str, batch: Message) -> None:
        """Write the batch to the actor's stream."""
        self._pending[to] = data = codec.encode(batch)
        # A broken stream is mended when the reply is waited for.
        with contextlib.suppress(OSError):
            write_frame(self._stream(to), data)

    def receive(self) -> dict[str, Message]:
        """Return the replies, bringing back actors that died on the way."""
        replies = {to: self._reply(to, data) for to, data in self._pending.items()}
        self._pending = {}
        return replies

    def close(self) -> None:
        """Close every stream."""
        for stream in self._streams.values():
            stream.close()
        self._streams = {}

    def _reply(self, to: str, data: bytes) -> Message:
        for _ in range(ATTEMPTS_MAX):
            try:
                return codec.decode_message(read_frame(self._stream(to)))
            except (OSError, EOFError):
                self._mend(to, data)
        raise LinkError(f"expected a reply from {to} within {ATTEMPTS_MAX} attempts, got none")

    def _mend(self, to: str, data: bytes) -> None:
        stream = self._streams.pop(to, None)
        if stream is not None:
            stream.close()
        if to in self._places:
            self._places[to] = self._registry.revive(to, self._places[to].incarnation)
        with contextlib.suppress(OSError):
            write_frame(self._stream(to), data)

    def _stream(self, to: str) -> socket.socket:
        stream = self._streams.get(to)
        if stream is None:
            if to not in self._places:
                self._places[to] = self._registry.where(to)
            stream = socket.create_connection(self._places[to].address, timeout=REPLY_TIMEOUT_S)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            write_frame(stream, self._token)
            self._streams[to] = stream
        return stream
