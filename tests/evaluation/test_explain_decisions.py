"""Explanations of real decisions: the parts add up, the reasons are true, the moves are those of the replay.

Rule of this file: every decision of a run is explained, not one that was picked.
"""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from many_orders import play

from cluster.cli import main
from router.allocation.allocate import Rules
from router.domain import codec
from router.domain.enums import AllocationMode
from router.domain.errors import BadInputError
from router.domain.scores import Exclusion, LaneScore, RoutingDecision
from scenarios.decision_log import DecisionLog, log_of_run
from scenarios.explain import Explanation, explain
from scenarios.lane_reasons import last_share_bps, reason_of, water_level
from scenarios.report import write_report
from scenarios.runner import run
from scenarios.scenario import library, parse_scenario

SMOKE = library()["smoke"].read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("explain") / "run"
    text = SMOKE.replace("standard_qty = 100", "standard_qty = 100\nepsilon = 0.34\nprobe_share = 0.2")
    run(parse_scenario(text, "probed", "probed.toml"), seed=1, policy="censored", out=out)
    return out


@pytest.fixture(scope="module")
def log(written: Path) -> DecisionLog:
    return log_of_run(written)


@pytest.fixture(scope="module")
def stories(log: DecisionLog) -> list[Explanation]:
    return [explain(log, decision.decision_id) for decision in log.decisions]


def test_the_parts_of_a_lane_add_up_to_its_value(stories: list[Explanation]) -> None:
    for story in stories:
        for lane in story.lanes:
            costs = lane.fee_bps + lane.markout_bps + lane.leakage_bps
            assert lane.value_bps == pytest.approx(story.opportunity_bps + lane.price_bps - costs)


def test_a_lane_has_a_quantity_or_a_reason(stories: list[Explanation]) -> None:
    lanes = [lane for story in stories for lane in story.lanes]
    assert all(bool(lane.quantity) != bool(lane.reason) for lane in lanes)
    codes = {lane.reason.partition(":")[0] for lane in lanes}
    assert {"NO_VALUE", "BELOW_WATER_LEVEL"} <= codes


def test_every_lane_is_a_candidate_or_excluded_with_a_detail(log: DecisionLog, stories: list[Explanation]) -> None:
    count = sum(len(spec.tactics) for spec in log.assembly.specs)
    for story in stories:
        assert len(story.lanes) + len(story.excluded) == count
        assert all(out.reason and out.detail for out in story.excluded)


def test_the_replay_is_exact_and_moves_end_where_the_decision_was(stories: list[Explanation]) -> None:
    assert all(story.is_exact for story in stories)
    moved = [story for story in stories if story.moves]
    assert moved
    for story in moved:
        assert all(story.since is None or story.since <= move.at <= story.at for move in story.moves)
        assert sum(story.moved_by_outcomes.values()) == pytest.approx(0.0, abs=1e-9)
        sizes = [abs(move.after - move.before) for move in story.moves]
        assert sizes == sorted(sizes, reverse=True)
        last = max(story.moves, key=lambda move: move.at)
        share = {lane.lane: lane.probability for lane in story.lanes}
        assert 0.0 <= share[last.lane] <= 1.0


def test_probes_are_named_with_their_chance(log: DecisionLog, stories: list[Explanation]) -> None:
    probes = [story for story in stories if story.probe_lane]
    assert probes
    for story in probes:
        lane = next(lane for lane in story.lanes if lane.lane == story.probe_lane)
        assert lane.quantity > 0
        assert lane.propensity > 0.0


def test_an_unknown_decision_names_ids_that_are_near(log: DecisionLog) -> None:
    with pytest.raises(BadInputError, match=r"such as SMOKE-1\.d\d+.*got 'SMOKE-1\.d999'"):
        explain(log, "SMOKE-1.d999")


def test_a_policy_that_draws_says_what_was_drawn() -> None:
    log = play(parse_scenario(SMOKE, "smoke"), 1, "river:UCB").log
    codes = {lane.reason.partition(":")[0] for d in log.decisions for lane in explain(log, d.decision_id).lanes}
    assert "NOT_DRAWN" in codes
    assert codes <= {"", "NOT_DRAWN", "NO_WEIGHT", "NO_ROOM"}


def decision(**changes: object) -> RoutingDecision:
    """A decision over two lanes: the first gets all, the second nothing."""
    base = RoutingDecision(
        decision_id="P1.d0",
        parent_id="P1",
        at=0,
        side="BUY",  # type: ignore[arg-type]
        slice_qty=100,
        policy="censored",
        policy_version=0,
        mode=AllocationMode.WATER_FILL,
        context_names=("bias",),
        context=b"",
        candidates=("A:POST", "B:POST"),
        exclusions=(Exclusion("C:POST", "NO_QUOTE"),),
        scored=(LaneScore(lane="A:POST", p=0.5, mu=100.0), LaneScore(lane="B:POST", p=0.5, mu=100.0)),
        values_bps=(2.0, 2.0),
        routing_probabilities=(1.0, 0.0),
        quantities=(100, 0),
        propensity=1.0,
        draw=0.5,
        price_bps=(1.0, 1.0),
        fee_bps=(0.0, 0.0),
        lots=(1, 1),
        min_qty=(0, 0),
        max_qty=(1_000, 1_000),
    )
    return msgspec.structs.replace(base, **changes)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"max_qty": (1_000, 0)}, "NO_ROOM"),
        ({"limits": (Exclusion("B:POST", "VENUE_SHARE", "enough"),)}, "VENUE_SHARE"),
        ({"min_qty": (0, 500)}, "BELOW_MIN_QTY"),
        ({"values_bps": (2.0, -1.0)}, "NO_VALUE"),
        ({"values_bps": (2.0, float("nan"))}, "NO_VALUE"),
        ({"scored": (LaneScore(lane="A", p=0.5, mu=100.0), LaneScore(lane="B", p=0.0, mu=100.0))}, "NO_FILL_EXPECTED"),
        ({"scored": (LaneScore(lane="A", p=0.5, mu=100.0), LaneScore(lane="B", p=0.1, mu=100.0))}, "BELOW_WATER_LEVEL"),
        ({}, "NO_PART"),
        ({"routing_probabilities": (0.9, 0.1), "min_qty": (0, 20)}, "BELOW_MIN_QTY"),
        ({"routing_probabilities": (0.996, 0.004)}, "ROUNDED_AWAY"),
        ({"mode": AllocationMode.SPLIT}, "NO_WEIGHT"),
        ({"mode": AllocationMode.DRAW}, "NO_WEIGHT"),
        (
            {"mode": AllocationMode.DRAW, "routing_probabilities": (0.5, 0.5)},
            "NOT_DRAWN",
        ),
    ],
)
def test_each_reason_has_its_cause(changes: dict[str, object], code: str) -> None:
    assert reason_of(decision(**changes), 0) == ""
    assert reason_of(decision(**changes), 1).startswith(f"{code}: ")


def test_the_water_level_is_the_worth_of_the_last_share() -> None:
    level = water_level(decision())
    assert level == pytest.approx(0.5 * 2.0 * 2.718281828 ** (-1.0))
    assert last_share_bps(decision(), 1, 0.0) == pytest.approx(1.0)
    assert water_level(decision(mode=AllocationMode.SPLIT)) is None
    assert water_level(decision(quantities=(0, 0))) is None


def test_the_last_share_follows_the_tail_of_the_score() -> None:
    edges = (0.0, 50.0)
    scores = (LaneScore(lane="A", p=0.5, mu=100.0, hazards=(0.0, 0.02)), LaneScore(lane="B", p=0.5, mu=100.0))
    binned = decision(scored=scores, rules=codec.encode(Rules(size_edges=edges)))
    assert last_share_bps(binned, 0, 50.0) == pytest.approx(1.0)
    assert last_share_bps(binned, 0, 100.0) == pytest.approx(2.718281828 ** (-1.0))
    assert last_share_bps(binned, 1, 100.0) == pytest.approx(2.718281828 ** (-1.0))


def test_explain_prints_a_table(written: Path, log: DecisionLog, capsys: pytest.CaptureFixture[str]) -> None:
    for made in log.decisions:
        assert main(["explain", str(written), made.decision_id]) == 0
        said = capsys.readouterr().out
        assert made.decision_id in said
        assert all(lane in said for lane in made.candidates)
        assert "outcomes learned from" in said


def test_explain_says_all_as_json(written: Path, log: DecisionLog, capsys: pytest.CaptureFixture[str]) -> None:
    made = log.decisions[-1]
    assert main(["explain", str(written), made.decision_id, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["decision_id"] == made.decision_id
    assert [lane["lane"] for lane in said["lanes"]] == list(made.candidates)


def test_explain_of_an_unknown_decision_is_bad_input(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(written), "SMOKE-1"]) == 2
    assert "a decision of this run, such as SMOKE-1.d" in capsys.readouterr().err


def test_the_report_says_how_to_ask(written: Path, log: DecisionLog, tmp_path: Path) -> None:
    page = write_report(written, tmp_path / "page.html").read_text(encoding="utf-8")
    newest = max(log.decisions, key=lambda made: made.at).at
    asked = [made.decision_id for made in log.decisions if made.at == newest]
    assert any(f"<code>anabranch explain RUN {decision_id}</code>" in page for decision_id in asked)
