"""TAQ, Lean and currency dealers: what each record becomes, in which order, and what is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from feed_material import fx, lean, read, rows_of, short, taq, write_gz

from router.domain.errors import TapeError
from venues.feeds.catalogue import open_feed
from venues.feeds.days import midnight
from venues.feeds.events import EventKind
from venues.feeds.inspection import inspect

MS = 1_000_000


def test_taq_quotes_replace_both_sides_and_trades_go_first(tmp_path: Path) -> None:
    quotes = (
        "1514903400100,1,N,40.01,2,40.03,1,R,A",
        "1514903400200,2,P,0,0,40.05,3,R,A",
        "1514903400300,3,N,40,1,41,1,C,A",
    )
    trades = (
        "1514903400200,1,D,40.0201,100,F I,0,T",
        "1514903400300,2,N,40.03,50,6,0,",
        "1514903400300,3,N,40.03,50,,0,",
    )
    rows = read(taq(tmp_path, quotes, trades))
    assert [row["venue"] for row in rows] == ["XNYS", "XNYS", "FINN", "ARCX", "ARCX", "XNYS", "XNYS", "XNYS", "XNYS"]
    assert short(rows) == [
        "QUOTE +1 200@400100",
        "QUOTE -1 100@400300 LAST",
        "TRADE +0 100@400201 LAST|OFF_EXCHANGE|ODD",
        "QUOTE +1 0@0",
        "QUOTE -1 300@400500 LAST",
        "CROSS +0 50@400300 LAST",
        "TRADE +0 50@400300 LAST",
        "QUOTE +1 0@0",
        "QUOTE -1 0@0 LAST",
    ]
    assert rows[0]["at"] == 1_514_903_400_100 * MS


def test_taq_counts_what_it_leaves_out(tmp_path: Path) -> None:
    trades = ("1514903400200,1,N,40,100,M,0,", "1514903400200,2,N,40,100,,8,", "1514903400200,3,N,40,100,,0,")
    feed = open_feed(taq(tmp_path, ("1514903400100,1,N,40.01,2,40.03,1,R,A",), trades))
    assert len(rows_of(feed)) == 3
    assert [(of.reason, of.records, of.first) for of in feed.skipped()] == [
        ("corrected trade", 1, "abc_trades_20180102.csv.gz record 2"),
        ("official price, no trade", 1, "abc_trades_20180102.csv.gz record 1"),
    ]


def test_lean_quotes_are_the_nations_and_end_with_the_ask(tmp_path: Path) -> None:
    quotes = ("34200000,481800,100,0,0,P,1,0", "34200000,0,0,491000,300,Q,1,0", "34200500,481900,100,0,0,P,1,1")
    trades = ("34200000,488000,500,D,20000020,0", "34200400,488000,500,N,80000040,0", "34200400,488000,5,N,1000000,0")
    feed = open_feed(lean(tmp_path, quotes, trades))
    rows = rows_of(feed)
    assert [row["venue"] for row in rows] == ["FINR", "NBBO", "NBBO", "XNYS"]
    assert short(rows) == [
        "TRADE +0 500@488000 LAST|OFF_EXCHANGE",
        "QUOTE +1 100@481800",
        "QUOTE -1 300@491000 LAST",
        "CROSS +0 500@488000 LAST|ODD",
    ]
    # New York is four hours behind UTC in October.
    assert rows[0]["at"] == midnight("20131008") + (34_200_000 + 4 * 3_600_000) * MS
    assert [(of.reason, of.records) for of in feed.skipped()] == [
        ("official price, no trade", 1),
        ("suspicious quote", 1),
    ]


def test_lean_trades_can_be_read_alone(tmp_path: Path) -> None:
    lean(tmp_path, ("1,1,1,0,0,P,1,0",), ("34200000,488000,500,N,1,0",))
    assert short(read(tmp_path / "abc_20131008_trade.zip")) == ["TRADE +0 500@488000 LAST"]


def test_fx_days_of_one_dealer_are_five_hours_behind(tmp_path: Path) -> None:
    fxcm, oanda = (read(fx(tmp_path, ("339,1.38833,1.3883",), dealer)) for dealer in ("fxcm", "oanda"))
    assert short(fxcm) == ["QUOTE +1 1@138833", "QUOTE -1 1@138830 LAST"]
    assert oanda[0]["at"] == midnight("20140506") + 339 * MS
    assert fxcm[0]["at"] - oanda[0]["at"] == 5 * 3_600_000 * MS
    assert open_feed(fx(tmp_path, ("1,1,1",))).info() == ("fx", "EURUSD", "0.00001", "", ("FXCM",), 0)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("338,1.38833,1.38835", "expected a time from 339, got 338 - at .* record 2"),
        ("86400000,1.38833,1.38835", "expected 'ms' from 0 to 86399999, got 86400000 - at .* record 2"),
        ("400,1.388333,1.38835", "a number of at most 5 decimals in 'bid', got '1.388333' - at .* record 2"),
        ("400,138833,1.3", "expected 'bid' from 1 to .* units of 1e-5, got 13883300000 - at .* record 2"),
        ("400,1.3,0", "expected 'ask' from 1 to .* units of 1e-5, got 0 - at .* record 2"),
        ("400,1.38833", "expected 3 fields, got 2 - at .* record 2"),
        ("400,nan,1.38833", "decimals in 'bid', got 'nan' - at .* record 2"),
        ("400,\ufffd,1.38833", "decimals in 'bid', got '\ufffd' - at .* record 2"),
        ("", "expected 3 fields, got 1 - at .* record 2"),
    ],
)
def test_bad_currency_record_is_named(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(TapeError, match=said):
        read(fx(tmp_path, ("339,1.38833,1.38835", line, "401,1.38833,1.38835")))


@pytest.mark.parametrize(
    ("quotes", "said"),
    [
        (("34200000,481800,100,491000,100,P,1,0",), "a bid and no ask, or an ask and no bid, got '481800 and 491000'"),
        (
            ("1,481800,100,0,0,P,1,0", "2,481800,100,0,0,P,1,0"),
            "bid and ask rows in turn, got 'two of one side' - .* 2",
        ),
        (("1,481800,100,0,0,?,1,0",), "expected one of 'B', .* in 'exchange', got '\\?'"),
    ],
)
def test_bad_national_quote_is_named(tmp_path: Path, quotes: tuple[str, ...], said: str) -> None:
    with pytest.raises(TapeError, match=said):
        read(lean(tmp_path, quotes))


def test_bad_taq_records_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        TapeError, match=r"letters out of .* in 'cond', got '!' - at abc_quotes_20180102.csv.gz record 1"
    ):
        read(taq(tmp_path, ("1514903400100,1,N,40.01,2,40.03,1,!,A",)))
    with pytest.raises(TapeError, match=r"a TRF letter out of T, N for a print of D, got 'none' - at .* record 1"):
        read(taq(tmp_path, ("1,1,N,40.01,2,40.03,1,R,A",), ("1,1,D,40.01,100,,0,",)))
    with pytest.raises(TapeError, match=r"expected one column 'ms_utc', got 'a,b' - at .*header"):
        read(write_gz(tmp_path / "abc_quotes_20180103.csv.gz", "a,b\n1,2\n"))


def test_recorded_taq_day_is_locked_and_crossed_as_its_read_me_says(recorded_file: Callable[[str], Path]) -> None:
    found = inspect(open_feed(recorded_file("us_taq_venue_bbo_2018/xxx_quotes_20180102.csv.gz")))
    (whole,) = (state for state in found.states if state.venue == "all venues")
    assert 0.008 < whole.locked / whole.states < 0.010
    assert whole.crossed / whole.states < 0.0004
    assert found.kinds == {"TRADE": 39_462, "QUOTE": 441_114, "CROSS": 2}


def test_recorded_dealers_are_crossed_as_their_read_me_says(recorded_file: Callable[[str], Path]) -> None:
    fxcm = inspect(open_feed(recorded_file("fx_two_dealers_2014/fxcm_eurusd_20140506_quote.zip"))).states[0]
    oanda = inspect(open_feed(recorded_file("fx_two_dealers_2014/oanda_eurusd_20140506_quote.zip"))).states[0]
    assert (round(fxcm.crossed / fxcm.states, 2), round(fxcm.locked / fxcm.states, 2)) == (0.10, 0.12)
    assert (oanda.crossed, oanda.locked, oanda.states) == (0, 0, 44_864)


def test_recorded_national_quotes_pair_up(recorded_file: Callable[[str], Path]) -> None:
    feed = open_feed(recorded_file("us_nbbo_trades_2013/ibm_20131008_quote.zip"))
    rows = rows_of(feed)
    sides = Counter(row["side"] for row in rows if row["kind"] == EventKind.QUOTE)
    assert sides == {1: 62_875, -1: 62_874}
    assert sum(of.records for of in feed.skipped()) == 5
