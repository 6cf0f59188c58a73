"""Kills hold until they are taken back, by two people for everything; pauses; and the board comes back from records."""

from __future__ import annotations

import pytest

from router.domain.errors import BadInputError
from router.risk.kill import SECOND_PERSON_NS, Act, KillBoard, KillLevel, TradingState, VenueState
from router.risk.reasons import DenyReason

R = DenyReason
TARGETS = {
    KillLevel.ALL: ("", R.KILLED_ALL),
    KillLevel.ACCOUNT: ("A1", R.KILLED_ACCOUNT),
    KillLevel.STRATEGY: ("vwap", R.KILLED_STRATEGY),
    KillLevel.SYMBOL: ("ABC", R.KILLED_SYMBOL),
    KillLevel.VENUE: ("XAAA", R.KILLED_VENUE),
}


def blocks(board: KillBoard) -> DenyReason | None:
    return board.blocks("A1", "vwap", "ABC", "XAAA")


@pytest.mark.parametrize("level", list(TARGETS))
def test_each_level_blocks_its_target_and_no_other(level: KillLevel) -> None:
    board = KillBoard()
    target, reason = TARGETS[level]
    assert board.kill(level, target, "olga", "test", 1).act is Act.KILLED
    assert blocks(board) is reason
    other = board.blocks("A2", "twap", "DEF", "XBBB")
    assert other is (R.KILLED_ALL if level is KillLevel.ALL else None)


def test_a_killed_model_blocks_no_order() -> None:
    board = KillBoard()
    assert board.kill(KillLevel.MODEL, "learner", "olga", "test", 1).act is Act.KILLED
    assert blocks(board) is None
    assert [kill.target for kill in board.kills()] == ["learner"]


def test_kill_twice_keeps_the_first() -> None:
    board = KillBoard()
    board.kill(KillLevel.SYMBOL, "ABC", "olga", "first", 1)
    assert board.kill(KillLevel.SYMBOL, "ABC", "rick", "second", 2).act is Act.NOTHING
    assert [(kill.who, kill.why) for kill in board.kills()] == [("olga", "first")]


def test_one_person_rearms_a_target() -> None:
    board = KillBoard()
    board.kill(KillLevel.SYMBOL, "ABC", "olga", "test", 1)
    assert board.rearm(KillLevel.SYMBOL, "ABC", "olga", 2).act is Act.REARMED
    assert blocks(board) is None
    assert board.rearm(KillLevel.SYMBOL, "ABC", "olga", 3).act is Act.NOTHING


def test_everything_is_rearmed_by_two_people_only() -> None:
    board = KillBoard()
    board.kill(KillLevel.ALL, "", "olga", "test", 1)
    assert board.rearm(KillLevel.ALL, "", "olga", 2).act is Act.REARM_REQUESTED
    assert board.rearm(KillLevel.ALL, "", "olga", 3).act is Act.REARM_REQUESTED
    assert blocks(board) is R.KILLED_ALL
    assert board.rearm(KillLevel.ALL, "", "rick", 4).act is Act.REARMED
    assert blocks(board) is None


def test_second_person_who_comes_too_late_is_the_first() -> None:
    board = KillBoard()
    board.kill(KillLevel.ALL, "", "olga", "test", 1)
    board.rearm(KillLevel.ALL, "", "olga", 2)
    assert board.rearm(KillLevel.ALL, "", "rick", 3 + SECOND_PERSON_NS).act is Act.REARM_REQUESTED
    assert board.rearm(KillLevel.ALL, "", "olga", 4 + SECOND_PERSON_NS).act is Act.REARMED


def test_kill_in_between_voids_the_request() -> None:
    board = KillBoard()
    board.kill(KillLevel.ALL, "", "olga", "test", 1)
    board.rearm(KillLevel.ALL, "", "olga", 2)
    assert board.kill(KillLevel.ALL, "", "rick", "no", 3).act is Act.KILLED
    assert board.rearm(KillLevel.ALL, "", "rick", 4).act is Act.REARM_REQUESTED
    assert blocks(board) is R.KILLED_ALL


def test_rearming_everything_leaves_the_other_kills() -> None:
    board = KillBoard()
    board.kill(KillLevel.SYMBOL, "ABC", "olga", "test", 1)
    board.kill(KillLevel.ALL, "", "olga", "test", 1)
    board.rearm(KillLevel.ALL, "", "olga", 2)
    board.rearm(KillLevel.ALL, "", "rick", 2)
    assert blocks(board) is R.KILLED_SYMBOL


def test_venues_and_accounts_are_paused_and_resumed() -> None:
    board = KillBoard()
    board.set_venue("XAAA", VenueState.DRAINING, "olga", "slow", 1)
    assert blocks(board) is R.VENUE_DRAINING
    board.set_venue("XAAA", VenueState.DISABLED, "olga", "slow", 2)
    assert blocks(board) is R.VENUE_DISABLED
    board.set_venue("XAAA", VenueState.ENABLED, "olga", "well", 3)
    board.set_account("A1", TradingState.REDUCING, "olga", "late", 4)
    assert (blocks(board), board.account_state("A1")) == (None, TradingState.REDUCING)
    board.set_account("A1", TradingState.HALTED, "olga", "late", 5)
    assert blocks(board) is R.ACCOUNT_HALTED
    board.set_account("A1", TradingState.ACTIVE, "olga", "well", 6)
    assert blocks(board) is None
    assert board.snapshot()["records"] == []


@pytest.mark.parametrize(
    ("level", "target", "who", "why"),
    [
        (KillLevel.SYMBOL, "", "olga", "test"),
        (KillLevel.ALL, "ABC", "olga", "test"),
        (KillLevel.SYMBOL, "ABC", " ", "test"),
        (KillLevel.SYMBOL, "ABC", "olga", ""),
    ],
)
def test_kill_without_name_reason_or_target_is_refused(level: KillLevel, target: str, who: str, why: str) -> None:
    board = KillBoard()
    with pytest.raises(BadInputError):
        board.kill(level, target, who, why, 1)
    assert board.kills() == ()


def test_records_applied_again_and_the_snapshot_give_the_same_board() -> None:
    board, replayed = KillBoard(), KillBoard()
    records = [
        board.kill(KillLevel.ALL, "", "olga", "test", 1),
        board.kill(KillLevel.ACCOUNT, "A1", "olga", "test", 1),
        board.set_venue("XAAA", VenueState.DRAINING, "olga", "slow", 2),
        board.set_account("A2", TradingState.HALTED, "olga", "late", 2),
        board.rearm(KillLevel.ALL, "", "olga", 3),
    ]
    for record in records:
        replayed.apply(record)
    restored = KillBoard.restore(board.snapshot())
    assert board.snapshot() == replayed.snapshot() == restored.snapshot()
    assert [b.rearm(KillLevel.ALL, "", "rick", 4).act for b in (replayed, restored)] == [Act.REARMED] * 2
