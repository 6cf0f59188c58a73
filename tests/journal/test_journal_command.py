"""`anabranch journal` from outside: what it prints, what it writes, and with which code it ends."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import msgspec
import polars as pl
import pytest

from cluster.cli import main
from cluster.journal.open import open_journal
from cluster.journal.showing import payload_json
from router.orders.journal import Draft, digest_of

Captured = pytest.CaptureFixture[str]


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "journal.sqlite")
    made: str = request.getfixturevalue("new_postgres_url")()
    return made


def test_verify_says_what_is_there_and_that_it_is_whole(url: str, capfd: Captured) -> None:
    digest = _fill(url, 30)
    writer = open_journal(url)
    for offset in (5, 25):
        writer.put_snapshot("desk", offset, b"state")
    writer.close()
    assert main(["journal", "verify", url, "--json"]) == 0
    said = json.loads(capfd.readouterr().out)
    assert (said["records"], said["streams"], said["epoch"], said["digest"]) == (30, 3, 2, digest)
    assert (said["snapshots"], said["bad_snapshots"]) == ({"desk": 25}, 0)
    assert said["kinds"] == {"Even": 15, "Odd": 15}
    assert main(["journal", "verify", url]) == 0
    printed = capfd.readouterr()
    assert "30 records of 3 streams, epoch 2" in printed.out
    assert "snapshots of 1 names, 0 damaged" in printed.out
    assert printed.err == ""
    # A look takes nothing over.
    reader = open_journal(url, is_reader=True)
    assert reader.epoch == 2
    reader.close()


def test_damaged_journal_is_one_line_and_its_own_exit_code(tmp_path: Path, capfd: Captured) -> None:
    path = tmp_path / "journal.sqlite"
    _fill(str(path), 30)
    with sqlite3.connect(path) as db:
        db.execute('UPDATE records SET at = at + 1 WHERE "offset" = 17')
    db.close()
    out = tmp_path / "table.parquet"
    for command in (["verify", str(path)], ["export", str(path), "--out", str(out)], ["tail", str(path)]):
        assert main(["journal", *command]) == 4
        said = capfd.readouterr().err
        assert said.count("\n") == 1
        assert said.startswith("error: JournalCorruptError: expected crc32 ")
        assert said.endswith(f" - at {path} offset 17\n")
    assert list(tmp_path.glob("*table*")) == []
    assert main(["journal", "tail", str(path), "--start", "20"]) == 0
    assert len(capfd.readouterr().out.splitlines()) == 10


def test_tail_shows_the_last_records_decoded(url: str, capfd: Captured) -> None:
    _fill(url, 30)
    assert main(["journal", "tail", url]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == 20
    assert lines[-1] == '29 P2 9 e1 Odd at=1029 causation=P1.d29 correlation=- {"qty":29}'
    assert main(["journal", "tail", url, "--start", "4", "--stream", "P1", "--json"]) == 0
    shown = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [one["offset"] for one in shown] == list(range(4, 30, 3))
    assert shown[0] | {"crc32": 0, "previous": ""} == {
        "offset": 4,
        "stream": "P1",
        "seq": 1,
        "epoch": 1,
        "kind": "Even",
        "version": 1,
        "at": 1004,
        "causation_id": "P1.d4",
        "payload": {"qty": 4},
        "crc32": 0,
        "previous": "",
        "correlation_id": "r4",
    }
    assert main(["journal", "tail", url, "--start", "99"]) == 0
    assert capfd.readouterr().out == ""


def test_tail_follows_a_writer_until_it_is_interrupted(url: str) -> None:
    _fill(url, 3)
    line = [sys.executable, "-c", "import sys; from cluster.cli import main; sys.exit(main())", "journal", "tail", url]
    with subprocess.Popen([*line, "--follow"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as tail:
        assert tail.stdout is not None
        seen = [tail.stdout.readline() for _ in range(3)]
        _fill(url, 2)
        seen += [tail.stdout.readline() for _ in range(2)]
        tail.send_signal(signal.SIGINT)
        assert tail.communicate()[0] == ""
    assert tail.returncode == 130
    assert [text.split()[0] for text in seen] == ["0", "1", "2", "3", "4"]


def test_export_gives_the_same_records_in_both_forms(url: str, tmp_path: Path, capfd: Captured) -> None:
    _fill(url, 30)
    for name in ("table.parquet", "table.jsonl"):
        assert main(["journal", "export", url, "--out", str(tmp_path / name), "--stream", "P1", "--json"]) == 0
        assert json.loads(capfd.readouterr().out)["records"] == 10
    table = pl.read_parquet(tmp_path / "table.parquet").to_dicts()
    lines = [json.loads(line) for line in (tmp_path / "table.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [one["offset"] for one in table] == [one["offset"] for one in lines] == list(range(1, 30, 3))
    for row, one in zip(table, lines, strict=True):
        assert json.loads(row.pop("payload_json")) == one["payload"] == msgspec.msgpack.decode(row["payload"])
        assert row["previous"].hex() == one["previous"]
        assert {name: row[name] for name in row if name not in ("payload", "previous")} == {
            name: one[name] for name in one if name not in ("payload", "previous")
        }
    assert {path.name for path in tmp_path.iterdir()} >= {"table.parquet", "table.jsonl"}
    assert not list(tmp_path.glob(".*"))


def test_empty_journal_is_whole_and_exports_nothing(url: str, tmp_path: Path, capfd: Captured) -> None:
    open_journal(url).close()
    assert main(["journal", "verify", url]) == 0
    assert "0 records of 0 streams" in capfd.readouterr().out
    assert main(["journal", "export", url, "--out", str(tmp_path / "table.parquet")]) == 0
    assert pl.read_parquet(tmp_path / "table.parquet").height == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["verify", "absent.sqlite"], "expected a journal's file or URL, got 'absent.sqlite' - at JOURNAL"),
        (["verify", "sqlite:"], "expected a journal's file or URL"),
        (["tail", "mysql://someone:secret@host/db"], "got 'mysql://host/db' - at journal"),
        (["tail", "postgresql:///x?schema="], "expected a name of 1 to 63 bytes"),
        (["tail", "postgresql:///x?bogus=1"], "expected a URL that libpq takes"),
        (["export", "absent.sqlite", "--out", "table.csv"], "ending in .parquet or .jsonl, got 'table.csv'"),
        (["tail", "absent.sqlite", "--start", "-1"], "--start"),
    ],
)
def test_what_cannot_be_meant_is_bad_input(
    arguments: list[str], said: str, capfd: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["journal", *arguments]) == 2
    printed = capfd.readouterr().err
    assert said in printed
    assert "secret" not in printed
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        (msgspec.msgpack.encode({"a": [1, None, "ü"], "b": b"\x00"}), '{"a":[1,null,"ü"],"b":"AA=="}'),
        (msgspec.msgpack.encode({1: "one"}), '{"1":"one"}'),
        (b"", '{"hex":""}'),
        (b"\xc1", '{"hex":"c1"}'),
        (b"\xa2\xff\xfe", '{"hex":"a2fffe"}'),
        (b"\x91" * 5_000 + b"\xc0", None),
    ],
)
def test_any_payload_can_be_shown(payload: bytes, shown: str | None) -> None:
    said = payload_json(payload)
    assert said == (json.dumps({"hex": payload.hex()}, separators=(",", ":")) if shown is None else shown)


def _fill(url: str, records: int) -> str:
    """Write records to three streams in turn and return the last one's digest."""
    journal = open_journal(url)
    size = journal.health().size
    for n in range(size, size + records):
        payload, kind = msgspec.msgpack.encode({"qty": n}), ("Even", "Odd")[n % 2]
        draft = Draft(kind, 1_000 + n, f"P1.d{n}", payload, correlation_id=f"r{n}" if n < 9 else "")
        journal.append(f"P{n % 3}", n // 3, [draft])
    journal.sync()
    digest = digest_of(journal.read_durable(size + records - 1, 1)[0]).hex()
    journal.close()
    return digest
