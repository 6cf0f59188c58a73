"""What a lane model knows, row by row, as 128 bits each: so that its digest costs what has changed since the last one.

Rule of this file: only parts that are used are hashed, all of them, in a fixed order and by their bits; a row whose
state differs in a bit has other words. It finds divergence and guards against no forger, which the SHA-256 of a
checkpoint's bytes does.

Two words a row take in one number after the other: h <- (h xor bits) * M, then h <- h xor (h >> 32), with a multiplier
M of its own for each (the two of SplitMix64: Steele, Lea and Flood, OOPSLA 2014).
Every step can be undone, so that two rows that differ in one number never meet again on what is equal after it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from learners.lanes.drift import Windows
from learners.lanes.read import B8
from learners.lanes.shape import SIZE
from learners.lanes.sums import Sums
from router.domain.market import I64

U64 = NDArray[np.uint64]

FIRST, SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
"""The multipliers of a row's two words."""

_FIRST, _SECOND, _HALF = np.uint64(FIRST), np.uint64(SECOND), np.uint64(32)


def bits_of(sums: Sums, windows: Windows) -> tuple[Sums, Windows]:
    """Return the same memory as whole numbers of 64 bits."""
    return Sums(*(array.view(np.uint64) for array in sums)), Windows(*(array.view(np.uint64) for array in windows))  # type: ignore[arg-type]


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def add_words(values: U64, words: U64) -> None:
    """Let two `words` take in `values` (n,)."""
    one, two = words[0], words[1]
    for k in range(values.shape[0]):
        one = (one ^ values[k]) * _FIRST
        one ^= one >> _HALF
        two = (two ^ values[k]) * _SECOND
        two ^= two >> _HALF
    words[0], words[1] = one, two


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def hash_rows(bits: Sums, drifts: Windows, widths: I64, is_stale: B8, words: U64) -> None:
    """Write the words (components, rows, 2) of the rows that `is_stale` (components, rows) into `words`, and call none
    stale from then on. `bits` and `drifts` are those of `bits_of`, `widths` the parameters of each component."""
    for c in range(is_stale.shape[0]):
        width = widths[c]
        for row in range(is_stale.shape[1]):
            if not is_stale[c, row]:
                continue
            is_stale[c, row] = False
            held = words[c, row]
            held[:] = 0
            for m in range(bits.b.shape[2]):
                for i in range(width):
                    add_words(bits.a[c, row, m, i, : i + 1], held)
                add_words(bits.b[c, row, m, :width], held)
                add_words(bits.base[c, row, m, :width], held)
            for i in range(width):
                add_words(bits.past_a[c, row, i, : i + 1], held)
            add_words(bits.past_b[c, row, :width], held)
            add_words(bits.score[c, row], held)
            add_words(bits.fresh[c, row], held)
            add_words(bits.lead[c, row : row + 1], held)
            add_words(bits.counts[c, row], held)
            if c == SIZE:
                for m in range(bits.b.shape[2]):
                    add_words(bits.bins[row, m].reshape(-1), held)
                    add_words(bits.rates[row, m], held)
                add_words(bits.bin_score[row], held)
                add_words(bits.tail_score[row], held)
                add_words(bits.mixes[row].reshape(-1), held)
                add_words(bits.past_bins[row].reshape(-1), held)
            for n in range(2 * (c * is_stale.shape[1] + row), 2 * (c * is_stale.shape[1] + row) + 2):
                add_words(drifts.totals[n].reshape(-1), held)
                add_words(drifts.variances[n].reshape(-1), held)
                add_words(drifts.used[n], held)
                add_words(drifts.sums[n], held)
                add_words(drifts.seen[n], held)


def row_words_plain(sums: Sums, windows: Windows, widths: Sequence[int], c: int, row: int) -> tuple[int, int]:
    """The plain twin of `hash_rows`, for one row."""
    width, lower = widths[c], np.tril_indices(widths[c])
    parts = []
    for m in range(sums.b.shape[2]):
        parts += [sums.a[c, row, m][lower], sums.b[c, row, m, :width], sums.base[c, row, m, :width]]
    parts += [sums.past_a[c, row][lower], sums.past_b[c, row, :width], sums.score[c, row], sums.fresh[c, row]]
    parts += [sums.lead[c, row : row + 1], sums.counts[c, row]]
    if c == SIZE:
        for m in range(sums.b.shape[2]):
            parts += [sums.bins[row, m], sums.rates[row, m]]
        parts += [sums.bin_score[row], sums.tail_score[row], sums.mixes[row], sums.past_bins[row]]
    first = 2 * (c * sums.tail_score.shape[0] + row)
    parts += [array[n] for n in (first, first + 1) for array in windows]
    one, two = 0, 0
    for part in parts:
        for value in np.ascontiguousarray(part).reshape(-1).view(np.uint64).tolist():
            one = (one ^ value) * FIRST % 2**64
            one ^= one >> 32
            two = (two ^ value) * SECOND % 2**64
            two ^= two >> 32
    return one, two
