"""One call over HTTP: send, understand, and send again where that is safe.

Rule of this file: what may have been done is never sent again unless sending it twice does it once; a call ends with an
answer, with a problem, or with the word that nobody knows.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import socket
import ssl
import weakref
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Generic, NamedTuple, TypeVar

import aiohttp
import msgspec
from aiohttp import hdrs
from yarl import URL

from anabranch.answers import Problem, Said
from anabranch.errors import (
    AnswerError,
    ClientError,
    ProblemError,
    UnknownOutcome,
    UnreachableError,
    UsageError,
    error_of,
)
from anabranch.options import ClientOptions
from anabranch.signing import Key
from anabranch.words import Word, query_of

T = TypeVar("T", bound=Said)

CORRELATION: Final = "X-Correlation-Id"
MEDIA: Final = {"json": "application/json", "msgpack": "application/msgpack"}
PROBLEM: Final = "application/problem+json"

REFUSED: Final = (429, 503)
"""By contract nothing was handed in: these are sent again, whatever they ask for."""

UNSURE: Final = (500, 502, 504)
"""What happened to it nobody knows."""

GOODBYE_S: Final = 1.0
"""How long a closing client waits until its connections are closed."""

SILENT: Final = (401, 403, 404, 405, 406, 408, 413, 415, 421, 429, 431)
"""Said at the door: they say nothing of what an attempt before may have done."""


class Call(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One call: what is sent, and what comes back."""

    method: str
    path: str
    kind: type[T]
    body: Word | None = None
    query: Word | None = None
    is_repeatable: bool = False
    """Doing it twice does it once: an order under its own id, a cancel."""
    client_order_id: str | None = None
    expects: tuple[int, ...] = (200, 201, 202)
    """The statuses that answer with `kind`."""
    timeout_s: float | None = None
    """Of one attempt, where that takes longer than others; None: `ClientOptions.timeout_s`."""
    deadline_s: float | None = None
    correlation_id: str = ""

    @property
    def is_read(self) -> bool:
        """Whether it changes nothing."""
        return self.method == hdrs.METH_GET or self.path == "/v1/route"


class Transport:
    """Connections to one desk. Its loop is the one that it is first used on."""

    def __init__(
        self, url: str, key: Key | None, name: str, options: ClientOptions, tls: ssl.SSLContext | None
    ) -> None:
        self.base = _checked(url)
        self.options = options
        self._key = key
        self._name = name
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._is_closed = False

    @property
    def session(self) -> aiohttp.ClientSession:
        """The connections, made when they are first needed."""
        if self._is_closed:
            raise UsageError("expected a client that is open, got one that was closed - at anabranch.AsyncClient")
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=self.options.timeout_s)
            self._session = aiohttp.ClientSession(
                self.base,
                connector=aiohttp.TCPConnector(
                    limit=self.options.connections_max, ssl=self._tls or True, socket_factory=self._socket
                ),
                timeout=timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                middlewares=(self._sign,),
                headers={} if not self._name else {"X-Anabranch-Name": self._name},
            )
        return self._session

    async def close(self) -> None:
        """Close the connections; closing twice changes nothing."""
        self._is_closed = True
        if self._session is None:
            return
        await self._session.close()
        # A stream over TLS has said goodbye and waits for the other side's: nobody would be left to hear it.
        for each in self._open_sockets():
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        loop = asyncio.get_running_loop()
        until = loop.time() + GOODBYE_S
        while self._open_sockets() and loop.time() < until:
            await asyncio.sleep(0.001)

    def _open_sockets(self) -> list[socket.socket]:
        return [each for each in self._sockets if each.fileno() != -1]

    def _socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, *_ = address
        found = socket.socket(family, kind, protocol)
        self._sockets.add(found)
        return found

    async def send(self, call: Call[T]) -> T:
        """Return what a call is answered, after as many attempts as are safe and as its deadline allows.

        Raises:
            ProblemError: the desk said no.
            UnknownOutcome: a change was handed in and nobody said what became of it.
            UnreachableError: nobody answers; nothing was changed.
            AnswerError: what answered does not speak this API.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + (self.options.deadline_s if call.deadline_s is None else call.deadline_s)
        headers, body = self._written(call)
        one_s = self.options.timeout_s if call.timeout_s is None else call.timeout_s
        is_unsure = False
        for attempt in itertools.count():
            # What is left of the deadline is given to the attempt: a pause may have taken most of it.
            timeout_s = min(one_s, max(until - loop.time(), 0.001))
            try:
                found = await self._attempt(call, headers, body, timeout_s)
            except (ProblemError, AnswerError) as exc:
                if is_unsure and not _is_telling(exc):
                    raise _ending(call, exc, is_unsure) from exc
                raise
            if not isinstance(found, Setback):
                return found
            is_unsure = is_unsure or found.is_unsure
            pause_s = self.options.pause_s(attempt, found.retry_after_s)
            is_over = found.is_unsure and not call.is_repeatable
            if is_over or loop.time() + pause_s >= until:
                raise _ending(call, found.error, is_unsure) from found.error
            await asyncio.sleep(pause_s)
        raise AssertionError("a call ends by its deadline")

    def _written(self, call: Call[Any]) -> tuple[dict[str, str], bytes]:
        media = MEDIA[self.options.encoding]
        headers = {hdrs.ACCEPT: media, CORRELATION: call.correlation_id or secrets.token_hex(8)}
        if call.body is None:
            return headers, b""
        headers[hdrs.CONTENT_TYPE] = media
        encode = msgspec.json.encode if self.options.encoding == "json" else msgspec.msgpack.encode
        # Built-in types first: times are RFC 3339 texts in MessagePack too.
        return headers, encode(msgspec.to_builtins(call.body))

    async def _attempt(self, call: Call[T], headers: Mapping[str, str], body: bytes, timeout_s: float) -> T | Setback:
        try:
            async with (
                asyncio.timeout(timeout_s),
                self.session.request(
                    call.method,
                    URL(call.path, encoded=True),
                    params=query_of(call.query),
                    data=body if call.body is not None else None,
                    headers=headers,
                    allow_redirects=False,
                ) as response,
            ):
                return understood(call, response.status, response.headers, await response.read())
        except aiohttp.ClientConnectorError as exc:
            # No connection, no request: this was certainly not handed in.
            return Setback(UnreachableError(f"expected a desk at {self.base}, got {exc}"), is_unsure=False)
        except TimeoutError:
            text = f"expected an answer within {timeout_s:.3g} s, got none"
        except (aiohttp.ClientError, ConnectionError) as exc:
            text = f"expected an answer, got a connection that broke ({type(exc).__name__})"
        error_type = UnreachableError if call.is_read else UnknownOutcome
        return Setback(error_type(f"{text} - at {call.method} {call.path}"), is_unsure=True)

    async def _sign(self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        """Sign each attempt as it goes out, and let a stream's handshake that is refused say why."""
        if self._key is not None:
            body = b"" if isinstance(request.body, bytes) else await request.body.as_bytes()
            request.headers.update(self._key.headers(request.method, request.url.raw_path_qs, body))
        response = await handler(request)
        if request.headers.get(hdrs.UPGRADE) and response.status != 101:
            refusal = refusal_of(response.status, response.headers, await response.read())
            if response.status >= 500 and isinstance(refusal, AnswerError):
                raise UnreachableError(f"expected a stream, got a gateway's {response.status} - at {request.url.path}")
            raise refusal
        return response


class Setback(NamedTuple):
    """An attempt without an answer. `is_unsure`: it may have been done all the same."""

    error: ClientError
    is_unsure: bool
    retry_after_s: float = 0.0


@lru_cache(maxsize=256)
def _decoder(kind: type, is_json: bool) -> Any:
    return msgspec.json.Decoder(kind) if is_json else msgspec.msgpack.Decoder(kind)


def understood(call: Call[T], status: int, headers: Mapping[str, str], body: bytes) -> T | Setback:
    """Return the struct in an answer, or why there is none yet; raise what it is when it is something else."""
    media = headers.get(hdrs.CONTENT_TYPE, "").partition(";")[0].strip().lower()
    if status in call.expects and media in MEDIA.values():
        try:
            found: T = _decoder(call.kind, media == MEDIA["json"]).decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise AnswerError(f"expected {call.kind.__name__}, got {exc} - at {call.method} {call.path}") from exc
        return found
    error = refusal_of(status, headers, body)
    if status in REFUSED:
        return Setback(error, is_unsure=False, retry_after_s=retry_after_of(headers))
    if status in UNSURE:
        return Setback(error, is_unsure=True)
    raise error


def refusal_of(status: int, headers: Mapping[str, str], body: bytes) -> ClientError:
    """Return the exception for an answer that is none of those hoped for."""
    media = headers.get(hdrs.CONTENT_TYPE, "").partition(";")[0].strip().lower()
    if media == PROBLEM:
        try:
            return error_of(msgspec.json.decode(body, type=Problem), retry_after_of(headers))
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
    return AnswerError(f"expected an answer of this API, got status {status} with {media or 'no media type'}")


def retry_after_of(headers: Mapping[str, str]) -> float:
    """Return the seconds that an answer asks to wait; 0 where it does not say.

    >>> retry_after_of({"Retry-After": "2"}), retry_after_of({"Retry-After": "soon"}), retry_after_of({})
    (2.0, 0.0, 0.0)
    """
    text = headers.get(hdrs.RETRY_AFTER, "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0.0


def _is_telling(error: ClientError) -> bool:
    """Whether a refusal says what became of the attempts before it: one at the door says nothing of them."""
    return isinstance(error, ProblemError) and error.problem.status not in SILENT


def _ending(call: Call[Any], fault: ClientError, is_unsure: bool) -> ClientError:
    """Return what a call comes to that has no answer: unknown, once one attempt may have been taken."""
    if not is_unsure or call.is_read:
        return fault
    text = f"expected an answer to {call.method} {call.path}, got none that says what became of it; last: {fault}"
    return UnknownOutcome(text, call.client_order_id)


def _checked(url: str) -> URL:
    try:
        base = URL(url)
    except ValueError as exc:
        raise UsageError(f"expected a URL such as http://127.0.0.1:8080, got {url!r} - at url") from exc
    if base.scheme not in ("http", "https") or not base.host or base.path not in ("", "/") or base.query_string:
        raise UsageError(f"expected a URL such as http://127.0.0.1:8080, got {url!r} - at url")
    return base.origin()
