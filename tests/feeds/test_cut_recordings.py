"""Recordings that break off: the record that is named is the first that is not whole.

Rule of this file: a file is cut by its bytes, and what is left of it says where.
"""

from __future__ import annotations

import gzip
import re
import zlib
from pathlib import Path

import pytest
from feed_material import taq
from wire_material import dbn_bytes, mbo, write, zst

from router.domain.chance import generator
from router.domain.errors import TapeError
from venues.feeds.blocks import line_blocks
from venues.feeds.catalogue import open_feed


def whole_lines(packed: bytes) -> int:
    return zlib.decompressobj(31).decompress(packed).count(b"\n")


def named_record(error: TapeError) -> int:
    found = re.search(r" record (\d+)$", str(error))
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize("kept", [0.2, 0.7, 0.999])
def test_a_cut_text_names_the_first_line_that_is_not_whole(tmp_path: Path, kept: float) -> None:
    packed = gzip.compress("".join(f"{k * k},{k}\n" for k in range(200_000)).encode())
    cut = packed[: int(kept * len(packed))]
    path = tmp_path / "cut.gz"
    path.write_bytes(cut)
    lines = 0
    with pytest.raises(TapeError, match="a whole, readable file") as caught:
        for block in line_blocks(path):
            lines += block.count(b"\n")
    assert named_record(caught.value) == lines + 1 == whole_lines(cut) + 1


def test_a_cut_table_with_a_header_does_not_count_it(tmp_path: Path) -> None:
    quotes = tuple(f"{1514903400000 + k},{k + 1},N,40.01,{k % 97 + 1},40.03,1,R,A" for k in range(20_000))
    path = taq(tmp_path, quotes)
    cut = path.read_bytes()[:-4_000]
    path.write_bytes(cut)
    with pytest.raises(TapeError, match="a whole, readable file") as caught:
        for _ in open_feed(path).batches():
            pass
    assert named_record(caught.value) == whole_lines(cut)


def test_cut_market_by_order_names_a_record_behind_those_it_unpacked(tmp_path: Path) -> None:
    ids = generator(7, "cut", "order ids").integers(1, 1 << 60, 12_000).tolist()
    data = dbn_bytes([mbo("A", "B", "100.25", 5, order_id, at=at) for at, order_id in enumerate(ids)])
    packed = zst(data)
    with pytest.raises(TapeError, match="a whole, readable file") as caught:
        for _ in open_feed(write(tmp_path / "x.mbo.dbn.zst", packed[: len(packed) // 2])).batches():
            pass
    assert 2_000 < named_record(caught.value) < 12_000
