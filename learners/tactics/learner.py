"""The learner of styles: hears slices and outcomes, publishes what styles are worth.

Rule of this file: a value enters at the time its slice was routed, however late it is known.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np

from learners.tactics.model import PRIOR, TacticModel, TacticPrior
from learners.tactics.slices import SliceBook, SliceValue
from router.domain.errors import FeatureError, bad_value
from router.domain.instruments import VenueSpec
from router.domain.scores import Outcome
from router.domain.tactics import CONTEXT, STYLES, SliceRouted, TacticSnapshot, segments_of, term_names
from router.domain.units import Nanos

_ROW = {style: k for k, style in enumerate(STYLES)}


class TacticLearner:
    """One run's learner of styles, over the features that its venues give."""

    def __init__(self, specs: tuple[VenueSpec, ...], prior: TacticPrior = PRIOR) -> None:
        self.names = (*CONTEXT, *term_names(segments_of(specs)))
        self.model = TacticModel(len(STYLES), len(self.names), prior)
        self.book = SliceBook()
        self.applied = 0
        self.learned_at: Nanos = 0
        """When the latest slice that it learned from was routed."""
        self._last: TacticSnapshot | None = None

    def carry(self, past: TacticLearner, at: Nanos) -> None:
        """Begin at `at` with what another learner knew when it last learned, as if no time lay between. What it was
        still waiting for is dropped."""
        self.model.carry(past.model, past.learned_at, at)

    def routed(self, slices: Iterable[SliceRouted]) -> None:
        """Hear of slices that were routed, in order.

        Raises:
            FeatureError: a style or features that are not this learner's; nothing of that slice is kept.
        """
        for routed in slices:
            if routed.style not in _ROW or len(routed.x) != len(self.names) or not np.isfinite(routed.x).all():
                expected = f"a style of {', '.join(STYLES)} with {len(self.names)} finite features"
                raise FeatureError(bad_value("slice", expected, (routed.style, routed.x)))
            self._learn(self.book.routed(routed))

    def hear(self, outcome: Outcome) -> None:
        """Hear one outcome."""
        self._learn(self.book.hear(outcome))

    def ended(self, parent_id: str) -> None:
        """Hear that an order is over."""
        self._learn(self.book.ended(parent_id))

    def publish(self, at: Nanos) -> TacticSnapshot:
        """Return what is believed at `at`; the sums are read again only when something was learned since."""
        last = self._last
        if last is not None and last.version == self.applied:
            return msgspec.structs.replace(last, at=at)
        beliefs = self.model.read(at)
        self._last = TacticSnapshot(
            version=self.applied,
            at=at,
            styles=tuple(STYLES),
            names=self.names,
            mean=beliefs.mean.tobytes(),
            cov=beliefs.cov.tobytes(),
            model_digest=self.model.digest(),
        )
        return self._last

    def _learn(self, values: Iterable[SliceValue]) -> None:
        for value in values:
            routed = value.slice
            self.model.add(_ROW[routed.style], routed.at, np.array(routed.x), value.bps)
            self.learned_at = max(self.learned_at, routed.at)
            self.applied += 1
