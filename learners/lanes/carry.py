"""What past days taught, as part of the prior of the day that begins.

Rule of this file: past days are evidence that does not decay, and is worth at most a capped number of observations: a
desk's learner starts where yesterday ended, and is still moved by today.
"""

from __future__ import annotations

import numpy as np

from learners.lanes.clock import decay_plain
from learners.lanes.model import LaneModel
from router.domain.errors import FeatureError, bad_value

CAP = 500.0
"""Observations that all past days of a lane's component are worth at most."""


def carry(model: LaneModel, past: LaneModel, cap: float = CAP) -> None:
    """Begin `model`, which has learned nothing, with what `past` knows at its latest event; `past` is left as it is.

    Per lane and component the longest memory's sums, and what `past` itself carried, are scaled down together until
    they are worth `cap` observations: same means, precision the least of the two.

    Raises:
        FeatureError: another shape, a model that has learned, or a cap that is not positive.
    """
    if past.shape != model.shape or model.sums.counts[:, :, 0].any() or not cap > 0.0:
        raise FeatureError(bad_value("lanes.carry", "a fresh model of the same shape and a positive cap", cap))
    mine, theirs = model.sums, past.sums
    scale = decay_plain(past.latest, int(past.half_lives[-3]), int(theirs.epochs[-3]))
    seen = theirs.counts[:, :, 0] + theirs.counts[:, :, 2]
    kept = np.minimum(1.0, cap / np.maximum(seen, 1.0))
    mine.past_a[...] = kept[:, :, None, None] * (scale * theirs.a[:, :, -1] + theirs.past_a)
    mine.past_b[...] = kept[:, :, None] * (scale * theirs.b[:, :, -1] + theirs.past_b)
    sizes = kept[1]
    mine.past_bins[...] = sizes[:, None, None] * (scale * theirs.bins[:, -1] + theirs.past_bins)
    mine.counts[:, :, 2] = np.minimum(seen, np.int64(cap))
    model.refresh(model.latest)
