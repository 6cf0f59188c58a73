"""Own fill shares add up in any order; every feature has a definition, and the examples are true."""

from __future__ import annotations

import doctest
import inspect
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learners.features import fold_plain, lanes, names, own_fills
from learners.features.own_fills import OwnFills
from router.domain.enums import Tactic, VenueType
from router.domain.errors import BadInputError
from router.domain.instruments import FeeSchedule, Listing, VenueSpec

SPECS = tuple(
    VenueSpec(
        mic=mic,
        venue_type=VenueType.DARK_ORDER_BOOK,
        listing=Listing(symbol="ABC", mic=mic),
        fees=FeeSchedule(),
        tactics=(Tactic.MID_PEG,),
    )
    for mic in ("XDKA", "XDKB")
)

facts = st.lists(
    st.tuples(st.booleans(), st.integers(0, 1_000), st.sampled_from(["XDKA", "XDKB"]), st.integers(0, 10_000)),
    max_size=20,
)


def told(facts_in_order: list[tuple[bool, int, str, int]]) -> tuple[float, ...]:
    own = OwnFills(SPECS, half_life_ns=100)
    for is_fill, at, mic, qty in facts_in_order:
        (own.filled if is_fill else own.routed)(at, mic, qty)
    return own.shares(1_000)


@settings(deadline=None, derandomize=True)
@given(facts)
def test_facts_add_up_in_any_order(drawn: list[tuple[bool, int, str, int]]) -> None:
    assert told(drawn) == pytest.approx(told(sorted(drawn)), rel=1e-9)
    assert all(0.0 <= share <= 1.0 for share in told(drawn))


def test_a_share_forgets_with_its_half_life_and_other_venues_do_not_count() -> None:
    own = OwnFills(SPECS, half_life_ns=100)
    own.routed(0, "XDKA", 200)
    assert own.shares(0) == (0.25, 0.5)
    assert own.shares(100) == (pytest.approx(100 / 300), 0.5)
    assert own.shares(1_000_000)[0] == pytest.approx(0.5)


def test_unknown_venues_and_negative_quantities_are_refused() -> None:
    own = OwnFills(SPECS)
    with pytest.raises(BadInputError, match="XDKA, XDKB"):
        own.routed(0, "XNYS", 1)
    with pytest.raises(BadInputError, match="a quantity from 0"):
        own.filled(0, "XDKA", -1)
    with pytest.raises(BadInputError, match="half_life_ns"):
        OwnFills(SPECS, half_life_ns=0)


def test_every_feature_is_a_documented_function_of_its_name() -> None:
    for name in names.FEATURES:
        assert inspect.getdoc(getattr(names, name))


@settings(deadline=None, derandomize=True)
@given(st.floats())
def test_features_are_finite_and_clipped_for_any_number(value: float) -> None:
    for made in (
        names.clipped(value),
        names.spread(value),
        names.volatility(value),
        names.microprice(-1, value),
        names.flow(1, value),
        names.time_of_day(value),
        names.own_fills(value),
    ):
        assert math.isfinite(made)
        assert abs(made) <= names.FEATURE_MAX


@pytest.mark.parametrize("module", [names, lanes, own_fills, fold_plain])
def test_the_examples_are_true(module: object) -> None:
    failed, tried = doctest.testmod(module)  # type: ignore[arg-type]
    assert tried > 0
    assert failed == 0
