"""A policy that has learned before the day begins: from past days of the same scenario, or from a checkpoint.

Rule of this file: what it knows follows from (scenario, policy, checkpoint) alone, the same in every process; a past
day is a whole run on a seed of its own. The first is routed evenly over all lanes while the policy listens, for who
knows nothing yet has no reason to leave a lane out; the others by the policy itself, as the days before had taught it.

A policy that can carry its past over (`CarryingPolicy`) is told what the days came to; any other learns their outcomes
once more, moved to before the open, so that its memory fades as it would over trading time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from learners.policies.policy import CarryingPolicy, Policy, PolicySetup
from learners.policies.static import Uniform
from router.domain.scores import Outcome
from router.domain.units import Nanos
from scenarios.past import RunDay, past_seed

Build = Callable[[PolicySetup], Policy]


class PastDay(NamedTuple):
    """A day that was run: the policy as it stood at the end, and its outcomes in the order they were applied."""

    policy: Policy
    outcomes: tuple[Outcome, ...]


_days: dict[tuple[str, str, str], tuple[PastDay, ...]] = {}
"""Days run in this process, by scenario text, policy and parameters: what follows from them may be kept."""


def warmed(
    setup: PolicySetup, build: Build, key: tuple[str, str], days: int, open_at: Nanos, run_day: RunDay
) -> Policy:
    """Return a policy that `days` past days have taught, the latest last.

    Args:
        setup: the run's own; past days have seeds of their own.
        build: makes the policy of a setup, cold.
        key: the scenario's text and the policy's name, under which days are kept for the next run.
        days: how many; 0 gives a cold policy.
        open_at: when the run's day begins.
        run_day: runs a day of the scenario on a seed.
    """
    kept = (*key, repr(sorted(setup.parameters.items())))
    past = _days.get(kept, ())
    for d in range(len(past), days):
        seed = past_seed(0, d)
        policy = begun(build(setup._replace(seed=seed)), past, open_at)
        if past:
            outcomes = run_day(seed, policy).outcomes
        else:
            outcomes = run_day(seed, Uniform(setup._replace(seed=seed, parameters={}))).outcomes
            policy.learn(outcomes)
        past = (*past, PastDay(policy, () if isinstance(policy, CarryingPolicy) else outcomes))
        _days[kept] = past
    return begun(build(setup), past[:days], open_at)


def begun(policy: Policy, past: Sequence[PastDay], open_at: Nanos) -> Policy:
    """Teach a cold policy what past days came to, and return it."""
    if not past:
        return policy
    if isinstance(policy, CarryingPolicy):
        policy.carry(past[-1].policy)
        return policy
    for day, until in zip(past, _ends(past, open_at), strict=True):
        policy.learn(moved(day.outcomes, until))
    return policy


def moved(outcomes: Sequence[Outcome], until: Nanos) -> list[Outcome]:
    """Return a day's outcomes so that the last is at `until`, its orders under names that no other day has."""
    if not outcomes:
        return []
    shift = until - max(outcome.at for outcome in outcomes)
    return [
        msgspec.structs.replace(
            outcome,
            at=outcome.at + shift,
            parent_id=f"{until}~{outcome.parent_id}",
            decision_id=f"{until}~{outcome.decision_id}",
            cl_ord_id=f"{until}~{outcome.cl_ord_id}",
        )
        for outcome in outcomes
    ]


def _ends(past: Sequence[PastDay], open_at: Nanos) -> list[Nanos]:
    """Return when each day ends if they follow each other without a night, the last one up to the open."""
    ends, end = [], open_at
    for day in reversed(past):
        ends.append(end)
        if day.outcomes:
            end -= max(o.at for o in day.outcomes) - min(o.at for o in day.outcomes) + 1
    return ends[::-1]
