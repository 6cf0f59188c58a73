"""Our learner as the protocols play it: the lane model and the router's own allocation kernel, nothing between.

Rule of this file: one configuration, `DEFAULTS`, for every protocol; an ablation is handed a changed one, and who is
handed `regimes` plays with a memory of past regimes instead. The seed is used by Thompson's draws alone.
"""

from __future__ import annotations

import numpy as np

from benchmarks.protocols.contest import F64
from learners.lanes.model import LaneModel
from learners.lanes.regimes import RegimeModel, RegimeSettings
from learners.lanes.shape import AGE_EDGES, DEFAULTS, FILL, MARK_10, LaneSettings, LaneShape
from router.allocation.tails import pour_tails
from router.domain.chance import generator
from router.domain.units import SECOND

PRIOR_P, PRIOR_MU = 0.2, 0.25
"""What is believed of a lane whose tactic nobody named: a fifth of the orders find something, a quarter of a slice."""

LIFE_S = 60.0
"""A standard life: when a miss is known."""

HORIZON = 1
"""Markouts are learned at the horizon of 10 s, whatever the world calls them: a learner has a few horizons."""

DRAW = 0.3
"""Standard deviations of a Thompson draw, as a part of the posterior's."""


class OurSplit:
    """A `SplitLearner`: fill and size per lane, split by water-filling over their tails."""

    name = "anabranch"

    def __init__(
        self,
        lanes: int,
        d: int,
        standard: float,
        seed: int = 0,
        settings: LaneSettings = DEFAULTS,
        regimes: RegimeSettings | None = None,
    ) -> None:
        self.model = _model(lanes, d, standard, settings, regimes)

    def split(self, at_s: float, x: F64, total: float) -> F64:
        """Return what to send per lane, (lanes,)."""
        seen = self.model.predict(round(at_s * SECOND), x)
        one = np.ones(len(x))
        split: F64 = pour_tails(seen.p, seen.hazards, self.model.size_edges, one, 0.0 * one, total * one, total)
        return split

    def learn(self, at_s: float, lane: int, x: F64, sent: float, met: float) -> None:
        """Learn of one child: whether anything was met, and how much."""
        at = round(at_s * SECOND)
        self.model.trial(lane, at, x, met > 0.0)
        if met > 0.0:
            self.model.size(lane, at, x, sent, met)


class OurChoice:
    """A `ChoiceLearner`: a Thompson draw of chance and worth per lane, and the lane that is best under it.

    Open orders tell of their exposure as they grow older, as a router's heartbeats do: who waits for fills and misses
    hears of the fills first. A fill's price is public in a router; here it is learned as each lane's mean.
    """

    name = "anabranch"

    def __init__(
        self,
        lanes: int,
        d: int,
        seed: int = 0,
        settings: LaneSettings = DEFAULTS,
        draw: float = DRAW,
        regimes: RegimeSettings | None = None,
    ) -> None:
        self.model = _model(lanes, d, 1.0, settings, regimes, is_immediate=False, prior_p=0.5)
        self._open: dict[tuple[int, int], tuple[F64, float]] = {}
        self._draws = generator(seed, "anabranch", "thompson")
        self._draw = draw
        self._prices: F64 = np.zeros((2, lanes))

    def choose(self, at_s: float, x: F64) -> int:
        """Return the lane to use."""
        self._beat(at_s)
        seen = self.model.predict(round(at_s * SECOND), x, sds=True)
        normals = self._draw * self._draws.standard_normal((2, len(x)))
        hazard = -np.log1p(-seen.p) * np.exp(seen.sd[FILL] * normals[0])
        worth = self._prices[0] - seen.markout[HORIZON] + seen.sd[MARK_10] * normals[1]
        lane = int(np.argmax(worth * -np.expm1(-hazard)))
        self._open[lane, round(at_s * 1e3)] = (x[lane], 0.0)
        return lane

    def hear(self, at_s: float, lane: int, x: F64, filled: bool, after_s: float, price_bps: float) -> None:
        """Learn of a fill or a miss when it became known."""
        _, told = self._open.pop((lane, round((at_s - after_s) * 1e3)))
        at, age = round(at_s * SECOND), after_s / LIFE_S
        self.model.expose(lane, at, x, min(told, age), age, filled)
        if filled:
            self._prices[1, lane] += 1.0
            self._prices[0, lane] += (price_bps - self._prices[0, lane]) / self._prices[1, lane]

    def _beat(self, at_s: float) -> None:
        """Tell the exposure of orders that have passed the end of an age bin."""
        for (lane, sent_ms), (x, told) in list(self._open.items()):
            age = (at_s - sent_ms / 1e3) / LIFE_S
            passed = max(edge for edge in AGE_EDGES if edge <= max(age, 0.0))
            if passed > told:
                self.model.expose(lane, round(at_s * SECOND), x, told, passed, False)
                self._open[lane, sent_ms] = (x, passed)

    def mark(self, at_s: float, lane: int, x: F64, markout_bps: float) -> None:
        """Learn of a markout."""
        self.model.markout(lane, round(at_s * SECOND), x, HORIZON, -markout_bps)


def _model(
    lanes: int,
    d: int,
    standard: float,
    settings: LaneSettings,
    regimes: RegimeSettings | None,
    is_immediate: bool = True,
    prior_p: float = PRIOR_P,
) -> LaneModel | RegimeModel:
    shape = LaneShape((0,) * lanes, (is_immediate,) * lanes, d, standard, (prior_p,), (PRIOR_MU,), (0.0,), (0.0,))
    return LaneModel(shape, settings) if regimes is None else RegimeModel(shape, regimes=regimes)
