"""A learner that people steered is rebuilt from its run to the bit: frozen, let go on, pinned and rolled back."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from many_parents import RELEASE, many

from learners.policies.policy import Policy
from router.domain.errors import RunError
from scenarios.checkpoints import read_checkpoint, restored, write_checkpoint
from scenarios.decision_log import DecisionLog, log_of_run
from scenarios.policies import make_policy, policy_setup
from scenarios.rebuild import checkpoint_of_log, rebuild
from scenarios.report.reading import read_run
from scenarios.runner import run

LONG = RELEASE.replace("min_outcomes = 50", "min_outcomes = 5000")


def steer(at_s: float, act: str) -> str:
    return f'[[learning.steer]]\nat_s = {at_s}\nact = "{act}"\nwho = "ann"\nwhy = "a reason"\n'


def played(folder: Path, *acts: tuple[float, str]) -> DecisionLog:
    """Run a day that people steer and return its log."""
    scenario = many(LONG + "".join(steer(at_s, act) for at_s, act in acts))
    run(scenario, seed=2, out=folder / "run")
    return log_of_run(folder / "run")


@pytest.mark.parametrize(
    "acts",
    [
        ((40.0, "freeze"), (70.0, "unfreeze")),
        ((40.0, "freeze"),),
        ((0.5, "freeze"), (60.0, "unfreeze"), (90.0, "freeze"), (100.0, "unfreeze")),
        ((20.0, "promote"), (40.0, "pin"), (60.0, "freeze"), (80.0, "unpin"), (100.0, "roll_back")),
        ((20.0, "promote"), (40.0, "freeze"), (80.0, "roll_back"), (100.0, "promote")),
    ],
    ids=["a while", "to the end", "twice", "pinned", "rolled back while frozen"],
)
def test_a_steered_learner_is_rebuilt_to_the_bit(tmp_path: Path, acts: tuple[tuple[float, str], ...]) -> None:
    log = played(tmp_path, *acts)
    data = read_run(tmp_path / "run")
    found = rebuild(log, data)
    assert found.policy.digest() == data.summary.learner_digest
    assert found.applied == len(log.learned) == max(log.versions)
    assert found.checked > 10
    is_frozen = any(event.after == "FROZEN" for event in data.summary.steered)
    assert (len(log.learned) < len(log.outcomes)) is is_frozen


def test_checkpoint_of_a_learner_that_was_frozen_holds_what_its_run_ended_with(tmp_path: Path) -> None:
    log = played(tmp_path, (40.0, "freeze"), (70.0, "unfreeze"))
    data = read_run(tmp_path / "run")
    write_checkpoint(tmp_path / "day.arrow", checkpoint_of_log(log, rebuild(log, data), "ann"))
    checkpoint = read_checkpoint(tmp_path / "day.arrow")
    assert checkpoint.provenance.policy_digest == data.summary.learner_digest
    assert checkpoint.provenance.applied == len(log.learned)
    again = restored(checkpoint, policy_setup(log.assembly, log.policy), lambda _: _new(log), "here")
    assert again.digest() == data.summary.learner_digest


def _new(log: DecisionLog) -> Policy:
    return make_policy(log.assembly, log.policy)


def test_outcome_that_a_frozen_learner_is_said_to_have_learned_is_found(tmp_path: Path) -> None:
    log = played(tmp_path, (40.0, "freeze"), (70.0, "unfreeze"))
    first = log.versions.index(0)
    forged = log._replace(versions=(*log.versions[:first], 1, *log.versions[first + 1 :]))
    with pytest.raises(RunError, match=r"the state [0-9a-f]{64}"):
        rebuild(forged, read_run(tmp_path / "run"))


def test_decisions_after_a_freeze_know_what_the_acting_policy_knew(tmp_path: Path) -> None:
    log = played(tmp_path, (40.0, "freeze"), (70.0, "unfreeze"))
    policy, learned = make_policy(log.assembly, log.policy), 0
    checked = 0
    for decision, known in zip(log.decisions, log.known(), strict=True):
        policy.learn(log.learned[learned : max(known, learned)])
        learned = max(known, learned)
        if decision.arm == "champion" and not decision.fall_back and learned == decision.policy_version:
            assert policy.digest() == decision.model_digest
            checked += 1
    assert checked > 10


def test_a_summary_of_another_learner_is_refused(tmp_path: Path) -> None:
    log = played(tmp_path, (40.0, "freeze"))
    data = read_run(tmp_path / "run")
    other = data._replace(summary=msgspec.structs.replace(data.summary, learner_digest="0" * 64))
    with pytest.raises(RunError, match="the run's end"):
        rebuild(log, other)
