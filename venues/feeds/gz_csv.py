"""Read a gzipped CSV of recorded data into whole-number columns, or say which record cannot be read.

Rule of this file: nothing is guessed and nothing is dropped: the first record that is not what was expected is a
`TapeError` that names the file and the record (1 is the first line after the header).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from router.domain.errors import TapeError, bad_value
from router.domain.market import I64
from router.domain.units import PX_MAX, PX_PER_CURRENCY

BYTES_MAX = 1 << 30
"""Largest unpacked file: a day of one busy stock has less than a tenth of it."""

_GZIP = 31  # zlib's window bits for a gzip wrapper


def refuse(path: Path, record: int, expected: str, got: object) -> TapeError:
    """Return the error that names file and record.

    >>> str(refuse(Path("x/quotes.csv.gz"), 3, "a number", "abc"))
    "expected a number, got 'abc' - at quotes.csv.gz record 3"
    """
    return TapeError(bad_value(f"{path.name} record {record}", expected, got))


def read_columns(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    """Return the named columns as text, one row a record.

    Raises:
        TapeError: missing or unreadable file, not gzip, truncated, above `BYTES_MAX`, without a needed column,
            with no record, or with a record of another number of fields than the header.
    """
    data = _unpack(path).replace(b"\r\n", b"\n")
    header, _, body = data.partition(b"\n")
    names = header.decode("utf-8", "replace").split(",")
    for name in columns:
        if name not in names:
            raise TapeError(bad_value(f"{path.name} header", f"a column {name!r}", ",".join(names)[:200]))
    if not body.strip():
        raise TapeError(bad_value(path.name, "at least one record", 0))
    _check_fields(path, body, len(names) - 1)
    try:
        table = pl.read_csv(data, columns=list(columns), infer_schema=False, quote_char=None)
    except PolarsError as exc:
        raise TapeError(bad_value(path.name, "UTF-8 text in CSV", str(exc).partition("\n")[0])) from exc
    return table.select(pl.col(name).fill_null("") for name in columns)


def whole_numbers(path: Path, table: pl.DataFrame, column: str) -> I64:
    """Return a column of whole numbers from 0 as int64 (n,).

    Raises:
        TapeError: not a whole number, or negative.
    """
    values = table[column].cast(pl.Int64, strict=False)
    if values.null_count():
        record = int(values.is_null().arg_max() or 0)
        raise refuse(path, record + 1, f"a whole number in {column!r}", table[column][record])
    return _not_negative(path, column, values.to_numpy())


def prices(path: Path, table: pl.DataFrame, column: str) -> I64:
    """Return a column of decimal prices as Px, int64 (n,), exactly.

    Raises:
        TapeError: not a number, negative, above `PX_MAX` or not in steps of 0.0001.
    """
    values = table[column].cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy() * PX_PER_CURRENCY
    bad = ~np.isfinite(values) | (np.abs(values) > PX_MAX)
    if bad.any():
        record = int(bad.argmax())
        raise refuse(path, record + 1, f"a decimal price in {column!r}", table[column][record])
    whole = np.rint(values)
    # A decimal of four places is at most a rounding error of float64 away from a whole number of Px.
    bad = np.abs(values - whole) > 1e-3
    if bad.any():
        record = int(bad.argmax())
        raise refuse(path, record + 1, f"a price in steps of 0.0001 in {column!r}", table[column][record])
    return _not_negative(path, column, whole.astype(np.int64))


def check_order(path: Path, at: I64) -> None:
    """Refuse records whose time goes backwards.

    Raises:
        TapeError: names the first record that is earlier than the one before it.
    """
    back = np.flatnonzero(at[1:] < at[:-1])
    if len(back):
        k = int(back[0]) + 1
        raise refuse(path, k + 1, f"a time from {int(at[k - 1])}", int(at[k]))


def _not_negative(path: Path, column: str, values: I64) -> I64:
    bad = values < 0
    if bad.any():
        record = int(bad.argmax())
        raise refuse(path, record + 1, f"a number from 0 in {column!r}", int(values[record]))
    return values


def _unpack(path: Path) -> bytes:
    try:
        packed = path.read_bytes()
    except OSError as exc:
        raise TapeError(bad_value(path.name, "a readable file", exc.strerror or "an error")) from exc
    data = b""
    while packed:
        member = zlib.decompressobj(_GZIP)
        try:
            data += member.decompress(packed, BYTES_MAX + 1 - len(data))
        except zlib.error as exc:
            raise refuse(path, max(data.count(b"\n"), 0), "gzip data", str(exc)) from exc
        if len(data) > BYTES_MAX:
            raise TapeError(bad_value(path.name, f"at most {BYTES_MAX} bytes unpacked", "more"))
        if not member.eof:
            raise refuse(path, max(data.count(b"\n"), 0), "a whole gzip file", "a truncated one")
        packed = member.unused_data
    return data


def _check_fields(path: Path, body: bytes, commas: int) -> None:
    lines = body.count(b"\n") + (not body.endswith(b"\n"))
    if body.count(b",") == lines * commas and b"\n\n" not in body and not body.startswith(b"\n"):
        return
    for record, line in enumerate(body.splitlines(), start=1):
        if line.count(b",") != commas:
            raise refuse(path, record, f"{commas + 1} fields", line.count(b",") + 1)
