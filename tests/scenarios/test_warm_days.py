"""Past days that teach a policy: the same wherever it is made, each on a seed of its own, and told in order."""

from __future__ import annotations

import pytest
from small_market import SMOKE, scenario

from learners.policies.build import build_policy
from learners.policies.check import example_outcomes, example_setup
from learners.policies.policy import Policy
from router.domain.errors import ScenarioError
from scenarios import warm
from scenarios.assembly import assemble
from scenarios.past import Day, past_seed
from scenarios.policies import SEASONED, make_policy, policy_setup
from scenarios.runner import run
from scenarios.scenario import parse_scenario
from scenarios.warm import moved, warmed

TWO_DAYS = ("[learning]", "[learning]\npast_days = 2")


@pytest.mark.parametrize("name", ["censored", "cont_kukanov", "river:UCB"])
def test_what_past_days_taught_is_the_same_wherever_it_is_learned(name: str) -> None:
    taught = make_policy(assemble(scenario(TWO_DAYS), 1, None), name)
    warm._days.clear()
    again = make_policy(assemble(scenario(TWO_DAYS), 1, None), name)
    assert taught.digest() == again.digest()
    assert taught.digest() != make_policy(assemble(scenario(), 1, None), name).digest()


def test_days_are_run_once_for_all_seeds_and_one_more_day_runs_one_more() -> None:
    asked: list[int] = []

    def run_day(seed: int, policy: Policy) -> Day:
        asked.append(seed)
        return Day((), None, 1.0)

    setup = policy_setup(assemble(scenario(), 1, None), "uniform")
    for seed, days in ((1, 2), (2, 2), (1, 3), (1, 0)):
        warmed(setup._replace(seed=seed), lambda s: build_policy("uniform", s), ("a text", "a name"), days, 0, run_day)
    assert asked == [past_seed(0, d) for d in range(3)]


def test_the_first_past_day_is_routed_evenly_and_the_second_by_what_it_taught() -> None:
    routed: list[str] = []

    def run_day(seed: int, policy: Policy) -> Day:
        routed.append(policy.name)
        return Day(tuple(example_outcomes(setup, 5)), None, 1.0)

    setup = example_setup()
    policy = warmed(setup, lambda s: build_policy("censored", s), ("a text", "evenly"), 2, 0, run_day)
    assert routed == ["uniform", "censored"]
    assert policy.digest() != build_policy("censored", setup).digest()


def test_the_seasoned_learner_is_the_censored_one_with_past_days_behind_it() -> None:
    cold, seasoned = (run(scenario(), seed=2, policy=name) for name in ("censored", SEASONED))
    assert (seasoned.policy, seasoned.decisions > 0) == (SEASONED, True)
    assert seasoned.learner_digest != cold.learner_digest


def test_outcomes_of_a_past_day_end_before_the_open_under_other_names() -> None:
    heard = example_outcomes(example_setup(), 3)
    told = moved(heard, 1_000)
    assert max(o.at for o in told) == 1_000
    assert len({b.at - a.at for a, b in zip(heard, told, strict=True)}) == 1
    assert {o.cl_ord_id for o in told}.isdisjoint({o.cl_ord_id for o in heard})
    assert moved((), 5) == []


def test_policies_that_do_not_learn_run_no_past_days() -> None:
    warm._days.clear()
    summary = run(scenario(TWO_DAYS), seed=1, policy="uniform")
    assert warm._days == {}
    assert summary.past_days == 2


def test_a_checkpoint_and_past_days_exclude_each_other() -> None:
    both = SMOKE.replace("[learning]", '[learning]\npast_days = 1\ncheckpoint = "x"')
    with pytest.raises(ScenarioError, match=r"0 with a checkpoint, got 1 - at `\$.learning.past_days`"):
        parse_scenario(both, "both")
