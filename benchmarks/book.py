"""Rows about limit order books: ours, its plain twin, an empty loop, and other engines, on the same messages.

Rule of this file: CPU time, so that a neighbour on the machine does not show; every book must end at the same best bid
and ask. Ours has every order type compiled in. All are fed the same array and tell their fills if they can: ours takes
the array whole, the others need a call for each message, made of its row within their clock. What they take when nobody
listens to fills, and when calls and orders are made beforehand besides, stands in rows that promise nothing.
"""

from __future__ import annotations

import time

import numpy as np

from benchmarks.book_engines import ENGINES, from_rows, installed, naive, ready_made
from benchmarks.book_messages import PX, TICK, messages
from benchmarks.clean import run_task
from benchmarks.rows import Row, Settings, measured
from router.domain.errors import InvariantError, bad_value
from router.domain.market import I64
from venues.book.batch import run_commands
from venues.book.compiled import compiled
from venues.book.layout import H_OUT
from venues.book.look import top
from venues.book.state import new_state
from venues.book.words import COMMAND_COLUMNS

LIVE_AT_MOST_NS = {2_000: 25.0, 20_000: 35.0}
"""Orders that rest, and what a message may then cost."""

TIMES_AT_LEAST = 25.0
"""How many times faster than the best engine that can be installed, from the same array."""

BARE, READY = ", bare", ", ready-made"
"""Follow an engine's name where nobody listened to its fills; where, besides, its calls, their arguments and its orders
were made before the clock started."""

MESSAGES, MESSAGES_QUICK = 1_000_000, 5_000
OTHERS = 100_000
"""Messages for the others, which take minutes for a million."""

PASSES = 5
"""Each repetition takes the median of so many passes of ours, which are short, and one pass of each other."""


def books(settings: Settings) -> list[Row]:
    """What a message costs, by the orders that rest."""
    n, others = (MESSAGES_QUICK, MESSAGES_QUICK) if settings.is_quick else (MESSAGES, OTHERS)
    rows: list[Row] = []
    for done, (live, bound) in enumerate(LIVE_AT_MOST_NS.items()):
        figures: dict[str, list[float]] = {}
        for repetition in range(settings.rounds):
            settings.progress((done + repetition / settings.rounds) / len(LIVE_AT_MOST_NS), f"{live:,} live orders")
            for name, ns in run_task("book", live=live, n=n, n_others=others).items():
                figures.setdefault(name, []).append(ns)
        rows += _rows(live, bound, n, figures)
    return rows


def _rows(live: int, bound: float, n: int, figures: dict[str, list[float]]) -> list[Row]:
    absent = ", ".join(name for name in ENGINES if name not in figures)
    others, bare, ready = (_fastest_first([name + form for name in ENGINES], figures) for form in ("", BARE, READY))
    order = (*others, *bare, *ready, "plain twin", "empty loop")
    what = f"book: one message of {n:,}, {live:,} live orders{f' (not installed: {absent})' if absent else ''}"
    references = {name: figures[name] for name in order}
    rows = [measured(f"book.{live}_ns", what, figures["ours"], "ns CPU", references=references, at_most=bound)]
    kinds = (("times", others, TIMES_AT_LEAST), ("times_bare", _fastest_first([*others, *bare], figures), None))
    for key, names, bound_below in (*kinds, ("times_ready", ready, None)):
        for name in names[:1]:
            times = [other / ours for other, ours in zip(figures[name], figures["ours"], strict=True)]
            what = f"book: times faster than {name}, {live:,} live orders"
            rows.append(measured(f"book.{live}_{key}", what, times, "times", at_least=bound_below))
    return rows


def _fastest_first(names: list[str], figures: dict[str, list[float]]) -> list[str]:
    return sorted((name for name in names if name in figures), key=lambda name: float(np.median(figures[name])))


def all_ns(live: int, n: int, n_others: int) -> dict[str, float]:
    """Time every book; return CPU nanoseconds a message by name.

    Raises:
        InvariantError: two books that lived through the same messages differ.
    """
    rows = messages(n, live)
    ours = [_ours(rows, live)[0] for _ in range(PASSES)]
    figures = {"ours": float(np.median(ours)), "empty loop": _empty(rows[live:])}
    some = rows[: live + n_others]
    _, best, fills = _ours(some, live)
    timings = {"plain twin": from_rows(naive, some, live)}
    for name, package in installed().items():
        timings[name] = from_rows(package.make, some, live)
        if package.bare is not package.make:
            timings[name + BARE] = from_rows(package.bare, some, live)
        timings[name + READY] = ready_made(package.bare, some, live)
    for name, timed in timings.items():
        if timed.best != best or timed.fills not in (None, fills):
            got = (timed.best, timed.fills)
            raise InvariantError(bad_value(name, f"best bid and ask {best} and {fills} fills", got))
        figures[name] = timed.ns
    return figures


def _ours(rows: I64, live: int) -> tuple[float, tuple[int, int], int]:
    """Run all messages in one call; return nanoseconds a message, and the best bid and ask and the fills at the end."""
    book = new_state(PX, TICK, orders=2 * live, executions=len(rows))
    results = np.full(len(rows), -1, dtype=np.int64)
    # Touched once, as the arrays of a book that has been in use are.
    book.out[:] = 0
    run_commands(book, rows[:live], results, 0)
    began = time.process_time_ns()
    done = run_commands(book, rows[live:], results, 0)
    ns = (time.process_time_ns() - began) / (len(rows) - live)
    if done != len(rows) - live:
        raise InvariantError(bad_value("book", f"{len(rows) - live} messages performed", done))
    bid, _, ask, _ = top(book)
    return ns, (int(bid), int(ask)), int(book.head[H_OUT])


def _empty(rows: I64) -> float:
    """Read every message and do nothing with it."""
    results = np.full(len(rows), -1, dtype=np.int64)
    _read(rows[:1], results)
    began = time.process_time_ns()
    _read(rows, results)
    return (time.process_time_ns() - began) / len(rows)


@compiled
def _read(rows: I64, results: I64) -> int:
    total = 0
    for k in range(len(rows)):
        for column in range(COMMAND_COLUMNS):
            total ^= rows[k, column]
        results[k] = total
    return total
