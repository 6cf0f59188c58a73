"""IEX DEEP in a capture: the transport's sequence, the messages of one stock, and packets that are none."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from feed_material import rows_of, short
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_material import deep, is_read_or_refused, mutations, pcap, segment, udp, write

from router.domain.errors import TapeError
from venues.feeds.catalogue import open_feed
from venues.feeds.events import EventFlag, EventKind

SAMPLE = "iex_wire_samples/DEEP10.pcap.gz"

BID = deep("8", 1, 1, "ABC", 100, 400_000)
ASK = deep("5", 1, 2, "ABC", 200, 400_100)
OTHER = deep("5", 1, 2, "XYZ", 200, 90_000)


def iex(folder: Path, *segments: bytes, name: str = "DEEP10.pcap.gz") -> Path:
    return write(folder / name, pcap([udp(one) for one in segments]))


def told(folder: Path, *messages: bytes) -> list[str]:
    return short(rows_of(open_feed(iex(folder, segment(1, BID), segment(2, *messages)), "ABC")))[1:]


def test_levels_of_the_most_frequent_symbol(tmp_path: Path) -> None:
    feed = open_feed(
        iex(tmp_path, segment(1, BID, OTHER), segment(3), segment(3, ASK, deep("8", 1, 3, "ABC", 0, 400_000)))
    )
    assert feed.info()[:5] == ("iex", "ABC", "0.0001", "1", ("IEXG",))
    assert short(rows_of(feed)) == ["LEVEL +1 100@400000 LAST", "LEVEL -1 200@400100 LAST", "LEVEL +1 0@400000 LAST"]
    assert [(of.reason, of.records) for of in feed.skipped()] == [("another symbol", 1), ("heartbeat", 1)]
    assert feed.info().gaps == 0


def test_an_event_of_several_messages_is_whole_after_its_last(tmp_path: Path) -> None:
    going_on, complete = deep("8", 0, 3, "ABC", 50, 400_000), deep("8", 1, 3, "ABC", 0, 399_900)
    assert told(tmp_path, deep("T", 0x20, 3, "ABC", 50, 400_000, 77), going_on, complete) == [
        "TRADE +0 50@400000 #77 ODD",
        "LEVEL +1 50@400000",
        "LEVEL +1 0@399900 LAST",
    ]
    assert told(tmp_path, going_on) == ["LEVEL +1 50@400000"]


def test_trades_crosses_and_breaks(tmp_path: Path) -> None:
    assert told(
        tmp_path,
        deep("T", 0x80, 3, "ABC", 50, 400_000, 77),
        deep("T", 0x08, 4, "ABC", 60, 400_050, 78),
        deep("B", 0x80, 5, "ABC", 50, 400_000, 77),
    ) == ["TRADE +0 50@400000 #77", "CROSS +0 60@400050 #78", "BUST +0 50@400000 #77 LAST"]


def test_a_status_is_told_when_it_changes_whether_the_stock_trades(tmp_path: Path) -> None:
    path = iex(
        tmp_path,
        segment(1, BID, deep("H", ord("T"), 1, "ABC"), deep("O", ord("N"), 1, "ABC")),
        segment(4, deep("O", ord("O"), 2, "ABC"), deep("H", ord("H"), 3, "ABC"), deep("O", ord("N"), 4, "ABC")),
        segment(7, deep("H", ord("T"), 5, "ABC"), deep("P", 0, 5, "ABC"), b"?" + bytes(9)),
    )
    feed = open_feed(path)
    assert short(rows_of(feed))[1:] == ["STATUS +0 1@0 LAST", "STATUS +0 0@0 LAST", "STATUS +0 1@0 LAST"]
    assert [(of.reason, of.records) for of in feed.skipped()] == [
        ("short sale price test", 1),
        ("status as before", 3),
        ("unknown type", 1),
    ]


def test_repeated_messages_are_read_once_and_lost_ones_clear_the_book(tmp_path: Path) -> None:
    feed = open_feed(iex(tmp_path, segment(1, BID, ASK), segment(2, ASK, BID), segment(9, ASK, sent=7)))
    assert short(rows_of(feed)) == [
        "LEVEL +1 100@400000 LAST",
        "LEVEL -1 200@400100 LAST",
        "LEVEL +1 100@400000 LAST",
        "CLEAR +0 0@0",
        "LEVEL -1 200@400100 LAST",
    ]
    assert [(of.reason, of.records) for of in feed.skipped()] == [("repeated message", 1)]
    assert feed.info().gaps == 1


def test_a_heartbeat_tells_of_lost_messages_too(tmp_path: Path) -> None:
    feed = open_feed(iex(tmp_path, segment(1, BID), segment(5, sent=7), segment(5, ASK)))
    assert short(rows_of(feed))[1:] == ["CLEAR +0 0@0 LAST", "LEVEL -1 200@400100 LAST"]
    assert feed.info().gaps == 1


@pytest.mark.parametrize("also", [{"offset": 0}, {"session": 6}])
def test_a_sender_that_starts_anew_clears_the_book(tmp_path: Path, also: dict[str, int]) -> None:
    feed = open_feed(iex(tmp_path, segment(1, BID, OTHER), segment(1, sent=5, **also), segment(1, ASK, **also)))
    assert short(rows_of(feed))[1:] == ["CLEAR +0 0@0 LAST", "LEVEL -1 200@400100 LAST"]
    assert feed.info().gaps == 1


def test_a_capture_that_was_stopped_in_a_packet_is_read_to_there(tmp_path: Path) -> None:
    data = pcap([udp(segment(1, BID)), udp(segment(2, ASK))])
    for cut in (1, 70):
        feed = open_feed(write(tmp_path / "DEEP10.pcap", data[:-cut]))
        assert len(rows_of(feed)) == 1
        assert [tuple(of) for of in feed.skipped()] == [
            ("packet cut at the end of the capture", 1, "DEEP10.pcap record 2")
        ]


def test_what_is_no_packet_of_ours_is_counted(tmp_path: Path) -> None:
    whole = udp(segment(1, BID))
    vlan = whole[:12] + b"\x81\x00\x00\x05" + whole[12:]
    arp, tcp, fragment = bytearray(whole), bytearray(whole), bytearray(whole)
    arp[13], tcp[23], fragment[20] = 6, 6, 0x20
    data = pcap([vlan, bytes(arp), bytes(tcp), bytes(fragment), whole[:20]], order=">")
    feed = open_feed(write(tmp_path / "DEEP10.pcap", data))
    assert short(rows_of(feed)) == ["LEVEL +1 100@400000 LAST"]
    assert [(of.reason, of.records) for of in feed.skipped()] == [("no whole UDP packet", 4)]


def test_a_packet_that_the_capture_shortened_is_a_gap(tmp_path: Path) -> None:
    first, second = udp(segment(1, BID)), udp(segment(2, ASK))
    data = pcap([first]) + struct.pack("<IIII", 0, 0, 60, len(second)) + second[:60]
    data += pcap([udp(segment(3, BID))])[24:]
    feed = open_feed(write(tmp_path / "DEEP10.pcap", data))
    assert len(rows_of(feed)) == 3
    assert feed.info().gaps == 1
    assert [of.reason for of in feed.skipped()] == ["packet cut by the capture"]


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"short", "a transport header of 40 bytes, got 5"),
        (segment(2, ASK, protocol=0x8003), "IEX-TP 1 with protocol 0x8004, got '1 with 0x8003'"),
        (segment(2, ASK) + b"x", "a payload of the header's length"),
        (segment(2, ASK[:-1]), "a message of 30 bytes, got 29"),
        (segment(2, b""), "a message of 0 bytes"),
        (segment(2, deep("8", 1, 3, "ABC", 1, 0)), "a price from 1"),
        (segment(2, deep("8", 1, 3, "ABC", 1, -5)), "a price from 1"),
        (segment(2, deep("8", 1, -(10**11), "ABC", 1, 5)), "a time at most"),
        (segment(2, deep("H", ord("?"), 3, "ABC")), "a trading status"),
        (segment(2, deep("O", ord("?"), 3, "ABC")), "an operational halt status"),
        (segment(-2, ASK), "a payload of the header's length"),
    ],
)
def test_impossible_packets_are_named(tmp_path: Path, payload: bytes, expected: str) -> None:
    with pytest.raises(TapeError, match=expected) as caught:
        rows_of(open_feed(iex(tmp_path, segment(1, BID), payload)))
    assert str(caught.value).endswith("at DEEP10.pcap.gz record 2")


def test_foreign_and_cut_files_are_refused(tmp_path: Path) -> None:
    data = pcap([udp(segment(1, BID))])
    huge = data[:24] + struct.pack("<IIII", 0, 0, 1 << 30, 1 << 30)
    for content, expected in (
        (b"\x0a\x0d\x0d\x0a" + bytes(40), "got 'pcapng'"),
        (pcap([], link=101), "packets of Ethernet"),
        (pcap([]), "at least one packet"),
        (b"no capture", "a pcap header of 24 bytes"),
        (huge, "a packet of at most"),
        (pcap([udp(segment(1, deep("P", 0, 1, "ABC")))]), "at least one record with a symbol"),
    ):
        with pytest.raises(TapeError, match=expected):
            open_feed(write(tmp_path / "DEEP10.pcap", content))
    cut = tmp_path / "DEEP11.pcap.gz"
    cut.write_bytes(write(tmp_path / "DEEP10.pcap.gz", data).read_bytes()[:-12])
    with pytest.raises(TapeError, match=r"a whole, readable capture.* at DEEP11.pcap.gz record"):
        open_feed(cut)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_only_a_tape_error_comes_out_of_garbage(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    trade = deep("T", 0, 3, "ABC", 50, 400_000, 77)
    whole = pcap([udp(segment(1, BID, OTHER)), udp(segment(3, ASK, trade)), udp(segment(5, sent=9))])
    assert is_read_or_refused(tmp_path_factory.getbasetemp() / "fuzz_DEEP.pcap", data.draw(mutations(whole)))


def test_the_exchanges_own_sample_is_read_to_its_cut(recorded_file: Callable[[str], Path]) -> None:
    feed = open_feed(recorded_file(SAMPLE), "ZXIET")
    rows = rows_of(feed)
    skipped = {of.reason: of for of in feed.skipped()}
    assert feed.info().gaps == 11
    assert skipped["heartbeat"].records == 7_937
    assert skipped["packet cut at the end of the capture"].first == "DEEP10.pcap.gz record 121315"
    kinds = [EventKind(row["kind"]) for row in rows]
    assert (kinds.count(EventKind.LEVEL), kinds.count(EventKind.TRADE), kinds.count(EventKind.CLEAR)) == (
        1561,
        4698,
        11,
    )
    assert all(row["px"] > 0 for row in rows if row["kind"] == EventKind.LEVEL)
    assert sum(bool(row["flags"] & EventFlag.ODD) for row in rows) > 0
