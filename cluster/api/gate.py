"""Who comes in: keys and sessions made principals, rates, slots and the bytes of bodies on their way.

Rule of this file: nothing is remembered for whoever has not shown who he is but how often he failed; and what waits for
a body to arrive holds no slot that an order needs.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from aiohttp import hdrs, web

from cluster.api.bounds import json_fault, msgpack_fault
from cluster.api.keys import ApiKey, KeyRing, Secret
from cluster.api.metrics import DoorMetrics
from cluster.api.options import ApiOptions, is_loopback
from cluster.api.rates import Rates
from cluster.api.roles import may
from cluster.api.route import CANCELS, CONTROL, OPEN, READ_ONLY, STREAMS, UNLIMITED, Route
from cluster.api.security import KEY, NONCE, SIGNATURE, TIMESTAMP, Refusal, Signatures
from cluster.api.sessions import CSRF, SAFE_METHODS, Session, Sessions, is_csrf_right, is_origin_right, take_password
from cluster.api.tarpit import Tarpit
from router.domain.errors import BadInputError, ConfigError
from router.domain.ids import check_id
from router.domain.requests import Principal

RESERVED: Final = (CANCELS, CONTROL, UNLIMITED)
"""Classes that have slots of their own, so that what lowers risk goes before what adds to it."""

BODIES_BYTES_MAX: Final = 64 << 20
"""Bytes of large bodies on their way at once, over all connections."""

SMALL_BODY: Final = 1 << 16
"""What a connection's own buffer holds anyway."""

NAME: Final = "X-Anabranch-Name"
"""In the open mode: who is meant to ask, for trying what needs two people."""

_PORT: Final = re.compile(r":[0-9]*\Z")
_log: Final = logging.getLogger("anabranch.api")


_NOTHING: Final = Refusal(
    "unauthenticated", f"expected {KEY}, {TIMESTAMP}, {NONCE} and {SIGNATURE}, or a session, got none"
)


class Asking(Protocol):
    """What is looked at of a request to know who asks: aiohttp's own, or one that is answered where it arrives."""

    @property
    def method(self) -> str: ...
    @property
    def raw_path(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def cookies(self) -> Mapping[str, str]: ...
    @property
    def remote(self) -> str | None: ...


class Identity(NamedTuple):
    """Who asks, and by which session where it came by one."""

    principal: Principal
    session: Session | None = None


class Gate:
    """Everything that a door remembers of who comes. `table` is the resources by (method, path)."""

    def __init__(self, options: ApiOptions, table: dict[tuple[str, str], Route]) -> None:
        self.options = options
        self.table = table
        self.metrics = DoorMetrics()
        self.ring = None if options.keys is None else KeyRing(options.keys)
        self.signatures = None if self.ring is None else Signatures(self.ring, options.state, time.time())
        self.sessions = Sessions(options.session_s)
        self.rates = Rates(options.rates)
        self.is_closing = False
        self.tarpit = Tarpit()
        self.cookie = "__Host-anabranch" if options.has_tls else "anabranch"
        self.streams: dict[str, int] = {}
        """Clients of streams, by key."""
        self._metrics_token = None if options.metrics_token is None else _token(options.metrics_token)
        self._body_bytes = 0
        self._slots = {True: options.cancels_max, False: options.requests_max}
        self.is_idle = asyncio.Event()
        self.is_idle.set()
        self.at_work = 0

    def route_of(self, request: web.Request) -> Route | None:
        """Return the row of the table that a request is for; HEAD is for GET's."""
        resource = request.match_info.route.resource
        if resource is None:
            return None
        method = hdrs.METH_GET if request.method == hdrs.METH_HEAD else request.method
        return self.table.get((method, resource.canonical))

    def reload_keys(self) -> None:
        """Read the file of keys again; where it has become unusable the keys stay, and the log says why."""
        if self.ring is not None:
            try:
                _log.info("keys read again: %d", self.ring.reload())
            except ConfigError as exc:
                _log.error("keys stay as they were: %s", exc)

    def enter(self, rate_class: str) -> Refusal | None:
        """Take a slot for a request, or say why there is none. Streams are bounded by their own number."""
        if self.is_closing and rate_class != UNLIMITED:
            return Refusal("unavailable", "this door is closing; nothing was handed in", 1.0)
        if rate_class == STREAMS:
            return None
        is_reserved = rate_class in RESERVED
        if self._slots[is_reserved] <= 0:
            bound = self.options.cancels_max if is_reserved else self.options.requests_max
            return Refusal(
                "unavailable", f"expected up to {bound} requests at work, got more; nothing was handed in", 1.0
            )
        self._slots[is_reserved] -= 1
        self.at_work += 1
        self.is_idle.clear()
        return None

    def leave(self, rate_class: str) -> None:
        """Give a slot back."""
        if rate_class == STREAMS:
            return
        self._slots[rate_class in RESERVED] += 1
        self.at_work -= 1
        if not self.at_work:
            self.is_idle.set()

    async def body(self, request: web.Request) -> bytes | Refusal:
        """Read a request's body within its bounds of size, time and memory.

        Raises:
            web.HTTPRequestEntityTooLarge: it says nothing of its length, and passes the bound on the way.
        """
        if not request.can_read_body:
            return b""
        if request.content.is_eof():
            # It came with its header: nothing is waited for, and the server's own bound holds.
            return await request.read()
        most = self.options.body_bytes_max
        length = request.content_length
        if length is not None and length > most:
            return Refusal("too_large", f"expected a body up to {most} bytes, got {length}; it was not read")
        held = most if length is None else length
        is_large = held > SMALL_BODY
        if is_large and self._body_bytes + held > BODIES_BYTES_MAX:
            return Refusal("unavailable", "too many large bodies on their way; nothing was handed in", 1.0)
        self._body_bytes += held * is_large
        try:
            async with asyncio.timeout(self.options.body_timeout_s):
                return await request.read()
        except TimeoutError:
            return Refusal("too_slow", f"expected the body within {self.options.body_timeout_s:g} s")
        finally:
            self._body_bytes -= held * is_large

    def claimed(self, request: Asking, route: Route) -> Refusal | None:
        """Refuse early, on what a request only claims, so that a flood costs little; nothing is counted for it."""
        if self.options.is_open:
            return self._open_refusal(request)
        key_id = request.headers.get(KEY)
        if key_id is None or self.signatures is None:
            is_other = self.cookie in request.cookies or hdrs.AUTHORIZATION in request.headers
            return None if is_other or route.roles == OPEN else _NOTHING
        if self.is_used_up(key_id, route):
            # Before all else: what a flood left in the buffers is late as well by the time that it is read.
            return _limited(route.rate_class, self.rates.look(key_id, route.rate_class, time.monotonic()))
        signed = self.signatures.headers(request.headers, time.time())
        return signed if isinstance(signed, Refusal) else None

    def identify(self, request: Asking, route: Route, body: bytes) -> Identity | Refusal:
        """Return who asks, by signature, by session, by the bearer token of metrics, or in the open mode."""
        if self.options.is_open:
            return Identity(self._developer(request, route))
        if KEY in request.headers:
            return self.signed(request, body)
        token = request.cookies.get(self.cookie)
        if token is not None:
            return self._by_session(request, token)
        if route.path == "/metrics" and self._is_metrics_token(request.headers.get(hdrs.AUTHORIZATION, "")):
            return Identity(Principal(name="metrics", role=READ_ONLY, session="metrics"))
        return Refusal(
            "unauthenticated", f"expected {KEY}, {TIMESTAMP}, {NONCE} and {SIGNATURE}, or a session, got none"
        )

    def signed(self, request: Asking, body: bytes) -> Identity | Refusal:
        """Return who signed a request."""
        if self.signatures is None:
            return Refusal("unauthenticated", "expected no key where there are none, got one")
        now = time.time()
        headers = self.signatures.headers(request.headers, now)
        if isinstance(headers, Refusal):
            return headers
        refusal = self.signatures.check(headers, request.method, request.raw_path, body, now)
        return Identity(principal_of_key(headers.key)) if refusal is None else refusal

    def who(self, request: Asking, route: Route, body: bytes) -> Identity | Refusal | None:
        """Return who asks, as `identify` does, and count who cannot show it; None where nobody is asked who he is."""
        if route.roles == OPEN:
            return None
        identity = self.identify(request, route, body)
        if isinstance(identity, Refusal) and identity.code == "unauthenticated":
            return self.count_stranger(request, identity)
        return identity

    def bar(self, identity: Identity | None, route: Route, body: bytes, is_json: bool) -> Refusal | None:
        """Return why who is known may not do this now, or with this body."""
        if identity is not None:
            refusal = self.count(identity, route)
            if refusal is not None:
                return refusal
            if not may(identity.principal.role, route):
                roles = ", ".join(route.roles)
                return Refusal("forbidden", f"expected one of the roles {roles}, got {identity.principal.role}")
        look = json_fault if is_json else msgpack_fault
        fault = look(body, self.options.depth_max, self.options.values_max) if body else ""
        return Refusal("malformed", fault) if fault else None

    def is_used_up(self, key_id: str | None, route: Route) -> bool:
        """Whether a key may not ask for this now, whoever really asks: a look that costs nothing and leaves nothing."""
        return key_id is not None and self.rates.is_used_up(key_id, route.rate_class, time.monotonic())

    def by_password(self, key_id: str, password: str, address: str) -> ApiKey | Refusal:
        """Return the key of a person with a one-time password, which is used up; guesses are counted by address."""
        wait = self.rates.take(address, "strangers", time.monotonic())
        if wait:
            return _limited("strangers", wait)
        key = None if self.ring is None else self.ring.find(key_id)
        if key is None or key.one_time_password_file is None or not take_password(key.one_time_password_file, password):
            return Refusal("unauthenticated", "expected a key and its unused one-time password, got another")
        return key

    def count(self, identity: Identity, route: Route) -> Refusal | None:
        """Take one from the bucket of whoever asks, or say when there will be one."""
        wait = self.rates.take(identity.principal.session, route.rate_class, time.monotonic())
        return _limited(route.rate_class, wait) if wait else None

    def charge(self, principal: Principal, rate_class: str, tokens: int) -> None:
        """Take more from the bucket of whoever asks: his one request holds as many."""
        self.rates.charge(principal.session, rate_class, time.monotonic(), tokens)

    def is_in(self, principal: Principal, session: Session | None) -> bool:
        """Whether who came in a while ago still would: his key is there, and his session is not over."""
        if self.ring is None:
            return True
        if session is not None and not self.sessions.is_open(session, time.time()):
            return False
        return self.ring.find(principal.session) is not None

    def count_stranger(self, request: Asking, refusal: Refusal) -> Refusal:
        """Count a failure by its address: one too many is told to come later."""
        wait = self.rates.take(request.remote or "", "strangers", time.monotonic())
        return _limited("strangers", wait) if wait else refusal

    def origin_refusal(self, request: Asking, *, is_needed: bool) -> Refusal | None:
        """Refuse a browser's page of another origin; with `is_needed` also who does not say of which it is."""
        origin = request.headers.get(hdrs.ORIGIN)
        scheme = "https" if self.options.has_tls else "http"
        if origin is None:
            return Refusal("forbidden", "expected a header Origin with a session, got none") if is_needed else None
        if is_origin_right(origin, request.headers.get(hdrs.HOST, ""), scheme, self.options.allowed_origins):
            return None
        return Refusal("forbidden", "expected our own origin or an allowed one, got another - at header Origin")

    def _by_session(self, request: Asking, token: str) -> Identity | Refusal:
        session = self.sessions.find(token, time.time())
        key = None if session is None or self.ring is None else self.ring.find(session.key_id)
        if session is None or key is None:
            return Refusal("unauthenticated", "expected a session that lasts, got one that is over or none of ours")
        is_upgrade = request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"
        refusal = self.origin_refusal(request, is_needed=is_upgrade)
        is_unsafe = request.method not in SAFE_METHODS
        if refusal is None and is_unsafe and not is_csrf_right(session, request.headers.get(CSRF, "")):
            refusal = Refusal("forbidden", f"expected the session's own token, got another or none - at {CSRF}")
        return Identity(principal_of_key(key), session) if refusal is None else refusal

    def _developer(self, request: Asking, route: Route) -> Principal:
        return _developer(request.headers.get(NAME, "development"), route.roles[0] if route.roles else READ_ONLY)

    def _open_refusal(self, request: Asking) -> Refusal | None:
        """Keep pages of other sites out: in the open mode there is nothing else that they would need."""
        if not _is_own(request.headers.get(hdrs.HOST, "")):
            return Refusal("forbidden", "expected a loopback name in the open mode, got another - at header Host")
        return self.origin_refusal(request, is_needed=False)

    def _is_metrics_token(self, authorization: str) -> bool:
        scheme, _, given = authorization.partition(" ")
        if self._metrics_token is None or scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(self._metrics_token.reveal(), given.encode(errors="replace"))


GATE: Final = web.AppKey("gate", Gate)


def principal_of_key(key: ApiKey) -> Principal:
    """Return whom a key stands for."""
    return Principal(name=key.name, role=key.role, accounts=key.accounts, session=key.id)


@lru_cache(maxsize=256)
def _is_own(host: str) -> bool:
    return is_loopback(_PORT.sub("", host).strip("[]"))


@lru_cache(maxsize=256)
def _developer(name: str, role: str) -> Principal:
    try:
        check_id(name, NAME)
    except BadInputError:
        name = "development"
    return Principal(name=name, role=role, accounts=("*",), session=f"open:{name}")


def _limited(rate_class: str, wait: float) -> Refusal:
    return Refusal("rate_limited", f"expected fewer requests of class {rate_class}, got one too many", wait)


def _token(path: Path) -> Secret:
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        text = ""
    if len(text) < 16:
        raise ConfigError(f"expected 16 or more ASCII characters, got {len(text)} - at {path}")
    return Secret(text)
