"""What the library's markets are named for happens in them.

Rule of this file: it is read from a run's own tables, on the scenario's own seed.
"""

from __future__ import annotations

import polars as pl
from small_market import Played

from router.domain.units import SECOND
from scenarios.scenario import DAY_OPEN


def test_the_closing_auction_trades_our_order_and_a_halted_exchange_nothing(played: Played) -> None:
    executions = played("closing_auction", 1).tables["executions"]
    crossed = executions.filter(pl.col("tactic") == "AUCTION")
    assert crossed["last_qty"].sum() >= 5_000
    assert set(crossed["last_liquidity_ind"]) == {"AUCTION"}
    assert crossed["last_px"].n_unique() == 1
    at = pl.col("at")
    halted = (pl.col("mic") == "XLTB") & (at >= DAY_OPEN + 600 * SECOND) & (at < DAY_OPEN + 780 * SECOND)
    assert executions.filter(halted).height == 0
    assert executions.filter((pl.col("mic") == "XLTB") & (at > DAY_OPEN + 800 * SECOND)).height > 0


def test_the_crossed_market_is_crossed(played: Played) -> None:
    market = played("crossed_market", 1).tables["market"].filter((pl.col("bid_px") > 0) & (pl.col("ask_px") > 0))
    crossed = market.filter(pl.col("bid_px") > pl.col("ask_px")).height
    assert 0.02 < crossed / market.height < 0.5


def around_the_turn(played: Played, policy: str) -> tuple[pl.Series, pl.Series]:
    """Return what fills at the pool cost by ten seconds later, in bps, before and after its turn, over four days."""
    days = [played("toxic_turn", seed, policy).tables["executions"] for seed in (1, 2, 3, 4)]
    pool = pl.concat(days).filter((pl.col("mic") == "XDKT") & pl.col("mid_10s").is_not_null())
    adverse = pool.with_columns(cost=-(pl.col("mid_10s") - pl.col("mid_routed")) / pl.col("mid_routed") * 1e4)
    has_turned = pl.col("at") >= DAY_OPEN + 3_000 * SECOND
    return adverse.filter(~has_turned)["cost"], adverse.filter(has_turned)["cost"]


def test_the_pool_that_turns_costs_more_after_its_turn(played: Played) -> None:
    # Routed evenly: whoever picks when to go there picks what it costs.
    before, after = around_the_turn(played, "uniform")
    assert after.mean() > before.mean() + 1.0


def test_the_learner_leaves_the_pool_that_turned(played: Played) -> None:
    before, after = around_the_turn(played, "censored")
    assert 0 < len(after) < len(before) / 2
