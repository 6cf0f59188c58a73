"""The lane model's kernels timed from compiled code, beside what a caller from Python sees of them.

Rule of this file: the model is the router's, in its one configuration; between two readings one outcome comes in. No
kernel is named here: what a call of the model runs is noted as it runs, with its arguments, and run again from compiled
code. Whole-number arrays, which say what is yet to be read, are put back as they were before each run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numba.core.dispatcher import Dispatcher

from benchmarks.protocols.contest import F64, I64
from benchmarks.stopwatch import each_us as each_wall_us
from learners.lanes import model as lane_model
from learners.lanes.model import LaneModel
from learners.lanes.shape import LaneShape
from router.allocation.tails import pour_tails
from router.domain.units import SECOND

STANDARD = 100.0
GAP_NS = SECOND // 4
"""Between two outcomes: a busy instrument has a few a second."""

RUNS = 500
each_us = partial(each_wall_us, clock=time.process_time)


class Run(NamedTuple):
    """One call of a kernel: its arguments, the whole-number arrays among them, and what these held before."""

    kernel: Any
    arguments: tuple[Any, ...]
    whole: tuple[I64, ...]
    before: tuple[I64, ...]


def all_us(x: F64, lanes: I64) -> dict[str, float]:
    """Return microseconds a call: kernels, and with `_python` what a caller sees. `x` (n, features), `lanes` (n,)."""
    n, count = len(x), int(lanes.max()) + 1
    shape = LaneShape((0,) * count, (True,) * count, x.shape[1], STANDARD, (0.3,), (1.0,), (0.0,), (0.0,))
    model = LaneModel(shape)
    wide = np.ascontiguousarray(np.broadcast_to(x[:, None, :], (n, count, x.shape[1])))
    even, zero, caps = np.ones(count), np.zeros(count), np.full(count, STANDARD)

    def learn(i: int) -> None:
        model.trial(int(lanes[i]), i * GAP_NS, x[i], bool(lanes[i] % 3 == 0))

    def take_in(i: int) -> object:
        learn(i)
        # What was learned waits until someone reads: reading the sums takes it in.
        return model.sums

    def allocate(seen: lane_model.Prediction) -> F64:
        worth = even - 0.01 * (seen.markout[1] + seen.leakage)
        split: F64 = pour_tails(seen.p, seen.hazards, model.size_edges, worth, zero, caps, STANDARD)
        return split

    def publish(i: int) -> F64:
        return allocate(model.predict(model.latest, wide[i]))

    apply_us = each_us(learn, range(n))
    for i in range(0, n, 3):
        model.size(int(lanes[i]), n * GAP_NS, x[i], STANDARD, STANDARD * (1 + i % 5) / 5)
        model.markout(int(lanes[i]), n * GAP_NS, x[i], i % 3, float(x[i, 1]))
    after = [_published_us(partial(take_in, i), partial(publish, i)) for i in range(min(n, 2 * RUNS))]
    seen = model.predict(model.latest, wide[0])
    worths = even - 0.01 * (seen.markout[1] + seen.leakage)
    pour = Run(pour_tails, (seen.p, seen.hazards, model.size_edges, worths, zero, caps, STANDARD), (), ())
    pour_us = _again_us([pour])
    return {
        "lanes.apply": _kernels_us(partial(take_in, n - 1)),
        "lanes.apply_python": apply_us,
        "lanes.allocate": pour_us,
        "lanes.allocate_python": each_us(lambda _: allocate(seen), range(n)),
        "lanes.publish": _kernels_us(partial(publish, 0), after=partial(take_in, n - 1)) + pour_us,
        "lanes.publish_python": float(np.median(after[len(after) // 10 :])),
    }


def _published_us(learn: Callable[[], object], publish: Callable[[], object]) -> float:
    """Learn one outcome, then time one publication alone."""
    learn()
    began = time.process_time()
    publish()
    return (time.process_time() - began) * 1e6


def _kernels_us(call: Callable[[], object], after: Callable[[], object] | None = None) -> float:
    """Return what the kernels that a call runs take without Python; `after` is called before it."""
    call()
    if after is not None:
        after()
    with _noted() as runs:
        call()
    return _again_us(runs)


@contextmanager
def _noted() -> Iterator[list[Run]]:
    """Note every kernel that the lane model's module calls."""
    kernels = {name: value for name, value in vars(lane_model).items() if isinstance(value, Dispatcher)}
    runs: list[Run] = []

    def noting(kernel: Any) -> Callable[..., Any]:
        def called(*arguments: Any) -> Any:
            whole = tuple(a for a in arguments if isinstance(a, np.ndarray) and a.dtype == np.int64 and a.ndim == 1)
            runs.append(Run(kernel, arguments, whole, tuple(array.copy() for array in whole)))
            return kernel(*arguments)

        return called

    try:
        for name, kernel in kernels.items():
            setattr(lane_model, name, noting(kernel))
        yield runs
    finally:
        for name, kernel in kernels.items():
            setattr(lane_model, name, kernel)


def _again_us(runs: list[Run]) -> float:
    """Return the sum over the runs of the microseconds that each takes from compiled code."""
    total = 0.0
    for run in runs:
        again = _again_restored if run.whole else _again
        arguments = (run.kernel, run.arguments, run.whole, run.before) if run.whole else (run.kernel, run.arguments)
        total += each_us(lambda _, call=again, given=arguments: call(*given, RUNS), range(12)) / RUNS
    return total


@njit  # type: ignore[untyped-decorator,unused-ignore]
def _again(kernel: Any, arguments: tuple[Any, ...], n: int) -> None:
    for _ in range(n):
        kernel(*arguments)


@njit  # type: ignore[untyped-decorator,unused-ignore]
def _again_restored(kernel: Any, arguments: tuple[Any, ...], whole: Any, before: Any, n: int) -> None:
    for _ in range(n):
        for i in range(len(whole)):
            for j in range(whole[i].shape[0]):
                whole[i][j] = before[i][j]
        kernel(*arguments)
