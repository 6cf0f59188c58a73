"""Every limit of the risk gate: what it is, between what it may be, and how it is read, overridden and changed.

Rule of this file: a limit that is not one is refused with its key before it holds for anything. An override of an
account, a strategy or a symbol takes the place of the general limit; of several overrides the strictest holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from router.allocation.limits import Limits
from router.domain.errors import ConfigError, bad_value
from router.domain.units import MINUTE, PX_MAX, QTY_MAX, SECOND, Micros, Nanos, Px, Qty

ANY = "*"
"""In a permission: every account, or every strategy. As a principal: everybody who has no permission of his own."""

OVERRIDES_MAX = 10_000
"""Most overrides of one scope, and most principals: a file with more is generated, and generated wrongly."""

_MONEY_MAX: Micros = 10**24
_PER_CURRENCY: Micros = 1_000_000


class ShortSale(StrEnum):
    """What the account may do about short sales."""

    FORBIDDEN = "FORBIDDEN"
    LOCATED = "LOCATED"
    """With a locate for each order."""
    FREE = "FREE"


class Permission(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a principal trades for, and how; "*" is every one. Nobody may do anything that is not said here."""

    accounts: tuple[str, ...] = ()
    strategies: tuple[str, ...] = (ANY,)


Override = dict[str, Any]


class RiskLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits in force. Money in micros, prices in Px, times in nanoseconds, shares of one as floats."""

    qty_max: Qty = 1_000_000
    notional_max: Micros = 50_000_000 * _PER_CURRENCY
    collar_bps: int = 500
    reference_stale_ns: Nanos = 5 * SECOND
    adv_share_max: float = 0.25
    open_orders_symbol_max: int = 1_000
    open_orders_account_max: int = 5_000
    leaves_notional_symbol_max: Micros = 100_000_000 * _PER_CURRENCY
    leaves_notional_account_max: Micros = 500_000_000 * _PER_CURRENCY
    position_max: Qty = 5_000_000
    gross_max: Micros = 1_000_000_000 * _PER_CURRENCY
    net_max: Micros = 500_000_000 * _PER_CURRENCY
    messages_per_s: int = 100
    messages_burst: int = 200
    cancels_per_s: int = 1_000
    cancels_burst: int = 5_000
    venue_messages_per_s: int = 1_000
    venue_messages_burst: int = 2_000
    repeated_executions_max: int = 10_000
    repeated_executions_ns: Nanos = MINUTE
    rejects_max: int = 20
    rejects_probe_ns: Nanos = 30 * SECOND
    shape_repeats_max: int = 3
    shape_window_ns: Nanos = SECOND
    children_per_s: int = 200
    children_max: int = 100_000
    price_min: Px = 1
    price_max: Px = PX_MAX
    price_band_bps: int = 100_000
    short_sale: ShortSale = ShortSale.LOCATED
    exploration_budget_bps: float = 1.0
    probability_change_max: float = 0.5
    venue_share_max: float = 1.0
    restricted: tuple[str, ...] = ()
    short_restricted: tuple[str, ...] = ()
    principals: dict[str, Permission] = {}
    by_account: dict[str, Override] = {}
    by_strategy: dict[str, Override] = {}
    by_symbol: dict[str, Override] = {}

    def of(self, account: str, strategy: str, symbol: str) -> RiskLimits:
        """Return the limits that hold for one account, strategy and symbol.

        >>> limits = limits_from_table({"by_symbol": {"A": {"qty_max": 50}}, "by_account": {"X": {"qty_max": 70}}})
        >>> limits.of("X", "vwap", "A").qty_max, limits.of("X", "vwap", "B").qty_max, limits.of("Y", "", "B").qty_max
        (50, 70, 1000000)
        """
        chosen: Override = {}
        scopes = (self.by_account, account), (self.by_strategy, strategy), (self.by_symbol, symbol)
        for overrides, name in scopes:
            for key, value in overrides.get(name, {}).items():
                chosen[key] = value if key not in chosen else RULES[key].stricter(chosen[key], value)
        return msgspec.structs.replace(self, **chosen) if chosen else self

    def learning(self) -> Limits:
        """Return the safe-learning limits as the allocation takes them."""
        return Limits(self.exploration_budget_bps, self.probability_change_max, self.venue_share_max)


class Rule(NamedTuple):
    """What one limit may be, in which unit, and what it says."""

    low: float
    high: float
    unit: str
    checks: str
    sentence: str
    is_whole: bool = True
    is_override: bool = True
    is_floor: bool = False
    """Whether the larger of two is the stricter."""

    def stricter(self, one: Any, other: Any) -> Any:
        """Return the stricter of two values."""
        if isinstance(one, str):
            return min(one, other, key=list(ShortSale).index)
        return max(one, other) if self.is_floor else min(one, other)


_ALL = 10**9

RULES: dict[str, Rule] = {
    "qty_max": Rule(1, QTY_MAX, "shares", "7", "largest order"),
    "notional_max": Rule(1, _MONEY_MAX, "micros", "7", "largest order by its worst price"),
    "collar_bps": Rule(1, 10_000, "bps", "8", "how far a price may be from the reference, on the expensive side"),
    "reference_stale_ns": Rule(1, 3_600 * SECOND, "ns", "8", "age beyond which a reference is none"),
    "adv_share_max": Rule(0, 1_000, "share", "9", "of an average day's volume, or of today's where larger", False),
    "open_orders_symbol_max": Rule(0, _ALL, "orders", "10", "open at once, of an account in a symbol"),
    "open_orders_account_max": Rule(0, _ALL, "orders", "10", "open at once, of an account"),
    "leaves_notional_symbol_max": Rule(0, _MONEY_MAX, "micros", "10", "open orders of an account in a symbol"),
    "leaves_notional_account_max": Rule(0, _MONEY_MAX, "micros", "10", "open orders of an account"),
    "position_max": Rule(0, QTY_MAX, "shares", "11", "long or short, with every open order of the side filled"),
    "gross_max": Rule(0, _MONEY_MAX, "micros", "12", "sum over symbols, each with its worse side filled"),
    "net_max": Rule(0, _MONEY_MAX, "micros", "12", "long less short, with the worse side filled"),
    "messages_per_s": Rule(1, 10**6, "a second", "13", "orders and replaces of a session", True, False),
    "messages_burst": Rule(1, 10**6, "messages", "13", "at once after a rest", True, False),
    "cancels_per_s": Rule(1, 10**6, "a second", "13", "cancels of a session, apart from the others", True, False),
    "cancels_burst": Rule(1, 10**6, "messages", "13", "at once after a rest", True, False),
    "venue_messages_per_s": Rule(1, 10**6, "a second", "13", "messages to a venue", True, False),
    "venue_messages_burst": Rule(1, 10**6, "messages", "13", "at once after a rest", True, False),
    "repeated_executions_max": Rule(1, 10**5, "executions", "14", "of a strategy within the window", True, False),
    "repeated_executions_ns": Rule(1, 86_400 * SECOND, "ns", "14", "that window", True, False),
    "rejects_max": Rule(1, 10**6, "rejects", "15", "of a venue in a row", True, False),
    "rejects_probe_ns": Rule(
        1, 86_400 * SECOND, "ns", "15", "rest before one order tries the venue again", True, False
    ),
    "shape_repeats_max": Rule(1, 10**4, "orders", "6", "of one shape within the window", True, False),
    "shape_window_ns": Rule(1, 86_400 * SECOND, "ns", "6", "that window", True, False),
    "children_per_s": Rule(1, 10**6, "a second", "gate 2", "new children of a parent", True, False),
    "children_max": Rule(1, 100_000, "children", "gate 2", "of a parent in all", True, False),
    "price_min": Rule(1, PX_MAX, "Px", "4", "lowest limit price", is_floor=True),
    "price_max": Rule(1, PX_MAX, "Px", "4", "highest limit price"),
    "price_band_bps": Rule(1, 100_000, "bps", "4", "how far a limit price may be from the last trade, on either side"),
    "exploration_budget_bps": Rule(0, 10_000, "bps", "learning", "expected value an order may give up", False, False),
    "probability_change_max": Rule(0, 1_000, "a minute", "learning", "of a lane's probability", False, False),
    "venue_share_max": Rule(0.0001, 1, "share", "learning", "of a slice and an order at one venue", False, False),
}
"""Every limit that is a number. What may be overridden is what speaks of an order, an account or a symbol."""

RULES["short_sale"] = Rule(0, 0, "word", "16", "FORBIDDEN, LOCATED (each order with a locate) or FREE")
_SCOPES = ("by_account", "by_strategy", "by_symbol")
LISTS: dict[str, tuple[str, str]] = {
    "restricted": ("5", "not to be traded"),
    "short_restricted": ("16", "sold short only with a limit above the best bid"),
}
"""Every limit that is a list of symbols: its check, and what is with them."""

_KEYS = (*RULES, *LISTS, "principals", *_SCOPES)
OVERRIDABLE = tuple(key for key, rule in RULES.items() if rule.is_override)


def limits_from_table(table: Mapping[str, Any], where: str = "risk") -> RiskLimits:
    """Return the limits in a table as it comes from TOML; what is not said keeps its default.

    Raises:
        ConfigError: an unknown key (with the nearest known one), a wrong type or a value out of range, at its place.

    >>> limits_from_table({"qty_max": 500}).qty_max
    500
    >>> limits_from_table({"collar_bp": 50})
    Traceback (most recent call last):
    router.domain.errors.ConfigError: expected a known key (did you mean collar_bps?), got 'collar_bp' - at risk
    """
    read: dict[str, Any] = {}
    for key, value in table.items():
        place = f"{where}.{key}"
        if key in _SCOPES:
            read[key] = {name: _override(of, f"{place}.{name}") for name, of in _tables(value, place).items()}
        elif key == "principals":
            read[key] = {name: _permission(of, f"{place}.{name}") for name, of in _tables(value, place).items()}
        elif key in LISTS:
            read[key] = _names(value, place)
        else:
            _known(key, _KEYS, where)
            read[key] = _number(key, value, place)
    return _fits(RiskLimits(**read), where)


def check_limits(limits: RiskLimits, where: str = "risk") -> RiskLimits:
    """Return `limits` if every one is possible.

    Raises:
        ConfigError: names the key, what was expected and what came.
    """
    return limits_from_table(msgspec.to_builtins(limits), where)


def changed(limits: RiskLimits, key: str, value: Any, where: str = "risk") -> RiskLimits:
    """Return the limits with one of them changed at run time, checked as a file is.

    `key` is that of a limit, or a scope, a name and a limit: `by_account.A1.qty_max`, where None takes the override
    away.

    Raises:
        ConfigError: no such key, or no such value for it.

    >>> changed(RiskLimits(), "by_symbol.ABC.collar_bps", 50).of("", "", "ABC").collar_bps
    50
    """
    table = msgspec.to_builtins(limits)
    scope, _, rest = key.partition(".")
    name, _, inner = rest.rpartition(".")
    if scope in _SCOPES and name and inner:
        _known(inner, OVERRIDABLE, f"{where}.{scope}.{name}")
        overrides = table[scope].setdefault(name, {})
        overrides[inner] = value
        if value is None:
            del overrides[inner]
        if not overrides:
            del table[scope][name]
    else:
        _known(key, _KEYS, where)
        table[key] = value
    return limits_from_table(table, where)


def limits_rows(limits: RiskLimits) -> list[tuple[str, str, str, str, str]]:
    """Return (key, value, unit, check, what it is) of every limit and override, for people.

    >>> limits_rows(RiskLimits())[0]
    ('qty_max', '1,000,000', 'shares', '7', 'largest order')
    """
    rows = [(key, _text(getattr(limits, key)), rule.unit, rule.checks, rule.sentence) for key, rule in RULES.items()]
    for key, (check, sentence) in LISTS.items():
        rows.append((key, ", ".join(getattr(limits, key)) or "none", "symbols", check, sentence))
    for scope in _SCOPES:
        for name, override in sorted(getattr(limits, scope).items()):
            for key, value in sorted(override.items()):
                rule = RULES[key]
                rows.append((f"{scope}.{name}.{key}", _text(value), rule.unit, rule.checks, rule.sentence))
    return rows


def _text(value: object) -> str:
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _known(key: str, known: tuple[str, ...], where: str) -> None:
    if key in known:
        return
    near = get_close_matches(key, known)
    expected = f"a known key (did you mean {' or '.join(near)}?)" if near else f"one of the keys {', '.join(known)}"
    raise ConfigError(bad_value(where, expected, key))


def _number(key: str, value: Any, place: str) -> Any:
    if key == "short_sale":
        if value not in list(ShortSale):
            raise ConfigError(bad_value(place, f"one of {', '.join(ShortSale)}", value))
        return ShortSale(value)
    rule = RULES[key]
    kinds = (int,) if rule.is_whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not rule.low <= value <= rule.high:
        kind = "a whole number" if rule.is_whole else "a number"
        raise ConfigError(bad_value(place, f"{kind} from {rule.low} to {rule.high}", value))
    return value if rule.is_whole else float(value)


def _tables(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or len(value) > OVERRIDES_MAX:
        raise ConfigError(bad_value(place, f"a table of up to {OVERRIDES_MAX} names", value))
    return value


def _override(value: Any, place: str) -> Override:
    read: Override = {}
    for key, given in _tables(value, place).items():
        _known(key, OVERRIDABLE, place)
        read[key] = _number(key, given, f"{place}.{key}")
    return read


def _names(value: Any, place: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) and name for name in value):
        raise ConfigError(bad_value(place, "a list of names", value))
    return tuple(value)


def _permission(value: Any, place: str) -> Permission:
    known = Permission.__struct_fields__
    for key in _tables(value, place):
        _known(key, known, place)
    return Permission(**{key: _names(given, f"{place}.{key}") for key, given in value.items()})


def _fits(limits: RiskLimits, where: str) -> RiskLimits:
    if limits.price_min > limits.price_max:
        raise ConfigError(
            bad_value(f"{where}.price_min", f"a price up to price_max {limits.price_max}", limits.price_min)
        )
    return limits
