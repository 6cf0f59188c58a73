"""The parameters of a lit venue, and what of its background is known before the day begins, as one array.

Rule of this file: every row is drawn from a keyed stream of this venue and from the paths that venues share, before
anything trades. Noise is not here: it depends on the book (see `lit_noise`).
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec
import numpy as np

from router.domain.chance import generator
from router.domain.instruments import VenueSpec
from router.domain.market import F64, I64
from router.domain.units import MILLISECOND, MINUTE, SECOND, Nanos, Qty
from venues.flow.parameters import Feedback
from venues.models.factor import ALPHA, pushes
from venues.models.flow import after, geometric_sizes
from venues.models.ranges import check_ranges
from venues.models.reference import MarketSetup, ReferencePath
from venues.types.lit_phases import auction_interest, phase_rows
from venues.types.timeline import flow_rows

MOVE, PUSH, REQUOTE, TAKE, PHASE, INTEREST = range(6)
"""Kinds of rows. MOVE: a = the reference's new price. PUSH: a = how many Px the price is pushed off it from now on.
REQUOTE: a = maker, b = its row number. TAKE: a = sign x (1 + Px beyond the price), b = quantity: somebody who knows
the next move, or who presses. PHASE: a = the session's new phase. INTEREST: a = sign, b = quantity, c = limit in ticks
beyond the reference: an order for the auction that gathers."""

_Group: TypeAlias = tuple[I64, int, I64 | int, I64 | int, I64 | int]

SIZES = 4_096
_LARGEST_TAKE: Qty = 5_000
_TAKE_SIZE = 1.5
"""How much larger the order of one who knows, or presses, is than a noise order."""


class LitParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="lit", tag_field="kind"):
    """A lit venue's hidden parameters.

    `makers` quote `levels` prices from `half_spread_ticks` away from the reference, about `touch_qty` each at the
    touch, and follow a move after `reaction_ns` (the k-th maker k + 1 times as late) plus an exponential jitter; they
    look again about every `refresh_ns`. Takers trade `volume_share` of ADV in orders of mean `trade_qty`, of which
    the part `informed` (before the regime's multiplier) trades on the next move up to `lead_ns` before it or, the
    part `snipers` of these, within the slowest maker's reaction after it; and the part `bursts` presses the price
    `push_ticks` away for a while, without news (0: never). The rest is noise, with `limits_per_trade` noise limit
    orders for every trade, that live `limit_life_ns` in the mean. No taker goes beyond `collar_ticks`.

    Of the noise limit orders `hidden` are not shown and `icebergs` show a part. `feedback` and `correlation` are m of
    the sign feedback and alpha of the factor that venues share (0: none). An auction gathers for
    `opening_auction_ns` and `closing_auction_ns` (0: none) `auction_share` of the day's volume, more on one side by
    `auction_imbalance`. `self_match` says what happens when our orders meet each other. `speed_bump_ns` delays orders
    of ours and of takers, not makers. After a fade makers come back in `fade_ns`.
    """

    makers: int = 2
    levels: int = 3
    half_spread_ticks: int = 1
    touch_qty: Qty = 150
    reaction_ns: Nanos = 2 * MILLISECOND
    jitter_ns: Nanos = 1 * MILLISECOND
    refresh_ns: Nanos = 6 * SECOND
    trade_qty: Qty = 120
    informed: float = 0.3
    lead_ns: Nanos = 300 * MILLISECOND
    snipers: float = 0.4
    bursts: float = 0.2
    push_ticks: int = 2
    limits_per_trade: float = 1.2
    limit_life_ns: Nanos = 8 * SECOND
    collar_ticks: int = 5
    hidden: float = 0.05
    icebergs: float = 0.05
    feedback_m: float = 4.5
    correlation: float = ALPHA
    opening_auction_ns: Nanos = 0
    closing_auction_ns: Nanos = 0
    auction_share: float = 0.05
    auction_imbalance: float = 0.2
    self_match: Literal["allowed", "cancel_aggressive", "cancel_passive", "cancel_both"] = "allowed"
    speed_bump_ns: Nanos = 0
    fade_ns: Nanos = 2 * SECOND

    def __post_init__(self) -> None:
        ranges: tuple[tuple[str, float, float], ...] = (
            ("makers", 1, 8),
            ("levels", 1, 4),
            ("half_spread_ticks", 1, 100),
            ("touch_qty", 100, 1_000_000),
            ("reaction_ns", 1, 10 * SECOND),
            ("jitter_ns", 0, 10 * SECOND),
            ("refresh_ns", 100 * MILLISECOND, 60 * MINUTE),
            ("trade_qty", 100, 100_000),
            ("informed", 0.0, 0.95),
            ("lead_ns", 1, MINUTE),
            ("snipers", 0.0, 1.0),
            ("bursts", 0.0, 0.95),
            ("push_ticks", 0, 10),
            ("limits_per_trade", 0.0, 20.0),
            ("limit_life_ns", MILLISECOND, 60 * MINUTE),
            ("collar_ticks", 1, 1_000),
            ("hidden", 0.0, 1.0),
            ("icebergs", 0.0, 1.0 - self.hidden),
            ("feedback_m", 0.0, 100.0),
            ("correlation", 0.0, 1.0),
            ("opening_auction_ns", 0, 60 * MINUTE),
            ("closing_auction_ns", 0, 60 * MINUTE),
            ("auction_share", 0.0, 0.5),
            ("auction_imbalance", 0.0, 1.0),
            ("speed_bump_ns", 0, SECOND),
            ("fade_ns", MILLISECOND, 60 * MINUTE),
        )
        check_ranges(self, ranges)

    def reaction_of(self, maker: int) -> Nanos:
        """Return how long a maker takes, without jitter, to follow a move."""
        return self.reaction_ns * (maker + 1)

    @property
    def pressing(self) -> float:
        """The share of takers that press: `bursts`, as far as the informed leave room."""
        return min(self.bursts, 0.97 - self.informed) if self.push_ticks else 0.0

    def feedback(self, volume: float, unit: Qty) -> Feedback:
        """Return the sign feedback, with volumes counted in the venue's day: the published normalisation."""
        return Feedback(m=self.feedback_m, volume_unit_lots=max(1.0, volume / unit))


def lit_rows(
    spec: VenueSpec, setup: MarketSetup, params: LitParameters, seed: int, path: ReferencePath
) -> tuple[I64, I64]:
    """Return the session's rows, int64 (n, 5) by time (columns of `timeline`), and the table of makers' sizes."""
    volume = spec.volume_share * setup.adv
    push_at, push_ticks = pushes(seed, setup)
    if not params.push_ticks:
        push_at, push_ticks = push_at[:0], push_ticks[:0]
    push_px = push_ticks * (params.push_ticks * setup.tick)
    pressing = push_ticks != 0
    takers = (
        _takers(spec, setup, params, seed, "informed", (path.at, path.steps()), volume * params.informed),
        _takers(
            spec,
            setup,
            msgspec.structs.replace(params, snipers=0.0),
            seed,
            "volume",
            (push_at[pressing], push_px[pressing]),
            volume * params.pressing,
        ),
    )
    groups: list[_Group] = [
        *((at, PHASE, phase, 0, 0) for at, phase in phase_rows(spec, setup, params)),
        (np.array([setup.open_at], dtype=np.int64), MOVE, setup.start_px, 0, 0),
        (path.at, MOVE, path.px, 0, 0),
        (push_at, PUSH, push_px, 0, 0),
        *(_requotes(spec, setup, params, seed, path, push_at, maker) for maker in range(params.makers)),
        *((at, TAKE, limits, qty, 0) for at, limits, qty in takers),
        *((at, INTEREST, sign, qty, ticks) for at, sign, qty, ticks in auction_interest(spec, setup, params, seed)),
    ]
    sizes = geometric_sizes(generator(seed, spec.mic, "sizes"), SIZES, params.touch_qty, 10 * params.touch_qty)
    rows = flow_rows(*groups)
    # What falls on or after the close, but the close itself, never happens.
    kept: I64 = rows[(rows[:, 0] < setup.close_at) | (rows[:, 1] == PHASE)]
    return kept, sizes


def _requotes(
    spec: VenueSpec, setup: MarketSetup, params: LitParameters, seed: int, path: ReferencePath, pushed: I64, maker: int
) -> _Group:
    """A maker looks at the opening, after each move and push, and now and then."""
    rng = generator(seed, spec.mic, f"maker/{maker}")
    reaction = params.reaction_of(maker)
    follows = after(rng, path.at, reaction, params.jitter_ns)
    n = int(rng.poisson((setup.close_at - setup.open_at) / params.refresh_ns))
    looks = rng.integers(setup.open_at + 1, setup.close_at, n)
    shoved = after(rng, pushed, reaction, params.jitter_ns)
    opening = np.array([setup.open_at], dtype=np.int64)
    at = np.sort(np.concatenate([opening, follows, looks, shoved]).astype(np.int64))
    at = at[at < setup.close_at]
    return at, REQUOTE, maker, np.arange(at.shape[0]), 0


def _takers(
    spec: VenueSpec,
    setup: MarketSetup,
    params: LitParameters,
    seed: int,
    who: str,
    moves: tuple[I64, I64],
    volume: float,
) -> tuple[I64, I64, I64]:
    """Return times, signed limits and sizes of those who trade ahead of moves (at, signed Px).

    They come in proportion to the square of the move, up to `volume` a day in the mean, before the multiplier of the
    regime that their kind `who` names ("informed", "volume"); they pay up to the price that will be.
    """
    rng = generator(seed, spec.mic, f"takers/{who}")
    moved_at, steps = moves
    squared = steps.astype(np.float64) ** 2
    weight: F64 = squared * setup.multipliers(moved_at, who)
    mean_qty = params.trade_qty * _TAKE_SIZE
    squares = float(squared.sum())
    per_move = weight * (volume * setup.day_share / mean_qty / squares) if squares else weight
    which = np.repeat(np.arange(moved_at.shape[0]), rng.poisson(per_move))
    n = which.shape[0]
    is_sniper = rng.random(n) < params.snipers
    u = rng.random(n)
    window = params.reaction_of(params.makers - 1)
    early = moved_at[which] - 1 - (u * params.lead_ns).astype(np.int64)
    late = moved_at[which] + 1 + (u * window).astype(np.int64)
    at = np.where(is_sniper, late, early) + params.speed_bump_ns
    beyond = np.where(is_sniper, 0, np.abs(steps[which]))
    limits = np.sign(steps[which]) * (1 + beyond)
    qty = geometric_sizes(rng, n, mean_qty, _LARGEST_TAKE)
    return np.clip(at, setup.open_at + 1, setup.close_at - 1).astype(np.int64), limits.astype(np.int64), qty
