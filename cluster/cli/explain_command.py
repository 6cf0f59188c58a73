"""`anabranch explain`: why a decision sent what where, as a table.

Rule of this file: it finds nothing out; `scenarios.explain` does.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.cli import options
from cluster.cli.console import print_json, stdout, stdout_for_result

if TYPE_CHECKING:
    from rich.console import Console

    from scenarios.explain import Explanation, LaneStory


def explain(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    decision: Annotated[str, typer.Argument(metavar="DECISION", help="A decision's id, as SMOKE-1.d3.")],
    data: options.Data = None,
    config: options.Config = None,
    json: options.Json = False,
) -> int:
    """Say why a decision sent what where: predicted parts, why lanes got nothing, what the last fills moved."""
    from cluster.cli.places import chosen_data
    from cluster.config import load_config
    from scenarios.decision_log import log_of_run
    from scenarios.explain import explain as explained

    with stdout_for_result():
        story = explained(log_of_run(run, chosen_data(data, load_config(config))), decision)
    if json:
        print_json(story)
    else:
        _print(stdout(), story)
    return 0


def _print(console: Console, story: Explanation) -> None:
    from rich.text import Text

    from scenarios.report.run_tables import clock

    console.print(
        Text(f"{story.decision_id} · {clock(story.at)} UTC · {story.side} {story.slice_qty:,} shares", style="bold")
    )
    level = "nothing was poured" if story.water_level_bps is None else f"{story.water_level_bps:.3f} bps"
    facts = [
        f"policy {story.policy}, version {story.policy_version}, mode {story.mode}",
        f"an unfilled share costs {story.opportunity_bps:.3f} bps · worth of the last share sent: {level}",
        f"draw {story.draw:.4f} · propensity {story.propensity:.6g} · probe: {story.probe_lane or 'none'}",
    ]
    facts += [f"limit: {limit.lane or 'all lanes'}: {limit.reason}, {limit.detail}" for limit in story.limits]
    facts += [f"fall-back: {story.fall_back}"] if story.fall_back else []
    facts += _style(story)
    for fact in facts:
        console.print(Text(fact), soft_wrap=True)
    _print_lanes(console, story)
    for out in story.excluded:
        console.print(Text(f"excluded  {out.lane}  {out.reason}  {out.detail}"), soft_wrap=True)
    _print_moves(console, story)


def _style(story: Explanation) -> list[str]:
    """Say how passive it was to be; nothing where nobody asked."""
    choice = story.style
    if choice is None:
        return []
    if choice.forced:
        return [f"style {choice.style}: {choice.forced}"]
    terms = [f"min_qty {choice.min_qty:,}"] if choice.min_qty else []
    terms += ["pegged to the near side"] if choice.terms.is_near else []
    terms += [f"not with {choice.terms.deny}"] if choice.terms.deny else []
    believed = f"{choice.value_bps:+.3f} bps a share against all, give or take {choice.spread_bps:.3f}"
    said = f"style {', '.join([choice.style, *terms])} · {believed} · propensity {choice.propensity:.6g}"
    return [f"{said} · a probe" if choice.is_probe else said]


def _print_lanes(console: Console, story: Explanation) -> None:
    from rich.table import Table
    from rich.text import Text

    is_weighted = any(lane.weight > 0.0 for lane in story.lanes)
    table = Table(box=None, pad_edge=False, title="bps, costs positive", title_justify="left")
    table.add_column("lane", no_wrap=True)
    beliefs = ("weight",) if is_weighted else ("p", "mu")
    for head in (*beliefs, "price", "fee", "markout", "leakage", "value", "share", "propensity", "quantity"):
        table.add_column(head, justify="right")
    table.add_column("why nothing", overflow="fold")
    for lane in story.lanes:
        believed = (f"{lane.weight:.4f}",) if is_weighted else (f"{lane.p:.3f}", f"{lane.mu:,.0f}")
        table.add_row(Text(lane.lane), *believed, *_numbers(lane), Text(lane.reason))
    console.print(table)


def _numbers(lane: LaneStory) -> tuple[str, ...]:
    bps = (lane.price_bps, lane.fee_bps, lane.markout_bps, lane.leakage_bps, lane.value_bps)
    return (
        *(f"{value:+.3f}" for value in bps),
        f"{lane.probability:.1%}",
        f"{lane.propensity:.4f}",
        f"{lane.quantity:,}",
    )


def _print_moves(console: Console, story: Explanation) -> None:
    from rich.table import Table
    from rich.text import Text

    from scenarios.report.run_tables import clock

    since = "since the start" if story.since is None else f"since {clock(story.since)}, when it last decided"
    heading = f"{story.outcomes_since} outcomes learned from {since}"
    if not story.is_exact:
        heading += "; what each moved is not known: the policy cannot be played over this log again"
    elif not story.moves:
        heading += "; none moved a share of this slice"
    console.print(Text(heading), soft_wrap=True)
    if not story.moves:
        return
    table = Table(box=None, pad_edge=False)
    for head in ("at", "what was heard", "moved most", "from", "to", "change"):
        table.add_column(head, justify="right" if head in ("from", "to", "change") else "left")
    for move in story.moves:
        change = f"{move.after - move.before:+.2%}"
        table.add_row(
            clock(move.at), Text(move.cause), Text(move.lane), f"{move.before:.2%}", f"{move.after:.2%}", change
        )
    console.print(table)
    moved = sorted(story.moved_by_outcomes.items(), key=lambda item: (-abs(item[1]), item[0]))
    console.print(Text("in all  " + "  ".join(f"{lane} {change:+.2%}" for lane, change in moved)), soft_wrap=True)
