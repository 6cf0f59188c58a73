"""What is worked out for all lanes abreast, from a queue, or only where it changed, is what is worked out one by one.

Rule of this file: bits are compared where the order of operations is the same, and words of whole states.
"""

from __future__ import annotations

import numpy as np
from lane_material import LANES, contexts, shape, stream, teach

from learners.lanes.clock import decay
from learners.lanes.hierarchy import add_member, add_members
from learners.lanes.model import LaneModel
from learners.lanes.queue import QUEUE_MAX, spell
from learners.lanes.settle import posterior, posteriors, rebase, spread, spreads
from learners.lanes.shape import AGE_EDGES, COMPONENTS, SIZE, widths_of
from learners.lanes.state_hash import row_words_plain
from learners.lanes.sums import copied

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


def test_members_abreast_say_of_their_groups_what_each_says_to_the_bit() -> None:
    rng, width, memory = np.random.Generator(np.random.Philox(6)), 5, np.array([0, 0, 0, 1, 1, 0, 1])
    members, abreast = len(memory), 8
    a = np.array([m.T @ m for m in rng.normal(size=(members, 7, width))])
    b, held, scale = rng.normal(size=(members, width)), rng.uniform(0.5, 2.0, width), 0.7
    # What fills the vector up beyond the members is solved, too, and enters no sum.
    left, right = np.ones((width, width, abreast)), np.zeros((width, abreast))
    left[:, :, :members] = (scale * a + np.diag(held)).transpose(1, 2, 0)
    right[:, :members] = scale * b.T
    posteriors(right, left, np.repeat(0.5 * held[:, None], abreast, axis=1))
    total, pull = np.zeros((2, width, width)), np.zeros((2, width))
    add_members(right, left, memory, held, total, pull)
    none, chol = np.zeros((width, width)), np.zeros((width, width))
    each_total, each_pull = np.zeros((2, width, width)), np.zeros((2, width))
    for k, m in enumerate(memory.tolist()):
        add_member(a[k], b[k], scale, none, none[0], held, width, chol, each_total[m], each_pull[m])
    assert total.tolist() == each_total.tolist()
    assert pull.tolist() == each_pull.tolist()


def test_bases_worked_out_abreast_are_the_posteriors_of_one_lane_to_the_bit() -> None:
    model = teach(LaneModel(shape()), SEEN[:400])
    sums, at, lane, width = copied(model.sums), model.latest + 5, 1, shape().features
    group, prior = LANES + shape().groups[lane], model.priors[SIZE, shape().groups[lane]]
    chol, out = np.zeros((width, width)), np.zeros(width)
    for is_sharing in (True, False):
        rebase(sums, SIZE, lane, group, prior, model.half_lives, at, width, is_sharing)
        for m, half_life in enumerate(model.half_lives[:-2].tolist()):
            scale = decay(at, half_life, int(sums.epochs[m]))
            mean = sums.base[SIZE, group, m] if is_sharing else prior[1]
            past = (sums.past_a[SIZE, lane], sums.past_b[SIZE, lane])
            a, b = sums.a[SIZE, lane, m], sums.b[SIZE, lane, m]
            posterior(a, b, scale, *past, prior[2], mean, width, chol, out)
            assert sums.base[SIZE, lane, m, :width].tolist() == out.tolist()


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
