"""Limits are read, overridden and changed, and what is none is refused with its key."""

from __future__ import annotations

from typing import Any

import pytest

from router.domain.errors import ConfigError
from router.risk.limits import (
    LISTS,
    OVERRIDABLE,
    RULES,
    RiskLimits,
    ShortSale,
    changed,
    check_limits,
    limits_from_table,
    limits_rows,
)


def test_defaults_are_possible_and_every_number_has_a_rule() -> None:
    assert check_limits(RiskLimits()) == RiskLimits()
    numbers = {name for name in RiskLimits.__struct_fields__ if name not in (*LISTS, "principals")}
    assert {name for name in numbers if not name.startswith("by_")} == set(RULES)


def test_table_comes_back_as_limits() -> None:
    table = {
        "qty_max": 7,
        "adv_share_max": 1,
        "short_sale": "FREE",
        "restricted": ["XYZ"],
        "principals": {"ann": {"accounts": ["A1"]}},
        "by_account": {"A1": {"position_max": 3, "short_sale": "FORBIDDEN"}},
    }
    limits = limits_from_table(table)
    assert (limits.qty_max, limits.adv_share_max, limits.short_sale) == (7, 1.0, ShortSale.FREE)
    assert limits.principals["ann"].strategies == ("*",)
    assert limits.of("A1", "", "").short_sale is ShortSale.FORBIDDEN
    assert check_limits(limits) == limits


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"qty_max": 0}, "expected a whole number from 1 to 1000000000000, got 0 - at risk.qty_max"),
        ({"qty_max": True}, "got True - at risk.qty_max"),
        ({"qty_max": 1.5}, "got 1.5 - at risk.qty_max"),
        ({"adv_share_max": float("nan")}, "got nan - at risk.adv_share_max"),
        ({"colar_bps": 5}, "expected a known key (did you mean collar_bps?), got 'colar_bps' - at risk"),
        ({"colour": 5}, "expected one of the keys qty_max, "),
        ({"short_sale": "YES"}, "expected one of FORBIDDEN, LOCATED, FREE, got 'YES' - at risk.short_sale"),
        ({"by_symbol": {"ABC": {"qty_mx": 1}}}, "(did you mean qty_max"),
        ({"by_symbol": {"ABC": {"messages_per_s": 1}}}, "got 'messages_per_s' - at risk.by_symbol.ABC"),
        ({"by_symbol": {"ABC": {"qty_max": -1}}}, "got -1 - at risk.by_symbol.ABC.qty_max"),
        ({"by_symbol": 3}, "expected a table of up to 10000 names, got 3 - at risk.by_symbol"),
        ({"restricted": "ABC"}, "expected a list of names, got 'ABC' - at risk.restricted"),
        ({"principals": {"ann": {"account": ["A1"]}}}, "(did you mean accounts?), got 'account'"),
        ({"price_min": 5, "price_max": 4}, "expected a price up to price_max 4, got 5 - at risk.price_min"),
    ],
)
def test_what_is_no_limit_is_refused_with_its_key(table: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        limits_from_table(table)
    assert said in str(refused.value)


def test_strictest_of_several_overrides_holds_and_takes_the_place_of_the_general_limit() -> None:
    limits = limits_from_table(
        {
            "qty_max": 100,
            "by_account": {"A1": {"qty_max": 500, "price_min": 10}},
            "by_strategy": {"vwap": {"qty_max": 300}},
            "by_symbol": {"ABC": {"qty_max": 400, "price_min": 20}},
        }
    )
    assert limits.of("A1", "vwap", "ABC").qty_max == 300
    assert limits.of("A1", "twap", "ABC").qty_max == 400
    assert limits.of("A1", "twap", "DEF").qty_max == 500
    assert limits.of("A2", "twap", "DEF").qty_max == 100
    assert limits.of("A1", "vwap", "ABC").price_min == 20


def test_limits_change_one_by_one_and_back() -> None:
    limits = changed(RiskLimits(), "collar_bps", 20)
    limits = changed(limits, "by_account.A.1.qty_max", 5)
    assert (limits.collar_bps, limits.of("A.1", "", "").qty_max) == (20, 5)
    assert changed(limits, "by_account.A.1.qty_max", None).by_account == {}


@pytest.mark.parametrize(
    ("key", "value"),
    [("collar_bps", None), ("collar_bp", 1), ("by_account.A1.rejects_max", 5), ("by_account.A1.qty_max", 0), ("by", 1)],
)
def test_change_that_cannot_be_is_refused_and_leaves_the_limits(key: str, value: Any) -> None:
    limits = RiskLimits()
    with pytest.raises(ConfigError):
        changed(limits, key, value)
    assert limits == RiskLimits()


def test_rows_show_every_limit_and_override() -> None:
    rows = limits_rows(limits_from_table({"by_symbol": {"ABC": {"qty_max": 9}}}))
    keys = [row[0] for row in rows]
    assert set(RULES) <= set(keys)
    assert ("by_symbol.ABC.qty_max", "9", "shares", "7", "largest order") in rows


def test_safe_learning_limits_are_the_allocations() -> None:
    limits = limits_from_table({"exploration_budget_bps": 0.5, "probability_change_max": 0.1, "venue_share_max": 0.6})
    assert limits.learning() == (0.5, 0.1, 0.6)


def test_rates_are_not_overridable() -> None:
    assert [key for key in OVERRIDABLE if "messages" in key or "rejects" in key] == []
