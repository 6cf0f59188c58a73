"""What a policy is, to everyone who runs one: `Policy`; its examiner is `check_policy` in `check.py`.

Rule of this file: a policy is a function of what it was shown. It sees contexts and outcomes, never a venue's
hidden state, a clock, or another policy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from router.domain.enums import AllocationMode
from router.domain.instruments import VenueSpec
from router.domain.market import F64
from router.domain.scores import ContextFrame, LaneScore, Outcome
from router.domain.units import Qty

if TYPE_CHECKING:
    from learners.state.checkpoint import Array, Arrays


class PolicySetup(NamedTuple):
    """What a policy is built from: the venues as the public knows them, the standard slice, the life of a resting
    child in ns, the seed of its own keyed draws, parameters by name (checked by the policy), and what past days said of
    each lane, for the policies that go by it."""

    specs: tuple[VenueSpec, ...]
    feature_names: tuple[str, ...]
    standard_qty: Qty
    standard_life_ns: int
    seed: int
    parameters: dict[str, float]
    past: tuple[LaneScore, ...] = ()


class Policy(Protocol):
    """A learner behind one interface. Lanes are those of `lanes_of(setup.specs)`, in that order."""

    name: str
    mode: AllocationMode

    def learn(self, outcomes: Sequence[Outcome]) -> None:
        """Apply outcomes in the order given. A second outcome with the same `key` changes nothing.

        Raises:
            FeatureError: a context is not finite or has the wrong length; nothing of that outcome is applied.
        """
        ...

    def scores(self, frame: ContextFrame) -> tuple[LaneScore, ...]:
        """Return one score per lane of the frame, in its order; all numbers finite, p in [0, 1], mu and weight at
        least 0, weights of SPLIT and DRAW policies summing to 1. Asking changes nothing that `learn` or a later
        `scores` shows.

        Raises:
            FeatureError: the frame is not finite or has the wrong shape.
        """
        ...

    def digest(self) -> str:
        """Return a hex digest of everything learned: equal exactly when the state is equal."""
        ...


@runtime_checkable
class TablePolicy(Policy, Protocol):
    """A WATER_FILL policy that also gives its scores as one array, for those who ask after every outcome."""

    def table(self, frame: ContextFrame) -> F64:
        """Return `scores` as one table, float64 (5 + bins, lanes), laid out as `router.domain.score_table` says; a
        policy with an attribute `size_edges`, where its size bins start in shares, has bins. The same array again means
        that nothing it shows has changed; the caller does not write to it.

        Raises:
            FeatureError: as `scores`.
        """
        ...


@runtime_checkable
class CarryingPolicy(Policy, Protocol):
    """A policy that begins a day with what another day taught it."""

    def carry(self, past: Policy) -> None:
        """Take what `past` had come to know as the prior of a day on which nothing was learned yet. `past` is a policy
        of the same kind and setup (but its seed), and is left as it is.

        Raises:
            FeatureError: a policy of another kind or shape, or one that has learned already.
        """
        ...


@runtime_checkable
class PoolingPolicy(CarryingPolicy, Protocol):
    """A policy that begins with what several symbols have in common."""

    def pool(self, members: Sequence[Policy]) -> None:
        """Take what `members` have in common as the prior of a symbol of which nothing was learned yet. They are
        policies of the same kind, lanes and features, and are left as they are.

        Raises:
            FeatureError: fewer than two members, one of another kind or shape, or a policy that has learned already.
        """
        ...


@runtime_checkable
class KeepingPolicy(Policy, Protocol):
    """A policy whose state can be written down and read back."""

    @property
    def half_lives_s(self) -> tuple[float, ...]:
        """How long it remembers, shortest first; empty when it never forgets."""
        ...

    @property
    def information(self) -> tuple[str, ...]:
        """The arrays of its state that hold sums of w x xᵀ in their last two dimensions."""
        ...

    def state(self) -> Arrays:
        """Return everything learned, by name in a fixed order; not to be written to."""
        ...

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Take over a state that `state` of a policy of the same setup gave: the same digest, the same future.

        Raises:
            FeatureError: a missing or unknown name, another shape or kind, or a number that is not finite.
        """
        ...
