"""One linear model over all lanes, a lane held to its tactic and a tactic to its prior, with what it last predicted.

Rule of this file: a prediction is a function of the sums, the moment and the contexts alone. What it predicted is kept
for the moment it was asked for, and only the tactics that an observation has touched since are worked out again.
"""

from __future__ import annotations

import numpy as np

from learners.policies.censored_kernels import B8, observe_kernel, predict_kernel
from learners.state.accumulator import Accumulator
from router.domain.market import F64, I64
from router.domain.units import Nanos


class LaneModel:
    """Sums with a row for each lane and, after them, one for each tactic.

    Args:
        pools: int64 (lanes,): the row of each lane's tactic.
        priors: float64 (tactics, 3, width), as in `observe_kernel`.
        half_life_ns: memory of the sums.
        bins: how many of the last features are indicators of age bins; 0: none.
    """

    def __init__(self, pools: I64, priors: F64, half_life_ns: Nanos, bins: int = 0) -> None:
        lanes, tactics = len(pools), len(priors)
        self.sums = Accumulator(lanes + tactics, priors.shape[2], half_life_ns)
        self._pools, self._priors, self._bins = pools, priors, bins
        self._etas: F64 = np.zeros((lanes, max(bins, 1)))
        self._shown = self._etas if bins else self._etas.ravel()
        self._is_stale: B8 = np.ones(tactics, dtype=np.bool_)
        self.is_current = False
        """Whether `predict` would return what it returned last, asked for the same moment and contexts."""

    def observe(self, row: int, at: Nanos, latest: Nanos, xs: F64, family: int, ys: F64, exposures: F64) -> None:
        """Add observations of one lane that became known at `at`, linearised at what was known at `latest`.

        `xs` is float64 (n, width), `ys` and `exposures` (n,), `family` one of those of the kernels.
        """
        sums, pool = self.sums, int(self._pools[row])
        epoch = sums.epoch
        gamma = sums.event_weight(at)
        tactic = pool - len(self._pools)
        decay = sums.decay(latest)
        observe_kernel(sums.a, sums.b, row, pool, decay, gamma, self._priors[tactic], xs, family, ys, exposures)
        sums.touch(row)
        sums.touch(pool)
        self.is_current = False
        if sums.epoch == epoch:
            self._is_stale[tactic] = True
        else:
            self._is_stale.fill(True)

    def turn(self) -> None:
        """Forget what was predicted: the next prediction is for another moment or for other contexts."""
        self._is_stale.fill(True)
        self.is_current = False

    def predict(self, shifts: F64, x: F64, at: Nanos) -> F64:
        """Return every lane's linear predictors, float64 (lanes, bins), without bins (lanes,); read, do not write.

        `shifts` (lanes,) and `x` (lanes, features) are those of `predict_kernel`. Call `turn` before they or `at`
        change.
        """
        sums = self.sums
        predict_kernel(
            sums.a,
            sums.b,
            self._pools,
            sums.decay(at),
            self._priors,
            shifts,
            x,
            self._bins,
            self._is_stale,
            self._etas,
        )
        self._is_stale.fill(False)
        self.is_current = True
        return self._shown
