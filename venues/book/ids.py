"""From an order's id to where it lies: an open hash table in one int64 array.

Rule of this file: an entry holds the high half of the id's hash, from which its home is known, and the order's number;
so a removal closes the gap without looking at any order. The table is never more than half full.

The hash is Fibonacci hashing (Knuth, TAOCP 3, 6.4): ids that count upwards are spread evenly.
"""

from __future__ import annotations

import numpy as np

from router.domain.market import I64
from venues.book.compiled import inlined
from venues.book.layout import ID, ORDER

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_HIGH = np.uint64(0xFFFFFFFF00000000)
_LOW = 0xFFFFFFFF


@inlined
def find(ids: I64, orders: I64, shift: int, oid: int) -> int:
    """Return the offset of the order with an id, 0 when it does not rest."""
    key = np.uint64(oid) * _GOLDEN
    high = np.int64(key & _HIGH)
    mask = len(ids) - 1
    at = np.int64(key >> np.uint64(shift))
    while True:
        entry = ids[at]
        if entry == 0:
            return 0
        if (entry ^ high) >> 32 == 0:
            place = (entry & _LOW) * ORDER
            if orders[place + ID] == oid:
                return int(place)
        at = (at + 1) & mask


@inlined
def insert(ids: I64, shift: int, oid: int, place: int) -> None:
    """Note that the order with a new id lies at offset `place`."""
    key = np.uint64(oid) * _GOLDEN
    mask = len(ids) - 1
    at = np.int64(key >> np.uint64(shift))
    while ids[at] != 0:
        at = (at + 1) & mask
    ids[at] = np.int64(key & _HIGH) | (place // ORDER)


@inlined
def erase(ids: I64, shift: int, oid: int, place: int) -> None:
    """Forget an id that is in the table, and close the gap."""
    key = np.uint64(oid) * _GOLDEN
    mask = len(ids) - 1
    entry = np.int64(key & _HIGH) | (place // ORDER)
    gap = np.int64(key >> np.uint64(shift))
    while ids[gap] != entry:
        gap = (gap + 1) & mask
    at = gap
    while True:
        at = (at + 1) & mask
        entry = ids[at]
        if entry == 0:
            break
        home = np.int64(np.uint64(entry) >> np.uint64(shift))
        # It may fill the gap unless its home lies behind the gap, in the circle.
        if ((at - home) & mask) >= ((at - gap) & mask):
            ids[gap] = entry
            gap = at
    ids[gap] = 0
