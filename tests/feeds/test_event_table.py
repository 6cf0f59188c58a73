"""An event table on disk: reads back as it was written, says what it is, and is never half there."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feed_material import QUOTE_HEADER, fx, lobster, read, rows_of, taq, write_gz

from cluster.data_import import import_feed
from router.domain.errors import BadInputError, InvariantError, TapeError
from venues.feeds.catalogue import files_in, open_feed, parts
from venues.feeds.events import EVENT_SCHEMA, EventKind, FeedInfo
from venues.feeds.inspection import inspect
from venues.feeds.stream_feed import AT, BATCH_ROWS_MAX, KIND, VENUE, Notes, StreamFeed, merged
from venues.feeds.table import METADATA_KEY, ArrowFeed, table_info

QUOTES = ("1514903400100,1,N,40.01,2,40.03,1,R,A", "1514903400200,2,P,40,1,40.01,3,R,A")
TRADES = ("1514903400200,1,D,40.0201,100,F I,0,T", "1514903400300,2,N,40.03,50,M,0,")


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_table_reads_back_as_it_was_written(tmp_path: Path, suffix: str) -> None:
    source = taq(tmp_path, QUOTES, TRADES)
    out = tmp_path / f"day{suffix}"
    said = import_feed(source, out)
    feed = ArrowFeed(out)
    original = open_feed(source)
    assert rows_of(feed) == rows_of(original)
    assert (feed.info(), feed.skipped(), feed.span()) == (original.info(), original.skipped(), original.span())
    assert said == feed.table == table_info(out)
    assert [(of.name, of.sha256) for of in said.sources] == [
        (path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in parts(source)
    ]
    assert len(said.sources) == 2
    assert inspect(open_feed(out)) == inspect(open_feed(source))


def test_failed_import_leaves_what_was_there(tmp_path: Path) -> None:
    out = tmp_path / "tables" / "day.parquet"
    out.parent.mkdir()
    import_feed(lobster(tmp_path), out)
    before = out.read_bytes()
    bad = taq(tmp_path / "bad", (*QUOTES, "1,1,N,40.01,2,40.03,1,R,A"))
    with pytest.raises(TapeError, match="record 3"):
        import_feed(bad, out)
    assert [path.name for path in out.parent.iterdir()] == ["day.parquet"]
    assert out.read_bytes() == before


@pytest.mark.parametrize("name", ["day.csv", "absent/day.parquet", "abc_quotes_20180102.csv.gz"])
def test_import_refuses_where_it_cannot_write(tmp_path: Path, name: str) -> None:
    source = taq(tmp_path, QUOTES)
    with pytest.raises(BadInputError, match="at --out"):
        import_feed(source, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [source.name]


def test_feed_without_a_row_makes_no_table(tmp_path: Path) -> None:
    source = write_gz(tmp_path / "abc_quotes_20180102.csv.gz", QUOTE_HEADER + "\n")
    with pytest.raises(TapeError, match="at least one record, got 0"):
        import_feed(source, tmp_path / "day.parquet")


def test_what_is_no_event_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "day.parquet"
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(TapeError, match=r"expected an event table, got .* - at day.parquet"):
        open_feed(path)
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(TapeError, match="expected an event table"):
        open_feed(path)
    with pytest.raises(TapeError, match=r"expected a file of \.parquet or \.arrow"):
        ArrowFeed(tmp_path / "day.csv")


def test_table_with_impossible_rows_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "day.parquet"
    import_feed(fx(tmp_path, ("1,1.1,1.2", "2,1.1,1.2")), out)
    table = pq.read_table(out)
    kinds = pa.array([7, 7, 99, 7], pa.int8())
    pq.write_table(table.set_column(2, table.schema.field("kind"), kinds), out)
    with pytest.raises(
        TapeError, match=r"a kind, a side and a quantity from 0, got \[99, .* - at day.parquet record 3"
    ):
        read(out)
    pq.write_table(table.slice(1), out)
    with pytest.raises(TapeError, match=r"expected 4 rows, got 3"):
        read(out)
    said = table.schema.metadata[METADATA_KEY].replace(b'"version":1', b'"version":2')
    pq.write_table(table.replace_schema_metadata({METADATA_KEY: said}), out)
    with pytest.raises(TapeError, match="a table of version 1, got 2"):
        read(out)


def _rows(*at: int, venue: int = 0) -> np.ndarray:
    rows = np.zeros((len(at), 8), dtype=np.int64)
    rows[:, AT], rows[:, VENUE], rows[:, KIND] = at, venue, int(EventKind.TRADE)
    return rows


def test_feed_cuts_batches_and_reads_once() -> None:
    blocks = [_rows(*range(5)), _rows(*range(5, 70_005)), _rows()]
    feed = StreamFeed(FeedInfo("x", "X", "1", "1", ("A",)), "x.csv", blocks, Notes())
    assert feed.span() == (0, 0)
    assert [len(batch) for batch in feed.batches()] == [5, BATCH_ROWS_MAX, 70_000 - BATCH_ROWS_MAX]
    assert feed.span() == (0, 70_004)
    with pytest.raises(InvariantError):
        feed.batches()


def test_times_may_fall_between_venues_and_not_within_one() -> None:
    info = FeedInfo("x", "X", "1", "1", ("A", "B"))
    assert len(rows_of(StreamFeed(info, "x.csv", [_rows(5), _rows(3, venue=1)], Notes()))) == 2
    with pytest.raises(TapeError, match=r"times that never fall, after 5, got 3 - at x.csv"):
        rows_of(StreamFeed(info, "x.csv", [_rows(5), _rows(3)], Notes()))


def test_merging_does_not_depend_on_blocks() -> None:
    rng = np.random.default_rng(7)
    streams = [np.sort(rng.integers(0, 30, 60)), np.sort(rng.integers(0, 30, 40))]
    wholes = [_rows(*at.tolist(), venue=k) for k, at in enumerate(streams)]
    whole = np.concatenate(list(merged([iter([rows]) for rows in wholes])))
    expected = np.concatenate(wholes)
    assert np.array_equal(whole, expected[np.argsort(expected[:, AT], kind="stable")])
    for size in (1, 2, 7, 33):
        cut = [iter([rows[k : k + size] for k in range(0, len(rows), size)]) for rows in wholes]
        assert np.array_equal(np.concatenate(list(merged(cut))), whole)


def test_folder_lists_a_pair_of_files_once(tmp_path: Path) -> None:
    source = taq(tmp_path, QUOTES, TRADES)
    (tmp_path / "README.md").write_text("no feed")
    assert files_in(tmp_path) == (source,)


def test_schema_of_a_table_is_the_contract(tmp_path: Path) -> None:
    out = tmp_path / "day.parquet"
    import_feed(lobster(tmp_path), out)
    assert pq.read_schema(out).equals(EVENT_SCHEMA)
