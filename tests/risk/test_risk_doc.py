"""The page on risk has every check with its codes, every limit with its default, and every level and invariant."""

from __future__ import annotations

from pathlib import Path

from router.risk.kill import KillLevel
from router.risk.limits import OVERRIDABLE, RULES, RiskLimits, limits_rows
from router.risk.reasons import CHECK_NAMES, REASONS

PAGE = (Path(__file__).parents[2] / "docs" / "risk.md").read_text(encoding="utf-8")


def test_page_has_every_check_with_its_codes_in_order() -> None:
    rows = []
    for number, name in CHECK_NAMES.items():
        codes = ", ".join(f"`{reason}`" for reason, of in REASONS.items() if of.check == number)
        rows.append(f"| {number} | {name} | {codes} |")
    assert "\n".join(rows) in PAGE


def test_page_has_every_limit_with_its_default() -> None:
    rows = []
    for key, value, unit, check, sentence in limits_rows(RiskLimits()):
        if key in RULES:
            scope = "" if key in OVERRIDABLE else "; general only"
            rows.append(f"| `{key}` | {value} | {unit} | {check} | {sentence}{scope} |")
    assert "\n".join(rows) in PAGE


def test_page_has_every_level_and_invariant() -> None:
    assert [level for level in KillLevel if f"`{level}`" not in PAGE] == []
    invariants = [*range(1, 13), 19, 20, 21, 23]
    assert [number for number in invariants if f"\n| I{number} | " not in PAGE] == []


def test_every_reason_is_a_sentence() -> None:
    assert [reason for reason, of in REASONS.items() if not of.sentence.endswith(".")] == []
