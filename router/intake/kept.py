"""What is kept of each order for a whole session, small: what is over and has settled is kept as bytes.

Rule of this file: what is asked for is what was kept, whether it was packed meanwhile or not; when it is packed follows
from the order of ends alone, so that two desks with the same facts hold the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

SETTLING_MAX = 4_096
"""Of the orders that ended last, so many are kept as they are: most of what still comes about an order comes soon."""

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """Values by order id, in the order in which they came. `pack` and `unpack` are functions of a module.

    >>> kept = Kept(str.encode, bytes.decode)
    >>> kept["P1"] = "one"
    >>> kept.settle("P1")
    >>> kept.pack_settled(0)
    >>> kept["P1"], kept.packed, list(kept.items())
    ('one', 1, [('P1', 'one')])
    """

    def __init__(self, pack: Callable[[Value], bytes], unpack: Callable[[bytes], Value]) -> None:
        self._pack, self._unpack = pack, unpack
        self._values: dict[str, Value | bytes] = {}
        self._settling: dict[str, None] = {}
        self.packed = 0
        """How many are kept as bytes."""

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, order_id: object) -> bool:
        return order_id in self._values

    def __setitem__(self, order_id: str, value: Value) -> None:
        self._values[order_id] = value

    def __getitem__(self, order_id: str) -> Value:
        """Return a value to look at."""
        value = self._values[order_id]
        return self._unpack(value) if isinstance(value, bytes) else value

    def get(self, order_id: str) -> Value | None:
        """Return a value to look at; None: there is none."""
        return self[order_id] if order_id in self._values else None

    def items(self) -> Iterator[tuple[str, Value]]:
        """Yield (id, value), oldest first, to look at."""
        for order_id in self._values:
            yield order_id, self[order_id]

    def to_change(self, order_id: str) -> Value | None:
        """Return a value that may be changed: if it was packed it is kept as it is again. None: there is none."""
        value = self._values.get(order_id)
        if not isinstance(value, bytes):
            return value
        unpacked = self._values[order_id] = self._unpack(value)
        self.packed -= 1
        self.settle(order_id)
        return unpacked

    def settle(self, order_id: str) -> None:
        """Note that little more will be asked of it; the one noted `SETTLING_MAX` before it is packed."""
        self._settling[order_id] = None
        self.pack_settled()

    def pack_settled(self, most: int = SETTLING_MAX) -> None:
        """Pack all but the `most` that were noted last."""
        while len(self._settling) > most:
            order_id = next(iter(self._settling))
            del self._settling[order_id]
            value = self._values.get(order_id)
            if value is not None and not isinstance(value, bytes):
                self._values[order_id] = self._pack(value)
                self.packed += 1
