"""People at a browser: sessions by cookie, with a token against forged requests and a check of the origin.

Rule of this file: a session is kept as the hash of its token, dies with its key, and is known to this door alone.

Source: OWASP's cheat sheets on session management and on cross-site request forgery.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from cluster.api.keys import PASSWORD_MIN, ApiKey

CSRF: Final = "X-CSRF-Token"
"""The header that an unsafe method must carry with a session."""

SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")

SESSIONS_MAX: Final = 10_000
SESSIONS_PER_KEY: Final = 20
"""One more and the oldest of that key ends."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One signed-in person."""

    id: str
    """The SHA-256 of the cookie's token, in hexadecimal."""
    key_id: str
    csrf: str
    expires: float
    """Seconds since 1970."""


class Sessions:
    """The sessions of one door, oldest first."""

    def __init__(self, session_s: float) -> None:
        self._session_s = session_s
        self._sessions: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def open(self, key: ApiKey, now: float) -> tuple[str, Session]:
        """Sign a person in and return the cookie's token, which nobody keeps, and the session."""
        self._expire(now)
        own = [one.id for one in self._sessions.values() if one.key_id == key.id]
        for old in own[: max(0, len(own) - SESSIONS_PER_KEY + 1)]:
            del self._sessions[old]
        while len(self._sessions) >= SESSIONS_MAX:
            del self._sessions[next(iter(self._sessions))]
        token = secrets.token_urlsafe(32)
        session = Session(
            id=_digest(token), key_id=key.id, csrf=secrets.token_urlsafe(24), expires=now + self._session_s
        )
        self._sessions[session.id] = session
        return token, session

    def find(self, token: str, now: float) -> Session | None:
        """Return the session of a cookie's token, unless it is over."""
        session = self._sessions.get(_digest(token))
        if session is not None and session.expires <= now:
            self.close(session)
            return None
        return session

    def is_open(self, session: Session, now: float) -> bool:
        """Whether a session is neither signed out nor over."""
        return session.id in self._sessions and now < session.expires

    def close(self, session: Session) -> None:
        """Sign out; signing out twice changes nothing."""
        self._sessions.pop(session.id, None)

    def _expire(self, now: float) -> None:
        # Every session lasts equally long, so that the oldest is the first to end.
        while self._sessions and (first := next(iter(self._sessions.values()))).expires <= now:
            del self._sessions[first.id]


def is_csrf_right(session: Session, given: str) -> bool:
    """Whether a request's token is the session's own."""
    return hmac.compare_digest(session.csrf.encode(), given.encode(errors="replace"))


def is_origin_right(origin: str, host: str, scheme: str, allowed: Sequence[str]) -> bool:
    """Whether a browser's page at `origin` may use a session here: our own host, or one that is allowed.

    >>> is_origin_right("https://desk.example", "desk.example", "https", ())
    True
    >>> is_origin_right("https://evil.example", "desk.example", "https", ("https://page.example",))
    False
    >>> is_origin_right("http://desk.example", "desk.example", "https", ())
    False
    """
    return origin == f"{scheme}://{host}" or origin in allowed


def take_password(path: Path, given: str) -> bool:
    """Whether `given` is the one-time password in a file; then the file is gone, and nobody else can use it."""
    try:
        wanted = path.read_text(encoding="utf-8").strip()
        if len(wanted) < PASSWORD_MIN or not hmac.compare_digest(wanted.encode(), given.encode(errors="replace")):
            return False
        # Of two who come at once only one can take the file away.
        path.unlink()
    except (OSError, ValueError):
        return False
    return True


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
