"""The market and the configuration of the kill drill: small, so that two cores carry every process of it.

Rule of this file: text only; what is done with it is in `benchmarks.kill_rounds`.
"""

from __future__ import annotations

import json
from pathlib import Path

ACCOUNT = "DRILL"
SYMBOL = "KILD"

SCENARIO = """
title = "Kill drill"
description = "Two hours of a small market whose processes are killed: a lit venue, a dark pool, a dealer."
symbol = "KILD"
seed = 1

[market]
kind = "synthetic"
start_px = "40.00"
adv = 40_000_000
duration_s = 10_800

[[venues]]
mic = "XLTA"
is_primary = true
volume_share = 0.55
maker_micros = -2_000
taker_micros = 3_000
parameters = { kind = "lit" }

[[venues]]
mic = "XDKA"
volume_share = 0.15
maker_micros = 1_000
taker_micros = 1_000
parameters = { kind = "dark", zero_bin = 0.50 }

[[venues]]
mic = "XSDA"
volume_share = 0.30
parameters = { kind = "dealer" }

[[orders]]
# A scenario has orders of its own; a live desk leaves them out.
id = "NONE"
side = "BUY"
order_qty = 1
end_s = 60

[learning]
standard_qty = 100

[timing]
window_max_s = 5.0
life_s = 4.5
"""

VENUES = ("XLTA", "XDKA", "XSDA")

PROBES = "PROBE"
"""The account of the orders that ask whether the desk works again: nothing of it stands in their way."""

LIMITED = "SMALL"
"""An account that may hold, with all that is open filled, no more than this."""
POSITION_MAX = 2_500

OUTAGE_EVERY_S, OUTAGE_S, OUTAGES = 40, 6, 250
"""In a troubled drill the link to one venue after the other is down, so often and for so long, from the first on."""


def outages() -> list[tuple[str, int, int]]:
    """Return (venue, from, to) of every outage, in seconds of the session.

    >>> outages()[:2]
    [('XLTA', 15, 21), ('XDKA', 55, 61)]
    """
    starts = [15 + n * OUTAGE_EVERY_S for n in range(OUTAGES)]
    return [(VENUES[n % len(VENUES)], start, start + OUTAGE_S) for n, start in enumerate(starts)]


def write_drill(folder: Path, port: int, *, is_troubled: bool = False) -> Path:
    """Write scenario and configuration into a folder and return the configuration's path.

    With `is_troubled` links to venues go down, and `LIMITED` may hold only so much.
    """
    scenario, config = folder / "kill_drill.toml", folder / "desk.toml"
    breaks = [
        f'\n[[breaks]]\nkind = "outage"\nvenue = "{mic}"\nfrom_s = {start}\nto_s = {end}\n'
        for mic, start, end in (outages() if is_troubled else ())
    ]
    scenario.write_text(SCENARIO + "".join(breaks), encoding="utf-8")
    lines = [
        "[live]",
        f"scenario = {json.dumps(str(scenario))}",
        "hosts = 1",
        'state = "state"',
        "[risk]",
        # The drill's load is made up: it may repeat itself, and it may not stop itself.
        "shape_repeats_max = 10_000",
        "repeated_executions_max = 100_000",
        "adv_share_max = 10.0",
        "messages_per_s = 10_000",
        "messages_burst = 20_000",
        *([f"[risk.by_account.{LIMITED}]", f"position_max = {POSITION_MAX}"] if is_troubled else []),
        "[api]",
        "is_open = true",
        f"port = {port}",
    ]
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return config
