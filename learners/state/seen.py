"""Which outcomes a learner has counted: so that a redelivered one changes nothing.

Rule of this file: the memory is bounded; what falls out of it is the oldest, in the order of arrival.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping

import msgspec
import numpy as np

from learners.state.checkpoint import Array
from router.domain.errors import FeatureError, bad_value
from router.domain.scores import Outcome

SEEN_MAX = 16_384
"""Outcomes remembered. Links redeliver within one batch or one reconnection, which is hundreds; an outcome that
comes again after 16,384 others would be counted twice."""

Key = tuple[int, str, str, str, int, int]
_encode = msgspec.msgpack.Encoder().encode


class SeenOutcomes:
    """The keys of the last `SEEN_MAX` outcomes and a hash chain over every outcome accepted."""

    def __init__(self, limit: int = SEEN_MAX) -> None:
        self.limit = limit
        self.count = 0
        self._keys: OrderedDict[Key, None] = OrderedDict()
        # Not a dict: the front of one is found only by passing all that it has forgotten.
        self._chain = bytes(32)

    def has(self, key: Key) -> bool:
        """Return whether an outcome with this key was accepted before."""
        return key in self._keys

    def accept(self, key: Key, outcome: Outcome) -> None:
        """Remember an outcome by its key, and forget the oldest when there are more than the limit."""
        self._chain = hashlib.sha256(self._chain + _encode(outcome)).digest()
        self._keys[key] = None
        if len(self._keys) > self.limit:
            self._keys.popitem(last=False)
        self.count += 1

    def arrays(self) -> dict[str, Array]:
        """Return what is remembered: `keys` and `chain` as bytes, `count`."""
        keys = _encode(list(self._keys))
        return {
            "keys": np.frombuffer(keys, dtype=np.uint8),
            "chain": np.frombuffer(self._chain, dtype=np.uint8),
            "count": np.array([self.count], dtype=np.int64),
        }

    def restore(self, arrays: Mapping[str, Array], place: str = "seen") -> None:
        """Take over what `arrays` gave.

        Raises:
            FeatureError: bytes that are no keys, too many of them, or a chain of another length; nothing changes.
        """
        try:
            keys = msgspec.msgpack.decode(arrays["keys"].tobytes(), type=list[Key])
            chain, count = arrays["chain"].tobytes(), int(arrays["count"][0])
        except (msgspec.DecodeError, KeyError, IndexError) as exc:
            raise FeatureError(bad_value(place, "the keys of outcomes, their chain and count", str(exc))) from exc
        if len(chain) != len(self._chain) or not len(keys) <= min(self.limit, count):
            got = (len(keys), len(chain), count)
            raise FeatureError(bad_value(place, f"at most {self.limit} keys and a chain of 32 bytes", got))
        self._keys, self._chain, self.count = OrderedDict.fromkeys(keys), chain, count

    def digest(self) -> str:
        """Return the chain: equal exactly when the same outcomes were accepted in the same order."""
        return self._chain.hex()
