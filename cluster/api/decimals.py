"""Decimal texts for prices, quantities and money, and RFC 3339 texts for times, as they stand at the edge.

Rule of this file: a text becomes a whole number exactly or it is refused with its place; a whole number becomes the
shortest text that means it. No float on the way.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final

from router.domain.errors import UnitError, bad_value
from router.domain.units import PX_MAX, QTY_MAX, SECOND, Micros, Nanos, Px, Qty

DECIMAL_PATTERN: Final = r"^[0-9]{1,15}(\.[0-9]{1,9})?$"
"""What a decimal text looks like: no sign, no exponent, ASCII digits."""

QTY_PATTERN: Final = r"^[0-9]{1,13}(\.0{1,9})?$"

_DECIMAL: Final = re.compile(DECIMAL_PATTERN[:-1] + r"\Z", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO: Final = timedelta(microseconds=1)
_DAY_S: Final = 86_400
_MICROS_MAX: Final = (datetime(2201, 1, 1, tzinfo=UTC) - _EPOCH) // _MICRO
"""Nanoseconds fit into 64 bits with a sign until the year 2262, sums with spans of time included."""

DEFAULT_PX_UNIT: Final = "0.0001"


@lru_cache(maxsize=256)
def _unit(px_unit: str) -> tuple[Decimal, int, int]:
    """Return a unit as a decimal, and as `number x 10^-places`."""
    unit = Decimal(px_unit)
    exponent = int(unit.as_tuple().exponent)
    places = max(-exponent, 0)
    return unit, int(unit.scaleb(places)), places


def px_of(text: str, px_unit: str, where: str) -> Px:
    """Read a decimal price as units of an instrument.

    Raises:
        UnitError: not a decimal text, not a whole number of units, zero or above `PX_MAX` units.

    >>> px_of("1.08575", "0.00001", "$.limit_price")
    108575
    """
    if _DECIMAL.match(text) is None:
        raise UnitError(bad_value(where, "a decimal price", text))
    unit, number, places = _unit(px_unit)
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0")
    if len(fraction) > places:
        raise UnitError(bad_value(where, f"a price in whole steps of {px_unit}", text))
    scaled = int(whole + fraction.ljust(places, "0"))
    if scaled % number:
        raise UnitError(bad_value(where, f"a price in whole steps of {px_unit}", text))
    px = scaled // number
    if not 1 <= px <= PX_MAX:
        raise UnitError(bad_value(where, f"a price from {px_unit} to {PX_MAX * unit:f}", text))
    return px


def px_text(px: Px, px_unit: str) -> str:
    """Write a price in an instrument's units, with all places of the unit; `Px` 0 and below (no side) as it is.

    >>> px_text(401250, "0.0001"), px_text(108575, "0.00001"), px_text(161, "0.25")
    ('40.1250', '1.08575', '40.25')
    """
    _, number, places = _unit(px_unit)
    return _scaled(px * number, places)


def _scaled(value: int, places: int) -> str:
    if places == 0:
        return str(value)
    sign, digits = ("-", str(-value)) if value < 0 else ("", str(value))
    digits = digits.rjust(places + 1, "0")
    return f"{sign}{digits[:-places]}.{digits[-places:]}"


def average_text(value: int, qty: Qty, px_unit: str) -> str:
    """Write the average of a sum of price times quantity, rounded to a hundredth of the unit (half up).

    >>> average_text(3 * 401250 + 401251, 4, "0.0001")
    '40.125025'
    """
    _, number, places = _unit(px_unit)
    return _scaled((2 * value * number * 100 + qty) // (2 * qty), places + 2)


def qty_of(text: str, where: str, least: Qty = 0) -> Qty:
    """Read a decimal quantity as whole shares.

    Raises:
        UnitError: not a decimal text, not whole, below `least` or above `QTY_MAX`.

    >>> qty_of("2500", "$.qty"), qty_of("2500.0", "$.qty")
    (2500, 2500)
    """
    whole, _, fraction = text.partition(".")
    if _DECIMAL.match(text) is None or fraction.strip("0"):
        raise UnitError(bad_value(where, "a whole quantity", text))
    qty = int(whole)
    if not least <= qty <= QTY_MAX:
        raise UnitError(bad_value(where, f"a quantity from {least} to {QTY_MAX}", text))
    return qty


def money_text(micros: Micros) -> str:
    """Write money as a decimal of the currency.

    >>> money_text(-1_500_000)
    '-1.500000'
    """
    return _scaled(micros, 6)


@lru_cache(maxsize=64)
def _day_text(day: int) -> str:
    return (_EPOCH + timedelta(days=day)).strftime("%Y-%m-%dT")


def time_text(at: Nanos) -> str:
    """Write a time as RFC 3339 in UTC, to the nanosecond where that is needed.

    >>> time_text(1_700_000_000_250_000_000), time_text(0)
    ('2023-11-14T22:13:20.25Z', '1970-01-01T00:00:00Z')
    """
    second, nanos = divmod(at, SECOND)
    day, second = divmod(second, _DAY_S)
    fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
    return f"{_day_text(day)}{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}{fraction}Z"


def nanos_of(time: datetime, where: str) -> Nanos:
    """Return a time with its zone as nanoseconds.

    Raises:
        UnitError: before 1970, or after the year 2200.

    >>> from datetime import timezone
    >>> nanos_of(datetime(2023, 11, 14, 23, 13, 20, 250_000, timezone(timedelta(hours=1))), "$.start_time")
    1700000000250000000
    """
    micros = (time - _EPOCH) // _MICRO
    if not 0 <= micros <= _MICROS_MAX:
        raise UnitError(bad_value(where, "a time from 1970 to 2200", time.isoformat()))
    return micros * 1_000
