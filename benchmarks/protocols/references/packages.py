"""Choosers of two optional packages: Vowpal Wabbit and MABWiser.

Rule of this file: a package is imported when it plays; where it is not installed it does not play, and a row says so.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks.protocols.contest import F64
from benchmarks.protocols.references.choosers import Finished
from router.domain.chance import generator


def is_installed(package: str) -> bool:
    """Tell whether a package can be imported."""
    return find_spec(package) is not None


class VowpalWabbit(Finished):
    """Vowpal Wabbit's contextual bandit with action-dependent features, one example per order.

    The features of an order are shared, the action is a constant of its own, and `-q` crosses the two. Actions are
    drawn from the distribution that the package predicts. Tuned: exploration of {--epsilon .02 / .05, --cover
    4, --squarecb --gamma_scale 10 / 100 / 1000} and the learning rate of {.05, .2, .5, 1, 2}.
    """

    def __init__(self, lanes: int, seed: int, flags: str = "--epsilon 0.05 -l 2") -> None:
        super().__init__()
        from vowpalwabbit import Workspace

        self.name = "vowpal wabbit"
        self._lanes, self._draws = lanes, generator(seed, "vowpal wabbit", "choice")
        self._model: Any = Workspace(f"--cb_explore_adf -q sa --quiet --random_seed {seed} {flags}")
        self._chances: dict[tuple[int, bytes], list[float]] = {}

    def choose(self, at_s: float, x: F64) -> int:
        """Draw an action from the predicted distribution."""
        chances = np.asarray(self._model.predict(self._example(x[0])))
        lane = int(self._draws.choice(self._lanes, p=chances / chances.sum()))
        self._chances.setdefault((lane, x[lane].tobytes()), []).append(float(chances[lane]))
        return lane

    def reward(self, at_s: float, lane: int, x: F64, bps: float) -> None:
        """Learn from a cost, less being better, with the probability it was chosen with."""
        chance = self._chances[(lane, x.tobytes())].pop(0)
        self._model.learn(self._example(x, lane, -bps, chance))

    def _example(self, x: F64, lane: int = -1, cost: float = 0.0, chance: float = 1.0) -> list[str]:
        shared = "shared |s " + " ".join(f"x{k}:{value:.6f}" for k, value in enumerate(x.tolist()))
        actions = [f"|a lane{k}" for k in range(self._lanes)]
        if lane >= 0:
            actions[lane] = f"0:{cost:.6f}:{chance:.6f} {actions[lane]}"
        return [shared, *actions]


class MabWiser(Finished):
    """MABWiser's LinUCB, told its rewards `batch` at a time, since each call of `partial_fit` costs much.

    Tuned: `alpha` of {.1, .3, 1, 2}.
    """

    def __init__(self, lanes: int, dims: int, seed: int, alpha: float = 1.0, batch: int = 20) -> None:
        super().__init__()
        from mabwiser.mab import MAB, LearningPolicy

        self.name = "mabwiser LinUCB"
        self._batch = batch
        self._model: Any = MAB(list(range(lanes)), LearningPolicy.LinUCB(alpha=alpha, l2_lambda=1.0), seed=seed)
        # It refuses to predict before it was fitted: one zero of each arm at a zero context says nothing.
        self._model.fit(list(range(lanes)), [0.0] * lanes, np.zeros((lanes, dims)))
        self._told: list[tuple[int, float, F64]] = []

    def choose(self, at_s: float, x: F64) -> int:
        """Predict an arm."""
        return int(self._model.predict(x[:1]))

    def reward(self, at_s: float, lane: int, x: F64, bps: float) -> None:
        """Keep a reward until there is a batch of them."""
        self._told.append((lane, bps, x))
        if len(self._told) == self._batch:
            lanes, rewards, contexts = zip(*self._told, strict=True)
            self._model.partial_fit(list(lanes), list(rewards), np.array(contexts))
            self._told.clear()
