"""Makes a lit venue's arrays and its book from (spec, setup, params, seed): everything that is known at the opening.

Rule of this file: the same arguments give the same arrays; nothing here trades.
"""

from __future__ import annotations

from math import gcd

import numpy as np

from router.domain.instruments import VenueSpec
from venues.book.layout import BookState
from venues.book.state import new_state
from venues.flow.chance import TO_UNIT, block_plain, stream_key
from venues.flow.queue_reactive import new_memory
from venues.models.factor import factor_path
from venues.models.reference import MarketSetup, ReferencePath
from venues.types import lit_state as s
from venues.types.lit_flow import LitParameters, lit_rows
from venues.types.lit_noise import next_candidate, noise_arrays

_SWEEP_TOUCHES = 20
"""How many touches' worth the last maker takes of what stands beyond the price after a move."""

_REACH_TICKS = 16
"""How far behind the makers' last level noise orders may stand."""


def new_lit(
    spec: VenueSpec, setup: MarketSetup, params: LitParameters, seed: int, path: ReferencePath
) -> tuple[s.LitState, BookState]:
    """Return the arrays of the venue and of its book, before the first event."""
    flow, ceilings, most = noise_arrays(params, spec.listing.lot, spec.volume_share * setup.adv)
    rows, sizes = lit_rows(spec, setup, params, seed, path)
    factor = factor_path(seed, setup, spec.mic, params.correlation)
    tick = setup.tick
    reach = params.half_spread_ticks + params.levels + params.collar_ticks + params.push_ticks + _REACH_TICKS
    terms = np.zeros(s.TERMS, dtype=np.int64)
    for place, value in (
        (s.T_TICK, tick),
        (s.T_OPEN_AT, setup.open_at),
        (s.T_CLOSE_AT, setup.close_at),
        (s.T_MAKERS, params.makers),
        (s.T_LEVELS, params.levels),
        (s.T_HALF_SPREAD_PX, params.half_spread_ticks * tick),
        (s.T_COLLAR_PX, params.collar_ticks * tick),
        (s.T_SWEEP_QTY, params.touch_qty * _SWEEP_TOUCHES),
        (s.T_FADE_NS, params.fade_ns),
        (s.T_HIDDEN, round(params.hidden * 65_536)),
        (s.T_ICEBERG, round((params.hidden + params.icebergs) * 65_536)),
        (s.T_SPAN_PX, reach * tick),
        (s.T_CELL_NS, factor.cell_ns),
        (s.T_NOISE_MAX, most),
    ):
        terms[place] = value
    key = stream_key(seed, spec.mic, "noise")
    state = s.new_lit_state(terms, rows, sizes, (flow, new_memory(), ceilings, factor.pace, factor.lean), key)
    state.head[s.S_PATH_PX] = setup.start_px
    if ceilings[-1] > 0.0:
        # Block 0 only says when the first candidate comes.
        next_candidate(state, setup.open_at, block_plain(int(key), 0)[0] * TO_UNIT)
    grid = gcd(tick, spec.listing.tick)
    book = new_state(setup.start_px, grid // 2 if grid % 2 == 0 else grid, orders=512, executions=2_048)
    return state, book
