"""The wire between live processes: questions with answers, and news that is pushed, on one stream of frames.

Rule of this file: a question is never asked twice by the wire itself. One that was certainly not handed over raises
LinkError; one whose answer is lost raises UnknownOutcomeError, and only who asked knows whether asking again is safe.

A frame is four bytes of length and the MessagePack of (number, word, body): a question has a number above 0, its answer
the same number with the word "" or, for a fault, the class's name; news has the number 0 and its topic as the word.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable

import msgspec

from cluster.link import handshake
from cluster.link.answers import fault_of
from cluster.link.frames import FRAME_MAX
from router.domain.errors import AnabranchError, CodecError, LinkError, UnknownOutcomeError

Message = tuple[int, str, bytes]
Push = Callable[[str, bytes], None]
Answerer = Callable[[str, bytes, Push], Awaitable[bytes]]
"""Answers a question (word, body); what it pushes goes to who asked, before or after the answer."""

TOKEN_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 2.0
UNREAD_MAX = 64 * 1024 * 1024
"""Bytes that wait for a peer who does not read: above it the peer is cut off."""

_LENGTH = struct.Struct("!I")
_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Message)


async def read(reader: asyncio.StreamReader, limit: int = FRAME_MAX) -> bytes:
    """Return the next frame.

    Raises:
        LinkError: it is longer than `limit`.
        EOFError: the peer is gone.
    """
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        if length > limit:
            raise LinkError(f"expected a frame up to {limit} bytes, got {length}")
        return await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError) as exc:
        raise EOFError("the peer closed the stream") from exc


def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(_LENGTH.pack(len(data)) + data)


def _write(writer: asyncio.StreamWriter, message: Message) -> None:
    _send(writer, _encode(message))
    if writer.transport.get_write_buffer_size() > UNREAD_MAX:
        writer.transport.abort()


def _decode(frame: bytes) -> Message:
    try:
        message: Message = _decoder.decode(frame)
        return message
    except msgspec.MsgspecError as exc:
        raise CodecError(f"expected (number, word, body), got {exc} - on a live stream") from exc


class Answering:
    """The side that is asked. `answer` may be working at many questions at once; each answers when it is done."""

    def __init__(self, answer: Answerer, token: str) -> None:
        self._answer = answer
        self._token = token.encode()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def listen(self, host: str) -> tuple[str, int]:
        """Open the door on a free port and return the address."""
        self._server = await asyncio.start_server(self._serve, host, 0)
        address: tuple[str, int] = self._server.sockets[0].getsockname()[:2]
        return address

    async def close(self) -> None:
        """Let nobody in any more, and end what is under way."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            nonce = handshake.nonce()
            _send(writer, nonce)
            claimed = await asyncio.wait_for(read(reader, handshake.CLAIM_BYTES), TOKEN_TIMEOUT_S)
            proof = handshake.accept(self._token, nonce, claimed)
            if proof is None:
                return
            _send(writer, proof)
            while True:
                number, word, body = _decode(await read(reader))
                task = asyncio.create_task(self._one(number, word, body, writer))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        except (EOFError, OSError, TimeoutError, AnabranchError):
            return
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _one(self, number: int, word: str, body: bytes, writer: asyncio.StreamWriter) -> None:
        def push(topic: str, news: bytes) -> None:
            if writer.is_closing():
                raise LinkError("expected somebody to push to, got a stream that is closed")
            _write(writer, (0, topic, news))

        try:
            answer: Message = (number, "", await self._answer(word, body, push))
        except Exception as exc:
            # Whatever is raised is the answer: an end of this task without one would leave who asked waiting.
            answer = (number, type(exc).__name__, str(exc).encode())
        if not writer.is_closing():
            _write(writer, answer)


class Asking:
    """The side that asks. It connects when it is first asked, and again when the stream broke.

    `find` returns where the other side is now (it may bring it back to life); `news` is called with every push. All who
    ask while there is no stream wait for the same one, each for as long as it will: who gives up ends it for nobody.
    """

    def __init__(
        self,
        name: str,
        find: Callable[[bool], Awaitable[tuple[str, int]]],
        token: str,
        news: Callable[[str, bytes], None] | None = None,
    ) -> None:
        self.name = name
        self._find = find
        self._token = token.encode()
        self._news = news
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._number = 0
        self._connecting: asyncio.Task[asyncio.StreamWriter] | None = None
        self._was_lost = False
        self.lost = asyncio.Event()
        """Set while there is no stream: who follows news waits for it and subscribes again."""

    async def ask(self, word: str, body: bytes, timeout_s: float) -> bytes:
        """Return the answer within `timeout_s`, connecting and all.

        Raises:
            LinkError: it was certainly not handed over.
            UnknownOutcomeError: it was handed over, and its answer is lost or late.
            AnabranchError: what the other side raised, as the same class.
        """
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + timeout_s
        try:
            async with asyncio.timeout_at(ends_at):
                writer = await self._connected()
        except TimeoutError as exc:
            raise LinkError(f"expected {self.name} to listen within {timeout_s} s, got no stream to it") from exc
        self._number += 1
        number = self._number
        future: asyncio.Future[bytes] = loop.create_future()
        self._waiting[number] = future
        try:
            _write(writer, (number, word, body))
            async with asyncio.timeout_at(ends_at):
                return await future
        except (OSError, EOFError, TimeoutError) as exc:
            raise UnknownOutcomeError(f"expected an answer of {self.name} to {word}, got none ({exc})") from exc
        finally:
            self._waiting.pop(number, None)

    async def close(self) -> None:
        """Leave."""
        tasks = [task for task in (self._connecting, self._reading) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._drop()

    async def _connected(self) -> asyncio.StreamWriter:
        if self._writer is not None and not self._writer.is_closing():
            return self._writer
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.create_task(self._connect())
            # Where everybody has given up meanwhile, nobody asks for what came of it.
            self._connecting.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(self._connecting)

    async def _connect(self) -> asyncio.StreamWriter:
        try:
            host, port = await self._find(self._was_lost)
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                reader, writer = await asyncio.open_connection(host, port)
                await self._show(reader, writer)
        except (OSError, EOFError, TimeoutError) as exc:
            self._was_lost = True
            raise LinkError(f"expected {self.name} to listen, got {exc or type(exc).__name__}") from exc
        self._was_lost = False
        self._writer = writer
        self.lost.clear()
        self._reading = asyncio.create_task(self._read(reader))
        return writer

    async def _show(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Show that we hold the secret, and see that the other side does.

        Raises:
            LinkError: it does not.
            EOFError: it does not take us.
        """
        try:
            nonce = await read(reader, handshake.NONCE_BYTES)
            claimed = handshake.claim(self._token, nonce)
            _send(writer, claimed)
            if not handshake.is_proven(self._token, nonce, claimed, await read(reader, handshake.PROOF_BYTES)):
                raise LinkError(f"expected {self.name} to hold the secret of the desk, got another or none")
        except BaseException:
            writer.close()
            raise

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                number, word, body = _decode(await read(reader))
                if number == 0:
                    if self._news is not None:
                        self._news(word, body)
                    continue
                future = self._waiting.get(number)
                if future is None or future.done():
                    continue
                if word:
                    future.set_exception(fault_of(self.name, word, body.decode()))
                else:
                    future.set_result(body)
        except (EOFError, OSError, AnabranchError):
            self._was_lost = True
        finally:
            self._drop()

    def _drop(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self.lost.set()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(EOFError("the stream broke"))


def ask_once(
    name: str, address: tuple[str, int], word: str, token: str, timeout_s: float = CONNECT_TIMEOUT_S
) -> object:
    """Ask one question without a body and leave; the answer is decoded. For processes that have no loop of their own.

    Raises:
        LinkError: nobody answers.
    """
    return msgspec.msgpack.decode(ask_bytes(name, address, word, token, b"", timeout_s))


def ask_bytes(name: str, address: tuple[str, int], word: str, token: str, body: bytes, timeout_s: float) -> bytes:
    """Ask one question and leave; the answer is as it came.

    Raises:
        LinkError: nobody answers.
        AnabranchError: what the other side raised, as the same class.
    """

    async def find(was_lost: bool) -> tuple[str, int]:
        return address

    async def ask() -> bytes:
        line = Asking(name, find, token)
        try:
            return await line.ask(word, body, timeout_s)
        finally:
            await line.close()

    return asyncio.run(ask())
