"""The gate every context passes before it can touch a policy: shape, lanes, finite numbers, bounds.

Rule of this file: what is refused is refused whole, before anything is applied.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from learners.policies.policy import PolicySetup
from router.domain.errors import ConfigError, FeatureError, bad_value
from router.domain.instruments import lanes_of
from router.domain.market import F64
from router.domain.scores import ContextFrame, Outcome

X_ABS_MAX = 1e6
"""Features are standardised: one above a million is a fault of its maker, and its square would drown the sums."""

BPS_ABS_MAX = 1e4
"""A price, fee or markout beyond 100 % of the price is a fault of its maker."""


CONTEXTS_MAX = 1_024
"""Contexts of open orders that are kept as arrays."""


class ContextGate:
    """Checks frames and outcomes against the lanes and features of a setup, and gives them as arrays."""

    def __init__(self, setup: PolicySetup) -> None:
        self.lanes = tuple(str(lane) for lane in lanes_of(setup.specs))
        self.names = setup.feature_names
        self.width = len(self.names)
        self._passed: tuple[ContextFrame, F64] | None = None
        self._rows = {lane: row for row, lane in enumerate(self.lanes)}
        self._contexts: dict[int, tuple[Sequence[float], F64]] = {}
        """The last contexts that passed, by identity: the five or so outcomes of an order bring the same one."""
        if not self.lanes:
            raise ConfigError(bad_value("policy.specs", "at least one lane", self.lanes))
        if not self.names or self.names[0] != "bias":
            raise ConfigError(bad_value("policy.feature_names", "names of which the first is 'bias'", self.names))

    def matrix(self, frame: ContextFrame) -> F64:
        """Return the frame's features, (lanes, features), read-only.

        Raises:
            FeatureError: other lanes or names, a wrong length, or a number that is not finite or above `X_ABS_MAX`.
        """
        # Scores are asked for the same frame after every outcome of a window; a frozen frame need pass but once.
        if self._passed is not None and self._passed[0] is frame:
            return self._passed[1]
        if frame.lanes != self.lanes:
            raise FeatureError(bad_value("frame.lanes", f"the lanes {self.lanes}", frame.lanes))
        if frame.names != self.names:
            raise FeatureError(bad_value("frame.names", f"the features {self.names}", frame.names))
        count = len(self.lanes)
        if len(frame.x) != 8 * count * self.width:
            raise FeatureError(bad_value("frame.x", f"{8 * count * self.width} bytes", len(frame.x)))
        if not len(frame.price_bps) == len(frame.fee_bps) == len(frame.max_qty) == count:
            lengths = (len(frame.price_bps), len(frame.fee_bps), len(frame.max_qty))
            raise FeatureError(bad_value("frame", f"{count} prices, fees and sizes", lengths))
        x: F64 = np.frombuffer(frame.x, dtype=np.float64).reshape(count, self.width)
        if not np.maximum.reduce(np.abs(x), axis=None) <= X_ABS_MAX:
            worst = _worst(x.ravel().tolist())
            raise FeatureError(bad_value("frame.x", f"finite numbers within ±{X_ABS_MAX:g}", worst))
        for name, values in (("price_bps", frame.price_bps), ("fee_bps", frame.fee_bps)):
            if not _are_within(values, BPS_ABS_MAX):
                for value in values:
                    _check_bps(value, f"frame.{name}")
        self._passed = (frame, x)
        return x

    def row(self, outcome: Outcome) -> tuple[int, F64]:
        """Return the outcome's lane as a row number and its context, (features,), read-only.

        Raises:
            FeatureError: an unknown lane, a wrong length, a number that is not finite or out of bounds, or times
                or quantities that cannot be.
        """
        row = self._rows.get(outcome.lane)
        if row is None:
            raise FeatureError(bad_value("outcome.lane", f"one of {self.lanes}", outcome.lane))
        known = self._contexts.get(id(outcome.x))
        x = known[1] if known is not None and known[0] is outcome.x else self._context(outcome.x)
        if not _are_within((outcome.price_bps, outcome.fee_bps, outcome.markout_bps), BPS_ABS_MAX):
            _check_bps(outcome.price_bps, "outcome.price_bps")
            _check_bps(outcome.fee_bps, "outcome.fee_bps")
            _check_bps(outcome.markout_bps, "outcome.markout_bps")
        if not 0 <= outcome.age_from_ns <= outcome.age_to_ns:
            got = (outcome.age_from_ns, outcome.age_to_ns)
            raise FeatureError(bad_value("outcome.age_to_ns", "ages that do not run backwards", got))
        if outcome.at < 0 or min(outcome.filled_qty, outcome.cum_qty) < 0 or outcome.order_qty < 1:
            got_all = (outcome.at, outcome.filled_qty, outcome.cum_qty, outcome.order_qty)
            raise FeatureError(bad_value("outcome", "a time and fills from 0 and an order from 1", got_all))
        return row, x

    def _context(self, x: Sequence[float]) -> F64:
        """Return a context as an array that is not written, and keep it with what it was made from."""
        if len(x) != self.width:
            raise FeatureError(bad_value("outcome.x", f"{self.width} features", len(x)))
        if not _are_within(x, X_ABS_MAX):
            raise FeatureError(bad_value("outcome.x", f"finite numbers within ±{X_ABS_MAX:g}", _worst(x)))
        found: F64 = np.array(x)
        found.setflags(write=False)
        if len(self._contexts) >= CONTEXTS_MAX:
            self._contexts.clear()
        self._contexts[id(x)] = (x, found)
        return found


def _check_bps(value: float, where: str) -> None:
    if not -BPS_ABS_MAX <= value <= BPS_ABS_MAX:
        raise FeatureError(bad_value(where, f"a finite number within ±{BPS_ABS_MAX:g}", value))


def _are_within(values: Sequence[float], most: float) -> bool:
    """Whether all are finite and within ±`most`. A sum is no number where one of its parts is none."""
    # No number is above the length of a vector that it is a part of: nearly always one look is enough.
    return math.hypot(*values) < most or (min(values) >= -most and max(values) <= most and not math.isnan(sum(values)))


def _worst(values: Sequence[float]) -> float:
    return next(value for value in values if not -X_ABS_MAX <= value <= X_ABS_MAX)


def read_parameters(given: dict[str, float], known: dict[str, tuple[float, float, float]]) -> dict[str, float]:
    """Return every known parameter, given or default, checked. `known` is name -> (default, least, greatest).

    Raises:
        ConfigError: an unknown name (the known ones are listed) or a value out of its range.

    >>> read_parameters({"gain": 2.0}, {"gain": (1.0, 0.0, 10.0), "bias": (0.5, 0.0, 1.0)})
    {'gain': 2.0, 'bias': 0.5}
    """
    for name in sorted(given):
        if name not in known:
            raise ConfigError(bad_value("policy.parameters", f"one of {', '.join(sorted(known))}", name))
        default, least, greatest = known[name]
        if not least <= given[name] <= greatest:
            expected = f"a number from {least:g} to {greatest:g} (default {default:g})"
            raise ConfigError(bad_value(f"policy.parameters.{name}", expected, given[name]))
    return {name: float(given.get(name, default)) for name, (default, _, _) in known.items()}
