"""The feed of a recorded day: what it reads, what it leaves out and why, and every way a file can be refused."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from tape_days import OPEN_MS, QUOTE_HEADER, TRADE_HEADER, quote_line, trade_line, write_gz

from router.domain.errors import TapeError
from venues.feeds.nbbo import before, consolidate
from venues.feeds.taq import FOLDER, MICS, load_taq, session, summarise, taq_files

OPEN = OPEN_MS * 1_000_000
MS = 1_000_000
GOOD_QUOTE = quote_line((0, "N", "40.00", 5, "40.02", 5))
GOOD_TRADE = trade_line((5, "N", "40.01", 100, ""))
AT_CLOSE = {"quotes.out_of_hours": 1, "trades.out_of_hours": 1}
"""What `write_day` ends every day with."""


def test_quotes_become_whole_numbers_and_the_last_one_before_the_open_is_carried_in(make_day):
    day = make_day([(-9, "N", "39", 1, "41", 1), (-5, "N", "40.01", 3, "40.03", 2), (7, "P", "40.005", 1, "40.02", 4)])
    assert day.quotes["XNYS"].tolist() == [[OPEN, 400_100, 300, 400_300, 200]]
    assert day.quotes["ARCX"].tolist() == [[OPEN + 7 * MS, 400_050, 100, 400_200, 400]]
    assert day.skipped == AT_CLOSE | {"quotes.out_of_hours": 2}


def test_an_irregular_last_quote_before_the_open_is_not_carried_in(write_day):
    lines = [quote_line((-5, "N", "40", 1, "41", 1)), quote_line((-4, "N", "40", 1, "41", 1), "C"), GOOD_QUOTE]
    assert len(load_taq(write_day(quote_lines=lines)).quotes["XNYS"]) == 1


def test_an_irregular_quote_in_the_session_empties_the_top_and_is_counted(write_day):
    day = load_taq(write_day(quote_lines=[GOOD_QUOTE, quote_line((3, "N", "40", 1, "41", 1), "C")]))
    assert day.quotes["XNYS"][1].tolist() == [OPEN + 3 * MS, 0, 0, 0, 0]
    assert day.skipped["quotes.not_firm"] == 1


def test_a_side_without_size_is_empty(make_day):
    assert make_day([(0, "N", "40", 0, "0", 3)]).quotes["XNYS"].tolist() == [[OPEN, 0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("cond", "reason"),
    [
        ("4 B", "derivatively_priced"),
        ("7 V", "contingent"),
        ("B", "average_price"),
        ("ZI", "out_of_sequence"),
        ("FT", "extended_hours"),
        ("O", "auction"),
        ("C  I", "special_settlement"),
    ],
)
def test_a_trade_nobody_could_have_met_is_counted_by_its_reason(make_day, cond, reason):
    day = make_day(trades=[(5, "N", "40.01", 100, ""), (6, "N", "40.01", 100, cond)])
    assert day.skipped == AT_CLOSE | {f"trades.{reason}": 1}
    assert day.total_qty == 100


def test_corrected_and_late_trades_are_counted(write_day):
    lines = [GOOD_TRADE, trade_line((6, "N", "40", 1, ""), corr=1), trade_line((23_400_000, "N", "40", 1, ""))]
    skipped = load_taq(write_day(trade_lines=lines)).skipped
    assert skipped == AT_CLOSE | {"trades.corrected": 1, "trades.out_of_hours": 2}


def test_a_trade_is_judged_by_its_exchanges_quote_of_strictly_before(make_day):
    quotes = [(0, "N", "40.00", 5, "40.02", 5), (8, "N", "40.02", 5, "40.04", 5)]
    day = make_day(quotes, [(8, "N", "40.02", 10, ""), (9, "N", "40.02", 10, ""), (9, "N", "40.03", 10, "")])
    assert day.trades["XNYS"][:, 3].tolist() == [1, -1, 0]


def test_off_exchange_prints_belong_to_one_pool_or_none(make_day):
    quotes = [(0, "N", "40.00", 5, "40.03", 5)]
    prints = ["40.015", "40.0151", "40.0299", "40.0001", "40.02", "40.0301", "40.018"]
    day = make_day(quotes, [(5 + k, "DT", px, 100, "") for k, px in enumerate(prints)] + [(50, "DN", "40.015", 7, "")])
    assert day.pools["XDKA"][:, 1].tolist() == [400_150, 400_151]
    assert day.pools["XDKB"].tolist() == [[OPEN + 50 * MS, 400_150, 7, 0]]
    assert day.pools["XSDP"][:, [1, 3]].tolist() == [[400_299, 1], [400_001, -1]]
    assert len(day.off_exchange) == 8


def test_a_locked_market_has_no_midpoint(make_day):
    day = make_day([(0, "N", "40.00", 5, "40.02", 5), (1, "P", "40.02", 5, "40.05", 5)], [(5, "DT", "40.02", 1, "")])
    assert all(len(rows) == 0 for rows in day.pools.values())


def test_the_consolidated_quote_agrees_with_a_walk_row_by_row():
    rng = np.random.default_rng(5)
    n = 400
    at, venue = np.sort(rng.integers(0, 300, n)), rng.integers(0, 4, n)
    top = np.column_stack([rng.integers(low, low + 4, n) for low in (1, 0, 5, 0)])
    top[top[:, 1] == 0, :2] = 0
    top[top[:, 3] == 0, 2:] = 0
    tops: dict[int, list[int]] = {}
    expected: list[list[int]] = []
    for t, v, row in zip(at.tolist(), venue.tolist(), top.tolist(), strict=True):
        tops[v] = row
        bid = max((r[0] for r in tops.values()), default=0)
        ask = min((r[2] for r in tops.values() if r[2]), default=0)
        sizes = [
            sum(r[1] for r in tops.values() if r[0] == bid and bid),
            sum(r[3] for r in tops.values() if r[2] == ask),
        ]
        row = [bid, sizes[0], ask, sizes[1] if ask else 0]
        if not expected or expected[-1][1:] != row:
            expected.append([t, *row])
    assert consolidate(at, venue, top, 4).tolist() == expected


def test_the_quote_before_the_first_is_empty():
    quotes = np.array([[10, 1, 1, 2, 1]])
    assert before(np.array([10, 11]), quotes).tolist() == [[0] * 5, [10, 1, 1, 2, 1]]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            "x,1,N,40,1,41,1,R,A",
            "expected a whole number in 'ms_utc', got 'x' - at xxx_quotes",
        ),
        (f"{OPEN_MS - 1},1,N,40,1,41,1,R,A", "expected a time from"),
        (f"{OPEN_MS},1,N,nan,1,41,1,R,A", "expected a decimal price in 'bid', got 'nan'"),
        (f"{OPEN_MS},1,N,,1,41,1,R,A", "expected a decimal price in 'bid', got ''"),
        (f"{OPEN_MS},1,N,-40,1,41,1,R,A", "expected a number from 0 in 'bid'"),
        (f"{OPEN_MS},1,N,40.00001,1,41,1,R,A", "expected a price in steps of 0.0001"),
        (f"{OPEN_MS},1,N,40,-1,41,1,R,A", "expected a number from 0 in 'bid_lots'"),
        (f"{OPEN_MS},1,N,40,1.5,41,1,R,A", "expected a whole number in 'bid_lots'"),
        (f"{OPEN_MS},1,D,40,1,41,1,R,A", "expected a quote's exchange letter"),
        (f"{OPEN_MS},1,?,40,1,41,1,R,A", "got '?'"),
        (f"{OPEN_MS},1,N,40,1,41", "expected 9 fields, got 6"),
        ("", "expected 9 fields, got 1"),
    ],
)
def test_a_malformed_quote_is_refused_with_its_record(write_day, line, says):
    with pytest.raises(TapeError) as refused:
        load_taq(write_day(quote_lines=[GOOD_QUOTE, line]))
    assert says in str(refused.value)
    assert "xxx_quotes_20180102.csv.gz record 2" in str(refused.value)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (f"{OPEN_MS},1,N,40,1,,0,", "expected a time from"),
        (f"{OPEN_MS + 9},1,N,40,-1,,0,", "expected a number from 0 in 'size'"),
        (f"{OPEN_MS + 9},1,N,0,1,,0,", "expected a price and a size above 0"),
        (f"{OPEN_MS + 9},1,N,40,0,,0,", "expected a price and a size above 0"),
        (f"{OPEN_MS + 9},1,Q,40,1,,0,", "exchange letter"),
        (f"{OPEN_MS + 9},1,D,40,1,,0,Q", "expected a TRF letter"),
        (f"{OPEN_MS + 9},1,N,40,1,?,0,", "sale conditions"),
        (f"{OPEN_MS + 9},1,N,40,1,,x,", "expected a whole number in 'corr'"),
    ],
)
def test_a_malformed_trade_is_refused_with_its_record(write_day, line, says):
    with pytest.raises(TapeError) as refused:
        load_taq(write_day(trade_lines=[GOOD_TRADE, line]))
    assert says in str(refused.value)
    assert "xxx_trades_20180102.csv.gz record 2" in str(refused.value)


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(TapeError, match=r"xxx_quotes_20180102\.csv\.gz"):
        load_taq(tmp_path)


def test_a_truncated_file_is_refused_with_the_record_it_breaks_in(write_day):
    root = write_day([(k, "N", f"40.{k % 90:02}", 5, "41", 5) for k in range(2_000)])
    path = taq_files(root)[0]
    path.write_bytes(path.read_bytes()[:-2_000])
    with pytest.raises(TapeError, match=r"a whole gzip file, got 'a truncated one' - at xxx_quotes.* record [1-9]"):
        load_taq(root)


BEFORE_CLOSE = 23_400_000 - 5 * 60_000


@pytest.mark.parametrize(
    ("quote_ms", "trade_ms", "cut"),
    [
        (BEFORE_CLOSE - 1, 23_399_999, "quotes"),
        (23_399_999, BEFORE_CLOSE - 1, "trades"),
        (12_600_000, 23_399_999, "quotes"),
        (9_000_000, 9_000_001, "quotes"),
        (24_000_000, 12_600_000, "trades"),
    ],
)
def test_a_file_cut_between_two_lines_is_refused_with_both_last_times(write_day, quote_ms, trade_ms, cut):
    quote, trade = (quote_ms, "N", "40.00", 5, "40.02", 5), (trade_ms, "N", "40.01", 100, "")
    lines = {"quote_lines": [GOOD_QUOTE, quote_line(quote)], "trade_lines": [GOOD_TRADE, trade_line(trade)]}
    with pytest.raises(TapeError, match=f"expected records up to the close.* - at xxx_{cut}_20180102") as refused:
        load_taq(write_day(**lines, is_cut=True))
    assert f"{OPEN + quote_ms * MS}" in str(refused.value)
    assert f"{OPEN + trade_ms * MS}" in str(refused.value)


def test_a_file_may_end_five_minutes_before_the_close(write_day):
    lines = {"quote_lines": [GOOD_QUOTE, quote_line((BEFORE_CLOSE, "N", "40", 5, "41", 5))]}
    root = write_day(**lines, trades=[(BEFORE_CLOSE, "N", "40", 1, "")], is_cut=True)
    assert load_taq(root).close_at == session("20180102")[1]


def test_a_half_day_closes_at_one_oclock(write_day):
    quotes = [GOOD_QUOTE, quote_line((12_599_000, "N", "40.00", 5, "40.02", 5))]
    trades = [GOOD_TRADE, trade_line((12_600_000, "N", "40.01", 100, ""))]
    day = load_taq(write_day(quote_lines=quotes, trade_lines=trades, is_cut=True))
    assert day.close_at == OPEN + 12_600_000 * MS
    assert (day.total_qty, day.skipped) == (100, {"trades.out_of_hours": 1})


def test_a_day_is_read_from_the_folder_it_is_said_to_be_in(write_day, tmp_path):
    root = write_day()
    (root / FOLDER).rename(tmp_path / "other")
    assert len(load_taq(root, folder="other").quotes["XNYS"]) == 1
    with pytest.raises(TapeError, match=r"expected a readable file, .* - at xxx_quotes"):
        load_taq(root)


@pytest.mark.parametrize(
    "data",
    [b"", b"not gzip", gzip.compress(b""), gzip.compress((QUOTE_HEADER + "\n").encode())],
    ids=["empty", "not gzip", "gzip of nothing", "header alone"],
)
def test_a_file_without_records_is_refused(write_day, data):
    root = write_day()
    taq_files(root)[0].write_bytes(data)
    with pytest.raises(TapeError, match="xxx_quotes_20180102"):
        load_taq(root)


def test_a_missing_column_is_refused_by_name(write_day):
    root = write_day()
    write_gz(taq_files(root)[1], [TRADE_HEADER.replace("px", "price"), GOOD_TRADE])
    with pytest.raises(TapeError, match="expected a column 'px'"):
        load_taq(root)


def test_a_day_without_rows_in_the_session_is_refused(write_day):
    with pytest.raises(TapeError, match="expected quotes from"):
        load_taq(write_day([(-5, "N", "40", 1, "41", 1)]))
    with pytest.raises(TapeError, match="expected usable trades from"):
        load_taq(write_day(trades=[(5, "N", "40", 1, "O")]))


def test_windows_line_ends_are_read_alike(write_day):
    root = write_day()
    expected = load_taq(root)
    for path in taq_files(root):
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(b"\n", b"\r\n"), mtime=0))
    assert summarise(load_taq(root)) == summarise(expected)


def test_a_day_is_read_once_until_its_files_change(write_day):
    root = write_day()
    first = load_taq(root)
    assert load_taq(root) is first
    write_day([(0, "P", "40", 1, "41", 1), (1, "P", "40", 2, "41", 1)])
    assert len(load_taq(root).quotes["ARCX"]) == 2


def test_the_session_follows_new_yorks_summer_time():
    assert session("20180102")[0] == OPEN
    assert (session("20180702")[0] // MS // 1_000) % 86_400 == 13 * 3_600 + 1_800
    with pytest.raises(TapeError, match="a date as YYYYMMDD"):
        session("2018-01-02")


def test_the_volume_curve_sums_to_one(make_day):
    curve = make_day(trades=[(0, "N", "40", 300, ""), (23_399_999, "DT", "40", 100, "")]).volume_curve(4)
    assert curve.tolist() == [0.75, 0.0, 0.0, 0.25]


def test_a_day_cannot_be_changed(make_day):
    with pytest.raises(ValueError, match="read-only"):
        make_day().quotes["XNYS"][0, 1] = 1


def test_the_recorded_day_is_read_whole(recorded):
    counts = summarise(recorded)
    assert sum(len(rows) for rows in recorded.quotes.values()) == 213_435
    assert (counts["trades.off_exchange"], counts["total_qty"]) == (12_145, 4_173_926)
    assert (counts["pool_prints.XDKA"], counts["pool_prints.XDKB"], counts["pool_prints.XSDP"]) == (2_871, 164, 3_026)
    assert set(recorded.quotes) == set(MICS.values())
    assert FOLDER == "us_taq_venue_bbo_2018"
