"""The small models: reference path, flow, latency, fees, and the checks of their parameters.

Rule of this file: fixed seeds; statistical bounds are several standard errors wide.
"""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from router.domain.chance import generator
from router.domain.enums import LastLiquidityInd
from router.domain.instruments import FeeSchedule
from router.domain.units import HOUR
from venues.models.fees import charge
from venues.models.flow import geometric_sizes, pareto_sizes, u_shaped_times
from venues.models.latency import LEGS, Latency, LatencyParameters
from venues.models.reference import DAY_NS, REGIMES, MarketSetup, ReferencePath, Regime, RegimeMultipliers

OPEN = 9 * HOUR
DAY = MarketSetup(symbol="ABR", open_at=OPEN, close_at=OPEN + DAY_NS, start_px=400_000)


def _with_regimes(*regimes: Regime) -> MarketSetup:
    return msgspec.structs.replace(DAY, regimes=regimes)


def test_the_reference_has_the_stated_daily_volatility() -> None:
    ends = np.array([ReferencePath(seed, DAY).px[-1] for seed in range(200)]) / DAY.start_px
    assert 0.017 < float(ends.std()) < 0.023
    assert abs(float(ends.mean()) - 1.0) < 0.006


def test_the_reference_is_the_same_for_everyone_and_moves_by_ticks() -> None:
    one, two = ReferencePath(5, DAY), ReferencePath(5, DAY)
    assert (one.at == two.at).all()
    assert (one.px == two.px).all()
    assert (np.diff(one.at) > 0).all()
    assert not (one.px % DAY.tick).any()


def test_a_regime_changed_in_the_afternoon_leaves_the_morning_as_it_was() -> None:
    noon = OPEN + 3 * HOUR
    calm = Regime(from_at=OPEN, name="calm")
    one = ReferencePath(5, _with_regimes(calm, Regime(from_at=noon, name="volatile", multipliers=REGIMES["volatile"])))
    two = ReferencePath(5, _with_regimes(calm, Regime(from_at=noon, name="calm")))
    k = int(np.searchsorted(one.at, noon))
    assert (one.at[:k] == two.at[:k]).all()
    assert (one.px[:k] == two.px[:k]).all()
    assert one.at.shape[0] - k > 2 * (two.at.shape[0] - k)


def test_px_at_a_move_is_the_price_after_it() -> None:
    path = ReferencePath(5, DAY)
    at = int(path.at[10])
    assert path.px_at(at) == path.px[10]
    assert path.px_before(at) == path.px_at(at - 1) == path.px[9]
    assert path.px_at(OPEN) == DAY.start_px
    assert int(path.steps().sum()) == path.px[-1] - DAY.start_px


def test_the_largest_move_is_found_within_its_horizon() -> None:
    path = ReferencePath(5, DAY)
    at = int(path.at[20])
    found = path.largest_move(at - 1, int(np.sign(path.steps()[20])), 1)
    assert found == at
    assert path.largest_move(at - 1, -int(np.sign(path.steps()[20])), 1) is None


def test_the_regime_in_force_is_the_last_that_began() -> None:
    setup = _with_regimes(Regime(from_at=OPEN + HOUR, name="toxic", multipliers=REGIMES["toxic"]))
    assert setup.regime_at(OPEN).name == "calm"
    assert setup.regime_at(OPEN + HOUR).name == "toxic"
    assert [regime.name for _, _, regime in setup.segments()] == ["calm", "toxic"]
    assert setup.multipliers(np.array([OPEN, OPEN + HOUR]), "informed").tolist() == [1.0, 2.2]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"close_at": OPEN}, "close_at"),
        ({"daily_volatility": 0.0}, "daily_volatility"),
        ({"start_px": 100}, "start_px"),
        ({"start_px": 400_050}, "start_px"),
        ({"regimes": (Regime(from_at=2, name="a"), Regime(from_at=1, name="b"))}, "regimes"),
    ],
)
def test_an_impossible_market_is_refused(changes: dict[str, object], key: str) -> None:
    fields = {"symbol": "ABR", "open_at": OPEN, "close_at": OPEN + DAY_NS, "start_px": 400_000}
    with pytest.raises(ValueError, match=rf"expected .*, got .* - at {key}"):
        MarketSetup(**(fields | changes))  # type: ignore[arg-type]


def test_multipliers_out_of_range_or_unknown_are_refused() -> None:
    with pytest.raises(ValueError, match="expected a multiplier"):
        RegimeMultipliers(dark=-1.0)
    with pytest.raises(msgspec.ValidationError, match="liquidity"):
        msgspec.convert({"liquidity": 1.0}, RegimeMultipliers)


def test_times_are_busier_at_both_ends_and_have_the_stated_number() -> None:
    at = u_shaped_times(generator(1, "X", "t"), DAY, 20_000.0, "volume")
    counts, _ = np.histogram(at, bins=3, range=(DAY.open_at, DAY.close_at))
    assert 19_300 < at.shape[0] < 20_700
    assert counts[0] > 1.2 * counts[1] < counts[2]


def test_sizes_have_their_law() -> None:
    geometric = geometric_sizes(generator(1, "X", "g"), 20_000, 250.0, 100_000)
    assert abs(float(geometric.mean()) - 250.0) < 8.0
    pareto = pareto_sizes(generator(1, "X", "p"), 20_000, 1.0, 1_000)
    assert abs(float((pareto >= 200).mean()) - 0.5) < 0.02
    assert pareto.max() == 1_000
    assert not (pareto % 100).any()


def test_latency_depends_on_the_message_and_not_on_who_asks() -> None:
    one, two = Latency(3, "XNYS"), Latency(3, "XNYS")
    two.delay("feed", 9)
    assert [one.delay(leg, 4) for leg in LEGS] == [two.delay(leg, 4) for leg in LEGS]
    assert one.delay("feed", 4) != Latency(3, "XBOS").delay("feed", 4)


def test_latency_has_its_base_and_its_mean_jitter() -> None:
    latency = Latency(3, "XNYS", LatencyParameters(feed_ns=1_000, jitter_ns=500))
    delays = [latency.delay("feed", n) for n in range(4_000)]
    assert min(delays) >= 1_000
    assert abs(sum(delays) / len(delays) - 1_500) < 40
    assert Latency(3, "XNYS", LatencyParameters(feed_ns=0, jitter_ns=0)).delay("feed", 0) == 1


def test_latency_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 0 to 60 s in ns, got -1 - at feed_ns"):
        LatencyParameters(feed_ns=-1)


def test_the_taker_pays_and_the_maker_is_paid() -> None:
    schedule = FeeSchedule(maker_micros=-2_000, taker_micros=3_000)
    assert charge(schedule, 10, LastLiquidityInd.ADDED) == -20_000
    assert charge(schedule, 10, LastLiquidityInd.REMOVED) == charge(schedule, 10, LastLiquidityInd.AUCTION) == 30_000
