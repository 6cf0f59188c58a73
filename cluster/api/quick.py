"""Requests that wait for nothing, answered where they arrive: a dry run, and a refusal for asking too often.

aiohttp gives each request a task, a response and its headers, which costs more than either of these does. They are
read by the same parser, pass the same gate and get the same answer, in one step of the loop; whatever is unlike the
usual (an encoding, a cookie, a body still on its way) goes the general way (`cluster.api.middle`).

Rule of this file: what has been read of a request is answered here. Until its body is taken, None leaves it untouched.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from aiohttp import StreamReader, hdrs, web
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http_parser import RawRequestMessage
from aiohttp.http_writer import HttpVersion11

from cluster.api.gate import GATE
from cluster.api.problems import LATER, MEDIA, RETRY_AFTER_S, fault_of, problem_of
from cluster.api.request_log import CORRELATION, RequestLog, correlation_of
from cluster.api.route import OPEN, STREAMS, UNLIMITED, Fault, Route
from cluster.api.security import KEY, Refusal
from cluster.api.told_headers import HEADERS, HSTS, refusal_headers
from cluster.api.wire import JSON, MSGPACK, decode, encode

_NO_COOKIES: Final[Mapping[str, str]] = MappingProxyType({})
_BODIES: Final = {JSON: True, MSGPACK: False}
"""Media types of bodies as most clients write them, and whether they are JSON."""
_ANSWERS: Final = {None: JSON, "*/*": JSON, JSON: JSON, MSGPACK: MSGPACK}


class Asked:
    """What the gate looks at of a request (see `cluster.api.gate.Asking`)."""

    __slots__ = ("headers", "method", "raw_path", "remote")

    cookies = _NO_COOKIES

    def __init__(self, message: RawRequestMessage, remote: str) -> None:
        self.headers = message.headers
        self.method = message.method
        self.raw_path = message.path
        self.remote = remote


class Answer(NamedTuple):
    """Bytes to send; a refusal for its rate is sent when `Tarpit.hold` of `held_for`, an address, says, and then
    let go."""

    data: bytes
    held_for: str | None = None


class _Case(NamedTuple):
    asked: Asked
    route: Route
    began: float
    correlation_id: str
    who: str = ""


class QuickLane:
    """Answers for the resources of one application that can be answered so."""

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self._gate = gate = app[GATE]
        self._log = RequestLog()
        self._rows = {
            key: row
            for key, row in gate.table.items()
            if "{" not in row.path and row.roles != OPEN and row.rate_class not in (STREAMS, UNLIMITED)
        }
        self.answers = 0
        """How many it has given."""
        self._second = 0
        self._heads: dict[tuple[int, str], str] = {}

    def answer(self, message: RawRequestMessage, payload: StreamReader, remote: str) -> Answer | None:
        """Return what a request whose body has come is answered; None where it has to go the general way."""
        route = self._rows.get((message.method, message.path))
        gate, headers = self._gate, message.headers
        if route is None or gate.is_closing or not _is_usual(message):
            return None
        if route.quick is None and not gate.is_used_up(headers.get(KEY), route):
            return None
        began, asked = time.perf_counter(), Asked(message, remote)
        refusal = gate.claimed(asked, route)
        if refusal is not None:
            if refusal.code != "rate_limited":
                return None
            return self._refused(_Case(asked, route, began, correlation_of(headers)), refusal)
        is_json, media = _BODIES.get(headers.get(hdrs.CONTENT_TYPE, "")), _ANSWERS.get(headers.get(hdrs.ACCEPT))
        if route.quick is None or is_json is None or media is None:
            return None
        if int(headers.get(hdrs.CONTENT_LENGTH, 0)) > gate.options.body_bytes_max:
            return None
        return self._worked(_Case(asked, route, began, correlation_of(headers)), payload.read_nowait(), is_json, media)

    def _worked(self, case: _Case, body: bytes, is_json: bool, media: str) -> Answer:
        asked, route = case.asked, case.route
        assert route.quick is not None
        assert route.body is not None
        identity = self._gate.who(asked, route, body)
        if isinstance(identity, Refusal):
            return self._refused(case, identity)
        if identity is not None:
            case = _Case(asked, route, case.began, case.correlation_id, identity.principal.name)
        refusal = self._gate.bar(identity, route, body, is_json)
        if refusal is not None:
            return self._refused(case, refusal)
        try:
            found = route.quick(self._app, decode(body, route.body, is_json=is_json), media)
        except Exception as exc:
            found = Fault(*fault_of(exc, case.correlation_id))
        return self._told(case, found, {}) if isinstance(found, Fault) else Answer(self._said(case, 200, media, found))

    def _refused(self, case: _Case, refusal: Refusal) -> Answer:
        self._gate.metrics.refused(refusal.code, case.route.rate_class)
        answer = self._told(case, Fault(refusal.code, refusal.text), refusal_headers(refusal))
        if refusal.code != "rate_limited":
            return answer
        return answer._replace(held_for=case.asked.remote)

    def _told(self, case: _Case, fault: Fault, more: dict[str, str]) -> Answer:
        problem = problem_of(
            fault.code,
            fault.text,
            instance=case.asked.raw_path,
            correlation_id=case.correlation_id,
            found=fault.errors,
        )
        if problem.retry == LATER:
            more.setdefault("Retry-After", RETRY_AFTER_S)
        return Answer(self._said(case, problem.status, MEDIA, encode(problem, JSON), _lines(more)))

    def _said(self, case: _Case, status: int, media: str, body: bytes, more: str = "") -> bytes:
        """Return the bytes of an answer; it is counted, and logged, as all are."""
        self.answers += 1
        asked, correlation_id, seconds = case.asked, case.correlation_id, time.perf_counter() - case.began
        self._gate.metrics.answered(asked.method, case.route.path, status, seconds)
        self._log.answered(asked.method, asked.raw_path, status, seconds, correlation_id, case.who, asked.remote)
        head = self._head(status, media)
        end = f"{head}{CORRELATION}: {correlation_id}\r\n{more}Content-Length: {len(body)}\r\n\r\n"
        return end.encode() + body

    def _head(self, status: int, media: str) -> str:
        second = int(time.time())
        if second != self._second:
            # The date is in them.
            self._second = second
            self._heads.clear()
        head = self._heads.get((status, media))
        if head is None:
            always = dict(HEADERS) | dict([HSTS] if self._gate.options.has_tls else [])
            always |= {
                "Content-Type": media,
                "Cache-Control": "no-store",
                "Server": "anabranch",
                "Date": rfc822_formatted_time(),
            }
            text = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{_lines(always)}"
            head = self._heads[status, media] = text
        return head


def _is_usual(message: RawRequestMessage) -> bool:
    headers: Mapping[Any, str] = message.headers
    return (
        message.version == HttpVersion11
        and not (message.should_close or message.upgrade or message.chunked or message.compression)
        and hdrs.COOKIE not in headers
        and hdrs.AUTHORIZATION not in headers
        and hdrs.EXPECT not in headers
    )


def _lines(headers: Mapping[str, str]) -> str:
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
