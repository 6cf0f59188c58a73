"""A run's report: which sections, in which order, and the words beside them.

Rule of this file: it reads the run directory and nothing else; a table without rows gives a sentence, not an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path

import polars as pl

from scenarios.report import cost_figures, run_tables, time_figures
from scenarios.report.page import Section, key_figures, note, plot, render, write_page
from scenarios.report.price_unit import price_unit
from scenarios.report.reading import RunData, read_run
from scenarios.report.scorecard import markout_curves, scorecard
from scenarios.report.theme import number, percent
from scenarios.tables import RunSummary

REPORT_NAME = "report.html"

NOTHING_FILLED = "Nothing was filled in this run, so there is nothing to show here."


def write_report(run_dir: Path, out_html: Path | None = None) -> Path:
    """Write one offline HTML page about the run in `run_dir` and return its path (`report.html` in it by default).

    Raises:
        RunError: the run directory is absent, incomplete or of another version, or the page cannot be written.
    """
    run = read_run(run_dir)
    summary = run.summary
    title = f"{summary.scenario} · {summary.policy} · seed {summary.seed}"
    page = render(title, _header(summary, title), _sections(run))
    return write_page(out_html if out_html is not None else run_dir / REPORT_NAME, page)


def _header(summary: RunSummary, title: str) -> str:
    done = summary.filled_qty / summary.order_qty if summary.order_qty else None
    said = (
        f"{summary.events:,} market events in {summary.windows:,} windows, {summary.runtime}, "
        f"{number(summary.wall_s, 1)} s, {number(summary.peak_memory_mb)} MB at most · digest "
    )
    figures = [
        ("routing cost, bps", number(summary.routing_cost_bps, 2, signed=True)),
        ("arrival slippage, bps", number(summary.arrival_slippage_bps, 2, signed=True)),
        ("VWAP slippage, bps", number(summary.vwap_slippage_bps, 2, signed=True)),
        ("markout at 10 s, bps", number(summary.markout_bps, 2, signed=True)),
        (f"of {summary.order_qty:,} shares executed", percent(done)),
        ("fills", number(summary.fills)),
        ("children", number(summary.children)),
        ("decisions", number(summary.decisions)),
        ("outcomes learned from", number(summary.outcomes)),
        ("policy versions", number(summary.policy_versions)),
        ("anomalies", number(summary.anomalies)),
    ]
    return (
        f'<h1>{escape(title)}</h1><p class="muted">{escape(said)}<code>{escape(summary.digest)}</code></p>'
        + key_figures(figures)
    )


def _sections(run: RunData) -> Iterator[Section]:
    yield _price(run)
    yield from _probabilities(run)
    yield _schedule(run)
    yield from _costs(run)
    yield from _venues(run)
    yield _decisions(run)
    if run.summary.checks:
        yield Section(
            "checks", "What had to hold", "The scenario states these itself.", run_tables.checks(run.summary.checks)
        )


def _regime_chips(colours: dict[str, str]) -> str:
    if not colours:
        return ""
    chips = "".join(
        f'<span class="chip" style="background:{colour}">{escape(name)}</span>' for name, colour in colours.items()
    )
    return f'<p class="small">Regime: {chips}</p>'


def _price(run: RunData) -> Section:
    market, executions = run.tables["market"], run.tables["executions"]
    explanation = (
        "The consolidated mid of the lit venues, the band from best bid to best ask, and every fill: colour and shape "
        "say the type of venue, area the quantity. Many fills of one venue close in time are drawn as one point. "
        "All times are UTC."
    )
    if market.is_empty():
        return Section("price", "Price and fills", explanation, note("The market table has no rows."))
    made = time_figures.price_path(market, executions, price_unit(run.summary.px_unit))
    chips = _regime_chips(time_figures.regime_bands(made, market))
    return Section("price", "Price and fills", explanation, chips + plot(made, "price"))


def _probabilities(run: RunData) -> Iterator[Section]:
    table, market = run.tables["probabilities"], run.tables["market"]
    explanation = (
        "The share of the next standard slice that each lane (venue and tactic) would get under the policy published "
        "at that time: together 100 %. A new version is published when the learner has heard of fills, expiries, "
        f"cancels and late markouts; many versions are averaged over {time_figures.PROBABILITY_SPANS} spans of time. "
        "The regime (strip above the areas) is known to this report and never to the router."
    )
    if table.is_empty() or not run.lanes:
        yield Section("routing", "Routing probabilities", explanation, note("No policy version was published."))
    for side in table["side"].unique(maintain_order=True).to_list():
        own = table.filter(pl.col("side") == side)
        made = time_figures.probabilities(own, run.lanes)
        chips = _regime_chips(time_figures.regime_bands(made, market, is_strip=True))
        anchor = f"routing-{''.join(c for c in side.lower() if c.isalnum())}"
        yield Section(anchor, f"Routing probabilities, {side}", explanation, chips + plot(made, anchor))


def _schedule(run: RunData) -> Section:
    orders = run.tables["orders"]
    explanation = (
        "Executed quantity of each parent (solid) against what its schedule wanted by then (dotted). Prices are in the "
        "currency; arrival is the mid when the parent was accepted."
    )
    if orders.is_empty():
        return Section("schedule", "Parents and their schedules", explanation, note("No parent was accepted."))
    made = time_figures.schedule(orders, run.tables["schedule"], run.tables["executions"])
    return Section(
        "schedule",
        "Parents and their schedules",
        explanation,
        plot(made, "schedule") + run_tables.parents(orders, price_unit(run.summary.px_unit)),
    )


def _costs(run: RunData) -> Iterator[Section]:
    executions = run.tables["executions"]
    explanation = (
        "In basis points of executed notional, positive is bad. <b>Routing cost</b> = spread (paid against the mid "
        "when routed; negative when earned) + fee + adverse (what the mid moved against our fills from routing to 10 s "
        "after the fill, without our own impact): the part that choosing venues can change. <b>Impact</b> is how far "
        "our own trading moved the price, <b>timing</b> what the market did meanwhile. Together they are the "
        "<b>arrival slippage</b>, fees included. Timing is mostly luck: one run says little about it."
    )
    if run.summary.arrival_slippage_bps is None or executions.is_empty():
        yield Section("cost", "Where the cost came from", explanation, note(NOTHING_FILLED))
        return
    yield Section(
        "cost", "Where the cost came from", explanation, plot(cost_figures.cost_split(run.summary), "cost-split")
    )
    yield Section(
        "cost-path",
        "Spread and fee over the run",
        "The running mean over everything executed so far, in bps; the adverse part is known only later.",
        plot(time_figures.cost_over_time(executions), "cost-path"),
    )


def _venues(run: RunData) -> Iterator[Section]:
    tables = run.tables
    scores = scorecard(tables["venues"], tables["children"], tables["executions"])
    mics = [score.mic for score in scores]
    yield Section(
        "venues",
        "Venue scorecard",
        "Fill rate = filled / routed quantity; hit ratio = children with any fill; reject rate = children refused by "
        "the venue. Fee and spread are in bps of executed notional, positive is paid. Markout at 10 s = side × (mid "
        "10 s after − price) / price, weighted by quantity, positive good for us; its 95 % interval allows for the "
        "fills of one decision moving together, and n counts the fills whose horizon lies within the run.",
        run_tables.scores(scores) if scores else note("The venue table has no rows."),
    )
    curves = markout_curves(tables["executions"], mics)
    yield Section(
        "markouts",
        "Markout curves",
        "Where the mid stood after our fills. A curve that falls says that those who traded with us there knew "
        "more than we did. Bars are 95 % intervals, the number in the legend counts fills; venues with fewer than "
        f"{cost_figures.FILLS_MIN} start hidden. Our own impact is in these mids.",
        plot(cost_figures.markout_curves(curves), "markouts") if curves else note(NOTHING_FILLED),
    )
    if scores:
        yield Section(
            "shares",
            "Share of fills",
            "Bars: each venue's share of what we executed (blue lit, dark grey dark, orange dealer). "
            "Ticks: its public share of the day's volume.",
            plot(cost_figures.venue_shares(scores), "shares"),
        )
    yield Section(
        "children",
        "What became of children",
        "Children by venue and by the status in which they ended.",
        plot(cost_figures.child_statuses(tables["children"], mics), "children")
        if not tables["children"].is_empty()
        else note("No child was sent."),
    )


def _decisions(run: RunData) -> Section:
    frame = run.tables["decisions"]
    newest = "" if frame.is_empty() else str(frame.sort("at", maintain_order=True)["decision_id"][-1])
    more = f" More of one, and what the last fills changed: <code>anabranch explain RUN {escape(newest)}</code>."
    return Section(
        "decisions",
        "Why this venue",
        f"The last {run_tables.DECISIONS_SHOWN} decisions, newest first. p: probability that any of it fills within "
        "the lane's standard life; μ: mean quantity met when it fills; value: expected worth of one share routed "
        "there, costs taken off; probability: share of the next standard slice; quantity: what was sent."
        + (more if newest else ""),
        run_tables.decisions(frame) if not frame.is_empty() else note("No decision was taken."),
    )
