"""How long one call takes.

Rule of this file: the median of blocks, so that one interruption of a block does not show.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from statistics import median
from typing import TypeVar

Item = TypeVar("Item")

BLOCKS = 10


def each_us(
    call: Callable[[Item], object], items: Iterable[Item], clock: Callable[[], float] = time.perf_counter
) -> float:
    """Call with every item, in blocks of equal length, and return the median block's microseconds a call.

    The first block is warm-up: it compiles, fills caches and is not counted. `clock` gives seconds: of the wall, or of
    this process's work (`time.process_time`) where others use the machine.
    """
    todo = list(items)
    size = max(len(todo) // (BLOCKS + 1), 1)
    times = []
    for start in range(0, size * (len(todo) // size), size):
        block = todo[start : start + size]
        began = clock()
        for item in block:
            call(item)
        times.append((clock() - began) / len(block) * 1e6)
    return median(times[1:] or times)
