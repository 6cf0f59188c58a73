"""What a dark pool's others do in a day: its hidden parameters, and the flow drawn from them before the day begins.

Rule of this file: the flow depends on (seed, spec, setup, params) alone, so that it is the same whatever we do; one
draw of each kind is made for every bin, used or not, so that a parameter changes only what it is about.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import msgspec
import numpy as np

from router.domain.chance import generator
from router.domain.errors import bad_value
from router.domain.instruments import VenueSpec
from router.domain.market import F64, I64
from router.domain.units import MILLISECOND, MINUTE, SECOND, Nanos, Qty
from venues.models.factor import LEAN, factor_path
from venues.models.flow import LOT, geometric_sizes, u_shaped_times
from venues.models.ranges import check_ranges
from venues.models.reference import MarketSetup, ReferencePath
from venues.types.timeline import flow_rows

CONTRA, LEAVE, UNCROSS, CROSS, HALT, RESUME, CLOSE = range(7)
"""Kinds of rows. CONTRA: a = sign, b = quantity. LEAVE: the CONTRA ends. CROSS: somebody else's trade that we could not
have joined, a = quantity. HALT and RESUME: matching stops, and goes on. c is the order's id in CONTRA and LEAVE."""

SEGMENTS_MAX = 16
_CROSS_QTY: Qty = 200
_INFORMED_LOTS = 3
"""Informed interest comes in 1 to 3 lots: small fills are the worst ones."""

_Group: TypeAlias = tuple[I64, int, I64 | int, I64 | int, I64 | int]


class SegmentParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of counterparty: its weight among the pool's contra interest, what it knows, and how it trades.

    `min_qty` is the smallest execution that it takes (or all that is left of it). A `conditional` segment rests
    uncommitted: only our own conditional orders meet it.
    """

    name: str
    share: float = 1.0
    informed: float = 0.0
    beta: float = 1.2
    largest_qty: Qty = 3_000
    patience_ns: Nanos = 4 * SECOND
    min_qty: Qty = 0
    conditional: bool = False

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError(bad_value("name", "a segment's name", self.name))
        ranges: tuple[tuple[str, float, float], ...] = (
            ("share", 0.0, 1_000.0),
            ("informed", 0.0, 1.0),
            ("beta", 0.1, 10.0),
            ("largest_qty", LOT, 10_000_000),
            ("patience_ns", 1, 60 * MINUTE),
            ("min_qty", 0, 10_000_000),
        )
        check_ranges(self, ranges)


class DarkParameters(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="dark", tag_field="kind"
):
    """A dark pool's hidden parameters.

    In each bin of `bin_ns` and on each side contra interest is absent with probability `zero_bin` (a regime's `dark`
    multiplies the chance that it is there, and the market's shared lean, as trading leans to buying or selling, its
    odds: up to e^`sign_pull` times as high on the one side, as low on the other); else it has a power-law size of
    exponent `beta` up to `largest_qty`, arrives within the bin and stays for `patience_ns`. With probability `informed`
    (times the regime's) it knows the largest move within `lookahead_ns` that hurts its counterparty, comes up to
    `lead_ns` before it, and leaves with it. With `uncross_every_ns` above 0 nothing trades but at uncrosses, about so
    far apart.

    From `turn_ns` after the open on (0: never) `informed_after` stands in the place of every `informed`.

    With `segments` each interest belongs to one of them, drawn by their shares, and the segment's numbers go before
    the pool's own. A share `far_share` of the interest would pay the half spread, `half_spread_ticks` wide: it alone
    meets orders pegged to the near side.

    A `conditional` pool invites conditional orders: an invitation stands for `firm_up_ns`; a counterparty's own
    conditional interest fails to firm up with probability `contra_fails`. Our reputation is the share of invitations
    we firmed up, where each one before counts `reputation_memory` times as much as the one after it; below
    `reputation_min` we are not invited for `ban_ns`.
    """

    bin_ns: Nanos = 5 * SECOND
    zero_bin: float = 0.90
    beta: float = 1.2
    largest_qty: Qty = 3_000
    patience_ns: Nanos = 4 * SECOND
    informed: float = 0.15
    lookahead_ns: Nanos = 60 * SECOND
    lead_ns: Nanos = 800 * MILLISECOND
    uncross_every_ns: Nanos = 0
    turn_ns: Nanos = 0
    informed_after: float = 0.9
    sign_pull: float = 0.4
    segments: tuple[SegmentParameters, ...] = ()
    far_share: float = 0.25
    half_spread_ticks: int = 1
    conditional: bool = False
    firm_up_ns: Nanos = SECOND
    contra_fails: float = 0.1
    reputation_memory: float = 0.8
    reputation_min: float = 0.5
    ban_ns: Nanos = 60 * SECOND

    def __post_init__(self) -> None:
        ranges: tuple[tuple[str, float, float], ...] = (
            ("bin_ns", 10 * MILLISECOND, 60 * MINUTE),
            ("zero_bin", 0.0, 1.0),
            ("beta", 0.1, 10.0),
            ("largest_qty", LOT, 10_000_000),
            ("patience_ns", 1, 60 * MINUTE),
            ("informed", 0.0, 1.0),
            ("lookahead_ns", 1, 60 * MINUTE),
            ("lead_ns", 1, 60 * MINUTE),
            ("uncross_every_ns", 0, 60 * MINUTE),
            ("turn_ns", 0, 1_440 * MINUTE),
            ("informed_after", 0.0, 1.0),
            ("sign_pull", 0.0, 5.0),
            ("far_share", 0.0, 1.0),
            ("half_spread_ticks", 1, 100),
            ("firm_up_ns", MILLISECOND, 10 * MINUTE),
            ("contra_fails", 0.0, 1.0),
            ("reputation_memory", 0.0, 0.999),
            ("reputation_min", 0.0, 1.0),
            ("ban_ns", 0, 60 * MINUTE),
        )
        check_ranges(self, ranges)
        names = [segment.name for segment in self.segments]
        if len(set(names)) != len(names) or len(names) > SEGMENTS_MAX:
            raise ValueError(bad_value("segments", f"up to {SEGMENTS_MAX} of different names", names))
        if self.segments and not sum(segment.share for segment in self.segments) > 0.0:
            raise ValueError(bad_value("segments", "a share above 0", 0.0))

    def kinds(self) -> tuple[SegmentParameters, ...]:
        """Return the segments; without any, the one that the pool's own numbers describe."""
        whole = SegmentParameters(
            name="all",
            informed=self.informed,
            beta=self.beta,
            largest_qty=self.largest_qty,
            patience_ns=self.patience_ns,
        )
        return self.segments or (whole,)


class DarkFlow(NamedTuple):
    """A session's flow. `rows` is int64 (n, 5) by time (columns of `timeline`); the others are indexed by the contra's
    id, from 1: its segment's number, whether it would pay the half spread, whether it will fail to firm up."""

    rows: I64
    segment: list[int]
    is_far: list[bool]
    fails: list[bool]


class _Contra(NamedTuple):
    at: I64
    qty: I64
    leave: I64
    segment: I64
    is_far: I64
    fails: I64


def dark_flow(spec: VenueSpec, setup: MarketSetup, params: DarkParameters, seed: int, path: ReferencePath) -> DarkFlow:
    """Return the session's flow."""
    halts = setup.halts_of(spec.mic)
    groups: list[_Group] = [
        (np.array([to_at for _, to_at in halts], dtype=np.int64), RESUME, 0, 0, 0),
        (np.array([from_at for from_at, _ in halts], dtype=np.int64), HALT, 0, 0, 0),
    ]
    sides = []
    first_id = 1
    for sign, name in ((1, "contra/buy"), (-1, "contra/sell")):
        contra = _contra(spec, setup, params, seed, path, sign, name)
        ids = np.arange(first_id, first_id + contra.at.shape[0])
        groups += [(contra.leave, LEAVE, 0, 0, ids), (contra.at, CONTRA, sign, contra.qty, ids)]
        first_id += contra.at.shape[0]
        sides.append(contra)
    rng = generator(seed, spec.mic, "crosses")
    cross_at = u_shaped_times(rng, setup, spec.volume_share * setup.adv / _CROSS_QTY, "volume")
    cross_qty = geometric_sizes(rng, cross_at.shape[0], _CROSS_QTY, 5_000)
    is_open = _outside(cross_at, halts)
    groups.append((cross_at[is_open], CROSS, cross_qty[is_open], 0, 0))
    uncross_at = _uncrosses(spec, setup, params, seed)
    groups.append((uncross_at[_outside(uncross_at, halts)], UNCROSS, 0, 0, 0))
    groups.append((np.array([setup.close_at], dtype=np.int64), CLOSE, 0, 0, 0))
    buys, sells = sides
    return DarkFlow(
        flow_rows(*groups),
        [0, *buys.segment.tolist(), *sells.segment.tolist()],
        [False, *buys.is_far.astype(bool).tolist(), *sells.is_far.astype(bool).tolist()],
        [False, *buys.fails.astype(bool).tolist(), *sells.fails.astype(bool).tolist()],
    )


def _outside(at: I64, halts: tuple[tuple[Nanos, Nanos], ...]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return for each time whether no halt is on."""
    is_open = np.ones(at.shape[0], dtype=np.bool_)
    for from_at, to_at in halts:
        is_open &= (at < from_at) | (at >= to_at)
    return is_open


def _contra(
    spec: VenueSpec, setup: MarketSetup, params: DarkParameters, seed: int, path: ReferencePath, sign: int, name: str
) -> _Contra:
    """Return the interest of one side: when it arrives, how large it is, when it leaves, and what it is like."""
    rng, who = generator(seed, spec.mic, name), generator(seed, spec.mic, f"{name}/who")
    starts = np.arange(setup.open_at, setup.close_at, params.bin_ns, dtype=np.int64)
    n = starts.shape[0]
    u_there, u_at, u_informed, u_lead = rng.random(n), rng.random(n), rng.random(n), rng.random(n)
    lots = rng.integers(1, _INFORMED_LOTS + 1, n)
    u_size, u_segment, u_far, u_fails = rng.random(n), who.random(n), who.random(n), who.random(n)
    segment = _segments(params, u_segment)
    kinds = params.kinds()
    beta = np.array([kind.beta for kind in kinds], dtype=np.float64)[segment]
    largest = np.array([kind.largest_qty for kind in kinds], dtype=np.int64)[segment]
    qty = _sizes(u_size, beta, largest)
    at = starts + (u_at * params.bin_ns).astype(np.int64)
    leave = at + np.array([kind.patience_ns for kind in kinds], dtype=np.int64)[segment]
    chance = _presence(setup, params, seed, starts, sign)
    informed = np.array([kind.informed for kind in kinds], dtype=np.float64)[segment]
    if params.turn_ns:
        informed = np.where(starts >= setup.open_at + params.turn_ns, params.informed_after, informed)
    knows: F64 = np.minimum(0.95, informed * setup.multipliers(starts, "informed"))
    for k in np.flatnonzero((u_there < chance) & (u_informed < knows)).tolist():
        # Who sells to us before a fall, or buys from us before a rise, trades in the move's own direction.
        move = path.largest_move(int(at[k]), sign, params.lookahead_ns)
        if move is not None:
            at[k] = max(setup.open_at, move - 1 - int(u_lead[k] * params.lead_ns))
            qty[k], leave[k] = lots[k] * LOT, move
    kept = (u_there < chance) & (at < setup.close_at) & (leave > at)
    is_far, fails = u_far < params.far_share, u_fails < params.contra_fails
    leave = np.minimum(leave, setup.close_at)
    columns = (at, qty, leave, segment, is_far.astype(np.int64), fails.astype(np.int64))
    return _Contra(*(column[kept] for column in columns))


def _presence(setup: MarketSetup, params: DarkParameters, seed: int, starts: I64, sign: int) -> F64:
    """Return the chance that there is interest in each bin: none and certainty stay what they are."""
    calm = np.minimum(1.0, (1.0 - params.zero_bin) * setup.multipliers(starts, "dark"))
    factor = factor_path(seed, setup)
    lean = factor.lean[np.minimum((starts - setup.open_at) // factor.cell_ns, factor.lean.shape[0] - 1)] / LEAN
    odds = calm * np.exp(params.sign_pull * sign * lean)
    chance: F64 = odds / (1.0 - calm + odds)
    return chance


def _segments(params: DarkParameters, u: F64) -> I64:
    """Return the number of each interest's segment, drawn by their shares."""
    shares = np.array([kind.share for kind in params.kinds()], dtype=np.float64)
    edges = np.cumsum(shares / shares.sum())
    numbers: I64 = np.minimum(np.searchsorted(edges, u, side="right"), shares.shape[0] - 1).astype(np.int64)
    return numbers


def _sizes(u: F64, beta: F64, largest: I64) -> I64:
    """Return sizes as `pareto_sizes` does, each with its own exponent and cap."""
    lots = np.floor(np.minimum((1.0 - u) ** (-1.0 / beta), largest / LOT)).astype(np.int64)
    qty: I64 = np.maximum(lots, 1) * LOT
    return qty


def _uncrosses(spec: VenueSpec, setup: MarketSetup, params: DarkParameters, seed: int) -> I64:
    """Return the times of the periodic uncross: each interval is 0.5 to 1.5 of the stated one."""
    if not params.uncross_every_ns:
        return np.empty(0, dtype=np.int64)
    n = 2 * ((setup.close_at - setup.open_at) // params.uncross_every_ns + 1)
    rng = generator(seed, spec.mic, "uncross")
    gaps = ((0.5 + rng.random(n)) * params.uncross_every_ns).astype(np.int64)
    at: I64 = setup.open_at + np.cumsum(np.maximum(1, gaps))
    return at[at < setup.close_at]
