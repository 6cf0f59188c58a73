"""The one accumulator of all linear models: discounted sums A = Σ γ w x xᵀ and b = Σ γ w z x, a row per lane.

Rule of this file: decay goes by event time and never by update, and the prior is added when the sums are read and
never decays. Then updates commute, shards add up exactly, and the state can be derived again from a journal.

Time is counted in half-lives since 1970. An event at half-life q + r (q whole, 0 <= r < 1) is stored with weight
2^(q + r - epoch). The epoch is the latest event's q rounded down to a multiple of `EPOCH_SPAN`, whatever the order of
arrival, and moving it multiplies by a power of two, which floats do exactly: when it moved leaves no trace.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from router.domain.errors import FeatureError, bad_value
from router.domain.market import F64, I64
from router.domain.units import Nanos

EPOCH_SPAN = 64
"""The epoch is a multiple of so many half-lives: sums stay under 2^64 times their size, far from overflow."""

_SHIFT_MAX = 1_000
"""Half-lives beyond which a float holds nothing of the older side: 2^-1000 of anything is 0 for us."""


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def add_kernel(a: F64, b: F64, row: int, weight: float, pull: float, x: F64) -> None:
    """Add `weight` x xᵀ to a[row] and `pull` x to b[row]; both triangles are kept."""
    d = x.shape[0]
    for i in range(d):
        b[row, i] += pull * x[i]
        wx = weight * x[i]
        if wx != 0.0:
            for j in range(d):
                a[row, i, j] += wx * x[j]


def add_numpy(a: F64, b: F64, row: int, weight: float, pull: float, x: F64) -> None:
    """The plain twin of `add_kernel`."""
    a[row] += weight * np.outer(x, x)
    b[row] += pull * x


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def factor_kernel(a: F64, scale: float, precision: F64, chol: F64) -> None:
    """Write the lower Cholesky factor of `scale` a + diag(precision) into `chol`.

    With a positive prior precision every pivot is at least its prior's in exact arithmetic; rounding cannot take
    more than that away unless a feature dwarfs the others, and then the prior stands in for the pivot.
    """
    d = precision.shape[0]
    for i in range(d):
        for j in range(i + 1):
            total = scale * a[i, j]
            if i == j:
                total += precision[i]
            for k in range(j):
                total -= chol[i, k] * chol[j, k]
            if i == j:
                chol[i, i] = math.sqrt(max(total, 0.5 * precision[i]))
            else:
                chol[i, j] = total / chol[j, j]


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def substitute_kernel(chol: F64, rhs: F64) -> None:
    """Replace `rhs` by the solution of (chol cholᵀ) y = rhs."""
    d = rhs.shape[0]
    for i in range(d):
        total = rhs[i]
        for k in range(i):
            total -= chol[i, k] * rhs[k]
        rhs[i] = total / chol[i, i]
    for i in range(d - 1, -1, -1):
        total = rhs[i]
        for k in range(i + 1, d):
            total -= chol[k, i] * rhs[k]
        rhs[i] = total / chol[i, i]


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def posterior_kernel(a: F64, b: F64, scale: float, precision: F64, mean: F64, chol: F64, out: F64) -> None:
    """Write (scale a + P0)⁻¹ (scale b + P0 mean) into `out`, P0 = diag(precision); leaves the factor in `chol`."""
    factor_kernel(a, scale, precision, chol)
    for i in range(out.shape[0]):
        out[i] = scale * b[i] + precision[i] * mean[i]
    substitute_kernel(chol, out)


def posterior_numpy(a: F64, b: F64, scale: float, precision: F64, mean: F64) -> F64:
    """The plain twin of `posterior_kernel`."""
    return np.asarray(np.linalg.solve(scale * a + np.diag(precision), scale * b + precision * mean), dtype=np.float64)


def take_over(mine: Mapping[str, npt.NDArray[Any]], given: Mapping[str, npt.NDArray[Any]], place: str) -> None:
    """Copy `given` arrays over `mine`, all or none.

    Raises:
        FeatureError: other names, shapes or kinds than mine, or a number that is not finite; names which.
    """
    if list(given) != list(mine):
        raise FeatureError(bad_value(place, f"the arrays {', '.join(mine)}", ", ".join(given)))
    for name, array in mine.items():
        found = given[name]
        if found.shape != array.shape or found.dtype != array.dtype or not np.isfinite(found).all():
            expected = f"finite {array.dtype} {array.shape}"
            raise FeatureError(bad_value(f"{place}.{name}", expected, f"{found.dtype} {found.shape}"))
    for name, array in mine.items():
        array[...] = given[name]


class Accumulator:
    """Discounted sums in information form for `rows` models over `width` features each.

    `a` is (rows, width, width) and `b` (rows, width), float64, both relative to `epoch` (in half-lives). `changes`
    counts the writes: what was read at one count still holds at the same count.

    >>> sums = Accumulator(rows=2, width=1, half_life_ns=10)
    >>> sums.add(0, at=0, x=np.array([1.0]), weight=1.0, pull=3.0)
    >>> sums.add(0, at=10, x=np.array([1.0]), weight=1.0, pull=6.0)
    >>> one = np.ones(1)
    >>> sums.read(0, at=10, precision=0.5 * one, mean=0.0 * one)[0].round(9).item()
    3.75
    """

    def __init__(self, rows: int, width: int, half_life_ns: Nanos) -> None:
        self.a: F64 = np.zeros((rows, width, width))
        self.b: F64 = np.zeros((rows, width))
        self.half_life_ns = half_life_ns
        self.epoch = 0
        self.changes = 0
        self._row_digests: list[bytes] = [b""] * rows
        self._touched: dict[int, None] = dict.fromkeys(range(rows))
        """Rows written since the last digest."""
        self._digest = (-1, "")
        """The last digest, with the count of changes that it is of."""

    def event_weight(self, at: Nanos) -> float:
        """Return the weight with which an event at `at` enters the sums, moving the epoch when `at` is far ahead."""
        whole, rest = divmod(at, self.half_life_ns)
        if whole - self.epoch >= EPOCH_SPAN:
            self._move_epoch(whole - whole % EPOCH_SPAN)
        return math.ldexp(2.0 ** (rest / self.half_life_ns), max(whole - self.epoch, -_SHIFT_MAX))

    def decay(self, at: Nanos) -> float:
        """Return the factor that takes the sums from the epoch to `at`."""
        whole, rest = divmod(at, self.half_life_ns)
        shift = min(max(self.epoch - whole, -_SHIFT_MAX), EPOCH_SPAN)
        return math.ldexp(2.0 ** -(rest / self.half_life_ns), shift)

    def add(self, row: int, at: Nanos, x: F64, weight: float, pull: float) -> None:
        """Add one observation: `weight` is its information, `pull` that information times its target.

        Raises:
            FeatureError: `x` has the wrong shape, or something is not finite; nothing is added.
        """
        if x.shape != (self.b.shape[1],):
            raise FeatureError(bad_value("accumulator.x", f"a vector of {self.b.shape[1]}", x.shape))
        if not (np.isfinite(x).all() and math.isfinite(weight) and math.isfinite(pull)):
            raise FeatureError(bad_value("accumulator.x", "finite numbers", (x.tolist(), weight, pull)))
        gamma = self.event_weight(at)
        add_kernel(self.a, self.b, row, gamma * weight, gamma * pull, np.ascontiguousarray(x, dtype=np.float64))
        self.touch(row)

    def touch(self, row: int) -> None:
        """Note that a kernel wrote to a row, so that the next digest hashes it again."""
        self.changes += 1
        self._touched[row] = None

    def read(self, row: int, at: Nanos, precision: F64, mean: F64) -> F64:
        """Return the posterior mean of a row at `at` under the prior N(mean, diag(precision)⁻¹), shape (width,)."""
        out: F64 = np.empty(self.b.shape[1])
        chol = np.empty_like(self.a[row])
        posterior_kernel(self.a[row], self.b[row], self.decay(at), precision, mean, chol, out)
        return out

    def merge(self, other: Accumulator) -> None:
        """Add another shard's sums to these; the other is left as it is.

        Raises:
            FeatureError: the shards differ in shape or half-life, or the other is not finite.
        """
        mine, theirs = (*self.a.shape, self.half_life_ns), (*other.a.shape, other.half_life_ns)
        if mine != theirs:
            raise FeatureError(bad_value("accumulator.merge", f"a shard shaped {mine}", theirs))
        if not (np.isfinite(other.a).all() and np.isfinite(other.b).all()):
            raise FeatureError(bad_value("accumulator.merge", "finite sums", "a shard that is not"))
        if other.epoch > self.epoch:
            self._move_epoch(other.epoch)
        factor = math.ldexp(1.0, max(other.epoch - self.epoch, -_SHIFT_MAX))
        self.a += factor * other.a
        self.b += factor * other.b
        self._touch_all()

    def arrays(self) -> dict[str, F64 | I64]:
        """Return all state by name, in a fixed order: `a`, `b` and `epoch`, the first two not copied."""
        return {"a": self.a, "b": self.b, "epoch": np.array([self.epoch], dtype=np.int64)}

    def restore(self, arrays: Mapping[str, npt.NDArray[Any]], place: str = "accumulator") -> None:
        """Take over sums that `arrays` of the same shape gave.

        Raises:
            FeatureError: names, a shape or a kind that are not these, or a number that is not finite; nothing changes.
        """
        take_over(self.arrays(), arrays, place)
        self.epoch = int(arrays["epoch"][0])
        self._touch_all()

    def digest(self) -> str:
        """Return a sha256 of shape, half-life, epoch and sums. Only rows written since the last call are hashed."""
        if self._digest[0] == self.changes:
            return self._digest[1]
        for row in self._touched:
            of_row = hashlib.sha256(self.a[row])
            of_row.update(self.b[row])
            self._row_digests[row] = of_row.digest()
        self._touched.clear()
        head = f"{self.a.shape}:{self.half_life_ns}:{self.epoch}".encode()
        self._digest = self.changes, hashlib.sha256(head + b"".join(self._row_digests)).hexdigest()
        return self._digest[1]

    def _move_epoch(self, epoch: int) -> None:
        factor = math.ldexp(1.0, max(self.epoch - epoch, -_SHIFT_MAX))
        self.a *= factor
        self.b *= factor
        self.epoch = epoch
        self._touch_all()

    def _touch_all(self) -> None:
        self.changes += 1
        self._touched = dict.fromkeys(range(len(self._row_digests)))
