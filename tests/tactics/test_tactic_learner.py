"""The learner of styles finds what depends on the context and what terms keep out, and stays where it knows nothing.

Rule of this file: worlds are those of `slice_worlds`, whose values are known.
"""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slice_worlds import (
    SEGMENTS,
    SPECS,
    Fill,
    mean,
    outcomes_of,
    pinging_world,
    play,
    routed,
    signal_value,
    signal_world,
)

from learners.tactics.learner import TacticLearner
from learners.tactics.model import TacticModel, two_level
from learners.tactics.slices import SliceBook
from router.allocation.styles import FIRST, Option, StyleRule, options_of
from router.domain.enums import Tactic
from router.domain.errors import FeatureError
from router.domain.tactics import PLAIN, Terms
from router.domain.units import HOUR

SIGNAL_OPTIONS = (FIRST, Option("dark", PLAIN, True), Option("take", PLAIN, True))
PING_OPTIONS = options_of((Tactic.MID_PEG,), 600, 100, SEGMENTS, False)


def test_the_regret_of_styles_falls_where_the_best_one_follows_the_price_signal() -> None:
    run = play(signal_world, SIGNAL_OPTIONS, StyleRule(epsilon=0.1), slices=3_000)

    def regret(n: int) -> float:
        best = max(signal_value(option, run.contexts[n]) for option in run.options)
        return best - signal_value(run.options[run.chosen[n].place], run.contexts[n])

    first, last = mean([regret(n) for n in range(300)]), mean([regret(n) for n in range(2_500, 3_000)])
    assert first > 0.5
    assert last < 0.2
    greedy = [regret(n) for n in range(2_500, 3_000) if not run.chosen[n].is_probe]
    assert mean(greedy) < 0.06


def test_a_large_smallest_execution_or_an_opt_out_keeps_the_pingers_out() -> None:
    run = play(pinging_world, PING_OPTIONS, StyleRule(epsilon=0.1), slices=1_500)
    late = [run.options[pick.place] for pick in run.chosen[1_200:] if not pick.is_probe]
    kept_out = [option.terms.min_lots == 5 or option.terms.deny == "pingers" for option in late]
    assert mean([float(out) for out in kept_out]) > 0.95
    assert not any(option.terms.deny == "naturals" for option in late)


def test_styles_that_are_all_alike_are_left_alone() -> None:
    def alike(n: int, option: Option, context: tuple[float, ...]) -> Fill:
        return signal_world(n, FIRST, context)

    run = play(alike, SIGNAL_OPTIONS, StyleRule(), slices=800)
    deviations = [pick.place != 0 for pick in run.chosen if not pick.is_probe]
    assert mean([float(one) for one in deviations]) < 0.1


def test_outcomes_told_twice_and_in_another_order_change_nothing() -> None:
    once, twice = TacticLearner(SPECS), TacticLearner(SPECS)
    x = (1.0,) * len(once.names)
    for learner, repeats in ((once, 1), (twice, 2)):
        for n in range(4):
            learner.routed([routed(n, FIRST, x)])
            for outcome in outcomes_of(n, Fill(300, 2.0))[:: 1 if repeats == 1 else -1] * repeats:
                learner.hear(outcome)
        learner.ended("P")
    assert once.applied == twice.applied == 4
    assert once.model.digest() == twice.model.digest()


def test_a_slice_waits_for_its_markout_and_for_what_completing_costs() -> None:
    learner = TacticLearner(SPECS)
    x = (1.0,) * len(learner.names)
    learner.routed([routed(0, FIRST, x)])
    met, end, mark = outcomes_of(0, Fill(300, 2.0))
    learner.hear(met)
    learner.hear(end)
    assert learner.applied == 0
    learner.routed([routed(1, FIRST, x)])
    assert learner.applied == 0
    learner.hear(mark)
    assert learner.applied == 1
    assert len(learner.book) == 1


def test_slices_held_are_bounded_and_the_oldest_is_settled_by_what_is_known() -> None:
    book = SliceBook(limit=2)
    assert book.routed(routed(0, FIRST, (1.0,))) == []
    for outcome in outcomes_of(0, Fill(600, 2.0))[:2]:
        assert book.hear(outcome) == []
    book.routed(routed(1, FIRST, (1.0,)))
    (made,) = book.routed(routed(2, FIRST, (1.0,)))
    assert (made.slice.decision_id, made.bps) == ("P.d0", 0.0)
    assert len(book) == 2
    assert book.routed(routed(3, FIRST, (1.0,))) == []
    assert len(book) == 2


def test_a_slice_that_sent_nothing_costs_what_completing_costs() -> None:
    book = SliceBook()
    book.routed(msgspec.structs.replace(routed(0, FIRST, (1.0,)), children=0))
    (made,) = book.routed(routed(1, FIRST, (1.0,)))
    assert made.bps == -3.0


@pytest.mark.parametrize("bad", [("sideways", (1.0,)), ("all", (1.0,)), ("all", None)])
def test_a_slice_that_is_not_ours_is_refused(bad: tuple[str, tuple[float, ...] | None]) -> None:
    learner = TacticLearner(SPECS)
    style, x = bad
    wrong = (float("nan"),) * len(learner.names) if x is None else x
    with pytest.raises(FeatureError, match="expected a style of all, dark"):
        learner.routed([routed(0, Option(style, Terms(), True), wrong)])
    assert learner.applied == 0
    assert len(learner.book) == 0


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40), st.floats(-5, 5)), max_size=12), st.integers(0, 12))
def test_shards_of_a_tactic_model_merge_to_the_whole(seen: list[tuple[int, int, float]], cut: int) -> None:
    whole, one, two = (TacticModel(styles=3, width=2) for _ in range(3))
    for n, (style, hours, bps) in enumerate(seen):
        x = np.array([1.0, bps / 3.0])
        for model in (whole, one if n < cut else two):
            model.add(style, hours * HOUR, x, bps)
    two.merge(one)
    merged, expected = two.read(40 * HOUR), whole.read(40 * HOUR)
    np.testing.assert_allclose(merged.mean, expected.mean, rtol=0, atol=1e-9)
    np.testing.assert_allclose(merged.cov, expected.cov, rtol=0, atol=1e-9)


def test_a_model_carried_over_a_night_believes_what_it_did() -> None:
    past, today = TacticModel(styles=2, width=1), TacticModel(styles=2, width=1)
    for n in range(50):
        past.add(n % 2, n * HOUR // 10, np.ones(1), float(n % 3))
    until, open_at = 49 * HOUR // 10, 1_000 * HOUR
    today.carry(past, until, open_at)
    np.testing.assert_allclose(today.read(open_at).mean, past.read(until).mean, atol=1e-12)
    np.testing.assert_allclose(today.read(open_at).cov, past.read(until).cov, atol=1e-12)


def test_two_levels_are_one_joint_gaussian() -> None:
    rng = np.random.Generator(np.random.Philox(7))
    members, width = 3, 2
    shared, own = np.array([0.5, 2.0]), np.array([1.0, 4.0])
    roots = rng.normal(size=(members, width, width))
    a, b = roots @ np.swapaxes(roots, 1, 2), rng.normal(size=(members, width))
    mean_found, cov_found = two_level(a, b, shared, own)
    precision = np.kron(np.eye(members + 1), np.diag(own))
    precision[:width, :width] = np.diag(shared) + members * np.diag(own)
    pull = np.zeros(width * (members + 1))
    for k in range(members):
        part = slice(width * (k + 1), width * (k + 2))
        precision[part, part] += a[k]
        precision[:width, part] = precision[part, :width] = -np.diag(own)
        pull[part] = b[k]
    joint = np.linalg.inv(precision)
    expected = (joint @ pull).reshape(members + 1, width)[1:]
    np.testing.assert_allclose(mean_found, expected, atol=1e-12)
    for k in range(members):
        part = slice(width * (k + 1), width * (k + 2))
        np.testing.assert_allclose(cov_found[k], joint[part, part], atol=1e-12)
