"""Confidence sequences hold however often somebody looks, and alarms keep the run length that they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from learners.deployment.confidence import DifferenceSequence, MeanSequence
from learners.deployment.ecusum import BETS, FallDetector
from router.domain.chance import generator
from router.domain.errors import ConfigError, FeatureError

SIMULATIONS, PARENTS = 2_000, 1_000
CLIP = 10.0


def test_a_peeking_t_test_promotes_many_null_challengers() -> None:
    draws = generator(1, "null", "t-test").normal(size=(SIMULATIONS, 2, PARENTS // 2))
    n = np.arange(1, PARENTS // 2 + 1)
    means = np.cumsum(draws, axis=2) / n
    squares = np.cumsum(draws**2, axis=2) / n
    errors = np.sqrt(np.maximum(squares - means**2, 1e-12).sum(axis=1) / n)
    t = (means[:, 1] - means[:, 0]) / errors
    promoted = (np.abs(t[:, 9:]) > 1.96).any(axis=1).mean()
    assert promoted > 0.3


def test_the_sequence_promotes_few_null_challengers_however_often_it_is_looked_at() -> None:
    draws = np.clip(generator(1, "null", "sequence").normal(scale=3.0, size=(SIMULATIONS // 10, PARENTS)), -CLIP, CLIP)
    promoted = 0
    for row in draws.tolist():
        arms = DifferenceSequence(CLIP, alpha=0.05)
        for n, value in enumerate(row):
            arms.add(is_challenger=n % 2 == 1, value=value)
        promoted += arms.interval.low > 0.0 or arms.interval.high < 0.0
    assert promoted / len(draws) <= 0.05


@pytest.mark.slow
def test_over_two_thousand_releases_the_sequence_keeps_its_level() -> None:
    promoted = 0
    for k in range(SIMULATIONS):
        draws = generator(k, "null", "long").normal(scale=3.0, size=PARENTS).tolist()
        arms = DifferenceSequence(CLIP, alpha=0.05)
        for n, value in enumerate(draws):
            arms.add(is_challenger=n % 2 == 1, value=value)
        promoted += arms.interval.low > 0.0 or arms.interval.high < 0.0
    assert promoted / SIMULATIONS <= 0.05


def test_skewed_outcomes_are_covered_at_all_times_too() -> None:
    p, missed = 0.02, 0
    for k in range(200):
        draws = (generator(k, "rare", "coins").random(600) < p).astype(float).tolist()
        sequence = MeanSequence(0.0, 1.0, alpha=0.1)
        for value in draws:
            sequence.add(value)
        missed += not sequence.interval.low <= p <= sequence.interval.high
    assert missed / 200 <= 0.1


def test_a_better_challenger_is_seen_to_be_better() -> None:
    draws = generator(3, "better", "parents").normal(scale=2.0, size=3_000).tolist()
    arms = DifferenceSequence(CLIP, alpha=0.05)
    for n, value in enumerate(draws):
        arms.add(is_challenger=n % 2 == 1, value=value + (1.0 if n % 2 else 0.0))
    assert 0.0 < arms.interval.low < 1.0 < arms.interval.high
    assert arms.champion.n == arms.challenger.n == 1_500


def test_intervals_only_narrow() -> None:
    sequence = MeanSequence(-1.0, 1.0, alpha=0.05)
    last = sequence.interval
    for value in generator(4, "narrow", "values").uniform(-1.0, 1.0, 300).tolist():
        sequence.add(value)
        assert last.low <= sequence.interval.low <= sequence.interval.high <= last.high
        last = sequence.interval


def run_length(seed: int, detector: FallDetector, mean: float, longest: int) -> int:
    for n, value in enumerate(generator(seed, "run", "length").normal(mean, 2.0, longest).tolist(), start=1):
        detector.add(value)
        if detector.is_alarmed:
            return n
    return longest


def test_false_alarms_come_no_sooner_than_promised() -> None:
    promised = 200.0
    # Runs are cut off at ten times the promise: that can only make their mean shorter.
    lengths = [run_length(k, FallDetector(CLIP, promised), 0.0, 2_000) for k in range(100)]
    assert np.mean(lengths) >= promised


def test_a_fall_is_found_soon_and_a_deep_one_sooner() -> None:
    shallow = np.mean([run_length(k, FallDetector(CLIP, 5_000.0), -1.0, 5_000) for k in range(40)])
    deep = np.mean([run_length(k, FallDetector(CLIP, 5_000.0), -4.0, 5_000) for k in range(40)])
    assert deep < 60 < shallow < 600


def test_no_bet_can_lose_more_than_there_is() -> None:
    detector = FallDetector(1.0, 100.0)
    for _ in range(1_000):
        detector.add(1e9)
    assert 0.0 <= detector.statistic <= 1.0
    assert max(BETS) < 1.0
    assert not detector.is_alarmed


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_changes_nothing(value: float) -> None:
    sequence, detector = MeanSequence(-1.0, 1.0, 0.05), FallDetector(1.0, 100.0)
    for taker in (sequence, detector):
        with pytest.raises(FeatureError, match="a finite number"):
            taker.add(value)
    assert (sequence.n, detector.n) == (0, 0)


def test_settings_that_cannot_be_are_refused() -> None:
    for low, high, alpha in ((1.0, 1.0, 0.05), (0.0, math.inf, 0.05), (0.0, 1.0, 0.0)):
        with pytest.raises(ConfigError):
            MeanSequence(low, high, alpha)
    for clip, length in ((0.0, 10.0), (1.0, 1.0)):
        with pytest.raises(ConfigError):
            FallDetector(clip, length)
