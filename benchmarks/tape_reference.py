"""The reference of `tape_replay`, run by an interpreter that has hftbacktest: the same rows as sixteen assets.

Rule of this file: it imports hftbacktest and numpy alone, and prints nanoseconds an event, a number a round.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from hftbacktest import (
    BUY_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    BacktestAsset,
    HashMapMarketDepthBacktest,
    event_dtype,
)
from numba import njit

PX_UNIT = 0.0001


def events_of(rows: np.ndarray) -> np.ndarray:
    """Return one venue's LEVEL rows as events, seen at once."""
    events = np.zeros(len(rows), dtype=event_dtype)
    sides = np.where(rows[:, 2] > 0, BUY_EVENT, SELL_EVENT).astype(np.uint64)
    events["ev"] = np.uint64(DEPTH_EVENT | EXCH_EVENT | LOCAL_EVENT) | sides
    events["exch_ts"] = events["local_ts"] = rows[:, 0]
    events["px"], events["qty"] = rows[:, 3] * PX_UNIT, rows[:, 4]
    return events


def asset(events: np.ndarray) -> BacktestAsset:
    """Return events as an asset with constant order latency in which nobody trades. It does not keep them alive."""
    return (
        BacktestAsset()
        .data(events)
        .linear_asset(1.0)
        .constant_order_latency(0, 0)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0, 0.0)
        .tick_size(0.01)
        .lot_size(1.0)
    )


@njit
def walk(backtest, span):
    """Let all time pass."""
    return backtest.elapse(span)


def main() -> None:
    tapes = np.load(sys.argv[1])
    span = int(tapes[:, -1, 0].max() - tapes[:, 0, 0].min()) + 1_000_000_000
    events = [events_of(rows) for rows in tapes]
    for k in range(int(sys.argv[2]) + 1):
        backtest = HashMapMarketDepthBacktest([asset(of) for of in events])
        began = time.perf_counter_ns()
        walk(backtest, span)
        taken = time.perf_counter_ns() - began
        for n, rows in enumerate(tapes):
            # A figure without the work behind it is none: each book must stand where its last rows leave it.
            expected = best_bid(rows)
            if not abs(backtest.depth(n).best_bid - expected) < 1e-6:
                sys.exit(f"expected a best bid of {expected}, got {backtest.depth(n).best_bid} - at asset {n}")
        backtest.close()
        if k:  # the first one compiles
            print(taken / (tapes.shape[0] * tapes.shape[1]))


def best_bid(rows: np.ndarray) -> float:
    """Return the best bid after all rows, plainly."""
    bids = dict(rows[rows[:, 2] > 0][:, 3:5].tolist())
    return max(px for px, qty in bids.items() if qty) * PX_UNIT


if __name__ == "__main__":
    main()
