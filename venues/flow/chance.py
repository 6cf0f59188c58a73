"""Counter-based draws inside kernels: Philox4x32-10, four uniforms a block, the same bits as its plain twin.

Rule of this file: a block depends on (key, counter) alone; nothing here has a state. Keys come from
`router.domain.chance.key_of`, so that a stream in a kernel is named as every other one is.

Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from router.domain.chance import key_of

_M0, _M1 = 0xD2511F53, 0xCD9E8D57
_W0, _W1 = 0x9E3779B9, 0xBB67AE85
_LOW = 0xFFFFFFFF

_N_M0, _N_M1 = np.uint64(_M0), np.uint64(_M1)
_N_W0, _N_W1 = np.uint64(_W0), np.uint64(_W1)
_N_LOW, _N_32 = np.uint64(_LOW), np.uint64(32)

TO_UNIT = 1.0 / (1 << 32)
"""What a word is multiplied by to become a uniform on [0, 1)."""


def stream_key(seed: int, entity: str, purpose: str) -> np.uint64:
    """Return the 64-bit key of one stream of a kernel."""
    return np.uint64(key_of(seed, entity, purpose)[0])


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def block(key: np.uint64, counter: int) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """Return the four 32-bit words of block `counter` (from 0) of the stream `key`."""
    c0 = np.uint64(counter) & _N_LOW
    c1 = np.uint64(counter) >> _N_32
    c2 = np.uint64(0)
    c3 = np.uint64(0)
    k0 = key & _N_LOW
    k1 = key >> _N_32
    for _ in range(10):
        p0 = _N_M0 * c0
        p1 = _N_M1 * c2
        c0, c1, c2, c3 = (p1 >> _N_32) ^ c1 ^ k0, p1 & _N_LOW, (p0 >> _N_32) ^ c3 ^ k1, p0 & _N_LOW
        k0 = (k0 + _N_W0) & _N_LOW
        k1 = (k1 + _N_W1) & _N_LOW
    return c0, c1, c2, c3


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def uniforms4(key: np.uint64, counter: int) -> tuple[float, float, float, float]:
    """Return block `counter` as four uniforms on [0, 1), each a multiple of 2^-32."""
    a, b, c, d = block(key, counter)
    return a * TO_UNIT, b * TO_UNIT, c * TO_UNIT, d * TO_UNIT


def block_plain(key: int, counter: int) -> tuple[int, int, int, int]:
    """The plain twin of `block`.

    >>> [f"{word:08x}" for word in block_plain(0, 0)]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    c0, c1, c2, c3 = counter & _LOW, counter >> 32, 0, 0
    k0, k1 = key & _LOW, key >> 32
    for _ in range(10):
        p0, p1 = _M0 * c0, _M1 * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & _LOW, (p0 >> 32) ^ c3 ^ k1, p0 & _LOW
        k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    return c0, c1, c2, c3


def uniforms4_plain(key: int, counter: int) -> tuple[float, float, float, float]:
    """The plain twin of `uniforms4`."""
    a, b, c, d = block_plain(key, counter)
    return a * TO_UNIT, b * TO_UNIT, c * TO_UNIT, d * TO_UNIT
