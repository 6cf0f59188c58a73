"""Figures over time: the price path with fills, routing probabilities, executed quantity against schedule.

Rule of this file: a figure is a function of tables; the words beside it are in `sections`.
"""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import polars as pl

from router.domain.market import F64, I64
from scenarios.report import theme
from scenarios.report.price_unit import PriceUnit
from scenarios.report.scorecard import with_sign
from scenarios.report.thinning import (
    BANDS_MAX,
    POINTS_MAX,
    bucket_means,
    keep_extremes,
    last_of_buckets,
    merge_fills,
    runs_of,
)

LANES_SHOWN = 12
"""Lanes drawn by themselves; the others are one grey area."""

PROBABILITY_SPANS = 240
"""Spans of time that probabilities are averaged over: finer than this, thousands of versions are a blur."""

PARENTS_SHOWN = 8
"""Parents drawn by themselves; above it the largest are drawn, and all together."""


def price_path(market: pl.DataFrame, executions: pl.DataFrame, unit: PriceUnit) -> go.Figure:
    """Return the consolidated mid with bid and ask, and our fills on it: colour by venue type, area by quantity."""
    made = theme.figure(460)
    theme.time_axis(made)
    quoted = market.filter((pl.col("mid") > 0) & pl.col("mid").is_finite())
    mid = quoted["mid"].to_numpy() / unit.per_currency
    kept = keep_extremes(mid, POINTS_MAX)
    x = theme.milliseconds(quoted["at"].to_numpy()[kept])
    for column in ("bid_px", "ask_px"):
        made.add_scatter(
            x=x,
            y=np.round(quoted[column].to_numpy()[kept] / unit.per_currency, unit.places + 2),
            line={"width": 0, "shape": "hv"},
            fill="tonexty" if column == "ask_px" else None,
            fillcolor="rgba(91,107,134,.16)",
            name="bid to ask",
            legendgroup="quote",
            showlegend=column == "ask_px",
            hoverinfo="skip",
            mode="lines",
        )
    _add_own_impact(made, quoted, x, kept, unit)
    for code in executions["venue_type"].unique(maintain_order=True).to_list():
        _add_fills(made, code, executions.filter(pl.col("venue_type") == code), executions["last_qty"], unit)
    made.add_scatter(
        x=x,
        y=np.round(mid[kept], unit.places + 2),
        mode="lines",
        name="mid",
        line={"color": theme.INK, "width": 1.1, "shape": "hv"},
        hovertemplate=f"%{{x}}<br>mid %{{y:.{unit.places}f}}<extra></extra>",
    )
    made.update_yaxes(title="price", tickformat=unit.axis, hoverformat=f".{unit.places}f")
    made.update_layout(legend={"itemsizing": "constant"})
    return made


def _add_own_impact(made: go.Figure, quoted: pl.DataFrame, x: F64, kept: I64, unit: PriceUnit) -> None:
    if not (quoted["shift_px"] != 0).any():
        return
    without = (quoted["mid"] - quoted["shift_px"]).to_numpy() / unit.per_currency
    made.add_scatter(
        x=x,
        y=np.round(without[kept], unit.places + 2),
        mode="lines",
        name="mid without our impact",
        line={"color": "#b45ad0", "width": 1, "dash": "dot", "shape": "hv"},
        hovertemplate=f"%{{x}}<br>without our impact %{{y:.{unit.places}f}}<extra></extra>",
    )


def _add_fills(made: go.Figure, code: str, fills: pl.DataFrame, all_quantities: pl.Series, unit: PriceUnit) -> None:
    word, colour, symbol = theme.venue_type(code)
    points = merge_fills(fills, POINTS_MAX)
    largest = max(int(all_quantities.max() or 1), int(points["qty"].max() or 1))  # type: ignore[arg-type]
    made.add_scatter(
        x=theme.milliseconds(points["at"].to_numpy()),
        y=np.round(points["px"].to_numpy() / unit.per_currency, unit.places + 2),
        mode="markers",
        name=f"{word} fills",
        marker={
            "color": colour,
            "symbol": symbol,
            "opacity": 0.55,
            "size": points["qty"],
            "sizemode": "area",
            "sizeref": 2.0 * largest / 15.0**2,
            "sizemin": 3.5,
            "line": {"width": 0.6, "color": "#ffffff"},
        },
        customdata=points.select("mic", "tactic", "side", "qty", "fills").rows(),
        hovertemplate="%{x}<br><b>%{customdata[0]}</b> %{customdata[1]} %{customdata[2]}<br>"
        f"%{{customdata[3]:,}} at %{{y:.{unit.places}f}}<br>"
        "fills in this point: %{customdata[4]}<extra></extra>",
    )


def regime_bands(made: go.Figure, market: pl.DataFrame, *, is_strip: bool = False) -> dict[str, str]:
    """Put the hidden regime behind a figure over time, or in a strip above it where the figure hides its background.

    Returns the colour of each regime, empty without regimes.
    """
    known = market.filter(pl.col("regime").is_not_null() & (pl.col("regime") != ""))
    if known.is_empty():
        return {}
    at = known["at"].to_numpy()
    regimes = known["regime"].to_list()
    if len(stretches := runs_of(regimes, at)) > BANDS_MAX:
        kept = last_of_buckets(at, BANDS_MAX)
        stretches = runs_of([regimes[n] for n in kept.tolist()], at[kept])
    colours = theme.regime_colours(list(dict.fromkeys(regimes)))
    for name, start, stop in stretches:
        made.add_shape(
            type="rect",
            x0=start / 1e6,
            x1=stop / 1e6,
            y0=1.005 if is_strip else 0,
            y1=1.035 if is_strip else 1,
            yref="paper",
            fillcolor=colours[name],
            line={"width": 0},
            layer="below",
        )
    if is_strip:
        made.update_layout(legend={"y": 1.05})
    return colours


def probabilities(table: pl.DataFrame, lanes: tuple[str, ...]) -> go.Figure:
    """Return routing probabilities of one side over time, averaged over short spans, as areas that sum to 100 %."""
    made = theme.figure(480)
    theme.time_axis(made)
    versions = np.array(table["routing_probabilities"].to_list(), dtype=np.float64) * 100.0
    at, shares = bucket_means(table["at"].to_numpy(), versions, PROBABILITY_SPANS)
    x = theme.milliseconds(at)
    ranked = np.argsort(-shares.mean(axis=0), kind="stable")[:LANES_SHOWN]
    rest = np.setdiff1d(np.arange(len(lanes)), ranked)
    layers = [(lanes[n], shares[:, n], theme.LANES[i % len(theme.LANES)]) for i, n in enumerate(ranked.tolist())]
    if rest.size:
        layers.append((f"{rest.size} other lanes", shares[:, rest].sum(axis=1), theme.REST))
    for name, share, colour in layers:
        made.add_scatter(
            x=x,
            y=np.round(share, 3),
            name=name,
            mode="lines",
            stackgroup="lanes",
            line={"width": 0.4, "color": colour, "shape": "hv"},
            fillcolor=colour,
            hovertemplate="%{y:.1f} %<extra>" + name + "</extra>",
        )
    made.update_layout(hovermode="x unified", legend={"traceorder": "normal"})
    made.update_yaxes(title="routing probability, %", range=[0, 100])
    return made


def schedule(orders: pl.DataFrame, targets: pl.DataFrame, executions: pl.DataFrame) -> go.Figure:
    """Return cumulative executed quantity (solid) against the schedule's target (dotted), by parent."""
    made = theme.figure(400)
    theme.time_axis(made)
    shown = orders.sort("order_qty", descending=True, maintain_order=True)["parent_id"].to_list()[:PARENTS_SHOWN]
    for n, parent in enumerate(shown):
        colour = theme.LANES[n % len(theme.LANES)]
        order = orders.filter(pl.col("parent_id") == parent)
        _add_executed(made, parent, order, executions.filter(pl.col("parent_id") == parent), colour)
        own = targets.filter(pl.col("parent_id") == parent).sort("at", maintain_order=True)
        kept = last_of_buckets(own["at"].to_numpy(), POINTS_MAX // 2)
        made.add_scatter(
            x=theme.milliseconds(own["at"].to_numpy()[kept]),
            y=own["target_qty"].to_numpy()[kept],
            name=f"{parent} target",
            mode="lines",
            line={"color": colour, "width": 1.6, "dash": "dot", "shape": "hv"},
            hovertemplate="%{x}<br>target %{y:,}<extra>" + parent + "</extra>",
        )
    made.update_yaxes(title="shares", tickformat=",", rangemode="tozero")
    return made


def _add_executed(made: go.Figure, parent: str, order: pl.DataFrame, fills: pl.DataFrame, colour: str) -> None:
    ordered = fills.sort("at", maintain_order=True)
    start, end = int(order["start_at"][0]), max(int(order["done_at"][0] or 0), int(order["start_at"][0]))
    at = np.concatenate([[start], ordered["at"].to_numpy(), [max(end, int(ordered["at"].max() or 0))]])  # type: ignore[arg-type]
    done = np.concatenate([[0], ordered["last_qty"].cum_sum().to_numpy()]).astype(np.int64)
    done = np.append(done, done[-1])
    kept = last_of_buckets(at.astype(np.int64), POINTS_MAX // 2)
    made.add_scatter(
        x=theme.milliseconds(at[kept]),
        y=done[kept],
        name=f"{parent} executed",
        mode="lines",
        line={"color": colour, "width": 2, "shape": "hv"},
        hovertemplate="%{x}<br>executed %{y:,}<extra>" + parent + "</extra>",
    )


def cost_over_time(executions: pl.DataFrame) -> go.Figure:
    """Return the running spread-and-fee cost, and spread, fee and adverse move, in bps of what was executed so far."""
    made = theme.figure(360)
    theme.time_axis(made)
    ordered = with_sign(executions).sort("at", maintain_order=True)
    notional = (pl.col("last_px") * pl.col("last_qty")).cum_sum()
    spread = (pl.col("sign") * (pl.col("last_px") - pl.col("mid_routed")) * pl.col("last_qty")).cum_sum()
    running = ordered.select("at", spread=spread / notional * 1e4, fee=pl.col("fee_micros").cum_sum() / notional * 100)
    kept = last_of_buckets(running["at"].to_numpy(), POINTS_MAX // 2)
    x = theme.milliseconds(running["at"].to_numpy()[kept])
    total = (running["spread"] + running["fee"]).to_numpy()[kept]
    parts = (
        ("spread", running["spread"].to_numpy()[kept], theme.ACCENT),
        ("fee", running["fee"].to_numpy()[kept], "#e08a00"),
        ("spread + fee", total, theme.INK),
    )
    for name, y, colour in parts:
        made.add_scatter(
            x=x,
            y=np.round(y, 4),
            name=name,
            mode="lines",
            line={"color": colour, "width": 2 if name == "spread + fee" else 1.3},
            hovertemplate="%{x}<br>%{y:.3f} bps<extra>" + name + "</extra>",
        )
    made.update_yaxes(title="bps of executed so far", zeroline=True)
    return made
