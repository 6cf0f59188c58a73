"""What is worked out for all lanes abreast, from a queue, or only where it changed, is what is worked out one by one.

Rule of this file: bits are compared where the order of operations is the same, and words of whole states.
"""

from __future__ import annotations

import numpy as np
from lane_material import LANES, contexts, shape, stream, teach

from learners.lanes.model import LaneModel
from learners.lanes.queue import QUEUE_MAX, spell
from learners.lanes.settle import posterior, posteriors, spread, spreads
from learners.lanes.shape import AGE_EDGES, COMPONENTS, widths_of
from learners.lanes.state_hash import row_words_plain

SEEN = stream(1_500)


def test_posteriors_and_spreads_abreast_are_those_of_each_lane_to_the_bit() -> None:
    rng, width, lanes = np.random.Generator(np.random.Philox(5)), 7, 11
    a = np.array([m.T @ m for m in rng.normal(size=(lanes, 9, width))])
    b, precision, mean = rng.normal(size=(lanes, width)), rng.uniform(0.5, 2.0, width), rng.normal(size=width)
    right = (0.5 * b + 0.0 + precision * mean).T.copy()
    left = np.ascontiguousarray((0.5 * a + np.diag(precision)).transpose(1, 2, 0))
    posteriors(right, left, np.repeat(0.5 * precision[:, None], lanes, axis=1))
    x = rng.normal(size=(width, lanes))
    half, abreast = np.empty((width, lanes)), np.empty(lanes)
    spreads(left, x, half, abreast)
    none, nothing = np.zeros((width, width)), np.zeros(width)
    chol, theta = np.zeros((width, width)), np.zeros(width)
    for k in range(lanes):
        posterior(a[k], b[k], 0.5, none, nothing, precision, mean, width, chol, theta)
        assert right[:, k].tolist() == theta.tolist()
        assert np.tril(left[:, :, k]).tolist() == np.tril(chol).tolist()
        assert abreast[k] == spread(chol, x[:, k].copy(), width, nothing.copy())


def test_what_waits_in_the_queue_shows_nowhere() -> None:
    asked, silent = LaneModel(shape()), LaneModel(shape())
    for n, each in enumerate(SEEN):
        teach(asked, [each])
        teach(silent, [each])
        if n % 7 == 0:
            assert asked.changes
        if n % 50 == 0:
            assert asked.sums.counts[:, :LANES, 0].sum() >= n // 4
    assert len(SEEN) > QUEUE_MAX
    assert asked.digest() == silent.digest()
    np.testing.assert_array_equal(asked.predict(0, contexts(LANES)).mu, silent.predict(0, contexts(LANES)).mu)


def test_an_exposure_is_a_row_for_each_age_bin_that_it_was_in() -> None:
    ages = np.array(AGE_EDGES)
    rows, seen, exposures = np.ones((len(ages), 2 + len(ages))), np.ones(len(ages)), np.ones(len(ages))
    x = np.array([1.0, 0.25])
    count = spell(x, np.array([1.0, 0.0, ages[2]]), ages, rows, seen, exposures)
    assert count == 2
    assert rows[:2].tolist() == [[1.0, 0.25, *np.eye(len(ages))[g]] for g in range(2)]
    assert exposures[:2].tolist() == [ages[1] - ages[0], ages[2] - ages[1]]
    assert seen[:2].tolist() == [0.0, 1.0]
    assert spell(x, np.array([0.0, 0.5, 0.5]), ages, rows, seen, exposures) == 0


def test_the_words_of_rows_are_those_of_their_twin_and_change_with_every_number() -> None:
    model = teach(LaneModel(shape()), SEEN[:300])
    model.digest()
    widths = widths_of(shape())
    for c in range(len(COMPONENTS)):
        for row in range(shape().rows):
            words = row_words_plain(model.sums, model.windows, widths, c, row)
            assert tuple(model._row_words[c, row].tolist()) == words
    before = model.digest()
    for array in (model.sums.b, model.sums.base, model.sums.score, model.sums.rates, model.windows.seen):
        array.reshape(-1)[0] = 7
        model.touch()
        after = model.digest()
        assert after != before
        before = after
