"""The features of a lane, by name and in order, and the frozen scaling that gives each of them about unit size.

Rule of this file: a scaler never changes under the same `SCALER_VERSION`; a posterior learned under one version is
meaningless under another. Every feature lies in [-3, 3] and is 0 where it is unknown.

`s` is the side's sign (+1 buy, -1 sell), ln the natural logarithm. Features with `s` are positive when the market
presses in the direction of our order (up for a buy): a passive fill is then less likely, and a fill worth more.
"""

from __future__ import annotations

import math
from typing import Final

SCALER_VERSION: Final = 2
"""Raised with any change to a definition or constant below; checkpoints carry it."""

FEATURES: Final[tuple[str, ...]] = (
    "bias",
    "spread",
    "imbalance",
    "microprice",
    "volatility",
    "flow",
    "time_of_day",
    "size",
    "at_touch",
    "own_fills",
    "price_signal",
)
"""The columns of `ContextFrame.x`; each is defined by the function of its name in this file."""

FEATURE_MAX: Final = 3.0
"""Features are clipped to plus and minus this: a stub quote must not own a regression."""

SPREAD_REFERENCE_BPS: Final = 5.0
VOLATILITY_REFERENCE_BPS: Final = 8.0
SIZE_REFERENCE: Final = 500.0
LOG_SCALE: Final = 0.7
SIZE_LOG_SCALE: Final = 1.5
FLOOR_BPS: Final = 0.01
"""Spreads and volatilities below this (a locked market, a dead one) count as this before the logarithm."""


def clipped(value: float) -> float:
    """Return `value` within plus and minus `FEATURE_MAX`; 0 for NaN.

    >>> clipped(7.5), clipped(-0.5), clipped(float("nan"))
    (3.0, -0.5, 0.0)
    """
    if value != value:
        return 0.0
    return min(max(value, -FEATURE_MAX), FEATURE_MAX)


def bias() -> float:
    """Return the constant 1, unscaled: the intercept of every model."""
    return 1.0


def spread(spread_bps: float) -> float:
    """Return the consolidated spread (bps of the mid, 0 when locked or crossed) as ln(spread / 5 bps) / 0.7.

    It has no side: a wide spread pays a resting order and costs a crossing one.

    >>> spread(5.0)
    0.0
    """
    return clipped(math.log(max(spread_bps, FLOOR_BPS) / SPREAD_REFERENCE_BPS) / LOG_SCALE)


def imbalance(s: int, bid_qty: int, ask_qty: int) -> float:
    """Return 2 s (bid - ask) / (bid + ask) over the shares at the consolidated best prices.

    Positive: more shares queue on our side than against us, so that our passive fill is less likely.

    >>> imbalance(1, 300, 100), imbalance(-1, 300, 100)
    (1.0, -1.0)
    """
    total = bid_qty + ask_qty
    return clipped(2.0 * s * (bid_qty - ask_qty) / total) if total else 0.0


def microprice(s: int, microprice_bps: float) -> float:
    """Return s times the distance from mid to microprice in bps, one bp being 1.

    The microprice weighs each best price with the size on the other side (Gatheral and Oomen, 2010). Positive:
    the next price is likelier to move away from our passive order.

    >>> microprice(-1, 0.5)
    -0.5
    """
    return clipped(s * microprice_bps)


def volatility(volatility_bps: float) -> float:
    """Return the mid's volatility (bps per square root of a minute) as ln(volatility / 8 bps) / 0.7. No side.

    >>> volatility(8.0)
    0.0
    """
    return clipped(math.log(max(volatility_bps, FLOOR_BPS) / VOLATILITY_REFERENCE_BPS) / LOG_SCALE)


def flow(s: int, flow_share: float) -> float:
    """Return 2 s times the signed share of recent trading in [-1, 1], buyers positive.

    Positive: others have been trading in our direction.

    >>> flow(1, -0.25)
    -0.5
    """
    return clipped(2.0 * s * flow_share)


def time_of_day(fraction: float) -> float:
    """Return the share of the session gone, 0 to 1, as sqrt(3) (2 fraction - 1): mean 0 and variance 1 in a day.

    >>> time_of_day(0.5)
    0.0
    """
    return clipped(math.sqrt(3.0) * (2.0 * min(max(fraction, 0.0), 1.0) - 1.0))


def size(shares: int | None) -> float:
    """Return ln((1 + shares) / 501) / 1.5 of the public size of the lane; 0 where there is none (None).

    TAKE: shares displayed at the venue's far touch. POST: shares already queued at our price. QUOTE: the largest
    tier. MID_PEG and CONDITIONAL: nothing is public. No side.

    >>> size(None), size(500)
    (0.0, 0.0)
    """
    if shares is None:
        return 0.0
    return clipped(math.log((1.0 + max(shares, 0)) / (1.0 + SIZE_REFERENCE)) / SIZE_LOG_SCALE)


def at_touch(is_at_touch: bool | None) -> float:
    """Return 1 when the venue makes the consolidated best price that this lane trades at, -1 when it does not,
    and 0 where the question has no meaning (None: a midpoint lane, or a lane that cannot be used now).

    TAKE: its far touch is the best or better. POST: its near touch is our posting price or better. QUOTE: the
    dealer's price is as good as the consolidated far touch.

    >>> at_touch(True), at_touch(False), at_touch(None)
    (1.0, -1.0, 0.0)
    """
    if is_at_touch is None:
        return 0.0
    return 1.0 if is_at_touch else -1.0


def own_fills(share: float) -> float:
    """Return 4 (share - 1/2) of our own recent fill share at the venue, 0 to 1; 1/2 is "nothing known".

    >>> own_fills(0.75)
    1.0
    """
    return clipped(4.0 * (share - 0.5))


def price_signal(s: int, edge: float) -> float:
    """Return 4 s edge of the price model's probability that the mid moves up next, less 1/2; 0 without a model.

    Positive: the mid is expected to move in our order's direction.

    >>> price_signal(-1, 0.25)
    -1.0
    """
    return clipped(4.0 * s * edge)
