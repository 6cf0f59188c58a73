"""L7: what one policy would have brought, estimated from what another one logged, against the known truth.

Rule of this file: every estimator reads the same rounds, knows the exact propensities and fits its reward model on the
same rows; the references are the published estimators, written out here plainly and with nothing of ours in them.

Three worlds (`learners.evaluation.worlds`): `fills` is the one of the table, a contextual choice whose rewards are
fills times their worth; in `linear` the reference's reward model is right; `splits` is what a router logs, a split
over all lanes with probes. 10,000 rounds over 8 lanes; the figure is the root of the mean squared relative error.

* IPS: Σ w r / n.  SNIPS: Σ w r / Σ w (Swaminathan and Joachims, NeurIPS 2015).
* DR: least squares per lane, fitted on one half and read on the other, both ways, corrected by Σ w (r - model) / n
  (Dudík, Langford and Li, ICML 2011).
"""

from __future__ import annotations

import numpy as np

from benchmarks.rows import Row, Settings, measured
from learners.evaluation.estimators import estimates
from learners.evaluation.rounds import Rounds
from learners.evaluation.worlds import World, draw_rounds, make_world, true_value
from router.domain.market import F64

ROUNDS, REPETITIONS = 10_000, 200
QUICK_ROUNDS, QUICK_REPETITIONS = 4_000, 30
COVERED_MIN = 0.90
"""Least share of our intervals at 95 % that hold the truth."""

KINDS = ("fills", "linear", "splits")
OURS = "DRS"
RIDGE = 1e-3
"""Keeps the reference's least squares defined for a lane that was hardly ever chosen."""


def references(rounds: Rounds) -> dict[str, float]:
    """Return the published estimates of the judged policy's value, DR first."""
    weights = rounds.taken * rounds.target / rounds.logged
    model = least_squares(rounds)
    robust = (rounds.target * model).sum(axis=1) + (weights * (rounds.reward - model)).sum(axis=1)
    weighed = float((weights * rounds.reward).sum())
    return {
        "DR": float(robust.mean()),
        "IPS": weighed / len(weights),
        "SNIPS": weighed / float(weights.sum()),
    }


def least_squares(rounds: Rounds) -> F64:
    """Return each lane's reward at each round, (n, lanes), by least squares on the other half of the rounds."""
    n, lanes, width = rounds.context.shape
    half = np.arange(n) % 2
    model = np.zeros((n, lanes))
    for own in (0, 1):
        for k in range(lanes):
            used = (half != own) & (rounds.taken[:, k] > 0.0)
            x, y = rounds.context[used, k], rounds.reward[used, k]
            theta = np.linalg.solve(x.T @ x + RIDGE * np.eye(width), x.T @ y)
            model[half == own, k] = rounds.context[half == own, k] @ theta
    return model


def rows(settings: Settings) -> list[Row]:
    """Return the rows of L7."""
    found: list[Row] = []
    for done, kind in enumerate(KINDS):
        settings.progress(done / len(KINDS), f"L7 {kind}")
        found += _rows_of(kind, settings)
    return found


def _rows_of(kind: str, settings: Settings) -> list[Row]:
    world = make_world(kind)
    n, repetitions = (QUICK_ROUNDS, QUICK_REPETITIONS) if settings.is_quick else (ROUNDS, REPETITIONS)
    errors, covered = _played(world, n, repetitions)
    rmse = {name: [100.0 * float(np.sqrt(np.mean(np.square(values))))] for name, values in errors.items()}
    others = {name: value for name, value in rmse.items() if name != OURS}
    what = f"relative RMSE of an off-policy estimate, world {kind}, {n:,} rounds, {repetitions} repetitions"
    return [
        measured(f"l7.{kind}", what, rmse[OURS], "%", references=others, at_most=others["DR"][0]),
        measured(
            f"l7.{kind}.covered",
            f"intervals at 95 % that hold the truth, world {kind}",
            [float(np.mean(covered))],
            "share",
            at_least=COVERED_MIN,
        ),
    ]


def _played(world: World, n: int, repetitions: int) -> tuple[dict[str, list[float]], list[bool]]:
    """Return the relative errors of each estimator, and whether our interval held the truth, by repetition."""
    truth = true_value(world)
    errors: dict[str, list[float]] = {}
    covered: list[bool] = []
    for seed in range(1, repetitions + 1):
        rounds = draw_rounds(world, n, seed)
        ours = next(e for e in estimates(rounds) if e.name == OURS)
        covered.append(ours.low <= truth <= ours.high)
        for name, value in {**references(rounds), OURS: ours.value}.items():
            errors.setdefault(name, []).append(value / truth - 1.0)
    return errors, covered
