"""The lit market shows what a market shows: volume as asked, factors that venues share, pushes that go back.

Rule of this file: statistics of fixed seeds, with bounds that say what is claimed.
"""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from router.domain.chance import key_of
from router.domain.enums import Tactic, VenueType
from router.domain.instruments import FeeSchedule, Listing, VenueSpec
from router.domain.units import MINUTE, SECOND
from venues.flow.parameters import BINS
from venues.models.factor import LEAN, factor_path, pushes
from venues.models.reference import DAY_NS, REGIMES, Halt, MarketSetup, ReferencePath, Regime
from venues.truth import lane_truth
from venues.types.lit import LitVenue
from venues.types.lit_flow import LitParameters, lit_rows
from venues.types.lit_noise import noise_arrays, size_law
from venues.types.lit_phases import phases
from venues.types.lit_state import CALL, CLOSED, CONTINUOUS, HALT

DAY = MarketSetup(symbol="ABR", open_at=0, close_at=DAY_NS, start_px=400_000)
QUIET = msgspec.structs.replace(DAY, daily_volatility=1e-6)


def spec(share: float = 0.15) -> VenueSpec:
    return VenueSpec(
        mic="XONE",
        venue_type=VenueType.CENTRAL_LIMIT_ORDER_BOOK,
        listing=Listing(symbol="ABR", mic="XONE"),
        fees=FeeSchedule(),
        tactics=(Tactic.TAKE, Tactic.POST),
        volume_share=share,
    )


@pytest.mark.parametrize(("share", "params"), [(0.22, {"touch_qty": 400}), (0.1, {"touch_qty": 200}), (0.06, {})])
def test_a_calm_day_trades_its_share_of_the_volume(share: float, params: dict[str, int]) -> None:
    days = [LitVenue(spec(share), DAY, LitParameters(**params), seed).advance(DAY_NS + 1) for seed in range(1, 7)]
    volume = np.mean([day.prints[:, 2].sum() for day in days])
    assert 0.85 <= volume / (share * DAY.adv) <= 1.15


def test_the_spread_is_about_two_ticks_and_the_book_never_crosses() -> None:
    quotes = LitVenue(spec(), DAY, LitParameters(), 1).advance(DAY_NS).quotes
    both = (quotes[:, 1] > 0) & (quotes[:, 3] > 0)
    stays = np.diff(quotes[:, 0], append=DAY_NS)[both]
    spread = (quotes[:, 3] - quotes[:, 1])[both]
    assert (spread > 0).all()
    assert 1.7 <= (spread * stays).sum() / stays.sum() / DAY.tick <= 2.2
    assert stays.sum() / DAY_NS > 0.99


def test_factors_of_two_venues_correlate_by_the_square_of_alpha() -> None:
    found = [
        np.corrcoef(
            np.arctanh(factor_path(s, DAY, "XONE").lean / LEAN), np.arctanh(factor_path(s, DAY, "XTWO").lean / LEAN)
        )
        for s in range(1, 9)
    ]
    assert abs(np.mean([c[0, 1] for c in found]) - 0.36) < 0.12
    same = factor_path(1, DAY, "XONE", 1.0)
    assert np.array_equal(same.lean, factor_path(1, DAY, "XTWO", 1.0).lean)


def test_pace_is_about_one_and_busier_at_both_ends() -> None:
    pace = np.mean([factor_path(seed, DAY).pace for seed in range(1, 17)], axis=0)
    third = pace.shape[0] // 3
    assert abs(pace.mean() - 1.0) < 0.1
    assert pace[:third].mean() > pace[third : 2 * third].mean() < pace[-third:].mean()


def test_pushes_go_back_and_need_a_market_that_moves() -> None:
    at, sign = pushes(1, DAY)
    assert (np.diff(at) > 0).all()
    assert (sign[1::2] == 0).all()
    assert set(sign[::2].tolist()) == {-1, 1}
    assert pushes(1, QUIET)[0].shape == (0,)


def test_more_volatility_brings_more_pushes() -> None:
    wild = msgspec.structs.replace(DAY, regimes=(Regime(from_at=0, name="volatile", multipliers=REGIMES["volatile"]),))
    assert len(pushes(1, wild)[0]) > 1.2 * len(pushes(1, DAY)[0])


def test_noise_answers_the_imbalance_and_keeps_below_its_ceilings() -> None:
    flow, ceilings, most = noise_arrays(LitParameters(), 1, 300_000.0)
    buys, sells = flow.rates[1, :, 4], flow.rates[1, :, 5]
    assert (np.diff(buys) > 0).all()
    assert (np.diff(sells) < 0).all()
    assert buys[BINS // 2] == sells[BINS // 2]
    assert (flow.rates <= ceilings[:-1] * (1 + 1e-12)).all()
    assert ceilings[-1] == pytest.approx(ceilings[:-1].sum())
    assert most >= 2


def test_sizes_have_the_mean_that_was_asked_for_and_a_tail() -> None:
    law, unit = size_law(300.0, 1)
    sizes = np.array(law) * unit
    assert abs(sizes.mean() - 300.0) < 5.0
    assert np.quantile(sizes, 0.99) > 5 * np.median(sizes)
    assert size_law(300.0, 100)[1] == 100


def test_a_halt_goes_before_a_call_and_the_close_ends_all() -> None:
    setup = MarketSetup(
        symbol="A",
        open_at=0,
        close_at=10 * MINUTE,
        start_px=400_000,
        halts=(Halt(from_at=30 * SECOND, to_at=2 * MINUTE),),
    )
    params = LitParameters(opening_auction_ns=MINUTE, closing_auction_ns=MINUTE)
    assert phases("XONE", setup, params) == (
        (0, CALL),
        (30 * SECOND, HALT),
        (2 * MINUTE, CONTINUOUS),
        (9 * MINUTE, CALL),
        (10 * MINUTE, CLOSED),
    )


def test_rows_are_those_of_the_venue_and_the_seed() -> None:
    path = ReferencePath(1, DAY)
    rows, sizes = lit_rows(spec(), DAY, LitParameters(), 1, path)
    again, _ = lit_rows(spec(), DAY, LitParameters(), 1, path)
    assert np.array_equal(rows, again)
    assert (np.diff(rows[:, 0]) >= 0).all()
    assert sizes.min() >= 100
    assert key_of(1, "XONE", "noise") != key_of(1, "XTWO", "noise")


def test_a_push_spares_who_posts_and_news_does_not() -> None:
    plain = lane_truth(spec(), DAY, LitParameters(push_ticks=0), 0, 400, 20 * SECOND)[1]
    pushed = lane_truth(spec(), DAY, LitParameters(), 0, 400, 20 * SECOND)[1]
    assert 1.5 <= pushed.markout_bps <= 3.2
    assert pushed.markout_bps < plain.markout_bps - 1.0
    assert pushed.p > plain.p
