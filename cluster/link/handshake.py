"""How two processes of a desk show one another that they hold the same secret, before a word is said.

Rule of this file: the secret itself is never sent, and what is sent is good once: whoever reads along learns nothing
that opens a stream of his own, and whoever listens in another's place cannot answer.

    who listens   its nonce, of 32 bytes
    who comes     its own nonce, and HMAC-SHA256(secret, "asks" + both nonces)
    who listens   HMAC-SHA256(secret, "answers" + both nonces)

Each side takes what the other showed only when it is right; the words keep one side's proof from being the other's.
What follows is neither signed nor encrypted: between machines it belongs on a network of the cluster's own.
"""

from __future__ import annotations

import hmac
import secrets

from router.domain.errors import LinkError

NONCE_BYTES = 32
PROOF_BYTES = 32
CLAIM_BYTES = NONCE_BYTES + PROOF_BYTES

_ASKS, _ANSWERS = b"asks", b"answers"


def nonce() -> bytes:
    """Return what is said first by who listens."""
    return secrets.token_bytes(NONCE_BYTES)


def claim(secret: bytes, theirs: bytes) -> bytes:
    """Return what who comes answers to a nonce: a nonce of its own, and its proof.

    Raises:
        LinkError: that is no nonce.
    """
    if len(theirs) != NONCE_BYTES:
        raise LinkError(f"expected a nonce of {NONCE_BYTES} bytes, got {len(theirs)}")
    ours = nonce()
    return ours + _proof(secret, _ASKS, theirs, ours)


def accept(secret: bytes, ours: bytes, claimed: bytes) -> bytes | None:
    """Return the proof of who listens, if what came after its nonce is right; None: it is not.

    >>> first = nonce()
    >>> said = claim(b"k", first)
    >>> proof = accept(b"k", first, said)
    >>> is_proven(b"k", first, said, proof), accept(b"other", first, said)
    (True, None)
    """
    if len(claimed) != CLAIM_BYTES:
        return None
    theirs, shown = claimed[:NONCE_BYTES], claimed[NONCE_BYTES:]
    if not hmac.compare_digest(shown, _proof(secret, _ASKS, ours, theirs)):
        return None
    return _proof(secret, _ANSWERS, ours, theirs)


def is_proven(secret: bytes, theirs: bytes, claimed: bytes, proof: bytes) -> bool:
    """Whether who listens holds the secret as well. `claimed` is what was sent to it."""
    return hmac.compare_digest(proof, _proof(secret, _ANSWERS, theirs, claimed[:NONCE_BYTES]))


def _proof(secret: bytes, word: bytes, listener: bytes, caller: bytes) -> bytes:
    return hmac.digest(secret, word + listener + caller, "sha256")
