"""Out-of-sample judgement of price models: MCC and log-loss, with intervals from a block bootstrap.

Rule of this file: who is compared is compared on the same samples and the same resamples. Neighbouring samples see
the same market and the same next move, so that whole blocks of time are drawn, never single samples.

Matthews' correlation coefficient (MCC) of the calls "up" (probability above 1/2) is 0 for guessing and 1 for knowing;
log-loss is in nats, ln 2 = 0.693 for saying 1/2 always. Source of the bootstrap: Kuensch (1989).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec
import numpy as np

from learners.price.samples import Samples
from router.domain.chance import generator
from router.domain.errors import BadInputError, bad_value
from router.domain.market import F64, I64
from router.domain.units import MINUTE, Nanos

BLOCK_NS: Final[Nanos] = 2 * MINUTE
"""Twice as long as a label may wait for its move."""
BLOCKS_MIN: Final = 20
"""A short recording is cut into shorter blocks, so many at least; its intervals are then too narrow."""
RESAMPLES: Final = 1_000
LEVEL: Final = 0.95
PROBABILITY_MIN: Final = 1e-9


class Score(msgspec.Struct, frozen=True):
    """One forecaster on the test part, each number with its interval of 95 %."""

    name: str
    log_loss: float
    log_loss_low: float
    log_loss_high: float
    mcc: float
    mcc_low: float
    mcc_high: float


class Gain(msgspec.Struct, frozen=True):
    """What a model gains over a baseline, positive is better: log-loss saved, MCC added; intervals of 95 %.

    `is_better` says that the whole interval of the log-loss is above 0; with an interval around 0 nothing is proven.
    """

    over: str
    log_loss: float
    log_loss_low: float
    log_loss_high: float
    mcc: float
    mcc_low: float
    mcc_high: float
    is_better: bool


class Judgement(NamedTuple):
    """`scores` in the order of the forecasters, the model first; `gains` of the model over each other one."""

    scores: tuple[Score, ...]
    gains: tuple[Gain, ...]
    blocks: int


def judge(test: Samples, forecasts: Mapping[str, F64], seed: int, block_ns: Nanos = BLOCK_NS) -> Judgement:
    """Return how forecasts float64 (n,) of "up" did on the test part; the first one is the model.

    Raises:
        BadInputError: no forecasts, or forecasts of another length or that are no probabilities.
    """
    for name, p in forecasts.items():
        if p.shape != test.y.shape or not ((p >= 0.0) & (p <= 1.0)).all():
            raise BadInputError(bad_value(f"judge.{name}", f"{len(test)} probabilities", p.shape))
    if not forecasts or not len(test):
        raise BadInputError(bad_value("judge", "forecasts of some samples", len(test)))
    block = _blocks(test.at, block_ns)
    n_blocks = int(block[-1]) + 1
    drawn = generator(seed, "price", "block-bootstrap").integers(0, n_blocks, (RESAMPLES, n_blocks))
    weights = np.apply_along_axis(np.bincount, 1, drawn, minlength=n_blocks).astype(np.float64)
    weights = np.vstack((np.ones(n_blocks), weights))
    losses, mccs = {}, {}
    for name, p in forecasts.items():
        sums = weights @ _per_block(p, test.y, block, n_blocks)
        losses[name], mccs[name] = sums[:, 0] / np.maximum(sums[:, 1], 1.0), _mcc(sums[:, 2:])
    model = next(iter(forecasts))
    scores = tuple(Score(name, *_interval(losses[name]), *_interval(mccs[name])) for name in forecasts)
    gains = []
    for name in forecasts:
        if name != model:
            loss, mcc = _interval(losses[name] - losses[model]), _interval(mccs[model] - mccs[name])
            gains.append(Gain(name, *loss, *mcc, is_better=loss[1] > 0.0))
    return Judgement(scores, tuple(gains), n_blocks)


def mcc(p: F64, y: I64) -> float:
    """Return Matthews' correlation coefficient of the calls p > 1/2; 0 where it is not defined.

    >>> mcc(np.array([0.9, 0.8, 0.2, 0.1]), np.array([1, 1, 0, 0]))
    1.0
    """
    whole = np.zeros(len(y), dtype=np.int64)
    return float(_mcc(_per_block(p, y, whole, 1)[:, 2:])[0])


def log_loss(p: F64, y: I64) -> float:
    """Return the mean of -ln of the probability given to what happened.

    >>> round(log_loss(np.array([0.5, 0.5]), np.array([1, 0])), 4)
    0.6931
    """
    return float(_losses(p, y).mean())


def _losses(p: F64, y: I64) -> F64:
    losses: F64 = -np.log(np.clip(np.where(y == 1, p, 1.0 - p), PROBABILITY_MIN, 1.0))
    return losses


def _per_block(p: F64, y: I64, block: I64, n: int) -> F64:
    """Return float64 (n, 6): sums of the loss, of samples, and of true and false ups and downs."""
    up, is_up = p > 0.5, y == 1
    columns = (_losses(p, y), np.ones(len(y)), up & is_up, ~up & ~is_up, up & ~is_up, ~up & is_up)
    return np.column_stack([np.bincount(block, weights=of, minlength=n) for of in columns])


def _mcc(counts: F64) -> F64:
    tp, tn, fp, fn = counts.T
    under = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    value: F64 = np.where(under > 0.0, (tp * tn - fp * fn) / np.sqrt(np.maximum(under, 1e-300)), 0.0)
    return value


def _blocks(at: I64, block_ns: Nanos) -> I64:
    """Return each sample's block, numbered from 0 without a hole."""
    span = max(int(at[-1] - at[0]), 1)
    block = (at - at[0]) // max(min(block_ns, span // BLOCKS_MIN), 1)
    numbered: I64 = np.unique(block, return_inverse=True)[1].reshape(-1)
    return numbered


def _interval(values: F64) -> tuple[float, float, float]:
    """Return (the value itself, low, high): row 0 is the test part, the others its resamples."""
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(values[1:], (tail, 1.0 - tail))
    return float(values[0]), float(low), float(high)
