"""The censored learner recovers the truth where counting outcomes does not, moves after each fill, and stays cheap.

Rule of this file: worlds are drawn from keyed generators with known parameters; tolerances are several times the
standard error.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from learners.policies.censored import CensoredPolicy
from learners.policies.check import LIFE, SLICE, START, example_frame, example_outcomes, example_setup
from learners.policies.policy import PolicySetup
from router.domain.chance import generator
from router.domain.enums import OutcomeKind, Side
from router.domain.score_table import LEAKAGE
from router.domain.scores import ContextFrame, LaneScore, Outcome
from router.domain.units import MILLISECOND, SECOND

LONG_MEMORY = {"bank": 0.0, "half_life_s": 1e8, "drift": 0.0, "optimism": 0.0}


def _setup(**parameters: float) -> PolicySetup:
    return example_setup(LONG_MEMORY | parameters)


def _outcome(n: int, lane: str, x: tuple[float, ...] = (1.0, 0.0, 0.0), qty: int = SLICE, **more: object) -> Outcome:
    base = Outcome(
        kind=OutcomeKind.CANCEL,
        at=START + n * SECOND,
        parent_id="P1",
        decision_id=f"P1.d{n}",
        cl_ord_id=f"P1.{n}",
        lane=lane,
        side=Side.BUY,
        order_qty=qty,
        leaves_qty=qty,
        x=x,
    )
    return msgspec.structs.replace(base, **more)


def _life(n: int, lane: str, until: float, is_filled: bool, beat: float, x: tuple[float, ...]) -> list[Outcome]:
    """A child that ends at `until` standard lives, with heartbeats every `beat` lives."""
    told, age = [], 0.0
    while age + beat < until:
        span = {"age_from_ns": int(age * LIFE), "age_to_ns": int((age + beat) * LIFE)}
        told.append(_outcome(n, lane, x, kind=OutcomeKind.HEARTBEAT, **span))
        age += beat
    end = {"age_from_ns": int(age * LIFE), "age_to_ns": int(until * LIFE), "is_final": True}
    if is_filled:
        end |= {"kind": OutcomeKind.FILL, "filled_qty": SLICE, "cum_qty": SLICE, "exec_id": f"E{n}"}
    return [*told, _outcome(n, lane, x, **end)]


def _at_zero(setup: PolicySetup, at: int, x: tuple[float, ...] = (1.0, 0.0, 0.0)) -> ContextFrame:
    frame = example_frame(setup, at)
    return msgspec.structs.replace(frame, x=np.tile(np.array(x), (len(frame.lanes), 1)).tobytes())


def _score(policy: CensoredPolicy, frame: ContextFrame, lane: str) -> LaneScore:
    return {score.lane: score for score in policy.scores(frame)}[lane]


def test_priors_go_by_tactic_and_size_on_offer() -> None:
    setup = _setup()._replace(feature_names=("bias", "spread", "size"))
    policy = CensoredPolicy(setup)
    at_zero = {score.lane: score for score in policy.scores(_at_zero(setup, START))}
    p = {lane: round(score.p, 3) for lane, score in at_zero.items()}
    assert (p["XNYS:TAKE"], p["XNYS:POST"], p["XDRK:MID_PEG"], p["XDRK:CONDITIONAL"], p["XDLR:QUOTE"]) == (
        0.937,
        0.2,
        0.1,
        0.05,
        0.882,
    )
    on_offer = (1.0, 0.0, math.log(2_000 / 501) / 1.5)
    offered = {score.lane: score.mu for score in policy.scores(_at_zero(setup, START, on_offer))}
    assert offered["XNYS:TAKE"] == pytest.approx(2_000, rel=0.6)
    assert offered["XDLR:QUOTE"] / at_zero["XDLR:QUOTE"].mu == pytest.approx(2_000 / 501, rel=0.3)
    assert offered["XNYS:POST"] == pytest.approx(at_zero["XNYS:POST"].mu, rel=0.4)


@pytest.mark.parametrize("beat", [10.0, 0.1, 0.03])
def test_early_cancels_do_not_bias_the_fill_probability(beat: float) -> None:
    """Half of the orders end cancelled early; of those that ran their course 45 % filled; the truth is 30 %."""
    draws = generator(3, "world", "fills")
    setup = _setup()
    policy = CensoredPolicy(setup)
    hazard = -math.log1p(-0.30)
    filled = cancelled = expired = 0
    count = 3_000
    for n in range(count):
        would_fill_at = draws.exponential(1.0 / hazard)
        cancel_at = draws.uniform() if draws.uniform() < 0.62 else 1.0
        x = (1.0, float(draws.normal()), float(draws.normal()))
        until, is_filled = min(would_fill_at, cancel_at), would_fill_at <= cancel_at
        filled += is_filled
        cancelled += not is_filled and cancel_at < 1.0
        expired += not is_filled and cancel_at == 1.0
        policy.learn(_life(n, "XNYS:POST", until, is_filled, beat, x))
    naive = filled / (filled + expired)
    assert 0.45 < cancelled / count < 0.55
    assert naive == pytest.approx(0.45, abs=0.03)
    p = _score(policy, _at_zero(setup, START + count * SECOND), "XNYS:POST").p
    assert p == pytest.approx(0.30, abs=0.03)


def test_the_hazard_s_age_and_context_are_learned() -> None:
    """Nothing fills early in life; later the hazard doubles with each unit of the first feature."""
    draws = generator(4, "world", "ages")
    setup = _setup()
    policy = CensoredPolicy(setup)
    for n in range(4_000):
        x = (1.0, float(draws.normal()), float(draws.normal()))
        at = 0.25 + draws.exponential(1.0 / (0.4 * 2.0 ** x[1]))
        policy.learn(_life(n, "XNYS:POST", min(at, 1.0), at <= 1.0, 0.1, x))
    for feature in (-1.0, 0.0, 1.0):
        truth = 1.0 - math.exp(-0.75 * 0.4 * 2.0**feature)
        frame = _at_zero(setup, START + 4_000 * SECOND, (1.0, feature, 0.0))
        assert _score(policy, frame, "XNYS:POST").p == pytest.approx(truth, abs=0.05)


def test_size_met_is_recovered_through_full_fills() -> None:
    """Liquidity is exponential with mean 800, orders are of 100 to 900: most fills are full, their mean says 330."""
    draws = generator(5, "world", "sizes")
    setup = _setup()
    policy = CensoredPolicy(setup)
    taken = []
    for n in range(4_000):
        wanted = int(draws.integers(100, 900))
        met = min(wanted, max(1, round(draws.exponential(800.0))))
        taken.append(met)
        end = {"filled_qty": met, "cum_qty": met, "is_final": True, "exec_id": f"E{n}", "age_to_ns": MILLISECOND}
        policy.learn((_outcome(n, "XDRK:MID_PEG", qty=wanted, kind=OutcomeKind.FILL, **end),))
    assert np.mean(taken) < 400
    mu = _score(policy, _at_zero(setup, START + 4_000 * SECOND), "XDRK:MID_PEG").mu
    assert mu == pytest.approx(800, rel=0.08)


def test_an_immediate_lane_counts_children_not_time() -> None:
    setup = _setup()
    policy = CensoredPolicy(setup)
    for n in range(600):
        done = n % 5 != 0
        end = {"is_final": True, "age_to_ns": MILLISECOND}
        if done:
            end |= {"kind": OutcomeKind.FILL, "filled_qty": SLICE, "cum_qty": SLICE, "exec_id": f"E{n}"}
        else:
            end |= {"kind": OutcomeKind.REJECT}
        policy.learn((_outcome(n, "XDLR:QUOTE", **end),))
    assert _score(policy, _at_zero(setup, START + 600 * SECOND), "XDLR:QUOTE").p == pytest.approx(0.8, abs=0.03)


def test_markouts_are_adverse_positive_and_shrug_off_outliers() -> None:
    draws = generator(6, "world", "markouts")
    setup = _setup()
    policy = CensoredPolicy(setup)
    for n in range(800):
        bps = -2.0 + float(draws.normal()) if n % 20 else 500.0
        mark = {"kind": OutcomeKind.MARKOUT, "horizon_ns": 10 * SECOND, "markout_bps": bps, "exec_id": f"E{n}"}
        policy.learn((_outcome(n, "XDRK:MID_PEG", **mark),))
        far = mark | {"horizon_ns": 60 * SECOND, "markout_bps": 9.0}
        policy.learn((_outcome(n, "XDRK:MID_PEG", **far),))
    cost = _score(policy, _at_zero(setup, START + 800 * SECOND), "XDRK:MID_PEG").markout_bps
    assert cost == pytest.approx(2.0, abs=0.3)
    late = CensoredPolicy(_setup(markout_horizon_s=60.0))
    late.learn((_outcome(0, "XDRK:MID_PEG", kind=OutcomeKind.MARKOUT, horizon_ns=60 * SECOND, markout_bps=-8.0),))
    assert _score(late, _at_zero(setup, START), "XDRK:MID_PEG").markout_bps > 0.5


def test_probabilities_move_after_every_fill_miss_and_heartbeat() -> None:
    setup = example_setup()
    policy = CensoredPolicy(setup)
    for n in range(12):
        lane = ("XNYS:POST", "XNYS:TAKE", "XDRK:CONDITIONAL")[n % 3]
        frame = _at_zero(setup, START + n * SECOND)
        before = _score(policy, frame, lane).p
        is_filled = n % 2 == 0
        policy.learn(_life(n, lane, 0.4, is_filled, 10.0, (1.0, 0.0, 0.0)))
        after = _score(policy, frame, lane).p
        assert (after > before) if is_filled else (after < before)
    frame = _at_zero(setup, START + 12 * SECOND)
    before = _score(policy, frame, "XNYS:POST").p
    policy.learn((_outcome(12, "XNYS:POST", kind=OutcomeKind.HEARTBEAT, age_to_ns=LIFE // 10),))
    assert _score(policy, frame, "XNYS:POST").p < before


def test_a_rejected_resting_child_counts_as_a_life_without_a_fill() -> None:
    setup = example_setup()
    rejected, waited = CensoredPolicy(setup), CensoredPolicy(setup)
    rejected.learn((_outcome(0, "XNYS:POST", kind=OutcomeKind.REJECT, is_final=True),))
    waited.learn((_outcome(0, "XNYS:POST", kind=OutcomeKind.EXPIRE, is_final=True, age_to_ns=LIFE),))
    frame = _at_zero(setup, START)
    assert rejected.scores(frame) == waited.scores(frame)


def test_only_the_first_fill_is_an_event() -> None:
    setup = example_setup()
    policy, twin = CensoredPolicy(setup), CensoredPolicy(setup)
    first = {"kind": OutcomeKind.FILL, "filled_qty": 100, "cum_qty": 100, "age_to_ns": SECOND, "exec_id": "E1"}
    second = {"kind": OutcomeKind.FILL, "filled_qty": 100, "cum_qty": 200, "exec_id": "E2"}
    policy.learn((_outcome(0, "XNYS:POST", **first),))
    twin.learn((_outcome(0, "XNYS:POST", **first),))
    policy.learn((_outcome(0, "XNYS:POST", **second, age_from_ns=SECOND, age_to_ns=2 * SECOND),))
    frame = _at_zero(setup, START)
    assert _score(policy, frame, "XNYS:POST").p == _score(twin, frame, "XNYS:POST").p


def test_a_lane_without_data_leans_on_its_tactic() -> None:
    setup = _setup()
    policy = CensoredPolicy(setup)
    for n in range(200):
        policy.learn(_life(n, "XNYS:POST", 0.1, True, 10.0, (1.0, 0.0, 0.0)))
    scores = {score.lane: score.p for score in policy.scores(_at_zero(setup, START + 200 * SECOND))}
    assert scores["XCHI:POST"] > 0.5
    assert scores["XDRK:MID_PEG"] == pytest.approx(0.1)


def test_a_switch_is_followed_within_a_few_half_lives() -> None:
    setup = example_setup({"bank": 0.0, "half_life_s": 120.0, "drift": 0.0})
    policy = CensoredPolicy(setup)
    for n in range(2_000):
        policy.learn(_life(n, "XNYS:POST", 0.2 if n < 1_000 else 1.0, n < 1_000, 10.0, (1.0, 0.0, 0.0)))
        if n == 999:
            assert _score(policy, _at_zero(setup, START + n * SECOND), "XNYS:POST").p > 0.9
    soon = _score(policy, _at_zero(setup, START + 2_000 * SECOND), "XNYS:POST").p
    assert soon < 0.1
    later = _score(policy, _at_zero(setup, START + 20_000 * SECOND), "XNYS:POST").p
    assert soon < later < 0.2, "a lane goes back to what its tactic was last known to be"


@pytest.mark.parametrize("x", [(1.0, 1e6, -1e6), (1.0, -3.0, 3.0), (1e6, 1e6, 1e6)])
def test_scores_stay_finite_under_extreme_contexts(x: tuple[float, ...]) -> None:
    setup = example_setup()
    policy = CensoredPolicy(setup)
    for n in range(60):
        for lane in ("XNYS:POST", "XNYS:TAKE"):
            policy.learn(_life(n, lane, 0.5, n % 2 == 0, 0.1, x))
        mark = {"kind": OutcomeKind.MARKOUT, "horizon_ns": 10 * SECOND, "markout_bps": 1e4 * (-1) ** n}
        policy.learn((_outcome(n, "XNYS:POST", x, **mark),))
    for frame in (example_frame(setup, START), _at_zero(setup, START, x), _at_zero(setup, START, (1.0, -x[1], -x[2]))):
        for score in policy.scores(frame):
            assert 1e-4 <= score.p <= 1.0 - 1e-4
            assert 1.0 <= score.mu <= 1_000.0 * SLICE
            assert -100.0 <= score.markout_bps <= 100.0


def test_a_table_asked_for_after_every_outcome_is_that_of_a_policy_asked_once() -> None:
    setup = example_setup()
    often, outcomes = CensoredPolicy(setup), example_outcomes(setup, 3)
    frame = example_frame(setup, max(outcome.at for outcome in outcomes))
    for n, outcome in enumerate(outcomes):
        often.learn((outcome,))
        if n % 10 == 0:
            once = CensoredPolicy(setup)
            once.learn(outcomes[: n + 1])
            assert often.table(frame).tobytes() == once.table(frame).tobytes()
        else:
            often.table(frame)


def test_learning_the_same_twice_gives_one_digest_and_one_outcome_less_another() -> None:
    setup = example_setup()
    outcomes = example_outcomes(setup, 3)
    one, two, less = CensoredPolicy(setup), CensoredPolicy(setup), CensoredPolicy(setup)
    one.learn(outcomes)
    two.learn(outcomes)
    less.learn(outcomes[:-1])
    assert one.digest() == two.digest()
    assert one.digest() != less.digest()


def _asked(n: int, away_bps: float, rest: int) -> Outcome:
    mark = {"kind": OutcomeKind.MARKOUT, "horizon_ns": 10 * SECOND, "markout_bps": -away_bps, "leaves_qty": rest}
    return _outcome(n, "XDLR:QUOTE", **mark)


@pytest.mark.parametrize(
    ("rest", "leakage", "expected"),
    [(50 * SLICE, 1.0, 3.0), (50 * SLICE, 2.0, 6.0), (SLICE // 2, 1.0, 1.5), (0, 1.0, 0.0)],
)
def test_leakage_is_the_move_away_for_each_share_that_is_left_to_pay_it(
    rest: int, leakage: float, expected: float
) -> None:
    setup = _setup(leakage=leakage)
    policy = CensoredPolicy(setup)
    policy.learn([_asked(n, 3.0, rest) for n in range(400)])
    frame = _at_zero(setup, START + 400 * SECOND)
    score = _score(policy, frame, "XDLR:QUOTE")
    assert score.leakage_bps == pytest.approx(expected, abs=0.05)
    assert score.markout_bps == pytest.approx(0.0, abs=0.05)
    assert policy.table(frame)[LEAKAGE, frame.lanes.index("XDLR:QUOTE")] == score.leakage_bps


def test_asking_never_pays_and_zero_turns_it_off() -> None:
    for leakage, away in ((1.0, -3.0), (0.0, 3.0)):
        setup = _setup(leakage=leakage)
        policy = CensoredPolicy(setup)
        policy.learn([_asked(n, away, 50 * SLICE) for n in range(200)])
        frame = _at_zero(setup, START + 200 * SECOND)
        assert _score(policy, frame, "XDLR:QUOTE").leakage_bps == 0.0
        assert not policy.table(frame)[LEAKAGE].any()
