"""Logs of real runs: read back whole, played over again to the bit, judged against what another policy really brought.

Rule of this file: the truth is a run of the judged policy itself, in the same market, over the same seeds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from many_orders import Played, joined, many_orders, play

from cluster.cli import main
from cluster.journal.sqlite import SqliteJournal
from learners.evaluation.estimators import logged_value
from learners.evaluation.verdict import REFUSED, judge
from learners.policies.rewards import RewardBook
from learners.policies.static import Uniform
from router.domain.enums import AllocationMode, OutcomeKind
from router.domain.errors import ConfigError, RunError
from router.domain.instruments import lanes_of
from router.domain.scores import ContextFrame, LaneScore, Outcome
from router.orders.memory_journal import MemoryJournal
from scenarios.decision_log import DecisionLog, frame_of, log_of_journal, log_of_run
from scenarios.judging import acting_marginals, judge_policy, rewards_of, rounds_of
from scenarios.policies import make_policy, policy_setup
from scenarios.runner import run
from scenarios.scenario import Scenario, library, parse_scenario

SEEDS = (1, 2, 3)
SMOKE = library()["smoke"].read_text(encoding="utf-8")


def probed() -> Scenario:
    """The smoke market with a probe in every third decision."""
    text = SMOKE.replace("standard_qty = 100", "standard_qty = 100\nepsilon = 0.34\nprobe_share = 0.2")
    return parse_scenario(text, "probed", "probed.toml")


@pytest.fixture(scope="module")
def learned() -> Played:
    return play(probed(), 1, "censored")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("judging") / "run"
    run(probed(), seed=1, policy="censored", out=out)
    return out


def test_a_run_directory_and_a_journal_are_the_same_log(learned: Played, written: Path) -> None:
    directory = log_of_run(written)
    assert directory.decisions == learned.log.decisions
    assert directory.outcomes == learned.log.outcomes
    assert directory.policy == learned.log.policy == "censored"


def test_a_log_is_what_the_run_recorded(learned: Played) -> None:
    assert learned.log.decisions == tuple(learned.recorder.decisions)
    assert learned.log.outcomes == tuple(learned.recorder.outcomes)


@pytest.mark.parametrize("policy", ["censored", "cont_kukanov", "river:LinUCBDisjoint", "river:ThompsonSampling"])
def test_a_policy_played_over_its_own_log_scores_as_it_did(policy: str) -> None:
    log = play(probed(), 2, policy).log
    lanes = tuple(str(lane) for lane in lanes_of(log.assembly.specs))
    again, learned = make_policy(log.assembly, policy), 0
    for decision, known in zip(log.decisions, log.known(), strict=True):
        again.learn(log.outcomes[learned:known])
        learned = known
        scores = dict(zip(lanes, again.scores(frame_of(decision, lanes, "SMOK")), strict=True))
        assert tuple(scores[lane] for lane in decision.candidates) == decision.scores


def test_the_same_policy_overlaps_with_itself_entirely(learned: Played) -> None:
    rounds = rounds_of(learned.log, make_policy(learned.assembly, "censored"))
    np.testing.assert_array_equal(rounds.target, rounds.logged)
    found = judge(rounds)
    assert found.effective_share == pytest.approx(1.0)
    assert found.estimates[0].value == pytest.approx(
        float((rounds.weight @ (rounds.taken * rounds.importance * rounds.reward).sum(axis=1)) / rounds.weight.sum())
    )


def test_probes_are_in_the_propensities(learned: Played) -> None:
    probes = [d for d in learned.log.decisions if d.probe_lane]
    assert probes
    for decision in probes:
        found = acting_marginals(decision)
        k = decision.candidates.index(decision.probe_lane)
        assert 0.0 < decision.propensity < 1.0
        assert found.propensities[k] > 0.0
        assert sum(found.propensities) <= 1.0 + 1e-9


def test_draws_are_their_own_propensities() -> None:
    for decision in play(many_orders(4), 1, "river:RandomPolicy").log.decisions:
        found = acting_marginals(decision).propensities
        assert decision.mode is AllocationMode.DRAW
        sent = [k for k, qty in enumerate(decision.quantities) if qty > 0]
        for k in sent:
            part = decision.quantities[k] / decision.slice_qty
            assert found[k] == pytest.approx(part * decision.routing_probabilities[k])


def test_rewards_are_those_that_bandits_learn_from() -> None:
    log = play(many_orders(12), 1, "river:RandomPolicy").log
    flat = log._replace(decisions=tuple(_flat(log)))
    book, heard = RewardBook(5.0), {}
    for outcome in log.outcomes:
        heard |= {reward.cl_ord_id: reward for reward in book.hear(outcome)}
    brought = rewards_of(flat)
    compared = 0
    for outcome in log.outcomes:
        if outcome.is_final and outcome.cl_ord_id in heard:
            own = heard[outcome.cl_ord_id].bps * outcome.order_qty
            assert brought.get((outcome.decision_id, outcome.lane), 0.0) == pytest.approx(own)
            compared += 1
    assert compared > 5


def _flat(log: DecisionLog) -> list[object]:
    import msgspec

    return [msgspec.structs.replace(decision, opportunity_bps=5.0) for decision in log.decisions]


class Watchful(Uniform):
    """The even split, which notes the latest outcome it was told of and the time of each frame it was shown."""

    heard_until = 0
    ahead = 0

    def learn(self, outcomes: Sequence[Outcome]) -> None:
        self.heard_until = max([self.heard_until, *(outcome.at for outcome in outcomes)])

    def scores(self, frame: ContextFrame) -> tuple[LaneScore, ...]:
        self.ahead += self.heard_until > frame.at
        return super().scores(frame)


def test_a_judged_policy_never_hears_of_the_future(learned: Played) -> None:
    watchful = Watchful(policy_setup(learned.assembly, "uniform"))
    rounds_of(learned.log, watchful)
    assert watchful.ahead == 0
    assert watchful.heard_until > 0


@pytest.fixture(scope="module")
def randomised() -> list[Played]:
    return [play(many_orders(60), seed, "river:RandomPolicy") for seed in SEEDS]


@pytest.mark.parametrize("policy", ["primary", "uniform", "volume_proportional"])
def test_estimates_hold_what_the_policy_brings_when_it_runs(policy: str, randomised: list[Played]) -> None:
    def rounds(played: Sequence[Played]) -> object:
        return joined([rounds_of(one.log, make_policy(one.assembly, policy)) for one in played])

    found = judge(rounds(randomised))  # type: ignore[arg-type]
    ran = logged_value(rounds([play(many_orders(60), seed, policy) for seed in SEEDS]))  # type: ignore[arg-type]
    assert found.verdict != REFUSED
    for estimate in found.estimates:
        if estimate.name != "DM":
            assert estimate.low <= ran.value <= estimate.high, (estimate, ran)


def test_a_policy_that_does_other_things_is_refused(learned: Played) -> None:
    found = judge_policy(learned.log, "primary")
    assert found.verdict == REFUSED
    assert "overlap" in found.reason


def test_an_unknown_policy_is_refused(learned: Played) -> None:
    with pytest.raises(ConfigError, match="one of censored"):
        judge_policy(learned.log, "best")


def test_a_journal_without_a_decision_is_refused(learned: Played) -> None:
    with pytest.raises(RunError, match="no decision"):
        log_of_journal(MemoryJournal(), learned.assembly)


def test_a_markout_that_never_came_counts_the_price(learned: Played) -> None:
    log = learned.log
    without = log._replace(outcomes=tuple(o for o in log.outcomes if o.kind is not OutcomeKind.MARKOUT))
    fills = [o for o in log.outcomes if o.filled_qty and o.kind is not OutcomeKind.MARKOUT]
    opportunity = {d.decision_id: d.opportunity_bps for d in log.decisions}
    brought = rewards_of(without)
    expected: dict[tuple[str, str], float] = {}
    for fill in fills:
        key = fill.decision_id, fill.lane
        value = fill.filled_qty * (opportunity[fill.decision_id] - fill.fee_bps + fill.price_bps)
        expected[key] = expected.get(key, 0.0) + value
    assert brought == pytest.approx(expected)


def test_evaluate_prints_a_table_of_a_run(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["learner", "evaluate", str(written), "--policy", "uniform"]) == 0
    said = capsys.readouterr().out
    for word in ("IPS", "SNIPS", "DM", "DR", "DRS", "effective sample size", "refused: too little overlap"):
        assert word in said


def test_evaluate_says_the_same_of_a_journal(written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, scenario = tmp_path / "host.sqlite", tmp_path / "probed.toml"
    scenario.write_text(probed().text, encoding="utf-8")
    journal = SqliteJournal(path, durability="process")
    play(probed(), 1, "censored", journal)
    journal.close()
    answers = []
    for place in ([str(path), "--scenario", str(scenario), "--seed", "1"], [str(written)]):
        assert main(["learner", "evaluate", *place, "--policy", "censored", "--json"]) == 0
        answers.append(json.loads(capsys.readouterr().out))
    assert answers[0] == answers[1]
    assert answers[0]["effective_share"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["absent"], "a run directory"),
        (["absent", "--scenario", "smoke"], "a journal with --scenario"),
        ([__file__], "the scenario that a journal was written in"),
    ],
)
def test_evaluate_refuses_what_is_no_log(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["learner", "evaluate", *arguments, "--policy", "uniform"]) == 2
    assert said in capsys.readouterr().err
