"""The price model's signals: kernel and twin agree, windows do not matter, nothing from the future comes in."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from price_markets import START, noise

from learners.price.signals import PRICE_SIGNALS, SIDED, SIGNALS, PriceStream, new_state, signals_at
from learners.price.signals_plain import PlainStream
from router.domain.errors import BadInputError
from router.domain.market import F64, I64
from router.domain.units import SECOND

NO_PRINTS = np.empty((0, 5), dtype=np.int64)


def at_times(rows: I64, prints: I64, times: I64) -> F64:
    x = np.empty((len(times), SIGNALS))
    signals_at(rows, prints, times, *new_state(), x)
    return x


def one(bid: int, bid_qty: int, ask: int, ask_qty: int, at: int = START) -> I64:
    return np.array([[at, bid, bid_qty, ask, ask_qty]], dtype=np.int64)


def value(stream: PriceStream, name: str, at: int) -> float:
    return float(stream.read(at)[PRICE_SIGNALS.index(name)])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), later=st.integers(0, 30 * SECOND))
def test_kernel_and_plain_twin_see_the_same(seed: int, later: int) -> None:
    rows, prints = noise(seed, n=120)
    kernel, plain = PriceStream(), PlainStream()
    kernel.advance(rows, prints)
    plain.advance(rows, prints)
    now = START + 60 * SECOND + later
    assert np.allclose(kernel.read(now), plain.read(now), rtol=1e-9, atol=1e-9, equal_nan=True)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), cuts=st.lists(st.integers(0, 60 * SECOND), max_size=6))
def test_any_split_into_windows_leaves_the_same_bits(seed: int, cuts: list[int]) -> None:
    rows, prints = noise(seed, n=120)
    whole, parts = PriceStream(), PriceStream()
    whole.advance(rows, prints)
    bounds = [START, *sorted(START + cut for cut in cuts), START + 60 * SECOND]
    for a, b in pairwise(bounds):
        window = [t[(t[:, 0] >= a) & (t[:, 0] < b)] for t in (rows, prints)]
        parts.advance(*window)
        parts.read(b)
    assert whole.read(bounds[-1]).tobytes() == parts.read(bounds[-1]).tobytes()


def test_samples_and_the_stream_read_the_same_bits() -> None:
    rows, prints = noise(3)
    times = np.arange(START, START + 60 * SECOND, 7 * SECOND)
    x, stream, last = at_times(rows, prints, times), PriceStream(), 0
    for k, now in enumerate(times.tolist()):
        stream.advance(*(t[(t[:, 0] >= last) & (t[:, 0] < now)] for t in (rows, prints)))
        last = now
        assert stream.read(now).tobytes() == x[k].tobytes()


def test_what_happens_from_a_time_on_does_not_show_at_that_time() -> None:
    rows, prints = noise(4)
    now = START + 30 * SECOND
    changed_rows, changed_prints = rows.copy(), prints.copy()
    changed_rows[rows[:, 0] >= now, 1:] += 7_000
    changed_prints[prints[:, 0] >= now, 3] *= 5
    times = np.array([now])
    assert at_times(rows, prints, times).tobytes() == at_times(changed_rows, changed_prints, times).tobytes()


def test_exchanged_sides_turn_the_sided_signals_and_no_other() -> None:
    rows, prints = noise(5)
    axis = 2 * int(rows[rows[:, 1] > 0][0, 1])
    mirror = rows[:, [0, 3, 4, 1, 2]].copy()
    for column in (1, 3):
        mirror[:, column] = np.where(mirror[:, column] > 0, axis - mirror[:, column], 0)
    turned = prints.copy()
    turned[:, 2], turned[:, 4] = axis - prints[:, 2], -prints[:, 4]
    times = np.array([START + 50 * SECOND])
    x, image = at_times(rows, prints, times)[0], at_times(mirror, turned, times)[0]
    sign = np.array([-1.0 if name in SIDED else 1.0 for name in PRICE_SIGNALS])
    # Relative moves are of a mid that is another one, mirrored: equal to that only.
    assert np.allclose(image, sign * x, rtol=0.02, atol=0.02, equal_nan=True)
    assert (np.abs(x) > 0).sum() > 5


def test_a_missing_side_leaves_what_is_quoted_unknown_and_the_rest_finite() -> None:
    stream = PriceStream()
    stream.advance(one(100, 10, 102, 30), NO_PRINTS)
    stream.advance(one(100, 10, 0, 0, START + 5), NO_PRINTS)
    x = stream.read(START + 9)
    assert np.isnan(x[:3]).all()
    assert np.isfinite(x[3:]).all()


def test_quotes_that_come_and_go_are_unstable() -> None:
    stream = PriceStream()
    for k in range(10):
        stream.advance(one(10_000 + 100 * (k % 2), 10, 10_300, 30, START + k * SECOND // 10), NO_PRINTS)
    assert value(stream, "instability", START + SECOND) > np.log(8.0)
    assert value(stream, "reversals", START + SECOND) > 0.7
    assert value(stream, "instability", START + 100 * SECOND) < 0.1


def test_a_venue_that_leaves_is_no_move_of_the_market() -> None:
    moved, rebased = PriceStream(), PriceStream()
    for stream in (moved, rebased):
        stream.advance(one(10_000, 10, 10_200, 30), NO_PRINTS)
    later = one(9_000, 10, 10_200, 30, START + 1)
    rebased.rebase(START + 1, later[0, 1:])
    for stream in (moved, rebased):
        stream.advance(later, NO_PRINTS)
    assert value(moved, "drift_fast", START + 1) < -10.0
    assert value(rebased, "drift_fast", START + 1) == value(rebased, "order_flow", START + 1) == 0.0
    assert value(rebased, "spread", START + 1) == value(moved, "spread", START + 1)


def test_prints_without_aggressor_are_signed_by_the_quote() -> None:
    stream = PriceStream()
    stream.advance(one(100, 10, 104, 30), np.array([[START + 1, 0, 104, 300, 0]], dtype=np.int64))
    assert value(stream, "flow_fast", START + 1) == 0.75


def test_tables_of_another_shape_are_refused() -> None:
    with pytest.raises(BadInputError, match="expected changes"):
        PriceStream().advance(np.zeros((2, 6), dtype=np.int64), NO_PRINTS)
