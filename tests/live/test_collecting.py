"""A live process looks through what is new: what is old is set aside, and given back when it ends."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from cluster.live.collecting import set_aside, take_back


class Knot:
    """Refers to itself: nothing but the collector ends it."""

    ended = 0

    def __init__(self) -> None:
        self.me = self

    def __del__(self) -> None:
        Knot.ended += 1


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    gc.unfreeze()
    Knot.ended = 0
    yield
    assert gc.get_freeze_count() == 0


def test_all_there_is_is_set_aside_and_taken_back() -> None:
    there: list[list[int]] = [[] for _ in range(100)]
    set_aside()
    assert gc.get_freeze_count() > len(there)
    assert not any(one is there[0] for one in gc.get_objects())
    take_back()
    assert any(one is there[0] for one in gc.get_objects())


def test_what_a_collection_of_everything_leaves_is_set_aside_too() -> None:
    set_aside()
    before = gc.get_freeze_count()
    there: list[list[int]] = [[] for _ in range(100)]
    gc.collect()
    assert gc.get_freeze_count() >= before + len(there)
    take_back()


def test_cycle_that_is_new_is_collected_and_one_that_was_set_aside_when_it_is_taken_back() -> None:
    old = Knot()
    set_aside()
    Knot()
    gc.collect()
    assert Knot.ended == 1
    del old
    gc.collect()
    assert Knot.ended == 1
    take_back()
    gc.collect()
    assert Knot.ended == 2


def test_last_of_two_to_go_takes_back() -> None:
    set_aside()
    set_aside()
    take_back()
    assert gc.get_freeze_count() > 0
    take_back()
    take_back()
    assert gc.get_freeze_count() == 0


def test_cycles_that_end_after_they_were_set_aside_do_not_pile_up() -> None:
    set_aside()
    before, made = gc.get_freeze_count(), 0
    for _ in range(30):
        # As connections: in use when everything is looked through, and cycles that nobody needs afterwards.
        in_use = [Knot() for _ in range(before // 5)]
        made += len(in_use)
        gc.collect()
    assert made >= 5 * before
    assert gc.get_freeze_count() <= 3 * before
    assert Knot.ended > made / 2
    take_back()
