"""What the symbols of a group have in common, as part of the prior of one that nothing is known of.

Rule of this file: only what the members' sums say goes in, lane by lane and component by component, by the two-level
model of `learners.lanes.hierarchy`; members are left as they are.

A new symbol's parameters are ~ N(μ, T + V): μ what the members have in common, T the variance between members by
empirical Bayes, V what is not known of μ. That is worth (T + V)⁻¹ observations: many where the members agree, few where
they do not. Size bins are the members' own, added up and worth as much.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from learners.lanes.carry import CAP
from learners.lanes.clock import decay_plain
from learners.lanes.hierarchy import share
from learners.lanes.model import LaneModel
from learners.lanes.shape import SIZE, widths_of
from router.domain.errors import FeatureError, bad_value
from router.domain.market import F64

MEMBERS_MIN = 2
"""One symbol alone does not say how much symbols differ."""


def pool(model: LaneModel, members: Sequence[LaneModel], cap: float = CAP) -> None:
    """Begin `model`, which has learned nothing, with what `members` have in common, each at its own latest event.

    Of each member counts the longest memory and what it carried itself, per lane and component worth at most `cap`
    observations, so that no member drowns the others; what comes out is worth at most as much.

    Raises:
        FeatureError: fewer than two members, other shapes, a model that has learned, or a cap that is not positive.
    """
    is_fresh = not model.sums.counts[:, :, 0].any() and not model.sums.counts[:, :, 2].any()
    if len(members) < MEMBERS_MIN or any(member.shape != model.shape for member in members):
        raise FeatureError(bad_value("lanes.pool", "two members or more, of the model's shape", len(members)))
    if not is_fresh or not cap > 0.0:
        raise FeatureError(bad_value("lanes.pool", "a model that has learned nothing and a positive cap", cap))
    for c, width in enumerate(widths_of(model.shape)):
        for lane in range(model.lanes):
            _pool_lane(model, members, c, lane, width, cap)
    model.refresh(model.latest)


def _pool_lane(model: LaneModel, members: Sequence[LaneModel], c: int, lane: int, width: int, cap: float) -> None:
    """Write what the members say of a lane's component; a lane that none of them used stays at its prior."""
    known = [_known(member, c, lane, cap) for member in members]
    seen = [member_seen for *_, member_seen in known]
    if not any(seen):
        return
    group = model.shape.groups[lane]
    prior, mean = model.priors[c, group, 0, :width], model.priors[c, group, 1, :width]
    a: F64 = np.array([each[0][:width, :width] for each in known])
    b: F64 = np.array([each[1][:width] for each in known])
    _, centre, tau = share(a, b, prior, mean)
    worth = np.linalg.inv(np.diag(tau) + np.linalg.inv(_certainty(a, prior, tau)))
    worth *= min(1.0, cap / float(worth[0, 0]))
    sums, row = model.sums, model.lanes + group
    sums.past_a[c, lane, :width, :width] = np.tril(worth)
    sums.past_b[c, lane, :width] = worth @ centre
    count = min(sum(seen), int(cap))
    sums.counts[c, lane, 2] = count
    sums.counts[c, row, 2] += count
    if c == SIZE:
        bins: F64 = np.sum([each[2] for each in known], axis=0)
        bins *= min(1.0, float(worth[0, 0]) / max(float(bins[:, 0].sum()), 1e-9))
        sums.past_bins[lane] += bins
        sums.past_bins[row] += bins


def _known(member: LaneModel, c: int, lane: int, cap: float) -> tuple[F64, F64, F64, int]:
    """Return a member's information, a lower triangle (w, w) and (w,), its size bins (j, 2) and its observations."""
    sums = member.sums
    scale = decay_plain(member.latest, int(member.half_lives[-3]), int(sums.epochs[-3]))
    seen = int(sums.counts[c, lane, 0] + sums.counts[c, lane, 2])
    kept = min(1.0, cap / max(seen, 1))
    a: F64 = kept * (scale * sums.a[c, lane, -1] + sums.past_a[c, lane])
    b: F64 = kept * (scale * sums.b[c, lane, -1] + sums.past_b[c, lane])
    bins: F64 = kept * (scale * sums.bins[lane, -1] + sums.past_bins[lane])
    return a, b, bins, seen


def _certainty(a: F64, prior: F64, tau: F64) -> F64:
    """Return the precision of μ (w, w) given the members' information (n, w, w), lower triangles."""
    held = np.diag(1.0 / tau)
    total: F64 = np.diag(prior)
    for each in a:
        whole = np.tril(each) + np.tril(each, -1).T + held
        total += held - held @ np.linalg.inv(whole) @ held
    return total
