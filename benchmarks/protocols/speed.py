"""L8: what a pull, an update, an outcome, a publication and an allocation cost, 16 lanes and 16 features.

Rule of this file: everyone is timed in one run, on the same contexts and rewards, in CPU time. What is called a kernel
is called from compiled code; a Python caller's figure has the call, the checks and the arrays in it, for dicts also
those.

Vowpal Wabbit gets its examples as text made before the clock starts, MABWiser its context as an array; River gets
dicts, which is what it takes. Our policy reads its sums anew at each tick of its half-life: that is in its pulls.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from river import bandit

from benchmarks.protocols import lane_kernels
from benchmarks.protocols.contest import F64, I64
from benchmarks.protocols.references.packages import is_installed
from benchmarks.rows import Row, Settings, measured
from benchmarks.stopwatch import each_us as each_wall_us
from learners.river.lin_ucb import TICKS, DiscountedLinUCB, Read, bounds_kernel, learn_kernel, read_kernel, unread
from router.domain.chance import generator

LANES, FEATURES = 16, 16
CALLS, CALLS_QUICK = 4_400, 220
JOBS = {"pull": "pull", "update": "update", "cycle": "pull and one update"}
FEW = 10
"""Callers that take milliseconds get so many times fewer calls."""

TICK = 1_000 // TICKS
"""Updates between two ticks of a half-life of 1,000 updates, when all lanes are read anew."""

TIMES_RIVER, TIMES_VW, TIMES_BARE = 100.0, 25.0, 1.5
APPLY_US, ALLOCATE_US, PUBLISH_US = 5.0, 20.0, 100.0
RIVER, VW, MABWISER, BARE = "River LinUCBDisjoint", "Vowpal Wabbit", "MABWiser LinUCB", "bare kernel"

Figures = dict[str, float]


class Play(NamedTuple):
    """What everyone gets: contexts `x` (n, features), the first feature 1, lanes (n,) and rewards (n,)."""

    x: F64
    lanes: I64
    rewards: F64


def play_of(n: int) -> Play:
    """Return n contexts, the lanes chosen in them and what that was worth."""
    draws = generator(8, "speed", "play")
    x = draws.standard_normal((n, FEATURES))
    x[:, 0] = 1.0
    return Play(x, draws.integers(0, LANES, n), draws.standard_normal(n))


def rows(settings: Settings) -> list[Row]:
    """Return the rows of L8."""
    n = CALLS_QUICK if settings.is_quick else CALLS
    found: dict[str, list[float]] = {}
    for done in range(settings.rounds):
        settings.progress(done / settings.rounds, f"L8 round {done + 1}")
        for name, us in all_us(n).items():
            found.setdefault(name, []).append(us)
    return rows_of(found, is_quick=settings.is_quick)


def all_us(n: int) -> Figures:
    """Return microseconds a call by name, `<who>.pull` and so on."""
    play = play_of(n)
    figures = {**_kernels_us(play), **_river_us(play), **_python_us(play), **lane_kernels.all_us(play.x, play.lanes)}
    if is_installed("vowpalwabbit"):
        figures |= _vowpal_us(play)
    if is_installed("mabwiser"):
        figures |= _mabwiser_us(play)
    for who in [name.removesuffix(".pull") for name in figures if name.endswith(".pull")]:
        figures[f"{who}.cycle"] = figures[f"{who}.pull"] + figures[f"{who}.update"]
    return figures


def rows_of(us: dict[str, list[float]], *, is_quick: bool) -> list[Row]:
    """Return rows, with bounds where sizes are those of the bounds."""
    absent = [name for name in (VW, MABWISER) if f"{name}.pull" not in us]
    note = f" (not installed: {', '.join(absent)})" if absent else ""
    found = []
    for job in ("pull", "update", "cycle"):
        others = {name: us[f"{name}.{job}"] for name in (RIVER, VW, MABWISER, BARE) if f"{name}.{job}" in us}
        what = f"L8 DiscountedLinUCB, {LANES} arms, {FEATURES} features, one {JOBS[job]}"
        at_most = None if is_quick else _bound(job, {name: median(values) for name, values in others.items()})
        kernel = us[f"kernel.{job}"]
        found.append(
            measured(f"l8.{job}", f"{what}: kernel{note}", kernel, "µs CPU", references=others, at_most=at_most)
        )
        python = {"kernel": kernel, RIVER: others[RIVER]}
        caller = us[f"python.{job}"]
        found.append(measured(f"l8.{job}_python", f"{what}: River's interface", caller, "µs CPU", references=python))
    for key, what, bound in (
        ("lanes.apply", "one outcome applied", APPLY_US),
        ("lanes.allocate", "one allocation", ALLOCATE_US),
        ("lanes.publish", "one publication: all that is believed of every lane, and its allocation", PUBLISH_US),
    ):
        found.append(
            measured(
                f"l8.{key.partition('.')[2]}",
                f"L8 lane model, {LANES} lanes, {FEATURES} features: {what}: kernel",
                us[key],
                "µs CPU",
                references={"Python caller": us[f"{key}_python"]},
                at_most=None if is_quick else bound,
            )
        )
    return found


each_us = partial(each_wall_us, clock=time.process_time)


def _bound(job: str, others: dict[str, float]) -> float | None:
    """Return what a kernel may take. An update alone promises nothing: ours adds to sums that can be merged and
    forgotten, and to what was read of them; the bare one has neither."""
    if job == "update":
        return None
    bounds = [TIMES_BARE * others[BARE]]
    if job == "pull":
        bounds.append(others[RIVER] / TIMES_RIVER)
        bounds += [others[VW] / TIMES_VW] if VW in others else []
    return round(min(bounds), 3)


def _each(call: Callable[[int], object], n: int) -> float:
    return each_us(call, range(n))


def _blocks_us(loop: Callable[[int, int], object], n: int) -> float:
    """Time a compiled loop over items first .. last, in blocks of an eleventh; microseconds an item."""
    size = max(n // 11, 1)
    return each_us(lambda first: loop(first, first + size), range(0, n - size + 1, size)) / size


def _kernels_us(play: Play) -> Figures:
    a, b = np.zeros((LANES, FEATURES, FEATURES)), np.zeros((LANES, FEATURES))
    read = unread(LANES, FEATURES)
    lanes, n = np.arange(LANES), len(play.x)
    inverse, mean = np.stack([np.eye(FEATURES)] * LANES), np.zeros((LANES, FEATURES))
    pulls = np.zeros(n, dtype=np.int64)
    read_kernel(a, b, lanes, 1.0, 1.0, FEATURES, read)
    return {
        "kernel.update": _blocks_us(
            lambda first, last: _learn_all(a, b, read, play.x, play.lanes, play.rewards, first, last), n
        ),
        "kernel.pull": _blocks_us(lambda first, last: _pull_all(a, b, lanes, read, play.x, pulls, first, last), n),
        f"{BARE}.update": _blocks_us(
            lambda first, last: _bare_update_all(inverse, mean, play.x, play.lanes, play.rewards, first, last), n
        ),
        f"{BARE}.pull": _blocks_us(lambda first, last: _bare_pull_all(inverse, mean, play.x, pulls, first, last), n),
    }


def _river_us(play: Play) -> Figures:
    policy, dicts = bandit.LinUCBDisjoint(seed=1), _dicts(play)
    arms, rewards, lanes = list(range(LANES)), play.rewards.tolist(), play.lanes.tolist()
    updated = _each(lambda i: policy.update(lanes[i], dicts[i], rewards[i]), len(dicts))
    return {
        f"{RIVER}.update": updated,
        f"{RIVER}.pull": _each(lambda i: policy.pull(arms, context=dicts[i]), max(len(dicts) // FEW, 11)),
    }


def _python_us(play: Play) -> Figures:
    policy, dicts = DiscountedLinUCB(), _dicts(play)
    arms, rewards, lanes = list(range(LANES)), play.rewards.tolist(), play.lanes.tolist()
    updated = _each(lambda i: policy.update(lanes[i], dicts[i], rewards[i]), len(dicts))
    return {"python.update": updated, "python.pull": _each(lambda i: policy.pull(arms, context=dicts[i]), len(dicts))}


def _vowpal_us(play: Play) -> Figures:
    from vowpalwabbit import Workspace

    model: Any = Workspace("--cb_explore_adf --squarecb -q ca --quiet --random_seed 1")
    asked, told = [], []
    for x, lane, reward in zip(play.x.tolist(), play.lanes.tolist(), play.rewards.tolist(), strict=True):
        shared = "shared |c " + " ".join(f"{j}:{value:.6f}" for j, value in enumerate(x))
        asked.append([shared, *(f"|a {k}" for k in range(LANES))])
        cost = f"{lane}:{-reward:.6f}:{1.0 / LANES:.6f} "
        told.append([shared, *(f"{cost if k == lane else ''}|a {k}" for k in range(LANES))])
    n = max(len(asked) // FEW, 11)
    figures = {
        f"{VW}.update": _each(lambda i: model.learn(told[i]), n),
        f"{VW}.pull": _each(lambda i: model.predict(asked[i]), n),
    }
    model.finish()
    return figures


def _mabwiser_us(play: Play) -> Figures:
    from mabwiser.mab import MAB, LearningPolicy

    model: Any = MAB(list(range(LANES)), LearningPolicy.LinUCB(alpha=1.0))
    model.fit(list(range(LANES)), play.rewards[:LANES], play.x[:LANES])
    contexts, lanes, rewards = play.x[:, None, :], play.lanes.tolist(), play.rewards.tolist()
    n = max(len(contexts) // FEW, 11)
    return {
        f"{MABWISER}.update": _each(lambda i: model.partial_fit([lanes[i]], [rewards[i]], contexts[i]), n),
        f"{MABWISER}.pull": _each(lambda i: model.predict(contexts[i]), n),
    }


def _dicts(play: Play) -> list[dict[str, float]]:
    names = [f"f{j}" for j in range(1, FEATURES)]
    return [dict(zip(names, x[1:], strict=True)) for x in play.x.tolist()]


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _learn_all(a: F64, b: F64, read: Read, x: F64, lanes: I64, rewards: F64, first: int, last: int) -> None:
    for i in range(first, last):
        learn_kernel(a, b, lanes[i], 1.0, 4.0, rewards[i], x[i], x.shape[1], 0.9, read)


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _pull_all(a: F64, b: F64, rows: I64, read: Read, x: F64, pulls: I64, first: int, last: int) -> None:
    """Pull again and again; at each tick all lanes are read anew."""
    out = np.empty(rows.shape[0])
    for i in range(first, last):
        if i % TICK == 0:
            read.is_read[:] = False
        read_kernel(a, b, rows, 0.9, 1.0, x.shape[1], read)
        bounds_kernel(rows, read, x[i], x.shape[1], 1.0, out)
        pulls[i] = np.argmax(out)


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _bare_pull_all(inverse: F64, mean: F64, x: F64, pulls: I64, first: int, last: int) -> None:
    """The least that a LinUCB pull can be: x·θ + sqrt(xᵀ A⁻¹ x) for each lane, all of it at hand."""
    d = x.shape[1]
    for i in range(first, last):
        best, chosen = -math.inf, 0
        for k in range(inverse.shape[0]):
            eta, variance = 0.0, 0.0
            for j in range(d):
                total = 0.0
                for m in range(d):
                    total += inverse[k, j, m] * x[i, m]
                variance += total * x[i, j]
                eta += mean[k, j] * x[i, j]
            bound = eta + math.sqrt(variance)
            if bound > best:
                best, chosen = bound, k
        pulls[i] = chosen


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _bare_update_all(inverse: F64, mean: F64, x: F64, lanes: I64, rewards: F64, first: int, last: int) -> None:
    """The least that a LinUCB update can be: Sherman and Morrison's, the mean with it; nothing is ever forgotten."""
    d = x.shape[1]
    half = np.empty(d)
    for i in range(first, last):
        k = lanes[i]
        total, miss = 1.0, rewards[i]
        for j in range(d):
            half[j] = 0.0
            for m in range(d):
                half[j] += inverse[k, j, m] * x[i, m]
            total += half[j] * x[i, j]
            miss -= mean[k, j] * x[i, j]
        for j in range(d):
            mean[k, j] += half[j] * miss / total
            for m in range(d):
                inverse[k, j, m] -= half[j] * half[m] / total
