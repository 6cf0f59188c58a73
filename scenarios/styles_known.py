"""What a run's learner of styles knows before the day: what the scenario's past days taught it.

Rule of this file: it follows from (scenario, policy) alone, the same in every process; past days are those that the
policy itself learned from (see `scenarios/warm.py`), and each begins with what the days before it taught.
"""

from __future__ import annotations

from learners.policies.build import NOT_LEARNING
from learners.tactics.learner import TacticLearner
from scenarios.assembly import Assembly
from scenarios.clairvoyant import CLAIRVOYANT
from scenarios.oracle import ORACLE
from scenarios.past import past_seed

_days: dict[tuple[str, str, int], TacticLearner] = {}
"""Learners at the end of past days run in this process, by scenario text, policy and seed."""


def tactics_for(assembly: Assembly, policy: str) -> TacticLearner | None:
    """Return the learner of styles of a run; none where the scenario has none, and for policies that learn nothing or
    belong to the evaluation, which are to be what they are."""
    learning = assembly.scenario.file.learning
    if learning.tactics == "off" or policy in (*NOT_LEARNING, ORACLE, CLAIRVOYANT):
        return None
    tactics = TacticLearner(assembly.specs)
    seeds = [past_seed(0, day) for day in range(learning.past_days)]
    # A past day knows the days before it, any other day all of them.
    before = seeds[: seeds.index(assembly.seed)] if assembly.seed in seeds else seeds
    known = _days.get((assembly.scenario.text, policy, before[-1])) if before else None
    if known is not None:
        tactics.carry(known, assembly.setup.open_at)
    if assembly.seed in seeds:
        _days[assembly.scenario.text, policy, assembly.seed] = tactics
    return tactics
