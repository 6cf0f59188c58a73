"""The stochastic split of Cont and Kukanov: a slice's shares over lanes, moved by who filled whole and who fell short.

Rule of this file: it is a baseline in the form its authors gave it: a price and a fee per lane, no context, no
markout, no memory but the split itself. What is ours is only that it looks at lanes instead of queues.

A slice of S shares goes out as x_k S. With c_k the price improvement less the fee of a share filled on lane k (bps)
and lambda_u the cost of a share left unfilled, the value of the slice is the sum over lanes of c_k filled_k minus
lambda_u (x_k S - filled_k). Its derivative in x_k is 1{lane k filled whole} (c_k + lambda_u), less a constant that the
simplex takes away: the indicators of the paper's algorithm, where over-filling cannot happen because the quantities sum
to S. Each finished child moves the split by that much times `step`, and the split is projected back on the simplex.

Source: Cont and Kukanov, "Optimal order placement in limit order markets", Quantitative Finance 17 (2017), section 4;
the projection is that of Held, Wolfe and Crowder, Mathematical Programming 6 (1974).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from learners.policies.context import ContextGate, read_parameters
from learners.policies.policy import Policy, PolicySetup
from learners.policies.static import usable_shares
from learners.state.accumulator import take_over
from learners.state.checkpoint import Array, Arrays
from learners.state.seen import SeenOutcomes
from router.domain.enums import AllocationMode, OutcomeKind
from router.domain.errors import FeatureError, bad_value
from router.domain.market import F64
from router.domain.scores import ContextFrame, LaneScore, Outcome

PARAMETERS = {
    "step": (0.002, 1e-6, 1.0),
    "underfill_bps": (5.0, 0.0, 1e4),
    "probe_share": (0.05, 0.0, 1.0),
}
"""Name -> (default, least, greatest). `step`: share moved per bp of slope. `underfill_bps`: lambda_u. `probe_share`:
part of every slice spread evenly, for a lane that gets nothing says nothing."""

WORTHS_MAX = 4_096
"""Children with a fill and without an end; above it the oldest is forgotten."""


class ContKukanovPolicy:
    """Projected stochastic gradient on the split (mode SPLIT).

    Raises:
        ConfigError: an unknown parameter or one out of its range; no lanes.
    """

    name = "cont_kukanov"
    mode = AllocationMode.SPLIT

    def __init__(self, setup: PolicySetup) -> None:
        values = read_parameters(setup.parameters, PARAMETERS)
        self._gate = ContextGate(setup)
        self._step, self._underfill = values["step"], values["underfill_bps"]
        self._probe = values["probe_share"]
        lanes = len(self._gate.lanes)
        self._split: F64 = np.full(lanes, 1.0 / lanes)
        self._worths: dict[str, float] = {}
        self._seen = SeenOutcomes()

    def learn(self, outcomes: Sequence[Outcome]) -> None:
        """Apply outcomes in order; a repeated one changes nothing.

        Raises:
            FeatureError: an outcome that no policy could learn from; it is not applied.
        """
        for outcome in outcomes:
            key = outcome.key
            if self._seen.has(key):
                continue
            row, _ = self._gate.row(outcome)
            self._seen.accept(key, outcome)
            if outcome.kind is not OutcomeKind.MARKOUT:
                self._hear(outcome, row)

    def scores(self, frame: ContextFrame) -> tuple[LaneScore, ...]:
        """Return the split over the lanes that can be used now, the probes in it.

        Raises:
            FeatureError: the frame is not finite or has other lanes, names or lengths.
        """
        self._gate.matrix(frame)
        split = (1.0 - self._probe) * self._split + self._probe / len(self._split)
        shares = usable_shares(split.tolist(), frame.max_qty)
        return tuple(LaneScore(lane=lane, weight=share) for lane, share in zip(frame.lanes, shares, strict=True))

    half_lives_s = ()
    information = ()

    def state(self) -> Arrays:
        """Return the split, the children under way and the outcomes remembered."""
        worths = msgspec.msgpack.encode(self._worths)
        kept: Arrays = {"split": self._split, "worths": np.frombuffer(worths, dtype=np.uint8)}
        return kept | {f"seen.{key}": array for key, array in self._seen.arrays().items()}

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Take over a state that `state` gave.

        Raises:
            FeatureError: it is not a state of this policy in this setup; nothing changes.
        """
        mine, seen = self.state(), SeenOutcomes()
        if list(arrays) != list(mine):
            raise FeatureError(bad_value("cont_kukanov", f"the arrays {', '.join(mine)}", ", ".join(arrays)))
        try:
            worths = msgspec.msgpack.decode(arrays["worths"].tobytes(), type=dict[str, float])
        except msgspec.DecodeError as exc:
            raise FeatureError(bad_value("cont_kukanov.worths", "what children filled so far", str(exc))) from exc
        split = np.array(self._split)
        seen.restore({name.removeprefix("seen."): arrays[name] for name in mine if name.startswith("seen.")})
        take_over({"split": split}, {"split": arrays["split"]}, "cont_kukanov")
        self._split, self._worths, self._seen = split, worths, seen

    def carry(self, past: Policy) -> None:
        """Begin with the split that another day ended with.

        Raises:
            FeatureError: another kind of policy, other lanes, or outcomes learned already.
        """
        if not isinstance(past, ContKukanovPolicy) or past._gate.lanes != self._gate.lanes or self._seen.count:
            raise FeatureError(bad_value("cont_kukanov.carry", "a new policy and one of another day", past.name))
        self._split = past._split.copy()

    def digest(self) -> str:
        """Return a sha256 of the split, the open children and the chain of outcomes accepted."""
        state = (self._split.tobytes(), self._worths, self._seen.digest())
        return hashlib.sha256(repr(state).encode()).hexdigest()

    def _hear(self, outcome: Outcome, row: int) -> None:
        """Note what a fill was worth; at the child's end take one step."""
        worth = self._worths.pop(outcome.cl_ord_id, 0.0)
        if outcome.filled_qty:
            worth += outcome.filled_qty * (outcome.price_bps - outcome.fee_bps)
        if not outcome.is_final:
            if worth:
                self._worths[outcome.cl_ord_id] = worth
            if len(self._worths) > WORTHS_MAX:
                del self._worths[next(iter(self._worths))]
        elif outcome.cum_qty >= outcome.order_qty:
            self._split[row] += self._step * (worth / outcome.cum_qty + self._underfill)
            self._split = to_simplex(self._split)


def to_simplex(v: F64) -> F64:
    """Return the nearest point (Euclid) to `v` with entries from 0 that sum to 1.

    >>> to_simplex(np.array([0.5, 0.7])).round(9).tolist(), to_simplex(np.array([2.0, 0.0])).tolist()
    ([0.4, 0.6], [1.0, 0.0])
    """
    falling = np.sort(v)[::-1]
    excess = (np.cumsum(falling) - 1.0) / np.arange(1, v.shape[0] + 1)
    last = int(np.flatnonzero(falling > excess)[-1])
    nearest: F64 = np.maximum(v - excess[last], 0.0)
    return nearest
