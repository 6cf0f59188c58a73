"""Every policy a run may name, made for a run: the learners' own, those that go by past days, and the evaluation's.

Rule of this file: a policy follows from (scenario, seed, name) alone, wherever it is made; one that needs past days
runs them here, in this process.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from learners.features.names import FEATURES
from learners.policies.build import NOT_LEARNING, build_policy, known_policies
from learners.policies.censored import CensoredPolicy
from learners.policies.policy import Policy, PolicySetup
from learners.state.checkpoint import Checkpoint
from router.domain.errors import BadInputError, ConfigError, bad_value
from router.domain.units import seconds
from scenarios.assembly import Assembly, assemble, make_limits
from scenarios.checkpoints import begun_from, read_checkpoint
from scenarios.clairvoyant import CLAIRVOYANT, clairvoyant_truth
from scenarios.day import HOST, LEARNER, drive, link_of
from scenarios.evaluation import costs
from scenarios.oracle import ORACLE, OraclePolicy, Truth, truth_of
from scenarios.past import PAST, QUARTER_DAYS, Day, make_past_policy
from scenarios.release_shell import ReleaseShell
from scenarios.scenario import fault_at
from scenarios.shells import LearnerShell, Shell
from scenarios.styles_known import tactics_for
from scenarios.warm import warmed

SEASONED = "seasoned"
"""The policy `censored` with `SEASONED_DAYS` past days behind it: what a desk's learner is on an ordinary morning."""

SEASONED_DAYS = QUARTER_DAYS
"""As many as `quarterly` goes by, so that the two differ in what they make of them."""


def policy_names() -> tuple[str, ...]:
    """Return every policy a run may name; oracle and clairvoyant are for the evaluation."""
    return (*known_policies(), SEASONED, *PAST, ORACLE, CLAIRVOYANT)


def make_learner(assembly: Assembly, learner_id: str, name: str) -> Shell:
    """Return the run's learner with the policy of that name, and with the challenger that the scenario releases.

    A release is the scenario's policy's own: another policy, named on a command line, routes alone.

    Raises:
        ConfigError: as `make_policy`.
    """
    learning = assembly.scenario.file.learning
    champion = learner_of(assembly, learner_id, make_policy(assembly, name))
    if learning.release is None or name != learning.policy:
        return champion
    challenger = make_policy(assembly, learning.release.challenger, learning.release.parameters)
    return ReleaseShell(champion, learner_of(assembly, learner_id, challenger), learning.release.plan())


def learner_of(assembly: Assembly, learner_id: str, policy: Policy) -> LearnerShell:
    """Return the shell of a policy that was made for this run."""
    standard = assembly.scenario.file.learning.standard_qty
    tactics = tactics_for(assembly, policy.name)
    return LearnerShell(learner_id, policy, assembly.specs, standard, make_limits(assembly), tactics)


def make_policy(
    assembly: Assembly, name: str, parameters: dict[str, float] | None = None, checkpoint: Checkpoint | None = None
) -> Policy:
    """Return a policy that knows what the scenario says it knows before the day: by default nothing.

    `parameters` and `checkpoint` are in place of the scenario's.

    Raises:
        ConfigError: an unknown name, or parameters that it cannot have.
    """
    if name not in policy_names():
        raise ConfigError(bad_value("policy", f"one of {', '.join(policy_names())}", name))
    setup = policy_setup(assembly, name)
    if parameters is not None:
        setup = setup._replace(parameters=parameters)
    if name in PAST:
        return make_past_policy(name, setup, assembly.scenario.text, assembly.seed, _day_runner(assembly, name))
    if name == ORACLE:
        parts = {part.mic: part.parameters for part in assembly.scenario.file.venues}
        return OraclePolicy(setup, truth_of(assembly.specs, assembly.setup, parts, assembly.day, setup))
    if name == CLAIRVOYANT:
        return OraclePolicy(setup, _clairvoyant(assembly, setup), CLAIRVOYANT)
    if name == SEASONED:
        return _seasoned(assembly, setup)
    found = checkpoint or (checkpoint_for(assembly, name) if parameters is None else None)
    if found is not None:
        return begun_from(found, setup, partial(build_policy, name), assembly.scenario.file.learning.checkpoint or "")
    days = 0 if name in NOT_LEARNING else assembly.scenario.file.learning.past_days
    key, open_at = (assembly.scenario.text, name), assembly.setup.open_at
    return warmed(setup, partial(build_policy, name), key, days, open_at, _day_runner(assembly, name))


def _seasoned(assembly: Assembly, setup: PolicySetup) -> Policy:
    key, run_day = (assembly.scenario.text, SEASONED), _day_runner(assembly, SEASONED)
    build = partial(build_policy, CensoredPolicy.name)
    policy = warmed(setup, build, key, SEASONED_DAYS, assembly.setup.open_at, run_day)
    policy.name = SEASONED
    return policy


def checkpoint_for(assembly: Assembly, name: str) -> Checkpoint | None:
    """Return the checkpoint that the scenario's policy begins from; None where it names none, and for other policies.

    Raises:
        ScenarioError: no such file, or no checkpoint in it.
    """
    scenario = assembly.scenario
    given = scenario.file.learning.checkpoint
    if given is None or name != scenario.file.learning.policy:
        return None
    try:
        return read_checkpoint(Path(scenario.path).parent / given)
    except BadInputError as exc:
        raise fault_at(scenario.path, "learning.checkpoint", "a learner's checkpoint", str(exc)) from exc


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
        conductor = drive(day, link_of(day, learner_of(day, LEARNER, policy)), host_of)
        recorder = conductor.recorder
        filled = sum(order["cum_qty"] for order in recorder.orders.values())
        ordered = sum(parent.order_qty for parent in day.parents)
        cost = costs(recorder, conductor.history).routing_cost_bps
        return Day(tuple(recorder.outcomes), cost, filled / ordered)

    return run_day
