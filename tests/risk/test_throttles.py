"""Throttles count by event time, keep within their memory, and come back as they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.errors import BadInputError
from router.domain.units import SECOND
from router.risk import throttle
from router.risk.throttle import RejectBreakers, RepeatedExecutions, ShapeWindow, TokenBuckets


@given(
    gaps=st.lists(st.integers(0, SECOND), min_size=1, max_size=60), per_s=st.integers(1, 20), burst=st.integers(1, 9)
)
def test_no_span_gets_more_than_the_burst_and_its_rate(gaps: list[int], per_s: int, burst: int) -> None:
    buckets, now, taken = TokenBuckets(), 0, []
    for gap in gaps:
        now += gap
        has = buckets.has("S", now, per_s, burst)
        assert buckets.take("S", now, per_s, burst) is has
        if has:
            taken.append(now)
    for i, start in enumerate(taken):
        for j in range(i, len(taken)):
            assert (j - i + 1 - burst) * SECOND <= (taken[j] - start) * per_s


def test_time_that_runs_back_brings_no_tokens() -> None:
    buckets = TokenBuckets()
    said = [buckets.take("S", at * SECOND, 1, 2) for at in (10, 5, 5, 10, 11)]
    assert said == [True, True, False, False, True]


def test_newcomer_waits_until_somebody_has_nothing_to_remember(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "KEYS_MAX", 2)
    buckets = TokenBuckets()
    assert [buckets.take(name, 0, 1, 1) for name in ("A", "B", "C")] == [True, True, False]
    assert buckets.take("C", SECOND, 1, 1)
    assert [row[0] for row in buckets.snapshot()] == ["B", "C"]


def test_strategy_stops_above_its_executions_in_the_window_until_a_named_person_lets_it_go_on() -> None:
    executions = RepeatedExecutions()
    assert [executions.executed("A", "s", at, 2, 10) for at in (1, 5, 11, 15)] == [False, False, False, False]
    assert executions.executed("A", "s", 16, 2, 10)
    assert not executions.executed("A", "s", 16, 2, 10)
    assert executions.stopped == {("A", "s"): 16}
    with pytest.raises(BadInputError):
        executions.enable("A", "s", " ", 17)
    assert executions.enable("B", "s", "olga", 17) is None
    enabled = executions.enable("A", "s", "olga", 17)
    assert enabled is not None
    assert (enabled.account, enabled.who, executions.stopped) == ("A", "olga", {})
    assert executions.enable("A", "s", "olga", 18) is None
    assert not executions.executed("A", "s", 19, 2, 10)


def test_what_one_account_executes_stops_its_strategy_for_no_other() -> None:
    executions = RepeatedExecutions()
    stops = [executions.executed(account, "s", 1, 1, 10) for account in ("A", "B", "A", "B")]
    assert stops == [False, False, True, True]
    executions.enable("A", "s", "olga", 2)
    assert executions.stopped == {("B", "s"): 1}


def test_strategy_beyond_those_that_can_be_watched_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "KEYS_MAX", 1)
    executions = RepeatedExecutions()
    assert [executions.executed("A", name, 1, 5, 10) for name in ("a", "b")] == [False, True]


def test_breaker_opens_after_rejects_in_a_row_and_one_order_tries_again() -> None:
    breakers = RejectBreakers()
    assert [breakers.rejected("X", at, 3) for at in (1, 2)] == [False, False]
    breakers.answered("X")
    assert [breakers.rejected("X", at, 3) for at in (3, 4, 5, 6)] == [False, False, True, False]
    assert [breakers.allows("X", at, 10) for at in (6, 14, 15)] == [False, False, True]
    breakers.sent("X", 16)
    assert not breakers.allows("X", 17, 10)
    assert breakers.rejected("X", 18, 3)
    assert [breakers.allows("X", at, 10) for at in (27, 28)] == [False, True]
    breakers.sent("X", 28)
    breakers.answered("X")
    assert breakers.allows("X", 29, 10)


def test_trial_that_is_never_answered_leaves_room_for_another() -> None:
    breakers = RejectBreakers()
    breakers.rejected("X", 0, 1)
    breakers.sent("X", 10)
    assert [breakers.allows("X", at, 10) for at in (19, 20)] == [False, True]


def test_shapes_are_counted_within_their_window_and_asking_counts_nothing() -> None:
    shapes = ShapeWindow()
    for at in (1, 5, 9):
        shapes.seen(("A", 100), at, 10)
    counts = [[shapes.is_above(("A", 100), now, 10, most) for most in (1, 2, 3, 4)] for now in (9, 11, 15, 19)]
    assert [sum(row) for row in counts] == [3, 2, 1, 0]
    assert not shapes.is_above(("A", 101), 9, 10, 1)


def test_full_window_lets_nobody_in_until_its_oldest_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "SHAPES_MAX", 2)
    shapes = ShapeWindow()
    shapes.seen(("A",), 1, 10)
    shapes.seen(("B",), 2, 10)
    assert shapes.is_above(("C",), 3, 10, 5)
    assert not shapes.is_above(("C",), 11, 10, 5)


def test_throttles_come_back_as_they_were() -> None:
    buckets, executions, breakers, shapes = TokenBuckets(), RepeatedExecutions(), RejectBreakers(), ShapeWindow()
    for at in range(3):
        buckets.take("S", at, 1, 2)
        executions.executed("A", "s", at, 1, 10)
        breakers.rejected("X", at, 2)
        shapes.seen(("A", at), at, 10)
    assert TokenBuckets.restore(buckets.snapshot()).snapshot() == buckets.snapshot()
    assert RepeatedExecutions.restore(executions.snapshot()).snapshot() == executions.snapshot()
    assert RejectBreakers.restore(breakers.snapshot()).snapshot() == breakers.snapshot()
    assert ShapeWindow.restore(shapes.snapshot()).snapshot() == shapes.snapshot()
