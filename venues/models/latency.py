"""How long a message takes between us and a venue, on each of its three legs.

Rule of this file: the n-th message of a leg takes the same time whoever asks, and whatever was asked before.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from router.domain.chance import uniform_rows
from router.domain.errors import bad_value
from router.domain.units import MICROSECOND, SECOND, Nanos

Leg = Literal["order_entry", "order_response", "feed"]

_BLOCK = 256
"""Messages drawn at once."""

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
        self._blocks: dict[str, tuple[int, list[Nanos]]] = {}
        self._base: dict[str, Nanos] = {leg: getattr(self.params, f"{leg}_ns") for leg in LEGS}

    def delay(self, leg: Leg, n: int) -> Nanos:
        """Return the delay in ns, at least 1, of the n-th message (from 0) on a leg.

        The jitter is exponential by inversion; the largest is about 37 means. A spike stretches both parts.
        """
        block = n // _BLOCK
        known = self._blocks.get(leg)
        if known is None or known[0] != block:
            known = self._blocks[leg] = (block, self._delays(leg, block * _BLOCK))
        return known[1][n % _BLOCK]

    def _delays(self, leg: Leg, first: int) -> list[Nanos]:
        """Return the delays of a block of messages: drawing many at once costs little more than drawing one."""
        base, params = self._base[leg], self.params
        found = []
        for draw, spike, _, _ in uniform_rows(self._seed, self._mic, leg, first, _BLOCK):
            delay = base + int(-math.log1p(-draw) * params.jitter_ns)
            if spike < params.spike_probability:
                delay = int(delay * params.spike_factor)
            found.append(max(1, delay))
        return found
