"""Confidence intervals of means, and the Student quantile they need.

Rule of this file: pure functions of numbers; a resampled interval draws from a keyed generator, so that the same
numbers give the same interval everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from router.domain.errors import BadInputError, bad_value
from router.domain.market import F64

CONFIDENCE = 0.95
"""Every interval of reports and comparisons covers this much."""

_BISECTIONS = 200
"""More than enough to reach the last bit of a float from the bracket below."""


class Interval(NamedTuple):
    """A two-sided interval; `low` <= `high`."""

    low: float
    high: float


class MeanInterval(NamedTuple):
    """A mean with its interval (None below two observations) and the number of observations."""

    mean: float
    interval: Interval | None
    observations: int


def student_cdf(t: float, freedom: int) -> float:
    """Return P(T <= t) of Student's t with a whole number of degrees of freedom.

    The finite series of Abramowitz and Stegun (1964), 26.7.3 and 26.7.4.

    >>> student_cdf(0.0, 7)
    0.5
    >>> round(student_cdf(1.0, 1), 12)
    0.75
    """
    angle = math.atan2(t, math.sqrt(freedom))
    cos2 = math.cos(angle) ** 2
    if freedom % 2:
        total, term = 0.0, 1.0
        for k in range(3, freedom + 1, 2):
            total += term
            term *= cos2 * (k - 1) / k
        inside = 2 / math.pi * (angle + math.sin(angle) * math.cos(angle) * total)
    else:
        total, term = 0.0, 1.0
        for k in range(2, freedom + 1, 2):
            total += term
            term *= cos2 * (k - 1) / k
        inside = math.sin(angle) * total
    return 0.5 + inside / 2


def student_quantile(probability: float, freedom: int) -> float:
    """Return the quantile of Student's t with a whole number of degrees of freedom, by bisection.

    Raises:
        BadInputError: a probability outside (0, 1) or less than one degree of freedom.

    >>> round(student_quantile(0.975, 10), 4)
    2.2281
    """
    if not 0.0 < probability < 1.0:
        raise BadInputError(bad_value("student_quantile.probability", "a number between 0 and 1", probability))
    if freedom < 1:
        raise BadInputError(bad_value("student_quantile.freedom", "a whole number from 1", freedom))
    if probability < 0.5:
        return -student_quantile(1.0 - probability, freedom)
    low, high = 0.0, 1.0
    while student_cdf(high, freedom) < probability:
        low, high = high, high * 2
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if student_cdf(middle, freedom) < probability:
            low = middle
        else:
            high = middle
    return high


def mean_interval(values: Sequence[float] | F64, confidence: float = CONFIDENCE) -> MeanInterval:
    """Return the mean of independent observations with Student's interval.

    Raises:
        BadInputError: no observation.

    >>> mean_interval([1.0, 2.0, 3.0]).mean
    2.0
    """
    x = np.asarray(values, dtype=np.float64)
    if x.size == 0:
        raise BadInputError(bad_value("mean_interval.values", "at least one number", []))
    mean = float(x.mean())
    if x.size == 1:
        return MeanInterval(mean, None, 1)
    half = student_quantile(0.5 + confidence / 2, x.size - 1) * float(x.std(ddof=1)) / math.sqrt(x.size)
    return MeanInterval(mean, Interval(mean - half, mean + half), int(x.size))


def weighted_mean_interval(
    values: F64, weights: F64, clusters: Sequence[str], confidence: float = CONFIDENCE
) -> MeanInterval:
    """Return a weighted mean whose interval allows for dependence inside clusters.

    `values`, `weights` (positive) and `clusters` are one per observation. The variance is the linearised one of a
    ratio, summed by cluster (Cochran, Sampling Techniques, 1977, section 6.3), with Student's quantile for the number
    of clusters: the fills of one decision share one path of the market and are not independent. `observations` counts
    values, not clusters; the interval is None below two clusters.

    Raises:
        BadInputError: no observation.
    """
    if values.size == 0:
        raise BadInputError(bad_value("weighted_mean_interval.values", "at least one number", []))
    total = float(weights.sum())
    mean = float((values * weights).sum()) / total
    order = {name: n for n, name in enumerate(dict.fromkeys(clusters))}
    if len(order) < 2:
        return MeanInterval(mean, None, int(values.size))
    place = np.fromiter((order[name] for name in clusters), dtype=np.int64, count=values.size)
    residual = np.bincount(place, weights=weights * (values - mean), minlength=len(order))
    variance = len(order) / (len(order) - 1) * float((residual**2).sum()) / total**2
    half = student_quantile(0.5 + confidence / 2, len(order) - 1) * math.sqrt(variance)
    return MeanInterval(mean, Interval(mean - half, mean + half), int(values.size))
