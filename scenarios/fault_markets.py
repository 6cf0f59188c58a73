"""Draws a tiny market, its orders and its faults from one number: what the fault sweep runs.

Rule of this file: everything follows from the seed, and after `HEAL_S` nothing is lost or dead any more, and after
`IN_ORDER_S` nothing late, so that every order can end and every quantity can come right.
"""

from __future__ import annotations

from typing import NamedTuple

from router.domain.chance import uniforms
from scenarios.scenario import Scenario, parse_scenario

HEAL_S = 150.0
IN_ORDER_S = 235.0
"""From then on reports come in the order in which they were sent, too."""
DELAY_MAX_S = 3.0
LATE = 0.5
"""The share of seeds whose reports overtake one another after `HEAL_S`; in those a client keeps changing an order."""
Four = tuple[float, float, float, float]


class Draws(NamedTuple):
    """The uniform numbers of one seed, four to a row, from which all of its scenario is made."""

    a: Four
    b: Four
    c: Four
    d: Four
    e: Four
    f: Four
    g: Four


def draws_of(seed: int) -> Draws:
    """Return a seed's numbers."""
    return Draws(*(uniforms(seed, "simulation", "faults", row) for row in range(len(Draws._fields))))


def fault_scenario(seed: int) -> Scenario:
    """Return the scenario of one seed: three venues, three or four orders, and what goes wrong.

    >>> [order.id for order in fault_scenario(3).file.orders][:3]
    ['A', 'B', 'C']
    """
    draws = draws_of(seed)
    text = f'title = "faults {seed}"\ndescription = "drawn"\nsymbol = "SIMU"\n'
    is_conditional = seed % 3 == 0 or (seed % 3 == 1 and draws.g[0] < LATE)
    market = MARKET.replace("zero_bin", "conditional = true, zero_bin") if is_conditional else MARKET
    if draws.g[2] < 0.4:
        # Quotes that come late are gone when an order comes for them, and a dealer thinks it over.
        market = market.replace("jitter_ns", "feed_ns = 700_000_000, jitter_ns")
        market = market.replace("base_reject", f"hold_ns = {int(draws.g[3] * 3e9)}, base_reject")
    return parse_scenario(text + market + _orders(draws) + _settings(draws) + _breaks(draws), f"faults-{seed}")


MARKET = """
[market]
kind = "synthetic"
start_px = "20.00"
adv = 8_000_000
duration_s = 420
[[venues]]
mic = "XLTA"
is_primary = true
volume_share = 0.5
maker_micros = -2_000
taker_micros = 3_000
parameters = { kind = "lit", refresh_ns = 20_000_000_000, touch_qty = 100 }
latency = { order_response_ns = 40_000_000, jitter_ns = 20_000_000 }
[[venues]]
mic = "XDKA"
volume_share = 0.2
maker_micros = 1_000
taker_micros = 1_000
parameters = { kind = "dark", zero_bin = 0.4 }
[[venues]]
mic = "XSDA"
volume_share = 0.3
taker_micros = 500
parameters = { kind = "dealer", base_reject = 0.2 }
"""


def _orders(draws: Draws) -> str:
    a, b, c, d, e, _, g = draws
    return f"""
[[orders]]
id = "A"
side = "BUY"
order_qty = {100 + int(a[0] * 3000)}
max_child_qty = {int(d[3] * 1000) if d[3] > 0.5 else 0}
end_s = 200
{_replaces(draws) if d[0] < 0.6 else ""}
{f"cancel_s = {1 + int(c[3] ** 2 * 190)}" if a[3] < 0.35 else ""}
strategy_parameters = {{ interval_s = 5 }}
[[orders]]
id = "B"
side = "SELL"
order_qty = {1 + int(a[1] * 900)}
start_s = 10
end_s = {60 + int(a[2] * 100)}
strategy = "{("twap", "arrival", "pov", "vwap")[int(a[3] * 4)]}"
urgency = {b[0]:.2f}
limit_price = "{19.98 if b[1] < 0.5 else 18.0}"
replace = [{f'{{ at_s = {12 + int(d[1] * 60)}, limit_price = "20.01" }}' if d[2] < 0.3 else ""}]
[[orders]]
id = "C"
side = "{("BUY", "SELL")[int(e[0] * 2)]}"
order_qty = {50 + int(e[1] * 600)}
start_s = {100 + int(e[2] * 60)}
end_s = 240
{f"cancel_s = {165 + int(e[3] * 200)}" if e[3] < 0.3 else ""}
strategy = "{("twap", "arrival", "liquidity_seeking")[int(e[3] * 3)]}"
urgency = 0.8
{_unsteady(draws) if g[0] < LATE else ""}
"""


def _unsteady(draws: Draws) -> str:
    """Return an order whose client changes his mind again and again, each time taking back what is out."""
    c, g = draws.c, draws.g
    times = [152 + k * (5 + int(10 * g[3])) + int(4 * c[k % 4]) for k in range(6)]
    wishes = [
        f'{{ at_s = {at}, limit_price = "{(20.3, 19.7)[k % 2] if g[1] < 0.5 else (19.7, 20.3)[k % 2]}" }}'
        for k, at in enumerate(times)
    ]
    return f"""
[[orders]]
id = "D"
side = "{("BUY", "SELL")[int(g[1] * 2)]}"
order_qty = {300 + int(g[2] * 900)}
start_s = 140
end_s = 232
limit_price = "{20.5 if g[1] < 0.5 else 19.5}"
cancel_s = {210 + int(20 * g[3])}
strategy = "{("arrival", "liquidity_seeking", "twap")[int(c[3] * 3)]}"
urgency = {g[2]:.2f}
strategy_parameters = {{ interval_s = 4 }}
replace = [{", ".join(wishes)}]
"""


def _replaces(draws: Draws) -> str:
    """Return what the client of order A wants changed: another quantity, then a limit and a later end."""
    a, d = draws.a, draws.d
    qty, at = 1 + int(d[1] * (100 + a[0] * 3000) * 1.2), 1 + int(d[2] * 150)
    later = f'{{ at_s = {at + 20}, limit_price = "{19.9 + 0.2 * d[0]:.2f}", end_s = 210 }}'
    return f"replace = [{{ at_s = {at}, order_qty = {qty} }}, {later}]"


def _settings(draws: Draws) -> str:
    b = draws.b
    return f"""
[learning]
policy = "{("censored", "volume_proportional", "uniform")[int(b[2] * 3)]}"
standard_qty = 100
[timing]
window_max_s = 5.0
life_s = {(4.5, 60.0)[int(b[3] * 2)]}
answer_timeout_s = 1.0
grace_s = 200
"""


def _breaks(draws: Draws) -> str:
    a, b, c = draws.a, draws.b, draws.c
    outage = f"""
[[breaks]]
kind = "outage"
venue = "{("XLTA", "XDKA", "XSDA")[int(c[0] * 3)]}"
from_s = {20 + int(c[1] * 80)}
to_s = {110 + int(c[2] * 30)}
"""
    return f"""
[[breaks]]
kind = "unreliable"
to_s = {HEAL_S}
lose_report = {0.3 * a[0]:.3f}
lose_command = {0.2 * a[1]:.3f}
repeat_report = {0.3 * a[2]:.3f}
repeat_command = {0.3 * a[3]:.3f}
delay_report = {0.4 * b[0]:.3f}
delay_max_s = 8.0
[[breaks]]
kind = "host_crash"
to_s = {HEAL_S}
probability = {0.03 * b[1]:.4f}
lose_reply = {b[2]:.2f}
{outage if c[3] < 0.6 else ""}
{_late(draws)}
{_of_others(draws)}
"""


def _late(draws: Draws) -> str:
    """Return links on which nothing is lost any more, and reports still overtake one another for a while."""
    g = draws.g
    late = f"""
[[breaks]]
kind = "unreliable"
from_s = {HEAL_S}
to_s = {IN_ORDER_S}
delay_report = {0.2 + 0.5 * g[1]:.3f}
delay_max_s = {DELAY_MAX_S}
"""
    return late if g[0] < LATE else ""


def _of_others(draws: Draws) -> str:
    """Return what others do wrong: a venue or all of them halt, the learner is away or lies."""
    f = draws.f
    start = 15 + int(f[1] * 100)
    halt = f"""
[[breaks]]
kind = "halt"
from_s = {start}
to_s = {start + 5 + int(f[2] * 30)}
{f'venue = "{("XLTA", "XDKA", "XSDA")[int(f[3] * 3)]}"' if f[3] < 0.7 else ""}
"""
    learner = f"""
[[breaks]]
kind = "learner_{("down", "lies")[int(f[2] * 2)]}"
from_s = {int(f[3] * 60)}
{f"to_s = {70 + int(f[0] * 100)}" if f[3] < 0.8 else ""}
{f'how = "{("nan", "range", "version")[int(f[1] * 3)]}"' if f[2] >= 0.5 else ""}
"""
    return (halt if f[0] < 0.4 else "") + (learner if 0.25 < f[0] < 0.65 else "")
