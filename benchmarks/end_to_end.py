"""Rows of the whole stack: delays, fees, leakage and turning regimes, the learner beside every other policy.

Rule of this file: ours and the others run the same seeds with the same exploration allowed; a share of a gap is given
to both limits, the oracle (knows the venues' hidden parameters) and the clairvoyant (knows what is going to happen).
"""

from __future__ import annotations

import gc
from typing import Any, NamedTuple

import numpy as np

from benchmarks.policies import GAP_CLOSED, OURS, POLICIES, rows_of
from benchmarks.rows import Row, Settings
from cluster.compare import STATIC, run_policies
from router.domain.instruments import lanes_of
from router.domain.market import F64
from router.domain.units import MICROS_PER_PX, SECOND, Nanos
from scenarios.assembly import assemble
from scenarios.clairvoyant import CLAIRVOYANT
from scenarios.comparison import compare, gap_closed
from scenarios.day import HOST, drive
from scenarios.intervals import mean_interval
from scenarios.oracle import ORACLE
from scenarios.recorder import Recorder
from scenarios.runner import local_link
from scenarios.scenario import Scenario, load_scenario
from venues.types.dark_flow import DarkParameters

SCENARIOS = ("midcap_500k", "toxic_turn", "regime_switch")
QUICK = ("smoke",)
SEEDS_QUICK = 2

TURN, TURNED = "toxic_turn", "XDKT:MID_PEG"
"""The scenario in which a pool turns toxic, and that pool's lane."""

COLD = "censored"
"""Who is looked at there: to a learner with past days behind it the turn would be nothing new."""

RECOVERY_FILLS = 50
"""Fills at the pool after its turn by which it must have lost half of its probability for good."""

BEFORE_NS: Nanos = 600 * SECOND
"""How long before its turn the pool's usual probability is looked at."""

LOOK_FILLS = 10
"""Probabilities are averaged over what was published between so many fills."""


def end_to_end(settings: Settings) -> list[Row]:
    """Compare on the three scenarios, and look at the turn of the pool."""
    rows: list[Row] = []
    names, seeds = (QUICK, SEEDS_QUICK) if settings.is_quick else (SCENARIOS, settings.seeds)
    for n, name in enumerate(names):

        def progress(share: float, text: str, done: int = n, scenario: str = name) -> None:
            settings.progress((done + share) / (len(names) + 1), f"{scenario}: {text}")

        rows += [
            _named(row, name) for row in _compared(load_scenario(name), seeds, settings._replace(progress=progress))
        ]
    if not settings.is_quick:
        rows += _turns(load_scenario(TURN), seeds, settings)
    return rows


def _named(row: Row, scenario: str) -> Row:
    return Row(**{**{field: getattr(row, field) for field in Row.__struct_fields__}, "id": f"{scenario}.{row.id}"})


def _compared(scenario: Scenario, seeds: int, settings: Settings) -> list[Row]:
    runs = run_policies(scenario, POLICIES, range(1, seeds + 1), settings.data, settings.progress)
    comparison = compare(runs.summaries, runs.static, runs.oracle)
    rows = [
        row
        for row in rows_of(comparison)
        if not row.id.startswith("pair.") or row.id.startswith((f"pair.{OURS}.", f"pair.{COLD}."))
    ]
    costs = {
        name: np.array([np.nan if run.routing_cost_bps is None else run.routing_cost_bps for run in found])
        for name, found in runs.summaries.items()
    }
    return rows + _clairvoyant_gaps(scenario.file.title, costs)


def _clairvoyant_gaps(title: str, costs: dict[str, F64]) -> list[Row]:
    """Return how much of the way to the clairvoyant ours goes, and how much of it the oracle goes."""
    rows = []
    for name in (OURS, COLD, ORACLE):
        share, interval = gap_closed(costs[name], costs[STATIC], costs[CLAIRVOYANT], 1, f"clairvoyant:{name}")
        rows.append(
            Row(
                id=f"gap_clairvoyant.{name}",
                what=f"{title}: gap from {STATIC} to {CLAIRVOYANT} closed by {name}",
                ours=None if share is None else round(share, 4),
                unit="share",
                references={},
                ratio=None,
                bound=GAP_CLOSED if name == OURS else None,
                holds=None if name != OURS or share is None else share >= GAP_CLOSED,
                interval=None if interval is None else (round(interval.low, 4), round(interval.high, 4)),
            )
        )
    return rows


class Turn(NamedTuple):
    """One day with a turn: fills at the pool after it until its probability was halved (infinite: never), and what the
    fills at the pool after its turn lost, in bps of the whole order."""

    fills: float
    lost_bps: float


def _turns(scenario: Scenario, seeds: int, settings: Settings) -> list[Row]:
    found = []
    for seed in range(1, seeds + 1):
        found.append(_turn(scenario, seed))
        # As in `cluster.compare`: a day's arrays go when somebody asks for it.
        gc.collect()
    fills = np.array([turn.fills for turn in found])
    lost = mean_interval([turn.lost_bps for turn in found])
    budget = scenario.file.learning.exploration_budget_bps
    settings.progress(1.0, "turns")
    recovered = float((fills <= RECOVERY_FILLS).mean())
    return [
        _row(
            "recovery.fills",
            "median fills at the turned pool until its probability is halved",
            float(np.median(fills)),
            "fills",
            RECOVERY_FILLS,
        ),
        Row(
            id=f"{TURN}.recovery.share",
            what=f"days on which it took {RECOVERY_FILLS} fills or fewer",
            ours=round(recovered, 4),
            unit="share",
            references={},
            ratio=None,
            bound=None,
            holds=None,
        ),
        _row("turned.lost", "lost on fills at the turned pool, of the whole order", lost.mean, "bps", budget),
    ]


def _row(id: str, what: str, value: float, unit: str, at_most: float | None) -> Row:
    return Row(
        id=f"{TURN}.{id}",
        what=what,
        ours=round(float(value), 4),
        unit=unit,
        references={},
        ratio=None,
        bound=at_most,
        holds=None if at_most is None else bool(value <= at_most),
    )


def _turn(scenario: Scenario, seed: int) -> Turn:
    assembly = assemble(scenario, seed, None)
    host_of = {parent.parent_id: HOST for parent in assembly.parents}
    day = drive(assembly, local_link(assembly, COLD), host_of)
    pool = next(part for part in scenario.file.venues if TURNED.startswith(part.mic))
    assert isinstance(pool.parameters, DarkParameters), "pools turn, others do not"
    turn_at = assembly.setup.open_at + pool.parameters.turn_ns
    return Turn(_fills_to_halve(day.recorder, turn_at), _lost_bps(day.recorder, turn_at))


def _fills_to_halve(recorder: Recorder, turn_at: int) -> float:
    """Return after how many fills at the turned pool its probability stays below half of what it was."""
    lane = [str(lane) for lane in lanes_of(recorder.specs)].index(TURNED)
    at = np.array([row["at"] for row in recorder.probabilities], dtype=np.int64)
    p = np.array([row["routing_probabilities"][lane] for row in recorder.probabilities])
    before = p[(at < turn_at) & (at >= turn_at - BEFORE_NS)]
    fills = sorted(row["at"] for row in _at_the_pool(recorder) if row["at"] >= turn_at)
    level = float(before.mean()) if before.size else 0.0
    bounds = [turn_at, *fills, int(at[-1]) + 1]
    for n in range(len(fills) + 1):
        until = bounds[min(n + LOOK_FILLS, len(bounds) - 1)]
        after = p[(at > bounds[n]) & (at <= until)]
        if after.size and float(after.mean()) <= 0.5 * level:
            return float(n)
    return float("inf")


def _lost_bps(recorder: Recorder, turn_at: int) -> float:
    """Return what fills at the turned pool lost until ten seconds later, fees in, in bps of all that was executed."""
    lost = 0.0
    for row in _at_the_pool(recorder):
        after = row["mid_10s"]
        if row["at"] >= turn_at and after is not None:
            sign = 1.0 if row["side"] == "BUY" else -1.0
            lost += sign * (row["last_px"] - after) * row["last_qty"] + row["fee_micros"] / MICROS_PER_PX
    total = float(sum(row["last_qty"] * row["last_px"] for row in recorder.executions))
    return float(lost / total * 1e4)


def _at_the_pool(recorder: Recorder) -> list[dict[str, Any]]:
    return [row for row in recorder.executions if f"{row['mic']}:{row['tactic']}" == TURNED]
