"""A comparison's report: intervals of every paired difference, and in words what each policy does not beat.

Rule of this file: what was not shown is said as plainly as what was.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path

import plotly.graph_objects as go

from scenarios.comparison import Comparison, PairResult, PolicyResult
from scenarios.intervals import Interval
from scenarios.report import theme
from scenarios.report.page import Cell, Section, key_figures, note, plot, render, table, text_cell, write_page
from scenarios.report.theme import number, percent

_COLOURS = {
    "beats": theme.GOOD,
    "does not beat": theme.BAD,
    "indistinguishable": "#8894a8",
    "not comparable": "#8894a8",
}


def write_comparison_report(comparison: Comparison, path: Path) -> Path:
    """Write one offline HTML page about a comparison and return its path.

    Raises:
        RunError: the page cannot be written.
    """
    title = f"{comparison.scenario} · {comparison.metric} · {len(comparison.seeds)} paired seeds"
    return write_page(path, render(title, _header(comparison, title), _sections(comparison)))


def _header(comparison: Comparison, title: str) -> str:
    better = "less is better" if comparison.less_is_better else "more is better"
    figures = [
        ("policies", number(len(comparison.policies))),
        ("seeds", number(len(comparison.seeds))),
        ("runs without a value", number(len(comparison.missing))),
    ]
    said = (
        f"Every policy ran the same seeds; {comparison.metric}, {better}. "
        f"Static baseline: {comparison.static}. Reads the hidden state: {comparison.oracle}."
    )
    return f'<h1>{escape(title)}</h1><p class="muted">{escape(said)}</p>' + key_figures(figures)


def _sections(comparison: Comparison) -> Iterator[Section]:
    count = len(comparison.policies) * (len(comparison.policies) - 1) // 2
    yield Section(
        "policies",
        "Policies",
        "Over all seeds. Gap closed: how much of the way from the static baseline (0 %) to the oracle (100 %) the "
        "policy's mean goes, with a bootstrap interval over seeds.",
        _policies(comparison) + plot(_distributions(comparison), "distributions"),
    )
    yield Section(
        "against-static",
        f"Difference to {comparison.static}",
        f"Mean paired difference to the static baseline with its {percent(comparison.confidence, 0)} interval "
        "(Student's t on the differences seed by seed). Green beats it, red is worse, grey cannot be told apart.",
        plot(_forest(comparison), "forest"),
    )
    yield Section(
        "not-beaten",
        "What each policy does not beat",
        "Not beaten means: its interval reaches zero or lies on the wrong side of it. The oracle reads the hidden "
        "state and is not expected to be beaten.",
        _not_beaten(comparison),
    )
    yield Section(
        "pairs",
        "Every pair",
        f"Each interval is for its own pair: with {count} pairs, about {number(count * 0.05, 1)} would lie beside zero "
        "by chance if all policies were equal.",
        _pairs(comparison),
    )
    yield Section("missing", "Missing runs", "Runs without a value: nothing was filled.", _missing(comparison))


def _interval(interval: Interval | None, digits: int = 2) -> str:
    if interval is None:
        return "no interval"
    return f"{number(interval.low, digits, signed=True)} to {number(interval.high, digits, signed=True)}"


def _policies(comparison: Comparison) -> str:
    heads = [text_cell("policy"), *map(Cell, ("filled", "mean", "95 % interval", "median", "5 %", "95 %"))]
    heads += [Cell("gap closed"), Cell("95 % interval"), Cell("runs")]
    ranked = sorted(comparison.policies, key=lambda result: _rank(comparison, result))
    return table(heads, [_policy_row(result) for result in ranked])


def _rank(comparison: Comparison, result: PolicyResult) -> tuple[bool, float, str]:
    """Best first; policies without a value last."""
    mean = result.mean if comparison.less_is_better or result.mean is None else -result.mean
    return mean is None, mean or 0.0, result.policy


def _policy_row(result: PolicyResult) -> list[Cell]:
    gap = result.gap_interval
    known = sum(value is not None for value in result.values)
    return [
        text_cell(result.policy),
        Cell(percent(result.filled_share, 1)),
        Cell(number(result.mean, 3, signed=True)),
        Cell(_interval(result.interval)),
        Cell(number(result.median, 3, signed=True)),
        Cell(number(result.quantile_05, 2, signed=True)),
        Cell(number(result.quantile_95, 2, signed=True)),
        Cell(percent(result.gap_closed, 0)),
        Cell("no interval" if gap is None else f"{percent(gap.low, 0)} to {percent(gap.high, 0)}"),
        Cell(f"{known} of {len(result.values)}"),
    ]


def _distributions(comparison: Comparison) -> go.Figure:
    made = theme.figure(80 + 44 * len(comparison.policies))
    for result in sorted(comparison.policies, key=lambda result: _rank(comparison, result), reverse=True):
        made.add_box(
            x=list(result.values),
            y=[result.policy] * len(result.values),
            orientation="h",
            name=result.policy,
            boxpoints="all",
            boxmean=True,
            jitter=0.4,
            pointpos=0,
            marker={"size": 6, "color": theme.ACCENT, "opacity": 0.5},
            line={"width": 1.2, "color": theme.NEUTRAL},
            fillcolor="rgba(91,107,134,.10)",
            text=[f"seed {seed}" for seed in comparison.seeds],
            hovertemplate="%{y}, %{text}: %{x:.3f}<extra></extra>",
            hoveron="points",
        )
    made.update_layout(showlegend=False, margin={"l": 170, "r": 24, "t": 16, "b": 44})
    made.update_xaxes(title=f"{comparison.metric}, one point a seed", zeroline=True)
    return made


def _forest(comparison: Comparison) -> go.Figure:
    pairs = [pair for pair in comparison.pairs if pair.against == comparison.static and pair.pairs]
    sign = 1 if comparison.less_is_better else -1
    pairs.sort(key=lambda pair: (-sign * (pair.mean_difference or 0.0), pair.policy))
    made = theme.figure(110 + 38 * len(pairs))
    for pair in pairs:
        interval = pair.interval or Interval(pair.mean_difference or 0.0, pair.mean_difference or 0.0)
        colour = _COLOURS[pair.verdict]
        made.add_scatter(
            x=[interval.low, interval.high],
            y=[pair.policy] * 2,
            mode="lines",
            line={"color": colour, "width": 4},
            hoverinfo="skip",
        )
        made.add_scatter(
            x=[pair.mean_difference],
            y=[pair.policy],
            mode="markers",
            marker={"color": colour, "size": 12, "line": {"width": 1.5, "color": "#fff"}},
            hovertemplate=f"%{{y}}: %{{x:+.3f}} ({_interval(interval, 3)})<br>better on {pair.better}, "
            f"worse on {pair.worse} of {pair.pairs} seeds<extra></extra>",
        )
    made.add_vline(x=0, line={"color": theme.INK, "width": 1.2})
    made.update_layout(showlegend=False, margin={"l": 170, "r": 24, "t": 16, "b": 44})
    ends = [0.0, *(end for pair in pairs for end in pair.interval or (pair.mean_difference or 0.0,))]
    room = 0.06 * (max(ends) - min(ends)) or 1.0
    made.update_xaxes(
        title=f"{comparison.metric}: difference to {comparison.static}", range=[min(ends) - room, max(ends) + room]
    )
    return made


def _not_beaten(comparison: Comparison) -> str:
    rows = []
    for result in comparison.policies:
        own = [pair for pair in comparison.pairs if pair.policy == result.policy]
        beaten = [pair.against for pair in own if pair.verdict == "beats"]
        worse = [pair.against for pair in own if pair.verdict == "does not beat"]
        level = [pair.against for pair in own if pair.verdict in ("indistinguishable", "not comparable")]
        rows.append(
            [
                text_cell(result.policy),
                Cell(", ".join(worse) or "–", "t w"),
                Cell(", ".join(level) or "–", "t w"),
                Cell(", ".join(beaten) or "–", "t w"),
            ]
        )
    heads = ("policy", "is worse than", "cannot be told from", "beats")
    return table([text_cell(head) for head in heads], rows)


def _pairs(comparison: Comparison) -> str:
    heads = [text_cell("policy"), text_cell("against"), *map(Cell, ("difference", "95 % interval"))]
    heads += [*map(Cell, ("better", "worse", "equal", "pairs", "missing")), text_cell("verdict")]
    return table(heads, [_pair_row(pair) for pair in comparison.pairs])


def _pair_row(pair: PairResult) -> list[Cell]:
    colour = {"beats": "t good", "does not beat": "t bad"}.get(pair.verdict, "t")
    return [
        text_cell(pair.policy),
        text_cell(pair.against),
        Cell(number(pair.mean_difference, 3, signed=True)),
        Cell(_interval(pair.interval, 3)),
        *(Cell(number(count)) for count in (pair.better, pair.worse, pair.equal, pair.pairs, len(pair.missing))),
        Cell(pair.verdict, colour),
    ]


def _missing(comparison: Comparison) -> str:
    if not comparison.missing:
        return note("None: every policy has a value for every seed.")
    rows = [[text_cell(policy), Cell(str(seed))] for policy, seed in comparison.missing]
    return table([text_cell("policy"), Cell("seed")], rows)
