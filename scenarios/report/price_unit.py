"""How prices of a run are written: a Px of 1 is worth another part of the currency on another recording.

Rule of this file: only what people read is converted; tables keep whole numbers.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from router.domain.errors import RunError, bad_value

PLACES_MAX = 12
"""No currency's prices are recorded finer."""


class PriceUnit(NamedTuple):
    """How many Px make one of the currency, and the decimal places of one Px."""

    per_currency: float
    places: int

    @property
    def axis(self) -> str:
        """The format of an axis: cents, or finer where a price has more than four places."""
        return f".{self.places - 1 if self.places > 4 else 2}f"


def price_unit(text: str) -> PriceUnit:
    """Return the unit that a run's summary names.

    Raises:
        RunError: not a decimal above 0 with at most `PLACES_MAX` places.

    >>> price_unit("0.0001"), price_unit("0.00001").axis
    (PriceUnit(per_currency=10000.0, places=4), '.4f')
    """
    expected = f"a decimal above 0 of at most {PLACES_MAX} places"
    try:
        unit = Decimal(text)
    except InvalidOperation as exc:
        raise RunError(bad_value("summary.json, px_unit", expected, text)) from exc
    exponent = unit.as_tuple().exponent
    if not isinstance(exponent, int) or unit <= 0 or abs(exponent) > PLACES_MAX:
        raise RunError(bad_value("summary.json, px_unit", expected, text))
    return PriceUnit(float(1 / unit), max(-exponent, 0))
