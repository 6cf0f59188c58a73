"""Labels, the split with its purge, and that a signal of the future cannot help."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from price_markets import START, market

from learners.price.judge import judge, log_loss, mcc
from learners.price.samples import NEXT_MAX_NS, Market, Samples, joined, samples_of, split
from learners.price.signals import SIGNALS
from learners.price.train import train
from router.domain.errors import BadInputError
from router.domain.units import SECOND

NO_PRINTS = np.empty((0, 5), dtype=np.int64)


def quiet(*moves: tuple[int, int]) -> Market:
    """Return a market of bid and ask 2 apart around the mids (second, mid)."""
    rows = [(START + s * SECOND, mid - 1, 10, mid + 1, 10) for s, mid in moves]
    return Market("quiet", START, START + 400 * SECOND, np.array(rows, dtype=np.int64), NO_PRINTS)


def at_second(samples: Samples, second: int) -> int:
    return int(np.flatnonzero(samples.at == START + second * SECOND)[0])


def test_label_is_the_direction_of_the_next_move_and_known_when_it_comes() -> None:
    found = samples_of(quiet((0, 100), (100, 101), (110, 99)))
    before, between = at_second(found, 70), at_second(found, 105)
    assert (found.y[before], found.known_at[before]) == (1, START + 100 * SECOND)
    assert (found.y[between], found.known_at[between]) == (0, START + 110 * SECOND)
    # At the very time of a move, the move is still to come.
    assert found.known_at[at_second(found, 100)] == START + 100 * SECOND


def test_a_move_too_far_away_is_no_label() -> None:
    found = samples_of(quiet((0, 100), (200, 101)))
    assert (found.known_at - found.at).max() == NEXT_MAX_NS
    assert found.at.min() == START + 140 * SECOND


def test_label_at_a_horizon_leaves_out_samples_that_stay() -> None:
    found = samples_of(quiet((0, 100), (100, 101)), horizon_ns=10 * SECOND)
    assert (found.at.min(), found.at.max()) == (START + 90 * SECOND, START + 100 * SECOND)
    assert found.y.tolist() == [1] * len(found)


def test_no_label_of_one_part_is_still_open_in_the_next() -> None:
    parts = split(samples_of(market(1, tells_before=True)))
    assert parts.train.known_at.max() + 60 * SECOND <= parts.validate.at.min()
    assert parts.validate.known_at.max() + 60 * SECOND <= parts.test.at.min()
    assert (np.diff(parts.test.at) > 0).all()


def test_a_signal_before_the_move_helps() -> None:
    parts = split(samples_of(market(1, tells_before=True)))
    trained = train(parts, "logistic", seed=1, source="made up", label="next move", step_ns=SECOND)
    gain = next(gain for gain in trained.judgement.gains if gain.over == "nothing")
    assert gain.is_better
    assert trained.judgement.scores[0].mcc > 0.6


@pytest.mark.parametrize("kind", ["hgb", "logistic", "mlp"])
def test_a_signal_that_comes_with_the_move_does_not_help(kind: str) -> None:
    parts = split(samples_of(market(2, tells_before=False)))
    trained = train(parts, kind, seed=1, source="made up", label="next move", step_ns=SECOND)  # type: ignore[arg-type]
    gain = next(gain for gain in trained.judgement.gains if gain.over == "nothing")
    assert not gain.is_better
    assert abs(trained.judgement.scores[0].mcc) < 0.1


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(BadInputError, match="at least 500 labelled samples"):
        split(samples_of(quiet((0, 100), (100, 101))))


def test_a_market_that_only_rises_is_refused() -> None:
    found = samples_of(market(1, tells_before=True))
    with pytest.raises(BadInputError, match="moves both up and down"):
        split(replace(found, y=np.ones_like(found.y)))


def test_sessions_must_follow_each_other() -> None:
    found = samples_of(market(1, tells_before=True))
    with pytest.raises(BadInputError, match="sessions in order of time"):
        joined([found, found])
    with pytest.raises(BadInputError, match="at least one session"):
        joined([])


def test_rows_out_of_order_are_refused() -> None:
    made = market(1, tells_before=True)
    with pytest.raises(BadInputError, match="rows in order of time"):
        samples_of(made._replace(rows=made.rows[::-1]))


def test_judgement_is_the_same_twice_and_its_intervals_hold_the_figure() -> None:
    n = 2_000
    y = (np.arange(n) * 7 % 10 < 5).astype(np.int64)
    p = np.where(np.arange(n) % 3 == 0, 1 - y, y) * 0.6 + 0.2
    test = Samples(np.zeros((n, SIGNALS)), y, START + SECOND * np.arange(n), START + SECOND * np.arange(1, n + 1))
    forecasts = {"model": p, "nothing": np.full(n, 0.5)}
    found = judge(test, forecasts, 1)
    assert found == judge(test, forecasts, 1)
    score = found.scores[0]
    assert score.log_loss_low < score.log_loss < score.log_loss_high
    assert score.mcc_low < score.mcc < score.mcc_high
    assert (score.log_loss, score.mcc) == (pytest.approx(log_loss(p, y)), pytest.approx(mcc(p, y)))
    assert found.gains[0].is_better


def test_forecasts_that_are_no_probabilities_are_refused() -> None:
    n = 100
    test = Samples(np.zeros((n, SIGNALS)), np.ones(n, dtype=np.int64), np.arange(n), np.arange(n))
    for p in (np.full(n, 1.5), np.full(n - 1, 0.5), np.full(n, np.nan)):
        with pytest.raises(BadInputError, match="probabilities"):
            judge(test, {"model": p}, 1)
