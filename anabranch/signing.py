"""How a request shows who sends it: five lines, signed with the key's secret.

Rule of this file: a secret is seen by whoever computes with it and by nobody else; it is in no repr and no pickle.

What is signed: the timestamp, the method, the path with its query as sent, the SHA-256 of the body in hexadecimal, the
nonce; joined by line feeds. The signature is their HMAC-SHA256 (RFC 2104), in hexadecimal. A nonce is good once and a
timestamp for five seconds, so that every attempt is signed anew.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from typing import Final, NoReturn

from anabranch.errors import UsageError

KEY: Final = "X-Anabranch-Key"
TIMESTAMP: Final = "X-Anabranch-Timestamp"
NONCE: Final = "X-Anabranch-Nonce"
SIGNATURE: Final = "X-Anabranch-Signature"

SECRET_MIN: Final = 32
"""Characters of a secret, as the desk asks for."""


class Key:
    """A key: its id, and its secret, which does not show.

    Raises:
        UsageError: no id, or a secret that is too short or not ASCII.

    >>> Key("desk-1", "0123456789abcdef0123456789abcdef")
    Key('desk-1', redacted)
    """

    __slots__ = ("_secret", "id")

    def __init__(self, id: str, secret: str) -> None:
        if not id or not id.isascii():
            raise UsageError(f"expected the id of a key, got {id!r} - at Key.id")
        if len(secret) < SECRET_MIN or not secret.isascii():
            raise UsageError(f"expected {SECRET_MIN} or more ASCII characters, got {len(secret)} - at Key.secret")
        self.id = id
        self._secret = secret.encode()

    def __repr__(self) -> str:
        return f"Key({self.id!r}, redacted)"

    def __reduce__(self) -> NoReturn:
        raise UsageError("expected a key to stay in its process, got a pickle of it - at anabranch.signing.Key")

    def sign(self, timestamp: str, nonce: str, method: str, path: str, body: bytes) -> str:
        """Return the signature of a request; `path` is with its query, as it is sent.

        >>> Key("a", "k" * 32).sign("1700000000", "0123456789abcdef", "GET", "/v1/orders?limit=5", b"")[:16]
        '8544e3336ceeae04'
        """
        digest = hashlib.sha256(body).hexdigest()
        text = f"{timestamp}\n{method}\n{path}\n{digest}\n{nonce}"
        return hmac.digest(self._secret, text.encode(), "sha256").hex()

    def headers(self, method: str, path: str, body: bytes) -> dict[str, str]:
        """Return the four headers of one attempt, signed now."""
        timestamp, nonce = f"{time.time():.6f}", secrets.token_hex(16)
        signature = self.sign(timestamp, nonce, method, path, body)
        return {KEY: self.id, TIMESTAMP: timestamp, NONCE: nonce, SIGNATURE: signature}
