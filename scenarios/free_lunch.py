"""No free lunch: who only pings dark pools, or goes round in a stock, must not earn money in the simulator.

Rule of this file: profit is cash, fees and what is left in hand at the last mid, with our own impact in it. Each day is
run in both directions with the same flow, so that the price's own drift cancels.
"""

from __future__ import annotations

from router.domain.units import MICROS_PER_PX, SECOND
from scenarios.assembly import assemble
from scenarios.day import HOST, drive
from scenarios.impact import OwnImpact
from scenarios.intervals import mean_interval
from scenarios.runner import local_link
from scenarios.scenario import ImpactPart, parse_scenario
from venues.flow.checks import CheckRow, check

SEED = 9_001
"""First of the seeds: none that a scenario of ours names."""

_MARKET = """
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
"""A profit below it pays for no machine: a fifth of the half spread of this market. With few days the mean is known to
a few bps only, and its interval, which stands beside it, says so."""

_MEAN_FIELD_RATES = (10, 60, 400)
"""Shares a second at which the mean-field impact is gone round."""


def free_lunch(days: int) -> list[CheckRow]:
    """Return the rows: mean profit in bps of what was traded, at most `PROFIT_MAX_BPS`, with half its 95 % interval."""
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
        profits = [
            0.5 * (_profit_bps(extra, spans, "BUY", "SELL", seed) + _profit_bps(extra, spans, "SELL", "BUY", seed))
            for seed in range(SEED, SEED + days)
        ]
        found = mean_interval(profits)
        half = 0.0 if found.interval is None else found.mean - found.interval.low
        rows.append(check(f"free_lunch.{name}", found.mean, None, PROFIT_MAX_BPS, half))
    return [*rows, check("free_lunch.impact_alone", _best_round_trip_bps(), None, 0.0)]


def _profit_bps(extra: str, spans: tuple[tuple[int, int], ...], first: str, second: str, seed: int) -> float:
    """Return the profit of one day; 0 when nothing traded."""
    orders = [
        f'[[orders]]\nid = "L-{side}"\nside = "{side}"\norder_qty = {_QTY}\nstart_s = {start}\nend_s = {end}\n{extra}\n'
        for side, (start, end) in zip((first, second), spans, strict=True)
    ]
    scenario = parse_scenario(_MARKET + "".join(orders), "no_free_lunch")
    assembly = assemble(scenario, seed, None)
    host_of = {parent.parent_id: HOST for parent in assembly.parents}
    day = drive(assembly, local_link(assembly, scenario.file.learning.policy), host_of)
    cash, in_hand, traded = 0.0, 0, 0
    for row in day.recorder.executions:
        qty = row["last_qty"] if row["side"] == "BUY" else -row["last_qty"]
        cash -= qty * row["last_px"] + row["fee_micros"] / MICROS_PER_PX
        in_hand += qty
        traded += abs(qty) * row["last_px"]
    last = day.history.mid2(assembly.setup.close_at - 1) / 2
    return (cash + in_hand * last) / traded * 1e4 if traded else 0.0


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
