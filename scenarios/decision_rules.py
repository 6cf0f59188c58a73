"""What the split of a decision went by besides its scores, read back from the decision.

Rule of this file: it loads no scenario and no engine, for a door shows decisions too.
"""

from __future__ import annotations

from router.allocation.allocate import NO_RULES, Rules
from router.domain import codec
from router.domain.scores import RoutingDecision


def rules_of(decision: RoutingDecision) -> Rules:
    """Return what else the split of a decision went by.

    Raises:
        CodecError: bytes that are no rules.
    """
    return codec.decode(decision.rules, Rules) if decision.rules else NO_RULES
