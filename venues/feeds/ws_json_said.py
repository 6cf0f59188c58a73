"""What an exchange's websocket says of a symbol, whatever its own words are.

Rule of this file: prices and quantities stay text as they came, and sides are those of the resting order.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple, TypeAlias

EXPONENT_MAX = 18
"""Largest exponent of a number that is written with one: more is no price and no quantity."""

Level: TypeAlias = tuple[int, str, str]
"""Side, price, quantity; a quantity of 0 takes the level away."""


class BookSaid(NamedTuple):
    """A snapshot, or a change of some levels.

    Where an exchange numbers its books, a change applies to one whose number is from `after` to below `last`, and
    makes it `last`; a snapshot is the book `last`. Both are 0 where it does not.
    """

    symbol: str
    is_snapshot: bool
    levels: list[Level]
    after: int = 0
    last: int = 0


class TradeSaid(NamedTuple):
    """One trade. `trade_id` is None where the exchange's ids are text."""

    symbol: str
    side: int
    px: str
    qty: str
    trade_id: int | None


Said: TypeAlias = list[BookSaid | TradeSaid] | str
"""All that a message says, or why it is left out."""

Parse: TypeAlias = Callable[[Any], Said]
"""Reads one message. What is not of the documented shape raises a LookupError, TypeError, ValueError or similar."""

ParseAnswer: TypeAlias = Callable[[str, Any], Said]
"""Reads the answer to a request for a snapshot: the request's address and the message."""


def number(value: object) -> str:
    """Return a decimal as text without an exponent; whole numbers may come as such.

    Raises:
        ValueError: not a number from 0, or an exponent above `EXPONENT_MAX`.

    >>> number("0.0120"), number(5), number("1E-7")
    ('0.0120', '5', '0.0000001')
    """
    text = value if isinstance(value, str) else str(whole(value))
    head, _, tail = text.partition(".")
    if text.isascii() and head.isdigit() and (tail.isdigit() or head == text):
        return text
    exact = Decimal(text) if len(text) <= 40 else Decimal("NaN")
    if not (exact.is_finite() and exact >= 0 and abs(exact.adjusted()) <= EXPONENT_MAX):
        raise ValueError(f"expected a number from 0, got {text[:40]!r}")
    return format(exact, "f")


def whole(value: object) -> int:
    """Return a whole number from 0 that fits a row.

    Raises:
        ValueError: anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 62:
        raise ValueError(f"expected a whole number from 0, got {str(value)[:40]!r}")
    return value


def name(value: object) -> str:
    """Return a symbol.

    Raises:
        ValueError: no text, or an empty or unprintable one.
    """
    if not (isinstance(value, str) and value and value.isprintable() and len(value) <= 64):
        raise ValueError(f"expected a symbol, got {str(value)[:64]!r}")
    return value


def sided(side: int, pairs: list[Any]) -> list[Level]:
    """Return the levels of one side from lists that begin with price and quantity."""
    return [(side, number(pair[0]), number(pair[1])) for pair in pairs]
