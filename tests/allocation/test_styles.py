"""The options of a slice and the choice among them: what is allowed, what is drawn, and with which probability.

Rule of this file: beliefs are written down by hand, so that the best option is known.
"""

from __future__ import annotations

import numpy as np
import pytest

from router.allocation.styles import (
    FIRST,
    StyleRule,
    advantages,
    choose_style,
    fault_of_tactics,
    features_of,
    options_of,
)
from router.domain.enums import Tactic
from router.domain.market import F64
from router.domain.tactics import CONTEXT, PLAIN, STYLES, TacticSnapshot, Terms, term_features, term_names

EVERY = (Tactic.TAKE, Tactic.POST, Tactic.MID_PEG, Tactic.QUOTE)
SEGMENTS = ("pingers",)
WIDTH = len(CONTEXT) + len(term_names(SEGMENTS))
OPTIONS = options_of(EVERY, 600, 100, SEGMENTS, True)
X = features_of((1.0,) + (0.0,) * (len(CONTEXT) - 1), OPTIONS, SEGMENTS)
NOBODY_PROBES = (0.99, 0.5)


def sure(**values: float) -> tuple[F64, F64]:
    """Return beliefs without spread: a style's value a share, 0 where it is not named."""
    mean = np.zeros((len(STYLES), WIDTH))
    mean[:, 0] = [values.get(style, 0.0) for style in STYLES]
    return mean, np.zeros((len(STYLES), WIDTH, WIDTH))


def test_the_first_option_leaves_everything_to_the_lane_policy() -> None:
    assert OPTIONS[0] == FIRST
    assert (OPTIONS[0].style, OPTIONS[0].terms) == ("all", PLAIN)


def test_styles_only_take_lanes_away() -> None:
    for released in ((Tactic.POST,), (Tactic.TAKE, Tactic.QUOTE), (Tactic.MID_PEG, Tactic.POST), EVERY):
        for option in options_of(released, 600, 100, (), False):
            left = [tactic for tactic in released if tactic in STYLES[option.style]]
            assert left
            assert option.style == "all" or len(left) < len(released)


def test_terms_beyond_the_slice_or_without_a_midpoint_lane_are_no_options() -> None:
    assert {option.terms.min_lots for option in options_of(EVERY, 499, 100, (), False)} == {0, 1}
    assert {option.terms for option in options_of((Tactic.TAKE, Tactic.POST), 600, 100, SEGMENTS, True)} == {PLAIN}
    assert not any(option.terms.is_near for option in options_of(EVERY, 600, 100, SEGMENTS, False))


def test_probes_differ_from_the_first_option_in_at_most_one_thing() -> None:
    for option in OPTIONS:
        terms = option.terms
        changes = [option.style != "all", terms.min_lots > 0, terms.is_near, bool(terms.deny)]
        assert option.is_probed == (sum(changes) <= 1)


def test_without_evidence_the_first_option_is_taken() -> None:
    mean, cov = sure(take=0.5)
    cov[:] = 4.0 * np.eye(WIDTH)
    chosen = choose_style(mean, cov, OPTIONS, X, StyleRule(), NOBODY_PROBES)
    assert (chosen.place, chosen.is_probe) == (0, False)


def test_a_style_that_is_surely_better_is_taken_and_one_within_the_margin_is_not() -> None:
    rule = StyleRule(margin_bps=0.1)
    taken = choose_style(*sure(take=0.2), OPTIONS, X, rule, NOBODY_PROBES)
    assert OPTIONS[taken.place].style == "take"
    assert taken.value_bps == pytest.approx(0.2)
    assert choose_style(*sure(take=0.1), OPTIONS, X, rule, NOBODY_PROBES).place == 0


def test_terms_of_the_first_style_are_uncertain_by_themselves_alone() -> None:
    mean, cov = sure()
    cov[0, 0, 0] = 100.0
    mean[0, len(CONTEXT) + 1] = 1.0
    cov[0, len(CONTEXT) + 1, len(CONTEXT) + 1] = 0.04
    rows = [list(STYLES).index(option.style) for option in OPTIONS]
    value, deviation = advantages(mean, cov, rows, X)
    place = next(i for i, option in enumerate(OPTIONS) if option.style == "all" and option.terms == Terms(5))
    assert (value[place], deviation[place]) == (pytest.approx(1.0), pytest.approx(0.2))
    assert OPTIONS[choose_style(mean, cov, OPTIONS, X, StyleRule(), NOBODY_PROBES).place].terms.min_lots == 5


def test_propensities_are_the_measure_of_the_draws() -> None:
    rule = StyleRule(epsilon=0.2)
    beliefs = sure(take=1.0)
    probed = [option for option in OPTIONS if option.is_probed]
    picked: dict[int, float] = {}
    for k in range(len(probed)):
        chosen = choose_style(*beliefs, OPTIONS, X, rule, (0.1, (k + 0.5) / len(probed)))
        assert chosen.is_probe
        picked[chosen.place] = chosen.propensity
    best = choose_style(*beliefs, OPTIONS, X, rule, NOBODY_PROBES)
    assert picked[best.place] == best.propensity
    assert sum(picked.values()) == pytest.approx(1.0)
    assert len(picked) == len(probed)


def snapshot(**changes: object) -> TacticSnapshot:
    mean, cov = sure()
    fields: dict[str, object] = {
        "version": 0,
        "at": 0,
        "styles": tuple(STYLES),
        "names": (*CONTEXT, *term_names(SEGMENTS)),
        "mean": mean.tobytes(),
        "cov": cov.tobytes(),
        "model_digest": "",
    }
    return TacticSnapshot(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"styles": ("all",)}, "1 styles by"),
        ({"names": CONTEXT}, "which are not"),
        ({"mean": b""}, "another shape"),
        ({"mean": np.full((len(STYLES), WIDTH), np.nan).tobytes()}, "not finite"),
        ({"cov": np.full((len(STYLES), WIDTH, WIDTH), -1.0).tobytes()}, "below 0"),
    ],
)
def test_beliefs_that_cannot_be_are_found_out(changes: dict[str, object], said: str) -> None:
    fault = fault_of_tactics(snapshot(**changes), WIDTH)
    assert bool(fault) == bool(said)
    assert said in fault


def test_each_term_has_a_feature_of_its_own() -> None:
    plain = term_features(PLAIN, SEGMENTS)
    assert plain == (0.0,) * len(term_names(SEGMENTS))
    singles = [Terms(1), Terms(5), Terms(is_near=True), Terms(deny="pingers")]
    assert [term_features(terms, SEGMENTS).index(1.0) for terms in singles] == [0, 1, 2, 3]
