"""`DiscountedLinUCB`: a linear model per arm that forgets by event time, pulled by its upper confidence bound.

Rule of this file: sums in information form (`learners.state.accumulator`), so that a feature or arm that comes later
is a row or column of zeros, and rewards may come late and in any order. Sums are read as of a grid of `TICKS` a
half-life: what was worked out of an arm holds until the arm is rewarded or the next tick begins.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from river import bandit, base

from learners.river.columns import Columns, event_time, vector
from learners.state.accumulator import Accumulator, posterior_numpy
from router.domain.chance import uniform
from router.domain.errors import ConfigError, FeatureError, bad_value
from router.domain.market import F64, I64
from router.domain.units import seconds

TICKS = 16
"""Beliefs are as of the last tick: at most 4.4 % more memory than asked for."""


class Read(NamedTuple):
    """What was worked out of the sums as of the last tick: `is_read` (rows,), posterior covariance `inverse`
    (rows, parameters, parameters), lower triangles alone, and mean `theta` (rows, parameters); `half`
    (parameters,) is scratch."""

    is_read: NDArray[np.bool_]
    inverse: F64
    theta: F64
    half: F64


def unread(rows: int, width: int) -> Read:
    """Return what nothing was worked out of yet."""
    return Read(
        np.zeros(rows, dtype=np.bool_), np.zeros((rows, width, width)), np.zeros((rows, width)), np.zeros(width)
    )


class DiscountedLinUCB(bandit.base.ContextualPolicy, base.Estimator):  # type: ignore[misc,unused-ignore]
    """LinUCB, disjoint, with exponential forgetting in event time.

    Each arm has a Bayesian linear regression of its rewards on the context and a bias. Its bound is the posterior mean
    plus `width` standard deviations of that mean; the noise of a single reward is not in it. Memory halves with each
    `half_life`, while the prior stays: an arm that is long unheard of is uncertain again, and is tried again.

    Parameters
    ----------
    half_life
        Time after which a reward counts half. In seconds of `clock`; without a clock, in updates.
    width
        Standard deviations of the mean that are added to it.
    prior
        Precision of each coefficient's prior, around 0.
    noise
        Standard deviation of a reward around its mean.
    clock
        Key of the context that holds its time in seconds. It is no feature. A reward counts from the time of its
        context, however late it comes.
    reward_obj
        The reward object used to measure the performance of each arm.
    burn_in
        The number of rewards that each arm is given before bounds are compared.
    seed
        Seed of the draws between arms with equal bounds.

    Examples
    --------
    >>> from learners.river import DiscountedLinUCB

    >>> policy = DiscountedLinUCB(half_life=100)
    >>> for step in range(200):
    ...     context = {"up": step % 2}
    ...     arm = policy.pull(["buy", "sell"], context=context)
    ...     policy.update(arm, context, float((arm == "buy") == bool(step % 2)))

    >>> policy.pull(["buy", "sell"], context={"up": 1}), policy.pull(["buy", "sell"], context={"up": 0})
    ('buy', 'sell')

    References
    ----------
    [^1]: Russac, Vernade and Cappé, "Weighted linear bandits for non-stationary environments", NeurIPS 2019
    """

    def __init__(
        self,
        half_life: float = 1_000.0,
        width: float = 1.0,
        prior: float = 1.0,
        noise: float = 0.5,
        clock: str | None = None,
        reward_obj: Any = None,
        burn_in: int = 0,
        seed: int = 1,
    ) -> None:
        super().__init__(reward_obj=reward_obj, burn_in=burn_in)
        if not (0.0 < half_life < 1e9 and prior > 0.0 and noise > 0.0 and width >= 0.0):
            got = (half_life, width, prior, noise)
            raise ConfigError(bad_value("DiscountedLinUCB", "positive half_life, prior and noise, width from 0", got))
        self.half_life = half_life
        self.width = width
        self.prior = prior
        self.noise = noise
        self.clock = clock
        self.seed = seed
        self._arms, self._features = Columns(), Columns()
        self._sums = Accumulator(1, 1, seconds(half_life))
        self._tick, self._tick_ns = -1, max(seconds(half_life) // TICKS, 1)
        self._read_from_start()
        self._latest = 0
        self._pulls = 0

    def update(self, arm_id: Hashable, context: Mapping[Hashable, float] | None, *args: Any, **kwargs: Any) -> None:
        """Learn the reward of one pull: `update(arm, context, reward)`.

        Raises
        ------
        FeatureError
            A context or reward that is not finite; nothing is learned.
        """
        reward = float(args[0])
        at = event_time(context, self.clock, self._n)
        if not math.isfinite(reward):
            raise FeatureError(bad_value("DiscountedLinUCB.reward", "a finite number", reward))
        x = vector(self._features, context, self.clock)
        row = self._arms.place(arm_id)
        self._make_room()
        self._latest = max(self._latest, at)
        gamma, scale = self._sums.event_weight(at), self._scale_at(self._tick)
        learn_kernel(self._sums.a, self._sums.b, row, gamma, self.noise**-2, reward, x, len(x), scale, self._read)
        super().update(arm_id, context, *args, **kwargs)

    def _pull(self, arm_ids: Sequence[Hashable], context: Mapping[Hashable, float] | None) -> Hashable:
        at = max(self._latest, event_time(context, self.clock, self._n))
        x = vector(self._features, context, self.clock)
        rows = np.array([self._arms.place(arm) for arm in arm_ids], dtype=np.int64)
        self._make_room()
        tick = at // self._tick_ns
        if tick != self._tick:
            self._tick = tick
            self._read.is_read[:] = False
        bounds: F64 = np.empty(len(rows))
        scale = self._scale_at(tick)
        read_kernel(self._sums.a, self._sums.b, rows, scale, self.prior, self._sums.b.shape[1], self._read)
        bounds_kernel(rows, self._read, x, len(x), self.width, bounds)
        ties = np.flatnonzero(bounds == bounds.max())
        self._pulls += 1
        # Among equals chance decides, so that rewards that come late do not leave all but the first arm untried.
        drawn = 0 if len(ties) == 1 else int(uniform(self.seed, "DiscountedLinUCB", "tie", self._pulls) * len(ties))
        return arm_ids[int(ties[drawn])]

    def _make_room(self) -> None:
        """Grow the sums to the arms and features met so far, doubling; new rows and columns are zeros."""
        rows, width = self._sums.b.shape
        if len(self._arms) <= rows and len(self._features) < width:
            return
        while rows < len(self._arms):
            rows *= 2
        while width <= len(self._features):
            width *= 2
        grown = Accumulator(rows, width, self._sums.half_life_ns)
        old = self._sums.b.shape
        grown.a[: old[0], : old[1], : old[1]] = self._sums.a
        grown.b[: old[0], : old[1]] = self._sums.b
        grown.epoch = self._sums.epoch
        self._sums = grown
        self._read_from_start()

    def _read_from_start(self) -> None:
        """Forget what was worked out of the sums."""
        rows, width = self._sums.b.shape
        self._read = unread(rows, width)

    def _scale_at(self, tick: int) -> float:
        """Return the factor that decays the sums to the beginning of a tick."""
        return self._sums.decay(max(tick, 0) * self._tick_ns)

    @property
    def _mutable_attributes(self) -> set[str]:
        return {"width"}

    def __repr__(self) -> str:
        """Return the parameters: River's table of arms cannot be printed before the first reward."""
        return str(base.Base.__repr__(self))

    @classmethod
    def _unit_test_params(cls) -> Any:
        yield {}
        yield {"half_life": 50.0, "width": 0.5, "clock": "at_s"}


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def learn_kernel(
    a: F64, b: F64, row: int, gamma: float, weight: float, reward: float, x: F64, d: int, scale: float, read: Read
) -> None:
    """Add a reward at the first `d` features of `x` to a row's sums (of `a` the lower triangle), and to what was read.

    `gamma` is the weight of its time in the sums, `weight` that of the reward in its own time; `scale` decays the sums
    to the time that was read. What was read moves by Sherman and Morrison's formula, until the next tick.
    """
    for i in range(d):
        b[row, i] += gamma * weight * reward * x[i]
        wx = gamma * weight * x[i]
        for j in range(i + 1):
            a[row, i, j] += wx * x[j]
    if not read.is_read[row]:
        return
    half, omega = read.half, scale * gamma * weight
    _multiply(read.inverse[row], x, d, half)
    miss, spread = reward, 1.0
    for i in range(d):
        miss -= read.theta[row, i] * x[i]
        spread += omega * half[i] * x[i]
    for i in range(d):
        step = omega / spread * half[i]
        read.theta[row, i] += step * miss
        for j in range(i + 1):
            read.inverse[row, i, j] -= step * half[j]


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _multiply(lower: F64, x: F64, d: int, out: F64) -> None:
    """Write the product of a symmetric matrix, given by its lower triangle, and `x` into `out`."""
    for i in range(d):
        total = lower[i, i] * x[i]
        for j in range(i):
            total += lower[i, j] * x[j]
        out[i] = total
    for i in range(d):
        for j in range(i):
            out[j] += lower[i, j] * x[i]


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def read_kernel(a: F64, b: F64, rows: I64, scale: float, prior: float, d: int, read: Read) -> None:
    """Work out the posterior of each of `rows` that was not read, in the first `d` parameters."""
    for n in range(rows.shape[0]):
        row = rows[n]
        if read.is_read[row]:
            continue
        read.is_read[row] = True
        inverse = read.inverse[row]
        for i in range(d):
            for j in range(i + 1):
                inverse[i, j] = scale * a[row, i, j]
            inverse[i, i] += prior
        _invert(inverse, d, 0.5 * prior, read.half)
        _multiply(inverse, b[row], d, read.theta[row])
        for i in range(d):
            read.theta[row, i] *= scale


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _invert(lower: F64, d: int, least: float, column: F64) -> None:
    """Replace a positive definite matrix, given by its lower triangle, by its inverse: Beaton's sweep of each column.

    In exact arithmetic no pivot is under the prior's precision; `least` stands in where rounding took more than that.
    """
    for k in range(d):
        pivot = max(lower[k, k], least)
        for i in range(d):
            column[i] = lower[k, i] if i <= k else lower[i, k]
        column[k] = 0.0
        for i in range(d):
            share = column[i] / pivot
            for j in range(i + 1):
                lower[i, j] -= share * column[j]
        for i in range(k):
            lower[k, i] = column[i] / pivot
        for i in range(k + 1, d):
            lower[i, k] = column[i] / pivot
        lower[k, k] = -1.0 / pivot
    for i in range(d):
        for j in range(i + 1):
            lower[i, j] = -lower[i, j]


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def bounds_kernel(rows: I64, read: Read, x: F64, d: int, width: float, out: F64) -> None:
    """Write each row's upper confidence bound at the first `d` features of `x` into `out`."""
    for n in range(rows.shape[0]):
        row = rows[n]
        eta, variance = 0.0, 0.0
        for i in range(d):
            half = 0.0
            for j in range(i):
                half += read.inverse[row, i, j] * x[j]
            variance += (2.0 * half + read.inverse[row, i, i] * x[i]) * x[i]
            eta += read.theta[row, i] * x[i]
        out[n] = eta + width * math.sqrt(max(variance, 0.0))


def bounds_plain(a: F64, b: F64, rows: I64, scale: float, prior: float, x: F64, width: float) -> F64:
    """The plain twin of `read_kernel` and `bounds_kernel`; returns what they write."""
    d = x.shape[0]
    bounds = []
    for row in rows.tolist():
        whole = np.tril(a[row, :d, :d]) + np.tril(a[row, :d, :d], -1).T
        precision = scale * whole + prior * np.eye(d)
        theta = posterior_numpy(whole, b[row, :d], scale, np.full(d, prior), np.zeros(d))
        bounds.append(float(theta @ x) + width * math.sqrt(float(x @ np.linalg.solve(precision, x))))
    return np.array(bounds)
