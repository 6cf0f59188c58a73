"""What the flow fitted to a recording is made of: runs, intents, what is behind a best, products of factors.

Rule of this file: each law is put in, drawn from or observed, and must come out of what is fitted.
"""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from router.domain.units import SECOND
from venues.flow.behind import AGE_CLASSES, AGE_EDGES, forget_upto, leave_behind, memory_of, new_behind
from venues.flow.factors import SHAPE, fit_product
from venues.flow.facts import mean_facts, observed_session, sign_autocorrelation
from venues.flow.intents import intended_law
from venues.flow.levels import simulate
from venues.flow.made_up import made_up_parameters
from venues.flow.parameters import QUEUE_CLASSES, SPREAD_CLASSES, TRADE, FlowParameters, flow_arrays
from venues.flow.splitting import RUN_NS, advance_of, runs_of

LENGTH = 20_000 * SECOND


def changed(**fields: object) -> FlowParameters:
    return msgspec.structs.replace(made_up_parameters(), **fields)


def trades_of(parameters: FlowParameters, seed: int = 1) -> np.ndarray:
    return simulate(flow_arrays(parameters, intensity=0.05), seed, "x", LENGTH, LENGTH, trades_max=50_000).trades


def test_runs_come_out_as_long_as_they_were_put_in() -> None:
    plain = trades_of(made_up_parameters())
    split = trades_of(changed(splits=(1, 1, 1, 9), split_gaps_us=(2_000,)))
    runs = runs_of(split[:, :3])
    assert np.quantile(runs.gaps, 0.2) == np.quantile(runs.gaps, 0.8) == 2_000_000
    # Some runs meet by chance.
    assert runs.lengths.mean() == pytest.approx(3.0, rel=0.15)
    assert len(runs.lengths) == pytest.approx(len(plain), rel=0.15)


def test_takers_who_split_make_signs_persist() -> None:
    before, after = trades_of(made_up_parameters()), trades_of(changed(splits=(1, 9), split_gaps_us=(2_000,)))
    assert abs(sign_autocorrelation(before[:, 1])[0]) < 0.1
    assert sign_autocorrelation(after[:, 1])[0] > 0.6


def test_what_is_refilled_moves_the_price_less() -> None:
    went = []
    for refill in (0.0, 0.9):
        trades = trades_of(changed(splits=(6,), split_gaps_us=(2_000,), refill=refill))
        went.append(advance_of(trades[:, :3], trades[:, 3]))
    assert 0.0 < went[1] < 0.5 * went[0]


def test_runs_of_both_sides_do_not_cut_each_other() -> None:
    taken = np.array([(0, 1, 5), (1, -1, 5), (2, 1, 5), (RUN_NS + 3, 1, 5)], dtype=np.int64)
    runs = runs_of(taken)
    assert runs.starts.tolist() == [1, 1, 0, 1]
    assert sorted(runs.lengths.tolist()) == [1, 1, 2]


def test_takers_who_look_take_what_there_is_or_sweep_as_often_as_said() -> None:
    trades = trades_of(changed(sizes_lots=((4,), (4,), (1_000,), (4,)), sweep=0.25, sweep_lots=(500,)))
    swept = trades[:, 2] >= 50_000
    assert swept.mean() == pytest.approx(0.25, abs=5 * 0.5 / len(trades) ** 0.5)
    assert trades[~swept, 2].max() < 50_000


def test_what_was_meant_is_found_under_what_there_was() -> None:
    rng = np.random.default_rng(1)
    meant, there = rng.integers(1, 9, 40_000), rng.integers(1, 12, 40_000)
    law = np.array(intended_law(np.minimum(meant, there), there))
    assert [float((law == size).mean()) for size in range(1, 9)] == pytest.approx([0.125] * 8, abs=0.012)


def test_nothing_seen_means_nothing_meant() -> None:
    assert intended_law(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)) == (1,)


def test_factors_put_into_counts_come_out_of_them() -> None:
    rng = np.random.default_rng(2)
    widths, queues = np.linspace(0.5, 2.0, SPREAD_CLASSES), np.linspace(2.0, 0.5, QUEUE_CLASSES)
    seconds = rng.uniform(2_000.0, 6_000.0, SHAPE)
    expected = seconds * 3.0 * (widths[:, None] * queues)[:, :, None, None]
    found = fit_product(rng.poisson(expected).astype(np.float64), seconds)
    is_wide = (np.arange(SPREAD_CLASSES) > 0).astype(int)
    rates = found.rates[is_wide][:, None, :, 2 * TRADE]
    product = rates * (found.spread_factors[:, None, TRADE] * found.queue_factors[None, :, TRADE])[:, :, None]
    np.testing.assert_allclose(product, expected[..., 2 * TRADE] / seconds[..., 2 * TRADE], rtol=0.03)


def test_bids_and_asks_are_each_others_mirror() -> None:
    rng = np.random.default_rng(3)
    rates = fit_product(rng.poisson(20.0, SHAPE).astype(np.float64), np.full(SHAPE, 100.0)).rates
    np.testing.assert_allclose(rates[:, :, 0::2], rates[:, ::-1, 1::2])


def test_only_the_last_prices_are_remembered_and_the_passed_forgotten() -> None:
    behind = new_behind()
    for px in range(40, 0, -1):
        leave_behind(behind, 1, px, 0, px)
    assert forget_upto(behind, 1, 5) == 10
    assert behind[1, 10].tolist() == [6, 0, 6]
    assert forget_upto(behind, 1, 16) == -1
    assert forget_upto(behind, 0, 5) == -1


def test_a_price_left_behind_counts_by_its_age() -> None:
    rows = []
    for n in range(20):
        at = n * 1_000 * SECOND
        rows += [(at, 100, 9, 103, 5), (at + 1, 100, 9, 102, 1), (at + 1 + AGE_EDGES[2], 100, 9, 103 + n % 2, 5)]
    memory = memory_of(np.array(rows, dtype=np.int64), np.ones(len(rows), dtype=np.int64))
    assert memory.kept[3] == 0.5
    assert sum(memory.kept) == 0.5
    assert memory.kept_qty == 1.0
    assert memory.gaps.tolist() == [2] * 10


def test_a_book_with_memory_returns_to_where_it_was() -> None:
    back = [
        simulate(flow_arrays(changed(gaps=(0.2,) * 5, kept=(kept,) * AGE_CLASSES)), 1, "x", LENGTH, SECOND).samples
        for kept in (0.0, 0.9)
    ]
    moves = [float((np.diff(samples[:, :2].sum(axis=1)) ** 2).mean()) for samples in back]
    assert moves[1] < 0.8 * moves[0]


def test_means_over_sessions_have_errors_and_one_u_shape() -> None:
    flow, length = flow_arrays(made_up_parameters()), 900 * SECOND
    sessions = [
        observed_session(simulate(flow, seed, "x", length, SECOND // 10, u_shape=2.0, trades_max=5_000), length)
        for seed in range(4)
    ]
    found = mean_facts(sessions)
    assert found.facts.keys() == found.errors.keys()
    assert 0.0 < found.errors["rate.trades"] < 0.2 * found.facts["rate.trades"]
    assert found.facts["day.u_shape"] == pytest.approx(2.0, abs=1.5)
    assert mean_facts(sessions[:1]).errors["rate.trades"] == 0.0
