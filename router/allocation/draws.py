"""The draw that decides on a probe, compiled: one number of `router.domain.chance`, where one is asked for at a time.

Rule of this file: the same number, to the bit, as `uniforms` gives, which is the plain twin; it draws nothing else.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from router.domain.chance import key_of

_ROUNDS = 10
_M0, _M1 = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
_W0, _W1 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)
_HALF, _LOW, _TOP = np.uint64(32), np.uint64(0xFFFFFFFF), np.uint64(11)
_TO_UNIT = 1.0 / (1 << 53)


def probe_draw(seed: int, parent_id: str, decision_n: int) -> float:
    """Return the uniform on [0, 1) that decides whether the n-th decision of an order probes.

    >>> from router.domain.chance import uniforms
    >>> probe_draw(7, "P1", 3) == uniforms(7, "P1", "decision", 3)[1]
    True
    """
    k0, k1 = key_of(seed, parent_id, "decision")
    return float(_second(np.uint64(k0), np.uint64(k1), np.uint64(decision_n + 1)))


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _upper(a: np.uint64, b: np.uint64) -> np.uint64:
    """Return the upper 64 bits of a product."""
    a0, a1, b0, b1 = a & _LOW, a >> _HALF, b & _LOW, b >> _HALF
    middle = a1 * b0 + ((a0 * b0) >> _HALF)
    other = (middle & _LOW) + a0 * b1
    return a1 * b1 + (middle >> _HALF) + (other >> _HALF)


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _second(k0: np.uint64, k1: np.uint64, counter: np.uint64) -> float:
    """Return the second word of a block of Philox4x64-10 as a uniform."""
    c0, c1, c2, c3 = counter, np.uint64(0), np.uint64(0), np.uint64(0)
    for _ in range(_ROUNDS):
        p0, q0, p1, q1 = _upper(_M0, c0), _M0 * c0, _upper(_M1, c2), _M1 * c2
        c0, c1, c2, c3 = p1 ^ c1 ^ k0, q1, p0 ^ c3 ^ k1, q0
        k0, k1 = k0 + _W0, k1 + _W1
    return float(c1 >> _TOP) * _TO_UNIT
