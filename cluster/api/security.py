"""Signed requests: what is signed, how, and why a signature is refused.

Rule of this file: a refusal is a value, and it says the same to whoever has a wrong key as to whoever has none.

What is signed is five lines: the timestamp, the method, the path with its query as sent, the SHA-256 of the body in
hexadecimal, the nonce; joined by line feeds. The signature is their HMAC-SHA256 (RFC 2104) under the key's secret, in
hexadecimal. A nonce is good once, and a timestamp within five seconds: a request that somebody recorded is of no use.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from cluster.api.kept_nonces import KeptNonces
from cluster.api.keys import ApiKey, KeyRing

KEY: Final = "X-Anabranch-Key"
TIMESTAMP: Final = "X-Anabranch-Timestamp"
NONCE: Final = "X-Anabranch-Nonce"
SIGNATURE: Final = "X-Anabranch-Signature"

WINDOW_S: Final = 5.0
"""How far a timestamp may be from our clock, either way."""

NONCES_MAX: Final = 200_000
"""Nonces remembered of one key in one half of the cache: 20,000 requests a second for ten seconds."""

_TIMESTAMP = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")
_NONCE = re.compile(r"[A-Za-z0-9_.:-]{16,64}")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")


class Refusal(NamedTuple):
    """Why a request goes no further: a code of `cluster.api.problems`, words, and when to come again."""

    code: str
    text: str
    retry_after_s: float = 0.0


class SignedHeaders(NamedTuple):
    """The four headers, well-formed, and the key they name. The signature is still to be checked."""

    key: ApiKey
    timestamp: str
    nonce: str
    signature: str


def sign(secret: bytes, timestamp: str, nonce: str, method: str, path: str, body: bytes) -> str:
    """Return the signature of a request; `path` is with its query, as it is sent.

    >>> sign(b"k" * 32, "1700000000", "0123456789abcdef", "GET", "/v1/orders?limit=5", b"")[:16]
    '8544e3336ceeae04'
    """
    digest = hashlib.sha256(body).hexdigest()
    text = f"{timestamp}\n{method}\n{path}\n{digest}\n{nonce}"
    return hmac.digest(secret, text.encode(errors="surrogateescape"), "sha256").hex()


class Nonces:
    """What nonces each key has used in the last ten seconds at least: two generations, the older dropped whole.

    Bounded by `NONCES_MAX` for each key and generation; only signatures that were right leave a nonce here. With a
    `folder` those that came before this process are known as well, at `now`.
    """

    __slots__ = ("_generations", "_kept")

    def __init__(self, folder: Path | None = None, now: float = 0.0) -> None:
        self._generations: dict[str, tuple[float, set[str], set[str]]] = {}
        self._kept = None if folder is None else KeptNonces(folder, 2 * WINDOW_S, now)
        for key_id, nonce in () if self._kept is None else self._kept.past:
            self._generations.setdefault(key_id, (now, set(), set()))[1].add(nonce)

    def use(self, key_id: str, nonce: str, now: float) -> str:
        """Use a nonce at `now` (seconds) and return what is wrong with that: "", "used" or "full"."""
        began, young, old = self._generations.get(key_id) or (now, set[str](), set[str]())
        if now - began >= 2 * WINDOW_S:
            # What was young may still be within its window; what was old is past it by now.
            began, young, old = now, set(), (young if now - began < 4 * WINDOW_S else set())
        self._generations[key_id] = (began, young, old)
        if nonce in young or nonce in old:
            return "used"
        if len(young) >= NONCES_MAX:
            return "full"
        young.add(nonce)
        if self._kept is not None:
            self._kept.add(key_id, nonce, now)
        return ""


class Signatures:
    """Checks signed requests against a ring of keys. Times are seconds since 1970; nonces are kept in `folder`."""

    def __init__(self, ring: KeyRing, folder: Path | None = None, now: float = 0.0) -> None:
        self.ring = ring
        self._nonces = Nonces(folder, now)

    def headers(self, given: Mapping[str, str], now: float) -> SignedHeaders | Refusal:
        """Return the signed headers if they can be right, before a body is read."""
        timestamp, nonce = given.get(TIMESTAMP, ""), given.get(NONCE, "")
        signature = given.get(SIGNATURE, "")
        if not _TIMESTAMP.fullmatch(timestamp):
            return _refuse("a timestamp in seconds since 1970", TIMESTAMP)
        if abs(float(timestamp) - now) > WINDOW_S:
            return _refuse(f"a timestamp within {WINDOW_S:g} s of {now:.3f}", TIMESTAMP)
        if not _NONCE.fullmatch(nonce):
            return _refuse("16 to 64 letters, digits or -_.:", NONCE)
        if not _SIGNATURE.fullmatch(signature):
            return _refuse("64 hexadecimal digits in lower case", SIGNATURE)
        key = self.ring.find(given.get(KEY, ""))
        return _WRONG if key is None else SignedHeaders(key, timestamp, nonce, signature)

    def check(self, signed: SignedHeaders, method: str, path: str, body: bytes, now: float) -> Refusal | None:
        """Return why a request is not what its headers say, or None when it is; then its nonce is used."""
        ours = sign(signed.key.secret.reveal(), signed.timestamp, signed.nonce, method, path, body)
        if not hmac.compare_digest(ours, signed.signature):
            return _WRONG
        match self._nonces.use(signed.key.id, signed.nonce, now):
            case "used":
                return _refuse("a nonce that was not used before", NONCE)
            case "full":
                return Refusal("rate_limited", f"expected up to {NONCES_MAX} nonces in ten seconds", 2 * WINDOW_S)
        return None


_WRONG = Refusal("unauthenticated", f"expected a known key and its signature, got another - at {KEY}, {SIGNATURE}")


def _refuse(expected: str, header: str) -> Refusal:
    return Refusal("unauthenticated", f"expected {expected}, got another or none - at header {header}")
