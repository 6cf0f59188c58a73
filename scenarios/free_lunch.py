"""No free lunch: who only pings dark pools, or goes round in a stock, must not earn money in the simulator.

Rule of this file: profit is cash, fees and what is left in hand at the last mid, with our own impact in it. Luck by
construction is taken out of it: what the latent reference does later than `KNOWN_AHEAD_NS` after an execution, which
nobody in the market can know, so that its mean is exactly zero. Who goes there and back does so in both directions.

With `DAYS_ENOUGH` days the mean itself must be within the bound. With fewer it is not known well enough for that, and a
row (`.at_least`) fails when even the lower end of its 95 % interval is above: then a lunch is proven.
"""

from __future__ import annotations

import numpy as np

from router.domain.errors import BadInputError, bad_value
from router.domain.units import MICROS_PER_PX, SECOND, Nanos
from scenarios.assembly import assemble
from scenarios.day import HOST, drive
from scenarios.impact import OwnImpact
from scenarios.intervals import mean_interval
from scenarios.runner import local_link
from scenarios.scenario import ImpactPart, parse_scenario
from venues.flow.checks import CheckRow, check
from venues.models.reference import reference_path
from venues.types.dark_flow import DarkParameters

SEED = 9_001
"""First of the seeds: none that a scenario of ours names."""

MARKET = """
title = "No free lunch"
description = "Two exchanges and two dark pools, half an hour."
symbol = "LNCH"
[market]
kind = "synthetic"
start_px = "40.00"
duration_s = 1_800
[impact]
kind = "sign_feedback"
coefficient_bps = 10.0
[learning]
policy = "uniform"
[[venues]]
mic = "XLTA"
is_primary = true
volume_share = 0.5
maker_micros = -2_000
taker_micros = 3_000
parameters = { kind = "lit", touch_qty = 400 }
[[venues]]
mic = "XLTB"
volume_share = 0.3
maker_micros = -2_000
taker_micros = 3_000
parameters = { kind = "lit", touch_qty = 300 }
[[venues]]
mic = "XDKA"
volume_share = 0.1
taker_micros = 1_000
parameters = { kind = "dark", zero_bin = 0.7 }
[[venues]]
mic = "XDKB"
volume_share = 0.1
taker_micros = 1_000
parameters = { kind = "dark", zero_bin = 0.7, informed = 0.3 }
"""

_DARK_ONLY = 'venues_allow = ["XDKA", "XDKB"]'
_QTY = 10_000
_TURN_S, _END_S = 850, 1_750

PROFIT_MAX_BPS = 0.5
"""A profit below it pays for no machine: a fifth of the half spread of this market."""

DAYS_ENOUGH = 48
"""A day's profit has a standard deviation of about 1.2 bps: so many days give the mean to a third of the bound."""

KNOWN_AHEAD_NS: Nanos = DarkParameters().lookahead_ns
"""Nobody's interest depends on the reference's moves further ahead: lit takers know the next one only."""

_MEAN_FIELD_RATES = (10, 60, 400)
"""Shares a second at which the mean-field impact is gone round."""


def free_lunch(days: int, seed: int = SEED, market: str = MARKET) -> list[CheckRow]:
    """Return the rows: profit in bps of what was traded, at most `PROFIT_MAX_BPS`, with the mean's standard error.

    The days are those of `seed` and the seeds after it; `market` is a scenario's text without orders, whose pools look
    no further ahead than is usual.

    Raises:
        BadInputError: fewer than two days, which say nothing about a mean.
    """
    if days < 2:
        raise BadInputError(bad_value("free_lunch.days", "at least 2", days))
    in_turn = ((0, _TURN_S), (_TURN_S, _END_S))
    at_once = ((0, _END_S), (0, _END_S))
    cases = (
        ("dark_ping", _DARK_ONLY, in_turn),
        ("dark_both_sides", _DARK_ONLY, at_once),
        ("round_trip", "", in_turn),
        ("both_sides", "", at_once),
    )
    rows = []
    for name, extra, spans in cases:
        # Who buys and sells at once has one direction only.
        directions = (("BUY", "SELL"), ("SELL", "BUY")) if spans is in_turn else (("BUY", "SELL"),)
        orders = [_orders(extra, spans, sides) for sides in directions]
        profits = [
            float(np.mean([_profit_bps(market + text, day) for text in orders])) for day in range(seed, seed + days)
        ]
        rows.append(_row(f"free_lunch.{name}", profits))
    return [*rows, check("free_lunch.impact_alone", _best_round_trip_bps(), None, 0.0)]


def _row(name: str, profits: list[float]) -> CheckRow:
    """Return the row of the mean of enough days, and of fewer that of its interval's lower end."""
    found = mean_interval(profits)
    error = float(np.std(profits, ddof=1)) / len(profits) ** 0.5
    if found.interval is not None and len(profits) < DAYS_ENOUGH:
        return check(f"{name}.at_least", found.interval.low, None, PROFIT_MAX_BPS, error)
    return check(name, found.mean, None, PROFIT_MAX_BPS, error)


def _orders(extra: str, spans: tuple[tuple[int, int], ...], sides: tuple[str, str]) -> str:
    return "".join(
        f'[[orders]]\nid = "L-{side}"\nside = "{side}"\norder_qty = {_QTY}\nstart_s = {start}\nend_s = {end}\n{extra}\n'
        for side, (start, end) in zip(sides, spans, strict=True)
    )


def _profit_bps(text: str, seed: int) -> float:
    """Return the profit of one day, without what is luck by construction; 0 when nothing traded."""
    scenario = parse_scenario(text, "no_free_lunch")
    assembly = assemble(scenario, seed, None)
    host_of = {parent.parent_id: HOST for parent in assembly.parents}
    day = drive(assembly, local_link(assembly, scenario.file.learning.policy), host_of)
    reference = reference_path(seed, assembly.setup)
    end = assembly.setup.close_at - 1
    cash, luck, in_hand, traded = 0.0, 0, 0, 0
    for row in day.recorder.executions:
        qty = row["last_qty"] if row["side"] == "BUY" else -row["last_qty"]
        cash -= qty * row["last_px"] + row["fee_micros"] / MICROS_PER_PX
        luck += qty * (reference.px_at(end) - reference.px_at(min(row["at"] + KNOWN_AHEAD_NS, end)))
        in_hand += qty
        traded += abs(qty) * row["last_px"]
    last = day.history.mid2(end) / 2
    return (cash + in_hand * last - luck) / traded * 1e4 if traded else 0.0


def _best_round_trip_bps() -> float:
    """Return the best profit, in bps of the notional, of going round in the mean-field impact alone."""
    adv, reference, qty = 2_000_000, 400_000, 12_000
    profits = []
    for sign in (1, -1):
        for there in _MEAN_FIELD_RATES:
            for back in _MEAN_FIELD_RATES:
                for pause_s in (0, 60, 600):
                    one = OwnImpact(ImpactPart(kind="sign_feedback", coefficient_bps=10.0), adv, reference)
                    cost = _paid(one, sign * there, 0, qty // there)
                    turn = qty // there + pause_s
                    cost += _paid(one, -sign * back, turn, turn + qty // back)
                    profits.append(-cost / (2 * qty * reference) * 1e4)
    return max(profits)


def _paid(one: OwnImpact, qty_a_second: int, from_s: int, to_s: int) -> float:
    """Trade evenly; return what it cost against the reference, in shares x Px."""
    paid = 0.0
    for s in range(from_s, to_s):
        before = one.px(s * SECOND)
        one.executed(s * SECOND, qty_a_second)
        paid += qty_a_second * 0.5 * (before + one.px(s * SECOND))
    return paid
