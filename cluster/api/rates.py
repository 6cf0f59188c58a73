"""How often each key may ask: token buckets by key and class of resource.

Rule of this file: time is handed in, and what is remembered is bounded whoever asks.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from cluster.api.options import Rate

BUCKETS_MAX = 50_000
"""Buckets kept; beyond it the one that was used longest ago goes, and would start full again."""


class _Bucket(msgspec.Struct):
    tokens: float
    at: float


class Rates:
    """Token buckets by (who, class); a class without a rate is not counted. Times are seconds of any steady clock.

    >>> rates = Rates({"orders": Rate(per_s=2, burst=2)})
    >>> [rates.take("ada", "orders", 0.0) for _ in range(3)]
    [0.0, 0.0, 0.5]
    >>> rates.take("ada", "orders", 0.5), rates.take("bob", "orders", 0.5), rates.take("ada", "other", 0.5)
    (0.0, 0.0, 0.0)
    """

    def __init__(self, rates: Mapping[str, Rate]) -> None:
        self._rates = dict(rates)
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def take(self, who: str, rate_class: str, now: float, tokens: int = 1) -> float:
        """Take tokens and return 0.0; or take none and return after how many seconds there will be enough."""
        bucket, rate = self._bucket(who, rate_class, now)
        if rate is None:
            return 0.0
        if bucket.tokens < tokens:
            return (tokens - bucket.tokens) / rate.per_s
        bucket.tokens -= tokens
        return 0.0

    def charge(self, who: str, rate_class: str, now: float, tokens: int) -> None:
        """Take tokens that may not be there: what was let in as one turned out to be many, and the next one waits."""
        self._bucket(who, rate_class, now)[0].tokens -= tokens

    def look(self, who: str, rate_class: str, now: float) -> float:
        """Return what `take` would, and take nothing."""
        bucket, rate = self._bucket(who, rate_class, now)
        return 0.0 if rate is None or bucket.tokens >= 1 else (1 - bucket.tokens) / rate.per_s

    def is_used_up(self, who: str, rate_class: str, now: float) -> bool:
        """Whether `look` would find nothing. Nobody is remembered for it."""
        bucket, rate = self._buckets.get((who, rate_class)), self._rates.get(rate_class)
        return bucket is not None and rate is not None and bucket.tokens + (now - bucket.at) * rate.per_s < 1

    def _bucket(self, who: str, rate_class: str, now: float) -> tuple[_Bucket, Rate | None]:
        rate = self._rates.get(rate_class)
        if rate is None:
            return _Bucket(0.0, now), None
        key = (who, rate_class)
        # Taken out and put back: the dictionary's order is the order of use.
        bucket = self._buckets.pop(key, None) or _Bucket(float(rate.burst), now)
        bucket.tokens = min(float(rate.burst), bucket.tokens + max(0.0, now - bucket.at) * rate.per_s)
        bucket.at = now
        if len(self._buckets) >= BUCKETS_MAX:
            del self._buckets[next(iter(self._buckets))]
        self._buckets[key] = bucket
        return bucket, rate
