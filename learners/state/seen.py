"""Which outcomes a learner has counted: so that a redelivered one changes nothing.

Rule of this file: the memory is bounded; what falls out of it is the oldest, in the order of arrival.
"""

from __future__ import annotations

import hashlib

import msgspec

from router.domain.scores import Outcome

SEEN_MAX = 16_384
"""Outcomes remembered. Links redeliver within one batch or one reconnection, which is hundreds; an outcome that
comes again after 16,384 others would be counted twice."""

_encode = msgspec.msgpack.Encoder().encode


class SeenOutcomes:
    """The keys of the last `SEEN_MAX` outcomes and a hash chain over every outcome accepted."""

    def __init__(self, limit: int = SEEN_MAX) -> None:
        self.limit = limit
        self.count = 0
        self._keys: dict[tuple[int, str, str, str, int, int], None] = {}
        self._chain = bytes(32)

    def has(self, outcome: Outcome) -> bool:
        """Return whether an outcome with this key was accepted before."""
        return outcome.key in self._keys

    def accept(self, outcome: Outcome) -> None:
        """Remember an outcome, and forget the oldest when there are more than the limit."""
        self._chain = hashlib.sha256(self._chain + _encode(outcome)).digest()
        self._keys[outcome.key] = None
        if len(self._keys) > self.limit:
            del self._keys[next(iter(self._keys))]
        self.count += 1

    def digest(self) -> str:
        """Return the chain: equal exactly when the same outcomes were accepted in the same order."""
        return self._chain.hex()
