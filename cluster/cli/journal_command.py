"""`anabranch journal`: is it whole, what is in it, and a table of it for other programs.

Rule of this file: it opens journals for reading only: a look never takes a journal over from its writer.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.cli import options
from cluster.cli.console import Progress, print_json, progress_bar, stdout
from router.domain.errors import BadInputError, bad_value

if TYPE_CHECKING:
    from cluster.journal.rows import VerifyFrom
    from cluster.journal.stored import StoredJournal
    from router.orders.journal import Record

SHOWN = 20
"""Records that `tail` begins with when it is not told where."""

POLL_S = 0.2
"""How often `tail --follow` looks for more."""

PROGRESS_EVERY = 1_000
"""Records between two moves of a bar."""

Place = Annotated[str, typer.Argument(metavar="JOURNAL", help="A file, sqlite:PATH or postgresql://...?schema=NAME.")]
Stream = Annotated[str | None, typer.Option(metavar="S", help="Only this stream.")]


def journal_app() -> typer.Typer:
    """Return the commands under `journal`."""
    app = typer.Typer(help="Verify, show and export journals.", no_args_is_help=True)
    app.command("verify")(verify_journal)
    app.command("tail")(tail_journal)
    app.command("export")(export_journal)
    return app


def verify_journal(journal: Place, json: options.Json = False) -> int:
    """Check every record's checksum and place in the chain, from the first to the last.

    Raises:
        JournalCorruptError: names the offset, what was expected and what is there (exit code 4).
    """
    from router.orders.journal import GENESIS, digest_of, verify

    began = time.perf_counter()
    # Opening checks the head and the last record; the rest is read once, here, where progress can be shown.
    opened = _open(journal, verify_from=2**62)
    kinds: dict[str, int] = {}
    streams: dict[str, int] = {}
    digest = GENESIS
    last: Record | None = None
    with progress_bar("verify") as progress:
        for last in verify(_moving(_all(opened), opened.health().size, progress), opened.place):
            kinds[last.kind] = kinds.get(last.kind, 0) + 1
            streams[last.stream] = last.seq + 1
    if last is not None:
        digest = digest_of(last)
    snapshots = {name: opened.get_snapshot(name) for name in opened.snapshot_names()}
    said = {
        "journal": opened.place,
        "records": opened.health().size,
        "streams": len(streams),
        "epoch": opened.epoch,
        "digest": digest.hex(),
        "kinds": dict(sorted(kinds.items())),
        "snapshots": {name: None if found is None else found[0] for name, found in snapshots.items()},
        "bad_snapshots": opened.health().bad_snapshots,
        "seconds": round(time.perf_counter() - began, 3),
    }
    opened.close()
    if json:
        print_json(said)
        return 0
    console = stdout()
    counts = f"{said['records']:,} records of {said['streams']:,} streams, epoch {said['epoch']}"
    kept = f"snapshots of {len(snapshots)} names, {said['bad_snapshots']} damaged and passed over"
    for line in (f"{said['journal']}: whole", counts, kept, f"digest {said['digest']}"):
        console.print(line, markup=False, soft_wrap=True)
    return 0


def tail_journal(
    journal: Place,
    start: Annotated[
        int | None, typer.Option(min=0, metavar="N", help=f"First offset. Default: the last {SHOWN}.")
    ] = None,
    stream: Stream = None,
    follow: Annotated[bool, typer.Option("--follow", help="Wait for more, until interrupted.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object a record on stdout.")] = False,
) -> int:
    """Show records from an offset on, payloads decoded. Only what is shown is verified, not all that came before."""
    from cluster.journal.rows import READ_BATCH

    opened = _open(journal, verify_from=2**62)
    offset = max(opened.health().size - SHOWN, 0) if start is None else start
    try:
        while True:
            records = opened.read_durable(offset, READ_BATCH)
            for record in records:
                offset = record.offset + 1
                if stream is None or record.stream == stream:
                    _print_record(record, is_json=json)
            if len(records) < READ_BATCH:
                if not follow:
                    return 0
                time.sleep(POLL_S)
    finally:
        opened.close()


def export_journal(
    journal: Place,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The table, .parquet or .jsonl.")],
    stream: Stream = None,
    json: options.Json = False,
) -> int:
    """Write the records as a table, payloads as they are and decoded; of the whole chain only if it verifies."""
    from cluster.cli.places import writable_dir
    from cluster.journal.export import check_suffix, export_records

    check_suffix(out, "--out")
    writable_dir(out.parent, "--out")
    opened = _open(journal)
    with progress_bar("export") as progress:
        records = _moving(_all(opened), opened.health().size, progress)
        chosen = (record for record in records if stream is None or record.stream == stream)
        written = export_records(chosen, out)
    place = opened.place
    opened.close()
    if json:
        print_json({"journal": place, "out": out, "records": written})
    else:
        stdout().print(f"{out}: {written:,} records of {place}", markup=False, soft_wrap=True)
    return 0


def _open(place: str, verify_from: VerifyFrom = 0) -> StoredJournal:
    """Open a journal for reading.

    Raises:
        ConfigError: no journal's form.
        BadInputError: a file that is not there: reading makes none.
    """
    from cluster.journal.open import open_journal

    path = Path(place.removeprefix("sqlite:"))
    if "://" not in place and not path.is_file():
        raise BadInputError(bad_value("JOURNAL", "a journal's file or URL", place))
    return open_journal(place, is_reader=True, verify_from=verify_from)


def _all(journal: StoredJournal) -> Iterator[Record]:
    """Yield the records that there were when it was opened: a writer may be at work."""
    return islice(journal.read(), journal.health().size)


def _moving(records: Iterable[Record], size: int, progress: Progress | None) -> Iterator[Record]:
    for record in records:
        if progress is not None and record.offset % PROGRESS_EVERY == 0:
            progress(record.offset / size, f"{record.offset:,} of {size:,} records")
        yield record


def _print_record(record: Record, *, is_json: bool) -> None:
    from cluster.journal.showing import payload_json, record_json

    if is_json:
        print(record_json(record), flush=True)
        return
    place = f"{record.offset} {record.stream} {record.seq} e{record.epoch} {record.kind}"
    ids = f"at={record.at} causation={record.causation_id or '-'} correlation={record.correlation_id or '-'}"
    print(f"{place} {ids} {payload_json(record.payload)}", flush=True)
