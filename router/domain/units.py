"""Whole-number units for prices, quantities, times and money, and the only conversions between them.

Rule of this file: no float ever becomes a price or a quantity without passing through a function here
that says how it rounds.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TypeAlias

from router.domain.errors import UnitError

Px: TypeAlias = int
"""A price counted in the instrument's price unit, 0.0001 of the currency."""

Qty: TypeAlias = int
"""A quantity counted in the instrument's quantity unit, one share."""

Nanos: TypeAlias = int
"""A time in nanoseconds since 1970 UTC, or a span of time in nanoseconds where the name ends in `_ns`."""

Micros: TypeAlias = int
"""Money in millionths of the currency."""

PX_PER_CURRENCY = 10_000
MICROS_PER_PX = 100
MICROSECOND: Nanos = 1_000
MILLISECOND: Nanos = 1_000_000
SECOND: Nanos = 1_000_000_000
MINUTE: Nanos = 60 * SECOND
HOUR: Nanos = 3_600 * SECOND

PX_MAX: Px = 10**12
"""One hundred million of the currency a share: above it a price is a fault of the sender."""

QTY_MAX: Qty = 10**12
"""A thousand billion shares: above it a quantity is a fault of the sender."""


def px(text: str | int | Decimal) -> Px:
    """Read a decimal price ("40.125") as `Px`, exactly.

    Raises:
        UnitError: not a number, not a multiple of the price unit, negative or above `PX_MAX`.

    >>> px("40.125")
    401250
    """
    try:
        price = Decimal(text)
        # Compared before any arithmetic: a huge exponent would overflow it, and extra digits would be rounded away.
        is_in_range = 0 <= price <= PX_MAX // PX_PER_CURRENCY
    except (InvalidOperation, ValueError, TypeError) as exc:
        raise UnitError(f"expected a decimal price, got {text!r}") from exc
    if not is_in_range:
        raise UnitError(f"expected a price from 0 to {PX_MAX // PX_PER_CURRENCY}, got {text!r}")
    whole = int(price * PX_PER_CURRENCY)
    if Decimal(whole).scaleb(-4) != price:
        raise UnitError(f"expected a price in steps of 0.0001, got {text!r}")
    return whole


def px_text(value: Px) -> str:
    """Write a price as a decimal with four places.

    >>> px_text(401250)
    '40.1250'
    """
    return f"{value / PX_PER_CURRENCY:.4f}"


def notional_micros(price: Px, qty: Qty) -> Micros:
    """Return price times quantity as money.

    >>> notional_micros(px("40"), 100) == 4_000 * 1_000_000
    True
    """
    return price * qty * MICROS_PER_PX


def seconds(value: float) -> Nanos:
    """Return a span in seconds as nanoseconds, rounded to the nearest.

    >>> seconds(0.25)
    250000000
    """
    return round(value * SECOND)


def round_down(qty: Qty, lot: Qty) -> Qty:
    """Return the largest multiple of `lot` that is not above `qty`.

    >>> round_down(250, 100)
    200
    """
    return qty - qty % lot


def round_to_tick(price: float, tick: Px, *, up: bool) -> Px:
    """Return `price` (in `Px`, may be fractional) on the tick grid, rounded up or down.

    >>> round_to_tick(400150, 100, up=False), round_to_tick(400150, 100, up=True)
    (400100, 400200)
    """
    ticks = -(-price // tick) if up else price // tick
    return int(ticks) * tick
