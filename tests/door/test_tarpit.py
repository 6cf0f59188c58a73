"""Refusals that are held back leave one by one, and for no longer than one's own address makes them, nor for long."""

from __future__ import annotations

from itertools import pairwise

import pytest

from cluster.api.tarpit import APART_S, HELD_MAX_S, HELD_S, Tarpit


def test_refusals_of_one_address_that_come_together_leave_one_by_one() -> None:
    tarpit = Tarpit()
    waits = [tarpit.hold("ada", 50.0) for _ in range(64)]
    assert waits == pytest.approx([HELD_S + n * APART_S for n in range(64)])


def test_they_stay_apart_from_round_to_round() -> None:
    tarpit, sent = Tarpit(), []
    due = sorted(tarpit.hold("ada", 0.0) for _ in range(64))
    for _ in range(640):
        now = due.pop(0)
        sent.append(now)
        tarpit.let_go("ada")
        due = sorted([*due, now + tarpit.hold("ada", now)])
    gaps = [later - earlier for earlier, later in pairwise(sent)]
    assert min(gaps) >= APART_S * 0.999


def test_single_refusal_is_held_no_longer_than_it_must() -> None:
    tarpit = Tarpit()
    for n in range(5):
        assert tarpit.hold("ada", n * 1.0) == pytest.approx(HELD_S)
        tarpit.let_go("ada")
    assert len(tarpit) == 0


def test_none_is_held_longer_than_clients_wait() -> None:
    tarpit = Tarpit()
    waits = [tarpit.hold("192.0.2.1", 1.0) for _ in range(5_000)]
    assert waits == sorted(waits)
    assert max(waits) == pytest.approx(HELD_MAX_S)


def test_address_does_not_wait_for_anothers_flood() -> None:
    tarpit = Tarpit()
    for _ in range(500):
        tarpit.hold("ada", 1.0)
    assert tarpit.hold("bob", 1.0) == pytest.approx(HELD_S)
    assert len(tarpit) == 2


def test_connections_that_are_given_up_do_not_make_others_wait() -> None:
    tarpit = Tarpit()
    tarpit.hold("ada", 1.0)
    for _ in range(10_000):
        tarpit.hold("ada", 1.0)
        tarpit.let_go("ada")
    assert tarpit.hold("ada", 1.0) <= HELD_S + 2 * APART_S
