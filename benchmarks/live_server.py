"""A server in a process of its own: a whole desk behind its door, or a bare aiohttp that answers as many bytes.

    python -m benchmarks.live_server desk CONFIG      a desk of one process, with SQLite in the configuration's folder
    python -m benchmarks.live_server raw BYTES        a bare server: it reads and decodes the body, and answers so many
                                                      bytes that it has ready; on uvloop, as the desk runs
    python -m benchmarks.live_server asyncio BYTES    the same on asyncio's own loop, as aiohttp comes

Rule of this file: it says its port in its first line, answers each line on stdin with one line of JSON about itself,
and ends when stdin ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.clean import ROOT
from router.domain.errors import LinkError

Figures = Callable[[], dict[str, float]]


async def _desk(config: str) -> tuple[int, Figures, Callable[[], Awaitable[None]]]:
    from cluster.api.app import make_app
    from cluster.api.serve import serve
    from cluster.live.embedded import EmbeddedDesk
    from cluster.live.settings import live_settings

    settings = live_settings(Path(config))
    desk = EmbeddedDesk(settings, None, settings.state)
    await desk.start()
    server = await serve(make_app(desk, settings.api), settings.api)

    def figures() -> dict[str, float]:
        picture = desk.market(desk.symbols()[0])
        return {
            "windows": float(picture.windows if picture else 0),
            "lag_s": desk.market_loop.lag_ns / 1e9,
            "waiting": float(desk.desk.group.waiting),
            "flushes": float(desk.desk.group.flushes().number),
            "open": float(sum(1 for _ in desk.desk.intake.book.open())),
        }

    async def stop() -> None:
        await server.stop()
        await desk.stop()

    return server.port, figures, stop


async def _raw(size: str) -> tuple[int, Figures, Callable[[], Awaitable[None]]]:
    import msgspec
    from aiohttp import web

    body = b"x" * int(size)

    async def answer(request: web.Request) -> web.Response:
        data = await request.read()
        (msgspec.json if request.content_type == "application/json" else msgspec.msgpack).decode(data)
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.router.add_post("/v1/route", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port: int = runner.addresses[0][1]
    return port, dict, runner.cleanup


async def main(kind: str, argument: str) -> None:
    """Serve until stdin ends."""
    port, figures, stop = await (_desk if kind == "desk" else _raw)(argument)
    print(json.dumps({"port": port}), flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        used = resource.getrusage(resource.RUSAGE_SELF)
        own = {"rss_mb": _rss_mb(), "cpu_s": used.ru_utime + used.ru_stime}
        print(json.dumps(figures() | own), flush=True)
    await stop()


def _rss_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


class Running:
    """A server that runs. `port` is where it listens."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.port = int(self._line()["port"])

    def figures(self) -> dict[str, float]:
        """Return what it says of itself now."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._line()

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise LinkError("expected the server to run, got its end")
        found: dict[str, Any] = json.loads(line)
        return found


@contextmanager
def server(kind: str, argument: str, core: int | None = None) -> Iterator[Running]:
    """Run a server in a process of its own for as long as the block runs, on one core where that is said.

    Raises:
        LinkError: it does not start.
    """
    line = [sys.executable, "-m", "benchmarks.live_server", kind, argument]
    process = subprocess.Popen(line, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if core is not None and len(os.sched_getaffinity(process.pid)) > 1:
            # Before it has started a thread: they inherit it.
            os.sched_setaffinity(process.pid, {core})
        yield Running(process)
    finally:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        process.stdout.close()
        try:
            process.wait(60.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


if __name__ == "__main__":
    if sys.argv[1] == "asyncio":
        asyncio.run(main(*sys.argv[1:]))
    else:
        from cluster.api.serve import run

        run(lambda: main(*sys.argv[1:]))
