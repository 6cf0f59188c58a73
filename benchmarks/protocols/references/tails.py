"""Splitters that estimate each lane's tail, P(D > s), and take the highest values of all tails first.

Rule of this file: a tail never rises, so that greedy is exact for the tails believed; only the estimates differ.
"""

from __future__ import annotations

import numpy as np

from benchmarks.protocols.contest import F64


class TailSplitter:
    """What they share: `tails`, (lanes, total) in lots, filled greedily."""

    name = ""

    def __init__(self, lanes: int, total: float) -> None:
        self.tails = np.ones((lanes, int(total)))

    def split(self, at_s: float, x: F64, total: float) -> F64:
        """Return the greedy split; where fewer lots are worth anything than there are, the rest is spread equally."""
        lanes = len(self.tails)
        # By size first, so that equal values go round the lanes and not to the first one.
        values = self.tails.T.ravel()
        taken = np.argsort(-values, kind="stable")[: int(total)]
        taken = taken[values[taken] > 0.0]
        parts = np.bincount(taken % lanes, minlength=lanes).astype(np.float64)
        return parts + (total - len(taken)) / lanes


class KaplanMeier(TailSplitter):
    """Kaplan and Meier's product-limit tail per lot, greedy, as in Ganchev et al. (2010).

    Plain: nothing is believed beyond the sizes seen at risk, after a first equal split. Optimistic: beyond the largest
    size that was at risk `needed` times the tail stays as it is there, so that the lane is tried further. Tuned:
    `needed` of {1, 3, 10, 30, 100}.
    """

    def __init__(self, lanes: int, total: float, is_optimistic: bool, needed: int = 10) -> None:
        super().__init__(lanes, total)
        self.name = "optimistic kaplan-meier" if is_optimistic else "kaplan-meier"
        self.is_optimistic, self.needed = is_optimistic, needed
        self._at_risk = np.zeros(self.tails.shape)
        self._ended = np.zeros(self.tails.shape)
        if not is_optimistic:
            self.tails[:] = 0.0

    def learn(self, at_s: float, lane: int, x: F64, sent: float, met: float) -> None:
        """Count the lots at risk and the one that was not met, and bring the lane's tail up to date."""
        last = int(min(met, sent - 1.0))
        at_risk, ended = self._at_risk[lane], self._ended[lane]
        at_risk[: last + 1] += 1.0
        if met < sent:
            ended[last] += 1.0
        if self.is_optimistic:
            # At risk never rises with size: the first lots are the known ones.
            known = int(np.count_nonzero(at_risk >= self.needed))
            hazards = np.zeros(len(at_risk))
            hazards[:known] = ended[:known] / at_risk[:known]
        else:
            hazards = np.where(at_risk > 0.0, ended / np.maximum(at_risk, 1.0), 1.0)
        self.tails[lane] = np.cumprod(1.0 - hazards)


class BinnedHazard(TailSplitter):
    """One hazard per bin of sizes, bins doubling from one lot, with counts that fade by `gamma` at each outcome.

    Before data a bin has `prior_lots` lots at risk and `prior_ends` ends: small, hence optimistic. Tuned: `gamma` of
    {.98, .99, .995, 1}, `prior_lots` of {1, 2, 5, 20}, `prior_ends` of {0, .01, .1}.
    """

    def __init__(
        self, lanes: int, total: float, gamma: float = 1.0, prior_lots: float = 5.0, prior_ends: float = 0.1
    ) -> None:
        super().__init__(lanes, total)
        self.name = "binned hazard" if gamma == 1.0 else f"binned hazard, gamma {gamma:g}"
        self.gamma, self.prior_lots, self.prior_ends = gamma, prior_lots, prior_ends
        lots = np.arange(int(total))
        # The first lot is a bin of its own: the zero bin.
        self._bin = np.floor(np.log2(np.maximum(lots, 0.5))).astype(np.int64) + 1
        bins = int(self._bin[-1]) + 1
        self._first = np.searchsorted(self._bin, np.arange(bins))
        self._at_risk, self._ended = np.zeros((lanes, bins)), np.zeros((lanes, bins))

    def learn(self, at_s: float, lane: int, x: F64, sent: float, met: float) -> None:
        """Fade, count, and bring the lane's tail up to date."""
        at_risk, ended = self._at_risk[lane], self._ended[lane]
        at_risk *= self.gamma
        ended *= self.gamma
        last = int(min(met, sent - 1.0))
        at_risk += np.diff(np.append(np.minimum(self._first, last + 1), last + 1))
        if met < sent:
            ended[self._bin[last]] += 1.0
        hazards = np.minimum((ended + self.prior_ends) / (at_risk + self.prior_lots), 1.0)
        self.tails[lane] = np.cumprod(1.0 - hazards[self._bin])


class ZeroBinPowerLaw(TailSplitter):
    """Maximum likelihood of the family of Ganchev et al. (2010): a zero bin and s ** -beta for s = 1 .. total.

    beta comes from a grid of step .05 between -2 and 3. A lane starts with `hope` outcomes that found something, and
    each lane gets a lot at least, so that none is forgotten. Tuned: `hope` of {.5, 1, 2, 5, 20}.
    """

    def __init__(self, lanes: int, total: float, hope: float = 2.0) -> None:
        super().__init__(lanes, total)
        self.name = "maximum likelihood"
        betas = np.linspace(-2.0, 3.0, 101)
        weights = np.arange(1, int(total) + 1) ** -betas[:, None]
        weights /= weights.sum(axis=1, keepdims=True)
        self._at_least = np.cumsum(weights[:, ::-1], axis=1)[:, ::-1]
        self._log_at_least, self._log_exactly = np.log(self._at_least), np.log(weights)
        # A mild pull to beta = 0 decides before there is data.
        self._likelihood = np.tile(-0.05 * betas**2, (lanes, 1))
        self._found, self._asked = np.full(lanes, hope), np.full(lanes, hope)

    def split(self, at_s: float, x: F64, total: float) -> F64:
        """Return the greedy split after a lot for each lane."""
        first = self.tails[:, 0].copy()
        self.tails[:, 0] = 1.0
        parts = super().split(at_s, x, total)
        self.tails[:, 0] = first
        return parts

    def learn(self, at_s: float, lane: int, x: F64, sent: float, met: float) -> None:
        """Add one likelihood, censored where the fill was full, and bring the lane's tail up to date."""
        self._asked[lane] += 1.0
        if met > 0.0:
            self._found[lane] += 1.0
            column = int(met) - 1
            self._likelihood[lane] += self._log_exactly[:, column] if met < sent else self._log_at_least[:, column]
        beta = int(np.argmax(self._likelihood[lane]))
        self.tails[lane] = self._at_least[beta] * (self._found[lane] / self._asked[lane])
