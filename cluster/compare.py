"""Run policies over seeds in a pool of processes, and compare them.

Rule of this file: each run is a whole simulation in one process, so the order in which the pool finishes them
changes nothing.
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import NamedTuple

from learners.policies.static import VolumeProportional
from router.domain.errors import BadInputError, LinkError, bad_value
from scenarios.comparison import Comparison, compare
from scenarios.oracle import ORACLE
from scenarios.runner import run
from scenarios.scenario import Scenario
from scenarios.tables import RunSummary

STATIC = VolumeProportional.name
"""The static split every comparison is read against."""

Progress = Callable[[float, str], None]


class PolicyRuns(NamedTuple):
    """Summaries by policy, one per seed in the same order, and the names of the two baselines among them."""

    summaries: dict[str, tuple[RunSummary, ...]]
    static: str
    oracle: str


def run_comparison(
    scenario: Scenario,
    policies: Sequence[str],
    seeds: Sequence[int],
    data: Path | None,
    progress: Progress | None = None,
) -> Comparison:
    """Run every policy, the static baseline and the oracle on the same seeds, and return the paired comparison.

    Raises:
        BadInputError: no seed, or a run that refuses the scenario, the policy or the data.
        LinkError: a process died.
    """
    runs = run_policies(scenario, policies, seeds, data, progress)
    return compare(runs.summaries, runs.static, runs.oracle)


def run_policies(
    scenario: Scenario,
    policies: Sequence[str],
    seeds: Sequence[int],
    data: Path | None,
    progress: Progress | None = None,
) -> PolicyRuns:
    """Run every policy, the static baseline and the oracle on the same seeds, `os.cpu_count()` at a time.

    Raises:
        BadInputError: no seed, or a run that refuses the scenario, the policy or the data.
        LinkError: a process died.
    """
    if not seeds:
        raise BadInputError(bad_value("seeds", "at least one seed", list(seeds)))
    names = tuple(dict.fromkeys((*policies, STATIC, ORACLE)))
    # Seed by seed, so that a comparison cut short would have pairs; a fresh process has nothing of ours in it.
    cells = [(policy, seed) for seed in seeds for policy in names]
    workers = min(os.cpu_count() or 1, len(cells))
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=_begin)
    try:
        futures = {pool.submit(_one, scenario, policy, seed, data): (policy, seed) for policy, seed in cells}
        finished = _gather(futures, progress)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return PolicyRuns({name: tuple(finished[name, seed] for seed in seeds) for name in names}, STATIC, ORACLE)


def _gather(
    futures: dict[Future[RunSummary], tuple[str, int]], progress: Progress | None
) -> dict[tuple[str, int], RunSummary]:
    finished: dict[tuple[str, int], RunSummary] = {}
    for future in as_completed(futures):
        policy, seed = futures[future]
        try:
            finished[policy, seed] = future.result()
        except BrokenProcessPool as exc:
            raise LinkError(
                bad_value(f"policy {policy}, seed {seed}", "a finished run", "a process that died")
            ) from exc
        if progress is not None:
            progress(len(finished) / len(futures), f"{policy}, seed {seed}")
    return finished


def _begin() -> None:
    """Let an interrupt from the keyboard, which reaches the workers too, end them at once and without a word."""
    # Polars takes the signal over when it is imported, so the default is set again after everything is.
    importlib.import_module("polars")
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _one(scenario: Scenario, policy: str, seed: int, data: Path | None) -> RunSummary:
    try:
        return run(scenario, seed=seed, policy=policy, data=data, out=None)
    finally:
        # A market's venues and their desks know each other: few objects, but with all the arrays of a day. Left to
        # itself the collector sees the few and waits, and a process of many runs grows by each of them.
        gc.collect()
