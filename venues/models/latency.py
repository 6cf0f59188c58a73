"""How long a message takes between us and a venue, on each of its three legs.

Rule of this file: the n-th message of a leg takes the same time whoever asks, and whatever was asked before.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from router.domain.chance import uniforms
from router.domain.errors import bad_value
from router.domain.units import MICROSECOND, SECOND, Nanos

Leg = Literal["order_entry", "order_response", "feed"]

LEGS: tuple[Leg, ...] = ("order_entry", "order_response", "feed")


class LatencyParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fixed part of each leg, and the mean of the exponential jitter on top of it (all in ns).

    With `spike_probability` a message takes `spike_factor` times as long: a retransmission, a full queue.
    """

    order_entry_ns: Nanos = 150 * MICROSECOND
    order_response_ns: Nanos = 150 * MICROSECOND
    feed_ns: Nanos = 100 * MICROSECOND
    jitter_ns: Nanos = 50 * MICROSECOND
    spike_probability: float = 0.0
    spike_factor: float = 20.0

    def __post_init__(self) -> None:
        for name in ("order_entry_ns", "order_response_ns", "feed_ns", "jitter_ns"):
            value = getattr(self, name)
            if not 0 <= value <= 60 * SECOND:
                raise ValueError(bad_value(name, "0 to 60 s in ns", value))
        if not 0.0 <= self.spike_probability <= 1.0:
            raise ValueError(bad_value("spike_probability", "a share from 0 to 1", self.spike_probability))
        if not 1.0 <= self.spike_factor <= 1_000.0:
            raise ValueError(bad_value("spike_factor", "a factor from 1 to 1000", self.spike_factor))


class Latency:
    """Latency of the link to one venue.

    >>> latency = Latency(7, "XNYS", LatencyParameters(jitter_ns=0))
    >>> latency.delay("feed", 12)
    100000
    """

    def __init__(self, seed: int, mic: str, params: LatencyParameters | None = None) -> None:
        self.params = params or LatencyParameters()
        self._seed, self._mic = seed, mic
        self._base: dict[str, Nanos] = {leg: getattr(self.params, f"{leg}_ns") for leg in LEGS}

    def delay(self, leg: Leg, n: int) -> Nanos:
        """Return the delay in ns, at least 1, of the n-th message (from 0) on a leg.

        The jitter is exponential by inversion; the largest is about 37 means. A spike stretches both parts.
        """
        draw, spike, _, _ = uniforms(self._seed, self._mic, leg, n)
        delay = self._base[leg] + int(-math.log1p(-draw) * self.params.jitter_ns)
        if spike < self.params.spike_probability:
            delay = int(delay * self.params.spike_factor)
        return max(1, delay)
