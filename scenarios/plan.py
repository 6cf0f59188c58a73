"""What a conductor drives: the parts of a run that do not change while it goes.

Rule of this file: data only.
"""

from __future__ import annotations

from typing import NamedTuple

from learners.price.model import PriceModel
from router.domain.instruments import VenueSpec
from router.domain.messages import ReplaceParent, SteerLearner
from router.domain.orders import ParentOrder
from router.domain.units import Nanos
from scenarios.learning_part import LearnerDown, LearnerLies


class Plan(NamedTuple):
    """What a conductor drives."""

    specs: tuple[VenueSpec, ...]
    symbol: str
    open_at: Nanos
    close_at: Nanos
    parents: tuple[ParentOrder, ...]
    cancels: tuple[tuple[Nanos, str], ...]
    """When clients cancel which parents, in order of time."""
    host_of: dict[str, str]
    """The host shell of each parent, by parent id."""
    feed_ns: dict[str, Nanos]
    window_max_ns: Nanos
    grace_ns: Nanos
    price: PriceModel | None = None
    steering: tuple[SteerLearner, ...] = ()
    """What people ask of a release, and when."""
    learner_breaks: tuple[LearnerDown | LearnerLies, ...] = ()
    replaces: tuple[tuple[Nanos, ReplaceParent], ...] = ()
    """When clients want other terms for which parents."""
    is_leakage_told: bool = False
    """Whether learners hear what requests to dealers leaked: where somebody learns from it."""
