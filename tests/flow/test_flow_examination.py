"""The simulator's examination at small size, and the exact solution that its first part is checked by.

Rule of this file: seeds and sizes are fixed, so that every number is the same on every run.
"""

from __future__ import annotations

import numpy as np
import pytest

from router.domain.errors import BadInputError
from router.domain.units import SECOND
from scenarios.free_lunch import MARKET, free_lunch
from scenarios.simcheck import DAYS_QUICK
from venues.flow.checks import CheckRow
from venues.flow.examination import FILL, MID_UP, Size, metaorder_impact, published_chances
from venues.flow.levels import Program, simulate
from venues.flow.made_up import made_up_parameters
from venues.flow.parameters import TRADE, flow_arrays
from venues.flow.zero_intelligence import CANCELS, LIMITS, MARKETS

SMALL = Size(trials=40_000, pairs=100, children=(20, 60, 120))
LARGEST = 60
"""Queues in the exact solution: longer ones do not come."""


def failed(rows: list[CheckRow]) -> list[CheckRow]:
    return [row for row in rows if row.verdict != "pass"]


def test_published_chances_are_met() -> None:
    rows = published_chances(SMALL)
    assert len(rows) == 10
    assert failed(rows) == []


def exact_mid_up(bid: int, ask: int) -> float:
    """Solve the walk of the two best queues, at a spread of a tick, by sweeping until nothing changes."""
    n = np.arange(LARGEST + 1)
    die = np.where(n > 0, MARKETS + CANCELS[0] * n, 0.0)
    chance = np.full((LARGEST + 1, LARGEST + 1), 0.5)
    chance[0, :], chance[:, 0] = 0.0, 1.0
    total = 2 * LIMITS[0] + die[1:, None] + die[None, 1:]
    for _ in range(4_000):
        up = np.pad(chance, ((0, 1), (0, 1)), mode="edge")
        inner = (
            LIMITS[0] * (up[2:, 1:-1] + up[1:-1, 2:]) + die[1:, None] * up[:-2, 1:-1] + die[None, 1:] * up[1:-1, :-2]
        )
        chance[1:, 1:] = inner / total
    return float(chance[bid, ask])


@pytest.mark.parametrize("ask", [1, 2, 5])
def test_the_published_chances_are_those_of_the_exact_solution(ask: int) -> None:
    assert exact_mid_up(1, ask) == pytest.approx(MID_UP[ask - 1], abs=0.002)


def test_first_in_the_queue_fills_as_published_by_first_steps() -> None:
    # Before the ask is gone or a market order comes: the chance, by the ask's length, solves a linear system.
    n = np.arange(1, LARGEST + 1)
    die = MARKETS + CANCELS[0] * n
    total = MARKETS + LIMITS[0] + die
    step = np.diag(total) - np.diag(np.full(LARGEST - 1, LIMITS[0]), 1) - np.diag(die[1:], -1)
    chance = np.linalg.solve(step, np.full(LARGEST, MARKETS))
    np.testing.assert_allclose(chance[:5], FILL, atol=0.002)


def test_impact_is_concave_and_taken_back_with_feedback_and_neither_without() -> None:
    rows = {row.id: row for row in metaorder_impact(SMALL)}
    assert rows["impact.off.exponent"].verdict == rows["impact.off.kept"].verdict == "pass"
    assert rows["impact.on.exponent"].value < 0.7 < rows["impact.off.exponent"].value
    assert rows["impact.on.kept"].value < 0.5 < rows["impact.off.kept"].value


def test_nobody_is_proven_to_earn_by_pinging_or_going_round() -> None:
    rows = free_lunch(DAYS_QUICK)
    assert [row.id for row in rows] == [
        "free_lunch.dark_ping.at_least",
        "free_lunch.dark_both_sides.at_least",
        "free_lunch.round_trip.at_least",
        "free_lunch.both_sides.at_least",
        "free_lunch.impact_alone",
    ]
    assert failed(rows) == []


def test_pools_that_pay_for_trading_are_found_out_within_a_few_days() -> None:
    # Five basis points for either side of a trade, at a half spread of two and a half.
    paid = MARKET.replace("taker_micros = 1_000", "maker_micros = -20_000\ntaker_micros = -20_000")
    assert {row.id for row in failed(free_lunch(DAYS_QUICK, market=paid))} == {
        "free_lunch.dark_ping.at_least",
        "free_lunch.dark_both_sides.at_least",
        "free_lunch.round_trip.at_least",
        "free_lunch.both_sides.at_least",
    }


def test_one_day_says_nothing_about_a_mean() -> None:
    with pytest.raises(BadInputError, match=r"at least 2, got 1"):
        free_lunch(1)


def test_a_session_is_the_same_each_time_and_another_with_another_seed() -> None:
    flow = flow_arrays(made_up_parameters())
    one, again, other = (simulate(flow, seed, "x", 600 * SECOND, SECOND, trades_max=5_000) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.samples, again.samples)
    np.testing.assert_array_equal(one.trades, again.trades)
    assert not np.array_equal(one.samples, other.samples)
    assert len(one.trades) == one.events[TRADE]


def test_what_we_do_changes_nothing_before_we_do_it() -> None:
    flow = flow_arrays(made_up_parameters())
    idle = simulate(flow, 1, "x", 600 * SECOND, SECOND)
    ours = simulate(flow, 1, "x", 600 * SECOND, SECOND, Program(500, SECOND, 300 * SECOND, 600 * SECOND))
    np.testing.assert_array_equal(idle.samples[:300], ours.samples[:300])
    assert ours.samples[-1, 0] > idle.samples[-1, 0]


def test_the_book_always_has_two_sides_and_a_spread() -> None:
    samples = simulate(flow_arrays(made_up_parameters()), 4, "x", 3_600 * SECOND, SECOND // 10).samples
    assert (samples[:, 1] > samples[:, 0]).all()
    assert (samples[:, 2:] > 0).all()
