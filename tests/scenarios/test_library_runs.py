"""Whole runs of the library's small scenarios: what must hold holds, and the tables agree with each other.

Rule of this file: a run is read back from its directory; the same seed gives the same run wherever its parents live.
"""

from __future__ import annotations

import math
from pathlib import Path

import polars as pl
import pytest
from small_market import ListeningLink, Played, scenario, small, with_part

from router.domain.units import SECOND, px
from scenarios.assembly import Assembly, assemble
from scenarios.report.reading import RunData, read_run
from scenarios.runner import conduct, run
from scenarios.scenario import DAY_OPEN, load_scenario, parse_scenario
from scenarios.tables import TABLES, RunSummary

SMALL = ("smoke", "one_share", "quiet_dark", "venue_dies")
CLOSED = ("FILLED", "CANCELED", "EXPIRED", "REJECTED")


@pytest.mark.parametrize("name", SMALL)
def test_what_a_scenario_says_must_hold_holds(name: str, played: Played) -> None:
    summary = played(name, load_scenario(name).file.seed).summary
    assert summary.checks
    assert [check for check in summary.checks if not check[1]] == []


@pytest.mark.parametrize("name", SMALL)
def test_the_summary_counts_what_the_tables_hold(name: str, played: Played) -> None:
    run_data = played(name, 1)
    summary, tables = run_data.summary, run_data.tables
    counted = {
        "decisions": tables["decisions"].height,
        "fills": tables["executions"].height,
        "outcomes": tables["outcomes"].height,
        "children": tables["children"].height,
        "windows": tables["market"].height,
        "filled_qty": tables["orders"]["cum_qty"].sum(),
        "order_qty": tables["orders"]["order_qty"].sum(),
        "anomalies": tables["orders"]["anomalies"].sum(),
    }
    assert {key: getattr(summary, key) for key in counted} == counted
    assert summary.unfilled_qty == summary.order_qty - summary.filled_qty >= 0
    assert tables["venues"]["filled_qty"].sum() == summary.filled_qty


@pytest.mark.parametrize("name", SMALL)
def test_shares_add_up_from_executions_to_children_to_orders(name: str, played: Played) -> None:
    tables = played(name, 1).tables
    executions, children, orders = tables["executions"], tables["children"], tables["orders"]
    by_child = dict(executions.group_by("cl_ord_id").agg(pl.col("last_qty").sum()).iter_rows())
    for row in children.iter_rows(named=True):
        assert row["cum_qty"] == by_child.get(row["cl_ord_id"], 0) <= row["order_qty"]
        assert (row["closed_at"] is not None) == (row["ord_status"] in CLOSED)
    assert executions["exec_id"].is_unique().all()
    for row in orders.iter_rows(named=True):
        mine = executions.filter(pl.col("parent_id") == row["parent_id"])
        assert row["cum_qty"] == mine["last_qty"].sum()
        assert row["fee_micros"] == mine["fee_micros"].sum()
        assert row["avg_px"] == pytest.approx((mine["last_qty"] * mine["last_px"]).sum() / row["cum_qty"])
    routed = dict(children.group_by("decision_id").agg(pl.col("order_qty").sum()).iter_rows())
    for row in tables["decisions"].iter_rows(named=True):
        assert sum(row["quantities"]) == routed.get(row["decision_id"], 0)
        assert len(row["candidates"]) == len(row["quantities"]) == len(row["p"])
        assert 0 < row["propensity"] <= 1
    for shares in tables["probabilities"]["routing_probabilities"]:
        assert math.fsum(shares) == pytest.approx(1.0)


UNRELIABLE = {
    "lossy": "to_s = 250.0\nlose_report = 0.3\nlose_command = 0.1\nrepeat_report = 0.2",
    "delayed": "to_s = 250.0\ndelay_report = 0.6\ndelay_max_s = 12.0",
    "lossy to its end": "lose_report = 0.4\ndelay_report = 0.3\ndelay_max_s = 12.0",
}


@pytest.mark.parametrize("name", UNRELIABLE)
@pytest.mark.parametrize("seed", [1, 2])
def test_shares_money_and_fees_add_up_when_reports_are_lost_or_late(name: str, seed: int, tmp_path: Path) -> None:
    unreliable = f'[[breaks]]\nkind = "unreliable"\n{UNRELIABLE[name]}\n'
    run(parse_scenario(with_part(unreliable), "small", "small.toml"), seed=seed, out=tmp_path / "run")
    tables = read_run(tmp_path / "run").tables
    rows = tables["executions"].with_columns(paid=pl.col("last_qty") * pl.col("last_px"))
    assert rows["last_qty"].min() > 0
    inferred = rows.filter(pl.col("exec_id").str.starts_with("inferred:"))
    assert inferred.height > 0 or name == "delayed", "where reports are lost, some fills are known by status alone"
    assert (rows.filter(pl.col("mic") == "XLTA")["fee_micros"] != 0).all(), "no fill is free, inferred or not"
    for row in tables["children"].iter_rows(named=True):
        mine = rows.filter(pl.col("cl_ord_id") == row["cl_ord_id"])
        assert row["cum_qty"] == mine["last_qty"].sum() <= row["order_qty"]
        assert (row["closed_at"] is not None) == (row["ord_status"] in CLOSED)
    for row in tables["orders"].iter_rows(named=True):
        mine = rows.filter(pl.col("parent_id") == row["parent_id"])
        assert row["cum_qty"] == mine["last_qty"].sum()
        assert row["fee_micros"] == mine["fee_micros"].sum()
        assert round(row["avg_px"] * row["cum_qty"]) == mine["paid"].sum()


@pytest.mark.parametrize("name", SMALL)
def test_learners_hear_each_childs_life_once_and_without_gaps(name: str, played: Played) -> None:
    outcomes = played(name, 1).tables["outcomes"].filter(pl.col("kind") != "MARKOUT")
    children = {row["cl_ord_id"]: row for row in played(name, 1).tables["children"].iter_rows(named=True)}
    told: dict[str, list[dict[str, int]]] = {}
    for row in outcomes.iter_rows(named=True):
        told.setdefault(row["cl_ord_id"], []).append(row)
    for child_id, rows in told.items():
        age = 0
        for row in sorted(rows, key=lambda row: (row["age_from_ns"], row["age_to_ns"])):
            assert row["age_from_ns"] == age
            age = row["age_to_ns"]
        is_closed = children[child_id]["ord_status"] in CLOSED
        assert sum(row["is_final"] for row in rows) == is_closed
        assert sum(row["filled_qty"] for row in rows) == children[child_id]["cum_qty"]


@pytest.mark.parametrize("name", SMALL)
def test_the_same_seed_gives_the_same_run_and_another_seed_another(name: str, played: Played) -> None:
    first = played(name, 1).summary.digest
    assert run(load_scenario(name), seed=1).digest == first
    assert run(load_scenario(name), seed=2).digest != first


def _two_orders(seed: int = 1) -> Assembly:
    second = '[[orders]]\nid = "OTHER"\nside = "SELL"\norder_qty = 900\nend_s = 120\n[learning]'
    return assemble(scenario(("[learning]", second)), seed, None)


def _on(*hosts: str) -> RunSummary:
    assembly = _two_orders()
    host_of = {parent.parent_id: hosts[i % len(hosts)] for i, parent in enumerate(assembly.parents)}
    return conduct(assembly, ListeningLink(assembly, "censored", hosts), host_of, "censored", runtime="test")


def test_where_a_parent_lives_shows_nowhere() -> None:
    together, apart, renamed = _on("host-0"), _on("host-0", "host-1"), _on("host-9", "host-1")
    assert together.digest == apart.digest == renamed.digest
    assert together.filled_qty == apart.filled_qty == 3_900


def test_one_share_is_sold_within_its_limit(played: Played) -> None:
    executions = played("one_share", 1).tables["executions"]
    assert executions["last_qty"].to_list() == [1]
    assert executions["last_px"][0] >= px("38")


def test_orders_do_not_wait_for_dark_pools_in_which_nothing_trades(played: Played) -> None:
    tables = played("quiet_dark", 1).tables
    dark = tables["venues"].filter(pl.col("mic").str.starts_with("XDK"))
    assert dark["filled_qty"].sum() == 0
    assert dark["routed_qty"].sum() > 0, "they were tried"
    assert tables["orders"]["ord_status"].to_list() == ["FILLED"]


# A venue dies

DEAD_AT = DAY_OPEN + 600 * SECOND
AWAY = (DAY_OPEN + 900 * SECOND, DAY_OPEN + 1_200 * SECOND)
SEEDS = (1, 2, 3)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_routed_to_a_venue_that_is_down(seed: int, played: Played) -> None:
    children = played("venue_dies", seed).tables["children"]
    dead = children.filter(pl.col("mic") == "XLTA")
    assert dead.height > 0
    assert dead["sent_at"].max() < DEAD_AT
    away = children.filter((pl.col("mic") == "XDKA") & pl.col("sent_at").is_between(AWAY[0], AWAY[1] - 1))
    assert away.height == 0
    assert children.filter(pl.col("sent_at") >= DEAD_AT).height > 0, "the order goes on elsewhere"


@pytest.mark.parametrize("seed", SEEDS)
def test_what_may_still_be_live_at_a_dead_venue_is_not_routed_again(seed: int, played: Played) -> None:
    tables = played("venue_dies", seed).tables
    in_doubt = tables["children"].filter(~pl.col("ord_status").is_in(CLOSED))
    assert set(in_doubt["mic"].to_list()) <= {"XLTA"}
    may_still_fill = (in_doubt["order_qty"] - in_doubt["cum_qty"]).sum()
    filled, wanted = tables["orders"]["cum_qty"].sum(), tables["orders"]["order_qty"].sum()
    assert filled + may_still_fill <= wanted


@pytest.mark.parametrize(("seed", "from_s"), [(2, 45), (3, 60)])
def test_what_may_still_fill_is_bound_at_every_moment_of_an_outage(seed: int, from_s: int) -> None:
    cut = f'[[breaks]]\nkind = "outage"\nvenue = "XLTA"\nfrom_s = {from_s}\n'
    resting = (("life_s = 9.5", "life_s = 40"), ("end_s = 300", 'end_s = 300\nstrategy = "twap"'))
    assembly = small(seed, ("[holds]", f"{cut}[holds]"), *resting)
    link = ListeningLink(assembly, "volume_proportional")
    # The link checks I1..I8 after every batch: an unknown child counts in full at each of them.
    conduct(assembly, link, {"SMOKE-1": "host-0"}, "volume_proportional", runtime="test")
    (state,) = link.hosts["host-0"].parents.values()
    stuck = [child for child in state.live.values() if child.child.mic == "XLTA"]
    assert stuck, "a child rests at the venue that dies"
    assert all(str(child.status) == "UNKNOWN" for child in stuck)
    assert state.routed_qty == sum(child.leaves_qty for child in stuck) > 0
    assert state.cum_qty + state.routed_qty <= 3_000
    assert state.is_open, "an order is not done while something of it may be live"


# What it cost


def _recomputed(data: RunData) -> dict[str, float]:
    """Work the costs out again, from the tables alone."""
    rows = data.tables["executions"].join(data.tables["orders"].select("parent_id", "arrival_px"), on="parent_id")
    sign = pl.when(pl.col("side") == "BUY").then(1.0).otherwise(-1.0)
    notional = float((rows["last_qty"] * rows["last_px"]).sum())

    def bps(per_share: pl.Expr) -> float:
        return float(rows.select((sign * per_share * pl.col("last_qty")).sum()).item()) / notional * 1e4

    fee = float(rows["fee_micros"].sum()) / 100 / notional * 1e4
    return {
        "arrival_slippage_bps": bps(pl.col("last_px") - pl.col("arrival_px")) + fee,
        "spread_bps": bps(pl.col("last_px") - pl.col("mid_routed")),
        "fee_bps": fee,
        "markout_bps": bps(pl.col("mid_10s") - pl.col("last_px")),
    }


@pytest.mark.parametrize(("name", "seed"), [("smoke", 1), ("one_share", 1), ("quiet_dark", 1), ("venue_dies", 2)])
def test_costs_are_the_sum_of_their_parts_and_what_the_tables_say(name: str, seed: int, played: Played) -> None:
    data = played(name, seed)
    s = data.summary
    parts = (s.spread_bps, s.fee_bps, s.adverse_bps, s.impact_bps, s.timing_bps)
    assert all(part is not None and math.isfinite(part) for part in parts)
    spread, fee, adverse, impact, timing = (float(part or 0.0) for part in parts)
    assert s.routing_cost_bps == pytest.approx(spread + fee + adverse)
    assert s.arrival_slippage_bps == pytest.approx(spread + fee + adverse + impact + timing)
    for key, value in _recomputed(data).items():
        assert getattr(s, key) == pytest.approx(value, abs=1e-6), key


def test_without_impact_of_our_own_adverse_is_what_the_mid_did() -> None:
    summary = run(scenario(("coefficient_bps = 7.5", "coefficient_bps = 0.0")), seed=1)
    assert summary.impact_bps == 0.0
    assert summary.adverse_bps is not None
    assert summary.spread_bps is not None
    assert summary.markout_bps == pytest.approx(-(summary.adverse_bps + summary.spread_bps))


def test_a_run_without_a_fill_has_no_cost() -> None:
    summary = run(scenario(("order_qty = 3_000", 'order_qty = 3_000\nlimit_price = "1"')), seed=1)
    assert (summary.filled_qty, summary.fills, summary.unfilled_qty) == (0, 0, 3_000)
    costs = [getattr(summary, name) for name in summary.__struct_fields__ if name.endswith("_bps")]
    assert costs == [None] * 9


def test_a_short_sale_learns_and_publishes_with_the_sells() -> None:
    summary = run(scenario(('"BUY"', '"SELL_SHORT"')), seed=1)
    assert summary.filled_qty == 3_000
    assert summary.policy_versions == summary.outcomes > 0


def test_every_table_is_written_as_its_schema_says(played: Played) -> None:
    data = played("smoke", 1)
    assert set(data.tables) == set(TABLES)
    for name, schema in TABLES.items():
        assert data.tables[name].columns == schema.names
        assert data.tables[name].height > 0
