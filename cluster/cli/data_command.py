"""`anabranch data`: what recorded data there is, what is in it, and a table made of it.

Rule of this file: it finds files and prints; what a file means is said by `venues.feeds`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from cluster.cli import options
from cluster.cli.console import print_json, stdout
from cluster.cli.places import chosen_data, recorded_path
from cluster.config import load_config
from router.domain.errors import BadInputError, TapeError, bad_value

if TYPE_CHECKING:
    from venues.feeds.inspection import Inspection

FeedName = Annotated[str | None, typer.Option("--feed", metavar="NAME", help="Default: by folder and file name.")]
Symbol = Annotated[str | None, typer.Option(metavar="SYMBOL", help="Of a file with several; default: the busiest.")]
Recorded = Annotated[str, typer.Argument(metavar="PATH", help="A file or a folder, also of the data directory.")]


def data_app() -> typer.Typer:
    """Return the commands under `data`."""
    app = typer.Typer(help="List, inspect and import recorded market data.", no_args_is_help=True)
    app.command("list")(list_data)
    app.command("inspect")(inspect_data)
    app.command("import")(import_data)
    return app


def list_data(
    data: options.Data = None,
    config: options.Config = None,
    json: options.Json = False,
) -> int:
    """List the feeds that can be read, the files that the data directory has of each, and what is left unread."""
    from cluster.cli.data_tables import print_feeds
    from venues.feeds.catalogue import FEEDS, feed_of, files_in, unread_in

    root = chosen_data(data, load_config(config))
    folders = () if root is None else (root, *sorted(path for path in root.iterdir() if path.is_dir()))
    held: dict[str, list[str]] = {name: [] for name in FEEDS}
    for path in (path for folder in folders for path in files_in(folder)):
        held[feed_of(path) or ""].append(str(path.relative_to(root or path)))
    unread: dict[str, list[str]] = {}
    for path, reason in (found for folder in folders for found in unread_in(folder)):
        unread.setdefault(reason, []).append(str(path.relative_to(root or path)))
    if json:
        print_json(
            {
                "data": root,
                "feeds": [{"name": name, "title": FEEDS[name].title, "files": files} for name, files in held.items()],
                "unread": [{"reason": reason, "files": files} for reason, files in unread.items()],
            }
        )
        return 0
    print_feeds(stdout(), [(name, FEEDS[name].title, files) for name, files in held.items()], unread, root)
    return 0


def inspect_data(
    path: Recorded,
    feed: FeedName = None,
    symbol: Symbol = None,
    data: options.Data = None,
    config: options.Config = None,
    json: options.Json = False,
) -> int:
    """Read recorded files to their end and print what is in them; of a folder also behind a file that is refused.

    Raises:
        TapeError: a file is refused; of a folder the last such error, those before are on stderr.
    """
    from venues.feeds.catalogue import open_feed
    from venues.feeds.inspection import inspect

    found: list[tuple[str, Inspection]] = []
    refused: list[TapeError] = []
    for file in _files(recorded_path(path, chosen_data(data, load_config(config)), "PATH"), feed):
        try:
            found.append((file.name, inspect(open_feed(file, symbol, feed))))
        except TapeError as exc:
            refused.append(exc)
            continue
        if not json:
            from cluster.cli.data_tables import print_inspection

            print_inspection(stdout(), *found[-1])
    if json and found:
        print_json([{"file": name, "inspection": _plain(inspection)} for name, inspection in found])
    for error in refused[:-1]:
        print(f"error: {error}", file=sys.stderr)
    if refused:
        raise refused[-1]
    return 0


def import_data(
    path: Recorded,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The table, .parquet or .arrow.")],
    feed: FeedName = None,
    symbol: Symbol = None,
    data: options.Data = None,
    config: options.Config = None,
    json: options.Json = False,
) -> int:
    """Write one recorded file as a table of events, with what it was made of."""
    from cluster.data_import import import_feed

    files = _files(recorded_path(path, chosen_data(data, load_config(config)), "PATH"), feed)
    if len(files) != 1:
        raise BadInputError(bad_value("PATH", "one recorded file", f"{len(files)} in {path}"))
    said = import_feed(files[0], out, symbol, feed)
    if json:
        print_json({"out": out, "table": _plain(said)})
    else:
        stdout().print(f"{out}: {said.rows:,} rows of {said.info.feed}, {said.info.symbol}", markup=False)
    return 0


def _plain(value: object) -> object:
    """Return a value for JSON with its named tuples as objects: msgspec writes them as bare lists."""
    if isinstance(value, msgspec.Struct):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, tuple):
        names = getattr(value, "_fields", None)
        return [_plain(of) for of in value] if names is None else dict(zip(names, map(_plain, value), strict=True))
    return value


def _files(place: Path, feed: str | None) -> tuple[Path, ...]:
    """Return the recorded files at a place.

    Raises:
        TapeError: a folder without any.
        BadInputError: a feed that is not known.
    """
    from venues.feeds.catalogue import feed_of, feeds, files_in

    if feed is not None and feed not in feeds():
        raise BadInputError(bad_value("--feed", f"one of {', '.join(feeds())}", feed))
    if not place.is_dir():
        return (place,)
    files = tuple(path for path in files_in(place) if feed is None or feed_of(path) == feed)
    if not files:
        raise TapeError(bad_value(place.name, f"a file of {feed or ', '.join(feeds())}", "none"))
    return files
