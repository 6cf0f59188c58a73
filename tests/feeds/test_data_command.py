"""`anabranch data`: lists, inspects and imports, from the data directory and from anywhere else."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feed_material import fx, lobster, taq, write_gz
from wire_material import capture

from cluster.cli import main
from cluster.cli.data_tables import utc
from venues.feeds.catalogue import feeds
from venues.feeds.table import table_info

Captured = pytest.CaptureFixture[str]

QUOTES = ("1514903400100,1,N,40.01,2,40.03,1,R,A", "1514903400300,2,P,40,1,40.01,3,R,A")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "recorded"
    taq(root / "us", QUOTES)
    fx(root / "currencies", ("1,1.2,1.1", "5,1.1,1.1"))
    fx(root / "currencies", ("1,1.1,1.2",), "oanda")
    for name in ("ANABRANCH_CONFIG", "ANABRANCH_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ANABRANCH_DATA", str(root))
    monkeypatch.chdir(tmp_path)
    return root


def test_list_shows_every_feed_and_what_is_there(data: Path, capfd: Captured) -> None:
    assert main(["data", "list", "--json"]) == 0
    said = json.loads(capfd.readouterr().out)
    assert said["data"] == str(data)
    assert [of["name"] for of in said["feeds"]] == list(feeds())
    files = {of["name"]: of["files"] for of in said["feeds"]}
    assert files["taq"] == ["us/abc_quotes_20180102.csv.gz"]
    assert [Path(name).name for name in files["fx"]] == [
        "fxcm_eurusd_20140506_quote.zip",
        "oanda_eurusd_20140506_quote.zip",
    ]
    assert main(["data", "list"]) == 0
    assert "us/abc_quotes_20180102.csv.gz" in capfd.readouterr().out


@pytest.mark.usefixtures("data")
def test_inspect_of_a_folder_of_the_data_directory(capfd: Captured) -> None:
    assert main(["data", "inspect", "currencies", "--json"]) == 0
    fxcm, oanda = json.loads(capfd.readouterr().out)
    assert fxcm["file"] == "fxcm_eurusd_20140506_quote.zip"
    of = fxcm["inspection"]
    assert of["info"]["venues"] == ["FXCM"]
    assert (of["rows"], of["kinds"], of["silence_ns"]) == (4, {"QUOTE": 4}, 4_000_000)
    assert of["states"] == [{"venue": "FXCM", "of": "quotes", "states": 2, "locked": 1, "crossed": 1}]
    assert oanda["inspection"]["rows"] == 2


def test_inspect_prints_what_people_ask(data: Path, capfd: Captured) -> None:
    assert main(["data", "inspect", str(data / "us" / "abc_quotes_20180102.csv.gz")]) == 0
    text = " ".join(capfd.readouterr().out.split())
    assert "feed taq, ABC units price 0.0001, quantity 1 rows 4: QUOTE 4" in text
    assert "span 2018-01-02 14:30:00.100000000 to 2018-01-02 14:30:00.300000000" in text
    assert "longest silence 0.200 s from 2018-01-02 14:30:00.100000000 sequence gaps 0" in text
    assert "all venues quotes 1 states, locked 100.000%, crossed 0.000%" in text


def test_import_writes_a_table_and_says_so(data: Path, capfd: Captured) -> None:
    assert main(["data", "import", "us", "--out", "day.parquet"]) == 0
    assert capfd.readouterr().out == "day.parquet: 4 rows of taq, ABC\n"
    assert table_info(Path("day.parquet")).rows == 4
    assert main(["data", "import", str(lobster(data)), "--out", "queue.arrow", "--json"]) == 0
    said = json.loads(capfd.readouterr().out)
    assert (said["out"], said["table"]["info"]["feed"]) == ("queue.arrow", "lobster")
    assert main(["data", "inspect", "queue.arrow"]) == 0
    assert "feed" in capfd.readouterr().out


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["inspect", "absent"], "expected a file or folder, here or in"),
        (["inspect", "us", "--feed", "nonsense"], "expected one of lobster, "),
        (["inspect", "us", "--feed", "fx"], "expected a file of fx, got 'none'"),
        (["inspect", "us", "--symbol", "XYZ"], "expected the symbol 'XYZ', got 'ABC'"),
        (["import", "currencies", "--out", "x.parquet"], "expected one recorded file, got '2 in currencies'"),
        (["import", "us", "--out", "x.csv"], "expected a file of .parquet or .arrow, got 'x.csv'"),
    ],
)
def test_bad_use_is_one_line_and_exit_2(arguments: list[str], said: str, capfd: Captured) -> None:
    assert main(["data", *arguments]) == 2
    printed = capfd.readouterr()
    assert said in printed.err
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert not Path("x.parquet").exists()


def test_list_says_what_is_left_unread_and_why(data: Path, capfd: Captured) -> None:
    write_gz(data / "crypto_ws_raw" / "KRAKEN.0.gz", "x")
    (data / "us_nbbo_trades_2013").mkdir()
    (data / "us_nbbo_trades_2013" / "spy_20131007_quote_1s.zip").touch()
    assert main(["data", "list", "--json"]) == 0
    unread = {of["files"][0]: of["reason"] for of in json.loads(capfd.readouterr().out)["unread"]}
    assert unread["crypto_ws_raw/KRAKEN.0.gz"] == "lists of an exchange's symbols, no events"
    assert "bars of one second" in unread["us_nbbo_trades_2013/spy_20131007_quote_1s.zip"]
    assert main(["data", "list"]) == 0
    assert "not read: crypto_ws_raw/KRAKEN.0.gz (lists" in capfd.readouterr().out


def test_a_recording_without_a_symbol_has_no_rows_and_says_why(data: Path, capfd: Captured) -> None:
    path = capture(data / "KRAKEN.ws.1.0.gz", [{"event": "heartbeat"}])
    assert main(["data", "inspect", str(path)]) == 0
    text = " ".join(capfd.readouterr().out.split())
    assert "feed ws_json, no symbol" in text
    assert "rows 0 venues none" in text
    assert "left out 1: heartbeat (first at KRAKEN.ws.1.0.gz record" in text
    assert main(["data", "inspect", str(path), "--symbol", "XBT/USD"]) == 2


def test_a_folder_is_inspected_behind_its_bad_files(data: Path, capfd: Captured) -> None:
    for day in ("20140505", "20140507"):
        (data / "currencies" / f"fxcm_eurusd_{day}_quote.zip").write_bytes(b"garbage")
    assert main(["data", "inspect", "currencies"]) == 2
    printed = capfd.readouterr()
    assert "fxcm_eurusd_20140506_quote.zip" in printed.out
    assert "oanda_eurusd_20140506_quote.zip" in printed.out
    first, last = printed.err.splitlines()
    assert first.startswith("error: expected a zip file")
    assert first.endswith("fxcm_eurusd_20140505_quote.zip")
    assert last.endswith("fxcm_eurusd_20140507_quote.zip")


def test_a_foreign_parquet_is_said_to_have_no_metadata_of_ours(data: Path, capfd: Captured) -> None:
    pq.write_table(pa.table({"a": [1]}), data / "foreign.parquet")
    assert main(["data", "inspect", "foreign.parquet"]) == 2
    said = "expected an event table, got 'a file without Anabranch metadata' - at foreign.parquet"
    assert said in capfd.readouterr().err


@pytest.mark.usefixtures("data")
def test_a_table_that_cannot_be_written_is_said_of_out(capfd: Captured) -> None:
    name = "x" * 250 + ".parquet"
    assert main(["data", "import", "us", "--out", name]) == 2
    error = capfd.readouterr().err
    assert error.startswith("error: expected a file that can be written, got 'File name too long: x")
    assert error.endswith(" - at --out\n")


@pytest.mark.usefixtures("data")
def test_calibrate_makes_no_folder_for_its_parameters(capfd: Captured) -> None:
    assert main(["calibrate", "taq", "--out", "absent/flow.toml"]) == 2
    assert "expected a file in a folder that exists, got 'absent/flow.toml' - at --out" in capfd.readouterr().err
    assert not Path("absent").exists()


def test_times_are_said_to_the_nanosecond() -> None:
    assert utc(1_514_903_400_000_000_001) == "2018-01-02 14:30:00.000000001"
