"""Every policy that can be built passes the examiner; names and parameters that cannot be used are refused.

Rule of this file: policies are found by import, so that a new one is examined without being named here.
"""

from __future__ import annotations

import msgspec
import pytest

from learners.policies.build import NOT_LEARNING, build_policy, known_policies
from learners.policies.check import START, check_policy, example_frame, example_outcomes, example_setup
from learners.policies.policy import Policy, PolicySetup
from router.domain.enums import AllocationMode, OutcomeKind
from router.domain.errors import ConfigError, DefectError
from router.domain.scores import ContextFrame, LaneScore
from router.domain.units import SECOND


@pytest.mark.parametrize("name", known_policies())
def test_every_policy_passes_the_examiner(name: str) -> None:
    check_policy(lambda setup: build_policy(name, setup), learns=name not in NOT_LEARNING)
    assert build_policy(name, example_setup()).name == name


class Forgetful:
    """A policy that counts a repeated outcome again: what the examiner is there to find."""

    name = "forgetful"
    mode = AllocationMode.SPLIT

    def __init__(self, setup: PolicySetup) -> None:
        self._inner = build_policy("uniform", setup)
        self._count = 0

    def learn(self, outcomes: object) -> None:
        self._inner.learn(outcomes)  # type: ignore[arg-type]
        self._count += len(outcomes)  # type: ignore[arg-type]

    def scores(self, frame: ContextFrame) -> tuple[LaneScore, ...]:
        return self._inner.scores(frame)

    def digest(self) -> str:
        return str(self._count)


class Restless(Forgetful):
    """A policy whose digest moves when it is asked."""

    def scores(self, frame: ContextFrame) -> tuple[LaneScore, ...]:
        self._count += 1
        return super().scores(frame)


class Credulous(Forgetful):
    """A policy that takes any number and forgets its weights' sum."""

    def learn(self, outcomes: object) -> None:
        pass

    def scores(self, frame: ContextFrame) -> tuple[LaneScore, ...]:
        return tuple(LaneScore(lane=lane, weight=1.0) for lane in frame.lanes)


@pytest.mark.parametrize(
    ("kind", "rule"),
    [(Forgetful, "repeated outcome"), (Restless, "asking"), (Credulous, "weights sum to 1")],
)
def test_the_examiner_finds_what_is_broken(kind: type[Forgetful], rule: str) -> None:
    with pytest.raises(DefectError, match=rule):
        check_policy(kind, learns=False)


def test_a_policy_that_learns_nothing_does_not_pass_as_a_learner() -> None:
    with pytest.raises(DefectError, match="preferred"):
        check_policy(lambda setup: build_policy("uniform", setup), learns=True)


def test_an_unknown_policy_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"expected one of censored, primary, .*river:UCB.*, got 'greedy'"):
        build_policy("greedy", example_setup())
    with pytest.raises(ConfigError, match="river:Oracle"):
        build_policy("river:Oracle", example_setup())


@pytest.mark.parametrize("name", known_policies())
def test_an_unknown_parameter_is_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigError, match="'half_live_s'"):
        build_policy(name, example_setup({"half_live_s": 60.0}))


def test_a_parameter_out_of_range_is_refused_with_key_and_range() -> None:
    with pytest.raises(ConfigError, match=r"from 1 to 1e\+09 .* got -3.0 - at policy.parameters.half_life_s"):
        build_policy("censored", example_setup({"half_life_s": -3.0}))
    with pytest.raises(ConfigError, match="half_life_s"):
        build_policy("censored", example_setup({"half_life_s": float("nan")}))
    with pytest.raises(ConfigError, match="1, 10 or 60"):
        build_policy("censored", example_setup({"markout_horizon_s": 5.0}))


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("river:LinUCBDisjoint", "burn_in", 1.0),
        ("river:LinUCBDisjoint", "smoothing", 0.9),
        ("river:LinUCBDisjoint", "alpha", 2.0),
        ("river:Exp3", "burn_in", 1.0),
        ("river:BayesUCB", "burn_in", 1.0),
    ],
)
def test_river_parameters_that_break_river_are_refused(name: str, key: str, value: float) -> None:
    with pytest.raises(ConfigError, match=key):
        build_policy(name, example_setup({key: value}))


def test_features_must_begin_with_the_bias() -> None:
    setup = example_setup()._replace(feature_names=("spread", "bias"))
    for name in known_policies():
        with pytest.raises(ConfigError, match="bias"):
            build_policy(name, setup)


def _weights(policy: Policy, frame: ContextFrame) -> dict[str, float]:
    return {score.lane: score.weight for score in policy.scores(frame)}


def test_primary_takes_at_the_primary_alone() -> None:
    setup = example_setup()
    weights = _weights(build_policy("primary", setup), example_frame(setup, START))
    assert weights.pop("XNYS:TAKE") == 1.0
    assert set(weights.values()) == {0.0}


def test_primary_needs_exactly_one_primary() -> None:
    setup = example_setup()
    twice = tuple(msgspec.structs.replace(spec, is_primary=True) for spec in setup.specs)
    for specs in (twice, setup.specs[1:]):
        with pytest.raises(ConfigError, match="exactly one venue"):
            build_policy("primary", setup._replace(specs=specs))


def test_volume_goes_by_public_share_split_over_tactics() -> None:
    setup = example_setup()
    weights = _weights(build_policy("volume_proportional", setup), example_frame(setup, START))
    expected = dict(zip(weights, (0.25, 0.25, 0.15, 0.15, 0.075, 0.075, 0.05), strict=True))
    assert weights == pytest.approx(expected)


def test_static_weights_leave_lanes_that_cannot_be_used() -> None:
    setup = example_setup()
    sizes = [0, 400, 0, 0, 0, 0, 400]
    frame = example_frame(setup, START, max_qty=sizes)
    assert _weights(build_policy("uniform", setup), frame)["XDLR:QUOTE"] == 0.5
    assert _weights(build_policy("primary", setup), frame)["XNYS:POST"] == 0.5
    by_volume = _weights(build_policy("volume_proportional", setup), frame)
    assert by_volume["XNYS:POST"] == pytest.approx(0.25 / 0.30)


@pytest.mark.parametrize("name", [name for name in known_policies() if name.startswith("river:")])
def test_a_river_policy_probes_every_usable_lane_and_no_other(name: str) -> None:
    setup = example_setup({"probe_share": 0.12})
    policy = build_policy(name, setup)
    policy.learn(example_outcomes(setup, 6))
    sizes = [400, 0, 400, 400, 0, 400, 0]
    weights = _weights(policy, example_frame(setup, START + 100 * SECOND, max_qty=sizes))
    assert sorted(weights.values()) == pytest.approx([0.0, 0.0, 0.0, 0.03, 0.03, 0.03, 0.91])
    assert all((weight > 0.0) == (size > 0) for weight, size in zip(weights.values(), sizes, strict=True))


def _trade(policy: Policy, setup: PolicySetup, rounds: int, filling: str) -> int:
    """Route each child to the heaviest lane; return how many of the last hundred went to the lane that fills."""
    hits = 0
    told = {outcome.lane: outcome for outcome in example_outcomes(setup, 1) if outcome.is_final}
    for n in range(rounds):
        now = START + n * SECOND
        lane = max(policy.scores(example_frame(setup, now)), key=lambda score: score.weight).lane
        hits += lane == filling and n >= rounds - 100
        kind = OutcomeKind.FILL if lane == filling else OutcomeKind.EXPIRE
        qty = 500 if lane == filling else 0
        end = msgspec.structs.replace(told[lane], kind=kind, at=now, filled_qty=qty, cum_qty=qty, cl_ord_id=f"P.{n}")
        mark = msgspec.structs.replace(
            end, kind=OutcomeKind.MARKOUT, horizon_ns=10 * SECOND, at=now + 10 * SECOND, is_final=False
        )
        policy.learn((end, mark) if qty else (end,))
    return hits


@pytest.mark.parametrize("name", [name for name in known_policies() if name.startswith("river:")])
def test_a_river_policy_that_routes_comes_to_the_lane_that_fills(name: str) -> None:
    setup = example_setup({"gamma": 0.3} if name == "river:Exp3" else {})
    hits = _trade(build_policy(name, setup), setup, 1_000, "XCHI:POST")
    assert hits > 60 if name not in NOT_LEARNING else hits < 30


def test_exp3_survives_ten_thousand_late_rewards() -> None:
    """River alone overflows here: its weights only grow."""
    setup = example_setup({"gamma": 0.5})
    policy = build_policy("river:Exp3", setup)
    for outcome in example_outcomes(setup, 1_500, "XNYS:POST"):
        policy.learn((outcome,))
    assert sum(score.weight for score in policy.scores(example_frame(setup, START))) == pytest.approx(1.0)
