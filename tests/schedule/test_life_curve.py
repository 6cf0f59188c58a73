"""A session's volume curve, cut to the life of an order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.schedule.vwap import check_curve, curve_of_life


@given(
    st.lists(st.floats(0.0, 10.0), min_size=1, max_size=30),
    st.integers(0, 999),
    st.integers(1, 1000),
)
def test_a_life_s_curve_is_a_curve(weights: list[float], start: int, length: int) -> None:
    total = sum(weights) or 1.0
    session = (*(min(sum(weights[: n + 1]) / total, 1.0) for n in range(len(weights) - 1)), 1.0)
    curve = curve_of_life(session, 0, 1_000, start, min(start + length, 1_000))
    assert len(curve) == len(session)
    assert check_curve(curve)[-1] == check_curve(session)[-1]


def test_the_whole_session_s_life_follows_the_session() -> None:
    session = (0.4, 0.5, 0.6, 1.0)
    assert curve_of_life(session, 0, 400, 0, 400) == pytest.approx(session, abs=1e-8)
