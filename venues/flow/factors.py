"""Rates as a product: by imbalance, times a factor for the spread's class, times one for the queue's class.

Rule of this file: it knows counts and the time they could have been counted in, nothing of a tape. What was seen little
of leans on one factor, or on its spread's mean over all imbalances.

Source: iterative proportional fitting of a Poisson model with a product of factors; Bishop, Fienberg and Holland,
"Discrete Multivariate Analysis" (1975), chapter 3.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from router.domain.market import F64
from venues.flow.parameters import BINS, COLUMNS, IMPROVE, KINDS, QUEUE_CLASSES, SPREAD_CLASSES, SPREADS

PRIOR_S = 20.0
"""A bin's rate leans on its spread's mean as if it had been seen so many seconds longer."""

PRIOR_EVENTS = 5.0
"""A class's factor leans on 1 as if so many events more had come, just as many as expected."""

SHAPE = (SPREAD_CLASSES, QUEUE_CLASSES, BINS, COLUMNS)
"""Of counts and exposures: class of the spread, class of the column's own queue, bin of the imbalance, column."""

_ROUNDS = 60
_IS_WIDE = (np.arange(SPREAD_CLASSES) > 0).astype(np.int64)


class Product(NamedTuple):
    """Rates (2, 21, 8), spread factors (9, 4) and queue factors (8, 4), as in `FlowParameters`."""

    rates: F64
    spread_factors: F64
    queue_factors: F64


def fit_product(counts: F64, exposures: F64) -> Product:
    """Return the rates and factors of counts over exposures (in s), both of `SHAPE`."""
    counts, exposures = _both_sides(counts), _both_sides(exposures)
    widths, queues = np.ones((SPREAD_CLASSES, KINDS)), np.ones((QUEUE_CLASSES, KINDS))
    rates = np.zeros((SPREADS, BINS, COLUMNS))
    for _ in range(_ROUNDS):
        rates = _leaning_on_means(counts, exposures * _spread(widths, queues))
        flat = exposures * rates[_IS_WIDE][:, None]
        widths = _factors(counts, flat * _spread(np.ones_like(widths), queues), 0)
        queues = _factors(counts, flat * _spread(widths, np.ones_like(queues)), 1)
    # In a spread of one tick there is no room.
    rates[0, :, 2 * IMPROVE :] = 0.0
    return Product(rates, widths, queues)


def _both_sides(seen: F64) -> F64:
    """Add the mirror image: bids at an imbalance are as asks at the opposite one, and a day is too short to differ."""
    sides = seen.reshape(*seen.shape[:3], KINDS, 2)
    both: F64 = 0.5 * (sides + sides[:, :, ::-1, :, ::-1]).reshape(seen.shape)
    return both


def _spread(widths: F64, queues: F64) -> F64:
    """Return the product of both factors for each cell: (9, 8, 1, 8)."""
    product: F64 = np.repeat(widths, 2, axis=1)[:, None, None, :] * np.repeat(queues, 2, axis=1)[None, :, None, :]
    return product


def _factors(counts: F64, expected: F64, axis: int) -> F64:
    """Return what came over what was expected, by class along `axis` and by kind."""
    others = (1 - axis, 2)
    came = counts.sum(axis=others).reshape(-1, KINDS, 2).sum(axis=2)
    due = expected.sum(axis=others).reshape(-1, KINDS, 2).sum(axis=2)
    found: F64 = (came + PRIOR_EVENTS) / (due + PRIOR_EVENTS)
    return found


def _leaning_on_means(counts: F64, exposures: F64) -> F64:
    """Return rates (2, 21, 8), each bin's leaning on its spread's mean."""
    rows = []
    for is_wide in range(SPREADS):
        came = counts[is_wide == _IS_WIDE].sum(axis=(0, 1))
        lasted = exposures[is_wide == _IS_WIDE].sum(axis=(0, 1))
        mean = came.sum(axis=0) / np.maximum(lasted.sum(axis=0), PRIOR_S)
        rows.append((came + PRIOR_S * mean) / (lasted + PRIOR_S))
    return np.array(rows)
