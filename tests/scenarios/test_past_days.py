"""Policies that go by past days, and the best static split in hindsight."""

from __future__ import annotations

import pytest
from small_market import small

from learners.policies.build import BEST_STATIC, DAILY, QUARTERLY
from learners.policies.policy import Policy
from router.domain.errors import ConfigError
from router.domain.scores import LaneScore
from scenarios import past
from scenarios.past import Day, lane_statistics, make_past_policy, mean_scores, past_seed
from scenarios.policies import make_policy, policy_setup
from scenarios.runner import run
from scenarios.scenario import load_scenario


@pytest.mark.parametrize("name", [QUARTERLY, DAILY, BEST_STATIC])
def test_a_policy_of_the_past_is_the_same_wherever_it_is_made(name: str) -> None:
    first = make_policy(small(), name)
    past._days.clear()
    assert make_policy(small(), name).digest() == first.digest()


def test_yesterday_is_another_day_for_every_seed_and_the_quarter_is_not() -> None:
    asked: list[int] = []

    def run_day(seed: int, policy: Policy) -> Day:
        asked.append(seed)
        return Day((), None, 1.0)

    setup = policy_setup(small(), "uniform")
    for seed in (1, 2):
        make_past_policy(DAILY, setup, "a text", seed, run_day)
        make_past_policy(QUARTERLY, setup, "a text", seed, run_day)
    assert len(asked) == len(set(asked)) == 2 + past.QUARTER_DAYS
    assert past_seed(1, 0) not in (1, past_seed(2, 0))


def test_a_lane_never_tried_is_neither_good_nor_bad() -> None:
    setup = policy_setup(small(), "uniform")
    scores = lane_statistics((), setup)
    assert {(s.p, s.mu, s.markout_bps) for s in scores} == {(0.5, float(setup.standard_qty), 0.0)}


def test_the_mean_of_days_is_lane_by_lane() -> None:
    rows = ((0.2, 100.0, 1.0), (0.6, 300.0, 3.0))
    days = [(LaneScore(lane="A:TAKE", p=p, mu=mu, markout_bps=m),) for p, mu, m in rows]
    assert mean_scores(days) == (LaneScore(lane="A:TAKE", p=0.4, mu=200.0, markout_bps=2.0),)


def test_the_best_static_split_costs_no_more_than_the_splits_it_was_chosen_from() -> None:
    costs = {
        name: run(load_scenario("smoke"), seed=3, policy=name).routing_cost_bps
        for name in (BEST_STATIC, "uniform", "volume_proportional")
    }
    assert costs[BEST_STATIC] <= min(costs["uniform"], costs["volume_proportional"])


def test_a_recorded_market_has_no_past_days() -> None:
    recorded = small()._replace(day=object())  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no past days"):
        make_policy(recorded, DAILY)
