"""Every bandit of River's can be chosen by name, and routes a scenario.

Rule of this file: names come from River, so that a new one is tried without being named here.
"""

from __future__ import annotations

import inspect

import pytest
from river import bandit

from learners.policies.bandits import river_policies
from learners.policies.build import build_policy, known_policies
from learners.policies.check import example_setup
from scenarios.runner import run
from scenarios.scenario import load_scenario

NAMES = [
    name
    for name in sorted(bandit.__all__)
    if inspect.isclass(getattr(bandit, name)) and issubclass(getattr(bandit, name), bandit.base.Policy)
]


def test_rivers_policies_are_the_classes_that_it_exports() -> None:
    assert list(river_policies()) == NAMES
    assert len(NAMES) >= 7
    assert {"LinUCBDisjoint", "EpsilonGreedy", "UCB", "ThompsonSampling", "Exp3", "BayesUCB", "RandomPolicy"} <= set(
        NAMES
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_of_rivers_is_built_by_its_name(name: str) -> None:
    assert f"river:{name}" in known_policies()
    policy = build_policy(f"river:{name}", example_setup())
    assert policy.name == f"river:{name}"


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_of_rivers_routes_a_scenario_alike_twice(name: str) -> None:
    scenario = load_scenario("one_share")
    first = run(scenario, seed=1, policy=f"river:{name}")
    assert first.decisions > 0 and first.filled_qty == 1
    assert first.policy == f"river:{name}"
    assert run(scenario, seed=1, policy=f"river:{name}").digest == first.digest
