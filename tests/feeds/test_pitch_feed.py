"""PITCH in ASCII: every type of message, orders that are known by id alone, and lines that are none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from feed_material import rows_of, short
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_material import is_read_or_refused, mutations, write

from router.domain.errors import TapeError
from venues.feeds.catalogue import open_feed
from venues.feeds.events import EventFlag, EventKind
from venues.feeds.pitch import open_pitch

SAMPLE = "cboe_pitch_ascii/pitch_example_data.gz"

BUY = "S28800011AAK27GA0000DTB000100SH    0000619200Y"
SELL = "S28800012dAK27GA0000DVS000300SH      0000620000YMPID"
OTHER = "28800012AAK27GA0000DUS001000SDS   0000549300Y"
OF_OTHER = "28800013XAK27GA0000DU000200"


def pitch(folder: Path, *lines: str) -> Path:
    return write(folder / "pitch_sample.gz", "\n".join((*lines, "")).encode())


def told(folder: Path, *lines: str) -> list[str]:
    return short(rows_of(open_feed(pitch(folder, BUY, SELL, *lines), "SH")))[2:]


def test_orders_of_both_forms_enter_under_the_number_of_their_id(tmp_path: Path) -> None:
    feed = open_feed(pitch(tmp_path, BUY, OTHER, SELL, OF_OTHER))
    assert feed.info()[:5] == ("pitch", "SH", "0.0001", "1", ("BATS",))
    number = int("AK27GA0000DT", 36)
    assert short(rows_of(feed)) == [f"ADD +1 100@619200 #{number} LAST", f"ADD -1 300@620000 #{number + 2} LAST"]
    assert [(of.reason, of.records) for of in feed.skipped()] == [("another symbol", 2)]
    assert feed.span() == (28_800_011_000_000, 28_800_012_000_000)


def test_executions_and_cancels_take_from_the_order_they_name(tmp_path: Path) -> None:
    number = int("AK27GA0000DT", 36)
    assert told(
        tmp_path,
        "28800020EAK27GA0000DT00003000001AQ00001",
        "28800021XAK27GA0000DT000020",
        "28800022XAK27GA0000DT000050",
        "28800023XAK27GA0000DT000050",
    ) == [
        f"EXECUTE +1 30@619200 #{number} LAST",
        f"REDUCE +1 20@619200 #{number} LAST",
        f"DELETE +1 50@619200 #{number} LAST",
    ]


def test_hidden_trades_and_breaks_carry_the_execution(tmp_path: Path) -> None:
    execution = int("00001AQ00001", 36)
    feed = open_feed(
        pitch(
            tmp_path,
            BUY,
            "28800020PAK27GA0000ZZS000100SH    000061990000001AQ00001",
            "28800020rAK27GA0000ZZB000100SDS     000061990000001AQ00002",
            "28800021B00001AQ00001",
            "28800021B00001AQ00002",
        ),
        "SH",
    )
    assert short(rows_of(feed))[1:] == [
        f"TRADE -1 100@619900 #{execution} LAST|HIDDEN",
        f"BUST +0 100@619900 #{execution} LAST",
    ]
    assert [of.records for of in feed.skipped()] == [1, 1]


def test_states_auctions_and_clears(tmp_path: Path) -> None:
    assert told(
        tmp_path,
        "28800020HSH      H0XX",
        "28800021HSH      T0XX",
        "28800022ISH      O0000619200000000010000000002000000619300",
        "28800022RSH      B",
        "28800023JSH      O00006193000000000100",
        "28800023JSH      O00006193000000000000",
        "28800024sSH      ",
        "28800025XAK27GA0000DT000050",
        "28800025sSDS     ",
    ) == ["STATUS +0 0@0 LAST", "STATUS +0 1@0 LAST", "CROSS +0 100@619300 LAST", "CLEAR +0 0@0 LAST"]


def test_a_stamp_that_falls_a_little_is_raised_and_a_midnight_moves_all(tmp_path: Path) -> None:
    path = pitch(tmp_path, SELL, BUY)
    assert [row["at"] for row in rows_of(open_pitch(path, midnight=10**18))] == [10**18 + 28_800_012_000_000] * 2


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("28800011AAK27GA0000DTB000100SH    0000619200Y", "an order that is not in the book"),
        ("28800020XAK27GA0000DT000101", "at most the order's 100 shares, got 101"),
        ("28800020XAK27GA0000DT000000", "shares from 1"),
        ("28800020XAK27GA0000DT00010", "a message of a type"),
        ("28800020?AK27GA0000DT000100", "a message of a type"),
        ("28800020XAK27GA-000DT000010", "a number to base 36"),
        ("28800020XAK27GA0000DT+00010", "a number to base 10"),
        ("86400000XAK27GA0000DT000010", "milliseconds below"),
        ("28700020XAK27GA0000DT000010", "a time at most 1000000000 ns before"),
        ("28800020AAK27GA0000DWZ000100SH    0000619200Y", "a side B or S, got 'Z'"),
        ("28800020AAK27GA0000DWB000100      0000619200Y", "a symbol"),
        ("28800020HSH      Z0XX", "a trading status"),
        ("", "a message of a type"),
    ],
)
def test_impossible_lines_are_named(tmp_path: Path, line: str, expected: str) -> None:
    with pytest.raises(TapeError, match=expected) as caught:
        told(tmp_path, line)
    assert str(caught.value).endswith("at pitch_sample.gz record 3")


def test_cut_and_foreign_files_are_refused(tmp_path: Path) -> None:
    whole = pitch(tmp_path, BUY, SELL).read_bytes()
    for data in (whole[:-9], b"no gzip", b""):
        path = tmp_path / "pitch_cut.gz"
        path.write_bytes(data)
        with pytest.raises(TapeError, match=r"at pitch_cut\.gz"):
            open_feed(path)
    with pytest.raises(TapeError, match="records of the symbol 'XYZ', got '1 symbols such as SH'"):
        open_feed(pitch(tmp_path, BUY), "XYZ")
    with pytest.raises(TapeError, match="at least one record with a symbol"):
        open_feed(pitch(tmp_path, OF_OTHER))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_only_a_tape_error_comes_out_of_garbage(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz_pitch.gz"
    text = "\n".join((BUY, SELL, OTHER, "28800020EAK27GA0000DT00003000001AQ00001", OF_OTHER, "")).encode()
    if data.draw(st.booleans()):
        write(path, data.draw(mutations(text)))
        assert is_read_or_refused(path, path.read_bytes())
    else:
        assert is_read_or_refused(path, data.draw(mutations(write(path, text).read_bytes())))


def test_the_recorded_minutes_are_as_the_exchange_wrote_them(recorded_file: Callable[[str], Path]) -> None:
    path = recorded_file(SAMPLE)
    assert open_feed(path).info().symbol == "IWM"
    kinds: Counter[str] = Counter()
    for symbol in ("IWM", "SPY", "TWM", "QQQQ"):
        feed = open_feed(path, symbol)
        rows = rows_of(feed)
        assert {of.reason for of in feed.skipped()} == {"another symbol"}
        assert len(rows) + sum(of.records for of in feed.skipped()) == 20_000
        kinds.update(EventKind(row["kind"]).name for row in rows)
        assert all(row["flags"] & EventFlag.LAST for row in rows)
        assert _crossed(rows) == 0
    assert kinds["ADD"] == 1965 + 1714 + 725 + 689


def _crossed(rows: list[dict[str, int]]) -> int:
    """Return how many rows leave a book whose best bid is above its best ask."""
    orders: dict[int, list[int]] = {}
    crossed = 0
    for row in rows:
        if row["kind"] == EventKind.ADD:
            orders[row["order_id"]] = [row["side"], row["px"], row["qty"]]
        elif row["kind"] in (EventKind.EXECUTE, EventKind.REDUCE, EventKind.DELETE):
            orders[row["order_id"]][2] -= row["qty"]
            if not orders[row["order_id"]][2]:
                del orders[row["order_id"]]
        bid = max((px for side, px, _ in orders.values() if side > 0), default=0)
        crossed += bid > min((px for side, px, _ in orders.values() if side < 0), default=bid)
    return crossed
