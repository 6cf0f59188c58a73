"""Figures of cost and quality: the shortfall's parts, markout curves, shares of venues, what became of children.

Rule of this file: a figure is a function of numbers already computed; the words beside it are in `sections`.
"""

from __future__ import annotations

import plotly.graph_objects as go
import polars as pl

from scenarios.report import theme
from scenarios.report.scorecard import ALL_VENUES, MarkoutPoint, VenueScore
from scenarios.tables import RunSummary

FILLS_MIN = 20
"""A markout curve of fewer fills starts hidden: one click in the legend shows it."""

STATUS_COLOURS = {
    "FILLED": theme.GOOD,
    "PARTIALLY_FILLED": "#7cc3a3",
    "CANCELED": "#aab4c5",
    "EXPIRED": "#d8c48f",
    "REJECTED": theme.BAD,
    "UNKNOWN": "#8a4fd0",
}


def cost_split(summary: RunSummary) -> go.Figure:
    """Return the waterfall spread + fee + adverse = routing cost; + impact + timing = arrival slippage, in bps."""
    steps = (
        ("spread", "relative", summary.spread_bps),
        ("fee", "relative", summary.fee_bps),
        ("adverse", "relative", summary.adverse_bps),
        ("<b>routing cost</b>", "total", summary.routing_cost_bps),
        ("impact", "relative", summary.impact_bps),
        ("timing", "relative", summary.timing_bps),
        ("<b>arrival slippage</b>", "total", summary.arrival_slippage_bps),
    )
    made = theme.figure(380)
    made.add_waterfall(
        x=[name for name, _, _ in steps],
        y=[0.0 if value is None else value for _, _, value in steps],
        measure=[measure for _, measure, _ in steps],
        text=[theme.number(value, 2, signed=measure == "relative") for _, measure, value in steps],
        textposition="outside",
        cliponaxis=False,
        increasing={"marker": {"color": theme.BAD}},
        decreasing={"marker": {"color": theme.GOOD}},
        totals={"marker": {"color": theme.NEUTRAL}},
        connector={"line": {"color": "#b8c0cf", "width": 1, "dash": "dot"}},
        hovertemplate="%{x}: %{text} bps<extra></extra>",
    )
    made.update_yaxes(title="bps of executed notional", zeroline=True, range=_waterfall_range(steps))
    made.update_layout(showlegend=False)
    return made


def _waterfall_range(steps: tuple[tuple[str, str, float | None], ...]) -> list[float]:
    """Return an axis range that leaves room for the labels outside the bars."""
    level, levels = 0.0, [0.0]
    for _, measure, value in steps:
        level = level + (value or 0.0) if measure == "relative" else (value or 0.0)
        levels.append(level)
    room = 0.12 * (max(levels) - min(levels)) or 1.0
    return [min(levels) - room, max(levels) + room]


def markout_curves(curves: dict[str, list[MarkoutPoint]]) -> go.Figure:
    """Return the mean markout of each venue against the horizon (log scale), with 95 % intervals."""
    made = theme.figure(460)
    for n, (name, points) in enumerate(curves.items()):
        whole = name == ALL_VENUES
        colour = theme.INK if whole else theme.LANES[(n - 1) % len(theme.LANES)]
        count = max(point.estimate.observations for point in points)
        half = [(p.estimate.interval.high - p.estimate.mean) if p.estimate.interval else 0.0 for p in points]
        made.add_scatter(
            x=[point.horizon_s for point in points],
            y=[round(point.estimate.mean, 4) for point in points],
            error_y={"type": "data", "array": half, "thickness": 1, "width": 3, "color": colour},
            customdata=[(point.estimate.observations, round(h, 3)) for point, h in zip(points, half, strict=True)],
            name=f"{name} ({count:,})",
            mode="lines+markers",
            line={"color": colour, "width": 3 if whole else 1.5},
            marker={"size": 7 if whole else 5},
            visible=True if whole or count >= FILLS_MIN else "legendonly",
            hovertemplate="%{x} s: %{y:+.2f} ± %{customdata[1]} bps, %{customdata[0]:,} fills"
            f"<extra>{name}</extra>",
        )
    ticks = [0.1, 1, 5, 10, 30, 60, 300]
    made.update_xaxes(type="log", tickvals=ticks, ticktext=[f"{tick:g} s" for tick in ticks], title="after the fill")
    made.update_yaxes(title="markout, bps (positive: good for us)", zeroline=True)
    return made


def venue_shares(scores: list[VenueScore]) -> go.Figure:
    """Return each venue's share of our fills (bars) beside its public share of volume (dots), in percent."""
    made = theme.figure(max(300, 60 + 28 * len(scores)))
    shown = scores[::-1]
    made.add_bar(
        y=[score.mic for score in shown],
        x=[round((score.fill_share or 0.0) * 100, 3) for score in shown],
        orientation="h",
        name="share of our fills",
        marker={"color": [theme.venue_type(score.venue_type)[1] for score in shown], "opacity": 0.8},
        hovertemplate="%{y}: %{x:.1f} % of our fills<extra></extra>",
    )
    made.add_scatter(
        y=[score.mic for score in shown],
        x=[None if score.volume_share is None else round(score.volume_share * 100, 3) for score in shown],
        mode="markers",
        name="public share of volume",
        marker={"symbol": "line-ns", "size": 16, "color": theme.INK, "line": {"width": 2.5, "color": theme.INK}},
        hovertemplate="%{y}: %{x:.1f} % of public volume<extra></extra>",
    )
    made.update_xaxes(title="%", rangemode="tozero")
    made.update_layout(bargap=0.3)
    return made


def child_statuses(children: pl.DataFrame, mics: list[str]) -> go.Figure:
    """Return how many children of each venue ended in which status."""
    counts = {(mic, status): count for mic, status, count in children.group_by("mic", "ord_status").len().iter_rows()}
    found = sorted({status for _, status in counts})
    statuses = [status for status in STATUS_COLOURS if status in found]
    statuses += [status for status in found if status not in STATUS_COLOURS]
    made = theme.figure(max(300, 60 + 28 * len(mics)))
    for n, status in enumerate(statuses):
        made.add_bar(
            y=mics[::-1],
            x=[counts.get((mic, status), 0) for mic in mics[::-1]],
            orientation="h",
            name=status,
            marker={"color": STATUS_COLOURS.get(status) or theme.LANES[n % len(theme.LANES)]},
            hovertemplate="%{y}: %{x:,} " + status + "<extra></extra>",
        )
    made.update_layout(barmode="stack", bargap=0.3, legend={"traceorder": "normal"})
    made.update_xaxes(title="children", tickformat=",")
    return made
