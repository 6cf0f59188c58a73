"""The flow of a dark pool is what its parameters say: how often, by whom, how large, leaning which way.

Rule of this file: a day is six hours long, so that shares are known to a few hundredths.
"""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from router.domain.enums import Tactic
from router.domain.enums import VenueType as Kind
from router.domain.instruments import FeeSchedule, Listing, VenueSpec
from router.domain.units import HOUR, MINUTE, SECOND
from venues.models.flow import LOT
from venues.models.reference import MarketSetup, Regime, RegimeMultipliers, reference_path
from venues.types.dark_flow import CONTRA, DarkParameters, SegmentParameters, dark_flow

SETUP = MarketSetup(symbol="ABR", open_at=0, close_at=6 * HOUR, start_px=400_000)
SPEC = VenueSpec(
    mic="XDRK",
    venue_type=Kind.DARK_ORDER_BOOK,
    listing=Listing(symbol="ABR", mic="XDRK"),
    fees=FeeSchedule(),
    tactics=(Tactic.MID_PEG,),
    volume_share=0.1,
)
NATURAL = SegmentParameters(name="natural", beta=0.8, largest_qty=20_000, patience_ns=MINUTE)
FAST = SegmentParameters(name="fast", informed=0.9, largest_qty=300, patience_ns=SECOND)
SEGMENTS = (NATURAL, SegmentParameters(name="principal", share=2.0, informed=0.1), FAST)


def test_interest_is_as_absent_as_stated_and_follows_the_regime() -> None:
    rich = Regime(from_at=3 * HOUR, name="dark_rich", multipliers=RegimeMultipliers(dark=2.5))
    setup = msgspec.structs.replace(SETUP, regimes=(rich,))
    params = DarkParameters(zero_bin=0.9, informed=0.0)
    rows = dark_flow(SPEC, setup, params, 5, reference_path(5, setup)).rows
    at = rows[rows[:, 1] == CONTRA, 0]
    bins = 3 * HOUR / params.bin_ns * 2
    assert (at < 3 * HOUR).sum() / bins == pytest.approx(0.1, abs=0.015)
    assert (at >= 3 * HOUR).sum() / bins == pytest.approx(0.25, abs=0.03)


def test_the_shared_lean_moves_interest_from_one_side_to_the_other() -> None:
    counts = {}
    for pull in (0.0, 3.0):
        params = DarkParameters(zero_bin=0.8, informed=0.0, sign_pull=pull)
        rows = dark_flow(SPEC, SETUP, params, 5, reference_path(5, SETUP)).rows
        rows = rows[rows[:, 1] == CONTRA]
        by_side = [np.histogram(rows[rows[:, 2] == sign, 0], 72, (0, 6 * HOUR))[0] for sign in (1, -1)]
        counts[pull] = float(np.corrcoef(by_side[0], by_side[1])[0, 1])
    assert counts[3.0] < counts[0.0] - 0.3


def test_segments_come_by_their_shares_and_have_their_own_sizes_and_patience() -> None:
    params = DarkParameters(zero_bin=0.2, segments=SEGMENTS)
    flow = dark_flow(SPEC, SETUP, params, 5, reference_path(5, SETUP))
    rows = flow.rows[flow.rows[:, 1] == CONTRA]
    segment = np.array(flow.segment)[rows[:, 4]]
    shares = np.bincount(segment, minlength=3) / segment.shape[0]
    assert shares == pytest.approx([0.25, 0.5, 0.25], abs=0.03)
    assert rows[segment == 0, 3].mean() > 2 * rows[segment == 1, 3].mean()
    assert rows[segment == 2, 3].max() <= 3 * LOT


def test_a_parameter_changes_only_what_it_is_about() -> None:
    params = DarkParameters(zero_bin=0.5)
    changed = msgspec.structs.replace(params, far_share=1.0, contra_fails=1.0, half_spread_ticks=3)
    rows = [dark_flow(SPEC, SETUP, p, 5, reference_path(5, SETUP)).rows for p in (params, changed)]
    assert np.array_equal(rows[0], rows[1])


@pytest.mark.parametrize(
    "fields",
    [
        {"segments": (FAST, FAST)},
        {"segments": (msgspec.structs.replace(FAST, share=0.0),)},
        {"firm_up_ns": 0},
        {"half_spread_ticks": 0},
        {"reputation_memory": 1.0},
    ],
)
def test_parameters_that_cannot_be_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"expected .*, got .* - at "):
        DarkParameters(**fields)  # type: ignore[arg-type]
