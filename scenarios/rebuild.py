"""A learner's state made again from what it learned, and compared with what was published, to the bit.

Rule of this file: nothing is read of the state that is to be rebuilt, only the scenario, the seed and the outcomes;
what the log's decisions say of their models is what the rebuilt one must say at the same version.
"""

from __future__ import annotations

from typing import NamedTuple

from learners.policies.policy import Policy, PolicySetup
from learners.state.checkpoint import Checkpoint
from router.domain.errors import BadInputError, RunError, bad_value
from router.domain.scores import CHALLENGER
from router.domain.units import Nanos
from scenarios.checkpoints import checkpoint_of
from scenarios.decision_log import DecisionLog
from scenarios.policies import make_policy, policy_setup
from scenarios.report.reading import RunData


class Rebuilt(NamedTuple):
    """A policy in the state that it had at the end of a log. `checked` published digests were compared with its own."""

    policy: Policy
    setup: PolicySetup
    applied: int
    at: Nanos
    checked: int


def rebuild(log: DecisionLog, run: RunData | None = None, checkpoint: Checkpoint | None = None) -> Rebuilt:
    """Return the policy of a log, made anew and taught its outcomes in order.

    Args:
        log: of a run directory or a journal.
        run: the run directory that the log is of, which also knows what the learner called its state at the end.
        checkpoint: what the run began from, if it did.

    Raises:
        RunError: a version whose digest is not the one that a decision was made with, or that the run ended with.
        BadInputError: a checkpoint that the run did not begin from, or did.
    """
    began = "" if run is None else run.summary.checkpoint
    given = "" if checkpoint is None else checkpoint.provenance.sha256
    if began != given and run is not None:
        raise BadInputError(bad_value("--checkpoint", began or "none: the run began without one", given or "none"))
    policy = make_policy(log.assembly, log.policy, checkpoint=checkpoint)
    published = _published(log)
    outcomes = log.learned
    checked = _compare(policy, 0, published)
    for version, outcome in enumerate(outcomes, start=1):
        policy.learn((outcome,))
        checked += _compare(policy, version, published)
    if run is not None and run.summary.learner_digest:
        if policy.digest() != run.summary.learner_digest:
            raise RunError(bad_value("the run's end", f"the state {run.summary.learner_digest}", policy.digest()))
        checked += 1
    at = max((outcome.at for outcome in outcomes), default=0)
    return Rebuilt(policy, policy_setup(log.assembly, log.policy), len(outcomes), at, checked)


def checkpoint_of_log(log: DecisionLog, rebuilt: Rebuilt, created_by: str, parent: str = "") -> Checkpoint:
    """Return the checkpoint of a rebuilt learner.

    Raises:
        ConfigError: a policy without a state that can be written down.
    """
    return checkpoint_of(
        rebuilt.policy,
        rebuilt.setup,
        at=rebuilt.at,
        applied=rebuilt.applied,
        created_by=created_by,
        source=f"{log.assembly.scenario.name}, seed {log.assembly.seed}",
        parent=parent,
    )


def _published(log: DecisionLog) -> dict[int, str]:
    """Return the digest of each version that a decision of the log's own policy was made with."""
    return {
        decision.policy_version: decision.model_digest
        for decision in log.decisions
        if decision.arm != CHALLENGER and not decision.fall_back and decision.model_digest
    }


def _compare(policy: Policy, version: int, published: dict[int, str]) -> int:
    expected = published.get(version)
    if expected is None:
        return 0
    if policy.digest() != expected:
        raise RunError(bad_value(f"version {version}", f"the state {expected}", policy.digest()))
    return 1
