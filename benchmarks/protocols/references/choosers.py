"""Choosers of others, each through its own interface, and a plain bank of half-lives.

Rule of this file: what a chooser learns from is the finished reward, price plus markout after a fill and 0 after a
miss, when it is known: the whole of the delay, and nothing that the protocol does not tell.
"""

from __future__ import annotations

import numpy as np
from river import bandit

from benchmarks.protocols.contest import F64
from router.domain.chance import generator


class Finished:
    """Turns news into `reward(at_s, lane, x, bps)`, once per order: of a miss when heard, of a fill when marked."""

    def __init__(self) -> None:
        self._prices: dict[tuple[int, bytes], list[float]] = {}

    def hear(self, at_s: float, lane: int, x: F64, filled: bool, after_s: float, price_bps: float) -> None:
        """Pass a miss on; keep the price of a fill until its markout."""
        if filled:
            self._prices.setdefault((lane, x.tobytes()), []).append(price_bps)
        else:
            self.reward(at_s, lane, x, 0.0)

    def mark(self, at_s: float, lane: int, x: F64, markout_bps: float) -> None:
        """Pass a fill on."""
        waiting = self._prices[(lane, x.tobytes())]
        price_bps = waiting.pop(0)
        if not waiting:
            del self._prices[(lane, x.tobytes())]
        self.reward(at_s, lane, x, price_bps + markout_bps)

    def reward(self, at_s: float, lane: int, x: F64, bps: float) -> None:
        """Learn from one finished order; here nothing."""


class Random(Finished):
    """Chooses uniformly."""

    def __init__(self, lanes: int, seed: int) -> None:
        super().__init__()
        self.name = "random"
        self._lanes, self._draws = lanes, generator(seed, "random", "choice")

    def choose(self, at_s: float, x: F64) -> int:
        """Return any lane."""
        return int(self._draws.integers(self._lanes))


class RiverLinUcb(Finished):
    """River's `bandit.LinUCBDisjoint` through `pull` and `update` with dict contexts.

    Tuned: `beta`, the precision of the noise, of {.03, .1, .3, 1, 3, 10}. `alpha` stays 1: its regression is
    inconsistent with any other in River 0.26.
    """

    def __init__(self, lanes: int, dims: int, seed: int, beta: float = 3.0) -> None:
        super().__init__()
        self.name = "river LinUCB"
        self._arms, self._names = list(range(lanes)), [f"x{k}" for k in range(dims)]
        self._policy = bandit.LinUCBDisjoint(beta=beta, seed=seed)

    def choose(self, at_s: float, x: F64) -> int:
        """Pull an arm."""
        return int(self._policy.pull(self._arms, context=self._context(x[0])))

    def reward(self, at_s: float, lane: int, x: F64, bps: float) -> None:
        """Update an arm."""
        self._policy.update(lane, self._context(x), bps)

    def _context(self, x: F64) -> dict[str, float]:
        return dict(zip(self._names, x.tolist(), strict=True))


class RidgeBank(Finished):
    """Thompson draws from ridge regressions of the reward, at several half-lives, weighted by how well they predict.

    Per lane and half-life (A, b) fade by event time; weights are the softmax of the log predictive likelihood, itself
    fading over `memory_s`. Tuned: `noise_bps` of {.7, 1, 2}, `prior` of {.3, 1, 3, 10}, `breadth`, the scale of the
    draw's deviation, of {.1, .2, .3, .5, 1}, `memory_s` of {600, 1800}.
    """

    def __init__(
        self,
        lanes: int,
        dims: int,
        seed: int,
        half_lives_s: tuple[float, ...] = (120.0, 480.0, 1_800.0),
        *,
        noise_bps: float = 1.0,
        prior: float = 3.0,
        breadth: float = 0.3,
        memory_s: float = 600.0,
    ) -> None:
        super().__init__()
        self.name = "half-life bank" if len(half_lives_s) > 1 else f"half-life {half_lives_s[0]:g} s"
        bank = len(half_lives_s)
        self._rates = np.log(2.0) / np.array(half_lives_s)
        self._noise, self._breadth, self._memory_s = noise_bps**2, breadth, memory_s
        self._prior = prior * np.eye(dims)
        self._a = np.zeros((bank, lanes, dims, dims))
        self._b = np.zeros((bank, lanes, dims))
        self._scores = np.zeros((bank, lanes))
        self._last_s = np.zeros(lanes)
        self._draws = generator(seed, "ridge bank", "choice")

    def choose(self, at_s: float, x: F64) -> int:
        """Return the lane with the best draw, each lane from one half-life drawn by weight."""
        bank, lanes = self._scores.shape
        fade = np.exp(-self._rates[:, None] * (at_s - self._last_s))
        weights = np.exp(self._scores - self._scores.max(axis=0))
        edges = np.cumsum(weights, axis=0) / weights.sum(axis=0)
        member = np.minimum((self._draws.random(lanes) > edges).sum(axis=0), bank - 1)
        each = np.arange(lanes)
        held = fade[member, each]
        precision = self._prior + held[:, None, None] * self._a[member, each]
        both = np.stack([held[:, None] * self._b[member, each], x], axis=2)
        solved = np.linalg.solve(precision, both)
        means = (x * solved[:, :, 0]).sum(axis=1)
        spread = np.sqrt(self._noise * np.maximum((x * solved[:, :, 1]).sum(axis=1), 0.0))
        return int(np.argmax(means + self._breadth * spread * self._draws.standard_normal(lanes)))

    def reward(self, at_s: float, lane: int, x: F64, bps: float) -> None:
        """Score each half-life's prediction, fade, add."""
        passed = max(at_s - self._last_s[lane], 0.0)
        fade = np.exp(-self._rates * passed)
        self._last_s[lane] += passed
        self._a[:, lane] *= fade[:, None, None]
        self._b[:, lane] *= fade[:, None]
        both = np.stack([self._b[:, lane], np.tile(x, (len(fade), 1))], axis=2)
        solved = np.linalg.solve(self._prior + self._a[:, lane], both)
        means, spread = x @ solved[:, :, 0].T, self._noise * (1.0 + x @ solved[:, :, 1].T)
        self._scores[:, lane] *= np.exp(-passed / self._memory_s)
        self._scores[:, lane] += -0.5 * (np.log(spread) + (bps - means) ** 2 / spread)
        self._a[:, lane] += np.outer(x, x)
        self._b[:, lane] += bps * x
