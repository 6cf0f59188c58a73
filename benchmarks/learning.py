"""Times what happens at every outcome and every decision, as a Python caller sees it.

Rule of this file: River gets the same contexts through its own interface, with nothing of ours around it.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from river import bandit

from benchmarks import made_up
from benchmarks.stopwatch import each_us
from learners.features.names import FEATURES
from learners.policies.build import build_policy
from learners.policies.policy import Policy
from router.allocation.allocate import Exploration, LaneOffer, allocate
from router.allocation.water_fill_plain import water_fill_plain
from router.domain.enums import AllocationMode, Side
from router.domain.messages import LearnerBatch
from router.domain.scores import ContextFrame, LaneScore, Outcome
from router.domain.units import SECOND
from scenarios.shells import LearnerShell

LANES_ALLOCATED = 16


def all_us(n: int) -> dict[str, float]:
    """Return microseconds a call by name, each the median of blocks of about n / 11 calls."""
    frames = made_up.frames(n)
    outcomes = made_up.outcomes(n, frames[0])
    return {**_ours(frames, outcomes), **_river(frames, outcomes), **_allocation(n), **_market(n)}


def _ours(frames: list[ContextFrame], outcomes: list[Outcome]) -> dict[str, float]:
    def batch(k: int, learned: tuple[Outcome, ...]) -> LearnerBatch:
        return LearnerBatch(seq=k, now=frames[k].at, outcomes=learned, frames=(frames[k],))

    policy = _policy()
    applied = each_us(lambda outcome: policy.learn((outcome,)), outcomes)
    shell = LearnerShell("learner", policy, made_up.specs(), made_up.STANDARD_QTY)
    published = each_us(shell.handle, [batch(k, ()) for k in range(len(frames))])
    fresh = LearnerShell("learner", _policy(), made_up.specs(), made_up.STANDARD_QTY)
    both = each_us(fresh.handle, [batch(k, (outcomes[k],)) for k in range(len(frames))])
    return {"apply": applied, "publish": published, "apply_publish": both}


def _policy() -> Policy:
    return build_policy("censored", made_up.setup())


def _river(frames: list[ContextFrame], outcomes: list[Outcome]) -> dict[str, float]:
    policy = bandit.LinUCBDisjoint(seed=1)
    lanes = list(frames[0].lanes)
    rewards = [(o.lane, dict(zip(FEATURES, o.x, strict=True)), o.markout_bps) for o in outcomes]
    updated = each_us(lambda reward: policy.update(*reward), rewards)
    context = dict(zip(FEATURES, np.frombuffer(frames[0].x).reshape(len(lanes), -1).mean(axis=0), strict=True))
    # A pull over 27 arms takes milliseconds: fewer of them do.
    pulled = each_us(lambda _: policy.pull(lanes, context=context), range(max(len(frames) // 10, 11)))
    return {"river_update": updated, "river_pull": pulled}


def _allocation(n: int) -> dict[str, float]:
    shares = [(k + 1) / (LANES_ALLOCATED + 1) for k in range(LANES_ALLOCATED)]
    offers = [
        LaneOffer(LaneScore(lane=f"X{k:02d}:POST", p=p, mu=100.0 + 40.0 * k), 2.0 * p, 0.1 * k, 1, 0, 5_000)
        for k, p in enumerate(shares)
    ]
    exploration = Exploration(0.05, 0.1)
    call = partial(allocate, offers=offers, mode=AllocationMode.WATER_FILL, opportunity_bps=2.0)
    ours = each_us(lambda qty: call(qty, exploration=exploration, draws=(0.5, 0.5, 0.5)), range(1_000, 1_000 + n))
    columns = (
        shares,
        [offer.score.mu for offer in offers],
        [2.0 + offer.price_bps - offer.fee_bps for offer in offers],
        [0.0] * LANES_ALLOCATED,
        [5_000.0] * LANES_ALLOCATED,
    )
    plain = each_us(lambda qty: water_fill_plain(*columns, float(qty)), range(1_000, 1_000 + n))
    return {"allocate": ours, "split_plain": plain}


def _market(n: int) -> dict[str, float]:
    features, own = made_up.market(), (0.5,) * 15
    moments = [20 * SECOND + k for k in range(n)]
    return {
        "frame": each_us(lambda now: features.frame(now, Side.BUY, own), moments),
        "snapshot": each_us(features.snapshot, moments),
    }
