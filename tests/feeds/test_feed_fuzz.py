"""Damaged recordings: whatever the bytes, a feed gives rows or a TapeError, and nothing else comes out."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from feed_material import (
    BOOK,
    MESSAGES,
    QUOTE_HEADER,
    SNAPSHOT,
    binance,
    difference,
    fx,
    lean,
    lobster,
    read,
    taq,
    ticker,
    trade,
    write_gz,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.data_import import import_feed
from router.domain.errors import TapeError

Make = Callable[[Path], Path]

MAKERS: dict[str, Make] = {
    "lobster": lambda folder: lobster(folder, MESSAGES * 1, BOOK),
    "taq": lambda folder: taq(
        folder, ("1514903400100,1,N,40.01,2,40.03,1,R,A",) * 9, ("1514903400200,1,D,40.0201,100,F I,0,T",) * 9
    ),
    "lean": lambda folder: lean(
        folder, ("34200000,481800,100,0,0,P,1,0", "34200000,0,0,491000,300,Q,1,0") * 5, ("34200000,4,5,D,1,0",) * 9
    ),
    "fx": lambda folder: fx(folder, ("339,1.38833,1.38835",) * 9),
    "binance": lambda folder: binance(
        folder, (SNAPSHOT, difference(9, 12, 10, [["1", "2"]], []), ticker("1", "2"), trade("1", "1", True))
    ),
    "parquet": lambda folder: _table(folder, "day.parquet"),
    "arrow": lambda folder: _table(folder, "day.arrow"),
}

BYTES = st.one_of(
    st.sampled_from([b"", b"\n", b",", b"-", b"\x00", b"\xff", b'"', b"e9", b"\r", b"."]), st.binary(max_size=4)
)
CHANGES = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 3), BYTES), min_size=1, max_size=4)


def _table(folder: Path, name: str) -> Path:
    import_feed(lobster(folder), folder / name)
    return folder / name


def damaged(data: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    for at, cut, put in changes:
        where = at % (len(data) + 1)
        data = data[:where] + put + data[where + cut :]
    return data


def gives_rows_or_a_refusal(path: Path) -> bool:
    try:
        return all(row["qty"] >= 0 for row in read(path))
    except TapeError as exc:
        return str(exc).startswith("expected ") and " - at " in str(exc)


@pytest.mark.parametrize("name", MAKERS)
@settings(
    max_examples=120, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(changes=CHANGES)
def test_damaged_file_gives_rows_or_a_refusal(tmp_path: Path, name: str, changes: list[tuple[int, int, bytes]]) -> None:
    path = MAKERS[name](tmp_path)
    path.write_bytes(damaged(path.read_bytes(), changes))
    assert gives_rows_or_a_refusal(path)


@pytest.mark.parametrize("name", ["lobster", "taq", "lean", "fx", "binance"])
@settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(changes=CHANGES, member=st.integers(0, 1))
def test_damaged_text_gives_rows_or_a_refusal(
    tmp_path: Path, name: str, changes: list[tuple[int, int, bytes]], member: int
) -> None:
    path = MAKERS[name](tmp_path)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(damaged(gzip.decompress(path.read_bytes()), changes)))
    else:
        with zipfile.ZipFile(path) as archive:
            texts = {of: archive.read(of) for of in archive.namelist()}
        hit = list(texts)[member % len(texts)]
        texts[hit] = damaged(texts[hit], changes)
        with zipfile.ZipFile(path, "w") as archive:
            for of, text in texts.items():
                archive.writestr(of, text)
    assert gives_rows_or_a_refusal(path)


@pytest.mark.parametrize("name", MAKERS)
def test_every_cut_of_a_file_is_refused(tmp_path: Path, name: str) -> None:
    path = MAKERS[name](tmp_path)
    data = path.read_bytes()
    for length in range(0, len(data) - 1, max(1, len(data) // 40)):
        path.write_bytes(data[:length])
        with pytest.raises(TapeError, match=path.name.replace(".", r"\.")):
            read(path)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 5_000, b"\x1f\x8b\x08\x00", b"PK\x03\x04", b"\n\n\n", bytes(range(256)) * 20]
)
def test_garbage_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = MAKERS[name](tmp_path)
    path.write_bytes(content)
    with pytest.raises(TapeError):
        read(path)


@pytest.mark.parametrize("text", ["", "\n", QUOTE_HEADER, QUOTE_HEADER + "\n\n", "x" * 3_000_000, "\x00" * 100])
def test_text_that_is_no_table_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(TapeError, match=r"abc_quotes_20180102\.csv\.gz"):
        read(write_gz(tmp_path / "abc_quotes_20180102.csv.gz", text))


def test_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match="No such file"):
        read(tmp_path / "abc_quotes_20180102.csv.gz")
    with pytest.raises(TapeError, match="expected a file of one of lobster, "):
        read(tmp_path / "abc.txt")
