"""The tables of a run's report: parents, the venue scorecard, "why this venue", what had to hold.

Rule of this file: numbers come computed; here they become text, with a dash where there is none.
"""

from __future__ import annotations

from html import escape
from typing import Any

import polars as pl

from router.domain.units import SECOND
from scenarios.intervals import MeanInterval
from scenarios.report.page import Cell, note, table, text_cell
from scenarios.report.price_unit import PriceUnit
from scenarios.report.scorecard import VenueScore
from scenarios.report.theme import number, percent, venue_type

DECISIONS_SHOWN = 20

PARENTS_LISTED = 50
"""Rows of the parents' table: a longer one belongs in a notebook."""


def clock(at: int | None) -> str:
    """Return a time in ns as UTC time of day with milliseconds.

    >>> clock(34_200_000_000_000)
    '09:30:00.000'
    """
    if at is None:
        return "–"
    second, rest = divmod(at, SECOND)
    return f"{second // 3600 % 24:02d}:{second // 60 % 60:02d}:{second % 60:02d}.{rest // 1_000_000:03d}"


def parents(orders: pl.DataFrame, unit: PriceUnit) -> str:
    """Return the parents, largest first; prices in the currency."""
    heads = [text_cell(h) for h in ("parent", "symbol", "side", "strategy", "status")]
    heads += [Cell(h) for h in ("ordered", "executed", "done", "arrival", "average", "start", "end", "anomalies")]
    rows = []
    for row in (
        orders.sort("order_qty", descending=True, maintain_order=True).head(PARENTS_LISTED).iter_rows(named=True)
    ):
        average = row["avg_px"] if row["cum_qty"] else None
        rows.append(
            [
                *(text_cell(str(row[k])) for k in ("parent_id", "symbol", "side", "strategy", "ord_status")),
                Cell(number(row["order_qty"])),
                Cell(number(row["cum_qty"])),
                Cell(percent(row["cum_qty"] / row["order_qty"] if row["order_qty"] else None)),
                Cell(number(_currency(row["arrival_px"], unit), unit.places)),
                Cell(number(_currency(average, unit), unit.places)),
                Cell(clock(row["start_at"])),
                Cell(clock(row["done_at"] or row["end_at"])),
                Cell(number(row["anomalies"]), "bad" if row["anomalies"] else ""),
            ]
        )
    hidden = orders.height - len(rows)
    return table(heads, rows) + (note(f"and {hidden:,} smaller parents") if hidden > 0 else "")


def _currency(price: float | None, unit: PriceUnit) -> float | None:
    return None if price is None else price / unit.per_currency


def scores(rows: list[VenueScore]) -> str:
    """Return the venue scorecard."""
    heads = [text_cell("venue"), text_cell("type")]
    heads += [Cell(h) for h in ("children", "routed", "filled", "fill rate", "hit ratio", "reject rate")]
    heads += [Cell(h) for h in ("mean fee, bps", "spread paid, bps", "markout 10 s, bps", "95 % interval", "fills")]
    return table(heads, [_score_row(score) for score in rows])


def _score_row(score: VenueScore) -> list[Cell]:
    return [
        text_cell(score.mic),
        text_cell(venue_type(score.venue_type)[0]),
        Cell(number(score.children)),
        Cell(number(score.routed_qty)),
        Cell(number(score.filled_qty)),
        Cell(percent(score.fill_rate)),
        Cell(percent(score.hit_ratio)),
        Cell(percent(score.reject_rate)),
        Cell(number(score.fee_bps, 3, signed=True)),
        Cell(number(score.spread_bps, 3, signed=True)),
        *_markout_cells(score.markout),
        Cell(number(score.fills)),
    ]


def _markout_cells(markout: MeanInterval | None) -> tuple[Cell, Cell]:
    if markout is None:
        return Cell("–"), Cell("–")
    interval = markout.interval
    if interval is None:
        return Cell(number(markout.mean, 2, signed=True)), Cell(f"n = {markout.observations:,}")
    # Coloured only where the interval says which side of zero it is.
    colour = "good" if interval.low > 0 else "bad" if interval.high < 0 else ""
    low, high = number(interval.low, 2, signed=True), number(interval.high, 2, signed=True)
    return Cell(number(markout.mean, 2, signed=True), colour), Cell(f"{low} to {high} (n = {markout.observations:,})")


def checks(held: tuple[tuple[str, bool, str], ...]) -> str:
    """Return what the scenario states must hold, and whether it did."""
    rows = [
        [text_cell(name), Cell("holds" if ok else "does not hold", "t good" if ok else "t bad"), Cell(detail, "t w")]
        for name, ok, detail in held
    ]
    return table([text_cell("check"), text_cell("result"), text_cell("detail")], rows)


def decisions(frame: pl.DataFrame) -> str:
    """Return the last decisions, each with its candidates and exclusions, newest first and open."""
    last = frame.sort("at", maintain_order=True).tail(DECISIONS_SHOWN)
    return "".join(_decision(row, is_open=n == 0) for n, row in enumerate(reversed(last.to_dicts())))


def _decision(row: dict[str, Any], *, is_open: bool) -> str:
    chosen = [f"{lane} {qty:,}" for lane, qty in zip(row["candidates"], row["quantities"], strict=False) if qty]
    said = f"{clock(row['at'])} · {row['side']} {row['slice_qty']:,} · {', '.join(chosen) or 'nothing sent'}"
    facts = [
        f"decision {row['decision_id']}",
        f"policy {row['policy']} version {row['policy_version']}",
        f"mode {row['mode']}",
        f"propensity {number(row['propensity'], 4)}",
        f"draw {number(row['draw'], 4)}",
        f"unfilled share costs {number(row['opportunity_bps'], 2)} bps",
    ]
    if row["probe_lane"]:
        facts.append(f"probe of {row['probe_lane']}")
    return (
        f"<details{' open' if is_open else ''}><summary>{escape(said)}</summary>"
        f'<p class="small muted">{escape(" · ".join(facts))}</p>{_candidates(row)}{_exclusions(row)}</details>'
    )


def _candidates(row: dict[str, Any]) -> str:
    heads = [text_cell("candidate"), Cell("p"), Cell("μ, shares"), Cell("markout cost, bps"), Cell("value, bps")]
    heads += [Cell("probability"), Cell("quantity")]
    columns = ("candidates", "p", "mu", "markout_bps", "values_bps", "routing_probabilities", "quantities")
    # A decision of a policy that gives weights instead of (p, mu) has shorter lists: the rest is shown as a dash.
    lists = [list(row[name] or []) for name in columns]
    padded = [values + [None] * (len(lists[0]) - len(values)) for values in lists]
    rows = [
        [
            text_cell(str(lane)),
            Cell(number(p, 3)),
            Cell(number(mu, 0)),
            Cell(number(moved, 2, signed=True)),
            Cell(number(value, 3, signed=True)),
            Cell(percent(share)),
            Cell(number(qty), "good" if qty else ""),
        ]
        for lane, p, mu, moved, value, share, qty in zip(*padded, strict=True)
    ]
    return table(heads, rows)


def _exclusions(row: dict[str, Any]) -> str:
    excluded = list(zip(row["excluded"] or [], row["exclusion_reasons"] or [], strict=False))
    if not excluded:
        return ""
    said = "; ".join(f"{lane}: {reason}" for lane, reason in excluded)
    return f'<p class="small muted">Excluded: {escape(said)}</p>'
