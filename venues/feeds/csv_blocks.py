"""CSV without quotes as blocks of whole-number columns, or the first record that is not what was expected.

Rule of this file: the fast reader says that a block is wrong, a plain loop then says which record and why; decimals
are read as decimals, never as floats.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc

from router.domain.errors import TapeError, bad_value
from router.domain.market import I64
from venues.feeds.blocks import line_blocks, place_of, refuse

_DIGITS = 18
"""Digits of a decimal that is sure to fit int64."""


class Column(NamedTuple):
    """A column of numbers: `places` behind the point become whole units; the result lies from `low` to `high`.

    `is_hex` reads whole numbers in hexadecimal digits. With `words`, a column of these words instead; the result is
    each one's index. With `letters`, of any of these letters; the result has bit k for the k-th of them.
    """

    name: str
    places: int = 0
    low: int = 0
    high: int = 10**15
    words: tuple[str, ...] = ()
    is_hex: bool = False
    letters: str = ""

    @property
    def is_text(self) -> bool:
        """Whether fields repeat, and are looked up by word rather than read as numbers."""
        return bool(self.words or self.letters or self.is_hex)


class Block(NamedTuple):
    """Some records: the number of the first (1 is the first of the file) and each column as int64 (n,)."""

    first: int
    columns: Mapping[str, I64]

    def record(self, row: int) -> int:
        """Return a row's record number."""
        return self.first + row


def csv_blocks(
    path: Path, columns: Sequence[Column | str], *, member: str | None = None, has_header: bool = False
) -> Iterator[Block]:
    """Yield a CSV's records in blocks. A bare name in `columns` is a column that is passed over.

    With a header, `columns` may stand in any order and others are passed over. Numbers of records do not count it.

    Raises:
        TapeError: what `line_blocks` refuses; a header without a needed column; a record with another number of
            fields, with text where a number is expected, or out of range.
    """
    place = place_of(path, member)
    blocks = line_blocks(path, member, header_lines=int(has_header))
    layout = list(columns)
    record = 1
    for text in blocks:
        if has_header:
            header, _, text = text.partition(b"\n")
            layout = _layout(place, header.decode("utf-8", "replace").rstrip("\r").split(","), columns)
            has_header = False
            if not text:
                continue
        block = Block(record, _parse(place, record, text, layout))
        _check_ranges(place, block, [column for column in layout if isinstance(column, Column)])
        record += len(next(iter(block.columns.values())))
        yield block
    if record == 1:
        raise TapeError(bad_value(place, "at least one record", 0))


def _layout(place: str, names: Sequence[str], columns: Sequence[Column | str]) -> list[Column | str]:
    wanted = {column.name: column for column in columns if isinstance(column, Column)}
    for name in wanted:
        if names.count(name) != 1:
            raise TapeError(bad_value(f"{place} header", f"one column {name!r}", ",".join(names)[:200]))
    return [wanted.get(name, f"{k}:{name}") for k, name in enumerate(names)]


def _parse(place: str, record: int, text: bytes, layout: Sequence[Column | str]) -> dict[str, I64]:
    names = [column.name if isinstance(column, Column) else column for column in layout]
    wanted = [column for column in layout if isinstance(column, Column)]
    try:
        table = pc.read_csv(
            pa.BufferReader(text),
            read_options=pc.ReadOptions(column_names=names, use_threads=False, block_size=len(text) + 1),
            parse_options=pc.ParseOptions(quote_char=False, ignore_empty_lines=False),
            convert_options=pc.ConvertOptions(
                column_types={column.name: _type(column) for column in wanted},
                include_columns=[column.name for column in wanted],
                null_values=[],
                strings_can_be_null=False,
            ),
        )
        return {column.name: _whole(table[column.name], column) for column in wanted}
    except (pa.ArrowException, ValueError, OverflowError) as exc:
        raise _fault(place, record, text, layout, exc) from exc


def _type(column: Column) -> pa.DataType:
    if column.is_text:
        return pa.dictionary(pa.int32(), pa.string())
    return pa.decimal128(_DIGITS, column.places) if column.places else pa.int64()


def _whole(values: pa.ChunkedArray, column: Column) -> I64:
    parts = [_whole_chunk(chunk, column) for chunk in values.chunks]
    return np.concatenate(parts) if len(parts) != 1 else parts[0]


def _whole_chunk(chunk: pa.Array, column: Column) -> I64:
    whole: I64
    if column.is_text:
        # A word that is none raises ValueError here, and the plain loop says where it stands.
        of = np.array([_whole_word(column, word) for word in chunk.dictionary.to_pylist()], dtype=np.int64)
        whole = of[chunk.indices.to_numpy()]
    elif column.places:
        # 18 digits are the low half of a little-endian int128.
        whole = np.frombuffer(chunk.buffers()[1], dtype=np.int64)[::2][chunk.offset : chunk.offset + len(chunk)]
    else:
        whole = chunk.to_numpy()
    return whole


def _whole_word(column: Column, word: str) -> int:
    if not _fits(column, word):
        raise ValueError
    if column.letters:
        return sum(1 << column.letters.index(letter) for letter in sorted(set(word)))
    return column.words.index(word) if column.words else int(word, 16)


def _check_ranges(place: str, block: Block, columns: Sequence[Column]) -> None:
    for column in columns:
        values = block.columns[column.name]
        if column.words or column.letters or (values.min() >= column.low and values.max() <= column.high):
            continue
        row = int(((values < column.low) | (values > column.high)).argmax())
        where = f" units of 1e-{column.places}" if column.places else ""
        expected = f"{column.name!r} from {column.low} to {column.high}{where}"
        raise refuse(place, block.record(row), expected, int(values[row]))


def _fault(place: str, record: int, text: bytes, layout: Sequence[Column | str], exc: Exception) -> TapeError:
    for k, line in enumerate(text.splitlines(), start=record):
        fields = line.split(b",")
        if len(fields) != len(layout):
            return refuse(place, k, f"{len(layout)} fields", len(fields))
        for column, field in zip(layout, fields, strict=True):
            if isinstance(column, Column) and not _fits(column, word := field.decode("utf-8", "replace")):
                return refuse(place, k, f"{_kind(column)} in {column.name!r}", word[:80])
    return refuse(place, record, "records in UTF-8", str(exc).partition("\n")[0][:200])


def _fits(column: Column, word: str) -> bool:
    if column.words:
        return word in column.words
    if column.letters:
        return set(word) <= set(column.letters)
    if column.is_hex:
        return re.fullmatch(r"[0-9A-Fa-f]{1,15}", word, re.ASCII) is not None
    if not column.places:
        return re.fullmatch(r"-?\d{1,18}", word, re.ASCII) is not None
    pattern = rf"-?\d{{1,{_DIGITS - column.places}}}(\.\d{{0,{column.places}}})?"
    return re.fullmatch(pattern, word, re.ASCII) is not None


def _kind(column: Column) -> str:
    if column.words:
        return f"one of {', '.join(map(repr, column.words[:40]))}"
    if column.letters:
        return f"letters out of {column.letters!r}"
    if column.is_hex:
        return "hexadecimal digits"
    return f"a number of at most {column.places} decimals" if column.places else "a whole number"


def check_order(place: str, record: int, at: I64, before: int) -> None:
    """Refuse times that fall; `before` is the last time of the records before, `record` the first one's number.

    Raises:
        TapeError: names the first record that is earlier than the one before it.

    >>> check_order("x.csv", 1, np.array([1, 3, 2]), 0)
    Traceback (most recent call last):
    router.domain.errors.TapeError: expected a time from 3, got 2 - at x.csv record 3
    """
    if at[0] < before or (len(at) > 1 and np.diff(at).min() < 0):
        times = [before, *at.tolist()]
        row = next(k for k, (earlier, later) in enumerate(pairwise(times)) if later < earlier)
        raise refuse(place, record + row, f"a time from {times[row]}", times[row + 1])
