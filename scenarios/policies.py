"""Every policy a run may name, made for a run: the learners' own, those that go by past days, and the evaluation's.

Rule of this file: a policy follows from (scenario, seed, name) alone, wherever it is made; one that needs past days
runs them here, in this process.
"""

from __future__ import annotations

from collections.abc import Callable

from learners.features.names import FEATURES
from learners.policies.build import POLICIES, build_policy
from learners.policies.policy import Policy, PolicySetup
from router.domain.errors import ConfigError, bad_value
from router.domain.units import seconds
from scenarios.assembly import Assembly, assemble
from scenarios.clairvoyant import CLAIRVOYANT, clairvoyant_truth
from scenarios.day import HOST, drive, link_of
from scenarios.evaluation import costs
from scenarios.oracle import ORACLE, OraclePolicy, Truth, truth_of
from scenarios.past import PAST, Day, make_past_policy


def policy_names() -> tuple[str, ...]:
    """Return every policy a run may name; oracle and clairvoyant are for the evaluation."""
    return (*POLICIES, *PAST, ORACLE, CLAIRVOYANT)


def make_policy(assembly: Assembly, name: str) -> Policy:
    """Return a policy that has learned nothing.

    Raises:
        ConfigError: an unknown name, or parameters that it cannot have.
    """
    if name not in policy_names():
        raise ConfigError(bad_value("policy", f"one of {', '.join(policy_names())}", name))
    setup = policy_setup(assembly, name)
    if name in PAST:
        return make_past_policy(name, setup, assembly.scenario.text, assembly.seed, _day_runner(assembly, name))
    if name == ORACLE:
        parts = {part.mic: part.parameters for part in assembly.scenario.file.venues}
        return OraclePolicy(setup, truth_of(assembly.specs, assembly.setup, parts, assembly.day, setup))
    if name == CLAIRVOYANT:
        return OraclePolicy(setup, _clairvoyant(assembly, setup), CLAIRVOYANT)
    return build_policy(name, setup)


def _clairvoyant(assembly: Assembly, setup: PolicySetup) -> Truth:
    """Return what is going to happen: on a tape its own truth, which is that already."""
    parts = {part.mic: part.parameters for part in assembly.scenario.file.venues}
    if assembly.day is not None:
        return truth_of(assembly.specs, assembly.setup, parts, assembly.day, setup)
    return clairvoyant_truth(assembly.specs, assembly.setup, parts, assembly.seed, setup)


def policy_setup(assembly: Assembly, name: str) -> PolicySetup:
    """Return what the policy of that name is built from in this run."""
    learning, timing = assembly.scenario.file.learning, assembly.scenario.file.timing
    return PolicySetup(
        specs=assembly.specs,
        feature_names=FEATURES,
        standard_qty=learning.standard_qty,
        standard_life_ns=seconds(timing.life_s),
        seed=assembly.seed,
        parameters=learning.parameters if name == learning.policy else {},
    )


def _day_runner(assembly: Assembly, name: str) -> Callable[[int, Policy], Day]:
    """Return what runs a day of this scenario on another seed (or on this one, in hindsight).

    Raises:
        ConfigError: a past day of a recorded market, which there is none of.
    """

    def run_day(seed: int, policy: Policy) -> Day:
        if seed != assembly.seed and assembly.is_tape:
            raise ConfigError(bad_value("policy", "a policy that needs no past days of a recorded market", name))
        day = assembly if seed == assembly.seed else assemble(assembly.scenario, seed, None)
        host_of = {parent.parent_id: HOST for parent in day.parents}
        conductor = drive(day, link_of(day, policy), host_of)
        recorder = conductor.recorder
        filled = sum(order["cum_qty"] for order in recorder.orders.values())
        ordered = sum(parent.order_qty for parent in day.parents)
        cost = costs(recorder, conductor.history).routing_cost_bps
        return Day(tuple(recorder.outcomes), cost, filled / ordered)

    return run_day
