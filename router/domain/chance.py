"""Keyed, counter-based randomness: a draw depends on (seed, entity, purpose, n) and on nothing else.

Rule of this file: there is no generator state anyone could share, so a draw never depends on who else drew
before, nor on where an actor lives. The bits are Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy
as 1, 2, 3", SC 2011), the same as `numpy.random.Philox`.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np

_MASK = (1 << 64) - 1
_M0, _M1 = 0xD2E7470EE14C6C93, 0xCA5A826395121157
_W0, _W1 = 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B
_TO_UNIT = 1.0 / (1 << 53)
_BLOCK = 32


@lru_cache(maxsize=65_536)
def key_of(seed: int, entity: str, purpose: str) -> tuple[int, int]:
    """Return the 128-bit Philox key of one stream, as two words."""
    text = f"{seed}\x1f{entity}\x1f{purpose}".encode()
    digest = hashlib.blake2b(text, digest_size=16).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")


def generator(seed: int, entity: str, purpose: str) -> np.random.Generator:
    """Return a numpy generator for one stream; it starts from its beginning at each call."""
    k0, k1 = key_of(seed, entity, purpose)
    return np.random.Generator(np.random.Philox(key=np.array([k0, k1], dtype=np.uint64)))


def philox(key: tuple[int, int], counter: int) -> tuple[int, int, int, int]:
    """Return the four 64-bit words of block `counter` of the stream `key`.

    `numpy.random.Philox(key=key).random_raw(4)` is block 1: numpy steps its counter before the first block.
    """
    c0, c1, c2, c3 = counter & _MASK, counter >> 64, 0, 0
    k0, k1 = key
    for _ in range(10):
        p0, p1 = _M0 * c0, _M1 * c2
        c0, c1, c2, c3 = (p1 >> 64) ^ c1 ^ k0, p1 & _MASK, (p0 >> 64) ^ c3 ^ k1, p0 & _MASK
        k0, k1 = (k0 + _W0) & _MASK, (k1 + _W1) & _MASK
    return c0, c1, c2, c3


def uniforms(seed: int, entity: str, purpose: str, n: int) -> tuple[float, float, float, float]:
    """Return the n-th block of four independent uniforms on [0, 1) of a stream."""
    if n >= _BLOCK:
        # Whoever has drawn so often draws again: many blocks cost NumPy little more than one costs Python.
        a, b, c, d = _block_of(seed, entity, purpose, n // _BLOCK)[n % _BLOCK]
        return a, b, c, d
    w, x, y, z = philox(key_of(seed, entity, purpose), n + 1)
    return (w >> 11) * _TO_UNIT, (x >> 11) * _TO_UNIT, (y >> 11) * _TO_UNIT, (z >> 11) * _TO_UNIT


def uniform(seed: int, entity: str, purpose: str, n: int) -> float:
    """Return the n-th uniform on [0, 1) of a stream.

    >>> uniform(1, "XNYS", "order_entry", 5) == uniform(1, "XNYS", "order_entry", 5)
    True
    """
    return (philox(key_of(seed, entity, purpose), n + 1)[0] >> 11) * _TO_UNIT


@lru_cache(maxsize=1_024)
def _block_of(seed: int, entity: str, purpose: str, block: int) -> list[list[float]]:
    return uniform_rows(seed, entity, purpose, block * _BLOCK, _BLOCK)


def uniform_rows(seed: int, entity: str, purpose: str, first: int, count: int) -> list[list[float]]:
    """Return `uniforms` for n = first .. first + count - 1 in one go.

    >>> uniform_rows(1, "XNYS", "feed", 7, 2)[1] == list(uniforms(1, "XNYS", "feed", 8))
    True
    """
    k0, k1 = key_of(seed, entity, purpose)
    bits = np.random.Philox(
        key=np.array([k0, k1], dtype=np.uint64), counter=np.array([first, 0, 0, 0], dtype=np.uint64)
    )
    words = bits.random_raw(4 * count)
    rows: list[list[float]] = ((words >> np.uint64(11)) * _TO_UNIT).reshape(count, 4).tolist()
    return rows
