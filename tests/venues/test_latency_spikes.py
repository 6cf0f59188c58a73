"""A message caught in a spike takes longer, and every other one exactly as long as without spikes.

Rule of this file: delays are compared message by message, for each is drawn by its own number.
"""

from __future__ import annotations

import pytest

from venues.models.latency import Latency, LatencyParameters


def delays(**fields: float) -> list[int]:
    latency = Latency(3, "XNYS", LatencyParameters(**fields))  # type: ignore[arg-type]
    return [latency.delay("order_entry", n) for n in range(4_000)]


def test_spikes_stretch_their_share_of_messages_and_no_other() -> None:
    plain, spiked = delays(), delays(spike_probability=0.05, spike_factor=10.0)
    stretched = [(a, b) for a, b in zip(plain, spiked, strict=True) if a != b]
    assert 150 < len(stretched) < 250
    assert all(b == a * 10 for a, b in stretched)


def test_every_message_spikes_at_probability_one_and_none_at_zero() -> None:
    assert delays(spike_probability=1.0, spike_factor=2.0) == [2 * delay for delay in delays()]
    assert delays(spike_factor=1_000.0) == delays()


@pytest.mark.parametrize(("key", "value"), [("spike_probability", 1.5), ("spike_factor", 0.5)])
def test_a_spike_out_of_range_is_refused(key: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"got {value} - at {key}"):
        LatencyParameters(**{key: value})  # type: ignore[arg-type]
