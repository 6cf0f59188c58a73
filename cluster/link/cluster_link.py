"""The links from a conductor to actors on Ray: by calls, and by streams. Both bring an actor back and send again.

Rule of this file: a reply is never given up while its actor can be brought back; the batch goes again as it was. A
fault is an answer: it is raised at once, and its batch is not sent again.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Any, NamedTuple, Protocol

import ray
from ray.exceptions import RayActorError, RayError

from cluster.link import handshake
from cluster.link.answers import open_answer
from cluster.link.frames import read_frame, write_frame
from router.domain import codec
from router.domain.errors import LinkError
from router.domain.messages import Message

ATTEMPTS_MAX = 5
"""How often one batch is sent before the run is given up."""

CONNECT_TIMEOUT_S = 10.0
"""An actor that lives accepts at once: its door waits for nothing that the shell does."""

REPLY_TIMEOUT_S = 300.0
"""A window takes milliseconds, and a recovery as long as the run so far."""


class Place(NamedTuple):
    """Where an actor is: its incarnation, its handle, and its stream's address (none where calls are the link)."""

    incarnation: int
    handle: Any
    address: tuple[str, int] | None


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
        """Return the replies, bringing back actors that died on the way.

        Raises:
            AnabranchError: what an actor raised, as the same class.
            LinkError: an actor cannot be brought back.
        """
        pending, self._pending = self._pending, {}
        return {to: self._reply(to, data, call) for to, (data, call) in pending.items()}

    def close(self) -> None:
        """Nothing to let go of."""

    def _call(self, to: str, data: bytes) -> Any:
        if to not in self._places:
            self._places[to] = self._registry.where(to)
        return self._places[to].handle.handle.remote(data)

    def _reply(self, to: str, data: bytes, call: Any) -> Message:
        for _ in range(ATTEMPTS_MAX):
            try:
                return open_answer(to, ray.get(call, timeout=REPLY_TIMEOUT_S))
            except RayActorError:
                self._places[to] = self._registry.revive(to, self._places[to].incarnation)
                call = self._call(to, data)
            except RayError as exc:
                cause = getattr(exc, "cause", None) or exc
                raise LinkError(f"expected a reply from {to}, got {cause}") from exc
        raise LinkError(f"expected a reply from {to} within {ATTEMPTS_MAX} attempts, got none")


class StreamLink:
    """Framed bytes on one stream an actor. Some thirty times cheaper than a call.

    A stream that is kept has carried the batch under way as a whole: only then is there a reply on it to wait for.
    """

    def __init__(self, registry: Registry, token: str) -> None:
        self._registry = registry
        self._token = bytes.fromhex(token)
        self._places: dict[str, Place] = {}
        self._streams: dict[str, socket.socket] = {}
        self._pending: dict[str, bytes] = {}

    def send(self, to: str, batch: Message) -> None:
        """Write the batch to the actor's stream. A broken stream is mended when the reply is waited for."""
        self._pending[to] = data = codec.encode(batch)
        self._write(to, data)

    def receive(self) -> dict[str, Message]:
        """Return the replies, bringing back actors that died on the way.

        Raises:
            AnabranchError: what an actor raised, as the same class.
            LinkError: an actor cannot be brought back.
        """
        pending, self._pending = self._pending, {}
        try:
            return {to: self._reply(to, data) for to, data in pending.items()}
        except BaseException:
            # A reply left unread would be taken for the next batch's.
            self.close()
            raise

    def close(self) -> None:
        """Close every stream."""
        for to in tuple(self._streams):
            self._drop(to)

    def _reply(self, to: str, data: bytes) -> Message:
        for attempt in range(ATTEMPTS_MAX):
            if attempt or to not in self._streams:
                self._mend(to, data)
            with contextlib.suppress(OSError, EOFError):
                if to in self._streams:
                    return open_answer(to, read_frame(self._streams[to]))
        raise LinkError(f"expected a reply from {to} within {ATTEMPTS_MAX} attempts, got none")

    def _mend(self, to: str, data: bytes) -> None:
        self._drop(to)
        self._places[to] = self._registry.revive(to, self._place(to).incarnation)
        self._write(to, data)

    def _write(self, to: str, data: bytes) -> None:
        """Write to the actor's stream, opened if need be. A stream that did not take all of it is dropped."""
        try:
            if to not in self._streams:
                self._streams[to] = self._connect(to)
            write_frame(self._streams[to], data)
        except OSError:
            self._drop(to)

    def _drop(self, to: str) -> None:
        stream = self._streams.pop(to, None)
        if stream is not None:
            stream.close()

    def _place(self, to: str) -> Place:
        if to not in self._places:
            self._places[to] = self._registry.where(to)
        return self._places[to]

    def _connect(self, to: str) -> socket.socket:
        address = self._place(to).address
        if address is None:
            raise LinkError(f"expected {to} to listen for streams, got an actor that takes calls")
        stream = socket.create_connection(address, timeout=CONNECT_TIMEOUT_S)
        try:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            show_secret(to, stream, self._token)
            stream.settimeout(REPLY_TIMEOUT_S)
        except BaseException:
            stream.close()
            raise
        return stream


def show_secret(name: str, stream: socket.socket, secret: bytes) -> None:
    """Show the listener of a stream that we hold the run's secret, and see that it does.

    Raises:
        ConnectionError: it does not, or does not take us.
    """
    try:
        nonce = read_frame(stream, handshake.NONCE_BYTES)
        claimed = handshake.claim(secret, nonce)
        write_frame(stream, claimed)
        if handshake.is_proven(secret, nonce, claimed, read_frame(stream, handshake.PROOF_BYTES)):
            return
    except (EOFError, LinkError) as exc:
        raise ConnectionError(f"expected {name} to take the secret of the run, got {exc}") from exc
    raise ConnectionError(f"expected {name} to hold the secret of the run, got another or none")
