"""Colours, number formats and the layout that every figure shares.

Rule of this file: one meaning, one colour, in every figure; no font or file from outside the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from router.domain.market import F64, I64

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
INK, MUTED, GRID, PAPER = "#1b2430", "#667085", "#e7eaf0", "#ffffff"
GOOD, BAD, NEUTRAL, ACCENT = "#17885a", "#c2413b", "#5b6b86", "#2b5fd9"

VENUE_TYPES: dict[str, tuple[str, str, str]] = {
    "CENTRAL_LIMIT_ORDER_BOOK": ("lit", "#2b5fd9", "circle"),
    "DARK_ORDER_BOOK": ("dark", "#3d3a50", "diamond"),
    "QUOTE_DRIVEN_MARKET": ("dealer", "#e08a00", "square"),
    "AUCTION_DRIVEN_MARKET": ("auction", "#0f9d94", "triangle-up"),
}
"""Venue type: the word people use, its colour, its marker."""

LANES = (
    "#2b5fd9", "#e08a00", "#17885a", "#8a4fd0", "#c2413b", "#0f9d94", "#b0457f", "#7a8b1f", "#5aa2e8", "#8d5a2b",
    "#6d7f99", "#d9679e", "#4d4f9e", "#3fae49",
)  # fmt: skip
"""Told apart by most eyes at this count; above it lanes are grouped."""

REST = "#c8cedb"

_REGIMES = {
    "calm": "#d9efe3",
    "volatile": "#fdeccb",
    "toxic": "#f9d9d6",
    "dark_rich": "#e4defa",
    "dark-rich": "#e4defa",
}
_MORE_REGIMES = ("#d6e8fa", "#efe3d3", "#dff2f0", "#f4dff0", "#e5e8ee")

CONFIG = {
    "displaylogo": False,
    "responsive": True,
    "modeBarButtonsToRemove": ["lasso2d", "select2d", "autoScale2d"],
    # The library's own button would upload the figure to its maker's server.
    "showSendToCloud": False,
    "plotlyServerURL": "",
}


def venue_type(code: str) -> tuple[str, str, str]:
    """Return (word, colour, marker) of a venue type; an unknown one keeps its own word."""
    return VENUE_TYPES.get(code, (code, NEUTRAL, "x"))


def regime_colours(regimes: Sequence[str]) -> dict[str, str]:
    """Return a background colour for each regime, in the order given."""
    spare = iter(_MORE_REGIMES * (1 + len(regimes)))
    return {name: _REGIMES.get(name) or next(spare) for name in regimes}


def milliseconds(at: I64) -> F64:
    """Return times in ns as milliseconds since 1970, which a date axis takes as numbers."""
    return np.asarray(at, dtype=np.float64) / 1e6


def figure(height: int = 420, **layout: Any) -> go.Figure:
    """Return an empty figure in the report's style."""
    made = go.Figure()
    made.update_layout(
        height=height,
        margin={"l": 64, "r": 40, "t": 16, "b": 44},
        modebar={"orientation": "v", "bgcolor": "rgba(255,255,255,0)"},
        paper_bgcolor=PAPER,
        plot_bgcolor=PAPER,
        font={"family": FONT, "size": 13, "color": INK},
        hoverlabel={"font": {"family": FONT, "size": 12}},
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"},
        hovermode="closest",
        **layout,
    )
    axis = {"gridcolor": GRID, "zerolinecolor": "#b8c0cf", "linecolor": GRID, "title": {"standoff": 8}}
    made.update_xaxes(**axis)
    made.update_yaxes(**axis)
    return made


def time_axis(made: go.Figure) -> None:
    """Make the x axis one of time of day, UTC."""
    made.update_xaxes(type="date", hoverformat="%H:%M:%S.%L", tickformat="%H:%M:%S")
    made.update_xaxes(tickformatstops=[{"dtickrange": [60_000, None], "value": "%H:%M"}])


def number(value: float | int | None, digits: int = 0, *, signed: bool = False) -> str:
    """Return a number for people: thousands apart, a true minus, a dash for nothing.

    >>> number(-1234.5, 1), number(None), number(2.0, 2, signed=True)
    ('−1,234.5', '–', '+2.00')
    """
    if value is None or not np.isfinite(value):
        return "–"
    rounded = round(value, digits) + 0.0
    return f"{rounded:{'+' if signed and rounded else ''},.{digits}f}".replace("-", "−")


def percent(value: float | None, digits: int = 1) -> str:
    """Return a share of 1 as a percentage.

    >>> percent(0.5), percent(None)
    ('50.0 %', '–')
    """
    return "–" if value is None else f"{number(value * 100, digits)} %"
