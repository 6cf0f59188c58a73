"""How much to take and how much to post where, learned from fills alone: Cont and Kukanov's gradient, without a step to
tune.

Rule of this file: what is seen of an update is what was filled, min(hidden, posted) per lane, and nothing beyond.

A slice of S shares takes M at the market and posts L_k on lane k; A is what is got. The cost is that of the paper:
half spread and fee on M, less half spread and rebate on what is filled, impact on all that is sent, and a price on
every share missing (A < S) or too many (A > S). Its subgradient needs three indicators: A < S, A > S, and lane k
filled whole.

The paper's step is one number for all coordinates, made of the costs and of how many updates there will be. Here:
* a coordinate's step falls with the number of times its gradient changed sign (Kesten, Annals of Mathematical
  Statistics 29, 1958): far away it stays long, at the optimum it falls, and nothing is told in advance;
* steps are in root mean square gradients and, once a lane has shown its end, in shares of the most that it ever filled
  or of what is posted there, if that is more;
* the answer is an average of the iterates that forgets the first of them (Shamir and Zhang, ICML 2013); a bound at
  which the iterates sat for a quarter of the time is the answer there, since an average can only come near it.

Source: Cont and Kukanov, "Optimal order placement in limit order markets", Quantitative Finance 17 (2017), section 4.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from router.domain.errors import ConfigError, FeatureError, bad_value
from router.domain.market import F64

FIRST_SHARE, SIGN_POWER, FORGET = 0.1, 0.8, 4.0
"""The first step, as a share of the scale; the power by which steps fall with changes of sign; how soon the average
forgets: the t-th iterate enters with weight (FORGET + 1) / (FORGET + t)."""

AT_BOUND = 0.25
"""Iterates that sit on a bound for so much of the time say that the answer does."""

SPLIT, AVERAGE, LAST, SIGNS, SQUARE, MOST, AT_ZERO, ENDED = range(8)
"""Rows of a state (8, 1 + lanes): the split to send; its average; the last gradient that was not 0; its changes of
sign; its mean square; the most ever filled; the averaged share of updates at 0; whether the lane ever filled less than
posted. Of the first column, that of the market order, MOST holds the number of updates and ENDED the averaged share of
those that sent no more than the total."""

SQUARE_MIN = 1e-12
"""Under a gradient of a millionth per share there is nothing to learn: it divides no step."""

_TIGHT = 1e-9
"""Two quantities are one when they differ by less than this share of the total."""


class PlacementCosts(NamedTuple):
    """What a share costs, all in one currency per share: `half_spread` and `fee` when taken, `rebate` when posted and
    filled, `impact` when sent, `under` when missing at the end, `over` when one too many."""

    half_spread: float
    fee: float
    rebate: float
    impact: float
    under: float
    over: float


def placement_cost(costs: PlacementCosts, total: float, split: F64, hidden: F64) -> F64:
    """Return the cost of one split against each row of hidden sizes (n, lanes), (n,), in currency for the whole slice.

    >>> costs = PlacementCosts(0.02, 0.003, 0.002, 0.0005, 0.05, 0.05)
    >>> placement_cost(costs, 100.0, np.array([100.0, 0.0]), np.zeros((1, 1))).round(4).tolist()
    [2.35]
    """
    filled = np.minimum(hidden, split[1:]).sum(axis=1)
    missing = np.maximum(total - split[0] - filled, 0.0)
    excess = np.maximum(split[0] + filled - total, 0.0)
    taken = (costs.half_spread + costs.fee) * split[0] - (costs.half_spread + costs.rebate) * filled
    cost: F64 = taken + costs.impact * (split.sum() + missing) + costs.under * missing + costs.over * excess
    return cost


def fresh_state(lanes: int, total: float) -> F64:
    """Return the state before any update, (8, 1 + lanes): everything split equally."""
    state: F64 = np.zeros((8, lanes + 1))
    state[SPLIT] = state[AVERAGE] = total / (lanes + 1)
    return state


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def project(split: F64, give: F64, total: float, is_tight: bool) -> None:
    """Move a split to the nearest one with entries in [0, total] that sum to at least `total`, or to it (`is_tight`).

    Near is in the metric in which coordinate i moves `give[i]` for each unit of pressure: that of the steps.
    """
    n = split.shape[0]
    for i in range(n):
        split[i] = min(max(split[i], 0.0), total)
    for _ in range(n + 1):
        gap, room = total, 0.0
        for i in range(n):
            gap -= split[i]
        if abs(gap) <= _TIGHT * total or (gap < 0.0 and not is_tight):
            return
        for i in range(n):
            if (gap > 0.0 and split[i] < total) or (gap < 0.0 and split[i] > 0.0):
                room += give[i]
        for i in range(n):
            if (gap > 0.0 and split[i] < total) or (gap < 0.0 and split[i] > 0.0):
                split[i] = min(max(split[i] + gap * give[i] / room, 0.0), total)


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _steps(state: F64, total: float, out: F64) -> None:
    """Write each coordinate's step per unit of gradient."""
    n = state.shape[1]
    met = 0.0
    for i in range(1, n):
        # A lane that met nothing yet goes by what is posted there, which then falls.
        out[i] = max(state[MOST, i], state[SPLIT, i]) if state[ENDED, i] > 0.0 else total
        met += out[i]
    out[0] = min(met, total)
    for i in range(n):
        falls = (1.0 + state[SIGNS, i]) ** SIGN_POWER * math.sqrt(state[SQUARE, i] + SQUARE_MIN)
        out[i] = max(out[i], _TIGHT * total) * FIRST_SHARE / falls


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _slopes(costs: PlacementCosts, state: F64, total: float, fills: F64, out: F64) -> None:
    """Write the subgradient at the split that stands, from the three indicators."""
    got = state[SPLIT, 0] + fills.sum()
    at_end = 0.0
    if got < total * (1.0 - _TIGHT):
        at_end = -(costs.under + costs.impact)
    elif got > total * (1.0 + _TIGHT):
        at_end = costs.over
    out[0] = costs.half_spread + costs.fee + costs.impact + at_end
    for i in range(1, out.shape[0]):
        is_whole = fills[i - 1] >= state[SPLIT, i]
        out[i] = costs.impact + (at_end - costs.half_spread - costs.rebate if is_whole else 0.0)


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def learn_kernel(costs: PlacementCosts, state: F64, total: float, fills: F64, slopes: F64, steps: F64) -> None:
    """Apply one update: `fills` (lanes,) of the split that stands. `slopes` and `steps`, both (1 + lanes,), are written
    over."""
    n = state.shape[1]
    _slopes(costs, state, total, fills, slopes)
    state[MOST, 0] += 1.0
    t = state[MOST, 0]
    for i in range(n):
        if i > 0:
            state[MOST, i] = max(state[MOST, i], fills[i - 1])
            if fills[i - 1] < state[SPLIT, i]:
                state[ENDED, i] = 1.0
        if slopes[i] * state[LAST, i] < 0.0:
            state[SIGNS, i] += 1.0
        if slopes[i] != 0.0:
            state[LAST, i] = slopes[i]
        state[SQUARE, i] += (slopes[i] * slopes[i] - state[SQUARE, i]) / t
    _steps(state, total, steps)
    for i in range(n):
        state[SPLIT, i] -= steps[i] * slopes[i]
    project(state[SPLIT], steps, total, False)
    _average(state, total, t)


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _average(state: F64, total: float, t: float) -> None:
    """Let the split that now stands enter the average."""
    n = state.shape[1]
    weight = (FORGET + 1.0) / (FORGET + t)
    sent = 0.0
    for i in range(n):
        sent += state[SPLIT, i]
        state[AVERAGE, i] += weight * (state[SPLIT, i] - state[AVERAGE, i])
        state[AT_ZERO, i] += weight * ((1.0 if state[SPLIT, i] <= 0.0 else 0.0) - state[AT_ZERO, i])
    is_tight = 1.0 if sent <= total * (1.0 + 2.0 * _TIGHT) else 0.0
    state[ENDED, 0] += weight * (is_tight - state[ENDED, 0])


def learn_plain(costs: PlacementCosts, state: F64, total: float, fills: F64) -> None:
    """The plain twin of `learn_kernel`."""
    split = state[SPLIT].copy()
    got = split[0] + float(fills.sum())
    at_end = 0.0
    if abs(got - total) > _TIGHT * total:
        at_end = costs.over if got > total else -(costs.under + costs.impact)
    taken = costs.half_spread + costs.fee + at_end
    whole = fills >= split[1:]
    slopes = costs.impact + np.append(taken, np.where(whole, at_end - costs.half_spread - costs.rebate, 0.0))
    state[MOST, 0] += 1.0
    t = state[MOST, 0]
    state[MOST, 1:] = np.maximum(state[MOST, 1:], fills)
    state[ENDED, 1:] = np.where(whole, state[ENDED, 1:], 1.0)
    state[SIGNS] += slopes * state[LAST] < 0.0
    state[LAST] = np.where(slopes == 0.0, state[LAST], slopes)
    state[SQUARE] += (slopes**2 - state[SQUARE]) / t
    scale = np.where(state[ENDED, 1:] > 0.0, np.maximum(state[MOST, 1:], split[1:]), total)
    falls = (1.0 + state[SIGNS]) ** SIGN_POWER * np.sqrt(state[SQUARE] + SQUARE_MIN)
    scales = np.maximum(np.append(min(scale.sum(), total), scale), _TIGHT * total)
    steps = FIRST_SHARE * scales / falls
    state[SPLIT] = project_plain(split - steps * slopes, steps, total, is_tight=False)
    weight = (FORGET + 1.0) / (FORGET + t)
    state[AVERAGE] += weight * (state[SPLIT] - state[AVERAGE])
    state[AT_ZERO] += weight * ((state[SPLIT] <= 0.0) - state[AT_ZERO])
    state[ENDED, 0] += weight * ((state[SPLIT].sum() <= total * (1.0 + 2.0 * _TIGHT)) - state[ENDED, 0])


def project_plain(split: F64, give: F64, total: float, *, is_tight: bool) -> F64:
    """The plain twin of `project`, by bisection on the pressure; returns the nearest split.

    >>> project_plain(np.array([50.0, -10.0]), np.array([1.0, 3.0]), 100.0, is_tight=False).round(6).tolist()
    [62.5, 37.5]
    """
    inside = np.clip(split, 0.0, total)
    if inside.sum() >= total and not is_tight:
        return np.asarray(inside)
    low, high = -2.0 * total / give.min(), 2.0 * total / give.min()
    for _ in range(200):
        middle = 0.5 * (low + high)
        if np.clip(inside + middle * give, 0.0, total).sum() < total:
            low = middle
        else:
            high = middle
    return np.asarray(np.clip(inside + high * give, 0.0, total))


class PlacementGradient:
    """Learns the placement of slices of `total` shares over a market order and `lanes` posted orders.

    Raises:
        ConfigError: no lane, no shares, or costs that are not finite.

    >>> learner = PlacementGradient(1, 100.0, PlacementCosts(0.02, 0.003, 0.002, 0.0005, 0.05, 0.05))
    >>> for _ in range(2_000):
    ...     learner.learn(np.minimum(30.0, learner.split[1:]))
    >>> learner.answer().round().tolist()
    [70.0, 30.0]
    """

    def __init__(self, lanes: int, total: float, costs: PlacementCosts) -> None:
        if lanes < 1 or not (total > 0.0 and math.isfinite(total)):
            raise ConfigError(bad_value("placement.total", "a lane and some shares", (lanes, total)))
        if not all(math.isfinite(cost) for cost in costs):
            raise ConfigError(bad_value("placement.costs", "finite costs", costs))
        self.costs, self.total = PlacementCosts(*map(float, costs)), float(total)
        self.state = fresh_state(lanes, self.total)
        self._slopes, self._steps = np.zeros(lanes + 1), np.zeros(lanes + 1)

    @property
    def split(self) -> F64:
        """What to send next, (1 + lanes,): at the market first, then posted per lane. Sums to `total` at least."""
        return np.asarray(self.state[SPLIT].copy())

    def learn(self, fills: F64) -> None:
        """Apply what each posted order of `split` filled, (lanes,).

        Raises:
            FeatureError: not as many finite fills as lanes, or one below 0; nothing is learned.
        """
        if fills.shape != (self.state.shape[1] - 1,) or not np.isfinite(fills).all() or (fills < 0.0).any():
            raise FeatureError(bad_value("placement.fills", f"{self.state.shape[1] - 1} fills from 0", fills))
        learn_kernel(self.costs, self.state, self.total, fills.astype(np.float64), self._slopes, self._steps)

    def answer(self) -> F64:
        """Return the split found so far, (1 + lanes,): what to send when no more is to be learned."""
        return answer_of(self.state, self.total)


def answer_of(state: F64, total: float) -> F64:
    """Return the split that a state stands for; the state is left as it is."""
    split = np.where(state[AT_ZERO] > AT_BOUND, 0.0, state[AVERAGE])
    give = np.where(state[AT_ZERO] > AT_BOUND, _TIGHT, np.maximum(state[AVERAGE], _TIGHT * total))
    project(split, give, total, bool(state[ENDED, 0] > AT_BOUND))
    return np.asarray(split)
