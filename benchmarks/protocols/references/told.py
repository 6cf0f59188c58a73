"""Learners that are told what nobody can know, beside which a figure missed says whether it could be met at all.

Rule of this file: each is told one thing and learns the rest from the same outcomes as everyone; none of them is an
oracle, and none of them is ours to ship.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.protocols.contest import F64, I64, SplitLearner
from benchmarks.protocols.ours import OurChoice
from benchmarks.protocols.references.tails import TailSplitter
from learners.lanes.model import LaneModel
from learners.lanes.regimes import RegimeModel

LEAST = 1e-300
"""Chances are kept above this before their logarithm is taken."""


class ToldFamily(TailSplitter):
    """Told how the laws of `dark_pools` are drawn: exact Bayes of the zero bin and of the exponent, on grids.

    It splits greedily by each tail's posterior mean plus `bonus` posterior standard deviations. Tuned on 101 to 106:
    `bonus` of {0, .2, .4}.
    """

    name = "told the family"

    def __init__(self, lanes: int, total: float, *, rising: float = 7 / 48, bonus: float = 0.4, grid: int = 60) -> None:
        super().__init__(lanes, total)
        middles = (np.arange(grid) + 0.5) / grid
        betas = 0.25 + 1.05 * middles
        chances = np.arange(1, int(total) + 1) ** -np.concatenate([betas, -betas])[:, None]
        self._exactly: F64 = chances / chances.sum(axis=1, keepdims=True)
        self._at_least: F64 = np.cumsum(self._exactly[:, ::-1], axis=1)[:, ::-1]
        prior = np.repeat([1.0 - rising, rising], grid) / grid
        self._log_tail = np.tile(np.log(prior), (lanes, 1))
        self._some: F64 = 1.0 - (0.67 + 0.29 * middles)
        self._log_some = np.zeros((lanes, grid))
        self._bonus = bonus
        for lane in range(lanes):
            self._believe(lane)

    def learn(self, at_s: float, lane: int, x: F64, sent: float, met: float) -> None:
        """Multiply by one likelihood, censored where the fill was full."""
        if met > 0.0:
            self._log_some[lane] += np.log(self._some)
            column = int(met) - 1
            likelihood = self._exactly[:, column] if met < sent else self._at_least[:, column]
            self._log_tail[lane] += np.log(np.maximum(likelihood, LEAST))
        else:
            self._log_some[lane] += np.log1p(-self._some)
        self._believe(lane)

    def _believe(self, lane: int) -> None:
        some, tail = _normal(self._log_some[lane]), _normal(self._log_tail[lane])
        mean = (some @ self._some) * (tail @ self._at_least)
        square = (some @ self._some**2) * (tail @ self._at_least**2)
        hoped = mean + self._bonus * np.sqrt(np.maximum(square - mean * mean, 0.0))
        self.tails[lane] = np.minimum.accumulate(hoped)


class ToldLaws(TailSplitter):
    """Told both laws of a world of lots, `tails` (2, lanes, total), and that one gives way to the other once: it only
    has to notice. The chance of a swap is `hazard` a round, whichever law holds."""

    name = "told both laws"

    def __init__(self, tails: F64, hazard: float) -> None:
        super().__init__(tails.shape[1], float(tails.shape[2]))
        self._laws, self._hazard = tails, hazard
        self._odds = np.log(np.array([1.0 - hazard, hazard]))

    def split(self, at_s: float, x: F64, total: float) -> F64:
        """Let a swap be as likely as it is between two rounds, and split by the mean of both laws."""
        chances = _normal(self._odds)
        chances = chances * (1.0 - self._hazard) + chances[::-1] * self._hazard
        self._odds = np.log(np.maximum(chances, LEAST))
        self.tails = np.einsum("n,nks->ks", chances, self._laws)
        return super().split(at_s, x, total)

    def learn(self, at_s: float, lane: int, x: F64, sent: float, met: float) -> None:
        """Multiply by one likelihood under each law; P(D >= m) is the tail at m - 1, and 1 at 0."""
        above = np.concatenate([np.ones((2, 1)), self._laws[:, lane]], axis=1)
        at = int(met)
        likelihood = above[:, at] if met >= sent else above[:, at] - above[:, at + 1]
        self._odds += np.log(np.maximum(likelihood, LEAST))


class ToldChange:
    """A splitter of ours that is told when the laws change, and begins anew there."""

    name = "told the time"

    def __init__(self, new: Callable[[], SplitLearner], changes_s: F64) -> None:
        self._new, self._left = new, list(changes_s)
        self._learner, self._since_s = new(), 0.0

    def split(self, at_s: float, x: F64, total: float) -> F64:
        """Begin anew where the laws changed, then split."""
        while self._left and at_s >= self._left[0]:
            self._since_s = self._left.pop(0)
            self._learner = self._new()
        return self._learner.split(at_s, x, total)

    def learn(self, at_s: float, lane: int, x: F64, sent: float, met: float) -> None:
        """Learn of what was sent since the last change."""
        if at_s >= self._since_s:
            self._learner.learn(at_s, lane, x, sent, met)


class ToldRegime(OurChoice):
    """Our chooser, told which of its memories to use in each round: `memory` (rounds,), rounds `step_s` apart.

    A number for each regime lets it go on where it was when a regime comes back; a number for each stay lets it begin
    anew. What comes of orders sent before the last change is not heard.
    """

    def __init__(self, name: str, lanes: int, d: int, seed: int, memory: I64, step_s: float) -> None:
        super().__init__(lanes, d, seed)
        self.name = name
        self._memory, self._step_s, self._using = memory, step_s, int(memory[0])
        self._models: dict[int, LaneModel | RegimeModel] = {self._using: self.model}
        self._marks: set[tuple[int, bytes]] = set()

    def choose(self, at_s: float, x: F64) -> int:
        """Take up the memory of the round, then choose."""
        using = int(self._memory[round(at_s / self._step_s)])
        if using != self._using:
            self._using = using
            if using not in self._models:
                self._models[using] = LaneModel(self.model.shape, self.model.settings)
            self.model = self._models[using]
            self._open.clear()
            self._marks.clear()
        return super().choose(at_s, x)

    def hear(self, at_s: float, lane: int, x: F64, filled: bool, after_s: float, price_bps: float) -> None:
        """Learn of an order sent since the last change."""
        if (lane, round((at_s - after_s) * 1e3)) in self._open:
            super().hear(at_s, lane, x, filled, after_s, price_bps)
            if filled:
                self._marks.add((lane, x.tobytes()))

    def mark(self, at_s: float, lane: int, x: F64, markout_bps: float) -> None:
        """Learn of a fill's markout where the fill was heard of."""
        if (lane, x.tobytes()) in self._marks:
            super().mark(at_s, lane, x, markout_bps)


def stays(regime: I64) -> I64:
    """Return the number of each round's stay in a regime.

    >>> stays(np.array([2, 2, 0, 2])).tolist()
    [0, 0, 1, 2]
    """
    return np.concatenate([[0], np.cumsum(np.diff(regime) != 0)]).astype(np.int64)


def _normal(logs: F64) -> F64:
    """Return chances from their logarithms."""
    odds = np.exp(logs - logs.max())
    return np.asarray(odds / odds.sum())
