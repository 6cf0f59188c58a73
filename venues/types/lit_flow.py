"""The parameters of a lit venue, and its background flow for a whole session as one array.

Rule of this file: every row is drawn from a keyed stream of this venue and from the shared reference path, before
anything trades.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec
import numpy as np

from router.domain.chance import generator
from router.domain.errors import bad_value
from router.domain.instruments import VenueSpec
from router.domain.market import I64
from router.domain.units import MILLISECOND, MINUTE, SECOND, Nanos, Qty
from venues.models.flow import after, geometric_sizes, signs, u_shaped_times
from venues.models.reference import MarketSetup, ReferencePath
from venues.types.timeline import flow_rows

MOVE, REQUOTE, TRADE, INFORMED, JOIN, LEAVE, CLOSE = range(7)
"""Kinds of rows. MOVE: a = the reference's new price. REQUOTE: a = maker, b = its row number. TRADE: a = sign,
b = quantity. INFORMED: a = sign x (1 + Px beyond the reference), b = quantity. JOIN: a = sign, b = quantity x 256 +
1 + ticks inside the makers' touch. LEAVE: the JOIN ends. c is the order's id in TRADE, INFORMED, JOIN and LEAVE."""

_Group: TypeAlias = tuple[I64, int, I64 | int, I64 | int, I64 | int]

_SIZES = 4_096
_LARGEST_TRADE: Qty = 5_000
_INFORMED_SIZE = 1.5
"""How much larger an informed order is than a noise order."""


class LitParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="lit", tag_field="kind"):
    """A lit venue's hidden parameters.

    `makers` quote `levels` prices from `half_spread_ticks` away from the reference, about `touch_qty` each at the
    touch, and follow a move after `reaction_ns` (the k-th maker k + 1 times as late) plus an exponential jitter; they
    look again about every `refresh_ns`. Takers trade `volume_share` of ADV in orders of mean `trade_qty`, of which
    the part `informed` (before the regime's multiplier) trades on the next move up to `lead_ns` before it or, the
    part `snipers` of these, within the slowest maker's reaction after it. For every trade there are
    `limits_per_trade` noise limit orders that live `limit_life_ns` in the mean. No taker goes beyond `collar_ticks`.
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
    limits_per_trade: float = 1.2
    limit_life_ns: Nanos = 8 * SECOND
    collar_ticks: int = 5

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
            ("limits_per_trade", 0.0, 20.0),
            ("limit_life_ns", MILLISECOND, 60 * MINUTE),
            ("collar_ticks", 1, 1_000),
        )
        for name, low, high in ranges:
            if not low <= getattr(self, name) <= high:
                raise ValueError(bad_value(name, f"a value from {low} to {high}", getattr(self, name)))

    def reaction_of(self, maker: int) -> Nanos:
        """Return how long a maker takes, without jitter, to follow a move."""
        return self.reaction_ns * (maker + 1)


def lit_flow(
    spec: VenueSpec, setup: MarketSetup, params: LitParameters, seed: int, path: ReferencePath
) -> tuple[I64, list[Qty]]:
    """Return the session's flow, int64 (n, 5) by time (columns of `timeline`), and the table of makers' sizes."""
    volume = spec.volume_share * setup.adv
    noise_per_day = volume * (1.0 - params.informed) / params.trade_qty
    informed = _informed(spec, setup, params, seed, path, volume * params.informed)
    rng = generator(seed, spec.mic, "noise")
    trade_at = u_shaped_times(rng, setup, noise_per_day, "volume")
    n = trade_at.shape[0]
    trade_qty = geometric_sizes(rng, n, params.trade_qty, _LARGEST_TRADE)
    first_free = 1 + n + informed[0].shape[0]
    groups: list[_Group] = [
        (np.array([setup.open_at], dtype=np.int64), MOVE, setup.start_px, 0, 0),
        (path.at, MOVE, path.px, 0, 0),
        *(_requotes(spec, setup, params, seed, path, maker) for maker in range(params.makers)),
        (trade_at, TRADE, signs(rng, n), trade_qty, np.arange(1, n + 1)),
        (informed[0], INFORMED, informed[1], informed[2], np.arange(n + 1, first_free)),
        *_limits(spec, setup, params, seed, noise_per_day, first_free),
        (np.array([setup.close_at], dtype=np.int64), CLOSE, 0, 0, 0),
    ]
    sizes = geometric_sizes(generator(seed, spec.mic, "sizes"), _SIZES, params.touch_qty, 10 * params.touch_qty)
    return flow_rows(*groups), sizes.tolist()


def _requotes(
    spec: VenueSpec, setup: MarketSetup, params: LitParameters, seed: int, path: ReferencePath, maker: int
) -> _Group:
    """A maker looks at the opening, after each move, and now and then."""
    rng = generator(seed, spec.mic, f"maker/{maker}")
    follows = after(rng, path.at, params.reaction_of(maker), params.jitter_ns)
    n = int(rng.poisson((setup.close_at - setup.open_at) / params.refresh_ns))
    looks = rng.integers(setup.open_at + 1, setup.close_at, n)
    at = np.sort(np.concatenate([np.array([setup.open_at]), follows, looks]).astype(np.int64))
    at = at[at < setup.close_at]
    return at, REQUOTE, maker, np.arange(at.shape[0]), 0


def _informed(
    spec: VenueSpec, setup: MarketSetup, params: LitParameters, seed: int, path: ReferencePath, volume: float
) -> tuple[I64, I64, I64]:
    """Return times, signed limits and sizes of those who know the next move.

    They come in proportion to the square of the move, up to `volume` a day in the mean, before the regime's
    multiplier; they pay up to the price that the reference will have.
    """
    rng = generator(seed, spec.mic, "informed")
    steps = path.steps()
    weight = steps.astype(np.float64) ** 2 * setup.multipliers(path.at, "informed")
    mean_qty = params.trade_qty * _INFORMED_SIZE
    squares = float((steps.astype(np.float64) ** 2).sum())
    per_move = weight * (volume * setup.day_share / mean_qty / squares) if squares else weight
    which = np.repeat(np.arange(path.at.shape[0]), rng.poisson(per_move))
    n = which.shape[0]
    is_sniper = rng.random(n) < params.snipers
    u = rng.random(n)
    window = params.reaction_of(params.makers - 1)
    early = path.at[which] - 1 - (u * params.lead_ns).astype(np.int64)
    late = path.at[which] + 1 + (u * window).astype(np.int64)
    at = np.clip(np.where(is_sniper, late, early), setup.open_at + 1, setup.close_at - 1)
    beyond = np.where(is_sniper, 0, np.abs(steps[which]))
    limits = np.sign(steps[which]) * (1 + beyond)
    qty = geometric_sizes(rng, n, mean_qty, _LARGEST_TRADE)
    return at.astype(np.int64), limits.astype(np.int64), qty


def _limits(
    spec: VenueSpec, setup: MarketSetup, params: LitParameters, seed: int, noise_per_day: float, first_id: int
) -> tuple[_Group, _Group]:
    """Noise limit orders: most at the makers' touch, some a tick inside or behind; each leaves after its life."""
    rng = generator(seed, spec.mic, "limits")
    at = u_shaped_times(rng, setup, noise_per_day * params.limits_per_trade, "volume")
    n = at.shape[0]
    qty = geometric_sizes(rng, n, params.trade_qty, _LARGEST_TRADE)
    # One tick behind the touch, at it, or one tick inside, as 0, 1 or 2.
    place = rng.choice(3, size=n, p=(0.2, 0.65, 0.15))
    ids = np.arange(first_id, first_id + n)
    leave = np.minimum(after(rng, at, 0, params.limit_life_ns), setup.close_at)
    return (at, JOIN, signs(rng, n), qty * 256 + place, ids), (leave, LEAVE, 0, 0, ids)
