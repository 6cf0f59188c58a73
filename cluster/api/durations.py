"""How long things take, as histograms: a record's flushes by the wall clock, decisions and venues in the market's time.

Rule of this file: what is another process's comes in its own buckets; what is the journal's is counted as it is read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.metrics_core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from cluster.api.backend import DeskStatus

MARKET_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
"""Upper ends of the buckets of what takes its time in the market's."""


class Durations:
    """The histograms of one door, in its registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._flushes = _Flushes()
        registry.register(self._flushes)
        self._decision = Histogram(
            "anabranch_decision_seconds",
            "Market seconds from an order's start to the first child intended for it",
            registry=registry,
            buckets=MARKET_SECONDS,
        )
        self._venue = Histogram(
            "anabranch_venue_round_trip_seconds",
            "Market seconds from a child sent to its venue's first word of it",
            ("mic",),
            registry=registry,
            buckets=MARKET_SECONDS,
        )

    def decided(self, seconds: float) -> None:
        """Count how long an order waited for its first child."""
        self._decision.observe(seconds)

    def round_trip(self, mic: str, seconds: float) -> None:
        """Count how long a child waited for its venue's word."""
        self._venue.labels(mic).observe(seconds)

    def desk(self, status: DeskStatus) -> None:
        """Take the flushes as the desk has counted them by now."""
        self._flushes.buckets, self._flushes.sum = status.flushes, status.metrics.get("flush_seconds_sum", 0.0)


class _Flushes(Collector):
    """The journal's flushes: `buckets` are (seconds, how many took up to so many)."""

    def __init__(self) -> None:
        self.buckets: tuple[tuple[float, int], ...] = ()
        self.sum = 0.0

    def collect(self) -> Iterator[Metric]:
        """Yield the histogram."""
        family = HistogramMetricFamily("anabranch_journal_flush_seconds", "Time to make a group of records durable")
        if self.buckets:
            ends = [("+Inf" if math.isinf(bound) else str(bound), count) for bound, count in self.buckets]
            family.add_metric([], ends, self.sum)
        yield family
