"""One observation taken in: added, scored, watched for drift, and now and then what it was linearised at refreshed.

Rule of this file: when a base is refreshed follows from how much was learned, never from who asked. A model that is
held refreshes nothing and watches nothing: its observations commute, and whoever merges them does both.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from learners.lanes.clock import decay, enter
from learners.lanes.drift import Windows, feed
from learners.lanes.families import ETA_MAX
from learners.lanes.hierarchy import add_members
from learners.lanes.settle import BUNDLES, bank_weights, posterior, rebase, solved
from learners.lanes.shape import BIN_LEVEL, BIN_PRIOR, DRIFT, FILL, SHARING, SIZE, STEADY, TAKEOVER
from learners.lanes.size_bins import group_rates, lane_rates, observe_bins
from learners.lanes.sums import Sums, observe
from router.domain.market import F64, I64

REFRESH_SHARE, REFRESH_MAX = 16, 8
"""A base is refreshed when a sixteenth of what a row ever saw is new to it, and after 8 observations at the latest."""

GROUP_REFRESH_MAX = 128
"""The same for groups, whose refresh reads all of their lanes."""

FEED_VARIANCE = 1.0
"""Residuals are added up until their variance is 1: a detector sees standardised sums, one per so much information."""

FEED_MAX = 3.0
DRIFT_CLOCK = 4
"""ADWIN compares every so many values: a comparison costs ten times what a value does."""

NEWS = 0.5
"""With so much of the lead that it takes to take over do lanes begin anew whose neighbour was just taken over."""

ALARM_KEEP = 0.1
"""Share of a lane's component that is kept on an alarm."""


# What is called once for an observation becomes part of its caller: to hand over all sums takes longer than to add.
@njit(cache=True, error_model="numpy", forceinline=True)  # type: ignore[untyped-decorator,unused-ignore]
def take(
    sums: Sums,
    windows: Windows,
    c: int,
    lane: int,
    groups: I64,
    at: int,
    now: int,
    half_lives: I64,
    gamma: F64,
    priors: F64,
    edges: F64,
    numbers: F64,
    changes: I64,
    family: int,
    count: int,
    xs: F64,
    ys: F64,
    exposures: F64,
    is_held: bool,
) -> bool:
    """Take in the first `count` rows of observations (xs, ys, exposures) of one lane's component; True on an alarm.

    `priors` is (groups, 3, parameters) of the component; `numbers` are those of `numbers_of`. `now`
    is the latest event's time, `at` this one's. `changes` (components, lanes) counts what moved a lane's posterior.
    """
    group = groups.shape[0] + groups[lane]
    enter(at, half_lives, sums.epochs, gamma)
    if c == SIZE:
        observe_bins(sums, c, lane, group, gamma, edges, xs[0], exposures[0], ys[0])
    observe(sums, c, lane, group, gamma, xs[:count], family, ys[:count], exposures[:count])
    changes[c, lane] += 1
    if is_held:
        return False
    is_alarm = watch(sums, windows, c, lane, groups, now, half_lives, numbers)
    refresh(sums, c, lane, groups, now, half_lives, priors, edges, numbers, changes[c], xs.shape[1], is_alarm)
    if is_alarm and c <= SIZE:
        # A take-over for one of fill and size writes to both; the other's base follows at its next observation.
        changes[FILL, lane] += 1
        changes[SIZE, lane] += 1
    return bool(is_alarm)


@njit(cache=True, error_model="numpy", forceinline=True)  # type: ignore[untyped-decorator,unused-ignore]
def watch(
    sums: Sums, windows: Windows, c: int, lane: int, groups: I64, now: int, half_lives: I64, numbers: F64
) -> bool:
    """Look for a break in what a lane's component predicted; True when something was forgotten for one.

    Two tests: ADWIN on standardised residuals, raw and squared, for a mean or a spread that is not what it was; and
    Page's on the lead of the shortest memory over the longest, which is the quicker when a lane is rarely used.
    """
    fresh = sums.fresh[c, lane]
    # Whether a lane fills and how much is one question: the evidence that its answer changed adds up.
    asked = FILL if c == SIZE else c
    sums.lead[asked, lane] = max(sums.lead[asked, lane] + fresh[2], 0.0)
    fresh[2] = 0.0
    if numbers[TAKEOVER] > 0.0 and sums.lead[asked, lane] > numbers[TAKEOVER]:
        sums.lead[asked, lane] = 0.0
        for each in range(asked, (SIZE if asked == FILL else asked) + 1):
            take_over(sums, each, lane, now, half_lives)
            sums.fresh[each, lane] = 0.0
            sums.counts[each, lane, 1] = REFRESH_MAX
        spread_news(sums, asked, lane, groups, NEWS * numbers[TAKEOVER])
        return True
    if numbers[DRIFT] <= 0.0 or fresh[1] < FEED_VARIANCE:
        return False
    z = min(max(fresh[0] / math.sqrt(fresh[1]), -FEED_MAX), FEED_MAX)
    fresh[:] = 0.0
    first = 2 * (c * sums.tail_score.shape[0] + lane)
    is_raw = feed(windows, first, 0.5 + z / (2.0 * FEED_MAX), numbers[DRIFT], DRIFT_CLOCK)
    is_squared = feed(windows, first + 1, z * z / (FEED_MAX * FEED_MAX), numbers[DRIFT], DRIFT_CLOCK)
    if is_raw or is_squared:
        keep(sums, c, lane, ALARM_KEEP)
    return bool(is_raw or is_squared)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def spread_news(sums: Sums, c: int, lane: int, groups: I64, lead: float) -> None:
    """Let the other lanes of a lane's group need less evidence of a break: where one broke, others often did."""
    for k in range(groups.shape[0]):
        if k != lane and groups[k] == groups[lane]:
            sums.lead[c, k] = max(sums.lead[c, k], lead)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def take_over(sums: Sums, c: int, lane: int, now: int, half_lives: I64) -> None:
    """Let all memories of a lane's component begin with what the shortest one holds, and forget past days of it."""
    bank = half_lives.shape[0] - 2
    shortest = decay(now, half_lives[0], sums.epochs[0])
    for m in range(1, bank):
        # Sums are told apart by their epochs: what weighs the same now is not the same number.
        factor = shortest / decay(now, half_lives[m], sums.epochs[m])
        sums.a[c, lane, m] = factor * sums.a[c, lane, 0]
        sums.b[c, lane, m] = factor * sums.b[c, lane, 0]
        if c == SIZE:
            sums.bins[lane, m] = factor * sums.bins[lane, 0]
    sums.score[c, lane] = 0.0
    sums.past_a[c, lane], sums.past_b[c, lane] = 0.0, 0.0
    if c == SIZE:
        sums.bin_score[lane], sums.past_bins[lane] = 0.0, 0.0


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def keep(sums: Sums, c: int, lane: int, share: float) -> None:
    """Forget all but `share` of what a lane's component says; its group keeps what it learned."""
    sums.a[c, lane] *= share
    sums.b[c, lane] *= share
    sums.score[c, lane] *= share
    if c == SIZE:
        sums.bins[lane] *= share
        sums.bin_score[lane] *= share
        sums.tail_score[lane] *= share


@njit(cache=True, error_model="numpy", forceinline=True)  # type: ignore[untyped-decorator,unused-ignore]
def refresh(
    sums: Sums,
    c: int,
    lane: int,
    groups: I64,
    now: int,
    half_lives: I64,
    priors: F64,
    edges: F64,
    numbers: F64,
    changes: I64,
    width: int,
    is_due: bool,
) -> None:
    """Refresh the bases of the lane and of its group when enough is new."""
    lanes = groups.shape[0]
    group = lanes + groups[lane]
    if numbers[SHARING] > 0.0 and _is_due(sums, c, group, lanes):
        refresh_group(sums, c, groups[lane], groups, now, half_lives, priors[groups[lane]], numbers, width)
        for k in range(lanes):
            if groups[k] == groups[lane]:
                changes[k] += 1
    if is_due or _is_due(sums, c, lane, lanes):
        refresh_lane(sums, c, lane, group, now, half_lives, priors[groups[lane]], edges, numbers, width)


@njit(cache=True, error_model="numpy", forceinline=True)  # type: ignore[untyped-decorator,unused-ignore]
def _is_due(sums: Sums, c: int, row: int, lanes: int) -> bool:
    total, fresh = sums.counts[c, row, 0], sums.counts[c, row, 1]
    most = REFRESH_MAX if row < lanes else GROUP_REFRESH_MAX
    return bool(fresh > 0 and fresh >= min(max(total // REFRESH_SHARE, 1), most))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def refresh_group(
    sums: Sums, c: int, g: int, groups: I64, now: int, half_lives: I64, prior: F64, numbers: F64, width: int
) -> None:
    """Set a group's base, and its hazards of the size bins, to what its lanes' sums say of what they have in common."""
    lanes, bank = groups.shape[0], half_lives.shape[0] - 2
    row = lanes + g
    sums.counts[c, row, 1] = 0
    lane, memory = members_of(sums.counts, c, g, groups, bank)
    # What a member says of its group it says leaning on nothing: on a centre of 0, the only one.
    alike, held, centres, scales = np.zeros(lanes, np.int64), prior[2:], np.zeros((1, bank, width)), np.empty(bank)
    total, pull = np.zeros((bank, width, width)), np.zeros((bank, width))
    for m in range(bank):
        scales[m] = decay(now, half_lives[m], sums.epochs[m])
    for begin in range(0, lane.shape[0], BUNDLES):
        of, by = lane[begin : begin + BUNDLES], memory[begin : begin + BUNDLES]
        right, left = solved(sums, c, width, of, by, scales, alike, held, centres)
        add_members(right, left, by, held[0], total, pull)
    chol, none, nothing = np.zeros((width, width)), np.zeros((width, width)), np.zeros(width)
    for m in range(bank):
        posterior(total[m], pull[m], 1.0, none, nothing, prior[0], prior[1], width, chol, sums.base[c, row, m])
        if c == SIZE:
            first = math.exp(min(max(sums.base[c, row, m, 0], -ETA_MAX), ETA_MAX))
            args = (numbers[BIN_PRIOR], first, sums.rates[row, m])
            group_rates(sums.bins[row, m], scales[m], sums.past_bins[row], *args)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def members_of(counts: I64, c: int, g: int, groups: I64, bank: int) -> tuple[I64, I64]:
    """Return the lanes of a group of which something was ever observed, each with every memory of the bank: two arrays,
    memories first."""
    lane, memory, count = np.empty(groups.shape[0] * bank, np.int64), np.empty(groups.shape[0] * bank, np.int64), 0
    for m in range(bank):
        for k in range(groups.shape[0]):
            if groups[k] == g and counts[c, k, 0] + counts[c, k, 2] > 0:
                lane[count], memory[count] = k, m
                count += 1
    return lane[:count], memory[:count]


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def refresh_lane(
    sums: Sums,
    c: int,
    lane: int,
    group: int,
    now: int,
    half_lives: I64,
    prior: F64,
    edges: F64,
    numbers: F64,
    width: int,
) -> None:
    """Set a lane's base, and its hazards of the size bins, to what its sums and its group's base say at `now`."""
    sums.counts[c, lane, 1] = 0
    rebase(sums, c, lane, group, prior, half_lives, now, width, numbers[SHARING] > 0.0)
    if c == SIZE:
        scores = decay(now, half_lives[-2], sums.epochs[-2])
        bank_weights(sums.score[c, lane], scores, numbers[STEADY], sums.mixes[lane, 0])
        bank_weights(sums.bin_score[lane], scores, numbers[STEADY], sums.mixes[lane, 1])
        past = sums.past_bins[lane]
        for m in range(half_lives.shape[0] - 2):
            scale = decay(now, half_lives[m], sums.epochs[m])
            held, own = sums.rates[group, m], sums.rates[lane, m]
            bins = sums.bins[lane, m]
            lane_rates(bins, scale, past, edges, numbers[BIN_PRIOR], numbers[BIN_LEVEL], -1.0, held, own)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def exposures_of(begin: float, end: float, edges: F64, out: F64) -> int:
    """Write how much of [begin, end] lies in each age bin (standard lives) into `out`; return the bin of `end`."""
    last = 0
    for g in range(edges.shape[0]):
        top = edges[g + 1] if g + 1 < edges.shape[0] else math.inf
        out[g] = max(min(end, top) - max(begin, edges[g]), 0.0)
        if end > edges[g]:
            last = g
    return last
