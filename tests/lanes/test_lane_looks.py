"""What is kept between looks at a lane model, and between its digests, holds.

Rule of this file: whatever was asked on the way, the answer is that of a model that was asked once, at the end.
"""

from __future__ import annotations

import numpy as np
from lane_material import LANES, contexts, shape, stream, teach

from learners.lanes.look import CHANCES_AND_SIZES, EVERYTHING, empty_sight
from learners.lanes.model import LaneModel
from learners.lanes.shape import COMPONENTS, LEAK, MARK_1

SEEN = stream(6_000)
"""Fifty minutes: the sums of the shortest memory change their epoch twice on the way."""


def test_a_digest_asked_for_on_the_way_changes_none_later() -> None:
    asked, silent, restored = LaneModel(shape()), LaneModel(shape()), LaneModel(shape())
    for first in range(0, len(SEEN), 97):
        teach(asked, SEEN[first : first + 97]).digest()
    teach(silent, SEEN)
    restored.restore(silent.arrays())
    assert asked.sums.epochs[0] > LaneModel(shape()).sums.epochs[0]
    assert asked.digest() == silent.digest() == restored.digest()


def test_every_observation_shows_in_the_digest() -> None:
    model, digests = LaneModel(shape()), set()
    for each in SEEN[:400]:
        digests.add(teach(model, [each]).digest())
    assert len(digests) == 400


def test_a_look_at_what_changed_is_a_look_at_everything() -> None:
    model, seen, counts = LaneModel(shape()), empty_sight(LANES), [0] * len(COMPONENTS)
    x, at = contexts(LANES), SEEN[-1].at
    for each in SEEN[:600]:
        teach(model, [each])
        asked = np.array([now != before for now, before in zip(model.changes, counts, strict=True)])
        counts = list(model.changes)
        model.look(at, x, asked, EVERYTHING, seen)
        whole = model.predict(at, x, sds=True)
        np.testing.assert_array_equal(seen.p, whole.p)
        np.testing.assert_array_equal(seen.mu, whole.mu)
        np.testing.assert_array_equal(seen.hazards, whole.hazards)
        np.testing.assert_array_equal(seen.costs[MARK_1:LEAK], whole.markout)
        np.testing.assert_array_equal(seen.costs[LEAK], whole.leakage)
        np.testing.assert_array_equal(seen.sd, whole.sd)


def test_deviations_that_are_not_wanted_are_not_written_and_change_no_prediction() -> None:
    model, x = teach(LaneModel(shape()), SEEN[:500]), contexts(LANES)
    bare, full = model.predict(SEEN[499].at, x), model.predict(SEEN[499].at, x, sds=True)
    for name in ("p", "mu", "hazards", "markout", "leakage"):
        np.testing.assert_array_equal(getattr(bare, name), getattr(full, name))
    assert (bare.sd[CHANCES_AND_SIZES] > 0.0).all()
    assert not bare.sd[MARK_1:].any()
    assert (full.sd > 0.0).all()
