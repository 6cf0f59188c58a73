"""The price model at work: a model and the stream it reads, as one signal.

Rule of this file: it adds nothing to what the model was trained on: the same kernels see the same facts.
"""

from __future__ import annotations

from learners.price.model import PriceModel
from learners.price.serve import PriceServer
from learners.price.signals import PriceStream
from router.domain.market import I64
from router.domain.units import Nanos


class PriceSignal:
    """What a model says of one market as it goes."""

    def __init__(self, model: PriceModel) -> None:
        self._server, self._stream = PriceServer(model), PriceStream()

    def advance(self, rows: I64, prints: I64) -> None:
        """Take a window's changes of the consolidated market (n, 5) and prints (m, 5), each in order of time."""
        self._stream.advance(rows, prints)

    def rebase(self, at: Nanos, best: I64) -> None:
        """Take a market int64 (4,) that became another one because of us, not of itself."""
        self._stream.rebase(at, best)

    def edge(self, now: Nanos) -> float:
        """Return the probability that the mid moves up next, less 1/2, in [-0.5, 0.5]; 0 while a side is missing."""
        if not self._stream.is_two_sided:
            return 0.0
        return self._server.probability(self._stream.read(now)) - 0.5
